use aiops_core::{Detector, FitError, FittedDetector, StreamingDetector};
use aiops_detect::matrix_profile::{
    MatrixProfile, MatrixProfileConfig, OnlineMatrixProfile, OnlineMatrixProfileConfig, Profile,
};
use proptest::prelude::*;

use crate::streaming::holds_up;
use crate::support::{at, degenerate, noise, series, shared_data};

fn checked(
    window: usize,
    change: impl FnOnce(&mut MatrixProfileConfig),
) -> Result<MatrixProfile, aiops_core::ParamError> {
    let mut config = MatrixProfileConfig::default();
    config.window = window;
    change(&mut config);
    MatrixProfile::try_from(config)
}

fn profile(values: &[f64], window: usize) -> Profile {
    let algorithm = checked(window, |_| ()).unwrap();
    algorithm.profile(series(values).view()).unwrap()
}

fn online(window: usize, history: usize) -> OnlineMatrixProfile {
    let mut config = OnlineMatrixProfileConfig::default();
    (config.profile.window, config.history) = (window, history);
    OnlineMatrixProfile::try_from(config).unwrap()
}

/// The definition, pair by pair. `within` says which windows are compared.
fn slow(
    values: &[f64],
    others: &[f64],
    window: usize,
    within: impl Fn(usize, usize) -> bool,
) -> Vec<f64> {
    let shape = |window: &[f64]| -> Option<Vec<f64>> {
        if window.iter().any(|value| value.is_nan()) {
            return None;
        }
        let mean = window.iter().sum::<f64>() / window.len() as f64;
        let from_mean: Vec<f64> = window.iter().map(|value| value - mean).collect();
        let squares: f64 = from_mean.iter().map(|value| value * value).sum();
        let deviation = (squares / window.len() as f64).sqrt();
        let flat = deviation <= 1e-9 * mean.abs();
        let unit = if flat { f64::INFINITY } else { deviation };
        Some(from_mean.iter().map(|value| value / unit).collect())
    };
    let flat = |shape: &[f64]| shape.iter().all(|&value| value == 0.0);
    let theirs: Vec<_> = others.windows(window).map(shape).collect();
    let distance = |index: usize, one: &[f64]| {
        let pairs = theirs
            .iter()
            .enumerate()
            .filter(|(other, _)| within(index, *other));
        let shapes = pairs.filter_map(|(_, other)| other.as_ref());
        let each = shapes.map(|other| {
            if flat(one) != flat(other) {
                return (window as f64).sqrt();
            }
            let squares = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
            squares.sum::<f64>().sqrt()
        });
        each.fold(f64::INFINITY, f64::min)
    };
    let mine = values.windows(window).map(shape).enumerate();
    mine.map(|(index, shape)| shape.map_or(f64::INFINITY, |shape| distance(index, &shape)))
        .collect()
}

fn distances(profile: &Profile) -> Vec<f64> {
    let nearest = profile.nearest().iter();
    nearest
        .map(|nearest| nearest.map_or(f64::INFINITY, |nearest| nearest.0))
        .collect()
}

#[track_caller]
fn close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let fine = got == expected || (got - expected).abs() < tolerance;
        assert!(fine, "{what} at {index}: {got}, expected {expected}");
    }
}

/// stumpy 1.14, `stump`.
#[test]
fn equal_to_stumpy() {
    let mut values: Vec<f64> = (0..240)
        .map(|i| (i as f64 * 0.2).sin() + 0.1 * (noise(i) + 0.5))
        .collect();
    values[150..160].iter_mut().for_each(|value| *value += 0.8);
    let found = profile(&values, 24);
    let first = [
        0.228_894_502_887_936,
        0.201_987_665_249_855_37,
        0.201_707_789_053_940_27,
    ];
    close("head", &distances(&found)[..3], &first, 1e-9);
    let sum: f64 = distances(&found).iter().sum();
    assert!((sum - 107.989_194_205_761_8).abs() < 1e-9, "{sum}");
    assert_eq!(found.discords(1), [149]);
    let largest = found.nearest()[149].unwrap().0;
    assert!(
        (largest - 2.093_534_801_908_125_2).abs() < 1e-9,
        "{largest}"
    );

    let Some(peers) = shared_data("peers") else {
        return;
    };
    let text = std::fs::read_to_string(peers.join("detect_reference.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let first = all["golden"]["matrix_profile_case"]["first10"]
        .as_array()
        .unwrap();
    let first: Vec<f64> = first.iter().map(|value| value.as_f64().unwrap()).collect();
    close("first ten", &distances(&found)[..10], &first, 1e-9);
}

/// A wave with noise, a spike of a million, a constant stretch and holes.
fn difficult() -> Vec<f64> {
    let mut values: Vec<f64> = (0..700)
        .map(|i| 50.0 + (i as f64 * 0.31).sin() + 0.3 * noise(i))
        .collect();
    values[200] = 1e6;
    values[300..340].fill(50.0);
    values[420..450].fill(12.0);
    values[500] = f64::NAN;
    values[503] = f64::NAN;
    values[600] = -1e9;
    values
}

#[test]
fn exact_on_spikes_constants_and_holes() {
    let values = difficult();
    let found = profile(&values, 20);
    let apart = |one: usize, other: usize| one.abs_diff(other) > 5;
    close(
        "full",
        &distances(&found),
        &slow(&values, &values, 20, apart),
        1e-7,
    );
    for (index, nearest) in found.nearest().iter().enumerate() {
        assert!(nearest.is_none_or(|(_, at)| apart(index, at)));
        let holed = values[index..index + 20].iter().any(|value| value.is_nan());
        assert_eq!(nearest.is_none(), holed);
    }
    let algorithm = checked(20, |_| ()).unwrap();
    let left = algorithm.left_profile(series(&values).view()).unwrap();
    let before = |one: usize, other: usize| other + 5 < one;
    close(
        "left",
        &distances(&left),
        &slow(&values, &values, 20, before),
        1e-7,
    );
    assert_eq!(left.nearest()[..6], [None; 6]);
}

#[test]
fn new_series_are_compared_with_the_training_series() {
    let values = difficult();
    let algorithm = checked(20, |_| ()).unwrap();
    for (train, new) in [(350, 250), (120, 480), (20, 500)] {
        let (train, new) = (&values[..train], &values[700 - new..]);
        let model = algorithm.fit(series(train).view()).unwrap();
        let scores = model.score(series(new).view()).unwrap();
        let expected = slow(new, train, 20, |_, _| true);
        let finite = |scores: &[f64]| -> Vec<f64> {
            let each = scores.iter();
            each.map(|&score| if score.is_nan() { f64::INFINITY } else { score })
                .collect()
        };
        close("new", &finite(&scores[19..]), &expected, 1e-7);
        assert!(scores[..model.warmup()].iter().all(|score| score.is_nan()));
    }
    let model = algorithm.fit(series(&values).view()).unwrap();
    assert!(
        model
            .score(series(&values[..19]).view())
            .unwrap()
            .iter()
            .all(|s| s.is_nan())
    );
}

#[test]
fn a_stream_has_the_left_profile() {
    let values: Vec<f64> = difficult()
        .into_iter()
        .filter(|value| !value.is_nan())
        .collect();
    let algorithm = checked(20, |_| ()).unwrap();
    let left = algorithm.left_profile(series(&values).view()).unwrap();
    let mut stream = online(20, values.len());
    for (second, (&value, expected)) in values.iter().zip(left.scores()).enumerate() {
        let score = stream.update(at(second, value));
        assert_eq!(score.is_some(), second >= 45);
        let close = score.is_none_or(|score| (score - expected).abs() < 1e-7);
        assert!(close, "{second}: {score:?}, expected {expected}");
    }
    // What is older than the history is forgotten.
    let mut stream = online(20, 150);
    let within = |one: usize, other: usize| other + 5 < one && one - other <= 130;
    let expected = slow(&values, &values, 20, within);
    for (second, &value) in values.iter().enumerate() {
        if let Some(score) = stream.update(at(second, value)) {
            let expected = expected[second - 19];
            assert!(
                (score - expected).abs() < 1e-7,
                "{second}: {score}, expected {expected}"
            );
        }
    }
}

#[test]
fn a_stream_holds_up_like_the_others() {
    holds_up(|| online(8, 64), 16_000);
    holds_up(|| online(20, 50), 16_000);
}

#[test]
fn degenerate_series_have_finite_distances() {
    for (name, values) in degenerate() {
        let algorithm = checked(8, |_| ()).unwrap();
        let found = match algorithm.profile(series(&values).view()) {
            Ok(found) => found,
            Err(FitError::Data(error)) => {
                assert!(
                    values
                        .split(|value| value.is_nan())
                        .all(|run| run.len() < 8),
                    "{name}: {error}"
                );
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        for (distance, _) in found.nearest().iter().flatten() {
            assert!(
                (0.0..=2.0 * 8.0_f64.sqrt() + 1e-9).contains(distance),
                "{name}: {distance}"
            );
        }
        assert_eq!(found.scores().len(), values.len());
        let model = algorithm.fit(series(&values).view()).unwrap();
        let scores = model.score(series(&values).view()).unwrap();
        assert!(scores.iter().all(|score| !score.is_infinite()), "{name}");
    }
    let flat = profile(&[7.0; 40], 8);
    assert!(
        flat.nearest()
            .iter()
            .all(|nearest| nearest.is_some_and(|(d, _)| d == 0.0))
    );
    // Eight samples have one window, which has no other.
    assert_eq!(
        profile(&[1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 1.0, 5.0], 8).nearest(),
        [None]
    );
}

#[test]
fn discords_do_not_overlap() {
    let mut values: Vec<f64> = (0..600)
        .map(|i| (i as f64 * 0.2).sin() + 0.05 * noise(i))
        .collect();
    values[200..210].iter_mut().for_each(|value| *value = -0.9);
    values[450..460].iter_mut().for_each(|value| *value += 0.8);
    let found = profile(&values, 30).discords(3);
    assert_eq!(found.len(), 3);
    let near = |event: usize| {
        found[..2]
            .iter()
            .any(|&at| (event - 30..event + 10).contains(&at))
    };
    assert!(near(200) && near(450), "{found:?}");
    assert!(found[0].abs_diff(found[1]) >= 30 && found[0].abs_diff(found[2]) >= 30);
}

#[test]
fn a_floor_makes_small_noise_constant() {
    let mut values: Vec<f64> = (0..200).map(|i| 5.0 + 1e-3 * noise(i)).collect();
    values[120..140].iter_mut().for_each(|value| *value += 2.0);
    let algorithm = checked(10, |config| config.min_scale = 0.1).unwrap();
    let scores = algorithm.profile(series(&values).view()).unwrap().scores();
    assert!(scores[9..119].iter().all(|&score| score == 0.0));
    assert!(scores[121] > 0.0);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (window, fine) in [(2, false), (3, true), (36_000, true), (36_001, false)] {
        assert_eq!(checked(window, |_| ()).is_ok(), fine, "{window}");
    }
    assert!(checked(10, |config| config.exclusion = Some(0)).is_ok());
    let error = checked(10, |config| config.exclusion = Some(36_001)).unwrap_err();
    assert_eq!(error.name(), "exclusion");
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let error = checked(10, |config| config.min_scale = bad).unwrap_err();
        assert_eq!(error.name(), "min_scale");
    }
    let mut config = OnlineMatrixProfileConfig::default();
    for (history, fine) in [
        (224, false),
        (225, true),
        (1_000_000, true),
        (1_000_001, false),
    ] {
        config.history = history;
        assert_eq!(
            OnlineMatrixProfile::try_from(config).is_ok(),
            fine,
            "{history}"
        );
    }
}

#[cfg(feature = "serde")]
#[test]
fn are_stored() {
    use crate::streaming::{can_be_stored, refuses};
    use crate::support::released;
    use aiops_core::stored::{load, save};
    use aiops_detect::matrix_profile::FittedMatrixProfile;

    can_be_stored(|| online(8, 64));
    let mut stream = online(8, 64);
    (0..30).for_each(|second| stream.learn_one(at(second, noise(second))));
    refuses(&stream, r#""seen":30"#, r#""seen":29"#);
    refuses(&stream, r#""resets":[]"#, r#""resets":[23]"#);
    refuses(&stream, r#""peak":""#, r#""peak":"-"#);
    refuses(&stream, r#""history":64"#, r#""history":17"#);
    let values = difficult();
    let model = checked(20, |_| ())
        .unwrap()
        .fit(series(&values[..300]).view())
        .unwrap();
    let loaded: FittedMatrixProfile = load(&save(&model)).unwrap();
    assert_eq!(loaded.score(series(&values).view()).unwrap().len(), 700);
    assert_eq!(save(&loaded), save(&model));
    refuses(&model, r#""window":20"#, r#""window":301"#);
    let short = checked(5, |_| ())
        .unwrap()
        .fit(series(&values[..12]).view())
        .unwrap();
    let old = released("matrix-profile-1.json", &short);
    assert_eq!(old, short);
}

proptest! {
    #[test]
    fn neither_level_nor_unit_matters(shift in -1e3..1e3_f64, unit in 1e-3..1e3_f64) {
        let values: Vec<f64> = (0..150).map(|i| noise(i) + (i as f64 * 0.4).sin()).collect();
        let moved: Vec<f64> = values.iter().map(|value| value * unit + shift).collect();
        let (one, other) = (profile(&values, 12), profile(&moved, 12));
        for (a, b) in distances(&one).iter().zip(distances(&other)) {
            prop_assert!((a - b).abs() < 1e-6, "{} {}", a, b);
        }
    }
}
