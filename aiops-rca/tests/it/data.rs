//! Public cases, where they are at hand.

use std::path::{Path, PathBuf};

use aiops_core::{RootCauseRanker, Series, TimeAxis, Timestamp};
use aiops_rca::deviation::{Deviation, DeviationConfig};
use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};

use crate::support::{Setup, names};

/// The folder with public cases; `None`, loudly, where it is missing.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/rca");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("AIOPS_REQUIRE_DATA").is_some_and(|value| value == "1");
    assert!(!required, "{} is missing", folder.display());
    eprintln!("SKIPPED: {} is missing", folder.display());
    None
}

fn columns(path: &Path) -> Vec<(String, Series)> {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let number = |text: &str| {
        if text.is_empty() {
            f64::NAN
        } else {
            text.parse().unwrap()
        }
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let time = |row: usize| (number(&rows[row][0]) * 1e3) as i64;
    order.sort_by_key(|row| time(*row));
    order.dedup_by_key(|row| time(*row));
    let times = order
        .iter()
        .map(|row| Timestamp::from_millis(time(*row)).unwrap())
        .collect();
    let axis = TimeAxis::listed(times).unwrap();
    (1..header.len())
        .map(|column| {
            let values = order
                .iter()
                .map(|row| number(&rows[*row][column]))
                .collect();
            (
                header[column].clone(),
                Series::new(axis.clone(), values).unwrap(),
            )
        })
        .collect()
}

/// Every case whose normal samples were taken at another time and of which every row is faulty:
/// the first cause is right with the true time, without any, and with one that is a minute late.
#[test]
fn the_start_time_does_not_matter_with_a_reference() {
    let Some(folder) = folder() else { return };
    let rankers: [Box<dyn RootCauseRanker>; 2] = [
        Box::new(Deviation::try_from(DeviationConfig::default()).unwrap()),
        Box::new(GraphDeviation::try_from(GraphDeviationConfig::default()).unwrap()),
    ];
    let mut checked = 0;
    for set in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if !set.is_dir() {
            continue;
        }
        for case in std::fs::read_dir(&set)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let Ok(text) = std::fs::read(case.join("case.json")) else {
                continue;
            };
            let about: serde_json::Value = serde_json::from_slice(&text).unwrap();
            if about["all_rows_abnormal"] != true {
                continue;
            }
            let normal = columns(&case.join("normal.csv.gz"));
            let mut setup = Setup::default();
            for (name, observed) in columns(&case.join("metrics.csv.gz")) {
                let (component, metric) = name.split_once('|').unwrap();
                let reference = normal.iter().find(|(known, _)| *known == name);
                let reference = reference.map(|(_, series)| series.clone());
                setup
                    .metrics
                    .push((component.into(), metric.into(), reference, observed));
            }
            let mut graph = csv::Reader::from_path(set.join("graph.csv")).unwrap();
            for row in graph.records().map(Result::unwrap) {
                setup.topology.add_call(&row[0], &row[1]);
            }
            let truth = about["root_cause"]["service"].as_str().unwrap();
            let inject = about["inject_time"].as_i64().unwrap();
            for onset in [None, Some(inject), Some(inject + 60)] {
                setup.onset = onset.and_then(Timestamp::from_secs);
                for ranker in &rankers {
                    let causes = setup.rank(ranker.as_ref());
                    assert_eq!(names(&causes).first(), Some(&truth), "{}", case.display());
                }
            }
            checked += 1;
        }
    }
    assert!(checked > 0, "no such case");
}
