//! Mean and variance of a stream that forgets.

/// Mean and variance by Welford's recurrence (1962): of all samples alike until there are
/// `memory` of them, then with weights that fall by `1 - 1 / memory` for each newer sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Running {
    /// Samples seen; stops counting at the largest number.
    pub(crate) count: u64,
    pub(crate) mean: f64,
    /// With divisor n.
    pub(crate) variance: f64,
}

impl Running {
    /// Adds a finite value.
    pub(crate) fn add(&mut self, value: f64, memory: f64) {
        self.count = self.count.saturating_add(1);
        let rate = (1.0 / self.count as f64).max(1.0 / memory);
        let keep = 1.0 - rate;
        let away = value - self.mean; // infinite at both ends of the range
        self.mean = if away.is_finite() {
            self.mean + rate * away
        } else {
            keep * self.mean + rate * value
        };
        self.variance = (keep * (self.variance + rate * away * away)).min(f64::MAX);
    }

    pub(crate) fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Whether the numbers can have come from [`add`](Self::add).
    #[cfg(feature = "serde")]
    pub(crate) fn is_sound(&self) -> bool {
        let moments = self.mean.is_finite() && self.variance.is_finite() && self.variance >= 0.0;
        moments && (self.count > 0 || (self.mean == 0.0 && self.variance == 0.0))
    }
}

/// Stored form.
#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, exact};

    use super::Running;

    #[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct V1 {
        count: u64,
        #[serde(with = "exact")]
        mean: f64,
        #[serde(with = "exact")]
        variance: f64,
    }

    impl From<&Running> for V1 {
        fn from(running: &Running) -> Self {
            Self {
                count: running.count,
                mean: running.mean,
                variance: running.variance,
            }
        }
    }

    impl TryFrom<V1> for Running {
        type Error = LoadError;

        fn try_from(wire: V1) -> Result<Self, LoadError> {
            let running = Self {
                count: wire.count,
                mean: wire.mean,
                variance: wire.variance,
            };
            if running.is_sound() {
                Ok(running)
            } else {
                Err(LoadError::payload("mean or variance cannot be"))
            }
        }
    }
}
