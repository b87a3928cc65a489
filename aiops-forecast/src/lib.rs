//! Forecasts of operational time series.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backtest;
pub mod capacity;
pub mod conformal;
pub mod ets;
mod grid;
pub mod metrics;
pub mod moving_average;
pub mod naive;
mod naive2;
mod normal;
mod optimise;
pub mod smoothing;

pub use naive2::naive2;
