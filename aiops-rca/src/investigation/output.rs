//! A report as text for people and as a graph.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use aiops_core::Topology;

use super::{Report, Suspect};

impl fmt::Display for Report {
    /// Lines for people: what, when, where, why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(onset) = self.onset.filter(|_| !self.causes.is_empty()) else {
            return f.write_str("No cause was found: nothing left its normal values by enough.");
        };
        writeln!(f, "It began at {onset}.")?;
        writeln!(f, "First failures:")?;
        self.causes
            .iter()
            .try_for_each(|suspect| write!(f, "{suspect}"))?;
        if !self.following.is_empty() {
            writeln!(f, "Failures that follow:")?;
            self.following
                .iter()
                .try_for_each(|suspect| write!(f, "{suspect}"))?;
        }
        if !self.impact.is_empty() {
            writeln!(f, "Noticed at: {}", self.impact.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Suspect {
    /// The component in one line, then a line for each fact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.cause.component)?;
        if let Some(confidence) = self.cause.confidence {
            write!(f, " ({:.0} %)", 100.0 * confidence)?;
        }
        if self.path.len() > 1 {
            write!(f, ", through {}", self.path[1..].join(", "))?;
        }
        writeln!(f)?;
        self.cause
            .evidence
            .iter()
            .try_for_each(|evidence| writeln!(f, "    - {evidence}"))
    }
}

impl Report {
    /// The components in trouble and the calls between them in Graphviz's language: first failures
    /// filled, followers outlined, impact with a double line, confidence in the label. In order of
    /// name, so that the picture is the same each time.
    pub fn to_dot(&self, topology: &Topology) -> String {
        let mut styles: BTreeMap<&str, (&str, Option<f64>)> = BTreeMap::new();
        for (suspects, style) in [
            (&self.following, "style=solid"),
            (&self.causes, "style=filled, fillcolor=\"#f4b6b0\""),
        ] {
            for suspect in suspects {
                let cause = &suspect.cause;
                styles.insert(&cause.component, (style, cause.confidence));
            }
        }
        for name in &self.impact {
            styles.entry(name).or_insert(("style=solid", None));
        }
        let mut dot = String::from("digraph incident {\n  rankdir=TB;\n  node [shape=box];\n");
        for (name, (style, confidence)) in &styles {
            let share =
                confidence.map_or(String::new(), |share| format!("\\n{:.0} %", 100.0 * share));
            let rings = if self.impact.iter().any(|known| known == name) {
                2
            } else {
                1
            };
            // Writing to a String cannot fail.
            let name = quoted(name);
            let _ = writeln!(
                dot,
                "  \"{name}\" [label=\"{name}{share}\", {style}, peripheries={rings}];"
            );
        }
        for caller in styles.keys() {
            for callee in topology
                .dependencies(caller)
                .filter(|name| styles.contains_key(name))
            {
                let _ = writeln!(dot, "  \"{}\" -> \"{}\";", quoted(caller), quoted(callee));
            }
        }
        dot.push_str("}\n");
        dot
    }
}

/// A name inside quotes: no character of it ends them.
fn quoted(name: &str) -> String {
    name.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
