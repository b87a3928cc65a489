//! A series with its band and anomalies, as a chart wants it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use aiops_core::store::{SampleColumns, SeriesStore};
use aiops_core::{
    Band, ChangeEvent, Labels, METRIC_NAME, Sample, StorageError, TimeRange, Timestamp, Verdict,
};
use serde_json::{Value, json};

use crate::patience::Patience;
use crate::watch::Watch;

/// How much of the time before the chart is looked at first, to warm the detector up.
const WARMUP: Duration = Duration::from_mins(30);
/// How much at most, when the series has few samples.
const LONGEST_WARMUP: Duration = Duration::from_hours(48);
/// Longest stretch that is replayed with bands; a longer chart shows the values alone.
const MAX_REPLAYED: usize = 1_500_000;
/// Anomalies that one chart shows; the latest.
const MAX_ANOMALIES: usize = 200;
/// So many samples are drawn between two looks at whether anyone still waits.
const BETWEEN_LOOKS: usize = 8_192;

/// A store that can be printed while debugging.
pub trait SeriesStoreDebug: SeriesStore + std::fmt::Debug {}

impl<S: SeriesStore + std::fmt::Debug> SeriesStoreDebug for S {}

/// The samples of one series; empty when it has none in `range`.
///
/// # Errors
///
/// [`StorageError`] when the samples cannot be read.
pub fn read_one(
    store: &dyn SeriesStore,
    labels: &Labels,
    range: TimeRange,
) -> Result<SampleColumns, StorageError> {
    let mut read = SampleColumns::default();
    let exactly = crate::pipeline::exact_selector(labels);
    store.select(&exactly, range, &mut |found, times, values| {
        if found != labels {
            return ControlFlow::Continue(()); // it has further labels
        }
        read.times.extend_from_slice(times);
        read.values.extend_from_slice(values);
        ControlFlow::Break(())
    })?;
    Ok(read)
}

/// What to draw.
#[derive(Debug)]
pub struct ChartRequest {
    /// The series.
    pub labels: Labels,
    /// A watch of the same configuration that has seen nothing.
    pub fresh: Watch,
    /// Samples that its detector remembers.
    pub window: usize,
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

/// Draws, as the JSON of `GET /api/v1/chart`; `None` when the asker has gone. The band at a sample
/// is what the detector expected before it saw the sample: the stored samples are played through
/// a fresh detector, the very code that ran when they came in.
///
/// # Errors
///
/// [`StorageError`] when the samples cannot be read.
pub fn draw(request: &ChartRequest, patience: &Patience) -> Result<Option<Value>, StorageError> {
    let columns = read(request)?;
    let mut watch = request.fresh.clone();
    if columns.times.len() > MAX_REPLAYED {
        watch.monitor = None;
    }
    let first = columns
        .times
        .partition_point(|time| *time < request.range.start);
    let shown = columns.times.len() - first;
    let mut drawing = Drawing::new(shown.div_ceil(request.points).max(1));
    for (index, (time, value)) in columns.times.iter().zip(&columns.values).enumerate() {
        if index % BETWEEN_LOOKS == 0 && patience.is_over() {
            return Ok(None);
        }
        let counter = watch.rate.is_some();
        let verdict = watch.update(Sample::new(*time, *value));
        if index >= first {
            // A counter has no rate at its first sample.
            let value = verdict.map_or((!counter).then_some(*value), |verdict| Some(verdict.value));
            drawing.add(*time, value.filter(|value| value.is_finite()), verdict);
        }
    }
    Ok(Some(drawing.render(request)))
}

/// The samples of the chart, and as many before it as the detector remembers.
fn read(request: &ChartRequest) -> Result<SampleColumns, StorageError> {
    let TimeRange { start, end } = request.range;
    let store = request.store.as_ref();
    let since = |warmup: Duration| {
        let range = TimeRange::new(start.saturating_sub(warmup), end);
        read_one(store, &request.labels, range)
    };
    let columns = since(WARMUP)?;
    let before = columns.times.partition_point(|time| *time < start);
    if before >= request.window || request.fresh.monitor.is_none() {
        return Ok(columns);
    }
    let Some(step) = usual_step(&columns.times) else {
        return Ok(columns);
    };
    let needed = step.saturating_mul(request.window as u32 + 1);
    if needed <= WARMUP {
        return Ok(columns); // the series is younger than that
    }
    since(needed.min(LONGEST_WARMUP))
}

/// The median distance between samples.
fn usual_step(times: &[Timestamp]) -> Option<Duration> {
    let mut steps: Vec<Duration> = times
        .iter()
        .zip(times.get(1..)?)
        .take(1_000)
        .map(|(time, next)| next.since(*time))
        .collect();
    let middle = steps.len() / 2;
    (!steps.is_empty()).then(|| *steps.select_nth_unstable(middle).1)
}

/// The columns of a chart while they are filled, one entry for each bucket of samples.
#[derive(Debug)]
struct Drawing {
    /// Samples in one bucket.
    size: usize,
    /// Samples in the last bucket so far.
    filled: usize,
    times: Vec<i64>,
    values: Vec<Option<f64>>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
    bands: Vec<Option<Band>>,
    anomalies: VecDeque<Value>,
}

impl Drawing {
    fn new(size: usize) -> Self {
        Self {
            size,
            filled: size,
            times: Vec::new(),
            values: Vec::new(),
            min: Vec::new(),
            max: Vec::new(),
            bands: Vec::new(),
            anomalies: VecDeque::new(),
        }
    }

    fn add(&mut self, time: Timestamp, value: Option<f64>, verdict: Option<&Verdict>) {
        let band = verdict.and_then(|verdict| verdict.band);
        if self.filled == self.size {
            self.filled = 0;
            self.times.push(0);
            self.bands.push(None);
            for column in [&mut self.values, &mut self.min, &mut self.max] {
                column.push(None);
            }
        }
        self.filled += 1;
        let last = self.times.len() - 1;
        self.times[last] = time.as_millis();
        self.values[last] = value;
        self.bands[last] = band;
        self.min[last] = extreme(self.min[last], value, f64::min);
        self.max[last] = extreme(self.max[last], value, f64::max);
        if let Some(verdict) = verdict.filter(|verdict| verdict.is_anomalous()) {
            if self.anomalies.len() == MAX_ANOMALIES {
                self.anomalies.pop_front();
            }
            self.anomalies.push_back(anomaly(verdict));
        }
    }

    fn render(self, request: &ChartRequest) -> Value {
        let edge = |pick: fn(&Band) -> f64| -> Vec<Option<f64>> {
            self.bands
                .iter()
                .map(|band| band.as_ref().map(pick).filter(|value| value.is_finite()))
                .collect()
        };
        json!({
            "id": request.labels.fingerprint().to_string(),
            "metric": request.labels.metric(),
            "labels": request.labels.without(&[METRIC_NAME]),
            "unit": request.unit,
            "help": request.help,
            "times": self.times,
            "values": self.values,
            "min": self.min,
            "max": self.max,
            "lower": edge(|band| band.lower),
            "center": edge(|band| band.center),
            "upper": edge(|band| band.upper),
            "anomalies": self.anomalies,
            "changes": changes(request),
        })
    }
}

/// What `pick` keeps of both, or the one that is there.
fn extreme(a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(pick(a, b)),
        (one, other) => one.or(other),
    }
}

fn anomaly(verdict: &Verdict) -> Value {
    json!({
        "time": verdict.time.as_millis(),
        "value": verdict.value,
        "score": verdict.score,
        "reason": verdict.to_string(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_extremes_and_its_last_sample() {
        let mut drawing = Drawing::new(3);
        for (millis, value) in [Some(5.0), Some(-1.0), None, Some(2.0)]
            .into_iter()
            .enumerate()
        {
            let time = Timestamp::from_millis(millis as i64).expect("in range");
            drawing.add(time, value, None);
        }
        assert_eq!(drawing.times, [2, 3]);
        assert_eq!(drawing.values, [None, Some(2.0)]);
        assert_eq!(drawing.min, [Some(-1.0), Some(2.0)]);
        assert_eq!(drawing.max, [Some(5.0), Some(2.0)]);
    }
}
