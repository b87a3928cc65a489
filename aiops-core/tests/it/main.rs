//! Tests.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(feature = "durable")]
mod crash;
mod ingest;
mod logs;
mod prepare;
mod queue;
mod store;
#[cfg(feature = "durable")]
mod support;
