//! What is to be sent, and what became of it.

use std::time::Duration;

use aiops_core::{Alert, AlertStatus, IncidentId, Labels, Timestamp};

pub use super::log::Reason;

/// Something to tell a receiver.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Notification {
    /// The incident it is about.
    pub incident: IncidentId,
    /// Whether something goes on, or all is over.
    pub status: AlertStatus,
    /// Idempotency key: the same for every attempt at the same notification, also after a crash,
    /// and different for any other one. A receiver that has seen it can drop the repetition.
    pub key: String,
    /// Why it is sent.
    pub reason: Reason,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Who is told.
    pub receiver: String,
    /// Which of the receiver's integrations, from 0.
    pub integration: usize,
    /// Key of the group, as Alertmanager writes it.
    pub group_key: String,
    /// What the alerts have in common by the route.
    pub group_labels: Labels,
    /// The alerts of the group; those that go on have no end.
    pub alerts: Vec<Alert>,
}

impl Notification {
    /// The labels that all alerts share.
    pub fn common_labels(&self) -> Labels {
        let Some((first, others)) = self.alerts.split_first() else {
            return Labels::empty();
        };
        let shared: Vec<&str> = first
            .labels
            .iter()
            .filter(|(name, value)| {
                let mut others = others.iter();
                others.all(|other| other.labels.get(name) == Some(*value))
            })
            .map(|(name, _)| name)
            .collect();
        first.labels.only(&shared)
    }

    /// The annotations that all alerts share.
    pub fn common_annotations(&self) -> std::collections::BTreeMap<String, String> {
        let Some((first, others)) = self.alerts.split_first() else {
            return std::collections::BTreeMap::new();
        };
        let shared = first.annotations.iter().filter(|(name, text)| {
            let mut others = others.iter();
            others.all(|other| other.annotations.get(*name) == Some(*text))
        });
        shared
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect()
    }
}

/// What became of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has it.
    Delivered,
    /// The receiver does not have it.
    Failed {
        /// Whether another attempt soon may help: true for a time-out, a connection that failed,
        /// 429 and 5xx. Otherwise the next look at the group decides anew.
        retry: bool,
        /// How long the receiver wants to be left alone, where it said so.
        after: Option<Duration>,
    },
}

impl Delivery {
    /// A failure after which another attempt soon may help, or not.
    pub fn failed(retry: bool) -> Self {
        Self::Failed { retry, after: None }
    }
}
