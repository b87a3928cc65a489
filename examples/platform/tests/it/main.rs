//! The platform from outside: over HTTP, as a process, with real peers, in a browser.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "one allocation more does not matter in a test"
)]

mod alertmanager;
mod bad_input;
mod basics;
mod page;
mod process;
mod prometheus;
mod signals;
mod support;
