//! Ranking by how far metrics strayed from normal.
//!
//! Robust, in the manner of the scorer of Pham et al., *BARO: Robust Root Cause Analysis for
//! Microservices via Multivariate Bayesian Online Change Point Detection* (FSE 2024), with what its
//! formula leaves open closed: both directions, a floor for the spread, a mean of the most extreme
//! samples instead of the maximum, and no column is dropped for being constant.

use std::time::Duration;

use aiops_core::{Case, Cause, Evidence, ParamError, RankError, RootCauseRanker};

use crate::onset::{Onset, OnsetConfig};
use crate::reading::{self, Measure, Reading};

/// Readings of one component that are given as evidence.
const MAX_FACTS: usize = 4;

/// Parameters of [`Deviation`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct DeviationConfig {
    /// Smallest score of a cause, in spreads; positive. A case whose normal samples reached more
    /// by chance needs that much more.
    pub min_score: f64,
    /// Smallest spread assumed, as a share of the absolute value of the median. Not negative.
    pub relative_min_scale: f64,
    /// Samples of the reference below which samples before the onset count as normal too, at
    /// least 2.
    pub min_reference: usize,
    /// How long before the onset a change may be and still be named as evidence.
    pub change_window: Duration,
}

impl Default for DeviationConfig {
    fn default() -> Self {
        Self {
            min_score: reading::BAND,
            relative_min_scale: 0.05,
            min_reference: 10,
            change_window: Duration::from_mins(15),
        }
    }
}

impl DeviationConfig {
    pub(crate) fn measure(&self) -> Result<Measure, ParamError> {
        if !(self.min_score > 0.0 && self.min_score.is_finite()) {
            return Err(ParamError::new(
                "min_score",
                "positive and finite",
                self.min_score,
            ));
        }
        let onset = OnsetConfig {
            relative_min_scale: self.relative_min_scale,
            min_reference: self.min_reference,
        };
        Ok(Measure {
            onset: Onset::try_from(onset)?,
            relative_floor: self.relative_min_scale,
            min_score: self.min_score,
            min_reference: self.min_reference,
        })
    }
}

/// Ranks components by their metric that strayed furthest.
///
/// ```
/// use aiops_core::{Case, ComponentMetric, RootCauseRanker, Series, TimeAxis, Timestamp, Topology};
/// use aiops_rca::deviation::{Deviation, DeviationConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let steady = Series::new(axis.clone(), (0..60).map(|i| f64::from(i % 4)).collect())?;
/// let rising = Series::new(axis, (0..60).map(|i| f64::from(i % 4 + 30 * (i / 50))).collect())?;
/// let metric = |component, series: &'static Series| ComponentMetric {
///     component,
///     metric: "latency_ms",
///     reference: None,
///     observed: series.view(),
/// };
/// # let (steady, rising) = (Box::leak(Box::new(steady)), Box::leak(Box::new(rising)));
/// let case = Case {
///     metrics: &[metric("cart", steady), metric("db", rising)],
///     onset: None,
///     symptom: None,
///     topology: &Topology::default(),
///     changes: &[],
/// };
/// let causes = Deviation::try_from(DeviationConfig::default())?.rank(&case)?;
/// assert_eq!(causes.len(), 1);
/// assert_eq!(causes[0].component, "db");
/// println!("{}", causes[0].evidence[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// z       = (x - median) / max(IQR / 1.349, relative_min_scale * |median|)
/// extent  = mean of the largest fifth of z, or of -z, whichever is larger
/// score   = extent / max(1, the largest extent of a window of normal samples / 3)
/// ```
///
/// An onset that is given is taken back to where the excursion then going on began, see
/// [`Onset::before`]; so a late notice does no harm. Median and IQR are those of the normal samples: the reference, or else what was observed before
/// the onset. Where the IQR is 0 the standard deviation takes its place. The windows are as
/// long as the incident, at most an eighth of the normal samples, at most the latest 32. A case
/// needs a score that the largest of all its metrics' scores stayed below in 19 of 20 windows,
/// each taken as an incident among the others.
///
/// A latency or error ratio that falls, and a success ratio that rises, counts 0.3 of that; see
/// [`MetricClass`](crate::MetricClass).
///
/// A metric that stops, or stops changing, scores how long it has done so in units of the longest
/// time before.
///
/// # Cost
///
/// Order statistics of each metric's normal samples in linear time: some 20 microseconds for a
/// metric of 1,000 samples, the search for the onset included. Memory for the samples of one metric
/// at a time, and 32 numbers for each metric.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no metric, or nothing left its band | empty: nothing found |
/// | a metric with fewer than 3 normal samples, or none in the incident | is not looked at, unless it vanished |
/// | missing samples (`NaN`) | not counted; a metric that ends before the others has vanished |
/// | constant before, changed after | distance over `relative_min_scale` of the larger level: at most 1 or 2 over it |
/// | constant before and after | 0 |
/// | changing before, constant after | stopped changing, from 8 equal samples on |
/// | two metrics of one name | each is looked at |
/// | equal scores | in order of name |
/// | units | have no influence: scaling a metric changes nothing |
///
/// # Not good for
///
/// Telling a cause from what it did to others: see
/// [`graph_deviation`](crate::graph_deviation). Seasonal metrics whose normal samples do not cover
/// the hour of the incident.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    config: DeviationConfig,
    measure: Measure,
}

impl TryFrom<DeviationConfig> for Deviation {
    type Error = ParamError;

    fn try_from(config: DeviationConfig) -> Result<Self, ParamError> {
        let measure = config.measure()?;
        Ok(Self { config, measure })
    }
}

impl Deviation {
    /// Its parameters.
    pub fn config(&self) -> &DeviationConfig {
        &self.config
    }
}

impl RootCauseRanker for Deviation {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        let Some(scene) = self.measure.scene(case) else {
            return Ok(Vec::new());
        };
        let mut causes: Vec<Cause> = scene
            .components
            .iter()
            .filter_map(|(name, readings)| {
                let worst = readings
                    .first()
                    .filter(|worst| worst.score >= scene.threshold)?;
                let mut evidence = facts(readings, scene.threshold);
                evidence.extend(reading::changes(
                    case,
                    name,
                    scene.onset,
                    self.config.change_window,
                ));
                Some(Cause {
                    component: (*name).to_owned(),
                    metric: Some(worst.metric.to_owned()),
                    score: worst.score,
                    confidence: None,
                    evidence,
                })
            })
            .collect();
        sort(&mut causes);
        Ok(causes)
    }
}

/// The readings beyond the threshold as evidence, the furthest first.
pub(crate) fn facts(readings: &[Reading<'_>], threshold: f64) -> Vec<Evidence> {
    readings
        .iter()
        .take_while(|reading| reading.score >= threshold)
        .take(MAX_FACTS)
        .map(|reading| Evidence::supporting(reading.fact()))
        .collect()
}

/// The likeliest first, equal scores in order of name.
pub(crate) fn sort(causes: &mut [Cause]) {
    causes.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.component.cmp(&b.component))
    });
}
