//! Recording rules: expressions whose results become series.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aiops_core::{Labels, METRIC_NAME, ParamError, Sample, Timestamp};

use super::RuleError;
use crate::expr::{EvaluationError, ExpressionEngine};

/// A recording rule, as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RecordingRuleConfig {
    /// Name of the metric; as Prometheus permits it, such as `job:errors:rate5m`.
    pub name: String,
    /// Read by an [`ExpressionEngine`].
    pub expression: String,
    /// Further labels, as they are; an empty text takes a label away.
    pub labels: BTreeMap<String, String>,
    /// Most series; beyond it there is none, and an error. 0 is no limit.
    pub limit: usize,
    /// How far before now the expression is evaluated, and its result lies.
    pub query_offset: Duration,
}

/// A checked recording rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRule {
    config: RecordingRuleConfig,
}

impl TryFrom<RecordingRuleConfig> for RecordingRule {
    type Error = RuleError;

    fn try_from(config: RecordingRuleConfig) -> Result<Self, RuleError> {
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
        let mut chars = config.name.chars();
        let named =
            chars.next().is_some_and(letter) && chars.all(|c| letter(c) || c.is_ascii_digit());
        let label = |name: &&String| name.is_empty() || *name == METRIC_NAME;
        let source = if !named {
            ParamError::new("name", "the name of a metric", &config.name)
        } else if let Some(name) = config.labels.keys().find(label) {
            ParamError::new("labels", "names other than `__name__`, not empty", name)
        } else {
            return Ok(Self { config });
        };
        let rule = config.name;
        Err(RuleError::Param { rule, source })
    }
}

impl RecordingRule {
    /// As it is written down.
    pub fn config(&self) -> &RecordingRuleConfig {
        &self.config
    }

    /// The series to store at `now`, in the order of the result. Those that are no longer in it end:
    /// it is for the caller to write a staleness marker.
    ///
    /// # Errors
    ///
    /// [`EvaluationError`] when the expression has no value, when two series of the result become
    /// the same one, and when there are more than the limit.
    pub fn evaluate(
        &self,
        now: Timestamp,
        engine: &dyn ExpressionEngine,
    ) -> Result<Vec<(Labels, Sample)>, EvaluationError> {
        let at = now.saturating_sub(self.config.query_offset);
        let result = engine.evaluate(&self.config.expression, at)?;
        let limit = self.config.limit;
        if limit > 0 && result.len() > limit {
            let text = format!("{} series, at most {limit} are wanted", result.len());
            return Err(EvaluationError::Other(text));
        }
        let mut seen = HashSet::new();
        let mut found = Vec::with_capacity(result.len());
        for (labels, value) in result {
            let mut labels = labels.with(METRIC_NAME, &self.config.name);
            for (name, text) in &self.config.labels {
                labels = labels.with(name, text);
            }
            if !seen.insert(labels.clone()) {
                let labels = labels.to_string();
                return Err(EvaluationError::Duplicate { labels });
            }
            found.push((labels, Sample::new(at, value)));
        }
        Ok(found)
    }
}
