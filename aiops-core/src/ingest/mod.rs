//! Bytes from outside to batches of samples.
//!
//! Every format is a pure function from bytes to a [`Batch`], bounded in memory before it
//! allocates. What is refused is counted by reason: a fault of one series refuses the series, a
//! fault that makes the body unreadable refuses the body and leaves the batch as it was.
//!
//! | format | function | feature |
//! |---|---|---|
//! | Prometheus text 0.0.4, OpenMetrics 1.0 | [`prometheus_text::parse`] | |
//! | Prometheus remote-write 1.0, 2.0 | `remote_write::decode`, `decode_v2` | `remote-write` |
//! | InfluxDB's line protocol | [`influx::parse`] | |
//! | OpenTelemetry's metrics, logs and spans | `otlp::MetricsDecoder`, `otlp::decode_logs`, `otlp::decode_spans` | `otlp`; `json` for JSON |
//! | samples in tables of text | `csv::parse` | `csv` |
//! | alerts of Prometheus and Alertmanager | `alertmanager::decode` | `json` |
//! | a batch in a queue | [`Batch::encode`], [`Batch::decode`] | |

#[cfg(feature = "json")]
pub mod alertmanager;
mod batch;
#[cfg(feature = "csv")]
pub mod csv;
#[cfg(any(feature = "remote-write", feature = "otlp"))]
mod exponential;
pub mod influx;
mod interner;
mod limits;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod prometheus_text;
#[cfg(any(feature = "remote-write", feature = "otlp"))]
mod protobuf;
#[cfg(feature = "remote-write")]
pub mod remote_write;
mod report;
mod stored;
mod varint;

pub use batch::{Batch, BatchSeries, MetricMetadata, STALE, is_stale};
pub use interner::LabelInterner;
pub use limits::{BodyTooLarge, Limits};
pub use report::{Refused, Report};
pub use stored::StoredBatchError;
