//! Pruned exact linear time: where does the level of a series change?
//!
//! Killick, Fearnhead and Eckley, *Optimal Detection of Changepoints With a Linear Computational
//! Cost*, JASA 2012, with squared error as the cost of a segment.

use aiops_core::numerics::{MAD_TO_SIGMA, mean, median};
use aiops_core::{FitError, ParamError, SeriesView};

/// Penalty of a change in units of `variance * ln(n)`, unless one is given: two parameters for
/// each change, its place and its level, as in the Bayesian information criterion, and half as
/// much again, because real noise has heavier tails than a normal distribution.
const DEFAULT_WEIGHT: f64 = 3.0;

/// Parameters of [`Pelt`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct PeltConfig {
    /// What a change must save in squared error, in the squared unit of the series; greater than
    /// 0. `None`: `weight` times the variance of the noise times `ln(n)`.
    pub penalty: Option<f64>,
    /// The number above, greater than 0. More of it gives fewer changes.
    pub weight: f64,
    /// Fewest samples of a segment, at least 1. What does not last so long is no level of its own.
    pub min_segment: usize,
}

impl Default for PeltConfig {
    fn default() -> Self {
        Self {
            penalty: None,
            weight: DEFAULT_WEIGHT,
            min_segment: 5,
        }
    }
}

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelChange {
    /// First sample of the new level: its index in the series.
    pub index: usize,
    /// Mean of the segment before.
    pub before: f64,
    /// Mean of the segment from here on.
    pub after: f64,
}

/// The algorithm. Build it from a [`PeltConfig`].
///
/// ```
/// use aiops_core::{Seed, Series, TimeAxis, Timestamp};
/// use aiops_detect::pelt::{Pelt, PeltConfig};
/// use std::time::Duration;
///
/// let mut noise = Seed::default().rng();
/// let level = |minute: usize| if minute < 60 { 20.0 } else { 35.0 };
/// let values = (0..120).map(|minute| level(minute) + noise.normal()).collect();
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 120)?;
/// let latency_ms = Series::new(axis, values)?;
///
/// let changes = Pelt::try_from(PeltConfig::default())?.changes(latency_ms.view())?;
/// assert_eq!(changes.len(), 1);
/// assert_eq!(changes[0].index, 60);
/// assert!((changes[0].after - changes[0].before - 15.0).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// the segments that minimise:  sum over them of sum (x - mean of the segment)^2
///                              + penalty * number of changes
/// penalty = weight * noise^2 * ln(n)
/// noise   = 1.4826 * median(|difference of neighbours - median of these|) / sqrt(2)
/// ```
///
/// The minimum is exact. The noise is taken from differences of neighbours, so the changes
/// themselves do not raise it.
///
/// # Cost
///
/// Linear where changes keep coming, `O(n^2)` at worst, for a series without any: some 0.1 s for
/// 10,000 samples. 40 bytes a sample.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer present samples than two segments | no change |
/// | constant series | no change |
/// | missing sample (`NaN`) | left out; the others keep their index |
/// | more than half of the differences equal, as in counts | their standard deviation is the noise, at least 1e-9 of the range |
/// | values near the end of the range of `f64` | as others; everything is relative to the range |
///
/// # Not good for
///
/// Spikes, whose square is so large that a segment of `min_segment` samples is cut out around
/// them: cap the values first. Drift and seasons, which it cuts into steps: take them off first. Noise that goes on from
/// sample to sample (autocorrelated) looks like changes; raise `weight` then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pelt {
    config: PeltConfig,
}

impl TryFrom<PeltConfig> for Pelt {
    type Error = ParamError;

    fn try_from(config: PeltConfig) -> Result<Self, ParamError> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if let Some(penalty) = config.penalty
            && !positive(penalty)
        {
            return Err(ParamError::new(
                "penalty",
                "finite and greater than 0",
                penalty,
            ));
        }
        if !positive(config.weight) {
            let expected = "finite and greater than 0";
            return Err(ParamError::new("weight", expected, config.weight));
        }
        if config.min_segment == 0 {
            return Err(ParamError::new(
                "min_segment",
                "at least 1",
                config.min_segment,
            ));
        }
        Ok(Self { config })
    }
}

impl Pelt {
    /// The changes of level, in order.
    ///
    /// # Errors
    ///
    /// None at present; the type leaves room for costs that not every series suits.
    pub fn changes(&self, series: SeriesView<'_>) -> Result<Vec<LevelChange>, FitError> {
        let values = series.values();
        let present: Vec<usize> = (0..values.len())
            .filter(|&index| !values[index].is_nan())
            .collect();
        let Some(scaled) = Scaled::new(present.iter().map(|&index| values[index])) else {
            return Ok(Vec::new());
        };
        let penalty = match self.config.penalty {
            Some(penalty) => penalty / scaled.unit / scaled.unit,
            None => self.config.weight * scaled.noise().powi(2) * (present.len() as f64).ln(),
        };
        let costs = Costs::new(&scaled.values);
        let mut bounds = costs.segments(penalty, self.config.min_segment);
        bounds.insert(0, 0);
        let level = |from: usize, to: usize| scaled.back(mean(&scaled.values[from..to]));
        let changes = bounds.windows(3).map(|bounds| LevelChange {
            index: present[bounds[1]],
            before: level(bounds[0], bounds[1]),
            after: level(bounds[1], bounds[2]),
        });
        Ok(changes.collect())
    }
}

/// Values brought to `[-1, 1]`, so that no square overflows or vanishes.
struct Scaled {
    values: Vec<f64>,
    center: f64,
    unit: f64,
}

impl Scaled {
    /// `None` for a constant, or nothing.
    fn new(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        let (low, high) = crate::scaling::extremes(&values);
        let center = f64::midpoint(low, high);
        let unit = high * 0.5 - low * 0.5;
        if !(unit > 0.0 && unit.is_finite()) {
            return None;
        }
        for value in &mut values {
            *value = ((*value - center) / unit).clamp(-1.0, 1.0);
        }
        Some(Self {
            values,
            center,
            unit,
        })
    }

    fn back(&self, value: f64) -> f64 {
        (self.center + value * self.unit).clamp(f64::MIN, f64::MAX)
    }

    /// Standard deviation of what is left when changes of level are taken off.
    fn noise(&self) -> f64 {
        let differences: Vec<f64> = self
            .values
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        let center = median(&mut differences.clone());
        let mut distances: Vec<f64> = differences.iter().map(|d| (d - center).abs()).collect();
        let robust = MAD_TO_SIGMA * median(&mut distances);
        let spread = if robust > 0.0 {
            robust
        } else {
            let squares: Vec<f64> = distances.iter().map(|d| d * d).collect();
            mean(&squares).sqrt()
        };
        (spread / 2.0_f64.sqrt()).max(2e-9)
    }
}

/// Squared error of every segment, from running sums.
struct Costs {
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Costs {
    fn new(values: &[f64]) -> Self {
        // Around the mean, so that little cancels.
        let center = mean(values);
        let (mut sums, mut squares) = (vec![0.0], vec![0.0]);
        let (mut sum, mut square) = (0.0, 0.0);
        for value in values.iter().map(|value| value - center) {
            sum += value;
            square += value * value;
            sums.push(sum);
            squares.push(square);
        }
        Self { sums, squares }
    }

    fn cost(&self, from: usize, to: usize) -> f64 {
        let sum = self.sums[to] - self.sums[from];
        let square = self.squares[to] - self.squares[from];
        (square - sum * sum / (to - from) as f64).max(0.0)
    }

    /// Ends of the best segments, the last of which is the number of samples.
    fn segments(&self, penalty: f64, min_segment: usize) -> Vec<usize> {
        let count = self.sums.len() - 1;
        // Best total up to each sample, and the start of the last segment there.
        let mut best = vec![f64::INFINITY; count + 1];
        let mut start = vec![0; count + 1];
        best[0] = -penalty;
        // Candidates for the start of the last segment, each with the time when it was beaten.
        let mut candidates: Vec<(usize, usize)> = vec![(0, usize::MAX)];
        for end in min_segment..=count {
            if end >= 2 * min_segment {
                candidates.push((end - min_segment, usize::MAX));
            }
            for &(from, _) in &candidates {
                let total = best[from] + self.cost(from, end) + penalty;
                if total < best[end] {
                    (best[end], start[end]) = (total, from);
                }
            }
            // A candidate that loses here, even without a penalty, never wins again once a
            // segment that starts here is long enough.
            for (from, beaten) in &mut candidates {
                if *beaten == usize::MAX && best[*from] + self.cost(*from, end) >= best[end] {
                    *beaten = end;
                }
            }
            candidates
                .retain(|&(_, beaten)| beaten == usize::MAX || end + 1 < beaten + min_segment);
        }
        if best[count].is_infinite() {
            return vec![count];
        }
        let mut ends = vec![count];
        while start[ends[ends.len() - 1]] > 0 {
            ends.push(start[ends[ends.len() - 1]]);
        }
        ends.reverse();
        ends
    }
}
