//! Queries, worked out beside the server's own threads, a few at a time, and remembered for a
//! moment, so that many open pages cost hardly more than one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Refusal;
use crate::patience::Patience;

/// Queries that are worked out at one time.
const AT_ONCE: usize = 8;
/// How long a query waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// How long an answer is good, at least.
const FRESH: Duration = Duration::from_millis(900);
/// An answer that took long to work out is good for so many times that long.
const PROPORTION: u32 = 10;
/// But never longer than this.
const STALE: Duration = Duration::from_secs(10);
/// Bytes of answers that are remembered.
const MAX_BYTES: usize = 64 << 20;

type Slot = Arc<Mutex<Option<Answer>>>;

#[derive(Clone, Debug)]
struct Answer {
    json: Bytes,
    good_until: Instant,
}

/// Answers given a moment ago, by question.
#[derive(Debug)]
pub struct Answers {
    turns: Arc<Semaphore>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            slots: Mutex::default(),
        }
    }
}

impl Answers {
    /// The answer to `question`, worked out by `work` unless another one asked the same a moment
    /// ago. Who asks while it is being worked out waits for it.
    pub(super) async fn get(
        &self,
        question: String,
        work: impl FnOnce(&Patience) -> Result<Value, Refusal> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let busy = || {
            let what = "too many queries at one time, try again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what)
        };
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;
        let slot = self.slot(question);
        let (patience, waiting) = Patience::new();
        let worked = tokio::task::spawn_blocking(move || {
            let _kept_until_done = turn;
            answer(&slot, &patience, work)
        });
        let json = worked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a query failed");
            let what = "internal error, see the log";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, what))
        })?;
        drop(waiting);
        Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
    }

    fn slot(&self, question: String) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if !slots.contains_key(&question) {
            forget(&mut slots);
        }
        slots.entry(question).or_default().clone()
    }
}

/// Forgets what is no longer good, and everything when that is not enough.
fn forget(slots: &mut HashMap<String, Slot>) {
    let (now, mut bytes) = (Instant::now(), 0);
    slots.retain(|_, slot| {
        let Ok(answer) = slot.try_lock() else {
            return true; // being worked out
        };
        let good = answer.as_ref().filter(|answer| answer.good_until > now);
        bytes += good.map_or(0, |answer| answer.json.len());
        good.is_some()
    });
    if bytes > MAX_BYTES {
        slots.clear();
    }
}

fn answer(
    slot: &Slot,
    patience: &Patience,
    work: impl FnOnce(&Patience) -> Result<Value, Refusal>,
) -> Result<Bytes, Refusal> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    if let Some(known) = slot.as_ref().filter(|known| known.good_until > started) {
        return Ok(known.json.clone());
    }
    let json = Bytes::from(work(patience)?.to_string());
    let good_for = (started.elapsed() * PROPORTION).clamp(FRESH, STALE);
    *slot = Some(Answer {
        json: json.clone(),
        good_until: Instant::now() + good_for,
    });
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_is_worked_out_once_and_an_error_is_not_remembered() {
        let (patience, _waiting) = Patience::new();
        let slot = Slot::default();
        let refused = answer(&slot, &patience, |_| Err(Refusal::bad("no")));
        assert!(refused.is_err());
        let first = answer(&slot, &patience, |_| Ok(Value::from(1)));
        let second = answer(&slot, &patience, |_| Ok(Value::from(2)));
        let texts = [first, second].map(|answer| answer.expect("an answer"));
        assert_eq!(texts, ["1", "1"]);
    }
}
