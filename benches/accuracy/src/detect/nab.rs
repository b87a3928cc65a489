//! The Numenta Anomaly Benchmark.
//!
//! Reads `nab/<category>/<series>.csv.gz` and `nab/windows.json`. The scores are of the whole
//! folder, with one threshold.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use aiops_detect::metrics::nab::{NabFile, NabProfile, nab_score};
use serde_json::json;

use super::stream::{self, Labelled, Model, models};
use crate::Fallible;
use crate::args::Args;
use crate::report::Report;
use crate::table::{self, Table};

const PROFILES: [(&str, NabProfile); 3] = [
    ("standard", NabProfile::STANDARD),
    ("low_fp", NabProfile::LOW_FP),
    ("low_fn", NabProfile::LOW_FN),
];

struct File {
    data: Labelled,
    windows: Vec<RangeInclusive<usize>>,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let files = read(args)?;
    for model in models(args) {
        let scores = table::parallel(args.jobs, &files, |file| {
            let started = Instant::now();
            let scores = model.score(&file.data.series)?;
            let seconds = started.elapsed().as_secs_f64();
            let figures = stream::figures(&file.data, &scores, 0, seconds)?;
            Ok((scores, figures))
        });
        let (scores, figures): (Vec<_>, Vec<_>) = scores
            .into_iter()
            .collect::<Fallible<Vec<_>>>()?
            .into_iter()
            .unzip();
        let figures: Vec<_> = files
            .iter()
            .zip(figures)
            .filter_map(|(file, figures)| Some((&file.data, figures?)))
            .collect();
        stream::summarise("nab", model, &figures, report)?;
        judge(model, &files, &scores, report)?;
    }
    peers(report);
    Ok(())
}

fn read(args: &Args) -> Fallible<Vec<File>> {
    let folder = args.data.join("nab");
    let path = folder.join("windows.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let windows: BTreeMap<String, Vec<[i64; 2]>> = serde_json::from_str(&text)?;
    let wanted = table::files(&folder, ".csv.gz")?
        .into_iter()
        .filter(|(name, _)| args.wants_set(name))
        .take(args.limit);
    wanted
        .map(|(name, path)| {
            let data = Labelled::read(&name, &Table::read(&path)?)?;
            let ends = windows
                .get(&name)
                .ok_or_else(|| format!("no windows for {name}"))?;
            let windows = ends
                .iter()
                .map(|ends| rows(&data, ends).ok_or(format!("{name}: no row at {ends:?}").into()))
                .collect::<Fallible<_>>()?;
            Ok(File { data, windows })
        })
        .collect()
}

/// The rows of a window that is given by the seconds of its first and last row.
fn rows(data: &Labelled, ends: &[i64; 2]) -> Option<RangeInclusive<usize>> {
    let row = |end: i64| data.seconds.iter().position(|&seconds| seconds == end);
    Some(row(ends[0])?..=row(ends[1])?)
}

fn judge(model: Model, files: &[File], scores: &[Vec<f64>], report: &mut Report) -> Fallible<()> {
    let corpus: Vec<NabFile<'_>> = files
        .iter()
        .zip(scores)
        .map(|(file, scores)| NabFile {
            scores,
            windows: &file.windows,
        })
        .collect();
    for (profile, worth) in PROFILES {
        let found = nab_score(&corpus, worth)?;
        report.put(format!("nab.score.{profile}.{}", model.name), found.score)?;
        let figures = json!({ "score": found.score, "threshold": found.threshold });
        report.detail(&format!("nab {profile}"), model.name, figures);
    }
    Ok(())
}

/// Scores of other programs on the same files.
fn peers(report: &mut Report) {
    let Some(peers) = report.peers.take() else {
        return;
    };
    let published = &peers["nab_published_detectors"]["detectors"];
    for (name, figures) in published.as_object().into_iter().flatten() {
        report.peer(name, figures["nab"].to_string());
    }
    for (name, figures) in peers["nab"]["methods"].as_object().into_iter().flatten() {
        report.peer(name, figures["nab"].to_string());
    }
}
