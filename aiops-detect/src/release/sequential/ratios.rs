//! Likelihoods of a ratio of two rates.

use super::Bound;
use crate::release::Count;
use crate::release::test::Margin;

/// Points of the grid of ratios: a step is 3.3 percent.
const GRID: usize = 257;
/// Logarithm of the largest ratio on the grid, 64.
const REACH: f64 = 4.158_883_083_359_671_5;
/// Scale of the Cauchy weights of the grid: changes by a quarter are looked for first.
const WIDTH: f64 = 0.25;

/// Likelihoods of ratios of rates, on a grid and at both ends of the margin.
#[derive(Clone, Debug)]
pub(super) struct Ratios {
    /// Logarithms of the ratios, then of the margin's ends.
    points: [f64; GRID + 2],
    logs: [f64; GRID + 2],
    totals: [Count; 2],
}

impl Ratios {
    pub(super) fn new(margin: Margin) -> Self {
        let mut points = [0.0; GRID + 2];
        for (index, point) in points.iter_mut().enumerate() {
            *point = REACH * (2.0 * index as f64 / (GRID - 1) as f64 - 1.0);
        }
        (points[GRID], points[GRID + 1]) = (margin.lower.ln(), margin.upper.ln());
        Self {
            points,
            logs: [0.0; GRID + 2],
            totals: [Count::new(0.0, 0.0); 2],
        }
    }

    pub(super) fn add(&mut self, baseline: Count, candidate: Count) {
        let odds = (candidate.exposure / baseline.exposure).ln();
        for (log, ratio) in self.logs.iter_mut().zip(&self.points) {
            let odds = odds + ratio;
            // ln(1 + e^odds), without overflow.
            let rest = odds.max(0.0) + (-odds.abs()).exp().ln_1p();
            *log += candidate.events * (odds - rest) - baseline.events * rest;
        }
        for (total, one) in self.totals.iter_mut().zip([baseline, candidate]) {
            total.events += one.events;
            total.exposure += one.exposure;
        }
    }

    pub(super) fn estimate(&self) -> f64 {
        let [baseline, candidate] = self.totals;
        (candidate.events / candidate.exposure) / (baseline.events / baseline.exposure)
    }

    /// Logarithm of the likelihood mixed over the points of the grid that `is_in` takes.
    fn mixed(&self, is_in: impl Fn(f64) -> bool) -> f64 {
        let points = || {
            self.points[..GRID]
                .iter()
                .zip(&self.logs)
                .filter(|(ratio, _)| is_in(**ratio))
        };
        let highest = points()
            .map(|(_, log)| *log)
            .fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (ratio, log) in points() {
            let weight = 1.0 / (1.0 + (ratio / WIDTH).powi(2));
            sum += weight * (log - highest).exp();
            weights += weight;
        }
        highest + (sum / weights).ln()
    }

    pub(super) fn evidence(&self, bound: Bound) -> f64 {
        let (at, up) = match bound {
            Bound::LowerFromAbove => (GRID, true),
            Bound::UpperFromAbove => (GRID + 1, true),
            Bound::LowerFromBelow => (GRID, false),
            Bound::UpperFromBelow => (GRID + 1, false),
        };
        let end = self.points[at];
        let mixed = self.mixed(|ratio| if up { ratio > end } else { ratio < end });
        let log = mixed - self.logs[at];
        if log.is_nan() { 0.0 } else { log } // a margin beyond the grid
    }

    pub(super) fn interval(&self, alpha: f64) -> (f64, f64) {
        let least = self.mixed(|_| true) + alpha.ln();
        let inside = |index: &usize| self.logs[*index] > least;
        let (first, last) = ((0..GRID).find(inside), (0..GRID).rfind(inside));
        let end = |index: usize| self.points[index].exp();
        // Between two points of the grid the outer one is taken.
        (
            first
                .and_then(|first| first.checked_sub(1))
                .map_or(0.0, end),
            last.filter(|&last| last + 1 < GRID)
                .map_or(f64::INFINITY, |last| end(last + 1)),
        )
    }
}
