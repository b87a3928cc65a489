//! How long the parts of aiops-alert take.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use std::hint::black_box;
use std::time::Duration;

use aiops_alert::correlate::{Correlator, CorrelatorConfig};
use aiops_alert::engine::journal::{JournalStore, Journaled};
use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, INCIDENT_LABEL, RouteConfig};
use aiops_alert::replay::{Event, Replay};
use aiops_alert::rule::{Condition, Rule, RuleConfig, RuleSet};
use aiops_core::{Alert, Labels, Sample, Seed, Selector, Timestamp, Topology};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos(1_700_000_000_000_000_000 + (seconds * 1e9) as i64)
}

fn series(metric: &str, count: usize) -> Vec<Labels> {
    let labels = |number: usize| {
        Labels::of([
            ("__name__", metric),
            ("instance", &format!("host-{:05}:9100", number / 10)),
            ("device", &format!("sd{}", number % 10)),
            ("job", "node"),
        ])
    };
    (0..count).map(|number| labels(number).unwrap()).collect()
}

/// A sample of each of 200,000 series, one in a hundred of which a rule looks at.
fn rules(criterion: &mut Criterion) {
    let mut all = series("unwatched", 198_000);
    all.extend(series("watched", 2_000));
    let condition = Condition::Above {
        limit: 95.0,
        resolve: Some(90.0),
    };
    let rule = RuleConfig::new("High", Selector::metric("watched"), condition);
    let mut rules = RuleSet::new([Rule::try_from(rule).unwrap()]);
    let mut group = criterion.benchmark_group("alert/rules");
    group.throughput(Throughput::Elements(all.len() as u64));
    group.sample_size(10);
    let mut second = 0.0;
    group.bench_function("observe/200000", |bencher| {
        bencher.iter(|| {
            second += 1.0;
            for labels in &all {
                rules.observe_sample(labels, Sample::new(at(second), 50.0));
            }
            black_box(rules.tick(at(second)))
        });
    });
}

fn routed() -> EngineConfig {
    let mut config = EngineConfig::default();
    config.group_by = vec!["alertname".into(), "cluster".into()];
    config.max_alerts = 1_000_000;
    config.max_alerts_per_incident = 100;
    config.routes = (0..20)
        .map(|team| {
            let mut route = RouteConfig::default();
            route.matchers = format!(r#"{{team="team-{team}"}}"#).parse().unwrap();
            route.receiver = Some(format!("team-{team}"));
            route
        })
        .collect();
    config
}

fn alerts(count: usize) -> Vec<Alert> {
    let labels = |number: usize| {
        Labels::of([
            ("alertname", format!("Alert{}", number % 50)),
            ("cluster", format!("c{}", number % 40)),
            ("instance", format!("host-{number:06}:9100")),
            ("severity", "warning".to_owned()),
            ("team", format!("team-{}", number % 25)),
        ])
    };
    let alert = |number| {
        Alert::new(labels(number).unwrap(), at(0.0))
            .annotate("summary", "something is wrong with this host, look at it")
    };
    (0..count).map(alert).collect()
}

/// Deduplication, routing and grouping with 100,000 active alerts.
fn engine(criterion: &mut Criterion) {
    let alerts = alerts(100_000);
    let mut group = criterion.benchmark_group("alert/engine");
    group.throughput(Throughput::Elements(alerts.len() as u64));
    group.sample_size(10);
    group.bench_function("open/100000", |bencher| {
        bencher.iter(|| {
            let mut engine = AlertEngine::try_from(routed()).unwrap();
            for alert in &alerts {
                engine.receive(at(1.0), alert.clone());
            }
            black_box(engine.alert_count())
        });
    });
    let mut engine = AlertEngine::try_from(routed()).unwrap();
    let mut second = 1.0;
    group.bench_function("receive_again/100000", |bencher| {
        bencher.iter(|| {
            second += 1.0;
            for alert in &alerts {
                engine.receive(at(second), alert.clone());
            }
            for notification in engine.tick(at(second)) {
                engine.report_delivery(at(second), &notification.key, Delivery::Delivered);
            }
        });
    });
}

/// Takes all there is to write.
#[derive(Debug)]
struct Nowhere;

impl JournalStore for Nowhere {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        black_box(bytes);
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn replace(&mut self, snapshot: &[u8]) -> std::io::Result<()> {
        black_box(snapshot);
        Ok(())
    }
}

/// The same again with a journal, its snapshots included.
fn journal(criterion: &mut Criterion) {
    let alerts = alerts(100_000);
    let first = AlertEngine::try_from(routed()).unwrap();
    let (mut engine, _) = Journaled::open(Nowhere, &[], &[], first).unwrap();
    let mut group = criterion.benchmark_group("alert/journal");
    group.throughput(Throughput::Elements(alerts.len() as u64));
    group.sample_size(10);
    let mut second = 1.0;
    group.bench_function("receive_again/100000", |bencher| {
        bencher.iter(|| {
            second += 1.0;
            for alert in &alerts {
                engine.receive(at(second), alert.clone()).unwrap();
            }
            for notification in engine.tick(at(second)).unwrap() {
                let delivered = Delivery::Delivered;
                let key = &notification.key;
                engine.report_delivery(at(second), key, delivered).unwrap();
            }
        });
    });
}

/// A week of 10,000 alerts a day.
fn replay(criterion: &mut Criterion) {
    let mut rng = Seed::default().rng();
    let alerts = alerts(2_000);
    let mut events: Vec<(f64, Alert)> = (0..70_000)
        .map(|_| {
            let time = rng.uniform() * 7.0 * 86_400.0;
            let mut alert = alerts[rng.below(alerts.len())].clone();
            alert.starts_at = at(time);
            alert.ends_at = Some(at(time + 600.0 * rng.uniform()));
            (time, alert)
        })
        .collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut group = criterion.benchmark_group("alert/replay");
    group.sample_size(10);
    group.bench_function("week/70000", |bencher| {
        bencher.iter(|| {
            let engine = AlertEngine::try_from(routed()).unwrap();
            let mut replay = Replay::new(engine, |_, _| Delivery::Delivered);
            for (time, alert) in &events {
                replay
                    .event(at(*time), Event::Alert(alert.clone()))
                    .unwrap();
            }
            replay.finish(at(7.0 * 86_400.0 + 3_600.0));
            black_box(replay.into_sent().len())
        });
    });
}

/// 1,000 alerts of a cascade over 200 services: numbers of clusters alone, and the whole way to
/// the one notification that names where it began.
fn correlate(criterion: &mut Criterion) {
    let mut topology = Topology::default();
    let name = |number: usize| format!("s{number:03}");
    for caller in 0..199 {
        topology.add_call(&name(caller), &name(caller + 1));
        topology.add_call(&name(caller), &name((caller + 10).min(199)));
    }
    let alerts: Vec<Labels> = (0..1_000)
        .map(|number| {
            let kind = format!("K{}", number % 5);
            Labels::of([("alertname", kind), ("service", name(199 - number / 5))]).unwrap()
        })
        .collect();
    let time = |number: usize| at(0.06 * number as f64);
    let mut group = criterion.benchmark_group("alert/correlate");
    group.throughput(Throughput::Elements(1_000));
    group.measurement_time(Duration::from_secs(2));
    group.bench_function("cascade/1000", |bencher| {
        bencher.iter(|| {
            let mut correlator = Correlator::try_from(CorrelatorConfig::default()).unwrap();
            correlator.set_topology(topology.clone());
            for (number, labels) in alerts.iter().enumerate() {
                black_box(correlator.assign(time(number), labels));
            }
        });
    });
    group.bench_function("cascade_told/1000", |bencher| {
        bencher.iter(|| {
            let mut config = EngineConfig::default();
            config.group_by = vec![INCIDENT_LABEL.to_owned()];
            config.correlation = Some(CorrelatorConfig::default());
            let mut engine = AlertEngine::try_from(config).unwrap();
            engine.set_topology(topology.clone());
            let mut replay = Replay::new(engine, |_, _| Delivery::Delivered);
            for (number, labels) in alerts.iter().enumerate() {
                let alert = Alert::new(labels.clone(), time(number));
                replay.event(time(number), Event::Alert(alert)).unwrap();
            }
            replay.finish(at(120.0));
            assert_eq!(replay.sent().len(), 1);
            let incident = replay.sent()[0].notification.incident;
            let suspects = replay.engine().cascade(incident).unwrap().suspects;
            assert!(suspects.iter().take(3).any(|one| *one == name(199)));
        });
    });
}

criterion_group!(benches, rules, engine, journal, replay, correlate);
criterion_main!(benches);
