//! A series with its band and anomalies, as a chart wants it.

use std::sync::Arc;
use std::time::Duration;

use aiops_core::store::SeriesStore;
use aiops_core::{ChangeEvent, Labels, Sample, StorageError, TimeRange, Timestamp, Verdict};
use serde_json::{Value, json};

use crate::watch::Watch;

/// How much of the time before the chart the detector is warmed up with.
const WARMUP: Duration = Duration::from_secs(30 * 60);
/// Longest stretch that is replayed with bands; a longer chart shows the values alone.
const MAX_REPLAYED: usize = 1_000_000;
/// Anomalies that one chart shows; the latest.
const MAX_ANOMALIES: usize = 200;

/// What to draw.
#[derive(Debug)]
pub struct ChartRequest {
    /// The series.
    pub labels: Labels,
    /// A watch of the same configuration that has seen nothing.
    pub fresh: Watch,
    /// Unit of the series.
    pub unit: String,
    /// What it is.
    pub help: String,
    /// What was changed.
    pub changes: Vec<ChangeEvent>,
    /// Where the samples are.
    pub store: Arc<dyn SeriesStoreDebug>,
    /// Which time.
    pub range: TimeRange,
    /// Points at most.
    pub points: usize,
}

/// A store that can be printed while debugging.
pub trait SeriesStoreDebug: SeriesStore + std::fmt::Debug {}

impl<S: SeriesStore + std::fmt::Debug> SeriesStoreDebug for S {}

/// Draws, as the JSON of `GET /api/v1/chart`. The band at a sample is what the detector expected
/// before it saw the sample: the stored samples are played through a fresh detector, the very code
/// that ran when they came in.
///
/// # Errors
///
/// [`StorageError`] when the samples cannot be read.
pub fn draw(request: &ChartRequest) -> Result<Value, StorageError> {
    let exactly = crate::pipeline::exact_selector(&request.labels);
    let from = request.range.start.saturating_sub(WARMUP);
    let read = request
        .store
        .read(&exactly, TimeRange::new(from, request.range.end))?;
    let columns = read
        .into_iter()
        .find(|(labels, _)| labels == &request.labels)
        .map(|(_, columns)| columns)
        .unwrap_or_default();
    let mut points = Vec::new();
    let mut watch = request.fresh.clone();
    if columns.times.len() > MAX_REPLAYED {
        watch.monitor = None;
    }
    for (time, value) in columns.times.into_iter().zip(columns.values) {
        let sample = Sample::new(time, value);
        let verdict = watch.update(sample).cloned();
        if request.range.contains(time) {
            // A counter has no rate at its first sample.
            let shown = match (&verdict, &watch.rate) {
                (Some(verdict), _) => Some(verdict.value),
                (None, Some(_)) => None,
                (None, None) => Some(value),
            };
            points.push(Point {
                time,
                value: shown.filter(|value| value.is_finite()),
                verdict,
            });
        }
    }
    Ok(render(request, &points))
}

struct Point {
    time: Timestamp,
    value: Option<f64>,
    verdict: Option<Verdict>,
}

impl Point {
    fn band(&self, edge: impl Fn(aiops_core::Band) -> f64) -> Option<f64> {
        let band = self.verdict.as_ref()?.band?;
        Some(edge(band)).filter(|value| value.is_finite())
    }
}

fn render(request: &ChartRequest, points: &[Point]) -> Value {
    let buckets: Vec<&[Point]> = if points.is_empty() {
        Vec::new()
    } else {
        points
            .chunks(points.len().div_ceil(request.points))
            .collect()
    };
    let last = |bucket: &&[Point]| bucket.len() - 1;
    let column = |f: &dyn Fn(&Point) -> Option<f64>| -> Vec<Option<f64>> {
        buckets
            .iter()
            .map(|bucket| f(&bucket[last(bucket)]))
            .collect()
    };
    let extreme = |pick: fn(f64, f64) -> f64| -> Vec<Option<f64>> {
        buckets
            .iter()
            .map(|bucket| bucket.iter().filter_map(|point| point.value).reduce(pick))
            .collect()
    };
    json!({
        "id": request.labels.fingerprint().to_string(),
        "metric": request.labels.metric(),
        "labels": request.labels.without(&[aiops_core::METRIC_NAME]),
        "unit": request.unit,
        "help": request.help,
        "times": buckets.iter().map(|b| b[last(b)].time.as_millis()).collect::<Vec<_>>(),
        "values": column(&|point| point.value),
        "min": extreme(f64::min),
        "max": extreme(f64::max),
        "lower": column(&|point| point.band(|band| band.lower)),
        "center": column(&|point| point.band(|band| band.center)),
        "upper": column(&|point| point.band(|band| band.upper)),
        "anomalies": anomalies(points),
        "changes": changes(request),
    })
}

fn anomalies(points: &[Point]) -> Vec<Value> {
    let found: Vec<_> = points
        .iter()
        .filter_map(|point| point.verdict.as_ref())
        .filter(|v| v.is_anomalous())
        .collect();
    found[found.len().saturating_sub(MAX_ANOMALIES)..]
        .iter()
        .map(|verdict| {
            json!({
                "time": verdict.time.as_millis(),
                "value": verdict.value,
                "score": verdict.score,
                "reason": verdict.to_string(),
            })
        })
        .collect()
}

fn changes(request: &ChartRequest) -> Vec<Value> {
    request
        .changes
        .iter()
        .filter(|change| request.range.contains(change.time))
        .map(|change| {
            json!({
                "time": change.time.as_millis(),
                "id": change.id,
                "summary": change.summary,
                "component": change.component,
            })
        })
        .collect()
}
