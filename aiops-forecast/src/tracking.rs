//! What updates say about the intervals of a model, and about the model.

use aiops_core::numerics::normal;

use crate::conformal::{CENTRAL, FACTORS, Factors};

/// How far one value moves an interval, relatively: the rate at which intervals follow a series whose
/// errors change. The coverage of `n` values is off by no more than about `ln(8) / (RATE n)`.
const RATE: f64 = 0.05;
/// Errors that the recent size and bias are a mean of.
const MEMORY: f64 = 32.0;
/// Errors before anything is said about drift.
const LEAST: u64 = 24;
/// A recent root mean square so many times that of all errors before is a drift, ...
const LARGER: f64 = 1.8;
/// ... and so is a mean of recent errors so many of its own standard errors from 0.
const BIASED: f64 = 5.0;

/// What the updates of a model say about it, one step ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tracked {
    /// Values taken in that were not missing and had an interval.
    pub seen: u64,
    /// Share of them inside the central 80 % interval; `NaN` before the first.
    pub coverage80: f64,
    /// Share of them inside the central 95 % interval; `NaN` before the first.
    pub coverage95: f64,
    /// Root mean square of the last errors (about 32) relative to those of the model's first errors;
    /// `NaN` before the first.
    pub error_growth: f64,
    /// Whether the last errors are much larger than the first ones, or lie to one side: the model no
    /// longer describes the series, and a refit is wanted.
    pub refit_wanted: bool,
}

/// Adapts the factors and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tracker {
    pub(crate) seen: u64,
    pub(crate) inside80: u64,
    pub(crate) inside95: u64,
    /// Mean square of the first errors, in units of what the model expected.
    pub(crate) usual: f64,
    /// Exponentially weighted mean and mean square of the last ones.
    pub(crate) bias: f64,
    pub(crate) recent: f64,
}

impl Tracker {
    /// An error with the standard deviation that the model expected of it.
    pub(crate) fn take(&mut self, error: f64, sd: f64, factors: &mut Factors) {
        let score = error / sd;
        if !score.is_finite() {
            return; // a model that expects no error at all says nothing
        }
        self.seen += 1;
        for (factor, share) in factors.0.iter_mut().zip(CENTRAL) {
            let inside = score.abs() <= *factor * normal::quantile(0.5 + 0.5 * share);
            if share == 0.8 {
                self.inside80 += u64::from(inside);
            } else if share == 0.95 {
                self.inside95 += u64::from(inside);
            }
            // Balanced where a share of `share` is inside.
            let step = if inside { share - 1.0 } else { share };
            *factor = (*factor * (RATE * step).exp()).clamp(FACTORS.0, FACTORS.1);
        }
        factors.nest();
        let score = score.clamp(-1e6, 1e6);
        if self.seen <= LEAST {
            self.usual += (score * score - self.usual) / self.seen as f64;
        }
        let weight = 1.0 / MEMORY.min(self.seen as f64);
        self.bias += weight * (score - self.bias);
        self.recent += weight * (score * score - self.recent);
    }

    pub(crate) fn report(&self) -> Tracked {
        let seen = self.seen as f64;
        let growth = (self.recent / self.usual).sqrt();
        let spread = (self.recent - self.bias * self.bias).max(0.0).sqrt();
        let biased = self.bias.abs() > BIASED * spread / MEMORY.sqrt() && self.recent > 0.0;
        Tracked {
            seen: self.seen,
            coverage80: self.inside80 as f64 / seen,
            coverage95: self.inside95 as f64 / seen,
            error_growth: growth,
            refit_wanted: self.seen >= 2 * LEAST && (growth > LARGER || biased),
        }
    }
}
