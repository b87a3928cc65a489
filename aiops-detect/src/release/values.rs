//! Values as they come: what is missing, and comparisons of spread and tail.

use aiops_core::DataError;
use aiops_core::numerics::{median, quantile_sorted};

use super::counts::RateRatio;
use super::rank::{Shift, sorted};
use super::test::Test;
use super::{BadMetric, Count, Policy};
use crate::monitor::Direction;
use crate::rows::check_finite;

/// Values that are not missing, in order.
pub(super) fn present(values: &[f64]) -> Result<Vec<f64>, DataError> {
    check_finite(values)?;
    let present = values.iter().copied().filter(|value| !value.is_nan());
    Ok(present.collect())
}

/// The usual value; `NaN` of none.
pub(super) fn level(values: &[f64]) -> f64 {
    median(&mut values.to_vec())
}

/// Intervals whose two numbers are there and whose whole is more than 0; none may have a part of more
/// than `most` times the whole.
pub(super) fn intervals<T: Copy>(
    intervals: &[T],
    numbers: impl Fn(&T) -> (f64, f64),
    most: f64,
) -> Result<Vec<T>, BadMetric> {
    for (index, one) in intervals.iter().enumerate() {
        let (part, whole) = numbers(one);
        let can_be = |value: f64| value.is_nan() || (value >= 0.0 && value.is_finite());
        if !can_be(part) || !can_be(whole) || part > most * whole {
            return Err(BadMetric::Count { index, part, whole });
        }
    }
    let usable = |one: &&T| numbers(one).0.is_finite() && numbers(one).1 > 0.0;
    Ok(intervals.iter().filter(usable).copied().collect())
}

/// The ratio of the usual distances from the median: the shift of their logarithms, by ranks.
#[derive(Debug)]
pub(super) struct Spread(Shift);

impl Spread {
    pub(super) fn new(baseline: &[f64], candidate: &[f64]) -> Self {
        let distances = |values: &[f64]| -> Vec<f64> {
            let center = level(values);
            values.iter().map(|value| (value - center).abs()).collect()
        };
        let (own, other) = (distances(baseline), distances(candidate));
        // Distances below the resolution of the metric are equal: half of the smallest that there is.
        let least = own
            .iter()
            .chain(&other)
            .copied()
            .filter(|&distance| distance > 0.0);
        let floor = 0.5 * least.fold(f64::INFINITY, f64::min).min(f64::MAX);
        let logs = |distances: &[f64]| -> Vec<f64> {
            distances
                .iter()
                .map(|distance| distance.max(floor).ln())
                .collect()
        };
        Self(Shift::new(&logs(&own), &logs(&other)))
    }
}

impl Test for Spread {
    fn estimate(&self) -> f64 {
        self.0.estimate().exp()
    }

    fn p_above(&self, bound: f64) -> f64 {
        self.0.p_above(bound.ln())
    }

    fn p_below(&self, bound: f64) -> f64 {
        self.0.p_below(bound.ln())
    }

    fn interval(&self, alpha: f64) -> (f64, f64) {
        let (lower, upper) = self.0.interval(alpha);
        (lower.exp(), upper.exp())
    }

    fn deviation(&self, bound: f64) -> f64 {
        self.0.deviation(bound.ln())
    }

    fn scale(&self, effect: f64) -> f64 {
        effect.ln()
    }
}

/// How many times as many values of the candidate are in the tail, which begins at a quantile of
/// both sides together.
pub(super) fn tail(baseline: &[f64], candidate: &[f64], policy: &Policy) -> RateRatio {
    let low = policy.direction == Direction::Down;
    let together = sorted(&[baseline, candidate].concat());
    let quantile = if low {
        1.0 - policy.tail_from
    } else {
        policy.tail_from
    };
    let begin = quantile_sorted(&together, quantile);
    let counts = |values: &[f64]| -> Vec<Count> {
        let beyond = |value: f64| if low { value < begin } else { value > begin };
        values
            .iter()
            .map(|&value| Count::new(f64::from(u8::from(beyond(value))), 1.0))
            .collect()
    };
    RateRatio::new(&counts(baseline), &counts(candidate))
}

/// The policy about the number of values in the tail: more of them are worse.
pub(super) fn in_tail(policy: &Policy) -> Policy {
    Policy {
        direction: Direction::Up,
        ..*policy
    }
}
