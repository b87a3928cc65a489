//! Slack.
//!
//! *Block Kit reference*, docs.slack.dev/reference/block-kit: 150 characters of a header, 3,000 of a
//! section. Much more than 13,000 in all are refused too, as slackapi/bolt-js#2509 found.

use super::{Message, Request, Secret, Severity, cut};
use crate::json::{Json, object};

/// Most characters of a section, escapes included.
const MAX_SECTION: usize = 3_000;

/// Most characters of a cause: three of them fit into a section if each became an escape of five.
const MAX_CAUSE: usize = 190;

/// Slack's blocks, for an incoming webhook.
pub fn slack(message: &Message<'_>, url: &Secret) -> Request {
    let section = |text: String| {
        let text = object([("type", Json::text("mrkdwn")), ("text", Json::text(text))]);
        object([("type", Json::text("section")), ("text", text)])
    };
    let header = object([
        ("type", Json::text("plain_text")),
        ("text", Json::text(cut(&message.summary(), 150))),
    ]);
    let mut blocks = vec![object([("type", Json::text("header")), ("text", header)])];
    let causes = message.causes().into_iter();
    let causes = causes.map(|cause| cut(&cause, MAX_CAUSE));
    let causes: Vec<String> = causes.collect();
    if !causes.is_empty() {
        blocks.push(section(format!("*Likely causes*\n{}", mrkdwn(&causes))));
    }
    let size = |line: &str| mrkdwn(&[line]).chars().count();
    blocks.push(section(mrkdwn(&message.lines_within(MAX_SECTION, size))));
    let color = match (message.is_over(), message.severity()) {
        (true, _) => "#2e7d32",
        (false, Severity::Critical | Severity::Error) => "#c62828",
        (false, _) => "#f9a825",
    };
    let attachment = object([("color", Json::text(color)), ("blocks", Json::List(blocks))]);
    let body = object([
        (
            "text",
            Json::text(mrkdwn(&[cut(&message.summary(), 1_024)])),
        ),
        ("attachments", Json::List(vec![attachment])),
    ]);
    Request::post(url.clone(), &message.notification.key, &body)
}

/// Lines as Slack's own notation, with what it takes for markup escaped.
fn mrkdwn(lines: &[impl AsRef<str>]) -> String {
    let escaped = lines.iter().map(|line| {
        let line = line.as_ref().replace('&', "&amp;");
        line.replace('<', "&lt;").replace('>', "&gt;")
    });
    escaped.collect::<Vec<_>>().join("\n")
}
