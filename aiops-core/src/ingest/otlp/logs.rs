//! Log records.

use super::node::Node;
use super::{Encoding, Error, read, schema};
use crate::ingest::{Limits, Report};
use crate::{AnyValue, Attributes, LogRecord, Severity, SpanId, Timestamp, TraceId};

/// Adds the records of a request to `records`. Those that do not say when they were observed get
/// `now`. No record is refused by itself; the [`Report`] says how many there were.
///
/// Every record holds a copy of its resource's attributes. These copies are bounded by
/// [`Limits::max_copied_bytes`].
///
/// # Errors
///
/// [`Error`] when the body is no good; `records` then is as it was.
pub fn decode_logs(
    body: &[u8],
    encoding: Encoding,
    now: Timestamp,
    limits: &Limits,
    records: &mut Vec<LogRecord>,
) -> Result<Report, Error> {
    let request = read(body, encoding, &schema::LOGS_REQUEST, limits)?;
    let before = records.len();
    let mut copies = limits.max_copied_bytes;
    for resource in request.list("resourceLogs") {
        let attributes = resource
            .get("resource")
            .map(|resource| resource.attributes("attributes"))
            .unwrap_or_default();
        let bytes = size_of_attributes(&attributes);
        for scope in resource.list("scopeLogs") {
            let name = scope.get("scope").map_or("", |scope| scope.text("name"));
            for found in scope.list("logRecords") {
                let full = if records.len() - before == limits.max_samples {
                    Some(("records", limits.max_samples))
                } else if let Some(left) = copies.checked_sub(bytes) {
                    copies = left;
                    None
                } else {
                    Some(("bytes of resources", limits.max_copied_bytes))
                };
                if let Some((what, limit)) = full {
                    records.truncate(before);
                    return Err(Error::TooMany { what, limit });
                }
                records.push(LogRecord {
                    resource: attributes.clone(),
                    scope: name.to_owned(),
                    ..record(found, now)
                });
            }
        }
    }
    Ok(Report {
        samples: (records.len() - before) as u64,
        ..Report::default()
    })
}

/// Memory behind attributes, roughly.
fn size_of_attributes(attributes: &Attributes) -> usize {
    let one = |(name, value): &(String, AnyValue)| {
        size_of::<(String, AnyValue)>() + name.len() + size_of_value(value)
    };
    attributes.iter().map(one).sum()
}

fn size_of_value(value: &AnyValue) -> usize {
    match value {
        AnyValue::Text(text) => text.len(),
        AnyValue::Bytes(bytes) => bytes.len(),
        AnyValue::Array(values) => {
            let one = |value| size_of::<AnyValue>() + size_of_value(value);
            values.iter().map(one).sum()
        }
        AnyValue::Map(fields) => size_of_attributes(fields),
        _ => 0,
    }
}

fn record(found: &Node<'_>, now: Timestamp) -> LogRecord {
    let severity = u8::try_from(found.whole("severityNumber")).unwrap_or(0);
    LogRecord {
        time: time(found, "timeUnixNano"),
        observed: time(found, "observedTimeUnixNano").unwrap_or(now),
        severity: Severity::from_number(severity),
        severity_text: found.text("severityText").to_owned(),
        body: found.get("body").map_or(AnyValue::Empty, Node::any_value),
        attributes: found.attributes("attributes"),
        trace: found.identity("traceId").map(TraceId),
        span: found.identity("spanId").map(SpanId),
        ..LogRecord::default()
    }
}

/// Nanoseconds since the epoch; 0 and what is after the year 2262 are no time.
pub(super) fn time(node: &Node<'_>, name: &str) -> Option<Timestamp> {
    i64::try_from(node.whole(name))
        .ok()
        .filter(|nanos| *nanos > 0)
        .map(Timestamp::from_nanos)
}
