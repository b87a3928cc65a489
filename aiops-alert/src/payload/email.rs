//! E-mail, as MIME.
//!
//! *Internet Message Format*, RFC 5322; *Multipurpose Internet Mail Extensions*, RFC 2045 and 2046;
//! *Recommendations for Automatic Responses to Electronic Mail*, RFC 3834.

use std::fmt;

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;
use thiserror::Error;

use super::{Message, Secret, cut, one_line};
use crate::html::escape;

/// Most characters of a subject.
const MAX_SUBJECT: usize = 150;
/// Most characters of an address: RFC 5321, 4.5.3.1.
const MAX_ADDRESS: usize = 254;

/// An address that cannot be written into a mail.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{address}` is no address: expected {expected}")]
pub struct MailboxError {
    address: String,
    expected: &'static str,
}

/// Somebody's address, with or without a name.
///
/// # Examples
///
/// ```
/// use aiops_alert::payload::Mailbox;
/// let team = Mailbox::new("on-call@example.com")?.named("On call");
/// assert_eq!(team.to_string(), "On call <on-call@example.com>");
/// assert!(Mailbox::new("on-call@example.com\r\nBcc: x@y").is_err());
/// # Ok::<(), aiops_alert::payload::MailboxError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: String,
    address: String,
}

impl Mailbox {
    /// An address such as `on-call@example.com`.
    ///
    /// # Errors
    ///
    /// [`MailboxError`] unless it has a local part, an `@` and a domain, without spaces, control
    /// characters, brackets, quotes, commas and semicolons, in at most 254 characters.
    pub fn new(address: impl Into<String>) -> Result<Self, MailboxError> {
        let address = address.into();
        let expected = if address.chars().count() > MAX_ADDRESS {
            Some("at most 254 characters")
        } else if address
            .contains(|c: char| c.is_whitespace() || c.is_control() || "<>()[]\",;:\\".contains(c))
        {
            Some("no spaces, control characters, brackets, quotes or separators")
        } else {
            let parts = address.rsplit_once('@');
            let whole = parts.is_some_and(|(local, domain)| {
                !local.is_empty() && !local.contains('@') && !domain.is_empty()
            });
            (!whole).then_some("a local part, `@` and a domain")
        };
        match expected {
            None => Ok(Self {
                name: String::new(),
                address,
            }),
            Some(expected) => Err(MailboxError {
                address: cut(&address, 100),
                expected,
            }),
        }
    }

    /// With a name for people. Control characters become spaces.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = one_line(name);
        self
    }

    /// The address, as it goes into the envelope.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn domain(&self) -> &str {
        let parts = self.address.rsplit_once('@');
        parts.map_or("", |(_, domain)| domain)
    }

    fn header(&self) -> Address<'_> {
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        Address::new_address(name, self.address.as_str())
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            f.write_str(&self.address)
        } else {
            write!(f, "{} <{}>", self.name, self.address)
        }
    }
}

/// A mail that is to be sent. Printing it does not show what it says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mail {
    /// Sender of the envelope.
    pub from: Mailbox,
    /// Recipients of the envelope.
    pub to: Vec<Mailbox>,
    /// As in the message, without brackets. The same for every attempt at a notification.
    pub message_id: String,
    /// What it belongs to, without brackets: the same for all mails of an incident in a group.
    pub thread_id: String,
    /// One line.
    pub subject: String,
    /// The whole message with its headers, lines ended by CR LF: for SMTP's `DATA`.
    pub mime: Secret,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("to", &self.to.len())
            .field("message_id", &self.message_id)
            .field("thread_id", &self.thread_id)
            .field("mime_bytes", &self.mime.0.len())
            .finish_non_exhaustive()
    }
}

/// A mail with a text and an HTML part.
///
/// All mails of an incident to a receiver refer to the same message identity, so programs show
/// them as one thread; the first of them refers to it too, which no mail has. Programs that also
/// compare subjects begin a new thread where the subject changes. Nothing answers it automatically
/// (`Auto-Submitted`). The same notification gives the same bytes.
///
/// # Examples
///
/// ```
/// use aiops_alert::engine::{AlertEngine, EngineConfig};
/// use aiops_alert::payload::{Mailbox, Message, email};
/// use aiops_core::{Alert, Labels, Timestamp};
///
/// let mut engine = AlertEngine::try_from(EngineConfig::default())?;
/// let labels = Labels::of([("alertname", "Down")])?;
/// engine.receive(Timestamp::EPOCH, Alert::new(labels, Timestamp::EPOCH));
/// let sent = engine.tick(Timestamp::from_secs(30).unwrap());
/// let message = Message::new(&sent[0], engine.incident(sent[0].incident), "");
/// let from = Mailbox::new("alerts@example.com")?;
/// let mail = email(&message, &from, &[Mailbox::new("on-call@example.com")?]);
/// assert!(mail.message_id.ends_with("@example.com"));
/// assert!(mail.mime.expose().contains("multipart/alternative"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn email(message: &Message<'_>, from: &Mailbox, to: &[Mailbox]) -> Mail {
    let notification = message.notification;
    let domain = from.domain();
    let id = |text: &str| format!("{}@{domain}", id_part(text));
    let message_id = id(&notification.key);
    let thread_id = id(&message.identity());
    let subject = cut(&message.summary(), MAX_SUBJECT);
    // Neither part can hold it: what comes from outside never begins a line there.
    let boundary = format!("=_{}", id_part(&notification.key));
    let kind = ContentType::new("multipart/alternative").attribute("boundary", boundary);
    let parts = vec![
        MimePart::new("text/plain", text(message)),
        MimePart::new("text/html", html(message)),
    ];
    let recipients: Vec<Address<'_>> = to.iter().map(Mailbox::header).collect();
    let seconds = notification.decided_at.as_nanos().div_euclid(1_000_000_000);
    let mime = MessageBuilder::new()
        .from(from.header())
        .to(Address::new_list(recipients))
        .subject(subject.as_str())
        .date(seconds)
        .message_id(message_id.as_str())
        .in_reply_to(thread_id.as_str())
        .references(thread_id.as_str())
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .body(MimePart::new(kind, parts))
        .write_to_string()
        .unwrap_or_default();
    Mail {
        from: from.clone(),
        to: to.to_vec(),
        message_id,
        thread_id,
        subject,
        mime: Secret(mime),
    }
}

fn text(message: &Message<'_>) -> String {
    let mut text = message.summary() + "\n";
    let causes = message.causes();
    if !causes.is_empty() {
        text += "\nLikely causes:\n";
        text.extend(causes.iter().map(|line| format!("  {line}\n")));
    }
    text += "\nAlerts:\n";
    text.extend(message.lines().iter().map(|line| format!("  {line}\n")));
    if !message.external_url.is_empty() {
        text.extend(["\n", message.external_url, "\n"]);
    }
    text
}

fn html(message: &Message<'_>) -> String {
    let list = |lines: &[String]| {
        let items = lines.iter();
        let items = items.map(|line| format!("<li>{}</li>\n", escape(line)));
        format!("<ul>\n{}</ul>\n", items.collect::<String>())
    };
    let color = if message.is_over() {
        "#2e7d32"
    } else {
        "#c62828"
    };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><body style=\"font-family:sans-serif\">\n\
         <h2 style=\"color:{color}\">{}</h2>\n",
        escape(&message.summary())
    );
    let causes = message.causes();
    if !causes.is_empty() {
        html += "<p>Likely causes</p>\n";
        html += &list(&causes);
    }
    html += "<p>Alerts</p>\n";
    html += &list(&message.lines());
    // An address of another scheme could run in the reader's program.
    if ["http://", "https://"]
        .iter()
        .any(|scheme| message.external_url.starts_with(scheme))
    {
        let url = escape(message.external_url);
        html.extend(["<p><a href=\"", &url, "\">", &url, "</a></p>\n"]);
    }
    html + "</body></html>\n"
}

/// What may stand before the `@` of a message identity.
fn id_part(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect()
}
