//! Folders of a queue and a store as releases have written them: they must open and hold the same.
//!
//! A format that changes gets a folder of its own, written by `write_what_is_missing`; those of
//! released formats stay.

use std::fs;
use std::path::{Path, PathBuf};

use aiops_core::ingest::{Batch, STALE};
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue};
use aiops_core::store::{DiskStore, DiskStoreConfig, SeriesStore};
use aiops_core::{Labels, Selector, TimeRange, Timestamp};

const QUEUE: &str = "queue-1";
const STORE: &str = "store-block-2-log-1";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name)
}

/// A copy that may be changed.
fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = crate::support::folder();
    copy(&golden(name), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn records() -> Vec<(Timestamp, Vec<u8>)> {
    let at = |second: i64| Timestamp::from_secs(1_700_000_000 + second).unwrap();
    vec![
        (at(0), b"released".to_vec()),
        (at(1), Vec::new()),
        (at(1), (0..=255).collect()),
        (at(3), vec![7; 1_000]),
    ]
}

fn write_queue(folder: &Path) {
    let queue = DiskQueue::open(folder, DiskQueueConfig::default()).unwrap();
    for (at, record) in records() {
        queue.append(at, &record).unwrap();
    }
    queue.sync().unwrap();
    queue.release(1).unwrap();
    queue.commit("store", 4).unwrap();
    queue.commit("detectors", 2).unwrap();
}

#[test]
fn the_queue_of_format_1_opens() {
    let folder = copy_of(QUEUE);
    let queue = DiskQueue::open(folder.path(), DiskQueueConfig::default()).unwrap();
    assert_eq!(queue.recovery(), &aiops_core::queue::Recovery::default());
    assert_eq!(queue.offsets(), 1..4);
    let consumers: Vec<_> = queue.consumers().into_iter().collect();
    let expected = [("detectors", 2), ("store", 4)].map(|(name, next)| (name.to_owned(), next));
    assert_eq!(consumers, expected);
    let mut found = Vec::new();
    let mut visit = |offset: u64, at, record: &[u8]| {
        assert_eq!(offset, found.len() as u64 + 1);
        found.push((at, record.to_vec()));
        std::ops::ControlFlow::Continue(())
    };
    queue.read(1, &mut visit).unwrap();
    assert_eq!(found, records()[1..]);
}

/// Series of every way to pack values; those of `from..to`, so that some are in a block and some in
/// the log.
fn samples(from: i64, to: i64) -> Batch {
    let mut batch = Batch::default();
    let mut series = |name: &str, value: &dyn Fn(i64) -> f64| {
        let labels = [("__name__", name), ("host", "a\u{e9}\"\\")];
        batch.start_series(Labels::of(labels).unwrap());
        for at in from..to {
            let jitter = if at % 7 == 3 { 4 } else { 0 };
            let at_ms = 1_700_000_000_000 + 15_000 * at + jitter;
            batch.push(Timestamp::from_millis(at_ms).unwrap(), value(at));
        }
    };
    series("constant", &|_| 0.25);
    series("counter", &|at| (at * at % 97 + 100 * at) as f64);
    series("gauge", &|at| ((at * 7_919) % 1_000) as f64 / 100.0);
    series("irrational", &|at| (at as f64 + 2.0).sqrt());
    series("odd", &|at| match at % 5 {
        0 => STALE,
        1 => f64::NEG_INFINITY,
        2 => -0.0,
        _ => 1e300,
    });
    batch
}

fn write_store(folder: &Path) {
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 1; // every append makes a block
    let store = DiskStore::open(folder, config).unwrap();
    store.append(&samples(0, 300)).unwrap();
    drop(store);
    let store = DiskStore::open(folder, DiskStoreConfig::default()).unwrap();
    store.append(&samples(300, 320)).unwrap();
    store.sync().unwrap();
}

#[test]
fn the_store_of_block_format_2_opens() {
    let folder = copy_of(STORE);
    let store = DiskStore::open(folder.path(), DiskStoreConfig::default()).unwrap();
    assert_eq!(store.recovery().damage, []);
    assert_eq!(
        (&store.recovery().cut, store.recovery().replayed),
        (&None, 100)
    );
    let found = store.read(&Selector::all(), TimeRange::ALL).unwrap();
    let expected = samples(0, 320);
    assert_eq!(found.len(), expected.series_count());
    for ((labels, columns), series) in found.iter().zip(expected.iter()) {
        assert_eq!(labels, series.labels);
        assert_eq!(columns.times, series.times, "{labels}");
        let bits = |values: &[f64]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&columns.values), bits(series.values), "{labels}");
    }
}

/// `cargo test -p aiops-core --all-features write_what_is_missing -- --ignored`
#[test]
#[ignore = "not a test but the maker of the committed folders, for a new format: run by hand, as said above; the other tests of this file read what it wrote in every run"]
fn write_what_is_missing() {
    write_if_missing(QUEUE, write_queue);
    write_if_missing(STORE, write_store);
}

fn write_if_missing(name: &str, write: fn(&Path)) {
    if !golden(name).exists() {
        let folder = crate::support::folder();
        write(folder.path());
        copy(folder.path(), &golden(name));
    }
}
