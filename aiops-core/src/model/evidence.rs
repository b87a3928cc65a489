//! Facts that speak for or against a cause.

use std::fmt;
use std::time::Duration;

use crate::{Band, Timestamp};

/// For or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Stance {
    /// Makes the cause more likely.
    For,
    /// Makes the cause less likely.
    Against,
}

/// A fact that speaks for or against a cause. Displays as one line for people.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evidence {
    /// The fact.
    pub fact: Fact,
    /// Which way it points.
    pub stance: Stance,
}

impl Evidence {
    /// A fact that makes the cause more likely.
    pub fn supporting(fact: Fact) -> Self {
        Self {
            fact,
            stance: Stance::For,
        }
    }

    /// A fact that makes the cause less likely.
    pub fn opposing(fact: Fact) -> Self {
        Self {
            fact,
            stance: Stance::Against,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stance == Stance::Against {
            f.write_str("against: ")?;
        }
        fmt::Display::fmt(&self.fact, f)
    }
}

/// What is known.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fact {
    /// A metric left its band.
    Deviation {
        /// Name of the metric.
        metric: String,
        /// The most extreme value seen.
        value: f64,
        /// What was expected.
        band: Band,
        /// Distance from the expected value in units of the normal spread.
        score: f64,
        /// When it left the band.
        since: Timestamp,
    },
    /// A metric that used to be there has stopped.
    Vanished {
        /// Name of the metric.
        metric: String,
        /// Time of the last sample.
        last: Timestamp,
    },
    /// Components that depend on this one, and that are in trouble too, nearest first.
    Affects {
        /// Their names.
        components: Vec<String>,
    },
    /// Components that this one depends on are in trouble too.
    DependsOnAnomalous {
        /// Their names.
        components: Vec<String>,
    },
    /// None of the components that this one depends on is in trouble.
    DependenciesNormal,
    /// Something was changed shortly before.
    Change {
        /// Identity of the change.
        id: String,
        /// Its one-line description.
        summary: String,
        /// How long before the onset it took effect.
        before: Duration,
    },
    /// Anything else, in words.
    Note {
        /// The words.
        text: String,
    },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deviation {
                metric,
                value,
                band,
                score,
                since,
            } => write!(
                f,
                "{metric} reached {value:.4}, expected {:.4} to {:.4} ({score:.1} spreads off) \
                 since {since}",
                band.lower, band.upper
            ),
            Self::Vanished { metric, last } => write!(f, "{metric} has no sample since {last}"),
            Self::Affects { components } => {
                write!(
                    f,
                    "also in trouble and dependent on it: {}",
                    components.join(", ")
                )
            }
            Self::DependsOnAnomalous { components } => {
                write!(f, "it depends on {}, in trouble too", components.join(", "))
            }
            Self::DependenciesNormal => f.write_str("everything it depends on looks normal"),
            Self::Change {
                id,
                summary,
                before,
            } => {
                write!(
                    f,
                    "change {id} ({summary}) {} s before the onset",
                    before.as_secs()
                )
            }
            Self::Note { text } => f.write_str(text),
        }
    }
}
