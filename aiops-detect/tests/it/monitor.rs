//! The dull cases on which trust is lost, and the policy around the scores.

use aiops_core::ingest::{STALE, is_stale};
use aiops_core::{Outcome, Suppression, Verdict, Warmup};
use aiops_detect::MAX_SCORE;
use aiops_detect::monitor::{Direction, MonitorConfig, SeriesMonitor, SeriesMonitorConfig};
use proptest::prelude::*;

use crate::support::{at, degenerate, noise};

fn monitor(change: impl FnOnce(&mut SeriesMonitorConfig)) -> SeriesMonitor {
    let mut config = SeriesMonitorConfig::default();
    change(&mut config);
    SeriesMonitor::try_from(config).unwrap()
}

/// The verdicts on one sample a second.
fn play(monitor: &mut SeriesMonitor, values: impl IntoIterator<Item = f64>) -> Vec<Verdict> {
    let samples = values.into_iter().enumerate();
    samples
        .map(|(second, value)| monitor.update(at(second, value)))
        .collect()
}

/// A metric around 100 with a spread of about 2.
fn quiet(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(|second| 100.0 + 6.0 * noise(second))
}

/// A default monitor that knows [`quiet`].
fn warm(change: impl FnOnce(&mut SeriesMonitorConfig)) -> SeriesMonitor {
    let mut monitor = monitor(change);
    let verdicts = play(&mut monitor, quiet(300));
    assert!(!verdicts.iter().any(Verdict::is_anomalous));
    monitor
}

fn outcomes(verdicts: &[Verdict]) -> Vec<Outcome> {
    verdicts.iter().map(|verdict| verdict.outcome).collect()
}

const VOTES: Outcome = Outcome::Suppressed(Suppression::Votes);
const FLOOR: Outcome = Outcome::Suppressed(Suppression::BelowFloor);
const DIRECTION: Outcome = Outcome::Suppressed(Suppression::Direction);

#[track_caller]
fn refused(change: impl FnOnce(&mut MonitorConfig)) -> String {
    let mut config = SeriesMonitorConfig::default();
    change(&mut config.policy);
    SeriesMonitor::try_from(config).unwrap_err().to_string()
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(refused(|policy| policy.absolute_floor = bad).contains("`absolute_floor`"));
        assert!(refused(|policy| policy.relative_floor = bad).contains("`relative_floor`"));
    }
    assert!(refused(|policy| policy.votes_of = 0).contains("`votes_of`"));
    assert!(refused(|policy| policy.votes_of = 65).contains("`votes_of`"));
    assert!(refused(|policy| policy.votes_needed = 0).contains("`votes_needed`"));
    assert!(refused(|policy| policy.votes_needed = 6).contains("`votes_needed`"));
    assert!(refused(|policy| policy.adapt_after = 0).contains("`adapt_after`"));
    let mut config = SeriesMonitorConfig::default();
    config.threshold = f64::NAN;
    let message = SeriesMonitor::try_from(config).unwrap_err().to_string();
    assert!(message.contains("`threshold`"), "{message}");

    let widest = monitor(|config| {
        (config.policy.votes_of, config.policy.votes_needed) = (64, 64);
        config.policy.adapt_after = 1;
    });
    assert_eq!(widest.config().votes_of, 64);
}

#[test]
fn first_samples_are_warming() {
    let mut monitor = SeriesMonitor::default();
    let verdicts = play(&mut monitor, quiet(33));
    for (seen, verdict) in verdicts[..32].iter().enumerate() {
        assert_eq!(verdict.outcome, Outcome::Warming { seen, needed: 32 });
        assert_eq!((verdict.score, verdict.band), (None, None));
    }
    assert_eq!(verdicts[32].outcome, Outcome::Normal);
    assert_eq!(monitor.warmup(), Warmup::Ready);
}

#[test]
fn constant_then_any_change() {
    let mut monitor = SeriesMonitor::default();
    play(&mut monitor, vec![42.0; 300]);
    // Less than 2 percent does not matter, however constant the series was, and is learned.
    let tiny = monitor.update(at(300, 42.5));
    assert_eq!((tiny.outcome, tiny.score), (FLOOR, Some(MAX_SCORE)));

    let verdicts = play(&mut monitor, vec![50.0; 4]);
    assert_eq!(
        outcomes(&verdicts),
        [VOTES, VOTES, Outcome::Anomalous, Outcome::Anomalous]
    );
    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict.score.is_some_and(f64::is_finite))
    );
    // Not stuck: the old value is normal at once, the new one after `adapt_after` samples.
    assert_eq!(monitor.update(at(305, 42.0)).outcome, Outcome::Normal);
    let verdicts = play(&mut monitor, vec![50.0; 61]);
    assert!(verdicts[59].is_anomalous());
    assert_eq!(verdicts[60].outcome, Outcome::Normal);
}

#[test]
fn constant_zero_then_one_needs_an_absolute_floor_to_be_ignored() {
    let mut plain = SeriesMonitor::default();
    play(&mut plain, vec![0.0; 100]);
    assert!(play(&mut plain, vec![1.0; 3])[2].is_anomalous());

    let mut floored = monitor(|config| config.policy.absolute_floor = 2.0);
    play(&mut floored, vec![0.0; 100]);
    assert_eq!(outcomes(&play(&mut floored, vec![1.0; 3])), [FLOOR; 3]);
    assert!(play(&mut floored, vec![2.5; 3])[2].is_anomalous());
}

#[test]
fn tiny_relative_change_on_a_quiet_series_is_below_the_floor() {
    let mut monitor = SeriesMonitor::default();
    play(
        &mut monitor,
        (0..300).map(|second| 1000.0 + 0.01 * noise(second)),
    );
    let verdicts = play(&mut monitor, vec![1010.0; 20]); // 1 percent, thousands of deviations
    assert!(verdicts.iter().all(|verdict| verdict.outcome == FLOOR));
    assert!(verdicts[0].score.unwrap() > 1000.0);
    assert!((verdicts[0].floor - 20.0).abs() < 1e-3);
}

#[test]
fn level_shift_is_one_run_and_then_normal() {
    let mut monitor = warm(|_| {});
    let shifted: Vec<f64> = quiet(400).map(|value| value + 80.0).collect();
    let verdicts = play(&mut monitor, shifted);
    let anomalous: Vec<usize> = (0..400)
        .filter(|&second| verdicts[second].is_anomalous())
        .collect();
    assert_eq!(anomalous, (2..60).collect::<Vec<_>>());
    assert!(
        verdicts[60..]
            .iter()
            .all(|verdict| verdict.outcome == Outcome::Normal)
    );
    // It has learned the new level, not something between the two.
    assert!((verdicts[60].band.unwrap().center - 180.0).abs() < 1.0);
    // And the way back is a run again.
    let back = play(&mut monitor, quiet(100));
    assert_eq!(
        back.iter().filter(|verdict| verdict.is_anomalous()).count(),
        58
    );
}

#[test]
fn an_incident_does_not_become_normal_while_it_lasts() {
    let mut monitor = warm(|_| {});
    let before = monitor.detector().median();
    play(&mut monitor, vec![500.0; 59]);
    assert!((monitor.detector().median() - before).abs() < 2.0);
    let after = play(&mut monitor, quiet(50));
    assert!(
        after
            .iter()
            .all(|verdict| verdict.outcome == Outcome::Normal)
    );
}

#[test]
fn long_incidents_leave_what_is_expected_alone() {
    for (learn_clipped, drift) in [(60, 2.0), (0, 1e-9)] {
        let mut monitor = warm(|config| {
            (config.policy.adapt_after, config.policy.learn_clipped) = (10_000, learn_clipped);
        });
        let before = monitor.detector().median();
        let verdicts = play(&mut monitor, vec![500.0; 5000]);
        assert!(verdicts[2..].iter().all(Verdict::is_anomalous));
        assert!((monitor.detector().median() - before).abs() < drift);
        assert_eq!(monitor.update(at(0, 100.0)).outcome, Outcome::Normal);
    }
}

#[test]
fn one_odd_sample_is_not_an_incident() {
    let mut monitor = warm(|_| {});
    let odd = monitor.update(at(300, 500.0));
    assert_eq!(odd.outcome, VOTES);
    let votes = odd.votes.unwrap();
    assert_eq!((votes.fired, votes.needed, votes.of), (1, 3, 5));
    assert_eq!(monitor.update(at(301, 100.0)).outcome, Outcome::Normal);
}

#[test]
fn three_of_five_are_counted_over_the_last_five() {
    let mut monitor = warm(|_| {});
    let (high, low) = (500.0, 100.0);
    let verdicts = play(&mut monitor, [high, low, high, low, high, low, low, high]);
    let (normal, anomalous) = (Outcome::Normal, Outcome::Anomalous);
    assert_eq!(
        outcomes(&verdicts),
        [
            VOTES, normal, VOTES, normal, anomalous, normal, normal, VOTES
        ]
    );
}

#[test]
fn directions_that_are_not_watched_are_suppressed() {
    for (direction, watched, unwatched) in [
        (Direction::Up, 500.0, -300.0),
        (Direction::Down, -300.0, 500.0),
    ] {
        let mut monitor = warm(|config| config.policy.direction = direction);
        assert_eq!(
            outcomes(&play(&mut monitor, [unwatched; 5])),
            [DIRECTION; 5]
        );
        assert!(play(&mut monitor, [watched; 3])[2].is_anomalous());
    }
}

#[test]
fn missing_samples_change_nothing() {
    let mut with_gaps = warm(|_| {});
    let mut without = with_gaps.clone();
    for second in 0..200 {
        let value = if second < 90 { 400.0 } else { 100.0 } + noise(second);
        let gap = if second % 2 == 0 { f64::NAN } else { STALE };
        let missing = with_gaps.update(at(second, gap));
        assert_eq!((missing.outcome, missing.score), (Outcome::Missing, None));
        assert_eq!(is_stale(missing.value), second % 2 == 1);
        assert!(missing.band.is_some() && missing.votes.is_some());
        assert_eq!(
            with_gaps.update(at(second, value)),
            without.update(at(second, value))
        );
    }
}

#[test]
fn infinities_are_missing_and_visible() {
    let mut monitor = warm(|_| {});
    for value in [f64::INFINITY, f64::NEG_INFINITY] {
        let verdict = monitor.update(at(300, value));
        assert_eq!((verdict.outcome, verdict.value), (Outcome::Missing, value));
    }
    assert_eq!(monitor.update(at(301, 100.0)).outcome, Outcome::Normal);
}

#[test]
fn verdicts_carry_their_reasons() {
    let mut monitor = warm(|_| {});
    let verdict = play(&mut monitor, [500.0; 3]).pop().unwrap();
    let band = verdict.band.unwrap();
    assert_eq!(verdict.value, 500.0);
    assert_eq!(verdict.threshold, 6.0);
    assert!(verdict.score.unwrap() > 6.0 && !band.contains(500.0) && band.contains(100.0));
    assert!((verdict.floor - 2.0).abs() < 0.05);
    assert_eq!(verdict.votes.unwrap().fired, 3);
    assert_eq!(verdict.model, "detect.rolling-mad");
    let text = verdict.to_string();
    assert!(text.starts_with("value 500.0000, expected ") && text.contains("3 of the last 5"));
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut monitor = warm(|config| config.policy.adapt_after = 1000);
    let calm = monitor.size_bytes();
    assert!(calm < 3_000, "{calm} bytes");
    play(&mut monitor, vec![500.0; 999]);
    assert!(monitor.size_bytes() <= calm + 8192);
    play(&mut monitor, quiet(1));
    assert_eq!(monitor.size_bytes(), calm);
}

#[test]
fn degenerate_series_never_break_it() {
    for (name, values) in degenerate() {
        let mut monitor = monitor(|config| {
            (config.detector.window, config.detector.warmup) = (16, 2);
            config.policy.adapt_after = 5;
        });
        for verdict in play(
            &mut monitor,
            values.iter().copied().cycle().take(values.len() * 3),
        ) {
            let scored = matches!(
                verdict.outcome,
                Outcome::Normal | Outcome::Anomalous | Outcome::Suppressed(_)
            );
            assert_eq!(scored, verdict.score.is_some(), "{name}");
            assert!(
                verdict.score.is_none_or(f64::is_finite),
                "{name}: {verdict:?}"
            );
            assert!(verdict.floor.is_finite(), "{name}: {verdict:?}");
        }
    }
}

proptest! {
    #[test]
    fn verdicts_agree_with_themselves(
        values in proptest::collection::vec(prop_oneof![8 => 0.0..10.0_f64, 1 => 1e3..1e4_f64, 1 => Just(f64::NAN)], 0..300),
    ) {
        let mut monitor = monitor(|config| config.policy.adapt_after = 7);
        for verdict in play(&mut monitor, values) {
            let Some(score) = verdict.score else { continue };
            let band = verdict.band.unwrap();
            prop_assert_eq!(verdict.outcome == Outcome::Normal, score < verdict.threshold);
            if verdict.is_anomalous() {
                prop_assert!((verdict.value - band.center).abs() >= verdict.floor);
                prop_assert!(verdict.votes.unwrap().fired >= 3);
            }
        }
    }
}

#[cfg(feature = "serde")]
mod stored {
    use aiops_core::stored::{kind, load, save};

    use super::*;

    /// Calm, an incident, a new level: the monitor is saved in each of them.
    fn story() -> Vec<f64> {
        let level = |second| match second {
            200..230 => 300.0,
            0..400 => 100.0,
            _ => 40.0,
        };
        (0..600)
            .map(|second| {
                if second % 17 == 0 {
                    f64::NAN
                } else {
                    level(second) + noise(second)
                }
            })
            .collect()
    }

    #[test]
    fn goes_on_bit_for_bit_wherever_it_was_stopped() {
        let values = story();
        for cut in [0, 1, 20, 33, 100, 201, 215, 231, 299, 402, 430, 470, 599] {
            let mut kept = SeriesMonitor::default();
            play(&mut kept, values[..cut].iter().copied());
            let bytes = save(&kept);
            assert_eq!(kind(&bytes).unwrap(), "detect.series-monitor");
            let mut loaded: SeriesMonitor = load(&bytes).unwrap();
            for (second, &value) in values.iter().enumerate().skip(cut) {
                let (a, b) = (
                    kept.update(at(second, value)),
                    loaded.update(at(second, value)),
                );
                // Debug shows every bit of a float but those inside NaN, which never compare.
                assert_eq!(
                    format!("{a:?}"),
                    format!("{b:?}"),
                    "cut {cut}, second {second}"
                );
            }
            assert_eq!(save(&kept), save(&loaded));
        }
    }

    #[test]
    fn configuration_reads_from_text_and_refuses_unknown_fields() {
        let text = r#"{"detector": {"window": 100}, "policy": {"direction": "up"}}"#;
        let config: SeriesMonitorConfig = serde_json::from_str(text).unwrap();
        assert_eq!((config.detector.window, config.detector.warmup), (100, 32));
        assert_eq!(config.policy.direction, Direction::Up);
        let unknown: Result<SeriesMonitorConfig, _> = serde_json::from_str(r#"{"treshold": 3}"#);
        assert!(unknown.unwrap_err().to_string().contains("treshold"));
    }
}
