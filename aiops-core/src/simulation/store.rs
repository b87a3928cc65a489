//! Schedules for the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Faults, SimDisk, for_seeds};
use crate::ingest::Batch;
use crate::store::{DiskStore, DiskStoreConfig, Maintenance, SeriesStore};
use crate::{Labels, Rng, Seed, Selector, StorageError, TimeRange, Timestamp};

const FOLDER: &str = "/store";
const SERIES: usize = 4;
/// Nanoseconds of the times that a schedule counts in; some hundred of them make a period.
const TICK: i64 = 10_000_000;

/// A sample: series and time. The value follows from both.
type Key = (usize, i64);

/// What is known of the store from outside.
#[derive(Default)]
struct Model {
    /// Samples that must be there.
    promised: BTreeSet<Key>,
    /// Samples that may be there besides.
    possible: BTreeSet<Key>,
    /// Appended since the last sync.
    unsynced: BTreeSet<Key>,
    /// Steps of tidying up that merged blocks, or failed.
    tidied: u64,
}

pub(super) fn labels(series: usize) -> Labels {
    Labels::of([("series", series.to_string())]).unwrap()
}

pub(super) fn at(time: i64) -> Timestamp {
    Timestamp::from_nanos(time * TICK)
}

fn value((series, time): Key) -> f64 {
    (time * 7 + series as i64) as f64 * 0.1
}

fn open(disk: &SimDisk) -> Result<DiskStore, StorageError> {
    let config = DiskStoreConfig {
        memory_bytes: 1_500,
        block_span: Duration::from_secs(1),
        ..DiskStoreConfig::default()
    };
    DiskStore::open_in(disk.files(), Path::new(FOLDER), config)
}

/// All samples, past damage; and how often damage was told.
fn read(store: &DiskStore) -> Result<(BTreeSet<Key>, usize), StorageError> {
    for told in 0..1_000 {
        let mut found = BTreeSet::new();
        let read = store.select(
            &Selector::all(),
            TimeRange::ALL,
            &mut |labels, times, values| {
                let series = labels.get("series").unwrap().parse().unwrap();
                assert!(times.is_sorted_by(|one, next| one < next));
                for (time, found_value) in times.iter().zip(values) {
                    let key = (series, time.as_nanos() / TICK);
                    assert_eq!(found_value.to_bits(), value(key).to_bits(), "{key:?}");
                    found.insert(key);
                }
                ControlFlow::Continue(())
            },
        );
        match read {
            Ok(()) => return Ok((found, told)),
            Err(StorageError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    panic!("the same damage is told again and again");
}

impl Model {
    /// Works until the program dies, or for some steps.
    fn work(&mut self, store: &DiskStore, disk: &SimDisk, rng: &mut Rng) {
        for _ in 0..rng.below(40) {
            if disk.has_crashed() {
                return;
            }
            match rng.below(16) {
                0..=6 => self.append(store, rng),
                7..=9 => {
                    if store.sync().is_ok() {
                        self.promised.append(&mut self.unsynced);
                    }
                }
                10 => {
                    if let Ok((found, 0)) = read(store) {
                        let lost: Vec<_> = self.promised.difference(&found).collect();
                        assert!(lost.is_empty(), "lost without a crash are {lost:?}");
                    }
                }
                11 => self.delete(store, rng),
                _ => match store.maintain(Timestamp::MAX) {
                    Ok(Maintenance::Merged { .. }) | Err(_) => self.tidied += 1,
                    Ok(Maintenance::Dropped { .. }) => panic!("nothing may be dropped"),
                    _ => {}
                },
            }
        }
    }

    fn append(&mut self, store: &DiskStore, rng: &mut Rng) {
        let (mut batch, mut keys) = (Batch::default(), BTreeSet::new());
        for _ in 0..=rng.below(20) {
            let key = (rng.below(SERIES), rng.below(600) as i64);
            batch.start_series(labels(key.0));
            batch.push(at(key.1), value(key));
            keys.insert(key);
        }
        let appended = store.append(&batch).is_ok();
        self.possible.extend(&keys);
        if appended {
            self.unsynced.extend(keys);
        }
    }

    fn delete(&mut self, store: &DiskStore, rng: &mut Rng) {
        let (series, start) = (rng.below(SERIES), rng.below(600) as i64);
        let end = start + rng.below(100) as i64;
        let selector: Selector = format!("{{series=\"{series}\"}}").parse().unwrap();
        let range = TimeRange::new(at(start), at(end));
        let deleted = store.delete(&selector, range);
        let outside = |key: &Key| key.0 != series || !(start..end).contains(&key.1);
        self.promised.retain(outside);
        self.unsynced.retain(outside);
        if deleted.is_ok() {
            self.possible.retain(outside);
        }
    }

    /// After a crash: what was promised is there; nothing else was invented.
    fn check(&mut self, store: &DiskStore) {
        let (found, told) = read(store).unwrap();
        assert_eq!(told, 0, "a crash damages nothing in a block");
        let lost: Vec<_> = self.promised.difference(&found).collect();
        assert!(lost.is_empty(), "lost are {lost:?}");
        let invented: Vec<_> = found.difference(&self.possible).collect();
        assert!(invented.is_empty(), "invented are {invented:?}");
        check_stats(store, &found);
        self.unsynced.clear();
        self.possible = found;
    }
}

fn check_stats(store: &DiskStore, found: &BTreeSet<Key>) {
    let stats = store.stats();
    let series: BTreeSet<_> = found.iter().map(|(series, _)| *series).collect();
    let sizes = (found.len() as u64, series.len() as u64);
    assert_eq!((stats.samples, stats.series), sizes);
    assert_eq!(store.series(&Selector::all()).len(), series.len());
}

/// Some lives of a program; each ends by the death of the program or of the machine.
/// Answers how often it was tidied up, or tried.
fn schedule(seed: u64, faults: Faults) -> u64 {
    let disk = SimDisk::new(seed);
    let mut rng = Seed(seed).rng();
    let mut model = Model::default();
    for _ in 0..5 {
        disk.hurt(faults);
        disk.crash_after(rng.below(150) as u64 + 1);
        // It may die, or fail, while it opens.
        if let Ok(store) = open(&disk) {
            model.work(&store, &disk, &mut rng);
        }
        if rng.below(3) > 0 {
            disk.lose_power();
        } else {
            disk.kill();
        }
        let (_, size) = disk.take_read();
        let store = open(&disk).unwrap();
        let (taken, _) = disk.take_read();
        assert!(taken <= 40 * size + 1_000, "{taken} bytes read of {size}");
        model.check(&store);
        // What was found is there to stay, and tidying up changes nothing.
        store.sync().unwrap();
        if rng.below(2) == 0 {
            while store.maintain(Timestamp::MAX).unwrap() != Maintenance::Nothing {
                model.tidied += 1;
            }
            assert_eq!(read(&store).unwrap(), (model.possible.clone(), 0));
        }
        model.promised = model.possible.clone();
    }
    model.tidied
}

/// Runs schedules, in which blocks have to be tidied up now and then.
fn run(count: u64, faults: Faults) {
    let tidied = std::cell::Cell::new(0);
    for_seeds(count, |seed| {
        tidied.set(tidied.get() + schedule(seed, faults));
    });
    assert!(tidied.get() > count / 2, "tidied {} times", tidied.get());
}

#[test]
fn a_crash_takes_back_nothing_that_was_synced() {
    run(1_500, Faults::default());
}

#[test]
fn errors_and_crashes_take_back_nothing_that_was_synced() {
    let faults = Faults {
        errors: 15,
        limit: 0,
    };
    run(1_500, faults);
}

#[test]
fn a_full_disk_takes_back_nothing_that_was_synced() {
    let faults = Faults {
        errors: 0,
        limit: 12_000,
    };
    run(1_000, faults);
}

#[test]
fn after_a_failure_everything_gets_in_once_the_disk_works_again() {
    for_seeds(300, |seed| {
        let disk = SimDisk::new(seed);
        let mut rng = Seed(seed).rng();
        let (store, mut model) = (open(&disk).unwrap(), Model::default());
        for errors in [3, 0, 2, 0] {
            disk.hurt(Faults { errors, limit: 0 });
            model.work(&store, &disk, &mut rng);
        }
        store.sync().unwrap();
        let before = read(&store).unwrap().0;
        assert!(
            model
                .promised
                .union(&model.unsynced)
                .all(|key| before.contains(key))
        );
        drop(store);
        disk.lose_power();
        assert_eq!(read(&open(&disk).unwrap()).unwrap().0, before);
    });
}

#[test]
fn a_flipped_bit_is_named_and_invents_nothing() {
    for_seeds(1_000, |seed| {
        let disk = SimDisk::new(seed);
        let mut rng = Seed(seed).rng();
        let mut model = Model::default();
        let store = open(&disk).unwrap();
        model.work(&store, &disk, &mut rng);
        store.sync().unwrap();
        let before = read(&store).unwrap().0;
        drop(store);
        disk.kill();
        let Some(path) = disk.flip_bit(|path| path.extension().is_some()) else {
            return;
        };
        let store = open(&disk).unwrap();
        let (found, _) = read(&store).unwrap();
        assert!(found.is_subset(&before), "something was invented");
        let named = store.recovery().cut.is_some() || !store.damage().is_empty();
        assert!(
            named || found == before,
            "the damage of {} is not named",
            path.display()
        );
    });
}

/// The queue and the store together: what was acknowledged by the queue gets into the store,
/// whatever happens in between, when the place is saved after the store has synced.
#[test]
fn what_comes_again_from_the_queue_is_stored_once() {
    use crate::queue::{DiskQueue, DiskQueueConfig, Queue};

    for_seeds(500, |seed| {
        let disk = SimDisk::new(seed);
        let mut rng = Seed(seed).rng();
        let mut acknowledged: BTreeMap<i64, f64> = BTreeMap::new();
        let mut next = 0_i64;
        let mut take = |disk: &SimDisk,
                        rng: &mut Rng,
                        produce: bool|
         -> Result<Arc<DiskStore>, StorageError> {
            let folder = Path::new("/queue");
            let queue = DiskQueue::open_in(disk.files(), folder, DiskQueueConfig::default())?;
            let store = Arc::new(open(disk)?);
            for _ in 0..rng.below(30) {
                if produce {
                    let offset = queue.append(Timestamp::EPOCH, &next.to_le_bytes())?;
                    let number = next;
                    next += 1;
                    if queue.sync()? > offset {
                        acknowledged.insert(number, value((0, number)));
                    }
                }
                consume(&queue, &store, rng.below(4) as u64)?;
            }
            while queue.stats().records > 0 && !produce {
                consume(&queue, &store, 100)?;
            }
            Ok(store)
        };
        for _ in 0..4 {
            disk.hurt(Faults {
                errors: 40,
                limit: 0,
            });
            disk.crash_after(rng.below(150) as u64 + 1);
            let _ = take(&disk, &mut rng, true);
            disk.lose_power();
        }
        let store = take(&disk, &mut rng, false).unwrap();
        let found = read(&store).unwrap().0;
        let lost = acknowledged
            .keys()
            .filter(|number| !found.contains(&(0, **number)));
        assert_eq!(lost.count(), 0);
    });
}

/// Takes some records to the store, and releases them once it has synced.
fn consume(
    queue: &crate::queue::DiskQueue,
    store: &DiskStore,
    count: u64,
) -> Result<(), StorageError> {
    use crate::queue::Queue;

    let mut batch = Batch::default();
    batch.start_series(labels(0));
    let from = queue.offsets().start;
    let next = queue.read(from, &mut |offset, _, record| {
        let number = i64::from_le_bytes(record.try_into().unwrap());
        batch.push(at(number), value((0, number)));
        if offset + 1 < from + count {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    store.append(&batch)?;
    store.sync()?;
    queue.release(next)
}
