//! What is known about the samples of a window, whatever the order they came in.

use super::sketch::QuantileSketch;
use crate::{ParamError, Timestamp};

/// Count, sum, mean, variance, extremes, last value and quantiles of values.
///
/// Sums are exact, rounded once at the end (Shewchuk 1997), so that they do not depend on the
/// order of the values, and late values change a result into just what it would have been. Only
/// quantiles are approximate, within the error of the sketch.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    count: u64,
    sum: Expansion,
    squares: Expansion,
    min: f64,
    max: f64,
    last: Option<(Timestamp, f64)>,
    sketch: QuantileSketch,
}

impl Aggregate {
    /// Of no value; quantiles will be off by at most `relative_error` times their size.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when it is not from 0.0001 to 0.5.
    pub fn new(relative_error: f64) -> Result<Self, ParamError> {
        Ok(Self {
            count: 0,
            sum: Expansion::default(),
            squares: Expansion::default(),
            min: f64::NAN,
            max: f64::NAN,
            last: None,
            sketch: QuantileSketch::new(relative_error)?,
        })
    }

    /// Adds a value; missing and infinite ones are left out.
    pub fn add(&mut self, time: Timestamp, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        self.sum.add(value);
        let square = value * value;
        self.squares.add(square);
        self.squares.add(value.mul_add(value, -square));
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        // Of two values at one instant the larger one is last, so that order does not matter.
        let is_later = self
            .last
            .is_none_or(|(at, last)| time.cmp(&at).then(value.total_cmp(&last)).is_gt());
        if is_later {
            self.last = Some((time, value));
        }
        self.sketch.add(value);
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, correctly rounded; 0 of no value, `NaN` when it does not fit into a float.
    pub fn sum(&self) -> f64 {
        self.sum.total()
    }

    /// Their mean; `NaN` of no value.
    pub fn mean(&self) -> f64 {
        self.sum.total() / self.count as f64
    }

    /// Their variance with divisor n; `NaN` of no value or when squares do not fit into a float.
    pub fn variance(&self) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let n = self.count as f64;
        let (sum, sum_rest) = self.sum.in_two();
        let (squares, squares_rest) = self.squares.in_two();
        // sum^2 / n with twice the digits: close values would leave none of a plain difference.
        let product = sum * sum;
        let product_rest = sum.mul_add(sum, -product) + 2.0 * sum * sum_rest;
        let share = product / n;
        let share_rest = ((-share).mul_add(n, product) + product_rest) / n;
        let difference = (squares - share) + (squares_rest - share_rest);
        if difference.is_nan() {
            return f64::NAN;
        }
        difference.max(0.0) / n
    }

    /// The smallest value; `NaN` of no value.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The largest value; `NaN` of no value.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The value of the latest time; `NaN` of no value.
    pub fn last(&self) -> f64 {
        self.last.map_or(f64::NAN, |(_, value)| value)
    }

    /// The quantile at `level`, within the stated error; `NaN` of no value.
    ///
    /// # Panics
    ///
    /// When `level` is not in `[0, 1]`.
    pub fn quantile(&self, level: f64) -> f64 {
        self.sketch.quantile(level).unwrap_or(f64::NAN)
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() - size_of::<QuantileSketch>()
            + self.sketch.size_bytes()
            + 8 * (self.sum.0.capacity() + self.squares.0.capacity())
    }
}

/// A sum without rounding: floats that do not overlap, the smallest first, whose exact sum it is.
///
/// Shewchuk, *Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates*,
/// Discrete and Computational Geometry 18 (1997).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Expansion(Vec<f64>);

impl Expansion {
    pub(super) fn add(&mut self, term: f64) {
        let (mut carried, mut kept) = (term, 0);
        for index in 0..self.0.len() {
            let (large, small) = if carried.abs() < self.0[index].abs() {
                (self.0[index], carried)
            } else {
                (carried, self.0[index])
            };
            carried = large + small;
            let rest = small - (carried - large);
            if rest != 0.0 {
                self.0[kept] = rest;
                kept += 1;
            }
        }
        self.0.truncate(kept);
        self.0.push(carried);
    }

    /// The exact sum, rounded to the nearest float, ties to even.
    pub(super) fn total(&self) -> f64 {
        let mut parts = self.0.iter().rev().copied();
        let mut total = parts.next().unwrap_or(0.0);
        let mut rest = 0.0;
        for part in parts.by_ref() {
            let before = total;
            total = before + part;
            rest = part - (total - before);
            if rest != 0.0 {
                break;
            }
        }
        // Half way between two floats, what follows decides.
        if let Some(next) = parts.next()
            && (rest < 0.0) == (next < 0.0)
            && rest != 0.0
        {
            let doubled = rest * 2.0;
            let away = total + doubled;
            if away - total == doubled {
                total = away;
            }
        }
        if total.is_finite() { total } else { f64::NAN }
    }

    /// The sum as the nearest float and the nearest float to what that leaves.
    fn in_two(&self) -> (f64, f64) {
        let total = self.total();
        let mut rest = self.clone();
        rest.add(-total);
        (total, rest.total())
    }
}
