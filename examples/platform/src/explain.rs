//! From an incident to its causes.

use std::time::Duration;

use aiops_core::store::SeriesStore;
use aiops_core::{
    Case, Cause, ChangeEvent, ComponentMetric, Labels, RootCauseRanker, Series, StorageError,
    TimeRange, Timestamp, Topology,
};
use aiops_rca::graph_deviation::GraphDeviation;

use crate::component;

/// How much of the time before the onset is taken as normal.
const BEFORE: Duration = Duration::from_secs(30 * 60);
/// Causes that are kept.
const MAX_CAUSES: usize = 5;

/// What the search for causes looks at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Series whose components may be the cause.
    pub series: Vec<Labels>,
    /// When it began, as the detectors saw it.
    pub onset: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Who depends on whom.
    pub topology: &'a Topology,
    /// What was changed.
    pub changes: &'a [ChangeEvent],
}

/// The likeliest causes, the first the likeliest; empty when nothing was found.
///
/// # Errors
///
/// [`StorageError`] when the samples cannot be read.
pub fn causes(
    store: &dyn SeriesStore,
    ranker: &GraphDeviation,
    scene: &Scene<'_>,
) -> Result<Vec<Cause>, StorageError> {
    let metrics = read(store, scene)?;
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
        onset: Some(scene.onset),
        symptom: None,
        topology: scene.topology,
        changes: scene.changes,
    };
    let mut causes = ranker.rank(&case).unwrap_or_else(|error| {
        tracing::warn!(%error, "no cause could be looked for");
        Vec::new()
    });
    causes.truncate(MAX_CAUSES);
    Ok(causes)
}

fn read(
    store: &dyn SeriesStore,
    scene: &Scene<'_>,
) -> Result<Vec<(String, String, Series)>, StorageError> {
    let end = scene.now.saturating_add(Duration::from_nanos(1));
    let range = TimeRange::new(scene.onset.saturating_sub(BEFORE), end);
    let mut metrics = Vec::with_capacity(scene.series.len());
    for labels in &scene.series {
        let exactly = crate::pipeline::exact_selector(labels);
        for (found, columns) in store.read(&exactly, range)? {
            // Infinite values are kept by the store but mean nothing here.
            let values = columns
                .values
                .iter()
                .map(|value| if value.is_finite() { *value } else { f64::NAN })
                .collect();
            let series = aiops_core::TimeAxis::listed(columns.times)
                .and_then(|axis| Series::new(axis, values));
            if let (true, Ok(series)) = (&found == labels, series) {
                metrics.push((
                    component::component(labels),
                    component::metric(labels),
                    series,
                ));
            }
        }
    }
    Ok(metrics)
}
