//! Tests of aiops-forecast.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod arima;
mod auto;
mod bad_input;
mod capacity;
mod draw;
mod ets;
mod every;
mod intermittent;
mod lstm;
mod many;
mod metrics;
mod online;
#[cfg(feature = "serde")]
mod stored;
mod support;
mod theta;
mod tracking;
