//! The shape of an incident: where it may have begun, what is critical, what is only hit.

use std::collections::{BTreeMap, BTreeSet};

use aiops_core::{Incident, Timestamp, Topology};

use super::CorrelatorConfig;

/// The components of an incident as three lists, each without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cascade {
    /// Where it may have begun, the likeliest first: nothing that they depend on is in trouble,
    /// and what depends on them is.
    pub suspects: Vec<String>,
    /// In trouble, and in trouble is also what they depend on and what depends on them.
    pub critical: Vec<String>,
    /// In trouble because of what they depend on; nothing in trouble depends on them.
    pub impact: Vec<String>,
}

/// What an alerting component looks like from the topology.
#[derive(Debug)]
struct Member<'a> {
    name: &'a str,
    since: Timestamp,
    alerts: usize,
    /// Components in trouble that depend on it, directly or not.
    reach: usize,
    /// Components in trouble that it depends on directly.
    below: usize,
    above: usize,
}

/// The components of an incident by their part in it. Cost: one walk of the topology for each
/// component that alerts.
pub fn cascade(incident: &Incident, topology: &Topology, config: &CorrelatorConfig) -> Cascade {
    let mut first: BTreeMap<&str, (Timestamp, usize)> = BTreeMap::new();
    for alert in &incident.alerts {
        let component = config.component(&alert.labels);
        if component.is_empty() {
            continue;
        }
        let entry = first.entry(component).or_insert((alert.starts_at, 0));
        entry.0 = entry.0.min(alert.starts_at);
        entry.1 += 1;
    }
    let alerting: BTreeSet<&str> = first.keys().copied().collect();
    let mut members: Vec<Member<'_>> = first
        .iter()
        .map(|(name, (since, alerts))| Member {
            name,
            since: *since,
            alerts: *alerts,
            reach: reach(name, topology, &alerting),
            below: count(topology.dependencies(name), &alerting),
            above: count(topology.dependents(name), &alerting),
        })
        .collect();
    // The one that explains most first, then the earliest, then the one with most alerts.
    members.sort_by(|a, b| {
        (b.reach.cmp(&a.reach))
            .then(a.since.cmp(&b.since))
            .then(b.alerts.cmp(&a.alerts))
            .then(a.name.cmp(b.name))
    });
    let mut found = Cascade::default();
    for member in &members {
        let list = if member.below == 0 && (member.above > 0 || members.len() == 1) {
            &mut found.suspects
        } else if member.above > 0 {
            &mut found.critical
        } else {
            &mut found.impact
        };
        list.push(member.name.to_owned());
    }
    if found.suspects.is_empty() {
        // A cycle, or no edge is known: the earliest one.
        let earliest = members
            .iter()
            .min_by_key(|member| (member.since, member.name));
        if let Some(earliest) = earliest.map(|member| member.name.to_owned()) {
            found.critical.retain(|name| *name != earliest);
            found.impact.retain(|name| *name != earliest);
            found.suspects.push(earliest);
        }
    }
    found
}

fn count<'a>(names: impl Iterator<Item = &'a str>, among: &BTreeSet<&str>) -> usize {
    names.filter(|name| among.contains(name)).count()
}

/// Components in trouble that are reached against the calls through components in trouble.
fn reach(start: &str, topology: &Topology, alerting: &BTreeSet<&str>) -> usize {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut stack = vec![start];
    while let Some(component) = stack.pop() {
        for above in topology.dependents(component) {
            if alerting.contains(above) && above != start && seen.insert(above) {
                stack.push(above);
            }
        }
    }
    seen.len()
}
