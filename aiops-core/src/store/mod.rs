//! Where samples are kept.

#[cfg(feature = "durable")]
mod block;
#[cfg_attr(
    not(feature = "durable"),
    allow(dead_code, reason = "the durable store uses the rest")
)]
mod catalog;
#[cfg(feature = "durable")]
mod disk;
mod gorilla;
mod index;
#[cfg(feature = "durable")]
mod label_bytes;
#[cfg(feature = "durable")]
mod log;
mod memory;
#[cfg(feature = "durable")]
mod packed;
mod rollup;
#[cfg_attr(
    not(feature = "durable"),
    allow(dead_code, reason = "the durable store uses the rest")
)]
mod series;
#[cfg_attr(
    not(feature = "durable"),
    allow(dead_code, reason = "the durable store uses the rest")
)]
mod varint;

#[cfg(feature = "durable")]
pub use disk::{CacheStats, DiskStore, DiskStoreConfig, Recovery};
pub use memory::{MemoryStore, MemoryStoreConfig};
pub use rollup::{AGGREGATE_LABEL, Aggregate, Rollup, RollupConfig, Windows};

use std::ops::ControlFlow;

use crate::ingest::Batch;
use crate::{Labels, Selector, StorageError, TimeRange, Timestamp};

/// What [`StorageError::Full`] names.
const FULL: &str = "the store's memory, in bytes of samples,";

/// Is shown one series after another: labels, times, values. `Break` stops the reading.
pub type SeriesVisitor<'a> = dyn FnMut(&Labels, &[Timestamp], &[f64]) -> ControlFlow<()> + 'a;

/// Is asked now and then whether nobody waits for a reading any more.
pub type Cancelled<'a> = dyn Fn() -> bool + 'a;

/// What became of the samples of an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendReport {
    /// Kept.
    pub accepted: u64,
    /// Not kept: the series has a sample at that instant already. The first one stays.
    pub duplicates: u64,
    /// Not kept: older than what the store still takes in.
    pub late: u64,
    /// Not kept: the series is new and the limit on series is reached.
    pub over_series_limit: u64,
}

/// What one step of [`SeriesStore::maintain`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Maintenance {
    /// There was nothing to do.
    Nothing,
    /// Samples in memory were written to blocks.
    Written {
        /// How many.
        samples: u64,
    },
    /// Samples were dropped: too old, or too many bytes on disk.
    Dropped {
        /// How many.
        samples: u64,
    },
    /// Blocks were made one.
    Merged {
        /// How many.
        blocks: u64,
    },
}

/// Sizes of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Series that have at least one sample.
    pub series: u64,
    /// Samples kept.
    pub samples: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// Disk in use, in bytes; 0 for a memory store.
    pub disk_bytes: u64,
    /// Time of the oldest sample.
    pub oldest: Option<Timestamp>,
    /// Time of the newest sample.
    pub newest: Option<Timestamp>,
}

/// One series as it is read: two columns of the same length.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SampleColumns {
    /// Strictly increasing.
    pub times: Vec<Timestamp>,
    /// Bit for bit as they were written.
    pub values: Vec<f64>,
}

/// A store of samples. All methods take `&self`, so that readers need not wait for each other.
///
/// A series is identified by its labels; it has at most one sample at each instant, and the first
/// one written stays. Samples may arrive out of order.
pub trait SeriesStore: Send + Sync {
    /// Keeps the samples of `batch`, and says what became of each.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; nothing of the batch is then promised to be kept.
    fn append(&self, batch: &Batch) -> Result<AppendReport, StorageError>;

    /// Shows every series that `selector` matches and that has samples in `range` to `visit`, in
    /// order of labels; stops when it answers `Break`.
    ///
    /// # Errors
    ///
    /// [`StorageError`] when a file cannot be read or is damaged.
    fn select(
        &self,
        selector: &Selector,
        range: TimeRange,
        visit: &mut SeriesVisitor<'_>,
    ) -> Result<(), StorageError> {
        self.select_unless(&|| false, selector, range, visit)
    }

    /// As [`select`](Self::select), but ends once `cancelled` answers `true`. It is asked before
    /// each series, before each part of some thousand samples, and now and then while series are
    /// looked for. One series is in memory at a time.
    ///
    /// ```
    /// use aiops_core::ingest::Batch;
    /// use aiops_core::store::{MemoryStore, MemoryStoreConfig, SeriesStore};
    /// use aiops_core::{Labels, Selector, StorageError, TimeRange, Timestamp};
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    ///
    /// let store = MemoryStore::new(MemoryStoreConfig::default());
    /// let mut batch = Batch::default();
    /// for host in ["a", "b", "c"] {
    ///     batch.start_series(Labels::of([("host", host)])?);
    ///     batch.push(Timestamp::EPOCH, 1.0);
    /// }
    /// store.append(&batch)?;
    ///
    /// let shown = Cell::new(0);
    /// let enough = || shown.get() >= 2;
    /// let ended = store.select_unless(&enough, &Selector::all(), TimeRange::ALL, &mut |_, _, _| {
    ///     shown.set(shown.get() + 1);
    ///     ControlFlow::Continue(())
    /// });
    /// assert!(matches!(ended, Err(StorageError::Cancelled)));
    /// assert_eq!(shown.get(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StorageError::Cancelled`]; otherwise as [`select`](Self::select).
    fn select_unless(
        &self,
        cancelled: &Cancelled<'_>,
        selector: &Selector,
        range: TimeRange,
        visit: &mut SeriesVisitor<'_>,
    ) -> Result<(), StorageError>;

    /// The series that match, in order of labels, whether or not they have samples in a certain
    /// range.
    fn series(&self, selector: &Selector) -> Vec<Labels>;

    /// Deletes the samples of matching series in `range`; answers how many.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    fn delete(&self, selector: &Selector, range: TimeRange) -> Result<u64, StorageError>;

    /// Deletes samples before `oldest`; answers how many. A store may keep some longer, up to the
    /// size of its blocks.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    fn retain_from(&self, oldest: Timestamp) -> Result<u64, StorageError>;

    /// Returns once everything appended so far survives a crash. Does nothing in memory.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    fn sync(&self) -> Result<(), StorageError>;

    /// Does the next step of what keeps the store in order; does nothing in memory. To be called until
    /// it answers [`Maintenance::Nothing`], again and again, best from a thread of its own: samples
    /// are taken in and read meanwhile. One call writes what is in memory, drops what is too old or
    /// too much, or merges one group of blocks, no larger than one block may become.
    ///
    /// ```
    /// use aiops_core::store::{Maintenance, MemoryStore, MemoryStoreConfig, SeriesStore};
    /// use aiops_core::Timestamp;
    ///
    /// let store = MemoryStore::new(MemoryStoreConfig::default());
    /// let now = Timestamp::EPOCH;
    /// while store.maintain(now)? != Maintenance::Nothing {}
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StorageError`]; nothing is lost then, and the step is tried again the next time.
    fn maintain(&self, now: Timestamp) -> Result<Maintenance, StorageError> {
        let _ = now; // what is in memory ends with the process
        Ok(Maintenance::Nothing)
    }

    /// Sizes.
    fn stats(&self) -> StoreStats;

    /// All that [`select`](Self::select) shows, collected.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    fn read(
        &self,
        selector: &Selector,
        range: TimeRange,
    ) -> Result<Vec<(Labels, SampleColumns)>, StorageError> {
        let mut found = Vec::new();
        self.select(selector, range, &mut |labels, times, values| {
            let columns = SampleColumns {
                times: times.to_vec(),
                values: values.to_vec(),
            };
            found.push((labels.clone(), columns));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}
