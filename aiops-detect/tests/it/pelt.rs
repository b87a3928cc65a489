use aiops_detect::pelt::{LevelChange, Pelt, PeltConfig};
use proptest::prelude::*;

use crate::support::{degenerate, noise, series};

fn changes(values: &[f64], change: impl FnOnce(&mut PeltConfig)) -> Vec<LevelChange> {
    let mut config = PeltConfig::default();
    change(&mut config);
    let pelt = Pelt::try_from(config).unwrap();
    pelt.changes(series(values).view()).unwrap()
}

fn indices(values: &[f64], change: impl FnOnce(&mut PeltConfig)) -> Vec<usize> {
    changes(values, change)
        .iter()
        .map(|change| change.index)
        .collect()
}

/// Levels 0, 3, -1, 2, a hundred samples each.
fn steps() -> Vec<f64> {
    (0..400)
        .map(|i| [0.0, 3.0, -1.0, 2.0][i / 100] + noise(i))
        .collect()
}

/// ruptures 1.1.10, `Pelt(model="l2", jump=1, min_size=2)`.
#[test]
fn equal_to_ruptures() {
    let values = steps();
    assert!((values.iter().sum::<f64>() - 370.720_000_013_424_6).abs() < 1e-9);
    for (penalty, expected) in [
        (0.5, &[100, 105, 115, 200, 204, 212, 215, 300, 311][..]),
        (2.0, &[100, 200, 300]),
        (20.0, &[100, 200, 300]),
    ] {
        let got = indices(&values, |config| {
            (config.penalty, config.min_segment) = (Some(penalty), 2);
        });
        assert_eq!(got, expected, "penalty {penalty}");
    }
}

#[test]
fn the_default_penalty_scales_with_the_noise() {
    for unit in [1e-6, 1.0, 1e9] {
        let values: Vec<f64> = steps().iter().map(|value| value * unit).collect();
        assert_eq!(indices(&values, |_| ()), [100, 200, 300]);
    }
    let flat: Vec<f64> = (0..400).map(noise).collect();
    assert_eq!(indices(&flat, |_| ()), [0_usize; 0]);
    let change = changes(&steps(), |_| ())[1];
    assert!(
        (change.before - 3.0).abs() < 0.1 && (change.after + 1.0).abs() < 0.1,
        "{change:?}"
    );
}

#[test]
fn no_segment_is_shorter_than_asked_for() {
    let mut values: Vec<f64> = (0..200).map(noise).collect();
    values[90] = 10.0;
    values[91] = 10.0;
    assert_eq!(indices(&values, |config| config.min_segment = 5), [88, 93]);
    assert_eq!(indices(&values, |config| config.min_segment = 1), [90, 92]);
}

#[test]
fn gaps_keep_the_index() {
    let mut values = steps();
    (50..60)
        .chain([150, 199])
        .for_each(|gap| values[gap] = f64::NAN);
    assert_eq!(indices(&values, |_| ()), [100, 200, 300]);
}

#[test]
fn degenerate_series_have_finite_levels() {
    for (name, values) in degenerate() {
        for change in changes(&values, |config| config.min_segment = 1) {
            assert!(change.index > 0 && change.index < values.len(), "{name}");
            assert!(
                change.before.is_finite() && change.after.is_finite(),
                "{name}: {change:?}"
            );
        }
    }
    assert_eq!(indices(&[7.0; 80], |_| ()), [0_usize; 0]);
    assert_eq!(indices(&[1.0, 2.0, 3.0], |_| ()), [0_usize; 0]);
    let two: Vec<f64> = (0..80)
        .map(|i| if i < 40 { f64::MIN } else { f64::MAX })
        .collect();
    assert_eq!(indices(&two, |_| ()), [40]);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut config = PeltConfig::default();
        config.penalty = Some(bad);
        assert_eq!(Pelt::try_from(config).unwrap_err().name(), "penalty");
        let mut config = PeltConfig::default();
        config.weight = bad;
        assert_eq!(Pelt::try_from(config).unwrap_err().name(), "weight");
    }
    let mut config = PeltConfig::default();
    config.min_segment = 0;
    assert_eq!(Pelt::try_from(config).unwrap_err().name(), "min_segment");
    config.min_segment = usize::MAX / 4;
    assert_eq!(
        Pelt::try_from(config)
            .unwrap()
            .changes(series(&steps()).view())
            .unwrap(),
        []
    );
}

/// The penalised error of a segmentation.
fn total(values: &[f64], bounds: &[usize], penalty: f64) -> f64 {
    let error = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        part.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let parts = bounds
        .windows(2)
        .map(|bounds| error(&values[bounds[0]..bounds[1]]));
    parts.sum::<f64>() + penalty * (bounds.len() - 2) as f64
}

/// The least one, by trying every start of the last segment.
fn least(values: &[f64], penalty: f64, min_segment: usize) -> f64 {
    let mut best = vec![f64::INFINITY; values.len() + 1];
    best[0] = -penalty;
    for end in min_segment..=values.len() {
        for from in 0..=end - min_segment {
            best[end] = best[end].min(best[from] + total(values, &[from, end], penalty) + penalty);
        }
    }
    best[values.len()]
}

proptest! {
    #[test]
    fn the_minimum_is_exact(values in proptest::collection::vec((-3_i8..3).prop_map(f64::from), 8..60), penalty in 0.1..20.0_f64, min_segment in 1_usize..5) {
        let found = indices(&values, |config| (config.penalty, config.min_segment) = (Some(penalty), min_segment));
        let bounds = [vec![0], found, vec![values.len()]].concat();
        prop_assert!(bounds.windows(2).all(|pair| pair[1] - pair[0] >= min_segment), "{:?}", bounds);
        let (got, expected) = (total(&values, &bounds, penalty), least(&values, penalty, min_segment));
        prop_assert!((got - expected).abs() < 1e-9 * (1.0 + expected), "{} {} {:?}", got, expected, bounds);
    }
}
