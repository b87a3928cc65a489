//! What came in, what went out, and what lies between.

use std::collections::BTreeMap;

/// Names that are told apart; further ones count as `other`.
const MAX_NAMES: usize = 1_000;

/// Counts since the engine was made; they survive a restart.
///
/// For alerts: `received = refused + ended_unknown + deduplicated + updated + opened`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Ledger {
    /// Alerts that came in.
    pub received: u64,
    /// Of these: not taken, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Of these: ends of alerts that are not known.
    pub ended_unknown: u64,
    /// Of these: said nothing new.
    pub deduplicated: u64,
    /// Of these: changed an alert that is known: its end, its beginning or its text.
    pub updated: u64,
    /// Of these: alerts that were not known.
    pub opened: u64,
    /// Alerts that joined a group which was there already.
    pub grouped: u64,
    /// Groups that were opened.
    pub groups: u64,
    /// Incidents that were opened.
    pub incidents: u64,
    /// Of these: resolved.
    pub incidents_resolved: u64,
    /// Of these: no longer remembered.
    pub incidents_dropped: u64,
    /// Times that an incident was split because a second failure was seen in it.
    pub splits: u64,
    /// Incidents that were merged into another one.
    pub merges: u64,
    /// Alerts that an incident has no room to list.
    pub unlisted: u64,
    /// Changes of a group that were not notified because its incident had been.
    pub held_back: u64,
    /// Alerts that an integration was not told because they were inhibited, each time they began
    /// to be.
    pub inhibited: u64,
    /// The same for silences.
    pub silenced: u64,
    /// Ends and beginnings that were not told because the alert came back before its end was
    /// believed.
    pub damped: u64,
    /// Looks at groups at times at which their routes are silent.
    pub silent_looks: u64,
    /// Notifications that were decided; attempts are not counted.
    pub notified: u64,
    /// Of these: reached the receiver.
    pub delivered: u64,
    /// Attempts that failed and are made again soon.
    pub retried: u64,
    /// Notifications that the receiver refused, or that took too long; decided anew at the next
    /// look at the group.
    pub abandoned: u64,
    /// Notifications by receiver.
    pub notified_by_receiver: BTreeMap<String, u64>,
    /// Alerts that were not known before, by name.
    pub opened_by_name: BTreeMap<String, u64>,
}

/// Counts `name`.
pub(super) fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
        return;
    }
    let name = if counts.len() < MAX_NAMES {
        name
    } else {
        "other"
    };
    *counts.entry(name.to_owned()).or_default() += 1;
}
