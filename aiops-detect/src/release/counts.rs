//! Comparison of counts of events: a ratio of two rates.
//!
//! Given their sum, two Poisson counts are binomial, so that the exact interval of a binomial share
//! (Clopper and Pearson, *The Use of Confidence or Fiducial Limits Illustrated in the Case of the
//! Binomial*, 1934) is one of the ratio of rates (Przyborowski and Wilenski, 1940). Counts that
//! scatter more than Poisson's are divided by their dispersion, which is negative binomial:
//! variance `mu + alpha mu^2`, `alpha` by moments from both sides.

use aiops_core::numerics::beta;

use super::Count;
use super::dispersion;
use super::test::Test;

/// The ratio of two rates.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateRatio {
    /// Effective numbers of events.
    baseline: f64,
    candidate: f64,
    /// Effective exposure of the candidate divided by the baseline's.
    exposure: f64,
}

/// Events and exposure of all intervals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) events: f64,
    pub(super) exposure: f64,
}

impl Total {
    pub(super) fn of(counts: &[Count]) -> Self {
        let mut total = Self::default();
        for count in counts {
            total.events += count.events;
            total.exposure += count.exposure;
        }
        total
    }

    pub(super) fn rate(self) -> f64 {
        self.events / self.exposure
    }
}

impl RateRatio {
    /// Both sides have exposure.
    pub(super) fn new(baseline: &[Count], candidate: &[Count]) -> Self {
        let (own, other) = (Total::of(baseline), Total::of(candidate));
        let alpha = excess(&[(baseline, own.rate()), (candidate, other.rate())]);
        let (own_scale, other_scale) = (
            scale(baseline, own.rate(), alpha),
            scale(candidate, other.rate(), alpha),
        );
        Self {
            baseline: own.events / own_scale,
            candidate: other.events / other_scale,
            exposure: (other.exposure / other_scale) / (own.exposure / own_scale),
        }
    }

    /// Share of the candidate's events among all at a ratio of rates.
    fn share(&self, ratio: f64) -> f64 {
        ratio * self.exposure / (1.0 + ratio * self.exposure)
    }

    fn ratio(&self, share: f64) -> f64 {
        share / (1.0 - share) / self.exposure
    }
}

/// `alpha` of the negative binomial by moments over all intervals; 0 for less scatter than Poisson's.
fn excess(sides: &[(&[Count], f64)]) -> f64 {
    let (mut scatter, mut squares) = (0.0, 0.0);
    for &(counts, rate) in sides {
        // One rate was fitted to each side.
        let correction = counts.len() as f64 / (counts.len() as f64 - 1.0).max(1.0);
        for count in counts {
            let mean = rate * count.exposure;
            scatter += (count.events - mean).powi(2) * correction - mean;
            squares += mean * mean;
        }
    }
    if squares > 0.0 {
        (scatter / squares).max(0.0)
    } else {
        0.0
    }
}

/// By what the variance of a side's total is larger than its mean.
fn scale(counts: &[Count], rate: f64, alpha: f64) -> f64 {
    let means = || counts.iter().map(|count| rate * count.exposure);
    let total: f64 = means().sum();
    if total <= 0.0 {
        return 1.0;
    }
    let negative_binomial = means().map(|mean| mean * (1.0 + alpha * mean)).sum::<f64>() / total;
    let residuals: Vec<f64> = counts
        .iter()
        .zip(means())
        .filter(|(_, mean)| *mean > 0.0)
        .map(|(count, mean)| (count.events - mean) / mean.sqrt())
        .collect();
    negative_binomial.max(dispersion::inflation(&residuals))
}

impl Test for RateRatio {
    fn estimate(&self) -> f64 {
        self.candidate / self.baseline / self.exposure
    }

    fn p_above(&self, bound: f64) -> f64 {
        if self.candidate > 0.0 {
            beta::regularized(self.share(bound), self.candidate, self.baseline + 1.0)
        } else {
            1.0
        }
    }

    fn p_below(&self, bound: f64) -> f64 {
        if self.baseline > 0.0 {
            beta::regularized(1.0 - self.share(bound), self.baseline, self.candidate + 1.0)
        } else {
            1.0
        }
    }

    fn interval(&self, alpha: f64) -> (f64, f64) {
        let (a, b) = (self.candidate, self.baseline);
        let lower = if a > 0.0 {
            self.ratio(beta::quantile(0.5 * alpha, a, b + 1.0))
        } else {
            0.0
        };
        let upper = if b > 0.0 {
            self.ratio(1.0 - beta::quantile(0.5 * alpha, b, a + 1.0))
        } else {
            f64::INFINITY
        };
        (lower, upper)
    }

    fn deviation(&self, _bound: f64) -> f64 {
        // Of the logarithm, half an event added to each side so that none is not certainty.
        (1.0 / (self.candidate + 0.5) + 1.0 / (self.baseline + 0.5)).sqrt()
    }

    fn scale(&self, effect: f64) -> f64 {
        effect.ln()
    }
}
