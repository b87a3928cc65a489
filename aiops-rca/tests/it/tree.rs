//! Decision trees and forests.

use aiops_core::ndarray::{Array2, array};
use aiops_rca::tree::{Criterion, FittedTree, Forest, ForestConfig, Tree, TreeConfig, ranked};
use proptest::prelude::*;

use crate::support::noise;

fn unpruned() -> TreeConfig {
    let mut config = TreeConfig::default();
    config.folds = 0;
    config
}

fn fit(config: TreeConfig, features: &Array2<f64>, labels: &[usize]) -> FittedTree {
    Tree::try_from(config)
        .unwrap()
        .fit(features.view(), labels)
        .unwrap()
}

/// Rules of a tree with features `x0..` and classes `k0..`.
fn rules(tree: &FittedTree) -> Vec<String> {
    let (features, classes) = (["x0", "x1", "x2"], ["k0", "k1", "k2"]);
    tree.rules(&features, &classes)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn splits_where_it_pays_most() {
    let features = array![[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [10.0, 5.0], [11.0, 5.0]];
    for criterion in [Criterion::Gini, Criterion::Entropy] {
        let mut config = unpruned();
        config.criterion = criterion;
        let tree = fit(config, &features, &[0, 0, 0, 1, 1]);
        let expected = [
            "x0 <= 6.5: k0 (3 of 3, lift 1.67)",
            "x0 > 6.5: k1 (2 of 2, lift 2.50)",
        ];
        assert_eq!(rules(&tree), expected);
    }
}

/// With two nested splits, bounds of one feature are merged into one condition.
#[test]
fn bounds_of_one_feature_are_merged() {
    let features = array![[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]];
    let tree = fit(unpruned(), &features, &[0, 0, 1, 1, 0, 0]);
    assert!(rules(&tree).contains(&"2.5 < x0 <= 4.5: k1 (2 of 2, lift 3.00)".to_owned()));
    assert_eq!(tree.leaves(), 3);
}

#[test]
fn equal_features_split_on_the_first() {
    let features = array![[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]];
    assert!(rules(&fit(unpruned(), &features, &[0, 0, 1, 1]))[0].starts_with("x0 <= 0.5"));
}

#[test]
fn a_threshold_does_not_round_onto_the_upper_value() {
    let low = 1.0_f64;
    let features = array![[low], [low.next_up()]];
    let tree = fit(unpruned(), &features, &[0, 1]);
    assert_eq!(tree.predict(features.row(0)).unwrap(), 0);
    assert_eq!(tree.predict(features.row(1)).unwrap(), 1);
}

#[test]
fn missing_values_go_where_they_belong() {
    let nan = f64::NAN;
    let features = array![[1.0], [2.0], [nan], [9.0], [10.0], [nan]];
    let tree = fit(unpruned(), &features, &[0, 0, 1, 1, 1, 1]);
    assert_eq!(tree.predict(array![nan].view()).unwrap(), 1);
    let tree = fit(unpruned(), &features, &[0, 0, 0, 1, 1, 0]);
    assert_eq!(tree.predict(array![nan].view()).unwrap(), 0);
    // None missing in training: to the heavier side.
    let tree = fit(unpruned(), &array![[1.0], [8.0], [9.0]], &[0, 1, 1]);
    assert_eq!(tree.predict(array![nan].view()).unwrap(), 1);
    // A feature that is always missing cannot be asked.
    let tree = fit(unpruned(), &array![[nan, 1.0], [nan, 2.0]], &[0, 1]);
    assert_eq!(tree.predict(array![nan, 2.0].view()).unwrap(), 1);
}

#[test]
fn probabilities_are_smoothed() {
    let tree = fit(
        unpruned(),
        &array![[0.0], [0.0], [0.0], [1.0]],
        &[0, 0, 0, 1],
    );
    // (3 + 1) / (3 + 2) and (0 + 1) / (3 + 2).
    assert_eq!(tree.probabilities(array![0.0].view()).unwrap(), [0.8, 0.2]);
    assert_eq!(ranked(&[0.2, 0.5, 0.2, 0.5]), [1, 3, 0, 2]);
}

#[test]
fn balanced_classes_weigh_the_same() {
    let features = Array2::from_shape_fn((20, 1), |(row, _)| f64::from(u8::from(row >= 15)));
    let labels: Vec<usize> = (0..20).map(|row| usize::from(row >= 17)).collect();
    let mut config = unpruned();
    config.max_depth = 0;
    assert_eq!(
        fit(config, &features, &labels)
            .predict(array![1.0].view())
            .unwrap(),
        0
    );
    config.max_depth = 1;
    config.balanced = true;
    assert_eq!(
        fit(config, &features, &labels)
            .predict(array![1.0].view())
            .unwrap(),
        1
    );
}

/// Two classes by one feature, with a fifth of the labels wrong: only one split is worth it.
fn noisy(rows: usize) -> (Array2<f64>, Vec<usize>) {
    let features = Array2::from_shape_fn((rows, 3), |(row, column)| noise(column + 1, row));
    let labels = (0..rows)
        .map(|row| usize::from((features[[row, 1]] > 0.0) != (noise(9, row) > 0.3)))
        .collect();
    (features, labels)
}

#[test]
fn pruning_drops_what_is_noise() {
    let (features, labels) = noisy(300);
    assert!(fit(unpruned(), &features, &labels).leaves() > 40);
    let pruned = fit(TreeConfig::default(), &features, &labels);
    assert!(pruned.leaves() <= 4, "{:?}", rules(&pruned));
    let right = (0..300)
        .filter(|row| {
            let truth = usize::from(features[[*row, 1]] > 0.0);
            pruned.predict(features.row(*row)).unwrap() == truth
        })
        .count();
    assert!(right >= 270, "{right}");
    // Labels that have nothing to do with the features leave the root alone.
    let random: Vec<usize> = (0..300)
        .map(|row| usize::from(noise(77, row) > 0.0))
        .collect();
    assert!(fit(TreeConfig::default(), &features, &random).leaves() <= 2);
}

#[test]
fn a_forest_is_better_than_its_trees_and_repeats_itself() {
    let (features, labels) = noisy(300);
    let mut config = ForestConfig::default();
    config.trees = 30;
    let forest = Forest::try_from(config)
        .unwrap()
        .fit(features.view(), &labels)
        .unwrap();
    let again = Forest::try_from(config)
        .unwrap()
        .fit(features.view(), &labels)
        .unwrap();
    assert_eq!(forest, again);
    let tree = fit(unpruned(), &features, &labels);
    let fresh = Array2::from_shape_fn((400, 3), |(row, column)| noise(column + 21, row));
    let count = |predict: &dyn Fn(usize) -> usize| {
        (0..400)
            .filter(|row| predict(*row) == usize::from(fresh[[*row, 1]] > 0.0))
            .count()
    };
    let single = count(&|row| tree.predict(fresh.row(row)).unwrap());
    let many = count(&|row| forest.predict(fresh.row(row)).unwrap());
    assert!(many > single, "{many} {single}");
    let sum: f64 = forest.probabilities(fresh.row(0)).unwrap().iter().sum();
    assert!((sum - 1.0).abs() < 1e-9);
}

#[test]
fn odd_input_is_a_leaf_or_an_error() {
    assert_eq!(fit(TreeConfig::default(), &array![[1.0]], &[0]).leaves(), 1);
    assert_eq!(
        fit(TreeConfig::default(), &array![[1.0], [1.0]], &[0, 1]).leaves(),
        1
    );
    assert_eq!(
        fit(TreeConfig::default(), &array![[1.0], [2.0]], &[3, 3]).leaves(),
        1
    );
    assert_eq!(
        fit(TreeConfig::default(), &Array2::zeros((2, 0)), &[0, 1]).leaves(),
        1
    );
    let tree = Tree::try_from(unpruned()).unwrap();
    assert!(tree.fit(Array2::zeros((0, 1)).view(), &[]).is_err());
    assert!(tree.fit(array![[1.0]].view(), &[0, 1]).is_err());
    assert!(tree.fit(array![[f64::INFINITY]].view(), &[0]).is_err());
    let fitted = fit(
        unpruned(),
        &array![[f64::MAX], [f64::MIN], [0.0]],
        &[0, 1, 2],
    );
    assert_eq!(fitted.predict(array![f64::MAX].view()).unwrap(), 0);
    assert!(fitted.predict(array![1.0, 2.0].view()).is_err());
}

#[test]
fn parameters_are_checked() {
    for (leaf, folds, good) in [(1, 0, true), (1, 2, true), (0, 0, false), (1, 1, false)] {
        let mut config = TreeConfig::default();
        (config.min_leaf, config.folds) = (leaf, folds);
        assert_eq!(Tree::try_from(config).is_ok(), good);
    }
    for (trees, leaf, good) in [(1, 1, true), (0, 1, false), (1, 0, false)] {
        let mut config = ForestConfig::default();
        (config.trees, config.min_leaf) = (trees, leaf);
        assert_eq!(Forest::try_from(config).is_ok(), good);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// An unpruned tree knows its training rows when no two of them are equal, whatever the scale.
    #[test]
    fn remembers_distinct_rows(labels in proptest::collection::vec(0_usize..4, 1..40), power in -9..9) {
        let scale = 10.0_f64.powi(power);
        let features = Array2::from_shape_fn((labels.len(), 2), |(row, column)| {
            scale * (noise(column, row) + row as f64 * 1e-3)
        });
        let tree = fit(unpruned(), &features, &labels);
        for (row, label) in labels.iter().enumerate() {
            prop_assert_eq!(tree.predict(features.row(row)).unwrap(), *label);
        }
        let support: usize = tree.rules(&[], &[]).iter().map(|rule| rule.support).sum();
        prop_assert_eq!(support, labels.len());
    }
}
