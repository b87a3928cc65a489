//! Verdicts on samples, with their reasons.

use std::borrow::Cow;
use std::fmt;

use crate::{Labels, Timestamp};

/// The values that were to be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Band {
    /// Lowest value that is still normal.
    pub lower: f64,
    /// The expected value.
    pub center: f64,
    /// Highest value that is still normal.
    pub upper: f64,
}

impl Band {
    /// Whether `value` lies inside, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }
}

/// How many of the last samples were beyond the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Votes {
    /// Beyond the threshold.
    pub fired: u32,
    /// Needed for an anomaly.
    pub needed: u32,
    /// Looked at.
    pub of: u32,
}

/// Why a score beyond the threshold is not an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Suppression {
    /// The change is too small to matter in practice.
    BelowFloor,
    /// It points in the direction that is not watched.
    Direction,
    /// Too few of the last samples agree.
    Votes,
    /// It lies in a window that is excluded, such as a maintenance.
    Excluded,
    /// The series comes too irregularly to say that it is late.
    Irregular,
}

/// What is said about one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Outcome {
    /// As expected.
    Normal,
    /// Not as expected.
    Anomalous,
    /// Beyond the threshold, but not an anomaly for this reason.
    Suppressed(Suppression),
    /// Too little has been seen to say.
    Warming {
        /// Samples seen.
        seen: usize,
        /// Samples needed.
        needed: usize,
    },
    /// The sample is missing (`NaN`).
    Missing,
}

/// What is said about one sample, and why.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Verdict {
    /// When the sample was taken.
    pub time: Timestamp,
    /// Its value.
    pub value: f64,
    /// The verdict.
    pub outcome: Outcome,
    /// How anomalous it is; larger is more. `None` while warming up and for a missing sample.
    pub score: Option<f64>,
    /// The score from which on a sample is beyond the threshold.
    pub threshold: f64,
    /// Probability of a score this high on a normal sample, where the threshold knows it.
    pub probability: Option<f64>,
    /// What was expected.
    pub band: Option<Band>,
    /// Smallest distance from the expected value that matters, in the unit of the series.
    pub floor: f64,
    /// Agreement of the last samples.
    pub votes: Option<Votes>,
    /// Kind of the model, such as `detect.rolling-mad`.
    pub model: Cow<'static, str>,
}

impl Verdict {
    /// Whether the sample is an anomaly.
    pub fn is_anomalous(&self) -> bool {
        self.outcome == Outcome::Anomalous
    }
}

impl fmt::Display for Verdict {
    /// The reason in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {:.4}", self.value)?;
        if let Some(band) = self.band {
            write!(f, ", expected {:.4} to {:.4}", band.lower, band.upper)?;
        }
        if let Some(score) = self.score {
            write!(f, ", score {score:.2} (threshold {:.2})", self.threshold)?;
        }
        if let Some(votes) = self.votes {
            write!(f, ", {} of the last {} samples", votes.fired, votes.of)?;
        }
        write!(f, ", by {}", self.model)
    }
}

/// A series that is not as expected.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Anomaly {
    /// Which series.
    pub series: Labels,
    /// When the run of anomalous samples began.
    pub since: Timestamp,
    /// The latest verdict of the run.
    pub verdict: Verdict,
}
