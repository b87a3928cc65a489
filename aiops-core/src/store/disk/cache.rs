//! Samples of blocks that are asked for again and again, decoded.
//!
//! What is kept is the samples of one series in one block. A block never changes and its identifier
//! is not used twice, so nothing that is appended, deleted, merged or dropped can make what is kept
//! wrong: it makes other blocks. Of those that are gone, the memory is given back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Labels;
use crate::store::series::Columns;

/// Memory of an entry beside its samples: keys, places in both maps, and their free slots.
const ENTRY_BYTES: usize = 256;
/// One run may fill this part of the memory at most.
const SHARE: usize = 8;
/// Runs that were asked for once are remembered by so many places.
const SEEN: usize = 4_096;

/// How often the samples of blocks were at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Readings of one series in one block that found the samples decoded.
    pub hits: u64,
    /// Readings that had to decode them.
    pub misses: u64,
    /// Runs of samples that made room for others.
    pub evicted: u64,
    /// Memory in use, in bytes; at most `cache_bytes`, and 32 KiB where that is not 0.
    pub bytes: u64,
}

type Key = (u64, Labels);

/// Decoded samples, those asked for last.
#[derive(Debug)]
pub(super) struct RunCache {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: HashMap<Key, Held>,
    /// Keys by when they were asked for last.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
    /// Runs that were asked for once, by their hash: what is read only once is not kept, so that
    /// reading everything drives nothing out.
    seen: Vec<u64>,
    stats: CacheStats,
}

#[derive(Debug)]
struct Held {
    run: Arc<Columns>,
    asked: u64,
}

/// What the cache says to a reading.
pub(super) enum Answer {
    /// The samples.
    Kept(Arc<Columns>),
    /// They are asked for again: the cache would like to have them.
    Wanted,
    /// They are asked for the first time.
    Unknown,
}

fn cost(samples: usize) -> usize {
    ENTRY_BYTES + samples * (size_of::<i64>() + size_of::<f64>())
}

impl RunCache {
    pub(super) fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept = Kept {
            seen: vec![0; if limit > 0 { SEEN } else { 0 }],
            ..Kept::default()
        };
        Self {
            limit,
            kept: kept.into(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask(&self, block: u64, labels: &Labels) -> Answer {
        if self.limit == 0 {
            return Answer::Unknown;
        }
        let key = (block, labels.clone());
        let mut kept = self.kept();
        let kept = &mut *kept;
        kept.clock += 1;
        if let Some(held) = kept.runs.get_mut(&key) {
            kept.stats.hits += 1;
            kept.order.remove(&held.asked);
            held.asked = kept.clock;
            kept.order.insert(kept.clock, key);
            return Answer::Kept(held.run.clone());
        }
        kept.stats.misses += 1;
        // Odd, so that it is no empty place.
        let hash = (labels.fingerprint().0 ^ block.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
        let place = &mut kept.seen[(hash >> 32) as usize % SEEN];
        if std::mem::replace(place, hash) == hash {
            Answer::Wanted
        } else {
            Answer::Unknown
        }
    }

    /// Whether a run of so many samples is not too large.
    pub(super) fn fits(&self, samples: u32) -> bool {
        cost(samples as usize) <= self.limit / SHARE
    }

    pub(super) fn put(&self, block: u64, labels: &Labels, run: Arc<Columns>) {
        let key = (block, labels.clone());
        let mut kept = self.kept();
        let kept = &mut *kept;
        kept.drop_run(&key);
        kept.bytes += cost(run.len());
        kept.clock += 1;
        let asked = kept.clock;
        kept.order.insert(asked, key.clone());
        kept.runs.insert(key, Held { run, asked });
        while kept.bytes > self.limit {
            let Some((_, key)) = kept.order.first_key_value() else {
                return;
            };
            let key = key.clone();
            kept.drop_run(&key);
            kept.stats.evicted += 1;
        }
    }

    /// Gives back the memory of a block that is gone.
    pub(super) fn forget(&self, block: u64) {
        let mut kept = self.kept();
        let keys = kept.runs.keys().filter(|(of, _)| *of == block);
        let keys: Vec<Key> = keys.cloned().collect();
        for key in keys {
            kept.drop_run(&key);
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        let kept = self.kept();
        CacheStats {
            bytes: (kept.bytes + kept.seen.len() * size_of::<u64>()) as u64,
            ..kept.stats
        }
    }
}

impl Kept {
    fn drop_run(&mut self, key: &Key) {
        if let Some(held) = self.runs.remove(key) {
            self.order.remove(&held.asked);
            self.bytes -= cost(held.run.len());
        }
    }
}
