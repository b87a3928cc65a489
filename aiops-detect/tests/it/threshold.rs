use aiops_core::{DataError, FitError, Threshold, Timestamp};
use aiops_detect::threshold::{
    FittedQuantileThreshold, FixedThreshold, QuantileThreshold, QuantileThresholdConfig,
};

fn fit(contamination: f64, scores: &[f64]) -> Result<FittedQuantileThreshold, FitError> {
    let mut config = QuantileThresholdConfig::default();
    config.contamination = contamination;
    QuantileThreshold::try_from(config).unwrap().fit(scores)
}

fn is_anomalous(threshold: &mut impl Threshold, score: f64) -> bool {
    let decision = threshold.decide(Timestamp::EPOCH, score);
    assert_eq!(decision.anomalous, score >= decision.threshold);
    decision.anomalous
}

#[test]
fn fixed_levels_are_finite_and_inclusive() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(FixedThreshold::new(bad).is_err());
    }
    let mut threshold = FixedThreshold::new(-2.5).unwrap();
    assert!(is_anomalous(&mut threshold, -2.5));
    assert!(!is_anomalous(&mut threshold, (-2.5_f64).next_down()));
    assert_eq!(FixedThreshold::default().level(), 6.0);
}

#[test]
fn contamination_is_checked_on_both_sides() {
    for (contamination, accepted) in [
        (0.0, false),
        (f64::MIN_POSITIVE, true),
        (0.5, true),
        (0.5_f64.next_up(), false),
        (f64::NAN, false),
    ] {
        let mut config = QuantileThresholdConfig::default();
        config.contamination = contamination;
        assert_eq!(
            QuantileThreshold::try_from(config).is_ok(),
            accepted,
            "{contamination}"
        );
    }
}

#[test]
fn the_share_of_anomalous_training_scores_is_the_contamination() {
    let scores: Vec<f64> = (0..1000).map(|i| f64::from((i * 7919) % 1000)).collect();
    for contamination in [0.001, 0.01, 0.1, 0.5] {
        let mut threshold = fit(contamination, &scores).unwrap();
        let count = scores
            .iter()
            .filter(|&&score| is_anomalous(&mut threshold, score))
            .count();
        assert_eq!(count as f64, 1000.0 * contamination);
    }
}

#[test]
fn ties_at_the_quantile_are_normal() {
    let mut mostly_zero = vec![0.0; 999];
    mostly_zero.push(3.0);
    let mut threshold = fit(0.01, &mostly_zero).unwrap();
    assert!(!is_anomalous(&mut threshold, 0.0));
    assert!(is_anomalous(&mut threshold, 3.0));

    let mut constant = fit(0.01, &[2.0; 10]).unwrap();
    assert!(!is_anomalous(&mut constant, 2.0));
    assert!(is_anomalous(&mut constant, 2.0_f64.next_up()));
}

#[test]
fn missing_scores_are_left_out_and_none_or_infinite_refused() {
    let with_gaps = fit(0.25, &[f64::NAN, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    assert_eq!(with_gaps, fit(0.25, &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap());
    assert_eq!(with_gaps.level(), 4.0_f64.next_up());

    let FitError::Data(error) = fit(0.1, &[f64::NAN]).unwrap_err() else {
        panic!("not data")
    };
    assert_eq!(
        error,
        DataError::TooShort {
            needed: 1,
            found: 0
        }
    );
    let FitError::Data(error) = fit(0.1, &[1.0, f64::INFINITY]).unwrap_err() else {
        panic!("not data")
    };
    assert_eq!(
        error,
        DataError::Infinite {
            index: 1,
            value: f64::INFINITY
        }
    );
}

#[cfg(feature = "serde")]
#[test]
fn stored_thresholds_decide_alike() {
    use aiops_core::stored::{load, save};

    let threshold = fit(0.3, &[0.1, 0.2, 0.7, 1.3]).unwrap();
    assert_eq!(
        load::<FittedQuantileThreshold>(&save(&threshold)).unwrap(),
        threshold
    );
}
