//! A queue that ends with the process.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Queue, QueueStats, RecordVisitor};
use crate::{StorageError, Timestamp};

/// Counted for each record beside its bytes.
const RECORD_OVERHEAD: u64 = 48;
/// Records that are taken out under one lock.
const AT_ONE_TIME: usize = 256;

type Records = Vec<(Timestamp, Arc<[u8]>)>;

/// Parameters of [`MemoryQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MemoryQueueConfig {
    /// Bytes that may be held before appends are refused, overhead included.
    pub limit_bytes: u64,
}

impl Default for MemoryQueueConfig {
    fn default() -> Self {
        Self {
            limit_bytes: 256 << 20,
        }
    }
}

/// A [`Queue`] in memory: for tests, for replay, and where losing what waits is acceptable. "Survives
/// a crash" means here: can be read, just as in the durable form, only after
/// [`sync`](Queue::sync).
///
/// ```
/// use aiops_core::Timestamp;
/// use aiops_core::queue::{MemoryQueue, MemoryQueueConfig, Queue};
///
/// let queue = MemoryQueue::new(MemoryQueueConfig::default());
/// queue.append(Timestamp::EPOCH, b"first")?;
/// assert_eq!(queue.offsets(), 0..0);
/// queue.sync()?;
/// assert_eq!(queue.offsets(), 0..1);
/// # Ok::<(), aiops_core::StorageError>(())
/// ```
#[derive(Debug)]
pub struct MemoryQueue {
    config: MemoryQueueConfig,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<(Timestamp, Arc<[u8]>)>,
    bytes: u64,
    start: u64,
    synced: u64,
    consumers: BTreeMap<String, u64>,
}

impl State {
    fn end(&self) -> u64 {
        self.start + self.records.len() as u64
    }
}

impl MemoryQueue {
    /// Empty.
    pub fn new(config: MemoryQueueConfig) -> Self {
        Self {
            config,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some records from `from` on, so that no lock is held while they are shown.
    fn some(&self, from: u64) -> Result<Records, StorageError> {
        let state = self.state();
        if !(state.start..=state.synced).contains(&from) {
            return Err(StorageError::NoSuchOffset {
                wanted: from,
                first: state.start,
                end: state.synced,
            });
        }
        let (first, end) = (from - state.start, state.synced - state.start);
        let records = state.records.range(first as usize..end as usize);
        Ok(records.take(AT_ONE_TIME).cloned().collect())
    }
}

fn cost(record: &[u8]) -> u64 {
    record.len() as u64 + RECORD_OVERHEAD
}

impl Queue for MemoryQueue {
    fn append(&self, at: Timestamp, record: &[u8]) -> Result<u64, StorageError> {
        let mut state = self.state();
        let bytes = state.bytes + cost(record);
        if bytes > self.config.limit_bytes {
            return Err(StorageError::Full {
                what: super::FULL,
                limit: self.config.limit_bytes,
            });
        }
        state.bytes = bytes;
        state.records.push_back((at, record.into()));
        Ok(state.end() - 1)
    }

    fn sync(&self) -> Result<u64, StorageError> {
        let mut state = self.state();
        state.synced = state.end();
        Ok(state.synced)
    }

    fn read(&self, from: u64, visit: &mut RecordVisitor<'_>) -> Result<u64, StorageError> {
        // What comes, or is released, while the visitor is at work does not count.
        let end = self.offsets().end;
        let mut records = self.some(from)?;
        let mut next = from;
        while !records.is_empty() {
            for (at, record) in records {
                next += 1;
                if visit(next - 1, at, &record).is_break() || next >= end {
                    return Ok(next);
                }
            }
            records = self.some(next).unwrap_or_default();
        }
        Ok(next)
    }

    fn release(&self, before: u64) -> Result<(), StorageError> {
        let mut state = self.state();
        let unread = state.consumers.values().min().copied();
        let before = before.min(state.synced).min(unread.unwrap_or(u64::MAX));
        while state.start < before {
            let released = state.records.pop_front();
            state.bytes -= released.map_or(0, |(_, record)| cost(&record));
            state.start += 1;
        }
        Ok(())
    }

    fn commit(&self, consumer: &str, next: u64) -> Result<(), StorageError> {
        let mut state = self.state();
        let offsets = state.start..state.synced;
        state.consumers = super::committed(&state.consumers, &offsets, consumer, next)?;
        Ok(())
    }

    fn forget(&self, consumer: &str) -> Result<(), StorageError> {
        self.state().consumers.remove(consumer);
        Ok(())
    }

    fn consumers(&self) -> BTreeMap<String, u64> {
        self.state().consumers.clone()
    }

    fn offset_of_last(&self, bytes: u64) -> u64 {
        let state = self.state();
        let mut left = bytes;
        let mut first = state.end();
        for (_, record) in state.records.iter().rev() {
            let Some(rest) = left.checked_sub(cost(record)) else {
                break;
            };
            (left, first) = (rest, first - 1);
        }
        first.min(state.synced)
    }

    fn offsets(&self) -> Range<u64> {
        let state = self.state();
        state.start..state.synced
    }

    fn stats(&self) -> QueueStats {
        let state = self.state();
        QueueStats {
            records: state.records.len() as u64,
            bytes: state.bytes,
            limit_bytes: self.config.limit_bytes,
        }
    }
}
