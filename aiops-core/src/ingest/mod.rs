//! Bytes from outside to batches of samples.
//!
//! Every format is a pure function from bytes to a [`Batch`], bounded in memory before it
//! allocates. What is refused is counted by reason.

mod batch;

pub use batch::{Batch, BatchSeries, MetricMetadata, STALE, is_stale};
