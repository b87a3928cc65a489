//! Labelled tables: fit and score on the whole table, labels unused.

use std::time::Instant;

use aiops_detect::metrics::{auroc, average_precision, best_f1};
use serde_json::json;

use super::models::{self, Kind, Model};
use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::{self, Table, parallel};

/// Figures of one model on one set, means over the seeds.
struct Figures {
    auroc: f64,
    ap: f64,
    best_f1: f64,
    seconds: f64,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let models = models::wanted(args, Kind::Table)?;
    let sets = table::files(&args.data.join("adbench"), ".csv.gz")?;
    let sets: Vec<_> = sets
        .into_iter()
        .filter(|(set, _)| args.wants_set(set))
        .take(args.limit)
        .collect();
    let mut all: Vec<Vec<Figures>> = models.iter().map(|_| Vec::new()).collect();
    for (set, path) in &sets {
        let table = Table::read(path)?;
        let (rows, labels) = (table.features()?, table.labels()?);
        let results = parallel(args.jobs, &models, |model| {
            // An error of a thread must be text to come back.
            measure(model, &rows, &labels)
                .map_err(|error| format!("{set}, {}: {error}", model.name))
        });
        for ((model, all), figures) in models.iter().zip(&mut all).zip(results) {
            let figures = figures?;
            report.detail(
                set,
                model.name,
                json!({ "auroc": figures.auroc, "ap": figures.ap, "best_f1": figures.best_f1,
                    "seconds": figures.seconds }),
            );
            all.push(figures);
        }
    }
    for (model, all) in models.iter().zip(&all) {
        let over = |f: fn(&Figures) -> f64| mean(&all.iter().map(f).collect::<Vec<_>>());
        let name = model.name;
        report.put(format!("tabular.auroc.{name}"), over(|f| f.auroc))?;
        report.put(format!("tabular.ap.{name}"), over(|f| f.ap))?;
        report.put(format!("tabular.best_f1.{name}"), over(|f| f.best_f1))?;
    }
    super::peers(report, "/tabular/mean", &["AUROC", "AP", "bestF1"]);
    Ok(())
}

fn measure(
    model: &Model,
    rows: &aiops_core::ndarray::Array2<f64>,
    labels: &[bool],
) -> Fallible<Figures> {
    let seeds = model.seeds();
    let share = 1.0 / seeds.len() as f64;
    let mut sum = Figures {
        auroc: 0.0,
        ap: 0.0,
        best_f1: 0.0,
        seconds: 0.0,
    };
    for seed in seeds {
        let started = Instant::now();
        let scores = model.fit_score(seed, rows)?;
        sum.seconds += share * started.elapsed().as_secs_f64();
        sum.auroc += share * auroc(labels, &scores)?;
        sum.ap += share * average_precision(labels, &scores)?;
        sum.best_f1 += share * best_f1(labels, &scores)?.f1;
    }
    Ok(sum)
}
