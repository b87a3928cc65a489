//! Spans.

use std::sync::Arc;

use super::logs::time;
use super::node::Node;
use super::{Encoding, Error, read, schema};
use crate::ingest::{Limits, Report};
use crate::{Attributes, Span, SpanEvent, SpanId, SpanKind, SpanStatus, TraceId};

/// Adds the spans of a request to `spans`, in the order in which they came.
///
/// ```
/// # #[cfg(feature = "json")] {
/// use aiops_core::ingest::Limits;
/// use aiops_core::ingest::otlp::{Encoding, accepted, decode_spans};
///
/// let body = br#"{"resourceSpans":[{"resource":{"attributes":[
///     {"key":"service.name","value":{"stringValue":"cart"}}]},"scopeSpans":[{"spans":[
///     {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET /cart",
///      "kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000"},
///     {"name":"without identities"}]}]}]}"#;
/// let mut spans = Vec::new();
/// let report = decode_spans(body, Encoding::Json, &Limits::default(), &mut spans)?;
/// assert_eq!((&*spans[0].service, spans[0].duration().as_secs()), ("cart", 1));
/// assert_eq!(report.refused["trace-id"].count, 1);
/// let answer = accepted(&report, "Spans", Encoding::Json);
/// assert!(answer.starts_with(br#"{"partialSuccess":{"rejectedSpans":"1""#));
/// # }
/// # Ok::<(), aiops_core::ingest::otlp::Error>(())
/// ```
///
/// # Errors
///
/// [`Error`] when the body is no good, or holds more than [`Limits::max_samples`] spans; `spans`
/// then is as it was. Spans that are no good are counted in the [`Report`], and the others are
/// taken.
pub fn decode_spans(
    body: &[u8],
    encoding: Encoding,
    limits: &Limits,
    spans: &mut Vec<Span>,
) -> Result<Report, Error> {
    let request = read(body, encoding, &schema::TRACES_REQUEST, limits)?;
    let before = spans.len();
    let (mut report, mut number) = (Report::default(), 0);
    for resource in request.list("resourceSpans") {
        let attributes = resource.get("resource");
        let attributes = attributes.map(|resource| resource.attributes("attributes"));
        let origin = Origin::new(attributes.unwrap_or_default());
        for scope in resource.list("scopeSpans") {
            let name = scope.get("scope").map_or("", |scope| scope.text("name"));
            let name: Arc<str> = Arc::from(name);
            for found in scope.list("spans") {
                number += 1;
                if spans.len() - before == limits.max_samples {
                    spans.truncate(before);
                    return Err(Error::TooMany {
                        what: "spans",
                        limit: limits.max_samples,
                    });
                }
                report.links += found.list("links").len() as u64;
                match origin.span(found, &name) {
                    Ok(span) => spans.push(span),
                    Err((reason, expected)) => {
                        let what = || {
                            format!(
                                "span {number}, `{}`: expected {expected}",
                                found.text("name")
                            )
                        };
                        report.refuse(reason, number, 1, what);
                    }
                }
            }
        }
    }
    report.samples = (spans.len() - before) as u64;
    Ok(report)
}

/// What the spans of a resource share.
struct Origin {
    service: Arc<str>,
    resource: Arc<Attributes>,
}

/// Why a span is refused: name of the reason, and what was expected.
type Fault = (&'static str, &'static str);

impl Origin {
    fn new(resource: Attributes) -> Self {
        let service = resource.iter().find(|(name, _)| name == "service.name");
        let service = service.and_then(|(_, value)| value.as_text());
        Self {
            service: Arc::from(service.unwrap_or_default()),
            resource: Arc::new(resource),
        }
    }

    fn span(&self, found: &Node<'_>, scope: &Arc<str>) -> Result<Span, Fault> {
        let trace = found.identity("traceId").map(TraceId);
        let trace = trace.ok_or(("trace-id", "16 bytes that are not all 0 as the trace"))?;
        let id = found.identity("spanId").map(SpanId);
        let id = id.ok_or(("span-id", "8 bytes that are not all 0 as the span"))?;
        let at = |name| time(found, name).ok_or(("time", "times before the year 2262"));
        let (start, end) = (at("startTimeUnixNano")?, at("endTimeUnixNano")?);
        if end < start {
            return Err(("end-before-start", "an end that is not before the start"));
        }
        let status = found.get("status").unwrap_or(&Node::Null);
        Ok(Span {
            parent: found.identity("parentSpanId").map(SpanId),
            service: Arc::clone(&self.service),
            name: found.text("name").to_owned(),
            kind: SpanKind::from_number(found.whole("kind")),
            status: SpanStatus::from_number(status.whole("code")),
            status_message: status.text("message").to_owned(),
            scope: Arc::clone(scope),
            resource: Arc::clone(&self.resource),
            attributes: found.attributes("attributes"),
            events: found.list("events").iter().map(event).collect(),
            ..Span::new(trace, id, start, end)
        })
    }
}

fn event(found: &Node<'_>) -> SpanEvent {
    SpanEvent {
        time: time(found, "timeUnixNano"),
        name: found.text("name").to_owned(),
        attributes: found.attributes("attributes"),
    }
}
