//! What every comparison can be asked, and what is concluded from it.

use aiops_core::numerics::normal;

use super::answer::{Answer, Aspect, Effect, Finding};
use super::{Policy, ReleaseConfig};
use crate::monitor::Direction;

/// A comparison of two sides: an effect, and evidence about it.
pub(super) trait Test {
    /// The effect, most likely.
    fn estimate(&self) -> f64;
    /// p-value against "the effect is at most `bound`".
    fn p_above(&self, bound: f64) -> f64;
    /// p-value against "the effect is at least `bound`".
    fn p_below(&self, bound: f64) -> f64;
    /// Interval that holds the effect with probability `1 - alpha`.
    fn interval(&self, alpha: f64) -> (f64, f64);
    /// Standard deviation of the distance between effect and `bound`, on the scale of
    /// [`scale`](Self::scale); infinite or `NaN` where it is not known.
    fn deviation(&self, bound: f64) -> f64;
    /// Scale on which the estimate is about normal.
    fn scale(&self, effect: f64) -> f64 {
        effect
    }
}

/// Effects that do not matter: from `lower` to `upper`, with `none` for no effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin {
    pub(super) lower: f64,
    pub(super) none: f64,
    pub(super) upper: f64,
}

impl Margin {
    /// Around a difference of 0.
    pub(super) fn around_zero(reach: f64) -> Self {
        Self {
            lower: -reach,
            none: 0.0,
            upper: reach,
        }
    }

    /// Around a ratio of 1; as far down as up.
    pub(super) fn around_one(reach: f64) -> Self {
        Self {
            lower: 1.0 / (1.0 + reach),
            none: 1.0,
            upper: 1.0 + reach,
        }
    }
}

/// What one comparison says before the p-values are corrected for their number.
pub(super) fn conclude(
    aspect: Aspect,
    test: &dyn Test,
    margin: Margin,
    policy: &Policy,
    config: &ReleaseConfig,
) -> (Finding, Option<f64>) {
    let alpha = config.alpha;
    let (high, low) = (test.p_above(margin.upper), test.p_below(margin.lower));
    let (beyond, within) = match policy.direction {
        Direction::Up => (high, test.p_below(margin.upper)),
        Direction::Down => (low, test.p_above(margin.lower)),
        Direction::Both => (
            (2.0 * high.min(low)).min(1.0),
            test.p_below(margin.upper).max(test.p_above(margin.lower)),
        ),
    };
    let (lower, upper) = test.interval(alpha);
    let finding = Finding {
        aspect,
        effect: Effect {
            estimate: test.estimate(),
            lower,
            upper,
        },
        margin: (margin.lower, margin.upper),
        p: beyond,
        adjusted_p: beyond,
        p_within: within,
        answer: if within <= alpha {
            Answer::Pass
        } else {
            Answer::Inconclusive
        },
    };
    (finding, growth(test, margin, policy.direction, config))
}

/// How many times as much data a pass takes with probability `power`, should nothing have changed.
fn growth(
    test: &dyn Test,
    margin: Margin,
    direction: Direction,
    config: &ReleaseConfig,
) -> Option<f64> {
    let both = direction == Direction::Both;
    let miss = (1.0 - config.power) * if both { 0.5 } else { 1.0 };
    let sigmas = normal::tail_quantile(config.alpha) + normal::quantile(1.0 - miss);
    let growth = |bound: f64| {
        let room = test.scale(bound) - test.scale(margin.none);
        (sigmas * test.deviation(bound) / room).powi(2)
    };
    let growth = match direction {
        Direction::Up => growth(margin.upper),
        Direction::Down => growth(margin.lower),
        Direction::Both => growth(margin.upper).max(growth(margin.lower)),
    };
    growth.is_finite().then_some(growth)
}
