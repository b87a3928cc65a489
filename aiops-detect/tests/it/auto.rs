use aiops_core::{Sample, StreamingDetector, Timestamp};
use aiops_detect::auto::{Auto, AutoConfig};

use crate::streaming::holds_up;
use crate::support::{at, noise};

fn auto() -> Auto {
    Auto::try_from(AutoConfig::default()).unwrap()
}

/// Sample `index` of a series with one value in five minutes.
fn five_minutes(index: usize, value: f64) -> Sample {
    Sample::new(Timestamp::from_secs(300 * index as i64).unwrap(), value)
}

/// The rows whose score is an onset.
fn onsets(values: impl IntoIterator<Item = f64>) -> Vec<usize> {
    let mut detector = auto();
    let scores = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| detector.update(five_minutes(index, value)));
    let found = scores
        .enumerate()
        .filter(|(_, score)| *score >= Some(Auto::ONSET_SCORE));
    found.map(|(index, _)| index).collect()
}

/// A busy day of 288 samples: a wave, and a peak of an hour.
fn day(index: usize) -> f64 {
    let place = index % 288;
    let wave = 100.0 - 60.0 * (place as f64 / 288.0 * std::f64::consts::TAU).cos();
    wave + if (96..108).contains(&place) {
        80.0
    } else {
        0.0
    } + 5.0 * noise(index)
}

#[test]
fn holds_up_like_the_others() {
    holds_up(auto, 8_192);
}

#[test]
fn the_offset_is_checked_on_both_sides() {
    let with = |offset| {
        let mut config = AutoConfig::default();
        config.utc_offset_s = offset;
        Auto::try_from(config)
    };
    assert!(with(86_400).is_ok() && with(-86_400).is_ok());
    assert_eq!(with(86_401).unwrap_err().name(), "utc_offset_s");
    assert_eq!(with(i32::MIN).unwrap_err().name(), "utc_offset_s");
}

#[test]
fn a_level_shift_is_one_alarm() {
    let mut rng = aiops_core::Seed(11).rng();
    let shift = 3_000;
    let values = (0..6_000).map(|i| rng.normal() + if i < shift { 50.0 } else { 70.0 });
    let found: Vec<usize> = onsets(values)
        .into_iter()
        .filter(|&at| at >= shift)
        .collect();
    assert!(found.first().is_some_and(|&at| at < shift + 3), "{found:?}");
    // The first samples of the shift may each be beyond all before; then it is over.
    let later = found.iter().filter(|&&at| at >= shift + 10).count();
    assert!(later <= 2, "{found:?}");
}

#[test]
fn a_daily_peak_is_learned_and_missed_when_it_does_not_come() {
    let ordinary = onsets((0..14 * 288).map(day));
    let late: Vec<_> = ordinary.iter().filter(|&&at| at > 4 * 288).collect();
    assert!(late.is_empty(), "{late:?}");
    // On the last day the peak stays out: nothing that a level could see.
    let gone = 13 * 288 + 96..13 * 288 + 108;
    let missing = (0..14 * 288).map(|i| {
        let peak = if gone.contains(&i) { 80.0 } else { 0.0 };
        day(i) - peak
    });
    let found = onsets(missing);
    assert!(found.iter().any(|at| gone.contains(at)), "{found:?}");
}

#[test]
fn quiet_noise_seldom_begins_an_incident() {
    let mut rng = aiops_core::Seed(5).rng();
    let found = onsets((0..20_000).map(|_| rng.normal()));
    assert!(found.len() < 20_000 / 300, "{} onsets", found.len());
}

#[test]
fn scores_stay_on_their_scale_and_in_order() {
    let mut detector = auto();
    for (index, value) in (0..2_000).map(day).enumerate() {
        detector.learn_one(five_minutes(index, value));
    }
    let score = |value| detector.score_one(five_minutes(2_000, value)).unwrap();
    let usual = day(2_000);
    assert!(score(usual) < 0.5, "{}", score(usual));
    let far: Vec<f64> = (0..8).map(|k| score(usual + 10.0_f64.powi(k))).collect();
    assert!(far.windows(2).all(|pair| pair[0] <= pair[1]), "{far:?}");
    assert!(far[7] >= Auto::ONSET_SCORE, "{far:?}");
}

#[test]
fn the_unit_does_not_matter() {
    // Powers of two are exact, so that only the algorithm is tested.
    let unit = 2.0_f64.powi(-20);
    let (mut plain, mut scaled) = (auto(), auto());
    for (index, value) in (0..3_000).map(day).enumerate() {
        let a = plain.update(five_minutes(index, value));
        let b = scaled.update(five_minutes(index, value * unit));
        assert_eq!(a.is_some(), b.is_some());
        if let (Some(a), Some(b)) = (a, b) {
            assert!((a - b).abs() < 1e-6, "{index}: {a} {b}");
        }
    }
}

#[test]
fn goes_on_after_constant_values() {
    let mut detector = auto();
    for second in 0..500 {
        assert!(
            detector
                .update(at(second, 7.0))
                .is_none_or(|score| score == 0.0)
        );
    }
    assert!(detector.score_one(at(500, 8.0)) >= Some(Auto::ONSET_SCORE));
    assert_eq!(detector.score_one(at(500, 7.0)), Some(0.0));
}

#[cfg(feature = "serde")]
#[test]
fn is_stored() {
    use crate::streaming::{can_be_stored, refuses};

    can_be_stored(auto);
    let mut detector = auto();
    (0..50).for_each(|second| detector.learn_one(at(second, 1.0)));
    refuses(&detector, r#""utc_offset_s":0"#, r#""utc_offset_s":90000"#);
    refuses(&detector, r#""held":""#, r#""held":"-"#);
    refuses(&detector, r#""last_value":"1""#, r#""last_value":"NaN""#);
    refuses(&detector, r#""anchor":"1""#, r#""anchor":"NaN""#);
}
