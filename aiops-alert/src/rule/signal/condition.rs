//! What a signal rule asks, and of what.

use std::time::Duration;

use aiops_core::{ParamError, Selector, Timestamp};

use super::burn::BurnWindow;
#[cfg(feature = "serde")]
use crate::text::selector;

/// Most leaves of a condition, and how deep they may lie.
const MAX_LEAVES: usize = 100;
const MAX_DEPTH: usize = 16;

/// Longest window of time.
const MAX_WINDOW: Duration = Duration::from_hours(30 * 24);

/// Something that may hold for series, and combinations of it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum SignalCondition {
    /// The value is above `limit`; once it is, until it is at or below `resolve`.
    Above {
        /// Which series.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// In the unit of the series; finite.
        limit: f64,
        /// At most `limit`.
        resolve: Option<f64>,
    },
    /// The value is below `limit`; once it is, until it is at or above `resolve`.
    Below {
        /// Which series.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// In the unit of the series; finite.
        limit: f64,
        /// At least `limit`.
        resolve: Option<f64>,
    },
    /// Verdicts call it anomalous with at least this score.
    Anomalous {
        /// Which series.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// On the scale of the detector; finite.
        min_score: f64,
    },
    /// It rises faster than `above` or falls faster than `below`: the slope of the least squares line
    /// over the window, of which samples have to cover at least half. For gauges.
    Changes {
        /// Which series.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// Window; at most 30 days.
        over: Duration,
        /// In units of the series a second; finite. At least one of both.
        above: Option<f64>,
        /// Likewise; negative for a fall.
        below: Option<f64>,
    },
    /// A forecast says that a limit is reached within this time with at least this probability.
    Crosses {
        /// Which series.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// From now on.
        within: Duration,
        /// In `(0, 1]`.
        min_probability: f64,
        /// A forecast that is older says nothing.
        max_age: Duration,
    },
    /// The error budget is used up too fast.
    BurnsBudget {
        /// Which services, by the labels of their events.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// Share of good events that was promised, in `(0, 1)`.
        objective: f64,
        /// The long window must have as many; a few events say nothing about a rate.
        min_events: u64,
        /// Pairs of windows; [`BurnWindow::standard`].
        windows: Vec<BurnWindow>,
    },
    /// A series that was there has said nothing for this long.
    Silent {
        /// Which series.
        #[cfg_attr(feature = "serde", serde(rename = "match", with = "selector"))]
        selector: Selector,
        /// At most 30 days; a series that is silent for longer is forgotten.
        after: Duration,
    },
    /// What holds in the first and, for equal labels, in all others. Prometheus's `and`.
    All {
        /// At least one.
        of: Vec<SignalCondition>,
        /// Labels that have to be equal; all when there are none. Missing is the same as empty.
        #[cfg_attr(feature = "serde", serde(default))]
        on: Vec<String>,
    },
    /// What holds in the first, and what holds in the others for labels that are not there yet.
    /// Prometheus's `or`.
    Any {
        /// At least one.
        of: Vec<SignalCondition>,
        /// As above.
        #[cfg_attr(feature = "serde", serde(default))]
        on: Vec<String>,
    },
    /// What holds in the first, unless the second holds for equal labels. Prometheus's `unless`.
    Unless {
        /// What holds.
        first: Box<SignalCondition>,
        /// What must not.
        not: Box<SignalCondition>,
        /// As above.
        #[cfg_attr(feature = "serde", serde(default))]
        on: Vec<String>,
    },
}

impl SignalCondition {
    pub(super) fn check(&self) -> Result<(), ParamError> {
        let mut leaves = 0;
        self.check_below(&mut leaves, 0)
    }

    fn check_below(&self, leaves: &mut usize, depth: usize) -> Result<(), ParamError> {
        if depth > MAX_DEPTH {
            return Err(ParamError::new(
                "condition",
                "at most 16 levels deep",
                depth,
            ));
        }
        let finite = |name, value: Option<f64>| match value {
            Some(value) if !value.is_finite() => Err(ParamError::new(name, "finite", value)),
            _ => Ok(()),
        };
        match self {
            Self::Above { limit, resolve, .. } => {
                super::super::check_limit(*limit)?;
                super::super::check_resolve(*resolve, "at most the limit", |one| one <= *limit)?;
            }
            Self::Below { limit, resolve, .. } => {
                super::super::check_limit(*limit)?;
                super::super::check_resolve(*resolve, "at least the limit", |one| one >= *limit)?;
            }
            Self::Anomalous { min_score, .. } => finite("min_score", Some(*min_score))?,
            Self::Changes {
                over, above, below, ..
            } => {
                window("over", *over)?;
                finite("above", *above)?;
                finite("below", *below)?;
                if above.is_none() && below.is_none() {
                    return Err(ParamError::new("above, below", "at least one", "none"));
                }
            }
            Self::Crosses {
                min_probability,
                max_age,
                ..
            } => {
                window("max_age", *max_age)?;
                if !(*min_probability > 0.0 && *min_probability <= 1.0) {
                    let expected = "greater than 0, at most 1";
                    return Err(ParamError::new(
                        "min_probability",
                        expected,
                        min_probability,
                    ));
                }
            }
            Self::BurnsBudget {
                objective, windows, ..
            } => check_burn(*objective, windows)?,
            Self::Silent { after, .. } => window("after", *after)?,
            Self::All { of, .. } | Self::Any { of, .. } => {
                if of.is_empty() {
                    return Err(ParamError::new("of", "at least one", "none"));
                }
                return of
                    .iter()
                    .try_for_each(|one| one.check_below(leaves, depth + 1));
            }
            Self::Unless { first, not, .. } => {
                first.check_below(leaves, depth + 1)?;
                return not.check_below(leaves, depth + 1);
            }
        }
        *leaves += 1;
        if *leaves > MAX_LEAVES {
            return Err(ParamError::new("condition", "at most 100 leaves", *leaves));
        }
        Ok(())
    }

    /// The parts that are no combinations, in order.
    pub(super) fn leaves(&self) -> Vec<&SignalCondition> {
        match self {
            Self::All { of, .. } | Self::Any { of, .. } => {
                of.iter().flat_map(Self::leaves).collect()
            }
            Self::Unless { first, not, .. } => [first.leaves(), not.leaves()].concat(),
            leaf => vec![leaf],
        }
    }

    /// Which series a leaf looks at.
    pub(super) fn selector(&self) -> Option<&Selector> {
        match self {
            Self::Above { selector, .. }
            | Self::Below { selector, .. }
            | Self::Anomalous { selector, .. }
            | Self::Changes { selector, .. }
            | Self::Crosses { selector, .. }
            | Self::BurnsBudget { selector, .. }
            | Self::Silent { selector, .. } => Some(selector),
            Self::All { .. } | Self::Any { .. } | Self::Unless { .. } => None,
        }
    }
}

fn window(name: &'static str, span: Duration) -> Result<(), ParamError> {
    if span.is_zero() || span > MAX_WINDOW {
        Err(ParamError::new(
            name,
            "longer than 0, at most 30 days",
            format!("{span:?}"),
        ))
    } else {
        Ok(())
    }
}

fn check_burn(objective: f64, windows: &[BurnWindow]) -> Result<(), ParamError> {
    if !(objective > 0.0 && objective < 1.0) {
        return Err(ParamError::new("objective", "between 0 and 1", objective));
    }
    if windows.is_empty() {
        return Err(ParamError::new("windows", "at least one", "none"));
    }
    for one in windows {
        window("long", one.long)?;
        if one.short < Duration::from_mins(1) || one.short > one.long {
            let got = format!("{:?}", one.short);
            return Err(ParamError::new("short", "from a minute to `long`", got));
        }
        if !(one.factor > 0.0 && one.factor.is_finite()) {
            return Err(ParamError::new(
                "factor",
                "greater than 0, finite",
                one.factor,
            ));
        }
    }
    Ok(())
}

/// When a series reaches a limit, as a forecast sees it: probabilities that it has by then.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Crossing {
    made_at: Timestamp,
    reached: Vec<(Duration, f64)>,
}

impl Crossing {
    /// `reached` has times after `made_at` with the probability that the limit is reached by then.
    ///
    /// # Errors
    ///
    /// [`ParamError`] unless times rise, and probabilities lie in `[0, 1]` and do not fall.
    pub fn new(made_at: Timestamp, reached: Vec<(Duration, f64)>) -> Result<Self, ParamError> {
        let (mut last, mut least) = (None, 0.0);
        for (time, share) in &reached {
            if last.is_some_and(|last| last >= *time) {
                return Err(ParamError::new(
                    "reached",
                    "times that rise",
                    format!("{time:?}"),
                ));
            }
            if !(*share >= least && *share <= 1.0) {
                let expected = "probabilities in [0, 1] that do not fall";
                return Err(ParamError::new("reached", expected, share));
            }
            (last, least) = (Some(*time), *share);
        }
        Ok(Self { made_at, reached })
    }

    /// When it was made.
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// The probability that the limit is reached by `at`: between two times on a line, after the last
    /// one as there.
    pub fn probability_by(&self, at: Timestamp) -> f64 {
        let ahead = at.since(self.made_at);
        let next = self.reached.partition_point(|(time, _)| *time < ahead);
        let before = next.checked_sub(1).map(|place| self.reached[place]);
        let (from, low) = before.unwrap_or((Duration::ZERO, 0.0));
        match self.reached.get(next) {
            None => low,
            Some((to, high)) if *to == from => *high,
            Some((to, high)) => {
                let (ahead, from, to) = (ahead.as_secs_f64(), from.as_secs_f64(), to.as_secs_f64());
                let share = (ahead - from) / (to - from);
                low + (high - low) * share
            }
        }
    }
}
