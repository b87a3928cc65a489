use aiops_core::{Seed, StreamingDetector};
use aiops_detect::stuck::{Stuck, StuckConfig};

use crate::streaming::holds_up;
use crate::support::at;

fn checked(change: impl FnOnce(&mut StuckConfig)) -> Result<Stuck, aiops_core::ParamError> {
    let mut config = StuckConfig::default();
    change(&mut config);
    Stuck::try_from(config)
}

fn make() -> Stuck {
    checked(|_| {}).unwrap()
}

#[test]
fn holds_up_like_the_others() {
    holds_up(make, 200);
    holds_up(|| checked(|c| c.tolerance = 0.1).unwrap(), 200);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for bad in [-1e-300, f64::NAN, f64::INFINITY] {
        assert_eq!(
            checked(|c| c.tolerance = bad).unwrap_err().name(),
            "tolerance"
        );
    }
    assert_eq!(checked(|c| c.memory = 0.9).unwrap_err().name(), "memory");
    assert_eq!(checked(|c| c.warmup = 1).unwrap_err().name(), "warmup");
    assert!(checked(|c| (c.tolerance, c.memory, c.warmup) = (0.0, 1.0, 2)).is_ok());
}

#[test]
fn a_value_that_stays_is_found_and_forgotten() {
    let mut detector = make();
    for second in 0..500 {
        let score = detector.update(at(second, second as f64 * 0.37));
        assert!(score.is_none_or(|score| score == 0.0));
    }
    // 499 changes in 499 samples: one repetition is once in a thousand.
    let last = 499.0 * 0.37;
    let expected = -(1.0 - 499.5_f64 / 500.0).log10();
    let score = detector.score_one(at(500, last)).unwrap();
    assert!((score - expected).abs() < 1e-9, "{score}, not {expected}");
    detector.learn_one(at(500, last));
    assert!(detector.score_one(at(501, last)).unwrap() > 5.9);
    assert_eq!(detector.score_one(at(501, last + 1.0)), Some(0.0));
    detector.learn_one(at(501, last + 1.0));
    assert_eq!(detector.run(), 0);
}

#[test]
fn scores_are_probabilities_of_runs() {
    // A coin of three faces: a sample repeats the one before it once in three times.
    let mut rng = Seed(60).rng();
    let mut detector = make();
    let (mut above, count) = ([0; 3], 200_000);
    for second in 0..count {
        let score = detector
            .update(at(second, rng.below(3) as f64))
            .unwrap_or(0.0);
        for (seen, level) in above.iter_mut().zip([1.0, 2.0, 3.0]) {
            *seen += usize::from(score >= level);
        }
    }
    // Runs are whole numbers, so a level may be reached up to three times less often.
    for (seen, level) in above.into_iter().zip([0.1, 0.01, 0.001]) {
        let share = seen as f64 / f64::from(count as u32);
        assert!(
            share < 1.5 * level && share > 0.2 * level,
            "{share} of {level}"
        );
    }
}

#[test]
fn what_never_moves_is_not_stuck() {
    let mut detector = make();
    let scores = (0..5_000).filter_map(|second| detector.update(at(second, 7.0)));
    assert!(scores.into_iter().all(|score| score < 0.5));
    // Nor is what moves seldom, as a number of replicas does.
    let mut detector = make();
    for second in 0..20_000 {
        let score = detector.update(at(second, (second / 500) as f64));
        assert!(score.is_none_or(|score| score < 3.0), "{second}: {score:?}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn is_stored() {
    use crate::streaming::{can_be_stored, refuses};

    can_be_stored(make);
    let detector = make();
    refuses(&detector, r#""run":0"#, r#""run":1"#);
    refuses(&detector, r#""changes":"0""#, r#""changes":"1""#);
    refuses(&detector, r#""last":"0""#, r#""last":"inf""#);
}
