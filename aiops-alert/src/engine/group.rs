//! A group of alerts on one route, and its looks.

use aiops_core::{Alert, IncidentId, Labels, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

use super::alerts::{Alerts, Held, display_order, identity};
use super::log::{Intent, Log};

/// Alerts that agree in the labels of a route.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) route: u32,
    pub(super) labels: Labels,
    pub(super) key: String,
    /// Places in the table of alerts.
    pub(super) alerts: BTreeSet<u32>,
    /// The next look by the clock of the group.
    pub(super) next: Timestamp,
    /// When it stands in the schedule.
    pub(super) scheduled: Timestamp,
    pub(super) flushed: bool,
    /// The incident of its alerts.
    pub(super) incident: Option<IncidentId>,
    /// One for each integration of the receiver.
    pub(super) logs: Vec<Log>,
    /// When it became empty.
    pub(super) empty_since: Option<Timestamp>,
    /// Its alerts are told elsewhere now: here they are over.
    pub(super) moved: bool,
}

impl Group {
    /// The alerts of a decision as they are sent. What has changed since is told by the next one.
    pub(super) fn decided(&self, intent: &Intent, alerts: &Alerts, resolved: bool) -> Vec<Alert> {
        let mut shown: Vec<Alert> = self
            .alerts
            .iter()
            .filter_map(|&place| {
                let held = alerts.get(place)?;
                let mut alert = held.alert.clone();
                if self.moved {
                    alert.ends_at = alert.ends_at.min(Some(intent.decided_at));
                }
                if intent.firing.contains_key(&identity(held)) {
                    alert.ends_at = None;
                    return Some(alert);
                }
                (resolved && intent.resolved.contains(&identity(held))).then_some(alert)
            })
            .collect();
        shown.sort_by(|a, b| display_order(&a.labels, &b.labels));
        shown
    }

    /// Whether an alert that is over need not be kept for anybody.
    pub(super) fn lets_go(&self, held: &Held) -> bool {
        let alert = identity(held);
        self.logs.iter().all(|log| {
            let on_its_way = log.intent.as_ref().is_some_and(|intent| {
                intent.firing.contains_key(&alert) || intent.resolved.contains(&alert)
            });
            !on_its_way && (log.firing.is_empty() || log.resolved.contains(&alert))
        })
    }

    /// The same by Alertmanager's rules: after a look that sent nothing, or after sending it.
    pub(super) fn lets_go_after(&self, held: &Held, sent: Option<&Intent>) -> bool {
        let on_its_way = self.logs.iter().any(|log| log.intent.is_some());
        let was_told = sent.is_none_or(|intent| intent.resolved.contains(&identity(held)));
        !on_its_way && was_told
    }

    /// Whether some integration thinks that an alert of it fires, or is being told something.
    pub(super) fn is_believed(&self) -> bool {
        let mut logs = self.logs.iter();
        logs.any(|log| !log.firing.is_empty() || log.intent.is_some())
    }
}

/// What integrations were told about groups that are no longer there.
pub(super) type Remembered = BTreeMap<(String, String), Vec<Log>>;
