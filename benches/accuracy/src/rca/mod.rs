//! Root causes: every folder with a `case.json` is a case.
//!
//! The name of a case, its time of injection and its answer never reach a method, except the time
//! in the figures whose key says `given`.

mod alert_sets;
mod case;
mod multidim;

use std::collections::BTreeMap;
use std::time::Instant;

use aiops_core::RootCauseRanker;
use aiops_rca::change_correlation::{ChangeCorrelation, ChangeCorrelationConfig};
use aiops_rca::deviation::{Deviation, DeviationConfig};
use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};
use aiops_rca::investigation::{Investigation, InvestigationConfig};
use aiops_rca::metrics::{ac_at, avg_at, chance_ac_at};
use aiops_rca::random_walk::{RandomWalk, RandomWalkConfig};
use aiops_rca::regression_test::{RegressionTest, RegressionTestConfig};
use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table;
use case::{LoadedCase, Method, Onset};

fn methods() -> Fallible<Vec<(&'static str, Box<Method>)>> {
    let deviation = Deviation::try_from(DeviationConfig::default())?;
    let graph = GraphDeviation::try_from(GraphDeviationConfig::default())?;
    let regression = RegressionTest::try_from(RegressionTestConfig::default())?;
    let walk = RandomWalk::try_from(RandomWalkConfig::default())?;
    let changes = ChangeCorrelation::try_from(ChangeCorrelationConfig::default())?;
    let investigation = Investigation::try_from(InvestigationConfig::default())?;
    Ok(vec![
        (
            "deviation",
            Box::new(move |request| deviation.rank(&request.case)),
        ),
        (
            "graph_deviation",
            Box::new(move |request| graph.rank(&request.case)),
        ),
        (
            "regression_test",
            Box::new(move |request| regression.rank(&request.case)),
        ),
        (
            "random_walk",
            Box::new(move |request| walk.rank(&request.case)),
        ),
        (
            "change_correlation",
            Box::new(move |request| changes.rank(&request.case)),
        ),
        (
            "investigation",
            Box::new(move |request| Ok(investigation.investigate(request)?.ranking())),
        ),
    ])
}

/// One method on one case.
#[derive(Clone, Debug, Default)]
struct Outcome {
    ac: [f64; 5],
    avg5: f64,
    named_on_healthy: Option<f64>,
    millis: f64,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    let mut sets: BTreeMap<String, Vec<std::path::PathBuf>> = BTreeMap::new();
    for (name, path) in table::files(&args.data, "case.json")? {
        let set = name.split('/').next().unwrap_or_default().to_owned();
        if args.wants_set(&set) {
            sets.entry(set).or_default().push(path);
        }
    }
    for (set, paths) in sets {
        let paths: Vec<_> = paths.into_iter().take(args.limit).collect();
        run_set(args, report, &set, &paths)?;
    }
    for (name, path) in table::files(&args.data, "alerts.csv.gz")? {
        let set = name.trim_end_matches('/').to_owned();
        let folder = path.parent().ok_or("a set lies in a folder")?;
        if args.wants_set(&set) && folder.join("cases.csv").is_file() {
            alert_sets::run_set(args, report, &set, folder)?;
        }
    }
    show_peers(report);
    Ok(())
}

fn run_set(
    args: &Args,
    report: &mut Report,
    set: &str,
    paths: &[std::path::PathBuf],
) -> Fallible<()> {
    let loaded = table::parallel(args.jobs, paths, |path| {
        LoadedCase::read(path).map_err(|error| format!("{}: {error}", path.display()))
    });
    let mut cases = Vec::new();
    for case in loaded {
        // Sets of other kinds have methods of their own.
        cases.extend(case?);
    }
    if cases.is_empty() {
        if !multidim::run_set(args, report, set, paths)? {
            eprintln!("{set}: of no known kind");
        }
        return Ok(());
    }
    let chance: Vec<f64> = cases
        .iter()
        .map(|case| chance_ac_at(case.components().len(), case.truth.len(), 1))
        .collect();
    report.detail(
        set,
        "chance",
        json!({ "ac1": mean(&chance), "cases": cases.len() }),
    );
    for (name, method) in methods()? {
        if !args.wants_model(name) {
            continue;
        }
        for (suffix, onset) in [
            ("", Onset::Unknown),
            (".given", Onset::Given),
            (".late60s", Onset::Late),
        ] {
            let outcomes = table::parallel(args.jobs, &cases, |case| {
                run_case(method.as_ref(), case, onset)
            });
            put(report, set, &format!("{name}{suffix}"), &outcomes)?;
        }
    }
    Ok(())
}

/// A failure of a method counts as a miss.
fn run_case(method: &Method, case: &LoadedCase, onset: Onset) -> Outcome {
    let traces = case.traces().unwrap_or_default();
    let started = Instant::now();
    let ranked: Vec<String> = case
        .rank(method, onset, &traces)
        .unwrap_or_default()
        .into_iter()
        .map(|cause| cause.component)
        .collect();
    let millis = started.elapsed().as_secs_f64() * 1e3;
    let mut ac = [0.0; 5];
    for (index, value) in ac.iter_mut().enumerate() {
        *value = ac_at(&ranked, &case.truth, index + 1);
    }
    let healthy = match onset {
        Onset::Unknown => case.rank_healthy(method),
        _ => None,
    };
    let named_on_healthy = healthy.map(|causes| f64::from(u8::from(!causes.is_empty())));
    Outcome {
        ac,
        avg5: avg_at(&ranked, &case.truth, 5),
        named_on_healthy,
        millis,
    }
}

fn put(report: &mut Report, set: &str, method: &str, outcomes: &[Outcome]) -> Fallible<()> {
    let over = |f: &dyn Fn(&Outcome) -> f64| mean(&outcomes.iter().map(f).collect::<Vec<_>>());
    let (ac1, ac3, avg5) = (over(&|o| o.ac[0]), over(&|o| o.ac[2]), over(&|o| o.avg5));
    let millis = over(&|o| o.millis);
    report.put(format!("{set}.ac1.{method}"), ac1)?;
    report.put(format!("{set}.ac3.{method}"), ac3)?;
    report.put(format!("{set}.avg5.{method}"), avg5)?;
    report.put(format!("{set}.ms_per_case.{method}"), millis)?;
    let healthy: Vec<f64> = outcomes.iter().filter_map(|o| o.named_on_healthy).collect();
    if !healthy.is_empty() {
        report.put(format!("{set}.named_on_healthy.{method}"), mean(&healthy))?;
    }
    let figures =
        json!({ "cases": outcomes.len(), "ac1": ac1, "ac3": ac3, "avg5": avg5, "ms": millis });
    report.detail(set, method, figures);
    Ok(())
}

fn show_peers(report: &mut Report) {
    let Some(peers) = report.peers.clone() else {
        return;
    };
    for (set, inputs) in peers["results"].as_object().into_iter().flatten() {
        for (input, methods) in inputs.as_object().into_iter().flatten() {
            for (method, figures) in methods.as_object().into_iter().flatten() {
                let service = &figures["service"];
                if let (Some(ac1), Some(avg5)) =
                    (service["AC@1"].as_f64(), service["Avg@5"].as_f64())
                {
                    report.peer(
                        format!("{set} {method} ({input})"),
                        format!("AC@1 {ac1:.2}  Avg@5 {avg5:.2}"),
                    );
                }
            }
        }
    }
}
