//! Silences, inhibition, silent routes.

use std::time::Duration;

use aiops_alert::engine::{
    AlertEngine, ConfigError, Delivery, EngineConfig, InhibitRule, RouteConfig, Silence,
    SilenceError,
};
use aiops_alert::interval::{TimeInterval, TimeSpec};
use aiops_alert::replay::{Event, Replay};
use aiops_core::{Selector, Timestamp};

use crate::engine::quick;
use crate::support::{alert, at, line, secs};

pub(crate) fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

fn silence(matchers: &str, from: f64, to: f64) -> Silence {
    Silence::new(selector(matchers), at(from), at(to))
}

/// Plays events and answers what was sent.
#[track_caller]
fn check(
    config: EngineConfig,
    events: Vec<(f64, Event)>,
    until: f64,
    expected: &[&str],
) -> AlertEngine {
    let engine = AlertEngine::try_from(config).unwrap();
    let mut replay = Replay::new(engine, |_, _| Delivery::Delivered);
    for (time, event) in events {
        replay.event(at(time), event).unwrap();
    }
    replay.finish(at(until));
    let sent: Vec<String> = replay
        .sent()
        .iter()
        .map(|sent| line(secs(sent.at), &sent.notification))
        .collect();
    assert_eq!(sent, expected);
    replay.engine().clone()
}

fn fires(name: &str, from: f64) -> Event {
    Event::Alert(alert(name, from, Some(from + 10_000.0)))
}

fn ends(name: &str, from: f64, to: f64) -> Event {
    Event::Alert(alert(name, from, Some(to)))
}

#[test]
fn a_silence_holds_from_its_start_to_its_end() {
    let events = vec![
        (
            0.0,
            Event::AddSilence(silence(r#"{instance=~"a|b"}"#, 0.0, 4.2)),
        ),
        (0.5, fires("A/a", 0.5)),
    ];
    let engine = check(quick(), events, 10.0, &["5.5 firing A/a"]);
    assert_eq!(engine.ledger().silenced, 1);
}

#[test]
fn the_end_of_what_was_told_is_told_during_a_silence_and_the_next_beginning_after_it() {
    let events = vec![
        (0.0, fires("A/a", 0.0)),
        (
            2.0,
            Event::AddSilence(silence(r#"{instance="a"}"#, 2.0, 9.0)),
        ),
        (4.0, ends("A/a", 0.0, 4.0)),
        (6.0, fires("A/a", 6.0)),
    ];
    let expected = ["1.0 firing A/a", "5.0 resolved A/a-", "9.0 firing A/a"];
    check(quick(), events.clone(), 20.0, &expected);
    // Alertmanager tells neither.
    let mut peer = quick();
    (peer.settle_muted, peer.refire_is_news, peer.notify_changes) = (false, false, true);
    check(peer, events, 20.0, &["1.0 firing A/a"]);
}

#[test]
fn a_silence_may_end_with_its_alerts() {
    let mut once = silence(r#"{instance="a"}"#, 0.0, 10_000.0);
    once.until_resolved = true;
    let events = vec![
        (0.0, Event::AddSilence(once)),
        (1.0, fires("A/a", 1.0)),
        (5.0, ends("A/a", 1.0, 5.0)),
        (10.0, fires("A/a", 10.0)),
    ];
    check(quick(), events, 20.0, &["11.0 firing A/a"]);
}

#[test]
fn silences_that_cannot_be_are_refused() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    let mut refused = |silence| engine.add_silence(at(5.0), silence).unwrap_err();
    let all = refused(silence(r#"{a=~".*", b!="c"}"#, 5.0, 9.0));
    assert_eq!(all, SilenceError::MatchesEverything);
    assert_eq!(
        refused(Silence::new(Selector::all(), at(5.0), at(9.0))),
        all
    );
    assert_eq!(refused(silence(r#"{a="b"}"#, 9.0, 9.0)), SilenceError::Over);
    assert_eq!(refused(silence(r#"{a="b"}"#, 0.0, 5.0)), SilenceError::Over);
    let id = engine
        .add_silence(at(5.0), silence(r#"{a="b"}"#, 0.0, 9.0))
        .unwrap();
    assert_eq!(engine.silences().next().unwrap().1.starts_at, at(5.0));
    assert!(engine.expire_silence(at(6.0), id));
    assert!(!engine.expire_silence(at(6.0), id));
}

fn critical_over_warning() -> EngineConfig {
    let mut config = quick();
    config.group_by = vec!["...".into()];
    config.inhibit = vec![InhibitRule::new(
        selector(r#"{alertname="Down"}"#),
        selector(r#"{alertname=~"Slow|Down"}"#),
        vec!["instance".into()],
    )];
    config
}

#[test]
fn a_source_keeps_back_targets_that_agree_with_it() {
    let events = vec![
        (0.0, fires("Down/a", 0.0)),
        (0.0, fires("Slow/a", 0.0)),
        (0.0, fires("Slow/b", 0.0)),
        (2.0, ends("Down/a", 0.0, 2.0)),
    ];
    let expected = [
        "1.0 firing Down/a", // a target too, but not of another one of its kind
        "1.0 firing Slow/b",
        "3.0 resolved Down/a-",
        "3.0 firing Slow/a",
    ];
    let engine = check(critical_over_warning(), events, 10.0, &expected);
    assert_eq!(engine.ledger().inhibited, 1);
}

#[test]
fn a_restart_does_not_let_an_inhibited_alert_through() {
    #[cfg(feature = "serde")]
    {
        let events = vec![
            (0.0, fires("Down/a", 0.0)),
            (0.0, fires("Slow/a", 0.0)),
            (2.0, Event::Restart),
            (2.1, fires("Slow/a", 0.0)), // the target comes again before its source
            (4.0, fires("Down/a", 0.0)),
        ];
        check(
            critical_over_warning(),
            events,
            10.0,
            &["1.0 firing Down/a"],
        );
    }
}

/// Everything goes to `receiver`, alerts of `A` to `special`.
fn sent_to(receiver: &str, special: &str) -> EngineConfig {
    let mut config = quick();
    config.receiver = receiver.into();
    let mut route = RouteConfig::default();
    route.matchers = selector(r#"{alertname="A"}"#);
    route.receiver = Some(special.into());
    config.routes = vec![route];
    config
}

/// Receiver, line of each notification around a reload at 3 s.
#[track_caller]
fn check_reload(before: EngineConfig, after: EngineConfig, crash: bool, expected: &[&str]) {
    let events = [(0.0, fires("A/a", 0.0)), (0.0, fires("B/b", 0.0))];
    let engine = AlertEngine::try_from(before).unwrap();
    let mut replay = Replay::new(engine, |_, _| Delivery::Delivered);
    for (time, event) in events {
        replay.event(at(time), event).unwrap();
    }
    let reload = Event::Reload(Box::new(after));
    replay.event(at(3.0), reload).unwrap();
    #[cfg(feature = "serde")]
    if crash {
        replay.event(at(3.0), Event::Restart).unwrap();
    }
    replay.event(at(6.0), ends("A/a", 0.0, 6.0)).unwrap();
    replay.finish(at(20.0));
    let sent = replay.sent().iter();
    let sent: Vec<String> = sent
        .map(|one| {
            let line = line(secs(one.at), &one.notification);
            format!("{} {line}", one.notification.receiver)
        })
        .collect();
    assert_eq!(sent, expected, "crash: {crash}");
}

#[test]
fn an_alert_that_a_reload_moves_is_resolved_at_its_old_receiver() {
    let expected = [
        "x 1.0 firing A/a",
        "rest 1.0 firing B/b",
        "y 3.0 firing A/a",
        "x 3.0 resolved A/a-",
        "y 7.0 resolved A/a-",
    ];
    for crash in [false, true] {
        // The old receiver is there still, for something else.
        let mut after = sent_to("rest", "y");
        let mut other = RouteConfig::default();
        other.matchers = selector(r#"{alertname="Z"}"#);
        other.receiver = Some("x".into());
        after.routes.push(other);
        check_reload(sent_to("rest", "x"), after.clone(), crash, &expected);
        // Alertmanager never tells the old one.
        after.settle_moved = false;
        let without = [expected[0], expected[1], expected[2], expected[4]];
        check_reload(sent_to("rest", "x"), after, crash, &without);
        // A receiver that is gone cannot be told.
        let gone = sent_to("rest", "y");
        check_reload(sent_to("rest", "x"), gone, crash, &without);
        // Nothing moved: nothing is told.
        let same = sent_to("rest", "x");
        let told = [
            "x 1.0 firing A/a",
            "rest 1.0 firing B/b",
            "x 7.0 resolved A/a-",
        ];
        check_reload(same.clone(), same, crash, &told);
    }
}

#[test]
fn a_silence_that_begins_after_its_alert_was_told_is_not_used_again_for_the_next() {
    // One that ends with its alerts does so although a part of them goes on for longer.
    let mut once = silence(r#"{instance=~"a|b"}"#, 0.0, 10_000.0);
    once.until_resolved = true;
    let events = vec![
        (0.0, Event::AddSilence(once)),
        (1.0, fires("A/a", 1.0)),
        (1.0, fires("A/b", 1.0)),
        (5.0, ends("A/a", 1.0, 5.0)),
        (8.0, ends("A/b", 1.0, 8.0)),
        (12.0, fires("A/a", 12.0)),
    ];
    check(quick(), events, 20.0, &["13.0 firing A/a"]);
}

#[test]
fn a_route_is_silent_at_its_times_and_tells_the_state_afterwards() {
    // The clock of the tests begins at 22:13:20.
    let start: Timestamp = at(0.0);
    assert!(start.to_string().ends_with("T22:13:20Z"));
    let mut config = quick();
    config.group_interval = Duration::from_secs(10);
    let quarter = TimeSpec::default().at("22:14", "22:16").unwrap();
    config.time_intervals = vec![TimeInterval::new("quiet", vec![quarter])];
    let mut route = RouteConfig::default();
    route.mute_time_intervals = vec!["quiet".into()];
    config.routes = vec![route.clone()];
    let events = vec![
        (0.0, fires("A/a", 0.0)),
        (50.0, ends("A/a", 0.0, 50.0)), // during the quiet time
        (60.0, fires("B/b", 60.0)),
    ];
    let expected = ["1.0 firing A/a", "161.0 resolved A/a-", "161.0 firing B/b"];
    check(config.clone(), events, 200.0, &expected);

    route.mute_time_intervals = vec!["never heard of".into()];
    config.routes = vec![route];
    let error = AlertEngine::try_from(config).unwrap_err();
    assert!(
        matches!(error, ConfigError::UnknownInterval { .. }),
        "{error}"
    );
}
