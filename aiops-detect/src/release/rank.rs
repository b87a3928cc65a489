//! Comparison of two samples by ranks.
//!
//! Mann and Whitney, *On a Test of Whether one of Two Random Variables is Stochastically Larger
//! than the Other*, 1947; Hodges and Lehmann, *Estimates of Location Based on Rank Tests*, 1963;
//! variances by placements: Brunner and Munzel, *The Nonparametric Behrens-Fisher Problem*, 2000.

use aiops_core::numerics::{normal, student};

use super::dependence;
use super::test::Test;

/// The classical rank test; see [`mann_whitney`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MannWhitney {
    /// Pairs in which the candidate's value is the larger, ties counted one half.
    pub u: f64,
    /// Standard score of `u`, with the corrections for ties and for continuity.
    pub z: f64,
    /// Two-sided p-value by the normal approximation.
    pub p: f64,
}

/// Do values of `candidate` tend to be larger or smaller than those of `baseline`? Both are
/// independent draws without missing values.
///
/// The normal approximation holds from about eight values on each side. Where all values are tied,
/// or a side is empty, `z` is 0 and `p` is 1. Costs `O(n log n)`.
///
/// ```
/// use aiops_detect::release::mann_whitney;
///
/// let test = mann_whitney(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0, 6.0, 7.0]);
/// assert_eq!(test.u, 14.5);
/// assert!(test.p > 0.05);
/// ```
pub fn mann_whitney(baseline: &[f64], candidate: &[f64]) -> MannWhitney {
    let (x, y) = (sorted(baseline), sorted(candidate));
    let pairs = x.len() as f64 * y.len() as f64;
    let u = pairs_above(&x, &y, 0.0);
    let distance = u - 0.5 * pairs;
    let variance = pairs / 12.0 * (x.len() + y.len() + 1) as f64 * untied(&x, &y, 0.0);
    let z = if variance > 0.0 {
        (distance.abs() - 0.5).max(0.0).copysign(distance) / variance.sqrt()
    } else {
        0.0
    };
    let p = (2.0 * normal::tail(z.abs())).min(1.0);
    MannWhitney { u, z, p }
}

/// The median of all differences `candidate - baseline`, each value with each: the shift between
/// two samples. `NaN` when a side is empty. Costs `O(n log n)`, not the number of pairs.
pub fn hodges_lehmann(baseline: &[f64], candidate: &[f64]) -> f64 {
    median_difference(&sorted(baseline), &sorted(candidate))
}

pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|value| value + 0.0).collect(); // one zero
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Pairs with `y - shift > x`, ties counted one half.
pub(super) fn pairs_above(x: &[f64], y: &[f64], shift: f64) -> f64 {
    let (mut below, mut up_to, mut sum) = (0, 0, 0.0);
    for value in y.iter().map(|value| value - shift) {
        while below < x.len() && x[below] < value {
            below += 1;
        }
        while up_to < x.len() && x[up_to] <= value {
            up_to += 1;
        }
        sum += 0.5 * (below + up_to) as f64;
    }
    sum
}

/// `1 - sum (t^3 - t) / (N^3 - N)` over the groups of `t` tied values.
pub(super) fn untied(x: &[f64], y: &[f64], shift: f64) -> f64 {
    let mut all: Vec<f64> = y.iter().map(|value| value - shift).collect();
    all.extend_from_slice(x);
    all.sort_unstable_by(f64::total_cmp);
    let count = all.len() as f64;
    let cubes = all.chunk_by(|a, b| a == b).map(|group| {
        let tied = group.len() as f64;
        tied * (tied * tied - 1.0)
    });
    1.0 - cubes.sum::<f64>() / (count * (count * count - 1.0)).max(1.0)
}

fn median_difference(x: &[f64], y: &[f64]) -> f64 {
    let pairs = x.len() as u64 * y.len() as u64;
    if pairs == 0 {
        return f64::NAN;
    }
    let upper = kth_difference(x, y, pairs / 2 + 1);
    if pairs % 2 == 1 {
        upper
    } else {
        f64::midpoint(kth_difference(x, y, pairs / 2), upper)
    }
}

/// The `k`-th smallest, from 1, of all `y - x`, of sorted samples: bisection over the bits of the
/// answer, so at most 64 passes.
fn kth_difference(x: &[f64], y: &[f64], k: u64) -> f64 {
    // Moves the bits of a float into the order of its values, and back.
    let key = |value: f64| {
        (value.to_bits() as i64) ^ (((value.to_bits() as i64) >> 63) as u64 >> 1) as i64
    };
    let value = |key: i64| f64::from_bits((key ^ ((key >> 63) as u64 >> 1) as i64) as u64);
    let (mut low, mut high) = (key(y[0] - x[x.len() - 1]), key(y[y.len() - 1] - x[0]));
    while low < high {
        let middle = low + ((i128::from(high) - i128::from(low)) / 2) as i64;
        if differences_up_to(x, y, value(middle)) >= k {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    value(low) + 0.0
}

fn differences_up_to(x: &[f64], y: &[f64], bound: f64) -> u64 {
    let (mut first, mut count) = (0, 0);
    for &value in y {
        while first < x.len() && value - x[first] > bound {
            first += 1;
        }
        count += (x.len() - first) as u64;
    }
    count
}

/// The shift between two samples in order of time, with what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    x: Vec<f64>,
    y: Vec<f64>,
    estimate: f64,
    /// Standard error of the share of pairs in which the candidate is larger, at the estimate.
    error: f64,
    freedom: f64,
}

impl Shift {
    /// Both sides have at least two finite values.
    ///
    /// The standard error is that of Brunner and Munzel with the samples moved onto each other, at
    /// least what two equal distributions give, and each side's part is inflated by the dependence
    /// of its values in time.
    pub(super) fn new(baseline: &[f64], candidate: &[f64]) -> Self {
        let (x, y) = (sorted(baseline), sorted(candidate));
        let estimate = median_difference(&x, &y);
        let least = untied(&x, &y, estimate) / 12.0;
        let part = |values: &[f64], shift: f64, others: &[f64], back: f64| {
            let placements: Vec<f64> = values
                .iter()
                .map(|value| placement(value - shift, others, back))
                .collect();
            let inflation = dependence::inflation(&placements);
            let variance = dependence::variance(&placements).max(least);
            let count = values.len() as f64;
            (inflation * variance / count, count / inflation)
        };
        let (own, own_size) = part(baseline, 0.0, &y, estimate);
        let (other, other_size) = part(candidate, estimate, &x, 0.0);
        let sum = own + other;
        let share = |part: f64, size: f64| (part / sum) * (part / sum) / (size - 1.0).max(0.5);
        let freedom = if sum > 0.0 {
            1.0 / (share(own, own_size) + share(other, other_size))
        } else {
            1.0
        };
        Self {
            x,
            y,
            estimate,
            error: sum.sqrt(),
            freedom,
        }
    }

    fn pairs(&self) -> f64 {
        self.x.len() as f64 * self.y.len() as f64
    }

    /// Standard score of the share of pairs above `shift`.
    fn score(&self, shift: f64) -> f64 {
        let distance = pairs_above(&self.x, &self.y, shift) / self.pairs() - 0.5;
        if distance == 0.0 || self.error == 0.0 {
            // Without spread any distance is certain.
            return if distance == 0.0 {
                0.0
            } else {
                f64::INFINITY.copysign(distance)
            };
        }
        distance / self.error
    }
}

/// Share of the sorted `others`, each moved by `-back`, that are below `value`, ties one half.
fn placement(value: f64, others: &[f64], back: f64) -> f64 {
    let below = others.partition_point(|other| other - back < value);
    let up_to = others.partition_point(|other| other - back <= value);
    0.5 * (below + up_to) as f64 / others.len() as f64
}

impl Test for Shift {
    fn estimate(&self) -> f64 {
        self.estimate
    }

    fn p_above(&self, bound: f64) -> f64 {
        student::tail(self.score(bound), self.freedom)
    }

    fn p_below(&self, bound: f64) -> f64 {
        student::tail(-self.score(bound), self.freedom)
    }

    fn interval(&self, alpha: f64) -> (f64, f64) {
        let reach = student::tail_quantile(0.5 * alpha, self.freedom) * self.error;
        let rank = (self.pairs() * (0.5 - reach)).floor();
        if rank < 1.0 {
            return (f64::NEG_INFINITY, f64::INFINITY);
        }
        let (rank, last) = (rank as u64, self.pairs() as u64);
        (
            kth_difference(&self.x, &self.y, rank),
            kth_difference(&self.x, &self.y, last + 1 - rank),
        )
    }

    fn deviation(&self, _bound: f64) -> f64 {
        // The width of an interval that is narrow enough to exist.
        let alpha = 0.32;
        let (lower, upper) = self.interval(alpha);
        (upper - lower) / (2.0 * student::tail_quantile(0.5 * alpha, self.freedom))
    }
}
