//! Signs of the differences of pairs against a bound.

use aiops_core::numerics::beta;

use super::Bound;
use crate::release::test::Margin;

/// What became of a pair.
pub(super) enum Pair {
    Missing,
    Waits,
    Block,
}

/// Differences of pairs, or of their logarithms, and how many are on each side of a bound.
#[derive(Clone, Debug)]
pub(super) struct Signs {
    pub(super) relative: bool,
    block: usize,
    sum: f64,
    summed: usize,
    pub(super) sorted: Vec<f64>,
}

impl Signs {
    pub(super) fn new(relative: bool, block: usize) -> Self {
        Self {
            relative,
            block,
            sum: 0.0,
            summed: 0,
            sorted: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, baseline: f64, candidate: f64) -> Pair {
        let difference = if self.relative {
            candidate.ln() - baseline.ln()
        } else {
            candidate - baseline
        };
        if !difference.is_finite() {
            return Pair::Missing;
        }
        self.sum += difference / self.block as f64;
        self.summed += 1;
        if self.summed < self.block {
            return Pair::Waits;
        }
        let place = self.sorted.partition_point(|&known| known < self.sum);
        self.sorted.insert(place, self.sum);
        (self.sum, self.summed) = (0.0, 0);
        Pair::Block
    }

    pub(super) fn effect(&self, difference: f64) -> f64 {
        if self.relative {
            difference.exp()
        } else {
            difference
        }
    }

    pub(super) fn evidence(&self, bound: Bound, margin: Margin) -> f64 {
        let place = |effect: f64| if self.relative { effect.ln() } else { effect };
        let above = |effect: f64| {
            let place = place(effect);
            self.sorted.len() - self.sorted.partition_point(|&known| known <= place)
        };
        let below = |effect: f64| {
            let place = place(effect);
            self.sorted.partition_point(|&known| known < place)
        };
        let signs = match bound {
            Bound::LowerFromAbove => above(margin.lower),
            Bound::UpperFromAbove => above(margin.upper),
            Bound::LowerFromBelow => below(margin.lower),
            Bound::UpperFromBelow => below(margin.upper),
        };
        log_evidence(signs, self.sorted.len())
    }

    pub(super) fn interval(&self, alpha: f64) -> (f64, f64) {
        let count = self.sorted.len();
        let enough = (2.0 / alpha).ln();
        // Evidence grows with the signs: the fewest that are enough.
        let (mut few, mut many) = (0, count + 1);
        while few < many {
            let middle = usize::midpoint(few, many);
            if log_evidence(middle, count) >= enough {
                many = middle;
            } else {
                few = middle + 1;
            }
        }
        let ends = match few.checked_sub(1).filter(|_| few <= count) {
            Some(rank) => (self.sorted[count - 1 - rank], self.sorted[rank]),
            None => (f64::NEG_INFINITY, f64::INFINITY),
        };
        (self.effect(ends.0), self.effect(ends.1))
    }
}

/// Logarithm of the likelihood of `signs` of `count`, mixed evenly over shares above one half, to that
/// of one half.
fn log_evidence(signs: usize, count: usize) -> f64 {
    if signs > count {
        return f64::INFINITY;
    }
    let (hits, rest) = (signs as f64 + 1.0, (count - signs) as f64 + 1.0);
    let whole = beta::ln_gamma(hits) + beta::ln_gamma(rest) - beta::ln_gamma(hits + rest);
    let upper = beta::regularized(0.5, rest, hits);
    (count as f64 + 1.0) * std::f64::consts::LN_2 + whole + upper.ln()
}
