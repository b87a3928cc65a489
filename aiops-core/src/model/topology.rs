//! Who calls whom, and what runs where.

use std::collections::{BTreeMap, BTreeSet};

/// Components, the calls between them, and where they run.
///
/// Trouble travels against the calls: when `a` calls `b`, trouble in `b` shows in `a`. Likewise
/// from a host to what runs on it. Cycles and self calls are normal. All listings are in order of
/// name.
///
/// ```
/// use aiops_core::Topology;
///
/// let mut topology = Topology::default();
/// topology.add_call("frontend", "cart");
/// topology.add_call("cart", "redis");
/// topology.add_placement("redis", "node-1");
/// assert_eq!(topology.dependencies("redis").collect::<Vec<_>>(), ["node-1"]);
/// assert_eq!(topology.dependents("redis").collect::<Vec<_>>(), ["cart"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Topology {
    /// What each component depends on: what it calls, and where it runs.
    dependencies: BTreeMap<String, BTreeSet<String>>,
    /// The other way round.
    dependents: BTreeMap<String, BTreeSet<String>>,
    /// Where each placed component runs.
    hosts: BTreeMap<String, String>,
}

impl Topology {
    /// Adds a component without edges; nothing changes when it is known.
    pub fn add_component(&mut self, name: &str) {
        for edges in [&mut self.dependencies, &mut self.dependents] {
            if !edges.contains_key(name) {
                edges.insert(name.to_owned(), BTreeSet::new());
            }
        }
    }

    /// `caller` calls `callee`. A self call is remembered as a component only.
    pub fn add_call(&mut self, caller: &str, callee: &str) {
        self.add_component(caller);
        self.add_component(callee);
        if caller != callee {
            self.dependencies
                .entry(caller.to_owned())
                .or_default()
                .insert(callee.to_owned());
            self.dependents
                .entry(callee.to_owned())
                .or_default()
                .insert(caller.to_owned());
        }
    }

    /// `component` runs on `host`, which becomes a component too.
    pub fn add_placement(&mut self, component: &str, host: &str) {
        self.add_call(component, host);
        self.hosts.insert(component.to_owned(), host.to_owned());
    }

    /// All components.
    pub fn components(&self) -> impl ExactSizeIterator<Item = &str> {
        self.dependencies.keys().map(String::as_str)
    }

    /// What `component` calls and where it runs; empty when it is not known.
    pub fn dependencies(&self, component: &str) -> impl Iterator<Item = &str> {
        self.dependencies
            .get(component)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// What calls `component` or runs on it; empty when it is not known.
    pub fn dependents(&self, component: &str) -> impl Iterator<Item = &str> {
        self.dependents
            .get(component)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Where `component` runs.
    pub fn host(&self, component: &str) -> Option<&str> {
        self.hosts.get(component).map(String::as_str)
    }

    /// Whether the component is known.
    pub fn contains(&self, component: &str) -> bool {
        self.dependencies.contains_key(component)
    }
}
