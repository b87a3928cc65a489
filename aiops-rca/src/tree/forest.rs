//! Many trees, each on other rows and features.
//!
//! Breiman, *Random Forests* (Machine Learning 45, 2001).

use aiops_core::ndarray::{ArrayView1, ArrayView2};
use aiops_core::{DataError, FitError, ParamError, Seed};

use super::{Criterion, FittedTree, TreeConfig, check, grow, ranked};

/// Parameters of [`Forest`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ForestConfig {
    /// Number of trees, at least 1.
    pub trees: usize,
    /// What a split should lower.
    pub criterion: Criterion,
    /// Splits on the way to a leaf, at most.
    pub max_depth: usize,
    /// Rows in a leaf, at least; at least 1.
    pub min_leaf: usize,
    /// Features that each split looks at; 0 is the square root of their number.
    pub features: usize,
    /// Where rows and features are drawn from.
    pub seed: Seed,
}

impl Default for ForestConfig {
    fn default() -> Self {
        Self {
            trees: 100,
            criterion: Criterion::Gini,
            max_depth: 32,
            min_leaf: 1,
            features: 0,
            seed: Seed::default(),
        }
    }
}

/// A forest of decision trees: better answers than one tree, and none that people read.
///
/// Missing values and degenerate cases as in [`Tree`](super::Tree). Tree `i` draws from
/// `seed.child(i)`.
///
/// # Not good for
///
/// Explaining: use a [`Tree`](super::Tree) beside it for the rules.
#[derive(Clone, Copy, Debug)]
pub struct Forest {
    config: ForestConfig,
}

impl TryFrom<ForestConfig> for Forest {
    type Error = ParamError;

    fn try_from(config: ForestConfig) -> Result<Self, ParamError> {
        if config.trees == 0 {
            return Err(ParamError::new("trees", "at least 1", 0));
        }
        if config.min_leaf == 0 {
            return Err(ParamError::new("min_leaf", "at least 1", 0));
        }
        Ok(Self { config })
    }
}

impl Forest {
    /// Its parameters.
    pub fn config(&self) -> &ForestConfig {
        &self.config
    }

    /// Learns as [`Tree::fit`](super::Tree::fit).
    ///
    /// # Errors
    ///
    /// As [`Tree::fit`](super::Tree::fit).
    pub fn fit(
        &self,
        features: ArrayView2<'_, f64>,
        labels: &[usize],
    ) -> Result<FittedForest, FitError> {
        check(features, labels)?;
        let classes = labels.iter().max().map_or(0, |most| most + 1);
        let weights = vec![1.0; labels.len()];
        let data = grow::Data {
            features,
            labels,
            weights: &weights,
            classes,
        };
        let config = TreeConfig {
            criterion: self.config.criterion,
            max_depth: self.config.max_depth,
            min_leaf: self.config.min_leaf,
            balanced: false,
            folds: 0,
            seed: self.config.seed,
        };
        let count = match self.config.features {
            0 => (features.ncols() as f64).sqrt().ceil() as usize,
            count => count,
        };
        let trees = (0..self.config.trees)
            .map(|index| {
                let mut rng = self.config.seed.child(index as u64).rng();
                let rows = labels
                    .iter()
                    .map(|_| rng.below(labels.len()) as u32)
                    .collect();
                grow::grow(&data, &config, rows, Some((&mut rng, count)))
            })
            .collect();
        Ok(FittedForest { trees, classes })
    }
}

/// What [`Forest`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedForest {
    pub(super) trees: Vec<FittedTree>,
    pub(super) classes: usize,
}

impl FittedForest {
    /// Probability of each class: the mean of the shares in the leaves of all trees.
    ///
    /// # Errors
    ///
    /// [`DataError::Length`] for another number of features.
    pub fn probabilities(&self, row: ArrayView1<'_, f64>) -> Result<Vec<f64>, DataError> {
        let mut sums = vec![0.0; self.classes];
        for tree in &self.trees {
            if row.len() != tree.columns {
                let what = "features of a row";
                return Err(DataError::Length {
                    what,
                    expected: tree.columns,
                    found: row.len(),
                });
            }
            let leaf = &tree.nodes[tree.leaf(row)];
            let total = leaf.total();
            for (sum, count) in sums.iter_mut().zip(&leaf.counts) {
                *sum += count / total;
            }
        }
        let trees = self.trees.len() as f64;
        Ok(sums.into_iter().map(|sum| sum / trees).collect())
    }

    /// The likeliest class, the first among equals.
    ///
    /// # Errors
    ///
    /// As [`probabilities`](Self::probabilities).
    pub fn predict(&self, row: ArrayView1<'_, f64>) -> Result<usize, DataError> {
        self.probabilities(row).map(|shares| ranked(&shares)[0])
    }
}
