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
//! Texts are cut to what the receivers take: 1,024 characters of a PagerDuty summary, 130 of an
//! Opsgenie message, 150 of a Slack header and 3,000 of a section; at most 20 alerts are listed.

#[cfg(feature = "serde")]
mod template;

use std::fmt;

use aiops_core::numerics::Fnv1a64;
use aiops_core::{Alert, AlertStatus, Incident};

use crate::engine::Notification;
use crate::json::{Json, object};
use crate::webhook;

#[cfg(feature = "serde")]
pub use template::{JsonTemplate, JsonTemplateError, json};

/// Alerts that a message lists.
const MAX_LISTED: usize = 20;

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
                ("content-type", Secret::new("application/json")),
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
        format!("[{status}] {what}")
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
        causes.into_iter().flatten().take(3).map(line).collect()
    }

    /// The alerts, one line each.
    fn lines(&self) -> Vec<String> {
        let alerts = &self.notification.alerts;
        let mut lines: Vec<String> = alerts.iter().take(MAX_LISTED).map(alert_line).collect();
        if alerts.len() > MAX_LISTED {
            lines.push(format!("and {} more", alerts.len() - MAX_LISTED));
        }
        lines
    }
}

fn alert_line(alert: &Alert) -> String {
    let state = if alert.ends_at.is_some() {
        "over"
    } else {
        "firing"
    };
    let text = ["summary", "description", "message"]
        .iter()
        .find_map(|name| alert.annotations.get(*name));
    match text {
        Some(text) => format!("{state}: {text} {}", alert.labels),
        None => format!("{state}: {}", alert.labels),
    }
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

/// `PagerDuty`'s events, version 2: `trigger` and `resolve` with the same key for an incident.
pub fn pagerduty(message: &Message<'_>, routing_key: &Secret) -> Request {
    let action = if message.is_over() {
        "resolve"
    } else {
        "trigger"
    };
    let details = object([
        ("alerts", Json::text(message.lines().join("\n"))),
        ("causes", Json::text(message.causes().join("\n"))),
    ]);
    let source = message.notification.group_labels.to_string();
    let payload = object([
        ("summary", Json::text(cut(&message.summary(), 1_024))),
        ("source", Json::text(cut(&source, 255))),
        ("severity", Json::text(message.severity().name())),
        (
            "timestamp",
            Json::text(message.notification.decided_at.to_string()),
        ),
        ("custom_details", details),
    ]);
    let mut fields = vec![
        ("routing_key", Json::text(&routing_key.0)),
        ("event_action", Json::text(action)),
        ("dedup_key", Json::text(message.identity())),
        ("payload", payload),
    ];
    if !message.external_url.is_empty() {
        fields.push(("client_url", Json::text(message.external_url)));
    }
    let url = Secret::new("https://events.pagerduty.com/v2/enqueue");
    Request::post(url, &message.notification.key, &object(fields))
}

/// Opsgenie's alerts: created and closed by the same alias. `base_url` is such as
/// `https://api.opsgenie.com`.
pub fn opsgenie(message: &Message<'_>, base_url: &str, api_key: &Secret) -> Request {
    let base = base_url.trim_end_matches('/');
    let alias = message.identity();
    let (url, body) = if message.is_over() {
        let url = format!("{base}/v2/alerts/{alias}/close?identifierType=alias");
        (url, object([("note", Json::text(message.summary()))]))
    } else {
        let priority = match message.severity() {
            Severity::Critical => "P1",
            Severity::Error => "P2",
            Severity::Warning => "P3",
            Severity::Info => "P5",
        };
        let mut lines = message.causes();
        lines.extend(message.lines());
        let labels = message.notification.common_labels();
        let details = labels.iter().map(|(name, value)| (name, Json::text(value)));
        let body = object([
            ("message", Json::text(cut(&message.summary(), 130))),
            ("alias", Json::text(&alias)),
            ("description", Json::text(cut(&lines.join("\n"), 15_000))),
            ("details", object(details)),
            ("priority", Json::text(priority)),
        ]);
        (format!("{base}/v2/alerts"), body)
    };
    Request::post(Secret(url), &message.notification.key, &body)
        .authorized(format!("GenieKey {}", api_key.0))
}

/// Slack's blocks, for an incoming webhook.
pub fn slack(message: &Message<'_>, url: &Secret) -> Request {
    let section = |text: String| {
        let text = object([
            ("type", Json::text("mrkdwn")),
            ("text", Json::text(cut(&text, 3_000))),
        ]);
        object([("type", Json::text("section")), ("text", text)])
    };
    let header = object([
        ("type", Json::text("plain_text")),
        ("text", Json::text(cut(&message.summary(), 150))),
    ]);
    let mut blocks = vec![object([("type", Json::text("header")), ("text", header)])];
    let causes = message.causes();
    if !causes.is_empty() {
        blocks.push(section(format!("*Likely causes*\n{}", mrkdwn(&causes))));
    }
    blocks.push(section(mrkdwn(&message.lines())));
    let color = match (message.is_over(), message.severity()) {
        (true, _) => "#2e7d32",
        (false, Severity::Critical | Severity::Error) => "#c62828",
        (false, _) => "#f9a825",
    };
    let attachment = object([("color", Json::text(color)), ("blocks", Json::List(blocks))]);
    let body = object([
        ("text", Json::text(mrkdwn(&[message.summary()]))),
        ("attachments", Json::List(vec![attachment])),
    ]);
    Request::post(url.clone(), &message.notification.key, &body)
}

/// Lines as Slack's own notation, with what it takes for markup escaped.
fn mrkdwn(lines: &[String]) -> String {
    let escaped = lines.iter().map(|line| {
        let line = line.replace('&', "&amp;");
        line.replace('<', "&lt;").replace('>', "&gt;")
    });
    escaped.collect::<Vec<_>>().join("\n")
}

/// An adaptive card, for a workflow of Microsoft Teams.
pub fn teams(message: &Message<'_>, url: &Secret) -> Request {
    let block = |text: String, weight: &str| {
        object([
            ("type", Json::text("TextBlock")),
            ("text", Json::text(cut(&text, 5_000))),
            ("weight", Json::text(weight)),
            ("wrap", Json::Bool(true)),
        ])
    };
    let mut body = vec![block(message.summary(), "bolder")];
    let causes = message.causes();
    if !causes.is_empty() {
        body.push(block(
            format!("Likely causes:\n\n{}", causes.join("\n\n")),
            "default",
        ));
    }
    body.push(block(message.lines().join("\n\n"), "default"));
    let card = object([
        (
            "$schema",
            Json::text("http://adaptivecards.io/schemas/adaptive-card.json"),
        ),
        ("type", Json::text("AdaptiveCard")),
        ("version", Json::text("1.4")),
        ("body", Json::List(body)),
    ]);
    let attachment = object([
        (
            "contentType",
            Json::text("application/vnd.microsoft.card.adaptive"),
        ),
        ("content", card),
    ]);
    let body = object([
        ("type", Json::text("message")),
        ("attachments", Json::List(vec![attachment])),
    ]);
    Request::post(url.clone(), &message.notification.key, &body)
}
