//! Tests of the public interface.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod monitor;
mod nab;
mod rolling_mad;
mod support;
mod threshold;
