//! Log records.

use super::node::Node;
use super::{Encoding, Error, read, schema};
use crate::ingest::Limits;
use crate::{AnyValue, LogRecord, Severity, SpanId, Timestamp, TraceId};

/// Adds the records of a request to `records`. Those that do not say when they were observed get
/// `now`.
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
) -> Result<(), Error> {
    let request = read(body, encoding, &schema::LOGS_REQUEST, limits)?;
    let before = records.len();
    for resource in request.list("resourceLogs") {
        let attributes = resource
            .get("resource")
            .map(|resource| resource.attributes("attributes"))
            .unwrap_or_default();
        for scope in resource.list("scopeLogs") {
            let name = scope.get("scope").map_or("", |scope| scope.text("name"));
            for found in scope.list("logRecords") {
                if records.len() - before == limits.max_samples {
                    records.truncate(before);
                    return Err(Error::TooMany {
                        what: "records",
                        limit: limits.max_samples,
                    });
                }
                records.push(LogRecord {
                    resource: attributes.clone(),
                    scope: name.to_owned(),
                    ..record(found, now)
                });
            }
        }
    }
    Ok(())
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
