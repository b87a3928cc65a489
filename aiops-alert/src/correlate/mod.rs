//! Which alerts are one thing that happened: by time, by topology, by what they say.
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
//! near(a, c)  = 1 the component alerts already, 0.8 a neighbour does, 0.6 two steps away,
//!               0.4 connected somehow, 0.3 not known to the topology, 0 not connected
//! age(a, c)   = time since the last alert of c that is as near
//! fit(a, c)   = near(a, c) * (1 - age(a, c) / horizon(c))
//! ```
//!
//! The alert joins the cluster that fits best, and begins a new one when none fits at all. An
//! alert that is known joins the cluster it is in.
//!
//! # Not good for
//!
//! Two failures at the same moment in components that depend on each other: they look like one,
//! and are told as one.

mod cascade;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use aiops_core::{Labels, ParamError, Timestamp, Topology};

pub use cascade::{Cascade, cascade};

/// Most alerts of a cluster that are looked at.
const MAX_RECENT: usize = 64;

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

/// A cluster that may still grow.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct Cluster {
    number: u64,
    last: Timestamp,
    /// Mean time between its alerts, in seconds, the latest ones weighing more.
    gap: f64,
    count: u64,
    /// Components of its latest alerts, with the time of the last one of each.
    recent: VecDeque<(String, Timestamp)>,
}

/// Gives alerts the numbers of clusters. Deterministic; memory is bounded by
/// [`max_clusters`](CorrelatorConfig::max_clusters).
#[derive(Clone, Debug)]
pub struct Correlator {
    config: CorrelatorConfig,
    topology: Topology,
    open: Vec<Cluster>,
    last_number: u64,
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
        let component = self.config.component(labels).to_owned();
        let near = self.neighbourhood(&component);
        let fits = self.open.iter().enumerate();
        let fits = fits.filter_map(|(place, cluster)| {
            let fit = self.fit(now, &component, &near, cluster);
            (fit > 0.0).then_some((place, fit))
        });
        // Of equal ones the latest.
        let best = fits
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(place, _)| place);
        let place = best.unwrap_or_else(|| self.begin(now));
        let (min, max) = self.bounds();
        self.open[place].join(now, component, (min, max));
        self.open[place].number
    }

    /// Components within a few steps, with the number of steps.
    fn neighbourhood(&self, component: &str) -> BTreeMap<String, u8> {
        let mut near = BTreeMap::from([(component.to_owned(), 0)]);
        let mut edge = vec![component.to_owned()];
        for steps in 1..=MAX_STEPS {
            let mut next = Vec::new();
            for from in &edge {
                let below = self.topology.dependencies(from);
                for other in below.chain(self.topology.dependents(from)) {
                    if !near.contains_key(other) {
                        near.insert(other.to_owned(), steps);
                        next.push(other.to_owned());
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
    fn fit(
        &self,
        now: Timestamp,
        component: &str,
        near: &BTreeMap<String, u8>,
        cluster: &Cluster,
    ) -> f64 {
        let horizon = cluster.horizon(self.config.patience, self.bounds());
        if now.since(cluster.last).as_secs_f64() > horizon {
            return 0.0;
        }
        let part = self.parts.get(component);
        let fit = |(other, time): &(String, Timestamp)| {
            let age = now.since(*time).as_secs_f64();
            let near = match (near.get(other), part, self.parts.get(other)) {
                (Some(steps), _, _) => 1.0 - 0.2 * f64::from(*steps),
                (None, Some(part), Some(its)) if part == its => 0.4,
                (None, Some(_), Some(_)) => 0.0,
                (None, _, _) => 0.3,
            };
            near * (1.0 - age / horizon).max(0.0)
        };
        cluster.recent.iter().map(fit).fold(0.0, f64::max)
    }

    fn begin(&mut self, now: Timestamp) -> usize {
        if self.open.len() >= self.config.max_clusters {
            let quiet = self.open.iter().enumerate();
            let quietest = quiet.min_by_key(|(_, cluster)| cluster.last);
            if let Some((place, _)) = quietest {
                self.open.remove(place);
            }
        }
        let max = self.config.max_quiet;
        self.open
            .retain(|cluster| cluster.last.saturating_add(max) >= now);
        self.last_number += 1;
        self.open.push(Cluster {
            number: self.last_number,
            last: now,
            gap: 0.0,
            count: 0,
            recent: VecDeque::new(),
        });
        self.open.len() - 1
    }

    /// The open clusters and the last number, for the stored form.
    pub(crate) fn state(&self) -> (Vec<Cluster>, u64) {
        (self.open.clone(), self.last_number)
    }

    pub(crate) fn restore(&mut self, (open, last_number): (Vec<Cluster>, u64)) {
        self.open = open;
        self.last_number = self.last_number.max(last_number);
    }
}

impl Cluster {
    /// After how many seconds without an alert it is quiet. A cluster of few alerts has the time
    /// to become one of many.
    fn horizon(&self, patience: f64, (min, max): (f64, f64)) -> f64 {
        if self.count < 4 {
            return (4.0 * min).min(max);
        }
        (patience * self.gap).clamp(min, max)
    }

    fn join(&mut self, now: Timestamp, component: String, (min, max): (f64, f64)) {
        if self.count > 0 {
            let gap = now.since(self.last).as_secs_f64().clamp(0.0, max);
            let weight = 1.0 / (self.count as f64).min(16.0);
            self.gap += weight * (gap - self.gap);
        }
        debug_assert!(min <= max);
        self.count += 1;
        self.last = self.last.max(now);
        self.recent.retain(|(other, _)| *other != component);
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((component, self.last));
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
