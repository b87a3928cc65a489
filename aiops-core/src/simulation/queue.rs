//! Schedules for the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use super::{Faults, SimDisk, for_seeds};
use crate::queue::{
    DiskQueue, DiskQueueConfig, LOST_CONSUMERS, MemoryQueue, MemoryQueueConfig, Queue, Retention,
};
use crate::{Damage, Rng, Seed, StorageError, Timestamp};

const FOLDER: &str = "/queue";

/// What is known of the queue from outside.
#[derive(Debug, Default)]
struct Model {
    /// Every record that may be there, by offset.
    records: Vec<Vec<u8>>,
    /// Records before it are acknowledged, or have been seen by a reader.
    promised: u64,
    /// Of them, those that had been lost before they were acknowledged.
    gaps: BTreeSet<u64>,
    /// The most that `release` was told, and what it confirmed last.
    releasing: u64,
    released: u64,
    /// Where each consumer may be; the last one is confirmed.
    consumers: BTreeMap<&'static str, Vec<u64>>,
}

const CONSUMERS: [&str; 3] = ["store", "detectors", "ünïcode"];

fn open(disk: &SimDisk) -> Result<DiskQueue, StorageError> {
    let config = DiskQueueConfig {
        segment_bytes: 4 << 10,
        ..DiskQueueConfig::default()
    };
    DiskQueue::open_in(disk.files(), Path::new(FOLDER), config)
}

/// When the record of an offset is received.
fn received(offset: u64) -> Timestamp {
    Timestamp::from_nanos(10 * offset as i64)
}

/// Offsets and records.
type Found = Vec<(u64, Vec<u8>)>;

/// Records from `from` on, past damage, and how often damage was told.
fn read(queue: &DiskQueue, from: u64) -> Result<(Found, usize), StorageError> {
    for told in 0..1_000 {
        let mut found = Vec::new();
        let read = queue.read(from, &mut |offset, _, record| {
            found.push((offset, record.to_vec()));
            ControlFlow::Continue(())
        });
        match read {
            Ok(_) => return Ok((found, told)),
            Err(StorageError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    panic!("the same damage is told again and again");
}

/// The first record that some consumer has still to read.
fn unread(queue: &dyn Queue) -> u64 {
    queue.consumers().into_values().min().unwrap_or(u64::MAX)
}

impl Model {
    /// Works until the program dies, or for some steps.
    fn work(&mut self, queue: &DiskQueue, disk: &SimDisk, rng: &mut Rng) {
        for _ in 0..rng.below(60) {
            if disk.has_crashed() {
                return;
            }
            match rng.below(14) {
                10..=11 => self.commit(queue, rng),
                12 => self.retain(queue, rng),
                13 => {
                    let consumer = CONSUMERS[rng.below(3)];
                    if queue.forget(consumer).is_ok() {
                        self.consumers.remove(consumer);
                    } else if let Some(places) = self.consumers.get_mut(consumer) {
                        places.insert(0, u64::MAX); // it may be forgotten
                    }
                }
                0..=4 => self.append(queue, rng),
                5..=7 => {
                    let appended = self.records.len() as u64;
                    if let Ok(end) = queue.sync() {
                        assert_eq!(end, appended);
                        self.promised = end;
                    }
                }
                8 => self.look(queue),
                _ => {
                    let span = (self.promised - self.released) as usize;
                    let before = self.released + rng.below(span + 1) as u64;
                    let before = before.min(unread(queue)).max(self.released);
                    self.releasing = self.releasing.max(before);
                    if queue.release(before).is_ok() {
                        self.released = before;
                    }
                }
            }
        }
    }

    fn commit(&mut self, queue: &DiskQueue, rng: &mut Rng) {
        let offsets = queue.offsets();
        let next = offsets.start + rng.below((offsets.end - offsets.start + 1) as usize) as u64;
        let consumer = CONSUMERS[rng.below(3)];
        // A reader has come that far.
        self.promised = self.promised.max(next);
        let committed = queue.commit(consumer, next).is_ok();
        let places = self.consumers.entry(consumer);
        let places = places.or_insert_with(|| vec![u64::MAX]);
        if committed {
            *places = vec![next];
        } else {
            places.insert(0, next);
        }
        let beyond = queue.commit(consumer, offsets.end + 1_000);
        assert!(matches!(beyond, Err(StorageError::NoSuchOffset { .. })));
    }

    /// Of what some consumer has still to read, nothing is released.
    fn retain(&mut self, queue: &DiskQueue, rng: &mut Rng) {
        let offsets = queue.offsets();
        let oldest = rng.below(self.records.len() + 1) as u64;
        let retention = Retention {
            oldest: (rng.below(2) == 0).then(|| received(oldest)),
            bytes: (rng.below(2) == 0).then(|| rng.below(8_000) as u64),
        };
        let most = unread(queue).min(offsets.end);
        self.promised = self.promised.max(offsets.end);
        self.releasing = self.releasing.max(most);
        if queue.retain(retention).is_ok() {
            self.released = queue.offsets().start;
            assert!(self.released <= most.max(offsets.start));
            if retention.bytes.is_none() && retention.oldest.is_some() {
                assert!(self.released <= oldest.max(offsets.start), "{retention:?}");
            }
        }
    }

    /// After a crash a consumer is where it was confirmed to be, or where it tried to get since.
    /// What it did not get confirmed holds nothing back, and a torn end takes it along.
    fn check_consumers(&mut self, queue: &DiskQueue, lost_to_damage: u64) {
        let (found, offsets) = (queue.consumers(), queue.offsets());
        let within = |place: &u64| {
            let from_end = if lost_to_damage > 0 {
                (*place).min(offsets.end)
            } else {
                *place
            };
            from_end.max(offsets.start)
        };
        for consumer in CONSUMERS {
            let place = found.get(consumer).copied();
            let places = self.consumers.remove(consumer).unwrap_or_default();
            let known = match place {
                Some(place) => match &places[..] {
                    [confirmed] if lost_to_damage == 0 => place == *confirmed,
                    tried => tried.iter().any(|tried| within(tried) == place),
                },
                None => places.is_empty() || places.contains(&u64::MAX),
            };
            assert!(
                known,
                "{consumer} is at {place:?}, not in {places:?}, of {offsets:?}"
            );
            if let Some(place) = place {
                assert!(queue.offsets().start <= place, "{consumer} lost records");
                self.consumers.insert(consumer, vec![place]);
            }
        }
    }

    fn append(&mut self, queue: &DiskQueue, rng: &mut Rng) {
        let most = if rng.below(8) == 0 { 3_000 } else { 100 };
        let len = rng.below(most);
        let mut record = vec![rng.bits() as u8; len];
        record.extend_from_slice(&rng.bits().to_le_bytes());
        let next = self.records.len() as u64;
        let offset = queue.append(received(next), &record).unwrap();
        assert_eq!(offset, next);
        self.records.push(record);
    }

    /// A reader sees what was appended, and is not to see it vanish.
    fn look(&mut self, queue: &DiskQueue) {
        let offsets = queue.offsets();
        if let Ok((found, _)) = read(queue, offsets.start) {
            for (offset, record) in found {
                assert_eq!(record, self.records[offset as usize]);
            }
        }
        assert!(offsets.end >= self.promised);
        self.promised = offsets.end;
    }

    /// After a crash: what was promised is there, in its place; nothing else was invented.
    fn check(&mut self, queue: &DiskQueue, lost_to_damage: u64) {
        let offsets = queue.offsets();
        let released = self.released..=self.releasing;
        assert!(
            released.contains(&offsets.start),
            "{offsets:?} after {released:?}"
        );
        assert!(offsets.end <= self.records.len() as u64, "{offsets:?}");
        assert!(offsets.end + lost_to_damage >= self.promised, "{offsets:?}");
        self.check_consumers(queue, lost_to_damage);
        let (found, _) = read(queue, offsets.start).unwrap();
        for (offset, record) in &found {
            assert_eq!(*record, self.records[*offset as usize], "record {offset}");
        }
        let found: BTreeSet<u64> = found.into_iter().map(|(offset, _)| offset).collect();
        let missing = |offset: &u64| !found.contains(offset) && !self.gaps.contains(offset);
        let lost = (offsets.start..self.promised).filter(missing).count() as u64;
        assert!(lost <= lost_to_damage, "{lost} promised records are lost");
        for offset in [offsets.start, offsets.start.midpoint(offsets.end)] {
            let first = found.range(offset..).next().copied();
            let told = queue.offset_at(received(offset)).unwrap();
            assert_eq!(told, first.unwrap_or(offsets.end), "by time");
        }
        self.gaps = offsets
            .clone()
            .filter(|offset| !found.contains(offset))
            .collect();
        assert!(
            read(queue, offsets.start).unwrap().1 == 0,
            "damage is told once"
        );
        self.released = offsets.start;
        self.releasing = offsets.start;
        self.promised = offsets.end;
        self.records.truncate(offsets.end as usize);
    }
}

/// Some lives of a program; each ends by the death of the program or of the machine.
fn schedule(seed: u64, faults: Faults) {
    let disk = SimDisk::new(seed);
    let mut rng = Seed(seed).rng();
    let mut model = Model::default();
    for _ in 0..6 {
        disk.hurt(faults);
        disk.crash_after(rng.below(120) as u64 + 1);
        // It may die, or fail, while it opens.
        if let Ok(queue) = open(&disk) {
            assert!(queue.offsets().end >= model.promised);
            model.promised = queue.offsets().end;
            model.records.truncate(queue.offsets().end as usize);
            model.work(&queue, &disk, &mut rng);
        }
        if rng.below(3) > 0 {
            disk.lose_power();
        } else {
            disk.kill();
        }
        let (_, size) = disk.take_read();
        let queue = open(&disk).unwrap();
        let (read, _) = disk.take_read();
        assert!(read <= 2 * size + 1_000, "{read} bytes read of {size}");
        // A crash makes gaps in what was not synced; that is all that it damages.
        let is_gap = |damage: &Damage| damage.what.ends_with("are lost");
        assert!(
            queue.recovery().damage.iter().all(is_gap),
            "{:?}",
            queue.recovery()
        );
        model.check(&queue, 0);
    }
}

#[test]
fn a_crash_takes_back_nothing_that_was_promised() {
    for_seeds(1_500, |seed| schedule(seed, Faults::default()));
}

#[test]
fn errors_and_crashes_take_back_nothing_that_was_promised() {
    let faults = Faults {
        errors: 12,
        limit: 0,
    };
    for_seeds(1_500, |seed| schedule(seed, faults));
}

#[test]
fn a_full_disk_takes_back_nothing_that_was_promised() {
    let faults = Faults {
        errors: 0,
        limit: 20_000,
    };
    for_seeds(1_000, |seed| schedule(seed, faults));
}

#[test]
fn after_a_failure_everything_gets_in_once_the_disk_works_again() {
    for_seeds(300, |seed| {
        let disk = SimDisk::new(seed);
        let mut rng = Seed(seed).rng();
        let (queue, mut model) = (open(&disk).unwrap(), Model::default());
        for errors in [3, 0, 2, 0] {
            disk.hurt(Faults { errors, limit: 0 });
            model.work(&queue, &disk, &mut rng);
        }
        assert_eq!(queue.sync().unwrap(), model.records.len() as u64);
        model.promised = model.records.len() as u64;
        drop(queue);
        disk.lose_power();
        model.check(&open(&disk).unwrap(), 0);
    });
}

#[test]
fn a_flipped_bit_costs_one_record_and_is_named() {
    for_seeds(1_000, |seed| {
        let disk = SimDisk::new(seed);
        let mut rng = Seed(seed).rng();
        let mut model = Model::default();
        let queue = open(&disk).unwrap();
        model.work(&queue, &disk, &mut rng);
        drop(queue);
        disk.kill();
        if disk
            .flip_bit(|path| path.extension().is_some_and(|ending| ending == "log"))
            .is_none()
        {
            return;
        }
        let queue = open(&disk).unwrap();
        let recovery = queue.recovery();
        let named = recovery.damage.len() + usize::from(recovery.cut.is_some());
        // A header of a segment without records is written anew.
        assert!(named == 1 || queue.offsets().is_empty(), "{recovery:?}");
        model.check(&queue, 1);
    });
}

/// A second sync of a file could succeed without the bytes of the first being on the disk.
#[test]
fn after_a_failed_sync_the_records_go_to_a_new_file() {
    let disk = SimDisk::new(1);
    let queue = open(&disk).unwrap();
    let files = || {
        let names = disk.files().list(Path::new(FOLDER)).unwrap();
        let logs = names.iter().filter_map(|name| name.strip_suffix(".log"));
        logs.map(|first| first.parse::<u64>().unwrap())
            .collect::<Vec<_>>()
    };
    let append = || queue.append(Timestamp::EPOCH, b"record").unwrap();
    append();
    queue.sync().unwrap();
    append();
    disk.hurt(Faults {
        errors: 1,
        limit: 0,
    });
    queue.sync().unwrap_err();
    disk.hurt(Faults::default());
    assert_eq!(files(), [0]);
    append();
    assert_eq!(queue.sync().unwrap(), 3);
    assert_eq!(files(), [0, 1], "the second record begins a file");
    // The new file is as good as any.
    append();
    assert_eq!(queue.sync().unwrap(), 4);
    assert_eq!(files(), [0, 1]);
    drop(queue);
    disk.lose_power();
    let found = read(&open(&disk).unwrap(), 0).unwrap().0;
    assert_eq!(found.len(), 4);
}

/// What a damaged note takes away is where the consumers were, never records.
#[test]
fn a_flipped_bit_in_the_note_of_consumers_is_named_and_holds_everything_back() {
    for_seeds(300, |seed| {
        let disk = SimDisk::new(seed);
        let queue = open(&disk).unwrap();
        for offset in 0..20 {
            queue.append(received(offset), b"record").unwrap();
        }
        queue.sync().unwrap();
        queue.commit("store", 10).unwrap();
        queue.release(5).unwrap();
        drop(queue);
        disk.kill();
        disk.flip_bit(|path| path.ends_with("consumers")).unwrap();
        let Ok(queue) = open(&disk) else {
            return; // it claims to be of a newer release
        };
        assert_eq!(queue.recovery().damage.len(), 1);
        let lost = BTreeMap::from([(LOST_CONSUMERS.to_owned(), 5)]);
        assert_eq!(queue.consumers(), lost);
        queue.commit("store", 20).unwrap();
        let nothing = Retention {
            bytes: Some(0),
            oldest: None,
        };
        assert_eq!(queue.retain(nothing).unwrap(), 0);
        queue.forget(LOST_CONSUMERS).unwrap();
        queue.release(20).unwrap();
        assert_eq!(queue.offsets(), 20..20);
    });
}

/// The same steps lead to the same places, in memory and on disk.
#[test]
fn both_queues_do_the_same() {
    for_seeds(300, |seed| {
        let disk = open(&SimDisk::new(seed)).unwrap();
        let memory = MemoryQueue::new(MemoryQueueConfig::default());
        let both: [&dyn Queue; 2] = [&disk, &memory];
        let mut rng = Seed(seed).rng();
        for step in 0..80 {
            let Rolled { kind, one, other } = Rolled::of(&mut rng);
            let [on_disk, in_memory] = both.map(|queue| {
                let offsets = queue.offsets();
                let within = offsets.start + one % (offsets.end - offsets.start + 2);
                let consumer = CONSUMERS[other as usize % 3];
                let done = match kind {
                    0..=4 => queue.append(received(one), &step_bytes(step, other)),
                    5..=6 => queue.sync(),
                    7..=8 => queue.commit(consumer, within).map(|()| 0),
                    9 => queue.release(within).map(|()| 0),
                    10 => queue.forget(consumer).map(|()| 0),
                    _ => queue.retain(Retention {
                        oldest: Some(received(one)),
                        bytes: None,
                    }),
                };
                let start = queue.offsets().start;
                let mut records = Vec::new();
                let read = queue.read(start, &mut |offset, at, record| {
                    records.push((offset, at, record.to_vec()));
                    ControlFlow::Continue(())
                });
                let done = done.map_err(|error| error.to_string());
                (done, read.unwrap(), records, queue.consumers())
            });
            assert_eq!(on_disk, in_memory, "step {step}, kind {kind}");
        }
    });
}

/// The chances of a step, the same for both queues.
struct Rolled {
    kind: usize,
    one: u64,
    other: u64,
}

impl Rolled {
    fn of(rng: &mut Rng) -> Self {
        Self {
            kind: rng.below(12),
            one: rng.below(60) as u64,
            other: rng.bits(),
        }
    }
}

fn step_bytes(step: u64, len: u64) -> Vec<u8> {
    vec![step as u8; len as usize % 200]
}
