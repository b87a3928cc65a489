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
