//! Syslog: RFC 5424, and RFC 3164 as it is really sent.
//!
//! Gerhards, *The Syslog Protocol*, RFC 5424 (2009); Lonvick, *The BSD syslog Protocol*, RFC 3164
//! (2001); Gerhards and Lonvick, *Transmission of Syslog Messages over TCP*, RFC 6587 (2012).

use super::clock::leading_time;
use super::fields;
use super::line::{LineContext, plain};
use crate::{AnyValue, Attributes, LogRecord, Severity};

/// Structured data elements with their parameters that are read.
const MAX_PARAMETERS: usize = 256;

/// Reads one message: a datagram, or a frame of [`Frames`](super::Frames).
///
/// Host and program go to the resource (`host.name`, `service.name`), facility, process,
/// message id and structured data to the attributes, and the priority gives the severity. A body
/// that is JSON is read as such, and its level and time count. What is no syslog is read as a line
/// of text. Bytes that are not UTF-8 become U+FFFD.
///
/// ```
/// use aiops_core::logs::{LineContext, parse_syslog};
/// use aiops_core::{Severity, Timestamp};
///
/// let message = b"<27>Nov 22 11:43:31 vm kernel: eth0: link down";
/// let observed = "2026-11-22T11:43:32Z".parse::<Timestamp>()?;
/// let record = parse_syslog(message, &LineContext::new(observed));
/// assert_eq!(record.severity, Severity::ERROR);
/// assert_eq!(record.time, Some("2026-11-22T11:43:31Z".parse()?));
/// assert_eq!(record.body.as_text(), Some("eth0: link down"));
/// # Ok::<(), aiops_core::ParseTimeError>(())
/// ```
pub fn parse_syslog(message: &[u8], context: &LineContext) -> LogRecord {
    let text = String::from_utf8_lossy(message);
    let text = text.trim_end_matches(['\n', '\r', '\0']);
    recognise(text, context).unwrap_or_else(|| plain(text, context))
}

/// A record, when `text` starts with a priority.
pub(super) fn recognise(text: &str, context: &LineContext) -> Option<LogRecord> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let priority: u8 = number.parse().ok().filter(|p| is_number && *p <= 191)?;
    let mut record = match rest
        .strip_prefix("1 ")
        .and_then(|rest| rfc5424(rest, context))
    {
        Some(record) => record,
        None => rfc3164(rest, context),
    };
    if record.severity == Severity::UNSPECIFIED {
        record.severity = Severity::from_syslog(priority & 7);
    }
    let facility = AnyValue::Int(i64::from(priority >> 3));
    record
        .attributes
        .insert(0, ("syslog.facility".to_owned(), facility));
    Some(record)
}

/// A record with this message: JSON is read, text is kept.
fn with_message(message: &str, context: &LineContext) -> LogRecord {
    if message.starts_with('{')
        && let Some(record) = fields::recognise(message, context)
    {
        return record;
    }
    LogRecord {
        observed: context.observed,
        body: AnyValue::from(message),
        ..LogRecord::default()
    }
}

fn rfc5424(rest: &str, context: &LineContext) -> Option<LogRecord> {
    let mut parts = rest.splitn(6, ' ');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (time, host, program) = (part()?, part()?, part()?);
    let (process, id) = (part()?, part()?);
    let rest = part()?;
    let time = match time {
        "-" => None,
        time => Some(time.parse().ok()?),
    };
    let mut attributes = Attributes::new();
    add(&mut attributes, "process.pid", process);
    add(&mut attributes, "syslog.msgid", id);
    let message = structured_data(rest, &mut attributes)?;
    let message = message.trim();
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    let mut record = with_message(message, context);
    record.time = record.time.or(time);
    add(&mut record.resource, "host.name", host);
    add(&mut record.resource, "service.name", program);
    attributes.append(&mut record.attributes);
    record.attributes = attributes;
    Some(record)
}

/// `-` stands for nothing.
fn add(attributes: &mut Attributes, name: &str, value: &str) {
    if value != "-" {
        attributes.push((name.to_owned(), AnyValue::from(value)));
    }
}

/// Reads `[id name="value" ...]...` into attributes `id.name`; answers the message behind it.
fn structured_data<'a>(text: &'a str, attributes: &mut Attributes) -> Option<&'a str> {
    if let Some(message) = text.strip_prefix('-') {
        return Some(message);
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        let id = &element[..end];
        rest = &element[end..];
        loop {
            rest = rest.trim_start_matches(' ');
            if let Some(after) = rest.strip_prefix(']') {
                rest = after;
                break;
            }
            let (name, quoted) = rest.split_once("=\"")?;
            let (value, after) = parameter(quoted)?;
            if attributes.len() < MAX_PARAMETERS {
                attributes.push((format!("{id}.{name}"), AnyValue::Text(value)));
            }
            rest = after;
        }
    }
    (rest.len() < text.len()).then_some(rest)
}

/// The value up to the closing quote; `\"`, `\\` and `\]` are escapes, other backslashes stay.
fn parameter(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\' | ']') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

/// `Nov 22 11:43:31 host tag[pid]: message`, of which everything may be missing. Some senders
/// write the time as RFC 3339 and leave the colon out.
fn rfc3164(rest: &str, context: &LineContext) -> LogRecord {
    let Some((time, len)) = leading_time(rest, context) else {
        return with_message(rest.trim(), context);
    };
    let after_time = rest[len..].trim_start();
    let (host, after_host) = match after_time.split_once(' ') {
        // No host: the first word is the tag already.
        Some((word, _)) if word.ends_with(':') => ("-", after_time),
        Some((word, rest)) => (word, rest.trim_start()),
        None => ("-", after_time),
    };
    let (program, process, message) = tag(after_host);
    let mut record = with_message(message.trim(), context);
    record.time = record.time.or(Some(time));
    add(&mut record.resource, "host.name", host);
    add(&mut record.resource, "service.name", program);
    let mut attributes = Attributes::new();
    add(&mut attributes, "process.pid", process);
    attributes.append(&mut record.attributes);
    record.attributes = attributes;
    record
}

/// Program, process and message; `-` for what is not there.
fn tag(text: &str) -> (&str, &str, &str) {
    let is_tag = |c: char| c.is_ascii_alphanumeric() || "_-./@".contains(c);
    let end = text.find(|c| !is_tag(c)).unwrap_or(text.len());
    let (program, rest) = text.split_at(end);
    if program.is_empty() || rest.is_empty() {
        return ("-", "-", text);
    }
    if let Some((process, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (program, process, rest.strip_prefix(':').unwrap_or(rest));
    }
    match rest.strip_prefix(':') {
        Some(message) => (program, "-", message),
        None if rest.starts_with(' ') => (program, "-", rest),
        None => ("-", "-", text),
    }
}
