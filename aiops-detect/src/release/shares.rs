//! Comparison of two shares: hits among trials.
//!
//! Score interval of a difference: Miettinen and Nurminen, *Comparative Analysis of Two Rates*,
//! Statistics in Medicine, 1985. Best of its kind in Newcombe, *Interval Estimation for the Difference
//! between Independent Proportions*, 1998, also where there is no hit. Shares that scatter more from
//! interval to interval than binomial ones count as fewer trials (Williams, *Extra-binomial Variation
//! in Logistic Linear Models*, 1982).

use aiops_core::numerics::normal;

use super::Ratio;
use super::dispersion;
use super::test::Test;

/// Hits and trials, effective ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trials {
    pub(super) hits: f64,
    pub(super) trials: f64,
}

impl Trials {
    pub(super) fn share(self) -> f64 {
        self.hits / self.trials
    }

    /// As many as `total` independent trials would say.
    pub(super) fn of(intervals: &[Ratio]) -> Self {
        let hits: f64 = intervals.iter().map(|one| one.hits).sum();
        let trials: f64 = intervals.iter().map(|one| one.trials).sum();
        let share = hits / trials;
        let residuals: Vec<f64> = intervals
            .iter()
            .map(|one| (one, (one.trials * share * (1.0 - share)).sqrt()))
            .filter(|(_, deviation)| *deviation > 0.0)
            .map(|(one, deviation)| (one.hits - one.trials * share) / deviation)
            .collect();
        let inflation = dispersion::inflation(&residuals);
        Self {
            hits: hits / inflation,
            trials: trials / inflation,
        }
    }
}

/// The difference of two shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareDifference {
    pub(super) baseline: Trials,
    pub(super) candidate: Trials,
    /// The baseline's share, where bounds are meant as a multiple of it.
    pub(super) relative_to: Option<f64>,
}

impl ShareDifference {
    /// Standard score against a bound, which is a difference.
    fn against(&self, bound: f64) -> f64 {
        match self.relative_to.filter(|&share| share > 0.0) {
            Some(share) => self.ratio_score(1.0 + bound / share),
            None => self.score(bound),
        }
    }

    /// Standard score against a ratio of the shares (the same paper, section 3): that the baseline's share
    /// is not known exactly counts in the bound, too.
    fn ratio_score(&self, ratio: f64) -> f64 {
        let (a, b) = (self.candidate, self.baseline);
        let count = a.trials + b.trials;
        let linear = a.trials * ratio + a.hits + b.trials + b.hits * ratio;
        let root = linear * linear - 4.0 * count * ratio * (a.hits + b.hits);
        let base = (linear - root.max(0.0).sqrt()) / (2.0 * count * ratio);
        let base = if base.is_finite() {
            base.clamp(0.0, 1.0)
        } else {
            b.share()
        };
        let other = (ratio * base).clamp(0.0, 1.0);
        let variance =
            other * (1.0 - other) / a.trials + ratio * ratio * base * (1.0 - base) / b.trials;
        let distance = a.share() - ratio * b.share();
        standard(distance, variance * count / (count - 1.0).max(1.0))
    }

    /// Standard score against a difference of `bound`; falls with it.
    fn score(&self, bound: f64) -> f64 {
        let (a, b) = (self.candidate, self.baseline);
        let distance = a.share() - b.share() - bound;
        let base = self.base_share(bound);
        let other = (base + bound).clamp(0.0, 1.0);
        let count = a.trials + b.trials;
        let variance = (other * (1.0 - other) / a.trials + base * (1.0 - base) / b.trials)
            * (count / (count - 1.0).max(1.0));
        standard(distance, variance)
    }

    /// The most likely share of the baseline, should the shares differ by `bound`: the root of a
    /// cubic (equations of the appendix of Miettinen and Nurminen).
    fn base_share(&self, bound: f64) -> f64 {
        let (a, b) = (self.candidate, self.baseline);
        let third = a.trials + b.trials;
        let second = (a.trials + 2.0 * b.trials) * bound - third - a.hits - b.hits;
        let first = (b.trials * bound - third - 2.0 * b.hits) * bound + a.hits + b.hits;
        let zeroth = b.hits * bound * (1.0 - bound);
        let step = second / (3.0 * third);
        let v = step.powi(3) - second * first / (6.0 * third * third) + zeroth / (2.0 * third);
        let u = (step * step - first / (3.0 * third)).max(0.0).sqrt();
        let u = if v < 0.0 { -u } else { u };
        let cosine = if u == 0.0 {
            0.0
        } else {
            (v / u.powi(3)).clamp(-1.0, 1.0)
        };
        let angle = (std::f64::consts::PI + cosine.acos()) / 3.0;
        let (least, most) = ((-bound).max(0.0), (1.0 - bound).min(1.0));
        (2.0 * u * angle.cos() - step).clamp(least, most)
    }

    /// The difference at which the score is `wanted`.
    fn solve(&self, wanted: f64) -> f64 {
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.score(middle) > wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }
}

/// `distance` in standard deviations; 0 of none.
fn standard(distance: f64, variance: f64) -> f64 {
    if distance.abs() < 1e-15 {
        0.0
    } else {
        distance / variance.max(0.0).sqrt()
    }
}

impl Test for ShareDifference {
    fn estimate(&self) -> f64 {
        self.candidate.share() - self.baseline.share()
    }

    fn p_above(&self, bound: f64) -> f64 {
        normal::tail(self.against(bound))
    }

    fn p_below(&self, bound: f64) -> f64 {
        normal::tail(-self.against(bound))
    }

    fn interval(&self, alpha: f64) -> (f64, f64) {
        let z = normal::tail_quantile(0.5 * alpha);
        (self.solve(z), self.solve(-z))
    }

    fn deviation(&self, bound: f64) -> f64 {
        let ratio = self.relative_to.map_or(1.0, |share| 1.0 + bound / share);
        let (a, b) = (self.candidate, self.baseline);
        // Half a hit added, so that none is not certainty.
        let share = (a.hits + b.hits + 0.5) / (a.trials + b.trials + 1.0);
        (share * (1.0 - share) * (1.0 / a.trials + ratio * ratio / b.trials)).sqrt()
    }
}
