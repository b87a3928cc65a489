//! Isolation forest: rows that random splits set apart early are anomalous.
//!
//! Liu, Ting and Zhou, *Isolation Forest*, ICDM 2008, with the details of scikit-learn 1.9:
//! samples without replacement, height limit, splits only among features that are not constant
//! in the node, left on `<=`.

mod tree;
#[cfg(feature = "serde")]
mod wire;

#[cfg(feature = "serde")]
pub(crate) use wire::V1;

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError, Seed,
    check_scores,
};

use crate::rows::{check_columns, check_finite, check_train, each_block, in_parallel};
use crate::threshold::{check_contamination, upper_quantile};
use tree::{Grower, LANES, Tree};

pub use tree::average_path_length;
pub(crate) use tree::height_limit;

/// Score above which a row is an outlier unless a contamination is given: that of a row which is
/// set apart exactly as early as expected.
pub(crate) const NEUTRAL: f64 = 0.5;

/// Most rows a tree is grown on; 17 levels of nodes.
pub(crate) const MAX_SAMPLE: usize = 1 << 16;

/// Most places at the bottom of all trees together: some half a gigabyte. Bounds what a stored
/// forest can ask for, whose trees may be much smaller in the file than in memory.
const MAX_PLACES: usize = 1 << 24;

/// Values of a block of rows that is scored at a time: half of a usual first-level cache.
const BLOCK_VALUES: usize = 2048;

/// Fewer rows than this are scored one by one: side by side they would leave lanes empty.
const FEW: usize = LANES / 2;

/// Parameters of [`IsolationForest`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct IsolationForestConfig {
    /// Number of trees, at least 1; times `sample_size`, rounded up to a power of two, at most
    /// 16777216. The spread of a score over seeds falls with its square root.
    pub trees: usize,
    /// Rows that each tree is grown on, from 2 to 65536; all rows when there are fewer. More is
    /// not better: small samples keep anomalies apart from the normal rows (section 3 of the
    /// paper).
    pub sample_size: usize,
    /// Share of the training rows that are outliers, greater than 0 and at most 0.5; sets the
    /// [offset](FittedIsolationForest::offset), not the scores. `None`: an offset of 0.5.
    pub contamination: Option<f64>,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for IsolationForestConfig {
    fn default() -> Self {
        Self {
            trees: 100,
            sample_size: 256,
            contamination: None,
            seed: Seed::default(),
        }
    }
}

/// The algorithm. Build it from an [`IsolationForestConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::isolation_forest::{IsolationForest, IsolationForestConfig};
///
/// // Rows are hosts, columns are CPU share and request rate, which go together...
/// let mut hosts = Array2::from_shape_fn((200, 2), |(host, column)| {
///     let load = (host % 20) as f64;
///     if column == 0 { 0.03 * load } else { 40.0 * load }
/// });
/// hosts[[7, 1]] = 5000.0; // ... except here.
///
/// let forest = IsolationForest::try_from(IsolationForestConfig::default())?;
/// let model = forest.fit(hosts.view())?;
/// let scores = model.score(hosts.view())?;
/// assert!(scores.iter().all(|&score| score <= scores[7]) && model.is_outlier(scores[7]));
///
/// let blame = model.explain(&[0.21, 5000.0])?;
/// assert!(blame[1] > blame[0]); // the request rate
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = 2^(-h / c(psi))      in (0, 1], larger is more anomalous
/// h     = mean over the trees of: edges to the leaf + c(training rows in the leaf)
/// psi   = rows that each tree is grown on
/// c     = average_path_length
/// ```
///
/// The scores are those of scikit-learn's `-score_samples`, but not to the bit: random numbers
/// differ, and it splits in single precision.
///
/// # Explanation
///
/// Each step of a row down a tree, from a node with `n` training rows to one with `m`, brings it
/// `c(n) - 1 - c(m)` edges nearer to being alone than was expected; that is given to the column
/// of the split. Divided by `c(psi)` and averaged over the trees, the numbers of
/// [`explain`](FittedMultivariateDetector::explain) add up, for a row without missing values, to
/// `log2(2 * score)`: to 0 for a row as normal as can be said, to at most 1. Positive numbers speak for an anomaly, negative ones
/// against. Costs some ten microseconds by default, ten times as much as a score.
///
/// # Cost
///
/// Fitting grows `trees` trees on `sample_size` rows, whatever the number of rows; with a
/// contamination it scores all rows. Scoring takes `trees * log2(sample_size)` steps a row, less
/// than a microsecond by default, alone or among others. Some 9 KB a tree. With the feature `rayon` both spread over the
/// caller's pool; results are the same to the bit.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no row, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | one row, or all rows equal | every score is 0.5, no outlier |
/// | constant column | never split on |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | missing value (`NaN`) | follows the larger side of each split on its column |
/// | row without any value | score `NaN` |
/// | column without any value | never split on |
/// | other number of columns than in training | [`DataError::Length`](aiops_core::DataError::Length) |
///
/// # Not good for
///
/// Local anomalies, which are odd only among their neighbours, and anomalies inside the range of
/// the normal values: splits are parallel to the axes. Many columns without information hide the
/// few with some. It does not know time; rows that arrive over time need features that do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IsolationForest {
    config: IsolationForestConfig,
}

impl TryFrom<IsolationForestConfig> for IsolationForest {
    type Error = ParamError;

    fn try_from(config: IsolationForestConfig) -> Result<Self, ParamError> {
        if config.trees == 0 {
            return Err(ParamError::new("trees", "at least 1", config.trees));
        }
        if !(2..=MAX_SAMPLE).contains(&config.sample_size) {
            let expected = "from 2 to 65536";
            return Err(ParamError::new("sample_size", expected, config.sample_size));
        }
        if !fits(config.trees, config.sample_size) {
            let expected = "at most 16777216 / sample_size";
            return Err(ParamError::new("trees", expected, config.trees));
        }
        if let Some(contamination) = config.contamination {
            check_contamination(contamination)?;
        }
        Ok(Self { config })
    }
}

/// Whether so many trees over so many rows stay within [`MAX_PLACES`].
pub(crate) fn fits(trees: usize, sample: usize) -> bool {
    trees <= MAX_PLACES / sample.next_power_of_two()
}

impl IsolationForest {
    fn grow_tree(&self, train: &ArrayView2<'_, f64>, index: usize) -> Tree {
        let mut rng = self.config.seed.child(index as u64).rng();
        let rows = rng.sample_indices(train.nrows(), self.config.sample_size);
        let columns: Vec<f64> = train
            .columns()
            .into_iter()
            .flat_map(|column| rows.iter().map(move |&row| column[row]))
            .collect();
        Grower::new(&columns, rows.len(), rng).grow()
    }
}

impl MultivariateDetector for IsolationForest {
    type Model = FittedIsolationForest;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<Self::Model, FitError> {
        check_train(&train, 1)?;
        let mut model = FittedIsolationForest {
            trees: in_parallel(self.config.trees, |index| self.grow_tree(&train, index)),
            columns: train.ncols(),
            sample: train.nrows().min(self.config.sample_size),
            offset: NEUTRAL,
        };
        if let Some(contamination) = self.config.contamination {
            let mut scores = vec![f64::NAN; train.nrows()];
            model.score_finite(&train, &mut scores);
            model.offset = upper_quantile(&scores, contamination)?;
        }
        Ok(model)
    }
}

/// What [`IsolationForest`] learned: the trees, not the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedIsolationForest {
    trees: Vec<Tree>,
    columns: usize,
    sample: usize,
    offset: f64,
}

impl FittedIsolationForest {
    /// Score above which a row is an outlier: 0.5, or the quantile of the training scores that
    /// the contamination asks for. The negative of scikit-learn's `offset_`.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// Whether a row with this score is an outlier: strictly above the
    /// [offset](Self::offset). Never for `NaN`.
    pub fn is_outlier(&self, score: f64) -> bool {
        score > self.offset
    }

    #[cfg(feature = "serde")]
    pub(crate) fn width(&self) -> usize {
        self.columns
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.trees.iter().map(Tree::size_bytes).sum::<usize>()
    }

    fn score_finite(&self, rows: &ArrayView2<'_, f64>, scores: &mut [f64]) {
        if scores.len() < FEW {
            for (row, score) in rows.rows().into_iter().zip(scores) {
                *score = self.score_row(&row.to_vec());
            }
            return;
        }
        let block = (BLOCK_VALUES / self.columns)
            .next_multiple_of(LANES)
            .max(2 * LANES);
        each_block(scores, block, |first, scores| {
            Block::new(self.columns, rows, first, scores.len()).score(self, scores);
        });
    }

    fn score_from_gains(&self, sum: f64) -> f64 {
        (sum / self.trees.len() as f64 - 1.0).exp2()
    }

    /// Score of a row by itself: trees, not rows, side by side. Adds up in the same order as
    /// [`Block::score`], so that the bits are the same.
    fn score_row(&self, row: &[f64]) -> f64 {
        if row.iter().any(|value| value.is_nan()) {
            return self.score_incomplete(row);
        }
        let mut sum = 0.0;
        for trees in self.trees.chunks(LANES) {
            let gains = Tree::gains_of_row(trees, row);
            for gain in &gains[..trees.len()] {
                sum += gain;
            }
        }
        self.score_from_gains(sum)
    }

    /// Score of a row that has missing values.
    fn score_incomplete(&self, row: &[f64]) -> f64 {
        if row.iter().all(|value| value.is_nan()) {
            return f64::NAN;
        }
        self.score_from_gains(self.trees.iter().map(|tree| tree.walk(row, |_| ())).sum())
    }
}

impl FittedMultivariateDetector for FittedIsolationForest {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(rows.nrows(), scores)?;
        check_columns(self.columns, rows.ncols())?;
        check_finite(rows)?;
        self.score_finite(&rows, scores);
        Ok(())
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        check_columns(self.columns, row.len())?;
        check_finite(row)?;
        let mut shares = vec![0.0; self.columns];
        for tree in &self.trees {
            tree.walk(row, |step| {
                let expected = average_path_length(step.parent_rows);
                if !row[step.feature].is_nan() {
                    shares[step.feature] += expected - 1.0 - average_path_length(step.child_rows);
                }
            });
        }
        let unit = average_path_length(self.sample) * self.trees.len() as f64;
        if unit > 0.0 {
            for share in &mut shares {
                *share /= unit;
            }
        }
        Ok(shares)
    }
}

/// A few rows that go down one tree after the other: groups of [`LANES`] rows, each column by
/// column. The rows that fill up the last group are zeros.
struct Block {
    columns: usize,
    groups: Vec<[f64; LANES]>,
}

impl Block {
    fn new(columns: usize, rows: &ArrayView2<'_, f64>, first: usize, count: usize) -> Self {
        let mut groups = vec![[0.0; LANES]; count.div_ceil(LANES) * columns];
        for (index, group) in groups.chunks_exact_mut(columns).enumerate() {
            let start = first + index * LANES;
            for lane in 0..LANES.min(first + count - start) {
                for (values, &value) in group.iter_mut().zip(rows.row(start + lane)) {
                    values[lane] = value;
                }
            }
        }
        Self { columns, groups }
    }

    fn score(&self, model: &FittedIsolationForest, scores: &mut [f64]) {
        let mut sums = vec![[0.0; LANES]; scores.len().div_ceil(LANES)];
        for tree in &model.trees {
            for (sums, group) in sums.iter_mut().zip(self.groups.chunks_exact(self.columns)) {
                for (sum, gain) in sums.iter_mut().zip(tree.gains(group)) {
                    *sum += gain;
                }
            }
        }
        let groups = self.groups.chunks_exact(self.columns);
        for ((scores, sums), group) in scores.chunks_mut(LANES).zip(sums).zip(groups) {
            for (lane, score) in scores.iter_mut().enumerate() {
                *score = if group.iter().any(|values| values[lane].is_nan()) {
                    let row: Vec<f64> = group.iter().map(|values| values[lane]).collect();
                    model.score_incomplete(&row)
                } else {
                    model.score_from_gains(sums[lane])
                };
            }
        }
    }
}
