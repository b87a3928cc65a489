use aiops_core::numerics::MAD_TO_SIGMA;
use aiops_core::{DataError, Detector, FitError, FittedDetector};
use aiops_detect::MAX_SCORE;
use aiops_detect::robust_z::{FittedRobustZ, RobustZ, RobustZConfig};
use proptest::prelude::*;

use crate::support::{degenerate, noise, series};

fn fit(train: &[f64]) -> Result<FittedRobustZ, FitError> {
    let detector = RobustZ::try_from(RobustZConfig::default()).unwrap();
    detector.fit(series(train).view())
}

#[track_caller]
fn check(train: &[f64], at: f64, expected: f64) {
    let got = fit(train).unwrap().score(series(&[at]).view()).unwrap()[0];
    let close = (got - expected).abs() <= 1e-9 * expected.max(1.0);
    assert!(close, "score({at}) = {got}, expected {expected}");
}

#[test]
fn scores_in_robust_standard_deviations() {
    check(&[1.0, 2.0, 3.0, 4.0, 5.0], 3.0, 0.0);
    check(&[5.0, 1.0, 3.0, 2.0, 4.0], 1.0, 2.0 / MAD_TO_SIGMA);
    check(&[1.0, 2.0, f64::NAN, 3.0, 4.0], 2.5, 0.0); // a gap changes nothing
    check(&[1.0, 2.0, f64::NAN, 3.0, 4.0], 4.5, 2.0 / MAD_TO_SIGMA);
}

#[test]
fn falls_back_to_the_mean_deviation_then_to_the_floors() {
    let deviation = 2.0 * (std::f64::consts::PI / 2.0).sqrt();
    check(&[1.0, 1.0, 1.0, 1.0, 11.0], 11.0, 10.0 / deviation);
    check(&[50.0; 4], 50.0, 0.0);
    check(
        &[64.0; 4],
        64.0 + 2.0_f64.powi(-20),
        2.0_f64.powi(-20) / 64e-9,
    );
    check(&[50.0; 4], 51.0, MAX_SCORE);
    check(&[0.0; 4], 1e-300, MAX_SCORE);

    let mut config = RobustZConfig::default();
    config.min_scale = 0.5;
    let floored = RobustZ::try_from(config).unwrap();
    let model = floored.fit(series(&[0.0; 4]).view()).unwrap();
    assert_eq!(model.score(series(&[3.0]).view()).unwrap(), [6.0]);
    assert_eq!((model.median(), model.scale()), (0.0, 0.5));
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (value, accepted) in [
        (0.0, true),
        (1e300, true),
        (-1e-300, false),
        (f64::NAN, false),
        (f64::INFINITY, false),
    ] {
        for name in ["min_scale", "relative_min_scale"] {
            let mut config = RobustZConfig::default();
            match name {
                "min_scale" => config.min_scale = value,
                _ => config.relative_min_scale = value,
            }
            match RobustZ::try_from(config) {
                Ok(_) => assert!(accepted, "{name} = {value}"),
                Err(error) => assert!(
                    !accepted && error.name() == name,
                    "{name} = {value}: {error}"
                ),
            }
        }
    }
}

#[test]
fn too_little_data_and_wrong_lengths_are_refused() {
    for train in [&[][..], &[f64::NAN, f64::NAN]] {
        let Err(FitError::Data(error)) = fit(train) else {
            panic!("fitted {train:?}")
        };
        assert_eq!(
            error,
            DataError::TooShort {
                needed: 1,
                found: 0
            }
        );
    }
    let model = fit(&[1.0, 2.0]).unwrap();
    assert!(
        model
            .score_into(series(&[1.0]).view(), &mut [0.0; 2])
            .is_err()
    );
}

#[test]
fn degenerate_series_score_finite() {
    for (name, values) in degenerate() {
        let Ok(model) = fit(&values) else {
            assert!(values.iter().all(|value| value.is_nan()), "{name}");
            continue;
        };
        for (score, value) in model
            .score(series(&values).view())
            .unwrap()
            .iter()
            .zip(&values)
        {
            let finite = (0.0..=MAX_SCORE).contains(score);
            assert!(
                finite || (score.is_nan() && value.is_nan()),
                "{name}: {score}"
            );
        }
    }
}

proptest! {
    #[test]
    fn scores_do_not_depend_on_unit_and_zero(shift in -1e3..1e3_f64, unit in 1e-3..1e3_f64, at in -3.0..3.0_f64) {
        let train: Vec<f64> = (0..50).map(noise).collect();
        let moved: Vec<f64> = train.iter().map(|value| (value + shift) * unit).collect();
        let score = fit(&train).unwrap().score(series(&[at]).view()).unwrap()[0];
        let other = fit(&moved).unwrap().score(series(&[(at + shift) * unit]).view()).unwrap()[0];
        prop_assert!((score - other).abs() <= 1e-9 * (1.0 + score), "{} {}", score, other);
    }
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};

    let fitted = fit(&[1.0, 2.0, 3.0, 4.0, 5.5]).unwrap();
    let model = crate::support::released("robust-z-1.json", &fitted);
    assert_eq!(model, fitted);
    assert_eq!(load::<FittedRobustZ>(&save(&model)).unwrap(), model);

    for (median, scale) in [("NaN", "1"), ("1", "NaN"), ("1", "-1"), ("inf", "1")] {
        let payload = format!(r#"{{"median":"{median}","scale":"{scale}"}}"#);
        let bytes = crate::support::envelope("detect.robust-z", 1, &payload);
        assert!(load::<FittedRobustZ>(&bytes).is_err(), "{payload}");
    }
}
