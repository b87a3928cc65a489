//! Rules over signals of any kind: values, verdicts, forecasts, events; and combinations of them.

mod burn;
mod condition;
mod memory;
#[cfg(feature = "serde")]
mod wire;

use std::collections::HashSet;

use aiops_core::{Alert, Labels, Sample, Timestamp, Verdict};

pub use burn::BurnWindow;
pub use condition::{Crossing, SignalCondition};

use super::expression::{ExpressionFault, ExpressionRule, ExpressionRuleConfig, ExpressionRules};
use super::{ActiveAlert, RuleError};
use memory::{Dropped, Leaf, Word};

/// A rule over signals, as it is written down.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct SignalRuleConfig {
    /// When it holds.
    pub condition: SignalCondition,
    /// Name, times, limit and texts, as for an expression; its `expression` is not used.
    pub rule: ExpressionRuleConfig,
}

impl SignalRuleConfig {
    /// A rule that fires as soon as its condition holds.
    pub fn new(name: impl Into<String>, condition: SignalCondition) -> Self {
        Self {
            condition,
            rule: ExpressionRuleConfig::new(name, ""),
        }
    }
}

/// A checked rule over signals.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRule {
    config: SignalRuleConfig,
    rule: ExpressionRule,
}

impl TryFrom<SignalRuleConfig> for SignalRule {
    type Error = RuleError;

    fn try_from(config: SignalRuleConfig) -> Result<Self, RuleError> {
        let checked = config.condition.check();
        checked.map_err(|source| RuleError::Param {
            rule: config.rule.name.clone(),
            source,
        })?;
        Ok(Self {
            rule: ExpressionRule::try_from(config.rule.clone())?,
            config,
        })
    }
}

impl SignalRule {
    /// As it is written down.
    pub fn config(&self) -> &SignalRuleConfig {
        &self.config
    }
}

/// What was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct SignalStats {
    /// Not later than what a leaf knew before.
    pub late: u64,
    /// Of series beyond the hundred thousandth of a leaf.
    pub too_many: u64,
}

/// Rules over signals of any kind, with the states of Prometheus.
///
/// For the many series of a system with a limit each, [`RuleSet`](super::RuleSet) is faster: here a
/// sample is matched against every leaf of every rule. A leaf holds up to 100,000 series.
///
/// # Examples
///
/// A disk that will be full within three hours, unless its host is being moved away from:
///
/// ```
/// use aiops_alert::rule::{Crossing, SignalCondition, SignalRule, SignalRuleConfig, SignalRules};
/// use aiops_core::{Labels, Sample, Selector, Timestamp};
/// use std::time::Duration;
///
/// let hours = |count: u64| Duration::from_hours(count);
/// let full = SignalCondition::Crosses {
///     selector: Selector::metric("disk_used_bytes"),
///     within: hours(3),
///     min_probability: 0.8,
///     max_age: hours(1),
/// };
/// let moving = SignalCondition::Above { selector: Selector::metric("draining"), limit: 0.0, resolve: None };
/// let condition = SignalCondition::Unless { first: full.into(), not: moving.into(), on: vec!["host".into()] };
/// let rule = SignalRule::try_from(SignalRuleConfig::new("FullSoon", condition))?;
/// let mut rules = SignalRules::new([rule]);
///
/// let now = Timestamp::EPOCH;
/// let disk = Labels::of([("__name__", "disk_used_bytes"), ("host", "db-1"), ("disk", "sda")])?;
/// rules.observe_crossing(&disk, Crossing::new(now, vec![(hours(2), 0.7), (hours(3), 0.9)])?);
/// assert_eq!(rules.evaluate(now).len(), 1);
/// let draining = Labels::of([("__name__", "draining"), ("host", "db-1")])?;
/// rules.observe_sample(&draining, Sample::new(now, 1.0));
/// assert!(rules.evaluate(now).iter().all(|alert| alert.ends_at == Some(now)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Degenerate cases
///
/// | at an evaluation | result |
/// |---|---|
/// | a missing value (`NaN`), verdict `Missing` | as it was |
/// | staleness marker; 5 minutes without a word | values, verdicts and changes no longer hold |
/// | a window of change covered to less than half | does not hold |
/// | events: less history than the window | what there is counts, if it is `min_events` at least |
/// | events: a short window without a word | as it was: silence is not freedom from errors |
/// | events: a word about no events | known: no errors |
/// | a word not later than one before it (events apart) | not taken, counted |
/// | two series become the same label set, more than the limit | a fault, as for an expression |
#[derive(Clone, Debug)]
pub struct SignalRules {
    rules: Vec<SignalRule>,
    leaves: Vec<Vec<Leaf>>,
    states: ExpressionRules,
    stats: SignalStats,
}

impl SignalRules {
    /// Rules that have heard nothing yet.
    pub fn new(rules: impl IntoIterator<Item = SignalRule>) -> Self {
        let rules: Vec<SignalRule> = rules.into_iter().collect();
        let leaves = rules.iter().map(|rule| {
            let leaves = rule.config.condition.leaves().into_iter();
            leaves.cloned().map(Leaf::new).collect()
        });
        Self {
            leaves: leaves.collect(),
            states: ExpressionRules::new(rules.iter().map(|rule| rule.rule.clone())),
            rules,
            stats: SignalStats::default(),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[SignalRule] {
        &self.rules
    }

    /// Takes in a sample of a series.
    pub fn observe_sample(&mut self, labels: &Labels, sample: Sample) {
        self.hear(labels, &Word::Sample(sample));
    }

    /// Takes in what a monitor says about a sample of a series.
    pub fn observe_verdict(&mut self, labels: &Labels, verdict: &Verdict) {
        self.hear(labels, &Word::Verdict(verdict));
    }

    /// Takes in when a series is expected to reach its limit.
    pub fn observe_crossing(&mut self, labels: &Labels, crossing: Crossing) {
        self.hear(labels, &Word::Crossing(crossing));
    }

    /// Takes in how many events of a service were good and bad since the last word about it.
    pub fn observe_events(&mut self, labels: &Labels, at: Timestamp, good: u64, bad: u64) {
        self.hear(labels, &Word::Events { at, good, bad });
    }

    fn hear(&mut self, labels: &Labels, word: &Word<'_>) {
        for leaf in self.leaves.iter_mut().flatten() {
            match leaf.hear(labels, word) {
                Ok(()) => {}
                Err(Dropped::Late) => self.stats.late += 1,
                Err(Dropped::TooMany) => self.stats.too_many += 1,
            }
        }
    }

    /// Evaluates all rules at `now`; answers the alerts that are news or due again.
    pub fn evaluate(&mut self, now: Timestamp) -> Vec<Alert> {
        let results = self
            .rules
            .iter()
            .zip(&mut self.leaves)
            .map(|(rule, leaves)| {
                let mut holding = leaves.iter_mut().map(|leaf| leaf.holding(now));
                combine(&rule.config.condition, &mut holding)
            });
        let mut results = results.collect::<Vec<_>>().into_iter();
        let next = |_: &ExpressionRuleConfig| Ok(results.next().unwrap_or_default());
        self.states.step_all(now, next)
    }

    /// Rules that had no result at the last evaluation.
    pub fn faults(&self) -> &[ExpressionFault] {
        self.states.faults()
    }

    /// Alerts that are pending, firing or resolved, in order of rules and labels.
    pub fn active(&self) -> Vec<ActiveAlert> {
        self.states.active()
    }

    /// What was not taken.
    pub fn stats(&self) -> SignalStats {
        self.stats
    }

    /// Goes on where `earlier` stands: alerts for rules of the same name, and what was heard for
    /// those whose condition is the same.
    pub fn adopt(&mut self, earlier: &Self) {
        self.states.adopt(&earlier.states);
        for (rule, leaves) in self.rules.iter().zip(&mut self.leaves) {
            let mut others = earlier.rules.iter().zip(&earlier.leaves);
            let same = others.find(|(other, _)| {
                other.config.rule.name == rule.config.rule.name
                    && other.config.condition == rule.config.condition
            });
            if let Some((_, known)) = same {
                leaves.clone_from(known);
            }
        }
    }
}

type Holding = Vec<(Labels, f64)>;

/// What holds, from what holds in the leaves, which come in order.
fn combine(condition: &SignalCondition, leaves: &mut dyn Iterator<Item = Holding>) -> Holding {
    match condition {
        SignalCondition::All { of, on } => {
            let mut parts: Vec<Holding> = of.iter().map(|one| combine(one, leaves)).collect();
            let others = parts.split_off(1);
            let mut first = parts.pop().unwrap_or_default();
            for other in others {
                let there = keys(&other, on);
                first.retain(|(labels, _)| there.contains(&key(labels, on)));
            }
            first
        }
        SignalCondition::Any { of, on } => {
            let mut all = Holding::new();
            for one in of {
                let there = keys(&all, on);
                let more = combine(one, leaves).into_iter();
                all.extend(more.filter(|(labels, _)| !there.contains(&key(labels, on))));
            }
            all
        }
        SignalCondition::Unless { first, not, on } => {
            let mut holding = combine(first, leaves);
            let there = keys(&combine(not, leaves), on);
            holding.retain(|(labels, _)| !there.contains(&key(labels, on)));
            holding
        }
        _ => leaves.next().unwrap_or_default(),
    }
}

fn key(labels: &Labels, on: &[String]) -> Labels {
    if on.is_empty() {
        labels.clone()
    } else {
        labels.only(on)
    }
}

fn keys(holding: &Holding, on: &[String]) -> HashSet<Labels> {
    holding.iter().map(|(labels, _)| key(labels, on)).collect()
}
