//! When did it begin?
//!
//! A robust scan for the change point. Each metric is brought to robust standard units, so that its
//! own unit does not matter, and its distance beyond what noise does is bounded, so that no single
//! metric drowns the others; the sum over all metrics at each instant is then searched for the
//! excursion that is largest in total, and the onset is where that excursion begins. The search is
//! the cumulative sum of Page, *Continuous Inspection Schemes* (Biometrika 1954), run over the
//! whole window with an allowance taken from the data.

use std::time::Duration;

use aiops_core::numerics::{MAD_TO_SIGMA, median_and_mad};
use aiops_core::{ComponentMetric, ParamError, SeriesView, Timestamp};

use crate::baseline::Baseline;

/// Distance from the centre, in spreads, up to which nothing is counted.
const NOISE: f64 = 3.0;
/// Distance beyond the noise, in spreads, at which a metric counts fully.
const FULL: f64 = 6.0;
/// Share of the highest total that an excursion may fall to before it is over.
const ALLOWANCE: f64 = 0.25;
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
/// Linear in the number of samples, plus one sort of each metric's normal samples; 32 kB of memory
/// beside them.
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
        let (grid, total) = self.total(metrics)?;
        Some(grid.at(total.largest_excursion()?))
    }

    /// Takes a time at which the incident was noticed back to where it began: the metrics were
    /// outside their normal values from then on. `noticed` itself when they were not.
    pub fn before(&self, noticed: Timestamp, metrics: &[ComponentMetric<'_>]) -> Timestamp {
        let Some((grid, total)) = self.total(metrics) else {
            return noticed;
        };
        match total.walk_back(grid.bucket(noticed)) {
            Some(begin) => noticed.min(grid.at(begin)),
            None => noticed,
        }
    }

    fn total(&self, metrics: &[ComponentMetric<'_>]) -> Option<(Grid, Total)> {
        let grid = Grid::over(metrics)?;
        let mut sums = vec![0.0; grid.buckets];
        let mut expected = 0.0;
        let mut referenced = false;
        let mut scratch = Vec::new();
        for metric in metrics {
            let reference = metric
                .reference
                .map(|view| view.present().collect::<Vec<f64>>())
                .filter(|values| values.len() >= self.config.min_reference);
            referenced |= reference.is_some();
            let normal = match &reference {
                Some(values) => values.clone(),
                None => metric.observed.present().collect(),
            };
            let floor = self.config.relative_min_scale;
            let Some(baseline) = Baseline::new(&normal, usize::MAX, floor) else {
                continue;
            };
            if let Some(values) = &reference {
                let sum: f64 = values.iter().map(|&x| excess(&baseline, x)).sum();
                expected += sum / values.len() as f64;
            }
            grid.add(metric.observed, &baseline, &mut sums, &mut scratch);
        }
        Some((grid, Total::new(sums, referenced.then_some(expected))))
    }
}

/// How far a value is beyond noise, from 0 to 1.
fn excess(baseline: &Baseline, value: f64) -> f64 {
    ((baseline.z(value).abs() - NOISE) / FULL).clamp(0.0, 1.0)
}

/// How far all metrics together are beyond noise at each instant.
struct Total {
    sums: Vec<f64>,
    /// What noise and small matters reach.
    allowance: f64,
}

impl Total {
    /// `expected` is the total that the references have on average.
    fn new(sums: Vec<f64>, expected: Option<f64>) -> Self {
        let (usual, mad) = median_and_mad(&mut sums.clone());
        let base = expected.map_or(usual, |expected| expected.min(usual));
        let peak = sums.iter().copied().fold(0.0, f64::max);
        // With a reference, what is usual in the window may itself be the fault.
        let noise = if base < usual { 0.0 } else { mad };
        let allowance = base + (ALLOWANCE * (peak - base)).max(3.0 * MAD_TO_SIGMA * noise);
        Self { sums, allowance }
    }

    /// Where the excursion with the largest total above the allowance begins.
    fn largest_excursion(&self) -> Option<usize> {
        let (mut sum, mut begin) = (0.0, 0);
        let mut best: Option<(f64, usize)> = None;
        for (at, value) in self.sums.iter().enumerate() {
            if sum == 0.0 {
                begin = at;
            }
            sum = f64::max(sum + value - self.allowance, 0.0);
            if sum > best.map_or(0.0, |(largest, _)| largest) {
                best = Some((sum, begin));
            }
        }
        best.map(|(_, begin)| begin)
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
        scratch.resize(self.buckets, 0.0);
        for sample in series.iter().filter(|sample| !sample.value.is_nan()) {
            let bucket = &mut scratch[self.bucket(sample.time)];
            *bucket = f64::max(*bucket, excess(baseline, sample.value));
        }
        for (sum, value) in total.iter_mut().zip(scratch) {
            *sum += *value;
        }
    }
}
