//! Growing a tree.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{Rng, numerics};

use super::{Criterion, FittedTree, Node, Split, TreeConfig};

/// Gain below which a split is none, as a share of the weight of the node.
const MIN_GAIN: f64 = 1e-9;

/// Labelled rows.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) features: ArrayView2<'a, f64>,
    pub(super) labels: &'a [usize],
    pub(super) weights: &'a [f64],
    pub(super) classes: usize,
}

impl Data<'_> {
    fn counts(&self, rows: &[u32]) -> Vec<f64> {
        let mut counts = vec![0.0; self.classes];
        for row in rows {
            counts[self.labels[*row as usize]] += self.weights[*row as usize];
        }
        counts
    }
}

/// Features that a node may look at: all, or this many drawn at random.
pub(super) type Draw<'r> = Option<(&'r mut Rng, usize)>;

pub(super) fn grow(
    data: &Data<'_>,
    config: &TreeConfig,
    rows: Vec<u32>,
    mut draw: Draw<'_>,
) -> FittedTree {
    let mut nodes = Vec::new();
    let node = |rows: &[u32]| Node {
        counts: data.counts(rows),
        rows: rows.len(),
        split: None,
    };
    nodes.push(node(&rows));
    let mut open = vec![(0, rows, 0)];
    while let Some((at, rows, depth)) = open.pop() {
        let pure = nodes[at].wrong() <= 0.0;
        if pure || depth >= config.max_depth || rows.len() < 2 * config.min_leaf {
            continue;
        }
        let features: Vec<usize> = match &mut draw {
            Some((rng, count)) => rng.sample_indices(data.features.ncols(), *count),
            None => (0..data.features.ncols()).collect(),
        };
        let Some(mut split) = best(data, config, &nodes[at], &rows, features) else {
            continue;
        };
        let column = data.features.column(split.feature);
        let (left, right): (Vec<u32>, Vec<u32>) = rows
            .iter()
            .partition(|row| split.goes_left(column[**row as usize]));
        (split.left, split.right) = (nodes.len(), nodes.len() + 1);
        nodes[at].split = Some(split);
        nodes.push(node(&left));
        nodes.push(node(&right));
        open.push((split.left, left, depth + 1));
        open.push((split.right, right, depth + 1));
    }
    FittedTree {
        nodes,
        classes: data.classes,
        columns: data.features.ncols(),
    }
}

/// The split that lowers the impurity most; the first feature and the lowest threshold among equals.
fn best(
    data: &Data<'_>,
    config: &TreeConfig,
    node: &Node,
    rows: &[u32],
    mut features: Vec<usize>,
) -> Option<Split> {
    features.sort_unstable();
    let total = node.total();
    let whole = config.criterion.impurity(&node.counts, total);
    let mut found: Vec<OnFeature> = Vec::new();
    let mut present: Vec<(f64, u32)> = Vec::with_capacity(rows.len());
    for feature in features {
        let column = data.features.column(feature);
        present.clear();
        present.extend(rows.iter().map(|row| (column[*row as usize], *row)));
        let mut missing = vec![0.0; data.classes];
        let mut absent = 0;
        present.retain(|(value, row)| {
            if value.is_nan() {
                missing[data.labels[*row as usize]] += data.weights[*row as usize];
                absent += 1;
            }
            !value.is_nan()
        });
        present.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut left = vec![0.0; data.classes];
        let mut best: Option<OnFeature> = None;
        for at in 1..present.len() {
            let (value, row) = present[at - 1];
            left[data.labels[row as usize]] += data.weights[row as usize];
            let next = present[at].0;
            if value >= next {
                continue;
            }
            let sides: &[bool] = if absent > 0 { &[true, false] } else { &[false] };
            for &missing_left in sides {
                let more = if missing_left { absent } else { 0 };
                let (on_left, on_right) = (at + more, rows.len() - at - more);
                if on_left < config.min_leaf || on_right < config.min_leaf {
                    continue;
                }
                let counts =
                    |class: usize| left[class] + if missing_left { missing[class] } else { 0.0 };
                let (mut l, mut r) = (Vec::new(), Vec::new());
                for class in 0..data.classes {
                    l.push(counts(class));
                    r.push(node.counts[class] - counts(class));
                }
                let (wl, wr) = (l.iter().sum::<f64>(), r.iter().sum::<f64>());
                let rest = config.criterion.impurity(&l, wl) + config.criterion.impurity(&r, wr);
                let gain = whole - rest;
                let least = MIN_GAIN * total;
                // Equal but for rounding is equal.
                if gain > best.as_ref().map_or(least, |known| known.gain + least) {
                    let missing_left = if absent > 0 { missing_left } else { wl >= wr };
                    let threshold = between(value, next);
                    let split = Split {
                        feature,
                        threshold,
                        missing_left,
                        left: 0,
                        right: 0,
                    };
                    let sides = config.criterion.impurity(&[wl, wr], total);
                    best = Some(OnFeature { gain, sides, split });
                }
            }
        }
        found.extend(best);
    }
    choose(config.criterion, found, MIN_GAIN * total)
}

/// The best split on one feature.
struct OnFeature {
    gain: f64,
    /// Impurity of the sides themselves, each taken as a class.
    sides: f64,
    split: Split,
}

/// The best of the features; the first among equals.
fn choose(criterion: Criterion, mut found: Vec<OnFeature>, least: f64) -> Option<Split> {
    if criterion == Criterion::GainRatio {
        let mean = found.iter().map(|one| one.gain).sum::<f64>() / found.len() as f64;
        found.retain(|one| one.gain + least >= mean);
    }
    let value = |one: &OnFeature| match criterion {
        Criterion::GainRatio => one.gain / one.sides,
        Criterion::Gini | Criterion::Entropy => one.gain,
    };
    // Equal but for rounding is equal.
    let margin = match criterion {
        Criterion::GainRatio => MIN_GAIN,
        Criterion::Gini | Criterion::Entropy => least,
    };
    let best = found.into_iter().reduce(|best, one| {
        if value(&one) > value(&best) + margin {
            one
        } else {
            best
        }
    });
    best.map(|one| one.split)
}

/// A threshold between two values that does not round onto the upper one.
fn between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle < high { middle } else { low }
}

/// Deals rows to parts so that each class is spread evenly.
pub(super) fn deal(data: &Data<'_>, parts: usize, rng: &mut Rng) -> Vec<usize> {
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); data.classes];
    for (row, label) in data.labels.iter().enumerate() {
        by_class[*label].push(row);
    }
    let mut part = vec![0; data.labels.len()];
    let mut next = 0;
    for rows in &mut by_class {
        rng.shuffle(rows);
        for row in rows {
            part[*row] = next % parts;
            next += 1;
        }
    }
    part
}

/// Mean and standard error of what rows cost.
pub(super) fn mean_and_error(costs: &[f64]) -> (f64, f64) {
    let mut welford = numerics::Welford::default();
    for cost in costs {
        welford.add(*cost);
    }
    (
        welford.mean(),
        (welford.variance() / costs.len().max(1) as f64).sqrt(),
    )
}
