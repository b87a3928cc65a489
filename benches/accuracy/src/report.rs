//! Results: a flat map from key to number for scripts, details for people, a table on the screen.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::Fallible;
use crate::args::Args;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    /// Key to number, such as `tabular.auroc.isolation_forest`.
    summary: BTreeMap<String, f64>,
    /// Set to model to figures.
    details: BTreeMap<String, BTreeMap<String, Value>>,
    /// Figures of other programs, by model; what the field makes of the peers' file.
    pub(crate) peers: Option<Value>,
    peer_rows: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn new(args: &Args) -> Fallible<Self> {
        let peers = match &args.peers {
            None => None,
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                Some(serde_json::from_str(&text)?)
            }
        };
        Ok(Self {
            summary: BTreeMap::new(),
            details: BTreeMap::new(),
            peers,
            peer_rows: Vec::new(),
        })
    }

    /// A figure of the summary. A figure that is not a number is an error, never a score.
    pub(crate) fn put(&mut self, key: impl Into<String>, value: f64) -> Fallible<()> {
        let key = key.into();
        if !value.is_finite() {
            return Err(format!("`{key}` is {value}").into());
        }
        self.summary.insert(key, value);
        Ok(())
    }

    /// Figures of one model on one set.
    pub(crate) fn detail(&mut self, set: &str, model: &str, figures: Value) {
        eprintln!("{set}  {model}  {figures}");
        self.details
            .entry(set.to_owned())
            .or_default()
            .insert(model.to_owned(), figures);
    }

    /// A line about another program.
    pub(crate) fn peer(&mut self, name: impl Into<String>, figures: impl Into<String>) {
        self.peer_rows.push((name.into(), figures.into()));
    }

    /// Prints the table and writes the file.
    pub(crate) fn finish(&self, args: &Args) -> Fallible<()> {
        if self.summary.is_empty() {
            return Err(format!("nothing was found to run in {}", args.data.display()).into());
        }
        let width = self.summary.keys().map(String::len).max().unwrap_or(0);
        for (key, value) in &self.summary {
            println!("{key:width$}  {value:>12.4}");
        }
        if !self.peer_rows.is_empty() {
            println!("\nother programs");
            for (name, figures) in &self.peer_rows {
                println!("{name:width$}  {figures}");
            }
        }
        if let Some(path) = &args.out {
            let all = json!({ "summary": self.summary, "details": self.details });
            fs::write(path, serde_json::to_vec_pretty(&all)?)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// Mean of the figures; `NaN` of none, which [`Report::put`] refuses.
pub(crate) fn mean(figures: &[f64]) -> f64 {
    aiops_core::numerics::mean(figures)
}
