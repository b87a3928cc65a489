//! Stored form: the rules as they are written down, and the states of their alerts.

use aiops_core::Timestamp;
use aiops_core::stored::{LoadError, Payload, StoredModel};

use super::state::{InstanceState, SeriesState, State};
use super::{ExpressionRule, ExpressionRuleConfig, ExpressionRules, Rule, RuleConfig, RuleSet};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    rules: Vec<RuleConfig>,
    last_tick: Timestamp,
    series: Vec<SeriesState>,
    instances: Vec<InstanceState>,
}

impl StoredModel for RuleSet {
    const KIND: &'static str = "alert.rule-set";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let state = self.state();
        V1 {
            rules: self.rules.iter().map(|rule| rule.config.clone()).collect(),
            last_tick: state.last_tick,
            series: state.series,
            instances: state.instances,
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let rules = wire.rules.into_iter().map(Rule::try_from);
        let rules: Vec<Rule> = rules
            .collect::<Result<_, _>>()
            .map_err(|error| LoadError::payload(error.to_string()))?;
        let mut set = Self::new(rules.iter().cloned());
        set.apply(State {
            rules,
            last_tick: wire.last_tick,
            series: wire.series,
            instances: wire.instances,
        });
        Ok(set)
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpressionsV1 {
    rules: Vec<ExpressionRuleConfig>,
    clock: Timestamp,
    instances: Vec<InstanceState>,
}

impl StoredModel for ExpressionRules {
    const KIND: &'static str = "alert.expression-rules";
    const FORMAT: u32 = 1;
    type Wire = ExpressionsV1;

    fn to_wire(&self) -> ExpressionsV1 {
        let (_, clock, instances) = self.state();
        let rules = self.rules().iter().map(|rule| rule.config().clone());
        ExpressionsV1 {
            rules: rules.collect(),
            clock,
            instances,
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: ExpressionsV1 = payload.read()?;
        let rules = wire.rules.into_iter().map(ExpressionRule::try_from);
        let rules: Vec<ExpressionRule> = rules
            .collect::<Result<_, _>>()
            .map_err(|error| LoadError::payload(error.to_string()))?;
        let mut set = Self::new(rules);
        let names = set.rules().iter().map(|rule| rule.config().name.clone());
        set.apply((names.collect(), wire.clock, wire.instances));
        Ok(set)
    }
}
