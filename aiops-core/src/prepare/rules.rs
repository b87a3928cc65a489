//! Which series are kept, and what their labels become.

use std::collections::{BTreeMap, HashMap};

use regex_lite::{Regex, RegexBuilder};

use crate::ingest::Batch;
use crate::{Labels, METRIC_NAME, ParamError};

/// What a rule does: the names and meanings of Prometheus's `relabel_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum RuleAction {
    /// Where the expression matches the source, the target label becomes the replacement.
    Replace,
    /// Series whose source does not match are left out.
    Keep,
    /// Series whose source matches are left out.
    Drop,
    /// Labels whose names match go on under the replacement as well.
    LabelMap,
    /// Labels whose names match are taken away.
    LabelDrop,
    /// Labels whose names do not match are taken away.
    LabelKeep,
    /// The target label becomes the source in lower case.
    Lowercase,
    /// The target label becomes the source in upper case.
    Uppercase,
}

/// A rule as it is written down: the fields of Prometheus's `relabel_config`, with its defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RuleConfig {
    /// Labels whose values, with the separator between them, are the source.
    pub source_labels: Vec<String>,
    /// Between the values.
    pub separator: String,
    /// What the whole source, or the whole name of a label, is matched against.
    pub regex: String,
    /// Label that is set.
    pub target_label: String,
    /// What it is set to: `$1`, `${1}` and `${name}` stand for groups of the expression.
    pub replacement: String,
    /// What the rule does.
    pub action: RuleAction,
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: RuleAction::Replace,
        }
    }
}

/// Bytes that a compiled expression may take.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

#[derive(Clone, Debug)]
struct Rule {
    config: RuleConfig,
    regex: Regex,
}

impl TryFrom<RuleConfig> for Rule {
    type Error = ParamError;

    fn try_from(config: RuleConfig) -> Result<Self, ParamError> {
        let regex = RegexBuilder::new(&format!("^(?s:{})$", config.regex))
            .size_limit(REGEX_SIZE_LIMIT)
            .build();
        let regex = regex.map_err(|_| {
            ParamError::new(
                "regex",
                "a regular expression",
                format!("`{}`", config.regex),
            )
        })?;
        let needs_target = matches!(
            config.action,
            RuleAction::Replace | RuleAction::Lowercase | RuleAction::Uppercase
        );
        if needs_target && config.target_label.is_empty() {
            return Err(ParamError::new(
                "target_label",
                "the name of a label",
                "none",
            ));
        }
        Ok(Self { config, regex })
    }
}

/// Why a series was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RuleOutcome {
    /// By the rule at this place, from 0, which keeps or drops.
    Rule(usize),
    /// The rules left it no metric name.
    NoName,
    /// The rules made its labels longer than [`SeriesRules::MAX_LABEL_BYTES`].
    TooLong,
}

/// Rules in their order, as Prometheus applies `metric_relabel_configs` and `write_relabel_configs`.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::prepare::{RuleAction, RuleConfig, SeriesRules};
/// use aiops_core::{Labels, Timestamp};
///
/// let mut drop = RuleConfig::default();
/// drop.source_labels = vec!["__name__".to_owned()];
/// drop.regex = "go_.*".to_owned();
/// drop.action = RuleAction::Drop;
/// let mut host = RuleConfig::default();
/// host.source_labels = vec!["instance".to_owned()];
/// host.regex = "(.*):[0-9]+".to_owned();
/// host.target_label = "host".to_owned();
///
/// let mut rules = SeriesRules::try_from(vec![drop, host])?;
/// let mut batch = Batch::default();
/// for name in ["go_threads", "up"] {
///     batch.start_series(Labels::of([("__name__", name), ("instance", "a:9100")])?);
///     batch.push(Timestamp::EPOCH, 1.0);
/// }
/// let kept = rules.apply(&batch);
/// let labels = &kept.iter().next().expect("one is kept").labels;
/// assert_eq!(labels.to_string(), r#"up{host="a", instance="a:9100"}"#);
/// assert_eq!(rules.left_out().next().map(|(_, samples)| samples), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | case | outcome |
/// |---|---|
/// | source label that a series lacks | the empty text |
/// | `replace` whose replacement comes out empty | the label is taken away |
/// | `replace` to the metric's name | the series has another name |
/// | `labelmap` to a name that is there | takes its place |
/// | two series that become one | both go on under the same labels; whoever stores them decides |
/// | rules that leave no metric name, or labels beyond the bound | the series is left out, counted |
///
/// What was decided for a label set is remembered, for at most a stated number of sets, so that a
/// series that comes again costs one look-up.
///
/// Expressions are those of the crate `regex-lite`: Unicode classes such as `\p{Greek}` are none.
/// `hashmod` and the comparisons of labels are not there.
#[derive(Clone, Debug)]
pub struct SeriesRules {
    rules: Vec<Rule>,
    known: HashMap<Labels, Result<Labels, RuleOutcome>>,
    left_out: BTreeMap<RuleOutcome, u64>,
}

impl TryFrom<Vec<RuleConfig>> for SeriesRules {
    type Error = ParamError;

    fn try_from(configs: Vec<RuleConfig>) -> Result<Self, ParamError> {
        let rules = configs.into_iter().map(Rule::try_from);
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            known: HashMap::new(),
            left_out: BTreeMap::new(),
        })
    }
}

impl SeriesRules {
    /// Bytes of all names and values that rules may make of a series.
    pub const MAX_LABEL_BYTES: usize = 64 << 10;
    /// Label sets whose outcome is remembered.
    const MAX_KNOWN: usize = 100_000;

    /// What the rules leave of a batch; metadata go on as they are.
    pub fn apply(&mut self, batch: &Batch) -> Batch {
        let mut kept = Batch::default();
        kept.metadata.clone_from(&batch.metadata);
        for series in batch.iter() {
            match self.decide(series.labels) {
                Ok(labels) => {
                    kept.start_series(labels);
                    for (time, value) in series.times.iter().zip(series.values) {
                        kept.push(*time, *value);
                    }
                }
                Err(outcome) => {
                    *self.left_out.entry(outcome).or_default() += series.values.len() as u64;
                }
            }
        }
        kept
    }

    /// What the labels of a series become.
    ///
    /// # Errors
    ///
    /// [`RuleOutcome`] when the series is left out. It is not counted here.
    pub fn decide(&mut self, labels: &Labels) -> Result<Labels, RuleOutcome> {
        if let Some(known) = self.known.get(labels) {
            return known.clone();
        }
        let outcome = self.relabel(labels);
        if self.known.len() >= Self::MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(labels.clone(), outcome.clone());
        outcome
    }

    /// Samples left out so far, by reason.
    pub fn left_out(&self) -> impl Iterator<Item = (RuleOutcome, u64)> {
        self.left_out
            .iter()
            .map(|(outcome, samples)| (*outcome, *samples))
    }

    fn relabel(&self, labels: &Labels) -> Result<Labels, RuleOutcome> {
        let mut pairs: BTreeMap<String, String> = labels
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (place, rule) in self.rules.iter().enumerate() {
            if !rule.apply(&mut pairs) {
                return Err(RuleOutcome::Rule(place));
            }
            let bytes: usize = pairs
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            if bytes > Self::MAX_LABEL_BYTES {
                return Err(RuleOutcome::TooLong);
            }
        }
        let named = Labels::of(pairs)
            .ok()
            .filter(|labels| !labels.metric().is_empty());
        named.ok_or(RuleOutcome::NoName)
    }
}

impl Rule {
    /// Whether the series goes on.
    fn apply(&self, pairs: &mut BTreeMap<String, String>) -> bool {
        let config = &self.config;
        match config.action {
            RuleAction::Keep => return self.regex.is_match(&self.source(pairs)),
            RuleAction::Drop => return !self.regex.is_match(&self.source(pairs)),
            RuleAction::Replace => {
                let source = self.source(pairs);
                if let Some(found) = self.regex.captures(&source) {
                    let mut value = String::new();
                    found.expand(&config.replacement, &mut value);
                    set(pairs, &config.target_label, value);
                }
            }
            RuleAction::Lowercase => set(
                pairs,
                &config.target_label,
                self.source(pairs).to_lowercase(),
            ),
            RuleAction::Uppercase => set(
                pairs,
                &config.target_label,
                self.source(pairs).to_uppercase(),
            ),
            RuleAction::LabelMap => {
                let mut mapped = Vec::new();
                for (name, value) in pairs.iter() {
                    if let Some(found) = self.regex.captures(name) {
                        let mut target = String::new();
                        found.expand(&config.replacement, &mut target);
                        mapped.push((target, value.clone()));
                    }
                }
                for (name, value) in mapped {
                    set(pairs, &name, value);
                }
            }
            RuleAction::LabelDrop => pairs.retain(|name, _| !self.regex.is_match(name)),
            RuleAction::LabelKeep => pairs.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }

    fn source(&self, pairs: &BTreeMap<String, String>) -> String {
        let values = self.config.source_labels.iter();
        let values = values.map(|name| pairs.get(name).map_or("", String::as_str));
        values.collect::<Vec<_>>().join(&self.config.separator)
    }
}

/// A label without a value is none, and one without a name cannot be.
fn set(pairs: &mut BTreeMap<String, String>, name: &str, value: String) {
    if value.is_empty() {
        pairs.remove(name);
    } else if !name.is_empty() {
        pairs.insert(name.to_owned(), value);
    }
}

/// Labels that several conventions have names of their own for, under OpenTelemetry's-to-Prometheus
/// names that this family uses.
const SYNONYMS: [(&str, &str); 12] = [
    ("host_name", "host"),
    ("host.name", "host"),
    ("hostname", "host"),
    ("nodename", "host"),
    ("k8s.namespace.name", "namespace"),
    ("kubernetes_namespace", "namespace"),
    ("k8s.pod.name", "pod"),
    ("pod_name", "pod"),
    ("container.name", "container"),
    ("container_name", "container"),
    ("service.name", "service"),
    ("service_name", "service"),
];

/// Rules that give labels of one meaning one name: `host`, `namespace`, `pod`, `container`,
/// `service`. A label that is there already under that name stays as it is.
///
/// | becomes | from |
/// |---|---|
/// | `host` | `host_name`, `host.name`, `hostname`, `nodename` |
/// | `namespace` | `k8s.namespace.name`, `kubernetes_namespace` |
/// | `pod` | `k8s.pod.name`, `pod_name` |
/// | `container` | `container.name`, `container_name` |
/// | `service` | `service.name`, `service_name` |
pub fn canonical_labels() -> Vec<RuleConfig> {
    let fill = |(from, to): (&str, &str)| RuleConfig {
        source_labels: vec![to.to_owned(), from.to_owned()],
        // Only where the first of the two, which is the target, is empty.
        regex: ";(.+)".to_owned(),
        target_label: to.to_owned(),
        ..RuleConfig::default()
    };
    let mut rules: Vec<_> = SYNONYMS.into_iter().map(fill).collect();
    let names = SYNONYMS.map(|(from, _)| from.replace('.', "[.]"));
    rules.push(RuleConfig {
        regex: names.join("|"),
        action: RuleAction::LabelDrop,
        ..RuleConfig::default()
    });
    debug_assert!(rules.iter().all(|rule| rule.target_label != METRIC_NAME));
    rules
}
