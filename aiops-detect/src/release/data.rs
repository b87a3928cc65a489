//! What is compared, and what matters about it.

use aiops_core::{DataError, ParamError};

use crate::monitor::Direction;
use crate::spread::check_not_negative;

/// What matters about a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Policy {
    /// On which side a change is worse. Up by default.
    pub direction: Direction,
    /// Smallest change that matters as a share of the baseline's level; not negative. 0.05 by default.
    pub relative_floor: f64,
    /// The same in the unit of the metric (a rate, a share); not negative, 0 by default. The larger of the
    /// two floors is the margin.
    pub absolute_floor: f64,
    /// Samples, intervals with exposure, or trials needed on each side, at least 2. 20 by default.
    pub minimum: u64,
    /// Growth of the spread that matters: 0.5 is half as much again. Not compared when absent, as by
    /// default. Of values only.
    pub spread_floor: Option<f64>,
    /// Growth of the share of values in the tail that matters: 1 is twice as many. Not compared when
    /// absent, as by default. Of values only.
    pub tail_floor: Option<f64>,
    /// Where the tail begins: a quantile of both sides together, between 0.5 and 1. 0.95 by default.
    pub tail_from: f64,
    /// Whether the answer counts for the release; otherwise it is only reported.
    pub gates: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            direction: Direction::Up,
            relative_floor: 0.05,
            absolute_floor: 0.0,
            minimum: 20,
            spread_floor: None,
            tail_floor: None,
            tail_from: 0.95,
            gates: true,
        }
    }
}

impl Policy {
    /// Fails when a field is out of its range.
    ///
    /// # Errors
    ///
    /// [`ParamError`] naming the field.
    pub fn check(&self) -> Result<(), ParamError> {
        check_not_negative("relative_floor", self.relative_floor)?;
        check_not_negative("absolute_floor", self.absolute_floor)?;
        check_not_negative("spread_floor", self.spread_floor.unwrap_or(0.0))?;
        check_not_negative("tail_floor", self.tail_floor.unwrap_or(0.0))?;
        if self.minimum < 2 {
            return Err(ParamError::new("minimum", "at least 2", self.minimum));
        }
        if self.tail_from > 0.5 && self.tail_from < 1.0 {
            Ok(())
        } else {
            let expected = "between 0.5 and 1, exclusive";
            Err(ParamError::new("tail_from", expected, self.tail_from))
        }
    }

    /// Smallest change of a level that matters, in its unit.
    pub(super) fn reach(&self, level: f64) -> f64 {
        self.absolute_floor.max(self.relative_floor * level.abs())
    }
}

/// Events in an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// How many; not negative.
    pub events: f64,
    /// What they are counted over: seconds, requests. Not negative.
    pub exposure: f64,
}

impl Count {
    /// `events` over `exposure`.
    pub fn new(events: f64, exposure: f64) -> Self {
        Self { events, exposure }
    }
}

/// Hits among trials in an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// How many of the trials; not negative, at most `trials`.
    pub hits: f64,
    /// Trials.
    pub trials: f64,
}

impl Ratio {
    /// `hits` among `trials`.
    pub fn new(hits: f64, trials: f64) -> Self {
        Self { hits, trials }
    }
}

/// Both sides of a metric, in order of time. Values that are missing are `NaN`, and an interval without
/// one of its two numbers is missing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each has the two sides")]
pub enum Data<'a> {
    /// Values of a gauge, or of single requests.
    Values {
        baseline: &'a [f64],
        candidate: &'a [f64],
    },
    /// Events of each interval.
    Counts {
        baseline: &'a [Count],
        candidate: &'a [Count],
    },
    /// Hits and trials of each interval.
    Ratios {
        baseline: &'a [Ratio],
        candidate: &'a [Ratio],
    },
}

/// A metric to compare.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) policy: Policy,
    pub(super) data: Data<'a>,
}

impl<'a> Metric<'a> {
    /// The metric `name`.
    pub fn new(name: &'a str, policy: Policy, data: Data<'a>) -> Self {
        Self { name, policy, data }
    }
}

/// A metric that cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("metric `{metric}`")]
pub struct ReleaseError {
    /// Its name.
    pub metric: String,
    /// What is wrong.
    pub source: BadMetric,
}

/// What is wrong with a metric.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMetric {
    /// A field of its policy is out of its range.
    #[error("unsuitable policy")]
    Policy(#[from] ParamError),
    /// A value is infinite.
    #[error("unsuitable data")]
    Data(#[from] DataError),
    /// A count or an exposure is negative, or there are more hits than trials.
    #[error("interval {index} has {part} of {whole}, which cannot be")]
    Count {
        /// Position of the interval on its side.
        index: usize,
        /// Events or hits.
        part: f64,
        /// Exposure or trials.
        whole: f64,
    },
}
