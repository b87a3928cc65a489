//! Ranking by what was changed: how close before the onset, and how near to the trouble.

use std::time::Duration;

use aiops_core::{
    Case, Cause, ChangeEvent, Evidence, Fact, ParamError, RankError, RootCauseRanker, TimeRange,
    Timestamp,
};

use crate::deviation::{self, DeviationConfig};
use crate::graph;
use crate::reading::{self, Measure, Scene};

/// Parameters of [`ChangeCorrelation`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ChangeCorrelationConfig {
    /// How metrics are measured, from which score on a component is in trouble, and how long before
    /// the onset a change may be.
    pub deviation: DeviationConfig,
    /// Time before the onset that halves the score of a change; positive.
    pub half_life: Duration,
    /// What each call between a change and the trouble leaves of the score, in `[0, 1]`.
    pub per_call: f64,
}

impl Default for ChangeCorrelationConfig {
    fn default() -> Self {
        Self {
            deviation: DeviationConfig::default(),
            half_life: Duration::from_mins(5),
            per_call: 0.5,
        }
    }
}

/// Ranks components that were changed shortly before the onset by their nearest change and its way to
/// the trouble.
///
/// ```
/// use aiops_core::{
///     Case, ChangeEvent, ChangeKind, ComponentMetric, Labels, RootCauseRanker, Series, TimeAxis, Timestamp,
///     Topology,
/// };
/// use aiops_rca::change_correlation::{ChangeCorrelation, ChangeCorrelationConfig};
/// use std::time::Duration;
///
/// let mut topology = Topology::default();
/// topology.add_call("frontend", "db");
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let slow = Series::new(axis, (0..60).map(|i| f64::from(i % 4 + 60 * (i / 50))).collect())?;
/// let metrics = [ComponentMetric {
///     component: "frontend",
///     metric: "latency_ms",
///     reference: None,
///     observed: slow.view(),
/// }];
/// let change = ChangeEvent {
///     id: "deploy-7".into(),
///     time: Timestamp::EPOCH.saturating_add(Duration::from_mins(48)),
///     kind: ChangeKind::Deploy,
///     component: "db".into(),
///     summary: "new index".into(),
///     labels: Labels::empty(),
/// };
/// let case = Case {
///     metrics: &metrics,
///     onset: None,
///     symptom: Some("frontend"),
///     topology: &topology,
///     changes: &[change],
/// };
/// let causes = ChangeCorrelation::try_from(ChangeCorrelationConfig::default())?.rank(&case)?;
/// assert_eq!(causes[0].component, "db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score(change) = 2^(-before / half_life) * largest over trouble t of per_call^calls(t) * a(t) / largest a
/// ```
///
/// with `a` as in [`GraphDeviation`](crate::graph_deviation::GraphDeviation) and `calls(t)` the fewest calls
/// by which `t` depends on what was changed, 0 for itself. Where a symptom is given, only what it depends on
/// is looked at, and only the way to the symptom counts beside the changed component's own trouble. Evidence
/// names each change, the way, and whether the component itself is in trouble.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no change in the window, or nothing in trouble | empty |
/// | a change after the onset by up to a fifteenth of the window | counts as at the onset: clocks differ |
/// | a change from which no way leads to trouble | is not named |
/// | a component in no topology | is named for its own trouble only |
/// | several changes of one component | the closest counts, all are evidence |
/// | equal scores | in order of name |
///
/// # Not good for
///
/// Faults that nobody caused: where changes are frequent, one is always near. A change is a suspect, not a
/// proof; [`Investigation`](crate::investigation::Investigation) weighs it against the metrics.
#[derive(Clone, Copy, Debug)]
pub struct ChangeCorrelation {
    config: ChangeCorrelationConfig,
    measure: Measure,
}

impl TryFrom<ChangeCorrelationConfig> for ChangeCorrelation {
    type Error = ParamError;

    fn try_from(config: ChangeCorrelationConfig) -> Result<Self, ParamError> {
        if config.half_life.is_zero() {
            return Err(ParamError::new("half_life", "positive", 0));
        }
        if !(0.0..=1.0).contains(&config.per_call) {
            return Err(ParamError::new("per_call", "from 0 to 1", config.per_call));
        }
        Ok(Self {
            config,
            measure: config.deviation.measure()?,
        })
    }
}

impl ChangeCorrelation {
    /// Its parameters.
    pub fn config(&self) -> &ChangeCorrelationConfig {
        &self.config
    }

    /// How much of the trouble a change of `name` reaches, and the way there.
    fn reach(
        &self,
        case: &Case<'_>,
        trouble: &[(&str, f64)],
        name: &str,
    ) -> Option<(f64, Vec<String>)> {
        let largest = trouble
            .iter()
            .map(|(_, strayed)| *strayed)
            .fold(0.0, f64::max);
        let way = |to: &str| {
            if to == name {
                vec![name.to_owned()]
            } else {
                graph::path(case.topology, name, to)
            }
        };
        let to_symptom = case.symptom.map(way);
        if to_symptom.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        let share = |calls: usize| {
            self.config
                .per_call
                .powi(i32::try_from(calls).unwrap_or(i32::MAX))
        };
        let mut best: Option<(f64, Vec<String>)> =
            to_symptom.map(|way| (share(way.len() - 1), way));
        for (to, strayed) in trouble {
            if case.symptom.is_some() && *to != name {
                continue;
            }
            let way = way(to);
            let Some(calls) = way.len().checked_sub(1) else {
                continue;
            };
            let reached = share(calls) * strayed / largest;
            if best.as_ref().is_none_or(|(known, _)| reached > *known) {
                best = Some((reached, way));
            }
        }
        best.filter(|(reached, _)| *reached > 0.0)
    }

    fn cause(
        &self,
        case: &Case<'_>,
        scene: &Scene<'_>,
        trouble: &[(&str, f64)],
        closest: &ChangeEvent,
    ) -> Option<Cause> {
        let name = &closest.component[..];
        let (reached, way) = self.reach(case, trouble, name)?;
        let before = scene.onset.since(closest.time).as_secs_f64();
        let recent = (-before / self.config.half_life.as_secs_f64()).exp2();
        let window = self.config.deviation.change_window;
        let mut evidence = reading::changes(case, name, scene.onset, window);
        if way.len() > 1 {
            let text = format!("trouble is on its way: {}", way.join(" -> "));
            evidence.push(Evidence::supporting(Fact::Note { text }));
        }
        let readings = scene.components.get(name).map_or(&[][..], Vec::as_slice);
        let own = deviation::facts(readings, scene.threshold);
        if own.is_empty() && !readings.is_empty() {
            let text = "its own metrics look normal".to_owned();
            evidence.push(Evidence::opposing(Fact::Note { text }));
        }
        evidence.extend(own);
        Some(Cause {
            component: name.to_owned(),
            metric: readings
                .first()
                .filter(|worst| worst.score >= scene.threshold)
                .map(|worst| worst.metric.to_owned()),
            score: recent * reached,
            confidence: None,
            evidence,
        })
    }
}

/// When changes may have been.
fn near(onset: Timestamp, window: Duration) -> TimeRange {
    TimeRange::new(
        onset.saturating_sub(window),
        onset.saturating_add(window / 15),
    )
}

impl RootCauseRanker for ChangeCorrelation {
    fn rank(&self, case: &Case<'_>) -> Result<Vec<Cause>, RankError> {
        let Some(scene) = self.measure.scene(case) else {
            return Ok(Vec::new());
        };
        let trouble: Vec<(&str, f64)> = scene
            .components
            .iter()
            .filter_map(|(name, readings)| {
                let worst = readings.first()?;
                let strayed = (worst.score / scene.threshold).ln_1p();
                (worst.score >= scene.threshold).then_some((*name, strayed))
            })
            .collect();
        if trouble.is_empty() {
            return Ok(Vec::new());
        }
        let range = near(scene.onset, self.config.deviation.change_window);
        let mut near: Vec<&ChangeEvent> = case
            .changes
            .iter()
            .filter(|change| range.contains(change.time))
            .collect();
        near.sort_by(|a, b| {
            let by_name = a.component.cmp(&b.component);
            by_name
                .then(b.time.cmp(&a.time))
                .then_with(|| a.id.cmp(&b.id))
        });
        near.dedup_by(|later, first| later.component == first.component);
        let mut causes: Vec<Cause> = near
            .into_iter()
            .filter_map(|change| self.cause(case, &scene, &trouble, change))
            .collect();
        deviation::sort(&mut causes);
        Ok(causes)
    }
}
