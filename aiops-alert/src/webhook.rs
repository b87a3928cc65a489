//! The body of a webhook, version 4 of Alertmanager's.
//!
//! Receivers that know Alertmanager take it as it is. When the cause of the incident is known,
//! `commonAnnotations` has `cause`, in one line, and the key `incident` holds number, summary and
//! all causes with their evidence; both are additions that other receivers pass over.

use std::collections::BTreeMap;
use std::fmt;

use aiops_core::{Alert, AlertStatus, Cause, Incident, Labels, Stance, Timestamp};

use crate::engine::Notification;
use crate::json::{Json, object};

/// The time that stands for "not yet".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The body of a webhook. Displays as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload(Json);

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The body that tells `notification`. `incident` is the one it is about, where it is known;
/// `external_url` is where people find more, and may be empty.
pub fn payload(
    notification: &Notification,
    incident: Option<&Incident>,
    external_url: &str,
) -> Payload {
    let mut annotations = notification.common_annotations();
    if let Some(cause) = incident.and_then(|incident| incident.causes.first()) {
        annotations.insert("cause".to_owned(), cause_line(cause));
    }
    let alerts = notification.alerts.iter();
    let mut fields = vec![
        ("receiver", Json::text(&notification.receiver)),
        ("status", status(notification.status)),
        ("alerts", Json::List(alerts.map(alert).collect())),
        ("groupLabels", labels(&notification.group_labels)),
        ("commonLabels", labels(&notification.common_labels())),
        ("commonAnnotations", map(&annotations)),
        ("externalURL", Json::text(external_url)),
        ("version", Json::text("4")),
        ("groupKey", Json::text(&notification.group_key)),
        ("truncatedAlerts", Json::Integer(0)),
    ];
    if let Some(incident) = incident {
        fields.push(("incident", about(incident)));
    }
    Payload(object(fields))
}

fn status(status: AlertStatus) -> Json {
    Json::text(match status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    })
}

fn alert(alert: &Alert) -> Json {
    let over = alert.ends_at;
    object([
        (
            "status",
            status(over.map_or(AlertStatus::Firing, |_| AlertStatus::Resolved)),
        ),
        ("labels", labels(&alert.labels)),
        ("annotations", map(&alert.annotations)),
        ("startsAt", time(Some(alert.starts_at))),
        ("endsAt", time(over)),
        ("generatorURL", Json::text(&alert.generator_url)),
        ("fingerprint", Json::text(alert.fingerprint().to_string())),
    ])
}

fn time(time: Option<Timestamp>) -> Json {
    Json::text(time.map_or_else(|| NEVER.to_owned(), |time| time.to_string()))
}

fn labels(labels: &Labels) -> Json {
    object(labels.iter().map(|(name, value)| (name, Json::text(value))))
}

fn map(texts: &BTreeMap<String, String>) -> Json {
    object(texts.iter().map(|(name, text)| (name, Json::text(text))))
}

fn about(incident: &Incident) -> Json {
    object([
        ("id", Json::text(incident.id.to_string())),
        ("summary", Json::text(&incident.summary)),
        ("openedAt", time(Some(incident.opened_at))),
        (
            "causes",
            Json::List(incident.causes.iter().map(cause).collect()),
        ),
    ])
}

fn cause(cause: &Cause) -> Json {
    let evidence = cause.evidence.iter().map(|one| Json::text(one.to_string()));
    object([
        ("component", Json::text(&cause.component)),
        (
            "metric",
            cause.metric.as_ref().map_or(Json::Null, Json::text),
        ),
        ("score", Json::Number(cause.score)),
        (
            "confidence",
            cause.confidence.map_or(Json::Null, Json::Number),
        ),
        ("evidence", Json::List(evidence.collect())),
    ])
}

/// The component, and the first fact that speaks for it.
fn cause_line(cause: &Cause) -> String {
    let fact = cause.evidence.iter().find(|one| one.stance == Stance::For);
    match fact {
        Some(fact) => format!("{}: {fact}", cause.component),
        None => cause.component.clone(),
    }
}
