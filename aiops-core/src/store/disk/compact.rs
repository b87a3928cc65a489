//! Fewer and larger blocks: those of one period are merged when several are of a size, so that a
//! sample is rewritten only a few times. A block of which something is lost stays as it is.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::blocks::FillError;
use super::{DiskStore, Keeper};
use crate::store::Maintenance;
use crate::store::block::{Block, BlockWriter, SeriesInfo};
use crate::store::series::{Columns, Span};
use crate::{StorageError, Timestamp};

/// Blocks of a size that are merged.
const FEW: usize = 4;
/// Blocks smaller than this are of a size.
const SMALL: u64 = 64 << 10;

/// A size class: up to `SMALL`, four times that, sixteen times that.
fn tier(size: u64) -> u32 {
    (size / SMALL).checked_ilog(4).map_or(0, |tier| tier + 1)
}

/// The period of an instant.
pub(super) fn period_of(time: i64, span: i64) -> i64 {
    time.div_euclid(span)
}

/// The instants of a period.
pub(super) fn span_of(period: i64, span: i64) -> Span {
    Span {
        first: period.saturating_mul(span),
        last: period.saturating_mul(span).saturating_add(span - 1),
    }
}

impl DiskStore {
    /// Nanoseconds of a period.
    pub(super) fn period(&self) -> i64 {
        let nanos = i64::try_from(self.config.block_span.as_nanos());
        nanos.unwrap_or(i64::MAX).max(1_000_000_000)
    }

    /// The next step of tidying up, as [`maintain`](crate::store::SeriesStore::maintain) says.
    pub(super) fn tidy(&self, now: Timestamp) -> Result<Maintenance, StorageError> {
        let mut keeper = self.keeper();
        // Before there is no other choice, so that appends need not do it.
        if self.is_full(3, 4) {
            let samples = self.reading().catalog.in_memory();
            self.cut(&mut keeper)?;
            return Ok(Maintenance::Written { samples });
        }
        if !keeper.dead.is_empty() {
            self.remove_dead(&mut keeper)?;
        }
        let dropped = self.drop_old(&mut keeper, now)? + self.evict(&mut keeper)?;
        if dropped > 0 {
            return Ok(Maintenance::Dropped { samples: dropped });
        }
        self.compact(&mut keeper)
    }

    /// Drops the blocks that `retention` does not keep.
    fn drop_old(&self, keeper: &mut Keeper, now: Timestamp) -> Result<u64, StorageError> {
        let Some(retention) = self.config.retention else {
            return Ok(0);
        };
        let oldest = now.saturating_sub(retention).as_nanos();
        let is_old = |block: &Arc<Block>| block.max() < oldest;
        if !self.reading().blocks.iter().any(is_old) {
            return Ok(0);
        }
        let dropped = self.writing().catalog.retain_from(oldest);
        Ok(dropped + self.drop_blocks(keeper, oldest)?)
    }

    /// Merges some blocks, if it is worth it.
    fn compact(&self, keeper: &mut Keeper) -> Result<Maintenance, StorageError> {
        loop {
            let group = self.worth_merging();
            if group.is_empty() {
                return Ok(Maintenance::Nothing);
            }
            match self.merge(keeper, &group) {
                Err(StorageError::Corrupt { path, .. }) => {
                    // Its readers are told; here it only stays out of the way.
                    let damaged = group.iter().find(|block| block.path == path);
                    match damaged {
                        Some(block) => block.keep_apart(),
                        None => return Ok(Maintenance::Nothing),
                    }
                }
                Ok(()) => {
                    return Ok(Maintenance::Merged {
                        blocks: group.len() as u64,
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Blocks of one period and one size, or those that an older period is left with.
    fn worth_merging(&self) -> Vec<Arc<Block>> {
        let blocks = self.reading().blocks.clone();
        let period = self.period();
        let key = |block: &Block| {
            let (first, last) = (
                period_of(block.min(), period),
                period_of(block.max(), period),
            );
            (first == last).then_some(first)
        };
        let newest = blocks.iter().filter_map(|block| key(block)).max();
        let fits =
            |block: &&Arc<Block>| !block.is_apart() && block.size() < self.config.block_bytes;
        let mut open: Vec<_> = blocks.iter().filter(fits).cloned().collect();
        open.sort_by_key(|block| (key(block), tier(block.size()), block.id()));
        let same_size = |one: &Arc<Block>, other: &Arc<Block>| {
            key(one) == key(other) && tier(one.size()) == tier(other.size())
        };
        let same_period = |one: &Arc<Block>, other: &Arc<Block>| key(one) == key(other);
        let sizes = open.chunk_by(same_size).filter(|group| group.len() >= FEW);
        let past = |group: &&[Arc<Block>]| {
            let of = key(&group[0]);
            group.len() >= 2 && of.is_some() && of < newest
        };
        let periods = open.chunk_by(same_period).filter(past);
        sizes
            .chain(periods)
            .map(|group| self.that_fit(group))
            .find(|group| group.len() >= 2)
            .unwrap_or_default()
    }

    /// The first of these blocks that make one of the largest size at most.
    fn that_fit(&self, group: &[Arc<Block>]) -> Vec<Arc<Block>> {
        let mut size = 0;
        let fits = |block: &&Arc<Block>| {
            size += block.size();
            size <= self.config.block_bytes
        };
        group.iter().take_while(fits).cloned().collect()
    }

    fn merge(&self, keeper: &mut Keeper, group: &[Arc<Block>]) -> Result<(), StorageError> {
        let covers = group.iter().map(|block| block.covers()).max();
        let is_old = |id: &u64| group.iter().any(|block| block.id() == *id);
        keeper.dead.extend(group.iter().map(|block| block.id()));
        let written = self.write_block(keeper, covers.unwrap_or(0), |fresh| {
            merge_into(fresh, group)
        });
        let fresh = match written {
            Ok(fresh) => fresh,
            Err(error) => {
                keeper.dead.retain(|id| !is_old(id));
                return Err(error);
            }
        };
        let mut shared = self.writing();
        for block in group {
            shared.remove(block.id());
        }
        shared.add(fresh);
        drop(shared);
        self.remove_dead(keeper)
    }

    /// Drops the oldest blocks until what is on disk keeps to its bound; answers how many samples.
    pub(super) fn evict(&self, keeper: &mut Keeper) -> Result<u64, StorageError> {
        let mut dropped = 0;
        while let Some(limit) = self.config.limit_bytes {
            let blocks = self.reading().blocks.clone();
            let size: u64 = blocks.iter().map(|block| block.size()).sum();
            let size = size + self.log_size.load(Relaxed);
            let oldest = blocks.iter().min_by_key(|block| (block.max(), block.id()));
            let Some(oldest) = oldest.filter(|_| size > limit) else {
                break;
            };
            let lost = self.drop_block(keeper, oldest)?;
            self.evicted.fetch_add(lost, Relaxed);
            dropped += lost;
            self.remove_dead(keeper)?;
        }
        Ok(dropped)
    }
}

/// Fills a block with the samples of others, series by series.
fn merge_into(fresh: &mut BlockWriter<'_>, group: &[Arc<Block>]) -> Result<(), FillError> {
    let mut sources = Vec::with_capacity(group.len());
    for block in group {
        sources.push((block, block.series()??.into_iter().peekable()));
    }
    let mut columns = Columns::default();
    loop {
        let heads = sources.iter_mut().filter_map(|(_, series)| series.peek());
        let Some(labels) = heads.map(|info: &SeriesInfo| &info.labels).min().cloned() else {
            return Ok(());
        };
        columns.clear();
        for (block, series) in &mut sources {
            let is_next = |info: &SeriesInfo| info.labels.cmp(&labels) == Ordering::Equal;
            if series.next_if(is_next).is_some() {
                block.read(&labels, Span::ALL, &mut columns)?;
            }
        }
        columns.settle();
        fresh.add(&labels, &columns)?;
    }
}
