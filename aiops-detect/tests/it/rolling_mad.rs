use aiops_core::numerics::{MAD_TO_SIGMA, median_and_mad};
use aiops_core::{Detector, FittedDetector, Replay, StreamingDetector, Warmup};
use aiops_detect::MAX_SCORE;
use aiops_detect::rolling_mad::{RollingMad, RollingMadConfig};
use proptest::prelude::*;

use crate::support::{at, degenerate, noise, series};

fn detector(window: usize, warmup: usize) -> RollingMad {
    let mut config = RollingMadConfig::default();
    (config.window, config.warmup) = (window, warmup);
    RollingMad::try_from(config).unwrap()
}

fn learned(window: usize, values: &[f64]) -> RollingMad {
    let mut detector = detector(window, 2);
    for (second, &value) in values.iter().enumerate() {
        detector.learn_one(at(second, value));
    }
    detector
}

#[track_caller]
fn refused(change: impl FnOnce(&mut RollingMadConfig)) -> String {
    let mut config = RollingMadConfig::default();
    change(&mut config);
    RollingMad::try_from(config).unwrap_err().to_string()
}

#[test]
fn parameters_are_checked_on_both_sides() {
    assert!(refused(|config| config.window = 1).contains("`window`"));
    assert!(refused(|config| config.window = 65_536).contains("from 2 to 65535"));
    assert!(refused(|config| config.warmup = 1).contains("`warmup`"));
    assert!(refused(|config| config.warmup = config.window + 1).contains("at most the window"));
    for bad in [-1e-300, f64::NAN, f64::INFINITY] {
        assert!(refused(|config| config.min_scale = bad).contains("`min_scale`"));
        let message = refused(|config| config.relative_min_scale = bad);
        assert!(message.contains("`relative_min_scale`"));
    }
    assert_eq!(detector(2, 2).config().window, 2);
    assert_eq!(detector(65_535, 65_535).config().warmup, 65_535);
}

#[test]
fn scores_in_robust_standard_deviations_of_the_last_samples() {
    // The window holds 1..=5: median 3, deviations 2 1 0 1 2, MAD 1.
    let detector = learned(5, &[100.0, -100.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(detector.median(), 3.0);
    assert_eq!(detector.scale(), MAD_TO_SIGMA);
    let score = detector.score_one(at(9, 3.0 + 2.0 * MAD_TO_SIGMA)).unwrap();
    assert!((score - 2.0).abs() < 1e-12);
}

#[test]
fn falls_back_to_the_mean_deviation_then_to_the_floors() {
    // MAD 0; mean absolute deviation 10/5 = 2, times sqrt(pi/2).
    let detector = learned(5, &[1.0, 1.0, 1.0, 1.0, 11.0]);
    assert!((detector.scale() - 2.0 * (std::f64::consts::PI / 2.0).sqrt()).abs() < 1e-12);

    let constant = learned(5, &[50.0; 9]);
    assert!((constant.scale() - 50.0 * 1e-9).abs() < 1e-20);
    assert_eq!(constant.score_one(at(9, 50.0)), Some(0.0));
    assert_eq!(constant.score_one(at(9, 51.0)), Some(MAX_SCORE));
    let score = constant.score_one(at(9, 50.0 + 1e-6)).unwrap();
    assert!((score - 20.0).abs() < 1e-3, "{score}");

    let zero = learned(5, &[0.0; 9]);
    assert_eq!(zero.score_one(at(9, 1e-300)), Some(MAX_SCORE));

    let mut config = RollingMadConfig::default();
    (config.warmup, config.min_scale) = (2, 0.5);
    let mut floored = RollingMad::try_from(config).unwrap();
    (0..9).for_each(|second| floored.learn_one(at(second, 0.0)));
    assert_eq!(floored.score_one(at(9, 3.0)), Some(6.0));
}

#[test]
fn warms_up_and_says_how_far_it_is() {
    let mut detector = detector(240, 32);
    for seen in 0..32 {
        assert_eq!(detector.warmup(), Warmup::Warming { seen, needed: 32 });
        assert_eq!(detector.update(at(seen, noise(seen))), None);
        assert_eq!(detector.update(at(seen, f64::NAN)), None);
    }
    assert_eq!(detector.warmup(), Warmup::Ready);
    assert!(detector.score_one(at(33, 0.0)).is_some());
    assert_eq!(detector.score_one(at(33, f64::NAN)), None);
    assert_eq!(detector.score_one(at(33, f64::INFINITY)), None);
}

#[test]
fn missing_and_infinite_samples_are_not_learned() {
    let with_gaps = [
        1.0,
        f64::NAN,
        2.0,
        f64::INFINITY,
        3.0,
        f64::NEG_INFINITY,
        4.0,
    ];
    assert_eq!(learned(9, &with_gaps), learned(9, &[1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn the_band_holds_the_values_up_to_the_score() {
    let detector = learned(60, &(0..80).map(noise).collect::<Vec<_>>());
    let band = detector.band(at(80, 0.0).time, 4.0).unwrap();
    assert_eq!(band.center, detector.median());
    for (value, within) in [(band.upper - 1e-9, true), (band.upper + 1e-9, false)] {
        assert_eq!(detector.score_one(at(80, value)).unwrap() <= 4.0, within);
    }
    let everything = detector.band(at(80, 0.0).time, MAX_SCORE).unwrap();
    assert!(everything.contains(f64::MAX) && everything.contains(f64::MIN));
    assert_eq!(detector.band(at(80, 0.0).time, f64::NAN), None);
    assert_eq!(detector.band(at(80, 0.0).time, -1.0), None);
}

#[test]
fn degenerate_series_score_finite() {
    for (name, values) in degenerate() {
        let mut detector = detector(16, 2);
        for (second, &value) in values.iter().enumerate() {
            if let Some(score) = detector.update(at(second, value)) {
                assert!((0.0..=MAX_SCORE).contains(&score), "{name}: {score}");
                let band = detector.band(at(second, 0.0).time, 6.0).unwrap();
                assert!(
                    band.lower.is_finite() && band.upper.is_finite(),
                    "{name}: {band:?}"
                );
                assert!(band.contains(band.center), "{name}: {band:?}");
            }
        }
    }
}

#[test]
fn memory_is_bounded_and_grows_with_need() {
    let mut detector = detector(240, 32);
    let empty = detector.size_bytes();
    (0..16).for_each(|second| detector.learn_one(at(second, noise(second))));
    assert_eq!(detector.size_bytes() - empty, 16 * 10);
    (16..10_000).for_each(|second| detector.learn_one(at(second, noise(second))));
    assert_eq!(detector.size_bytes() - empty, 240 * 10);
    assert!(detector.size_bytes() < 2_600);
}

/// Values with many ties, so that the order of equals is exercised.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let tied = (-4_i8..4).prop_map(f64::from);
    proptest::collection::vec(prop_oneof![tied, -10.0..10.0_f64], 2..120)
}

proptest! {
    #[test]
    fn median_and_deviation_are_those_of_the_window(values in values(), window in 2_usize..40) {
        let detector = learned(window, &values);
        let mut kept = values[values.len().saturating_sub(window)..].to_vec();
        let (median, mad) = median_and_mad(&mut kept);
        prop_assert_eq!(detector.median(), median);
        if mad > 0.0 {
            prop_assert_eq!(detector.scale(), (mad * MAD_TO_SIGMA).max(1e-9 * median.abs()));
        }
    }

    #[test]
    fn scores_do_not_depend_on_unit_and_zero(values in values(), power in -20_i32..20, shift in -64_i32..64) {
        let unit = 2.0_f64.powi(power); // exact, so that only the algorithm is tested
        let mut config = RollingMadConfig::default();
        (config.window, config.warmup, config.relative_min_scale) = (20, 2, 0.0);
        let mut plain = RollingMad::try_from(config).unwrap();
        let mut moved = plain.clone();
        for (second, &value) in values.iter().enumerate() {
            let score = plain.update(at(second, value));
            let other = moved.update(at(second, (value + f64::from(shift)) * unit));
            prop_assert_eq!(score.is_some(), other.is_some());
            if let (Some(score), Some(other)) = (score, other) {
                // Rounding of `value + shift` is all that differs.
                if score < 1e3 {
                    prop_assert!((score - other).abs() <= 1e-7 * (1.0 + score), "{score} {other}");
                }
            }
        }
    }

    #[test]
    fn replay_gives_the_scores_of_the_stream(values in values()) {
        let mut stream = detector(20, 5);
        let scores: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(second, &value)| stream.update(at(second, value)).unwrap_or(f64::NAN))
            .collect();
        let data = series(&values);
        let batch = Replay::new(detector(20, 5)).fit(series(&[]).view()).unwrap();
        let replayed = batch.score(data.view()).unwrap();
        prop_assert!(scores.iter().zip(&replayed).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[cfg(feature = "serde")]
mod stored {
    use aiops_core::stored::{LoadError, load, save};

    use super::*;

    proptest! {
        #[test]
        fn goes_on_bit_for_bit(values in values(), window in 2_usize..40, cut in 0_usize..120) {
            let cut = cut.min(values.len());
            let mut kept = learned(window, &values[..cut]);
            let mut loaded: RollingMad = load(&save(&kept)).unwrap();
            for (second, &value) in values.iter().enumerate().skip(cut) {
                prop_assert_eq!(kept.update(at(second, value)), loaded.update(at(second, value)));
            }
            if !values.is_empty() {
                prop_assert_eq!(kept.scale().to_bits(), loaded.scale().to_bits());
            }
        }
    }

    #[test]
    fn impossible_states_are_refused() {
        let saved = |text: &str| {
            let payload = format!(
                r#"{{"window":4,"warmup":2,"min_scale":"0","relative_min_scale":"0",{text}}}"#
            );
            let mut hash = aiops_core::numerics::Fnv1a64::default();
            hash.write(payload.as_bytes());
            let sum = format!("{:016x}", hash.finish());
            format!(
                r#"{{"kind":"detect.rolling-mad","format":1,"checksum":"{sum}","payload":{payload}}}"#
            )
        };
        let read = |text: &str| load::<RollingMad>(saved(text).as_bytes());
        assert_eq!(
            read(r#""oldest":1,"values":"1 2 3 4""#).unwrap().median(),
            2.5
        );
        for bad in [
            r#""oldest":0,"values":"1 2 3 4 5""#,
            r#""oldest":4,"values":"1 2 3 4""#,
            r#""oldest":1,"values":"1 2 3""#,
            r#""oldest":0,"values":"1 NaN""#,
            r#""oldest":0,"values":"inf""#,
        ] {
            assert!(matches!(read(bad), Err(LoadError::Payload { .. })), "{bad}");
        }
    }
}
