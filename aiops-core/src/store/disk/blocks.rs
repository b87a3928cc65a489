//! Writing, rewriting and dropping blocks.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{DiskStore, Shared, Writer, compact};
use crate::store::block::{self, About, Block, BlockWriter, Opened};
use crate::store::series::{Columns, Span};
use crate::{Damage, Labels, Selector, StorageError, TimeRange};

/// Files that one cut makes at most.
const MAX_PERIODS: usize = 8;

impl DiskStore {
    /// Writes what is in memory to blocks, one for each period, after which the log is not needed any more.
    pub(super) fn cut(&self, writer: &mut Writer) -> Result<(), StorageError> {
        if self.reading().catalog.head_bytes() == 0 {
            writer.log.restart();
            return self.remove_dead(writer);
        }
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        let mut spans = self.spans_in_memory().into_iter().peekable();
        while let Some(span) = spans.next() {
            // Only with the last of the blocks are all samples of the log in blocks.
            let covers = if spans.peek().is_none() {
                writer.log.next()
            } else {
                0
            };
            match self.write_block(writer, covers, |block| self.fill_from_memory(block, span)) {
                Ok(block) => blocks.push(block),
                Err(error) => {
                    writer.dead.extend(blocks.iter().map(|block| block.id()));
                    return Err(error);
                }
            }
        }
        let mut shared = self.writing();
        for block in blocks {
            shared.add(block);
        }
        shared.catalog.clear_heads();
        drop(shared);
        writer.log.restart();
        self.remove_dead(writer)?;
        // All is durable now. Tidying up is tried again after the next block.
        let _ = self.compact(writer).and_then(|()| self.evict(writer));
        Ok(())
    }

    /// The periods of the samples in memory, oldest first; all time when they are too many to get
    /// a file each.
    fn spans_in_memory(&self) -> Vec<Span> {
        let (mut periods, mut columns) = (BTreeSet::new(), Columns::default());
        let shared = self.reading();
        for entry in shared.catalog.with_head() {
            columns.clear();
            entry.head.read(Span::ALL, &mut columns);
            let times = columns.times.iter().map(|time| time.as_nanos());
            periods.extend(times.map(|time| compact::period_of(time, self.period())));
            if periods.len() > MAX_PERIODS {
                return vec![Span::ALL];
            }
        }
        let span = |period| compact::span_of(period, self.period());
        periods.into_iter().map(span).collect()
    }

    fn fill_from_memory(&self, block: &mut BlockWriter<'_>, span: Span) -> Result<(), FillError> {
        let shared = self.reading();
        let mut columns = Columns::default();
        for entry in shared.catalog.with_head() {
            columns.clear();
            entry.head.read(span, &mut columns);
            block.add(&entry.labels, &columns)?;
        }
        Ok(())
    }

    /// Writes a block that `fill` fills.
    pub(super) fn write_block(
        &self,
        writer: &mut Writer,
        covers: u64,
        fill: impl FnOnce(&mut BlockWriter<'_>) -> Result<(), FillError>,
    ) -> Result<Arc<Block>, StorageError> {
        let folder = self.blocks_folder();
        let about = About {
            id: writer.next_block,
            covers,
            replaces: writer.dead.clone(),
        };
        let id = about.id;
        // Until all has gone well, its file must not count; a failure may leave it in place.
        writer.next_block += 1;
        writer.dead.push(id);
        let failed = StorageError::io("write a block to", &folder);
        let written = BlockWriter::create(self.files.as_ref(), &folder, about)
            .map_err(FillError::from)
            .and_then(|mut block| {
                fill(&mut block)?;
                Ok(block.finish()?)
            });
        match written {
            Ok(()) => {}
            Err(FillError::Write(error)) => return Err(failed(error)),
            Err(FillError::Read(error)) => return Err(error),
        }
        let block = match Block::open(self.files.as_ref(), &folder, id)? {
            Opened::Whole(block, _) => Arc::new(block),
            Opened::Damaged(damage) => return Err(damage.into()),
        };
        writer.dead.retain(|dead| *dead != id);
        Ok(block)
    }

    /// Removes the files that are not needed any more.
    pub(super) fn remove_dead(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let removed = writer.log.remove_dead();
        self.log_size.store(writer.log.size(), Ordering::Relaxed);
        removed?;
        if writer.dead.is_empty() {
            return Ok(());
        }
        let folder = self.blocks_folder();
        for id in &writer.dead {
            let path = folder.join(block::file_name(*id));
            self.damage.forget(&path);
            self.cache.forget(*id);
            match self.files.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io("remove", path)(error));
                }
                _ => {}
            }
        }
        self.files
            .sync_folder(&folder)
            .map_err(StorageError::io("sync", &folder))?;
        writer.dead.clear();
        Ok(())
    }

    /// Drops the blocks that end before `oldest`; answers how many samples.
    pub(super) fn drop_blocks(
        &self,
        writer: &mut Writer,
        oldest: i64,
    ) -> Result<u64, StorageError> {
        let blocks = self.reading().blocks.clone();
        let mut dropped = 0;
        for block in blocks.iter().filter(|block| block.max() < oldest) {
            dropped += self.drop_block(writer, block)?;
        }
        self.remove_dead(writer)?;
        Ok(dropped)
    }

    /// Takes a block out; answers how many samples. Its file is still to be removed.
    pub(super) fn drop_block(
        &self,
        writer: &mut Writer,
        block: &Block,
    ) -> Result<u64, StorageError> {
        let series = block.series()??;
        let mut shared = self.writing();
        let (mut dropped, mut ids) = (0, Vec::with_capacity(series.len()));
        for info in &series {
            if let Some(id) = shared.catalog.id(&info.labels) {
                shared.catalog.lose(id, info.samples);
                ids.push(id);
            }
            dropped += info.samples;
        }
        shared.catalog.remove_if_empty(&ids);
        shared.remove(block.id());
        writer.dead.push(block.id());
        Ok(dropped)
    }

    /// Deletes samples: what is in memory goes to a block first, then each block that has some of
    /// them is written anew.
    pub(super) fn delete_from_blocks(
        &self,
        writer: &mut Writer,
        selector: &Selector,
        range: TimeRange,
    ) -> Result<u64, StorageError> {
        let matching = self.reading().catalog.matching(selector);
        let Some(span) = Span::of(range).filter(|_| !matching.is_empty()) else {
            return Ok(0);
        };
        self.cut(writer)?;
        let blocks = self.reading().blocks.clone();
        let mut deleted = 0;
        for block in blocks.iter().filter(|block| block.overlaps(span)) {
            deleted += self.delete_from_block(writer, block, &matching, span)?;
        }
        let ids: Vec<u32> = matching.into_iter().map(|(_, id)| id).collect();
        self.writing().catalog.remove_if_empty(&ids);
        Ok(deleted)
    }

    fn delete_from_block(
        &self,
        writer: &mut Writer,
        block: &Block,
        matching: &[(Labels, u32)],
        span: Span,
    ) -> Result<u64, StorageError> {
        if !has_any(block, matching, span)? {
            return Ok(0);
        }
        let mut lost: Vec<(u32, u64)> = Vec::new();
        writer.dead.push(block.id());
        let written = self.write_block(writer, block.covers(), |fresh| {
            let mut columns = Columns::default();
            for info in block.series()?? {
                let place = matching.binary_search_by(|(labels, _)| labels.cmp(&info.labels));
                let Ok(place) = place else {
                    if let Some(run) = block.run(&info.labels)? {
                        fresh.add_run(&info.labels, &run)?;
                    }
                    continue;
                };
                columns.clear();
                block.read(&info.labels, Span::ALL, &mut columns)?;
                let before = columns.len();
                columns.retain(|time| !span.overlaps(time, time));
                lost.push((matching[place].1, (before - columns.len()) as u64));
                fresh.add(&info.labels, &columns)?;
            }
            Ok(())
        });
        let fresh = match written {
            Ok(fresh) => fresh,
            Err(error) => {
                writer.dead.retain(|dead| *dead != block.id());
                return Err(error);
            }
        };
        let mut shared = self.writing();
        shared.remove(block.id());
        shared.add(fresh);
        for (id, samples) in &lost {
            shared.catalog.lose(*id, *samples);
        }
        drop(shared);
        self.remove_dead(writer)?;
        Ok(lost.iter().map(|(_, samples)| samples).sum())
    }
}

/// Why a block was not filled.
pub(super) enum FillError {
    /// Writing to it failed.
    Write(io::Error),
    /// What should go into it cannot be read.
    Read(StorageError),
}

impl From<io::Error> for FillError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<StorageError> for FillError {
    fn from(error: StorageError) -> Self {
        Self::Read(error)
    }
}

impl From<Damage> for FillError {
    fn from(damage: Damage) -> Self {
        Self::Read(damage.into())
    }
}

/// Whether some of these series have samples in `range` in a block.
fn has_any(block: &Block, matching: &[(Labels, u32)], span: Span) -> Result<bool, StorageError> {
    let mut columns = Columns::default();
    for (labels, _) in matching {
        block.read(labels, span, &mut columns)?;
        if columns.len() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Shared {
    pub(super) fn add(&mut self, block: Arc<Block>) {
        let mut blocks = self.blocks.to_vec();
        blocks.push(block);
        self.blocks = Arc::new(blocks);
    }

    pub(super) fn remove(&mut self, id: u64) {
        let others = self.blocks.iter().filter(|block| block.id() != id);
        self.blocks = Arc::new(others.cloned().collect());
    }
}
