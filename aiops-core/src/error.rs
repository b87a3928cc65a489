//! Errors shared by all crates of the family.
//!
//! Fields hold numbers and positions, so that a program can act on them; the text is for people.

use std::path::PathBuf;

use thiserror::Error;

/// A parameter outside its range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("parameter `{name}` must be {expected}, got {got}")]
pub struct ParamError {
    name: &'static str,
    expected: &'static str,
    got: String,
}

impl ParamError {
    /// `name` should have been `expected` but was `got`.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "numbers and literals at every call"
    )]
    pub fn new(name: &'static str, expected: &'static str, got: impl ToString) -> Self {
        Self {
            name,
            expected,
            got: got.to_string(),
        }
    }

    /// Name of the parameter, as it is written in the configuration.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Data that does not have the shape the operation needs.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// Too few values that are not missing.
    #[error("need at least {needed} values that are not missing, found {found}")]
    TooShort {
        /// Values needed.
        needed: usize,
        /// Values found.
        found: usize,
    },
    /// An infinite value; missing values are `NaN`.
    #[error("value {value} at index {index} is infinite; a missing value is NaN")]
    Infinite {
        /// Position in the slice, row-major for a matrix.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Two lengths that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// The length that was wanted.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// Time does not strictly increase.
    #[error("time stamp at index {index} is not later than the one before it")]
    NotIncreasing {
        /// Position of the first offender.
        index: usize,
    },
    /// An instant outside the range of [`Timestamp`](crate::Timestamp).
    #[error("time stamp out of range: {what}")]
    TimeRange {
        /// What overflowed.
        what: &'static str,
    },
    /// The operation needs equally spaced samples.
    #[error("the time axis is not regular; resample it first")]
    Irregular,
}

/// Fitting failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FitError {
    /// The training data does not suit the algorithm.
    #[error("unsuitable training data")]
    Data(#[from] DataError),
    /// A parameter does not suit the data.
    #[error("unsuitable parameter for this data")]
    Param(#[from] ParamError),
    /// The optimiser stopped before it converged.
    #[error("no convergence after {iterations} iterations")]
    NotConverged {
        /// Iterations done.
        iterations: usize,
    },
}

/// Scoring failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The data does not suit the model.
    #[error("unsuitable data")]
    Data(#[from] DataError),
}

/// For algorithms that score the training data while they fit.
impl From<ScoreError> for FitError {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::Data(error) => Self::Data(error),
        }
    }
}

/// Forecasting failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ForecastError {
    /// Horizon or quantile levels out of range.
    #[error("unsuitable request")]
    Param(#[from] ParamError),
    /// The instants ahead do not fit into a [`Timestamp`](crate::Timestamp).
    #[error("unsuitable data")]
    Data(#[from] DataError),
}

/// Ranking root causes failed. "Nothing found" is not an error but an empty list.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RankError {
    /// The case does not suit the method.
    #[error("unsuitable case")]
    Data(#[from] DataError),
    /// The method needs something the case does not have.
    #[error("the case has no {what}")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
}

/// A store or a queue could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb phrase: "open", "write to".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what was written.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Position of the first damaged byte or record.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A stated bound would be passed; try again later or raise the bound.
    #[error("{what} is full: limit {limit}")]
    Full {
        /// What is full.
        what: &'static str,
        /// The bound, in the unit that `what` names.
        limit: u64,
    },
    /// A reading was ended by the one who asked for it.
    #[error("the reading was cancelled")]
    Cancelled,
    /// Another process has the folder open.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The offset asked for has been deleted or was never written.
    #[error("offset {wanted} is not in the queue, which holds {first}..{end}")]
    NoSuchOffset {
        /// The offset asked for.
        wanted: u64,
        /// The first one held.
        first: u64,
        /// One past the last one held.
        end: u64,
    },
}

/// A place in a file that is not what was written. What is around it can still be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Position of the first damaged byte.
    pub offset: u64,
    /// What is wrong, and what is lost.
    pub what: String,
}

impl Damage {
    /// At byte `offset` of `path`, `what` is wrong.
    pub fn new(path: impl Into<PathBuf>, offset: u64, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            offset,
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        write!(f, "{path} at byte {}: {}", self.offset, self.what)
    }
}

impl From<Damage> for StorageError {
    fn from(damage: Damage) -> Self {
        Self::Corrupt {
            path: damage.path,
            offset: damage.offset,
            what: damage.what,
        }
    }
}

impl StorageError {
    /// An [`Io`](Self::Io) error; meant for `map_err`.
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
