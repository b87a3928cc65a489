//! Rules: from samples and verdicts to alerts, with the states of Prometheus.
//!
//! ```
//! use aiops_alert::rule::{Condition, Rule, RuleConfig, RuleSet};
//! use aiops_core::{Labels, Sample, Selector, Timestamp};
//! use std::time::Duration;
//!
//! let mut config = RuleConfig::new(
//!     "DiskAlmostFull",
//!     Selector::metric("disk_used_percent"),
//!     Condition::Above { limit: 95.0, resolve: Some(93.0) },
//! );
//! config.hold = Duration::from_mins(1);
//! config.annotations.insert("summary".into(), "{{ $labels.host }} is {{ $value }} % full".into());
//! let mut rules = RuleSet::new([Rule::try_from(config)?]);
//!
//! let disk = Labels::of([("__name__", "disk_used_percent"), ("host", "web-1")])?;
//! let mut alerts = Vec::new();
//! for second in (0..=60).step_by(10) {
//!     let now = Timestamp::from_secs(second).unwrap();
//!     rules.observe_sample(&disk, Sample::new(now, 97.0));
//!     alerts.extend(rules.tick(now));
//! }
//! assert_eq!(alerts.len(), 1);
//! assert_eq!(alerts[0].annotations["summary"], "web-1 is 97 % full");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which rules?
//!
//! | rules | look at | cost of a sample |
//! |---|---|---|
//! | [`RuleSet`] | one value, verdict or absence of many series | one look-up |
//! | [`SignalRules`] | the same, change, forecasts, error budgets, and combinations | a match for each part of each rule |
//! | [`ExpressionRules`] | expressions over stored samples | nothing; an evaluation at times |
//!
//! # States
//!
//! | state | begins when | ends when |
//! |---|---|---|
//! | inactive | | the condition holds |
//! | pending | the condition holds and `hold` is not 0 | the condition has held for `hold`: firing; it fails once: inactive |
//! | firing | | the condition has failed for `keep_firing_for`: resolved |
//! | resolved | | 15 minutes later, or the condition holds again: a new alert |
//!
//! The condition is looked at with every sample, the clock with every [`tick`](RuleSet::tick).
//! A firing alert is sent again every minute; its end is set to four minutes from then, so that it
//! ends by itself if nobody is left to send it. A resolved one is sent again for 15 minutes.

mod expression;
mod instance;
mod recording;
mod series;
mod set;
mod signal;
mod state;
#[cfg(feature = "serde")]
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::{Labels, METRIC_NAME, ParamError, Selector};
use thiserror::Error;

pub use expression::{ExpressionFault, ExpressionRule, ExpressionRuleConfig, ExpressionRules};
pub use instance::AlertState;
pub use recording::{RecordingRule, RecordingRuleConfig};
pub use set::{ActiveAlert, RuleFault, RuleSet, RuleStats};
pub use signal::{
    BurnWindow, Crossing, SignalCondition, SignalRule, SignalRuleConfig, SignalRules, SignalStats,
};

use crate::template::{Template, TemplateError};

/// The label that holds the name of an alert.
pub const ALERT_NAME: &str = "alertname";

/// When a rule holds for a series.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum Condition {
    /// While the value is above `limit`.
    Above {
        /// In the unit of the series; finite.
        limit: f64,
        /// Once it holds, it ends only when the value is at or below this one; at most `limit`.
        resolve: Option<f64>,
    },
    /// While the value is below `limit`.
    Below {
        /// In the unit of the series; finite.
        limit: f64,
        /// Once it holds, it ends only when the value is at or above this one; at least `limit`.
        resolve: Option<f64>,
    },
    /// While verdicts call the series anomalous with at least this score.
    Anomalous {
        /// On the scale of the detector; finite.
        min_score: f64,
    },
    /// Once the series has had no sample for this long. A selector that no series has ever passed
    /// for this long gives one alert with the labels that the selector demands to be equal.
    Absent {
        /// Longer than the time between samples.
        after: Duration,
    },
}

/// A rule as it is written down.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct RuleConfig {
    /// Becomes the label `alertname`; not empty.
    pub name: String,
    /// Which series.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "match", with = "crate::text::selector")
    )]
    pub selector: Selector,
    /// When it holds.
    pub condition: Condition,
    /// How long the condition must hold before the alert fires. Prometheus's `for`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub hold: Duration,
    /// How long the alert goes on firing once the condition holds no more.
    #[cfg_attr(feature = "serde", serde(default))]
    pub keep_firing_for: Duration,
    /// Most alerts of this rule, pending ones included; beyond it the rule gives none at all, and
    /// [`RuleSet::faults`] says so. 0 is no limit.
    #[cfg_attr(feature = "serde", serde(default))]
    pub limit: usize,
    /// Further labels of the alert, as [templates](Template); they replace those of the series,
    /// and an empty text takes a label away.
    #[cfg_attr(feature = "serde", serde(default))]
    pub labels: BTreeMap<String, String>,
    /// Text for people, as [templates](Template).
    #[cfg_attr(feature = "serde", serde(default))]
    pub annotations: BTreeMap<String, String>,
}

impl RuleConfig {
    /// A rule that fires as soon as its condition holds.
    pub fn new(name: impl Into<String>, selector: Selector, condition: Condition) -> Self {
        Self {
            name: name.into(),
            selector,
            condition,
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            limit: 0,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// A rule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A parameter is out of its range.
    #[error("rule `{rule}`")]
    Param {
        /// Its name.
        rule: String,
        /// Which parameter.
        source: ParamError,
    },
    /// A label depends on the value, so that the alert would be another one with every sample.
    #[error("rule `{rule}`: label `{key}` must not depend on the value")]
    UnstableLabel {
        /// Its name.
        rule: String,
        /// Name of the label.
        key: String,
    },
    /// A label or an annotation is no template.
    #[error("rule `{rule}`, `{key}`")]
    Template {
        /// Its name.
        rule: String,
        /// Name of the label or annotation.
        key: String,
        /// Where and why.
        source: TemplateError,
    },
}

/// A checked rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    config: RuleConfig,
    labels: Vec<(String, Template)>,
    annotations: Vec<(String, Template)>,
}

impl TryFrom<RuleConfig> for Rule {
    type Error = RuleError;

    fn try_from(config: RuleConfig) -> Result<Self, RuleError> {
        check(&config).map_err(|source| RuleError::Param {
            rule: config.name.clone(),
            source,
        })?;
        let labels = templates(&config.name, &config.labels)?;
        if let Some((key, _)) = labels.iter().find(|(_, label)| label.uses_value()) {
            return Err(RuleError::UnstableLabel {
                rule: config.name,
                key: key.clone(),
            });
        }
        Ok(Self {
            labels,
            annotations: templates(&config.name, &config.annotations)?,
            config,
        })
    }
}

fn check(config: &RuleConfig) -> Result<(), ParamError> {
    if config.name.is_empty() {
        return Err(ParamError::new("name", "not empty", "\"\""));
    }
    for name in config.labels.keys() {
        if name.is_empty() || name == METRIC_NAME || name == ALERT_NAME {
            let expected = "names other than `__name__` and `alertname`, not empty";
            return Err(ParamError::new("labels", expected, name));
        }
    }
    match config.condition {
        Condition::Above { limit, resolve } => {
            check_limit(limit)?;
            check_resolve(resolve, "at most the limit", |level| level <= limit)
        }
        Condition::Below { limit, resolve } => {
            check_limit(limit)?;
            check_resolve(resolve, "at least the limit", |level| level >= limit)
        }
        Condition::Anomalous { min_score } if !min_score.is_finite() => {
            Err(ParamError::new("min_score", "finite", min_score))
        }
        Condition::Absent { after } if after.is_zero() => {
            Err(ParamError::new("after", "greater than 0", "0"))
        }
        Condition::Anomalous { .. } | Condition::Absent { .. } => Ok(()),
    }
}

fn check_limit(limit: f64) -> Result<(), ParamError> {
    if limit.is_finite() {
        Ok(())
    } else {
        Err(ParamError::new("limit", "finite", limit))
    }
}

fn check_resolve(
    resolve: Option<f64>,
    expected: &'static str,
    fits: impl Fn(f64) -> bool,
) -> Result<(), ParamError> {
    match resolve {
        Some(level) if !level.is_finite() || !fits(level) => {
            Err(ParamError::new("resolve", expected, level))
        }
        _ => Ok(()),
    }
}

fn templates(
    rule: &str,
    texts: &BTreeMap<String, String>,
) -> Result<Vec<(String, Template)>, RuleError> {
    let parse = |(key, text): (&String, &String)| match text.parse() {
        Ok(template) => Ok((key.clone(), template)),
        Err(source) => Err(RuleError::Template {
            rule: rule.to_owned(),
            key: key.clone(),
            source,
        }),
    };
    texts.iter().map(parse).collect()
}

impl Rule {
    /// As it is written down.
    pub fn config(&self) -> &RuleConfig {
        &self.config
    }

    /// The identity of the alert about a series: its labels without the metric's name, with those
    /// of the rule in their place, and `alertname`.
    pub fn identity(&self, series: &Labels) -> Labels {
        let mut labels = series.without(&[METRIC_NAME]);
        for (name, template) in &self.labels {
            labels = labels.with(name, &template.render(series, f64::NAN));
        }
        labels.with(ALERT_NAME, &self.config.name)
    }

    fn annotations(&self, series: &Labels, value: f64) -> BTreeMap<String, String> {
        self.annotations
            .iter()
            .map(|(name, template)| (name.clone(), template.render(series, value)))
            .collect()
    }

    /// Whether the condition holds at `value`, when it held before or not. `None` leaves it as it
    /// was: the value is missing.
    fn holds(&self, value: f64, before: bool) -> Option<bool> {
        if value.is_nan() {
            return None;
        }
        match self.config.condition {
            Condition::Above { limit, resolve } => {
                Some(value > limit || (before && resolve.is_some_and(|level| value > level)))
            }
            Condition::Below { limit, resolve } => {
                Some(value < limit || (before && resolve.is_some_and(|level| value < level)))
            }
            Condition::Anomalous { .. } | Condition::Absent { .. } => None,
        }
    }
}
