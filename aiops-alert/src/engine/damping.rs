//! Flap damping: an alert that keeps coming back is believed to be over later and later.

use std::collections::HashMap;
use std::time::Duration;

use aiops_core::{Labels, ParamError, Timestamp};

/// Most alerts whose coming back is remembered.
const MAX_REMEMBERED: usize = 100_000;

/// Parameters of flap damping.
///
/// Each time an alert comes back within `window` of its end, the next end is believed only after
/// a wait, which begins with `first_hold` and doubles. If the alert stays away for that long, its
/// end is told: the last state always is. After `window` without coming back all is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct DampingConfig {
    /// How soon an alert must come back to be flapping; 10 minutes by default.
    pub window: Duration,
    /// The first wait; 1 minute by default.
    pub first_hold: Duration,
    /// The longest wait; 30 minutes by default, and not below `first_hold`.
    pub max_hold: Duration,
}

impl Default for DampingConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(10),
            first_hold: Duration::from_mins(1),
            max_hold: Duration::from_mins(30),
        }
    }
}

impl DampingConfig {
    pub(super) fn check(&self) -> Result<(), ParamError> {
        if self.first_hold.is_zero() {
            return Err(ParamError::new("first_hold", "greater than 0", "0"));
        }
        if self.max_hold < self.first_hold {
            let got = format!("{:?}", self.max_hold);
            return Err(ParamError::new("max_hold", "at least first_hold", got));
        }
        Ok(())
    }

    /// How long the end of an alert is not believed that came back `flaps` times.
    pub(super) fn hold(&self, flaps: u32) -> Duration {
        match flaps {
            0 => Duration::ZERO,
            flaps => self
                .first_hold
                .saturating_mul(1 << (flaps - 1).min(20))
                .min(self.max_hold),
        }
    }
}

/// What is remembered of alerts that are over.
#[derive(Clone, Debug, Default)]
pub(super) struct Flaps {
    past: HashMap<Labels, Past>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Past {
    pub(super) flaps: u32,
    pub(super) ended_at: Timestamp,
}

impl Flaps {
    /// An alert is over and no longer held.
    pub(super) fn remember(
        &mut self,
        now: Timestamp,
        window: Duration,
        labels: Labels,
        past: Past,
    ) {
        if self.past.len() >= MAX_REMEMBERED {
            self.past
                .retain(|_, past| past.ended_at.saturating_add(window) > now);
        }
        if self.past.len() < MAX_REMEMBERED {
            self.past.insert(labels, past);
        }
    }

    /// How often an alert that comes now has come back.
    pub(super) fn count(&mut self, now: Timestamp, window: Duration, labels: &Labels) -> u32 {
        match self.past.remove(labels) {
            Some(past) if past.ended_at.saturating_add(window) > now => past.flaps + 1,
            _ => 0,
        }
    }

    pub(super) fn sorted(&self) -> Vec<(Labels, Past)> {
        let mut past: Vec<_> = self
            .past
            .iter()
            .map(|(labels, past)| (labels.clone(), *past))
            .collect();
        past.sort_by(|(a, _), (b, _)| a.cmp(b));
        past
    }

    pub(super) fn restore(&mut self, labels: Labels, past: Past) {
        self.past.insert(labels, past);
    }
}
