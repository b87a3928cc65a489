//! Cases of attributes: which combination changed?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use aiops_rca::drilldown::{
    Adtributor, AdtributorConfig, Element, Finding, Leaf, LeafTable, LikelihoodSearch,
    LikelihoodSearchConfig, RecursiveAdtributor, RecursiveAdtributorConfig, RiskLoc, RiskLocConfig,
    Squeeze, SqueezeConfig,
};
use aiops_rca::metrics::SetScore;
use serde_json::{Value, json};

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::{self, Table};

/// A method: from a table to its findings.
type Method = Box<dyn Fn(&LeafTable) -> Option<Vec<Finding>> + Sync>;

#[derive(Debug)]
struct LoadedCase {
    table: LeafTable,
    /// The last of the normal minutes against those before, where there are several.
    healthy: Option<LeafTable>,
    truth: BTreeSet<Element>,
}

fn methods() -> Fallible<Vec<(&'static str, Method)>> {
    let search = LikelihoodSearch::try_from(LikelihoodSearchConfig::default())?;
    let adtributor = Adtributor::try_from(AdtributorConfig::default())?;
    let recursive = RecursiveAdtributor::try_from(RecursiveAdtributorConfig::default())?;
    let squeeze = Squeeze::try_from(SqueezeConfig::default())?;
    let risk_loc = RiskLoc::try_from(RiskLocConfig::default())?;
    Ok(vec![
        (
            "investigation",
            Box::new(move |table| search.search(table).ok()),
        ),
        (
            "adtributor",
            Box::new(move |table| adtributor.explain(table).ok()),
        ),
        (
            "recursive_adtributor",
            Box::new(move |table| recursive.explain(table).ok()),
        ),
        ("squeeze", Box::new(move |table| squeeze.search(table).ok())),
        (
            "risk_loc",
            Box::new(move |table| risk_loc.search(table).ok()),
        ),
    ])
}

/// Runs a set, or answers that it is none of this kind.
pub(super) fn run_set(
    args: &Args,
    report: &mut Report,
    set: &str,
    paths: &[PathBuf],
) -> Fallible<bool> {
    let loaded = table::parallel(args.jobs, paths, |path| {
        read(path).map_err(|error| format!("{}: {error}", path.display()))
    });
    let mut cases = Vec::new();
    for case in loaded {
        cases.extend(case?);
    }
    if cases.is_empty() {
        return Ok(false);
    }
    for (name, method) in methods()? {
        if !args.wants_model(name) {
            continue;
        }
        let outcomes = table::parallel(args.jobs, &cases, |case| {
            let started = Instant::now();
            // A failure of a method counts as a miss.
            let found = method(&case.table).unwrap_or_default();
            let millis = started.elapsed().as_secs_f64() * 1e3;
            let found = found.into_iter().map(|finding| finding.element);
            let named = case.healthy.as_ref().and_then(&method);
            let named = named.map(|found| f64::from(u8::from(!found.is_empty())));
            (
                SetScore::of(found, case.truth.iter().cloned()),
                millis,
                named,
            )
        });
        let score = outcomes
            .iter()
            .fold(SetScore::default(), |sum, one| sum + one.0);
        let millis = mean(&outcomes.iter().map(|one| one.1).collect::<Vec<_>>());
        report.put(format!("{set}.f1.{name}"), score.f1())?;
        report.put(format!("{set}.ms_per_case.{name}"), millis)?;
        let healthy: Vec<f64> = outcomes.iter().filter_map(|one| one.2).collect();
        if !healthy.is_empty() {
            report.put(format!("{set}.named_on_healthy.{name}"), mean(&healthy))?;
        }
        let (precision, recall) = (score.precision(), score.recall());
        let cases = outcomes.len();
        report.detail(
            set,
            name,
            json!({ "cases": cases, "f1": score.f1(), "precision": precision, "recall": recall, "ms": millis }),
        );
    }
    Ok(true)
}

fn read(path: &Path) -> Fallible<Option<LoadedCase>> {
    let case: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let (Some(attributes), Some(file)) = (
        case["attributes"].as_array(),
        case["files"]["data"].as_str(),
    ) else {
        return Ok(None);
    };
    let attributes: Vec<&str> = attributes.iter().filter_map(Value::as_str).collect();
    let data = Table::read(&path.parent().ok_or("a case lies in a folder")?.join(file))?;
    let truth = case["root_cause"].as_array().ok_or("no root_cause")?;
    let truth = truth
        .iter()
        .map(element)
        .collect::<Option<_>>()
        .ok_or("no element")?;
    let (table, healthy) = match case["time"].as_f64() {
        None => (sums(&data, &attributes)?, None),
        Some(time) => {
            let times = data.numbers("time")?;
            let before = times
                .iter()
                .copied()
                .filter(|at| *at < time)
                .fold(f64::NAN, f64::max);
            let healthy = ratios(&data, &attributes, &times, before)?;
            (
                ratios(&data, &attributes, &times, time)?,
                Some(healthy).filter(|table| !table.is_empty()),
            )
        }
    };
    Ok(Some(LoadedCase {
        table,
        healthy,
        truth,
    }))
}

fn element(value: &Value) -> Option<Element> {
    let pairs = value.as_object()?.iter();
    let pairs = pairs.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Some(Element(pairs.collect::<Option<_>>()?))
}

fn columns(data: &Table, attributes: &[&str]) -> Fallible<Vec<usize>> {
    attributes.iter().map(|name| data.column(name)).collect()
}

fn sums(data: &Table, attributes: &[&str]) -> Fallible<LeafTable> {
    let columns = columns(data, attributes)?;
    let (actual, expected) = (data.numbers("real")?, data.numbers("predict")?);
    let mut table = LeafTable::new(attributes.iter().copied())?;
    for (row, cells) in data.rows.iter().enumerate() {
        let values: Vec<&str> = columns.iter().map(|column| &cells[*column]).collect();
        table.push(
            &values,
            Leaf::Sum {
                actual: actual[row],
                expected: expected[row],
            },
        )?;
    }
    Ok(table)
}

/// The leaves at `time`, with all earlier minutes as what is normal.
fn ratios(data: &Table, attributes: &[&str], times: &[f64], time: f64) -> Fallible<LeafTable> {
    let columns = columns(data, attributes)?;
    let (bad, all) = (data.numbers("bad")?, data.numbers("total")?);
    let mut leaves: BTreeMap<Vec<&str>, [f64; 4]> = BTreeMap::new();
    for (row, cells) in data.rows.iter().enumerate() {
        let values: Vec<&str> = columns.iter().map(|column| &cells[*column]).collect();
        let at = if times[row] == time {
            0
        } else if times[row] < time {
            2
        } else {
            continue;
        };
        let sums = leaves.entry(values).or_default();
        sums[at] += bad[row];
        sums[at + 1] += all[row];
    }
    let mut table = LeafTable::new(attributes.iter().copied())?;
    for (values, [bad, all, normal_bad, normal_all]) in leaves {
        if all > 0.0 {
            table.push(
                &values,
                Leaf::Ratio {
                    bad,
                    all,
                    normal_bad,
                    normal_all,
                },
            )?;
        }
    }
    Ok(table)
}
