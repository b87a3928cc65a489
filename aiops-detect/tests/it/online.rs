//! The detectors that keep a handful of numbers: EWMA, z-score, CUSUM, Page-Hinkley; and the
//! rolling quantile band.

use aiops_core::{ParamError, StreamingDetector, Warmup};
use aiops_detect::cusum::{Cusum, CusumConfig};
use aiops_detect::ewma::{Ewma, EwmaConfig};
use aiops_detect::page_hinkley::{PageHinkley, PageHinkleyConfig};
use aiops_detect::rolling_mad::{RollingMad, RollingMadConfig};
use aiops_detect::rolling_quantile::{RollingQuantile, RollingQuantileConfig};
use aiops_detect::welford::{WelfordZ, WelfordZConfig};

use crate::streaming::holds_up;
use crate::support::{at, noise};

/// The detector with changed parameters.
#[track_caller]
fn make<C: Default, D: TryFrom<C, Error = ParamError>>(change: impl FnOnce(&mut C)) -> D {
    checked(change).unwrap()
}

fn checked<C: Default, D: TryFrom<C, Error = ParamError>>(
    change: impl FnOnce(&mut C),
) -> Result<D, ParamError> {
    let mut config = C::default();
    change(&mut config);
    D::try_from(config)
}

fn learn(detector: &mut impl StreamingDetector, values: impl IntoIterator<Item = f64>) {
    for (second, value) in values.into_iter().enumerate() {
        detector.learn_one(at(second, value));
    }
}

#[track_caller]
fn refused<D: std::fmt::Debug>(result: Result<D, ParamError>, name: &str) {
    assert_eq!(result.unwrap_err().name(), name);
}

#[track_caller]
fn close(got: f64, expected: f64) {
    assert!(
        (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{got}, not {expected}"
    );
}

#[test]
fn all_hold_up() {
    holds_up(
        || RollingMad::try_from(RollingMadConfig::default()).unwrap(),
        2_700,
    );
    holds_up(
        || RollingQuantile::try_from(RollingQuantileConfig::default()).unwrap(),
        2_700,
    );
    holds_up(|| Ewma::try_from(EwmaConfig::default()).unwrap(), 200);
    holds_up(
        || WelfordZ::try_from(WelfordZConfig::default()).unwrap(),
        200,
    );
    holds_up(|| Cusum::try_from(CusumConfig::default()).unwrap(), 200);
    holds_up(
        || PageHinkley::try_from(PageHinkleyConfig::default()).unwrap(),
        250,
    );
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for bad in [0.0, 0.999, f64::NAN, f64::INFINITY] {
        refused(
            checked::<_, Ewma>(|c: &mut EwmaConfig| c.memory = bad),
            "memory",
        );
        refused(
            checked::<_, Ewma>(|c: &mut EwmaConfig| c.spread_memory = bad),
            "spread_memory",
        );
        refused(
            checked::<_, WelfordZ>(|c: &mut WelfordZConfig| c.memory = bad),
            "memory",
        );
        refused(
            checked::<_, Cusum>(|c: &mut CusumConfig| c.memory = bad),
            "memory",
        );
    }
    refused(
        checked::<_, Ewma>(|c: &mut EwmaConfig| c.warmup = 1),
        "warmup",
    );
    refused(
        checked::<_, WelfordZ>(|c: &mut WelfordZConfig| c.warmup = 1),
        "warmup",
    );
    refused(
        checked::<_, Cusum>(|c: &mut CusumConfig| c.warmup = 1),
        "warmup",
    );
    refused(
        checked::<_, PageHinkley>(|c: &mut PageHinkleyConfig| c.warmup = 1),
        "warmup",
    );
    for bad in [-1e-300, f64::NAN, f64::INFINITY] {
        refused(
            checked::<_, Ewma>(|c: &mut EwmaConfig| c.min_scale = bad),
            "min_scale",
        );
        refused(
            checked::<_, Cusum>(|c: &mut CusumConfig| c.slack = bad),
            "slack",
        );
        refused(
            checked::<_, PageHinkley>(|c: &mut PageHinkleyConfig| c.tolerance = bad),
            "tolerance",
        );
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(
            checked::<_, Cusum>(|c: &mut CusumConfig| c.limit = bad),
            "limit",
        );
        refused(
            checked::<_, PageHinkley>(|c: &mut PageHinkleyConfig| c.limit = bad),
            "limit",
        );
    }
    for bad in [0.0, 1.1, f64::NAN] {
        refused(
            checked::<_, PageHinkley>(|c: &mut PageHinkleyConfig| c.keep = bad),
            "keep",
        );
    }
    let quantile = |change: fn(&mut RollingQuantileConfig)| checked::<_, RollingQuantile>(change);
    refused(quantile(|c| c.window = 1), "window");
    refused(quantile(|c| c.window = 65_536), "window");
    refused(quantile(|c| c.warmup = 1), "warmup");
    refused(quantile(|c| c.warmup = c.window + 1), "warmup");
    refused(quantile(|c| c.lower = 0.5), "lower");
    refused(quantile(|c| c.lower = -0.1), "lower");
    refused(quantile(|c| c.upper = 0.5), "upper");
    refused(quantile(|c| c.upper = 1.1), "upper");
    assert!(quantile(|c| (c.lower, c.upper, c.window, c.warmup) = (0.0, 1.0, 2, 2)).is_ok());
    let least: Ewma =
        make(|c: &mut EwmaConfig| (c.memory, c.spread_memory, c.warmup) = (1.0, 1.0, 2));
    assert_eq!(least.config().warmup, 2);
}

#[test]
fn ewma_follows_the_recurrence() {
    let mut detector: Ewma = make(|c: &mut EwmaConfig| {
        (c.memory, c.spread_memory, c.warmup) = (2.0, 4.0, 2);
    });
    learn(&mut detector, [1.0, 3.0]);
    // Plain mean of two; one distance, from 1 to 3.
    close(detector.mean(), 2.0);
    close(detector.scale(), 2.0 * (std::f64::consts::PI / 2.0).sqrt());
    learn(&mut detector, [6.0]);
    // Mean 2 + (6 - 2) / 2; deviation of two distances 2 and 4.
    close(detector.mean(), 4.0);
    close(detector.scale(), 3.0 * (std::f64::consts::PI / 2.0).sqrt());
    close(
        detector
            .score_one(at(3, 4.0 + 6.0 * detector.scale()))
            .unwrap(),
        6.0,
    );
}

#[test]
fn welford_is_exact_until_it_forgets() {
    let values: Vec<f64> = (0..500).map(|i| 1e9 + noise(i)).collect();
    let mut detector: WelfordZ = make(|c: &mut WelfordZConfig| c.memory = 500.0);
    learn(&mut detector, values.iter().copied());
    let mean = aiops_core::numerics::mean(&values);
    let squares: Vec<f64> = values.iter().map(|v| (v - mean).powi(2)).collect();
    let deviation = aiops_core::numerics::mean(&squares).sqrt();
    assert!((detector.mean() - mean).abs() < 1e-6);
    // The relative floor of 1e-9 of the level is what counts here.
    assert_eq!(detector.scale(), 1e-9 * detector.mean());
    assert!(deviation < detector.scale());
    let mut detector: WelfordZ = make(|c: &mut WelfordZConfig| {
        (c.memory, c.relative_min_scale) = (500.0, 0.0);
    });
    learn(&mut detector, values);
    assert!((detector.scale() / deviation - 1.0).abs() < 1e-6);
    learn(&mut detector, vec![5.0; 20_000]);
    assert!((detector.mean() - 5.0).abs() < 1e-6);
}

#[test]
fn quantile_band_has_two_sides() {
    // 0 to 100 with a long upper tail: the quantiles at 5 and 95 percent are 5 and 950.
    let mut detector: RollingQuantile = make(|_: &mut RollingQuantileConfig| {});
    learn(
        &mut detector,
        (0..101).map(|i| {
            if i > 50 {
                10.0 * f64::from(i)
            } else {
                f64::from(i)
            }
        }),
    );
    assert_eq!(detector.median(), 50.0);
    assert_eq!(detector.score_one(at(101, 950.0)), Some(1.0));
    assert_eq!(detector.score_one(at(101, 5.0)), Some(1.0));
    assert_eq!(detector.score_one(at(101, 50.0)), Some(0.0));
    assert_eq!(detector.score_one(at(101, 50.0 + 2.0 * 900.0)), Some(2.0));
}

/// Samples from the shift at `from` on until `limit` is reached, and alarms in all.
fn alarms(detector: &mut impl StreamingDetector, values: &[f64], limit: f64) -> Vec<usize> {
    let mut alarms = Vec::new();
    for (second, &value) in values.iter().enumerate() {
        if detector.update(at(second, value)) >= Some(limit) {
            alarms.push(second);
        }
    }
    alarms
}

#[test]
fn a_small_shift_is_one_alarm() {
    // One standard deviation of the noise, up at 2000 and down again at 3000.
    let mut rng = aiops_core::Seed(4).rng();
    let values: Vec<f64> = (0..4_000)
        .map(|i| {
            rng.normal()
                + if (2_000..3_000).contains(&i) {
                    1.0
                } else {
                    0.0
                }
        })
        .collect();
    let mut cusum: Cusum = make(|_: &mut CusumConfig| {});
    let mut page_hinkley: PageHinkley = make(|_: &mut PageHinkleyConfig| {});
    for (alarms, delay) in [
        (alarms(&mut cusum, &values, 8.0), 40),
        (alarms(&mut page_hinkley, &values, 30.0), 80),
    ] {
        assert_eq!(alarms.len(), 2, "{alarms:?}");
        assert!((2_000..2_000 + delay).contains(&alarms[0]), "{alarms:?}");
        assert!((3_000..3_000 + delay).contains(&alarms[1]), "{alarms:?}");
    }
    // What follows an alarm is warming up.
    let mut cusum: Cusum = make(|_: &mut CusumConfig| {});
    learn(&mut cusum, (0..100).map(noise));
    assert_eq!(cusum.warmup(), Warmup::Ready);
    learn(&mut cusum, [1e6]);
    assert_eq!(
        cusum.warmup(),
        Warmup::Warming {
            seen: 1,
            needed: 32
        }
    );
    assert_eq!(cusum.sums(), (0.0, 0.0));
}

#[test]
fn cusum_keeps_its_promised_rate_of_false_alarms() {
    let mut rng = aiops_core::Seed(7).rng();
    let mut cusum: Cusum = make(|c: &mut CusumConfig| (c.limit, c.memory) = (4.0, 1e9));
    // Learn the baseline well, within the limit.
    let normal = 200_000;
    let mut alarms = 0;
    for second in 0..normal {
        alarms += usize::from(cusum.update(at(second, rng.normal())) >= Some(4.0));
    }
    // Siegmund: 2 sides, each once in (exp(2 k b) - 2 k b - 1) / (2 k^2), b = h + 1.166: 168 in
    // all. Baselines of few samples make it more often; warming up takes some of the time.
    let expected = normal as f64 / 168.0;
    let ratio = alarms as f64 / expected;
    assert!(
        (0.5..2.0).contains(&ratio),
        "{alarms} alarms, {ratio} of what is expected"
    );
}

#[cfg(feature = "serde")]
mod stored {
    use super::*;
    use crate::streaming::{can_be_stored, refuses};

    #[test]
    fn all_go_on_bit_for_bit() {
        can_be_stored(|| RollingQuantile::try_from(RollingQuantileConfig::default()).unwrap());
        can_be_stored(|| Ewma::try_from(EwmaConfig::default()).unwrap());
        can_be_stored(|| WelfordZ::try_from(WelfordZConfig::default()).unwrap());
        can_be_stored(|| Cusum::try_from(CusumConfig::default()).unwrap());
        can_be_stored(|| PageHinkley::try_from(PageHinkleyConfig::default()).unwrap());
    }

    #[test]
    fn impossible_states_are_refused() {
        let ewma: Ewma = make(|_: &mut EwmaConfig| {});
        refuses(&ewma, r#""deviation":"0""#, r#""deviation":"-1""#);
        refuses(&ewma, r#""mean":"0""#, r#""mean":"NaN""#);
        refuses(&ewma, r#""warmup":32"#, r#""warmup":1"#);
        let welford: WelfordZ = make(|_: &mut WelfordZConfig| {});
        refuses(&welford, r#""variance":"0""#, r#""variance":"-1""#);
        refuses(&welford, r#""mean":"0""#, r#""mean":"2""#);
        let cusum: Cusum = make(|_: &mut CusumConfig| {});
        refuses(&cusum, r#""up":"0""#, r#""up":"-1""#);
        refuses(&cusum, r#""down":"0""#, r#""down":"NaN""#);
        let page_hinkley: PageHinkley = make(|_: &mut PageHinkleyConfig| {});
        refuses(&page_hinkley, r#""lowest":"0""#, r#""lowest":"1""#);
        refuses(&page_hinkley, r#""sum":"0""#, r#""sum":"inf""#);
        let quantile: RollingQuantile = make(|_: &mut RollingQuantileConfig| {});
        refuses(&quantile, r#""values":"""#, r#""values":"1 NaN""#);
        refuses(&quantile, r#""oldest":0"#, r#""oldest":3"#);
        refuses(&quantile, r#""lower":"0.05""#, r#""lower":"0.5""#);
    }
}
