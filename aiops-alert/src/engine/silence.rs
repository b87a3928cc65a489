//! Silences: what people do not want to hear for a while.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aiops_core::{Labels, Selector, Timestamp};
use thiserror::Error;

/// Silences that are over are remembered for this long.
const RETENTION: Duration = Duration::from_hours(120);

/// Most silences, those that are over included.
const MAX_SILENCES: usize = 10_000;

/// Number of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct SilenceId(pub u64);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIL-{}", self.0)
    }
}

/// Alerts of which nobody is told for a while.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Silence {
    /// Which alerts. At least one matcher must not match a missing label.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::selector"))]
    pub matchers: Selector,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// It ends earlier, once alerts that it silenced have been and all of them are over.
    #[cfg_attr(feature = "serde", serde(default))]
    pub until_resolved: bool,
    /// Who wanted it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// A silence for what `matchers` match.
    pub fn new(matchers: Selector, starts_at: Timestamp, ends_at: Timestamp) -> Self {
        Self {
            matchers,
            starts_at,
            ends_at,
            until_resolved: false,
            created_by: String::new(),
            comment: String::new(),
        }
    }

    /// Whether it has begun and is not over.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }
}

/// A silence that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SilenceError {
    /// It would match every alert.
    #[error("a silence needs a matcher that does not match a missing label")]
    MatchesEverything,
    /// It ends before it begins, or is over already.
    #[error("the silence is over before it begins")]
    Over,
    /// There is no room.
    #[error("there are {limit} silences already")]
    TooMany {
        /// The bound.
        limit: usize,
    },
}

/// All silences.
#[derive(Clone, Debug, Default)]
pub(super) struct Silences {
    all: BTreeMap<SilenceId, Kept>,
    last_id: u64,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Kept {
    pub(super) id: SilenceId,
    pub(super) silence: Silence,
    /// It has silenced an alert.
    pub(super) used: bool,
}

impl Silences {
    pub(super) fn add(
        &mut self,
        now: Timestamp,
        mut silence: Silence,
    ) -> Result<SilenceId, SilenceError> {
        let mut matchers = silence.matchers.matchers().iter();
        if matchers.all(|matcher| matcher.matches_value("")) {
            return Err(SilenceError::MatchesEverything);
        }
        silence.starts_at = silence.starts_at.max(now);
        if silence.ends_at <= silence.starts_at {
            return Err(SilenceError::Over);
        }
        self.prune(now);
        if self.all.len() >= MAX_SILENCES {
            return Err(SilenceError::TooMany {
                limit: MAX_SILENCES,
            });
        }
        self.last_id += 1;
        let id = SilenceId(self.last_id);
        self.restore(Kept {
            id,
            silence,
            used: false,
        });
        Ok(id)
    }

    pub(super) fn restore(&mut self, kept: Kept) {
        self.last_id = self.last_id.max(kept.id.0);
        self.all.insert(kept.id, kept);
    }

    pub(super) fn expire(&mut self, now: Timestamp, id: SilenceId) -> bool {
        match self.all.get_mut(&id) {
            Some(kept) if kept.silence.ends_at > now => {
                kept.silence.ends_at = now;
                kept.silence.starts_at = kept.silence.starts_at.min(now);
                true
            }
            _ => false,
        }
    }

    fn prune(&mut self, now: Timestamp) {
        self.all
            .retain(|_, kept| kept.silence.ends_at.saturating_add(RETENTION) > now);
    }

    /// The silences that silence an alert with these labels.
    pub(super) fn matching(&self, now: Timestamp, labels: &Labels) -> Vec<SilenceId> {
        let active = self
            .all
            .values()
            .filter(|kept| kept.silence.is_active(now) && kept.silence.matchers.matches(labels));
        active.map(|kept| kept.id).collect()
    }

    /// The same, and remembers that they were of use.
    pub(super) fn use_on(&mut self, now: Timestamp, labels: &Labels) -> bool {
        let mut found = false;
        for kept in self.all.values_mut() {
            if kept.silence.is_active(now) && kept.silence.matchers.matches(labels) {
                kept.used = true;
                found = true;
            }
        }
        found
    }

    /// Ends those that were for alerts that are over; `goes_on` says whether any alert that they
    /// match goes on.
    pub(super) fn end_with_alerts(&mut self, now: Timestamp, goes_on: impl Fn(&Selector) -> bool) {
        for kept in self.all.values_mut() {
            let silence = &mut kept.silence;
            if silence.until_resolved
                && kept.used
                && silence.is_active(now)
                && !goes_on(&silence.matchers)
            {
                silence.ends_at = now;
            }
        }
    }

    /// Whether any silence ends with its alerts.
    pub(super) fn any_until_resolved(&self, now: Timestamp) -> bool {
        let mut all = self.all.values();
        all.any(|kept| kept.silence.until_resolved && kept.used && kept.silence.is_active(now))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.all.values()
    }
}
