//! Likelihoods of a stationary ARMA process without gaps, in `O(r)` for each value.
//!
//! Pearlman, *An algorithm for the exact likelihood of a high-order autoregressive-moving average
//! process*, Biometrika 1980; Morf, Sidhu and Kailath, *Some new algorithms for recursive estimation in
//! constant, linear, discrete-time systems*, IEEE Transactions on Automatic Control 1974. The gain moves
//! by a matrix of rank 1, which takes `O(r)` where its covariance takes `O(r^2)`, and stands still once
//! it has converged.

use super::order::Order;
use super::polynomial::Terms;
use super::stationary::Stationary;
use crate::products::{LeastSquares, Products};

/// The gain has converged when the variance moves less than this, relatively, for as many steps as
/// the state is long.
const STILL: f64 = 1e-13;

/// What the likelihood needs to know: the variance of the errors is concentrated out, and so are the
/// coefficients of the regressors.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evaluated {
    /// Sum of squared errors, each in units of its own spread, and the regressors' coefficients.
    pub(super) solved: LeastSquares,
    /// Sum of the logarithms of the variances, for an error of variance 1.
    pub(super) logarithms: f64,
    /// Values that count.
    pub(super) n: f64,
}

impl Evaluated {
    /// Minus twice the logarithm of the likelihood.
    pub(super) fn loss(&self) -> f64 {
        let variance = (self.solved.squares / self.n).max(f64::MIN_POSITIVE);
        self.n * (std::f64::consts::TAU.ln() + variance.ln() + 1.0) + self.logarithms
    }
}

/// Target and regressors, differenced, without gaps; and the memory that passes over them share.
#[derive(Clone, Debug)]
pub(super) struct Arma {
    pub(super) columns: Vec<Vec<f64>>,
    season: usize,
    ar_lags: usize,
    phi: Vec<f64>,
    theta: Vec<f64>,
    stationary: Stationary,
    gain: Vec<f64>,
    move_by: Vec<f64>,
    states: Vec<Vec<f64>>,
    next: Vec<f64>,
    row: Vec<f64>,
    products: Products,
}

impl Arma {
    pub(super) fn new(order: Order, columns: Vec<Vec<f64>>) -> Self {
        let (ar_lags, ma_lags) = order.lags();
        let r = ar_lags.max(ma_lags + 1);
        let count = columns.len();
        Self {
            columns,
            season: order.season,
            ar_lags,
            phi: vec![0.0; r],
            theta: vec![0.0; r],
            stationary: Stationary::default(),
            gain: vec![0.0; r],
            move_by: vec![0.0; r + 1],
            states: vec![vec![0.0; r + 1]; count],
            next: vec![0.0; r + 1],
            row: vec![0.0; count],
            products: Products::default(),
        }
    }

    fn start(&mut self, terms: &Terms) {
        terms.expand(self.season, &mut self.phi, &mut self.theta);
        self.products.reset(self.columns.len());
    }

    /// The exact likelihood; `None` where it is not defined.
    pub(super) fn exact(&mut self, terms: &Terms) -> Option<Evaluated> {
        self.start(terms);
        self.stationary.of(&self.phi, &self.theta);
        let r = self.phi.len();
        let n = self.columns[0].len();
        let first = &self.stationary.first;
        let mut variance = first[0];
        for i in 0..r {
            let after = first.get(i + 1).copied().unwrap_or(0.0);
            self.gain[i] = self.phi[i] * variance + after;
        }
        self.move_by[..r].copy_from_slice(&self.gain);
        self.move_by[r] = 0.0;
        let mut scale = -1.0 / variance;
        self.states.iter_mut().for_each(|state| state.fill(0.0));
        let (mut logarithms, mut product, mut still) = (0.0, 1.0_f64, 0);
        for t in 0..n {
            if !(variance > 0.0 && variance.is_finite()) {
                return None;
            }
            product *= variance;
            if !(1e-100..1e100).contains(&product) {
                logarithms += product.ln();
                product = 1.0;
            }
            self.take(t, variance);
            if still > r {
                continue;
            }
            let lead = self.move_by[0];
            let step = scale * lead;
            let later = variance + step * lead;
            still = if (step * lead).abs() < STILL * variance {
                still + 1
            } else {
                0
            };
            let (share, by_gain) = (lead / later, step);
            for i in 0..r {
                let moved = self.phi[i] * lead + self.move_by[i + 1];
                self.gain[i] += by_gain * moved;
                self.move_by[i] = moved - self.gain[i] * share;
            }
            scale += step * step / variance;
            variance = later;
        }
        Some(Evaluated {
            solved: self.products.solve().ok()?,
            logarithms: logarithms + product.ln(),
            n: n as f64,
        })
    }

    /// One value of every column: its error counts, its state moves on.
    fn take(&mut self, t: usize, variance: f64) {
        let weight = 1.0 / variance;
        for ((state, column), error) in self.states.iter_mut().zip(&self.columns).zip(&mut self.row)
        {
            let lead = state[0];
            *error = column[t] - lead;
            let share = *error * weight;
            let moves = state[1..].iter().zip(self.phi.iter().zip(&self.gain));
            for (next, (after, (phi, gain))) in self.next.iter_mut().zip(moves) {
                *next = after + phi * lead + gain * share;
            }
            std::mem::swap(state, &mut self.next);
        }
        self.products.add(&self.row, weight);
    }

    /// The sum of squares with errors of 0 before the first value that has a past as long as the
    /// autoregression.
    pub(super) fn conditional(&mut self, terms: &Terms) -> Option<Evaluated> {
        self.start(terms);
        let sparse = |coefficients: &[f64]| -> Vec<(usize, f64)> {
            let lags = coefficients
                .iter()
                .enumerate()
                .map(|(lag, &value)| (lag + 1, value));
            lags.filter(|(_, value)| *value != 0.0).collect()
        };
        let (phi, theta) = (sparse(&self.phi), sparse(&self.theta));
        let n = self.columns[0].len();
        let errors: Vec<Vec<f64>> = self
            .columns
            .iter()
            .map(|column| {
                let mut errors = vec![0.0; n];
                for t in self.ar_lags..n {
                    let past: f64 = phi.iter().map(|(lag, value)| value * column[t - lag]).sum();
                    let shocks = theta.iter().filter(|(lag, _)| *lag <= t);
                    let shocks: f64 = shocks.map(|(lag, value)| value * errors[t - lag]).sum();
                    errors[t] = column[t] - past - shocks;
                }
                errors
            })
            .collect();
        for t in self.ar_lags..n {
            for (cell, column) in self.row.iter_mut().zip(&errors) {
                *cell = column[t];
            }
            self.products.add(&self.row, 1.0);
        }
        let solved = self.products.solve().ok()?;
        let n = n.checked_sub(self.ar_lags).filter(|&n| n > 0)?;
        solved.squares.is_finite().then_some(Evaluated {
            solved,
            logarithms: 0.0,
            n: n as f64,
        })
    }
}
