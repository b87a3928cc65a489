use aiops_core::Seed;
use aiops_detect::monitor::Direction;
use aiops_detect::release::kayenta::{Class, Judge, JudgeConfig, Judged, JudgedMetric, ScoreClass};

fn judge() -> Judge {
    Judge::try_from(JudgeConfig::default()).unwrap()
}

fn around(level: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut rng = Seed(seed).rng();
    (0..count).map(|_| level + rng.normal()).collect()
}

/// The one metric, changed.
fn one(baseline: &[f64], candidate: &[f64], change: impl FnOnce(&mut JudgedMetric<'_>)) -> Judged {
    let mut metric = JudgedMetric::new("metric", "group", baseline, candidate);
    change(&mut metric);
    judge().judge(&[metric]).metrics.remove(0)
}

#[test]
fn a_shift_must_be_certain_to_be_beyond_a_quarter_of_itself() {
    let base = around(10.0, 30, 1);
    let class = |level: f64| one(&base, &around(level, 30, 2), |_| ()).class;
    assert_eq!(class(10.0), Class::Pass);
    assert_eq!(class(20.0), Class::High);
    assert_eq!(class(1.0), Class::Low);
    let up = one(&base, &around(1.0, 30, 2), |metric| {
        metric.direction = Direction::Up;
    });
    assert_eq!(up.class, Class::Pass);
    // R 4: the interval of (10, 20, 30, 40) - (1, 2, 3, 4) is 6 to 39, the shift 22.5; a quarter is 5.625.
    let (few, far) = ([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]);
    assert_eq!(one(&few, &far, |_| ()).class, Class::High);
    assert_eq!(
        one(&few, &[9.0, 20.0, 30.0, 40.0], |_| ()).class,
        Class::Pass
    );
}

#[test]
fn effect_sizes_and_outliers() {
    let base = around(10.0, 60, 3);
    let mut high = around(12.0, 60, 4);
    let found = one(&base, &high, |_| ());
    assert_eq!(found.class, Class::High);
    assert!((found.ratio - 1.2).abs() < 0.05);
    let allowed = one(&base, &high, |metric| metric.allowed_increase = 1.5);
    assert_eq!(allowed.class, Class::Pass);
    let critical = |increase: f64| {
        one(&base, &high, |metric| {
            (metric.critical, metric.critical_increase) = (true, increase);
        })
    };
    assert!(critical(1.1).fails_release && !critical(1.5).fails_release);
    high.push(1e6); // beyond the 99th percentile and three interquartile ranges: dropped
    high.extend([12.0; 60]);
    assert!((one(&base, &high, |_| ()).ratio - 1.2).abs() < 0.05);
    let constants = one(&[3.0; 9], &[4.0; 9], |_| ());
    assert_eq!((constants.class, constants.ratio), (Class::High, 4.0 / 3.0));
    assert_eq!(one(&[3.0; 9], &[3.0; 4], |_| ()).class, Class::Pass);
}

#[test]
fn what_is_missing() {
    let (base, none) = (around(10.0, 30, 1), [f64::NAN; 30]);
    let class = |change: fn(&mut JudgedMetric<'_>)| {
        let found = one(&base, &none, change);
        (found.class, found.fails_release)
    };
    assert_eq!(class(|_| ()), (Class::Nodata, false));
    assert_eq!(class(|m| m.critical = true), (Class::Nodata, true));
    assert_eq!(
        class(|m| m.must_have_data = true),
        (Class::NodataFailMetric, false)
    );
    assert_eq!(class(|m| m.missing_is_zero = true), (Class::Low, false));
    let empty = one(&base, &[], |m| m.missing_is_zero = true);
    assert_eq!(empty.class, Class::Pass);
}

#[test]
fn groups_are_weighed_and_scores_classed() {
    let (base, same, high) = (
        around(10.0, 30, 1),
        around(10.0, 30, 2),
        around(20.0, 30, 3),
    );
    let metric = |group: &'static str, candidate| JudgedMetric::new("m", group, &base, candidate);
    let mut config = JudgeConfig::default();
    config.weights.insert("a".to_owned(), 20.0);
    let weighed = Judge::try_from(config).unwrap();
    let metrics = [
        metric("a", &high),
        metric("b", &same),
        metric("b", &same),
        metric("c", &same),
        metric("c", &same),
        metric("d", &[]),
    ];
    // 0 of 20; b, c and d share 80, and d without data counts as if it had passed.
    let said = weighed.judge(&metrics);
    assert_eq!((said.score, said.class), (80.0, ScoreClass::Marginal));
    assert_eq!(said.groups["a"], Some(0.0));
    assert_eq!(said.groups["d"], None);
    assert_eq!(judge().judge(&metrics[1..]).class, ScoreClass::Pass);
    let mut critical = metrics.clone();
    critical[0].critical = true;
    assert_eq!(weighed.judge(&critical).score, 0.0);
    // Half of them without data.
    assert_eq!(judge().judge(&metrics[4..]).score, 0.0);
    assert_eq!(judge().judge(&[]).class, ScoreClass::Fail);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let checked = |change: fn(&mut JudgeConfig)| {
        let mut config = JudgeConfig::default();
        change(&mut config);
        Judge::try_from(config)
            .map(|_| ())
            .map_err(|error| error.name())
    };
    assert_eq!(checked(|c| c.tolerance = -0.1), Err("tolerance"));
    assert_eq!(checked(|c| c.confidence = 1.0), Err("confidence"));
    assert_eq!(checked(|c| c.marginal = 96.0), Err("marginal"));
    assert_eq!(checked(|c| c.pass = 101.0), Err("marginal"));
    let weight = |weight: f64| {
        let mut config = JudgeConfig::default();
        config.weights.insert("a".to_owned(), weight);
        Judge::try_from(config).is_ok()
    };
    assert!(!weight(-1.0) && !weight(100.1) && weight(100.0));
    assert_eq!(checked(|c| (c.tolerance, c.marginal) = (0.0, 95.0)), Ok(()));
}
