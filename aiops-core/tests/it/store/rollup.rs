//! Roll-ups.

use std::time::Duration;

use aiops_core::store::{
    Aggregate, MemoryStore, MemoryStoreConfig, Rollup, RollupConfig, SeriesStore,
};
use aiops_core::{Selector, TimeRange};
use proptest::prelude::*;

use super::{batch, labels, range, read, time};

fn rollup(nanos: u64) -> Rollup {
    let mut config = RollupConfig::default();
    config.step = Duration::from_nanos(nanos);
    Rollup::try_from(config).unwrap()
}

fn store(samples: &[(i64, f64)]) -> MemoryStore {
    let store = MemoryStore::new(MemoryStoreConfig::default());
    store
        .append(&batch("__name__=cpu,host=a", samples))
        .unwrap();
    store
}

fn aggregate(values: &[f64]) -> Aggregate {
    let one = values.iter().map(|value| Aggregate::of(*value));
    one.reduce(|whole, next| whole.then(&next)).unwrap()
}

#[test]
fn windows_keep_what_was_in_them() {
    let store = store(&[
        (0, 4.0),
        (5, 1.0),
        (9, f64::NAN),
        (10, 7.0),
        (35, f64::NAN),
        (40, 2.0),
    ]);
    let rollup = rollup(10);
    let report = rollup
        .roll(&store, &store, &Selector::all(), range(0, 45))
        .unwrap();
    // Two windows; the one at 30 has no value, the one at 40 is not complete.
    assert_eq!(report.accepted, 10);
    let found = rollup
        .read(
            &store,
            &Selector::metric("cpu"),
            TimeRange::ALL,
            Duration::from_nanos(10),
        )
        .unwrap();
    let expected = vec![
        (time(0), aggregate(&[4.0, 1.0])),
        (time(10), aggregate(&[7.0])),
    ];
    assert_eq!(found, [(labels("__name__=cpu,host=a"), expected)]);
    // Again, nothing changes, and roll-ups are not rolled up.
    let report = rollup
        .roll(&store, &store, &Selector::all(), range(0, 45))
        .unwrap();
    assert_eq!((report.accepted, report.duplicates), (0, 10));
}

#[test]
fn a_part_of_a_window_waits_for_the_rest() {
    let store = store(&[(3, 1.0), (12, 2.0), (29, 3.0)]);
    let rollup = rollup(10);
    for (range, accepted) in [
        (range(1, 9), 0),
        (range(5, 20), 5),
        (range(20, 30), 5),
        (range(30, 20), 0),
        (TimeRange::ALL, 5),
    ] {
        let report = rollup
            .roll(&store, &store, &Selector::all(), range)
            .unwrap();
        assert_eq!(report.accepted, accepted, "{range:?}");
    }
}

#[test]
fn roll_ups_outlive_the_samples() {
    let source = store(&[(0, 1.0), (1, 5.0)]);
    let target = MemoryStore::new(MemoryStoreConfig::default());
    let rollup = rollup(2);
    rollup
        .roll(&source, &target, &Selector::all(), range(0, 2))
        .unwrap();
    source.delete(&Selector::all(), TimeRange::ALL).unwrap();
    assert_eq!(read(&source, &Selector::all(), TimeRange::ALL), []);
    let step = Duration::from_nanos(2);
    let found = rollup
        .read(&target, &Selector::all(), TimeRange::ALL, step)
        .unwrap();
    assert_eq!(found[0].1[0].1.mean(), 3.0);
}

#[test]
fn a_step_of_nothing_is_refused() {
    for (nanos, accepted) in [(0, false), (1, true)] {
        let mut config = RollupConfig::default();
        config.step = Duration::from_nanos(nanos);
        assert_eq!(Rollup::try_from(config).is_ok(), accepted, "{nanos} ns");
    }
    let mut config = RollupConfig::default();
    config.step = Duration::MAX;
    assert!(Rollup::try_from(config).is_err());
}

proptest! {
    /// From roll-ups, any coarser window is what it would be from the samples.
    #[test]
    fn coarse_windows_are_exact(
        samples in prop::collection::btree_map(-200_i64..200, -1e6_f64..1e6, 1..120),
        step in 1_u64..20,
        times in 1_u64..8,
    ) {
        let samples: Vec<_> = samples.into_iter().collect();
        let (store, rollup) = (store(&samples), rollup(step));
        rollup.roll(&store, &store, &Selector::all(), range(-400, 400)).unwrap();
        let coarse = (step * times) as i64;
        let found = rollup
            .read(&store, &Selector::all(), TimeRange::ALL, Duration::from_nanos(step * times))
            .unwrap();
        let mut expected: Vec<(i64, Vec<f64>)> = Vec::new();
        for (at, value) in samples {
            let start = at.div_euclid(coarse) * coarse;
            match expected.last_mut() {
                Some((last, values)) if *last == start => values.push(value),
                _ => expected.push((start, vec![value])),
            }
        }
        let windows = &found[0].1;
        prop_assert_eq!(windows.len(), expected.len());
        for ((at, found), (start, values)) in windows.iter().zip(expected) {
            let whole = aggregate(&values);
            prop_assert_eq!(*at, time(start));
            prop_assert_eq!((found.count, found.last), (whole.count, whole.last));
            prop_assert_eq!((found.min, found.max), (whole.min, whole.max));
            prop_assert!((found.sum - whole.sum).abs() <= 1e-6);
        }
    }
}
