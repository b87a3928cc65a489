//! Opsgenie.
//!
//! *Alert API*, docs.opsgenie.com/docs/alert-api: fields and lengths.

use aiops_core::Labels;

use super::{Message, Request, Secret, Severity, cut};
use crate::json::{Json, object};

/// Most characters of names and values in `details`.
const MAX_DETAILS: usize = 8_000;

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
        let details = details(&labels);
        let body = object([
            ("message", Json::text(cut(&message.summary(), 130))),
            ("alias", Json::text(&alias)),
            ("description", Json::text(cut(&lines.join("\n"), 15_000))),
            ("details", details),
            ("priority", Json::text(priority)),
        ]);
        (format!("{base}/v2/alerts"), body)
    };
    Request::post(Secret(url), &message.notification.key, &body)
        .authorized(format!("GenieKey {}", api_key.0))
}

/// Labels as long as there is room; then how many there are more.
fn details(labels: &Labels) -> Json {
    let mut left = MAX_DETAILS - 32;
    let mut fields = Vec::new();
    for (name, value) in labels.iter() {
        let value = cut(value, 1_000);
        let size = name.chars().count() + value.chars().count();
        let Some(rest) = left.checked_sub(size) else {
            continue;
        };
        left = rest;
        fields.push((name, Json::text(value)));
    }
    let left_out = labels.len() - fields.len();
    if left_out > 0 {
        fields.push(("…", Json::text(format!("and {left_out} more"))));
    }
    object(fields)
}
