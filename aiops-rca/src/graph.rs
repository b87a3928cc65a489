//! Walks of the topology.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aiops_core::Topology;

/// Along or against the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towards {
    Dependencies,
    Dependents,
}

impl Towards {
    pub(crate) fn next<'t>(self, topology: &'t Topology, name: &str) -> Vec<&'t str> {
        match self {
            Self::Dependencies => topology.dependencies(name).collect(),
            Self::Dependents => topology.dependents(name).collect(),
        }
    }
}

/// The measured components that can be reached in one direction through ones that are not, in order
/// of name.
pub(crate) fn nearest<'t>(
    topology: &'t Topology,
    from: &str,
    towards: Towards,
    measured: impl Fn(&str) -> bool,
) -> BTreeSet<&'t str> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = towards.next(topology, from);
    while let Some(name) = open.pop() {
        if name == from || !seen.insert(name) {
            continue;
        }
        if measured(name) {
            found.insert(name);
        } else {
            open.extend(towards.next(topology, name));
        }
    }
    found
}

/// A shortest way from `from` to `to` against the calls, both ends included; the first in order of
/// name among equals. Empty when there is none.
pub(crate) fn path(topology: &Topology, from: &str, to: &str) -> Vec<String> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(name) = open.pop_front() {
        if name == to {
            let mut way = vec![name.to_owned()];
            let mut at = name;
            while let Some(previous) = before.get(at).filter(|_| at != from) {
                way.push((*previous).to_owned());
                at = previous;
            }
            way.reverse();
            return way;
        }
        for next in topology.dependents(name) {
            if next != from && !before.contains_key(next) {
                before.insert(next, name);
                open.push_back(next);
            }
        }
    }
    Vec::new()
}
