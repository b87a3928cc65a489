//! Tests of the public interface.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod auto;
mod auto_metrics;
mod auto_table;
mod bocpd;
mod budget;
mod calibrate;
mod esd;
mod extended_isolation_forest;
mod hbos;
mod isolation_forest;
mod matrix_profile;
mod metrics;
mod monitor;
mod multivariate;
mod nab;
mod neighbors;
mod online;
mod pca;
mod pelt;
mod random_cut_forest;
mod reference;
mod release;
mod release_kayenta;
mod release_sequential;
mod robust_z;
mod rolling_mad;
mod sampled_neighbors;
mod seasonal;
mod spectral_residual;
mod spot;
mod streaming;
mod stuck;
mod support;
mod tails;
mod threshold;
