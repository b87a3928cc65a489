//! Where records wait until they are processed.

#[cfg(feature = "durable")]
mod consumers;
#[cfg(feature = "durable")]
mod disk;
mod memory;
#[cfg(feature = "durable")]
mod released;

#[cfg(feature = "durable")]
pub use disk::{DiskQueue, DiskQueueConfig, Recovery};
pub use memory::{MemoryQueue, MemoryQueueConfig};

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use crate::{StorageError, Timestamp};

/// The places with `consumer` at `next`, where the offsets that can be read are `offsets`.
fn committed(
    places: &BTreeMap<String, u64>,
    offsets: &Range<u64>,
    consumer: &str,
    next: u64,
) -> Result<BTreeMap<String, u64>, StorageError> {
    if next < offsets.start || next > offsets.end {
        return Err(StorageError::NoSuchOffset {
            wanted: next,
            first: offsets.start,
            end: offsets.end,
        });
    }
    let full = |what, limit| StorageError::Full {
        what,
        limit: limit as u64,
    };
    if consumer.len() > MAX_NAME_BYTES {
        return Err(full(NAME, MAX_NAME_BYTES));
    }
    let mut places = places.clone();
    places.insert(consumer.to_owned(), next);
    if places.len() > MAX_CONSUMERS {
        return Err(full(CONSUMERS, MAX_CONSUMERS));
    }
    Ok(places)
}

/// What [`StorageError::Full`] names.
const FULL: &str = "the queue, in bytes,";
#[cfg(feature = "durable")]
const RECORD: &str = "a record of the queue, in bytes,";
#[cfg(feature = "durable")]
const UNSYNCED: &str = "what waits for a sync, in bytes,";

/// The consumer that stands for those whose places are not known any more, because the note of them
/// was damaged. It holds back all records until [`Queue::forget`] is told its name.
pub const LOST_CONSUMERS: &str = "(lost)";
/// Consumers of a queue at one time.
const MAX_CONSUMERS: usize = 1_000;
const CONSUMERS: &str = "the list of consumers";
/// Bytes of a consumer's name.
const MAX_NAME_BYTES: usize = 255;
const NAME: &str = "the name of a consumer, in bytes,";

/// Is shown one record after another: offset, time of receipt, bytes. `Break` stops the reading.
pub type RecordVisitor<'a> = dyn FnMut(u64, Timestamp, &[u8]) -> ControlFlow<()> + 'a;

/// What [`Queue::retain`] keeps of the records that all consumers have read; both bounds hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records are kept that were received at this instant or later; `None` for every age.
    pub oldest: Option<Timestamp>,
    /// Bytes that are kept, overhead included; `None` for any number. A durable queue drops whole
    /// files, and keeps the one that it writes to.
    pub bytes: Option<u64>,
}

/// Sizes of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Records held.
    pub records: u64,
    /// Bytes held, overhead included.
    pub bytes: u64,
    /// Bytes that may be held before appends are refused.
    pub limit_bytes: u64,
}

/// A log of records with consecutive offsets. Appending never waits; what was appended survives a
/// crash, and can be read, once [`sync`](Self::sync) has returned, so one call can answer for many
/// writers.
pub trait Queue: Send + Sync {
    /// Adds a record received at `at`; answers its offset.
    ///
    /// # Errors
    ///
    /// [`StorageError::Full`] when the limit is reached, [`StorageError::Io`].
    fn append(&self, at: Timestamp, record: &[u8]) -> Result<u64, StorageError>;

    /// Returns once everything appended before the call survives a crash; answers the offset
    /// after the last such record.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`]; nothing appended since the last success is then promised.
    fn sync(&self) -> Result<u64, StorageError>;

    /// Shows records from offset `from` on to `visit`, with offset and time of receipt, until it
    /// answers `Break` or there are no more; answers the offset after the last one shown.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchOffset`], [`StorageError::Corrupt`], [`StorageError::Io`].
    fn read(&self, from: u64, visit: &mut RecordVisitor<'_>) -> Result<u64, StorageError>;

    /// The offset of the first record that was received at `at` or later, or the offset after the
    /// last one when there is none: to play again from an instant on, or to
    /// [`release`](Self::release) what is older than an age. Reads the records before it, on disk about a
    /// gigabyte in a second.
    ///
    /// Times of receipt are as the callers of [`append`](Self::append) told them; behind the answer
    /// there may be earlier ones when their clock was set back.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read); [`StorageError::NoSuchOffset`] only when records are
    /// released meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use aiops_core::Timestamp;
    /// use aiops_core::queue::{MemoryQueue, MemoryQueueConfig, Queue};
    ///
    /// let queue = MemoryQueue::new(MemoryQueueConfig::default());
    /// for second in [10, 20, 30] {
    ///     queue.append(Timestamp::from_secs(second).ok_or("range")?, b"record")?;
    /// }
    /// queue.sync()?;
    /// let from = queue.offset_at(Timestamp::from_secs(15).ok_or("range")?)?;
    /// assert_eq!(from, 1);
    /// queue.release(from)?; // what is older is not needed any more
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn offset_at(&self, at: Timestamp) -> Result<u64, StorageError> {
        let mut found = None;
        let end = self.read(self.offsets().start, &mut |offset, received, _| {
            if received < at {
                return ControlFlow::Continue(());
            }
            found = Some(offset);
            ControlFlow::Break(())
        })?;
        Ok(found.unwrap_or(end))
    }

    /// Records before offset `before` are no longer needed. They may stay for a while, and those that
    /// a [consumer](Self::commit) has still to read do.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    fn release(&self, before: u64) -> Result<(), StorageError>;

    /// Remembers that `consumer` reads the record at `next` next, also after a crash. A name that is
    /// new makes a consumer; a place before the one it had lets it read again. What a consumer has
    /// still to read is not released.
    ///
    /// On disk this is a small file that is synced and renamed: to be done every second or so, not
    /// for each record.
    ///
    /// ```
    /// use aiops_core::Timestamp;
    /// use aiops_core::queue::{MemoryQueue, MemoryQueueConfig, Queue, Retention};
    ///
    /// let queue = MemoryQueue::new(MemoryQueueConfig::default());
    /// for record in [b"one", b"two"] {
    ///     queue.append(Timestamp::EPOCH, record)?;
    /// }
    /// queue.sync()?;
    /// queue.commit("store", 2)?;
    /// queue.commit("detectors", 1)?;
    /// let nothing = Retention { bytes: Some(0), ..Retention::default() };
    /// assert_eq!(queue.retain(nothing)?, 1); // the detectors have still to read the other
    /// assert_eq!(queue.offsets(), 1..2);
    /// # Ok::<(), aiops_core::StorageError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchOffset`] when `next` is neither an offset that can be read nor the one
    /// after the last; [`StorageError::Full`] for a thousand consumers or a name of more than 255
    /// bytes; [`StorageError::Io`], after which the place is the new one or the one before.
    fn commit(&self, consumer: &str, next: u64) -> Result<(), StorageError>;

    /// Forgets a consumer; does nothing when there is none of that name.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    fn forget(&self, consumer: &str) -> Result<(), StorageError>;

    /// The consumers and what each reads next.
    fn consumers(&self) -> BTreeMap<String, u64>;

    /// The first of the offsets whose records are the last `bytes` bytes.
    fn offset_of_last(&self, bytes: u64) -> u64;

    /// Releases records that all consumers have read, and that are older or more than `retention`
    /// says; answers how many. Without consumers every record counts as read.
    ///
    /// # Errors
    ///
    /// Those of [`offset_at`](Self::offset_at) and [`release`](Self::release).
    fn retain(&self, retention: Retention) -> Result<u64, StorageError> {
        let Range { start, end } = self.offsets();
        let read = self.consumers().into_values().min().unwrap_or(end);
        let mut before = start;
        if let Some(oldest) = retention.oldest.filter(|_| read > start) {
            before = before.max(self.offset_at(oldest)?);
        }
        if let Some(bytes) = retention.bytes {
            before = before.max(self.offset_of_last(bytes));
        }
        self.release(before.min(read))?;
        Ok(self.offsets().start.saturating_sub(start))
    }

    /// The offsets that can be read.
    fn offsets(&self) -> Range<u64>;

    /// Sizes.
    fn stats(&self) -> QueueStats;
}
