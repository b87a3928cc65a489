//! What happens to a record: store, detect, alert, explain. No thread, no clock, no network: time
//! comes in with the record, so that recorded data runs through the very same code.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aiops_alert::engine::{AlertEngine, Notification};
use aiops_alert::rule::RuleSet;
use aiops_alert::webhook;
use aiops_core::ingest::{Batch, MetricMetadata};
use aiops_core::{
    AlertStatus, ChangeEvent, Fingerprint, Incident, IncidentStatus, Labels, MatchOp, Matcher,
    Outcome, Sample, Selector, StorageError, Timestamp, Topology,
};
use aiops_detect::monitor::SeriesMonitor;
use aiops_rca::graph_deviation::GraphDeviation;
use serde_json::Value;

use crate::chart::SeriesStoreDebug;
use crate::component;
use crate::config::Config;
use crate::counters::Counters;
use crate::explain;
use crate::ingest::Record;
use crate::notify::{Delivery, Outgoing};
use crate::setup;
use crate::watch::Watch;

/// Changes that are remembered.
const MAX_CHANGES: usize = 1_000;
/// Metrics whose description is remembered.
const MAX_METADATA: usize = 50_000;
/// How far back an anomaly may have begun to belong to an incident.
const ONSET_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Alert rules and groups are looked at this often.
const TICK: Duration = Duration::from_secs(1);

/// Everything between the queue and the outside.
#[derive(Debug)]
pub struct Pipeline {
    config: Arc<Config>,
    counters: Arc<Counters>,
    store: Arc<dyn SeriesStoreDebug>,
    pub(crate) watches: HashMap<Fingerprint, Watch>,
    metadata: BTreeMap<String, MetricMetadata>,
    pub(crate) rules: RuleSet,
    pub(crate) engine: AlertEngine,
    pub(crate) changes: VecDeque<ChangeEvent>,
    topology: Topology,
    ranker: GraphDeviation,
    pub(crate) clock: Timestamp,
}

/// Counts over all series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overview {
    /// Hosts seen.
    pub hosts: u64,
    /// Series with an anomaly now.
    pub anomalous: u64,
    /// Series whose detector has not seen enough.
    pub warming: u64,
    /// Memory of detectors.
    pub detector_bytes: u64,
    /// Incidents that are open.
    pub open_incidents: u64,
}

/// Counts over the series of one host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostRow {
    /// Series.
    pub series: u64,
    /// Series with an anomaly now.
    pub anomalous: u64,
    /// Series whose detector has not seen enough.
    pub warming: u64,
    /// Time of the latest sample.
    pub last_sample: Timestamp,
}

impl Pipeline {
    /// Starts without any history.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn new(
        config: Arc<Config>,
        counters: Arc<Counters>,
        store: Arc<dyn SeriesStoreDebug>,
    ) -> Result<Self, String> {
        let mut topology = Topology::default();
        for call in &config.calls {
            topology.add_call(&call.from, &call.to);
        }
        Ok(Self {
            rules: setup::rules(&config)?,
            engine: setup::engine(&config)?,
            ranker: setup::ranker()?,
            watches: HashMap::new(),
            metadata: BTreeMap::new(),
            changes: VecDeque::new(),
            clock: Timestamp::MIN,
            topology,
            config,
            counters,
            store,
        })
    }

    /// Takes in a record that was received at `at`.
    ///
    /// # Errors
    ///
    /// [`StorageError`] when the store cannot keep it; the record should be tried again.
    pub fn process(&mut self, at: Timestamp, record: Record) -> Result<(), StorageError> {
        match record {
            Record::Samples(batch) => self.samples(&batch)?,
            Record::Change(change) => self.change(change),
        }
        self.clock = self.clock.max(at);
        Ok(())
    }

    fn samples(&mut self, batch: &Batch) -> Result<(), StorageError> {
        for about in &batch.metadata {
            if self.metadata.len() < MAX_METADATA {
                self.metadata.insert(about.metric.clone(), about.clone());
            }
        }
        let report = self.store.append(batch)?;
        self.counters.stored(report);
        for series in batch.iter() {
            let id = series.labels.fingerprint();
            if !self.watches.contains_key(&id) {
                if self.watches.len() >= self.config.limits.series {
                    continue; // counted by the store, which has the same limit
                }
                let watch = self.new_watch(series.labels);
                component::add_known_edges(&mut self.topology, series.labels);
                self.watches.insert(id, watch);
            }
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            if &watch.labels != series.labels {
                self.counters
                    .refuse("series.same-fingerprint", series.values.len() as u64);
                continue;
            }
            for (time, value) in series.times.iter().zip(series.values) {
                let sample = Sample::new(*time, *value);
                self.rules.observe_sample(&watch.labels, sample);
                if let Some(verdict) = watch.update(sample) {
                    self.rules.observe_verdict(&watch.labels, verdict);
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, change: ChangeEvent) {
        if self.knows_change(&change.id) {
            return;
        }
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// A watch that has seen nothing, as the configuration wants it for this series.
    pub fn new_watch(&self, labels: &Labels) -> Watch {
        let kind = self
            .metadata
            .get(labels.metric())
            .map(|about| about.kind.as_str());
        let monitor =
            component::is_watched(labels).then(|| setup::monitor(&self.config.detection, labels));
        Watch {
            labels: labels.clone(),
            monitor,
            rate: component::is_counter(labels, kind).then(Default::default),
            last: None,
            verdict: None,
            anomalous_since: None,
        }
    }

    /// Lets time pass up to `now`; answers what is to be sent. Steps of less than a second are
    /// gathered, so this may be called after every record.
    pub fn advance(&mut self, now: Timestamp, last_tick: &mut Timestamp) -> Vec<Outgoing> {
        if now.since(*last_tick) < TICK {
            return Vec::new();
        }
        *last_tick = now;
        self.clock = self.clock.max(now);
        for alert in self.rules.tick(now) {
            self.engine.receive(now, alert);
        }
        let notifications = self.engine.tick(now);
        notifications
            .iter()
            .map(|notification| self.outgoing(now, notification))
            .collect()
    }

    fn outgoing(&mut self, now: Timestamp, notification: &Notification) -> Outgoing {
        let id = notification.incident;
        let resolved = notification.status == AlertStatus::Resolved;
        if !resolved && let Some(causes) = self.investigate(now, id) {
            self.engine.set_causes(id, causes);
        }
        let incident = self.engine.incident(id);
        let body = webhook::payload(notification, incident, &setup::external_url(&self.config));
        Outgoing {
            key: notification.key.clone(),
            resolved,
            body: body.to_string(),
            summary: incident
                .map(|incident| incident.summary.clone())
                .unwrap_or_default(),
        }
    }

    /// The causes of an incident, or `None` when they cannot be looked for.
    fn investigate(
        &self,
        now: Timestamp,
        id: aiops_core::IncidentId,
    ) -> Option<Vec<aiops_core::Cause>> {
        let incident = self.engine.incident(id)?;
        let earliest = incident.opened_at.saturating_sub(ONSET_WINDOW);
        let series: Vec<&Watch> = self
            .watches
            .values()
            .filter(|watch| self.is_near(incident, &watch.labels))
            .collect();
        let alerting = |watch: &&&Watch| {
            incident
                .alerts
                .iter()
                .any(|alert| shares_all(&watch.labels, &alert.labels))
        };
        let onset = series
            .iter()
            .filter(alerting)
            .filter_map(|watch| watch.anomalous_since)
            .filter(|since| *since >= earliest)
            .min()
            .unwrap_or(incident.opened_at);
        let mut labels: Vec<_> = series.iter().map(|watch| watch.labels.clone()).collect();
        labels.sort();
        let changes: Vec<_> = self.changes.iter().cloned().collect();
        let scene = explain::Scene {
            series: labels,
            onset,
            now,
            topology: &self.topology,
            changes: &changes,
        };
        explain::causes(self.store.as_ref(), &self.ranker, &scene)
            .inspect_err(|error| {
                tracing::error!(
                    error = crate::ingest::describe(error),
                    "cannot read for causes"
                );
            })
            .ok()
    }

    /// Whether the series belongs to the place of the incident, or to something it depends on.
    fn is_near(&self, incident: &Incident, labels: &Labels) -> bool {
        if shares_all(labels, &incident.group) {
            return true;
        }
        let own = component::component(labels);
        incident.alerts.iter().any(|alert| {
            let alerting = component::component(&alert.labels);
            self.topology
                .dependencies(&alerting)
                .any(|needed| needed == own)
        })
    }

    /// What became of an attempt to send.
    pub fn delivered(&mut self, now: Timestamp, key: &str, delivery: &Delivery) {
        self.counters.delivery(*delivery == Delivery::Done);
        self.engine
            .report_delivery(now, key, setup::delivery(delivery));
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn SeriesStoreDebug> {
        &self.store
    }

    /// All series under watch, in no order.
    pub fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.watches.values()
    }

    /// One series under watch.
    pub fn watch(&self, id: Fingerprint) -> Option<&Watch> {
        self.watches.get(&id)
    }

    /// What is known about a metric; for a part of a histogram or summary, about the whole.
    pub fn metadata(&self, metric: &str) -> Option<&MetricMetadata> {
        let family = ["_total", "_count", "_sum", "_bucket"]
            .iter()
            .find_map(|ending| metric.strip_suffix(ending));
        self.metadata
            .get(metric)
            .or_else(|| self.metadata.get(family?))
    }

    /// All incidents that are remembered.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.engine.incidents()
    }

    /// All changes that are remembered.
    pub fn changes(&self) -> impl Iterator<Item = &ChangeEvent> {
        self.changes.iter()
    }

    /// Whether a change of this id is remembered.
    pub fn knows_change(&self, id: &str) -> bool {
        self.changes.iter().any(|change| change.id == id)
    }

    /// What became of the alerts.
    pub fn ledger(&self) -> Value {
        serde_json::to_value(self.engine.ledger()).unwrap_or_default()
    }

    /// Counts over all series.
    pub fn overview(&self) -> Overview {
        let mut overview = Overview {
            hosts: self.hosts().len() as u64,
            open_incidents: self
                .incidents()
                .filter(|incident| incident.status() == IncidentStatus::Open)
                .count() as u64,
            ..Overview::default()
        };
        for watch in self.watches.values() {
            let (anomalous, warming) = flags(watch);
            overview.anomalous += anomalous;
            overview.warming += warming;
            overview.detector_bytes += watch.size_bytes() as u64;
        }
        overview
    }

    /// Counts for each host, in order of name.
    pub fn hosts(&self) -> BTreeMap<String, HostRow> {
        let mut hosts: BTreeMap<String, HostRow> = BTreeMap::new();
        for watch in self.watches.values() {
            let host = component::host(&watch.labels);
            if host.is_empty() {
                continue;
            }
            if !hosts.contains_key(host) {
                hosts.insert(host.to_owned(), HostRow::default());
            }
            let Some(row) = hosts.get_mut(host) else {
                continue;
            };
            let (anomalous, warming) = flags(watch);
            row.series += 1;
            row.anomalous += anomalous;
            row.warming += warming;
            row.last_sample = row
                .last_sample
                .max(watch.last.map_or(Timestamp::EPOCH, |l| l.time));
        }
        hosts
    }

    /// Forgets series that have had no sample since `oldest`; the store has forgotten their
    /// samples too.
    pub fn forget_before(&mut self, oldest: Timestamp) {
        self.watches
            .retain(|_, watch| watch.last.is_none_or(|last| last.time >= oldest));
    }
}

/// 1 or 0 for anomalous, and for warming.
fn flags(watch: &Watch) -> (u64, u64) {
    match watch.verdict.as_ref().map(|verdict| verdict.outcome) {
        Some(Outcome::Anomalous) => (1, 0),
        Some(Outcome::Warming { .. }) => (0, 1),
        _ => (0, 0),
    }
}

/// Whether `labels` has every label of `wanted` that it has at all, and at least one of them.
fn shares_all(labels: &Labels, wanted: &Labels) -> bool {
    let mut shared = 0;
    for (name, value) in wanted.iter() {
        match labels.get(name) {
            Some(own) if own == value => shared += 1,
            Some(_) => return false,
            None => {}
        }
    }
    shared > 0
}

/// A selector for the series with these labels (and those that have more).
pub fn exact_selector(labels: &Labels) -> Selector {
    let equal = |(name, value): (&str, &str)| Matcher::new(name, MatchOp::Equal, value).ok();
    Selector::new(labels.iter().filter_map(equal).collect())
}

/// The concrete detector, for those that store it.
pub type Monitor = SeriesMonitor;
