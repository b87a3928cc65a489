//! The way of a data point, from bytes to a message with a cause: the picture in `ARCHITECTURE.md`
//! as a program. Two services on a virtual clock; the database becomes slow, and the shop with it.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
use aiops_alert::rule::{Condition, Rule, RuleConfig, RuleSet};
use aiops_alert::webhook;
use aiops_core::ingest::{Batch, LabelInterner, Limits, remote_write};
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue as _};
use aiops_core::store::{MemoryStore, MemoryStoreConfig, SeriesStore};
use aiops_core::{
    Case, Cause, ComponentMetric, Labels, METRIC_NAME, RootCauseRanker as _, Sample, Seed,
    Selector, Series, TimeAxis, TimeRange, Timestamp, Topology,
};
use aiops_detect::monitor::SeriesMonitor;
use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};

/// Seconds; the trouble begins after two thirds.
const LENGTH: u64 = 300;
const SERVICES: [(&str, f64); 2] = [("shop", 80.0), ("db", 5.0)];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let queue = DiskQueue::open(folder.path(), DiskQueueConfig::default())?; // aiops-core
    let store = MemoryStore::new(MemoryStoreConfig::default());
    let mut interner = LabelInterner::new(1_000);
    let mut monitors: HashMap<Labels, SeriesMonitor> = HashMap::new(); // aiops-detect
    let mut rules = RuleSet::new([slow()?]); // aiops-alert
    let mut engine = AlertEngine::try_from(EngineConfig::default())?;
    let mut topology = Topology::default();
    topology.add_call("shop", "db");
    let mut noise = Seed::default().rng();

    let start: Timestamp = "2026-03-02T10:00:00Z".parse()?;
    for second in 0..LENGTH {
        let now = start.saturating_add(Duration::from_secs(second));

        // What a sender would send: snappy and protobuf.
        let slower = if second < LENGTH * 2 / 3 { 1.0 } else { 12.0 };
        let latencies =
            SERVICES.map(|(name, usual)| (name, usual * (slower + 0.05 * noise.normal())));
        let body = remote_write::encode(&measured(now, latencies)?);

        // Bytes to a batch; into the queue, from where it survives a crash; into the store.
        let mut batch = Batch::default();
        remote_write::decode(&body, &Limits::default(), &mut interner, &mut batch)?;
        let mut record = Vec::new();
        batch.encode(&mut record);
        queue.append(now, &record)?;
        let durable = queue.sync()?; // the sender may be answered
        store.append(&batch)?;
        queue.release(durable)?;

        // Is each sample normal? What the rules make of it, and whether anyone is to be told.
        for series in batch.iter() {
            let monitor = monitors.entry(series.labels.clone()).or_default();
            let verdict = monitor.update(Sample::new(now, series.values[0]));
            rules.observe_verdict(series.labels, &verdict);
        }
        for alert in rules.tick(now) {
            engine.receive(now, alert);
        }
        for notification in engine.tick(now) {
            // Where did it begin? Asked before anyone is told.
            engine.set_causes(notification.incident, causes(&store, &topology)?);
            let incident = engine.incident(notification.incident);
            println!("{now}: sent to the webhook");
            println!(
                "{}",
                webhook::payload(&notification, incident, "http://127.0.0.1:9797")
            );
            engine.report_delivery(now, &notification.key, Delivery::Delivered);
        }
    }
    for incident in engine.incidents() {
        println!("\n{}: {}", incident.id, incident.summary);
        for cause in &incident.causes {
            println!("  {} ({:.2})", cause.component, cause.score);
            cause
                .evidence
                .iter()
                .for_each(|evidence| println!("    {evidence}"));
        }
    }
    Ok(())
}

fn slow() -> Result<Rule, Box<dyn Error>> {
    let unusual = Condition::Anomalous { min_score: 0.0 };
    let mut rule = RuleConfig::new("Slow", Selector::metric("latency_ms"), unusual);
    rule.hold = Duration::from_secs(10);
    let summary = "{{ $labels.service }} takes {{ printf \"%.1f\" $value }} ms";
    rule.annotations.insert("summary".into(), summary.into());
    Ok(Rule::try_from(rule)?)
}

fn measured(now: Timestamp, latencies: [(&str, f64); 2]) -> Result<Batch, Box<dyn Error>> {
    let mut batch = Batch::default();
    for (service, latency_ms) in latencies {
        batch.start_series(Labels::of([
            (METRIC_NAME, "latency_ms"),
            ("service", service),
        ])?);
        batch.push(now, latency_ms);
    }
    Ok(batch)
}

fn causes(store: &dyn SeriesStore, topology: &Topology) -> Result<Vec<Cause>, Box<dyn Error>> {
    let mut read = Vec::new();
    for (labels, columns) in store.read(&Selector::all(), TimeRange::ALL)? {
        let axis = TimeAxis::listed(columns.times)?;
        read.push((labels, Series::new(axis, columns.values)?));
    }
    let metrics: Vec<_> = read
        .iter()
        .map(|(labels, series)| ComponentMetric {
            component: labels.get("service").unwrap_or_default(),
            metric: labels.metric(),
            reference: None,
            observed: series.view(),
        })
        .collect();
    let case = Case {
        metrics: &metrics,
        onset: None,
        symptom: None,
        topology,
        changes: &[],
    };
    let ranker = GraphDeviation::try_from(GraphDeviationConfig::default())?; // aiops-rca
    Ok(ranker.rank(&case)?)
}
