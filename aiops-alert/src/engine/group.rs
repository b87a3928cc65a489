//! A group of alerts on one route, and its looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aiops_core::{Alert, AlertStatus, IncidentId, Labels, Timestamp};

use super::alerts::{Alerts, Held, display_order, identity};
use super::log::{Intent, Log, Standing};

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
}

/// The alerts of a group at one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Those that may be told, in the order in which they are shown.
    pub(super) shown: Vec<Shown>,
}

/// An alert at one look.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) place: u32,
    pub(super) fires: bool,
}

impl Look {
    pub(super) fn standing(&self, alerts: &Alerts) -> Standing {
        let mut standing = Standing::default();
        for one in &self.shown {
            let Some(held) = alerts.get(one.place) else {
                continue;
            };
            if one.fires {
                standing.firing.insert(identity(held), held.alert.starts_at);
            } else {
                standing.resolved.insert(identity(held));
            }
        }
        standing
    }
}

impl Group {
    /// How its alerts stand at `now`; `is_muted` says which may not be told. An alert whose
    /// `hold` has not passed since its end fires.
    pub(super) fn look(
        &self,
        now: Timestamp,
        alerts: &Alerts,
        hold: Duration,
        is_muted: impl Fn(u32, bool) -> bool,
    ) -> Look {
        let mut shown: Vec<(Labels, Shown)> = self
            .alerts
            .iter()
            .filter_map(|&place| {
                let held = alerts.get(place)?;
                let fires = held.fires(now, hold);
                let one = Shown { place, fires };
                (!is_muted(place, fires)).then(|| (held.alert.labels.clone(), one))
            })
            .collect();
        shown.sort_by(|(a, _), (b, _)| display_order(a, b));
        Look {
            shown: shown.into_iter().map(|(_, one)| one).collect(),
        }
    }

    /// The alerts of a decision as they are sent. What has changed since is told by the next one.
    pub(super) fn decided(&self, intent: &Intent, alerts: &Alerts, resolved: bool) -> Vec<Alert> {
        let mut shown: Vec<Alert> = self
            .alerts
            .iter()
            .filter_map(|&place| {
                let held = alerts.get(place)?;
                let mut alert = held.alert.clone();
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

    /// Whether some integration thinks that an alert of it fires, or is being told something.
    pub(super) fn is_believed(&self) -> bool {
        let mut logs = self.logs.iter();
        logs.any(|log| !log.firing.is_empty() || log.intent.is_some())
    }
}

/// Firing if any alert fires.
pub(super) fn status(standing: &Standing) -> AlertStatus {
    if standing.firing.is_empty() {
        AlertStatus::Resolved
    } else {
        AlertStatus::Firing
    }
}

/// What integrations were told about groups that are no longer there.
pub(super) type Remembered = BTreeMap<(String, String), Vec<Log>>;
