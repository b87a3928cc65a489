//! A tree as rules.

use std::collections::BTreeMap;
use std::fmt;

use super::FittedTree;

/// What one path through a tree says.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rule {
    /// The conditions, all of which must hold, one for each feature and side; empty for a tree
    /// without a split.
    pub conditions: Vec<String>,
    /// The class that follows.
    pub class: String,
    /// Training rows that the conditions hold for.
    pub support: usize,
    /// Share of their weight that is of the class, in `[0, 1]`.
    pub precision: f64,
    /// Precision in units of the share that the class has overall.
    pub lift: f64,
    /// Share of the weight of the class that the rule explains, in `[0, 1]`.
    pub explained: f64,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions = if self.conditions.is_empty() {
            "always".into()
        } else {
            self.conditions.join(" and ")
        };
        let right = (self.precision * self.support as f64).round();
        let Self {
            class,
            support,
            lift,
            ..
        } = self;
        write!(
            f,
            "{conditions}: {class} ({right} of {support}, lift {lift:.2})"
        )
    }
}

impl FittedTree {
    /// The tree as rules, those that explain most of their class first. Features and classes beyond
    /// the names given are called by their number.
    pub fn rules(&self, features: &[&str], classes: &[&str]) -> Vec<Rule> {
        let root = &self.nodes[0];
        let mut rules = Vec::new();
        let mut open: Vec<(usize, Bounds)> = vec![(0, Bounds::default())];
        while let Some((at, bounds)) = open.pop() {
            let node = &self.nodes[at];
            if let Some(split) = node.split {
                let right = bounds.narrowed(split.feature, Some(split.threshold), None);
                let left = bounds.narrowed(split.feature, None, Some(split.threshold));
                open.extend([(split.right, right), (split.left, left)]);
                continue;
            }
            let class = node.class();
            let overall = root.counts[class] / root.total();
            let precision = node.counts[class] / node.total();
            rules.push(Rule {
                conditions: bounds.conditions(features),
                class: name(classes, class),
                support: node.rows,
                precision,
                lift: precision / overall,
                explained: node.counts[class] / root.counts[class],
            });
        }
        // Stable: equal ones stay in the order of the tree, from left to right.
        rules.sort_by(|a, b| b.explained.total_cmp(&a.explained));
        rules
    }
}

fn name(names: &[&str], index: usize) -> String {
    names
        .get(index)
        .map_or_else(|| format!("#{index}"), |name| (*name).to_owned())
}

/// The bounds of each feature on the way to a node.
#[derive(Clone, Debug, Default)]
struct Bounds(BTreeMap<usize, (Option<f64>, Option<f64>)>);

impl Bounds {
    fn narrowed(&self, feature: usize, above: Option<f64>, up_to: Option<f64>) -> Self {
        let mut bounds = self.clone();
        let (low, high) = bounds.0.entry(feature).or_default();
        // Deeper bounds of one feature lie inside the earlier ones.
        (*low, *high) = (above.or(*low), up_to.or(*high));
        bounds
    }

    fn conditions(&self, features: &[&str]) -> Vec<String> {
        let mut conditions = Vec::new();
        for (feature, bounds) in &self.0 {
            let name = name(features, *feature);
            conditions.push(match bounds {
                (Some(low), Some(high)) => format!("{low} < {name} <= {high}"),
                (Some(low), None) => format!("{name} > {low}"),
                (None, Some(high)) => format!("{name} <= {high}"),
                (None, None) => continue,
            });
        }
        conditions
    }
}
