//! Ranking by deviation along the call graph: the deepest dependency in trouble leads.
//!
//! Trouble travels against the calls. So a component whose dependencies are in trouble is explained
//! by them, and a component on which others in trouble depend explains those. The idea of an
//! anomaly subgraph is that of Kim, Sumbaly and Shah, *Root Cause Detection in a Service-Oriented
//! Architecture* (SIGMETRICS 2013); here it is solved directly instead of by a random walk.

use std::collections::{BTreeMap, BTreeSet};

use aiops_core::{Case, Cause, Evidence, Fact, ParamError, RankError, RootCauseRanker, Topology};

use crate::deviation::{self, DeviationConfig};
use crate::graph::{self, Towards};
use crate::reading::{self, Measure, Scene};

/// Components named in one piece of evidence, at most.
const MAX_NAMES: usize = 8;

/// Parameters of [`GraphDeviation`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct GraphDeviationConfig {
    /// How metrics are measured, and from which score on a component is in trouble.
    pub deviation: DeviationConfig,
    /// Share of a component's own trouble that troubled dependencies can explain, in `[0, 1]`.
    pub explained: f64,
    /// Share of the trouble of its dependents that is credited to a component, in `[0, 1]`.
    pub credit: f64,
    /// Share of a component's trouble that a change shortly before adds, in `[0, 1]`.
    pub change: f64,
}

impl Default for GraphDeviationConfig {
    fn default() -> Self {
        Self {
            deviation: DeviationConfig::default(),
            explained: 0.9,
            credit: 0.25,
            change: 0.25,
        }
    }
}

/// Ranks components in trouble by what of it their dependencies do not explain.
///
/// ```
/// use aiops_core::{Case, ComponentMetric, RootCauseRanker, Series, TimeAxis, Timestamp, Topology};
/// use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};
/// use std::time::Duration;
///
/// let mut topology = Topology::default();
/// topology.add_call("frontend", "db");
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let slow = |by: i32| (0..60).map(|i| f64::from(i % 4 + by * (i / 50))).collect();
/// let (frontend, db) = (Series::new(axis.clone(), slow(60))?, Series::new(axis, slow(30))?);
/// let metrics = [("frontend", &frontend), ("db", &db)].map(|(component, series)| ComponentMetric {
///     component,
///     metric: "latency_ms",
///     reference: None,
///     observed: series.view(),
/// });
/// let case = Case {
///     metrics: &metrics,
///     onset: None,
///     symptom: Some("frontend"),
///     topology: &topology,
///     changes: &[],
/// };
/// let causes = GraphDeviation::try_from(GraphDeviationConfig::default())?.rank(&case)?;
/// // The front end strayed further, but it depends on the database.
/// assert_eq!(causes[0].component, "db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// a(c)     = ln(1 + s(c) / threshold)       s: score of the furthest metric, see `deviation`
/// e(c)     = min(1, largest a of a dependency in trouble / a(c))
/// score(c) = a(c) * (1 - explained * e(c)) + credit * largest a of a dependent in trouble
///            + change * a(c) where something was changed shortly before
/// ```
///
/// Dependencies and dependents without any metric are looked through, to what is behind them.
///
/// # Cost
///
/// As [`Deviation`](crate::deviation::Deviation), plus one walk of the graph around each component
/// in trouble.
///
/// # Degenerate cases
///
/// As [`Deviation`](crate::deviation::Deviation), and
///
/// | input | result |
/// |---|---|
/// | empty topology | the order of `Deviation` |
/// | a component that is not in the topology | neither explained nor credited |
/// | edges to components without metrics | are followed further |
/// | cycles | each member explains the others: the furthest leads |
/// | self calls | are ignored |
///
/// # Not good for
///
/// Trouble that travels with the calls, such as a surge of requests: it names the deepest component
/// that the surge troubled, with the surge as evidence.
#[derive(Clone, Copy, Debug)]
pub struct GraphDeviation {
    config: GraphDeviationConfig,
    measure: Measure,
}

impl TryFrom<GraphDeviationConfig> for GraphDeviation {
    type Error = ParamError;

    fn try_from(config: GraphDeviationConfig) -> Result<Self, ParamError> {
        let shares = [
            ("explained", config.explained),
            ("credit", config.credit),
            ("change", config.change),
        ];
        if let Some((name, share)) = shares
            .iter()
            .find(|(_, share)| !(0.0..=1.0).contains(share))
        {
            return Err(ParamError::new(name, "from 0 to 1", share));
        }
        Ok(Self {
            config,
            measure: config.deviation.measure()?,
        })
    }
}

impl GraphDeviation {
    /// Its parameters.
    pub fn config(&self) -> &GraphDeviationConfig {
        &self.config
    }

    fn cause(
        &self,
        case: &Case<'_>,
        scene: &Scene<'_>,
        name: &str,
        trouble: &Trouble<'_>,
    ) -> Cause {
        let readings = &scene.components[name];
        let own = trouble[name];
        let below = neighbours(case.topology, scene, name, Towards::Dependencies);
        let above = neighbours(case.topology, scene, name, Towards::Dependents);
        let explaining = worst_first(&below, trouble);
        let affected = worst_first(&above, trouble);
        let largest = |names: &[&str]| names.first().map_or(0.0, |name| trouble[name]);
        let changes =
            reading::changes(case, name, scene.onset, self.config.deviation.change_window);

        let explained = (largest(&explaining) / own).min(1.0);
        let mut score = own * (1.0 - self.config.explained * explained);
        score += self.config.credit * largest(&affected);
        let mut evidence = deviation::facts(readings, scene.threshold);
        if !changes.is_empty() {
            score += self.config.change * own;
            evidence.extend(changes);
        }
        if !affected.is_empty() {
            evidence.push(Evidence::supporting(Fact::Affects {
                components: names(&affected),
            }));
        }
        if !explaining.is_empty() {
            let components = names(&explaining);
            evidence.push(Evidence::opposing(Fact::DependsOnAnomalous { components }));
        } else if !below.is_empty() {
            evidence.push(Evidence::supporting(Fact::DependenciesNormal));
        }
        Cause {
            component: name.to_owned(),
            metric: readings.first().map(|worst| worst.metric.to_owned()),
            score,
            confidence: None,
            evidence,
        }
    }
}

impl RootCauseRanker for GraphDeviation {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        let Some(scene) = self.measure.scene(case) else {
            return Ok(Vec::new());
        };
        let trouble: Trouble<'_> = scene
            .components
            .iter()
            .filter_map(|(name, readings)| {
                let worst = readings
                    .first()
                    .filter(|worst| worst.score >= scene.threshold)?;
                Some((*name, (worst.score / scene.threshold).ln_1p()))
            })
            .collect();
        let mut causes: Vec<Cause> = trouble
            .keys()
            .map(|name| self.cause(case, &scene, name, &trouble))
            .collect();
        deviation::sort(&mut causes);
        Ok(causes)
    }
}

/// How much trouble each component in trouble is in.
type Trouble<'a> = BTreeMap<&'a str, f64>;

/// What can be reached in one direction through components without readings.
fn neighbours<'t>(
    topology: &'t Topology,
    scene: &Scene<'_>,
    from: &str,
    towards: Towards,
) -> BTreeSet<&'t str> {
    let measured = |name: &str| {
        scene
            .components
            .get(name)
            .is_some_and(|list| !list.is_empty())
    };
    graph::nearest(topology, from, towards, measured)
}

fn worst_first<'t>(found: &BTreeSet<&'t str>, trouble: &Trouble<'_>) -> Vec<&'t str> {
    let mut troubled: Vec<&str> = found
        .iter()
        .copied()
        .filter(|name| trouble.contains_key(name))
        .collect();
    troubled.sort_by(|a, b| trouble[b].total_cmp(&trouble[a]).then_with(|| a.cmp(b)));
    troubled
}

fn names(components: &[&str]) -> Vec<String> {
    components
        .iter()
        .take(MAX_NAMES)
        .map(|name| (*name).to_owned())
        .collect()
}
