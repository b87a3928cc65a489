//! Series that stop.

use aiops_core::{Outcome, Suppression, TimeRange, Timestamp};
use aiops_detect::absence::{Absence, AbsenceConfig};

use crate::support::noise;

fn ms(milliseconds: i64) -> Timestamp {
    Timestamp::from_nanos(milliseconds * 1_000_000)
}

fn fresh() -> Absence {
    Absence::try_from(AbsenceConfig::default()).unwrap()
}

/// Arrivals every 15 seconds, give or take `jitter` of it; answers the last.
fn regular(absence: &mut Absence, samples: i64, jitter: f64) -> i64 {
    let mut last = 0;
    for index in 0..samples {
        last = 15_000 * index + (2.0 * jitter * 15_000.0 * noise(index as usize)) as i64;
        absence.arrive(ms(last));
    }
    last
}

#[test]
fn three_intervals_of_silence_are_absence() {
    let mut absence = fresh();
    let last = regular(&mut absence, 200, 0.05);
    let due = absence.due().unwrap();
    assert!((44_000..48_000).contains(&((due.as_nanos() / 1_000_000) - last)));
    for (wait, absent) in [
        (1_000, false),
        (30_000, false),
        (60_000, true),
        (9_000_000, true),
    ] {
        let verdict = absence.check(ms(last + wait));
        assert_eq!(verdict.is_anomalous(), absent, "{verdict}");
        assert_eq!(
            verdict.score >= Some(verdict.threshold),
            absent,
            "{verdict:?}"
        );
        assert!((verdict.value - wait as f64 / 1_000.0).abs() < 1e-9);
    }
    assert!(!absence.check(ms(last - 5_000)).is_anomalous());
    absence.arrive(ms(last + 9_000_000));
    assert!(!absence.check(ms(last + 9_000_001)).is_anomalous());
    // The long gap was not learned.
    assert!((14.0..16.0).contains(&absence.interval_s().unwrap()));
}

#[test]
fn more_jitter_takes_more_silence() {
    let limit = |jitter| {
        let mut absence = fresh();
        let last = regular(&mut absence, 200, jitter);
        absence.due().unwrap().since(ms(last)).as_secs_f64()
    };
    assert!(limit(0.02) < limit(0.45), "{} {}", limit(0.02), limit(0.45));
    assert!(limit(0.02) >= 44.0);
}

#[test]
fn sparse_series_are_not_told() {
    let mut absence = fresh();
    let mut at = 0;
    for index in 0..300 {
        // Exponential intervals: what happens at random.
        at += (-60_000.0 * (noise(index) + 0.5).max(1e-9).ln()) as i64 + 1;
        absence.arrive(ms(at));
    }
    assert_eq!(absence.due(), None);
    let verdict = absence.check(ms(at + 3_600_000));
    assert_eq!(verdict.outcome, Outcome::Suppressed(Suppression::Irregular));
}

#[test]
fn a_new_interval_is_learned() {
    let mut absence = fresh();
    let last = regular(&mut absence, 200, 0.02);
    let mut late = 0;
    for index in 1..60 {
        let at = ms(last + 120_000 * index);
        late += i32::from(absence.check(at).is_anomalous());
        absence.arrive(at);
    }
    assert_eq!(late, 8);
    assert!((119.0..121.0).contains(&absence.interval_s().unwrap()));
}

#[test]
fn the_batch_form_says_what_the_stream_says() {
    let arrivals: Vec<Timestamp> = (0..400)
        .filter(|index| !(200..260).contains(index))
        .map(|index| ms(15_000 * index))
        .collect();
    let until = ms(15_000 * 500);
    let found = fresh().absences(&arrivals, until);
    let gap = TimeRange::new(ms(199 * 15_000 + 45_000), ms(260 * 15_000));
    let tail = TimeRange::new(ms(399 * 15_000 + 45_000), until);
    assert_eq!(found, [gap, tail]);
}

#[test]
fn what_cannot_be_does_no_harm() {
    let ends = [Timestamp::MIN, Timestamp::MAX, Timestamp::EPOCH];
    let mut absence = fresh();
    for at in ends {
        let outcome = absence.check(at).outcome;
        assert!(
            matches!(outcome, Outcome::Warming { seen: 0, .. }),
            "{outcome:?}"
        );
    }
    for index in 0..300 {
        absence.arrive(ends[index % 3]); // backwards, twice
        absence.arrive(ms(index as i64));
        for at in ends {
            let verdict = absence.check(at);
            assert!(verdict.value.is_finite() && verdict.value >= 0.0);
            assert!(verdict.score.is_none_or(f64::is_finite), "{verdict:?}");
        }
        assert!(absence.size_bytes() < 3_500);
    }
    // Nanoseconds apart, and centuries.
    let mut absence = fresh();
    for index in 0..40 {
        absence.arrive(Timestamp::from_nanos(index));
    }
    assert!(absence.check(Timestamp::MAX).is_anomalous());
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let with = |change: fn(&mut AbsenceConfig)| {
        let mut config = AbsenceConfig::default();
        change(&mut config);
        Absence::try_from(config).map_err(|error| error.name().to_owned())
    };
    let name = |change| with(change).unwrap_err();
    assert_eq!(name(|c| c.window = 1), "window");
    assert_eq!(name(|c| c.warmup = 1), "warmup");
    assert_eq!(name(|c| c.min_jitter = -0.1), "min_jitter");
    assert_eq!(name(|c| c.max_jitter = 0.05), "max_jitter");
    assert_eq!(name(|c| c.threshold = f64::NAN), "threshold");
    assert_eq!(name(|c| c.min_intervals = 0.9), "min_intervals");
    assert_eq!(name(|c| c.adapt_after = 0), "adapt_after");
    assert_eq!(name(|c| c.adapt_after = 1_001), "adapt_after");
    assert!(with(|c| (c.max_jitter, c.min_intervals, c.adapt_after) = (0.1, 1.0, 1)).is_ok());
    assert_eq!(fresh().due(), None);
}

#[cfg(feature = "serde")]
#[test]
fn goes_on_from_its_stored_form() {
    use crate::streaming::refuses;
    use aiops_core::stored::{load, save};

    let mut kept = fresh();
    let last = regular(&mut kept, 100, 0.1);
    kept.arrive(ms(last + 200_000));
    let mut loaded: Absence = load(&save(&kept)).unwrap();
    for index in 1..100 {
        let at = ms(last + 200_000 + 14_000 * index);
        assert_eq!(kept.check(at), loaded.check(at));
        kept.arrive(at);
        loaded.arrive(at);
    }
    assert_eq!(save(&kept), save(&loaded));
    refuses(&kept, r#""late":""#, r#""late":"-1"#);
    refuses(&kept, r#""late":""#, r#""late":"1 1 1 1 1 1 1 1"#);
    refuses(&kept, r#""adapt_after":8"#, r#""adapt_after":0"#);
}
