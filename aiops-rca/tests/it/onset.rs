//! When did it begin?

use aiops_core::Timestamp;
use aiops_rca::onset::{Onset, OnsetConfig};

use crate::support::{Setup, degenerate, minute, noise, series, shifted};

fn onset() -> Onset {
    Onset::try_from(OnsetConfig::default()).unwrap()
}

#[track_caller]
fn check(setup: &Setup, expected: Option<Timestamp>) {
    let got = setup.with(|case| onset().find(case.metrics));
    assert_eq!(got, expected);
}

#[test]
fn finds_where_metrics_leave_their_band() {
    let steady = shifted(1, 120, 0, 10.0, 0.0);
    let setup = Setup::default()
        .metric("a", "x", &shifted(0, 120, 20, 10.0, 8.0))
        .metric("b", "x", &steady);
    check(&setup, Some(minute(100)));
    // A fault that is over before the end.
    let short: Vec<f64> = (0..120)
        .map(|i| noise(3, i) + if (90..95).contains(&i) { 30.0 } else { 0.0 })
        .collect();
    check(
        &Setup::default()
            .metric("a", "x", &short)
            .metric("b", "x", &steady),
        Some(minute(90)),
    );
    // A drop counts as well as a rise, and the unit does not matter.
    check(
        &Setup::default().metric("a", "x", &shifted(0, 120, 20, 1e9, -5e8)),
        Some(minute(100)),
    );
}

#[test]
fn a_late_notice_is_taken_back_to_the_begin() {
    let setup = Setup::default()
        .metric("a", "x", &shifted(0, 120, 20, 10.0, 8.0))
        .metric("b", "x", &shifted(1, 120, 0, 10.0, 0.0));
    for (noticed, expected) in [
        (100, 100),
        (101, 100),
        (105, 100),
        (119, 100),
        (90, 90),
        (99, 99),
    ] {
        let got = setup.with(|case| onset().before(minute(noticed), case.metrics));
        assert_eq!(got, minute(expected), "noticed in minute {noticed}");
    }
    assert_eq!(onset().before(minute(7), &[]), minute(7));
}

#[test]
fn a_single_spike_does_not_hide_the_fault() {
    let mut values = shifted(0, 120, 20, 10.0, 8.0);
    values[30] = 1e6;
    check(
        &Setup::default().metric("a", "x", &values),
        Some(minute(100)),
    );
}

#[test]
fn a_reference_shows_what_is_off_from_the_start() {
    let mut setup = Setup::default().metric("a", "x", &shifted(0, 60, 60, 10.0, 9.0));
    setup.metrics[0].2 = Some(series(&shifted(1, 60, 0, 10.0, 0.0)));
    check(&setup, Some(minute(0)));
}

#[test]
fn nothing_is_found_in_normal_samples() {
    check(&Setup::default(), None);
    check(
        &Setup::default().metric("a", "x", &shifted(0, 120, 0, 10.0, 0.0)),
        None,
    );
}

#[test]
fn odd_input_gives_an_instant_of_the_case_or_none() {
    for (name, values) in degenerate() {
        let setup = Setup::default().metric("a", "x", &values);
        let found = setup.with(|case| onset().find(case.metrics));
        let inside = found.is_none_or(|at| (minute(0)..minute(60)).contains(&at));
        assert!(inside, "{name}: {found:?}");
        if name == "constant, then a change" {
            assert_eq!(found, None, "less than three spreads of 5 %");
        }
    }
}

#[test]
fn parameters_are_checked() {
    for (floor, reference, good) in [
        (0.0, 2, true),
        (-1e-9, 2, false),
        (f64::NAN, 2, false),
        (f64::INFINITY, 2, false),
        (0.1, 1, false),
    ] {
        let mut config = OnsetConfig::default();
        (config.relative_min_scale, config.min_reference) = (floor, reference);
        assert_eq!(Onset::try_from(config).is_ok(), good, "{floor} {reference}");
    }
}
