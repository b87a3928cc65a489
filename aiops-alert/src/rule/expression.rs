//! Rules whose condition is an expression over many series, as in Prometheus's rule files.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aiops_core::{Alert, Labels, METRIC_NAME, Timestamp};

use super::instance::{AlertState, Instance, Phase};
use super::set::{ActiveAlert, RESEND};
use super::state::{InstanceState, places};
use super::{ALERT_NAME, RuleError, templates};
use crate::expr::{EvaluationError, ExpressionEngine};
use crate::template::Template;

/// A rule over an expression, as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ExpressionRuleConfig {
    /// Becomes the label `alertname`; not empty.
    pub name: String,
    /// Each series of its result is an alert. Read by an [`ExpressionEngine`].
    pub expression: String,
    /// How long a series must be in the result before the alert fires.
    pub hold: Duration,
    /// How long the alert goes on firing once it is not.
    pub keep_firing_for: Duration,
    /// Most alerts, pending ones included; beyond it there is none, and a fault. 0 is no limit.
    pub limit: usize,
    /// How far before now the expression is evaluated, for samples that come late.
    pub query_offset: Duration,
    /// Further labels of the alert, as templates.
    pub labels: BTreeMap<String, String>,
    /// Text for people, as templates.
    pub annotations: BTreeMap<String, String>,
}

impl ExpressionRuleConfig {
    /// A rule that fires as soon as the expression has a result.
    pub fn new(name: impl Into<String>, expression: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            expression: expression.into(),
            ..Self::default()
        }
    }
}

/// A checked rule over an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpressionRule {
    config: ExpressionRuleConfig,
    labels: Vec<(String, Template)>,
    annotations: Vec<(String, Template)>,
}

impl TryFrom<ExpressionRuleConfig> for ExpressionRule {
    type Error = RuleError;

    fn try_from(config: ExpressionRuleConfig) -> Result<Self, RuleError> {
        if config.name.is_empty() {
            return Err(RuleError::Param {
                rule: config.name,
                source: aiops_core::ParamError::new("name", "not empty", "\"\""),
            });
        }
        Ok(Self {
            labels: templates(&config.name, &config.labels)?,
            annotations: templates(&config.name, &config.annotations)?,
            config,
        })
    }
}

impl ExpressionRule {
    /// As it is written down.
    pub fn config(&self) -> &ExpressionRuleConfig {
        &self.config
    }

    fn identity(&self, series: &Labels, value: f64) -> Labels {
        let mut labels = series.without(&[METRIC_NAME]);
        for (name, template) in &self.labels {
            labels = labels.with(name, &template.render(series, value));
        }
        labels.with(ALERT_NAME, &self.config.name)
    }

    fn annotations(&self, series: &Labels, value: f64) -> BTreeMap<String, String> {
        let texts = self.annotations.iter();
        texts
            .map(|(name, template)| (name.clone(), template.render(series, value)))
            .collect()
    }
}

/// Why a rule had no result at an evaluation; its alerts stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionFault {
    /// Name of the rule.
    pub rule: String,
    /// Why.
    pub error: EvaluationError,
}

/// Rules over expressions, evaluated together; one group of a rule file.
///
/// # Degenerate cases
///
/// | at an evaluation | result |
/// |---|---|
/// | the expression cannot be evaluated | a fault; the alerts stay as they are |
/// | two series of the result become the same label set | a fault; the alerts stay as they are |
/// | more alerts than the limit | a fault; the rule has no alert |
/// | time that goes back | counts as the latest time |
/// | restart within an hour | goes on; a rule that holds for 10 minutes or more waits 10 minutes at least |
/// | restart after more than an hour | pending alerts begin anew, firing ones go on |
#[derive(Clone, Debug)]
pub struct ExpressionRules {
    rules: Vec<ExpressionRule>,
    /// By rule and identity.
    instances: Vec<BTreeMap<Labels, Instance>>,
    faults: Vec<ExpressionFault>,
    clock: Timestamp,
    /// The last evaluation of the state that was restored.
    restored_at: Option<Timestamp>,
}

impl ExpressionRules {
    /// Rules that have not been evaluated yet.
    pub fn new(rules: impl IntoIterator<Item = ExpressionRule>) -> Self {
        let rules: Vec<_> = rules.into_iter().collect();
        Self {
            instances: vec![BTreeMap::new(); rules.len()],
            rules,
            faults: Vec::new(),
            clock: Timestamp::MIN,
            restored_at: None,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[ExpressionRule] {
        &self.rules
    }

    /// Evaluates all rules at `now`; answers the alerts that are news or due again.
    pub fn evaluate(&mut self, now: Timestamp, engine: &dyn ExpressionEngine) -> Vec<Alert> {
        let now = now.max(self.clock);
        self.step_all(now, |rule| {
            let at = now.saturating_sub(rule.query_offset);
            engine.evaluate(&rule.expression, at)
        })
    }

    /// The same for results of any origin, asked for in order of the rules.
    pub(super) fn step_all(
        &mut self,
        now: Timestamp,
        mut result_of: impl FnMut(&ExpressionRuleConfig) -> Result<Vec<(Labels, f64)>, EvaluationError>,
    ) -> Vec<Alert> {
        let now = now.max(self.clock);
        self.clock = now;
        self.faults.clear();
        if let Some(stopped) = self.restored_at.take() {
            for (rule, instances) in self.rules.iter().zip(&mut self.instances) {
                for one in instances.values_mut() {
                    one.phase = one.phase.after_restart(stopped, now, rule.config.hold);
                }
            }
        }
        let mut alerts = Vec::new();
        for (rule, instances) in self.rules.iter().zip(&mut self.instances) {
            let result = result_of(&rule.config).and_then(|result| holding(rule, result));
            let fault = match result {
                Ok(result) => step(rule, instances, result, now).err(),
                Err(error) => Some(error),
            };
            self.faults.extend(fault.map(|error| ExpressionFault {
                rule: rule.config.name.clone(),
                error,
            }));
            for one in instances.values_mut() {
                let told = |series: &Labels, value| rule.annotations(series, value);
                alerts.extend(one.send(now, RESEND, told));
            }
        }
        alerts
    }

    /// Rules that had no result at the last evaluation.
    pub fn faults(&self) -> &[ExpressionFault] {
        &self.faults
    }

    /// Alerts that are pending, firing or resolved, in order of rules and labels.
    pub fn active(&self) -> Vec<ActiveAlert> {
        let instances = self.instances.iter().flat_map(BTreeMap::values);
        let active = instances.filter_map(|one| {
            Some(ActiveAlert {
                labels: one.identity.clone(),
                state: one.state(),
                since: one.began()?,
                value: one.value,
            })
        });
        active.collect()
    }

    /// Goes on where `earlier` stands, for a restart or another configuration: a rule is the same
    /// when its name is, and it is the same one in order among those of that name.
    pub fn adopt(&mut self, earlier: &Self) {
        self.apply(earlier.state());
    }

    /// Names of the rules, the last evaluation, and the alerts with the number of their rule.
    pub(super) fn state(&self) -> (Vec<String>, Timestamp, Vec<InstanceState>) {
        let names = self.rules.iter().map(|rule| rule.config.name.clone());
        let numbered = self.instances.iter().enumerate();
        let instances = numbered.flat_map(|(number, instances)| {
            let number = number as u32;
            instances
                .values()
                .map(move |one| one.state_as(number, false))
        });
        (names.collect(), self.clock, instances.collect())
    }

    pub(super) fn apply(
        &mut self,
        (names, clock, instances): (Vec<String>, Timestamp, Vec<InstanceState>),
    ) {
        let earlier = names.iter().map(String::as_str);
        let later = self.rules.iter().map(|rule| rule.config.name.as_str());
        let places = places(earlier, later);
        for state in instances {
            let place = places.get(state.rule as usize).copied().flatten();
            if let Some(known) = place.and_then(|place| self.instances.get_mut(place as usize)) {
                let mut one = Instance::new(0, state.identity.clone(), state.series.clone());
                one.restore(state);
                known.insert(one.identity.clone(), one);
            }
        }
        self.clock = self.clock.max(clock);
        self.restored_at = (clock > Timestamp::MIN).then_some(clock);
    }
}

type Holding = Vec<(Labels, Labels, f64)>;

/// Identity, series and value of each alert that holds.
fn holding(rule: &ExpressionRule, result: Vec<(Labels, f64)>) -> Result<Holding, EvaluationError> {
    let mut seen = HashSet::new();
    let mut found = Holding::with_capacity(result.len());
    for (series, value) in result {
        let identity = rule.identity(&series, value);
        if !seen.insert(identity.clone()) {
            return Err(EvaluationError::Duplicate {
                labels: identity.to_string(),
            });
        }
        found.push((identity, series, value));
    }
    Ok(found)
}

fn step(
    rule: &ExpressionRule,
    instances: &mut BTreeMap<Labels, Instance>,
    result: Holding,
    now: Timestamp,
) -> Result<(), EvaluationError> {
    for one in instances.values_mut() {
        one.holding = 0;
    }
    for (identity, series, value) in result {
        let one = instances
            .entry(identity.clone())
            .or_insert_with(|| Instance::new(0, identity, series.clone()));
        (one.holding, one.series, one.value) = (1, series, value);
    }
    let config = &rule.config;
    for one in instances.values_mut() {
        one.advance(now, config.hold, config.keep_firing_for);
    }
    let counted = |one: &&Instance| matches!(one.state(), AlertState::Pending | AlertState::Firing);
    let found = instances.values().filter(counted).count();
    if config.limit > 0 && found > config.limit {
        for one in instances.values_mut() {
            one.phase = Phase::Inactive;
        }
        let text = format!("{found} alerts, at most {} are wanted", config.limit);
        return Err(EvaluationError::Other(text));
    }
    instances.retain(|_, one| !one.is_idle());
    Ok(())
}
