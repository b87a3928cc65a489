//! Lines of named values, logfmt and JSON, to records.

use super::clock::{epoch, leading_time};
use super::line::{LineContext, plain};
use crate::{AnyValue, Attributes, LogRecord, Severity, SpanId, Timestamp, TraceId};

/// Names under which programs write the same thing, the usual ones first.
const BODY: [&str; 6] = ["msg", "message", "body", "log", "event", "text"];
const LEVEL: [&str; 7] = [
    "level",
    "severity",
    "lvl",
    "@level",
    "log.level",
    "loglevel",
    "severity_text",
];
const TIME: [&str; 6] = ["time", "ts", "timestamp", "@timestamp", "t", "datetime"];
const TRACE: [&str; 4] = ["trace_id", "traceId", "trace.id", "traceid"];
const SPAN: [&str; 4] = ["span_id", "spanId", "span.id", "spanid"];
const SCOPE: [&str; 3] = ["logger", "logger_name", "log.logger"];

/// Pairs of a logfmt line that are read.
const MAX_PAIRS: usize = 256;

/// A record, when `text` is a JSON object or logfmt.
pub(super) fn recognise(text: &str, context: &LineContext) -> Option<LogRecord> {
    #[cfg(feature = "json")]
    if text.starts_with('{')
        && let Some(AnyValue::Map(fields)) = super::json::parse(text)
    {
        return Some(record(fields, context));
    }
    let fields = logfmt(text)?;
    let is_known = |name: &str| {
        [&BODY[..], &LEVEL, &TIME]
            .iter()
            .any(|names| names.contains(&name))
    };
    let known = fields.iter().filter(|(name, _)| is_known(name)).count();
    (fields.len() >= 2 && known > 0).then(|| record(fields, context))
}

/// `key=value key="quoted value" flag`, all of the line; `None` when the first word is no pair or
/// a word is neither a pair nor a name.
fn logfmt(text: &str) -> Option<Attributes> {
    let mut fields = Attributes::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && fields.len() < MAX_PAIRS {
        let name_end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let name = &rest[..name_end];
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-@/".contains(&b));
        if !is_name {
            return None;
        }
        let Some(after) = rest[name_end..].strip_prefix('=') else {
            if fields.is_empty() {
                return None;
            }
            fields.push((name.to_owned(), AnyValue::Bool(true)));
            rest = rest[name_end..].trim_start();
            continue;
        };
        let (value, after) = logfmt_value(after)?;
        fields.push((name.to_owned(), AnyValue::Text(value)));
        rest = after.trim_start();
    }
    Some(fields)
}

fn logfmt_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// A record from named values: the well-known ones to their places, the others to the attributes.
pub(super) fn record(mut fields: Attributes, context: &LineContext) -> LogRecord {
    let body = take(&mut fields, &BODY, |_| true);
    let mut record = match body {
        // A line within the line, as containers and shippers wrap them.
        Some(AnyValue::Text(text)) if text.trim_start().starts_with('{') => {
            recognise(text.trim(), context).unwrap_or_else(|| plain(text.trim_end(), context))
        }
        Some(body) => LogRecord {
            body,
            ..LogRecord::default()
        },
        None => LogRecord::default(),
    };
    record.observed = context.observed;
    if let Some(level) = take(&mut fields, &LEVEL, |value| severity(value).is_some()) {
        (record.severity, record.severity_text) = severity(&level).unwrap_or_default();
    }
    if let Some(at) = take(&mut fields, &TIME, |value| time(value, context).is_some()) {
        record.time = time(&at, context);
    }
    if let Some(id) = take(&mut fields, &TRACE, |value| hex::<16>(value).is_some()) {
        record.trace = hex(&id).map(TraceId);
    }
    if let Some(id) = take(&mut fields, &SPAN, |value| hex::<8>(value).is_some()) {
        record.span = hex(&id).map(SpanId);
    }
    if let Some(AnyValue::Text(scope)) =
        take(&mut fields, &SCOPE, |value| value.as_text().is_some())
    {
        record.scope = scope;
    }
    record.attributes.append(&mut fields);
    record
}

/// Takes out the first field that has one of the names and a value that will do.
fn take(
    fields: &mut Attributes,
    names: &[&str],
    will_do: impl Fn(&AnyValue) -> bool,
) -> Option<AnyValue> {
    let place = names.iter().find_map(|name| {
        fields
            .iter()
            .position(|(own, value)| own == name && will_do(value))
    })?;
    Some(fields.remove(place).1)
}

/// From a word, or from a number: 10, 20 ... 60 as bunyan and pino count, 0 to 7 as syslog does.
fn severity(value: &AnyValue) -> Option<(Severity, String)> {
    let number = match value {
        AnyValue::Text(word) => {
            let known = Severity::from_word(word.trim());
            if known != Severity::UNSPECIFIED {
                return Some((known, word.clone()));
            }
            word.trim().parse().ok()?
        }
        AnyValue::Int(number) => *number,
        _ => return None,
    };
    let known = match number {
        0..=7 => Severity::from_syslog(number as u8),
        10 => Severity::TRACE,
        20 => Severity::DEBUG,
        30 => Severity::INFO,
        40 => Severity::WARN,
        50 => Severity::ERROR,
        60 => Severity::FATAL,
        _ => return None,
    };
    Some((known, number.to_string()))
}

fn time(value: &AnyValue, context: &LineContext) -> Option<Timestamp> {
    match value {
        AnyValue::Text(text) => leading_time(text.trim(), context)
            .filter(|(_, len)| *len == text.trim().len())
            .map(|(time, _)| time),
        AnyValue::Int(number) => {
            let digits = number.to_string();
            leading_time(&digits, context).map(|(time, _)| time)
        }
        AnyValue::Double(number) => epoch(*number),
        _ => None,
    }
}

/// Bytes written in hexadecimal that are not all zero.
fn hex<const N: usize>(value: &AnyValue) -> Option<[u8; N]> {
    let text = value.as_text()?;
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    bytes.iter().any(|byte| *byte != 0).then_some(bytes)
}
