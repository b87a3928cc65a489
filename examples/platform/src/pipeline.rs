//! What happens to a record: store, detect, alert, explain. No thread, no clock, no network: time
//! comes in with the record, so that recorded data runs through the very same code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aiops_alert::api::{Answer, Change};
use aiops_alert::engine::{AlertEngine, Delivery, Notification};
use aiops_alert::rule::RuleSet;
use aiops_alert::webhook;
use aiops_core::ingest::{Batch, MetricMetadata};
use aiops_core::logs::TemplateMiner;
use aiops_core::{
    AlertStatus, Cause, ChangeEvent, Incident, IncidentStatus, Labels, Matcher, Outcome, Sample,
    Selector, StorageError, Timestamp, Topology,
};
use aiops_rca::investigation::Investigation;
use serde_json::Value;

use crate::activity::{Activity, Seen};
use crate::chart::SeriesStoreDebug;
use crate::component;
use crate::config::Config;
use crate::counters::Counters;
use crate::explain::{self, Candidate, Scene};
use crate::notify::Outgoing;
use crate::record::Record;
use crate::setup;
use crate::watch::Watch;
use crate::watches::Watches;

/// Changes that are remembered.
const MAX_CHANGES: usize = 1_000;
/// Metrics whose description is remembered.
const MAX_METADATA: usize = 50_000;
/// How far back an anomaly may have begun to belong to an incident.
const ONSET_WINDOW: Duration = Duration::from_mins(10);
/// Series that are looked at for one incident.
const MAX_SCENE: usize = 2_000;
/// Components that are followed from what is in trouble to what it depends on.
const MAX_REACHED: usize = 1_000;
/// Alert rules and groups are looked at this often.
const TICK: Duration = Duration::from_secs(1);

/// Everything between the queue and the outside.
#[derive(Debug)]
pub struct Pipeline {
    config: Arc<Config>,
    counters: Arc<Counters>,
    store: Arc<dyn SeriesStoreDebug>,
    pub(crate) watches: Watches,
    metadata: BTreeMap<String, MetricMetadata>,
    metadata_version: u64,
    pub(crate) rules: RuleSet,
    pub(crate) engine: AlertEngine,
    pub(crate) changes: VecDeque<ChangeEvent>,
    pub(crate) activity: Activity,
    /// Shared with searches for causes, which run beside the pipeline.
    topology: Arc<Topology>,
    ranker: Arc<Investigation>,
    pub(crate) clock: Timestamp,
}

/// Counts over all series.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Hosts seen, in order of name.
    pub hosts: BTreeMap<String, HostRow>,
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
            ranker: Arc::new(setup::ranker()?),
            watches: Watches::default(),
            metadata: BTreeMap::new(),
            metadata_version: 0,
            changes: VecDeque::new(),
            activity: Activity::default(),
            clock: Timestamp::MIN,
            topology: Arc::new(topology),
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
        self.close_window(at)?;
        match record {
            Record::Samples(batch) => self.samples(&batch)?,
            Record::Change(change) => self.change(change),
            Record::Alerting(change) => drop(self.take_in(at, change)),
            Record::Logs(mut records) => {
                let left_out = self.activity.logs(at, &mut records);
                self.counters.refuse("logs.series-limit", left_out);
            }
            Record::Spans(spans) => {
                let left_out = self.activity.spans(at, &spans);
                self.counters.refuse("spans.series-limit", left_out);
            }
        }
        self.clock = self.clock.max(at);
        Ok(())
    }

    /// Takes in alerts or a silence that were received at `at`.
    pub fn take_in(&mut self, at: Timestamp, change: Change) -> Answer {
        self.clock = self.clock.max(at);
        change.apply(at, &mut self.engine)
    }

    /// What decides who is told.
    pub fn engine(&self) -> &AlertEngine {
        &self.engine
    }

    /// Once the window of log lines and spans is over, its counts become samples.
    fn close_window(&mut self, now: Timestamp) -> Result<(), StorageError> {
        if let Some(batch) = self.activity.due(now) {
            self.samples(&batch)?;
            self.activity.next(now);
        }
        Ok(())
    }

    fn samples(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let report = self.store.append(batch)?;
        self.counters.stored(report);
        self.learn_metadata(&batch.metadata);
        for series in batch.iter() {
            let id = series.labels.fingerprint();
            if self.watches.get_mut(id).is_none() && !self.begin_watching(series.labels) {
                continue; // counted by the store, which has the same limit
            }
            let Some(watch) = self.watches.get_mut(id) else {
                continue;
            };
            if &watch.labels != series.labels {
                let count = series.values.len() as u64;
                self.counters.refuse("series.same-fingerprint", count);
                continue;
            }
            for (time, value) in series.times.iter().zip(series.values) {
                let sample = Sample::new(*time, *value);
                self.rules.observe_sample(series.labels, sample);
                if let Some(verdict) = watch.update(sample) {
                    self.rules.observe_verdict(series.labels, verdict);
                }
            }
        }
        Ok(())
    }

    /// Adds a watch for a series; answers false when there are as many as may be.
    fn begin_watching(&mut self, labels: &Labels) -> bool {
        let room = self.watches.len() < self.config.limits.series;
        if room {
            self.restore_watch(self.new_watch(labels));
        }
        room
    }

    /// Remembers what senders say about their metrics. Series that were taken for something else
    /// start anew.
    fn learn_metadata(&mut self, batch: &[MetricMetadata]) {
        let mut changed = false;
        for about in batch {
            let known = self.metadata.get(&about.metric);
            if known == Some(about) || (known.is_none() && self.metadata.len() >= MAX_METADATA) {
                continue;
            }
            changed |= known.map(|known| &known.kind) != Some(&about.kind);
            self.metadata.insert(about.metric.clone(), about.clone());
            self.metadata_version += 1;
        }
        if !changed {
            return;
        }
        let misjudged = |watch: &&Watch| {
            let kind = self.kind(&watch.labels);
            component::is_counter(&watch.labels, kind) != watch.rate.is_some()
        };
        let anew: Vec<Watch> = self
            .watches
            .iter()
            .filter(misjudged)
            .map(|watch| self.new_watch(&watch.labels))
            .collect();
        for watch in anew {
            self.watches.insert(watch);
        }
    }

    fn kind(&self, labels: &Labels) -> Option<&str> {
        self.metadata
            .get(labels.metric())
            .map(|about| about.kind.as_str())
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
        let kind = self.kind(labels);
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
    pub fn advance(&mut self, now: Timestamp, last_tick: &mut Timestamp) -> Vec<Notification> {
        if now.since(*last_tick) < TICK {
            return Vec::new();
        }
        *last_tick = now;
        self.clock = self.clock.max(now);
        if let Err(error) = self.close_window(now) {
            let what = crate::ingest::describe(&error);
            tracing::error!(error = what, "counts of log lines wait for the disk");
            self.counters.storage(Some(what)); // tried again with the next step
        }
        for alert in self.rules.tick(now) {
            self.engine.receive(now, alert);
        }
        self.engine.tick(now)
    }

    /// What the causes of a notified incident are to be searched in; `None` when it is over.
    /// Owns what it needs, so that the search does not hold up the pipeline.
    pub fn scene(&self, now: Timestamp, notification: &Notification) -> Option<Scene> {
        if notification.status == AlertStatus::Resolved {
            return None;
        }
        let incident = self.engine.incident(notification.incident)?;
        let alerting = self.alerting(incident);
        let reached = self.reached(&alerting);
        let mut near: Vec<&Watch> = self
            .watches
            .iter()
            .filter(|watch| watch.monitor.is_some())
            .filter(|watch| {
                shares_all(&watch.labels, &incident.group)
                    || reached.contains(&component::component(&watch.labels))
            })
            .collect();
        near.sort_by_key(|watch| (watch.anomalous_since.is_none(), &watch.labels));
        if near.len() > MAX_SCENE {
            tracing::warn!(
                incident = %incident.id,
                series = near.len(),
                "causes are searched among the first {MAX_SCENE} series only"
            );
            near.truncate(MAX_SCENE);
        }
        let earliest = incident.opened_at.saturating_sub(ONSET_WINDOW);
        let onset = alerting
            .iter()
            .filter_map(|watch| watch.anomalous_since)
            .filter(|since| *since >= earliest)
            .min()
            .unwrap_or(incident.opened_at);
        Some(Scene {
            series: near
                .iter()
                .filter_map(|watch| {
                    let policy = watch.monitor.as_ref()?.config();
                    Some(Candidate {
                        labels: watch.labels.clone(),
                        counter: watch.rate.is_some(),
                        absolute_floor: policy.absolute_floor,
                        relative_floor: policy.relative_floor,
                    })
                })
                .collect(),
            seen: explain::seen(&alerting),
            onset,
            now,
            topology: self.topology.clone(),
            changes: self.changes.iter().cloned().collect(),
            ranker: self.ranker.clone(),
            store: self.store.clone(),
        })
    }

    /// The series that the alerts of an incident are about.
    fn alerting(&self, incident: &Incident) -> Vec<&Watch> {
        let rules: Vec<_> = incident
            .alerts
            .iter()
            .filter_map(|alert| {
                let name = alert.labels.get("alertname")?;
                let rule = self.config.rules.iter().find(|rule| rule.name == name)?;
                Some((&rule.selector, &alert.labels))
            })
            .collect();
        let is_meant = |watch: &&Watch| {
            rules.iter().any(|(selector, labels)| {
                selector.matches(&watch.labels) && agrees(&watch.labels, labels)
            })
        };
        self.watches.iter().filter(is_meant).collect()
    }

    /// The components of these series, and all that they depend on.
    fn reached(&self, watches: &[&Watch]) -> BTreeSet<String> {
        let mut waiting: Vec<String> = watches
            .iter()
            .map(|watch| component::component(&watch.labels))
            .collect();
        let mut reached = BTreeSet::new();
        while let Some(component) = waiting.pop() {
            if reached.len() < MAX_REACHED && !reached.contains(&component) {
                waiting.extend(self.topology.dependencies(&component).map(str::to_owned));
                reached.insert(component);
            }
        }
        reached
    }

    /// A notification ready to be sent, with the causes that were found, if they were searched.
    pub fn outgoing(
        &mut self,
        notification: &Notification,
        causes: Option<Vec<Cause>>,
    ) -> Outgoing {
        if let Some(causes) = causes {
            self.engine.set_causes(notification.incident, causes);
        }
        let incident = self.engine.incident(notification.incident);
        let body = webhook::payload(notification, incident, &setup::external_url(&self.config));
        Outgoing {
            key: notification.key.clone(),
            webhook: notification.integration,
            resolved: notification.status == AlertStatus::Resolved,
            body: body.to_string(),
            summary: incident
                .map(|incident| incident.summary.clone())
                .unwrap_or_default(),
        }
    }

    /// What became of an attempt to send.
    pub fn delivered(&mut self, now: Timestamp, key: &str, delivery: Delivery) {
        self.engine.report_delivery(now, key, delivery);
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn SeriesStoreDebug> {
        &self.store
    }

    /// All series under watch.
    pub fn watches(&self) -> &Watches {
        &self.watches
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

    /// What is known about log lines and spans.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// A copy of the templates, when lines have come since `learned` of them were.
    pub fn templates_since(&self, learned: &mut u64) -> Option<TemplateMiner> {
        let before = std::mem::replace(learned, self.activity.learned);
        (before != *learned).then(|| self.activity.miner.clone())
    }

    /// Puts the templates of log lines back.
    pub fn restore_templates(&mut self, miner: TemplateMiner) {
        self.activity.miner = miner;
    }

    /// What became of the alerts.
    pub fn ledger(&self) -> Value {
        serde_json::to_value(self.engine.ledger()).unwrap_or_default()
    }

    /// All descriptions of metrics.
    pub fn all_metadata(&self) -> &BTreeMap<String, MetricMetadata> {
        &self.metadata
    }

    /// Counts the changes of the descriptions, so that they are written only when there were any.
    pub fn metadata_version(&self) -> u64 {
        self.metadata_version
    }

    /// Puts descriptions of metrics back.
    pub fn restore_metadata(&mut self, metadata: &[MetricMetadata]) {
        self.learn_metadata(metadata);
    }

    /// Puts the state of rules, incidents and changes back. Rules and waits are those of the
    /// configuration, which may have changed since.
    pub fn restore(
        &mut self,
        rules: &RuleSet,
        engine: &AlertEngine,
        changes: Vec<ChangeEvent>,
        seen: Seen,
        clock: Timestamp,
    ) {
        self.activity.seen = seen;
        self.rules.adopt(rules);
        self.engine.adopt(clock, engine);
        self.clock = clock;
        self.changes = changes.into();
    }

    /// Puts a series back.
    pub fn restore_watch(&mut self, watch: Watch) {
        component::add_known_edges(&mut self.topology, &watch.labels);
        self.watches.insert(watch);
    }

    /// Plays samples that are in the store already through the detector of their series.
    pub fn catch_up(&mut self, labels: &Labels, times: &[Timestamp], values: &[f64]) {
        let id = labels.fingerprint();
        if self.watches.get(id).is_none() && !self.begin_watching(labels) {
            return;
        }
        let Some(watch) = self.watches.get_mut(id) else {
            return;
        };
        if &watch.labels == labels {
            for (time, value) in times.iter().zip(values) {
                watch.update(Sample::new(*time, *value));
            }
        }
    }

    /// Counts over all series, and for each host, in order of name.
    pub fn overview(&self) -> Overview {
        let mut overview = Overview {
            open_incidents: self
                .incidents()
                .filter(|incident| incident.status() == IncidentStatus::Open)
                .count() as u64,
            ..Overview::default()
        };
        for watch in self.watches.iter() {
            let (anomalous, warming) = flags(watch);
            overview.anomalous += anomalous;
            overview.warming += warming;
            overview.detector_bytes += watch.size_bytes() as u64;
            let host = component::host(&watch.labels);
            if host.is_empty() {
                continue;
            }
            if !overview.hosts.contains_key(host) {
                overview.hosts.insert(host.to_owned(), HostRow::default());
            }
            if let Some(row) = overview.hosts.get_mut(host) {
                row.series += 1;
                row.anomalous += anomalous;
                row.warming += warming;
                let last = watch.last.map_or(Timestamp::EPOCH, |last| last.time);
                row.last_sample = row.last_sample.max(last);
            }
        }
        overview
    }

    /// Forgets series that have had no sample since `oldest`; the store has forgotten their
    /// samples too.
    pub fn forget_before(&mut self, oldest: Timestamp) {
        self.watches
            .retain(|watch| watch.last.is_none_or(|last| last.time >= oldest));
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

/// Whether no label that both have differs.
fn agrees(labels: &Labels, other: &Labels) -> bool {
    other
        .iter()
        .all(|(name, value)| labels.get(name).is_none_or(|own| own == value))
}

/// Whether both have some label in common, and none that differs.
fn shares_all(labels: &Labels, wanted: &Labels) -> bool {
    agrees(labels, wanted) && wanted.iter().any(|(name, _)| labels.get(name).is_some())
}

/// A selector for the series with these labels (and those that have more).
pub fn exact_selector(labels: &Labels) -> Selector {
    let equal = |(name, value)| Matcher::equal(name, value);
    Selector::new(labels.iter().map(equal).collect())
}
