//! What an engine knows, apart from its configuration: for restarts and other configurations.

use std::collections::{BTreeSet, HashMap};

use aiops_core::{
    Alert, Fingerprint, Incident, IncidentId, Labels, MatchOp, Selector, Timestamp, Topology,
};

use super::AlertEngine;
use super::alerts::{Held, identity};
use super::damping::Past;
use super::group::Group;
use super::incidents::Acknowledgement;
use super::ledger::Ledger;
use super::log::Log;
use super::silence::Kept;
use crate::correlate::{Correlator, CorrelatorState};

/// Everything that has to survive a restart.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct State {
    pub(super) clock: Timestamp,
    pub(super) alerts: Vec<AlertState>,
    pub(super) groups: Vec<GroupState>,
    pub(super) incidents: Vec<Incident>,
    pub(super) silences: Vec<Kept>,
    pub(super) flaps: Vec<(Labels, Past)>,
    pub(super) last_incident: u64,
    pub(super) acknowledged: Vec<(IncidentId, Acknowledgement)>,
    pub(super) clusters: CorrelatorState,
    pub(super) topology: Option<Topology>,
    pub(super) ledger: Ledger,
    pub(super) next_clean_up: Timestamp,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct AlertState {
    pub(super) alert: Alert,
    pub(super) guessed: bool,
    pub(super) flaps: u32,
    pub(super) cluster: Option<u64>,
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub(super) senders: Vec<(String, Timestamp)>,
}

/// A group, or what is remembered of one.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct GroupState {
    pub(super) receiver: String,
    pub(super) key: String,
    pub(super) logs: Vec<Log>,
    /// `None`: it is only remembered.
    pub(super) live: Option<LiveGroup>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct LiveGroup {
    pub(super) next: Timestamp,
    pub(super) flushed: bool,
    pub(super) incident: Option<IncidentId>,
    pub(super) empty_since: Option<Timestamp>,
}

impl AlertEngine {
    /// Goes on at `now` where `earlier` stands: for a restart with another configuration. Alerts are routed
    /// anew; what a receiver was told counts where receiver, route and group are the same. Where
    /// they are not, it is told of the end, if
    /// [`settle_moved`](super::EngineConfig::settle_moved) is on.
    pub fn adopt(&mut self, now: Timestamp, earlier: &Self) {
        self.pass(now);
        self.apply(earlier.state_with(true));
        self.resume();
    }

    #[cfg(feature = "serde")]
    pub(super) fn state(&self) -> State {
        self.state_with(self.config.store_alerts)
    }

    fn state_with(&self, alerts: bool) -> State {
        let keep = self.config.store_alerts;
        let held = self.alerts.sorted().into_iter().filter(|_| alerts);
        let alerts = held.map(|held| AlertState {
            alert: held.alert.clone(),
            guessed: held.guessed,
            flaps: held.flaps,
            cluster: held.cluster,
            senders: held.senders.clone(),
        });
        let live = self.groups.iter().flatten().map(|group| GroupState {
            receiver: self.routes.receiver_name(group.route).to_owned(),
            key: group.key.clone(),
            logs: group.logs.clone(),
            live: keep.then_some(LiveGroup {
                next: group.next,
                flushed: group.flushed,
                incident: group.incident,
                empty_since: group.empty_since,
            }),
        });
        let remembered = self
            .remembered
            .iter()
            .map(|((receiver, key), logs)| GroupState {
                receiver: receiver.clone(),
                key: key.clone(),
                logs: logs.clone(),
                live: None,
            });
        let mut groups: Vec<GroupState> = live.chain(remembered).collect();
        groups.sort_by(|a, b| (&a.receiver, &a.key).cmp(&(&b.receiver, &b.key)));
        State {
            clock: self.clock,
            alerts: alerts.collect(),
            groups,
            incidents: self.incidents.iter().cloned().collect(),
            flaps: self.flaps.sorted(),
            silences: self.silences.iter().cloned().collect(),
            acknowledged: self
                .incidents
                .iter()
                .filter_map(|one| Some((one.id, self.incidents.acknowledgement(one.id)?.clone())))
                .collect(),
            clusters: self
                .correlator
                .as_ref()
                .map(Correlator::state)
                .unwrap_or_default(),
            topology: self.correlator.as_ref().map(|one| one.topology().clone()),
            last_incident: self.incidents.last_id,
            ledger: self.ledger.clone(),
            next_clean_up: self.next_clean_up,
        }
    }

    pub(super) fn apply(&mut self, state: State) {
        self.clock = self.clock.max(state.clock);
        self.next_clean_up = state.next_clean_up;
        for incident in state.incidents {
            let id = incident.id;
            self.incidents.put(incident);
            self.incidents.set_hold(id, self.config.resolve_after);
        }
        self.incidents.last_id = self.incidents.last_id.max(state.last_incident);
        for (id, by) in state.acknowledged {
            self.incidents.acknowledge(id, by);
        }
        if let Some(correlator) = &mut self.correlator {
            correlator.restore(state.clusters);
            if let Some(topology) = state.topology {
                correlator.set_topology(topology);
            }
        }
        for (labels, past) in state.flaps {
            self.flaps.restore(labels, past);
        }
        for silence in state.silences {
            self.silences.restore(silence);
        }
        let mut live = HashMap::new();
        for group in state.groups {
            let key = (group.receiver, group.key);
            self.remembered.insert(key.clone(), group.logs);
            if let Some(group) = group.live {
                live.insert(key, group);
            }
        }
        for stored in state.alerts {
            self.restore_alert(stored);
        }
        for id in 0..self.groups.len() as u32 {
            self.restore_group(id, &live);
        }
        self.settle_moved();
        let believed = |_: &(String, String), logs: &mut Vec<Log>| {
            for log in logs.iter_mut() {
                log.intent = None; // its group is no more
            }
            logs.iter().any(|log| !log.firing.is_empty())
        };
        self.remembered.retain(believed);
        self.ledger = state.ledger;
    }

    fn restore_alert(&mut self, stored: AlertState) {
        if self.alerts.find(&stored.alert.labels).is_some() {
            return;
        }
        let timeout = self.config.resolve_timeout;
        let mut held = Held::new(Timestamp::MAX, stored.alert, timeout);
        held.guessed = stored.guessed;
        held.cluster = stored.cluster;
        held.senders = stored.senders;
        held.flaps = stored.flaps;
        held.hold = self.config.resolve_after;
        if let Some(damping) = &self.config.damping {
            held.hold = held.hold.max(damping.hold(held.flaps));
        }
        let hold = held.hold;
        let place = self.hold_alert(held);
        let group = self
            .alerts
            .get(place)
            .map(|held| self.incident_labels(held));
        if let Some(id) = group.and_then(|group| self.incidents.open(&group)) {
            self.incidents.set_hold(id, hold);
        }
        self.route(place);
    }

    /// Receivers that believe an alert to fire which goes elsewhere now are told of its end.
    fn settle_moved(&mut self) {
        if !self.config.settle_moved {
            return;
        }
        let mut places: HashMap<Fingerprint, u32> = HashMap::new();
        for (place, held) in self.alerts.iter() {
            places.insert(identity(held), place);
        }
        let believed: Vec<(String, String)> = self
            .remembered
            .iter()
            .filter(|(_, logs)| {
                let mut alerts = logs.iter().flat_map(|log| log.firing.keys());
                alerts.any(|alert| places.contains_key(alert))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in believed {
            let Some(route) = self.routes.farewell(&key.0) else {
                continue; // nobody is there to be told
            };
            let Some(mut logs) = self.remembered.remove(&key) else {
                continue;
            };
            logs.resize_with(self.routes.integrations(route).len(), Log::default);
            let known = logs.iter().flat_map(|log| log.firing.keys());
            let alerts: BTreeSet<u32> = known
                .filter_map(|alert| places.get(alert).copied())
                .collect();
            let id = self.put_group(Group {
                route,
                labels: labels_of(&key.1),
                key: key.1,
                alerts: alerts.clone(),
                next: self.clock,
                scheduled: self.clock,
                flushed: true,
                incident: logs.iter().find_map(|log| log.incident),
                logs,
                empty_since: None,
                moved: true,
            });
            for place in alerts {
                if let Some(held) = self.alerts.get_mut(place) {
                    held.groups.push(id);
                    held.targets += 1;
                }
            }
            self.restore_intents(id);
        }
    }

    fn restore_group(&mut self, id: u32, live: &HashMap<(String, String), LiveGroup>) {
        let Some(group) = &self.groups[id as usize] else {
            return;
        };
        let receiver = self.routes.receiver_name(group.route).to_owned();
        let stored = live.get(&(receiver, group.key.clone())).cloned();
        self.restore_intents(id);
        let (Some(stored), Some(group)) = (stored, &mut self.groups[id as usize]) else {
            return;
        };
        group.next = stored.next;
        group.flushed = stored.flushed;
        group.incident = stored.incident.or(group.incident);
        group.empty_since = stored.empty_since;
        self.reschedule(id, stored.next);
    }

    /// What was on its way is tried again with the same key: whether it arrived is not known.
    pub(super) fn resume(&mut self) {
        for (key, (id, integration)) in self.intents.clone() {
            let group = self.groups[id as usize].as_mut();
            let intent = group.and_then(|group| group.logs[integration].intent.as_mut());
            if let Some(intent) = intent.filter(|intent| intent.retry_at.is_none()) {
                intent.retry_at = Some(self.clock);
                self.retries.insert((self.clock, key));
            }
        }
    }

    fn restore_intents(&mut self, id: u32) {
        let Some(group) = &self.groups[id as usize] else {
            return;
        };
        for (integration, log) in group.logs.iter().enumerate() {
            let Some(intent) = &log.intent else {
                continue;
            };
            self.intents.insert(intent.key.clone(), (id, integration));
            if let Some(at) = intent.retry_at {
                self.retries.insert((at, intent.key.clone()));
            }
        }
    }

    /// Forgets what was told long ago about groups that never came back.
    pub(super) fn prune_remembered(&mut self) {
        let oldest = self.clock.saturating_sub(super::look::LOG_LIFE);
        self.remembered
            .retain(|_, logs| logs.iter().any(|log| log.sent_at >= Some(oldest)));
    }
}

/// The labels in a group's key; none where they cannot be read.
fn labels_of(key: &str) -> Labels {
    let labels = key.rfind("}:{").map_or("", |place| &key[place + 2..]);
    let selector: Selector = labels.parse().unwrap_or_else(|_| Selector::all());
    let matchers = selector.matchers().iter();
    let pairs = matchers.filter(|one| one.op() == MatchOp::Equal);
    Labels::of(pairs.map(|one| (one.name(), one.value()))).unwrap_or_else(|_| Labels::empty())
}
