//! Estimation of the coefficients.

use super::Estimator;
use super::filter::{COUNTS, Space};
use super::likelihood::{Arma, Evaluated};
use super::order::Order;
use super::polynomial::Terms;
use crate::grid::filled;
use crate::optimise::minimise;
use crate::products::Products;

/// Step of the differences that gradients are made of.
const STEP: f64 = 3e-6;
/// Gain of minus twice the logarithm of the likelihood below which a step is the last.
const TOLERANCE: f64 = 1e-6;
const ROUGH: f64 = 1e-2;
/// Partial autocorrelations are tanh of at most this, so that no estimate sticks at a unit root.
const FARTHEST: f64 = 6.0;

/// What is fitted: a target and its regressors, the constant first where there is one.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    order: Order,
    /// No root is closer to 0.
    radius: f64,
    /// In units of [`unit`](Self::unit); the target is centred and may have gaps.
    columns: Vec<Vec<f64>>,
    /// Differenced, gaps filled by straight lines.
    arma: Arma,
    gaps: bool,
    unit: f64,
    /// Values that count in a likelihood.
    n: f64,
}

/// Estimates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    /// The unbounded numbers behind [`terms`](Self::terms).
    pub(super) free: Vec<f64>,
    pub(super) terms: Terms,
    /// In the unit of the target.
    pub(super) effects: Vec<f64>,
    /// Sum of squared errors over the number of values less that of coefficients.
    pub(super) variance: f64,
    /// Minus twice the logarithm of the likelihood.
    pub(super) loss: f64,
    pub(super) n: f64,
}

impl Fit {
    /// Corrected information criterion; infinite for too few values.
    pub(super) fn aicc(&self) -> f64 {
        let k = (self.free.len() + self.effects.len() + 1) as f64;
        let left = self.n - k - 1.0;
        if left > 0.0 {
            self.loss + 2.0 * k + 2.0 * k * (k + 1.0) / left
        } else {
            f64::INFINITY
        }
    }
}

impl Problem {
    /// `target` is centred and may have gaps; `regressors` have none.
    pub(super) fn new(order: Order, radius: f64, target: &[f64], regressors: &[Vec<f64>]) -> Self {
        let full = order.difference(&filled(target));
        let unit = full
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        let unit = if unit > 0.0 { unit } else { 1.0 };
        let mut columns = vec![target.iter().map(|value| value / unit).collect()];
        columns.extend_from_slice(regressors);
        let mut differenced = vec![full.iter().map(|value| value / unit).collect()];
        differenced.extend(regressors.iter().map(|column| order.difference(column)));
        let known = target.iter().filter(|value| !value.is_nan()).count();
        Self {
            order,
            radius,
            columns,
            gaps: known < target.len(),
            arma: Arma::new(order, differenced),
            unit,
            n: known.saturating_sub(order.lost()) as f64,
        }
    }

    /// The index of the first regressor that says nothing that those before it do not, after
    /// differencing.
    pub(super) fn dependent(&mut self) -> Option<usize> {
        let mut products = Products::default();
        products.reset(self.columns.len());
        let mut row = vec![0.0; self.columns.len()];
        for t in 0..self.arma.columns[0].len() {
            for (cell, column) in row.iter_mut().zip(&self.arma.columns) {
                *cell = column[t];
            }
            row[0] = row[0].max(f64::MIN_POSITIVE); // what the target says does not matter
            products.add(&row, 1.0);
        }
        products.solve().err()
    }

    /// From the best of the starts, a rough conditional estimate among them.
    pub(super) fn fit(&mut self, estimator: Estimator, starts: &[Vec<f64>]) -> Option<Fit> {
        let terms = self.order.terms();
        let mut best: Option<(Vec<f64>, f64)> = None;
        let mut starts = starts.to_vec();
        // A long search goes on from where it is.
        if starts.is_empty() || estimator == Estimator::MaximumLikelihood {
            starts.extend(self.rough(estimator));
        }
        for start in starts {
            let mut free = start;
            free.resize(terms, 0.0);
            let loss = self.descend(estimator, &mut free, TOLERANCE);
            if best.as_ref().is_none_or(|(_, least)| loss < *least) {
                best = Some((free, loss));
            }
        }
        let (free, loss) = best.filter(|(_, loss)| loss.is_finite())?;
        let terms = Terms::of(self.order, self.radius, &free);
        let evaluated = self.evaluate(estimator, &terms)?;
        let left = evaluated.n - (free.len() + evaluated.solved.coefficients.len()) as f64;
        let unit = self.unit;
        Some(Fit {
            terms,
            effects: evaluated
                .solved
                .coefficients
                .iter()
                .map(|value| value * unit)
                .collect(),
            variance: unit * unit * evaluated.solved.squares / left.max(0.5 * evaluated.n),
            loss: loss + 2.0 * evaluated.n * unit.ln(),
            n: evaluated.n,
            free,
        })
    }

    /// Where to start: the conditional estimate, and the process without memory.
    fn rough(&mut self, estimator: Estimator) -> Vec<Vec<f64>> {
        let terms = self.order.terms();
        let mut conditional = vec![0.1; terms];
        let loss = self.descend(Estimator::ConditionalSquares, &mut conditional, ROUGH);
        let mut starts = vec![vec![0.05; terms]];
        if loss.is_finite() {
            // Off the flat parts.
            for value in &mut conditional {
                *value = value.clamp(-2.0, 2.0);
            }
            starts.insert(0, conditional);
        }
        if terms == 0 || estimator == Estimator::ConditionalSquares {
            starts.truncate(1);
        }
        starts
    }

    fn descend(&mut self, estimator: Estimator, free: &mut [f64], tolerance: f64) -> f64 {
        let mut terms = Terms::of(self.order, self.radius, free);
        let (season, radius) = (self.order.season, self.radius);
        let mut least = f64::INFINITY;
        let mut moved = free.to_vec();
        minimise(free, tolerance, |at, gradient| {
            if at.iter().any(|value| value.abs() > FARTHEST) {
                return f64::INFINITY;
            }
            let mut loss = |at: &[f64]| {
                terms.set(season, radius, at);
                let evaluated = self.evaluate(estimator, &terms);
                evaluated.map_or(f64::INFINITY, |evaluated| evaluated.loss())
            };
            let here = loss(at);
            if here > least || !here.is_finite() {
                return here; // its gradient will not be looked at
            }
            least = here;
            moved.copy_from_slice(at);
            for (index, slope) in gradient.iter_mut().enumerate() {
                moved[index] = at[index] + STEP;
                *slope = (loss(&moved) - here) / STEP;
                moved[index] = at[index];
            }
            here
        })
    }

    fn evaluate(&mut self, estimator: Estimator, terms: &Terms) -> Option<Evaluated> {
        let evaluated = match estimator {
            Estimator::ConditionalSquares => self.arma.conditional(terms),
            Estimator::MaximumLikelihood if self.gaps => self.with_gaps(terms),
            Estimator::MaximumLikelihood => self.arma.exact(terms),
        };
        evaluated.filter(|one| one.solved.squares.is_finite() && one.logarithms.is_finite())
    }

    /// The exact likelihood by the filter over the series itself.
    fn with_gaps(&self, terms: &Terms) -> Option<Evaluated> {
        let space = Space::new(self.order, terms);
        let lost = self.order.lost();
        let known = self.columns[0]
            .iter()
            .take(lost)
            .all(|value| !value.is_nan());
        let from = if known { lost } else { 0 };
        let mut states = Vec::new();
        let mut uncertainty = None;
        for column in &self.columns {
            let past: Vec<f64> = column[..from].iter().rev().copied().collect();
            let (state, start) = space.start(known.then_some(&past));
            states.push(state);
            uncertainty = start;
        }
        let mut covariance = uncertainty?;
        let mut products = Products::default();
        products.reset(self.columns.len());
        let mut row = vec![0.0; self.columns.len()];
        let mut logarithms = 0.0;
        for t in from..self.columns[0].len() {
            let seen = !self.columns[0][t].is_nan();
            let (variance, gain) = space.gain(&covariance);
            if !(variance > 0.0 && variance.is_finite()) {
                return None;
            }
            for ((state, column), error) in states.iter_mut().zip(&self.columns).zip(&mut row) {
                *error = column[t] - space.expected(state);
                space.advance(state, seen.then(|| (*error / variance, &gain[..])));
            }
            if seen && variance < COUNTS {
                products.add(&row, 1.0 / variance);
                logarithms += variance.ln();
            }
            space.advance_covariance(&mut covariance, seen.then_some((variance, &gain[..])));
        }
        Some(Evaluated {
            solved: products.solve().ok()?,
            logarithms,
            n: self.n,
        })
    }
}
