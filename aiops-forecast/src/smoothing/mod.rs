//! The three classical forms of exponential smoothing by their own names. Each is fitted as a
//! model of [`ets`](crate::ets).

pub mod holt;
pub mod holt_winters;
pub mod simple;
