//! The same bytes give the same label set, without decoding them again.

use crate::Labels;

/// Which encoding a key is in; the same bytes mean different labels in different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// The label fields of a remote-write series.
    #[cfg(feature = "remote-write")]
    RemoteWrite,
    /// The texts that the labels of a remote-write 2.0 series refer to.
    #[cfg(feature = "remote-write")]
    RemoteWrite2,
    /// The labels of a series in a stored batch.
    Stored,
}

/// Slots of a set; a key can only be in one set.
const WAYS: usize = 16;
/// Sets are this full on average when the interner is, so that one with more than [`WAYS`] keys
/// is rare: 1 in a million when the hash is even.
const MEAN_FILL: usize = 4;
/// Longer keys are not kept.
const MAX_KEY: usize = 1 << 10;
/// No entry.
const NONE: u32 = u32::MAX;
/// What is kept of the decompression buffer between bodies.
#[cfg(feature = "remote-write")]
const MAX_IDLE_SCRATCH: usize = 8 << 20;

/// Remembers which label set encoded bytes stand for, so that a series that comes again costs a
/// hash and a comparison instead of an allocation.
///
/// Bounded: at most `capacity` label sets, each with its encoded form of at most 1 KiB (longer ones
/// are decoded every time), and a look-up touches at most 16 slots whatever the keys are, so that
/// a sender cannot make it slow. The entry unused for longest gives way, approximately (the clock
/// algorithm).
///
/// Senders tend to send their series in the same order again. Each entry therefore knows the one
/// that followed it the last time, which is tried before anything is hashed.
///
/// ```
/// use aiops_core::ingest::{Batch, LabelInterner};
///
/// let mut interner = LabelInterner::new(1_000);
/// let batch = Batch::decode(&{
///     let mut bytes = Vec::new();
///     Batch::default().encode(&mut bytes);
///     bytes
/// }, &mut interner)?;
/// assert!(batch.is_empty() && interner.is_empty());
/// # Ok::<(), aiops_core::ingest::StoredBatchError>(())
/// ```
pub struct LabelInterner {
    capacity: usize,
    /// Upper half of the hash of the key in each slot; only a hint.
    tags: Vec<[u32; WAYS]>,
    /// The entry in each slot, or [`NONE`].
    slots: Vec<[u32; WAYS]>,
    entries: Vec<Entry>,
    key_bytes: usize,
    /// Entry found last.
    last: u32,
    /// Where the search for an entry to give up goes on.
    hand: usize,
    /// Buffer of whoever decodes, kept here because the interner lives as long as the receiver.
    pub(super) scratch: Vec<u8>,
}

struct Entry {
    key: Box<[u8]>,
    labels: Labels,
    hash: u64,
    /// Entry that was found after this one the last time.
    next: u32,
    kind: KeyKind,
    used: bool,
}

impl std::fmt::Debug for LabelInterner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelInterner")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish()
    }
}

impl LabelInterner {
    /// Remembers at most `capacity` label sets, and at least one. Takes 32 to 64 bytes for each at
    /// once, and the rest as it fills.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        let sets = capacity.div_ceil(MEAN_FILL).next_power_of_two();
        Self {
            capacity,
            tags: vec![[0; WAYS]; sets],
            slots: vec![[NONE; WAYS]; sets],
            entries: Vec::new(),
            key_bytes: 0,
            last: NONE,
            hand: 0,
            scratch: Vec::new(),
        }
    }

    /// Number of label sets remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory in use, without the label sets, which others share.
    pub fn size_bytes(&self) -> usize {
        self.tags.len() * 2 * size_of::<[u32; WAYS]>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.key_bytes
            + self.scratch.capacity()
    }

    /// The labels that `key` stands for; `make` is asked when they are not remembered.
    #[inline]
    pub(super) fn get<E>(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        make: impl FnOnce() -> Result<Labels, E>,
    ) -> Result<Labels, E> {
        if let Some(last) = self.entries.get(self.last as usize) {
            let next = last.next;
            if let Some(entry) = self.entries.get_mut(next as usize)
                && entry.kind == kind
                && *entry.key == *key
            {
                entry.used = true;
                self.last = next;
                return Ok(entry.labels.clone());
            }
        }
        self.get_by_hash(kind, key, make)
    }

    fn get_by_hash<E>(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        make: impl FnOnce() -> Result<Labels, E>,
    ) -> Result<Labels, E> {
        let hash = hash(key, kind);
        if let Some(found) = self.find(hash, kind, key) {
            self.follow(found);
            let entry = &mut self.entries[found as usize];
            entry.used = true;
            return Ok(entry.labels.clone());
        }
        let labels = make()?;
        if key.len() <= MAX_KEY {
            let entry = Entry {
                key: key.into(),
                labels: labels.clone(),
                hash,
                next: NONE,
                kind,
                used: false,
            };
            let index = self.insert(entry);
            self.follow(index);
        }
        Ok(labels)
    }

    /// Notes that entry `index` came after the one before it.
    fn follow(&mut self, index: u32) {
        if let Some(before) = self.entries.get_mut(self.last as usize) {
            before.next = index;
        }
        self.last = index;
    }

    fn set_of(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn find(&self, hash: u64, kind: KeyKind, key: &[u8]) -> Option<u32> {
        let (set, tag) = (self.set_of(hash), (hash >> 32) as u32);
        (0..WAYS)
            .filter(|&way| self.tags[set][way] == tag)
            .map(|way| self.slots[set][way])
            .find(|&index| {
                self.entries
                    .get(index as usize)
                    .is_some_and(|entry| entry.kind == kind && *entry.key == *key)
            })
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let set = self.set_of(entry.hash);
        let way = self.slots[set].iter().position(|&slot| slot == NONE);
        let added = entry.key.len();
        let index = match way {
            // A full set: its first entry, or one unused since the hand last came by, gives way.
            None => {
                let unused = |&slot: &u32| !self.entries[slot as usize].used;
                let way = self.slots[set].iter().position(unused).unwrap_or(0);
                self.slots[set][way]
            }
            Some(_) if self.entries.len() < self.capacity => self.entries.len() as u32,
            Some(_) => self.oldest(),
        };
        if index as usize == self.entries.len() {
            self.key_bytes += added;
            self.entries.push(entry);
        } else {
            self.unlink(index);
            let given_up = std::mem::replace(&mut self.entries[index as usize], entry);
            self.key_bytes = self.key_bytes + added - given_up.key.len();
        }
        self.link(index);
        index
    }

    /// An entry not used since the hand passed it. One round of the hand marks all as unused, so
    /// the second finds one.
    fn oldest(&mut self) -> u32 {
        loop {
            let index = self.hand % self.entries.len();
            self.hand = index + 1;
            let entry = &mut self.entries[index];
            if !std::mem::take(&mut entry.used) {
                return index as u32;
            }
        }
    }

    fn unlink(&mut self, index: u32) {
        let set = self.set_of(self.entries[index as usize].hash);
        for slot in &mut self.slots[set] {
            if *slot == index {
                *slot = NONE;
            }
        }
    }

    fn link(&mut self, index: u32) {
        let hash = self.entries[index as usize].hash;
        let set = self.set_of(hash);
        if let Some(way) = self.slots[set].iter().position(|&slot| slot == NONE) {
            self.slots[set][way] = index;
            self.tags[set][way] = (hash >> 32) as u32;
        }
    }

    /// Gives the buffer back after use.
    #[cfg(feature = "remote-write")]
    pub(super) fn return_scratch(&mut self, mut scratch: Vec<u8>) {
        if scratch.capacity() > MAX_IDLE_SCRATCH {
            scratch = Vec::new();
        }
        self.scratch = scratch;
    }
}

/// Folded 128-bit products over eight bytes at a time, as wyhash does. Not stored anywhere.
fn hash(key: &[u8], kind: KeyKind) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd1b5_4a32_d192_ed03;
    let mix = |x: u64, y: u64| {
        let product = u128::from(x) * u128::from(y);
        product as u64 ^ (product >> 64) as u64
    };
    let word = |bytes: &[u8]| {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(padded)
    };
    let mut state = A ^ (key.len() as u64) << 8 ^ kind as u64;
    let (pairs, rest) = key.as_chunks::<16>();
    for pair in pairs {
        state = mix(word(&pair[..8]) ^ state, word(&pair[8..]) ^ B);
    }
    let (low, high) = rest.split_at(rest.len().min(8));
    state = mix(word(low) ^ state, word(high) ^ B);
    mix(state ^ A, B)
}
