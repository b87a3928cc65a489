//! Where records wait until they are processed.

#[cfg(feature = "durable")]
mod disk;
mod memory;
#[cfg(feature = "durable")]
mod released;

#[cfg(feature = "durable")]
pub use disk::{DiskQueue, DiskQueueConfig, Recovery};
pub use memory::{MemoryQueue, MemoryQueueConfig};

use std::ops::{ControlFlow, Range};

use crate::{StorageError, Timestamp};

/// What [`StorageError::Full`] names.
const FULL: &str = "the queue, in bytes,";
#[cfg(feature = "durable")]
const RECORD: &str = "a record of the queue, in bytes,";
#[cfg(feature = "durable")]
const UNSYNCED: &str = "what waits for a sync, in bytes,";

/// Is shown one record after another: offset, time of receipt, bytes. `Break` stops the reading.
pub type RecordVisitor<'a> = dyn FnMut(u64, Timestamp, &[u8]) -> ControlFlow<()> + 'a;

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

    /// Records before offset `before` are no longer needed. They may stay for a while.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    fn release(&self, before: u64) -> Result<(), StorageError>;

    /// The offsets that can be read.
    fn offsets(&self) -> Range<u64>;

    /// Sizes.
    fn stats(&self) -> QueueStats;
}
