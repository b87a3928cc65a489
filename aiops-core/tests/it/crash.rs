//! Writers that are killed with SIGKILL under load. The writer is this very test program, started
//! again as a process of its own; it tells on its output what it has acknowledged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aiops_core::ingest::Batch;
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue};
use aiops_core::store::{DiskStore, DiskStoreConfig, Maintenance, SeriesStore};
use aiops_core::{Labels, Seed, Selector, StorageError, TimeRange, Timestamp};

const JOB: &str = "AIOPS_CRASH_JOB";
const FOLDER: &str = "AIOPS_CRASH_FOLDER";
const FIRST: &str = "AIOPS_CRASH_FIRST";
const THREADS: u64 = 4;

/// Starts a writer, kills it after a while, and answers the numbers that it acknowledged.
fn killed(job: &str, folder: &Path, first: u64, after: Duration) -> Vec<u64> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--ignored", "--nocapture"])
        .env(JOB, job)
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = writer.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut acknowledged = Vec::new();
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            // The last line may be torn.
            let number = line
                .strip_suffix('\n')
                .and_then(|line| line.strip_prefix("ack "));
            acknowledged.extend(number.map(|number| number.parse::<u64>().unwrap()));
            line.clear();
        }
        acknowledged
    });
    std::thread::sleep(after);
    let ended = writer.try_wait().unwrap();
    assert_eq!(ended, None, "the writer ended by itself");
    writer.kill().unwrap(); // SIGKILL
    writer.wait().unwrap();
    reader.join().unwrap()
}

fn acknowledge(number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {number}").unwrap();
}

/// Not a test: what the tests below start.
#[test]
#[ignore = "not a test but the process that the tests of this file start, with `--ignored`, in every run of theirs, and kill"]
fn writer() {
    let Ok(job) = std::env::var(JOB) else {
        return;
    };
    let folder = std::env::var(FOLDER).unwrap();
    let first = std::env::var(FIRST).unwrap().parse().unwrap();
    match job.as_str() {
        "queue" => write_queue(Path::new(&folder), first),
        "store" => write_store(Path::new(&folder), first),
        "both" => write_both(Path::new(&folder), first),
        other => panic!("no job {other}"),
    }
}

fn queue(folder: &Path) -> DiskQueue {
    let mut config = DiskQueueConfig::default();
    config.segment_bytes = 64 << 10;
    let queue = DiskQueue::open(folder, config).unwrap();
    assert_eq!(queue.recovery().damage, []);
    queue
}

fn store(folder: &Path) -> DiskStore {
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 8 << 10;
    let store = DiskStore::open(folder, config).unwrap();
    assert_eq!(store.recovery().damage, []);
    store
}

/// Numbers from `first` on, from several threads that share their syncs.
fn write_numbers(queue: &DiskQueue, first: u64, record: impl Fn(u64) -> Vec<u8> + Sync) {
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    queue.append(Timestamp::EPOCH, &record(number)).unwrap();
                    queue.sync().unwrap();
                    acknowledge(number);
                }
            });
        }
    });
}

fn record(number: u64) -> Vec<u8> {
    let mut record = number.to_le_bytes().to_vec();
    record.resize(8 + (number % 300) as usize, number as u8);
    record
}

fn write_queue(folder: &Path, first: u64) {
    write_numbers(&queue(folder), first, record);
}

/// Numbers in a queue, with how often each is there.
fn numbers(queue: &DiskQueue) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    queue
        .read(queue.offsets().start, &mut |_, _, bytes| {
            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert_eq!(bytes, record(number));
            *found.entry(number).or_default() += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

/// How long the writers live: from hardly started to well under way.
fn lifetimes(count: usize) -> impl Iterator<Item = Duration> {
    let mut rng = Seed(9).rng();
    (0..count).map(move |_| Duration::from_millis(5 + rng.below(60) as u64))
}

#[test]
fn a_killed_queue_has_every_acknowledged_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, mut acknowledged) = (0, Vec::new());
    for after in lifetimes(60) {
        acknowledged.extend(killed("queue", folder.path(), first, after));
        let queue = queue(folder.path());
        let found = numbers(&queue);
        assert!(
            acknowledged
                .iter()
                .all(|number| found.get(number) == Some(&1))
        );
        // What was not acknowledged may be there, once.
        assert!(found.values().all(|count| *count == 1));
        first = found
            .last_key_value()
            .map_or(first, |(number, _)| number + 1);
    }
    assert!(
        acknowledged.len() > 500,
        "only {} were written",
        acknowledged.len()
    );
}

/// Number `n` is sample `n / 3` of series `n % 3`.
fn sample(number: u64) -> (Labels, Timestamp, f64) {
    let labels = Labels::of([("series", (number % 3).to_string())]).unwrap();
    let at = Timestamp::from_nanos((number / 3) as i64 * 1_000_000);
    (labels, at, number as f64 * 0.1)
}

fn batch(numbers: impl Iterator<Item = u64>) -> Batch {
    let mut batch = Batch::default();
    for number in numbers {
        let (labels, at, value) = sample(number);
        batch.start_series(labels);
        batch.push(at, value);
    }
    batch
}

fn write_store(folder: &Path, first: u64) {
    let store = store(folder);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                if store.maintain(Timestamp::EPOCH).unwrap() == Maintenance::Nothing {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        for start in (first..).step_by(30) {
            let report = loop {
                match store.append(&batch(start..start + 30)) {
                    // What is in memory is just being written.
                    Err(StorageError::Full { .. }) => std::thread::yield_now(),
                    Err(_) => std::process::exit(1), // the other thread would go on
                    Ok(report) => break report,
                }
            };
            if report.late + report.over_series_limit > 0 {
                std::process::exit(1);
            }
            if start % 120 < 30 {
                store.sync().unwrap();
                acknowledge(start + 30);
            }
        }
    });
}

/// The numbers below `end` are all in the store, each once; answers how many there are.
#[track_caller]
fn check_store(store: &DiskStore, end: u64) -> u64 {
    let found = store.read(&Selector::all(), TimeRange::ALL).unwrap();
    let mut count = 0;
    for (labels, columns) in &found {
        let series: u64 = labels.get("series").unwrap().parse().unwrap();
        for (at, value) in columns.times.iter().zip(&columns.values) {
            let number = (at.as_nanos() / 1_000_000) as u64 * 3 + series;
            assert_eq!(sample(number), (labels.clone(), *at, *value));
            count += u64::from(number < end);
        }
        assert!(columns.times.is_sorted_by(|one, next| one < next));
    }
    assert_eq!(count, end, "samples below {end}");
    let all: usize = found.iter().map(|(_, columns)| columns.times.len()).sum();
    assert_eq!(store.stats().samples, all as u64);
    all as u64
}

#[test]
fn a_killed_store_has_every_synced_sample_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut end = 0;
    for after in lifetimes(60) {
        // What is behind the last sync comes again, as from a queue.
        let acknowledged = killed("store", folder.path(), end, after);
        end = acknowledged.last().copied().unwrap_or(end);
        check_store(&store(folder.path()), end);
    }
    assert!(end > 3_000, "only {end} were written");
}

/// What a service does: producers are answered by the queue, a consumer takes from it to the
/// store and saves its place only after the store has synced.
fn write_both(folder: &Path, first: u64) {
    let queue = queue(&folder.join("queue"));
    std::thread::scope(|scope| {
        scope.spawn(|| write_numbers(&queue, first, |number| number.to_le_bytes().to_vec()));
        scope.spawn(|| {
            let store = store(&folder.join("store"));
            loop {
                consume(&queue, &store, folder);
            }
        });
    });
}

fn consume(queue: &DiskQueue, store: &DiskStore, folder: &Path) {
    let place = folder.join("place");
    let saved = fs::read_to_string(&place).map_or(0, |place| place.parse().unwrap());
    let mut numbers = Vec::new();
    let next = queue
        .read(saved, &mut |_, _, bytes| {
            numbers.push(u64::from_le_bytes(bytes.try_into().unwrap()));
            if numbers.len() < 50 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .unwrap();
    store.append(&batch(numbers.into_iter())).unwrap();
    store.sync().unwrap();
    let fresh = folder.join("place.new");
    let mut file = File::create(&fresh).unwrap();
    file.write_all(next.to_string().as_bytes()).unwrap();
    file.sync_all().unwrap();
    fs::rename(&fresh, &place).unwrap();
    queue.release(next).unwrap();
}

#[test]
fn a_killed_pipeline_stores_every_acknowledged_sample_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, mut acknowledged) = (0, Vec::new());
    for after in lifetimes(80) {
        acknowledged.extend(killed("both", folder.path(), first, after));
        let queue = queue(&folder.path().join("queue"));
        let store = store(&folder.path().join("store"));
        while queue.stats().records > 0 {
            consume(&queue, &store, folder.path());
        }
        // Numbers that were not acknowledged may be missing, so they are looked for one by one.
        let found = store.read(&Selector::all(), TimeRange::ALL).unwrap();
        let columns: BTreeMap<_, _> = found.into_iter().collect();
        for number in &acknowledged {
            let (labels, at, value) = sample(*number);
            let found = columns[&labels].times.binary_search(&at);
            assert_eq!(found.map(|index| columns[&labels].values[index]), Ok(value));
            first = first.max(number + 1);
        }
        assert!(
            columns
                .values()
                .all(|one| one.times.is_sorted_by(|one, next| one < next))
        );
        first += THREADS;
    }
    assert!(
        acknowledged.len() > 500,
        "only {} were written",
        acknowledged.len()
    );
}
