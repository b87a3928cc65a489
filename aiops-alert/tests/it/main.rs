//! Integration tests.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(feature = "api")]
mod api;
mod better;
#[cfg(feature = "files")]
mod conformance;
mod correlate;
#[cfg(feature = "email")]
mod email;
mod engine;
mod expr;
#[cfg(feature = "files")]
mod files;
#[cfg(all(feature = "api", feature = "files"))]
mod fuzz;
mod interval;
#[cfg(feature = "serde")]
mod journal;
mod mute;
#[cfg(feature = "files")]
mod outside;
mod payload;
mod remediation;
#[cfg(feature = "serde")]
mod remediation_limits;
mod report;
#[cfg(feature = "serde")]
mod restart;
mod rule;
#[cfg(feature = "files")]
mod scenario;
mod signal;
#[cfg(feature = "serde")]
mod stored;
mod support;
mod template;
mod webhook;
