//! Batches to compare, arbitrary batches, and the public captures.

use std::path::PathBuf;

use aiops_core::ingest::{Batch, MetricMetadata};
use aiops_core::{Labels, Timestamp};
use proptest::prelude::*;

/// A file or folder of the public data, or `None` where there is none.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    let required = std::env::var("AIOPS_REQUIRE_DATA").is_ok_and(|value| value == "1");
    assert!(!required, "{} is missing", found.display());
    eprintln!("SKIPPED: {} is missing", found.display());
    None
}

/// The files of a folder whose names start with `start` and end with `end`, sorted.
pub(crate) fn files(folder: &str, start: &str, end: &str) -> Vec<PathBuf> {
    let Some(folder) = data(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(start) && name.ends_with(end)
        })
        .collect();
    found.sort();
    found
}

/// Everything in a batch, values as bits.
pub(crate) type Contents = (Vec<(Labels, Vec<(i64, u64)>)>, Vec<MetricMetadata>);

pub(crate) fn contents(batch: &Batch) -> Contents {
    let series = batch.iter().map(|series| {
        let times = series.times.iter().map(|time| time.as_nanos());
        let bits = series.values.iter().map(|value| value.to_bits());
        (series.labels.clone(), times.zip(bits).collect())
    });
    (series.collect(), batch.metadata.clone())
}

/// Labels with a metric name, of few and of many letters.
fn labels() -> impl Strategy<Value = Labels> {
    let more = prop::collection::btree_map("[a-d]{1,3}|\\PC{1,8}", "[x-z]{1,3}|\\PC{1,300}", 0..5);
    ("[a-c_]{1,9}", more).prop_map(|(metric, mut more)| {
        more.insert("__name__".to_owned(), metric);
        Labels::of(more).unwrap()
    })
}

fn metadata() -> impl Strategy<Value = MetricMetadata> {
    let kind = prop::sample::select(vec!["unknown", "counter", "gauge", "histogram", "stateset"]);
    ("\\PC{1,8}", kind, "\\PC{0,20}", "[a-z]{0,4}").prop_map(|(metric, kind, help, unit)| {
        MetricMetadata {
            metric,
            kind: kind.to_owned(),
            help,
            unit,
        }
    })
}

/// Batches with any bits as values; times are multiples of `unit` nanoseconds. Every series has a
/// sample.
pub(crate) fn batches(unit: i64) -> impl Strategy<Value = Batch> {
    let time = (i64::MIN / unit..=i64::MAX / unit).prop_map(move |time| time * unit);
    let samples = prop::collection::vec((time, any::<u64>()), 1..5);
    let series = prop::collection::vec((labels(), samples), 0..12);
    (series, prop::collection::vec(metadata(), 0..4)).prop_map(|(series, metadata)| {
        let mut batch = Batch::default();
        for (labels, samples) in series {
            batch.start_series(labels);
            for (nanos, bits) in samples {
                batch.push(Timestamp::from_nanos(nanos), f64::from_bits(bits));
            }
        }
        batch.metadata = metadata;
        batch
    })
}
