//! Robust deviation.

use aiops_core::{Fact, Stance};
use aiops_rca::deviation::{Deviation, DeviationConfig};
use proptest::prelude::*;

use crate::support::{Setup, degenerate, facts, minute, names, noise, series, shifted};

fn ranker() -> Deviation {
    Deviation::try_from(DeviationConfig::default()).unwrap()
}

/// Three components in which nothing happens.
fn quiet() -> Setup {
    Setup::default()
        .metric("a", "cpu", &shifted(1, 120, 0, 40.0, 0.0))
        .metric("b", "cpu", &shifted(2, 120, 0, 3.0, 0.0))
        .metric("c", "mem", &shifted(3, 120, 0, 7e9, 0.0))
}

#[track_caller]
fn check(setup: &Setup, expected: &[&str]) {
    let causes = setup.rank(&ranker());
    assert_eq!(names(&causes), expected, "{causes:#?}");
}

#[test]
fn names_what_strayed() {
    for by in [20.0, -20.0] {
        let setup = quiet().metric("b", "queue", &shifted(4, 120, 10, 50.0, by));
        check(&setup.clone(), &["b"]);
        check(&setup.onset(110), &["b"]);
    }
}

#[test]
fn good_news_count_less() {
    let falls = |metric, by| {
        quiet()
            .metric("b", metric, &shifted(4, 120, 10, 50.0, by))
            .onset(110)
    };
    check(&falls("latency_ms", -20.0), &[]);
    check(&falls("latency_ms", 20.0), &["b"]);
    check(&falls("success_percent", 20.0), &[]);
    check(&falls("success_percent", -20.0), &["b"]);
    check(&falls("latency_ms", -49.0), &["b"]); // an answer at once is no answer
}

#[test]
fn further_comes_first() {
    let setup = quiet()
        .metric("a", "latency", &shifted(4, 120, 10, 50.0, 20.0))
        .metric("c", "latency", &shifted(5, 120, 10, 50.0, 90.0));
    check(&setup.onset(110), &["c", "a"]);
}

#[test]
fn nothing_is_found_in_normal_samples() {
    check(&Setup::default(), &[]);
    check(&quiet(), &[]);
    check(&quiet().onset(110), &[]);
}

#[test]
fn evidence_says_what_when_and_how_far() {
    let mut values = vec![50.0; 120];
    (0..120).for_each(|i| values[i] += noise(9, i));
    values[112..].fill(80.0);
    let causes = quiet()
        .metric("b", "latency", &values)
        .onset(110)
        .rank(&ranker());
    let Fact::Deviation {
        metric,
        value,
        band,
        score,
        since,
    } = &causes[0].evidence[0].fact
    else {
        panic!("{:?}", causes[0].evidence)
    };
    assert_eq!((metric.as_str(), *since), ("latency", minute(112)));
    assert!((value - 80.0).abs() < 1e-9, "{value}");
    assert!(band.contains(50.0) && !band.contains(80.0));
    // The floor: 5 % of 50, so 30 more is about 12 spreads.
    assert!((score - 12.0).abs() < 0.2, "{score}");
    assert_eq!(*score, causes[0].score);
}

#[test]
fn a_metric_that_stops_is_evidence() {
    let mut values = shifted(4, 120, 0, 50.0, 0.0);
    values[108..].fill(f64::NAN);
    for setup in [
        quiet().metric("b", "requests", &values),
        quiet().metric("b", "requests", &values[..108]), // no samples instead of missing ones
    ] {
        let causes = setup.onset(108).rank(&ranker());
        assert_eq!(names(&causes), ["b"]);
        assert!(
            facts(&causes[0])[0].contains("has no sample since 1970-01-01T01:47:00"),
            "{causes:?}"
        );
    }
}

#[test]
fn a_metric_that_freezes_is_evidence() {
    let mut values = shifted(4, 120, 0, 50.0, 0.0);
    let last = values[107];
    values[108..].fill(last);
    let causes = quiet()
        .metric("b", "requests", &values)
        .onset(108)
        .rank(&ranker());
    assert_eq!(names(&causes), ["b"]);
    assert!(
        facts(&causes[0])[0].starts_with("requests has not changed from"),
        "{causes:?}"
    );
}

#[test]
fn a_gap_as_long_as_usual_is_none() {
    let mut values = shifted(4, 120, 0, 50.0, 0.0);
    values[30..50].fill(f64::NAN);
    values[105..].fill(f64::NAN);
    check(&quiet().metric("b", "requests", &values).onset(108), &[]);
}

#[test]
fn equal_scores_are_in_order_of_name() {
    let values = shifted(4, 120, 10, 50.0, 20.0);
    let setup = Setup::default()
        .metric("z", "m", &values)
        .metric("b", "m", &values)
        .metric("k", "m", &values)
        .onset(110);
    check(&setup, &["b", "k", "z"]);
}

#[test]
fn a_reference_is_what_is_normal() {
    let mut setup = Setup::default()
        .metric("a", "m", &shifted(1, 30, 30, 10.0, 20.0))
        .metric("b", "m", &shifted(2, 30, 30, 10.0, 0.0));
    for (index, metric) in setup.metrics.iter_mut().enumerate() {
        metric.2 = Some(series(&shifted(5 + index, 60, 0, 10.0, 0.0)));
    }
    check(&setup, &["a"]);
    check(&setup.onset(1), &["a"]); // late by a minute: no harm
}

#[test]
fn changes_near_the_onset_are_named() {
    let setup = quiet()
        .metric("b", "latency", &shifted(4, 120, 10, 50.0, 40.0))
        .change("c1", "b", minute(20)) // long before
        .change("c2", "b", minute(108))
        .change("c3", "a", minute(109)) // elsewhere
        .change("c4", "b", minute(119)) // afterwards
        .onset(110);
    let causes = setup.rank(&ranker());
    let changes: Vec<_> = causes[0]
        .evidence
        .iter()
        .filter_map(|evidence| match &evidence.fact {
            Fact::Change { id, before, .. } => {
                Some((id.as_str(), before.as_secs(), evidence.stance))
            }
            _ => None,
        })
        .collect();
    assert_eq!(changes, [("c2", 120, Stance::For)]);
}

#[test]
fn odd_input_never_panics_and_scores_are_finite() {
    for (name, values) in degenerate() {
        for onset in [None, Some(0), Some(50), Some(1000)] {
            let mut setup = quiet().metric("odd", "m", &values);
            setup.onset = onset.map(minute);
            for cause in setup.rank(&ranker()) {
                assert!(
                    cause.score.is_finite() && cause.score > 0.0,
                    "{name}: {cause:?}"
                );
            }
            let mut alone = Setup::default().metric("odd", "m", &values);
            alone.metrics[0].2 = Some(series(&values));
            alone.onset = onset.map(minute);
            alone.rank(&ranker());
        }
    }
}

#[test]
fn parameters_are_checked() {
    let with = |set: fn(&mut DeviationConfig)| {
        let mut config = DeviationConfig::default();
        set(&mut config);
        Deviation::try_from(config).map_err(|error| error.name())
    };
    assert!(with(|c| c.min_score = 1e-9).is_ok());
    assert_eq!(with(|c| c.min_score = 0.0).unwrap_err(), "min_score");
    assert_eq!(with(|c| c.min_score = f64::NAN).unwrap_err(), "min_score");
    assert!(with(|c| c.relative_min_scale = 0.0).is_ok());
    assert_eq!(
        with(|c| c.relative_min_scale = -0.1).unwrap_err(),
        "relative_min_scale"
    );
    assert!(with(|c| c.min_reference = 2).is_ok());
    assert_eq!(with(|c| c.min_reference = 1).unwrap_err(), "min_reference");
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_is_plain_data() {
    let config: DeviationConfig = serde_json::from_str(r#"{"min_score": 4.0}"#).unwrap();
    assert_eq!(config.min_score, 4.0);
    assert!(serde_json::from_str::<DeviationConfig>(r#"{"min_scores": 4.0}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Units, the order of metrics, and constant companions change nothing.
    #[test]
    fn does_not_depend_on_units_or_order(power in -30_i32..30, by in 5.0..60.0_f64, turn in 0_usize..4) {
        let plain = quiet().metric("b", "latency", &shifted(4, 120, 10, 50.0, by)).onset(110);
        let scale = 2.0_f64.powi(power);
        let scaled: Vec<f64> = shifted(4, 120, 10, 50.0, by).iter().map(|x| x * scale).collect();
        let mut other = quiet().metric("b", "latency", &scaled).metric("z", "one", &[1.0; 120]).onset(110);
        other.metrics.rotate_left(turn);
        let (plain, other) = (plain.rank(&ranker()), other.rank(&ranker()));
        prop_assert_eq!(names(&plain), names(&other));
        for (a, b) in plain.iter().zip(&other) {
            prop_assert_eq!(a.score, b.score);
        }
    }
}
