//! How improbable a count is.

use aiops_core::numerics::beta;

/// Counts beyond this are brought down to it together with their mean: of such counts the
/// dispersion is all that matters, and the tail takes time in proportion to the root of the count.
const MOST: f64 = 1e6;

/// A negative binomial distribution: variance `mean + alpha * mean^2`.
///
/// Greenwood and Yule, *An Inquiry into the Nature of Frequency Distributions Representative of
/// Multiple Happenings*, Journal of the Royal Statistical Society 1920.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NegativeBinomial {
    pub(super) mean: f64,
    /// Greater than 0.
    pub(super) alpha: f64,
}

impl NegativeBinomial {
    /// Probability of `count` or more.
    pub(super) fn at_least(self, count: f64) -> f64 {
        if count <= 0.0 {
            return 1.0;
        }
        let (count, own) = self.scaled(count);
        let product = own.alpha * own.mean;
        beta::regularized(product / (1.0 + product), count, 1.0 / own.alpha)
    }

    /// Probability of `count` or fewer.
    pub(super) fn at_most(self, count: f64) -> f64 {
        let (count, own) = self.scaled(count);
        beta::regularized(
            1.0 / (1.0 + own.alpha * own.mean),
            1.0 / own.alpha,
            count + 1.0,
        )
    }

    /// Smallest and largest counts of which none is as improbable as `tail`, on either side.
    pub(super) fn band(self, tail: f64) -> (f64, f64) {
        let mut above = self.mean.ceil().max(1.0);
        while self.at_least(above) > tail && above < 1e15 {
            above *= 2.0;
        }
        let upper = last(0.0, above, |count| self.at_least(count) > tail);
        let lower = if self.at_most(0.0) > tail {
            0.0
        } else {
            last(0.0, upper, |count| self.at_most(count) <= tail) + 1.0
        };
        (lower.min(upper), upper)
    }

    fn scaled(self, count: f64) -> (f64, Self) {
        let scale = (MOST / count.max(self.mean)).min(1.0);
        let mean = self.mean * scale;
        (count * scale, Self { mean, ..self })
    }
}

/// The last whole number from `low` on for which `holds`; it holds for `low`, and not for `high`.
fn last(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (low, high);
    while high - low > 1.0 {
        let middle = (low + 0.5 * (high - low)).floor();
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Zeros of a probability, at most 308.
pub(super) fn surprise(probability: f64) -> f64 {
    (-probability.clamp(f64::MIN_POSITIVE, 1.0).log10()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_sums_of_the_probabilities() {
        let own = NegativeBinomial {
            mean: 3.0,
            alpha: 0.5,
        };
        // p(k + 1) = p(k) (r + k) / (k + 1) (1 - q), r = 2, p(0) = q^2, q = 1 / (1 + 1.5)
        let (mut p, mut below) = (0.4_f64.powi(2), 0.0);
        for count in 0..60 {
            let k = f64::from(count);
            assert!((own.at_least(k) - (1.0 - below)).abs() < 1e-13, "{count}");
            below += p;
            assert!((own.at_most(k) - below).abs() < 1e-13, "{count}");
            p *= (2.0 + k) / (k + 1.0) * 0.6;
        }
    }

    #[test]
    fn the_band_ends_where_the_tails_begin() {
        for (mean, alpha) in [(0.01, 0.1), (3.0, 0.5), (500.0, 1e-4), (1e7, 1e-4)] {
            let own = NegativeBinomial { mean, alpha };
            let (lower, upper) = own.band(1e-6);
            assert!(own.at_least(upper) > 1e-6 && own.at_most(lower) > 1e-6);
            assert!(own.at_least(upper + 1.0) <= 1.000_1e-6, "{mean}: {upper}");
            assert!(lower == 0.0 || own.at_most(lower - 1.0) <= 1e-6);
        }
    }
}
