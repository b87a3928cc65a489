//! Extended isolation forest: random splits by hyperplanes in any direction.
//!
//! Hariri, Carrasco Kind and Brunner, *Extended Isolation Forest*, TKDE 2021.

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

use crate::isolation_forest::{MAX_SAMPLE, NEUTRAL, average_path_length, fits};
use crate::rows::{check_columns, check_finite, each_block, in_parallel};
use crate::scaling::{Scaler, Scaling};
use crate::threshold::{check_contamination, upper_quantile};
use tree::{Grower, Tree};

/// Largest scaled value, so that products with a normal stay finite.
const FARTHEST: f64 = 1e100;

/// Rows that go down one tree after the other.
const BLOCK: usize = 128;

/// Parameters of [`ExtendedIsolationForest`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ExtendedIsolationForestConfig {
    /// Number of trees, at least 1; times `sample_size`, rounded up to a power of two, at most
    /// 16777216.
    pub trees: usize,
    /// Rows that each tree is grown on, from 2 to 65536; all rows when there are fewer.
    pub sample_size: usize,
    /// How many columns more than one take part in each split; as many as there are when there
    /// are fewer, and by default. 0 gives splits parallel to the axes, the plain isolation forest.
    pub extension: Option<usize>,
    /// How columns of different units become comparable, which directions need.
    pub scaling: Scaling,
    /// Share of the training rows that are outliers, greater than 0 and at most 0.5; sets the
    /// [offset](FittedExtendedIsolationForest::offset), not the scores. `None`: an offset of 0.5.
    pub contamination: Option<f64>,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for ExtendedIsolationForestConfig {
    fn default() -> Self {
        Self {
            trees: 100,
            sample_size: 256,
            extension: None,
            scaling: Scaling::Standard,
            contamination: None,
            seed: Seed::default(),
        }
    }
}

/// The algorithm. Build it from an [`ExtendedIsolationForestConfig`].
///
/// ```
/// use aiops_core::ndarray::array;
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::extended_isolation_forest::{
///     ExtendedIsolationForest, ExtendedIsolationForestConfig,
/// };
///
/// // Two groups of rows, at the lower left and the upper right.
/// let rows = Array2::from_shape_fn((400, 2), |(row, column)| {
///     let noise = ((row * (column + 3) * 37) % 101) as f64 / 101.0;
///     if row % 2 == 0 { noise } else { 10.0 + noise }
/// });
/// let config = ExtendedIsolationForestConfig::default();
/// let model = ExtendedIsolationForest::try_from(config)?.fit(rows.view())?;
///
/// // At the upper left each value is usual; splits parallel to the axes see a group there.
/// let scores = model.score(array![[0.5, 0.5], [0.5, 10.5]].view())?;
/// assert!(scores[1] > scores[0] + 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// As for [`isolation_forest`](crate::isolation_forest), with splits `normal * row <= offset`: the
/// normal is a random direction, and the plane goes through a random point of the box around the
/// rows of the node. A plane that leaves a side empty is drawn again, the last of nine through
/// the rows themselves.
///
/// The explanation gives each step of a row down a tree to the columns in proportion to their
/// part of the product; what [`explain`](FittedMultivariateDetector::explain) answers adds up, for
/// a row without missing values, to `log2(2 * score)`.
///
/// # Cost
///
/// Fitting does not depend on the number of rows, but for a contamination and the scales. Scoring
/// takes `trees * log2(sample_size) * columns` steps a row, some 5 us by default with 8 columns;
/// some `6 + 1.5 * columns` KB a tree.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no row with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | one row, or all rows equal | every score is 0.5, no outlier |
/// | constant column | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in |
/// | row without any value | score `NaN`; not learned |
/// | column without any value | never counts |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | scaled values beyond 1e100 | count as 1e100 |
///
/// # Not good for
///
/// Local anomalies inside a dense region, as the plain forest, and many columns without
/// information, which enter every split here: take a small `extension` then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExtendedIsolationForest {
    config: ExtendedIsolationForestConfig,
}

impl TryFrom<ExtendedIsolationForestConfig> for ExtendedIsolationForest {
    type Error = ParamError;

    fn try_from(config: ExtendedIsolationForestConfig) -> Result<Self, ParamError> {
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

impl ExtendedIsolationForest {
    fn grow_tree(&self, scaled: &[f64], width: usize, index: usize) -> Tree {
        let mut rng = self.config.seed.child(index as u64).rng();
        let ids = rng.sample_indices(scaled.len() / width, self.config.sample_size);
        let rows: Vec<f64> = ids
            .iter()
            .flat_map(|&id| scaled[id * width..][..width].iter().copied())
            .collect();
        let active = self
            .config
            .extension
            .map_or(width, |more| more.saturating_add(1).min(width));
        Grower::new(&rows, width, active, rng).grow()
    }
}

impl MultivariateDetector for ExtendedIsolationForest {
    type Model = FittedExtendedIsolationForest;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<Self::Model, FitError> {
        let scaler = Scaler::fit(&train, self.config.scaling, 1)?;
        let width = scaler.width();
        let mut scaled = Vec::with_capacity(train.len());
        let mut row = vec![0.0; width];
        for train in train.rows() {
            if scaler.apply(train, &mut row) {
                scaled.extend(row.iter().map(|value| value.clamp(-FARTHEST, FARTHEST)));
            }
        }
        let trees = in_parallel(self.config.trees, |index| {
            self.grow_tree(&scaled, width, index)
        });
        let mut model = FittedExtendedIsolationForest {
            trees,
            scaler,
            sample: (scaled.len() / width).min(self.config.sample_size),
            offset: NEUTRAL,
        };
        if let Some(contamination) = self.config.contamination {
            model.offset = upper_quantile(&model.score(train)?, contamination)?;
        }
        Ok(model)
    }
}

/// What [`ExtendedIsolationForest`] learned: the trees and the scales, not the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedExtendedIsolationForest {
    trees: Vec<Tree>,
    scaler: Scaler,
    sample: usize,
    offset: f64,
}

impl FittedExtendedIsolationForest {
    /// Score above which a row is an outlier: 0.5, or the quantile of the training scores that
    /// the contamination asks for.
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
        self.scaler.width()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.trees.iter().map(Tree::size_bytes).sum::<usize>()
    }

    fn scale<'a>(&self, row: impl IntoIterator<Item = &'a f64>, scaled: &mut [f64]) -> bool {
        let known = self.scaler.apply(row, scaled);
        for value in scaled.iter_mut() {
            *value = value.clamp(-FARTHEST, FARTHEST);
        }
        known
    }
}

impl FittedMultivariateDetector for FittedExtendedIsolationForest {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        let width = self.scaler.width();
        check_scores(rows.nrows(), scores)?;
        check_columns(width, rows.ncols())?;
        check_finite(rows)?;
        each_block(scores, BLOCK, |first, scores| {
            let mut scaled = vec![0.0; scores.len() * width];
            for (index, scaled) in scaled.chunks_exact_mut(width).enumerate() {
                let known = self.scale(rows.row(first + index), scaled);
                scores[index] = if known { 0.0 } else { f64::NAN };
            }
            for tree in &self.trees {
                for (score, row) in scores.iter_mut().zip(scaled.chunks_exact(width)) {
                    *score += tree.walk(row, |_| ()); // NaN stays
                }
            }
            for score in scores.iter_mut() {
                *score = (*score / self.trees.len() as f64 - 1.0).exp2();
            }
        });
        Ok(())
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        check_columns(self.scaler.width(), row.len())?;
        check_finite(row)?;
        let mut scaled = vec![0.0; row.len()];
        self.scale(row, &mut scaled);
        let mut shares = vec![0.0; row.len()];
        for tree in &self.trees {
            tree.walk(&scaled, |step| {
                let gain = average_path_length(step.parent_rows)
                    - 1.0
                    - average_path_length(step.child_rows);
                let part = |(normal, value): (&f64, &f64)| (normal * value).abs();
                let parts = || step.normal.iter().zip(&scaled).map(part);
                let sum: f64 = parts().sum();
                if sum > 0.0 {
                    for (share, part) in shares.iter_mut().zip(parts()) {
                        *share += gain * (part / sum);
                    }
                } else {
                    let width = row.len() as f64;
                    for share in &mut shares {
                        *share += gain / width;
                    }
                }
            });
        }
        let unit = average_path_length(self.sample) * self.trees.len() as f64;
        for (share, value) in shares.iter_mut().zip(row) {
            *share = if value.is_nan() || unit == 0.0 {
                0.0
            } else {
                *share / unit
            };
        }
        Ok(shares)
    }
}
