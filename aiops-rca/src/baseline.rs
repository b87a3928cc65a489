//! What is normal for one metric.

use crate::order;

/// Interquartile range of a normal distribution in units of its standard deviation.
const IQR_TO_SIGMA: f64 = 1.349;
/// Windows of the normal samples that are looked at.
const MAX_BLOCKS: usize = 32;
/// A window of the normal samples is at most this part of them.
const MIN_BLOCKS: usize = 8;
/// Share of a window's samples, the most extreme ones, over which its score is the mean.
const TOP_SHARE: f64 = 0.2;
/// Largest score, so that no sum of scores overflows.
pub(crate) const MAX_SCORE: f64 = 1e6;

/// Where normal samples lie, before any floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Center {
    pub(crate) median: f64,
    /// Robust standard deviation from the quartiles.
    from_quartiles: f64,
    /// Standard deviation around the median, where the quartiles are equal: mostly one value, and
    /// rare others are part of what is normal.
    from_squares: f64,
}

impl Center {
    /// Of samples without missing values; `None` of none. `keys` is overwritten.
    pub(crate) fn of(values: &[f64], keys: &mut Vec<u64>) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        keys.clear();
        keys.extend(values.iter().map(|x| order::key(*x)));
        let [low, median, high] = order::quartiles(keys);
        let from_quartiles = (high - low).min(f64::MAX) / IQR_TO_SIGMA;
        let from_squares = if from_quartiles == 0.0 {
            let squares = values
                .iter()
                .map(|x| distance(*x, median).powi(2) / count as f64);
            squares.sum::<f64>().sqrt().min(f64::MAX)
        } else {
            0.0
        };
        Some(Self {
            median,
            from_quartiles,
            from_squares,
        })
    }

    /// The level that a metric without any spread went to: a change from nothing is as large as
    /// what came of it. 0 for all others.
    pub(crate) fn new_level(&self, faulty: impl Iterator<Item = f64>) -> f64 {
        if self.from_quartiles > 0.0 {
            return 0.0;
        }
        faulty.map(f64::abs).fold(0.0, f64::max)
    }
}

/// Centre and spread of the normal samples, and how far their windows strayed.
#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    pub(crate) center: f64,
    /// Robust standard deviation with its floors; positive.
    pub(crate) spread: f64,
    weights: (f64, f64),
    /// Extent of each window of normal samples, in spreads, the latest first.
    pub(crate) blocks: Vec<f64>,
}

/// How far the samples of a window lie from the centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    /// Mean distance of the most extreme fifth, in spreads, in the direction that counts more.
    pub(crate) score: f64,
    /// The most extreme value in that direction.
    pub(crate) value: f64,
    /// Whether that direction is upwards.
    pub(crate) above: bool,
}

/// How a baseline is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Smallest spread, as a share of the level.
    pub(crate) relative_floor: f64,
    /// A level to which the floor applies besides the centre of the normal samples.
    pub(crate) level: f64,
    /// What a rise and a fall count.
    pub(crate) weights: (f64, f64),
}

impl Baseline {
    /// Without windows.
    pub(crate) fn around(at: Center, shape: Shape) -> Self {
        let level = at.median.abs().max(shape.level.abs());
        let spread = if at.from_quartiles == 0.0 {
            at.from_squares
        } else {
            at.from_quartiles
        };
        Self {
            center: at.median,
            spread: spread
                .max(shape.relative_floor * level)
                .clamp(f64::MIN_POSITIVE, f64::MAX),
            weights: shape.weights,
            blocks: Vec::new(),
        }
    }

    /// Adds windows of the normal samples, which are in order of time and without missing values,
    /// each as long as the incident, which has `window` samples.
    pub(crate) fn with_blocks(
        mut self,
        normal: &[f64],
        window: usize,
        keys: &mut Vec<u64>,
    ) -> Self {
        let len = window.clamp(1, normal.len().div_ceil(MIN_BLOCKS).max(1));
        self.blocks = normal
            .rchunks_exact(len)
            .take(MAX_BLOCKS)
            .filter_map(|block| self.extent(block.iter().copied(), keys))
            .map(|extent| extent.score)
            .collect();
        self
    }

    /// Distance from the centre in spreads, with its sign.
    pub(crate) fn z(&self, value: f64) -> f64 {
        let z = (value - self.center) / self.spread;
        z.clamp(-MAX_SCORE, MAX_SCORE)
    }

    /// How far a window strays; `None` when it has no sample. `keys` is overwritten.
    pub(crate) fn extent(
        &self,
        window: impl Iterator<Item = f64>,
        keys: &mut Vec<u64>,
    ) -> Option<Extent> {
        keys.clear();
        keys.extend(window.filter(|x| !x.is_nan()).map(order::key));
        if keys.is_empty() {
            return None;
        }
        let top = ((keys.len() as f64 * TOP_SHARE).ceil() as usize).max(1);
        let last = keys.len() - top;
        keys.select_nth_unstable(last);
        let (up, highest) = self.mean_and(&keys[last..], u64::max);
        let rest = if top <= last { last } else { keys.len() };
        keys[..rest].select_nth_unstable(top - 1);
        let (down, lowest) = self.mean_and(&keys[..top], u64::min);
        let (up, down) = (up * self.weights.0, -down * self.weights.1);
        let above = up >= down;
        let (score, value) = if above { (up, highest) } else { (down, lowest) };
        Some(Extent {
            score: score.max(0.0),
            value,
            above,
        })
    }

    /// Mean distance of some values, and the most extreme of them.
    fn mean_and(&self, keys: &[u64], pick: fn(u64, u64) -> u64) -> (f64, f64) {
        let sum: f64 = keys.iter().map(|key| self.z(order::value(*key))).sum();
        let extreme = keys.iter().copied().reduce(pick);
        let extreme = extreme.map_or(f64::NAN, order::value);
        (sum / keys.len() as f64, extreme)
    }
}

/// Absolute distance that stays finite.
fn distance(a: f64, b: f64) -> f64 {
    (a - b).abs().min(f64::MAX)
}
