use aiops_core::{Seed, StreamingDetector};
use aiops_detect::bocpd::{Bocpd, BocpdConfig};

use crate::streaming::holds_up;
use crate::support::at;

fn checked(change: impl FnOnce(&mut BocpdConfig)) -> Result<Bocpd, aiops_core::ParamError> {
    let mut config = BocpdConfig::default();
    change(&mut config);
    Bocpd::try_from(config)
}

fn make() -> Bocpd {
    checked(|_| {}).unwrap()
}

#[test]
fn holds_up_like_the_others() {
    // Growing by one may double the buffer once.
    holds_up(make, 12_000);
    holds_up(|| checked(|c| c.hypotheses = 8).unwrap(), 2_000);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |change: fn(&mut BocpdConfig)| checked(change).unwrap_err().name();
    for bad in [1.0, f64::NAN, f64::INFINITY] {
        let error = checked(|c| c.expected_run = bad).unwrap_err();
        assert_eq!(error.name(), "expected_run");
    }
    assert_eq!(refused(|c| c.confirm = 0), "confirm");
    assert_eq!(refused(|c| c.recent = c.confirm), "recent");
    assert_eq!(refused(|c| c.hypotheses = 7), "hypotheses");
    assert_eq!(refused(|c| c.hypotheses = 4_097), "hypotheses");
    assert_eq!(refused(|c| c.warmup = 7), "warmup");
    assert!(checked(|c| (c.confirm, c.recent, c.hypotheses, c.warmup) = (1, 2, 8, 8)).is_ok());
}

/// Rows whose score is above one half.
fn found(values: impl IntoIterator<Item = f64>) -> Vec<usize> {
    let mut detector = make();
    let scores = values
        .into_iter()
        .enumerate()
        .map(|(second, value)| detector.update(at(second, value)));
    let high = scores.enumerate().filter(|(_, score)| *score > Some(0.5));
    high.map(|(second, _)| second).collect()
}

#[test]
fn a_shift_is_told_apart_from_a_spike() {
    let mut rng = Seed(50).rng();
    let mut noise = || rng.normal();
    let spikes = (0..1_000).map(|i| if i % 100 == 99 { 25.0 } else { 0.0 });
    let spiked: Vec<f64> = spikes.map(|spike| spike + noise()).collect();
    assert_eq!(found(spiked), Vec::<usize>::new());
    let shifted: Vec<f64> = (0..1_000)
        .map(|i| noise() + if i < 600 { 0.0 } else { 6.0 })
        .collect();
    let at = found(shifted);
    assert!(
        at.first().is_some_and(|at| (604..612).contains(at)),
        "{at:?}"
    );
    assert!(at.last().is_some_and(|at| *at < 632), "{at:?}");
}

#[test]
fn a_change_of_spread_is_found() {
    let mut rng = Seed(51).rng();
    let values: Vec<f64> = (0..1_000)
        .map(|i| rng.normal() * if i < 500 { 1.0 } else { 8.0 })
        .collect();
    let at = found(values);
    assert!(
        at.first().is_some_and(|at| (504..540).contains(at)),
        "{at:?}"
    );
}

#[test]
fn age_and_level_are_those_of_the_present_run() {
    let mut rng = Seed(52).rng();
    let mut detector = make();
    assert_eq!((detector.age(), detector.level()), (None, None));
    for second in 0..900 {
        let level = if second < 700 { 1_000.0 } else { 1_300.0 };
        detector.learn_one(at(second, level + 10.0 * rng.normal()));
    }
    assert_eq!(detector.age(), Some(200));
    assert!((detector.level().unwrap() - 1_300.0).abs() < 5.0);
}

#[test]
fn unit_and_zero_do_not_matter() {
    let mut rng = Seed(53).rng();
    let (mut plain, mut moved) = (make(), make());
    let unit = 2.0_f64.powi(30);
    for second in 0..500 {
        let value = rng.normal() + if second < 300 { 0.0 } else { 5.0 };
        let scores = [
            plain.update(at(second, value)),
            moved.update(at(second, value * unit)),
        ];
        assert_eq!(scores[0], scores[1]);
    }
}

#[test]
fn few_hypotheses_lose_little() {
    let mut rng = Seed(54).rng();
    let mut many = checked(|c| c.hypotheses = 4_096).unwrap();
    let mut few = checked(|c| c.hypotheses = 50).unwrap();
    let mut most = 0.0_f64;
    for second in 0..1_500 {
        let value = rng.normal() + if second / 400 % 2 == 0 { 0.0 } else { 3.0 };
        let (a, b) = (
            many.update(at(second, value)),
            few.update(at(second, value)),
        );
        most = most.max((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs());
    }
    assert!(most < 0.05, "{most}");
}

#[cfg(feature = "serde")]
#[test]
fn is_stored() {
    use crate::streaming::{can_be_stored, refuses};

    can_be_stored(make);
    let mut detector = make();
    refuses(&detector, r#""first":"""#, r#""first":"NaN""#);
    refuses(&detector, r#""unit":"1""#, r#""unit":"0""#);
    refuses(&detector, r#""ages":[]"#, r#""ages":[1]"#);
    (0..40).for_each(|second| detector.learn_one(at(second, (second % 3) as f64)));
    refuses(&detector, r#""beliefs":""#, r#""beliefs":"-"#);
}
