//! Regression hypothesis test over the graph: which component did something that its causal parents
//! do not explain?
//!
//! Li et al., *Causal Inference-Based Root Cause Analysis for Online Service Systems with
//! Intervention Recognition* (KDD 2022), with its descendant adjustment. A fault is an intervention:
//! it changes how a metric depends on its causes, and so only the metric at which it happened
//! leaves residuals.

use std::collections::{BTreeMap, BTreeSet};

use aiops_core::{Case, Cause, Evidence, Fact, ParamError, RankError, RootCauseRanker};

use crate::deviation::{self, DeviationConfig};
use crate::graph::{self, Towards};
use crate::reading::{self, Measure};
use crate::residual::Causal;

/// Parameters of [`RegressionTest`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RegressionTestConfig {
    /// How metrics are measured, and from which score on a component is in trouble.
    pub deviation: DeviationConfig,
    /// Residual, in spreads, from which on a component passes the test and is credited with what
    /// it does to its dependents; positive.
    pub significant: f64,
    /// Whether it is credited.
    pub adjust: bool,
}

impl Default for RegressionTestConfig {
    fn default() -> Self {
        Self {
            deviation: DeviationConfig::default(),
            significant: reading::BAND,
            adjust: true,
        }
    }
}

/// Ranks components by what their causal parents do not explain.
///
/// ```
/// use aiops_core::{Case, ComponentMetric, RootCauseRanker, Series, TimeAxis, Timestamp, Topology};
/// use aiops_rca::regression_test::{RegressionTest, RegressionTestConfig};
/// use std::time::Duration;
///
/// let mut topology = Topology::default();
/// topology.add_call("web", "db");
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let waited: Vec<f64> = (0..60).map(|i| f64::from(i % 7 + 40 * (i / 50))).collect();
/// let total: Vec<f64> = (0..60).map(|i| 5.0 + 3.0 * waited[i] + (i % 2) as f64).collect();
/// let (db, web) = (Series::new(axis.clone(), waited)?, Series::new(axis, total)?);
/// let metrics = [("db", &db), ("web", &web)].map(|(component, series)| ComponentMetric {
///     component,
///     metric: "latency_ms",
///     reference: None,
///     observed: series.view(),
/// });
/// let case = Case {
///     metrics: &metrics,
///     onset: None,
///     symptom: Some("web"),
///     topology: &topology,
///     changes: &[],
/// };
/// let causes = RegressionTest::try_from(RegressionTestConfig::default())?.rank(&case)?;
/// // The web server did what it always does when the database is that slow.
/// assert_eq!(causes.len(), 1);
/// assert_eq!(causes[0].component, "db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// y        = intercept + sum of weight * parent      ridge regression on the normal samples
/// score(c) = largest deviation of a residual y - y^  measured as in `deviation`
/// adjusted = score + largest score of the dependents, looking through insignificant ones,
///            where score >= significant
/// ```
///
/// The parents of a metric follow from what it measures, see [`MetricClass`](crate::MetricClass):
/// latency and errors depend on the same metric of the dependencies, traffic on the same metric of the
/// dependents, and all but traffic on the component's own traffic. In a case whose components have
/// one metric each, it depends on that of the dependencies. A metric without parents is measured as
/// it is.
///
/// # Cost
///
/// As [`Deviation`](crate::deviation::Deviation), plus a regression on at most 12 columns for each
/// metric that has parents.
///
/// # Degenerate cases
///
/// As [`Deviation`](crate::deviation::Deviation), and
///
/// | input | result |
/// |---|---|
/// | empty topology | only a component's own traffic explains anything |
/// | fewer normal rows than parents and 8 | the metric is measured as it is |
/// | equal, constant or missing parents | explain nothing twice; a missing value counts as its mean |
/// | metrics sampled differently | a parent's value is its latest, not older than two steps |
/// | cycles | each member explains the others |
///
/// # Not good for
///
/// Faults so large that they leave the range in which the dependence is linear: effects then keep
/// residuals. Topologies with missing calls.
#[derive(Clone, Copy, Debug)]
pub struct RegressionTest {
    config: RegressionTestConfig,
    measure: Measure,
}

impl TryFrom<RegressionTestConfig> for RegressionTest {
    type Error = ParamError;

    fn try_from(config: RegressionTestConfig) -> Result<Self, ParamError> {
        if !(config.significant > 0.0 && config.significant.is_finite()) {
            let expected = "positive and finite";
            return Err(ParamError::new("significant", expected, config.significant));
        }
        Ok(Self {
            config,
            measure: config.deviation.measure()?,
        })
    }
}

impl RegressionTest {
    /// Its parameters.
    pub fn config(&self) -> &RegressionTestConfig {
        &self.config
    }

    /// The largest score among the dependents that are significant, looking through those that are
    /// not.
    fn credit(&self, case: &Case<'_>, name: &str, scores: &BTreeMap<&str, f64>) -> f64 {
        let significant = |name: &str| {
            scores
                .get(name)
                .is_some_and(|score| *score >= self.config.significant)
        };
        let above: BTreeSet<&str> =
            graph::nearest(case.topology, name, Towards::Dependents, significant);
        above.iter().map(|name| scores[name]).fold(0.0, f64::max)
    }
}

impl RootCauseRanker for RegressionTest {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        let Some(scene) = self.measure.scene(case) else {
            return Ok(Vec::new());
        };
        let troubled = |list: &[reading::Reading<'_>]| list[0].score >= scene.threshold;
        if !scene
            .components
            .values()
            .any(|list| !list.is_empty() && troubled(list))
        {
            return Ok(Vec::new());
        }
        let causal = Causal::new(
            case,
            scene.onset,
            self.measure.min_reference,
            self.measure.relative_floor,
        );
        let mut scores = BTreeMap::new();
        let mut causes = Vec::new();
        for (name, readings) in &scene.components {
            let unexplained = readings.iter().map(|reading| {
                let residual = causal.score(reading.index, reading::widening_of);
                (
                    residual.unwrap_or(reading.score),
                    residual.is_some(),
                    reading,
                )
            });
            let Some((score, explained, worst)) =
                unexplained.reduce(|a, b| if b.0 > a.0 { b } else { a })
            else {
                continue;
            };
            scores.insert(*name, score);
            if score < self.config.significant {
                continue;
            }
            let mut evidence = vec![Evidence::supporting(worst.fact())];
            if explained {
                let text = format!(
                    "{} is {score:.1} spreads from what its causes explain",
                    worst.metric
                );
                evidence.push(Evidence::supporting(Fact::Note { text }));
            }
            let window = self.config.deviation.change_window;
            evidence.extend(reading::changes(case, name, scene.onset, window));
            causes.push(Cause {
                component: (*name).to_owned(),
                metric: Some(worst.metric.to_owned()),
                score,
                confidence: None,
                evidence,
            });
        }
        if self.config.adjust {
            for cause in &mut causes {
                cause.score += self.credit(case, &cause.component, &scores);
            }
        }
        deviation::sort(&mut causes);
        Ok(causes)
    }
}
