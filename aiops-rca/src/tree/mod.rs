//! Decision trees over labelled incidents: rules that people read.
//!
//! Breiman, Friedman, Olshen and Stone, *Classification and Regression Trees* (1984): splits on one
//! feature, cost-complexity pruning by the weakest link, its strength chosen by cross-validation with
//! the one-standard-error rule. Quinlan, *C4.5: Programs for Machine Learning* (1993): gain ratio. Chen, Zheng, Lloyd, Jordan and Brewer, *Failure Diagnosis Using Decision
//! Trees* (ICAC 2004), for their use on failures.

#![allow(
    clippy::needless_pass_by_value,
    reason = "views are passed by value, as slices are"
)]

mod forest;
mod grow;
mod prune;
mod rules;
#[cfg(feature = "serde")]
mod wire;

use aiops_core::ndarray::{ArrayView1, ArrayView2};
use aiops_core::{DataError, FitError, ParamError, Seed};

pub use forest::{FittedForest, Forest, ForestConfig};
pub use rules::Rule;

/// What a split should lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Criterion {
    /// `1 - sum p^2`: how often two draws differ.
    #[default]
    Gini,
    /// `-sum p log2 p`, in bits.
    Entropy,
    /// The same, divided by the entropy of the sides themselves, among features whose gain is at least
    /// the mean of those that gain: prefers even splits to many that set a row or two apart.
    GainRatio,
}

impl Criterion {
    /// Impurity times total weight.
    fn impurity(self, counts: &[f64], total: f64) -> f64 {
        if total <= 0.0 {
            return 0.0;
        }
        match self {
            Self::Gini => total - counts.iter().map(|count| count * count).sum::<f64>() / total,
            Self::Entropy | Self::GainRatio => counts
                .iter()
                .filter(|count| **count > 0.0)
                .map(|count| -count * (count / total).log2())
                .sum(),
        }
    }
}

/// Parameters of [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct TreeConfig {
    /// What a split should lower.
    pub criterion: Criterion,
    /// Splits on the way to a leaf, at most.
    pub max_depth: usize,
    /// Rows in a leaf, at least; at least 1.
    pub min_leaf: usize,
    /// Whether each class weighs the same, however rare it is.
    pub balanced: bool,
    /// Parts for the cross-validation that chooses how much is pruned; 0 prunes nothing, 1 is not
    /// allowed.
    pub folds: usize,
    /// How rows are dealt to the parts.
    pub seed: Seed,
}

impl Default for TreeConfig {
    fn default() -> Self {
        Self {
            criterion: Criterion::Gini,
            max_depth: 24,
            min_leaf: 1,
            balanced: false,
            folds: 5,
            seed: Seed::default(),
        }
    }
}

/// A decision tree for classes.
///
/// ```
/// use aiops_core::ndarray::array;
/// use aiops_rca::tree::{Tree, TreeConfig};
///
/// // Errors per minute of two services, and which of them people found to be the cause.
/// let features = array![[9.0, 0.0], [8.0, 1.0], [7.0, 8.0], [0.0, 9.0], [1.0, 7.0], [0.0, 8.0]];
/// let causes = [0, 0, 0, 1, 1, 1];
/// let mut config = TreeConfig::default();
/// config.folds = 0;
/// let tree = Tree::try_from(config)?.fit(features.view(), &causes)?;
/// assert_eq!(tree.predict(array![6.0, 9.0].view())?, 0);
/// let rules = tree.rules(&["errors_cart", "errors_db"], &["cart", "db"]);
/// assert_eq!(rules[0].to_string(), "errors_cart <= 4: db (3 of 3, lift 2.00)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Missing values
///
/// `NaN` goes to the side of a split on which it lowers the impurity more, as learned; where none was
/// missing in training, to the heavier side. A split is chosen with its missing values counted in.
///
/// # Cost
///
/// A sort of every feature in every node, times the parts of the cross-validation and one. A
/// prediction is at most `max_depth` comparisons.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no row | [`FitError::Data`] |
/// | as many labels as rows are not given | [`FitError::Data`] |
/// | one class, or constant features | a single leaf |
/// | a feature that is always missing | is not split on |
/// | equal gains | the first feature, then the lowest threshold |
/// | fewer rows of a class than parts | some parts have none of it |
///
/// # Not good for
///
/// Many classes with a handful of rows each; a [`Forest`] is better there, and reads worse.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    config: TreeConfig,
}

impl TryFrom<TreeConfig> for Tree {
    type Error = ParamError;

    fn try_from(config: TreeConfig) -> Result<Self, ParamError> {
        if config.min_leaf == 0 {
            return Err(ParamError::new("min_leaf", "at least 1", 0));
        }
        if config.folds == 1 {
            return Err(ParamError::new("folds", "0, or at least 2", 1));
        }
        Ok(Self { config })
    }
}

impl Tree {
    /// Its parameters.
    pub fn config(&self) -> &TreeConfig {
        &self.config
    }

    /// Learns from `features`, rows = incidents and columns = features, and the class of each row,
    /// counted from 0.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] without a row, with another number of labels, and for infinite values.
    pub fn fit(
        &self,
        features: ArrayView2<'_, f64>,
        labels: &[usize],
    ) -> Result<FittedTree, FitError> {
        self.fit_weighted(features, labels, &vec![1.0; labels.len()])
    }

    /// Learns as [`fit`](Self::fit), with a weight for each row: how sure a label is, how much a missed
    /// incident costs, how many like it there were. With `balanced`, the weights of each class add up
    /// to the same.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit), and [`FitError::Param`] for weights that are not above 0 and finite.
    pub fn fit_weighted(
        &self,
        features: ArrayView2<'_, f64>,
        labels: &[usize],
        weights: &[f64],
    ) -> Result<FittedTree, FitError> {
        check(features, labels)?;
        if weights.len() != labels.len() {
            let (what, expected, found) = ("weights", labels.len(), weights.len());
            return Err(DataError::Length {
                what,
                expected,
                found,
            }
            .into());
        }
        if let Some(&bad) = weights.iter().find(|x| !(**x > 0.0 && x.is_finite())) {
            return Err(ParamError::new("weights", "above 0 and finite", bad).into());
        }
        let classes = labels.iter().max().map_or(0, |most| most + 1);
        let weights = self.weights(labels, weights, classes);
        let data = grow::Data {
            features,
            labels,
            weights: &weights,
            classes,
        };
        let rows: Vec<u32> = (0..labels.len() as u32).collect();
        let mut tree = grow::grow(&data, &self.config, rows, None);
        if self.config.folds > 0 {
            prune::prune(&mut tree, &data, &self.config);
        }
        tree.columns = features.ncols();
        Ok(tree)
    }

    fn weights(&self, labels: &[usize], weights: &[f64], classes: usize) -> Vec<f64> {
        if !self.config.balanced {
            return weights.to_vec();
        }
        let mut sums = vec![0.0; classes];
        for (label, weight) in labels.iter().zip(weights) {
            sums[*label] += weight;
        }
        let present = sums.iter().filter(|sum| **sum > 0.0).count();
        let each = weights.iter().sum::<f64>() / present as f64;
        let pairs = labels.iter().zip(weights);
        pairs
            .map(|(label, weight)| weight * each / sums[*label])
            .collect()
    }
}

fn check(features: ArrayView2<'_, f64>, labels: &[usize]) -> Result<(), DataError> {
    if labels.is_empty() {
        return Err(DataError::TooShort {
            needed: 1,
            found: 0,
        });
    }
    if features.nrows() != labels.len() {
        return Err(DataError::Length {
            what: "labels",
            expected: features.nrows(),
            found: labels.len(),
        });
    }
    match features
        .iter()
        .enumerate()
        .find(|(_, value)| value.is_infinite())
    {
        Some((index, &value)) => Err(DataError::Infinite { index, value }),
        None => Ok(()),
    }
}

/// A question to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Split {
    feature: usize,
    /// Values up to this go left.
    threshold: f64,
    missing_left: bool,
    left: usize,
    right: usize,
}

impl Split {
    fn goes_left(&self, value: f64) -> bool {
        if value.is_nan() {
            self.missing_left
        } else {
            value <= self.threshold
        }
    }
}

/// A node with what the training rows in it were.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    /// Weight of each class.
    counts: Vec<f64>,
    /// Rows.
    rows: usize,
    split: Option<Split>,
}

impl Node {
    fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The class with the largest weight, the first among equals.
    fn class(&self) -> usize {
        (0..self.counts.len()).fold(0, |best, class| {
            if self.counts[class] > self.counts[best] {
                class
            } else {
                best
            }
        })
    }

    /// Weight of the rows that are of another class.
    fn wrong(&self) -> f64 {
        self.total() - self.counts[self.class()]
    }
}

/// What [`Tree`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedTree {
    /// The root is the first.
    nodes: Vec<Node>,
    classes: usize,
    columns: usize,
}

impl FittedTree {
    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        let mut open = vec![0];
        let mut leaves = 0;
        while let Some(node) = open.pop() {
            match self.nodes[node].split {
                Some(split) => open.extend([split.left, split.right]),
                None => leaves += 1,
            }
        }
        leaves
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Probability of each class: the shares in the leaf, each class counted once more (Laplace).
    ///
    /// # Errors
    ///
    /// [`DataError::Length`] for another number of features.
    pub fn probabilities(&self, row: ArrayView1<'_, f64>) -> Result<Vec<f64>, DataError> {
        if row.len() != self.columns {
            let what = "features of a row";
            return Err(DataError::Length {
                what,
                expected: self.columns,
                found: row.len(),
            });
        }
        let leaf = &self.nodes[self.leaf(row)];
        let total = leaf.total() + self.classes as f64;
        Ok(leaf
            .counts
            .iter()
            .map(|count| (count + 1.0) / total)
            .collect())
    }

    /// The likeliest class, the first among equals.
    ///
    /// # Errors
    ///
    /// As [`probabilities`](Self::probabilities).
    pub fn predict(&self, row: ArrayView1<'_, f64>) -> Result<usize, DataError> {
        self.probabilities(row).map(|shares| ranked(&shares)[0])
    }

    fn leaf(&self, row: ArrayView1<'_, f64>) -> usize {
        let mut node = 0;
        while let Some(split) = self.nodes[node].split {
            node = if split.goes_left(row[split.feature]) {
                split.left
            } else {
                split.right
            };
        }
        node
    }
}

/// Classes by probability, the likeliest first, equal ones in order of their number.
pub fn ranked(probabilities: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| {
        probabilities[*b]
            .total_cmp(&probabilities[*a])
            .then(a.cmp(b))
    });
    order
}
