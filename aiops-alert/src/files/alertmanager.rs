//! `alertmanager.yml`: routes, receivers, inhibition, time intervals.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aiops_core::{MatchOp, Matcher, Selector};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::text::{Matchers, Span, selector};
use super::{FileError, read};
use crate::engine::{
    AlertEngine, EngineConfig, InhibitRule, IntegrationConfig, ReceiverConfig, RouteConfig,
};
use crate::interval::{IntervalError, TimeInterval, TimeSpec};

/// What a configuration of Alertmanager says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AlertmanagerFile {
    /// Routes, receivers, inhibition, time intervals and intervals of groups. What is no matter of
    /// the file is as in [`EngineConfig::alertmanager`]; change it as you like.
    pub engine: EngineConfig,
    /// The settings of each integration, in the order of the receivers and their integrations.
    pub settings: Vec<IntegrationSettings>,
    /// What is read and not acted upon, such as templates.
    pub ignored: Vec<String>,
}

/// The settings of one integration, as they are in the file. They hold secrets, so they never
/// print.
#[derive(Clone)]
#[non_exhaustive]
pub struct IntegrationSettings {
    /// Name of the receiver.
    pub receiver: String,
    /// Which of its integrations, from 0.
    pub integration: usize,
    /// Such as `webhook` or `slack`.
    pub kind: String,
    values: BTreeMap<String, Value>,
}

impl IntegrationSettings {
    /// A setting that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// Names of the settings.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

impl fmt::Debug for IntegrationSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntegrationSettings")
            .field("receiver", &self.receiver)
            .field("integration", &self.integration)
            .field("kind", &self.kind)
            .field("names", &self.values.keys())
            .finish_non_exhaustive()
    }
}

/// Reads the text of a configuration file.
///
/// # Errors
///
/// [`FileError`] with the line: for what is no YAML, for unknown keys, for values that cannot be,
/// and for names of receivers and time intervals that there are not.
///
/// # Examples
///
/// ```
/// let file = aiops_alert::files::alertmanager::parse(
///     "route:\n  receiver: team\n  group_by: [alertname]\nreceivers:\n- name: team\n",
/// )?;
/// assert_eq!(file.engine.receiver, "team");
///
/// let error = aiops_alert::files::alertmanager::parse("route:\n  reciever: team\n").unwrap_err();
/// assert_eq!(error.line(), 2);
/// # Ok::<(), aiops_alert::files::FileError>(())
/// ```
pub fn parse(text: &str) -> Result<AlertmanagerFile, FileError> {
    let file: File = read(text)?;
    let (receivers, settings) = receivers(&file.receivers)?;
    let mut engine = EngineConfig::alertmanager();
    let intervals = file.time_intervals.iter();
    let intervals = intervals.chain(&file.mute_time_intervals).map(interval);
    engine.time_intervals = intervals.collect::<Result<_, _>>()?;
    engine.receivers = receivers;
    if let Some(span) = file
        .global
        .as_ref()
        .and_then(|global| global.resolve_timeout)
    {
        engine.resolve_timeout = span.0;
    }
    let mut names = Names {
        receivers: engine
            .receivers
            .iter()
            .map(|one| one.name.clone())
            .collect(),
        intervals: engine
            .time_intervals
            .iter()
            .map(|one| one.name.clone())
            .collect(),
    };
    root(&file.route, &mut engine, &mut names)?;
    let inhibit = file.inhibit_rules.iter().map(inhibit_rule);
    engine.inhibit = inhibit.collect::<Result<_, _>>()?;
    AlertEngine::try_from(engine.clone()).map_err(|error| FileError::new(0, chain(&error)))?;
    Ok(AlertmanagerFile {
        engine,
        settings,
        ignored: file
            .templates
            .iter()
            .map(|path| format!("template {path}"))
            .collect(),
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    global: Option<Global>,
    route: Spanned<Route>,
    #[serde(default)]
    receivers: Vec<Spanned<BTreeMap<String, Value>>>,
    #[serde(default)]
    inhibit_rules: Vec<Spanned<Inhibit>>,
    #[serde(default)]
    time_intervals: Vec<Spanned<Interval>>,
    #[serde(default)]
    mute_time_intervals: Vec<Spanned<Interval>>,
    #[serde(default)]
    templates: Vec<String>,
    #[serde(default, rename = "tracing")]
    _tracing: Option<IgnoredAny>,
}

/// A struct whose further keys are known and not looked at.
macro_rules! with_known_keys {
    ($name:ident { $($field:ident: $kind:ty,)* } $($key:ident)*) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "keys that are known, but matter to the sender alone")]
        struct $name {
            $(#[serde(default)] $field: $kind,)*
            $(#[serde(default)] $key: Option<IgnoredAny>,)*
        }
    };
}

with_known_keys! { Global { resolve_timeout: Option<Span>, }
    http_config smtp_from smtp_smarthost smtp_hello smtp_auth_username smtp_auth_password
    smtp_auth_password_file smtp_auth_secret smtp_auth_secret_file smtp_auth_identity
    smtp_require_tls smtp_tls_config smtp_force_implicit_tls slack_api_url slack_api_url_file
    slack_app_token slack_app_token_file slack_app_url pagerduty_url opsgenie_api_url
    opsgenie_api_key opsgenie_api_key_file wechat_api_url wechat_api_secret wechat_api_secret_file
    wechat_api_corp_id victorops_api_url victorops_api_key victorops_api_key_file telegram_api_url
    telegram_bot_token telegram_bot_token_file webex_api_url jira_api_url rocketchat_api_url
    rocketchat_token rocketchat_token_file rocketchat_token_id rocketchat_token_id_file
    mattermost_webhook_url mattermost_webhook_url_file
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    receiver: Option<Spanned<String>>,
    group_by: Option<Vec<String>>,
    group_wait: Option<Span>,
    group_interval: Option<Span>,
    repeat_interval: Option<Span>,
    #[serde(default)]
    matchers: Vec<Matchers>,
    #[serde(default, rename = "match")]
    equal: BTreeMap<String, Value>,
    #[serde(default)]
    match_re: BTreeMap<String, Spanned<Option<Value>>>,
    #[serde(default, rename = "continue")]
    continues: bool,
    #[serde(default)]
    routes: Vec<Spanned<Route>>,
    #[serde(default)]
    mute_time_intervals: Vec<Spanned<String>>,
    #[serde(default)]
    active_time_intervals: Vec<Spanned<String>>,
    #[serde(default, rename = "labels")]
    _labels: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inhibit {
    #[serde(default, rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(default)]
    source_match: BTreeMap<String, Value>,
    #[serde(default)]
    source_match_re: BTreeMap<String, Spanned<Option<Value>>>,
    #[serde(default)]
    source_matchers: Vec<Matchers>,
    #[serde(default)]
    target_match: BTreeMap<String, Value>,
    #[serde(default)]
    target_match_re: BTreeMap<String, Spanned<Option<Value>>>,
    #[serde(default)]
    target_matchers: Vec<Matchers>,
    #[serde(default)]
    equal: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Interval {
    name: String,
    #[serde(default)]
    time_intervals: Vec<Times>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    #[serde(default)]
    #[serde(rename = "times")]
    minutes: Vec<OfDay>,
    #[serde(default)]
    weekdays: Vec<String>,
    #[serde(default)]
    days_of_month: Vec<Value>,
    #[serde(default)]
    months: Vec<Value>,
    #[serde(default)]
    years: Vec<Value>,
    location: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDay {
    start_time: String,
    end_time: String,
}

/// Names that may be referred to.
struct Names {
    receivers: Vec<String>,
    intervals: Vec<String>,
}

impl Names {
    fn receiver(&self, name: &Spanned<String>) -> Result<String, FileError> {
        known(&self.receivers, "receiver", name)
    }

    fn intervals(&self, names: &[Spanned<String>]) -> Result<Vec<String>, FileError> {
        let known = |name| known(&self.intervals, "time interval", name);
        names.iter().map(known).collect()
    }
}

fn known(names: &[String], what: &str, name: &Spanned<String>) -> Result<String, FileError> {
    if names.contains(&name.value) {
        Ok(name.value.clone())
    } else {
        let what = format!("there is no {what} `{}`", name.value);
        Err(FileError::new(name.referenced.line(), what))
    }
}

fn root(
    route: &Spanned<Route>,
    engine: &mut EngineConfig,
    names: &mut Names,
) -> Result<(), FileError> {
    let line = route.referenced.line();
    let root = &route.value;
    let matches = !root.matchers.is_empty() || !root.equal.is_empty() || !root.match_re.is_empty();
    if matches {
        return Err(FileError::new(line, "the first route takes every alert"));
    }
    if !root.mute_time_intervals.is_empty() || !root.active_time_intervals.is_empty() {
        return Err(FileError::new(line, "the first route is never silent"));
    }
    let Some(receiver) = &root.receiver else {
        return Err(FileError::new(line, "the first route needs a `receiver`"));
    };
    engine.receiver = names.receiver(receiver)?;
    engine.group_by = root.group_by.clone().unwrap_or_default();
    let set = |to: &mut Duration, span: Option<Span>| {
        if let Some(span) = span {
            *to = span.0;
        }
    };
    set(&mut engine.group_wait, root.group_wait);
    set(
        &mut engine.group_interval,
        positive(root.group_interval, line)?,
    );
    set(
        &mut engine.repeat_interval,
        positive(root.repeat_interval, line)?,
    );
    let routes = root.routes.iter().map(|child| below(child, names));
    engine.routes = routes.collect::<Result<_, _>>()?;
    Ok(())
}

fn positive(span: Option<Span>, line: u64) -> Result<Option<Span>, FileError> {
    match span {
        Some(Span(Duration::ZERO)) => Err(FileError::new(line, "an interval must not be 0")),
        span => Ok(span),
    }
}

fn below(route: &Spanned<Route>, names: &Names) -> Result<RouteConfig, FileError> {
    let (line, route) = (route.referenced.line(), &route.value);
    let receiver = route.receiver.as_ref();
    let routes = route.routes.iter().map(|child| below(child, names));
    Ok(RouteConfig {
        matchers: conditions(line, &route.matchers, &route.equal, &route.match_re)?,
        receiver: receiver.map(|name| names.receiver(name)).transpose()?,
        continues: route.continues,
        group_by: route.group_by.clone(),
        group_wait: route.group_wait.map(|span| span.0),
        group_interval: positive(route.group_interval, line)?.map(|span| span.0),
        repeat_interval: positive(route.repeat_interval, line)?.map(|span| span.0),
        mute_time_intervals: names.intervals(&route.mute_time_intervals)?,
        active_time_intervals: names.intervals(&route.active_time_intervals)?,
        routes: routes.collect::<Result<_, _>>()?,
    })
}

/// The newer and the older notation together.
fn conditions(
    line: u64,
    matchers: &[Matchers],
    equal: &BTreeMap<String, Value>,
    regex: &BTreeMap<String, Spanned<Option<Value>>>,
) -> Result<Selector, FileError> {
    let mut all = selector(matchers).matchers().to_vec();
    for (name, value) in equal {
        let value = scalar(value)
            .ok_or_else(|| FileError::new(line, format!("the value of `{name}` must be a text")))?;
        all.push(Matcher::equal(name, value));
    }
    for (name, value) in regex {
        let line = value.referenced.line();
        let text =
            value.value.as_ref().and_then(scalar).ok_or_else(|| {
                FileError::new(line, format!("`{name}` needs a regular expression"))
            })?;
        let matcher = Matcher::new(name, MatchOp::Matches, text);
        all.push(matcher.map_err(|error| FileError::new(line, error.to_string()))?);
    }
    Ok(Selector::new(all))
}

/// Text, and what YAML takes for something else.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn inhibit_rule(rule: &Spanned<Inhibit>) -> Result<InhibitRule, FileError> {
    let (line, rule) = (rule.referenced.line(), &rule.value);
    Ok(InhibitRule::new(
        conditions(
            line,
            &rule.source_matchers,
            &rule.source_match,
            &rule.source_match_re,
        )?,
        conditions(
            line,
            &rule.target_matchers,
            &rule.target_match,
            &rule.target_match_re,
        )?,
        rule.equal.clone(),
    ))
}

fn interval(interval: &Spanned<Interval>) -> Result<TimeInterval, FileError> {
    let (line, interval) = (interval.referenced.line(), &interval.value);
    let times = interval.time_intervals.iter().map(times);
    let times = times
        .collect::<Result<_, _>>()
        .map_err(|error| FileError::new(line, error.to_string()))?;
    Ok(TimeInterval::new(interval.name.clone(), times))
}

fn times(times: &Times) -> Result<TimeSpec, IntervalError> {
    let texts = |values: &[Value]| -> Vec<String> {
        let text = |value: &Value| scalar(value).unwrap_or_else(|| value.to_string());
        values.iter().map(text).collect()
    };
    let mut spec = TimeSpec::default();
    for of_day in &times.minutes {
        spec = spec.at(&of_day.start_time, &of_day.end_time)?;
    }
    for text in &times.weekdays {
        spec = spec.weekdays(text)?;
    }
    for text in texts(&times.days_of_month) {
        spec = spec.days_of_month(&text)?;
    }
    for text in texts(&times.months) {
        spec = spec.months(&text)?;
    }
    for text in texts(&times.years) {
        spec = spec.years(&text)?;
    }
    match &times.location {
        Some(name) => spec.in_zone(name),
        None => Ok(spec),
    }
}

/// Kinds of integrations, and whether they tell ends unless told otherwise.
const KINDS: [(&str, bool); 18] = [
    ("discord", true),
    ("email", false),
    ("incidentio", true),
    ("jira", true),
    ("mattermost", true),
    ("msteams", true),
    ("msteamsv2", true),
    ("opsgenie", true),
    ("pagerduty", true),
    ("pushover", true),
    ("rocketchat", false),
    ("slack", false),
    ("sns", true),
    ("telegram", true),
    ("victorops", true),
    ("webex", true),
    ("webhook", true),
    ("wechat", false),
];

type Receivers = (Vec<ReceiverConfig>, Vec<IntegrationSettings>);

fn receivers(found: &[Spanned<BTreeMap<String, Value>>]) -> Result<Receivers, FileError> {
    let (mut receivers, mut settings) = (Vec::<ReceiverConfig>::new(), Vec::new());
    for one in found {
        let line = one.referenced.line();
        let name = one.value.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| FileError::new(line, "a receiver needs a `name`"))?;
        if receivers.iter().any(|other| other.name == name) {
            let what = format!("there are two receivers named `{name}`");
            return Err(FileError::new(line, what));
        }
        let mut receiver = ReceiverConfig::new(name, IntegrationConfig::default());
        receiver.integrations.clear();
        for (key, value) in one.value.iter().filter(|(key, _)| *key != "name") {
            let kind = key.strip_suffix("_configs");
            let kind = kind.and_then(|kind| KINDS.iter().find(|(known, _)| *known == kind));
            let Some((kind, send_resolved)) = kind else {
                return Err(FileError::new(line, format!("unknown key `{key}`")));
            };
            for values in entries(value, key, line)? {
                let mut integration = IntegrationConfig::default();
                (*kind).clone_into(&mut integration.kind);
                let wanted = values.get("send_resolved").and_then(Value::as_bool);
                integration.send_resolved = wanted.unwrap_or(*send_resolved);
                settings.push(IntegrationSettings {
                    receiver: name.to_owned(),
                    integration: receiver.integrations.len(),
                    kind: (*kind).to_owned(),
                    values,
                });
                receiver.integrations.push(integration);
            }
        }
        receivers.push(receiver);
    }
    Ok((receivers, settings))
}

/// The integrations under one key.
fn entries(value: &Value, key: &str, line: u64) -> Result<Vec<BTreeMap<String, Value>>, FileError> {
    let bad = || FileError::new(line, format!("`{key}` must be a list of settings"));
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            let entry = |item: &Value| match item {
                Value::Object(fields) => {
                    let fields = fields.iter();
                    Ok(fields
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect())
                }
                _ => Err(bad()),
            };
            items.iter().map(entry).collect()
        }
        _ => Err(bad()),
    }
}
