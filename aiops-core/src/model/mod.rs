//! The vocabulary: time, labels, series, logs, and the records that the crates exchange.

mod alert;
mod anomaly;
mod change;
mod evidence;
mod frame;
mod incident;
mod labels;
mod log;
mod matcher;
mod seed;
mod series;
mod span;
#[cfg(feature = "serde")]
pub mod stored;
mod time;
mod topology;

pub use alert::{Alert, AlertStatus};
pub use anomaly::{Anomaly, Band, Outcome, Suppression, Verdict, Votes};
pub use change::{ChangeEvent, ChangeKind};
pub use evidence::{Evidence, Fact, Stance};
pub use frame::SeriesFrame;
pub use incident::{Cause, Incident, IncidentId, IncidentStatus};
pub use labels::{Fingerprint, LabelError, Labels, LabelsBuilder, METRIC_NAME};
pub use log::{AnyValue, Attributes, LogRecord, Severity, SpanId, TraceId};
pub use matcher::{MatchOp, Matcher, MatcherError, Selector};
pub use seed::{Rng, Seed};
pub use series::{Sample, Series, SeriesView};
pub use span::{Span, SpanEvent, SpanKind, SpanStatus};
pub use time::{AxisView, ParseTimeError, TimeAxis, TimeRange, Timestamp};
pub(crate) use time::{civil_from_days, days_from_civil};
pub use topology::Topology;
