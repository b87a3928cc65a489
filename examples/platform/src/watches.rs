//! All series under watch, in shards, so that they can be written to disk a part at a time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use aiops_core::Fingerprint;

use crate::watch::Watch;

/// Number of shards; a series keeps its shard for ever.
pub const SHARDS: usize = 64;

type Shard = HashMap<Fingerprint, Watch, BuildHasherDefault<Spread>>;

/// Spreads the bits of a fingerprint, which is a hash already. A table takes its places from the
/// lowest bits and its tags from the highest, which are the same within a shard.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, number: u64) {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = number.wrapping_mul(GOLDEN).rotate_left(32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }
}

/// Series by identity.
#[derive(Debug)]
pub struct Watches {
    shards: Vec<Shard>,
    len: usize,
}

impl Default for Watches {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            len: 0,
        }
    }
}

fn shard_of(id: Fingerprint) -> usize {
    (id.0 >> (u64::BITS - SHARDS.ilog2())) as usize
}

impl Watches {
    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One of them.
    pub fn get(&self, id: Fingerprint) -> Option<&Watch> {
        self.shards[shard_of(id)].get(&id)
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, id: Fingerprint) -> Option<&mut Watch> {
        self.shards[shard_of(id)].get_mut(&id)
    }

    /// Adds one, or replaces the one of the same labels.
    pub fn insert(&mut self, watch: Watch) {
        let id = watch.labels.fingerprint();
        let before = self.shards[shard_of(id)].insert(id, watch);
        self.len += usize::from(before.is_none());
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Watch> {
        self.shards.iter().flat_map(HashMap::values)
    }

    /// Those of one shard, in no order.
    pub fn shard(&self, shard: usize) -> impl Iterator<Item = &Watch> {
        self.shards[shard].values()
    }

    /// Keeps those for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Watch) -> bool) {
        for shard in &mut self.shards {
            shard.retain(|_, watch| keep(watch));
        }
        self.len = self.shards.iter().map(HashMap::len).sum();
    }
}
