//! Queue and store.

use std::hint::black_box;
use std::ops::ControlFlow;

use aiops_core::ingest::Batch;
use aiops_core::queue::{DiskQueue, DiskQueueConfig, MemoryQueue, MemoryQueueConfig, Queue};
use aiops_core::store::{DiskStore, DiskStoreConfig, MemoryStore, MemoryStoreConfig, SeriesStore};
use aiops_core::{Labels, MatchOp, Matcher, Rng, Seed, Selector, TimeRange, Timestamp};
use criterion::{BatchSize, Criterion, Throughput};

/// Nanoseconds from one sample of a series to the next.
const STEP: i64 = 15_000_000_000;
/// Bytes of a record that holds a thousand samples.
const RECORD_BYTES: usize = 10_000;
/// Threads that wait for their records at one time.
const THREADS: u64 = 64;
/// Samples of such a record.
const RECORD_SAMPLES: u64 = 1_000;

/// Labels as a node exporter has them.
fn labels(index: usize) -> Labels {
    Labels::of([
        ("__name__", format!("node_metric_{}_total", index % 100)),
        ("instance", format!("host-{:05}:9100", index / 100)),
        ("job", "node".to_owned()),
        ("zone", format!("zone-{}", index % 3)),
    ])
    .unwrap()
}

/// One sample of each of `series`, counters and gauges in turn.
fn scrape(series: &[Labels], step: i64, seed: Seed) -> Batch {
    let mut rng = seed.child(step as u64).rng();
    let mut batch = Batch::default();
    for (index, labels) in series.iter().enumerate() {
        batch.start_series(labels.clone());
        let noise = (rng.uniform() * 1_000.0).floor();
        let counter = step as f64 * 1_000.0 + noise;
        let value = if index % 2 == 0 {
            counter
        } else {
            noise / 10.0
        };
        batch.push(Timestamp::from_nanos(step * STEP), value);
    }
    batch
}

pub(super) fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.sample_size(10);
    let record = vec![7; RECORD_BYTES];
    for requests in [1, 100, 1_000] {
        group.throughput(Throughput::Elements(requests * RECORD_SAMPLES));
        // As many requests as are in flight append before one of them syncs for all.
        group.bench_function(format!("group_commit/{requests}"), |bencher| {
            let folder = tempfile::tempdir().unwrap();
            let queue = DiskQueue::open(folder.path(), DiskQueueConfig::default()).unwrap();
            bencher.iter(|| {
                for _ in 0..requests {
                    queue.append(Timestamp::EPOCH, &record).unwrap();
                }
                let end = queue.sync().unwrap();
                queue.release(end).unwrap();
            });
        });
    }
    // The same with a thread for each of the requests that wait at one time.
    group.throughput(Throughput::Elements(10 * THREADS * RECORD_SAMPLES));
    group.bench_function(format!("group_commit/{THREADS}_threads"), |bencher| {
        let folder = tempfile::tempdir().unwrap();
        let queue = DiskQueue::open(folder.path(), DiskQueueConfig::default()).unwrap();
        bencher.iter(|| {
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        for _ in 0..10 {
                            queue.append(Timestamp::EPOCH, &record).unwrap();
                            queue.sync().unwrap();
                        }
                    });
                }
            });
            queue.release(queue.offsets().end).unwrap();
        });
    });
    group.throughput(Throughput::Bytes(RECORD_BYTES as u64));
    group.bench_function("memory/append", |bencher| {
        let mut config = MemoryQueueConfig::default();
        config.limit_bytes = u64::MAX;
        let queue = MemoryQueue::new(config);
        bencher.iter(|| {
            queue.append(Timestamp::EPOCH, &record).unwrap();
            let end = queue.sync().unwrap();
            queue.release(end).unwrap();
        });
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = DiskQueueConfig::default();
    config.limit_bytes = 2 << 30;
    let queue = DiskQueue::open(folder.path(), config).unwrap();
    for _ in 0..100 {
        for _ in 0..1_000 {
            queue.append(Timestamp::EPOCH, &record).unwrap();
        }
        queue.sync().unwrap();
    }
    group.throughput(Throughput::Bytes(100_000 * RECORD_BYTES as u64));
    group.bench_function("read/1GB", |bencher| {
        bencher.iter(|| {
            queue.read(0, &mut |_, _, record| {
                black_box(record.len());
                ControlFlow::Continue(())
            })
        });
    });
    drop(queue);
    group.bench_function("recover/1GB", |bencher| {
        bencher.iter(|| DiskQueue::open(folder.path(), config).unwrap());
    });
}

/// Samples of a series of the mix.
const MIX_SAMPLES: usize = 5_000;

/// Series of shapes as machines have them: of twenty, six are busy counters, two rare counters, four
/// gauges with two decimals, three memory gauges in pages, three nearly constant, one a float of
/// full precision, one a counter of CPU seconds. Every 15 seconds, 15 % of them some milliseconds
/// off.
fn mix(index: usize) -> Vec<(i64, f64)> {
    let mut rng = Seed(3).child(index as u64).rng();
    let offset = rng.below(15_000) as i64;
    let base = 10_f64.powf(3.0 * rng.uniform());
    let (mut total, mut drift) = ((rng.uniform() * 1e6).floor(), 0.0);
    let mut level = (base * 10.0).round();
    let mut samples = Vec::with_capacity(MIX_SAMPLES);
    for step in 0..MIX_SAMPLES {
        let jitter = if rng.uniform() < 0.15 {
            (rng.normal() * 3.0) as i64
        } else {
            0
        };
        let millis = 1_700_000_000_000 + offset + 15_000 * step as i64 + jitter;
        let season = 1.0 + 0.5 * (std::f64::consts::TAU * step as f64 / 5_760.0).sin();
        drift = 0.95 * drift + rng.normal();
        let value = match index % 20 {
            0..=5 => {
                total += poisson(&mut rng, base * season);
                total
            }
            6..=7 => {
                total += poisson(&mut rng, 0.02);
                total
            }
            8..=11 => (100.0 * (30.0 + 20.0 * season + 2.0 * drift).max(0.0)).round() / 100.0,
            12..=14 => ((2e9 + 1e8 * season + 2e6 * drift) / 4_096.0).floor() * 4_096.0,
            15..=17 => {
                if rng.uniform() < 0.002 {
                    level = (base * 10.0 * rng.uniform()).round();
                }
                level
            }
            18 => 0.1 * base * season * (1.0 + 0.05 * rng.normal()),
            _ => {
                total += (100.0 * (4.5 * season + 0.2 * rng.normal()).max(0.0)).round() / 100.0;
                (total * 100.0).round() / 100.0
            }
        };
        samples.push((millis * 1_000_000, value));
    }
    samples
}

fn poisson(rng: &mut Rng, mean: f64) -> f64 {
    if mean > 30.0 {
        return (mean + mean.sqrt() * rng.normal()).round().max(0.0);
    }
    let (bound, mut product, mut count) = ((-mean).exp(), rng.uniform(), 0.0);
    while product > bound {
        product *= rng.uniform();
        count += 1.0;
    }
    count
}

/// Bytes of a sample in blocks, everything included, and how fast they are read back.
pub(super) fn cold(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = DiskStoreConfig::default();
    config.memory_bytes = 1 << 30;
    let store = DiskStore::open(folder.path(), config).unwrap();
    for index in 0..1_000 {
        let mut batch = Batch::default();
        batch.start_series(labels(index));
        for (at, value) in mix(index) {
            batch.push(Timestamp::from_nanos(at), value);
        }
        store.append(&batch).unwrap();
    }
    store.sync().unwrap();
    drop(store);
    config.memory_bytes = 1; // what is in the log goes to a block
    let cache_bytes = std::mem::replace(&mut config.cache_bytes, 0);
    let store = DiskStore::open(folder.path(), config).unwrap();
    let stats = store.stats();
    println!(
        "store/cold: {} samples of {} series, {:.3} bytes each",
        stats.samples,
        stats.series,
        stats.disk_bytes as f64 / stats.samples as f64
    );
    let read_all = || {
        let mut count = 0;
        store
            .select(&Selector::all(), TimeRange::ALL, &mut |_, times, values| {
                count += black_box(times).len();
                black_box(values);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(count as u64, stats.samples);
    };
    if let Some(start) = cpu_seconds() {
        (0..5).for_each(|_| read_all());
        let each = (cpu_seconds().unwrap() - start) / 5.0;
        let rate = stats.samples as f64 / each / 1e6;
        println!("store/read/cold: {rate:.0} M samples in a second of CPU");
    }
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    group.throughput(Throughput::Elements(stats.samples));
    group.bench_function("read/cold/5000000_samples", |bencher| {
        bencher.iter(read_all);
    });
    drop(store);
    // What a page asks for again and again: the last hour of twenty series.
    let last = TimeRange::new(
        Timestamp::from_nanos(1_700_000_000_000_000_000 + 4_760 * STEP),
        Timestamp::MAX,
    );
    let some: Vec<_> = (0..20).map(|index| exactly(&labels(index * 50))).collect();
    group.throughput(Throughput::Elements(20 * 240));
    for (name, cache_bytes) in [("uncached", 0), ("cached", cache_bytes)] {
        config.cache_bytes = cache_bytes;
        let store = DiskStore::open(folder.path(), config).unwrap();
        group.bench_function(format!("read/hour_of_20_series/{name}"), |bencher| {
            bencher.iter(|| {
                for selector in &some {
                    let found = store.read(selector, last).unwrap();
                    assert_eq!(black_box(found).len(), 1);
                }
            });
        });
    }
}

/// CPU time of this thread, which a busy machine does not distort; only Linux tells.
fn cpu_seconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = told.split(' ').next()?.parse().ok()?;
    Some(nanos / 1e9)
}

pub(super) fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    let series: Vec<_> = (0..10_000).map(labels).collect();
    group.throughput(Throughput::Elements(series.len() as u64));
    group.bench_function("append/memory/10000_series", |bencher| {
        let store = MemoryStore::new(MemoryStoreConfig::default());
        let mut step = 0;
        let next = || {
            step += 1;
            scrape(&series, step, Seed(1))
        };
        bencher.iter_batched(next, |batch| store.append(&batch), BatchSize::LargeInput);
    });
    group.bench_function("append/disk/10000_series", |bencher| {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path(), DiskStoreConfig::default()).unwrap();
        let mut step = 0;
        let next = || {
            step += 1;
            scrape(&series, step, Seed(1))
        };
        bencher.iter_batched(next, |batch| store.append(&batch), BatchSize::LargeInput);
    });
}

/// One of many series.
pub(super) fn select(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    let all: Vec<_> = (0..100_000).map(labels).collect();
    let folder = tempfile::tempdir().unwrap();
    let store = DiskStore::open(folder.path(), DiskStoreConfig::default()).unwrap();
    for step in 0..240 {
        store.append(&scrape(&all, step, Seed(2))).unwrap();
    }
    let stats = store.stats();
    println!(
        "100,000 series, an hour: {} bytes of memory a series, {:.2} bytes of disk a sample",
        stats.memory_bytes / stats.series,
        stats.disk_bytes as f64 / stats.samples as f64
    );
    let selector: Selector = r#"node_metric_42_total{instance="host-00777:9100", job="node"}"#
        .parse()
        .unwrap();
    group.throughput(Throughput::Elements(240));
    group.bench_function("select/1_of_100000/hour", |bencher| {
        bencher.iter(|| {
            let found = store.read(&selector, TimeRange::ALL).unwrap();
            assert_eq!((found.len(), found[0].1.times.len()), (1, 240));
            found
        });
    });
}

/// The selector of this series.
fn exactly(labels: &Labels) -> Selector {
    let matcher = |(name, value)| Matcher::new(name, MatchOp::Equal, value).unwrap();
    Selector::new(labels.iter().map(matcher).collect())
}
