//! Queue and store.

use std::hint::black_box;
use std::ops::ControlFlow;

use aiops_core::ingest::Batch;
use aiops_core::queue::{DiskQueue, DiskQueueConfig, MemoryQueue, MemoryQueueConfig, Queue};
use aiops_core::store::{DiskStore, DiskStoreConfig, MemoryStore, MemoryStoreConfig, SeriesStore};
use aiops_core::{Labels, Seed, Selector, TimeRange, Timestamp};
use criterion::{BatchSize, Criterion, Throughput};

/// Nanoseconds from one sample of a series to the next.
const STEP: i64 = 15_000_000_000;
/// Bytes of a record that holds a thousand samples.
const RECORD_BYTES: usize = 10_000;
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
    let queue = DiskQueue::open(folder.path(), DiskQueueConfig::default()).unwrap();
    for _ in 0..10_000 {
        queue.append(Timestamp::EPOCH, &record).unwrap();
    }
    queue.sync().unwrap();
    group.throughput(Throughput::Bytes(10_000 * RECORD_BYTES as u64));
    group.bench_function("read/100MB", |bencher| {
        bencher.iter(|| {
            queue.read(0, &mut |_, _, record| {
                black_box(record.len());
                ControlFlow::Continue(())
            })
        });
    });
    drop(queue);
    group.bench_function("recover/100MB", |bencher| {
        bencher.iter(|| DiskQueue::open(folder.path(), DiskQueueConfig::default()).unwrap());
    });
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
