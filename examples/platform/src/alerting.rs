//! Alerts and silences from elsewhere: kept in the queue first, applied in its order, answered then.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use aiops_alert::api::{Answer, Change};

/// First byte of a queue record: a change of the alert engine as JSON.
pub const KIND: u8 = 16;
/// Answers that nobody has fetched yet.
const MAX_ANSWERS: usize = 1_000;

/// A queue record.
pub fn encode(change: &Change) -> Vec<u8> {
    let mut record = vec![KIND];
    record.extend(serde_json::json!(change).to_string().bytes());
    record
}

/// Reads a queue record, without its first byte.
///
/// # Errors
///
/// What is wrong with it; only a newer release or a damaged file can cause it.
pub fn decode(bytes: &[u8]) -> Result<Change, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// What became of changes, by their place in the queue.
#[derive(Debug, Default)]
pub struct Answers {
    known: Mutex<BTreeMap<u64, Answer>>,
    arrived: Condvar,
}

impl Answers {
    /// The change at this place was applied.
    pub fn settle(&self, place: u64, answer: Answer) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(place, answer);
        if known.len() > MAX_ANSWERS {
            known.pop_first();
        }
        self.arrived.notify_all();
    }

    /// What became of the change at this place; `None` when it takes longer than `patience`.
    pub fn wait(&self, place: u64, patience: Duration) -> Option<Answer> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut known, _) = self
            .arrived
            .wait_timeout_while(known, patience, |known| !known.contains_key(&place))
            .unwrap_or_else(PoisonError::into_inner);
        known.remove(&place)
    }
}
