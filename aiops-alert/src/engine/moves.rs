//! Alerts that go from one incident to another: splits and merges.

use aiops_core::{IncidentId, Labels, Timestamp};

use super::alerts::identity;
use super::{AlertEngine, INCIDENT_LABEL, cluster_name};

impl AlertEngine {
    /// Two open incidents are one, by somebody's word: `into` takes in the alerts of `from`, and
    /// what belongs to either from now on. A receiver that was told about `from` in a group of its
    /// own is told of its end. `false` when one of them is not open, they are the same one, or
    /// alerts are not correlated.
    pub fn merge_incidents(&mut self, now: Timestamp, from: IncidentId, into: IncidentId) -> bool {
        self.pass(now);
        let (Some(old), Some(new)) = (self.cluster_of(from), self.cluster_of(into)) else {
            return false;
        };
        let Some(correlator) = self.correlator.as_mut().filter(|_| old != new) else {
            return false;
        };
        correlator.merge(old, new);
        let alerts = self.incidents.get(from).map(|one| one.alerts.iter());
        let labels = alerts.into_iter().flatten().map(|one| one.labels.clone());
        let labels: Vec<Labels> = labels.collect();
        self.move_alerts(&labels, new);
        self.incidents.forget_empty(from);
        self.ledger.merges += 1;
        true
    }

    /// The cluster of an open incident.
    fn cluster_of(&self, id: IncidentId) -> Option<u64> {
        let incident = self.incidents.get(id)?;
        let number = incident.group.get(INCIDENT_LABEL)?.strip_prefix("C-")?;
        let is_open = self.incidents.open(&incident.group) == Some(id);
        is_open.then(|| number.parse().ok()).flatten()
    }

    /// These alerts belong to the incident of this cluster now.
    pub(super) fn move_alerts(&mut self, alerts: &[Labels], cluster: u64) {
        for labels in alerts {
            if let Some(place) = self.alerts.find(labels) {
                self.move_alert(place, labels, cluster);
            }
        }
    }

    /// An alert that was over begins anew before everybody was told of its end: it is part of what
    /// happens now, and stays part of what happened then.
    pub(super) fn correlate_again(&mut self, place: u32) {
        let Some(held) = self.alerts.get(place) else {
            return;
        };
        let labels = held.alert.labels.clone();
        if let Some(cluster) = self.correlate(&labels) {
            self.regroup(place, &labels, cluster);
        }
    }

    fn move_alert(&mut self, place: u32, labels: &Labels, cluster: u64) {
        let Some(held) = self.alerts.get(place) else {
            return;
        };
        let old = self.incident_labels(held);
        if held.cluster == Some(cluster) {
            return;
        }
        self.incidents.take_out(&old, labels);
        self.regroup(place, labels, cluster);
    }

    fn regroup(&mut self, place: u32, labels: &Labels, cluster: u64) {
        let Some(held) = self.alerts.get(place) else {
            return;
        };
        let seen = labels.with(INCIDENT_LABEL, &cluster_name(cluster));
        let groups = held.groups.clone();
        let left = groups.into_iter().filter(|&id| {
            let group = self.groups[id as usize].as_ref();
            group.is_some_and(|one| self.routes.group_labels(one.route, &seen) != one.labels)
        });
        let left: Vec<u32> = left.collect();
        for id in left {
            self.leave_for_another(place, id);
        }
        if let Some(held) = self.alerts.get_mut(place) {
            held.cluster = Some(cluster);
        }
        self.join_incident(place);
        self.route(place);
    }

    /// An alert leaves a group that goes on. In one that does not it stays until those who
    /// believe in it are told that it is over there.
    fn leave_for_another(&mut self, place: u32, id: u32) {
        let Some(group) = &mut self.groups[id as usize] else {
            return;
        };
        if group.alerts.len() == 1 && group.is_believed() {
            group.moved = true;
            let now = self.clock;
            self.reschedule(id, now);
            return;
        }
        group.alerts.remove(&place);
        let is_empty = group.alerts.is_empty();
        if let Some(held) = self.alerts.get_mut(place) {
            for log in &mut group.logs {
                log.muted.remove(&identity(held));
            }
            held.groups.retain(|one| *one != id);
        }
        if is_empty {
            self.close_group(id);
        }
    }
}
