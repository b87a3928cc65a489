//! The platform from outside: over HTTP, as a process, with real peers, in a browser.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_input;
mod basics;
mod page;
mod process;
mod prometheus;
mod support;
