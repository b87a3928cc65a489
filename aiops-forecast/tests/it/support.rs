//! What several tests need.

use std::time::Duration;

use aiops_core::{Series, TimeAxis, Timestamp};

/// A series with one value every `step` seconds, the first at the epoch.
pub(crate) fn series_every(step: u64, values: Vec<f64>) -> Series {
    let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(step), values.len());
    Series::new(axis.unwrap(), values).unwrap()
}
