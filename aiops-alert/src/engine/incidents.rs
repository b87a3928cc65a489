//! Incidents: alerts that belong together, as one thing that happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aiops_core::{Alert, Cause, Fact, Incident, IncidentId, Labels, Timestamp};

use super::INCIDENT_LABEL;
use super::ledger::Ledger;
use crate::rule::ALERT_NAME;

/// Longest summary, in characters.
const MAX_SUMMARY: usize = 300;

/// Alerts of an incident that its summary takes in at once.
const SUMMED_AT_ONCE: usize = 4;

/// Somebody takes care of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Acknowledgement {
    /// Who.
    pub owner: String,
    /// Until when; after it the incident is told again as if nobody did.
    pub until: Timestamp,
}

/// An incident and what is needed to go on with it.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) incident: Incident,
    /// Places in `incident.alerts`.
    members: HashMap<Labels, usize>,
    /// Ends of the alerts, so that the last one is at hand.
    ends: BTreeSet<(Timestamp, usize)>,
    /// Latest end of the alerts that are not listed.
    unlisted_end: Timestamp,
    /// Its entry among the checks.
    check: Timestamp,
    /// How long the ends of its alerts are not believed.
    hold: Duration,
    acknowledged: Option<Acknowledgement>,
}

/// All incidents that are remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Incidents {
    all: BTreeMap<IncidentId, Tracked>,
    /// What is open, by what its alerts have in common.
    open: HashMap<Labels, IncidentId>,
    /// When an open incident may be over.
    checks: BTreeSet<(Timestamp, IncidentId)>,
    resolved: BTreeSet<IncidentId>,
    /// Incidents whose summaries are behind.
    dirty: BTreeSet<IncidentId>,
    pub(super) last_id: u64,
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) incidents: usize,
    pub(super) alerts: usize,
}

impl Incidents {
    pub(super) fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.all.get(&id).map(|tracked| &tracked.incident)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.all.values().map(|tracked| &tracked.incident)
    }

    /// The open incident of these common labels.
    pub(super) fn open(&self, group: &Labels) -> Option<IncidentId> {
        self.open.get(group).copied()
    }

    /// The alert fires, or is an alert of an open incident and has changed.
    pub(super) fn observe(
        &mut self,
        group: &Labels,
        alert: &Alert,
        ends_at: Timestamp,
        hold: Duration,
        limits: Limits,
        ledger: &mut Ledger,
    ) -> IncidentId {
        let id = match self.open(group) {
            Some(id) => id,
            None => self.begin(group, alert, limits, ledger),
        };
        if let Some(tracked) = self.all.get_mut(&id) {
            if tracked.put(alert, ends_at, limits.alerts, ledger) {
                self.dirty.insert(id);
            }
            // A later end is found out when the earlier check is due.
            tracked.hold = tracked.hold.max(hold);
            let due = tracked.last_end().saturating_add(tracked.hold);
            if due < tracked.check {
                self.checks.remove(&(tracked.check, id));
                self.checks.insert((due, id));
                tracked.check = due;
            }
        }
        id
    }

    fn begin(
        &mut self,
        group: &Labels,
        alert: &Alert,
        limits: Limits,
        ledger: &mut Ledger,
    ) -> IncidentId {
        while self.all.len() >= limits.incidents {
            let oldest = self.resolved.first().or_else(|| self.all.keys().next());
            let Some(&oldest) = oldest else { break };
            self.forget(oldest);
            ledger.incidents_dropped += 1;
        }
        self.last_id += 1;
        let id = IncidentId(self.last_id);
        let incident = Incident {
            id,
            group: group.clone(),
            opened_at: alert.starts_at,
            resolved_at: None,
            summary: String::new(),
            alerts: Vec::new(),
            causes: Vec::new(),
        };
        self.put(incident);
        ledger.incidents += 1;
        id
    }

    /// Takes in an incident as it is.
    pub(super) fn put(&mut self, incident: Incident) {
        let id = incident.id;
        self.last_id = self.last_id.max(id.0);
        if incident.resolved_at.is_some() {
            self.resolved.insert(id);
        } else {
            self.open.insert(incident.group.clone(), id);
        }
        let is_open = incident.resolved_at.is_none();
        let members = incident.alerts.iter().enumerate();
        let mut tracked = Tracked {
            members: members
                .clone()
                .map(|(place, alert)| (alert.labels.clone(), place))
                .collect(),
            ends: members
                .map(|(place, alert)| (alert.ends_at.unwrap_or(Timestamp::MAX), place))
                .collect(),
            unlisted_end: Timestamp::MIN,
            check: Timestamp::MAX,
            hold: Duration::ZERO,
            acknowledged: None,
            incident,
        };
        if is_open {
            if !tracked.ends.is_empty() {
                tracked.check = tracked.last_end();
            }
            self.checks.insert((tracked.check, id));
            self.dirty.insert(id);
        }
        self.all.insert(id, tracked);
    }

    fn forget(&mut self, id: IncidentId) {
        self.resolved.remove(&id);
        if let Some(tracked) = self.all.get(&id) {
            self.checks.remove(&(tracked.check, id));
        }
        if let Some(tracked) = self.all.remove(&id)
            && self.open.get(&tracked.incident.group) == Some(&id)
        {
            self.open.remove(&tracked.incident.group);
        }
    }

    /// Takes an alert out of an open incident: it belongs to another one.
    pub(super) fn take_out(&mut self, group: &Labels, labels: &Labels) {
        let id = self.open(group);
        if let Some(tracked) = id.and_then(|id| self.all.get_mut(&id)) {
            tracked.take_out(labels);
            self.dirty.extend(id);
        }
    }

    /// Forgets an open incident that has no alerts any more.
    pub(super) fn forget_empty(&mut self, id: IncidentId) {
        let is_empty = |one: &Incident| one.alerts.is_empty() && one.resolved_at.is_none();
        if self.get(id).is_some_and(is_empty) {
            self.forget(id);
        }
    }

    /// When an incident may be over next.
    #[cfg(feature = "serde")]
    pub(super) fn next_check(&self) -> Option<Timestamp> {
        self.checks.first().map(|(at, _)| *at)
    }

    /// Ends the incidents whose alerts have all been over for long enough.
    pub(super) fn tick(&mut self, now: Timestamp, ledger: &mut Ledger) {
        for id in std::mem::take(&mut self.dirty) {
            if let Some(tracked) = self.all.get_mut(&id) {
                tracked.incident.summary = summary(&tracked.incident);
            }
        }
        while let Some(&(due, id)) = self.checks.first() {
            if due > now {
                return;
            }
            self.checks.pop_first();
            let Some(tracked) = self.all.get_mut(&id) else {
                continue;
            };
            if tracked.incident.resolved_at.is_some() {
                continue;
            }
            let last = tracked.last_end();
            let due = last.saturating_add(tracked.hold);
            if due > now {
                tracked.check = due;
                self.checks.insert((due, id));
                continue;
            }
            tracked.incident.resolved_at = Some(last);
            if self.open.get(&tracked.incident.group) == Some(&id) {
                self.open.remove(&tracked.incident.group);
            }
            self.resolved.insert(id);
            ledger.incidents_resolved += 1;
        }
    }

    pub(super) fn acknowledge(&mut self, id: IncidentId, by: Acknowledgement) -> bool {
        match self.all.get_mut(&id) {
            Some(tracked) if tracked.incident.resolved_at.is_none() => {
                tracked.acknowledged = Some(by);
                true
            }
            _ => false,
        }
    }

    pub(super) fn acknowledgement(&self, id: IncidentId) -> Option<&Acknowledgement> {
        self.all.get(&id)?.acknowledged.as_ref()
    }

    /// How long ends are not believed, for an incident that was put.
    pub(super) fn set_hold(&mut self, id: IncidentId, hold: Duration) {
        if let Some(tracked) = self.all.get_mut(&id) {
            tracked.hold = tracked.hold.max(hold);
        }
    }

    pub(super) fn set_causes(&mut self, id: IncidentId, causes: Vec<Cause>) -> bool {
        let Some(tracked) = self.all.get_mut(&id) else {
            return false;
        };
        tracked.incident.causes = causes.into_iter().map(storable).collect();
        tracked.incident.summary = summary(&tracked.incident);
        true
    }
}

impl Tracked {
    fn last_end(&self) -> Timestamp {
        let listed = self.ends.last().map_or(Timestamp::MIN, |(end, _)| *end);
        listed.max(self.unlisted_end)
    }

    fn take_out(&mut self, labels: &Labels) {
        let Some(place) = self.members.remove(labels) else {
            return;
        };
        self.incident.alerts.remove(place);
        self.ends.clear();
        for (place, alert) in self.incident.alerts.iter().enumerate() {
            self.members.insert(alert.labels.clone(), place);
            let end = alert.ends_at.unwrap_or(Timestamp::MAX);
            self.ends.insert((end, place));
        }
    }

    /// Answers whether the summary is behind. That of many alerts costs something, so it is made
    /// once for all that came, except for the first few.
    fn put(
        &mut self,
        alert: &Alert,
        ends_at: Timestamp,
        limit: usize,
        ledger: &mut Ledger,
    ) -> bool {
        let alerts = &mut self.incident.alerts;
        if let Some(&place) = self.members.get(&alert.labels) {
            let known = &mut alerts[place];
            self.ends
                .remove(&(known.ends_at.unwrap_or(Timestamp::MAX), place));
            let retold = known.annotations != alert.annotations;
            known.ends_at = Some(ends_at);
            known.starts_at = alert.starts_at.min(known.starts_at);
            if retold {
                known.annotations.clone_from(&alert.annotations);
            }
            self.ends.insert((ends_at, place));
            return retold && place == 0;
        }
        if alerts.len() >= limit {
            ledger.unlisted += 1;
            self.unlisted_end = self.unlisted_end.max(ends_at); // it still keeps it open
            return false;
        }
        let place = alerts.len();
        let mut alert = alert.clone();
        alert.ends_at = Some(ends_at);
        self.incident.opened_at = self.incident.opened_at.min(alert.starts_at);
        self.members.insert(alert.labels.clone(), place);
        alerts.push(alert);
        self.ends.insert((ends_at, place));
        if place < SUMMED_AT_ONCE {
            self.incident.summary = summary(&self.incident);
        }
        place >= SUMMED_AT_ONCE
    }
}

/// Without numbers that JSON cannot hold: a stored engine must always load.
fn storable(mut cause: Cause) -> Cause {
    if !cause.score.is_finite() {
        cause.score = if cause.score > 0.0 { f64::MAX } else { 0.0 };
    }
    cause.confidence = cause.confidence.filter(|share| share.is_finite());
    for one in &mut cause.evidence {
        if let Fact::Deviation {
            value, band, score, ..
        } = &one.fact
        {
            let numbers = [*value, band.lower, band.center, band.upper, *score];
            if !numbers.iter().all(|number| number.is_finite()) {
                let text = one.fact.to_string();
                one.fact = Fact::Note { text };
            }
        }
    }
    cause
}

/// What, where, and why it is believed, in one line.
fn summary(incident: &Incident) -> String {
    let Some(first) = incident.alerts.first() else {
        return String::new();
    };
    let mut names: Vec<&str> = Vec::new();
    for alert in &incident.alerts {
        let name = alert.labels.get(ALERT_NAME).unwrap_or("alert");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let what = match names.len() {
        0..=3 => names.join(", "),
        more => format!("{}, {} and {} other kinds", names[0], names[1], more - 2),
    };
    let place: Vec<String> = incident
        .group
        .iter()
        .filter(|(name, _)| *name != ALERT_NAME && *name != INCIDENT_LABEL)
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let mut text = what;
    if !place.is_empty() {
        text = format!("{text} on {}", place.join(", "));
    }
    let words = ["summary", "description", "message"];
    let why = words.iter().find_map(|name| first.annotations.get(*name));
    if let Some(why) = why {
        text = format!("{text}: {why}");
    }
    if let Some(reason) = first.annotations.get("reason") {
        text = format!("{text} ({reason})");
    }
    if let Some(cause) = incident.causes.first() {
        text = format!("{text}; likely cause: {}", cause.component);
    }
    if incident.alerts.len() > 1 {
        text = format!("{text}; {} alerts", incident.alerts.len());
    }
    one_line(&text)
}

/// Without line breaks, and not too long.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(MAX_SUMMARY) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
