//! From an incident to its causes.

use std::sync::Arc;
use std::time::Duration;

use aiops_core::prepare::CounterRate;
use aiops_core::{
    Case, Cause, ChangeEvent, ComponentMetric, Evidence, Fact, Labels, RootCauseRanker as _,
    Sample, Series, StorageError, TimeAxis, TimeRange, Timestamp, Topology, Verdict,
};
use aiops_rca::graph_deviation::GraphDeviation;

use crate::chart::SeriesStoreDebug;
use crate::component;
use crate::watch::Watch;

/// How much of the time before the onset is taken as normal.
const BEFORE: Duration = Duration::from_mins(30);
/// Causes that are kept.
const MAX_CAUSES: usize = 5;

/// What the search for causes looks at. It owns everything, so that the pipeline goes on
/// meanwhile.
#[derive(Debug)]
pub struct Scene {
    /// Series whose components may be the cause, and whether each is a counter, whose rate
    /// counts.
    pub series: Vec<(Labels, bool)>,
    /// What the detectors saw by themselves; the answer where the search finds nothing further.
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
    pub ranker: Arc<GraphDeviation>,
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
        if causes.is_empty() {
            causes.extend(self.seen.clone());
        }
        Some(causes)
    }

    fn read(&self) -> Result<Vec<(String, String, Series)>, StorageError> {
        let end = self.now.saturating_add(Duration::from_nanos(1));
        let range = TimeRange::new(self.onset.saturating_sub(BEFORE), end);
        let mut metrics = Vec::with_capacity(self.series.len());
        for (labels, counter) in &self.series {
            let columns = crate::chart::read_one(self.store.as_ref(), labels, range)?;
            let mut rate = CounterRate::default();
            let mut usable = |(time, value): (&Timestamp, &f64)| {
                let shown = if *counter {
                    rate.update(Sample::new(*time, *value))
                } else {
                    Some(*value)
                };
                // Infinite values are kept by the store but mean nothing here.
                shown.filter(|value| value.is_finite()).unwrap_or(f64::NAN)
            };
            let samples = columns.times.iter().zip(&columns.values);
            let values = samples.map(&mut usable).collect();
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
    let mut evidence: Vec<_> = out.iter().take(MAX_CAUSES).filter_map(fact).collect();
    let text = "no other component strayed further than is usual here".to_owned();
    evidence.push(Evidence::supporting(Fact::Note { text }));
    Some(Cause {
        metric: Some(component::metric(&out.first()?.0.labels)),
        component,
        score: 0.0,
        confidence: None,
        evidence,
    })
}
