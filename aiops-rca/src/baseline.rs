//! What is normal for one metric.

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
    /// Samples that the incident has, and so the length of the windows of normal samples.
    pub(crate) window: usize,
    /// Smallest spread, as a share of the level.
    pub(crate) relative_floor: f64,
    /// A level to which the floor applies besides the centre of the normal samples.
    pub(crate) level: f64,
    /// What a rise and a fall count.
    pub(crate) weights: (f64, f64),
}

impl Baseline {
    /// From samples in order of time without missing values; `None` of none.
    pub(crate) fn new(normal: &[f64], shape: Shape) -> Option<Self> {
        if normal.is_empty() {
            return None;
        }
        let (center, mut spread) = center_and_spread(normal);
        if spread == 0.0 {
            // Mostly one value: rare others are part of what is normal.
            let n = normal.len() as f64;
            let squares = normal.iter().map(|x| distance(*x, center).powi(2) / n);
            spread = squares.sum::<f64>().sqrt().min(f64::MAX);
        }
        let level = center.abs().max(shape.level.abs());
        let mut baseline = Self {
            center,
            spread: spread
                .max(shape.relative_floor * level)
                .clamp(f64::MIN_POSITIVE, f64::MAX),
            weights: shape.weights,
            blocks: Vec::new(),
        };
        let len = shape.window.clamp(1, normal.len().div_ceil(MIN_BLOCKS));
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
        let (up, down) = (up * self.weights.0, -down * self.weights.1);
        let above = up >= down;
        let (score, z) = if above { (up, highest) } else { (down, lowest) };
        Some(Extent {
            score: score.max(0.0),
            value: self.center + z * self.spread,
            above,
        })
    }
}

/// Median and robust standard deviation from the quartiles.
pub(crate) fn center_and_spread(values: &[f64]) -> (f64, f64) {
    let mut scratch = values.to_vec();
    let quartile = |scratch: &mut [f64], level: f64| {
        let place = level * (scratch.len() - 1) as f64;
        let below = place.floor() as usize;
        let (_, &mut low, above) = scratch.select_nth_unstable_by(below, f64::total_cmp);
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        low + (place - below as f64) * (high - low)
    };
    let center = quartile(&mut scratch, 0.5);
    let iqr = quartile(&mut scratch, 0.75) - quartile(&mut scratch, 0.25);
    (center, iqr.min(f64::MAX) / IQR_TO_SIGMA)
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
