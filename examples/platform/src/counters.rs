//! What came in, and what became of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aiops_core::Timestamp;
use serde::Serialize;

/// Counts of one source of samples.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceCount {
    /// Bodies, scrapes or collections.
    pub requests: u64,
    /// Samples in them.
    pub samples: u64,
    /// Unix milliseconds of the last one.
    pub last: i64,
}

/// Everything that was counted so far; a copy can be taken at any time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Samples kept.
    pub accepted: u64,
    /// Samples that were there already.
    pub duplicates: u64,
    /// Samples older than the store takes in.
    pub late: u64,
    /// Samples, series or bodies refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// By source.
    pub sources: BTreeMap<String, SourceCount>,
    /// Webhook deliveries that succeeded.
    pub delivered: u64,
    /// Webhook deliveries that failed.
    pub delivery_failures: u64,
    /// Why the last write to disk failed; `None` after a success.
    pub storage_error: Option<String>,
}

/// Most sources and reasons that are told apart; further ones count as `other`.
const MAX_NAMES: usize = 1_000;

/// Counts, shared by all threads.
#[derive(Debug, Default)]
pub struct Counters(Mutex<Snapshot>);

impl Counters {
    /// A copy of all counts.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|counts| counts.clone())
    }

    /// `count` things were refused for `reason`.
    pub fn refuse(&self, reason: &str, count: u64) {
        if count > 0 {
            self.with(|counts| *bounded(&mut counts.refused, reason) += count);
        }
    }

    /// A body with `samples` samples came from `source`.
    pub fn receive(&self, source: &str, samples: u64, now: Timestamp) {
        self.with(|counts| {
            let source = bounded(&mut counts.sources, source);
            source.requests += 1;
            source.samples += samples;
            source.last = now.as_millis();
        });
    }

    /// What the store did with a batch.
    pub fn stored(&self, report: aiops_core::store::AppendReport) {
        self.with(|counts| {
            counts.accepted += report.accepted;
            counts.duplicates += report.duplicates;
            counts.late += report.late;
        });
        self.refuse("store.series-limit", report.over_series_limit);
    }

    /// A webhook was delivered, or not.
    pub fn delivery(&self, ok: bool) {
        self.with(|counts| {
            if ok {
                counts.delivered += 1;
            } else {
                counts.delivery_failures += 1;
            }
        });
    }

    /// The last write to disk worked (`None`) or failed for this reason.
    pub fn storage(&self, error: Option<String>) {
        self.with(|counts| counts.storage_error = error);
    }

    fn with<T>(&self, f: impl FnOnce(&mut Snapshot) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn bounded<'a, V: Default>(map: &'a mut BTreeMap<String, V>, name: &str) -> &'a mut V {
    let name = if map.contains_key(name) || map.len() < MAX_NAMES {
        name
    } else {
        "other"
    };
    map.entry(name.to_owned()).or_default()
}
