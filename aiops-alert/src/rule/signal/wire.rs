//! Stored form: the rules, what their leaves have heard, and the states of their alerts.

use aiops_core::stored::{LoadError, Payload, StoredModel};
use aiops_core::{Labels, Timestamp};

use super::super::state::InstanceState;
use super::memory::Memory;
use super::{SignalRule, SignalRuleConfig, SignalRules, SignalStats};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    rules: Vec<SignalRuleConfig>,
    /// Of each rule, of each leaf.
    heard: Vec<Vec<Vec<(Labels, Memory)>>>,
    clock: Timestamp,
    instances: Vec<InstanceState>,
    stats: SignalStats,
}

impl StoredModel for SignalRules {
    const KIND: &'static str = "alert.signal-rules";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let (_, clock, instances) = self.states.state();
        let heard = self.leaves.iter().map(|leaves| {
            let series = leaves
                .iter()
                .map(|leaf| leaf.series.clone().into_iter().collect());
            series.collect()
        });
        V1 {
            rules: self.rules.iter().map(|rule| rule.config.clone()).collect(),
            heard: heard.collect(),
            clock,
            instances,
            stats: self.stats,
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let rules = wire.rules.into_iter().map(SignalRule::try_from);
        let rules: Vec<SignalRule> = rules
            .collect::<Result<_, _>>()
            .map_err(|error| LoadError::payload(error.to_string()))?;
        let mut loaded = Self::new(rules);
        let names = loaded
            .rules
            .iter()
            .map(|rule| rule.config.rule.name.clone());
        let names = names.collect();
        loaded.states.apply((names, wire.clock, wire.instances));
        for (leaves, heard) in loaded.leaves.iter_mut().zip(wire.heard) {
            for (leaf, series) in leaves.iter_mut().zip(heard) {
                leaf.series = series.into_iter().collect();
            }
        }
        loaded.stats = wire.stats;
        Ok(loaded)
    }
}
