//! Several metrics of one machine: fit on the training part, score the test part, and name the
//! metrics that are to blame for each event.
//!
//! Every folder of the data that holds `.train.csv.gz` files is a set.

use std::path::{Path, PathBuf};
use std::time::Instant;

use aiops_core::FittedMultivariateDetector;
use aiops_core::ndarray::Array2;
use aiops_detect::metrics::{auroc, average_precision, best_f1, vus};
use serde_json::json;

use super::models::{self, Kind, Model};
use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::{self, Table, parallel};

/// Buffer of the range measures, as in the reference figures.
const VUS_WINDOW: usize = 100;

/// What is known about an event: rows `start..=end` of the test part, and the columns that experts
/// named.
#[derive(Debug, serde::Deserialize)]
struct Event {
    start: usize,
    end: usize,
    metrics: Vec<String>,
}

/// One machine.
struct Machine {
    name: String,
    train: Array2<f64>,
    test: Array2<f64>,
    labels: Vec<bool>,
    events: Vec<(usize, usize, Vec<usize>)>,
}

/// Figures of one model on one machine, means over the seeds.
#[derive(Default)]
struct Figures {
    auroc: f64,
    ap: f64,
    vus_roc: f64,
    vus_pr: f64,
    best_f1: f64,
    hit100: f64,
    seconds: f64,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let models = models::wanted(args, Kind::Series)?;
    for set in sets(&args.data)? {
        if args.wants_set(&set) {
            run_set(args, report, &models, &set)?;
        }
    }
    Ok(())
}

fn sets(data: &Path) -> Fallible<Vec<String>> {
    let found = table::files(data, ".train.csv.gz")?;
    let mut sets: Vec<String> = found
        .iter()
        .filter_map(|(name, _)| name.split_once('/'))
        .map(|(set, _)| set.to_owned())
        .collect();
    sets.dedup();
    Ok(sets)
}

fn run_set(args: &Args, report: &mut Report, models: &[Model], set: &str) -> Fallible<()> {
    let folder = args.data.join(set);
    let machines = table::files(&folder, ".train.csv.gz")?;
    let mut all: Vec<Vec<Figures>> = models.iter().map(|_| Vec::new()).collect();
    for (name, path) in machines.into_iter().take(args.limit) {
        let machine = Machine::read(name, &path)?;
        let name = &machine.name;
        let results = parallel(args.jobs, models, |model| {
            machine
                .measure(model)
                .map_err(|error| format!("{name}, {}: {error}", model.name))
        });
        for ((model, all), figures) in models.iter().zip(&mut all).zip(results) {
            let figures = figures?;
            report.detail(
                &format!("{set}/{name}"),
                model.name,
                json!({ "auroc": figures.auroc, "ap": figures.ap, "vus_roc": figures.vus_roc,
                    "vus_pr": figures.vus_pr, "best_f1": figures.best_f1,
                    "hit100": figures.hit100, "seconds": figures.seconds }),
            );
            all.push(figures);
        }
    }
    for (model, all) in models.iter().zip(&all) {
        let over = |f: fn(&Figures) -> f64| mean(&all.iter().map(f).collect::<Vec<_>>());
        let name = model.name;
        report.put(format!("{set}.auroc.{name}"), over(|f| f.auroc))?;
        report.put(format!("{set}.ap.{name}"), over(|f| f.ap))?;
        report.put(format!("{set}.vus_roc.{name}"), over(|f| f.vus_roc))?;
        report.put(format!("{set}.vus_pr.{name}"), over(|f| f.vus_pr))?;
        report.put(format!("{set}.best_f1.{name}"), over(|f| f.best_f1))?;
        report.put(format!("{set}.hit100.{name}"), over(|f| f.hit100))?;
    }
    super::peers(
        report,
        &format!("/{set}"),
        &["AUROC", "AP", "VUS_PR", "bestF1"],
    );
    Ok(())
}

impl Machine {
    fn read(name: String, train: &Path) -> Fallible<Self> {
        let beside = |ending: &str| -> PathBuf {
            train.with_file_name(
                train
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .replace(".train.csv.gz", ending),
            )
        };
        let train = Table::read(train)?;
        let test = Table::read(&beside(".test.csv.gz"))?;
        let causes = std::fs::read_to_string(beside(".causes.json"))?;
        let causes: Vec<Event> = serde_json::from_str(&causes)?;
        let events = causes
            .into_iter()
            .map(|event| {
                let columns = event.metrics.iter().map(|metric| test.column(metric));
                Ok((event.start, event.end, columns.collect::<Fallible<_>>()?))
            })
            .collect::<Fallible<_>>()?;
        Ok(Self {
            name,
            train: train.features()?,
            test: test.features()?,
            labels: test.labels()?,
            events,
        })
    }

    fn measure(&self, model: &Model) -> Fallible<Figures> {
        let seeds = model.seeds();
        let share = 1.0 / seeds.len() as f64;
        let mut sum = Figures::default();
        for seed in seeds {
            let started = Instant::now();
            let fitted = model.fit(seed, &self.train)?;
            let scores = fitted.score(self.test.view())?;
            sum.seconds += share * started.elapsed().as_secs_f64();
            sum.auroc += share * auroc(&self.labels, &scores)?;
            sum.ap += share * average_precision(&self.labels, &scores)?;
            sum.best_f1 += share * best_f1(&self.labels, &scores)?.f1;
            let volume = vus(&self.labels, &scores, VUS_WINDOW)?;
            sum.vus_roc += share * volume.roc;
            sum.vus_pr += share * volume.pr;
            sum.hit100 += share * self.hit100(&*fitted)?;
        }
        Ok(sum)
    }

    /// Share of an event's true metrics among as many with the largest mean contribution over the
    /// event; mean over the events.
    fn hit100(&self, fitted: &dyn FittedMultivariateDetector) -> Fallible<f64> {
        let mut hits = Vec::new();
        for (start, end, truth) in self.events.iter().filter(|(_, _, truth)| !truth.is_empty()) {
            let mut sums = vec![0.0; self.test.ncols()];
            for row in *start..=*end {
                let shares = fitted.explain(&self.test.row(row).to_vec())?;
                for (sum, share) in sums.iter_mut().zip(shares) {
                    *sum += share;
                }
            }
            let mut order: Vec<usize> = (0..sums.len()).collect();
            order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
            let found = order[..truth.len()]
                .iter()
                .filter(|column| truth.contains(column));
            hits.push(found.count() as f64 / truth.len() as f64);
        }
        Ok(mean(&hits))
    }
}
