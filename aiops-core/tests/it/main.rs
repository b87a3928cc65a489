//! Tests.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(feature = "durable")]
mod crash;
#[cfg(all(
    feature = "csv",
    feature = "durable",
    feature = "json",
    feature = "otlp",
    feature = "remote-write",
    feature = "serde"
))]
mod fuzz;
#[cfg(feature = "durable")]
mod golden;
mod ingest;
mod logs;
mod prepare;
mod queue;
mod store;
#[cfg(feature = "durable")]
mod support;
