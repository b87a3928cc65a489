//! The durable store: damage, torn ends, locks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use aiops_core::store::{DiskStore, DiskStoreConfig, Maintenance, Recovery, SeriesStore};
use aiops_core::{Selector, StorageError, TimeRange, Timestamp};
use tempfile::TempDir;

use super::{Options, Reopen, batch, labels, read};

struct OnDisk {
    folder: TempDir,
    config: DiskStoreConfig,
    store: Option<DiskStore>,
}

impl Reopen for OnDisk {
    fn store(&self) -> &dyn SeriesStore {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        let store = DiskStore::open(self.folder.path(), self.config).unwrap();
        let Recovery { cut, damage, .. } = store.recovery();
        assert_eq!((cut, &damage[..]), (&None, &[][..]));
        self.store = Some(store);
    }
}

/// A store in a folder of its own, with at most so many bytes of samples in memory.
pub(super) fn store(options: Options, memory_bytes: u64) -> Box<dyn Reopen> {
    let folder = crate::support::folder();
    let mut config = DiskStoreConfig::default();
    config.max_series = options.max_series.unwrap_or(config.max_series);
    config.late_after = options.late_after;
    config.memory_bytes = memory_bytes;
    let store = Some(DiskStore::open(folder.path(), config).unwrap());
    Box::new(OnDisk {
        folder,
        config,
        store,
    })
}

fn open(folder: &Path) -> DiskStore {
    DiskStore::open(folder, DiskStoreConfig::default()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

const SERIES: [&str; 3] = ["__name__=one", "__name__=three", "__name__=two"];

/// A folder whose samples are in one block, and its path.
fn with_block() -> (TempDir, PathBuf) {
    let folder = crate::support::folder();
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 1;
    let store = DiskStore::open(folder.path(), config).unwrap();
    let mut all = aiops_core::ingest::Batch::default();
    for series in SERIES {
        all.start_series(labels(series));
        for at in 0..20 {
            all.push(super::time(at), at as f64);
        }
    }
    store.append(&all).unwrap();
    drop(store);
    let [block] = &files(&folder.path().join("blocks"))[..] else {
        panic!("one block");
    };
    let block = block.clone();
    assert!(files(&folder.path().join("log")).is_empty());
    (folder, block)
}

#[test]
fn a_second_opening_is_refused_until_the_first_ends() {
    let folder = crate::support::folder();
    let first = open(folder.path());
    let second = DiskStore::open(folder.path(), DiskStoreConfig::default());
    assert!(matches!(second, Err(StorageError::Locked { path }) if path.ends_with("lock")));
    drop(first);
    open(folder.path());
}

#[test]
fn every_flipped_bit_of_a_block_is_named_and_invents_nothing() {
    let (folder, block) = with_block();
    let whole = fs::read(&block).unwrap();
    let expected = read(&open(folder.path()), &Selector::all(), TimeRange::ALL);
    assert_eq!(expected.len(), 3);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&block, &bytes).unwrap();
        let store = open(folder.path());
        let mut found = Vec::new();
        let result = store.select(
            &Selector::all(),
            TimeRange::ALL,
            &mut |labels, times, values| {
                let samples = times.iter().zip(values);
                let samples = samples.map(|(time, value)| (time.as_nanos(), value.to_bits()));
                found.push((labels.clone(), samples.collect::<Vec<_>>()));
                std::ops::ControlFlow::Continue(())
            },
        );
        // Nothing that was not written.
        assert!(
            found.iter().all(|series| expected.contains(series)),
            "bit {bit}"
        );
        let named = store.damage();
        if bit < 16 * 8 {
            continue; // the header repeats what the end says
        }
        assert_eq!(named.len(), 1, "bit {bit}: {named:?}");
        assert_eq!(named[0].path, block);
        match result {
            // One series is lost, and only its.
            Err(StorageError::Corrupt { path, .. }) => {
                assert_eq!((path, found.len()), (block.clone(), 2), "bit {bit}");
            }
            result => assert!(result.is_ok() && found.is_empty(), "bit {bit}"),
        }
        assert!(
            store.read(&Selector::all(), TimeRange::ALL).is_ok(),
            "told once"
        );
        assert!(block.exists());
    }
}

#[test]
fn a_shortened_block_is_named() {
    let (folder, block) = with_block();
    let whole = fs::read(&block).unwrap();
    for len in (0..whole.len()).step_by(7) {
        fs::write(&block, &whole[..len]).unwrap();
        let store = open(folder.path());
        assert_eq!(store.recovery().damage.len(), 1, "{len} bytes");
        assert_eq!(store.series(&Selector::all()), [], "{len} bytes");
    }
}

#[test]
fn a_torn_log_loses_only_what_is_torn() {
    let folder = crate::support::folder();
    let store = open(folder.path());
    for at in 0..5 {
        store.append(&batch("a=1", &[(at, at as f64)])).unwrap();
        store.sync().unwrap();
    }
    drop(store);
    let log = files(&folder.path().join("log")).remove(0);
    let whole = fs::read(&log).unwrap();
    let mut before = 0;
    for len in 0..=whole.len() {
        for other in files(&folder.path().join("log")) {
            fs::remove_file(other).unwrap();
        }
        fs::write(&log, &whole[..len]).unwrap();
        let store = open(folder.path());
        let found = read(&store, &Selector::all(), TimeRange::ALL);
        let samples = found.first().map_or(0, |(_, samples)| samples.len());
        assert!(samples >= before, "{len} bytes: {samples} samples");
        assert_eq!(store.recovery().damage, []);
        before = samples;
    }
    assert_eq!(before, 5);
}

#[test]
fn a_flipped_bit_in_the_log_loses_one_batch() {
    let folder = crate::support::folder();
    let store = open(folder.path());
    // The labels are in the first record, so that it has no other.
    for at in 0..4 {
        store.append(&batch("a=1", &[(at, at as f64)])).unwrap();
    }
    store.sync().unwrap();
    drop(store);
    let log = files(&folder.path().join("log")).remove(0);
    let whole = fs::read(&log).unwrap();
    let first = 24 + 24 + u32::from_le_bytes(whole[28..32].try_into().unwrap()) as usize;
    for bit in first * 8..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        for other in files(&folder.path().join("log")) {
            fs::remove_file(other).unwrap();
        }
        fs::write(&log, &bytes).unwrap();
        let store = open(folder.path());
        let found = read(&store, &Selector::all(), TimeRange::ALL);
        assert_eq!(found[0].1.len(), 3, "bit {bit}");
        let Recovery {
            cut,
            damage,
            replayed,
            ..
        } = store.recovery();
        assert_eq!(
            (cut.iter().chain(damage).count(), *replayed),
            (1, 3),
            "bit {bit}"
        );
    }
}

#[test]
fn a_crash_between_a_block_and_its_log_doubles_nothing() {
    let folder = crate::support::folder();
    let store = open(folder.path());
    let samples: Vec<_> = (0..50).map(|at| (at, at as f64)).collect();
    store.append(&batch("a=1", &samples)).unwrap();
    store.sync().unwrap();
    drop(store);
    let log = files(&folder.path().join("log")).remove(0);
    let bytes = fs::read(&log).unwrap();
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 1;
    drop(DiskStore::open(folder.path(), config).unwrap()); // writes the block
    assert!(!log.exists());
    fs::write(&log, bytes).unwrap();
    let store = open(folder.path());
    assert_eq!(store.recovery().replayed, 0);
    assert_eq!(store.stats().samples, 50);
    assert_eq!(
        read(&store, &Selector::all(), TimeRange::ALL)[0].1.len(),
        50
    );
}

#[test]
fn a_block_that_another_stands_for_is_removed() {
    let (folder, block) = with_block();
    let old = fs::read(&block).unwrap();
    let store = open(folder.path());
    let one = Selector::metric("one");
    assert_eq!(store.delete(&one, TimeRange::ALL).unwrap(), 20);
    drop(store);
    assert!(!block.exists());
    fs::write(&block, old).unwrap(); // as if its removal had not reached the disk
    let store = open(folder.path());
    assert_eq!(store.series(&Selector::all()).len(), 2);
    assert!(!block.exists());
}

/// A folder whose blocks are made of a few samples each, an hour to a period.
fn hourly(limit_bytes: Option<u64>) -> (TempDir, DiskStoreConfig) {
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 1;
    config.block_span = Duration::from_hours(1);
    config.limit_bytes = limit_bytes;
    (crate::support::folder(), config)
}

/// Appends a sample a minute, each to a block of its own.
fn append_minutes(store: &DiskStore, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let sample = (minute * 60_000_000_000, minute as f64);
        store.append(&batch("a=1", &[sample])).unwrap();
    }
}

/// Everything there is to do.
fn tidy(store: &DiskStore, now: Timestamp) -> Vec<Maintenance> {
    let step = || store.maintain(now).unwrap();
    std::iter::repeat_with(step)
        .take_while(|done| *done != Maintenance::Nothing)
        .collect()
}

#[test]
fn small_blocks_of_a_period_are_merged() {
    let (folder, config) = hourly(None);
    let store = DiskStore::open(folder.path(), config).unwrap();
    append_minutes(&store, 0..600);
    // Appending and syncing merge nothing.
    store.sync().unwrap();
    let blocks = || files(&folder.path().join("blocks")).len();
    assert_eq!(blocks(), 600);
    let merged = |done: &Maintenance| matches!(done, Maintenance::Merged { .. });
    assert!(tidy(&store, super::time(0)).iter().all(merged));
    let blocks = blocks();
    assert!((10..=14).contains(&blocks), "{blocks} blocks for ten hours");
    for _ in 0..2 {
        let store = &store;
        let found = read(store, &Selector::all(), TimeRange::ALL);
        assert!(
            found[0]
                .1
                .iter()
                .map(|(at, _)| at / 60_000_000_000)
                .eq(0..600)
        );
        assert_eq!(store.stats().samples, 600);
    }
    // Retention drops whole hours, and nothing that is newer.
    let from = super::time(200 * 60_000_000_000);
    assert_eq!(store.retain_from(from).unwrap(), 180);
    drop(store);
    let store = DiskStore::open(folder.path(), config).unwrap();
    assert_eq!(store.stats().samples, 420);
    assert_eq!(store.recovery(), &Recovery::default());
}

#[test]
fn the_oldest_blocks_make_room() {
    let (folder, config) = hourly(Some(8_000));
    let store = DiskStore::open(folder.path(), config).unwrap();
    for minute in 0..600 {
        append_minutes(&store, minute..minute + 1);
        assert!(store.stats().disk_bytes <= 8_000);
    }
    append_minutes(&store, 600..3_000);
    let stats = store.stats();
    assert!(stats.disk_bytes <= 8_000, "{} bytes", stats.disk_bytes);
    assert!(stats.samples < 3_000, "{} samples", stats.samples);
    assert_eq!(stats.samples + store.evicted_samples(), 3_000);
    let found = read(&store, &Selector::all(), TimeRange::ALL);
    assert!(
        found[0]
            .1
            .iter()
            .map(|(at, _)| at / 60_000_000_000)
            .eq(3_000 - stats.samples as i64..3_000)
    );
}

#[test]
fn a_damaged_block_is_not_merged_away() {
    let (folder, config) = hourly(None);
    let store = DiskStore::open(folder.path(), config).unwrap();
    append_minutes(&store, 0..3);
    let block = files(&folder.path().join("blocks")).remove(0);
    let mut bytes = fs::read(&block).unwrap();
    bytes[17] ^= 1; // in the samples
    fs::write(&block, &bytes).unwrap();
    append_minutes(&store, 3..50);
    assert_eq!(fs::read(&block).unwrap(), bytes);
    let error = store.read(&Selector::all(), TimeRange::ALL).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { path, .. } if path == block));
    assert_eq!(
        read(&store, &Selector::all(), TimeRange::ALL)[0].1.len(),
        49
    );
    assert_eq!(store.damage().len(), 1);
}

#[test]
fn a_reading_of_one_long_series_may_be_cancelled() {
    let folder = crate::support::folder();
    let store = open(folder.path());
    let samples: Vec<_> = (0..40_000).map(|at| (at, at as f64)).collect();
    store.append(&batch("a=1", &samples)).unwrap();
    // Nothing matches; what is in memory goes to a block before it is looked at.
    store
        .delete(&super::selector("a"), super::range(0, 1))
        .unwrap();
    store
        .delete(&super::selector("{a=\"1\"}"), super::range(-9, -8))
        .unwrap();
    let asked = std::cell::Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) == 4;
    let (all, mut shown) = (super::range(i64::MIN, i64::MAX), 0);
    let read = store.select_unless(&cancelled, &Selector::all(), all, &mut |_, times, _| {
        shown += times.len();
        std::ops::ControlFlow::Continue(())
    });
    assert!(matches!(read, Err(StorageError::Cancelled)), "{read:?}");
    assert_eq!((asked.get(), shown), (5, 0));
    assert_eq!(store.damage(), []);
    assert_eq!(read_all(&store).len(), 40_000);
}

fn read_all(store: &DiskStore) -> Vec<(i64, u64)> {
    let found = read(store, &Selector::all(), super::range(i64::MIN, i64::MAX));
    found.into_iter().flat_map(|(_, samples)| samples).collect()
}

#[test]
fn what_is_asked_for_twice_is_at_hand_the_third_time() {
    let (folder, config) = hourly(None);
    let store = DiskStore::open(folder.path(), config).unwrap();
    append_minutes(&store, 0..180);
    store
        .delete(&super::selector("{x=\"y\"}"), super::range(0, 1))
        .unwrap();
    let first = read_all(&store);
    let misses = store.cache_stats().misses;
    assert!(misses > 0 && store.cache_stats().hits == 0);
    assert_eq!(read_all(&store), first);
    assert_eq!(store.cache_stats().hits, 0);
    assert_eq!(read_all(&store), first);
    assert_eq!(store.cache_stats().hits, misses);
    // What is gone gives its memory back.
    let full = store.cache_stats().bytes;
    store.retain_from(super::time(i64::MAX)).unwrap();
    assert!(store.cache_stats().bytes < full);
}

#[test]
fn what_is_too_old_is_dropped_and_late_from_then_on() {
    let (folder, mut config) = hourly(None);
    config.retention = Some(Duration::from_hours(3));
    let store = DiskStore::open(folder.path(), config).unwrap();
    append_minutes(&store, 0..600);
    let minute = |minute: i64| super::time(minute * 60_000_000_000);
    assert!(
        tidy(&store, minute(180))
            .iter()
            .all(|done| matches!(done, Maintenance::Merged { .. }))
    );
    assert_eq!(store.stats().samples, 600);
    let done = tidy(&store, minute(301));
    assert_eq!(done, [Maintenance::Dropped { samples: 120 }]);
    assert_eq!(store.stats().samples, 480);
    let late = store.append(&batch("a=1", &[(0, 0.0)])).unwrap();
    assert_eq!((late.late, late.accepted), (1, 0));
}

#[test]
fn a_host_that_maintains_spares_its_appends_the_writing() {
    let (folder, mut config) = hourly(None);
    config.memory_bytes = 800;
    let store = DiskStore::open(folder.path(), config).unwrap();
    let mut written = 0;
    for minute in 0..3_000 {
        append_minutes(&store, minute..minute + 1);
        let before = files(&folder.path().join("blocks"));
        if let Maintenance::Written { samples } = store.maintain(super::time(0)).unwrap() {
            written += samples;
            assert_eq!(store.stats().samples, minute as u64 + 1);
            assert_ne!(files(&folder.path().join("blocks")), before);
        }
    }
    assert!((2_000..=3_000).contains(&written), "{written} samples");
    assert_eq!(read_all(&store).len(), 3_000);
}

/// Lets the other threads end also when this one panics.
struct End<'a>(&'a AtomicI64, i64);
impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, SeqCst);
    }
}

/// Samples come in, are read and are tidied at one time; each is there exactly once, all the time.
#[test]
fn tidying_holds_up_neither_appends_nor_readings() {
    let folder = crate::support::folder();
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 300;
    config.block_span = Duration::from_secs(1);
    let store = DiskStore::open(folder.path(), config).unwrap();
    let (appended, end) = (AtomicI64::new(0), 4_000);
    let merges = AtomicI64::new(0);
    std::thread::scope(|scope| {
        let _end = End(&appended, end);
        scope.spawn(|| {
            while appended.load(SeqCst) < end {
                let done = store.maintain(super::time(0)).unwrap();
                let merged = matches!(done, Maintenance::Merged { .. });
                merges.fetch_add(i64::from(merged), SeqCst);
            }
        });
        scope.spawn(|| {
            while appended.load(SeqCst) < end {
                let before = appended.load(SeqCst);
                let times: Vec<_> = read_all(&store).into_iter().map(|(at, _)| at).collect();
                assert!(times.len() as i64 >= before, "{} of {before}", times.len());
                assert!(times.iter().copied().eq(0..times.len() as i64), "{times:?}");
            }
        });
        for at in 0..end {
            // The one before comes again, wherever it is by now.
            let two = [((at - 1).max(0), 0.0), (at, at as f64)];
            let report = loop {
                match store.append(&batch("a=1", &two)) {
                    // More has come than one step of tidying up lets in, so little is there room for.
                    Err(StorageError::Full { .. }) => std::thread::yield_now(),
                    other => break other.unwrap(),
                }
            };
            assert_eq!((report.accepted, report.duplicates), (1, 1), "{at}");
            appended.store(at + 1, SeqCst);
            if at % 64 == 0 {
                store.sync().unwrap();
                // Gives the others the time that a fast disk would not.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    assert!(merges.load(SeqCst) > 0, "{merges:?}");
    store.sync().unwrap();
    drop(store);
    let store = DiskStore::open(folder.path(), config).unwrap();
    assert_eq!(store.recovery().damage, []);
    assert_eq!(read_all(&store).len() as i64, end);
}
