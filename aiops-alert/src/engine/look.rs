//! The looks at groups: what is sent, and what becomes of it.

use std::time::Duration;

use aiops_core::{AlertStatus, IncidentId, Timestamp};

use super::AlertEngine;
use super::alerts::identity;
use super::damping::Past;
use super::group::Group;
use super::ledger::count;
use super::log::{Decision, Intent, Policy, Standing, back_off};
use super::notification::{Delivery, Notification, Reason};

/// Least time for the attempts of one look.
const MIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What was told about a group that is no more is remembered for this long.
pub(super) const LOG_LIFE: Duration = Duration::from_hours(120);

/// Most groups of which is remembered what was told.
const MAX_REMEMBERED: usize = 10_000;

impl AlertEngine {
    /// Lets time pass up to `now`; answers what is to be sent, in order of time and then of group
    /// and integration. Call it often: it looks at each group that is due once, however long ago
    /// that was.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Notification> {
        self.pass(now);
        let now = self.clock;
        self.incidents.tick(now, &mut self.ledger);
        if self.silences.any_until_resolved(now) {
            let alerts = self.alerts.sorted();
            self.silences.end_with_alerts(now, |matchers| {
                let mut alerts = alerts.iter();
                alerts.any(|held| !held.has_ended(now) && matchers.matches(&held.alert.labels))
            });
        }
        let mut notifications = self.due_retries();
        while let Some(&(at, id)) = self.schedule.first() {
            if at > now {
                break;
            }
            self.schedule.pop_first();
            self.look(id, &mut notifications);
        }
        self.clean_up();
        notifications
    }

    /// Takes in what became of the attempt to send the notification with this key. Answers
    /// whether it was known; a report that comes after the next decision is not.
    pub fn report_delivery(&mut self, now: Timestamp, key: &str, delivery: Delivery) -> bool {
        self.pass(now);
        let Some(&(id, integration)) = self.intents.get(key) else {
            return false;
        };
        let Some(intent) = self.intent(id, integration) else {
            return false;
        };
        match delivery {
            Delivery::Delivered => {
                self.ledger.delivered += 1;
                self.drop_intent(id, integration);
                if let Some(group) = &mut self.groups[id as usize] {
                    group.logs[integration].record(self.clock, &intent);
                }
                self.leave_after(id, Some(&intent));
            }
            Delivery::Failed { retry, after } => {
                let wait = back_off(key, intent.attempt).max(after.unwrap_or(Duration::ZERO));
                let again = self.clock.saturating_add(wait);
                if retry && again < intent.deadline {
                    self.ledger.retried += 1;
                    self.try_again(id, integration, again);
                } else {
                    self.ledger.abandoned += 1;
                    self.drop_intent(id, integration);
                }
            }
        }
        true
    }

    fn intent(&self, id: u32, integration: usize) -> Option<Intent> {
        let group = self.groups.get(id as usize)?.as_ref()?;
        group.logs.get(integration)?.intent.clone()
    }

    /// The decision is done with, one way or the other. A look that was missed meanwhile is made
    /// up for at once.
    fn drop_intent(&mut self, id: u32, integration: usize) {
        let Some(group) = &mut self.groups[id as usize] else {
            return;
        };
        let Some(intent) = group.logs[integration].intent.take() else {
            return;
        };
        self.intents.remove(&intent.key);
        if let Some(at) = intent.retry_at {
            self.retries.remove(&(at, intent.key));
        }
        if std::mem::take(&mut group.logs[integration].missed) {
            let now = self.clock;
            self.reschedule(id, now);
        }
    }

    fn try_again(&mut self, id: u32, integration: usize, at: Timestamp) {
        if let Some(group) = &mut self.groups[id as usize]
            && let Some(intent) = &mut group.logs[integration].intent
        {
            intent.retry_at = Some(at);
            self.retries.insert((at, intent.key.clone()));
        }
    }

    fn due_retries(&mut self) -> Vec<Notification> {
        let mut notifications = Vec::new();
        while let Some((at, key)) = self.retries.first().cloned() {
            if at > self.clock {
                break;
            }
            self.retries.pop_first();
            let Some(&(id, integration)) = self.intents.get(&key) else {
                continue;
            };
            if let Some(group) = &mut self.groups[id as usize]
                && let Some(intent) = &mut group.logs[integration].intent
            {
                intent.retry_at = None;
                intent.attempt += 1;
            }
            notifications.extend(self.notification(id, integration));
        }
        notifications
    }

    /// One look at a group.
    fn look(&mut self, id: u32, notifications: &mut Vec<Notification>) {
        let now = self.clock;
        let Some(group) = &mut self.groups[id as usize] else {
            return;
        };
        if now >= group.next {
            let interval = self.routes.get(group.route).interval;
            group.next = next_look(group.next, now, interval);
            group.flushed = true;
        }
        group.scheduled = group.next;
        self.schedule.insert((group.next, id));
        if self.is_silent(id) {
            self.leave(id);
            return;
        }
        let standing = self.stand(id);
        for (integration, standing) in standing.iter().enumerate() {
            if self.expire_intent(id, integration)
                && self.decide(id, integration, standing) == Outcome::Sends
            {
                notifications.extend(self.notification(id, integration));
            }
        }
        self.leave(id);
    }

    /// Whether the group's route is silent now.
    fn is_silent(&mut self, id: u32) -> bool {
        let Some(group) = &self.groups[id as usize] else {
            return false;
        };
        let silent = self.routes.silent_because(group.route, self.clock);
        if silent.is_some() {
            self.ledger.silent_looks += 1;
        }
        silent.is_some()
    }

    /// How the group's alerts stand now, for each integration.
    fn stand(&mut self, id: u32) -> Vec<Standing> {
        let now = self.clock;
        let Some(group) = &mut self.groups[id as usize] else {
            return Vec::new();
        };
        let mut standing = vec![Standing::default(); group.logs.len()];
        for &place in &group.alerts {
            let Some(held) = self.alerts.get(place) else {
                continue;
            };
            let alert = identity(held);
            let fires = held.fires(now) && !group.moved;
            let labels = held.alert.labels.clone();
            let starts_at = held.alert.starts_at;
            let inhibited = self.inhibitor.source_of(now, &labels, &self.alerts);
            let silenced = inhibited.is_none() && self.silences.use_on(now, &labels);
            let muted = inhibited.is_some() || silenced;
            for (log, standing) in group.logs.iter_mut().zip(&mut standing) {
                // The end of what somebody believes to fire is told, muted or not.
                let settles = self.config.settle_muted && !fires && log.firing.contains_key(&alert);
                if muted && !settles {
                    if log.muted.insert(alert) {
                        let counts = &mut self.ledger;
                        let count = if silenced {
                            &mut counts.silenced
                        } else {
                            &mut counts.inhibited
                        };
                        *count += 1;
                    }
                    continue;
                }
                log.muted.remove(&alert);
                if fires {
                    standing.firing.insert(alert, starts_at);
                } else {
                    standing.resolved.insert(alert, starts_at);
                }
            }
        }
        standing
    }

    /// Whether a decision can be made: nothing is on its way, or for too long.
    fn expire_intent(&mut self, id: u32, integration: usize) -> bool {
        let Some(group) = &mut self.groups[id as usize] else {
            return false;
        };
        let log = &mut group.logs[integration];
        match &log.intent {
            None => true,
            Some(intent) if intent.deadline > self.clock => {
                log.missed = true;
                false
            }
            Some(_) => {
                self.ledger.abandoned += 1;
                self.drop_intent(id, integration);
                true
            }
        }
    }

    fn decide(&mut self, id: u32, integration: usize, standing: &Standing) -> Outcome {
        let now = self.clock;
        let Some(group) = &mut self.groups[id as usize] else {
            return Outcome::Silent;
        };
        let send_resolved = self.routes.integrations(group.route)[integration].send_resolved;
        let policy = Policy {
            send_resolved,
            notify_changes: self.config.notify_changes,
            refire_is_news: self.config.refire_is_news,
            repeat: self.routes.get(group.route).repeat,
        };
        let log = &mut group.logs[integration];
        let reason = match log.decide(now, standing, policy) {
            Decision::Nothing => return Outcome::Silent,
            Decision::HoldBack => {
                self.ledger.held_back += log.hold_back(standing);
                return Outcome::Silent;
            }
            Decision::Settle => {
                log.settle();
                return Outcome::Silent;
            }
            Decision::Send(Reason::Repeat)
                if group.incident.is_some_and(|id| {
                    let by = self.incidents.acknowledgement(id);
                    by.is_some_and(|by| by.until > now)
                }) =>
            {
                return Outcome::Silent; // somebody takes care of it
            }
            Decision::Send(reason) => reason,
        };
        let receiver = self.routes.receiver_name(group.route);
        let interval = self.routes.get(group.route).interval;
        let key = log.key(&group.key, receiver, integration, standing);
        log.intent = Some(Intent {
            key: key.clone(),
            reason,
            decided_at: now,
            deadline: now.saturating_add(interval.max(MIN_TIMEOUT)),
            attempt: 1,
            retry_at: None,
            firing: standing.firing.clone(),
            resolved: standing.resolved.keys().copied().collect(),
            incident: group.incident.or(log.incident).unwrap_or(IncidentId(0)),
        });
        self.ledger.notified += 1;
        count(&mut self.ledger.notified_by_receiver, receiver);
        self.intents.insert(key, (id, integration));
        Outcome::Sends
    }

    /// The notification of an intent, with the alerts as they were decided.
    fn notification(&self, id: u32, integration: usize) -> Option<Notification> {
        let group = self.groups[id as usize].as_ref()?;
        let intent = group.logs[integration].intent.as_ref()?;
        let send_resolved = self.routes.integrations(group.route)[integration].send_resolved;
        Some(Notification {
            incident: intent.incident,
            status: if intent.firing.is_empty() {
                AlertStatus::Resolved
            } else {
                AlertStatus::Firing
            },
            key: intent.key.clone(),
            reason: intent.reason,
            decided_at: intent.decided_at,
            attempt: intent.attempt,
            receiver: self.routes.receiver_name(group.route).to_owned(),
            integration,
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            alerts: group.decided(intent, &self.alerts, send_resolved),
        })
    }

    fn leave(&mut self, id: u32) {
        self.leave_after(id, None);
    }

    /// Alerts that are over leave the group once every integration that knows of them was told;
    /// or, as in Alertmanager, once a look at them has not failed.
    fn leave_after(&mut self, id: u32, sent: Option<&Intent>) {
        let (now, settle) = (self.clock, self.config.settle_muted);
        let Some(group) = &mut self.groups[id as usize] else {
            return;
        };
        let gone: Vec<u32> = group
            .alerts
            .iter()
            .copied()
            .filter(|&place| match self.alerts.get(place) {
                None => true,
                Some(held) if held.fires(now) && !group.moved => false,
                Some(held) if settle => group.lets_go(held),
                Some(held) => group.lets_go_after(held, sent),
            })
            .collect();
        for place in gone {
            group.alerts.remove(&place);
            if let Some(held) = self.alerts.get_mut(place) {
                held.groups.retain(|&group| group != id);
                if held.groups.is_empty() {
                    let labels = held.alert.labels.clone();
                    let past = Past {
                        flaps: held.flaps,
                        ended_at: held.ends_at,
                    };
                    self.alerts.remove(place);
                    self.inhibitor.remove(place, &labels);
                    if let Some(damping) = &self.config.damping {
                        self.flaps.remember(now, damping.window, labels, past);
                    }
                }
            }
        }
        if group.alerts.is_empty() && group.empty_since.is_none() {
            group.empty_since = Some(now);
        }
        if group.alerts.is_empty() && self.config.keep_empty_groups.is_zero() {
            self.close_group(id);
        }
    }

    /// Closes a group without alerts, unless something is on its way. What it told is remembered
    /// if somebody still believes it.
    pub(super) fn close_group(&mut self, id: u32) {
        let Some(group) = &self.groups[id as usize] else {
            return;
        };
        if group.logs.iter().any(|log| log.intent.is_some()) {
            return;
        }
        let Some(group) = self.groups[id as usize].take() else {
            return;
        };
        self.schedule.remove(&(group.scheduled, id));
        self.by_labels.remove(&(group.route, group.labels.clone()));
        self.free_groups.push(id);
        if group.is_believed() {
            self.remember(group);
        }
    }

    fn remember(&mut self, group: Group) {
        let receiver = self.routes.receiver_name(group.route).to_owned();
        if self.remembered.len() >= MAX_REMEMBERED {
            self.prune_remembered();
            if self.remembered.len() >= MAX_REMEMBERED {
                self.remembered.pop_first();
            }
        }
        self.remembered.insert((receiver, group.key), group.logs);
    }

    /// Closes groups that have been empty, as often as Alertmanager does.
    fn clean_up(&mut self) {
        let (now, every) = (self.clock, self.config.keep_empty_groups);
        if every.is_zero() {
            return;
        }
        if self.next_clean_up == Timestamp::MIN {
            self.next_clean_up = now.saturating_add(every);
        }
        if now < self.next_clean_up {
            return;
        }
        self.next_clean_up = now.saturating_add(every);
        let empty: Vec<u32> = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.as_ref().is_some_and(|group| group.alerts.is_empty()))
            .map(|(id, _)| id as u32)
            .collect();
        for id in empty {
            self.close_group(id);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Silent,
    Sends,
}

/// The look after the one at `due`: at the group's own beat, without those that were missed.
fn next_look(due: Timestamp, now: Timestamp, interval: Duration) -> Timestamp {
    let interval = i64::try_from(interval.as_nanos())
        .unwrap_or(i64::MAX)
        .max(1);
    let late = now.as_nanos().saturating_sub(due.as_nanos()).max(0);
    let beats = late / interval + 1;
    let ahead = beats.saturating_mul(interval);
    Timestamp::from_nanos(due.as_nanos().saturating_add(ahead))
}
