//! Grouping, timing, incidents, delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aiops_alert::engine::{
    AlertEngine, ConfigError, Delivery, EngineConfig, IntegrationConfig, Reason, Received,
    ReceiverConfig, RouteConfig,
};
use aiops_core::{Alert, AlertStatus, IncidentStatus, Labels};
use proptest::prelude::*;

use crate::support::{Step, alert, at, labels, line, play};

/// Waits 1 s, looks every 2 s, repeats after an hour.
pub(crate) fn quick() -> EngineConfig {
    let mut config = EngineConfig::default();
    config.group_by = vec!["alertname".into()];
    config.group_wait = Duration::from_secs(1);
    config.group_interval = Duration::from_secs(2);
    config.repeat_interval = Duration::from_hours(1);
    config
}

/// The same, and told of every change as Alertmanager does.
fn talkative() -> EngineConfig {
    let mut config = quick();
    config.notify_changes = true;
    config
}

use Step::{Answers, Ends, Fires, Hangs};

#[track_caller]
fn check(
    config: EngineConfig,
    steps: &[(f64, Step)],
    until: f64,
    expected: &[&str],
) -> AlertEngine {
    let (engine, sent) = play(config, steps, until);
    assert_eq!(sent, expected);
    engine
}

#[test]
fn one_notification_for_an_incident_and_one_at_its_end() {
    let steps = [
        (0.0, Fires("A/a")),
        (0.5, Fires("A/b")),
        (2.0, Fires("A/c")),
        (4.0, Ends("A/a")),
        (6.0, Ends("A/b")),
        (6.5, Ends("A/c")),
    ];
    let expected = ["1.0 firing A/a A/b", "7.0 resolved A/a- A/b- A/c-"];
    let engine = check(quick(), &steps, 20.0, &expected);
    let incidents: Vec<_> = engine.incidents().collect();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].status(), IncidentStatus::Resolved);
    assert_eq!(incidents[0].resolved_at, Some(at(6.5)));
    assert_eq!(
        (incidents[0].opened_at, incidents[0].alerts.len()),
        (at(0.0), 3)
    );
    assert_eq!(engine.alert_count(), 0);
    let ledger = engine.ledger();
    assert_eq!((ledger.received, ledger.opened, ledger.updated), (6, 3, 3));
    assert_eq!(
        (ledger.notified, ledger.delivered, ledger.grouped),
        (2, 2, 2)
    );
    assert_eq!(ledger.held_back, 2); // c fired, a ended
}

#[test]
fn changes_are_told_where_that_is_wanted() {
    let steps = [
        (0.0, Fires("A/a")),
        (1.8, Fires("A/b")),
        (4.0, Ends("A/a")),
        (6.0, Ends("A/b")),
        (12.2, Fires("A/a")),
    ];
    let expected = [
        "1.0 firing A/a",
        "3.0 firing A/a A/b",
        "5.0 firing A/a- A/b",
        "7.0 resolved A/b-",
        "13.2 firing A/a",
    ];
    check(talkative(), &steps, 20.0, &expected);
    // Alertmanager 0.25 keeps the empty group, whose next look comes earlier.
    let mut kept = talkative();
    kept.keep_empty_groups = Duration::from_secs(30);
    let last = ["13.0 firing A/a"];
    check(kept, &steps, 20.0, &[&expected[..4], &last[..]].concat());
}

#[test]
fn repeats_at_the_first_look_that_is_late_enough() {
    let mut config = quick();
    config.repeat_interval = Duration::from_secs(5);
    let expected = ["1.0 firing A/a", "7.0 firing A/a", "13.0 firing A/a"];
    check(config, &[(0.0, Fires("A/a"))], 15.0, &expected);
}

#[test]
fn what_ends_before_the_first_look_is_an_incident_and_no_notification() {
    let steps = [(0.0, Fires("A/a")), (0.5, Ends("A/a"))];
    let engine = check(quick(), &steps, 10.0, &[]);
    assert_eq!(engine.incidents().count(), 1);
    assert_eq!(engine.alert_count(), 0);
}

#[test]
fn an_old_alert_does_not_wait() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    engine.receive(at(100.0), alert("A/a", 0.0, None));
    assert_eq!(engine.tick(at(100.0)).len(), 1);
}

#[test]
fn ends_are_believed_after_a_while() {
    let mut config = talkative();
    config.resolve_after = Duration::from_secs(5);
    let steps = [
        (0.0, Fires("A/a")),
        (2.0, Ends("A/a")),
        (4.0, Fires("A/a")), // has never ended
        (8.0, Ends("A/a")),
    ];
    let engine = check(
        config,
        &steps,
        20.0,
        &["1.0 firing A/a", "13.0 resolved A/a-"],
    );
    assert_eq!(engine.incidents().count(), 1);
    assert_eq!(
        engine.incidents().next().unwrap().resolved_at,
        Some(at(8.0))
    );
}

#[test]
fn an_alert_that_nobody_speaks_of_ends() {
    let mut config = quick();
    config.resolve_timeout = Duration::from_secs(4);
    let mut engine = AlertEngine::try_from(config).unwrap();
    let mut sent = Vec::new();
    for tenth in 0..200 {
        let now = f64::from(tenth) / 10.0;
        if tenth == 0 || tenth == 30 {
            engine.receive(at(now), alert("A/a", 0.0, None));
        }
        for notification in engine.tick(at(now)) {
            sent.push(line(now, &notification));
            engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
        }
    }
    assert_eq!(sent, ["1.0 firing A/a", "7.0 resolved A/a-"]); // ended at 3 + 4
}

#[test]
fn a_resolved_incident_is_not_opened_again() {
    let steps = [
        (0.0, Fires("A/a")),
        (2.0, Ends("A/a")),
        (10.0, Fires("A/a")),
        (12.0, Ends("A/a")),
    ];
    let expected = [
        "1.0 firing A/a",
        "3.0 resolved A/a-",
        "11.0 firing A/a",
        "13.0 resolved A/a-",
    ];
    let engine = check(quick(), &steps, 20.0, &expected);
    assert_eq!(engine.incidents().count(), 2);
}

#[test]
fn a_refused_notification_is_decided_anew_at_the_next_look() {
    let steps = [
        (0.0, Answers(Delivery::failed(false))),
        (0.0, Fires("A/a")),
        (2.0, Answers(Delivery::Delivered)),
    ];
    let engine = check(quick(), &steps, 10.0, &["1.0 firing A/a", "3.0 firing A/a"]);
    assert_eq!(
        (engine.ledger().abandoned, engine.ledger().delivered),
        (1, 1)
    );
}

#[test]
fn a_failed_attempt_is_made_again_with_the_same_key_and_a_growing_wait() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, None));
    let (mut keys, mut times) = (BTreeSet::new(), Vec::new());
    for tenth in 0..=80 {
        let now = f64::from(tenth) / 10.0;
        for notification in engine.tick(at(now)) {
            keys.insert(notification.key.clone());
            times.push(now);
            assert_eq!(notification.attempt as usize, times.len());
            let delivery = if times.len() < 4 {
                Delivery::failed(true)
            } else {
                Delivery::Delivered
            };
            engine.report_delivery(at(now), &notification.key, delivery);
        }
    }
    assert_eq!((keys.len(), times.len()), (1, 4));
    let waits: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] >= 0.3 && waits[0] <= 0.8, "{waits:?}");
    assert!(waits[2] > waits[0], "{waits:?}");
    assert_eq!(engine.ledger().retried, 3);
}

#[test]
fn the_receiver_may_say_how_long_it_wants_to_be_left_alone() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, None));
    let first = engine.tick(at(1.0)).remove(0);
    let after = Some(Duration::from_secs(4));
    engine.report_delivery(at(1.0), &first.key, Delivery::Failed { retry: true, after });
    assert!(engine.tick(at(4.9)).is_empty());
    assert_eq!(engine.tick(at(5.0))[0].key, first.key);
}

#[test]
fn an_answer_that_never_comes_is_a_failure() {
    let steps = [
        (0.0, Hangs),
        (0.0, Fires("A/a")),
        (5.0, Answers(Delivery::Delivered)),
        (11.5, Ends("A/a")),
    ];
    // The time for one look is 10 s at least.
    let expected = ["1.0 firing A/a", "11.0 firing A/a", "13.0 resolved A/a-"];
    check(quick(), &steps, 20.0, &expected);
}

#[test]
fn a_report_that_is_not_known_changes_nothing() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    assert!(!engine.report_delivery(at(0.0), "0123", Delivery::Delivered));
}

#[test]
fn one_integration_does_not_hold_up_another() {
    let mut config = talkative();
    let mut receiver = ReceiverConfig::new("default", IntegrationConfig::default());
    receiver.integrations.push(IntegrationConfig::default());
    config.receivers = vec![receiver];
    let mut engine = AlertEngine::try_from(config).unwrap();
    let mut sent: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for tenth in 0..80 {
        let now = f64::from(tenth) / 10.0;
        if tenth == 0 {
            engine.receive(at(now), alert("A/a", 0.0, None));
        }
        if tenth == 20 {
            engine.receive(at(now), alert("A/b", 2.0, None));
        }
        for notification in engine.tick(at(now)) {
            let lines = sent.entry(notification.integration).or_default();
            lines.push(line(now, &notification));
            if notification.integration == 0 {
                engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
            } // the other one never answers
        }
    }
    assert_eq!(sent[&0], ["1.0 firing A/a", "3.0 firing A/a A/b"]);
    assert_eq!(sent[&1], ["1.0 firing A/a"]);
}

fn route(matchers: &str, receiver: &str) -> RouteConfig {
    let mut route = RouteConfig::default();
    route.matchers = matchers.parse().unwrap();
    route.receiver = Some(receiver.into());
    route
}

#[test]
fn routes_are_asked_depth_first() {
    let mut config = quick();
    let mut pager = route(r#"{severity="critical"}"#, "pager");
    pager.continues = true;
    let mut store = route(r#"{team=~"db|store"}"#, "store");
    store.group_by = Some(vec!["...".into()]);
    store.routes = vec![route(r#"{env!="prod"}"#, "store-dev")];
    config.routes = vec![pager, store, route(r#"{severity="critical"}"#, "never")];
    let engine = AlertEngine::try_from(config).unwrap();
    for (text, expected) in [
        ("severity=critical,team=db,env=prod", vec!["pager", "store"]),
        ("severity=warning,team=store", vec!["store-dev"]),
        ("severity=critical,team=web", vec!["pager", "never"]),
        ("severity=info,team=mydb", vec!["default"]),
    ] {
        assert_eq!(engine.receivers_for(&labels(text)), expected, "{text}");
    }
}

#[test]
fn a_receiver_that_does_not_want_ends_is_told_of_the_next_beginning() {
    let mut config = talkative();
    let mut quiet = IntegrationConfig::default();
    quiet.send_resolved = false;
    config.receivers = vec![ReceiverConfig::new("default", quiet)];
    let steps = [
        (0.0, Fires("A/a")),
        (0.0, Fires("A/b")),
        (2.0, Ends("A/b")),
        (4.0, Ends("A/a")),
        (8.0, Fires("A/a")),
    ];
    check(
        config,
        &steps,
        20.0,
        &["1.0 firing A/a A/b", "9.0 firing A/a"],
    );
}

#[test]
fn bad_alerts_are_refused_and_counted() {
    let mut config = quick();
    config.max_alerts = 1;
    let mut engine = AlertEngine::try_from(config).unwrap();
    let nameless = Alert::new(Labels::empty(), at(0.0));
    assert_eq!(
        engine.receive(at(0.0), nameless),
        Received::Refused("no-labels")
    );
    let backwards = alert("A/a", 5.0, Some(4.0));
    assert_eq!(
        engine.receive(at(9.0), backwards),
        Received::Refused("ends-before-start")
    );
    let over = alert("A/a", 1.0, Some(2.0));
    assert_eq!(engine.receive(at(9.0), over), Received::EndedUnknown);
    let future = alert("A/a", 1e6, None);
    assert_eq!(engine.receive(at(9.0), future.clone()), Received::Opened);
    assert_eq!(engine.receive(at(9.0), future), Received::Duplicate);
    assert_eq!(engine.incidents().next().unwrap().opened_at, at(9.0));
    let another = alert("A/b", 9.0, None);
    assert_eq!(
        engine.receive(at(9.0), another),
        Received::Refused("too-many")
    );
    let ledger = engine.ledger();
    let refused: u64 = ledger.refused.values().sum();
    let accounted =
        refused + ledger.ended_unknown + ledger.deduplicated + ledger.updated + ledger.opened;
    assert_eq!((refused, accounted), (3, ledger.received));
}

#[test]
fn old_incidents_are_dropped_by_number() {
    let mut config = quick();
    config.max_incidents = 3;
    let mut engine = AlertEngine::try_from(config).unwrap();
    for (index, name) in ["A", "B", "C", "D", "E"].iter().enumerate() {
        let now = index as f64 * 10.0;
        engine.receive(at(now), alert(name, now, Some(now + 1_000.0)));
        if *name == "B" {
            engine.receive(at(now), alert(name, now, Some(now)));
        }
        engine.tick(at(now));
    }
    let names: Vec<_> = engine
        .incidents()
        .map(|incident| incident.group.get("alertname").unwrap().to_owned())
        .collect();
    assert_eq!(names, ["C", "D", "E"]); // B is over, A is the oldest
    assert_eq!(engine.ledger().incidents_dropped, 2);
}

#[test]
fn the_summary_says_what_where_and_why() {
    let mut config = quick();
    config.group_by = vec!["host".into()];
    let mut engine = AlertEngine::try_from(config).unwrap();
    for name in ["UnusualCpu", "SlowRequests"] {
        let labels = labels(&format!("alertname={name},host=web-1"));
        let alert = Alert::new(labels, at(0.0))
            .annotate("summary", "CPU is busy:\n97 %")
            .annotate("reason", "value 97, expected 2 to 31");
        engine.receive(at(0.0), alert);
    }
    assert_eq!(
        engine.incidents().next().unwrap().summary,
        "UnusualCpu, SlowRequests on host web-1: CPU is busy: 97 % \
         (value 97, expected 2 to 31); 2 alerts"
    );
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    let refused = |change: fn(&mut EngineConfig)| {
        let mut config = quick();
        change(&mut config);
        AlertEngine::try_from(config).unwrap_err()
    };
    let error = refused(|config| config.group_interval = Duration::ZERO);
    assert!(matches!(error, ConfigError::Param(_)), "{error}");
    let error = refused(|config| config.max_incidents = 0);
    assert!(matches!(error, ConfigError::Param(_)), "{error}");
    let error = refused(|config| {
        config.receivers = vec![ReceiverConfig::new("default", IntegrationConfig::default())];
        config.routes = vec![route(r#"{a="b"}"#, "nobody")];
    });
    assert_eq!(
        error.to_string(),
        r#"route {}/{a="b"} names the receiver `nobody`, which there is not"#
    );
    let error = refused(|config| {
        let one = ReceiverConfig::new("default", IntegrationConfig::default());
        config.receivers = vec![one.clone(), one];
    });
    assert!(
        matches!(error, ConfigError::DuplicateReceiver { .. }),
        "{error}"
    );
    let error = refused(|config| {
        let mut deep = RouteConfig::default();
        for _ in 0..100 {
            let mut above = RouteConfig::default();
            above.routes = vec![deep];
            deep = above;
        }
        config.routes = vec![deep];
    });
    assert!(matches!(error, ConfigError::TooDeep { .. }), "{error}");
}

/// What a receiver believes, from what it was told.
#[derive(Default)]
struct Receiver {
    firing: BTreeSet<String>,
    keys: BTreeSet<String>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in, however often sending fails: in the end every receiver knows how things
    /// stand, and every incident that lasted was notified.
    #[test]
    fn the_last_state_is_always_told(
        events in prop::collection::vec((0_usize..6, any::<bool>(), 0.1_f64..4.0), 1..60),
        failures in prop::collection::vec(0_u8..4, 40),
        changes in any::<bool>(),
    ) {
        let mut config = quick();
        config.notify_changes = changes;
        let mut engine = AlertEngine::try_from(config).unwrap();
        let mut receiver = Receiver::default();
        let mut failures = failures.into_iter();
        let mut fires = [false; 6];
        let mut clock = 0.0;
        let mut events = events.into_iter();
        let mut next = 0.0;
        while clock < 400.0 {
            if clock >= next && let Some((which, on, wait)) = events.next() {
                let ends = if on { clock + 10_000.0 } else { clock };
                engine.receive(at(clock), alert(&format!("A/{which}"), clock, Some(ends)));
                fires[which] = on;
                next = clock + wait;
            }
            for notification in engine.tick(at(clock)) {
                match failures.next().unwrap_or(3) {
                    0 => { engine.report_delivery(at(clock), &notification.key, Delivery::failed(true)); }
                    1 => { engine.report_delivery(at(clock), &notification.key, Delivery::failed(false)); }
                    2 => {} // never answers
                    _ => {
                        engine.report_delivery(at(clock), &notification.key, Delivery::Delivered);
                        prop_assert!(receiver.keys.insert(notification.key.clone()), "told twice");
                        receiver.firing = match notification.status {
                            AlertStatus::Resolved => BTreeSet::new(),
                            AlertStatus::Firing => notification.alerts.iter()
                                .filter(|alert| alert.ends_at.is_none())
                                .map(|alert| alert.labels.get("instance").unwrap().to_owned())
                                .collect(),
                        };
                        prop_assert!(notification.reason != Reason::Repeat);
                    }
                }
            }
            clock += 0.5;
        }
        let truth: BTreeSet<String> = (0..6).filter(|&which| fires[which]).map(|which| which.to_string()).collect();
        if changes {
            prop_assert_eq!(&receiver.firing, &truth);
        } else {
            prop_assert_eq!(receiver.firing.is_empty(), truth.is_empty());
        }
        let open = engine.incidents().filter(|incident| incident.resolved_at.is_none()).count();
        prop_assert_eq!(open, usize::from(!truth.is_empty()));
        prop_assert_eq!(engine.alert_count() >= truth.len(), true);
    }
}
