//! The Kalman filter over the series itself, with gaps.
//!
//! Harvey and Pierse, *Estimating missing observations in economic time series*, JASA 1984; Gardner,
//! Harvey and Phillips, *Algorithm AS 154*, Applied Statistics 1980.
//!
//! The state is that of the ARMA process of the differenced series, then the values that undoing the
//! differences needs, the newest first.

use super::order::Order;
use super::polynomial::Terms;
use super::stationary::Stationary;

/// Variance, in units of the errors', of a value that nothing is known about.
const DIFFUSE: f64 = 1e7;
/// Expectations with a larger variance are not counted in a likelihood: they learn the level.
pub(super) const COUNTS: f64 = 1e4;
/// Largest deviation from the steady covariance that is taken for none.
const STEADY: f64 = 1e-10;

/// The matrices of the model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Space {
    pub(super) phi: Vec<f64>,
    pub(super) theta: Vec<f64>,
    /// See [`Order::undo`].
    pub(super) undo: Vec<f64>,
}

/// Uncertainty of a state; `None` once only the next error is unknown.
pub(super) type Uncertainty = Option<Vec<f64>>;

impl Space {
    pub(super) fn new(order: Order, terms: &Terms) -> Self {
        let (ar_lags, ma_lags) = order.lags();
        let r = ar_lags.max(ma_lags + 1);
        let (mut phi, mut theta) = (vec![0.0; r], vec![0.0; r]);
        terms.expand(order.season, &mut phi, &mut theta);
        Self {
            phi,
            theta,
            undo: order.undo(),
        }
    }

    pub(super) fn dim(&self) -> usize {
        self.phi.len() + self.undo.len()
    }

    /// How far an error of 1 moves the state `index`.
    fn shock(&self, index: usize) -> f64 {
        match index {
            0 => 1.0,
            i if i < self.phi.len() => self.theta[i - 1],
            _ => 0.0,
        }
    }

    pub(super) fn expected(&self, state: &[f64]) -> f64 {
        let (process, past) = state.split_at(self.phi.len());
        process[0] + crate::optimise::dot(&self.undo, past)
    }

    /// Before the first value that is not in `past`, which holds the values that undoing the
    /// differences needs, the newest first; nothing is known about them where it is `None`.
    pub(super) fn start(&self, past: Option<&[f64]>) -> (Vec<f64>, Uncertainty) {
        let (r, dim) = (self.phi.len(), self.dim());
        let mut state = vec![0.0; dim];
        if let Some(past) = past {
            state[r..].copy_from_slice(past);
        }
        let mut stationary = Stationary::default();
        stationary.of(&self.phi, &self.theta);
        let process = stationary.covariance(&self.phi, &self.theta);
        let mut covariance = vec![0.0; dim * dim];
        for (row, own) in covariance
            .chunks_exact_mut(dim)
            .zip(process.chunks_exact(r))
        {
            row[..r].copy_from_slice(own);
        }
        if past.is_none() {
            for index in r..dim {
                covariance[index * dim + index] = DIFFUSE;
            }
        }
        (state, Some(covariance))
    }

    /// Moves a state on. `error` is the deviation from what was expected divided by its variance,
    /// and `gain` the covariance of the states with the value; without them nothing is learned.
    pub(super) fn advance(&self, state: &mut [f64], error: Option<(f64, &[f64])>) {
        if let Some((share, gain)) = error {
            for (value, gain) in state.iter_mut().zip(gain) {
                *value += gain * share;
            }
        }
        let observed = self.expected(state);
        let (process, past) = state.split_at_mut(self.phi.len());
        let lead = process[0];
        for i in 0..process.len() {
            let after = process.get(i + 1).copied().unwrap_or(0.0);
            process[i] = self.phi[i] * lead + after;
        }
        if !past.is_empty() {
            past.rotate_right(1);
            past[0] = observed;
        }
    }

    /// As [`advance`](Self::advance) where only the error is unknown; `NaN` for a missing value must
    /// not come here.
    fn advance_steady(&self, state: &mut [f64], value: f64) {
        let error = value - self.expected(state);
        let (process, past) = state.split_at_mut(self.phi.len());
        let lead = process[0] + error;
        let r = process.len();
        for i in 0..r {
            let after = if i + 1 < r { process[i + 1] } else { 0.0 };
            process[i] = after + self.phi[i] * lead + self.theta[i] * error;
        }
        if !past.is_empty() {
            past.copy_within(..past.len() - 1, 1);
            past[0] = value;
        }
    }

    /// Takes in a value, `NaN` for a missing one.
    pub(super) fn take(&self, state: &mut [f64], uncertainty: &mut Uncertainty, value: f64) {
        if uncertainty.is_none() {
            if !value.is_nan() {
                self.advance_steady(state, value);
                return;
            }
            *uncertainty = Some(self.steady());
        }
        let Some(covariance) = uncertainty else {
            return;
        };
        let (variance, gain) = self.gain(covariance);
        let known = !value.is_nan();
        let error = known.then(|| ((value - self.expected(state)) / variance, &gain[..]));
        self.advance(state, error);
        self.advance_covariance(covariance, known.then_some((variance, &gain[..])));
        if known && (variance - 1.0).abs() < STEADY && self.is_steady(covariance) {
            *uncertainty = None;
        }
    }

    /// Variance of the next value and its covariance with the states.
    pub(super) fn gain(&self, covariance: &[f64]) -> (f64, Vec<f64>) {
        let (r, dim) = (self.phi.len(), self.dim());
        let gain: Vec<f64> = covariance
            .chunks_exact(dim)
            .map(|row| row[0] + crate::optimise::dot(&self.undo, &row[r..]))
            .collect();
        (self.expected(&gain), gain)
    }

    /// Moves the covariance on by one step; learns from a value where its variance and covariances
    /// are given.
    pub(super) fn advance_covariance(&self, covariance: &mut [f64], learn: Option<(f64, &[f64])>) {
        let (r, dim) = (self.phi.len(), self.dim());
        if let Some((variance, gain)) = learn {
            for (row, left) in covariance.chunks_exact_mut(dim).zip(gain) {
                let left = left / variance;
                for (cell, right) in row.iter_mut().zip(gain) {
                    *cell -= left * right;
                }
            }
        }
        // Rows of the transition: the process shifts, the observed value becomes the newest of the
        // past.
        let mut moved = vec![0.0; dim * dim];
        let (_, observed) = self.gain(covariance);
        let (process, past) = moved.split_at_mut(r * dim);
        for (i, out) in process.chunks_exact_mut(dim).enumerate() {
            let phi = self.phi[i];
            for (cell, lead) in out.iter_mut().zip(&covariance[..dim]) {
                *cell = phi * lead;
            }
            if i + 1 < r {
                let after = &covariance[(i + 1) * dim..(i + 2) * dim];
                for (cell, after) in out.iter_mut().zip(after) {
                    *cell += after;
                }
            }
        }
        if r < dim {
            past[..dim].copy_from_slice(&observed);
            past[dim..].copy_from_slice(&covariance[r * dim..(dim - 1) * dim]);
        }
        for (i, (out, row)) in covariance
            .chunks_exact_mut(dim)
            .zip(moved.chunks_exact(dim))
            .enumerate()
        {
            let lead = row[0];
            for j in 0..r {
                let after = if j + 1 < r { row[j + 1] } else { 0.0 };
                out[j] = self.phi[j] * lead + after;
            }
            if r < dim {
                out[r] = self.expected(row);
                out[r + 1..].copy_from_slice(&row[r..dim - 1]);
            }
            let shock = self.shock(i);
            if shock != 0.0 {
                for (j, cell) in out[..r].iter_mut().enumerate() {
                    *cell += shock * self.shock(j);
                }
            }
        }
    }

    /// The covariance when only the next error is unknown.
    pub(super) fn steady(&self) -> Vec<f64> {
        let dim = self.dim();
        let mut covariance = vec![0.0; dim * dim];
        for i in 0..self.phi.len() {
            for j in 0..self.phi.len() {
                covariance[i * dim + j] = self.shock(i) * self.shock(j);
            }
        }
        covariance
    }

    fn is_steady(&self, covariance: &[f64]) -> bool {
        let dim = self.dim();
        covariance.chunks_exact(dim).enumerate().all(|(i, row)| {
            let shock = self.shock(i);
            row.iter()
                .enumerate()
                .all(|(j, cell)| (cell - shock * self.shock(j)).abs() < STEADY)
        })
    }

    /// Variances of the next values, in units of the errors'.
    pub(super) fn variances(&self, uncertainty: &Uncertainty, horizon: usize) -> Vec<f64> {
        let Some(covariance) = uncertainty else {
            return self.steady_variances(horizon);
        };
        let mut covariance = covariance.clone();
        (0..horizon)
            .map(|_| {
                let (variance, _) = self.gain(&covariance);
                self.advance_covariance(&mut covariance, None);
                variance
            })
            .collect()
    }

    /// Sums of the squared weights of past errors.
    fn steady_variances(&self, horizon: usize) -> Vec<f64> {
        let mut state: Vec<f64> = (0..self.dim()).map(|index| self.shock(index)).collect();
        let mut sum = 0.0;
        (0..horizon)
            .map(|_| {
                let weight = self.expected(&state);
                sum += weight * weight;
                self.advance(&mut state, None);
                sum
            })
            .collect()
    }
}
