//! Which alerts are one thing that happened: by time, topology, what they say, what was before.
//!
//! A [`Correlator`] gives each alert the number of a cluster. A failure shows as a burst of alerts
//! that spreads along the dependencies; the next failure begins when the burst has been quiet, or
//! somewhere that nothing connects with it.
//!
//! ```
//! use aiops_alert::correlate::{Correlator, CorrelatorConfig};
//! use aiops_core::{Labels, Timestamp, Topology};
//!
//! let mut topology = Topology::default();
//! topology.add_call("web", "cart");
//! topology.add_call("cart", "redis");
//! topology.add_call("blog", "postgres");
//! let mut correlator = Correlator::try_from(CorrelatorConfig::default())?;
//! correlator.set_topology(topology);
//!
//! let at = |second| Timestamp::from_secs(second).unwrap();
//! let alert = |service: &str| Labels::of([("alertname", "Slow"), ("service", service)]);
//! let redis = correlator.assign(at(0), &alert("redis")?);
//! assert_eq!(correlator.assign(at(8), &alert("cart")?), redis);
//! assert_ne!(correlator.assign(at(9), &alert("postgres")?), redis);
//! assert_eq!(correlator.assign(at(20), &alert("web")?), redis);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How an alert finds its cluster
//!
//! ```text
//! horizon(c)  = clamp(patience * gap(c), min_quiet, max_quiet)   gap(c): mean time between its alerts
//! near(a, c)  = 1 the component alerts already; 0.8 what it depends on does, 0.6 two steps away,
//!               a tenth less against the direction in which failures spread;
//!               0.4 connected somehow, 0 not connected;
//!               0.2 + 0.4 similarity of labels, where the topology does not know a component;
//!               at least 0.9 affinity, learned from clusters that are over
//! age(a, c)   = time since the last alert of c that is as near
//! fit(a, c)   = near(a, c) * (1 - age(a, c) / horizon(c))
//! rate(c)     = its alerts in a second, by the latest four
//! ```
//!
//! The alert joins the cluster with the largest `fit^3 * rate`: of clusters that are as near, the
//! one that alerts most now. It begins a new one when none fits at all. An
//! alert that is known joins the cluster it is in.
//!
//! # Two failures one after the other
//!
//! The alerts of a failure have one peak in time. When the rate of a cluster falls and then rises
//! again, with enough evidence on both sides of the valley
//! ([`split_evidence`](CorrelatorConfig::split_evidence)), what came since it rose is another
//! failure: it is split off, the alerts that were taken in already included. Below three moments
//! there is no burst to be seen.
//!
//! # What fired together before
//!
//! When a cluster is over, the kinds of its alerts (name and component) are counted, each and in
//! pairs. What was together twice or more is near later, connected or not. Memory is bounded:
//! when there are too many pairs, all counts are halved.
//!
//! # Not good for
//!
//! Two failures at the same moment in components that depend on each other: they look like one,
//! and are told as one. Likewise a failure of one or two alerts during another one.

mod cascade;
mod cluster;
mod history;
mod onset;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aiops_core::{Labels, ParamError, Timestamp, Topology};

use self::cluster::{Arrival, Cluster};
use self::history::{History, kind};

pub use cascade::{Cascade, cascade};

/// Furthest steps along the topology that are told apart.
const MAX_STEPS: u8 = 2;

/// Parameters of [`Correlator`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CorrelatorConfig {
    /// Labels that name the component an alert is about; the first one that the alert has counts.
    pub component_labels: Vec<String>,
    /// A cluster is never taken for quiet earlier than this; 15 s by default.
    pub min_quiet: Duration,
    /// A cluster is taken for quiet at the latest after this; 5 minutes by default.
    pub max_quiet: Duration,
    /// Mean times between alerts without an alert that make a cluster quiet; 12 by default,
    /// greater than 0.
    pub patience: f64,
    /// Evidence for a second burst, as the logarithm of a likelihood ratio, with which a cluster is
    /// split; 5 by default, greater than 0. Infinite: clusters are never split.
    pub split_evidence: f64,
    /// Clusters that are open at one time; the one that has been quiet for longest is forgotten.
    pub max_clusters: usize,
}

impl Default for CorrelatorConfig {
    fn default() -> Self {
        let labels = [
            "service",
            "component",
            "app",
            "container",
            "pod",
            "host",
            "hostname",
            "node",
            "instance",
            "job",
        ];
        Self {
            component_labels: labels.map(str::to_owned).to_vec(),
            min_quiet: Duration::from_secs(15),
            max_quiet: Duration::from_mins(5),
            patience: 12.0,
            split_evidence: 5.0,
            max_clusters: 1_000,
        }
    }
}

impl CorrelatorConfig {
    fn check(&self) -> Result<(), ParamError> {
        if self.min_quiet.is_zero() || self.max_quiet < self.min_quiet {
            let expected = "greater than 0 and at most max_quiet";
            let got = format!("{:?}", self.min_quiet);
            return Err(ParamError::new("min_quiet", expected, got));
        }
        if !(self.patience > 0.0 && self.patience.is_finite()) {
            return Err(ParamError::new("patience", "greater than 0", self.patience));
        }
        if self.split_evidence.is_nan() || self.split_evidence <= 0.0 {
            let got = self.split_evidence;
            return Err(ParamError::new("split_evidence", "greater than 0", got));
        }
        if self.max_clusters == 0 {
            return Err(ParamError::new("max_clusters", "at least 1", 0));
        }
        Ok(())
    }

    /// The component that an alert with these labels is about; the host of an `instance` without
    /// its port; empty when no label says so.
    pub fn component<'a>(&self, labels: &'a Labels) -> &'a str {
        let names = self.component_labels.iter();
        let found = names.filter_map(|name| Some((name, labels.get(name)?)));
        let mut found = found.map(|(name, value)| match value.rsplit_once(':') {
            Some((host, port))
                if name == "instance" && port.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                host
            }
            _ => value,
        });
        found.next().unwrap_or_default()
    }
}

/// What is stored of a correlator: open clusters, the last number, what fired together.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct CorrelatorState {
    open: Vec<Cluster>,
    last_number: u64,
    history: History,
}

/// Gives alerts the numbers of clusters. Deterministic; memory is bounded by
/// [`max_clusters`](CorrelatorConfig::max_clusters).
#[derive(Clone, Debug)]
pub struct Correlator {
    config: CorrelatorConfig,
    topology: Topology,
    open: Vec<Cluster>,
    last_number: u64,
    history: History,
    moved: Vec<Labels>,
    /// Component to the number of its connected part.
    parts: HashMap<String, u32>,
}

impl TryFrom<CorrelatorConfig> for Correlator {
    type Error = ParamError;

    fn try_from(config: CorrelatorConfig) -> Result<Self, ParamError> {
        config.check()?;
        Ok(Self {
            config,
            topology: Topology::default(),
            open: Vec::new(),
            last_number: 0,
            history: History::default(),
            moved: Vec::new(),
            parts: HashMap::new(),
        })
    }
}

impl Correlator {
    /// As it was configured.
    pub fn config(&self) -> &CorrelatorConfig {
        &self.config
    }

    /// Who calls whom from now on.
    pub fn set_topology(&mut self, topology: Topology) {
        self.parts = parts(&topology);
        self.topology = topology;
    }

    /// Who calls whom.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The number of the cluster that an alert with these labels belongs to, which began at `now`.
    /// Alerts come in order of time; an earlier one counts as the latest.
    ///
    /// Cost: the open clusters times their latest components, at most 64 each.
    pub fn assign(&mut self, now: Timestamp, labels: &Labels) -> u64 {
        self.moved.clear();
        let component = self.config.component(labels).to_owned();
        let arrival = Arrival {
            at: now,
            kind: kind(labels, &component),
            labels: labels.clone(),
            component,
        };
        let near = self.neighbourhood(&arrival.component);
        let (quiet, longest) = self.bounds();
        let fits = self.open.iter().enumerate();
        let fits = fits.filter_map(|(place, cluster)| {
            let fit = self.fit(&arrival, &near, cluster);
            (fit > 0.0).then(|| (place, fit.powi(3) * cluster.rate(now, quiet)))
        });
        // Of equal ones the latest.
        let best = fits
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(place, _)| place);
        let place = best.unwrap_or_else(|| self.begin(now));
        let cluster = &mut self.open[place];
        cluster.join(arrival, longest);
        let number = self.last_number + 1;
        let Some(new) = cluster.split(self.config.split_evidence, number, longest) else {
            return cluster.number;
        };
        self.last_number = number;
        self.moved = new.arrivals.iter().map(|one| one.labels.clone()).collect();
        self.moved.pop(); // this one
        self.make_room(now);
        self.open.push(new);
        number
    }

    /// The alerts that the last [`assign`](Self::assign) moved into the cluster that it answered,
    /// because a second burst was seen.
    pub fn moved(&self) -> &[Labels] {
        &self.moved
    }

    /// Two clusters are one from now on, by somebody's word; alerts that come go to `into`.
    pub fn merge(&mut self, from: u64, into: u64) {
        let place = |number| self.open.iter().position(|one| one.number == number);
        if let (Some(other), Some(_)) = (place(from), place(into))
            && from != into
        {
            let other = self.open.remove(other);
            let (_, longest) = self.bounds();
            if let Some(cluster) = self.open.iter_mut().find(|one| one.number == into) {
                cluster.merge(other, longest);
            }
        }
    }

    /// Components within a few steps, with how near they are: a failure spreads to those that
    /// depend on it.
    fn neighbourhood(&self, component: &str) -> BTreeMap<String, f64> {
        let mut near = BTreeMap::from([(component.to_owned(), 1.0)]);
        let mut edge = vec![(component.to_owned(), true)];
        for steps in 1..=MAX_STEPS {
            let mut next = Vec::new();
            for (from, along) in &edge {
                let below = self
                    .topology
                    .dependencies(from)
                    .map(|other| (other, *along));
                let above = self.topology.dependents(from).map(|other| (other, false));
                for (other, along) in below.chain(above) {
                    if !near.contains_key(other) {
                        let against = if along { 0.0 } else { 0.1 };
                        near.insert(other.to_owned(), 1.0 - 0.2 * f64::from(steps) - against);
                        next.push((other.to_owned(), along));
                    }
                }
            }
            edge = next;
        }
        near
    }

    fn bounds(&self) -> (f64, f64) {
        (
            self.config.min_quiet.as_secs_f64(),
            self.config.max_quiet.as_secs_f64(),
        )
    }

    /// How well the alert fits into the cluster; 0 is not at all.
    fn fit(&self, alert: &Arrival, near: &BTreeMap<String, f64>, cluster: &Cluster) -> f64 {
        let horizon = cluster.horizon(self.config.patience, self.bounds());
        if alert.at.since(cluster.last).as_secs_f64() > horizon {
            return 0.0;
        }
        let part = self.parts.get(&alert.component);
        let learned = 0.9 * self.history.affinity(alert.kind, &cluster.kinds);
        let fit = |(other, time): &(String, Timestamp)| {
            let age = alert.at.since(*time).as_secs_f64();
            let near = match (near.get(other), part, self.parts.get(other)) {
                (Some(near), _, _) => *near,
                (None, Some(part), Some(its)) if part == its => 0.4,
                (None, Some(_), Some(_)) => 0.0,
                (None, _, _) => 0.2 + 0.4 * cluster.similarity(alert, other),
            };
            near.max(learned) * (1.0 - age / horizon).max(0.0)
        };
        cluster.recent.iter().map(fit).fold(0.0, f64::max)
    }

    fn begin(&mut self, now: Timestamp) -> usize {
        self.make_room(now);
        self.last_number += 1;
        self.open.push(Cluster::new(self.last_number, now));
        self.open.len() - 1
    }

    /// Clusters that are over are learned from and forgotten; where there are still too many, the
    /// one that has been quiet for longest too.
    fn make_room(&mut self, now: Timestamp) {
        let max = self.config.max_quiet;
        let history = &mut self.history;
        self.open.retain(|cluster| {
            let goes_on = cluster.last.saturating_add(max) >= now;
            if !goes_on {
                history.learn(&cluster.kinds);
            }
            goes_on
        });
        while self.open.len() >= self.config.max_clusters {
            let quiet = self.open.iter().enumerate();
            let quietest = quiet.min_by_key(|(_, cluster)| cluster.last);
            let Some((place, _)) = quietest else { return };
            history.learn(&self.open.remove(place).kinds);
        }
    }

    /// For the stored form.
    pub(crate) fn state(&self) -> CorrelatorState {
        CorrelatorState {
            open: self.open.clone(),
            last_number: self.last_number,
            history: self.history.clone(),
        }
    }

    pub(crate) fn restore(&mut self, state: CorrelatorState) {
        self.open = state.open;
        self.last_number = self.last_number.max(state.last_number);
        self.history = state.history;
    }
}

/// The connected parts of a topology, whatever the direction of the calls.
fn parts(topology: &Topology) -> HashMap<String, u32> {
    let mut parts: HashMap<String, u32> = HashMap::new();
    let mut next = 0;
    for start in topology.components() {
        if parts.contains_key(start) {
            continue;
        }
        let mut stack = vec![start.to_owned()];
        while let Some(component) = stack.pop() {
            if parts.contains_key(&component) {
                continue;
            }
            let below = topology.dependencies(&component);
            let around = below.chain(topology.dependents(&component));
            stack.extend(around.map(str::to_owned));
            parts.insert(component, next);
        }
        next += 1;
    }
    parts
}
