use aiops_core::{Seed, StreamingDetector, Warmup};
use aiops_detect::calibrate::{Calibrated, RankCalibrator};
use aiops_detect::ewma::{Ewma, EwmaConfig};
use proptest::prelude::*;

use crate::streaming::holds_up;
use crate::support::at;

fn calibrator(memory: f64) -> RankCalibrator {
    RankCalibrator::new(memory).unwrap()
}

fn calibrated() -> Calibrated<Ewma> {
    let ewma = Ewma::try_from(EwmaConfig::default()).unwrap();
    Calibrated::new(ewma, 10_000.0, 50).unwrap()
}

#[test]
fn memory_is_checked_on_both_sides() {
    for bad in [0.0, 0.999, f64::NAN, f64::INFINITY] {
        assert_eq!(RankCalibrator::new(bad).unwrap_err().name(), "memory");
    }
    assert!(RankCalibrator::new(1.0).is_ok());
}

#[test]
fn probabilities_are_uniform_on_normal_scores() {
    // Whatever the distribution of the scores: here the square of an exponential.
    let mut rng = Seed(9).rng();
    let mut past = calibrator(50_000.0);
    let mut at_most = [0; 4];
    let levels = [0.5, 0.1, 0.01, 0.001];
    let count = 100_000;
    for _ in 0..count {
        let score = (1.0 - rng.uniform()).ln().powi(2);
        let probability = past.probability(score);
        for (seen, level) in at_most.iter_mut().zip(levels) {
            *seen += i32::from(probability <= level);
        }
        past.learn(score);
    }
    for (seen, level) in at_most.into_iter().zip(levels) {
        let share = f64::from(seen) / f64::from(count);
        assert!((share / level - 1.0).abs() < 0.2, "{share} of {level}");
    }
}

#[test]
fn old_scores_fade() {
    let mut past = calibrator(100.0);
    (0..1_000).for_each(|_| past.learn(50.0));
    assert!((past.seen() - 100.0).abs() < 1.0);
    assert!(past.probability(10.0) > 0.99);
    (0..1_000).for_each(|_| past.learn(1.0));
    assert!(past.probability(10.0) < 0.01);
    // Also over the point where the weights are scaled down.
    (0..1_000_000).for_each(|_| past.learn(1.0));
    assert!((past.seen() - 100.0).abs() < 1.0 && past.probability(10.0) < 0.01);
}

#[test]
fn odd_scores_are_answered() {
    let mut past = calibrator(100.0);
    assert_eq!(past.probability(3.0), 0.5);
    past.learn(f64::NAN);
    assert_eq!(past.seen(), 0.0);
    for score in [f64::INFINITY, -1.0, 0.0, 1e-300, 1e300, f64::NEG_INFINITY] {
        past.learn(score);
        let probability = past.probability(score);
        assert!(
            probability > 0.0 && probability <= 1.0,
            "{score}: {probability}"
        );
    }
    assert_eq!(past.probability(f64::NAN), 1.0);
}

#[test]
fn a_calibrated_detector_holds_up() {
    holds_up(calibrated, 2_000);
    let mut detector = calibrated();
    assert_eq!(
        detector.warmup(),
        Warmup::Warming {
            seen: 0,
            needed: 82
        }
    );
    for second in 0..82 {
        assert_eq!(detector.update(at(second, second as f64)), None);
    }
    assert_eq!(detector.warmup(), Warmup::Ready);
}

proptest! {
    #[test]
    fn a_higher_score_is_never_more_probable(
        scores in proptest::collection::vec(0.0..1e4_f64, 1..200),
        a in 0.0..2e4_f64,
        b in 0.0..2e4_f64,
    ) {
        let mut past = calibrator(50.0);
        for &score in &scores {
            past.learn(score);
        }
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(past.probability(high) <= past.probability(low) + 1e-6);
        // And close to the share that is counted.
        let mut exact = calibrator(1e9);
        for &score in &scores {
            exact.learn(score);
        }
        let n = scores.len() as f64;
        let octave = 2.0_f64.powf(1.0 / 8.0) * 1.13;
        let above = |level: f64| scores.iter().filter(|&&s| s >= level).count() as f64;
        let (most, least) = (above(low / octave), above(low * octave));
        let p = exact.probability(low) * (n + 1.0) - 0.5;
        prop_assert!(p <= most + 1e-3 && p >= least - 1e-3, "{} not in {}..{}", p, least, most);
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_calibrator_is_stored() {
    use aiops_core::stored::{load, save};

    use crate::streaming::refuses;

    let mut past = calibrator(100.0);
    (0..500).for_each(|i| past.learn(f64::from(i % 37)));
    let loaded: RankCalibrator = load(&save(&past)).unwrap();
    assert_eq!(loaded, past);
    refuses(&past, r#""memory":"100""#, r#""memory":"0""#);
    refuses(&past, r#""bins":""#, r#""bins":"-"#);
    refuses(&past, r#""octaves":""#, r#""octaves":"0 "#);
}
