//! With the query cache and without it, a store answers the same.

use std::path::Path;
use std::time::Duration;

use super::store::{at, labels};
use super::{SimDisk, for_seeds};
use crate::ingest::Batch;
use crate::store::{CacheStats, DiskStore, DiskStoreConfig, SampleColumns, SeriesStore};
use crate::{Labels, Rng, Seed, Selector, TimeRange, Timestamp};

const SERIES: usize = 6;
const TICKS: usize = 600;

/// A store in blocks of little more than a hundred samples.
fn store(seed: u64, cache_bytes: u64) -> DiskStore {
    let config = DiskStoreConfig {
        memory_bytes: 1_500,
        block_span: Duration::from_secs(1),
        cache_bytes,
        ..DiskStoreConfig::default()
    };
    DiskStore::open_in(SimDisk::new(seed).files(), Path::new("/store"), config).unwrap()
}

fn range(rng: &mut Rng) -> TimeRange {
    let start = rng.below(TICKS) as i64;
    TimeRange::new(at(start), at(start + rng.below(TICKS) as i64))
}

fn selector(rng: &mut Rng) -> Selector {
    match rng.below(SERIES + 1) {
        SERIES => Selector::all(),
        series => format!("{{series=\"{series}\"}}").parse().unwrap(),
    }
}

/// Anything but reading, from the state of the generator alone.
fn change(store: &DiskStore, mut rng: Rng, seed: u64) {
    match rng.below(24) {
        0..=13 => {
            let mut batch = Batch::default();
            for _ in 0..=rng.below(30) {
                batch.start_series(labels(rng.below(SERIES)));
                batch.push(at(rng.below(TICKS) as i64), rng.uniform());
            }
            store.append(&batch).unwrap();
        }
        14..=16 => store.sync().unwrap(),
        17..=18 => {
            let (selector, range) = (selector(&mut rng), range(&mut rng));
            store.delete(&selector, range).unwrap();
        }
        19..=22 => {
            store.maintain(at(0)).unwrap();
        }
        // Retention also makes what comes later late, so that it may not go far.
        _ => {
            store.retain_from(at((seed % 60) as i64)).unwrap();
        }
    }
}

fn bits(found: Vec<(Labels, SampleColumns)>) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let samples = |columns: SampleColumns| {
        let times = columns.times.into_iter().map(Timestamp::as_nanos);
        times
            .zip(columns.values.into_iter().map(f64::to_bits))
            .collect()
    };
    let found = found.into_iter();
    found
        .map(|(labels, columns)| (labels, samples(columns)))
        .collect()
}

#[test]
fn with_and_without_the_cache_the_answers_are_the_same() {
    let sum = std::cell::Cell::new(CacheStats::default());
    for_seeds(250, |seed| {
        // Too little for everything, so that runs make room for others.
        let (cached, plain) = (store(seed, 4_000), store(seed, 0));
        let mut rng = Seed(seed).rng();
        for step in 0..60 {
            let change_rng = Seed(seed).child(step + 2).rng();
            change(&cached, change_rng.clone(), seed);
            change(&plain, change_rng, seed);
            for _ in 0..rng.below(12) {
                let (selector, range) = (selector(&mut rng), range(&mut rng));
                let with = cached.read(&selector, range).unwrap();
                let without = plain.read(&selector, range).unwrap();
                assert_eq!(bits(with), bits(without), "{selector} {range:?}");
            }
            let stats = cached.cache_stats();
            assert!(stats.bytes <= 4_000 + (32 << 10), "{stats:?}");
        }
        assert_eq!(plain.cache_stats().hits, 0);
        let (mut all, one) = (sum.get(), cached.cache_stats());
        all.hits += one.hits;
        all.evicted += one.evicted;
        sum.set(all);
    });
    let CacheStats { hits, evicted, .. } = sum.get();
    assert!(hits > 10_000 && evicted > 500, "{:?}", sum.get());
}
