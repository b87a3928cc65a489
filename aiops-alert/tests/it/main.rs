//! Integration tests.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod engine;
#[cfg(feature = "serde")]
mod restart;
mod rule;
mod support;
mod template;
mod webhook;
