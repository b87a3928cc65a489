//! Why an alert was told, or was not.

use std::fmt;

use aiops_core::{IncidentId, Labels, Timestamp};

use super::alerts::identity;
use super::log::Log;
use super::{AlertEngine, Reason, SilenceId};

/// One fact on the way of an alert. Displays as one line for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// No such alert is held: it was never received, was refused, or is over and told.
    Unknown,
    /// It is held.
    Held {
        /// When it began.
        starts_at: Timestamp,
        /// When it ends or ended.
        ends_at: Timestamp,
        /// Whether it counts as firing.
        fires: bool,
    },
    /// It has ended, but came back before: its end is not believed yet.
    EndNotBelieved {
        /// From when on it is.
        until: Timestamp,
        /// How often it came back.
        flaps: u32,
    },
    /// The incident that it belongs to.
    InIncident {
        /// Its number.
        id: IncidentId,
    },
    /// Another alert keeps it back.
    Inhibited {
        /// Labels of that alert.
        by: Labels,
    },
    /// Silences keep it back.
    Silenced {
        /// Their numbers.
        by: Vec<SilenceId>,
    },
    /// A route takes it.
    Routed {
        /// Who is told.
        receiver: String,
        /// Key of its group.
        group: String,
    },
    /// The route is silent at this time.
    RouteSilent {
        /// Who is not told.
        receiver: String,
        /// The time interval; empty when no active one holds.
        interval: String,
    },
    /// Its group has not been looked at yet.
    Waiting {
        /// Who will be told.
        receiver: String,
        /// When the group is looked at.
        until: Timestamp,
    },
    /// The integration knows that it fires.
    Told {
        /// Who.
        receiver: String,
        /// Which integration.
        integration: usize,
        /// When it was last told something.
        at: Timestamp,
    },
    /// A notification about it is on its way, or waits for another attempt.
    OnItsWay {
        /// Who is told.
        receiver: String,
        /// Which integration.
        integration: usize,
        /// Why.
        reason: Reason,
        /// Number of the attempt.
        attempt: u32,
    },
    /// The incident was notified before it joined, and changes are not told.
    HeldBack {
        /// Who.
        receiver: String,
        /// Which integration.
        integration: usize,
        /// When the incident was notified.
        notified_at: Timestamp,
    },
    /// The integration was not told, and will be at the next look.
    NextLook {
        /// Who.
        receiver: String,
        /// Which integration.
        integration: usize,
        /// When.
        at: Timestamp,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not held: never received, refused, or over and told"),
            Self::Held {
                starts_at,
                ends_at,
                fires,
            } => {
                let state = if *fires { "firing" } else { "over" };
                write!(f, "{state}: from {starts_at} to {ends_at}")
            }
            Self::EndNotBelieved { until, flaps } => write!(
                f,
                "its end is not believed until {until}: it came back {flaps} times"
            ),
            Self::InIncident { id } => write!(f, "belongs to {id}"),
            Self::Inhibited { by } => write!(f, "not told: inhibited by {by}"),
            Self::Silenced { by } => {
                let numbers: Vec<String> = by.iter().map(ToString::to_string).collect();
                write!(f, "not told: silenced by {}", numbers.join(", "))
            }
            Self::Routed { receiver, group } => write!(f, "goes to {receiver}, in group {group}"),
            Self::RouteSilent { receiver, interval } if interval.is_empty() => {
                write!(f, "{receiver} is not told: no active time interval holds")
            }
            Self::RouteSilent { receiver, interval } => {
                write!(f, "{receiver} is not told: time interval {interval}")
            }
            Self::Waiting { receiver, until } => {
                write!(
                    f,
                    "{receiver} is not told yet: the group waits until {until}"
                )
            }
            Self::Told {
                receiver,
                integration,
                at,
            } => write!(f, "{receiver}/{integration} was told at {at}"),
            Self::OnItsWay {
                receiver,
                integration,
                reason,
                attempt,
            } => write!(
                f,
                "{receiver}/{integration} is being told ({reason:?}, attempt {attempt})"
            ),
            Self::HeldBack {
                receiver,
                integration,
                notified_at,
            } => write!(
                f,
                "{receiver}/{integration} is not told: its incident was notified at {notified_at}"
            ),
            Self::NextLook {
                receiver,
                integration,
                at,
            } => write!(f, "{receiver}/{integration} is told at the next look, {at}"),
        }
    }
}

impl AlertEngine {
    /// Why the alert with these labels was told or not, step by step, as things stand now. For
    /// another time, [replay](crate::replay) up to it and ask there.
    pub fn explain(&self, labels: &Labels) -> Vec<Step> {
        let place = self.alerts.find(labels);
        let Some((place, held)) = place.and_then(|place| Some((place, self.alerts.get(place)?)))
        else {
            return vec![Step::Unknown];
        };
        let now = self.clock;
        let fires = held.fires(now);
        let mut steps = vec![Step::Held {
            starts_at: held.alert.starts_at,
            ends_at: held.ends_at,
            fires,
        }];
        if fires && held.has_ended(now) {
            steps.push(Step::EndNotBelieved {
                until: held.ends_at.saturating_add(held.hold),
                flaps: held.flaps,
            });
        }
        let incident = self.incidents.open(&self.incident_labels(held));
        steps.extend(incident.map(|id| Step::InIncident { id }));
        if let Some(source) = self.inhibited_by(labels) {
            let by = source.labels.clone();
            steps.push(Step::Inhibited { by });
        }
        let silences = self.silenced_by(labels);
        if !silences.is_empty() {
            steps.push(Step::Silenced { by: silences });
        }
        let is_muted = steps
            .iter()
            .any(|step| matches!(step, Step::Inhibited { .. } | Step::Silenced { .. }));
        for &id in &held.groups {
            let Some(group) = self.groups[id as usize].as_ref() else {
                continue;
            };
            debug_assert!(group.alerts.contains(&place));
            let receiver = self.routes.receiver_name(group.route).to_owned();
            steps.push(Step::Routed {
                receiver: receiver.clone(),
                group: group.key.clone(),
            });
            if let Some(interval) = self.routes.silent_because(group.route, now) {
                steps.push(Step::RouteSilent {
                    receiver,
                    interval: interval.to_owned(),
                });
                continue;
            }
            if !group.flushed {
                let until = group.next;
                steps.push(Step::Waiting { receiver, until });
                continue;
            }
            let logs = group.logs.iter().enumerate();
            let news = logs.filter_map(|(integration, log)| {
                let receiver = receiver.clone();
                self.told(
                    log,
                    (receiver, integration),
                    identity(held),
                    is_muted,
                    group.next,
                )
            });
            steps.extend(news);
        }
        steps
    }

    fn told(
        &self,
        log: &Log,
        (receiver, integration): (String, usize),
        alert: aiops_core::Fingerprint,
        is_muted: bool,
        next: Timestamp,
    ) -> Option<Step> {
        if let Some(intent) = &log.intent
            && (intent.firing.contains_key(&alert) || intent.resolved.contains(&alert))
        {
            return Some(Step::OnItsWay {
                receiver,
                integration,
                reason: intent.reason,
                attempt: intent.attempt,
            });
        }
        match log.sent_at {
            Some(at) if log.firing.contains_key(&alert) => Some(Step::Told {
                receiver,
                integration,
                at,
            }),
            _ if is_muted => None,
            Some(notified_at) if !self.config.notify_changes && !log.firing.is_empty() => {
                Some(Step::HeldBack {
                    receiver,
                    integration,
                    notified_at,
                })
            }
            _ => Some(Step::NextLook {
                receiver,
                integration,
                at: next,
            }),
        }
    }
}
