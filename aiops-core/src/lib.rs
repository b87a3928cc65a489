//! Time, labels, series, logs, traits, ingestion, queue and storage: what the crates of the aiops
//! family share.
//!
//! ```
//! use aiops_core::{Labels, Series, Selector, TimeAxis, Timestamp};
//! use std::time::Duration;
//!
//! let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 3)?;
//! let latency_ms = Series::new(axis, vec![10.0, f64::NAN, 12.0])?; // NaN: missing
//!
//! let labels = Labels::of([("__name__", "latency_ms"), ("service", "cart")])?;
//! let selector: Selector = r#"latency_ms{service=~"cart|checkout"}"#.parse()?;
//! assert!(selector.matches(&labels));
//! assert_eq!(latency_ms.view().present().sum::<f64>(), 22.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this sits
//!
//! The four other libraries depend on this one and never on each other; programs put them
//! together. A data point goes through
//!
//! ```text
//! ingest    bytes to a Batch
//! logs      messages to templates
//! queue     kept until processed
//! store     kept until it is too old
//! traits    Detector, Forecaster, Threshold, RootCauseRanker: implemented by the other crates
//! model     Verdict, Anomaly, Alert, Incident, Cause, Evidence: what they tell each other
//! ```
//!
//! # Missing values
//!
//! A missing value is `NaN` and keeps its place on the time axis. Infinite values are refused
//! where a [`Series`] is built, with their index; the store keeps every value bit for bit.
//!
//! # Crate features
//!
//! - `serde`: `Serialize` and `Deserialize` for the vocabulary, and [stored models](model::stored).
//! - `json`: log lines, envelopes and alerts in JSON (adds `serde_json`).
//! - `csv`: samples in tables of text (adds `csv`).
//! - `otlp`: OpenTelemetry's metrics, logs and spans; as JSON with `json`.
//! - `remote-write`: Prometheus remote-write (adds `snap`).
//! - `durable`: queue and store on disk (adds `crc32c`).
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
#[cfg(feature = "durable")]
mod files;
pub mod ingest;
#[cfg(feature = "durable")]
mod journal;
pub mod logs;
pub mod model;
pub mod numerics;
pub mod prepare;
pub mod queue;
#[cfg(all(test, feature = "durable"))]
mod simulation;
pub mod store;
pub mod traits;

pub use error::*;
pub use model::*;
pub use ndarray;
pub use traits::*;
