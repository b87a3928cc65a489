//! Writing, rewriting and dropping blocks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{DiskStore, Shared, Writer};
use crate::store::block::{About, Block, BlockWriter, Opened};
use crate::store::series::{self, Columns};
use crate::{Labels, Selector, StorageError, TimeRange};

impl DiskStore {
    /// Writes what is in memory to a block, after which the log is not needed any more.
    pub(super) fn cut(&self, writer: &mut Writer) -> Result<(), StorageError> {
        if self.reading().catalog.head_bytes() == 0 {
            writer.log.restart();
            return self.remove_dead(writer);
        }
        let folder = self.blocks_folder();
        let failed = || StorageError::io("write a block to", &folder);
        let about = About {
            id: writer.next_block,
            covers: writer.log.next(),
            replaces: Vec::new(),
        };
        let mut block =
            BlockWriter::create(self.files.as_ref(), &folder, about).map_err(failed())?;
        {
            let shared = self.reading();
            for (_, entry) in shared.catalog.with_head() {
                block
                    .add(&entry.labels, &entry.head.to_chunks())
                    .map_err(failed())?;
            }
        }
        block.finish().map_err(failed())?;
        let opened = self.open_block(writer.next_block)?;
        writer.next_block += 1;
        let mut shared = self.writing();
        shared.add(opened);
        shared.catalog.clear_heads();
        drop(shared);
        writer.log.restart();
        self.remove_dead(writer)
    }

    /// Removes the files of the log that are not needed any more.
    pub(super) fn remove_dead(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let removed = writer.log.remove_dead();
        self.log_size.store(writer.log.size(), Ordering::Relaxed);
        removed
    }

    /// Opens a block that was just written.
    fn open_block(&self, id: u64) -> Result<Arc<Block>, StorageError> {
        match Block::open(self.files.as_ref(), &self.blocks_folder(), id)? {
            Opened::Whole(block, _) => Ok(Arc::new(block)),
            Opened::Damaged(damage) => Err(damage.into()),
        }
    }

    /// Drops the blocks that end before `oldest`; answers how many samples.
    pub(super) fn drop_blocks(&self, oldest: i64) -> Result<u64, StorageError> {
        let blocks = self.reading().blocks.clone();
        let mut dropped = 0;
        for block in blocks.iter().filter(|block| block.max() < oldest) {
            let series = block.series()??;
            let mut shared = self.writing();
            let mut ids = Vec::with_capacity(series.len());
            for info in &series {
                if let Some(id) = shared.catalog.id(&info.labels) {
                    shared.catalog.lose(id, info.samples);
                    ids.push(id);
                }
                dropped += info.samples;
            }
            shared.catalog.remove_if_empty(&ids);
            shared.remove(block.id());
            drop(shared);
            self.remove_file(block)?;
        }
        if dropped > 0 {
            let folder = self.blocks_folder();
            self.files
                .sync_folder(&folder)
                .map_err(StorageError::io("sync", &folder))?;
        }
        Ok(dropped)
    }

    fn remove_file(&self, block: &Block) -> Result<(), StorageError> {
        self.damage.forget(&block.path);
        self.files
            .remove(&block.path)
            .map_err(StorageError::io("remove", &block.path))
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
        if matching.is_empty() || range.is_empty() {
            return Ok(0);
        }
        self.cut(writer)?;
        let blocks = self.reading().blocks.clone();
        let mut deleted = 0;
        for block in blocks.iter().filter(|block| block.overlaps(range)) {
            deleted += self.delete_from_block(writer, block, &matching, range)?;
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
        range: TimeRange,
    ) -> Result<u64, StorageError> {
        if !has_any(block, matching, range)? {
            return Ok(0);
        }
        let folder = self.blocks_folder();
        let failed = || StorageError::io("write a block to", &folder);
        let about = About {
            id: writer.next_block,
            covers: block.covers(),
            replaces: vec![block.id()],
        };
        let mut fresh =
            BlockWriter::create(self.files.as_ref(), &folder, about).map_err(failed())?;
        let mut lost: Vec<(u32, u64)> = Vec::new();
        let mut columns = Columns::default();
        for info in block.series()?? {
            let id = matching
                .binary_search_by(|(labels, _)| labels.cmp(&info.labels))
                .map(|index| matching[index].1);
            let Ok(id) = id else {
                if let Some(run) = block.run(&info.labels)? {
                    fresh.add_run(&info.labels, &run).map_err(failed())?;
                }
                continue;
            };
            columns.clear();
            block.read(&info.labels, TimeRange::ALL, &mut columns)?;
            let (start, end) = (range.start.as_nanos(), range.end.as_nanos());
            let kept = columns
                .iter()
                .filter(|(time, _)| !(start..end).contains(time));
            let chunks: Vec<_> = series::chunks_of(kept).collect();
            let left: u64 = chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
            lost.push((id, columns.len() as u64 - left));
            fresh.add(&info.labels, &chunks).map_err(failed())?;
        }
        let deleted = lost.iter().map(|(_, samples)| samples).sum();
        fresh.finish().map_err(failed())?;
        let opened = self.open_block(writer.next_block)?;
        writer.next_block += 1;
        let mut shared = self.writing();
        shared.remove(block.id());
        shared.add(opened);
        for (id, samples) in lost {
            shared.catalog.lose(id, samples);
        }
        drop(shared);
        self.remove_file(block)?;
        self.files
            .sync_folder(&folder)
            .map_err(StorageError::io("sync", &folder))?;
        Ok(deleted)
    }
}

/// Whether some of these series have samples in `range` in a block.
fn has_any(
    block: &Block,
    matching: &[(Labels, u32)],
    range: TimeRange,
) -> Result<bool, StorageError> {
    let mut columns = Columns::default();
    for (labels, _) in matching {
        block.read(labels, range, &mut columns)?;
        if columns.len() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Shared {
    fn add(&mut self, block: Arc<Block>) {
        let mut blocks = self.blocks.to_vec();
        blocks.push(block);
        self.blocks = Arc::new(blocks);
    }

    fn remove(&mut self, id: u64) {
        let others = self.blocks.iter().filter(|block| block.id() != id);
        self.blocks = Arc::new(others.cloned().collect());
    }
}
