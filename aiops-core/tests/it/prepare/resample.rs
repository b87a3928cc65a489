use std::time::Duration;

use aiops_core::ingest::STALE;
use aiops_core::prepare::{Gaps, Reduce, resample};
use aiops_core::{DataError, TimeAxis, Timestamp};
use proptest::prelude::*;

const STEP: Duration = Duration::from_secs(10);
const NAN: f64 = f64::NAN;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs).unwrap()
}

/// Samples at seconds, on the axis 10, 20, 30, 40, 50.
#[track_caller]
fn check(samples: &[(i64, f64)], reduce: Reduce, gaps: Gaps, expected: [f64; 5]) {
    let axis = TimeAxis::regular(at(10), STEP, 5).unwrap();
    let (times, values): (Vec<_>, Vec<_>) = samples.iter().map(|(s, v)| (at(*s), *v)).unzip();
    let series = resample(&times, &values, axis, reduce, gaps).unwrap();
    let shown = |values: &[f64]| format!("{values:?}");
    assert_eq!(shown(series.view().values()), shown(&expected));
}

#[test]
fn samples_belong_to_the_instant_that_ends_their_step() {
    let samples = [
        (0, 9.0),
        (1, 1.0),
        (10, 2.0),
        (11, 3.0),
        (20, 5.0),
        (51, 9.0),
    ];
    let check = |reduce, first, second| {
        check(
            &samples,
            reduce,
            Gaps::Missing,
            [first, second, NAN, NAN, NAN],
        );
    };
    check(Reduce::Last, 2.0, 5.0);
    check(Reduce::Mean, 1.5, 4.0);
    check(Reduce::Min, 1.0, 3.0);
    check(Reduce::Max, 2.0, 5.0);
    check(Reduce::Sum, 3.0, 8.0);
}

#[test]
fn missing_values_are_no_samples() {
    let samples = [(1, NAN), (2, 3.0), (3, STALE), (11, NAN), (50, 1.0)];
    check(
        &samples,
        Reduce::Mean,
        Gaps::Missing,
        [3.0, NAN, NAN, NAN, 1.0],
    );
    check(
        &samples,
        Reduce::Min,
        Gaps::Missing,
        [3.0, NAN, NAN, NAN, 1.0],
    );
    check(&[], Reduce::Sum, Gaps::Hold(STEP), [NAN; 5]);
}

#[test]
fn values_are_held_so_long_and_not_over_an_end() {
    let samples = [(10, 1.0), (50, 2.0)];
    check(
        &samples,
        Reduce::Last,
        Gaps::Hold(STEP * 2),
        [1.0, 1.0, 1.0, NAN, 2.0],
    );
    check(
        &samples,
        Reduce::Last,
        Gaps::Hold(Duration::from_nanos(19_999_999_999)),
        [1.0, 1.0, NAN, NAN, 2.0],
    );
    let ended = [(10, 1.0), (25, STALE)];
    check(
        &ended,
        Reduce::Last,
        Gaps::Hold(STEP * 9),
        [1.0, 1.0, NAN, NAN, NAN],
    );
    let back = [(10, 1.0), (15, STALE), (16, 2.0)];
    check(
        &back,
        Reduce::Last,
        Gaps::Hold(STEP * 9),
        [1.0, 2.0, 2.0, 2.0, 2.0],
    );
}

#[test]
fn lines_are_drawn_over_gaps_only() {
    let samples = [(20, 1.0), (50, 4.0)];
    check(
        &samples,
        Reduce::Last,
        Gaps::Linear(STEP * 3),
        [NAN, 1.0, 2.0, 3.0, 4.0],
    );
    check(
        &samples,
        Reduce::Last,
        Gaps::Linear(STEP * 2),
        [NAN, 1.0, NAN, NAN, 4.0],
    );
    check(
        &samples[..1],
        Reduce::Last,
        Gaps::Linear(STEP * 9),
        [NAN, 1.0, NAN, NAN, NAN],
    );
}

#[test]
fn what_is_refused() {
    let axis = || TimeAxis::regular(at(10), STEP, 2).unwrap();
    let run = |times: &[Timestamp], values: &[f64], axis| {
        resample(times, values, axis, Reduce::Sum, Gaps::Missing).unwrap_err()
    };
    let error = run(&[at(2), at(1)], &[1.0, 1.0], axis());
    assert_eq!(error, DataError::NotIncreasing { index: 1 });
    let error = run(&[at(1)], &[1.0, 2.0], axis());
    assert!(matches!(
        error,
        DataError::Length {
            expected: 1,
            found: 2,
            ..
        }
    ));
    let error = run(&[at(1)], &[f64::INFINITY], axis());
    assert!(matches!(error, DataError::Infinite { index: 0, .. }));
    let error = run(&[at(1), at(2)], &[f64::MAX, f64::MAX], axis());
    assert!(matches!(error, DataError::Infinite { .. }), "{error}");
    let listed = TimeAxis::listed(vec![at(1), at(3), at(4)]).unwrap();
    assert_eq!(run(&[], &[], listed), DataError::Irregular);
    let empty = TimeAxis::regular(at(10), STEP, 0).unwrap();
    assert!(
        resample(&[at(1)], &[1.0], empty, Reduce::Last, Gaps::Hold(STEP))
            .unwrap()
            .view()
            .values()
            .is_empty()
    );
}

proptest! {
    /// Each step is what its own samples say, found the slow way.
    #[test]
    fn agrees_with_the_definition(mut samples in prop::collection::vec((0_i64..80, -9.0..9.0_f64), 0..40)) {
        samples.sort_by_key(|(secs, _)| *secs);
        let (times, values): (Vec<_>, Vec<_>) = samples.iter().map(|(s, v)| (at(*s), *v)).unzip();
        let axis = TimeAxis::regular(at(10), STEP, 5).unwrap();
        let series = resample(&times, &values, axis, Reduce::Max, Gaps::Missing).unwrap();
        for (index, value) in series.view().values().iter().enumerate() {
            let until = 10 * (index as i64 + 1);
            let own = samples.iter().filter(|(secs, _)| (until - 10..until).contains(&(secs - 1)));
            let largest = own.map(|(_, value)| *value).fold(f64::NAN, f64::max);
            prop_assert_eq!(value.to_bits(), largest.to_bits());
        }
    }
}
