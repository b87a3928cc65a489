//! A store that ends with the process.

use std::ops::ControlFlow;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::catalog::{Catalog, Limits, NothingOlder};
use super::series::{Columns, Span};
use super::{AppendReport, Cancelled, SeriesStore, SeriesVisitor, StoreStats};
use crate::ingest::Batch;
use crate::{Labels, Selector, StorageError, TimeRange, Timestamp};

/// Parameters of [`MemoryStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MemoryStoreConfig {
    /// Series that are kept at one time; samples of more are counted and dropped.
    pub max_series: usize,
    /// A sample that is older than the latest of its series by more than this is late; `None`
    /// takes in every age.
    pub late_after: Option<Duration>,
    /// Bytes of compressed samples from which on appends are refused; `None` is no bound.
    pub limit_bytes: Option<u64>,
}

impl Default for MemoryStoreConfig {
    fn default() -> Self {
        Self {
            max_series: 1_000_000,
            late_after: None,
            limit_bytes: None,
        }
    }
}

/// A [`SeriesStore`] in memory, compressed: about 1.5 to 4 bytes a sample.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::store::{MemoryStore, MemoryStoreConfig, SeriesStore};
/// use aiops_core::{Labels, Selector, TimeRange, Timestamp};
///
/// let store = MemoryStore::new(MemoryStoreConfig::default());
/// let mut batch = Batch::default();
/// batch.start_series(Labels::of([("__name__", "up"), ("job", "api")])?);
/// batch.push(Timestamp::EPOCH, 1.0);
/// assert_eq!(store.append(&batch)?.accepted, 1);
///
/// let found = store.read(&Selector::metric("up"), TimeRange::ALL)?;
/// assert_eq!(found[0].1.values, [1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// A sample in order costs a hash lookup for its series and about 20 nanoseconds. One out of order
/// costs about a microsecond, since its chunk of 120 samples is decoded to see whether it is there
/// already. Readers share a lock that is held while one series is decoded.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | `NaN` of any bits, infinities, the staleness marker | kept bit for bit |
/// | second sample at an instant | counted as duplicate; the first stays |
/// | sample out of order | put into its place |
/// | sample before what [`retain_from`](SeriesStore::retain_from) was last called with | counted as late |
/// | series without labels | a series like any other |
/// | series without samples in the batch | not created |
#[derive(Debug)]
pub struct MemoryStore {
    config: MemoryStoreConfig,
    catalog: RwLock<Catalog>,
}

impl MemoryStore {
    /// Empty.
    pub fn new(config: MemoryStoreConfig) -> Self {
        Self {
            config,
            catalog: RwLock::default(),
        }
    }

    fn reading(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeriesStore for MemoryStore {
    fn append(&self, batch: &Batch) -> Result<AppendReport, StorageError> {
        let limits = Limits {
            max_series: self.config.max_series,
            late_after: self.config.late_after,
        };
        let mut catalog = self.writing();
        let limit = self.config.limit_bytes;
        if let Some(limit) = limit.filter(|limit| catalog.head_bytes() as u64 >= *limit) {
            let what = super::FULL;
            return Err(StorageError::Full { what, limit });
        }
        catalog.append(batch, limits, &mut NothingOlder, &mut |_| {})
    }

    fn select_unless(
        &self,
        cancelled: &Cancelled<'_>,
        selector: &Selector,
        range: TimeRange,
        visit: &mut SeriesVisitor<'_>,
    ) -> Result<(), StorageError> {
        let Some(span) = Span::of(range) else {
            return Ok(());
        };
        let mut columns = Columns::default();
        let found = self.reading().matching_unless(cancelled, selector)?;
        for (labels, id) in found {
            if cancelled() {
                return Err(StorageError::Cancelled);
            }
            columns.clear();
            // The series may be gone by now, and its place may be another's.
            let catalog = self.reading();
            if let Some(entry) = catalog.get(id).filter(|entry| entry.labels == labels) {
                entry.head.read(span, &mut columns);
            }
            drop(catalog);
            if columns.len() > 0
                && let ControlFlow::Break(()) = visit(&labels, &columns.times, &columns.values)
            {
                break;
            }
        }
        Ok(())
    }

    fn series(&self, selector: &Selector) -> Vec<Labels> {
        let found = self.reading().matching(selector);
        found.into_iter().map(|(labels, _)| labels).collect()
    }

    fn delete(&self, selector: &Selector, range: TimeRange) -> Result<u64, StorageError> {
        let mut catalog = self.writing();
        let found = catalog.matching(selector);
        let ids: Vec<u32> = found.into_iter().map(|(_, id)| id).collect();
        Ok(catalog.delete(&ids, range))
    }

    fn retain_from(&self, oldest: Timestamp) -> Result<u64, StorageError> {
        Ok(self.writing().retain_from(oldest.as_nanos()))
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        self.reading().stats()
    }
}
