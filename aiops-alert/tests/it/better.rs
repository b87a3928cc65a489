//! Where Alertmanager is weak: flapping, senders that disagree, crashes, acknowledgement.

use std::time::Duration;

use aiops_alert::engine::{Acknowledgement, AlertEngine, DampingConfig, Delivery, EngineConfig};

use crate::engine::quick;
use crate::support::{Step, alert, at, line, play};

use Step::{Ends, Fires};

/// Waits 0.3 s and looks every second, as the recorded scenario of a flapping alert does.
fn flapping() -> EngineConfig {
    let mut config = quick();
    config.group_wait = Duration::from_millis(300);
    config.group_interval = Duration::from_secs(1);
    let mut damping = DampingConfig::default();
    damping.first_hold = Duration::from_secs(4);
    config.damping = Some(damping);
    config
}

fn flaps(count: u32) -> Vec<(f64, Step)> {
    let on_and_off = |flap: u32| {
        let start = 0.2 + 3.0 * f64::from(flap);
        [(start, Fires("A/a")), (start + 1.5, Ends("A/a"))]
    };
    (0..count).flat_map(on_and_off).collect()
}

#[test]
fn eight_flaps_are_four_messages_and_the_last_state_is_told() {
    let (engine, sent) = play(flapping(), &flaps(8), 600.0);
    // The last end, at 22.7, is believed after 4 s doubled six times.
    let expected = [
        "0.5 firing A/a",
        "2.5 resolved A/a-",
        "3.5 firing A/a",
        "278.7 resolved A/a-",
    ];
    let close: Vec<&str> = sent.iter().map(String::as_str).collect();
    assert_eq!(close.len(), 4, "{sent:?}");
    assert_eq!(close[..3], expected[..3]);
    assert!(close[3].ends_with("resolved A/a-"), "{sent:?}");
    assert_eq!(engine.ledger().damped, 6);
    let open = engine.incidents().filter(|one| one.resolved_at.is_none());
    assert_eq!(open.count(), 0);
}

#[test]
fn an_alert_that_has_been_quiet_is_not_flapping() {
    let mut config = flapping();
    config.damping.as_mut().unwrap().window = Duration::from_secs(10);
    let steps = [
        (0.0, Fires("A/a")),
        (2.0, Ends("A/a")),
        (30.0, Fires("A/a")),
        (32.0, Ends("A/a")),
    ];
    assert_eq!(play(config, &steps, 60.0).1.len(), 4);
}

#[test]
fn damping_that_makes_no_sense_is_refused() {
    let mut config = quick();
    let mut damping = DampingConfig::default();
    damping.max_hold = Duration::from_secs(59);
    config.damping = Some(damping);
    assert!(AlertEngine::try_from(config.clone()).is_err());
    damping.max_hold = damping.first_hold;
    config.damping = Some(damping);
    assert!(AlertEngine::try_from(config).is_ok());
}

#[test]
fn senders_that_disagree_do_not_make_an_alert_flap() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    let mut sent = Vec::new();
    for second in 0..60 {
        let now = f64::from(second);
        let goes_on = second < 40;
        let ends = if goes_on { now + 300.0 } else { now };
        engine.receive_from(at(now), "one", alert("A/a", 0.0, Some(ends)));
        if second > 3 {
            engine.receive_from(at(now), "other", alert("A/a", 0.0, Some(3.0)));
        }
        for notification in engine.tick(at(now)) {
            sent.push(line(now, &notification));
            engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
        }
    }
    assert_eq!(sent, ["1.0 firing A/a", "41.0 resolved A/a-"]);
}

#[test]
fn an_acknowledged_incident_is_not_repeated() {
    let mut config = quick();
    config.repeat_interval = Duration::from_secs(5);
    let mut engine = AlertEngine::try_from(config).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, Some(1_000.0)));
    let mut sent = Vec::new();
    for second in 0..40 {
        let now = f64::from(second);
        for notification in engine.tick(at(now)) {
            sent.push(second);
            engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
            let by = Acknowledgement {
                owner: "somebody".into(),
                until: at(20.0),
            };
            if second == 1 {
                assert!(engine.acknowledge(at(now), notification.incident, by));
            }
        }
    }
    assert_eq!(sent, [1, 21, 27, 33, 39]);
}

/// The program is killed after any step; what it had stored is what it goes on with.
#[cfg(feature = "serde")]
mod crashes {
    use std::collections::{BTreeMap, BTreeSet};

    use aiops_alert::engine::{AlertEngine, Delivery};
    use aiops_core::stored::{load, save};
    use aiops_core::{AlertStatus, Seed};

    use crate::engine::quick;
    use crate::support::{alert, at};

    /// A receiver that drops what it has seen, by its key.
    #[derive(Default)]
    struct Receiver {
        seen: BTreeSet<String>,
        fires: BTreeMap<String, bool>,
        changes: u32,
    }

    impl Receiver {
        fn take(&mut self, notification: &aiops_alert::engine::Notification) {
            if !self.seen.insert(notification.key.clone()) {
                return;
            }
            let fires = notification.status == AlertStatus::Firing;
            let before = self.fires.insert(notification.group_key.clone(), fires);
            assert_ne!(before, Some(fires), "told twice: {notification:?}");
            self.changes += 1;
        }
    }

    #[test]
    fn nothing_is_lost_or_told_twice_over_a_thousand_schedules() {
        let mut changes = 0;
        for schedule in 0..1_000 {
            changes += play(schedule);
        }
        assert!(changes > 2_000, "{changes}");
    }

    fn play(schedule: u64) -> u32 {
        let mut rng = Seed::default().child(schedule).rng();
        let mut engine = AlertEngine::try_from(quick()).unwrap();
        let mut stored = save(&engine);
        let mut receiver = Receiver::default();
        let mut fires = [false; 3];
        for step in 0..60 {
            let now = f64::from(step) / 2.0;
            let crash = |rng: &mut aiops_core::Rng| rng.below(8) == 0;
            if step < 40 && rng.below(3) == 0 {
                // The source repeats what it said until it is stored.
                let which = rng.below(3);
                fires[which] = !fires[which];
                let ends = if fires[which] { now + 1e6 } else { now };
                let news = alert(["A", "B", "C"][which], now, Some(ends));
                engine.receive(at(now), news.clone());
                if crash(&mut rng) {
                    engine = load(&stored).unwrap();
                    engine.receive(at(now), news);
                }
                stored = save(&engine);
            }
            let notifications = engine.tick(at(now));
            if crash(&mut rng) {
                engine = load(&stored).unwrap(); // decided, not stored, not sent
                continue;
            }
            stored = save(&engine); // the intent
            for notification in notifications {
                if crash(&mut rng) {
                    engine = load(&stored).unwrap(); // stored, not sent
                    break;
                }
                receiver.take(&notification);
                if crash(&mut rng) {
                    engine = load(&stored).unwrap(); // sent, the result not known
                    break;
                }
                engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
                if crash(&mut rng) {
                    engine = load(&stored).unwrap(); // known, not stored
                    break;
                }
                stored = save(&engine); // the result
            }
        }
        for half in 60..200 {
            let now = f64::from(half) / 2.0;
            for notification in engine.tick(at(now)) {
                receiver.take(&notification);
                engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
            }
        }
        for (which, name) in ["A", "B", "C"].iter().enumerate() {
            let key = format!("{{}}:{{alertname={name:?}}}");
            let told = receiver.fires.get(&key).copied().unwrap_or(false);
            assert_eq!(told, fires[which], "schedule {schedule}, {name}");
        }
        receiver.changes
    }
}
