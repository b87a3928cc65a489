//! Alerts.

use std::collections::BTreeMap;

use crate::{Fingerprint, Labels, Timestamp};

/// Whether an alert is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum AlertStatus {
    /// Going on.
    Firing,
    /// Over.
    Resolved,
}

/// Something that people may have to be told. Its labels are its identity.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Alert {
    /// Identity: two alerts with equal labels are the same alert.
    pub labels: Labels,
    /// Text for people; not part of the identity.
    pub annotations: BTreeMap<String, String>,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended, or will be taken as ended if nothing more is heard; `None` is open.
    pub ends_at: Option<Timestamp>,
    /// Where the source explains it; may be empty.
    pub generator_url: String,
}

impl Alert {
    /// An alert that began at `starts_at` and is going on.
    pub fn new(labels: Labels, starts_at: Timestamp) -> Self {
        Self {
            labels,
            annotations: BTreeMap::new(),
            starts_at,
            ends_at: None,
            generator_url: String::new(),
        }
    }

    /// Sets an annotation.
    #[must_use]
    pub fn annotate(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.annotations.insert(name.into(), text.into());
        self
    }

    /// Stable hash of the identity, equal to Alertmanager's.
    pub fn fingerprint(&self) -> Fingerprint {
        self.labels.fingerprint()
    }

    /// Whether it is going on at `now`.
    pub fn status(&self, now: Timestamp) -> AlertStatus {
        match self.ends_at {
            Some(end) if end <= now => AlertStatus::Resolved,
            _ => AlertStatus::Firing,
        }
    }
}
