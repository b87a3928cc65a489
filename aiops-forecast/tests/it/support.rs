//! What several tests need.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aiops_core::{Series, TimeAxis, Timestamp};

/// A series with one value every `step` seconds, the first at the epoch.
pub(crate) fn series_every(step: u64, values: Vec<f64>) -> Series {
    let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(step), values.len());
    Series::new(axis.unwrap(), values).unwrap()
}
/// A series with one value an hour.
pub(crate) fn series(values: &[f64]) -> Series {
    series_every(3_600, values.to_vec())
}

/// The folder with the public forecasting data, where it is there.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/forecast");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("AIOPS_REQUIRE_DATA").is_some_and(|value| value == "1");
    assert!(!required, "{} is required and missing", folder.display());
    eprintln!("SKIPPED: {} is missing", folder.display());
    None
}

/// A series of the classics with its season.
pub(crate) struct Classic {
    pub(crate) name: String,
    pub(crate) season: usize,
    pub(crate) values: Vec<f64>,
}

pub(crate) fn classics(folder: &Path) -> Vec<Classic> {
    let file = File::open(folder.join("classics.csv.gz")).unwrap();
    let mut csv = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    let mut all: Vec<Classic> = Vec::new();
    for row in csv.records() {
        let row = row.unwrap();
        if all.last().is_none_or(|last| last.name != row[0]) {
            all.push(Classic {
                name: row[0].to_owned(),
                season: row[2].parse().unwrap(),
                values: Vec::new(),
            });
        }
        all.last_mut().unwrap().values.push(row[4].parse().unwrap());
    }
    all
}

/// What other programs make of the classics.
pub(crate) fn reference(folder: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join("classics_reference.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
