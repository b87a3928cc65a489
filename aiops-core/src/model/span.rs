//! Spans in the form of OpenTelemetry's traces.

use std::sync::Arc;
use std::time::Duration;

use crate::{AnyValue, Attributes, SpanId, Timestamp, TraceId};

/// On which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum SpanKind {
    /// The source does not say.
    #[default]
    Unspecified,
    /// Work within a service.
    Internal,
    /// A call that is answered.
    Server,
    /// A call that is made.
    Client,
    /// A message that is sent.
    Producer,
    /// A message that is taken.
    Consumer,
}

impl SpanKind {
    /// From OpenTelemetry's number; numbers above 5 are unspecified.
    pub const fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum SpanStatus {
    /// The source does not say, which is how most spans that went well end.
    #[default]
    Unset,
    /// Said to be good, whatever is seen in it.
    Ok,
    /// It failed.
    Error,
}

impl SpanStatus {
    /// From OpenTelemetry's number; numbers above 2 are unset.
    pub const fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// Something that happened during a span, such as an exception.
#[derive(Clone, Debug, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SpanEvent {
    /// When; `None` when the source does not say.
    pub time: Option<Timestamp>,
    /// What.
    pub name: String,
    /// Everything else.
    pub attributes: Attributes,
}

/// One step of a request, in one service.
///
/// ```
/// use aiops_core::{Span, SpanId, Timestamp, TraceId};
/// use std::time::Duration;
///
/// let start = Timestamp::from_nanos(1_000);
/// let span = Span::new(TraceId([1; 16]), SpanId([2; 8]), start, Timestamp::from_nanos(1_250));
/// assert_eq!(span.duration(), Duration::from_nanos(250));
/// assert!(span.is_root() && !span.is_error());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Span {
    /// The request that it is part of.
    pub trace: TraceId,
    /// Its identity, within the trace.
    pub id: SpanId,
    /// The span that caused it; `None` at the beginning of a trace. It need not have arrived.
    pub parent: Option<SpanId>,
    /// Name of the service; empty when the source does not say. Shared by the spans of a resource.
    pub service: Arc<str>,
    /// What was done, such as `GET /cart`.
    pub name: String,
    /// On which side of a call it is.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, not before `start`.
    pub end: Timestamp,
    /// How it ended.
    pub status: SpanStatus,
    /// What is said about the status; often empty.
    pub status_message: String,
    /// Name of the library that made it.
    pub scope: Arc<str>,
    /// Where it came from: host, service, container. Shared by the spans of a resource.
    pub resource: Arc<Attributes>,
    /// Everything else.
    pub attributes: Attributes,
    /// What happened meanwhile.
    pub events: Vec<SpanEvent>,
}

impl Span {
    /// A span of which nothing else is known. Times in the wrong order are exchanged.
    pub fn new(trace: TraceId, id: SpanId, start: Timestamp, end: Timestamp) -> Self {
        Self {
            trace,
            id,
            parent: None,
            service: Arc::from(""),
            name: String::new(),
            kind: SpanKind::Unspecified,
            start: start.min(end),
            end: start.max(end),
            status: SpanStatus::Unset,
            status_message: String::new(),
            scope: Arc::from(""),
            resource: Arc::default(),
            attributes: Attributes::new(),
            events: Vec::new(),
        }
    }

    /// How long it took.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether a trace begins with it.
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// Whether it failed.
    pub fn is_error(&self) -> bool {
        self.status == SpanStatus::Error
    }

    /// The attribute `name`: its own, or else the resource's. Linear in the number of attributes.
    pub fn attribute(&self, name: &str) -> Option<&AnyValue> {
        let mut all = self.attributes.iter().chain(self.resource.iter());
        all.find(|(own, _)| own == name).map(|(_, value)| value)
    }
}
