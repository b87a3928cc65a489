//! A walk from the symptom towards what strayed, in the limit of endless steps.
//!
//! Kim, Sumbaly and Shah, *Root Cause Detection in a Service-Oriented Architecture* (SIGMETRICS 2013):
//! forward, backward and self edges; Meng et al., *Localizing Failure Root Causes in a Microservice through
//! Causality Inference* (`IWQoS` 2020). Solved by power iteration instead of drawn.

use aiops_core::{Case, Cause, ParamError, RankError, RootCauseRanker};

use crate::deviation::{self, DeviationConfig};
use crate::graph::{self, Towards};
use crate::reading::{self, Measure, Scene};

/// Change of all probabilities together at which they count as settled.
const SETTLED: f64 = 1e-12;
/// Steps, at most: with the smallest restart allowed, what is left of the start is below `SETTLED`.
const MAX_STEPS: usize = 3000;

/// Parameters of [`RandomWalk`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RandomWalkConfig {
    /// How metrics are measured, and from which score on a component is in trouble.
    pub deviation: DeviationConfig,
    /// Weight of a step back to a dependent, in units of one to a dependency; in `[0, 1]`.
    pub backward: f64,
    /// Probability with which the walk begins again, in `[0.01, 1]`.
    pub restart: f64,
}

impl Default for RandomWalkConfig {
    fn default() -> Self {
        Self {
            deviation: DeviationConfig::default(),
            backward: 0.2,
            restart: 0.15,
        }
    }
}

/// Ranks components in trouble by how often a walk that prefers what strayed comes by.
///
/// ```
/// use aiops_core::{Case, ComponentMetric, RootCauseRanker, Series, TimeAxis, Timestamp, Topology};
/// use aiops_rca::random_walk::{RandomWalk, RandomWalkConfig};
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
/// let causes = RandomWalk::try_from(RandomWalkConfig::default())?.rank(&case)?;
/// assert_eq!(causes[0].component, "db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// a(c)          = ln(1 + s(c) / threshold)     s: score of the furthest metric, see `deviation`
/// c -> callee     a(callee)
/// c -> caller     backward * a(caller)
/// c -> c          max(0, a(c) - largest a of a callee)
/// ```
///
/// each row scaled to sum 1. With the probability `restart`, the walk begins again at the symptom, or, where
/// none is given or it has no metric, at any component in trouble. The score is the share of time spent at a
/// component: all scores sum to at most 1. Components without any metric are looked through.
///
/// # Cost
///
/// As [`Deviation`](crate::deviation::Deviation), plus at most 3,000 passes over the edges, some 150 with the
/// default restart.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | nothing in trouble | empty |
/// | empty topology, no symptom | all in trouble, in order of name |
/// | a component from which no step leads anywhere | the walk stays until it begins again |
/// | cycles, self calls | walked as they are; self calls are left out |
/// | in trouble, but never reached from the symptom | last, with score 0 |
/// | equal scores | in order of name |
///
/// # Not good for
///
/// Long chains: what is many calls away is rarely reached, and the symptom itself has a head start. See
/// [`GraphDeviation`](crate::graph_deviation::GraphDeviation), which asks the same of the graph directly.
#[derive(Clone, Copy, Debug)]
pub struct RandomWalk {
    config: RandomWalkConfig,
    measure: Measure,
}

impl TryFrom<RandomWalkConfig> for RandomWalk {
    type Error = ParamError;

    fn try_from(config: RandomWalkConfig) -> Result<Self, ParamError> {
        if !(0.0..=1.0).contains(&config.backward) {
            return Err(ParamError::new("backward", "from 0 to 1", config.backward));
        }
        if !(0.01..=1.0).contains(&config.restart) {
            return Err(ParamError::new("restart", "from 0.01 to 1", config.restart));
        }
        Ok(Self {
            config,
            measure: config.deviation.measure()?,
        })
    }
}

/// A component: how far it strayed, and where a step may lead, by place in order of name.
#[derive(Debug)]
struct Node {
    strayed: f64,
    dependencies: Vec<usize>,
    dependents: Vec<usize>,
}

impl RandomWalk {
    /// Its parameters.
    pub fn config(&self) -> &RandomWalkConfig {
        &self.config
    }

    fn edges(&self, nodes: &[Node]) -> Vec<Vec<(usize, f64)>> {
        let edges = nodes.iter().enumerate().map(|(at, node)| {
            let strayed = |to: &usize| nodes[*to].strayed;
            let below = node.dependencies.iter().map(strayed).fold(0.0, f64::max);
            let mut row = vec![(at, (node.strayed - below).max(0.0))];
            row.extend(node.dependencies.iter().map(|to| (*to, strayed(to))));
            let back = |to: &usize| (*to, self.config.backward * strayed(to));
            row.extend(node.dependents.iter().map(back));
            let sum: f64 = row.iter().map(|(_, weight)| weight).sum();
            if sum > 0.0 {
                for (_, weight) in &mut row {
                    *weight /= sum;
                }
            } else {
                row = vec![(at, 1.0)];
            }
            row
        });
        edges.collect()
    }
}

/// The share of time that an endless walk spends at each place.
fn stationary(edges: &[Vec<(usize, f64)>], start: &[f64], restart: f64) -> Vec<f64> {
    let mut now = start.to_vec();
    for _ in 0..MAX_STEPS {
        let mut next: Vec<f64> = start.iter().map(|share| restart * share).collect();
        for (share, row) in now.iter().zip(edges) {
            for (to, weight) in row {
                next[*to] += (1.0 - restart) * share * weight;
            }
        }
        let moved: f64 = now.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
        now = next;
        if moved < SETTLED {
            break;
        }
    }
    now
}

fn nodes(case: &Case<'_>, scene: &Scene<'_>, names: &[&str]) -> Vec<Node> {
    let place = |name: &str| names.binary_search(&name).ok();
    let nodes = names.iter().map(|name| {
        let towards = |towards| -> Vec<usize> {
            let measured = |name: &str| place(name).is_some();
            let found = graph::nearest(case.topology, name, towards, measured);
            found.into_iter().filter_map(place).collect()
        };
        let worst = scene.components[name].first();
        Node {
            strayed: worst.map_or(0.0, |worst| (worst.score / scene.threshold).ln_1p()),
            dependencies: towards(Towards::Dependencies),
            dependents: towards(Towards::Dependents),
        }
    });
    nodes.collect()
}

impl RootCauseRanker for RandomWalk {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        let Some(scene) = self.measure.scene(case) else {
            return Ok(Vec::new());
        };
        let measured = scene.components.iter();
        let names: Vec<&str> = measured
            .filter(|(_, readings)| !readings.is_empty())
            .map(|(name, _)| *name)
            .collect();
        let troubled = |name: &str| scene.components[name][0].score >= scene.threshold;
        let count = names.iter().filter(|name| troubled(name)).count();
        if count == 0 {
            return Ok(Vec::new());
        }
        let symptom = case
            .symptom
            .and_then(|symptom| names.binary_search(&symptom).ok());
        let start: Vec<f64> = (0..names.len())
            .map(|at| match symptom {
                Some(symptom) => f64::from(u8::from(at == symptom)),
                None if troubled(names[at]) => 1.0 / count as f64,
                None => 0.0,
            })
            .collect();
        let edges = self.edges(&nodes(case, &scene, &names));
        let shares = stationary(&edges, &start, self.config.restart);
        let window = self.config.deviation.change_window;
        let mut causes: Vec<Cause> = names
            .iter()
            .zip(shares)
            .filter(|(name, _)| troubled(name))
            .map(|(name, score)| {
                let readings = &scene.components[name];
                let mut evidence = deviation::facts(readings, scene.threshold);
                evidence.extend(reading::changes(case, name, scene.onset, window));
                Cause {
                    component: (*name).to_owned(),
                    metric: readings.first().map(|worst| worst.metric.to_owned()),
                    score,
                    confidence: None,
                    evidence,
                }
            })
            .collect();
        deviation::sort(&mut causes);
        Ok(causes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two places, from one to the other and back, solved by hand.
    #[test]
    fn the_limit_of_two_places() {
        let (x, y, restart) = (3.0, 2.0, 0.15);
        let walk =
            RandomWalk::try_from(RandomWalkConfig::default()).unwrap_or_else(|e| panic!("{e}"));
        let node = |strayed, dependencies, dependents| Node {
            strayed,
            dependencies,
            dependents,
        };
        let edges = walk.edges(&[node(x, vec![1], vec![]), node(y, vec![], vec![0])]);
        // Stays at the first with (3 - 2) / 3, goes back from the second with 0.2 * 3 / (0.2 * 3 + 2).
        let (stays, back) = (1.0 / 3.0, 0.6 / 2.6);
        let on = 1.0 - restart;
        let first = (restart + on * back) / (1.0 - on * (stays - back));
        let shares = stationary(&edges, &[1.0, 0.0], restart);
        assert!((shares[0] - first).abs() < 1e-9, "{shares:?} {first}");
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn no_way_out_stays_until_the_restart() {
        let edges = vec![vec![(1, 1.0)], vec![(1, 1.0)]];
        let shares = stationary(&edges, &[1.0, 0.0], 0.25);
        assert!((shares[0] - 0.25).abs() < 1e-12 && (shares[1] - 0.75).abs() < 1e-9);
    }
}
