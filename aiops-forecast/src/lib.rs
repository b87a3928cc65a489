//! Forecasts of operational time series.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod capacity;
mod normal;
