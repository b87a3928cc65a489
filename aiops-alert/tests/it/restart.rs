//! A restart in the middle of everything.

use std::collections::BTreeSet;

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
use aiops_alert::rule::{Condition, RuleSet};
use aiops_core::stored::{load, save};
use aiops_core::{Sample, Selector};
use proptest::prelude::*;

use crate::engine::quick;
use crate::rule::{above, seconds, set};
use crate::support::{Step, alert, at, labels, play};

fn reloaded<M: aiops_core::stored::StoredModel>(model: &M) -> M {
    load(&save(model)).unwrap()
}

#[test]
fn nothing_is_told_twice_or_forgotten() {
    use Step::{Ends, Fires, Restarts};
    let steps = [
        (0.0, Fires("A/a")),
        (0.5, Restarts),
        (2.0, Restarts),
        (4.0, Ends("A/a")),
        (4.1, Restarts),
        (6.0, Restarts),
    ];
    let (engine, sent) = play(quick(), &steps, 20.0);
    assert_eq!(sent, ["1.0 firing A/a", "5.0 resolved A/a-"]);
    assert_eq!(engine.ledger().notified, 2);
}

#[test]
fn what_was_on_its_way_comes_again_with_the_same_key() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, Some(600.0)));
    let first = engine.tick(at(1.0)).remove(0);
    let mut engine = reloaded(&engine);
    let again = engine.tick(at(1.5)).remove(0);
    assert_eq!((&again.key, again.attempt), (&first.key, 2));
    assert!(engine.report_delivery(at(1.5), &again.key, Delivery::Delivered));
    assert!(engine.tick(at(60.0)).is_empty());
}

#[test]
fn rules_go_on() {
    let mut config = above(5.0);
    config.hold = seconds(10);
    let series = labels("__name__=m,host=a");
    let mut rules = set([config]);
    let mut fired = Vec::new();
    for second in 0..20 {
        let now = f64::from(second);
        rules.observe_sample(&series, Sample::new(at(now), 6.0));
        fired.extend(rules.tick(at(now)).into_iter().map(|alert| (second, alert)));
        rules = reloaded(&rules);
    }
    assert_eq!(fired.len(), 1);
    assert_eq!((fired[0].0, fired[0].1.starts_at), (10, at(10.0)));
}

/// One pending alert whose rule holds for `hold`; when does it fire after an outage?
#[track_caller]
fn check_outage(hold: u64, outage: f64, expected: f64) {
    let mut config = above(5.0);
    config.hold = seconds(hold);
    let series = labels("__name__=m,host=a");
    let mut rules = set([config]);
    let mut now = 0.0;
    while now <= hold as f64 - 30.0 {
        rules.observe_sample(&series, Sample::new(at(now), 6.0));
        assert!(rules.tick(at(now)).is_empty());
        now += 15.0;
    }
    let mut rules = reloaded(&rules);
    let begin = now + outage;
    now = begin;
    let fired = loop {
        rules.observe_sample(&series, Sample::new(at(now), 6.0));
        if !rules.tick(at(now)).is_empty() {
            break now - begin;
        }
        now += 15.0;
    };
    assert_eq!(fired, expected);
}

#[test]
fn pending_alerts_after_an_outage() {
    check_outage(120, 0.0, 15.0); // goes on: 120 s after the first
    check_outage(900, 60.0, 600.0); // 10 minutes of grace where the rule waits that long
    check_outage(900, 7_200.0, 900.0); // too long ago: begins anew
}

#[test]
fn a_firing_alert_does_not_end_because_the_program_was_away() {
    let series = labels("__name__=m,host=a");
    let mut rules = set([above(5.0)]);
    rules.observe_sample(&series, Sample::new(at(0.0), 6.0));
    assert_eq!(rules.tick(at(0.0)).len(), 1);
    let mut rules = reloaded(&rules);
    let alerts = rules.tick(at(2_000.0));
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].ends_at > Some(at(2_000.0)));
    assert_eq!(alerts[0].starts_at, at(0.0));
}

#[test]
fn absence_goes_on() {
    let mut config = above(0.0);
    config.condition = Condition::Absent { after: seconds(30) };
    let mut never = above(0.0);
    never.name = "Never".into();
    never.selector = Selector::metric("nothing");
    never.condition = Condition::Absent { after: seconds(30) };
    let series = labels("__name__=m,host=a");
    let mut rules = set([config, never]);
    rules.observe_sample(&series, Sample::new(at(0.0), 0.0));
    rules.tick(at(0.0));
    let fired: usize = (1..=30)
        .map(|now| rules.tick(at(f64::from(now))).len())
        .sum();
    assert_eq!(fired, 2);
    let mut rules = reloaded(&rules);
    assert_eq!(rules.tick(at(31.0)).len(), 0);
    assert_eq!(rules.stats().firing, 2);
}

#[test]
fn a_stored_form_is_checked() {
    let bytes = save(&set([above(5.0)]));
    let text = String::from_utf8(bytes).unwrap();
    assert!(load::<AlertEngine>(text.as_bytes()).is_err());
    assert!(load::<RuleSet>(&text.as_bytes()[..text.len() / 2]).is_err());
}

#[test]
fn another_configuration_keeps_what_was_told() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    engine.receive(at(0.0), alert("A/a", 0.0, Some(600.0)));
    let first = engine.tick(at(1.0)).remove(0);
    engine.report_delivery(at(1.0), &first.key, Delivery::Delivered);
    let mut config = quick();
    config.group_interval = seconds(4);
    let mut later = AlertEngine::try_from(config).unwrap();
    later.adopt(at(1.0), &engine);
    assert!(later.tick(at(30.0)).is_empty());
    assert_eq!(later.incidents().count(), 1);
    later.receive(at(31.0), alert("A/a", 0.0, Some(31.0)));
    let sent: Vec<_> = (310..400)
        .flat_map(|tenth| later.tick(at(f64::from(tenth) / 10.0)))
        .collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].incident, first.incident);
}

#[test]
fn the_configuration_reads_back() {
    let config = EngineConfig::alertmanager();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<EngineConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<EngineConfig>(r#"{"group_bye": []}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// With a restart before every tick, the same is sent.
    #[test]
    fn restarts_change_nothing(
        events in prop::collection::vec((0_usize..4, any::<bool>()), 1..25),
    ) {
        let play = |restarts: bool| {
            let mut engine = AlertEngine::try_from(quick()).unwrap();
            let (mut sent, mut keys) = (Vec::new(), BTreeSet::new());
            for (step, (which, on)) in events.iter().enumerate() {
                let now = step as f64;
                let ends = if *on { now + 10_000.0 } else { now };
                engine.receive(at(now), alert(&format!("A/{which}"), now, Some(ends)));
                if restarts {
                    engine = reloaded(&engine);
                }
                for notification in engine.tick(at(now)) {
                    engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
                    assert!(keys.insert(notification.key.clone()));
                    sent.push(notification);
                }
            }
            (sent, engine.ledger().clone())
        };
        prop_assert_eq!(play(false), play(true));
    }
}
