use aiops_core::{Sample, StreamingDetector, Timestamp};
use aiops_detect::seasonal::{Seasonal, SeasonalConfig};

use crate::streaming::holds_up;
use crate::support::noise;

fn make(change: impl FnOnce(&mut SeasonalConfig)) -> Seasonal {
    checked(change).unwrap()
}

fn checked(change: impl FnOnce(&mut SeasonalConfig)) -> Result<Seasonal, aiops_core::ParamError> {
    let mut config = SeasonalConfig::default();
    change(&mut config);
    Seasonal::try_from(config)
}

const MINUTES: i64 = 5;
const PER_DAY: usize = 288;

fn time(index: usize) -> Timestamp {
    Timestamp::from_secs(60 * MINUTES * index as i64).unwrap()
}

fn learn(detector: &mut Seasonal, count: usize, value: impl Fn(usize) -> f64) {
    for index in 0..count {
        detector.learn_one(Sample::new(time(index), value(index)));
    }
}

/// Busy in the middle of the day.
fn daily(index: usize) -> f64 {
    let busy = (96..216).contains(&(index % PER_DAY));
    noise(index) + if busy { 100.0 } else { 10.0 }
}

/// The same, but not on the last two days of a week.
fn weekly(index: usize) -> f64 {
    if index / PER_DAY % 7 < 5 {
        daily(index)
    } else {
        10.0 + noise(index)
    }
}

#[test]
fn holds_up_like_the_others() {
    holds_up(|| make(|_| {}), 5_000);
    holds_up(|| make(|c| (c.daily, c.weekly) = (false, false)), 500);
    holds_up(
        || make(|c| (c.hourly, c.utc_offset_s) = (true, -7_200)),
        5_000,
    );
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |change: fn(&mut SeasonalConfig)| checked(change).unwrap_err().name();
    assert_eq!(refused(|c| c.rate = 0.0), "rate");
    assert_eq!(refused(|c| c.rate = 1.1), "rate");
    assert_eq!(refused(|c| c.rate = f64::NAN), "rate");
    assert_eq!(refused(|c| c.memory = 0.9), "memory");
    assert_eq!(refused(|c| c.warmup = 1), "warmup");
    assert_eq!(refused(|c| c.utc_offset_s = 86_401), "utc_offset_s");
    assert_eq!(refused(|c| c.utc_offset_s = i32::MIN), "utc_offset_s");
    assert_eq!(refused(|c| c.min_scale = -1.0), "min_scale");
    assert!(
        checked(|c| (c.rate, c.memory, c.warmup, c.utc_offset_s) = (1.0, 1.0, 2, 86_400)).is_ok()
    );
}

#[test]
fn the_season_is_found_from_the_data() {
    let (day, week) = (Some(86_400), Some(7 * 86_400));
    for (value, expected) in [
        (noise as fn(usize) -> f64, None),
        (daily, day),
        (weekly, week),
    ] {
        let mut detector = make(|_| {});
        learn(&mut detector, 28 * PER_DAY, value);
        let found = detector.season(time(28 * PER_DAY));
        // Noise may as well be matched by a season by chance, but not by much.
        if expected.is_some() {
            assert_eq!(found, expected);
        }
        let error: f64 = (0..PER_DAY)
            .map(|i| (detector.expected(time(28 * PER_DAY + i)) - value(i)).abs())
            .sum::<f64>()
            / PER_DAY as f64;
        assert!(error < 1.0, "{error}");
    }
}

#[test]
fn what_is_usual_depends_on_the_time() {
    let mut detector = make(|_| {});
    learn(&mut detector, 14 * PER_DAY, daily);
    let score = |index: usize, value: f64| {
        let at = time(14 * PER_DAY + index);
        detector.score_one(Sample::new(at, value)).unwrap()
    };
    let usual = [score(150, 100.0), score(20, 10.0)];
    assert!(usual.iter().all(|&score| score < 4.0), "{usual:?}");
    assert!(score(150, 10.0) > 20.0 && score(20, 100.0) > 20.0);
}

#[test]
fn local_time_moves_the_season() {
    let offset = 3 * 3_600;
    let mut utc = make(|_| {});
    let mut local = make(|c| c.utc_offset_s = offset);
    learn(&mut utc, 14 * PER_DAY, daily);
    for index in 0..14 * PER_DAY {
        let shifted = time(index).saturating_sub(std::time::Duration::from_secs(offset as u64));
        local.learn_one(Sample::new(shifted, daily(index)));
    }
    let at = time(14 * PER_DAY + 150);
    let shifted = at.saturating_sub(std::time::Duration::from_secs(offset as u64));
    assert_eq!(utc.expected(at), local.expected(shifted));
}

#[test]
fn a_new_level_becomes_usual() {
    let mut detector = make(|_| {});
    let shifted = |i: usize| daily(i) + if i < 14 * PER_DAY { 0.0 } else { 1_000.0 };
    learn(&mut detector, 14 * PER_DAY, shifted);
    let mut odd = 0;
    for index in 14 * PER_DAY..35 * PER_DAY {
        let score = detector.update(Sample::new(time(index), shifted(index)));
        odd += usize::from(score > Some(6.0));
    }
    assert!((10..4 * PER_DAY).contains(&odd), "{odd}");
    let at = time(35 * PER_DAY + 150);
    assert!(
        (detector.expected(at) - 1_100.0).abs() < 30.0,
        "{}",
        detector.expected(at)
    );
}

#[test]
fn an_incident_does_not_become_usual() {
    let mut detector = make(|_| {});
    learn(&mut detector, 14 * PER_DAY, daily);
    let noon = 14 * PER_DAY + 150;
    for index in 14 * PER_DAY..15 * PER_DAY {
        let incident = (150..160).contains(&(index % PER_DAY));
        let value = if incident { 1e6 } else { daily(index) };
        detector.learn_one(Sample::new(time(index), value));
    }
    let next = detector.expected(time(noon + PER_DAY));
    assert!((next - 100.0).abs() < 10.0, "{next}");
}

#[cfg(feature = "serde")]
#[test]
fn is_stored() {
    use crate::streaming::{can_be_stored, refuses};

    can_be_stored(|| make(|_| {}));
    can_be_stored(|| make(|c| (c.hourly, c.weekly) = (true, false)));
    let detector = make(|_| {});
    refuses(&detector, r#""weekly":true"#, r#""weekly":false"#);
    refuses(
        &detector,
        r#""mean":"0"},"seasons""#,
        r#""mean":"-1"},"seasons""#,
    );
    refuses(&detector, r#""bins":"NaN"#, r#""bins":"1"#);
    refuses(&detector, r#""bin":0"#, r#""bin":288"#);
    refuses(&detector, r#""bins":"NaN"#, r#""bins":"NaN NaN"#);
}
