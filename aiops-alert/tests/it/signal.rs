//! Rules over values, verdicts, forecasts and events, and their combinations.

use std::time::Duration;

use aiops_alert::rule::{
    AlertState, BurnWindow, Crossing, SignalCondition, SignalRule, SignalRuleConfig, SignalRules,
};
use aiops_core::ingest::STALE;
use aiops_core::{Outcome, Sample, Selector, Verdict};

use crate::support::{at, labels};

fn rules(condition: SignalCondition) -> SignalRules {
    SignalRules::new([SignalRule::try_from(SignalRuleConfig::new("R", condition)).unwrap()])
}

fn selector(name: &str) -> Selector {
    Selector::metric(name)
}

fn above(name: &str, limit: f64, resolve: Option<f64>) -> SignalCondition {
    let selector = selector(name);
    SignalCondition::Above {
        selector,
        limit,
        resolve,
    }
}

/// The instances for which it fires at `now`, in order.
fn firing(rules: &mut SignalRules, now: f64) -> Vec<String> {
    rules.evaluate(at(now));
    assert_eq!(rules.faults(), []);
    let active = rules.active().into_iter();
    let firing = active.filter(|one| one.state == AlertState::Firing);
    firing
        .map(|one| one.labels.get("i").unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn values_have_hysteresis_and_end_with_their_series() {
    let below = SignalCondition::Below {
        selector: selector("m"),
        limit: -5.0,
        resolve: Some(-3.0),
    };
    for (condition, sign) in [(above("m", 5.0, Some(3.0)), 1.0), (below, -1.0)] {
        let mut rules = rules(condition);
        let series = labels("__name__=m,i=a");
        for (time, value, fires) in [
            (0.0, 5.0, false),
            (1.0, 5.1, true),
            (2.0, 4.0, true),
            (3.0, f64::NAN, true),
            (4.0, 3.0, false),
            (5.0, 4.0, false),
            (6.0, 9.0, true),
            (7.0, STALE, false),
            (8.0, 9.0, true),
        ] {
            rules.observe_sample(
                &series,
                Sample::new(at(time), if value.is_nan() { value } else { sign * value }),
            );
            assert_eq!(firing(&mut rules, time).len(), usize::from(fires), "{time}");
        }
        rules.observe_sample(&series, Sample::new(at(8.0), 0.0));
        assert_eq!(rules.stats().late, 1);
        assert_eq!(firing(&mut rules, 308.0).len(), 1);
        assert!(firing(&mut rules, 308.1).is_empty());
    }
}

#[test]
fn a_change_is_a_slope_over_enough_of_its_window() {
    let condition = SignalCondition::Changes {
        selector: selector("m"),
        over: Duration::from_secs(100),
        above: Some(2.0),
        below: Some(-1.0),
    };
    for (slope, fires) in [(2.1, true), (1.9, false), (-0.9, false), (-1.1, true)] {
        let mut rules = rules(condition.clone());
        for step in 0..=10 {
            let time = f64::from(step) * 10.0;
            let value = if step == 3 {
                f64::NAN
            } else {
                7.0 + slope * time
            };
            rules.observe_sample(&labels("__name__=m,i=a"), Sample::new(at(time), value));
            let expected = usize::from(fires && step >= 5);
            assert_eq!(firing(&mut rules, time).len(), expected, "{slope} {time}");
        }
        // A level is no change: the window forgets the rise.
        for step in 11..=20 {
            let value = 7.0 + slope * 100.0;
            let sample = Sample::new(at(f64::from(step) * 10.0), value);
            rules.observe_sample(&labels("__name__=m,i=a"), sample);
        }
        assert!(firing(&mut rules, 200.0).is_empty());
    }
}

#[test]
fn a_forecast_crosses_within_its_time() {
    let hours = |count: f64| Duration::from_secs_f64(count * 3_600.0);
    let mut rules = rules(SignalCondition::Crosses {
        selector: selector("disk"),
        within: hours(3.0),
        min_probability: 0.8,
        max_age: hours(2.0),
    });
    let series = labels("__name__=disk,i=a");
    let crossing = Crossing::new(at(0.0), vec![(hours(2.0), 0.5), (hours(4.0), 0.9)]).unwrap();
    for (ahead, share) in [
        (0.0, 0.0),
        (1.0, 0.25),
        (2.0, 0.5),
        (3.0, 0.7),
        (4.0, 0.9),
        (99.0, 0.9),
    ] {
        let by = at(0.0).saturating_add(hours(ahead));
        assert!(
            (crossing.probability_by(by) - share).abs() < 1e-12,
            "{ahead}"
        );
    }
    rules.observe_crossing(&series, crossing);
    assert!(firing(&mut rules, 0.0).is_empty()); // 0.7 in three hours
    assert!(firing(&mut rules, 1_799.0).is_empty());
    assert_eq!(firing(&mut rules, 1_801.0), ["a"]); // half an hour later 0.8
    assert_eq!(firing(&mut rules, 7_200.0), ["a"]);
    assert!(firing(&mut rules, 7_201.0).is_empty()); // too old
    assert!(Crossing::new(at(0.0), vec![(hours(1.0), 0.5), (hours(2.0), 0.4)]).is_err());
    assert!(Crossing::new(at(0.0), vec![(hours(1.0), 0.5), (hours(1.0), 0.6)]).is_err());
    assert!(Crossing::new(at(0.0), vec![(hours(1.0), 1.1)]).is_err());
    assert!(Crossing::new(at(0.0), vec![(hours(1.0), f64::NAN)]).is_err());
}

fn burn(windows: Vec<BurnWindow>, min_events: u64) -> SignalRules {
    let selector = r#"{slo="api"}"#.parse().unwrap();
    rules(SignalCondition::BurnsBudget {
        selector,
        objective: 0.999,
        min_events,
        windows,
    })
}

/// The first minute at which it fires, when from minute 4,400 on this share is bad.
fn detected(windows: Vec<BurnWindow>, bad_of_10_000: u64) -> Option<u32> {
    let mut rules = burn(windows, 100);
    (0..10_000_u32)
        .find(|minute| {
            let bad = if *minute < 4_400 { 0 } else { bad_of_10_000 };
            let now = f64::from(*minute) * 60.0;
            rules.observe_events(&labels("slo=api,i=a"), at(now), 10_000 - bad, bad);
            !firing(&mut rules, now).is_empty()
        })
        .map(|minute| minute - 4_400)
}

#[test]
fn detection_times_are_those_of_the_workbook() {
    // long window * factor * (1 - objective) / share of errors, plus the minute of the bucket.
    for (windows, bad, expected) in [
        (BurnWindow::page(), 10_000, Some(0)),   // 52 s
        (BurnWindow::page(), 1_000, Some(8)),    // 60 min * 14.4 * 0.001 / 0.1 = 8.64 min
        (BurnWindow::page(), 100, Some(216)),    // by the second: 360 * 6 * 0.001 / 0.01
        (BurnWindow::page(), 50, None),          // a burn rate of 5: nobody is called
        (BurnWindow::ticket(), 50, Some(864)),   // 1440 * 3 * 0.001 / 0.005 = 864 and the next
        (BurnWindow::ticket(), 20, Some(2_160)), // 4320 * 1 * 0.001 / 0.002
        (BurnWindow::ticket(), 9, None),
    ] {
        let got = detected(windows, bad);
        assert_eq!(got, expected, "{bad} of 10,000");
    }
    let standard = BurnWindow::standard();
    let factors: Vec<f64> = standard.iter().map(|one| one.factor).collect();
    assert_eq!(factors, [14.4, 6.0, 3.0, 1.0]);
    assert!(standard.iter().all(|one| one.long == one.short * 12));
}

#[test]
fn few_events_and_silence_are_taken_honestly() {
    let series = labels("slo=api,i=a");
    for (events, fires) in [(99, false), (100, true)] {
        let mut rules = burn(BurnWindow::page(), 100);
        rules.observe_events(&series, at(0.0), 0, events);
        assert_eq!(!firing(&mut rules, 0.0).is_empty(), fires);
    }
    let mut rules = burn(BurnWindow::page(), 100);
    rules.observe_events(&series, at(0.0), 0, 1_000);
    assert_eq!(firing(&mut rules, 0.0), ["a"]);
    // Silence is not freedom from errors; a word about no events is.
    assert_eq!(firing(&mut rules, 2_400.0), ["a"]);
    let mut quiet = rules.clone();
    quiet.observe_events(&series, at(2_400.0), 0, 0);
    assert!(firing(&mut quiet, 2_400.0).is_empty());
    // After six hours nothing is known at all.
    assert!(firing(&mut rules, 21_660.0).is_empty());
    // A word that comes late counts where it belongs.
    let mut late = burn(BurnWindow::page(), 100);
    late.observe_events(&series, at(600.0), 1_000, 0);
    late.observe_events(&series, at(540.0), 0, 1_000);
    assert_eq!(firing(&mut late, 600.0), ["a"]);
}

#[test]
fn verdicts_and_silence() {
    let mut scores = rules(SignalCondition::Anomalous {
        selector: selector("m"),
        min_score: 4.0,
    });
    let series = labels("__name__=m,i=a");
    for (time, outcome, score, fires) in [
        (0.0, Outcome::Anomalous, 3.9, false),
        (1.0, Outcome::Anomalous, 4.0, true),
        (2.0, Outcome::Missing, 0.0, true),
        (3.0, Outcome::Normal, 9.0, false),
    ] {
        let verdict = Verdict {
            time: at(time),
            value: 1.0,
            outcome,
            score: Some(score),
            threshold: 3.0,
            probability: None,
            band: None,
            floor: 0.0,
            votes: None,
            model: "test".into(),
        };
        scores.observe_verdict(&series, &verdict);
        assert_eq!(!firing(&mut scores, time).is_empty(), fires, "{time}");
    }
    let after = Duration::from_mins(1);
    let mut silent = rules(SignalCondition::Silent {
        selector: selector("m"),
        after,
    });
    silent.observe_sample(&series, Sample::new(at(0.0), 1.0));
    assert!(firing(&mut silent, 59.9).is_empty());
    assert_eq!(firing(&mut silent, 60.0), ["a"]);
    silent.observe_sample(&series, Sample::new(at(61.0), 1.0));
    assert!(firing(&mut silent, 61.0).is_empty());
}

#[test]
fn combinations_match_labels_as_prometheus_does() {
    let (left, right) = (above("l", 0.0, None), above("r", 0.0, None));
    let of = vec![left.clone(), right.clone()];
    let host = || vec!["host".to_owned()];
    for (condition, expected) in [
        (
            SignalCondition::All {
                of: of.clone(),
                on: host(),
            },
            vec!["1", "2"],
        ),
        (
            SignalCondition::All {
                of: of.clone(),
                on: Vec::new(),
            },
            vec!["1"],
        ),
        (
            SignalCondition::Any {
                of: of.clone(),
                on: host(),
            },
            vec!["1", "2", "3", "5"],
        ),
        (
            SignalCondition::Any { of, on: Vec::new() },
            vec!["1", "2", "3", "4", "5"],
        ),
        (
            SignalCondition::Unless {
                first: left.clone().into(),
                not: right.clone().into(),
                on: host(),
            },
            vec!["3"],
        ),
        (
            SignalCondition::Unless {
                first: left.into(),
                not: right.into(),
                on: Vec::new(),
            },
            vec!["2", "3"],
        ),
    ] {
        let mut rules = rules(condition.clone());
        for (name, host, i) in [
            ("l", "a", "1"),
            ("l", "b", "2"),
            ("l", "c", "3"),
            ("r", "a", "1"),
            ("r", "b", "4"),
            ("r", "d", "5"),
        ] {
            let series = labels(&format!("__name__={name},host={host},i={i}"));
            rules.observe_sample(&series, Sample::new(at(0.0), 1.0));
        }
        let mut got = firing(&mut rules, 0.0);
        got.sort();
        assert_eq!(got, expected, "{condition:?}");
    }
}

#[test]
fn times_and_limits_are_those_of_expressions() {
    let mut config = SignalRuleConfig::new("R", above("m", 0.0, None));
    config.rule.hold = Duration::from_mins(1);
    config.rule.keep_firing_for = Duration::from_secs(30);
    config.rule.limit = 1;
    let annotations = &mut config.rule.annotations;
    annotations.insert("s".into(), "{{ $labels.i }} at {{ $value }}".into());
    let mut rules = SignalRules::new([SignalRule::try_from(config).unwrap()]);
    let a = labels("__name__=m,i=a");
    for time in [0.0, 60.0] {
        rules.observe_sample(&a, Sample::new(at(time), 2.0));
        let told = rules.evaluate(at(time));
        assert_eq!(told.len(), usize::from(time > 0.0));
        assert!(told.iter().all(|alert| alert.annotations["s"] == "a at 2"));
    }
    rules.observe_sample(&a, Sample::new(at(61.0), 0.0));
    assert_eq!(firing(&mut rules, 61.0), ["a"]);
    assert_eq!(firing(&mut rules, 90.9), ["a"]);
    assert!(firing(&mut rules, 91.0).is_empty());
    for i in ["a", "b"] {
        rules.observe_sample(
            &labels(&format!("__name__=m,i={i}")),
            Sample::new(at(100.0), 2.0),
        );
    }
    rules.evaluate(at(100.0));
    assert_eq!((rules.faults().len(), rules.active().len()), (1, 0));
}

#[test]
fn bounds_of_conditions() {
    let refused = |condition| SignalRule::try_from(SignalRuleConfig::new("R", condition)).is_err();
    let day = Duration::from_hours(24);
    assert!(refused(above("m", f64::NAN, None)) && refused(above("m", 1.0, Some(1.1))));
    assert!(!refused(above("m", 1.0, Some(1.0))));
    let changes = |over, above| SignalCondition::Changes {
        selector: selector("m"),
        over,
        above,
        below: None,
    };
    assert!(refused(changes(day, None)) && refused(changes(Duration::ZERO, Some(1.0))));
    assert!(refused(changes(day * 31, Some(1.0))) && !refused(changes(day * 30, Some(1.0))));
    let burns = |objective, windows| SignalCondition::BurnsBudget {
        selector: selector("m"),
        objective,
        min_events: 0,
        windows,
    };
    assert!(refused(burns(1.0, BurnWindow::page())) && refused(burns(0.0, BurnWindow::page())));
    assert!(refused(burns(0.9, Vec::new())) && !refused(burns(0.9, BurnWindow::standard())));
    let mut deep = above("m", 1.0, None);
    for _ in 0..16 {
        deep = SignalCondition::All {
            of: vec![deep],
            on: Vec::new(),
        };
    }
    assert!(!refused(deep.clone()));
    assert!(refused(SignalCondition::All {
        of: vec![deep],
        on: Vec::new()
    }));
    let many = vec![above("m", 1.0, None); 101];
    assert!(refused(SignalCondition::Any {
        of: many,
        on: Vec::new()
    }));
    assert!(refused(SignalCondition::Any {
        of: Vec::new(),
        on: Vec::new()
    }));
}

/// A set that was stored and read again says the same from then on.
#[cfg(feature = "serde")]
#[test]
fn restarts_change_nothing() {
    use aiops_core::stored::{load, save};
    let selector = selector("m");
    let over = Duration::from_secs(100);
    let slope = SignalCondition::Changes {
        selector,
        over,
        above: Some(1.0),
        below: None,
    };
    let burns = SignalCondition::BurnsBudget {
        selector: r#"{slo=~".+"}"#.parse().unwrap(),
        objective: 0.99,
        min_events: 10,
        windows: BurnWindow::standard(),
    };
    let mut configs: Vec<SignalRuleConfig> = [slope, burns, above("m", 50.0, Some(20.0))]
        .into_iter()
        .map(|condition| SignalRuleConfig::new("R", condition))
        .collect();
    configs[0].rule.hold = Duration::from_secs(40);
    let parse = |config| SignalRule::try_from(config).unwrap();
    let mut whole = SignalRules::new(configs.into_iter().map(parse));
    let mut restarted = whole.clone();
    let mut alerts = 0;
    for step in 0..60 {
        let time = f64::from(step) * 10.0;
        for rules in [&mut whole, &mut restarted] {
            let value = if step < 30 { 3.0 * time } else { 10.0 };
            rules.observe_sample(&labels("__name__=m,i=a"), Sample::new(at(time), value));
            rules.observe_events(
                &labels("slo=x,i=b"),
                at(time),
                90,
                if step < 20 { 30 } else { 0 },
            );
        }
        restarted = load(&save(&restarted)).unwrap();
        let told = whole.evaluate(at(time));
        assert_eq!(told, restarted.evaluate(at(time)), "{time}");
        assert_eq!(whole.active(), restarted.active());
        alerts += told.len();
    }
    assert!(alerts > 10, "{alerts}");
}

/// As Prometheus does: an hour, and ten minutes.
#[cfg(feature = "serde")]
#[test]
fn expressions_go_on_after_a_restart() {
    use aiops_alert::expr::{EvaluationError, ExpressionEngine};
    use aiops_alert::rule::{ExpressionRule, ExpressionRuleConfig, ExpressionRules};
    use aiops_core::stored::{load, save};
    use aiops_core::{Labels, Timestamp};

    struct Always;
    impl ExpressionEngine for Always {
        fn evaluate(
            &self,
            text: &str,
            _: Timestamp,
        ) -> Result<Vec<(Labels, f64)>, EvaluationError> {
            Ok(vec![(labels(&format!("i={text}")), 1.0)])
        }
    }
    let rule = |text: &str, minutes| {
        let mut config = ExpressionRuleConfig::new("R", text);
        config.hold = Duration::from_mins(minutes);
        ExpressionRule::try_from(config).unwrap()
    };
    // Held for 15 of 20 minutes; off for a while; first minute at which it fires.
    for (hold, off, fires_at) in [
        (20, 1, 26),  // ten minutes at least
        (40, 1, 40),  // more than ten are left
        (5, 1, 0),    // fires already
        (20, 60, 85), // an hour is not too long
        (20, 61, 96), // this is: it begins anew
    ] {
        // A rule of the same name before it keeps its place.
        let mut rules = ExpressionRules::new([rule("x", 9_999), rule("y", hold)]);
        for minute in 0..=15 {
            rules.evaluate(at(f64::from(minute) * 60.0), &Always);
        }
        let mut rules: ExpressionRules = load(&save(&rules)).unwrap();
        let fires = (15 + off..200).find(|minute| {
            rules.evaluate(at(f64::from(*minute) * 60.0), &Always);
            let active = rules.active();
            active[1].labels.get("i") == Some("y") && active[1].state == AlertState::Firing
        });
        let expected = if fires_at == 0 { 15 + off } else { fires_at };
        assert_eq!(fires, Some(expected), "{hold} {off}");
    }
}
