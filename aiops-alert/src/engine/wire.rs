//! Stored form: the configuration, and the state.

use aiops_core::stored::{LoadError, Payload, StoredModel};

use super::state::State;
use super::{AlertEngine, EngineConfig};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    config: EngineConfig,
    state: State,
}

impl StoredModel for AlertEngine {
    const KIND: &'static str = "alert.engine";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        V1 {
            config: self.config.clone(),
            state: self.state(),
        }
    }

    fn from_wire(format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let mut engine = paused(format, payload)?;
        engine.resume();
        Ok(engine)
    }
}

/// As it was stored: what was on its way is not tried again yet.
pub(super) fn paused(_format: u32, payload: Payload<'_>) -> Result<AlertEngine, LoadError> {
    let V1 { config, state } = payload.read()?;
    let mut engine =
        AlertEngine::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
    engine.apply(state);
    Ok(engine)
}
