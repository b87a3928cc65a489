//! The generalised Pareto fit against another optimiser (Nelder-Mead on the likelihood, from
//! `SciPy`), and the thresholds that follow from it.

use aiops_core::{Seed, Threshold, Timestamp};
use aiops_detect::spot::{Dspot, GeneralizedPareto, Spot, SpotConfig};
use proptest::prelude::*;

/// `-ln(1 - u) (1 + 0.3 u^4)` at 200 places.
fn excesses() -> Vec<f64> {
    (0..200)
        .map(|k| (f64::from(k) + 0.5) / 200.0)
        .map(|u: f64| -(1.0 - u).ln() * (1.0 + 0.3 * u.powi(4)))
        .collect()
}

fn close(got: f64, expected: f64, tolerance: f64) {
    let error = (got / expected - 1.0).abs();
    assert!(error < tolerance, "{got}, not {expected}: {error:e}");
}

#[test]
fn equals_the_reference() {
    let fitted = GeneralizedPareto::fit(&excesses()).unwrap();
    // What the simplex stops at: its parameters are less exact than its likelihood.
    close(fitted.shape, 0.112_615_007_105_195_45, 1e-6);
    close(fitted.scale, 1.008_397_247_264_810_2, 1e-6);
    let likelihood = fitted.log_likelihood(&excesses());
    assert!(
        likelihood >= -224.195_436_924_897_88 - 1e-11,
        "{likelihood}"
    );
    close(likelihood, -224.195_436_924_897_88, 1e-12);
    for (risk, expected) in [
        (1e-3, 8.592_940_269_522_748),
        (1e-4, 12.307_320_871_758_868),
        (1e-5, 17.121_269_037_979_864),
    ] {
        let threshold = 5.0 + fitted.exceeded_with(risk * 10_000.0 / 200.0);
        close(threshold, expected, 1e-6);
    }
    // With the reference's own parameters the formulas agree to rounding.
    let reference = GeneralizedPareto {
        shape: 0.112_615_007_105_195_45,
        scale: 1.008_397_247_264_810_2,
    };
    close(
        5.0 + reference.exceeded_with(0.05),
        8.592_940_269_522_748,
        1e-12,
    );
    close(
        reference.survival(reference.exceeded_with(0.05)),
        0.05,
        1e-12,
    );
}

/// The same root in decimal arithmetic of 40 digits (Python's `decimal`, bisection of the likelihood
/// equation): the simplex is right to seven digits, the fit to all.
#[test]
fn equals_the_maximum_in_forty_digits() {
    let fitted = GeneralizedPareto::fit(&excesses()).unwrap();
    close(fitted.shape, 0.112_615_014_797_896_96, 1e-11);
    close(fitted.scale, 1.008_397_230_428_156, 1e-11);
    for (risk, expected) in [
        (1e-3, 8.592_940_253_256_796),
        (1e-4, 12.307_320_913_391_112),
        (1e-5, 17.121_269_239_919_52),
    ] {
        let threshold = 5.0 + fitted.exceeded_with(risk * 10_000.0 / 200.0);
        close(threshold, expected, 1e-11);
    }
}

#[test]
fn the_unit_does_not_matter() {
    let plain = GeneralizedPareto::fit(&excesses()).unwrap();
    for unit in [1e-200, 1e-9, 1e9, 1e200] {
        let scaled: Vec<f64> = excesses().iter().map(|excess| excess * unit).collect();
        let fitted = GeneralizedPareto::fit(&scaled).unwrap();
        close(fitted.shape, plain.shape, 1e-9);
        close(fitted.scale / unit, plain.scale, 1e-9);
    }
}

#[test]
fn tails_that_end_are_found() {
    // Uniform excesses: shape -1 is the border of what likelihood can do; -0.4 is inside.
    let quantiles = |shape: f64| -> Vec<f64> {
        (0..1_000)
            .map(|k| (1.0 - (f64::from(k) + 0.5) / 1_000.0_f64).powf(-shape))
            .map(|power| (power - 1.0) / shape)
            .collect()
    };
    for shape in [-0.4, -0.2, 0.05, 0.5, 1.5] {
        let fitted = GeneralizedPareto::fit(&quantiles(shape)).unwrap();
        assert!(
            (fitted.shape - shape).abs() < 0.03,
            "{fitted:?}, not {shape}"
        );
        assert!((fitted.scale - 1.0).abs() < 0.03, "{fitted:?}");
    }
    let ended = GeneralizedPareto {
        shape: -0.5,
        scale: 1.0,
    };
    assert_eq!(ended.survival(3.0), 0.0);
    assert_eq!(ended.survival(-1.0), 1.0);
}

#[test]
fn degenerate_excesses_are_answered() {
    assert!(GeneralizedPareto::fit(&[]).is_err());
    assert!(GeneralizedPareto::fit(&[0.0, -1.0, f64::NAN]).is_err());
    assert!(GeneralizedPareto::fit(&[1.0, f64::INFINITY]).is_err());
    for case in [
        vec![1.0],
        vec![2.0; 50],
        vec![f64::MAX; 20],
        vec![f64::MIN_POSITIVE; 20],
        vec![1e-300, 1e300],
        (1..100).map(|k| f64::from(k % 2) + 1e-12).collect(),
    ] {
        let fitted = GeneralizedPareto::fit(&case).unwrap();
        assert!(
            fitted.scale > 0.0 && fitted.scale.is_finite(),
            "{case:?}: {fitted:?}"
        );
        assert!(fitted.shape.is_finite(), "{case:?}: {fitted:?}");
        let far = fitted.exceeded_with(1e-12);
        assert!(far.is_finite() && far >= 0.0, "{case:?}: {far}");
    }
}

fn spot(change: impl FnOnce(&mut SpotConfig)) -> Result<Spot, aiops_core::ParamError> {
    let mut config = SpotConfig::default();
    change(&mut config);
    Spot::try_from(config)
}

fn decide(threshold: &mut impl Threshold, score: f64) -> bool {
    threshold.decide(Timestamp::EPOCH, score).anomalous
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |change: fn(&mut SpotConfig)| spot(change).unwrap_err().name();
    assert_eq!(refused(|c| c.level = 0.0), "level");
    assert_eq!(refused(|c| c.level = 1.0), "level");
    assert_eq!(refused(|c| c.level = f64::NAN), "level");
    assert_eq!(refused(|c| c.risk = 0.0), "risk");
    assert_eq!(refused(|c| c.risk = 1.0 - c.level), "risk");
    assert_eq!(refused(|c| c.initial = 9), "initial");
    assert_eq!(refused(|c| c.peaks = 9), "peaks");
    assert_eq!(refused(|c| c.peaks = 65_537), "peaks");
    assert_eq!(refused(|c| c.depth = 0), "depth");
    assert!(spot(|c| (c.initial, c.peaks, c.depth) = (10, 10, 1)).is_ok());
}

#[test]
fn the_risk_is_kept_whatever_the_tail() {
    let tails: [fn(f64) -> f64; 3] = [
        |u| 1.0 - (1.0 - u).powf(0.25),
        |u| -(1.0 - u).ln(),
        |u| (1.0 - u).powf(-0.4),
    ];
    for (which, quantile) in tails.into_iter().enumerate() {
        let mut rng = Seed(21).rng();
        let mut threshold = spot(|c| c.risk = 1e-3).unwrap();
        let alarms = (0..51_000)
            .filter(|_| decide(&mut threshold, quantile(rng.uniform())))
            .count();
        assert!(
            (20..110).contains(&alarms),
            "tail {which}: {alarms}, 50 are wanted"
        );
    }
}

#[test]
fn probabilities_agree_with_the_threshold() {
    let mut rng = Seed(2).rng();
    let mut threshold = spot(|_| {}).unwrap();
    for _ in 0..5_000 {
        decide(&mut threshold, rng.normal().abs());
    }
    let at = threshold.probability(threshold.threshold()).unwrap();
    close(at, 1e-4, 1e-9);
    assert_eq!(threshold.probability(0.0), None);
    let decision = threshold.decide(Timestamp::EPOCH, 50.0);
    assert!(decision.anomalous && decision.probability.unwrap() < 1e-4);
    assert!(decision.threshold > threshold.threshold());
}

#[test]
fn what_is_flagged_is_not_learned() {
    let mut rng = Seed(3).rng();
    let mut threshold = spot(|_| {}).unwrap();
    for _ in 0..2_000 {
        decide(&mut threshold, rng.normal());
    }
    let before = threshold.clone();
    assert!((0..500).all(|_| decide(&mut threshold, 100.0)));
    assert!(!decide(&mut threshold, f64::NAN) && decide(&mut threshold, f64::INFINITY));
    assert_eq!(threshold, before);
}

#[test]
fn constant_scores_leave_any_higher_one() {
    let mut threshold = spot(|c| c.initial = 100).unwrap();
    assert!((0..500).all(|_| !decide(&mut threshold, 7.0)));
    assert_eq!(threshold.threshold(), 7.0);
    assert!(decide(&mut threshold, 7.0_f64.next_up()) && !decide(&mut threshold, -1e308));
}

#[test]
fn drift_is_followed() {
    let mut rng = Seed(8).rng();
    let mut plain = spot(|_| {}).unwrap();
    let mut drifting = Dspot::try_from(SpotConfig::default()).unwrap();
    let (mut by_plain, mut by_drifting) = (0, 0);
    for step in 0..20_000 {
        let score = rng.normal() + f64::from(step) * 0.002;
        by_plain += usize::from(decide(&mut plain, score));
        by_drifting += usize::from(decide(&mut drifting, score));
    }
    assert!(by_plain > 100, "{by_plain}");
    assert!(by_drifting < 20, "{by_drifting}");
    assert!((drifting.local_mean() - 40.0).abs() < 1.0);
    assert!(decide(&mut drifting, 60.0));
}

proptest! {
    #[test]
    fn no_scores_break_it(scores in proptest::collection::vec(proptest::num::f64::ANY, 1..300)) {
        let mut threshold = spot(|c| c.initial = 20).unwrap();
        let mut drifting = Dspot::try_from(*threshold.config()).unwrap();
        for score in scores {
            let decision = threshold.decide(Timestamp::EPOCH, score);
            prop_assert!(!decision.threshold.is_nan());
            let probability = decision.probability.unwrap_or(0.5);
            prop_assert!((0.0..=1.0).contains(&probability), "{}", probability);
            drifting.decide(Timestamp::EPOCH, score);
            prop_assert!(threshold.size_bytes() < 8_000);
        }
    }
}

#[cfg(feature = "serde")]
mod stored {
    use aiops_core::stored::{StoredModel, load, save};

    use super::*;
    use crate::streaming::refuses;

    fn goes_on<T: Threshold + StoredModel + PartialEq + std::fmt::Debug>(make: impl Fn() -> T) {
        for cut in [0, 50, 150, 500, 1_500] {
            let mut rng = Seed(4).rng();
            let mut kept = make();
            for _ in 0..cut {
                decide(&mut kept, rng.normal());
            }
            let mut loaded: T = load(&save(&kept)).unwrap();
            assert_eq!(save(&kept), save(&loaded));
            for _ in 0..2_000 {
                let score = rng.normal();
                let decisions = [&mut kept, &mut loaded].map(|t| t.decide(Timestamp::EPOCH, score));
                assert_eq!(decisions[0], decisions[1]);
            }
        }
    }

    #[test]
    fn thresholds_go_on_bit_for_bit() {
        goes_on(|| spot(|c| c.initial = 100).unwrap());
        goes_on(|| {
            let mut config = SpotConfig::default();
            config.initial = 100;
            Dspot::try_from(config).unwrap()
        });
    }

    #[test]
    fn impossible_states_are_refused() {
        let empty = spot(|_| {}).unwrap();
        refuses(&empty, r#""recent":"""#, r#""recent":"1""#);
        refuses(&empty, r#""excesses":"""#, r#""excesses":"1""#);
        refuses(&empty, r#""first_scores":"""#, r#""first_scores":"inf""#);
        refuses(&empty, r#""tail":"NaN""#, r#""tail":"1""#);
        refuses(&empty, r#""peaks":200"#, r#""peaks":0"#);
    }
}
