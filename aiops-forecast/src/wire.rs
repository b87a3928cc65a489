//! What several stored forms share.

use std::time::Duration;

use aiops_core::Timestamp;
use aiops_core::stored::LoadError;

use crate::grid::Grid;

/// Where a model stands.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GridV1 {
    next_nanos: i64,
    step_nanos: u64,
}

impl From<Grid> for GridV1 {
    fn from(grid: Grid) -> Self {
        Self {
            next_nanos: grid.next.as_nanos(),
            step_nanos: u64::try_from(grid.step.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

impl TryFrom<GridV1> for Grid {
    type Error = LoadError;

    fn try_from(wire: GridV1) -> Result<Self, LoadError> {
        if wire.step_nanos == 0 {
            return Err(LoadError::payload("a step of 0"));
        }
        Ok(Self {
            next: Timestamp::from_nanos(wire.next_nanos),
            step: Duration::from_nanos(wire.step_nanos),
        })
    }
}

/// Fails unless all numbers are finite.
pub(crate) fn finite(what: &str, values: &[f64]) -> Result<(), LoadError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(LoadError::payload(format!("{what} {index} is not finite"))),
    }
}

/// Fails unless all numbers are finite or missing.
pub(crate) fn none_infinite(what: &str, values: &[f64]) -> Result<(), LoadError> {
    match values.iter().position(|value| value.is_infinite()) {
        None => Ok(()),
        Some(index) => Err(LoadError::payload(format!("{what} {index} is infinite"))),
    }
}
