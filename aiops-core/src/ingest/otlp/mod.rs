//! OpenTelemetry's protocol: metrics, logs and spans, as protocol buffers and, with the feature `json`,
//! as JSON.
//!
//! *OpenTelemetry Protocol Specification 1*, opentelemetry.io.
//!
//! ```
//! use aiops_core::ingest::otlp::{Encoding, MetricsDecoder};
//! use aiops_core::ingest::{Batch, Limits};
//!
//! let mut decoder = MetricsDecoder::new(10_000);
//! let mut batch = Batch::default();
//! let report = decoder.decode(b"", Encoding::Protobuf, &Limits::default(), &mut batch)?;
//! assert_eq!((report.samples, batch.is_empty()), (0, true));
//! # Ok::<(), aiops_core::ingest::otlp::Error>(())
//! ```
//!
//! | in a request for metrics | becomes |
//! |---|---|
//! | name, attributes of a point | metric and labels, as they are |
//! | `service.name` (behind `service.namespace` and `/`), `service.instance.id` of the resource | labels `job` and `instance` |
//! | `host.name`, `deployment.environment`, `deployment.environment.name`, `k8s.namespace.name`, `k8s.pod.name`, `k8s.node.name`, `container.name` of the resource | labels, as they are; other attributes of the resource are left out |
//! | gauges, cumulative sums | samples |
//! | delta sums and histograms | added up to cumulative ones, within one [`MetricsDecoder`]; a point that overlaps what was added already, as one sent again does, is refused |
//! | a cumulative series whose start time moved behind its last point | a sample of 0 at the new start, so that the restart is seen even where the value has not fallen |
//! | histograms | `_bucket` with the label `le`, `_sum`, `_count` |
//! | exponential histograms | as histograms: at most four bounds for each doubling and 160 in all, exact at the bounds that stay, whatever the sender's scale becomes |
//! | smallest and largest value of a histogram | left out |
//! | summaries | the series of their quantiles, `_sum`, `_count` |
//! | a point without a value (flag 1) | [`STALE`] |
//! | exemplars | left out, counted in the [`Report`](super::Report) |
//! | a point without a time, with a repeated attribute or without a metric's name | the point is refused, counted by reason |
//!
//! | in a request for traces | becomes |
//! |---|---|
//! | a span | a [`Span`](crate::Span), which shares its resource with the others of it |
//! | `service.name` of the resource | its service |
//! | events | kept |
//! | links | left out, counted in the [`Report`](super::Report) |
//! | a span without identities, without times, or that ends before it begins | refused, counted by reason |
//!
//! What a receiver answers is made by [`accepted`] and [`rejected`].

mod answer;
mod attributes;
mod logs;
mod metrics;
mod node;
mod schema;
mod spans;
mod tracks;

pub use answer::{accepted, rejected};
pub use logs::decode_logs;
pub use metrics::MetricsDecoder;
pub use spans::decode_spans;

use super::protobuf::WireError;
use super::{BodyTooLarge, Limits, STALE};
use node::Node;
use schema::Message;

/// How a body is written, which the content type says: `application/x-protobuf` or
/// `application/json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Protocol buffers.
    Protobuf,
    /// JSON.
    #[cfg(feature = "json")]
    Json,
}

/// A body of which nothing was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than the limit.
    #[error(transparent)]
    TooLarge(#[from] BodyTooLarge),
    /// Not the protocol buffer of a request.
    #[error("export request")]
    Protobuf(#[from] WireError),
    /// Not the JSON of a request.
    #[error("export request: expected a JSON object")]
    Json,
    /// More fields, samples or records than the limit.
    #[error("more than {limit} {what} in one body")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// A short stable name of the reason, to count by.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too-large",
            Self::Protobuf(_) => "protobuf",
            Self::Json => "json",
            Self::TooMany { .. } => "too-many",
        }
    }
}

/// Fields of a request that are held at one time, each of which takes some 60 bytes.
const MAX_FIELDS: usize = 2_000_000;

fn read<'a>(
    body: &'a [u8],
    encoding: Encoding,
    message: &'static Message,
    limits: &Limits,
) -> Result<Node<'a>, Error> {
    limits.check_body(body.len() as u64)?;
    match encoding {
        Encoding::Protobuf => schema::decode(body, message, MAX_FIELDS),
        #[cfg(feature = "json")]
        Encoding::Json => {
            let text = std::str::from_utf8(body).map_err(|_| Error::Json)?;
            match crate::logs::json::parse(text) {
                Some(value @ crate::AnyValue::Map(_)) => Ok(value.into()),
                _ => Err(Error::Json),
            }
        }
    }
}
