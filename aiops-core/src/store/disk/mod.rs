//! A store whose samples survive a crash.

mod blocks;
mod cache;
mod compact;
mod open;

pub use cache::CacheStats;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use cache::{Answer, RunCache};

use super::block::Block;
use super::catalog::{Accepted, Catalog, Limits, Older};
use super::log::{self, Log};
use super::series::{Columns, SeriesHead, Span};
use super::{AppendReport, Cancelled, Maintenance, SeriesStore, SeriesVisitor, StoreStats};
use crate::files::{DamageList, Files, Lock, OsFiles};
use crate::ingest::Batch;
use crate::{Damage, Labels, Selector, StorageError, TimeRange, Timestamp};

/// Parameters of [`DiskStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct DiskStoreConfig {
    /// Series that are kept at one time; samples of more are counted and dropped.
    pub max_series: usize,
    /// A sample that is older than the latest of its series by more than this is late; `None`
    /// takes in every age.
    pub late_after: Option<Duration>,
    /// Bytes of compressed samples in memory from which on they are written to a block. Where that
    /// cannot be done, or more comes meanwhile, appends are refused at twice as many.
    pub memory_bytes: u64,
    /// Bytes of the log from which on the samples in memory are written to a block.
    pub log_bytes: u64,
    /// A block has the samples of one such period, counted from the epoch; what retention drops is
    /// whole blocks. At least a second.
    pub block_span: Duration,
    /// Blocks are merged up to this size.
    pub block_bytes: u64,
    /// Blocks whose samples are all older than this are dropped by `maintain`, after which samples of
    /// that age are late; `None` keeps them.
    pub retention: Option<Duration>,
    /// Bytes on disk from which on the oldest blocks are dropped; `None` is no bound.
    pub limit_bytes: Option<u64>,
    /// Memory for samples of blocks that are asked for again and again, in bytes; 0 for none.
    pub cache_bytes: u64,
}

impl Default for DiskStoreConfig {
    fn default() -> Self {
        Self {
            max_series: 1_000_000,
            late_after: None,
            memory_bytes: 256 << 20,
            log_bytes: 128 << 20,
            block_span: Duration::from_hours(24),
            block_bytes: 64 << 20,
            retention: None,
            limit_bytes: None,
            cache_bytes: 32 << 20,
        }
    }
}

/// A [`SeriesStore`] in files: recent samples in memory and in a log, older ones in immutable
/// blocks. It starts no thread: [`maintain`](SeriesStore::maintain) is to be called now and then, and
/// writes blocks, merges small ones to larger ones and drops old ones, while samples come in and are
/// read. An [`append`](SeriesStore::append) writes a block only when memory or log have reached their
/// bound because nobody has called it; neither it nor [`sync`](SeriesStore::sync) merges blocks.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::store::{DiskStore, DiskStoreConfig, SeriesStore};
/// use aiops_core::{Labels, Selector, TimeRange, Timestamp};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let store = DiskStore::open(path, DiskStoreConfig::default())?;
/// let mut batch = Batch::default();
/// batch.start_series(Labels::of([("__name__", "up"), ("job", "api")])?);
/// batch.push(Timestamp::EPOCH, 1.0);
/// store.append(&batch)?;
/// store.sync()?; // from here on it survives a crash
/// drop(store);
///
/// let store = DiskStore::open(path, DiskStoreConfig::default())?;
/// let found = store.read(&Selector::metric("up"), TimeRange::ALL)?;
/// assert_eq!(found[0].1.values, [1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Together with a queue
///
/// The place in the queue is to be saved only after [`sync`](SeriesStore::sync) has returned. What
/// lies behind it is then played again after a crash, and does no harm: a sample that is there
/// already is a duplicate.
///
/// # Failures
///
/// | what happens | what follows |
/// |---|---|
/// | crash | what was synced is there; of what was not, some may be |
/// | the log cannot be written or synced | the samples stay in memory; `sync` writes a block instead, and fails while it cannot |
/// | full disk | as above; appends go on until memory holds twice `memory_bytes`, then [`StorageError::Full`] |
/// | the end of the log is torn | cut off, and named in [`recovery`](DiskStore::recovery) |
/// | damage in the log | named in [`recovery`](DiskStore::recovery); the records around it are kept |
/// | damage of samples in a block | those of one series in that block are lost. The first [`select`](SeriesStore::select) that meets it shows everything else and then ends with [`StorageError::Corrupt`]; later ones pass over it; it stays in [`damage`](DiskStore::damage) |
/// | damage of what describes a block | the block is left out, and named in [`recovery`](DiskStore::recovery); its file stays |
/// | file of a newer release | [`StorageError::Corrupt`] on opening; nothing is changed |
/// | second process, or second opening in this one | [`StorageError::Locked`] |
///
/// # Cost
///
/// As [`MemoryStore`](super::MemoryStore), and about 10 bytes of log for a sample. A sample out of
/// order that is older than what is in memory is looked for in the blocks of its time, which reads
/// two parts of each.
///
/// # Degenerate cases
///
/// As [`MemoryStore`](super::MemoryStore).
#[derive(Debug)]
pub struct DiskStore {
    config: DiskStoreConfig,
    folder: PathBuf,
    files: Arc<dyn Files>,
    /// Taken before `writer` by everything that changes blocks.
    keeper: Mutex<Keeper>,
    /// Taken before `shared` by everything that adds samples.
    writer: Mutex<Writer>,
    shared: RwLock<Shared>,
    /// Bytes of the log, for those who only ask.
    log_size: AtomicU64,
    evicted: AtomicU64,
    cache: RunCache,
    damage: DamageList,
    recovery: Recovery,
    _lock: Box<dyn Lock>,
}

/// What was found when a [`DiskStore`] was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// A record at the end of the log that had not been written as a whole, and was cut off.
    pub cut: Option<Damage>,
    /// Places that are not what was written.
    pub damage: Vec<Damage>,
    /// Samples that were read from the log.
    pub replayed: u64,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    accepted: Vec<Accepted>,
}

#[derive(Debug)]
struct Keeper {
    next_block: u64,
    /// Blocks that do not count any more, or never did, and whose files may still be there.
    dead: Vec<u64>,
}

/// Samples that are being written to blocks, and are read from here until they are there.
#[derive(Debug)]
struct Frozen {
    /// In order of identifiers.
    series: Vec<(u32, Labels, SeriesHead)>,
    bytes: usize,
    /// They, and what is in blocks, are all records of the log before this offset.
    covers: u64,
}

impl Frozen {
    fn get(&self, id: u32, labels: &Labels) -> Option<&SeriesHead> {
        let place = self.series.binary_search_by_key(&id, |(id, _, _)| *id);
        let (_, of, head) = &self.series[place.ok()?];
        (of == labels).then_some(head)
    }
}

/// What readers look at.
#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    frozen: Option<Arc<Frozen>>,
    /// In order of their identifiers.
    blocks: Arc<Vec<Arc<Block>>>,
}

/// Looks for samples beneath those in memory that grow.
struct Lower<'a> {
    frozen: Option<Arc<Frozen>>,
    blocks: &'a [Arc<Block>],
    damage: &'a DamageList,
    scratch: Columns,
}

impl Older for Lower<'_> {
    fn contains(&mut self, id: u32, labels: &Labels, time: i64) -> Result<bool, StorageError> {
        let frozen = self.frozen.as_ref();
        if let Some(head) = frozen.and_then(|frozen| frozen.get(id, labels))
            && head.contains(time, &mut self.scratch)
        {
            return Ok(true);
        }
        for block in self.blocks {
            match block.contains(labels, time, &mut self.scratch) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // What is damaged has no samples any more; whoever reads there is told.
                Err(StorageError::Corrupt { path, offset, what }) => {
                    self.damage.note(Damage { path, offset, what });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl DiskStore {
    /// Opens the store in `folder`, which is created when it is missing.
    ///
    /// # Errors
    ///
    /// [`StorageError::Locked`] when another process has it open, [`StorageError::Io`],
    /// [`StorageError::Corrupt`] when a newer release has written a file.
    pub fn open(folder: impl AsRef<Path>, config: DiskStoreConfig) -> Result<Self, StorageError> {
        Self::open_in(Arc::new(OsFiles), folder.as_ref(), config)
    }

    pub(crate) fn open_in(
        files: Arc<dyn Files>,
        folder: &Path,
        config: DiskStoreConfig,
    ) -> Result<Self, StorageError> {
        open::open(files, folder, config)
    }

    /// What was found when it was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// All damage that is known, in the order in which it was met.
    pub fn damage(&self) -> Vec<Damage> {
        self.damage.all()
    }

    /// Samples that were dropped since it was opened because of `limit_bytes`.
    pub fn evicted_samples(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often readings found the samples of blocks decoded.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Whether memory or log have reached this part of their bound.
    fn is_full(&self, part: u64, of: u64) -> bool {
        let share = |bound: u64| (bound / of).saturating_mul(part).max(1);
        let log = self.writer().log.open_size();
        let memory = self.reading().catalog.head_bytes() as u64;
        memory >= share(self.config.memory_bytes) || log >= share(self.config.log_bytes)
    }

    /// Writes a block because nobody has done it in time. Where someone does just now, there is
    /// still room for what comes.
    fn make_room(&self) {
        if let Ok(mut keeper) = self.keeper.try_lock()
            && self.is_full(1, 1)
        {
            // The samples are in memory all the same; `sync` tells when this goes on failing.
            let _ = self.cut(&mut keeper).and_then(|()| self.evict(&mut keeper));
        }
    }

    /// Samples of one series, from blocks and memory; damage that is met is told at the end.
    fn read_series(
        &self,
        wanted: &Wanted<'_>,
        columns: &mut Columns,
        trouble: &mut Option<StorageError>,
    ) -> Result<(), StorageError> {
        columns.clear();
        let shared = self.reading();
        // The series may be gone by now, and its place may be another's.
        let entry = shared
            .catalog
            .get(wanted.id)
            .filter(|entry| entry.labels == *wanted.labels);
        let mut recent = Columns::default();
        let frozen = shared.frozen.as_ref();
        if let Some(head) = frozen.and_then(|frozen| frozen.get(wanted.id, wanted.labels)) {
            head.read(wanted.span, &mut recent);
        }
        if let Some(entry) = entry {
            entry.head.read(wanted.span, &mut recent);
        }
        let blocks = shared.blocks.clone();
        drop(shared);
        for block in blocks.iter().filter(|block| block.overlaps(wanted.span)) {
            match self.read_block(block, wanted, columns) {
                Err(StorageError::Corrupt { path, offset, what }) => {
                    let told = self.damage.meet(Damage { path, offset, what });
                    *trouble = trouble.take().or(told.err());
                }
                other => other?,
            }
        }
        columns.times.append(&mut recent.times);
        columns.values.append(&mut recent.values);
        columns.settle();
        Ok(())
    }

    /// Appends the samples of one series in one block.
    fn read_block(
        &self,
        block: &Block,
        wanted: &Wanted<'_>,
        columns: &mut Columns,
    ) -> Result<(), StorageError> {
        let Wanted {
            labels,
            span,
            cancelled,
            ..
        } = *wanted;
        let answer = self.cache.ask(block.id(), labels);
        if let Answer::Kept(run) = answer {
            columns.extend(&run, span);
            return Ok(());
        }
        let place = block.find(labels)?;
        let is_wanted = matches!(answer, Answer::Wanted);
        if is_wanted && self.cache.fits(place.map_or(0, |place| place.samples)) {
            let mut run = Columns::default();
            if let Some(place) = place {
                run.times.reserve_exact(place.samples as usize);
                run.values.reserve_exact(place.samples as usize);
                block.read_place(&place, labels, Span::ALL, cancelled, &mut run)?;
            }
            columns.extend(&run, span);
            self.cache.put(block.id(), labels, Arc::new(run));
            return Ok(());
        }
        match place {
            Some(place) => block.read_place(&place, labels, span, cancelled, columns),
            None => Ok(()),
        }
    }
}

/// One series that is read.
struct Wanted<'a> {
    labels: &'a Labels,
    id: u32,
    span: Span,
    cancelled: &'a Cancelled<'a>,
}

impl SeriesStore for DiskStore {
    fn append(&self, batch: &Batch) -> Result<AppendReport, StorageError> {
        let limits = Limits {
            max_series: self.config.max_series,
            late_after: self.config.late_after,
        };
        let mut writer = self.writer();
        let mut shared = self.writing();
        let limit = self.config.memory_bytes.saturating_mul(2);
        let frozen = shared.frozen.clone();
        let frozen_bytes = frozen.as_ref().map_or(0, |frozen| frozen.bytes);
        if (shared.catalog.head_bytes() + frozen_bytes) as u64 >= limit {
            let what = super::FULL;
            return Err(StorageError::Full { what, limit });
        }
        let blocks = shared.blocks.clone();
        let mut older = Lower {
            frozen,
            blocks: &blocks,
            damage: &self.damage,
            scratch: Columns::default(),
        };
        let Writer { log, accepted } = &mut *writer;
        accepted.clear();
        let report = shared
            .catalog
            .append(batch, limits, &mut older, &mut |sample| {
                accepted.push(sample);
            });
        // Also what came before an error is in memory, so it has to be in the log.
        log.add(accepted, &mut shared.catalog);
        let full = shared.catalog.head_bytes() as u64 >= self.config.memory_bytes
            || log.open_size() >= self.config.log_bytes;
        drop(shared);
        self.log_size.store(log.size(), Ordering::Relaxed);
        drop(writer);
        if full {
            self.make_room();
        }
        report
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
        let mut trouble = None;
        let found = self
            .reading()
            .catalog
            .matching_unless(cancelled, selector)?;
        for (labels, id) in found {
            if cancelled() {
                return Err(StorageError::Cancelled);
            }
            let wanted = Wanted {
                labels: &labels,
                id,
                span,
                cancelled,
            };
            self.read_series(&wanted, &mut columns, &mut trouble)?;
            if columns.len() > 0
                && let ControlFlow::Break(()) = visit(&labels, &columns.times, &columns.values)
            {
                break;
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    fn series(&self, selector: &Selector) -> Vec<Labels> {
        let found = self.reading().catalog.matching(selector);
        found.into_iter().map(|(labels, _)| labels).collect()
    }

    fn delete(&self, selector: &Selector, range: TimeRange) -> Result<u64, StorageError> {
        self.delete_from_blocks(&mut self.keeper(), selector, range)
    }

    fn retain_from(&self, oldest: Timestamp) -> Result<u64, StorageError> {
        let mut keeper = self.keeper();
        let dropped = self.writing().catalog.retain_from(oldest.as_nanos());
        Ok(dropped + self.drop_blocks(&mut keeper, oldest.as_nanos())?)
    }

    fn sync(&self) -> Result<(), StorageError> {
        let mut writer = self.writer();
        if !writer.log.has_failed() && writer.log.sync().is_ok() {
            return writer.log.remove_dead();
        }
        drop(writer);
        self.cut(&mut self.keeper())
    }

    fn maintain(&self, now: Timestamp) -> Result<Maintenance, StorageError> {
        self.tidy(now)
    }

    fn stats(&self) -> StoreStats {
        let shared = self.reading();
        let mut stats = shared.catalog.stats();
        if let Some(frozen) = &shared.frozen {
            stats.memory_bytes += frozen.bytes as u64;
            let oldest = frozen.series.iter();
            let oldest = oldest.filter_map(|(_, _, head)| head.oldest()).min();
            let oldest = oldest.map(Timestamp::from_nanos);
            stats.oldest = stats.oldest.into_iter().chain(oldest).min();
        }
        for block in shared.blocks.iter() {
            stats.disk_bytes += block.size();
            stats.memory_bytes += block.memory_bytes() as u64;
            let oldest = Timestamp::from_nanos(block.min());
            stats.oldest = Some(stats.oldest.map_or(oldest, |other| other.min(oldest)));
        }
        stats.disk_bytes += self.log_size.load(Ordering::Relaxed);
        stats.memory_bytes += log::WRITE_BYTES as u64 + self.cache.stats().bytes;
        stats
    }
}
