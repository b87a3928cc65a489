//! Windows of a series by their shape: what is left when level and size are taken off.

use crate::spread::ScaleFloor;

/// Values are cut here, so that no square overflows; far from anything real.
const FARTHEST: f64 = 1e100;

/// Standard deviations below this vanish when squared.
const SMALLEST: f64 = 1e-150;

/// Sums that are carried along are taken anew where the size of a window falls by this factor:
/// their rounding is relative to the largest window since they were last taken.
const DROP: f64 = 100.0;

/// Windows that go along a row of the distance matrix side by side.
pub(super) const LANES: usize = 8;

pub(super) fn within_reach(value: f64) -> f64 {
    value.clamp(-FARTHEST, FARTHEST)
}

/// Mean of a window, and its size: the length of what is left when the mean is taken off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) size: f64,
    /// 1 / size, or `NaN` for a window without a shape.
    pub(super) inverse: f64,
}

impl Moments {
    pub(super) fn of(window: &[f64], floor: ScaleFloor) -> Self {
        let count = window.len() as f64;
        let mean = window.iter().sum::<f64>() / count;
        let squares: f64 = window.iter().map(|x| (x - mean) * (x - mean)).sum();
        let floor = floor.at_least(mean, SMALLEST);
        let flat = (squares / count).sqrt() <= floor;
        Self {
            mean,
            size: squares.sqrt(),
            inverse: if flat { f64::NAN } else { 1.0 / squares.sqrt() },
        }
    }
}

/// Sum of the products of two windows without their means.
pub(super) fn covariance(a: &[f64], a_mean: f64, b: &[f64], b_mean: f64) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - a_mean) * (y - b_mean))
        .sum()
}

/// Euclidean distance of two windows that have a shape, each brought to mean 0 and standard
/// deviation 1.
pub(super) fn distance(a: &[f64], of_a: Moments, b: &[f64], of_b: Moments) -> f64 {
    let step = |(x, y): (&f64, &f64)| {
        let difference = (x - of_a.mean) * of_a.inverse - (y - of_b.mean) * of_b.inverse;
        difference * difference
    };
    (a.len() as f64 * a.iter().zip(b).map(step).sum::<f64>()).sqrt()
}

/// Finds the windows at which sums that are carried along must be taken anew.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Peak(pub(super) f64);

impl Peak {
    /// Whether the next window is such a one.
    pub(super) fn falls(&mut self, size: f64) -> bool {
        let falls = size * DROP < self.0;
        self.0 = if falls { size } else { self.0.max(size) };
        falls
    }
}

/// All windows of a series.
///
/// The covariance of two windows follows from that of the windows one sample earlier:
/// `cov(i, j) = cov(i - 1, j - 1) + half[i] * sum[j] + half[j] * sum[i]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shapes {
    window: usize,
    values: Vec<f64>,
    /// Half the difference of the value that came and the one that went; `LANES` zeros at the end.
    pub(super) half: Vec<f64>,
    /// Sum of both, each from the mean of its window; `LANES` zeros at the end.
    pub(super) sum: Vec<f64>,
    /// `NaN` for windows without a shape, and `LANES` times at the end.
    pub(super) inverse: Vec<f64>,
    moments: Vec<Moments>,
    /// Where sums are taken anew.
    pub(super) resets: Vec<usize>,
    /// Windows that have a shape.
    pub(super) shaped: Vec<usize>,
    /// Windows that are constant.
    pub(super) flat: Vec<usize>,
}

impl Shapes {
    /// There must be as many values as the window has.
    pub(super) fn new(values: &[f64], window: usize, floor: ScaleFloor) -> Self {
        let (values, missing) = filled(values);
        let count = values.len() + 1 - window;
        let mut shapes = Self {
            window,
            half: vec![0.0; count + LANES],
            sum: vec![0.0; count + LANES],
            inverse: vec![f64::NAN; count + LANES],
            moments: Vec::with_capacity(count),
            resets: Vec::new(),
            shaped: Vec::new(),
            flat: Vec::new(),
            values: Vec::new(),
        };
        let mut peak = Peak::default();
        for (index, window) in values.windows(window).enumerate() {
            let moments = Moments::of(window, floor);
            if index > 0 {
                let (came, went) = (window[window.len() - 1], values[index - 1]);
                let before: Moments = shapes.moments[index - 1];
                shapes.half[index] = 0.5 * (came - went);
                shapes.sum[index] = (came - moments.mean) + (went - before.mean);
            }
            shapes.moments.push(moments);
            if peak.falls(moments.size) {
                shapes.resets.push(index);
            }
            if missing[index + window.len()] > missing[index] {
                continue;
            }
            shapes.inverse[index] = moments.inverse;
            if moments.inverse.is_nan() {
                shapes.flat.push(index);
            } else {
                shapes.shaped.push(index);
            }
        }
        shapes.values = values;
        shapes
    }

    pub(super) fn len(&self) -> usize {
        self.moments.len()
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    fn at(&self, index: usize) -> &[f64] {
        &self.values[index..index + self.window]
    }

    pub(super) fn covariance(&self, index: usize, other: &Self, at: usize) -> f64 {
        let (mean, other_mean) = (self.moments[index].mean, other.moments[at].mean);
        covariance(self.at(index), mean, other.at(at), other_mean)
    }

    pub(super) fn distance(&self, index: usize, other: &Self, at: usize) -> f64 {
        let (one, two) = (self.moments[index], other.moments[at]);
        distance(self.at(index), one, other.at(at), two)
    }
}

/// Missing values replaced by the last present one, so that sums go on, and the number of missing
/// values before each place.
fn filled(values: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let first = values.iter().copied().find(|value| !value.is_nan());
    let (mut last, mut count) = (within_reach(first.unwrap_or(0.0)), 0);
    let mut missing = vec![0];
    let filled = values.iter().map(|&value| {
        if value.is_nan() {
            count += 1;
        } else {
            last = within_reach(value);
        }
        missing.push(count);
        last
    });
    (filled.collect(), missing)
}
