//! `PagerDuty`.
//!
//! *Events API v2 overview*, developer.pagerduty.com/docs/events-api-v2-overview: fields, lengths, and
//! at most 512 KB for an event, which 20 lines of 500 characters stay below.

use super::{Message, Request, Secret, cut};
use crate::json::{Json, object};

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
    let source = message.source();
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
