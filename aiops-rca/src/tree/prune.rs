//! Cost-complexity pruning.

use super::grow::{Data, deal, grow, mean_and_error};
use super::{FittedTree, TreeConfig};

/// For each node the price of a leaf from which on it is not worth its split; the links that break
/// first have the lowest. Leaves have 0.
fn breaking_prices(tree: &FittedTree) -> Vec<f64> {
    let count = tree.nodes.len();
    let mut price = vec![0.0; count];
    let mut broken: Vec<bool> = tree.nodes.iter().map(|node| node.split.is_none()).collect();
    let total = tree.nodes[0].total();
    let mut current: f64 = 0.0;
    while !broken[0] {
        // Children come after their parents, so a pass from the end sees them first.
        let (mut wrong, mut leaves) = (vec![0.0; count], vec![1_usize; count]);
        let mut weakest: Option<(f64, usize)> = None;
        for at in (0..count).rev() {
            let node = &tree.nodes[at];
            let (Some(split), false) = (node.split, broken[at]) else {
                wrong[at] = node.wrong();
                continue;
            };
            wrong[at] = wrong[split.left] + wrong[split.right];
            leaves[at] = leaves[split.left] + leaves[split.right];
            let link = (node.wrong() - wrong[at]) / total / (leaves[at] - 1) as f64;
            if weakest.is_none_or(|(known, _)| link <= known) {
                weakest = Some((link, at));
            }
        }
        let Some((link, at)) = weakest else { break };
        current = current.max(link);
        let mut open = vec![at];
        while let Some(below) = open.pop() {
            if let (Some(split), false) = (tree.nodes[below].split, broken[below]) {
                (price[below], broken[below]) = (current, true);
                open.extend([split.left, split.right]);
            }
        }
    }
    price
}

/// Prunes to the fewest leaves whose error in cross-validation is within one standard error of the
/// lowest.
pub(super) fn prune(tree: &mut FittedTree, data: &Data<'_>, config: &TreeConfig) {
    let own = breaking_prices(tree);
    let mut steps: Vec<f64> = own.iter().copied().filter(|price| *price > 0.0).collect();
    steps.push(0.0);
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    // Between two steps the tree is the same: the geometric mean stands for it.
    let candidates: Vec<f64> = (0..steps.len())
        .map(|at| {
            steps
                .get(at + 1)
                .map_or(f64::INFINITY, |next| (steps[at] * next).sqrt())
        })
        .collect();
    let part = deal(data, config.folds, &mut config.seed.rng());
    let mut costs = vec![vec![0.0; data.labels.len()]; candidates.len()];
    for fold in 0..config.folds {
        let rows: Vec<u32> = (0..data.labels.len())
            .filter(|row| part[*row] != fold)
            .map(|row| row as u32)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let other = grow(data, config, rows, None);
        let prices = breaking_prices(&other);
        for row in (0..data.labels.len()).filter(|row| part[*row] == fold) {
            for (costs, price) in costs.iter_mut().zip(&candidates) {
                let class = class_at(&other, &prices, data, row, *price);
                if class != data.labels[row] {
                    costs[row] = data.weights[row];
                }
            }
        }
    }
    let errors: Vec<(f64, f64)> = costs.iter().map(|costs| mean_and_error(costs)).collect();
    let lowest = errors
        .iter()
        .copied()
        .reduce(|a, b| if b.0 < a.0 { b } else { a });
    let Some((error, spread)) = lowest else {
        return;
    };
    let chosen = errors
        .iter()
        .rposition(|(mean, _)| *mean <= error + spread)
        .unwrap_or(0);
    for (node, price) in tree.nodes.iter_mut().zip(&own) {
        if *price <= candidates[chosen] {
            node.split = None;
        }
    }
    compact(tree);
}

fn class_at(tree: &FittedTree, prices: &[f64], data: &Data<'_>, row: usize, price: f64) -> usize {
    let mut node = 0;
    while let Some(split) = tree.nodes[node].split.filter(|_| prices[node] > price) {
        let value = data.features[[row, split.feature]];
        node = if split.goes_left(value) {
            split.left
        } else {
            split.right
        };
    }
    tree.nodes[node].class()
}

/// Drops nodes that no split leads to.
fn compact(tree: &mut FittedTree) {
    let mut nodes = vec![tree.nodes[0].clone()];
    let mut at = 0;
    while at < nodes.len() {
        if let Some(split) = nodes[at].split {
            let (left, right) = (nodes.len(), nodes.len() + 1);
            nodes.push(tree.nodes[split.left].clone());
            nodes.push(tree.nodes[split.right].clone());
            nodes[at].split = Some(super::Split {
                left,
                right,
                ..split
            });
        }
        at += 1;
    }
    tree.nodes = nodes;
}
