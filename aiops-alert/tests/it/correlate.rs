//! Correlation: which alerts are one incident.

use std::time::{Duration, Instant};

use aiops_alert::correlate::{Correlator, CorrelatorConfig};
use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, INCIDENT_LABEL};
use aiops_core::{Alert, Labels, Seed, Topology};

use crate::support::{at, labels};

fn correlator(calls: &[(&str, &str)]) -> Correlator {
    let mut topology = Topology::default();
    for (caller, callee) in calls {
        topology.add_call(caller, callee);
    }
    let mut correlator = Correlator::try_from(CorrelatorConfig::default()).unwrap();
    correlator.set_topology(topology);
    correlator
}

/// Time and component of each alert, and the number of the cluster it should be in, from 1.
#[track_caller]
fn check(calls: &[(&str, &str)], alerts: &[(f64, &str, u64)]) {
    let mut correlator = correlator(calls);
    for (time, component, expected) in alerts {
        let labels = labels(&format!("alertname=A{time},service={component}"));
        let got = correlator.assign(at(*time), &labels);
        assert_eq!(got, *expected, "{component} at {time}");
    }
}

const SHOP: [(&str, &str); 4] = [
    ("web", "cart"),
    ("cart", "redis"),
    ("blog", "db"),
    ("x", "web"),
];

#[test]
fn a_failure_spreads_along_the_calls() {
    check(
        &SHOP,
        &[
            (0.0, "redis", 1),
            (20.0, "cart", 1),
            (45.0, "web", 1),
            (80.0, "x", 1),
        ],
    );
}

#[test]
fn what_nothing_connects_is_another_failure() {
    check(
        &SHOP,
        &[
            (0.0, "redis", 1),
            (1.0, "db", 2),
            (2.0, "cart", 1),
            (3.0, "blog", 2),
        ],
    );
}

#[test]
fn what_comes_after_quiet_is_another_failure() {
    let burst = [
        (0.0, "cart", 1),
        (0.2, "web", 1),
        (0.4, "redis", 1),
        (0.6, "cart", 1),
        (0.8, "x", 1),
    ];
    let later = [(30.0, "cart", 2), (30.5, "web", 2)];
    check(&SHOP, &[&burst[..], &later[..]].concat());
    // A slow one goes on for longer.
    check(
        &SHOP,
        &[
            (0.0, "cart", 1),
            (30.0, "web", 1),
            (60.0, "redis", 1),
            (90.0, "x", 1),
            (180.0, "web", 1),
        ],
    );
}

#[test]
fn components_that_the_topology_does_not_know_join_only_soon() {
    check(
        &SHOP,
        &[(0.0, "redis", 1), (1.0, "nobody", 1), (400.0, "nobody", 2)],
    );
}

/// `count` alerts of the services from `first` on, `wide` seconds on average after `start`.
fn burst(rng: &mut aiops_core::Rng, count: usize, start: f64, wide: f64) -> Vec<(f64, Labels)> {
    let services = ["web", "cart", "redis"];
    let alert = |number: usize| {
        let service = services[rng.below(3)];
        let text = format!("alertname=A{start}-{number},service={service}");
        (start - wide * (1.0 - rng.uniform()).ln(), labels(&text))
    };
    (0..count).map(alert).collect()
}

/// Numbers of alerts of each incident after bursts of these counts, starts and widths.
fn incidents(seed: u64, bursts: &[(usize, f64, f64)]) -> Vec<usize> {
    let mut rng = Seed::default().child(seed).rng();
    let mut alerts: Vec<(f64, Labels)> = bursts
        .iter()
        .flat_map(|&(count, start, wide)| burst(&mut rng, count, start, wide))
        .collect();
    alerts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut engine = correlated();
    for (time, labels) in alerts {
        engine.receive(at(time), Alert::new(labels, at(time)));
    }
    engine.incidents().map(|one| one.alerts.len()).collect()
}

fn correlated() -> AlertEngine {
    let mut config = EngineConfig::default();
    config.correlation = Some(CorrelatorConfig::default());
    config.group_by = vec![INCIDENT_LABEL.into()];
    let mut engine = AlertEngine::try_from(config).unwrap();
    let mut topology = Topology::default();
    for (caller, callee) in SHOP {
        topology.add_call(caller, callee);
    }
    engine.set_topology(topology);
    engine
}

#[test]
fn a_second_burst_is_an_incident_of_its_own_with_all_its_alerts() {
    let mut found = 0;
    for seed in 0..40 {
        let sizes = incidents(seed, &[(40, 0.0, 4.0), (40, 30.0, 4.0)]);
        assert_eq!(sizes.iter().sum::<usize>(), 80);
        let close = |size: &usize| size.abs_diff(40) <= 2;
        found += u32::from(sizes.len() == 2 && sizes.iter().all(close));
    }
    assert!(found >= 34, "{found} of 40");
}

#[test]
fn one_burst_stays_one_incident_however_fast_it_is() {
    for wide in [0.5, 4.0] {
        let one = (0..40).filter(|seed| incidents(*seed, &[(60, 0.0, wide)]).len() == 1);
        let one = one.count();
        assert!(one >= 38, "{one} of 40, {wide} s wide");
    }
}

#[test]
fn alerts_of_a_second_burst_are_told_in_their_own_group_and_end_there() {
    let mut engine = correlated();
    let mut sent = Vec::new();
    let fires = |name: String, time: f64, end: f64| {
        let mut alert = Alert::new(labels(&format!("alertname={name},service=cart")), at(time));
        alert.ends_at = Some(at(end));
        alert
    };
    let mut alerts = Vec::new();
    for number in 0..12 {
        let step = f64::from(number);
        alerts.push((0.2 * step, fires(format!("A{number}"), 0.2 * step, 300.0)));
        alerts.push((20.0 + 0.2 * step, fires(format!("B{number}"), 20.0, 400.0)));
    }
    for (time, name) in [(5.0, "C1"), (9.0, "C2"), (14.0, "C3")] {
        alerts.push((time, fires(name.into(), time, 300.0)));
    }
    alerts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut alerts = alerts.into_iter().peekable();
    for second in 0..=2_000 {
        let now = f64::from(second);
        while let Some((time, alert)) = alerts.next_if(|(time, _)| *time <= now) {
            engine.receive(at(time), alert);
        }
        for notification in engine.tick(at(now)) {
            engine.report_delivery(at(now), &notification.key, Delivery::Delivered);
            let ends = notification.alerts.iter();
            let ends = ends.filter(|one| one.ends_at.is_some()).count();
            sent.push((second, notification.alerts.len(), ends));
        }
    }
    assert_eq!(engine.ledger().splits, 1);
    // 15 and 12 alerts, begun and ended.
    assert_eq!(
        sent,
        [(30, 15, 0), (51, 12, 0), (330, 15, 15), (651, 12, 12)]
    );
}

#[test]
fn an_alert_that_begins_anew_belongs_to_what_happens_now() {
    let mut engine = correlated();
    let fires = |service: &str, start: f64| {
        let mut alert = Alert::new(labels(&format!("service={service}")), at(start));
        alert.ends_at = Some(at(start + 100.0));
        alert
    };
    engine.receive(at(0.0), fires("cart", 0.0));
    engine.receive(at(1.0), fires("web", 1.0));
    engine.tick(at(40.0)); // on its way, so that nothing leaves
    engine.receive(at(500.0), fires("cart", 500.0));
    let sizes: Vec<usize> = engine.incidents().map(|one| one.alerts.len()).collect();
    assert_eq!(sizes, [2, 1]);
    let starts = |place: usize| engine.incidents().nth(place).unwrap().alerts[0].starts_at;
    assert_eq!((starts(0), starts(1)), (at(0.0), at(500.0)));
}

#[test]
fn incidents_can_be_merged() {
    let mut engine = correlated();
    let mut told = Vec::new();
    for (service, time) in [("redis", 0.0), ("db", 1.0)] {
        let mut alert = Alert::new(labels(&format!("service={service}")), at(time));
        alert.ends_at = Some(at(1_000.0));
        engine.receive(at(time), alert);
    }
    let ids: Vec<_> = engine.incidents().map(|one| one.id).collect();
    assert_eq!(ids.len(), 2);
    for second in 2..2_000 {
        let now = at(f64::from(second));
        if second == 100 {
            assert!(!engine.merge_incidents(now, ids[0], ids[0]));
            assert!(engine.merge_incidents(now, ids[1], ids[0]));
            assert!(!engine.merge_incidents(now, ids[1], ids[0]));
            assert_eq!(engine.incidents().count(), 1);
            assert_eq!(engine.incident(ids[0]).unwrap().alerts.len(), 2);
        }
        for notification in engine.tick(now) {
            engine.report_delivery(now, &notification.key, Delivery::Delivered);
            let over = notification.status == aiops_core::AlertStatus::Resolved;
            told.push((second, notification.group_key, over));
        }
    }
    let [one, other] = ["{}:{incident=\"C-1\"}", "{}:{incident=\"C-2\"}"];
    let expected = [
        (30, one, false),
        (31, other, false),
        (100, other, true),
        (1_230, one, true),
    ];
    let told: Vec<_> = told
        .iter()
        .map(|(at, key, over)| (*at, key.as_str(), *over))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(engine.ledger().merges, 1);
}

#[test]
fn what_fired_together_before_is_near() {
    let mut correlator = correlator(&SHOP);
    let mut assign = |time, service: &str| {
        correlator.assign(at(time), &labels(&format!("alertname=A,service={service}")))
    };
    // `redis` and `db` are not connected: another failure each time.
    assert_ne!(assign(0.0, "redis"), assign(1.0, "db"));
    // `nobody` is not known and joins because it comes soon, six times.
    for day in 1..7 {
        let begin = 86_400.0 * f64::from(day);
        assert_eq!(assign(begin, "db"), assign(begin + 1.0, "nobody"));
    }
    // Now it is known to belong to `db`, also when something else came later.
    let begin = 86_400.0 * 8.0;
    let db = assign(begin, "db");
    let redis = assign(begin + 20.0, "redis");
    assert_ne!(db, redis);
    assert_eq!(assign(begin + 21.0, "nobody"), db);
}

#[test]
fn parameters_are_checked() {
    let refused = |change: fn(&mut CorrelatorConfig)| {
        let mut config = CorrelatorConfig::default();
        change(&mut config);
        Correlator::try_from(config).unwrap_err().name()
    };
    assert_eq!(
        refused(|config| config.min_quiet = Duration::ZERO),
        "min_quiet"
    );
    assert_eq!(
        refused(|config| config.max_quiet = Duration::from_secs(14)),
        "min_quiet"
    );
    assert_eq!(refused(|config| config.patience = 0.0), "patience");
    assert_eq!(refused(|config| config.patience = f64::NAN), "patience");
    assert_eq!(refused(|config| config.max_clusters = 0), "max_clusters");
    assert_eq!(
        refused(|config| config.split_evidence = 0.0),
        "split_evidence"
    );
    assert_eq!(
        refused(|config| config.split_evidence = f64::NAN),
        "split_evidence"
    );
}

#[test]
fn memory_is_bounded() {
    let mut config = CorrelatorConfig::default();
    config.max_clusters = 2;
    let mut correlator = Correlator::try_from(config).unwrap();
    let mut topology = Topology::default();
    for name in ["a", "b", "c"] {
        topology.add_component(name);
    }
    correlator.set_topology(topology);
    let mut assign =
        |time, name: &str| correlator.assign(at(time), &labels(&format!("service={name}")));
    assert_eq!(
        (assign(0.0, "a"), assign(1.0, "b"), assign(2.0, "c")),
        (1, 2, 3)
    );
    assert_eq!(assign(3.0, "a"), 4); // the first one is forgotten
}

#[test]
fn a_cascade_of_a_thousand_alerts_over_two_hundred_services_is_one_notification() {
    // Each service calls up to three with a larger number; the last one fails.
    let mut rng = Seed::default().rng();
    let mut topology = Topology::default();
    let name = |number: usize| format!("s{number:03}");
    for caller in 0..199 {
        topology.add_call(
            &name(caller),
            &name(caller + 1 + rng.below(3.min(199 - caller))),
        );
        topology.add_call(&name(caller), &name((caller + 10).min(199)));
    }
    let mut config = EngineConfig::default();
    config.correlation = Some(CorrelatorConfig::default());
    config.group_by = vec![INCIDENT_LABEL.into()];
    config.max_alerts_per_incident = 2_000;
    let mut engine = AlertEngine::try_from(config).unwrap();
    engine.set_topology(topology);
    let mut alerts = Vec::new();
    for step in 0..200 {
        for kind in 0..5 {
            let time = 0.3 * step as f64 + 0.5 * rng.uniform();
            let service = name(199 - step);
            alerts.push((
                time,
                labels(&format!("alertname=K{kind},service={service}")),
            ));
        }
    }
    alerts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let started = Instant::now();
    let mut sent = Vec::new();
    for (time, labels) in alerts {
        engine.receive(at(time), Alert::new(labels, at(time)));
        for notification in engine.tick(at(time)) {
            engine.report_delivery(at(time), &notification.key, Delivery::Delivered);
            sent.push(notification);
        }
    }
    sent.extend(engine.tick(at(100.0)));
    let cascade = engine.cascade(sent[0].incident).unwrap();
    eprintln!("{:?} for 1,000 alerts", started.elapsed());
    assert_eq!(sent.len(), 1);
    assert_eq!(engine.incidents().count(), 1);
    assert!(
        cascade.suspects.iter().take(3).any(|one| one == "s199"),
        "{cascade:?}"
    );
    assert!(cascade.critical.len() > 150, "{}", cascade.critical.len());
    assert!(!cascade.impact.is_empty());
    let all = cascade.suspects.len() + cascade.critical.len() + cascade.impact.len();
    assert_eq!(all, 200);
}

#[cfg(feature = "serde")]
#[test]
fn correlation_goes_on_after_a_restart() {
    let mut config = EngineConfig::default();
    config.correlation = Some(CorrelatorConfig::default());
    config.group_by = vec![INCIDENT_LABEL.into()];
    let mut engine = AlertEngine::try_from(config).unwrap();
    let mut topology = Topology::default();
    topology.add_call("web", "cart");
    engine.set_topology(topology);
    let alert = |service: &str, time| Alert::new(labels(&format!("service={service}")), at(time));
    engine.receive(at(0.0), alert("cart", 0.0));
    let mut engine: AlertEngine =
        aiops_core::stored::load(&aiops_core::stored::save(&engine)).unwrap();
    engine.receive(at(10.0), alert("web", 10.0));
    assert_eq!(engine.incidents().count(), 1);
    let id = engine.incidents().next().unwrap().id;
    assert_eq!(engine.cascade(id).unwrap().suspects, ["cart"]);
}
