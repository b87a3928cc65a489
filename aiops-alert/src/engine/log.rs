//! What one integration was told about a group, and what is decided from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aiops_core::numerics::Fnv1a64;
use aiops_core::{Fingerprint, IncidentId, Timestamp};

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// The first one about what goes on in the group.
    First,
    /// An alert fires that the receiver does not know.
    NewAlerts,
    /// A part of the alerts is over.
    SomeResolved,
    /// All alerts are over.
    AllResolved,
    /// Nothing is new, and the last notification is older than the repeat interval.
    Repeat,
}

/// The alerts of a group at one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Those that fire, with their beginnings.
    pub(super) firing: BTreeMap<Fingerprint, Timestamp>,
    /// Those that are over, with their beginnings.
    pub(super) resolved: BTreeMap<Fingerprint, Timestamp>,
}

/// A notification that was decided and whose end is not known.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Intent {
    pub(super) key: String,
    pub(super) reason: Reason,
    pub(super) decided_at: Timestamp,
    /// After this a new decision is made.
    pub(super) deadline: Timestamp,
    pub(super) attempt: u32,
    /// When to try again; `None` while an attempt is on its way.
    pub(super) retry_at: Option<Timestamp>,
    pub(super) firing: BTreeMap<Fingerprint, Timestamp>,
    pub(super) resolved: BTreeSet<Fingerprint>,
    pub(super) incident: IncidentId,
}

/// What an integration was told last.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Log {
    /// Alerts that it believes to fire, with the beginnings it was told.
    pub(super) firing: BTreeMap<Fingerprint, Timestamp>,
    /// Alerts of the last notification that were over.
    pub(super) resolved: BTreeSet<Fingerprint>,
    /// When it was told; `None`: never, or of an end.
    pub(super) sent_at: Option<Timestamp>,
    /// Counts what it was told.
    pub(super) sequence: u64,
    pub(super) incident: Option<IncidentId>,
    pub(super) intent: Option<Intent>,
    /// A look came while something was on its way.
    pub(super) missed: bool,
    /// Alerts whose changes were not told, since it was last told something.
    pub(super) held_back: BTreeSet<Fingerprint>,
    /// Alerts that were muted at the last look.
    pub(super) muted: BTreeSet<Fingerprint>,
}

/// What decides about a notification, apart from the alerts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) send_resolved: bool,
    pub(super) notify_changes: bool,
    pub(super) refire_is_news: bool,
    pub(super) repeat: Duration,
}

/// What to do at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing is new.
    Nothing,
    /// Something is new, but the incident was notified already.
    HoldBack,
    /// All is over, and the integration does not want to know.
    Settle,
    Send(Reason),
}

impl Log {
    /// The decision, in Alertmanager's order.
    pub(super) fn decide(&self, now: Timestamp, standing: &Standing, policy: Policy) -> Decision {
        if standing.firing.is_empty() && standing.resolved.is_empty() {
            return Decision::Nothing; // all of them are muted
        }
        if standing.firing.is_empty() {
            return match (self.firing.is_empty(), policy.send_resolved) {
                (true, _) => Decision::Nothing,
                (false, true) => Decision::Send(Reason::AllResolved),
                (false, false) => Decision::Settle,
            };
        }
        if self.firing.is_empty() {
            return Decision::Send(Reason::First);
        }
        let is_news = |(alert, start): (&Fingerprint, &Timestamp)| match self.firing.get(alert) {
            None => true,
            Some(told) => policy.refire_is_news && start > told,
        };
        let has_ended = |alert: &Fingerprint| !self.resolved.contains(alert);
        let change = if standing.firing.iter().any(is_news) {
            Some(Reason::NewAlerts)
        } else if policy.send_resolved && standing.resolved.keys().any(has_ended) {
            Some(Reason::SomeResolved)
        } else {
            None
        };
        if let (Some(reason), true) = (change, policy.notify_changes) {
            return Decision::Send(reason);
        }
        let due = |sent: Timestamp| sent < now.saturating_sub(policy.repeat);
        if self.sent_at.is_none_or(due) {
            return Decision::Send(Reason::Repeat);
        }
        match change {
            Some(_) => Decision::HoldBack,
            None => Decision::Nothing,
        }
    }

    /// The integration was told.
    pub(super) fn record(&mut self, now: Timestamp, intent: &Intent) {
        self.firing.clone_from(&intent.firing);
        self.resolved.clone_from(&intent.resolved);
        self.sent_at = Some(now);
        self.sequence += 1;
        self.incident = Some(intent.incident);
        self.held_back.clear();
    }

    /// Remembers what is not told; answers how many alerts that are more than before.
    pub(super) fn hold_back(&mut self, standing: &Standing) -> u64 {
        let before = self.held_back.len();
        let firing = standing.firing.keys();
        let unknown = firing.filter(|alert| !self.firing.contains_key(alert));
        let ended = standing.resolved.keys();
        let unknown_end = ended.filter(|alert| !self.resolved.contains(alert));
        self.held_back.extend(unknown.chain(unknown_end).copied());
        (self.held_back.len() - before) as u64
    }

    /// All is over, and it was not told.
    pub(super) fn settle(&mut self) {
        self.firing.clear();
        self.resolved.clear();
        self.held_back.clear();
        self.sequence += 1;
    }

    /// The same for every attempt to tell the same, and different for anything else.
    pub(super) fn key(
        &self,
        group_key: &str,
        receiver: &str,
        integration: usize,
        standing: &Standing,
    ) -> String {
        let mut hash = Fnv1a64::default();
        for text in [group_key, receiver] {
            hash.write(text.as_bytes());
            hash.write(&[0xff]);
        }
        hash.write(&(integration as u64).to_le_bytes());
        hash.write(&self.sequence.to_le_bytes());
        for (alert, start) in &standing.firing {
            hash.write(&alert.0.to_le_bytes());
            hash.write(&start.as_nanos().to_le_bytes());
        }
        hash.write(&[0xff]);
        // With the beginnings: the same alert may be over twice in the life of a group's key.
        for (alert, start) in &standing.resolved {
            hash.write(&alert.0.to_le_bytes());
            hash.write(&start.as_nanos().to_le_bytes());
        }
        format!("{:016x}", hash.finish())
    }
}

/// First wait before another attempt.
const FIRST_BACK_OFF: Duration = Duration::from_millis(500);

/// Longest wait before another attempt.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(1);

/// How long to wait after attempt number `attempt`: half as long again each time, spread by up to
/// a quarter to either side so that not everybody comes back at once.
pub(super) fn back_off(key: &str, attempt: u32) -> Duration {
    let grown =
        FIRST_BACK_OFF.as_secs_f64() * 1.5_f64.powi(attempt.saturating_sub(1).min(64) as i32);
    let mut hash = Fnv1a64::default();
    hash.write(key.as_bytes());
    hash.write(&attempt.to_le_bytes());
    let spread = 0.75 + 0.5 * ((hash.finish() >> 11) as f64 / (1_u64 << 53) as f64);
    Duration::from_secs_f64(grown.min(LONGEST_BACK_OFF.as_secs_f64()) * spread)
}
