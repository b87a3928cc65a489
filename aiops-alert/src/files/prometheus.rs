//! Prometheus's rule files.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::text::Span;
use super::{FileError, read};
use crate::expr::Expression;
use crate::rule::{ExpressionRule, ExpressionRuleConfig, RecordingRule, RecordingRuleConfig};
use crate::template::Template;

/// The evaluation interval of a group that names none.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);

/// What a rule file says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleFile {
    /// Its groups, in order.
    pub groups: Vec<RuleGroup>,
    /// What is in the file and cannot be evaluated here, in order of lines.
    pub unsupported: Vec<Unsupported>,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleGroup {
    /// Its name.
    pub name: String,
    /// How often it is evaluated.
    pub interval: Duration,
    /// The alert rules that can be evaluated.
    pub rules: Vec<ExpressionRule>,
    /// The recording rules that can be evaluated. They come before the alert rules of the group, which
    /// may build on what they record.
    pub recording: Vec<RecordingRule>,
}

/// Something that cannot be evaluated here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// Where its rule begins, from 1.
    pub line: u64,
    /// Name of the rule.
    pub rule: String,
    /// What it is.
    pub what: String,
    /// Whether the rule is left out; otherwise one of its texts is shown as it is written.
    pub left_out: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    groups: Vec<Spanned<Group>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    interval: Option<Span>,
    #[serde(default)]
    limit: usize,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    rules: Option<Vec<Spanned<Rule>>>,
    query_offset: Option<Span>,
    #[serde(default, rename = "partial_response_strategy")]
    _partial_response_strategy: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: Option<String>,
    record: Option<String>,
    expr: Spanned<Value>,
    #[serde(rename = "for")]
    hold: Option<Span>,
    keep_firing_for: Option<Span>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Reads the text of a rule file.
///
/// # Errors
///
/// [`FileError`] with the line: for what is no YAML, for unknown keys, for a rule without a name or
/// with two, for groups of the same name. A rule whose expression or labels cannot be evaluated
/// here is no error; it is listed among the [`unsupported`](RuleFile::unsupported).
///
/// # Examples
///
/// ```
/// let file = aiops_alert::files::prometheus::parse(
///     "groups:\n- name: hosts\n  rules:\n  - alert: Down\n    expr: up == 0\n    for: 5m\n",
/// )?;
/// assert_eq!(file.groups[0].rules[0].config().name, "Down");
/// # Ok::<(), aiops_alert::files::FileError>(())
/// ```
pub fn parse(text: &str) -> Result<RuleFile, FileError> {
    let file: File = read(text)?;
    let mut found = RuleFile {
        groups: Vec::new(),
        unsupported: Vec::new(),
    };
    for group in &file.groups {
        let (line, group) = (group.referenced.line(), &group.value);
        if found.groups.iter().any(|other| other.name == group.name) {
            let what = format!("there are two groups named `{}`", group.name);
            return Err(FileError::new(line, what));
        }
        let (mut rules, mut recording) = (Vec::new(), Vec::new());
        for rule in group.rules.iter().flatten() {
            let line = rule.referenced.line();
            match self::rule(line, &rule.value, group, &mut found.unsupported)? {
                Some(Read::Alert(rule)) => rules.push(rule),
                Some(Read::Record(rule)) => recording.push(rule),
                None => {}
            }
        }
        found.groups.push(RuleGroup {
            name: group.name.clone(),
            interval: group.interval.map_or(DEFAULT_INTERVAL, |span| span.0),
            rules,
            recording,
        });
    }
    Ok(found)
}

enum Read {
    Alert(ExpressionRule),
    Record(RecordingRule),
}

/// `None` for a rule that cannot be evaluated here.
fn rule(
    line: u64,
    rule: &Rule,
    group: &Group,
    unsupported: &mut Vec<Unsupported>,
) -> Result<Option<Read>, FileError> {
    let name = match (&rule.alert, &rule.record) {
        (Some(name), None) if !name.is_empty() => name,
        (None, Some(name)) if !name.is_empty() => {
            let timed = rule.hold.is_some() || rule.keep_firing_for.is_some();
            if timed || !rule.annotations.is_empty() {
                let what = "a recording rule has neither `for`, `keep_firing_for` nor annotations";
                return Err(FileError::new(line, what));
            }
            name
        }
        _ => {
            let what = "a rule needs a name, and either `alert` or `record`";
            return Err(FileError::new(line, what));
        }
    };
    let Some(expression) = text(&rule.expr.value) else {
        let line = rule.expr.referenced.line();
        return Err(FileError::new(line, "`expr` must be a text"));
    };
    if let Err(error) = expression.parse::<Expression>() {
        unsupported.push(leave_out(line, name, &format!("expression: {error}")));
        return Ok(None);
    }
    let mut labels = BTreeMap::new();
    for (key, value) in group.labels.iter().chain(&rule.labels) {
        labels.insert(key.clone(), value.clone());
    }
    let query_offset = group.query_offset.map_or(Duration::ZERO, |span| span.0);
    if rule.record.is_some() {
        let mut config = RecordingRuleConfig::default();
        (config.name, config.expression) = (name.clone(), expression);
        (config.labels, config.limit) = (labels, group.limit);
        config.query_offset = query_offset;
        let rule = RecordingRule::try_from(config).map_err(|error| {
            let source = std::error::Error::source(&error);
            let source = source.map_or(String::new(), ToString::to_string);
            FileError::new(line, format!("{error}: {source}"))
        })?;
        return Ok(Some(Read::Record(rule)));
    }
    let mut config = ExpressionRuleConfig::new(name, expression);
    (config.labels, config.query_offset) = (labels, query_offset);
    config.hold = rule.hold.map_or(Duration::ZERO, |span| span.0);
    config.keep_firing_for = rule.keep_firing_for.map_or(Duration::ZERO, |span| span.0);
    config.limit = group.limit;
    for (key, text) in &rule.annotations {
        let shown = match text.parse::<Template>() {
            Ok(_) => text.clone(),
            Err(error) => {
                unsupported.push(Unsupported {
                    line,
                    rule: name.clone(),
                    what: format!("annotation `{key}`: {error}"),
                    left_out: false,
                });
                literal(text)
            }
        };
        config.annotations.insert(key.clone(), shown);
    }
    match ExpressionRule::try_from(config) {
        Ok(rule) => Ok(Some(Read::Alert(rule))),
        Err(error) => {
            let source = std::error::Error::source(&error);
            let source = source.map_or(String::new(), |source| format!(": {source}"));
            unsupported.push(leave_out(line, name, &format!("{error}{source}")));
            Ok(None)
        }
    }
}

fn leave_out(line: u64, rule: &str, what: &str) -> Unsupported {
    Unsupported {
        line,
        rule: rule.to_owned(),
        what: what.to_owned(),
        left_out: true,
    }
}

/// The text as a template that prints it as it is.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
