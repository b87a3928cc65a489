//! Stored form: the configuration, the state, and where the audit ends.

use aiops_core::stored::{LoadError, Payload, StoredModel};

use super::Remediation;
use super::audit::{Entry, Head};
use super::config::RemediationConfig;
use super::state::State;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    config: RemediationConfig,
    state: State,
    head: Head,
    entries: Vec<Entry>,
}

impl StoredModel for Remediation {
    const KIND: &'static str = "alert.remediation";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        V1 {
            config: self.config.clone(),
            state: self.state.clone(),
            head: self.head,
            entries: self.entries.clone(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let mut loaded =
            Self::try_from(wire.config).map_err(|error| LoadError::payload(error.to_string()))?;
        (loaded.state, loaded.head, loaded.entries) = (wire.state, wire.head, wire.entries);
        Ok(loaded)
    }
}
