//! The wall clock: the one place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use aiops_core::Timestamp;

/// Now. A clock set before 1970 reads as 1970.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since)
}
