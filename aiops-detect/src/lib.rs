//! Anomaly detectors for operational time series.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod isolation_forest;
pub mod metrics;
pub mod monitor;
pub mod rolling_mad;
mod spread;
pub mod threshold;

pub use spread::MAX_SCORE;
