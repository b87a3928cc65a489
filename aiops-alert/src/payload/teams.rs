//! Microsoft Teams.
//!
//! *Create incoming webhooks with Workflows* and *Format cards in Microsoft Teams*,
//! learn.microsoft.com: an adaptive card as the attachment of a message of at most 28 KB.

use super::{Message, Request, Secret, Severity, cut};
use crate::json::{Json, object};

/// Bytes of lines that are listed, quotes and escapes included; the card around them takes a few more.
const MAX_LISTED_BYTES: usize = 14_000;

/// An adaptive card, for a workflow of Microsoft Teams. Texts are shown as they are: nothing in
/// them is taken for markup.
pub fn teams(message: &Message<'_>, url: &Secret) -> Request {
    let color = match (message.is_over(), message.severity()) {
        (true, _) => "good",
        (false, Severity::Critical | Severity::Error) => "attention",
        (false, _) => "warning",
    };
    let mut body = vec![text(&cut(&message.summary(), 500), "bolder", color)];
    let causes = message.causes();
    if !causes.is_empty() {
        body.push(text("Likely causes", "bolder", "default"));
        body.extend(causes.iter().map(|cause| text(cause, "default", "default")));
    }
    let size = |line: &str| text(line, "default", "default").to_string().len();
    let lines = message.lines_within(MAX_LISTED_BYTES, size);
    body.extend(lines.iter().map(|line| text(line, "default", "default")));
    let mut fields = vec![
        (
            "$schema",
            Json::text("http://adaptivecards.io/schemas/adaptive-card.json"),
        ),
        ("type", Json::text("AdaptiveCard")),
        ("version", Json::text("1.4")),
        ("msteams", object([("width", Json::text("Full"))])),
        ("body", Json::List(body)),
    ];
    if !message.external_url.is_empty() {
        let open = object([
            ("type", Json::text("Action.OpenUrl")),
            ("title", Json::text("Open")),
            ("url", Json::text(message.external_url)),
        ]);
        fields.push(("actions", Json::List(vec![open])));
    }
    let attachment = object([
        (
            "contentType",
            Json::text("application/vnd.microsoft.card.adaptive"),
        ),
        ("content", object(fields)),
    ]);
    let body = object([
        ("type", Json::text("message")),
        ("attachments", Json::List(vec![attachment])),
    ]);
    Request::post(url.clone(), &message.notification.key, &body)
}

/// One line. Rich text, since plain blocks read Markdown out of labels.
fn text(text: &str, weight: &str, color: &str) -> Json {
    let run = object([
        ("type", Json::text("TextRun")),
        ("text", Json::text(text)),
        ("weight", Json::text(weight)),
        ("color", Json::text(color)),
    ]);
    object([
        ("type", Json::text("RichTextBlock")),
        ("inlines", Json::List(vec![run])),
        ("spacing", Json::text("small")),
    ])
}
