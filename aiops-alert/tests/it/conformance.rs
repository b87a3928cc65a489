//! Conformance with Alertmanager, by recorded scenarios.

use std::path::{Path, PathBuf};

use crate::scenario;

/// A folder of the public data, or `None` with loud words when it is missing.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(path);
    if folder.exists() {
        return Some(folder);
    }
    let required = std::env::var("AIOPS_REQUIRE_DATA").is_ok_and(|value| value == "1");
    assert!(!required, "{} is missing", folder.display());
    eprintln!("SKIPPED: {} is missing", folder.display());
    None
}

/// Replays every recording of a folder; answers how many there were.
#[track_caller]
fn check(folder: &Path) -> usize {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    let mut failed = Vec::new();
    for path in &paths {
        let wrong = scenario::outcome(path).unwrap();
        if !wrong.is_empty() {
            failed.push(format!("{}: {}", path.display(), wrong.join("\n")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    paths.len()
}

#[test]
fn recorded_scenarios_are_replayed_with_equal_order_and_times() {
    if let Some(folder) = data("alerts/alertmanager_scenarios") {
        assert!(check(&folder) > 0);
    }
}

/// Recorded with Alertmanager 0.25.0, three runs each with the same order: `...`, `continue`,
/// labels that inhibition misses, rounding of repeats, ends in between looks, sets that change,
/// refreshed alerts, overlapping silences, odd beginnings, a receiver that refuses, a reload.
#[test]
fn further_scenarios_are_replayed_with_equal_order_and_times() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/alertmanager");
    assert_eq!(check(&folder), 11);
}
