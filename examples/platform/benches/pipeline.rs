//! The whole way of a sample: bytes, queue on disk, store on disk, detector, rules.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aiops_core::ingest::{Batch, LabelInterner, Limits, remote_write};
use aiops_core::{Labels, Timestamp};
use aiops_platform::config::Config;
use aiops_platform::counters::Counters;
use aiops_platform::ingest::Intake;
use aiops_platform::pipeline::Pipeline;
use aiops_platform::record::Reader;
use aiops_platform::setup;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const SERIES: usize = 10_000;
/// Samples of each series before anything is measured: an hour.
const BEFORE: i64 = 240;

fn labels() -> Vec<Labels> {
    (0..SERIES)
        .map(|index| {
            let (core, host) = (index % 8, index / 8);
            Labels::of([
                ("__name__", "node_cpu_busy_percent".to_owned()),
                ("cpu", core.to_string()),
                (
                    "instance",
                    format!("10.0.{}.{}:9100", host / 250, host % 250),
                ),
                ("job", "node".to_owned()),
                ("region", "eu-central-1".to_owned()),
            ])
            .unwrap()
        })
        .collect()
}

fn body(labels: &[Labels], step: i64) -> Vec<u8> {
    let mut batch = Batch::default();
    for (index, labels) in labels.iter().enumerate() {
        batch.start_series(labels.clone());
        let value = 20.0 + ((index as i64 * 7 + step * 13) % 17) as f64;
        batch.push(
            Timestamp::from_millis(1_700_000_000_000 + 15_000 * step).unwrap(),
            value,
        );
    }
    remote_write::encode(&batch)
}

fn config(folder: &std::path::Path) -> Config {
    Config {
        data_dir: folder.to_owned(),
        ..Config::default()
    }
}

/// Ten thousand series, one sample of each, all the way; detectors are past their warm-up.
fn whole_path(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let config = Arc::new(config(folder.path()));
    let counters = Arc::new(Counters::default());
    let queue = Arc::new(setup::queue(&config).unwrap());
    let store = Arc::new(setup::store(&config).unwrap());
    let mut pipeline = Pipeline::new(config, counters.clone(), store).unwrap();
    let intake = Intake::new(queue, counters.clone());
    let mut interner = LabelInterner::new(2 * SERIES);
    let mut stored = Reader::new(2 * SERIES, 1, counters.clone());
    let (all, mut step, mut offset, mut tick) = (labels(), 0, 0, Timestamp::MIN);
    let mut round = |pipeline: &mut Pipeline, body: &[u8]| {
        let mut batch = Batch::default();
        let report =
            remote_write::decode(body, &Limits::default(), &mut interner, &mut batch).unwrap();
        black_box(report);
        let now = Timestamp::from_millis(1_700_000_000_000 + 15_000 * step).unwrap();
        intake.samples("bench", now, &batch).unwrap();
        let mut records = Vec::new();
        intake
            .queue()
            .read(offset, &mut |at, time, bytes| {
                records.push((at, time, bytes.to_vec()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        for (at, time, bytes) in records {
            let record = stored.read(time, &bytes).unwrap();
            pipeline.process(time, record).unwrap();
            offset = at + 1;
        }
        black_box(pipeline.advance(now, &mut tick));
        intake.queue().release(offset).unwrap();
        step += 1;
    };
    for warm in 0..BEFORE {
        round(&mut pipeline, &body(&all, warm));
    }
    let stats = pipeline.store().stats();
    let watched = pipeline.overview().detector_bytes;
    println!(
        "memory per series with {} samples: store {} bytes, detector {} bytes",
        stats.samples / stats.series,
        stats.memory_bytes / stats.series,
        watched / stats.series,
    );
    let mut next = BEFORE;
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(SERIES as u64));
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(10));
    group.bench_function("whole_path/10k_series", |bencher| {
        bencher.iter_batched(
            || {
                next += 1;
                body(&all, next)
            },
            |body| round(&mut pipeline, &body),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, whole_path);
criterion_main!(benches);
