//! Service indicators with the labels of operators.
//!
//! Reads `kpi/<series>.csv.gz` and, for where the part to be judged begins, `manifest.json`;
//! series that it does not name are judged from their half on. Detectors run over all rows.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::stream::{self, Labelled, models};
use crate::Fallible;
use crate::args::Args;
use crate::report::Report;
use crate::table::{self, Table};

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let starts = starts(args)?;
    let files: Vec<Labelled> = table::files(&args.data.join("kpi"), ".csv.gz")?
        .into_iter()
        .filter(|(name, _)| args.wants_set(name))
        .take(args.limit)
        .map(|(name, path)| Labelled::read(&name, &Table::read(&path)?))
        .collect::<Fallible<_>>()?;
    for model in models(args) {
        let figures = table::parallel(args.jobs, &files, |file| {
            let half = file.labels.len() / 2;
            let from = starts.get(&file.name).copied().unwrap_or(half);
            let started = Instant::now();
            let scores = model.score(&file.series)?;
            let seconds = started.elapsed().as_secs_f64();
            stream::figures(file, &scores, from.min(file.labels.len()), seconds)
        });
        let figures = figures.into_iter().collect::<Fallible<Vec<_>>>()?;
        let figures: Vec<_> = files
            .iter()
            .zip(figures)
            .filter_map(|(file, figures)| Some((file, figures?)))
            .collect();
        stream::summarise("kpi", model, &figures, report)?;
    }
    peers(report);
    Ok(())
}

/// First row of each series that is judged.
fn starts(args: &Args) -> Fallible<BTreeMap<String, usize>> {
    let path = args.data.join("manifest.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(BTreeMap::new());
    };
    let manifest: Value = serde_json::from_str(&text)?;
    let entries = manifest["kpi"].as_array().into_iter().flatten();
    Ok(entries
        .filter_map(|entry| {
            let rows = entry["train_rows"].as_u64()? as usize;
            Some((entry["name"].as_str()?.to_owned(), rows))
        })
        .collect())
}

/// Means of other programs over the same series.
fn peers(report: &mut Report) {
    let Some(peers) = report.peers.take() else {
        return;
    };
    for (name, figures) in peers["kpi"]["methods"].as_object().into_iter().flatten() {
        let line = format!("{} ({} series)", figures["mean"], figures["n_series"]);
        report.peer(name, line);
    }
}
