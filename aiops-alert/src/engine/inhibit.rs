//! Inhibition: what is not told because something worse is.

use std::collections::{BTreeSet, HashMap};

use aiops_core::{Labels, Selector, Timestamp};

use super::alerts::Alerts;

/// While a source fires, targets that agree with it are not told.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct InhibitRule {
    /// Which alerts keep others back.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::selector"))]
    pub source: Selector,
    /// Which alerts are kept back.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::selector"))]
    pub target: Selector,
    /// Labels in which both must agree; a missing one is the same as an empty one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// `source` keeps back `target`, where they agree in the labels `equal`.
    pub fn new(source: Selector, target: Selector, equal: Vec<String>) -> Self {
        Self {
            source,
            target,
            equal,
        }
    }
}

/// The sources of all rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Inhibitor {
    rules: Vec<(InhibitRule, HashMap<Labels, BTreeSet<u32>>)>,
}

impl Inhibitor {
    pub(super) fn new(rules: &[InhibitRule]) -> Self {
        let rules = rules.iter().cloned();
        Self {
            rules: rules.map(|rule| (rule, HashMap::new())).collect(),
        }
    }

    /// An alert is held now.
    pub(super) fn add(&mut self, place: u32, labels: &Labels) {
        for (rule, sources) in &mut self.rules {
            if rule.source.matches(labels) {
                let equal = labels.only(&rule.equal);
                sources.entry(equal).or_default().insert(place);
            }
        }
    }

    /// An alert is no longer held.
    pub(super) fn remove(&mut self, place: u32, labels: &Labels) {
        for (rule, sources) in &mut self.rules {
            let equal = labels.only(&rule.equal);
            if let Some(places) = sources.get_mut(&equal) {
                places.remove(&place);
                if places.is_empty() {
                    sources.remove(&equal);
                }
            }
        }
    }

    /// An alert that keeps this one back, and the rule's number.
    pub(super) fn source_of(
        &self,
        now: Timestamp,
        labels: &Labels,
        alerts: &Alerts,
    ) -> Option<(usize, u32)> {
        self.rules
            .iter()
            .enumerate()
            .find_map(|(number, (rule, sources))| {
                if !rule.target.matches(labels) {
                    return None;
                }
                let is_both = rule.source.matches(labels);
                let places = sources.get(&labels.only(&rule.equal))?;
                let source = places.iter().copied().find(|&place| {
                    alerts.get(place).is_some_and(|source| {
                        let other = &source.alert.labels;
                        // One that is a target too does not keep back another such one.
                        let same_side = is_both && rule.target.matches(other);
                        !source.has_ended(now) && !same_side
                    })
                });
                source.map(|source| (number, source))
            })
    }
}
