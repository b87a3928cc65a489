//! Conformance with Alertmanager, by recorded scenarios.

use std::path::PathBuf;

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

#[test]
fn recorded_scenarios_are_replayed_with_equal_order_and_times() {
    let Some(folder) = data("alerts/alertmanager_scenarios") else {
        return;
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut failed = Vec::new();
    for path in &paths {
        let wrong = scenario::outcome(path).unwrap();
        if !wrong.is_empty() {
            failed.push(format!("{}: {}", path.display(), wrong.join("\n")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
