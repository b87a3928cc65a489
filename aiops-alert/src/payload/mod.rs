//! Notifications as requests for the usual receivers: method, address, headers, body.
//!
//! Nothing is sent here. Addresses and keys are [`Secret`]s, which never print.
//!
//! ```
//! use aiops_alert::engine::{AlertEngine, EngineConfig};
//! use aiops_alert::payload::{Message, Secret, pagerduty};
//! use aiops_core::{Alert, Labels, Timestamp};
//!
//! let mut engine = AlertEngine::try_from(EngineConfig::default())?;
//! let labels = Labels::of([("alertname", "Down"), ("severity", "critical")])?;
//! engine.receive(Timestamp::EPOCH, Alert::new(labels, Timestamp::EPOCH));
//! let sent = engine.tick(Timestamp::from_secs(30).unwrap());
//! let message = Message::new(&sent[0], engine.incident(sent[0].incident), "");
//! let request = pagerduty(&message, &Secret::new("the routing key"));
//! assert_eq!(request.url.expose(), "https://events.pagerduty.com/v2/enqueue");
//! assert!(!format!("{request:?}").contains("the routing key"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! At most 20 alerts are listed, each in at most 500 characters, then `and N more`; a text that is
//! cut ends with an ellipsis. What the receivers document beyond that:
//!
//! | receiver | limits kept | resolved | severity |
//! |---|---|---|---|
//! | Alertmanager's webhook | none | `status` of message and alerts | label |
//! | PagerDuty | 1,024 characters of summary, 255 of key | `resolve` with the same `dedup_key` | critical, error, warning, info |
//! | Opsgenie | 130 of message, 15,000 of description, 8,000 of details, 512 of alias | the alias is closed | P1, P2, P3, P5 |
//! | Slack | 150 of a header, 3,000 of a section, escapes included | green | red, yellow |
//! | Teams | 28 KB of message | `good` | `attention`, `warning` |
//! | e-mail | 150 of a subject | same thread | in the text |
//!
//! Alertmanager's words for a severity are understood: `page` and `critical` are critical, `high`
//! and `error` an error, `ticket` and `warning` a warning, `info` and `none` an information; an alert without one counts as an error.

#[cfg(feature = "email")]
mod email;
mod opsgenie;
mod pagerduty;
mod slack;
mod teams;
#[cfg(feature = "serde")]
mod template;

use std::fmt;

use aiops_core::numerics::Fnv1a64;
use aiops_core::{Alert, AlertStatus, Incident};

use crate::engine::Notification;
use crate::json::Json;
use crate::webhook;

#[cfg(feature = "email")]
pub use email::{Mail, Mailbox, MailboxError, email};
pub use opsgenie::opsgenie;
pub use pagerduty::pagerduty;
pub use slack::slack;
pub use teams::teams;
#[cfg(feature = "serde")]
pub use template::{JsonTemplate, JsonTemplateError, json};

/// Alerts that a message lists.
const MAX_LISTED: usize = 20;
/// Most characters of an alert that is listed, or of a cause.
const MAX_LINE: usize = 500;

/// Text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What is to be sent over HTTP. Printing it shows neither address, header values nor body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Such as `POST`.
    pub method: &'static str,
    /// Address.
    pub url: Secret,
    /// Names and values.
    pub headers: Vec<(&'static str, Secret)>,
    /// JSON. Some receivers want their key in it.
    pub body: Secret,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &names)
            .field("body_bytes", &self.body.0.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    fn post(url: Secret, key: &str, body: &Json) -> Self {
        Self {
            method: "POST",
            url,
            headers: vec![
                (
                    "content-type",
                    Secret::new("application/json; charset=utf-8"),
                ),
                ("idempotency-key", Secret::new(key)),
            ],
            body: Secret(body.to_string()),
        }
    }

    fn bearer(self, token: Option<&Secret>) -> Self {
        match token {
            Some(token) => self.authorized(format!("Bearer {}", token.0)),
            None => self,
        }
    }

    fn authorized(mut self, value: String) -> Self {
        self.headers.push(("authorization", Secret(value)));
        self
    }
}

/// A notification with what is known about its incident.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    notification: &'a Notification,
    incident: Option<&'a Incident>,
    external_url: &'a str,
}

impl<'a> Message<'a> {
    /// `external_url` is where people find more, and may be empty.
    pub fn new(
        notification: &'a Notification,
        incident: Option<&'a Incident>,
        external_url: &'a str,
    ) -> Self {
        Self {
            notification,
            incident,
            external_url,
        }
    }

    fn is_over(&self) -> bool {
        self.notification.status == AlertStatus::Resolved
    }

    /// One line for people.
    fn summary(&self) -> String {
        let status = if self.is_over() { "resolved" } else { "firing" };
        let what = match self.incident {
            Some(incident) if !incident.summary.is_empty() => incident.summary.clone(),
            _ => self.notification.group_labels.to_string(),
        };
        one_line(&format!("[{status}] {what}"))
    }

    /// The same for all notifications of one incident in one group, and no others.
    fn identity(&self) -> String {
        let mut hash = Fnv1a64::default();
        hash.write(self.notification.group_key.as_bytes());
        hash.write(&[0xff]);
        hash.write(self.notification.receiver.as_bytes());
        format!("{}-{:016x}", self.notification.incident, hash.finish())
    }

    /// The most severe label `severity` of the alerts.
    fn severity(&self) -> Severity {
        let alerts = self.notification.alerts.iter();
        let known = alerts.filter_map(|alert| Severity::from_text(alert.labels.get("severity")?));
        known.max().unwrap_or(Severity::Error)
    }

    fn causes(&self) -> Vec<String> {
        let causes = self.incident.map(|incident| incident.causes.as_slice());
        let line = |cause: &aiops_core::Cause| match cause.evidence.first() {
            Some(fact) => format!("{}: {fact}", cause.component),
            None => cause.component.clone(),
        };
        let lines = causes.into_iter().flatten().take(3).map(line);
        lines.map(|line| cut(&one_line(&line), MAX_LINE)).collect()
    }

    /// The alerts, one line each.
    fn lines(&self) -> Vec<String> {
        self.lines_within(usize::MAX, str::len)
    }

    /// The alerts, one line each, as many as fit; `size` measures a line.
    fn lines_within(&self, most: usize, size: impl Fn(&str) -> usize) -> Vec<String> {
        let alerts = &self.notification.alerts;
        let mut left = most.saturating_sub(ROOM_FOR_MORE);
        let mut lines = Vec::new();
        for alert in alerts.iter().take(MAX_LISTED) {
            let line = alert_line(alert);
            let Some(rest) = left.checked_sub(size(&line).saturating_add(1)) else {
                break;
            };
            left = rest;
            lines.push(line);
        }
        if alerts.len() > lines.len() {
            lines.push(format!("and {} more", alerts.len() - lines.len()));
        }
        lines
    }

    /// What the alerts are about: the most telling label that all of them share.
    fn source(&self) -> String {
        let shared = self.notification.common_labels();
        let telling = ["instance", "host", "node", "service", "job"];
        let found = telling.iter().find_map(|name| shared.get(name));
        found.map_or_else(|| self.notification.group_labels.to_string(), str::to_owned)
    }
}

/// Size of the line that says how many alerts are not listed.
const ROOM_FOR_MORE: usize = 32;

fn alert_line(alert: &Alert) -> String {
    let state = if alert.ends_at.is_some() {
        "over"
    } else {
        "firing"
    };
    let text = ["summary", "description", "message"]
        .iter()
        .find_map(|name| alert.annotations.get(*name));
    let line = match text {
        Some(text) => format!("{state}: {} {}", cut(text, MAX_LINE / 2), alert.labels),
        None => format!("{state}: {}", alert.labels),
    };
    cut(&one_line(&line), MAX_LINE)
}

/// Control characters, ends of lines among them, become spaces.
fn one_line(text: &str) -> String {
    let chars = text.chars();
    chars
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    fn from_text(text: &str) -> Option<Self> {
        Some(match text.to_lowercase().as_str() {
            "info" | "none" | "notice" => Self::Info,
            "warning" | "warn" | "ticket" => Self::Warning,
            "error" | "major" | "high" => Self::Error,
            "critical" | "page" | "fatal" | "emergency" => Self::Critical,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// At most `most` characters; the last one of a text that is cut is an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    kept + "…"
}

/// Alertmanager's webhook, with an optional bearer token.
pub fn webhook(message: &Message<'_>, url: &Secret, token: Option<&Secret>) -> Request {
    let body = webhook::payload(message.notification, message.incident, message.external_url);
    let mut request = Request::post(url.clone(), &message.notification.key, &Json::Null);
    request.body = Secret(body.to_string());
    request.bearer(token)
}
