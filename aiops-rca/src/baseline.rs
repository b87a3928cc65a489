//! What is normal for one metric.

use aiops_core::numerics::quantile_sorted;

/// Interquartile range of a normal distribution in units of its standard deviation.
const IQR_TO_SIGMA: f64 = 1.349;
/// Makes the mean absolute deviation of a normal sample consistent with its standard deviation:
/// the square root of pi / 2.
const MEAN_DEVIATION_TO_SIGMA: f64 = 1.253_314_137_315_5;
/// Windows of the normal samples that are looked at.
const MAX_BLOCKS: usize = 32;
/// A window of the normal samples is at most this part of them.
const MIN_BLOCKS: usize = 8;
/// Share of a window's samples, the most extreme ones, over which its score is the mean.
const TOP_SHARE: f64 = 0.2;
/// Largest score, so that no sum of scores overflows.
pub(crate) const MAX_SCORE: f64 = 1e6;

/// Centre and spread of the normal samples, and how far their windows strayed.
#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    pub(crate) center: f64,
    /// Robust standard deviation with its floors; positive.
    pub(crate) spread: f64,
    /// Extent of each window of normal samples, in spreads, the latest first.
    pub(crate) blocks: Vec<f64>,
}

/// How far the samples of a window lie from the centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    /// Mean distance of the most extreme fifth, in spreads, in the direction that is further.
    pub(crate) score: f64,
    /// The most extreme value in that direction.
    pub(crate) value: f64,
    /// Whether that direction is upwards.
    pub(crate) above: bool,
}

impl Baseline {
    /// From samples in order of time without missing values; `None` of none. `window` is how many
    /// samples the incident has, and so how long the windows of normal samples are.
    pub(crate) fn new(normal: &[f64], window: usize, relative_floor: f64) -> Option<Self> {
        if normal.is_empty() {
            return None;
        }
        let mut sorted = normal.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let center = quantile_sorted(&sorted, 0.5);
        let iqr = quantile_sorted(&sorted, 0.75) - quantile_sorted(&sorted, 0.25);
        let mut spread = iqr.min(f64::MAX) / IQR_TO_SIGMA;
        if spread == 0.0 {
            let n = normal.len() as f64;
            spread = MEAN_DEVIATION_TO_SIGMA
                * normal.iter().map(|x| distance(*x, center) / n).sum::<f64>();
        }
        let mut baseline = Self {
            center,
            spread: spread
                .max(relative_floor * center.abs())
                .clamp(f64::MIN_POSITIVE, f64::MAX),
            blocks: Vec::new(),
        };
        let len = window.clamp(1, normal.len().div_ceil(MIN_BLOCKS));
        let mut scratch = Vec::with_capacity(len);
        baseline.blocks = normal
            .rchunks_exact(len)
            .take(MAX_BLOCKS)
            .filter_map(|block| baseline.extent(block.iter().copied(), &mut scratch))
            .map(|extent| extent.score)
            .collect();
        Some(baseline)
    }

    /// Distance from the centre in spreads, with its sign.
    pub(crate) fn z(&self, value: f64) -> f64 {
        let z = (value - self.center) / self.spread;
        z.clamp(-MAX_SCORE, MAX_SCORE)
    }

    /// How far a window strays; `None` when it has no sample. `scratch` is overwritten.
    pub(crate) fn extent(
        &self,
        window: impl Iterator<Item = f64>,
        scratch: &mut Vec<f64>,
    ) -> Option<Extent> {
        scratch.clear();
        scratch.extend(window.filter(|x| !x.is_nan()).map(|x| self.z(x)));
        if scratch.is_empty() {
            return None;
        }
        let top = ((scratch.len() as f64 * TOP_SHARE).ceil() as usize).max(1);
        let last = scratch.len() - top;
        scratch.select_nth_unstable_by(last, f64::total_cmp);
        let (up, highest) = mean_and(&scratch[last..], f64::max);
        scratch.select_nth_unstable_by(top - 1, f64::total_cmp);
        let (down, lowest) = mean_and(&scratch[..top], f64::min);
        let above = up >= -down;
        let (score, z) = if above {
            (up, highest)
        } else {
            (-down, lowest)
        };
        Some(Extent {
            score: score.max(0.0),
            value: self.center + z * self.spread,
            above,
        })
    }
}

fn mean_and(values: &[f64], pick: fn(f64, f64) -> f64) -> (f64, f64) {
    let sum: f64 = values.iter().sum();
    let extreme = values.iter().copied().reduce(pick).unwrap_or(f64::NAN);
    (sum / values.len() as f64, extreme)
}

/// Absolute distance that stays finite.
fn distance(a: f64, b: f64) -> f64 {
    (a - b).abs().min(f64::MAX)
}
