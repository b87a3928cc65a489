//! When did it begin?
//!
//! A robust scan for the change point. Each metric is brought to robust standard units, so that its
//! own unit does not matter, and bounded, so that none drowns the others. Then
//!
//! - where references say what is normal: the sum over all metrics of what is beyond noise is
//!   searched for its steepest rise, at all time scales;
//! - without them: each metric votes for its largest step away from normal, if that is out of the
//!   ordinary among its own steps at the same time scale, which tells a fault from a busy hour. When
//!   no metric votes, the sum decides.

use std::time::Duration;

use aiops_core::numerics::{MAD_TO_SIGMA, median_and_mad};
use aiops_core::{ComponentMetric, ParamError, SeriesView, Timestamp};

use crate::baseline::{Baseline, Center, Shape};
use crate::class::MetricClass;
use crate::order;

/// Distance from the centre, in spreads, up to which nothing is counted.
const NOISE: f64 = 3.0;
/// Distance beyond the noise, in spreads, at which a metric counts fully.
const FULL: f64 = 6.0;
/// Share of the highest total down to which the incident is followed back.
const ALLOWANCE: f64 = 0.25;
/// Distances beyond which a value counts no more, in spreads.
const CLIP: f64 = 30.0;
/// Time scales at which steps are looked for, in samples.
const SCALES: [usize; 3] = [2, 8, 24];
/// How often a step is as large as usual and still ordinary.
const ORDINARY: f64 = 6.0;
/// Buckets over which votes for an onset may spread.
const TOLERANCE: usize = 3;
/// Votes below which metrics by themselves do not decide.
const QUORUM: f64 = 1.0;
/// Samples of the window itself from which its centre is taken, at most.
const MAX_CENTER: usize = 512;
/// Instants that are told apart, at most.
const MAX_BUCKETS: usize = 4096;

/// Parameters of [`Onset`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct OnsetConfig {
    /// Smallest spread assumed, as a share of the absolute value of a metric's median. Not negative.
    pub relative_min_scale: f64,
    /// Samples of a reference without which it is not used, at least 2.
    pub min_reference: usize,
}

impl Default for OnsetConfig {
    fn default() -> Self {
        Self {
            relative_min_scale: 0.05,
            min_reference: 10,
        }
    }
}

/// Finds the time at which the metrics of a case left their normal values.
///
/// ```
/// use aiops_core::{ComponentMetric, Series, TimeAxis, Timestamp};
/// use aiops_rca::onset::{Onset, OnsetConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let values = (0..60).map(|i| if i < 50 { f64::from(i % 3) } else { 90.0 }).collect();
/// let series = Series::new(axis, values)?;
/// let metric = ComponentMetric {
///     component: "cart",
///     metric: "latency_ms",
///     reference: None,
///     observed: series.view(),
/// };
/// let onset = Onset::try_from(OnsetConfig::default())?.find(&[metric]);
/// assert_eq!(onset, Timestamp::from_secs(50 * 60));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// Linear in the number of samples, for each of three time scales: some 10 microseconds for a metric
/// of 1,000 samples. Memory for the samples of one metric and 4,096 numbers beside them.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no metric, or none with a sample | `None` |
/// | nothing leaves its band | `None` |
/// | missing samples (`NaN`) | add nothing at their instant |
/// | different sampling | instants are gathered into buckets as wide as the finest step |
/// | everything is off from the first sample, with a reference | the first instant |
/// | everything is off from the first sample, without one | cannot be told from normal: `None`, or the largest excursion |
///
/// # Not good for
///
/// Slow drifts, whose begin is a matter of taste, and windows of which more than half is faulty
/// where there is no reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Onset {
    config: OnsetConfig,
}

impl TryFrom<OnsetConfig> for Onset {
    type Error = ParamError;

    fn try_from(config: OnsetConfig) -> Result<Self, ParamError> {
        let floor = config.relative_min_scale;
        if !(floor >= 0.0 && floor.is_finite()) {
            return Err(ParamError::new(
                "relative_min_scale",
                "not negative and finite",
                floor,
            ));
        }
        if config.min_reference < 2 {
            return Err(ParamError::new(
                "min_reference",
                "at least 2",
                config.min_reference,
            ));
        }
        Ok(Self { config })
    }
}

impl Onset {
    /// Its parameters.
    pub fn config(&self) -> &OnsetConfig {
        &self.config
    }

    /// The time at which the metrics together left their normal values; `None` when they did not.
    pub fn find(&self, metrics: &[ComponentMetric<'_>]) -> Option<Timestamp> {
        self.scan(metrics, &self.references(metrics))
    }

    /// Takes a time at which the incident was noticed back to where it began: the metrics were
    /// outside their normal values from then on. `noticed` itself when they were not.
    pub fn before(&self, noticed: Timestamp, metrics: &[ComponentMetric<'_>]) -> Timestamp {
        self.back_from(noticed, metrics, &self.references(metrics))
    }

    /// The centre of each metric's reference, where that has enough samples.
    pub(crate) fn references(&self, metrics: &[ComponentMetric<'_>]) -> Vec<Option<Center>> {
        let (mut values, mut keys) = (Vec::new(), Vec::new());
        let references = metrics.iter().map(|metric| {
            values.clear();
            values.extend(metric.reference?.present());
            let enough = values.len() >= self.config.min_reference;
            enough.then(|| Center::of(&values, &mut keys)).flatten()
        });
        references.collect()
    }

    /// [`find`](Self::find) with the centres of the references.
    pub(crate) fn scan(
        &self,
        metrics: &[ComponentMetric<'_>],
        references: &[Option<Center>],
    ) -> Option<Timestamp> {
        // With references, what is off is known without a step, even from the first instant on.
        let vote = references.iter().all(Option::is_none);
        let (grid, total, votes) = self.total(metrics, references, vote)?;
        Some(grid.at(most_votes(&votes).or_else(|| total.steepest_rise())?))
    }

    /// [`before`](Self::before) with the centres of the references.
    pub(crate) fn back_from(
        &self,
        noticed: Timestamp,
        metrics: &[ComponentMetric<'_>],
        references: &[Option<Center>],
    ) -> Timestamp {
        let Some((grid, total, _)) = self.total(metrics, references, false) else {
            return noticed;
        };
        match total.walk_back(grid.bucket(noticed)) {
            Some(begin) => noticed.min(grid.at(begin)),
            None => noticed,
        }
    }

    /// What all metrics together did, and, where asked for, the weight of the unusual steps in each
    /// bucket.
    fn total(
        &self,
        metrics: &[ComponentMetric<'_>],
        references: &[Option<Center>],
        vote: bool,
    ) -> Option<(Grid, Total, Vec<f64>)> {
        let grid = Grid::over(metrics)?;
        let mut sums = vec![0.0; grid.buckets];
        let mut votes = vec![0.0; if vote { grid.buckets } else { 0 }];
        let mut expected = None;
        let mut buffers = Buffers::default();
        for (metric, reference) in metrics.iter().zip(references) {
            let Some(baseline) = self.baseline(metric, *reference, &mut buffers) else {
                continue;
            };
            if let Some(view) = metric.reference.filter(|_| reference.is_some()) {
                let (mut sum, mut count) = (0.0, 0_usize);
                for value in view.present() {
                    (sum, count) = (sum + excess(&baseline, value), count + 1);
                }
                *expected.get_or_insert(0.0) += sum / count as f64;
            }
            grid.add(metric.observed, &baseline, &mut sums, &mut buffers.values);
            if let Some(step) = vote
                .then(|| step(metric.observed, &baseline, &mut buffers))
                .flatten()
            {
                votes[grid.bucket(metric.observed.axis().at(step.at))] += step.weight;
            }
        }
        Some((grid, Total::new(sums, expected), votes))
    }

    /// What is normal for a metric, by its reference if that has enough samples.
    fn baseline(
        &self,
        metric: &ComponentMetric<'_>,
        reference: Option<Center>,
        buffers: &mut Buffers,
    ) -> Option<Baseline> {
        let Buffers { values, keys, .. } = buffers;
        let center = reference.or_else(|| {
            // Evenly thinned: where the samples lie is known well enough from these.
            let thinned = metric.observed.len().div_ceil(MAX_CENTER).max(1);
            values.clear();
            values.extend(metric.observed.present().step_by(thinned));
            Center::of(values, keys)
        })?;
        let shape = Shape {
            relative_floor: self.config.relative_min_scale,
            level: 0.0,
            weights: MetricClass::of(metric.metric).weights(),
        };
        Some(Baseline::around(center, shape))
    }
}

/// Memory for one metric at a time.
#[derive(Debug, Default)]
struct Buffers {
    values: Vec<f64>,
    sizes: Vec<f64>,
    keys: Vec<u64>,
}

/// A step of one metric.
struct Step {
    at: usize,
    weight: f64,
}

/// The step of a metric that is largest in units of the steps that it usually makes at the same
/// time scale; `None` when it makes none that is out of the ordinary.
fn step(series: SeriesView<'_>, baseline: &Baseline, buffers: &mut Buffers) -> Option<Step> {
    let len = series.len();
    let Buffers {
        values: prefix,
        sizes,
        keys,
    } = buffers;
    prefix.clear();
    prefix.push(0.0);
    let (mut last, mut sum) = (0.0, 0.0);
    for value in series.values() {
        if !value.is_nan() {
            last = baseline.z(*value).clamp(-CLIP, CLIP);
        }
        sum += last;
        prefix.push(sum);
    }
    let mut best: Option<Step> = None;
    for window in SCALES.into_iter().filter(|window| 4 * window <= len) {
        // Away from normal, not back to it.
        let (wide, share) = (window as f64, 1.0 / window as f64);
        sizes.clear();
        sizes.extend(
            (prefix.iter().zip(&prefix[window..]))
                .zip(&prefix[2 * window..])
                .map(|((from, at), to)| ((to - at).abs() - (at - from).abs()) * share),
        );
        // Near the end there is less to tell a step from a spike.
        sizes.extend((len - window + 1..len).map(|at| {
            let rest = (len - at) as f64;
            let next = (prefix[len] - prefix[at]) / rest;
            let before = (prefix[at] - prefix[at - window]) / wide;
            (next.abs() - before.abs()) * (rest / wide).sqrt()
        }));
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        let known = best.as_ref().map_or(0.0, |best| best.weight);
        let weight = |unit: f64| (largest / unit / ORDINARY).ln();
        let smallest = (2.0 / window as f64).sqrt();
        if weight(smallest) <= known {
            continue; // whatever is usual, this is not more out of the ordinary
        }
        keys.clear();
        keys.extend(sizes.iter().map(|size| order::key(size.abs())));
        let usual = order::quantile(keys, 0.5) * MAD_TO_SIGMA;
        let weight = weight(usual.max(smallest));
        if weight > known {
            let first = sizes.iter().position(|size| *size == largest)?;
            best = Some(Step {
                at: window + first,
                weight,
            });
        }
    }
    best
}

/// The instant around which there are most votes: the first of its votes.
fn most_votes(votes: &[f64]) -> Option<usize> {
    let around = |at: usize| -> f64 {
        let to = (at + TOLERANCE + 1).min(votes.len());
        votes[at..to].iter().sum()
    };
    let (at, sum) = (0..votes.len())
        .map(|at| (at, around(at)))
        .fold(
            (0, 0.0),
            |best, next| if next.1 > best.1 { next } else { best },
        );
    let first = (at..votes.len()).find(|at| votes[*at] > 0.0)?;
    (sum >= QUORUM).then_some(first)
}

/// How far a value is beyond noise, from 0 to 1.
fn excess(baseline: &Baseline, value: f64) -> f64 {
    if (value - baseline.center).abs() <= NOISE * baseline.spread {
        return 0.0;
    }
    ((baseline.z(value).abs() - NOISE) / FULL).clamp(0.0, 1.0)
}

/// How far all metrics together are beyond noise at each instant.
struct Total {
    sums: Vec<f64>,
    /// What is usual.
    base: f64,
    /// What noise and small matters reach.
    allowance: f64,
    /// Whether references say what was usual before the first instant.
    from_start: bool,
}

impl Total {
    /// `expected` is the total that the references have on average.
    fn new(sums: Vec<f64>, expected: Option<f64>) -> Self {
        let (usual, mad) = median_and_mad(&mut sums.clone());
        let base = expected.map_or(usual, |expected| expected.min(usual));
        let peak = sums.iter().copied().fold(0.0, f64::max);
        // With a reference, what varies in the window may itself be the fault.
        let noise = if expected.is_some() { 0.0 } else { mad };
        let allowance = base + (ALLOWANCE * (peak - base)).max(3.0 * MAD_TO_SIGMA * noise);
        Self {
            sums,
            base,
            allowance,
            from_start: expected.is_some(),
        }
    }

    /// Where the total rises most, from the mean of a window to that of the next one. Windows of all
    /// lengths are tried; a rise counts with the square root of the length, so that what lasts
    /// counts more than a spike. Before the first instant everything was usual where a reference
    /// says so; otherwise the first instants cannot be the onset.
    fn steepest_rise(&self) -> Option<usize> {
        let len = self.sums.len();
        let mut prefix = vec![0.0; len + 1];
        for (at, sum) in self.sums.iter().enumerate() {
            prefix[at + 1] = prefix[at] + (sum - self.base);
        }
        let mut best: Option<(f64, usize)> = None;
        let mut window = 1;
        while window <= (len / 4).max(1) {
            let first = if self.from_start { 0 } else { window };
            for at in first..len {
                let (from, to) = (at.saturating_sub(window), (at + window).min(len));
                let next = (prefix[to] - prefix[at]) / (to - at) as f64;
                let rise = next - (prefix[at] - prefix[from]) / window as f64;
                let score = rise * ((to - at) as f64).sqrt();
                let counts = next + self.base > self.allowance;
                if counts && score > best.map_or(0.0, |(highest, _)| highest) {
                    best = Some((score, at));
                }
            }
            window *= 2;
        }
        self.walk_back(best?.1)
    }

    /// Where the excursion that goes on at `from` began; `None` when none does. One instant without
    /// it is a gap.
    fn walk_back(&self, from: usize) -> Option<usize> {
        let beyond = |at: usize| self.sums.get(at).is_some_and(|sum| *sum > self.allowance);
        let mut begin = (from.saturating_sub(1)..=from)
            .rev()
            .find(|at| beyond(*at))?;
        while let Some(earlier) = (begin.saturating_sub(2)..begin)
            .rev()
            .find(|at| beyond(*at))
        {
            begin = earlier;
        }
        Some(begin)
    }
}

/// Equally wide buckets over the time of all metrics.
struct Grid {
    start: Timestamp,
    width: Duration,
    buckets: usize,
}

impl Grid {
    fn over(metrics: &[ComponentMetric<'_>]) -> Option<Self> {
        let axes = || metrics.iter().map(|metric| metric.observed.axis());
        let start = axes().filter_map(|axis| axis.first()).min()?;
        let end = axes().filter_map(|axis| axis.last()).max()?;
        let span = end.since(start).as_nanos();
        let finest = axes().filter(|axis| axis.len() > 1).map(|axis| {
            let (first, last) = (axis.at(0), axis.at(axis.len() - 1));
            last.since(first).as_nanos() / (axis.len() as u128 - 1)
        });
        let finest = finest.min().unwrap_or(1).max(1);
        let width = finest.max(span / (MAX_BUCKETS as u128 - 1) + 1);
        Some(Self {
            start,
            width: Duration::from_nanos(u64::try_from(width).ok()?),
            buckets: (span / width + 1) as usize,
        })
    }

    /// When a bucket begins.
    fn at(&self, bucket: usize) -> Timestamp {
        self.start.saturating_add(self.width * bucket as u32)
    }

    fn bucket(&self, at: Timestamp) -> usize {
        let place = at.since(self.start).as_nanos() / self.width.as_nanos();
        usize::try_from(place).map_or(self.buckets - 1, |place| place.min(self.buckets - 1))
    }

    /// Adds the metric's largest excess in each bucket.
    fn add(
        &self,
        series: SeriesView<'_>,
        baseline: &Baseline,
        total: &mut [f64],
        scratch: &mut Vec<f64>,
    ) {
        scratch.clear();
        for (index, value) in series.values().iter().enumerate() {
            let excess = excess(baseline, *value); // NaN where the value is missing
            if excess > 0.0 {
                scratch.resize(self.buckets, 0.0);
                let bucket = &mut scratch[self.bucket(series.axis().at(index))];
                *bucket = f64::max(*bucket, excess);
            }
        }
        for (sum, value) in total.iter_mut().zip(scratch) {
            *sum += *value;
        }
    }
}
