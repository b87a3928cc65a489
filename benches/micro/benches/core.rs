//! How long the parts of aiops-core take.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use std::fmt::Write as _;
use std::hint::black_box;

use aiops_core::ingest::{Batch, LabelInterner, Limits, prometheus_text, remote_write};
use aiops_core::logs::{TemplateMiner, TemplateMinerConfig};
use aiops_core::{Labels, Timestamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "core/storage.rs"]
mod storage;

const SERIES: usize = 10_000;

/// One sample of each of ten thousand series, as one scrape interval of some hundred machines.
fn batch() -> Batch {
    let mut batch = Batch::default();
    for index in 0..SERIES {
        let (core, host) = (index % 8, index / 8);
        let instance = format!("10.0.{}.{}:9100", host / 250, host % 250);
        let labels = [
            ("__name__", "node_cpu_busy_percent".to_owned()),
            ("cpu", core.to_string()),
            ("instance", instance),
            ("job", "node".to_owned()),
            ("region", "eu-central-1".to_owned()),
        ];
        batch.start_series(Labels::of(labels).unwrap());
        let at = Timestamp::from_millis(1_700_000_000_000 + host as i64).unwrap();
        batch.push(at, 20.0 + (index * 7 % 17) as f64 / 3.0);
    }
    batch
}

/// The same as text, without times.
fn text(batch: &Batch) -> String {
    let mut text = String::new();
    for series in batch.iter() {
        let labels: Vec<_> = series
            .labels
            .iter()
            .filter(|(name, _)| *name != "__name__")
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let (metric, labels) = (series.labels.metric(), labels.join(","));
        writeln!(text, "{metric}{{{labels}}} {}", series.values[0]).unwrap();
    }
    text
}

fn ingest(criterion: &mut Criterion) {
    let limits = Limits::default();
    let sent = batch();
    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Elements(SERIES as u64));

    let body = remote_write::encode(&sent);
    let mut interner = LabelInterner::new(2 * SERIES);
    let mut batch = Batch::default();
    group.bench_function("remote_write/10k_series", |bencher| {
        bencher.iter(|| {
            batch.clear();
            remote_write::decode(&body, &limits, &mut interner, &mut batch).unwrap()
        });
    });
    group.bench_function("remote_write_cold/10k_series", |bencher| {
        bencher.iter(|| {
            batch.clear();
            let mut interner = LabelInterner::new(2 * SERIES);
            remote_write::decode(&body, &limits, &mut interner, &mut batch).unwrap()
        });
    });

    let text = text(&sent);
    group.bench_function("prometheus_text/10k_series", |bencher| {
        bencher.iter(|| {
            batch.clear();
            let format = prometheus_text::Format::Text;
            let now = Timestamp::EPOCH;
            prometheus_text::parse(text.as_bytes(), format, now, &limits, &mut batch).unwrap()
        });
    });

    let mut stored = Vec::new();
    group.bench_function("batch_encode/10k_series", |bencher| {
        bencher.iter(|| {
            stored.clear();
            sent.encode(&mut stored);
        });
    });
    group.bench_function("batch_decode/10k_series", |bencher| {
        bencher.iter(|| black_box(Batch::decode(&stored, &mut interner).unwrap()));
    });
    group.finish();
}

/// Lines of a hundred programs, each with numbers, an address, a path and a value.
fn lines() -> Vec<String> {
    let verbs = ["opened", "closed", "refused", "retried", "moved"];
    (0..10_000)
        .map(|index| {
            let (program, verb) = (index % 20, verbs[index / 20 % 5]);
            format!(
                "worker {} {verb} session 0x{:08x} for 10.0.{}.{}:5{index:04} in stage{program}, \
                 file=/var/lib/data/{program}/part-{index}.log took {} ms",
                "abcdefghijklmnopqrst".split_at(program).1,
                index * 7919,
                index / 250 % 250,
                index % 250,
                index % 997,
            )
        })
        .collect()
}

fn logs(criterion: &mut Criterion) {
    let lines = lines();
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("logs");
    group.throughput(Throughput::ElementsAndBytes {
        elements: lines.len() as u64,
        bytes: bytes as u64,
    });
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default()).unwrap();
    let mut spans = Vec::new();
    group.bench_function("templates_and_parameters/10k_lines", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                black_box(miner.observe_into(line, &mut spans));
            }
        });
    });
    group.finish();
}

criterion_group!(
    benches,
    ingest,
    logs,
    storage::queue,
    storage::store,
    storage::select,
    storage::cold
);
criterion_main!(benches);
