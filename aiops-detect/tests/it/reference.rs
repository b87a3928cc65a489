//! Scores of other implementations, and rows to compare on.

use std::path::Path;

use aiops_core::ndarray::{Array2, array, s};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector};

use crate::support::{noise, shared_data, table};

fn noisy(rows: usize, shift: usize) -> Array2<f64> {
    let mut rows = Array2::from_shape_fn((rows, 3), |(row, column)| {
        noise((row + shift) * 31 + column * 1009)
    });
    rows.column_mut(1).mapv_inplace(|value| (3.0 * value).exp());
    rows.column_mut(2)
        .mapv_inplace(|value| (value * 8.0).round_ties_even() / 8.0);
    rows
}

/// 200 rows: one uniform column, one skewed, one with ties; two outliers and six equal rows.
pub(crate) fn train() -> Array2<f64> {
    let mut rows = noisy(200, 0);
    rows.row_mut(7).assign(&array![2.0, 30.0, 2.0]);
    rows.row_mut(11).assign(&array![0.1, -1.5, 0.0]);
    rows.slice_mut(s![20..26, ..])
        .assign(&array![[0.25, 1.5, 0.5]]);
    rows
}

/// 12 other rows; the first is equal to six training rows, two are outside.
pub(crate) fn new() -> Array2<f64> {
    let mut rows = noisy(12, 1000);
    rows.row_mut(0).assign(&array![0.25, 1.5, 0.5]);
    rows.row_mut(1).assign(&array![9.0, 9.0, 9.0]);
    rows.row_mut(2).assign(&array![0.0, 1.0, -9.0]);
    rows
}

/// Scores named `name` in `golden/rows-reference.json`, whose `origin` says where from.
pub(crate) fn expected(name: &str) -> Vec<f64> {
    let text = include_str!("golden/rows-reference.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    let sum = |rows: Array2<f64>| rows.sum();
    assert!((sum(train()) - all["sum_train"].as_f64().unwrap()).abs() < 1e-9);
    assert!((sum(new()) - all["sum_new"].as_f64().unwrap()).abs() < 1e-9);
    numbers(&all["scores"][name])
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    let list = value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
pub(crate) fn close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (row, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs() / expected.abs().max(1.0);
        assert!(
            error < 1e-9,
            "{what}, row {row}: {got}, expected {expected}"
        );
    }
}

/// Scores of the training rows.
#[track_caller]
pub(crate) fn check<D: MultivariateDetector>(name: &str, detector: &D) {
    let model = detector.fit(train().view()).unwrap();
    close(name, &model.score(train().view()).unwrap(), &expected(name));
}

/// First scores and their sum on the public tables for which the shared reference has some.
pub(crate) fn check_public_tables(method: &str, scores: impl Fn(&Array2<f64>) -> Vec<f64>) {
    check_some_public_tables(method, &["glass", "Ionosphere", "breastw"], scores);
}

pub(crate) fn check_some_public_tables(
    method: &str,
    sets: &[&str],
    scores: impl Fn(&Array2<f64>) -> Vec<f64>,
) {
    let (Some(data), Some(peers)) = (shared_data("data/detect/adbench"), shared_data("peers"))
    else {
        return;
    };
    let text = std::fs::read_to_string(peers.join("detect_reference.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    for &set in sets {
        let reference = &all["golden"][set][method];
        let (mut rows, _) = table(Path::new(&data).join(format!("{set}.csv.gz")).as_path());
        if reference["scaled"].as_bool().unwrap() {
            scale(&mut rows);
        }
        let got = scores(&rows);
        close(
            &format!("{method}, {set}"),
            &got[..15],
            &numbers(&reference["first15"]),
        );
        let sum = reference["sum"].as_f64().unwrap();
        close(
            &format!("{method}, sum of {set}"),
            &[got.iter().sum()],
            &[sum],
        );
    }
}

/// To 0..1 by column.
pub(crate) fn scale(rows: &mut Array2<f64>) {
    for mut column in rows.columns_mut() {
        let low = column.iter().copied().fold(f64::INFINITY, f64::min);
        let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = if high > low { high - low } else { 1.0 };
        column.mapv_inplace(|value| (value - low) / range);
    }
}
