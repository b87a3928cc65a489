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
use crate::rule::{ExpressionRule, ExpressionRuleConfig};
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
    labels: BTreeMap<String, Value>,
    rules: Option<Vec<Spanned<Rule>>>,
    #[serde(default, rename = "query_offset")]
    _query_offset: Option<Span>,
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
    labels: BTreeMap<String, Value>,
    #[serde(default)]
    annotations: BTreeMap<String, Value>,
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
        let mut rules = Vec::new();
        for rule in group.rules.iter().flatten() {
            let line = rule.referenced.line();
            rules.extend(self::rule(
                line,
                &rule.value,
                group,
                &mut found.unsupported,
            )?);
        }
        found.groups.push(RuleGroup {
            name: group.name.clone(),
            interval: group.interval.map_or(DEFAULT_INTERVAL, |span| span.0),
            rules,
        });
    }
    Ok(found)
}

/// `None` for a rule that cannot be evaluated here.
fn rule(
    line: u64,
    rule: &Rule,
    group: &Group,
    unsupported: &mut Vec<Unsupported>,
) -> Result<Option<ExpressionRule>, FileError> {
    let name = match (&rule.alert, &rule.record) {
        (Some(name), None) if !name.is_empty() => name,
        (None, Some(name)) if !name.is_empty() => {
            if rule.hold.is_some() || !rule.annotations.is_empty() {
                let what = "a recording rule has neither `for` nor annotations";
                return Err(FileError::new(line, what));
            }
            unsupported.push(leave_out(line, name, "a recording rule"));
            return Ok(None);
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
    let mut config = ExpressionRuleConfig::new(name, expression);
    config.hold = rule.hold.map_or(Duration::ZERO, |span| span.0);
    config.keep_firing_for = rule.keep_firing_for.map_or(Duration::ZERO, |span| span.0);
    config.limit = group.limit;
    for (key, value) in group.labels.iter().chain(&rule.labels) {
        config
            .labels
            .insert(key.clone(), value_text(line, key, value)?);
    }
    for (key, value) in &rule.annotations {
        let text = value_text(line, key, value)?;
        let shown = match text.parse::<Template>() {
            Ok(_) => text,
            Err(error) => {
                unsupported.push(Unsupported {
                    line,
                    rule: name.clone(),
                    what: format!("annotation `{key}`: {error}"),
                    left_out: false,
                });
                literal(&text)
            }
        };
        config.annotations.insert(key.clone(), shown);
    }
    match ExpressionRule::try_from(config) {
        Ok(rule) => Ok(Some(rule)),
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

fn value_text(line: u64, key: &str, value: &Value) -> Result<String, FileError> {
    text(value).ok_or_else(|| FileError::new(line, format!("`{key}` must be a text")))
}
