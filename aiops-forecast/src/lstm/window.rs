//! A series as the network sees it: free of level and scale, relative to its own seasons.

use super::network::{Batch, Shape};

/// Logarithms are taken where the smallest value is more than this share of the mean; nearer to 0
/// they would make much of little.
const LOGARITHM_FROM: f64 = 0.02;
/// The straight way has at most this many weights.
const STRAIGHT: usize = 1 << 16;
/// Standardised inputs are cut off here.
const FARTHEST: f64 = 12.0;
/// What is to be forecast, likewise: after a window that stands still any change is endless.
const FARTHEST_AHEAD: f64 = 50.0;
/// Values in one step of the sequence.
const PATCH: std::ops::RangeInclusive<usize> = 6..=48;

/// What a window is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Samples in each season, increasing; `[1]` for none.
    pub(super) seasons: Vec<usize>,
    pub(super) patch: usize,
    pub(super) window: usize,
    pub(super) horizon: usize,
}

impl Frame {
    /// `window` rounded up to whole patches; two of the longest season and 1.25 horizons at least
    /// when it is not given.
    pub(super) fn new(seasons: &[usize], window: Option<usize>, horizon: usize) -> Self {
        let seasons = if seasons.is_empty() {
            vec![1]
        } else {
            seasons.to_vec()
        };
        let patch = patch(seasons[0]);
        let longest = seasons.last().copied().unwrap_or(1);
        let window = window.unwrap_or((2 * longest).max(horizon + horizon / 4).max(4));
        Self {
            window: window.next_multiple_of(patch),
            seasons,
            patch,
            horizon,
        }
    }

    pub(super) fn shape(&self, hidden: usize) -> Shape {
        Shape {
            inputs: 2 * self.patch,
            steps: self.window / self.patch,
            hidden,
            lags: self.window.min(STRAIGHT / self.horizon).max(1),
            horizon: self.horizon,
        }
    }

    /// Values that a window reaches back: differences need one season more.
    pub(super) fn reach(&self) -> usize {
        self.window + self.season()
    }

    /// As they were given: none for a season of 1.
    #[cfg(feature = "serde")]
    pub(super) fn given_seasons(&self) -> &[usize] {
        if self.seasons == [1] {
            &[]
        } else {
            &self.seasons
        }
    }

    fn season(&self) -> usize {
        self.seasons[0]
    }

    fn longest(&self) -> usize {
        self.seasons[self.seasons.len() - 1]
    }

    /// Values that a series must have for a forecast.
    pub(super) fn needed(&self) -> usize {
        self.longest() + 1
    }

    /// Mean of the seasonal naive forecasts of all seasons, which lie within `past`.
    fn base(&self, past: &[f64], ahead: usize) -> f64 {
        let one = |season: usize| past[past.len() - season + ahead % season];
        self.seasons.iter().copied().map(one).sum::<f64>() / self.seasons.len() as f64
    }

    /// Writes the window that is `past`, as row `row` of a batch, and answers its scale.
    pub(super) fn write(&self, past: &[f64], shape: Shape, batch: &mut Batch, row: usize) -> f64 {
        let season = self.season();
        let window = &past[season..];
        let before = &past[..past.len() - season];
        // Shares of the mean are summed, so that nothing leaves the range of numbers.
        let share = 1.0 / window.len() as f64;
        let mean: f64 = window.iter().map(|value| value * share).sum();
        let (mut spread, mut change) = (0.0, 0.0);
        for (value, before) in window.iter().zip(before) {
            spread += (value - mean).abs() * share;
            change += (value - before).abs() * share;
        }
        // A season that repeats itself to the digit must not blow up what little is left.
        let scale = change.max(0.01 * spread);
        let cut = |value: f64, unit: f64| {
            if unit > 0.0 {
                (value / unit).clamp(-FARTHEST, FARTHEST) as f32
            } else {
                0.0
            }
        };
        let patches = window
            .chunks_exact(self.patch)
            .zip(before.chunks_exact(self.patch));
        for (step, (values, before)) in patches.enumerate() {
            let at = (step * batch.len + row) * shape.inputs;
            let cells = &mut batch.sequence[at..at + shape.inputs];
            let (levels, changes) = cells.split_at_mut(self.patch);
            for k in 0..self.patch {
                levels[k] = cut(values[k] - mean, spread);
                changes[k] = cut(values[k] - before[k], scale);
            }
        }
        let lags = &mut batch.lags[row * shape.lags..(row + 1) * shape.lags];
        let from = window.len() - shape.lags;
        for (lag, (value, before)) in lags
            .iter_mut()
            .zip(window[from..].iter().zip(&before[from..]))
        {
            *lag = cut(value - before, scale);
        }
        scale
    }

    /// Writes what came after `past`, in the units of [`write`](Self::write).
    pub(super) fn write_actual(&self, past: &[f64], ahead: &[f64], scale: f64, actual: &mut [f32]) {
        for (step, (cell, value)) in actual.iter_mut().zip(ahead).enumerate() {
            let moved = value - self.base(past, step);
            *cell = (moved / scale.max(f64::MIN_POSITIVE)).clamp(-FARTHEST_AHEAD, FARTHEST_AHEAD)
                as f32;
        }
    }

    /// Back from those units.
    pub(super) fn value(&self, past: &[f64], step: usize, scale: f64, output: f64) -> f64 {
        self.base(past, step) + scale * output
    }
}

/// Values in one step of the sequence: the season, or a part or a multiple of it.
fn patch(season: usize) -> usize {
    if season == 1 {
        return 1;
    }
    let (least, most) = (*PATCH.start(), *PATCH.end());
    if season < least {
        return season * least.div_ceil(season);
    }
    (1..=most)
        .rev()
        .find(|part| season.is_multiple_of(*part))
        .unwrap_or(1)
}

/// Whether the network sees logarithms of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Linear,
    /// Values below the given one count as that one.
    Logarithm(f64),
}

impl Scale {
    /// Chosen by how near to 0 the values come.
    pub(super) fn of(values: &[f64]) -> Self {
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        if lowest > LOGARITHM_FROM * mean && lowest > 0.0 {
            Self::Logarithm(0.1 * lowest)
        } else {
            Self::Linear
        }
    }

    pub(super) fn apply(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithm(least) => value.max(least).ln(),
        }
    }

    pub(super) fn undo(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithm(_) => value.exp(),
        }
    }
}

/// The last `reach` values; a shorter past is continued into the time before it with its own seasons.
pub(super) fn last(values: &[f64], reach: usize, season: usize) -> Vec<f64> {
    let missing = reach.saturating_sub(values.len());
    let at = |index: usize| {
        let short = (missing - index).div_ceil(season) * season;
        values[index + short - missing]
    };
    let before = (0..missing).map(at);
    before
        .chain(values[values.len().saturating_sub(reach)..].iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_divide_or_repeat_the_season() {
        let got = [1, 2, 4, 7, 12, 24, 60, 96, 144, 288, 53].map(patch);
        assert_eq!(got, [1, 6, 8, 7, 12, 24, 30, 48, 48, 48, 1]);
    }

    #[test]
    fn short_past_repeats_its_seasons() {
        let past = last(&[1.0, 2.0, 3.0, 4.0, 5.0], 9, 3);
        assert_eq!(past, [3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(last(&[1.0, 2.0, 3.0], 2, 3), [2.0, 3.0]);
    }

    #[test]
    fn level_and_scale_do_not_matter() {
        let frame = Frame::new(&[4], Some(8), 4);
        let shape = frame.shape(2);
        let past: Vec<f64> = (0..frame.reach())
            .map(|t| f64::from((t * t % 7) as u32))
            .collect();
        let moved: Vec<f64> = past.iter().map(|value| 1_000.0 + 64.0 * value).collect();
        let (mut one, mut other) = (Batch::new(shape, 1), Batch::new(shape, 1));
        let scale = frame.write(&past, shape, &mut one, 0);
        let larger = frame.write(&moved, shape, &mut other, 0);
        assert!((larger / scale - 64.0).abs() < 1e-9);
        for (a, b) in one.sequence.iter().zip(&other.sequence) {
            assert!((a - b).abs() < 1e-5);
        }
        assert_eq!(one.lags, other.lags);
    }
}
