//! From alerts to notifications: grouping, timing, incidents, delivery.
//!
//! The rules are Alertmanager's; where they differ, a field of [`EngineConfig`] says so. Nothing
//! is sent here: [`tick`](AlertEngine::tick) answers what is to be sent, and
//! [`report_delivery`](AlertEngine::report_delivery) takes in what became of it.
//!
//! ```
//! use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
//! use aiops_core::{Alert, Labels, Timestamp};
//! use std::time::Duration;
//!
//! let mut config = EngineConfig::default();
//! config.group_by = vec!["host".into()];
//! config.group_wait = Duration::from_secs(5);
//! let mut engine = AlertEngine::try_from(config)?;
//!
//! let at = |second| Timestamp::from_secs(second).unwrap();
//! for name in ["DiskFull", "SlowWrites"] {
//!     let labels = Labels::of([("alertname", name), ("host", "db-1")])?;
//!     engine.receive(at(0), Alert::new(labels, at(0)));
//! }
//! assert!(engine.tick(at(4)).is_empty());
//! let notifications = engine.tick(at(5));
//! assert_eq!(notifications.len(), 1); // one for both
//! assert_eq!(notifications[0].alerts.len(), 2);
//! engine.report_delivery(at(5), &notifications[0].key, Delivery::Delivered);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The life of a group
//!
//! A group begins with its first alert and is looked at after `group_wait`, then every
//! `group_interval` counted from that look, however long sending takes. A look tells each
//! integration of the receiver by itself:
//!
//! | the integration was last told | now | told |
//! |---|---|---|
//! | nothing, or that all is over | something fires | [`First`](Reason::First) |
//! | that something fires | an alert fires that it does not know | [`NewAlerts`](Reason::NewAlerts), if changes are notified |
//! | that something fires | nothing fires | [`AllResolved`](Reason::AllResolved); with `send_resolved` off it is only remembered |
//! | that something fires | an alert is over that it does not know to be | [`SomeResolved`](Reason::SomeResolved), if changes are notified |
//! | longer ago than `repeat_interval` | something fires | [`Repeat`](Reason::Repeat) |
//!
//! # Delivery
//!
//! A notification has a key that stays the same for every attempt. An attempt that fails and may
//! be made again soon comes out of [`tick`](AlertEngine::tick) again after a growing wait, until
//! the time of the look is up (`group_interval`, at least 10 seconds); the next look then decides
//! anew. An attempt of which nothing is heard is one that failed. What was on its way when the
//! program stopped comes again with the same key.
//!
//! # Degenerate cases
//!
//! | input | result |
//! |---|---|
//! | alert without labels | refused, counted as `no-labels` |
//! | alert that ends before it begins | refused, counted as `ends-before-start` |
//! | alert that begins in the future | begins now |
//! | the end of an alert that is not known | counted as `ended_unknown` |
//! | an alert that is over before the first look | an incident, no notification |
//! | more alerts than `max_alerts` | refused, counted as `too-many` |
//! | time that goes back | counts as the latest time seen |
//! | a delivery report for a key that is not known | `false`, nothing changes |

mod alerts;
mod config;
mod damping;
mod explain;
mod group;
mod incidents;
mod inhibit;
#[cfg(feature = "serde")]
pub mod journal;
mod ledger;
mod log;
mod look;
mod moves;
mod notification;
mod route;
mod silence;
mod state;
#[cfg(feature = "serde")]
mod wire;

use aiops_core::{Alert, Cause, Incident, IncidentId, Labels, Timestamp, Topology};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::alerts::{Alerts, Held};
use self::damping::Flaps;
use self::group::{Group, Remembered};
use self::incidents::{Incidents, Limits};
use self::inhibit::Inhibitor;
use self::ledger::count;
use self::route::Routes;
use self::silence::Silences;
use crate::correlate::{Cascade, Correlator, cascade};
use crate::rule::ALERT_NAME;

pub use config::{ConfigError, EngineConfig, IntegrationConfig, ReceiverConfig, RouteConfig};
pub use damping::DampingConfig;
pub use explain::Step;
pub use incidents::Acknowledgement;
pub use inhibit::InhibitRule;
pub use ledger::Ledger;
pub use notification::{Delivery, Notification, Reason};
pub use silence::{Silence, SilenceError, SilenceId};

/// What became of an alert that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// It was not known.
    Opened,
    /// It changed one that is known.
    Updated,
    /// It said nothing new.
    Duplicate,
    /// It is the end of one that is not known.
    EndedUnknown,
    /// It was not taken, for this reason; counted under it in the [`Ledger`].
    Refused(&'static str),
}

/// The label by which routes can group alerts of one incident, where alerts are correlated.
pub const INCIDENT_LABEL: &str = "incident";

fn cluster_name(cluster: u64) -> String {
    format!("C-{cluster}")
}

fn correlation_label(cluster: u64) -> Labels {
    Labels::empty().with(INCIDENT_LABEL, &cluster_name(cluster))
}

fn correlator(config: &EngineConfig) -> Result<Option<Correlator>, ConfigError> {
    let correlation = config.correlation.clone();
    Ok(correlation.map(Correlator::try_from).transpose()?)
}

/// A group as it stands.
#[derive(Clone, Debug)]
pub struct GroupView<'a> {
    /// Who is told.
    pub receiver: &'a str,
    /// What the alerts have in common by the route.
    pub labels: Labels,
    /// The alerts in it.
    pub alerts: Vec<&'a Alert>,
}

/// Groups alerts and decides who is told what, and when.
///
/// About 1 microsecond for an alert that is known, some more for a new one; a
/// [`tick`](Self::tick) costs in proportion to the groups that are due. Below 1 KB for an alert
/// with a few labels and annotations, incident included.
#[derive(Clone, Debug)]
pub struct AlertEngine {
    config: EngineConfig,
    routes: Routes,
    alerts: Alerts,
    groups: Vec<Option<Group>>,
    free_groups: Vec<u32>,
    by_labels: HashMap<(u32, Labels), u32>,
    /// When groups are looked at.
    schedule: BTreeSet<(Timestamp, u32)>,
    /// Notifications on their way or waiting for another attempt: group and integration.
    intents: BTreeMap<String, (u32, usize)>,
    retries: BTreeSet<(Timestamp, String)>,
    remembered: Remembered,
    incidents: Incidents,
    inhibitor: Inhibitor,
    silences: Silences,
    flaps: Flaps,
    correlator: Option<Correlator>,
    ledger: Ledger,
    clock: Timestamp,
    next_clean_up: Timestamp,
}

impl TryFrom<EngineConfig> for AlertEngine {
    type Error = ConfigError;

    fn try_from(config: EngineConfig) -> Result<Self, ConfigError> {
        config::check(&config)?;
        Ok(Self {
            routes: Routes::new(&config)?,
            inhibitor: Inhibitor::new(&config.inhibit),
            silences: Silences::default(),
            flaps: Flaps::default(),
            correlator: correlator(&config)?,
            config,
            alerts: Alerts::default(),
            groups: Vec::new(),
            free_groups: Vec::new(),
            by_labels: HashMap::new(),
            schedule: BTreeSet::new(),
            intents: BTreeMap::new(),
            retries: BTreeSet::new(),
            remembered: Remembered::new(),
            incidents: Incidents::default(),
            ledger: Ledger::default(),
            clock: Timestamp::MIN,
            next_clean_up: Timestamp::MIN,
        })
    }
}

impl AlertEngine {
    /// As it was configured.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Takes in an alert from one of several senders, at `now`. While any of them says that it goes
    /// on, it does: senders that disagree do not make it flap.
    pub fn receive_from(&mut self, now: Timestamp, sender: &str, mut alert: Alert) -> Received {
        self.pass(now);
        let ends = alert
            .ends_at
            .unwrap_or_else(|| self.clock.saturating_add(self.config.resolve_timeout));
        if let Some(held) = self
            .alerts
            .find(&alert.labels)
            .and_then(|place| self.alerts.get_mut(place))
        {
            let latest = held.hear(sender, ends);
            alert.ends_at = Some(latest.max(alert.starts_at));
            return self.receive(now, alert);
        }
        let labels = alert.labels.clone();
        let received = self.receive(now, alert);
        if let Some(place) = self.alerts.find(&labels)
            && let Some(held) = self.alerts.get_mut(place)
        {
            held.hear(sender, ends);
        }
        received
    }

    /// Takes in an alert, at `now`: a new one, news about one that is known, or its end.
    pub fn receive(&mut self, now: Timestamp, alert: Alert) -> Received {
        self.pass(now);
        self.ledger.received += 1;
        let received = self.take(alert);
        match received {
            Received::Opened => self.ledger.opened += 1,
            Received::Updated => self.ledger.updated += 1,
            Received::Duplicate => self.ledger.deduplicated += 1,
            Received::EndedUnknown => self.ledger.ended_unknown += 1,
            Received::Refused(why) => count(&mut self.ledger.refused, why),
        }
        received
    }

    fn take(&mut self, alert: Alert) -> Received {
        if alert.labels.is_empty() {
            return Received::Refused("no-labels");
        }
        if alert.ends_at.is_some_and(|end| end < alert.starts_at) {
            return Received::Refused("ends-before-start");
        }
        let now = self.clock;
        let held = Held::new(now, alert, self.config.resolve_timeout);
        match self.alerts.find(&held.alert.labels) {
            Some(place) => self.update(place, held),
            None if held.has_ended(now) && self.remembered.is_empty() => Received::EndedUnknown,
            None if self.alerts.len() >= self.config.max_alerts => Received::Refused("too-many"),
            None => {
                self.open(held);
                Received::Opened
            }
        }
    }

    fn update(&mut self, place: u32, later: Held) -> Received {
        let now = self.clock;
        let (base, damping) = (self.config.resolve_after, self.config.damping);
        let Some(held) = self.alerts.get_mut(place) else {
            return Received::Duplicate;
        };
        let ended = held.ends_at;
        let comes_back = ended <= now && !later.has_ended(now);
        let was_hidden = comes_back && held.fires(now);
        let changed = held.merge(now, later);
        if let (true, Some(damping)) = (comes_back, damping) {
            let soon = ended.saturating_add(damping.window) > now;
            held.flaps = if soon { held.flaps + 1 } else { 0 };
            held.hold = base.max(damping.hold(held.flaps));
            self.ledger.damped += u64::from(was_hidden);
        }
        let fires = held.fires(now);
        let again = comes_back && !was_hidden;
        let missing = fires && (held.groups.len() as u32) < held.targets;
        if again && self.correlator.is_some() {
            self.correlate_again(place);
        }
        self.join_incident(place);
        if missing {
            self.route(place);
        }
        if changed {
            Received::Updated
        } else {
            Received::Duplicate
        }
    }

    fn open(&mut self, mut held: Held) {
        held.hold = self.config.resolve_after;
        if let Some(damping) = &self.config.damping {
            let labels = &held.alert.labels;
            held.flaps = self.flaps.count(self.clock, damping.window, labels);
            held.hold = held.hold.max(damping.hold(held.flaps));
        }
        let name = held.alert.labels.get(ALERT_NAME).unwrap_or("(none)");
        count(&mut self.ledger.opened_by_name, name);
        if !held.has_ended(self.clock) {
            held.cluster = self.correlate(&held.alert.labels);
        }
        let place = self.hold_alert(held);
        self.join_incident(place);
        self.route(place);
    }

    /// The cluster of an alert that begins, where alerts are correlated.
    fn correlate(&mut self, labels: &Labels) -> Option<u64> {
        let correlator = self.correlator.as_mut()?;
        let cluster = correlator.assign(self.clock, labels);
        let moved = correlator.moved().to_vec();
        self.ledger.splits += u64::from(!moved.is_empty());
        self.move_alerts(&moved, cluster);
        Some(cluster)
    }

    pub(self) fn hold_alert(&mut self, held: Held) -> u32 {
        let labels = held.alert.labels.clone();
        let place = self.alerts.insert(held);
        self.inhibitor.add(place, &labels);
        place
    }

    /// The alert's incident takes it in; one is opened when the alert goes on and there is none.
    fn join_incident(&mut self, place: u32) {
        let Some(held) = self.alerts.get(place) else {
            return;
        };
        let group = self.incident_labels(held);
        if held.has_ended(self.clock) && self.incidents.open(&group).is_none() {
            return;
        }
        self.incidents.observe(
            &group,
            &held.alert,
            held.ends_at,
            held.hold,
            Limits {
                incidents: self.config.max_incidents,
                alerts: self.config.max_alerts_per_incident,
            },
            &mut self.ledger,
        );
    }

    /// What the alerts of its incident have in common.
    fn incident_labels(&self, held: &Held) -> Labels {
        match held.cluster {
            Some(cluster) => correlation_label(cluster),
            None => self.routes.incident_labels(&held.alert.labels),
        }
    }

    /// Puts the alert into the groups it belongs to.
    fn route(&mut self, place: u32) {
        let Some(held) = self.alerts.get(place) else {
            return;
        };
        let labels = held.alert.labels.clone();
        // Routes may group by the incident as if it were a label.
        let grouped = match held.cluster {
            Some(cluster) => labels.with(INCIDENT_LABEL, &cluster_name(cluster)),
            None => labels.clone(),
        };
        let routes = self.routes.find(&labels);
        if let Some(held) = self.alerts.get_mut(place) {
            held.targets = routes.len() as u32;
        }
        for route in routes {
            let group_labels = self.routes.group_labels(route, &grouped);
            self.join_group(place, route, group_labels);
        }
    }

    fn join_group(&mut self, place: u32, route: u32, labels: Labels) {
        let known = self.by_labels.get(&(route, labels.clone())).copied();
        let id = known.unwrap_or_else(|| self.open_group(route, labels));
        let Some(held) = self.alerts.get_mut(place) else {
            return;
        };
        if !held.groups.contains(&id) {
            held.groups.push(id);
        }
        let begins = held.alert.starts_at;
        let held = self.alerts.get(place);
        let incident = held.and_then(|held| self.incidents.open(&self.incident_labels(held)));
        let wait = self.routes.get(route).wait;
        let Some(group) = &mut self.groups[id as usize] else {
            return;
        };
        let joined = group.alerts.insert(place);
        group.empty_since = None;
        if joined && known.is_some() {
            self.ledger.grouped += 1;
        }
        let is_over = group
            .incident
            .and_then(|id| self.incidents.get(id))
            .is_none_or(|incident| incident.resolved_at.is_some());
        if is_over && incident.is_some() {
            group.incident = incident;
        }
        // An alert that has waited long enough elsewhere does not wait again.
        if !group.flushed && begins.saturating_add(wait) < self.clock {
            group.next = self.clock;
            self.reschedule(id, self.clock);
        }
    }

    fn open_group(&mut self, route: u32, labels: Labels) -> u32 {
        let key = self.routes.group_key(route, &labels);
        let receiver = self.routes.receiver_name(route).to_owned();
        let mut logs = self
            .remembered
            .remove(&(receiver, key.clone()))
            .unwrap_or_default();
        logs.resize_with(self.routes.integrations(route).len(), Default::default);
        let next = self.clock.saturating_add(self.routes.get(route).wait);
        let group = Group {
            route,
            labels: labels.clone(),
            key,
            alerts: BTreeSet::new(),
            next,
            scheduled: next,
            flushed: false,
            incident: logs.iter().find_map(|log| log.incident),
            logs,
            empty_since: None,
            moved: false,
        };
        let id = self.put_group(group);
        self.by_labels.insert((route, labels), id);
        self.ledger.groups += 1;
        id
    }

    fn put_group(&mut self, group: Group) -> u32 {
        let next = group.next;
        let id = if let Some(id) = self.free_groups.pop() {
            self.groups[id as usize] = Some(group);
            id
        } else {
            self.groups.push(Some(group));
            (self.groups.len() - 1) as u32
        };
        self.schedule.insert((next, id));
        id
    }

    /// Moves the group's place in the schedule.
    fn reschedule(&mut self, id: u32, at: Timestamp) {
        if let Some(group) = &mut self.groups[id as usize] {
            self.schedule.remove(&(group.scheduled, id));
            group.scheduled = at;
            self.schedule.insert((at, id));
        }
    }

    /// Time does not go back.
    fn pass(&mut self, now: Timestamp) {
        self.clock = self.clock.max(now);
    }

    /// Silences alerts. The start is not before `now`.
    ///
    /// # Errors
    ///
    /// [`SilenceError`] when it would match every alert, is over before it begins, or there are
    /// too many.
    pub fn add_silence(
        &mut self,
        now: Timestamp,
        silence: Silence,
    ) -> Result<SilenceId, SilenceError> {
        self.pass(now);
        self.silences.add(self.clock, silence)
    }

    /// Ends a silence now; `false` when it is not known or over already.
    pub fn expire_silence(&mut self, now: Timestamp, id: SilenceId) -> bool {
        self.pass(now);
        self.silences.expire(self.clock, id)
    }

    /// The silences that are remembered, in order of number; some days after their end they are
    /// not.
    pub fn silences(&self) -> impl Iterator<Item = (SilenceId, &Silence)> {
        self.silences.iter().map(|kept| (kept.id, &kept.silence))
    }

    /// The silences that silence an alert with these labels now.
    pub fn silenced_by(&self, labels: &Labels) -> Vec<SilenceId> {
        self.silences.matching(self.clock, labels)
    }

    /// An alert that keeps an alert with these labels back now.
    pub fn inhibited_by(&self, labels: &Labels) -> Option<&Alert> {
        let (_, place) = self.inhibitor.source_of(self.clock, labels, &self.alerts)?;
        self.alerts.get(place).map(|held| &held.alert)
    }

    /// The alerts that are held, in order of identity.
    pub fn alerts(&self) -> Vec<&Alert> {
        let held = self.alerts.sorted().into_iter();
        held.map(|held| &held.alert).collect()
    }

    /// The groups: receiver, common labels and alerts, in order of receiver and key.
    pub fn groups(&self) -> Vec<GroupView<'_>> {
        let mut groups: Vec<_> = self.groups.iter().flatten().collect();
        groups.sort_by_key(|group| (self.routes.receiver_name(group.route), &group.key));
        let view = |group: &'_ Group| GroupView {
            receiver: self.routes.receiver_name(group.route),
            labels: group.labels.clone(),
            alerts: group
                .alerts
                .iter()
                .filter_map(|&place| Some(&self.alerts.get(place)?.alert))
                .collect(),
        };
        groups.into_iter().map(view).collect()
    }

    /// Sets what is believed to have caused an incident; `false` when it is not known.
    pub fn set_causes(&mut self, id: IncidentId, causes: Vec<Cause>) -> bool {
        self.incidents.set_causes(id, causes)
    }

    /// Who calls whom from now on, for the correlation of alerts.
    pub fn set_topology(&mut self, topology: Topology) {
        if let Some(correlator) = &mut self.correlator {
            correlator.set_topology(topology);
        }
    }

    /// Where an incident may have begun, what is critical and what is only hit; `None` when it is
    /// not remembered or alerts are not correlated.
    pub fn cascade(&self, id: IncidentId) -> Option<Cascade> {
        let correlator = self.correlator.as_ref()?;
        let incident = self.incidents.get(id)?;
        Some(cascade(
            incident,
            correlator.topology(),
            correlator.config(),
        ))
    }

    /// Says that somebody takes care of an incident: until then it is not told again when nothing
    /// is new. `false` when it is not known or over.
    pub fn acknowledge(&mut self, now: Timestamp, id: IncidentId, by: Acknowledgement) -> bool {
        self.pass(now);
        self.incidents.acknowledge(id, by)
    }

    /// Who takes care of an incident, and until when.
    pub fn acknowledgement(&self, id: IncidentId) -> Option<&Acknowledgement> {
        self.incidents.acknowledgement(id)
    }

    /// An incident, as long as it is remembered. The summary of one of many alerts takes in
    /// what joined before the last [`tick`](Self::tick).
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(id)
    }

    /// All incidents that are remembered, the oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.iter()
    }

    /// What came in, what went out, and what lies between.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The receivers that would be told about an alert with these labels, in order of routes.
    pub fn receivers_for(&self, labels: &Labels) -> Vec<&str> {
        let routes = self.routes.find(labels).into_iter();
        routes
            .map(|route| self.routes.receiver_name(route))
            .collect()
    }

    /// Alerts that are held.
    pub fn alert_count(&self) -> usize {
        self.alerts.len()
    }

    /// When [`tick`](Self::tick) next has something to do, if nothing comes in until then. An
    /// incident may end earlier.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let look = self.schedule.first().map(|(at, _)| *at);
        let retry = self.retries.first().map(|(at, _)| *at);
        [look, retry].into_iter().flatten().min()
    }

    /// Whether [`tick`](Self::tick) would change nothing but the clock.
    #[cfg(feature = "serde")]
    pub(self) fn is_idle(&self, now: Timestamp) -> bool {
        let now = self.clock.max(now);
        let cleans_up = !self.config.keep_empty_groups.is_zero() && now >= self.next_clean_up;
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        !cleans_up
            && !due(self.next_deadline())
            && !due(self.incidents.next_check())
            && !self.silences.any_until_resolved(now)
    }

    /// Whether an alert that is held has the text of this one.
    #[cfg(feature = "serde")]
    pub(self) fn says_the_same(&self, alert: &Alert) -> bool {
        let place = self.alerts.find(&alert.labels);
        let held = place.and_then(|place| self.alerts.get(place));
        held.is_some_and(|held| {
            held.alert.annotations == alert.annotations
                && held.alert.generator_url == alert.generator_url
        })
    }

    /// An alert with the text of the one that is held.
    #[cfg(feature = "serde")]
    pub(self) fn said_before(
        &self,
        labels: &Labels,
        starts_at: Timestamp,
        ends_at: Option<Timestamp>,
    ) -> Alert {
        let held = self.alerts.find(labels);
        let held = held.and_then(|place| self.alerts.get(place));
        let mut alert = Alert::new(labels.clone(), starts_at);
        if let Some(held) = held {
            alert.annotations.clone_from(&held.alert.annotations);
            alert.generator_url.clone_from(&held.alert.generator_url);
        }
        alert.ends_at = ends_at;
        alert
    }
}
