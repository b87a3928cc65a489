//! Correlation: which alerts are one incident.

use std::time::{Duration, Instant};

use aiops_alert::correlate::{Correlator, CorrelatorConfig};
use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, INCIDENT_LABEL};
use aiops_core::{Alert, Seed, Topology};

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
