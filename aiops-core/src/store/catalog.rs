//! All series of a store, with the samples that are in memory.

use std::collections::HashMap;
use std::time::Duration;

use super::index::Index;
use super::series::{Columns, SeriesHead};
use super::{AppendReport, Cancelled, StoreStats};
use crate::ingest::Batch;
use crate::{Labels, Selector, StorageError, TimeRange, Timestamp};

/// Series that are looked at between two questions whether to go on.
const CANDIDATES: usize = 4_096;

/// What a store takes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_series: usize,
    pub(super) late_after: Option<Duration>,
}

/// One series.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) labels: Labels,
    pub(super) head: SeriesHead,
    /// Samples, wherever they are.
    samples: u64,
    /// Time of the latest sample that there ever was.
    newest: i64,
    /// The part of the log in which the labels were written last.
    pub(super) logged_in: u32,
}

/// What lies beneath the samples in memory.
pub(super) trait Older {
    /// Whether there is a sample of this series at this instant.
    fn contains(&mut self, id: u32, labels: &Labels, time: i64) -> Result<bool, StorageError>;
}

/// Nothing lies beneath.
pub(super) struct NothingOlder;

impl Older for NothingOlder {
    fn contains(&mut self, _: u32, _: &Labels, _: i64) -> Result<bool, StorageError> {
        Ok(false)
    }
}

/// A sample that was taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) id: u32,
    pub(super) time: i64,
    pub(super) value: u64,
}

/// All series of a store.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    ids: HashMap<Labels, u32>,
    index: Index,
    labels_bytes: usize,
    head_bytes: usize,
    samples: u64,
    /// Samples before it are late.
    floor: Option<i64>,
    scratch: Columns,
}

impl Catalog {
    /// Takes in a batch; `accept` is told the samples that were new.
    pub(super) fn append(
        &mut self,
        batch: &Batch,
        limits: Limits,
        older: &mut dyn Older,
        accept: &mut dyn FnMut(Accepted),
    ) -> Result<AppendReport, StorageError> {
        let mut report = AppendReport::default();
        for series in batch.iter().filter(|series| !series.values.is_empty()) {
            let known = self.ids.get(series.labels).copied();
            let Some(id) = known.or_else(|| self.create_below(series.labels, limits.max_series))
            else {
                report.over_series_limit += series.values.len() as u64;
                continue;
            };
            for (time, value) in series.times.iter().zip(series.values) {
                let (time, value) = (time.as_nanos(), value.to_bits());
                if self.is_late(id, time, limits) {
                    report.late += 1;
                } else if self.insert(id, time, value, older)? {
                    report.accepted += 1;
                    accept(Accepted { id, time, value });
                } else {
                    report.duplicates += 1;
                }
            }
            if known.is_none() {
                self.remove_if_empty(&[id]);
            }
        }
        Ok(report)
    }

    fn create_below(&mut self, labels: &Labels, max_series: usize) -> Option<u32> {
        (self.ids.len() < max_series).then(|| self.create(labels))
    }

    fn is_late(&self, id: u32, time: i64, limits: Limits) -> bool {
        let Some(entry) = self.get(id) else {
            return false;
        };
        let after = limits
            .late_after
            .filter(|_| entry.samples > 0)
            .map(|after| i64::try_from(after.as_nanos()).unwrap_or(i64::MAX))
            .map(|after| entry.newest.saturating_sub(after));
        self.floor.is_some_and(|floor| time < floor) || after.is_some_and(|after| time < after)
    }

    /// Adds a sample; answers `false` when there is one at this instant.
    pub(super) fn insert(
        &mut self,
        id: u32,
        time: i64,
        value: u64,
        older: &mut dyn Older,
    ) -> Result<bool, StorageError> {
        let Some(entry) = self.entries[id as usize].as_mut() else {
            return Ok(false);
        };
        let in_order = entry.samples == 0 || time > entry.newest;
        // The newest one may have been deleted, so that it is looked for as well.
        let is_there = !in_order
            && (entry.head.contains(time, &mut self.scratch)
                || older.contains(id, &entry.labels, time)?);
        if is_there {
            return Ok(false);
        }
        self.head_bytes -= entry.head.size_bytes();
        if in_order {
            entry.head.push(time, value);
            entry.newest = time;
        } else {
            entry.head.insert(time, value);
        }
        self.head_bytes += entry.head.size_bytes();
        entry.samples += 1;
        self.samples += 1;
        Ok(true)
    }

    /// The identifier of a series, which is created when it is new.
    pub(super) fn create(&mut self, labels: &Labels) -> u32 {
        if let Some(&id) = self.ids.get(labels) {
            return id;
        }
        let entry = Entry {
            labels: labels.clone(),
            head: SeriesHead::default(),
            samples: 0,
            newest: i64::MIN,
            logged_in: 0,
        };
        let id = self.free.pop().unwrap_or(self.entries.len() as u32);
        if id as usize == self.entries.len() {
            self.entries.push(Some(entry));
        } else {
            self.entries[id as usize] = Some(entry);
        }
        self.ids.insert(labels.clone(), id);
        self.index.insert(id, labels);
        self.labels_bytes += labels.size_bytes();
        id
    }

    /// `samples` of this series, the latest at `newest`, lie beneath.
    #[cfg(feature = "durable")]
    pub(super) fn add_older(&mut self, labels: &Labels, samples: u64, newest: i64) {
        let id = self.create(labels);
        if let Some(entry) = self.entries[id as usize].as_mut() {
            entry.samples += samples;
            entry.newest = entry.newest.max(newest);
            self.samples += samples;
        }
    }

    /// `samples` of this series are gone.
    #[cfg(feature = "durable")]
    pub(super) fn lose(&mut self, id: u32, samples: u64) {
        if let Some(entry) = self.entries[id as usize].as_mut() {
            entry.samples -= samples.min(entry.samples);
            self.samples -= samples.min(self.samples);
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }

    #[cfg(feature = "durable")]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_mut()
    }

    #[cfg(feature = "durable")]
    pub(super) fn id(&self, labels: &Labels) -> Option<u32> {
        self.ids.get(labels).copied()
    }

    /// Takes what is in memory out, in order of identifiers; it still counts.
    #[cfg(feature = "durable")]
    pub(super) fn take_heads(&mut self) -> Vec<(u32, Labels, SeriesHead)> {
        let mut taken = Vec::new();
        for (id, entry) in self.entries.iter_mut().enumerate() {
            if let Some(entry) = entry.as_mut().filter(|entry| !entry.head.is_empty()) {
                let head = std::mem::take(&mut entry.head);
                taken.push((id as u32, entry.labels.clone(), head));
            }
        }
        self.head_bytes = 0;
        taken
    }

    /// Matching series in order of labels.
    pub(super) fn matching(&self, selector: &Selector) -> Vec<(Labels, u32)> {
        self.matching_unless(&|| false, selector)
            .unwrap_or_default()
    }

    /// As [`matching`](Self::matching); [`StorageError::Cancelled`] when the search is.
    pub(super) fn matching_unless(
        &self,
        cancelled: &Cancelled<'_>,
        selector: &Selector,
    ) -> Result<Vec<(Labels, u32)>, StorageError> {
        let all = || (0..self.entries.len() as u32).collect();
        let candidates = self.index.candidates(selector).unwrap_or_else(all);
        let mut found = Vec::new();
        for some in candidates.chunks(CANDIDATES) {
            if cancelled() {
                return Err(StorageError::Cancelled);
            }
            for &id in some {
                if let Some(entry) = self.get(id)
                    && entry.samples > 0
                    && selector.matches(&entry.labels)
                {
                    found.push((entry.labels.clone(), id));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Deletes what is in memory of these series in `range`; answers how many samples.
    pub(super) fn delete(&mut self, ids: &[u32], range: TimeRange) -> u64 {
        let mut deleted = 0;
        for &id in ids {
            deleted += self.edit(id, |head| head.delete(range));
        }
        self.remove_if_empty(ids);
        deleted
    }

    /// Drops what is in memory and older; from now on it is late.
    pub(super) fn retain_from(&mut self, oldest: i64) -> u64 {
        self.floor = self.floor.max(Some(oldest));
        let ids: Vec<u32> = (0..self.entries.len() as u32).collect();
        let mut dropped = 0;
        for &id in &ids {
            dropped += self.edit(id, |head| head.retain_from(oldest));
        }
        self.remove_if_empty(&ids);
        dropped
    }

    fn edit(&mut self, id: u32, edit: impl FnOnce(&mut SeriesHead) -> u64) -> u64 {
        let Some(entry) = self.entries[id as usize].as_mut() else {
            return 0;
        };
        self.head_bytes -= entry.head.size_bytes();
        let gone = edit(&mut entry.head);
        self.head_bytes += entry.head.size_bytes();
        entry.samples -= gone;
        self.samples -= gone;
        gone
    }

    /// Removes those of these series that have no sample left.
    pub(super) fn remove_if_empty(&mut self, ids: &[u32]) {
        let mut dead = Vec::new();
        for &id in ids {
            let slot = &mut self.entries[id as usize];
            if let Some(entry) = slot.take_if(|entry| entry.samples == 0) {
                self.ids.remove(&entry.labels);
                self.labels_bytes -= entry.labels.size_bytes();
                dead.push(id);
            }
        }
        if dead.is_empty() {
            return;
        }
        dead.sort_unstable();
        self.index.remove(|id| dead.binary_search(&id).is_ok());
        self.free.extend(dead);
    }

    /// Samples that are in memory.
    #[cfg(feature = "durable")]
    pub(super) fn in_memory(&self) -> u64 {
        let entries = self.entries.iter().flatten();
        entries.map(|entry| entry.head.len()).sum()
    }

    /// Memory of the samples.
    pub(super) fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// Sizes, of which the disk's are left open.
    pub(super) fn stats(&self) -> StoreStats {
        let entries = || {
            self.entries
                .iter()
                .flatten()
                .filter(|entry| entry.samples > 0)
        };
        let newest = entries().map(|entry| entry.newest).max();
        let oldest = entries().filter_map(|entry| entry.head.oldest()).min();
        StoreStats {
            series: entries().count() as u64,
            samples: self.samples,
            memory_bytes: self.memory_bytes() as u64,
            disk_bytes: 0,
            oldest: oldest.map(Timestamp::from_nanos),
            newest: newest.map(Timestamp::from_nanos),
        }
    }

    fn memory_bytes(&self) -> usize {
        /// Bytes of a slot of a hash table beside key and value.
        const SLOT: usize = 2;
        self.entries.capacity() * size_of::<Option<Entry>>()
            + self.free.capacity() * size_of::<u32>()
            + self.ids.capacity() * (size_of::<(Labels, u32)>() + SLOT)
            + self.index.size_bytes()
            + self.labels_bytes
            + self.head_bytes
    }
}
