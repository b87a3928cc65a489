use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::ingest::{Batch, STALE};
use aiops_core::prepare::{Arrivals, Deduplicate, DeduplicateConfig};
use aiops_core::{Labels, Timestamp};
use proptest::prelude::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs).unwrap()
}

fn step(set: impl Fn(&mut DeduplicateConfig)) -> Deduplicate {
    let mut config = DeduplicateConfig::default();
    config.lateness = Duration::from_secs(10);
    config.ahead = Duration::from_secs(5);
    set(&mut config);
    Deduplicate::try_from(config).unwrap()
}

fn batch(series: &str, samples: &[(i64, f64)]) -> Batch {
    let mut batch = Batch::default();
    batch.start_series(Labels::of([("__name__", series)]).unwrap());
    for (secs, value) in samples {
        batch.push(at(*secs), *value);
    }
    batch
}

/// Times that pass, and what is left out.
fn passed(
    step: &mut Deduplicate,
    series: &str,
    samples: &[(i64, f64)],
) -> (Vec<i64>, Vec<(&'static str, u64)>) {
    let (kept, arrivals) = step.apply(at(1_000), &batch(series, samples));
    let times = kept.iter().flat_map(|series| series.times.to_vec());
    (
        times.map(Timestamp::as_secs).collect(),
        arrivals.left_out().collect(),
    )
}

#[test]
fn everything_that_is_left_out_has_a_reason() {
    let mut step = step(|_| {});
    let sent = [
        (100, 1.0),
        (105, f64::NAN),
        (102, 3.0),
        (95, 4.0),
        (94, 5.0),
        (1_006, 6.0),
    ];
    assert_eq!(
        passed(&mut step, "m", &sent),
        (vec![100, 105, 102, 95], vec![("late", 1), ("ahead", 1)])
    );
    let again = [
        (105, f64::NAN),
        (102, 9.0),
        (95, 4.0),
        (106, STALE),
        (106, STALE),
        (95, 4.0),
    ];
    assert_eq!(
        passed(&mut step, "m", &again),
        (
            vec![106],
            vec![
                ("late", 1),
                ("duplicate-same", 3),
                ("duplicate-different", 1)
            ]
        )
    );
    // Another series has its own watermark.
    assert_eq!(
        passed(&mut step, "n", &[(1, 0.0), (1, -0.0)]),
        (vec![1], vec![("duplicate-different", 1)])
    );
}

#[test]
fn what_is_forgotten_is_late() {
    let mut step = step(|config| config.max_recent = 2);
    assert_eq!(
        passed(&mut step, "m", &[(1, 1.0), (2, 1.0), (3, 1.0)]).0,
        [1, 2, 3]
    );
    assert_eq!(
        passed(&mut step, "m", &[(1, 1.0), (2, 1.0)]).1,
        [("late", 1), ("duplicate-same", 1)]
    );
}

#[test]
fn series_give_way_only_when_they_are_old() {
    let mut step = step(|config| config.max_series = 2);
    assert_eq!(passed(&mut step, "a", &[(100, 1.0)]).0, [100]);
    assert_eq!(passed(&mut step, "b", &[(110, 1.0)]).0, [110]);
    assert_eq!(
        passed(&mut step, "c", &[(110, 1.0)]).1,
        [("series-limit", 1)]
    );
    assert_eq!(passed(&mut step, "b", &[(111, 1.0)]).0, [111]);
    assert_eq!(passed(&mut step, "c", &[(111, 1.0)]).0, [111]);
    assert_eq!(step.series_count(), 2);
    // `a` gave way. What it had already does not pass again.
    assert_eq!(passed(&mut step, "b", &[(200, 1.0)]).0, [200]);
    assert_eq!(
        passed(&mut step, "a", &[(100, 1.0), (112, 1.0)]),
        (vec![112], vec![("late", 1)])
    );
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut step = step(|config| {
        (config.max_series, config.max_recent) = (50, 8);
        config.lateness = Duration::from_hours(1);
    });
    for round in 0..200_i64 {
        for series in 0..100 {
            let samples: Vec<_> = (0..5).map(|i| (round * 7 % 400 + i, 1.0)).collect();
            passed(&mut step, &format!("m{series}"), &samples);
        }
    }
    assert!(
        step.series_count() <= 50 && step.size_bytes() < 50_000,
        "{}",
        step.size_bytes()
    );
}

#[test]
fn parameters_are_checked() {
    let mut config = DeduplicateConfig::default();
    config.max_recent = 0;
    assert_eq!(
        Deduplicate::try_from(config).unwrap_err().name(),
        "max_recent"
    );
    (config.max_recent, config.max_series) = (1, 0);
    assert_eq!(
        Deduplicate::try_from(config).unwrap_err().name(),
        "max_series"
    );
}

fn total(arrivals: Arrivals) -> u64 {
    let left_out: u64 = arrivals.left_out().map(|(_, count)| count).sum();
    arrivals.in_order + arrivals.out_of_order + left_out
}

proptest! {
    /// Whatever comes in whatever order: no instant passes twice, what passes is the first value
    /// that came for it, and every sample is counted once.
    #[test]
    fn no_instant_passes_twice(
        sent in prop::collection::vec((0_u8..4, 0_i64..60, 0_u8..2), 0..200),
        max_recent in 1_usize..20,
        max_series in 1_usize..5,
    ) {
        let mut step = step(|config| {
            (config.max_recent, config.max_series) = (max_recent, max_series);
        });
        let mut passed = BTreeMap::new();
        for (series, time, value) in sent {
            let name = format!("m{series}");
            let (kept, arrivals) = step.apply(at(1_000), &batch(&name, &[(time, f64::from(value))]));
            prop_assert_eq!(total(arrivals), 1);
            prop_assert_eq!(kept.sample_count() as u64, arrivals.in_order + arrivals.out_of_order);
            if arrivals.same > 0 {
                prop_assert_eq!(passed.get(&(series, time)), Some(&value));
            }
            if arrivals.different > 0 {
                prop_assert_eq!(passed.get(&(series, time)), Some(&(1 - value)));
            }
            if kept.sample_count() > 0 {
                prop_assert_eq!(passed.insert((series, time), value), None);
            }
        }
    }
}
