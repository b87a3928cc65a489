//! Coarser samples that answer exactly: sum, count, least, greatest and last value of each window.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::{AppendReport, SampleColumns, SeriesStore};
use crate::ingest::Batch;
use crate::{
    Labels, MatchOp, Matcher, MatcherError, ParamError, Selector, StorageError, TimeRange,
    Timestamp,
};

/// The label that tells the parts of a roll-up apart.
pub const AGGREGATE_LABEL: &str = "__aggregate__";
/// Its values, in the order of the fields of [`Aggregate`].
const PARTS: [&str; 5] = ["count", "sum", "min", "max", "last"];
/// Samples that are appended at one time.
const BATCH_SAMPLES: usize = 64 << 10;

/// What is kept of the samples of a window. Missing values (`NaN`) do not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// Number of values.
    pub count: u64,
    /// Their sum, in the unit of the series. Sums of sums may differ from the sum of all values in
    /// the last digits.
    pub sum: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The value of the latest sample.
    pub last: f64,
}

impl Aggregate {
    /// Of one value.
    pub fn of(value: f64) -> Self {
        Self {
            count: 1,
            sum: value,
            min: value,
            max: value,
            last: value,
        }
    }

    /// This window together with the one behind it.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        Self {
            count: self.count + later.count,
            sum: self.sum + later.sum,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            last: later.last,
        }
    }

    /// The mean of the values: of any number of windows, the mean of all their values.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn parts(&self) -> [f64; 5] {
        [self.count as f64, self.sum, self.min, self.max, self.last]
    }

    fn from_parts([count, sum, min, max, last]: [f64; 5]) -> Self {
        Self {
            count: count as u64,
            sum,
            min,
            max,
            last,
        }
    }
}

/// Parameters of [`Rollup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RollupConfig {
    /// Length of a window, counted from the epoch; not zero.
    pub step: Duration,
}

impl Default for RollupConfig {
    fn default() -> Self {
        Self {
            step: Duration::from_mins(5),
        }
    }
}

/// Rolls samples up, and reads roll-ups in windows of any multiple of the step: means and rates over
/// a year stay exact, since they are computed from sums and counts, never from means.
///
/// A series `cpu{host="a"}` becomes five: `cpu{__aggregate__="sum", host="a"}` and so on, each with a
/// sample at the beginning of every window that has values. They may live in the store of the samples,
/// or in another that keeps them longer.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::store::{MemoryStore, MemoryStoreConfig, Rollup, RollupConfig, SeriesStore};
/// use aiops_core::{Labels, Selector, TimeRange, Timestamp};
/// use std::time::Duration;
///
/// let store = MemoryStore::new(MemoryStoreConfig::default());
/// let mut batch = Batch::default();
/// batch.start_series(Labels::of([("__name__", "cpu"), ("host", "a")])?);
/// for second in 0..1_200 {
///     batch.push(Timestamp::from_secs(second).ok_or("range")?, second as f64);
/// }
/// store.append(&batch)?;
///
/// let rollup = Rollup::try_from(RollupConfig::default())?;
/// rollup.roll(&store, &store, &Selector::all(), TimeRange::new(Timestamp::EPOCH, Timestamp::from_secs(1_200).ok_or("range")?))?;
/// let found = rollup.read(&store, &Selector::metric("cpu"), TimeRange::ALL, Duration::from_mins(10))?;
/// let (_, windows) = &found[0];
/// assert_eq!(windows[1].1.mean(), 899.5);
/// assert_eq!(windows[1].1.last, 1_199.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | window that only partly lies in the range | left out, so that it is rolled up as a whole later |
/// | window without values, or with `NaN` alone | no sample |
/// | infinite value | sum, extremes and mean are infinite, or `NaN` where both infinities meet |
/// | window that was rolled up before | counted as duplicate; the first roll-up stays |
///
/// # Not good for
///
/// Data that comes late: roll up when a window is complete. To roll up again, delete the window from
/// the target first. Quantiles cannot be answered from what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollup {
    step: i64,
}

impl TryFrom<RollupConfig> for Rollup {
    type Error = ParamError;

    fn try_from(config: RollupConfig) -> Result<Self, ParamError> {
        let step = nanos(config.step).ok_or_else(|| {
            ParamError::new("step", "from 1 ns to 292 years", config.step.as_nanos())
        })?;
        Ok(Self { step })
    }
}

fn nanos(span: Duration) -> Option<i64> {
    i64::try_from(span.as_nanos())
        .ok()
        .filter(|nanos| *nanos > 0)
}

/// Windows in order of time: the beginning of each, and what is in it.
pub type Windows = Vec<(Timestamp, Aggregate)>;

impl Rollup {
    /// Rolls up all windows that lie in `range` as a whole, from `source` to `target`, which may be
    /// the same. Roll-ups are not rolled up again.
    ///
    /// # Errors
    ///
    /// Those of the stores; what was rolled up before the error stays, and is a duplicate next time.
    pub fn roll(
        &self,
        source: &dyn SeriesStore,
        target: &dyn SeriesStore,
        selector: &Selector,
        range: TimeRange,
    ) -> Result<AppendReport, StorageError> {
        let whole = self.whole_windows(range);
        let (mut batch, mut report) = (Batch::default(), AppendReport::default());
        let mut failure = None;
        source.select(selector, whole, &mut |labels, times, values| {
            if labels.get(AGGREGATE_LABEL).is_none() {
                let windows = windows(times.iter().zip(values).map(at_and_value), self.step);
                push(&mut batch, labels, &windows);
            }
            if batch.sample_count() < BATCH_SAMPLES {
                return ControlFlow::Continue(());
            }
            match flush(target, &mut batch, &mut report) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        flush(target, &mut batch, &mut report)?;
        Ok(report)
    }

    /// Roll-ups of the series that match, by labels of the series that was rolled up, in windows of
    /// `step`, which is rounded up to a multiple of the own step.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn read(
        &self,
        store: &dyn SeriesStore,
        selector: &Selector,
        range: TimeRange,
        step: Duration,
    ) -> Result<Vec<(Labels, Windows)>, StorageError> {
        let wanted = nanos(step).unwrap_or(1).max(self.step);
        let step = wanted.saturating_add(self.step - 1) / self.step * self.step;
        let mut found: BTreeMap<Labels, [Option<SampleColumns>; 5]> = BTreeMap::new();
        let Ok(rolled_up) = rolled_up(selector) else {
            return Ok(Vec::new());
        };
        store.select(&rolled_up, range, &mut |labels, times, values| {
            let part = labels.get(AGGREGATE_LABEL);
            let part = PARTS.iter().position(|name| Some(*name) == part);
            if let Some(part) = part {
                let columns = SampleColumns {
                    times: times.to_vec(),
                    values: values.to_vec(),
                };
                let parts = found.entry(labels.without(&[AGGREGATE_LABEL]));
                parts.or_default()[part] = Some(columns);
            }
            ControlFlow::Continue(())
        })?;
        let windows = found.into_iter().map(|(labels, parts)| {
            let fine = assemble(parts);
            (labels, windows(fine.into_iter(), step))
        });
        Ok(windows.collect())
    }

    /// The range from the first to the last whole window in it.
    fn whole_windows(self, range: TimeRange) -> TimeRange {
        let start = i128::from(range.start.as_nanos());
        let step = i128::from(self.step);
        let start = (start + step - 1).div_euclid(step) * step;
        let end = i128::from(range.end.as_nanos()).div_euclid(step) * step;
        let instant = |nanos: i128| {
            let nearest = nanos.clamp(i64::MIN.into(), i64::MAX.into());
            Timestamp::from_nanos(nearest as i64)
        };
        TimeRange::new(instant(start), instant(end))
    }
}

fn rolled_up(selector: &Selector) -> Result<Selector, MatcherError> {
    let mut matchers = selector.matchers().to_vec();
    matchers.push(Matcher::new(AGGREGATE_LABEL, MatchOp::NotEqual, "")?);
    Ok(Selector::new(matchers))
}

fn at_and_value((at, value): (&Timestamp, &f64)) -> (Timestamp, Aggregate) {
    (*at, Aggregate::of(*value))
}

/// Puts aggregates in order of time into windows; those of `NaN` are left out.
fn windows(fine: impl Iterator<Item = (Timestamp, Aggregate)>, step: i64) -> Windows {
    let mut windows: Windows = Vec::new();
    for (at, one) in fine.filter(|(_, one)| !one.last.is_nan()) {
        let start = at.as_nanos().div_euclid(step).saturating_mul(step);
        let start = Timestamp::from_nanos(start);
        match windows.last_mut() {
            Some((last, whole)) if *last == start => *whole = whole.then(&one),
            _ => windows.push((start, one)),
        }
    }
    windows
}

fn push(batch: &mut Batch, labels: &Labels, windows: &Windows) {
    if windows.is_empty() {
        return;
    }
    for (part, name) in PARTS.into_iter().enumerate() {
        batch.start_series(labels.with(AGGREGATE_LABEL, name));
        for (start, aggregate) in windows {
            batch.push(*start, aggregate.parts()[part]);
        }
    }
}

fn flush(
    target: &dyn SeriesStore,
    batch: &mut Batch,
    report: &mut AppendReport,
) -> Result<(), StorageError> {
    let added = target.append(batch)?;
    batch.clear();
    report.accepted += added.accepted;
    report.duplicates += added.duplicates;
    report.late += added.late;
    report.over_series_limit += added.over_series_limit;
    Ok(())
}

/// The instants that all five parts have.
fn assemble(parts: [Option<SampleColumns>; 5]) -> Windows {
    let [Some(count), Some(sum), Some(min), Some(max), Some(last)] = parts else {
        return Vec::new();
    };
    let value = |columns: &SampleColumns, at: &Timestamp| {
        let index = columns.times.binary_search(at).ok()?;
        Some(columns.values[index])
    };
    let window = |at: &Timestamp| {
        let all = [&count, &sum, &min, &max, &last].map(|columns| value(columns, at));
        let [count, sum, min, max, last] = all;
        Some((
            *at,
            Aggregate::from_parts([count?, sum?, min?, max?, last?]),
        ))
    };
    count.times.iter().filter_map(window).collect()
}
