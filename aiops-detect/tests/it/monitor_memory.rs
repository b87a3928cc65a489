//! Windows that are excluded, incidents that are unlearned, counters.

use aiops_core::{Outcome, Suppression, TimeRange, Timestamp, Verdict};
use aiops_detect::exclusion::{Exclusion, Exclusions, When};
use aiops_detect::monitor::{CounterMonitor, Recall, SeriesMonitor};

use crate::support::{at, noise};

const EXCLUDED: Outcome = Outcome::Suppressed(Suppression::Excluded);

fn seconds(from: i64, to: i64) -> TimeRange {
    let at = |second| Timestamp::from_secs(second).unwrap();
    TimeRange::new(at(from), at(to))
}

fn value(second: usize) -> f64 {
    let incident = (300..420).contains(&second) || (450..480).contains(&second);
    (if incident { 95.0 } else { 20.0 }) + 3.0 * noise(second)
}

fn anomalies(verdicts: &[Verdict]) -> usize {
    verdicts
        .iter()
        .filter(|verdict| verdict.is_anomalous())
        .count()
}

/// The second incident like the first comes half a minute after it.
#[test]
fn a_later_similar_incident_is_caught_once_the_first_is_unlearned() {
    let run = |unlearn: bool| -> Vec<Verdict> {
        let mut monitor = Recall::new(SeriesMonitor::default(), 500).unwrap();
        let mut verdicts = Vec::new();
        for second in 0..500 {
            if second == 420 && unlearn {
                assert_eq!(monitor.unlearn(seconds(300, 420)), Ok(120));
                assert_eq!(monitor.unlearn(seconds(300, 420)), Ok(0), "it was already");
            }
            verdicts.push(monitor.update(at(second, value(second))));
        }
        verdicts
    };
    let without = run(false);
    // The level of the incident was learned: what is normal is odd, the next incident is not.
    assert!(anomalies(&without[420..450]) > 20);
    assert_eq!(anomalies(&without[450..480]), 0);
    let with = run(true);
    assert_eq!(anomalies(&with[420..450]), 0);
    assert!(anomalies(&with[450..480]) >= 28);
}

#[test]
fn unlearning_is_as_if_the_samples_had_been_missing() {
    for (from, to) in [(0, 50), (290, 420), (480, 481), (0, 1_000), (700, 600)] {
        for reach in [100, 333, 2_000] {
            let mut monitor = Recall::new(SeriesMonitor::default(), reach).unwrap();
            let mut holed = SeriesMonitor::default();
            for second in 0..600 {
                monitor.update(at(second, value(second)));
                let gone = (from..to).contains(&(second as i64));
                holed.update(at(second, if gone { f64::NAN } else { value(second) }));
            }
            let earliest = monitor.earliest().unwrap();
            match monitor.unlearn(seconds(from, to)) {
                Err(error) => {
                    assert!(
                        error.earliest == earliest && error.from < earliest,
                        "{error}"
                    );
                    assert!(reach < 600);
                    continue;
                }
                Ok(unlearned) => assert_eq!(unlearned as i64, (to.min(600) - from).max(0)),
            }
            for second in 600..1_500 {
                let sample = at(second, value(second));
                assert_eq!(
                    monitor.update(sample),
                    holed.update(sample),
                    "{from} {reach}"
                );
            }
        }
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut monitor = Recall::new(SeriesMonitor::default(), 200).unwrap();
    for second in 0..5_000_usize {
        monitor.update(at(second, value(second)));
        assert!(monitor.size_bytes() < 60_000, "{}", monitor.size_bytes());
        let behind = at(second, 0.0)
            .time
            .since(monitor.earliest().unwrap())
            .as_secs();
        assert!(behind < 400 && (behind >= 199 || second < 200), "{behind}");
    }
    let error = monitor.unlearn(seconds(0, 10)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot unlearn from 1970-01-01T00:00:00Z on")
    );
    for reach in [0, 1_000_001] {
        let refused = Recall::new(SeriesMonitor::default(), reach).unwrap_err();
        assert_eq!(refused.name(), "reach");
    }
}

#[test]
fn in_a_window_nothing_is_told_and_nothing_is_learned() {
    let maintenance = Exclusion {
        reason: "disks are replaced".to_owned(),
        when: When::Once(seconds(300, 420)),
    };
    let exclusions = Exclusions::try_from(vec![maintenance]).unwrap();
    let (mut monitor, mut holed) = (SeriesMonitor::default(), SeriesMonitor::default());
    for second in 0..500 {
        let sample = at(second, value(second));
        let verdict = monitor.update_unless(&exclusions, sample);
        if (300..420).contains(&second) {
            assert_eq!(exclusions.at(sample.time), Some("disks are replaced"));
            assert_eq!(verdict.outcome, EXCLUDED, "{verdict}");
            assert!(verdict.score > Some(verdict.threshold));
            holed.update(at(second, f64::NAN));
        } else {
            assert_eq!(verdict, holed.update(sample), "at {second}");
        }
    }
    // What is usual is normal in the window, too; before the warm-up it warms up.
    let usual = monitor.update_excluded(at(500, 20.0));
    assert_eq!(usual.outcome, Outcome::Normal);
    let missing = monitor.update_excluded(at(501, f64::NAN));
    assert_eq!(missing.outcome, Outcome::Missing);
    let warming = SeriesMonitor::default().update_excluded(at(0, 1.0)).outcome;
    assert!(
        matches!(warming, Outcome::Warming { seen: 0, .. }),
        "{warming:?}"
    );
}

#[test]
fn weekly_windows_reach_over_midnight_and_the_week() {
    let window = |days: &[usize], start_s, length_s, utc_offset_s| {
        let mut open = [false; 7];
        for &day in days {
            open[day] = true;
        }
        Exclusions::try_from(vec![Exclusion {
            reason: "yes".to_owned(),
            when: When::Weekly {
                days: open,
                start_s,
                length_s,
                utc_offset_s,
            },
        }])
    };
    let check = |windows: &Exclusions, time: &str, open: bool| {
        assert_eq!(windows.at(time.parse().unwrap()).is_some(), open, "{time}");
    };
    // 2026-07-06 is a Monday.
    let monday = window(&[0], 79_200, 10_800, 0).unwrap(); // 22:00, three hours
    check(&monday, "2026-07-06T21:59:59Z", false);
    check(&monday, "2026-07-06T22:00:00Z", true);
    check(&monday, "2026-07-07T00:59:59Z", true);
    check(&monday, "2026-07-07T01:00:00Z", false);
    check(&monday, "2026-07-07T22:30:00Z", false);
    let sunday = window(&[6], 0, 604_800, 0).unwrap(); // all the week
    check(&sunday, "2026-07-04T12:00:00Z", true);
    check(&sunday, "1969-12-31T23:59:59Z", true);
    let tokyo = window(&[0], 0, 3_600, 9 * 3_600).unwrap();
    check(&tokyo, "2026-07-05T15:30:00Z", true); // Monday 00:30 there
    check(&tokyo, "2026-07-06T00:30:00Z", false);

    let name = |refused: Result<Exclusions, aiops_core::ParamError>| {
        refused.unwrap_err().name().to_owned()
    };
    assert_eq!(name(window(&[], 0, 1, 0)), "days");
    assert_eq!(name(window(&[0], 86_400, 1, 0)), "start_s");
    assert_eq!(name(window(&[0], 0, 0, 0)), "length_s");
    assert_eq!(name(window(&[0], 0, 604_801, 0)), "length_s");
    assert_eq!(name(window(&[0], 0, 1, 64_801)), "utc_offset_s");
    let never = Exclusion {
        reason: String::new(),
        when: When::Once(seconds(5, 5)),
    };
    assert_eq!(name(Exclusions::try_from(vec![never])), "once");
}

#[test]
fn restarts_of_a_counter_are_no_anomalies() {
    let mut monitor = CounterMonitor::new(SeriesMonitor::default());
    let (mut total, mut found) = (0.0, Vec::new());
    for second in 0..600 {
        if second % 150 == 149 {
            total = 0.0;
        }
        total += if (500..520).contains(&second) {
            400.0
        } else {
            50.0
        } + 4.0 * noise(second);
        let verdict = monitor.update(at(second, total));
        assert_eq!(verdict.outcome == Outcome::Missing, second == 0);
        if verdict.is_anomalous() {
            found.push(second);
            assert!((verdict.value - 400.0).abs() < 3.0, "a rate: {verdict}");
        }
    }
    assert_eq!(found, (502..520).collect::<Vec<_>>());
    assert!(monitor.size_bytes() < 7_000, "{}", monitor.size_bytes());
}

#[cfg(feature = "serde")]
#[test]
fn recall_goes_on_from_its_stored_form() {
    use crate::streaming::refuses;
    use aiops_core::stored::{load, save};

    for cut in [0, 50, 430, 499] {
        let mut kept = Recall::new(SeriesMonitor::default(), 100).unwrap();
        for second in 0..cut {
            if second == 425 {
                kept.unlearn(seconds(400, 420)).unwrap();
            }
            kept.update(at(second, value(second)));
        }
        let mut loaded: Recall<_, _> = load(&save(&kept)).unwrap();
        for second in cut..900 {
            let sample = at(second, value(second));
            assert_eq!(kept.update(sample), loaded.update(sample));
            if second == 600 {
                let span = seconds(550, 560);
                assert_eq!(kept.unlearn(span), loaded.unlearn(span));
            }
        }
        assert_eq!(save(&kept), save(&loaded));
        refuses(&kept, r#""uses":"l"#, r#""uses":"x"#);
        refuses(&kept, r#""uses":"l"#, r#""uses":""#);
        refuses(&kept, r#""reach":100"#, r#""reach":0"#);
        refuses(&kept, r#""reach":100"#, r#""reach":2"#);
    }
}
