//! From an incident to its causes.

use std::sync::Arc;
use std::time::Duration;

use aiops_core::numerics::median;
use aiops_core::prepare::CounterRate;
use aiops_core::{
    Case, Cause, ChangeEvent, ComponentMetric, Evidence, Fact, Labels, RootCauseRanker as _,
    Sample, Series, StorageError, TimeAxis, TimeRange, Timestamp, Topology, Verdict,
};
use aiops_rca::investigation::Investigation;

use crate::chart::SeriesStoreDebug;
use crate::component;
use crate::watch::Watch;

/// How much of the time before the onset is taken as normal.
const BEFORE: Duration = Duration::from_mins(30);
/// Causes that are kept.
const MAX_CAUSES: usize = 5;

/// A series that may tell of the cause.
#[derive(Debug)]
pub struct Candidate {
    /// Its labels.
    pub labels: Labels,
    /// Whether it is a counter, whose rate counts.
    pub counter: bool,
    /// What is too small a change to matter: in the unit of the series, and as a share of the
    /// usual value. The larger one holds, as for its detector.
    pub absolute_floor: f64,
    /// See `absolute_floor`.
    pub relative_floor: f64,
}

impl Candidate {
    /// Whether the series changed by enough to matter, or stopped. `onset` is the place of the
    /// first sample after the onset.
    fn moved(&self, values: &[f64], onset: usize) -> bool {
        let (before, after) = values.split_at(onset);
        let mut usual: Vec<f64> = before.iter().copied().filter(|x| !x.is_nan()).collect();
        if usual.is_empty() || after.iter().all(|value| value.is_nan()) {
            return true;
        }
        let usual = median(&mut usual);
        let floor = self.absolute_floor.max(self.relative_floor * usual.abs());
        after.iter().any(|value| (value - usual).abs() >= floor)
    }
}

/// What the search for causes looks at. It owns everything, so that the pipeline goes on
/// meanwhile.
#[derive(Debug)]
pub struct Scene {
    /// Series whose components may be the cause.
    pub series: Vec<Candidate>,
    /// What the detectors saw by themselves: the answer where the search finds nothing further,
    /// and the first evidence where it finds the same.
    pub seen: Option<Cause>,
    /// When it began, as the detectors saw it.
    pub onset: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Who depends on whom.
    pub topology: Arc<Topology>,
    /// What was changed.
    pub changes: Vec<ChangeEvent>,
    /// What ranks them.
    pub ranker: Arc<Investigation>,
    /// Where their samples are.
    pub store: Arc<dyn SeriesStoreDebug>,
}

impl Scene {
    /// The likeliest causes, the first the likeliest; empty when nothing was found, `None` when
    /// the search failed, which is logged.
    pub fn causes(&self) -> Option<Vec<Cause>> {
        let read = self.read().inspect_err(|error| {
            tracing::error!(
                error = crate::ingest::describe(error),
                "cannot read for causes"
            );
        });
        let metrics = read.ok()?;
        let views: Vec<_> = metrics
            .iter()
            .map(|(component, metric, series)| ComponentMetric {
                component,
                metric,
                reference: None,
                observed: series.view(),
            })
            .collect();
        let case = Case {
            metrics: &views,
            onset: Some(self.onset),
            symptom: None,
            topology: &self.topology,
            changes: &self.changes,
        };
        let ranked = self
            .ranker
            .rank(&case)
            .inspect_err(|error| tracing::warn!(%error, "no cause could be looked for"));
        let mut causes = ranked.ok()?;
        causes.truncate(MAX_CAUSES);
        if let Some(seen) = self.seen.clone() {
            add_seen(seen, &mut causes);
        }
        Some(causes)
    }

    fn read(&self) -> Result<Vec<(String, String, Series)>, StorageError> {
        let end = self.now.saturating_add(Duration::from_nanos(1));
        let range = TimeRange::new(self.onset.saturating_sub(BEFORE), end);
        let mut metrics = Vec::with_capacity(self.series.len());
        for candidate in &self.series {
            let labels = &candidate.labels;
            let columns = crate::chart::read_one(self.store.as_ref(), labels, range)?;
            let mut rate = CounterRate::default();
            let mut usable = |(time, value): (&Timestamp, &f64)| {
                let shown = if candidate.counter {
                    rate.update(Sample::new(*time, *value))
                } else {
                    Some(*value)
                };
                // Infinite values are kept by the store but mean nothing here.
                shown.filter(|value| value.is_finite()).unwrap_or(f64::NAN)
            };
            let samples = columns.times.iter().zip(&columns.values);
            let values: Vec<f64> = samples.map(&mut usable).collect();
            let onset = columns.times.partition_point(|time| *time < self.onset);
            if !candidate.moved(&values, onset) {
                continue;
            }
            let axis = TimeAxis::listed(columns.times);
            if let Ok(series) = axis.and_then(|axis| Series::new(axis, values)) {
                metrics.push((
                    component::component(labels),
                    component::metric(labels),
                    series,
                ));
            }
        }
        Ok(metrics)
    }
}

/// The component whose series are out of their band, by the verdicts alone; `None` when none is,
/// or several are, since then these do not tell which came first.
pub fn seen(alerting: &[&Watch]) -> Option<Cause> {
    let out: Vec<_> = alerting
        .iter()
        .filter_map(|watch| Some((watch, watch.verdict.as_ref()?, watch.anomalous_since?)))
        .collect();
    let component = component::component(&out.first()?.0.labels);
    if out
        .iter()
        .any(|(watch, ..)| component::component(&watch.labels) != component)
    {
        return None;
    }
    let fact = |(watch, verdict, since): &(&&Watch, &Verdict, Timestamp)| {
        Some(Evidence::supporting(Fact::Deviation {
            metric: component::metric(&watch.labels),
            value: verdict.value,
            band: verdict.band?,
            score: verdict.score?,
            since: *since,
        }))
    };
    Some(Cause {
        metric: Some(component::metric(&out.first()?.0.labels)),
        component,
        score: 0.0,
        confidence: None,
        evidence: out.iter().take(MAX_CAUSES).filter_map(fact).collect(),
    })
}

/// Puts what the detectors saw before what was found about the same component, or makes it the
/// answer where nothing was found.
fn add_seen(mut seen: Cause, causes: &mut Vec<Cause>) {
    if causes.is_empty() {
        let text = "no other component strayed further than is usual here".to_owned();
        seen.evidence
            .push(Evidence::supporting(Fact::Note { text }));
        causes.push(seen);
        return;
    }
    let Some(cause) = causes
        .iter_mut()
        .find(|cause| cause.component == seen.component)
    else {
        return;
    };
    let metric = |fact: &Fact| match fact {
        Fact::Deviation { metric, .. } => Some(metric.clone()),
        _ => None,
    };
    let known: Vec<_> = seen
        .evidence
        .iter()
        .filter_map(|one| metric(&one.fact))
        .collect();
    let is_new = |one: &Evidence| metric(&one.fact).is_none_or(|name| !known.contains(&name));
    seen.evidence
        .extend(cause.evidence.drain(..).filter(is_new));
    cause.evidence = seen.evidence;
    cause.metric = seen.metric;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(absolute_floor: f64, relative_floor: f64) -> Candidate {
        Candidate {
            labels: Labels::empty(),
            counter: false,
            absolute_floor,
            relative_floor,
        }
    }

    #[test]
    fn a_change_below_the_floor_is_no_evidence() {
        let steal = [0.0, 0.0, 0.0, 0.0, 0.9, 0.0];
        assert!(!candidate(25.0, 0.1).moved(&steal, 4));
        assert!(candidate(0.5, 0.1).moved(&steal, 4));
        assert!(!candidate(0.0, 0.1).moved(&[100.0, 100.0, 105.0], 2));
        assert!(candidate(0.0, 0.1).moved(&[100.0, 100.0, 111.0], 2));
    }

    #[test]
    fn silence_and_an_unknown_past_are_kept() {
        assert!(candidate(9.0, 0.1).moved(&[1.0, 1.0, f64::NAN], 2));
        assert!(candidate(9.0, 0.1).moved(&[1.0, 1.0], 2));
        assert!(candidate(9.0, 0.1).moved(&[1.0, 1.0], 0));
    }

    fn cause(component: &str, metrics: &[&str]) -> Cause {
        let band = aiops_core::Band {
            lower: 0.0,
            center: 1.0,
            upper: 2.0,
        };
        let fact = |metric: &&str| Fact::Deviation {
            metric: (*metric).to_owned(),
            value: 9.0,
            band,
            score: 8.0,
            since: Timestamp::EPOCH,
        };
        Cause {
            component: component.to_owned(),
            metric: metrics.first().map(|metric| (*metric).to_owned()),
            score: 1.0,
            confidence: None,
            evidence: metrics.iter().map(fact).map(Evidence::supporting).collect(),
        }
    }

    #[test]
    fn what_the_detectors_saw_comes_first_and_once() {
        let mut causes = vec![cause("db", &["a"]), cause("web", &["b", "busy"])];
        add_seen(cause("web", &["busy"]), &mut causes);
        assert_eq!(causes[0], cause("db", &["a"]));
        assert_eq!(causes[1], cause("web", &["busy", "b"]));
        add_seen(cause("elsewhere", &["x"]), &mut causes);
        assert_eq!(causes.len(), 2);
        let mut none = Vec::new();
        add_seen(cause("web", &["busy"]), &mut none);
        assert_eq!(
            (none[0].component.as_str(), none[0].evidence.len()),
            ("web", 2)
        );
    }
}
