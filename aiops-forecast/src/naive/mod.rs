//! The forecasts that every other one has to beat.

pub mod drift;
pub mod last;
pub mod profile;
pub mod seasonal;

use aiops_core::Sample;

/// A random walk seen sample by sample: last value and the moments of its steps. A step across a
/// gap counts as as many steps as it spans.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Walk {
    pub(crate) last: f64,
    /// Missing values since `last`.
    pub(crate) gap: f64,
    pub(crate) steps: f64,
    pub(crate) moved: f64,
    pub(crate) squares: f64,
}

impl Walk {
    /// Starts at a value.
    pub(crate) fn at(value: f64) -> Self {
        Self {
            last: value,
            ..Self::default()
        }
    }

    pub(crate) fn take(&mut self, value: f64) {
        if !value.is_finite() {
            self.gap += 1.0;
            return;
        }
        let (span, moved) = (self.gap + 1.0, value - self.last);
        self.steps += span;
        self.moved += moved;
        self.squares += moved * moved / span;
        (self.last, self.gap) = (value, 0.0);
    }

    /// Root mean square of one step.
    pub(crate) fn size(&self) -> f64 {
        (self.squares / self.steps.max(1.0)).sqrt()
    }

    /// Mean of one step.
    pub(crate) fn slope(&self) -> f64 {
        self.moved / self.steps.max(1.0)
    }
}

/// The value of a sample, `NaN` for one that is missing or infinite.
pub(crate) fn known(sample: Sample) -> f64 {
    if sample.value.is_finite() {
        sample.value
    } else {
        f64::NAN
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, exact};

    use super::Walk;
    use crate::wire::finite;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct WalkV1 {
        #[serde(with = "exact")]
        last: f64,
        #[serde(with = "exact")]
        gap: f64,
        #[serde(with = "exact")]
        steps: f64,
        #[serde(with = "exact")]
        moved: f64,
        #[serde(with = "exact")]
        squares: f64,
    }

    impl From<Walk> for WalkV1 {
        fn from(walk: Walk) -> Self {
            let Walk {
                last,
                gap,
                steps,
                moved,
                squares,
            } = walk;
            Self {
                last,
                gap,
                steps,
                moved,
                squares,
            }
        }
    }

    impl TryFrom<WalkV1> for Walk {
        type Error = LoadError;

        fn try_from(wire: WalkV1) -> Result<Self, LoadError> {
            finite("number", &[wire.last, wire.gap, wire.steps, wire.moved])?;
            let negative = [wire.gap, wire.steps, wire.squares]
                .iter()
                .any(|count| *count < 0.0);
            if negative || wire.squares.is_nan() {
                return Err(LoadError::payload("a count below 0"));
            }
            Ok(Self {
                last: wire.last,
                gap: wire.gap,
                steps: wire.steps,
                moved: wire.moved,
                squares: wire.squares,
            })
        }
    }
}
