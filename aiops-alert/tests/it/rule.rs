//! Rules, with the states of Prometheus.

use std::time::Duration;

use aiops_alert::rule::{AlertState, Condition, Rule, RuleConfig, RuleSet};
use aiops_core::ingest::STALE;
use aiops_core::{Alert, Labels, Outcome, Sample, Selector, Suppression, Verdict};

use crate::support::{at, labels, secs};

pub(crate) fn above(limit: f64) -> RuleConfig {
    let condition = Condition::Above {
        limit,
        resolve: None,
    };
    RuleConfig::new("High", Selector::metric("m"), condition)
}

pub(crate) fn set(configs: impl IntoIterator<Item = RuleConfig>) -> RuleSet {
    RuleSet::new(
        configs
            .into_iter()
            .map(|config| Rule::try_from(config).unwrap()),
    )
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn series() -> Labels {
    labels("__name__=m,host=a")
}

/// `12 fires`, `15 ends`: what is new in what a tick answers.
fn news(now: f64, alerts: &[Alert]) -> Vec<String> {
    let text = |alert: &Alert| match alert.ends_at {
        Some(end) if end <= at(now) => format!("{now} ends {}", secs(alert.starts_at)),
        _ => format!("{now} fires {}", secs(alert.starts_at)),
    };
    alerts.iter().map(text).collect()
}

/// Plays one value a second, and answers what was told.
#[track_caller]
fn check(config: RuleConfig, values: &[f64], expected: &[&str]) {
    let mut rules = set([config]);
    let mut told = Vec::new();
    for (second, value) in values.iter().enumerate() {
        let now = second as f64;
        rules.observe_sample(&series(), Sample::new(at(now), *value));
        told.extend(news(now, &rules.tick(at(now))));
    }
    assert_eq!(told, expected);
}

#[test]
fn threshold() {
    check(
        above(5.0),
        &[5.0, 6.0, 7.0, 5.0],
        &["1 fires 1", "3 ends 1"],
    );
    let mut below = above(5.0);
    below.condition = Condition::Below {
        limit: 5.0,
        resolve: None,
    };
    check(below, &[5.0, 4.0, 5.0], &["1 fires 1", "2 ends 1"]);
}

#[test]
fn hysteresis_has_a_level_of_its_own_for_the_end() {
    let mut config = above(95.0);
    config.condition = Condition::Above {
        limit: 95.0,
        resolve: Some(90.0),
    };
    let values = [94.0, 96.0, 92.0, 96.0, 91.0, 90.0, 94.0];
    check(config, &values, &["1 fires 1", "5 ends 1"]);
}

#[test]
fn hold_is_counted_from_the_first_and_one_miss_begins_anew() {
    let mut config = above(5.0);
    config.hold = seconds(3);
    check(config.clone(), &[6.0, 6.0, 6.0, 6.0], &["3 fires 3"]);
    let values = [6.0, 6.0, 6.0, 1.0, 6.0, 6.0, 6.0, 6.0];
    check(config, &values, &["7 fires 7"]);
}

#[test]
fn a_miss_between_two_ticks_counts() {
    let mut config = above(5.0);
    config.hold = seconds(10);
    let mut rules = set([config]);
    let mut told = Vec::new();
    for second in 0..=20 {
        let now = f64::from(second);
        if second == 8 {
            rules.observe_sample(&series(), Sample::new(at(now - 0.5), 1.0));
        }
        rules.observe_sample(&series(), Sample::new(at(now), 6.0));
        told.extend(news(now, &rules.tick(at(now))));
    }
    assert_eq!(told, ["18 fires 18"]);
}

#[test]
fn keep_firing_for_begins_at_the_first_miss() {
    let mut config = above(5.0);
    config.keep_firing_for = seconds(3);
    let values = [6.0, 1.0, 1.0, 6.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    check(config, &values, &["0 fires 0", "7 ends 0"]);
}

#[test]
fn a_resolved_alert_that_comes_back_is_a_new_one() {
    check(
        above(5.0),
        &[6.0, 1.0, 6.0],
        &["0 fires 0", "1 ends 0", "2 fires 2"],
    );
}

#[test]
fn missing_values_change_nothing_and_a_stale_marker_ends() {
    check(above(5.0), &[6.0, f64::NAN, f64::NAN, 6.0], &["0 fires 0"]);
    check(above(5.0), &[6.0, STALE], &["0 fires 0", "1 ends 0"]);
    check(
        above(5.0),
        &[f64::INFINITY, 1.0],
        &["0 fires 0", "1 ends 0"],
    );
}

#[test]
fn a_firing_alert_is_sent_every_minute_and_a_resolved_one_for_15_minutes() {
    let mut rules = set([above(5.0)]);
    let (mut firing, mut resolved) = (Vec::new(), Vec::new());
    for second in 0..2_000 {
        let now = f64::from(second);
        let value = if second < 150 { 6.0 } else { 1.0 };
        rules.observe_sample(&series(), Sample::new(at(now), value));
        for alert in rules.tick(at(now)) {
            let end = secs(alert.ends_at.unwrap());
            if end > now {
                assert_eq!(end, now + 240.0);
                firing.push(second);
            } else {
                assert_eq!(end, 150.0);
                resolved.push(second);
            }
        }
    }
    assert_eq!(firing, [0, 60, 120]);
    assert_eq!(resolved.first(), Some(&150));
    assert_eq!(resolved.last(), Some(&1_050)); // 15 minutes
    assert_eq!(resolved.len(), 16);
    assert!(rules.active().is_empty());
}

#[test]
fn a_silent_series_ends_after_five_minutes() {
    let mut rules = set([above(5.0)]);
    rules.observe_sample(&series(), Sample::new(at(0.0), 6.0));
    let told: Vec<String> = (0..400)
        .map(f64::from)
        .flat_map(|now| news(now, &rules.tick(at(now))))
        .filter(|line| line.contains("ends"))
        .collect();
    assert_eq!(told[0], "301 ends 0");
}

#[test]
fn absence_of_a_series() {
    let mut config = above(0.0);
    config.condition = Condition::Absent { after: seconds(30) };
    let mut rules = set([config]);
    let mut told = Vec::new();
    for second in 0..200 {
        let now = f64::from(second);
        if !(20..100).contains(&second) {
            rules.observe_sample(&series(), Sample::new(at(now), 0.0));
        }
        told.extend(news(now, &rules.tick(at(now))));
    }
    assert_eq!(told[0], "49 fires 49"); // 30 s after the one at 19
    assert!(told.contains(&"100 ends 49".to_owned()), "{told:?}");
}

#[test]
fn absence_of_everything_that_a_selector_asks_for() {
    let selector: Selector = r#"up{job="node", instance=~".*"}"#.parse().unwrap();
    let condition = Condition::Absent { after: seconds(60) };
    let mut rules = set([RuleConfig::new("NoNode", selector, condition)]);
    assert!(rules.tick(at(0.0)).is_empty());
    assert!(rules.tick(at(59.0)).is_empty());
    let alerts = rules.tick(at(60.0));
    assert_eq!(alerts[0].labels, labels("alertname=NoNode,job=node"));
    let found = labels("__name__=up,job=node,instance=x");
    rules.observe_sample(&found, Sample::new(at(61.0), 1.0));
    assert_eq!(news(61.0, &rules.tick(at(61.0))), ["61 ends 60"]);
}

fn verdict(second: f64, outcome: Outcome, score: f64) -> Verdict {
    Verdict {
        time: at(second),
        value: 97.0,
        outcome,
        score: Some(score),
        threshold: 6.0,
        probability: None,
        band: None,
        floor: 0.0,
        votes: None,
        model: "detect.rolling-mad".into(),
    }
}

#[test]
fn anomaly_by_verdict() {
    let condition = Condition::Anomalous { min_score: 8.0 };
    let mut config = RuleConfig::new("Unusual", Selector::metric("m"), condition);
    config.annotations.insert(
        "summary".into(),
        "{{ $value }} on {{ $labels.host }}".into(),
    );
    let mut rules = set([config]);
    let votes = Outcome::Suppressed(Suppression::Votes);
    let mut told = Vec::new();
    for (now, outcome, score) in [
        (0.0, Outcome::Anomalous, 7.0), // below the rule's own score
        (1.0, votes, 20.0),
        (2.0, Outcome::Anomalous, 20.0),
        (3.0, Outcome::Missing, 0.0),
        (4.0, Outcome::Normal, 1.0),
    ] {
        rules.observe_sample(&series(), Sample::new(at(now), 97.0));
        rules.observe_verdict(&series(), &verdict(now, outcome, score));
        let alerts = rules.tick(at(now));
        if now == 2.0 {
            assert_eq!(alerts[0].annotations["summary"], "97 on a");
            assert!(alerts[0].annotations["reason"].contains("score 20.00"));
        }
        told.extend(news(now, &alerts));
    }
    assert_eq!(told, ["2 fires 2", "4 ends 2"]);
}

#[test]
fn identity_is_the_final_label_set() {
    let mut config = above(5.0);
    config.labels.insert("severity".into(), "page".into());
    config
        .labels
        .insert("host".into(), "{{ $labels.host | toUpper }}".into());
    let mut rules = set([config]);
    rules.observe_sample(&series(), Sample::new(at(0.0), 6.0));
    let alerts = rules.tick(at(0.0));
    assert_eq!(
        alerts[0].labels,
        labels("alertname=High,host=A,severity=page")
    );
}

#[test]
fn series_with_one_identity_share_one_alert() {
    let selector: Selector = r#"{__name__=~"m.*"}"#.parse().unwrap();
    let condition = Condition::Above {
        limit: 5.0,
        resolve: None,
    };
    let mut rules = set([RuleConfig::new("High", selector, condition)]);
    let (one, other) = (labels("__name__=m1,host=a"), labels("__name__=m2,host=a"));
    let mut told = Vec::new();
    for (now, first, second) in [(0.0, 6.0, 6.0), (1.0, 1.0, 6.0), (2.0, 1.0, 1.0)] {
        rules.observe_sample(&one, Sample::new(at(now), first));
        rules.observe_sample(&other, Sample::new(at(now), second));
        told.extend(news(now, &rules.tick(at(now))));
    }
    assert_eq!(told, ["0 fires 0", "2 ends 0"]);
}

#[test]
fn a_limit_takes_all_alerts_of_the_rule() {
    let mut config = above(5.0);
    config.limit = 2;
    let mut rules = set([config]);
    for host in ["a", "b", "c"] {
        let series = labels(&format!("__name__=m,host={host}"));
        rules.observe_sample(&series, Sample::new(at(0.0), 6.0));
    }
    assert!(rules.tick(at(0.0)).is_empty());
    assert_eq!((rules.faults()[0].limit, rules.faults()[0].found), (2, 3));
    rules.observe_sample(&labels("__name__=m,host=c"), Sample::new(at(1.0), 1.0));
    assert_eq!(rules.tick(at(1.0)).len(), 2);
    assert!(rules.faults().is_empty());
}

#[test]
fn late_samples_are_counted_and_not_looked_at() {
    let mut rules = set([above(5.0)]);
    rules.observe_sample(&series(), Sample::new(at(5.0), 1.0));
    rules.observe_sample(&series(), Sample::new(at(4.0), 9.0));
    rules.observe_sample(&series(), Sample::new(at(5.0), 9.0));
    assert!(rules.tick(at(5.0)).is_empty());
    assert_eq!(rules.stats().late, 2);
}

#[test]
fn series_that_no_rule_matches_are_known_and_cost_nothing_more() {
    let mut rules = set([above(5.0)]);
    for host in 0..100 {
        let other = labels(&format!("__name__=other,host={host}"));
        rules.observe_sample(&other, Sample::new(at(0.0), 9.0));
        rules.observe_sample(&other, Sample::new(at(1.0), 9.0));
    }
    rules.observe_sample(&series(), Sample::new(at(0.0), 1.0));
    let stats = rules.stats();
    assert_eq!((stats.unwatched, stats.watched), (100, 1));
    assert!(rules.tick(at(1.0)).is_empty());
}

#[test]
fn series_that_are_long_silent_are_forgotten() {
    let mut rules = set([above(5.0)]);
    rules.observe_sample(&series(), Sample::new(at(0.0), 6.0));
    rules.tick(at(0.0));
    rules.tick(at(90_000.0));
    rules.tick(at(92_000.0));
    assert_eq!(rules.stats().watched, 0);
    assert!(rules.active().is_empty());
}

#[test]
fn pending_is_seen() {
    let mut config = above(5.0);
    config.hold = seconds(60);
    let mut rules = set([config]);
    rules.observe_sample(&series(), Sample::new(at(0.0), 6.0));
    rules.tick(at(1.0));
    let active = rules.active();
    assert_eq!(
        (active[0].state, active[0].since),
        (AlertState::Pending, at(1.0))
    );
    assert_eq!(active[0].value, 6.0);
}

#[test]
fn another_configuration_keeps_what_still_fits() {
    let mut config = above(5.0);
    config.hold = seconds(5);
    let mut rules = set([config.clone(), above(1.0)]);
    for second in 0..=6 {
        let now = f64::from(second);
        rules.observe_sample(&series(), Sample::new(at(now), 6.0));
        rules.tick(at(now));
    }
    // A shorter wait, another text, and a rule that is new: the alert goes on.
    config.hold = seconds(2);
    config.annotations.insert("summary".into(), "new".into());
    let mut later = set([config.clone()]);
    later.adopt(&rules);
    assert!(later.tick(at(7.0)).is_empty());
    assert_eq!(later.active()[0].since, at(5.0));
    // A longer one: it is pending again, since it began to hold at 0.
    config.hold = seconds(30);
    let mut later = set([config.clone()]);
    later.adopt(&rules);
    later.tick(at(7.0));
    assert_eq!(later.active()[0].state, AlertState::Pending);
    // Other labels: another alert.
    config.labels.insert("team".into(), "x".into());
    let mut later = set([config]);
    later.adopt(&rules);
    later.tick(at(7.0));
    assert_eq!(later.active()[0].since, at(7.0));
}

#[track_caller]
fn refused(change: impl FnOnce(&mut RuleConfig), words: &str) {
    let mut config = above(5.0);
    change(&mut config);
    let error = Rule::try_from(config).unwrap_err();
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        text = format!("{text}: {source}");
    }
    assert!(text.contains(words), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    refused(|rule| rule.name.clear(), "`name`");
    let level = |limit, resolve| Condition::Above { limit, resolve };
    refused(|rule| rule.condition = level(f64::NAN, None), "`limit`");
    refused(|rule| rule.condition = level(5.0, Some(5.1)), "`resolve`");
    refused(
        |rule| rule.condition = level(5.0, Some(f64::NAN)),
        "`resolve`",
    );
    refused(
        |rule| {
            rule.condition = Condition::Below {
                limit: 5.0,
                resolve: Some(4.9),
            };
        },
        "`resolve`",
    );
    refused(
        |rule| rule.condition = Condition::Absent { after: seconds(0) },
        "`after`",
    );
    refused(
        |rule| {
            rule.annotations
                .insert("summary".into(), "{{ nosuch }}".into());
        },
        "rule `High`, `summary`: bad template at byte 3",
    );
    refused(
        |rule| {
            rule.labels.insert("level".into(), "{{ $value }}".into());
        },
        "must not depend on the value",
    );
    refused(
        |rule| {
            rule.labels.insert("alertname".into(), "x".into());
        },
        "`labels`",
    );
    let mut fits = above(5.0);
    fits.condition = level(5.0, Some(5.0));
    assert!(Rule::try_from(fits).is_ok());
}
