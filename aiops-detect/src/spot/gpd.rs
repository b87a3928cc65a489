//! The distribution of what exceeds a high threshold.

use aiops_core::{DataError, FitError};

/// Points at which the likelihood equation is looked at on either side of 0.
const GRID: usize = 24;
/// Nearest to 0 that a root is looked for: below it the exponential distribution is the same.
const NEAREST: f64 = 1e-5;
/// Farthest root on the positive side, for excesses with mean 1: shapes of about 15.
const FARTHEST: f64 = 1e6;

/// A generalised Pareto distribution: that of the excesses over a high threshold, whatever the
/// distribution of the values (Pickands 1975; Balkema and de Haan 1974).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralizedPareto {
    /// Heaviness of the tail: 0 is exponential, above it a power law, below it the tail ends.
    pub shape: f64,
    /// Scale, in the unit of the excesses; greater than 0.
    pub scale: f64,
}

impl GeneralizedPareto {
    /// The most likely distribution of `excesses`, which are greater than 0.
    ///
    /// Both parameters come from the roots of one equation in `x = shape / scale` (Grimshaw,
    /// *Computing Maximum Likelihood Estimates for the Generalized Pareto Distribution*,
    /// Technometrics 35, 1993), found by bisection to the last bit, for excesses divided by their
    /// mean; the root, or the exponential distribution, with the largest likelihood is taken.
    /// Costs some 150 passes over the excesses.
    ///
    /// ```
    /// use aiops_detect::spot::GeneralizedPareto;
    ///
    /// // Quantiles of the distribution with shape 0.2 and scale 3.
    /// let excesses: Vec<f64> = (0..2_000)
    ///     .map(|k| 3.0 / 0.2 * ((1.0 - (f64::from(k) + 0.5) / 2_000.0_f64).powf(-0.2) - 1.0))
    ///     .collect();
    /// let fitted = GeneralizedPareto::fit(&excesses)?;
    /// assert!((fitted.shape - 0.2).abs() < 0.01 && (fitted.scale - 3.0).abs() < 0.02);
    /// # Ok::<(), aiops_core::FitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when there is no excess, or one is infinite; those that are `NaN` or
    /// not greater than 0 do not count.
    pub fn fit(excesses: &[f64]) -> Result<Self, FitError> {
        if let Some(index) = excesses.iter().position(|excess| excess.is_infinite()) {
            let value = excesses[index];
            return Err(DataError::Infinite { index, value }.into());
        }
        let positive = excesses.iter().copied().filter(|&excess| excess > 0.0);
        let mut scaled: Vec<f64> = positive.collect();
        if scaled.is_empty() {
            return Err(DataError::TooShort {
                needed: 1,
                found: 0,
            }
            .into());
        }
        let unit = mean(&scaled).min(f64::MAX);
        for excess in &mut scaled {
            *excess /= unit;
        }
        let Self { shape, scale } = most_likely(&scaled);
        Ok(Self {
            shape,
            scale: (scale * unit).clamp(f64::MIN_POSITIVE, f64::MAX),
        })
    }

    /// Probability of an excess greater than this one; 1 below 0.
    pub fn survival(&self, excess: f64) -> f64 {
        let ratio = (excess / self.scale).max(0.0);
        if self.shape.abs() < 1e-12 {
            return (-ratio).exp();
        }
        let base = 1.0 + self.shape * ratio;
        if base <= 0.0 {
            0.0 // behind the end of the tail
        } else {
            base.powf(-1.0 / self.shape)
        }
    }

    /// The excess that is exceeded with this probability, in `(0, 1]`.
    pub fn exceeded_with(&self, probability: f64) -> f64 {
        let excess = if self.shape.abs() < 1e-12 {
            -self.scale * probability.ln()
        } else {
            self.scale / self.shape * (probability.powf(-self.shape) - 1.0)
        };
        excess.clamp(0.0, f64::MAX)
    }

    /// Logarithm of the likelihood of `excesses`; minus infinity when one is impossible.
    pub fn log_likelihood(&self, excesses: &[f64]) -> f64 {
        let count = excesses.len() as f64;
        if self.shape.abs() < 1e-12 {
            return -count * self.scale.ln() - excesses.iter().sum::<f64>() / self.scale;
        }
        let logs: f64 = excesses
            .iter()
            .map(|excess| (self.shape * excess / self.scale).ln_1p())
            .sum();
        if logs.is_nan() {
            f64::NEG_INFINITY
        } else {
            -count * self.scale.ln() - (1.0 + 1.0 / self.shape) * logs
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    aiops_core::numerics::mean(values)
}

/// For excesses whose mean is 1.
fn most_likely(excesses: &[f64]) -> GeneralizedPareto {
    let exponential = GeneralizedPareto {
        shape: 0.0,
        scale: 1.0,
    };
    roots(excesses)
        .into_iter()
        .map(|x| {
            let shape = mean_log(excesses, x);
            let scale = shape / x;
            GeneralizedPareto { shape, scale }
        })
        .filter(|candidate| candidate.scale > 0.0 && candidate.scale.is_finite())
        .map(|candidate| (candidate.log_likelihood(excesses), candidate))
        .fold(
            (exponential.log_likelihood(excesses), exponential),
            |best, next| if next.0 > best.0 { next } else { best },
        )
        .1
}

fn mean_log(excesses: &[f64], x: f64) -> f64 {
    excesses.iter().map(|y| (x * y).ln_1p()).sum::<f64>() / excesses.len() as f64
}

/// `u(x) v(x) - 1` of the paper: 0 at the extremes of the likelihood along `x`.
fn slope(excesses: &[f64], x: f64) -> f64 {
    let count = excesses.len() as f64;
    let u = excesses.iter().map(|y| 1.0 / (1.0 + x * y)).sum::<f64>() / count;
    u * (1.0 + mean_log(excesses, x)) - 1.0
}

fn roots(excesses: &[f64]) -> Vec<f64> {
    let largest = excesses.iter().copied().fold(0.0, f64::max);
    let smallest = excesses.iter().copied().fold(f64::INFINITY, f64::min);
    let limit = 2.0 * (1.0 - smallest) / (smallest * smallest);
    let last = (GRID - 1) as f64;
    let spread = |from: f64, to: f64, k: usize| from * (to / from).powf(k as f64 / last);
    let positive = (0..GRID).map(|k| spread(NEAREST, limit.clamp(2.0 * NEAREST, FARTHEST), k));
    // From just inside the end of the range, where the largest excess becomes impossible.
    let negative =
        (0..GRID).map(|k| -(1.0 / largest - spread(1e-9 / largest, 1.0 / largest - NEAREST, k)));
    let mut found = Vec::new();
    for points in [negative.collect::<Vec<f64>>(), positive.collect()] {
        let slopes: Vec<f64> = points.iter().map(|&x| slope(excesses, x)).collect();
        for k in 1..GRID {
            if slopes[k - 1] * slopes[k] < 0.0 {
                found.push(bisect(excesses, points[k - 1], points[k], slopes[k - 1]));
            }
        }
    }
    found
}

fn bisect(excesses: &[f64], mut from: f64, mut to: f64, at_from: f64) -> f64 {
    loop {
        let middle = f64::midpoint(from, to);
        if middle == from || middle == to {
            return middle;
        }
        if (slope(excesses, middle) < 0.0) == (at_from < 0.0) {
            from = middle;
        } else {
            to = middle;
        }
    }
}
