//! Writing, rewriting and dropping blocks.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{DiskStore, Frozen, Keeper, Shared, Writer, compact};
use crate::store::block::{self, About, Block, BlockWriter, Opened};
use crate::store::series::{Columns, Span};
use crate::{Damage, Labels, Selector, StorageError, TimeRange};

/// Files that one cut makes at most.
const MAX_PERIODS: usize = 8;

impl DiskStore {
    /// Writes what is in memory to blocks, one for each period, after which the log is not needed any
    /// more. Meanwhile samples come in and are read.
    pub(super) fn cut(&self, keeper: &mut Keeper) -> Result<(), StorageError> {
        // What could not be written the last time comes first.
        self.write_frozen(keeper)?;
        let mut writer = self.writer();
        if self.reading().catalog.head_bytes() == 0 {
            writer.log.restart();
            drop(writer);
            return self.remove_dead(keeper);
        }
        if writer.log.sync().is_ok() {
            writer.log.seal();
            self.freeze(&writer);
            drop(writer);
            self.write_frozen(keeper)?;
        } else {
            // What came in now would be in no log, so it has to wait.
            self.freeze(&writer);
            let written = self.write_out(keeper);
            if written.is_ok() {
                writer.log.restart();
            }
            drop(writer);
            written?;
        }
        self.remove_dead(keeper)
    }

    /// Takes what is in memory out of the way of what comes.
    fn freeze(&self, writer: &Writer) {
        let mut shared = self.writing();
        let bytes = shared.catalog.head_bytes();
        shared.frozen = Some(Arc::new(Frozen {
            series: shared.catalog.take_heads(),
            bytes,
            covers: writer.log.next(),
        }));
    }

    /// Writes what was taken out of the way, if there is something, after which its part of the log
    /// is not needed any more.
    fn write_frozen(&self, keeper: &mut Keeper) -> Result<(), StorageError> {
        self.write_out(keeper)?;
        self.writer().log.retire();
        Ok(())
    }

    /// Writes what was taken out of the way to blocks.
    fn write_out(&self, keeper: &mut Keeper) -> Result<(), StorageError> {
        let frozen = self.reading().frozen.clone();
        let Some(frozen) = frozen else {
            return Ok(());
        };
        let mut series: Vec<_> = frozen.series.iter().collect();
        series.sort_unstable_by(|(_, one, _), (_, other, _)| one.cmp(other));
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        let mut spans = self.spans_of(&frozen).into_iter().peekable();
        while let Some(span) = spans.next() {
            // Only with the last of the blocks are all samples of the log in blocks.
            let last = spans.peek().is_none();
            let covers = if last { frozen.covers } else { 0 };
            let written = self.write_block(keeper, covers, |block| {
                let mut columns = Columns::default();
                for (_, labels, head) in &series {
                    columns.clear();
                    head.read(span, &mut columns);
                    block.add(labels, &columns)?;
                }
                Ok(())
            });
            match written {
                Ok(block) => blocks.push(block),
                Err(error) => {
                    keeper.dead.extend(blocks.iter().map(|block| block.id()));
                    return Err(error);
                }
            }
        }
        let mut shared = self.writing();
        for block in blocks {
            shared.add(block);
        }
        shared.frozen = None;
        Ok(())
    }

    /// The periods of these samples, oldest first; all time when they are too many to get a file
    /// each.
    fn spans_of(&self, frozen: &Frozen) -> Vec<Span> {
        let (mut periods, mut columns) = (BTreeSet::new(), Columns::default());
        for (_, _, head) in &frozen.series {
            columns.clear();
            head.read(Span::ALL, &mut columns);
            let times = columns.times.iter().map(|time| time.as_nanos());
            periods.extend(times.map(|time| compact::period_of(time, self.period())));
            if periods.len() > MAX_PERIODS {
                return vec![Span::ALL];
            }
        }
        let span = |period| compact::span_of(period, self.period());
        periods.into_iter().map(span).collect()
    }

    /// Writes a block that `fill` fills.
    pub(super) fn write_block(
        &self,
        keeper: &mut Keeper,
        covers: u64,
        fill: impl FnOnce(&mut BlockWriter<'_>) -> Result<(), FillError>,
    ) -> Result<Arc<Block>, StorageError> {
        let folder = self.blocks_folder();
        let about = About {
            id: keeper.next_block,
            covers,
            replaces: keeper.dead.clone(),
        };
        let id = about.id;
        // Until all has gone well, its file must not count; a failure may leave it in place.
        keeper.next_block += 1;
        keeper.dead.push(id);
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
        keeper.dead.retain(|dead| *dead != id);
        Ok(block)
    }

    /// Removes the files that are not needed any more.
    pub(super) fn remove_dead(&self, keeper: &mut Keeper) -> Result<(), StorageError> {
        let mut writer = self.writer();
        let removed = writer.log.remove_dead();
        self.log_size.store(writer.log.size(), Ordering::Relaxed);
        drop(writer);
        removed?;
        if keeper.dead.is_empty() {
            return Ok(());
        }
        let folder = self.blocks_folder();
        for id in &keeper.dead {
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
        keeper.dead.clear();
        Ok(())
    }

    /// Drops the blocks that end before `oldest`; answers how many samples.
    pub(super) fn drop_blocks(
        &self,
        keeper: &mut Keeper,
        oldest: i64,
    ) -> Result<u64, StorageError> {
        let blocks = self.reading().blocks.clone();
        let mut dropped = 0;
        for block in blocks.iter().filter(|block| block.max() < oldest) {
            dropped += self.drop_block(keeper, block)?;
        }
        self.remove_dead(keeper)?;
        Ok(dropped)
    }

    /// Takes a block out; answers how many samples. Its file is still to be removed.
    pub(super) fn drop_block(
        &self,
        keeper: &mut Keeper,
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
        keeper.dead.push(block.id());
        Ok(dropped)
    }

    /// Deletes samples: what is in memory goes to a block first, then each block that has some of
    /// them is written anew.
    pub(super) fn delete_from_blocks(
        &self,
        keeper: &mut Keeper,
        selector: &Selector,
        range: TimeRange,
    ) -> Result<u64, StorageError> {
        let matching = self.reading().catalog.matching(selector);
        let Some(span) = Span::of(range).filter(|_| !matching.is_empty()) else {
            return Ok(0);
        };
        self.cut(keeper)?;
        let blocks = self.reading().blocks.clone();
        let mut deleted = 0;
        for block in blocks.iter().filter(|block| block.overlaps(span)) {
            deleted += self.delete_from_block(keeper, block, &matching, span)?;
        }
        let ids: Vec<u32> = matching.into_iter().map(|(_, id)| id).collect();
        self.writing().catalog.remove_if_empty(&ids);
        Ok(deleted)
    }

    fn delete_from_block(
        &self,
        keeper: &mut Keeper,
        block: &Block,
        matching: &[(Labels, u32)],
        span: Span,
    ) -> Result<u64, StorageError> {
        if !has_any(block, matching, span)? {
            return Ok(0);
        }
        let mut lost: Vec<(u32, u64)> = Vec::new();
        keeper.dead.push(block.id());
        let written = self.write_block(keeper, block.covers(), |fresh| {
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
                keeper.dead.retain(|dead| *dead != block.id());
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
        self.remove_dead(keeper)?;
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
