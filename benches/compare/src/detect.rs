//! aiops-detect and its peers.
//!
//! Peer: `extended-isolation-forest` 0.2.3, which draws from the operating system's entropy, so
//! answers agree in rank, not in bits.

use aiops_core::ndarray::{Array2, s};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector, Seed};
use aiops_detect::isolation_forest::{IsolationForest, IsolationForestConfig};
use extended_isolation_forest::{Forest, ForestOptions};

use crate::timing::{Rounds, alternate};

const COLUMNS: usize = 3;

pub(crate) fn run(rounds: Rounds) {
    let rows = rows(if rounds == Rounds::One { 2_000 } else { 20_000 });
    let peer_rows: Vec<[f64; COLUMNS]> = rows
        .rows()
        .into_iter()
        .map(|row| [row[0], row[1], row[2]])
        .collect();
    isolation_forest(rounds, &rows, &peer_rows);
}

/// Two clusters of normal rows, and one row in fifty between and around them.
fn rows(count: usize) -> Array2<f64> {
    let mut rng = Seed(1).rng();
    let mut rows = Array2::from_shape_simple_fn((count, COLUMNS), || rng.normal());
    rows.slice_mut(s![..;2, ..])
        .mapv_inplace(|value| value + 8.0);
    rows.slice_mut(s![..;50, ..])
        .mapv_inplace(|_| 30.0 * rng.uniform() - 11.0);
    rows
}

fn peer(rows: &[[f64; COLUMNS]], extension_level: usize) -> Forest<f64, COLUMNS> {
    let options = ForestOptions {
        n_trees: 100,
        sample_size: 256,
        max_tree_depth: None,
        extension_level,
    };
    Forest::from_slice(rows, &options).expect("the peer refuses the rows")
}

fn isolation_forest(rounds: Rounds, rows: &Array2<f64>, peer_rows: &[[f64; COLUMNS]]) {
    let detector =
        IsolationForest::try_from(IsolationForestConfig::default()).expect("defaults are valid");
    let model = detector.fit(rows.view()).expect("the rows are good");
    let theirs = peer(peer_rows, 0);
    let peer_scores: Vec<f64> = peer_rows.iter().map(|row| theirs.score(row)).collect();
    let scores = model.score(rows.view()).expect("the rows are good");
    same_order("isolation forest", &scores, &peer_scores);

    let name = "extended-isolation-forest";
    alternate(
        rounds,
        "isolation-forest/fit/100x256",
        name,
        || detector.fit(rows.view()),
        || peer(peer_rows, 0),
    );
    let count = rows.nrows();
    alternate(
        rounds,
        &format!("isolation-forest/score/{count}x{COLUMNS}"),
        name,
        || model.score(rows.view()),
        || peer_rows.iter().map(|row| theirs.score(row)).sum::<f64>(),
    );
    alternate(
        rounds,
        &format!("isolation-forest/score-one-by-one/{count}x{COLUMNS}"),
        name,
        || {
            let mut score = [0.0];
            for row in rows.axis_chunks_iter(aiops_core::ndarray::Axis(0), 1) {
                model
                    .score_into(row, &mut score)
                    .expect("the rows are good");
            }
            score
        },
        || peer_rows.iter().map(|row| theirs.score(row)).sum::<f64>(),
    );
}

/// Fails unless both rank the rows alike: Spearman's correlation of the scores above 0.9.
fn same_order(what: &str, ours: &[f64], theirs: &[f64]) {
    let correlation = correlation(&ranks(ours), &ranks(theirs));
    assert!(
        correlation > 0.9,
        "{what}: ranks correlate by {correlation}"
    );
}

fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    for (rank, &index) in order.iter().enumerate() {
        ranks[index] = rank as f64;
    }
    ranks
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let middle = (a.len() - 1) as f64 / 2.0;
    let (mut both, mut one) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - middle) * (b - middle);
        one += (a - middle) * (a - middle);
    }
    both / one
}
