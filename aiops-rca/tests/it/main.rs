//! Tests of the public interface.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod change_correlation;
mod data;
mod deviation;
mod drilldown;
mod graph_deviation;
mod investigation;
mod metrics;
mod onset;
mod random_walk;
mod regression_test;
mod support;
mod traces;
mod tree;
