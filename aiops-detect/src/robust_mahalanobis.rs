//! Mahalanobis distance from the dense half of the rows: odd rows cannot bend what they are
//! measured by.
//!
//! Rousseeuw and Van Driessen, *A Fast Algorithm for the Minimum Covariance Determinant Estimator*,
//! Technometrics 1999.

use aiops_core::ndarray::ArrayView2;
use aiops_core::numerics::gamma::{self, chi_squared_quantile};
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError, Seed,
    check_scores,
};

use crate::rows::{check_columns, check_finite, each_block, in_parallel};
use crate::scaling::{Scaler, Scaling};

/// Largest distance, in robust standard deviations, that a value can have from the centre, so that
/// squares stay finite.
const FARTHEST: f64 = 1e100;
/// What the other columns leave of a column's variance counts as at least this share of it.
const MIN_SHARE: f64 = 1e-9;
/// Starts from a few rows drawn by chance.
const STARTS: usize = 500;
/// Candidates that are followed from one stage to the next.
const BEST: usize = 10;
/// Rows of a part in which starts are tried, and most parts.
const PART: usize = 300;
const MAX_PARTS: usize = 5;
/// Concentration steps of a start, and of a candidate until nothing changes.
const FEW_STEPS: usize = 2;
const MAX_STEPS: usize = 100;
/// Rows that are scored at a time.
const BLOCK: usize = 64;
/// Probability with which a normal row is left out of the last estimate.
const OUTSIDE: f64 = 0.025;

/// Parameters of [`RobustMahalanobis`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RobustMahalanobisConfig {
    /// Share of the rows that are taken for normal, from 0.5, which withstands the most, to 1,
    /// which is the classical distance.
    pub support: f64,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for RobustMahalanobisConfig {
    fn default() -> Self {
        Self {
            support: 0.5,
            seed: Seed::default(),
        }
    }
}

/// The algorithm. Build it from a [`RobustMahalanobisConfig`].
///
/// ```
/// use aiops_core::MultivariateDetector;
/// use aiops_core::ndarray::Array2;
/// use aiops_detect::robust_mahalanobis::{RobustMahalanobis, RobustMahalanobisConfig};
///
/// // CPU share follows the request rate; on one host in five a loop burns CPU.
/// let hosts = Array2::from_shape_fn((100, 2), |(host, column)| {
///     let load = (host % 20) as f64;
///     let noise = ((host * (column + 3) * 37) % 101) as f64 / 101.0;
///     if column == 0 {
///         100.0 * load + 20.0 * noise
///     } else {
///         0.02 * load + 0.01 * noise + if host % 5 == 0 { 0.3 } else { 0.0 }
///     }
/// });
/// let scores = RobustMahalanobis::try_from(RobustMahalanobisConfig::default())?
///     .fit_score(hosts.view())?;
/// let most_normal = (0..100).filter(|host| host % 5 > 0).map(|host| scores[host]);
/// let most_normal = most_normal.fold(0.0, f64::max);
/// assert!((0..100).step_by(5).all(|host| scores[host] > most_normal));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// H       = the h rows whose covariance has the smallest determinant that was found
///           h = max((n + columns + 1) / 2, support * n), rounded up
/// S       = covariance of H, times median distance of all rows / median of chi-squared
/// score   = squared Mahalanobis distance by mean and covariance of the rows whose distance by S
///           is below the 97.5 % point of chi-squared, the covariance divided by the share of it
///           that is left of a normal cloud by leaving out the others
/// ```
///
/// At least 0; larger is more anomalous. Of normal rows the score is about chi-squared with as many
/// degrees of freedom as there are columns. The explanation gives each column its part of the
/// sum; parts may be negative.
///
/// Subsets are searched as in the paper: 500 starts of columns + 1 rows, the ten best of which are
/// concentrated until nothing changes, in parts of some 300 rows first where there are more than 600.
///
/// # Cost
///
/// Fitting `O(n d^2)` for each of some hundred steps with all rows, some ten of them when there are
/// many; scoring `O(d^2)` a row.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | all rows equal | 0 for the same row; squared distance for others |
/// | collinear columns, or more columns than rows | what others leave of a column's variance counts as at least 1e-9 of it |
/// | more than half of the rows on a plane | that plane is normal: rows beside it are very odd |
/// | constant column | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in |
/// | row without any value | score `NaN`; not learned |
/// | column without any value | never counts |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | values beyond 1e100 robust standard deviations | count as 1e100 |
///
/// # Not good for
///
/// Curved relations and several clusters; fewer than some five rows a column, of which half always
/// lie close together by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobustMahalanobis {
    config: RobustMahalanobisConfig,
}

impl TryFrom<RobustMahalanobisConfig> for RobustMahalanobis {
    type Error = ParamError;

    fn try_from(config: RobustMahalanobisConfig) -> Result<Self, ParamError> {
        if (0.5..=1.0).contains(&config.support) {
            Ok(Self { config })
        } else {
            Err(ParamError::new("support", "from 0.5 to 1", config.support))
        }
    }
}

impl MultivariateDetector for RobustMahalanobis {
    type Model = FittedRobustMahalanobis;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedRobustMahalanobis, FitError> {
        let scaler = Scaler::fit(&train, Scaling::Robust, 2)?;
        let width = scaler.width();
        let mut values = Vec::with_capacity(train.len());
        let mut scaled = vec![0.0; width];
        for row in train.rows() {
            if scaler.apply(row, &mut scaled) {
                values.extend(scaled.iter().map(|value| value.clamp(-FARTHEST, FARTHEST)));
            }
        }
        let rows = Rows {
            values: &values,
            width,
        };
        let shape = reweighted(rows, &self.densest(rows));
        Ok(FittedRobustMahalanobis { scaler, shape })
    }
}

impl RobustMahalanobis {
    /// Rows taken for normal of so many.
    fn support(&self, count: usize, width: usize) -> usize {
        let share = (self.config.support * count as f64).ceil() as usize;
        share.max((count + width + 2) / 2).min(count)
    }

    /// The ellipsoid of the subset with the smallest determinant.
    fn densest(&self, rows: Rows<'_>) -> Ellipsoid {
        let count = rows.count();
        let wanted = self.support(count, rows.width);
        if wanted == count {
            return Ellipsoid::of(rows, &(0..count).collect::<Vec<_>>());
        }
        let all: Vec<usize> = (0..count).collect();
        let candidates = if count <= 2 * PART {
            self.starts(rows, &all, STARTS, 0)
        } else {
            self.in_parts(rows)
        };
        let found = in_parallel(candidates.len(), |candidate| {
            concentrate(rows, &all, candidates[candidate].clone(), wanted, MAX_STEPS)
        });
        best(found, 1).swap_remove(0)
    }

    /// The best candidates among rows drawn by chance: first in parts, then in all that were drawn.
    fn in_parts(&self, rows: Rows<'_>) -> Vec<Ellipsoid> {
        let count = rows.count();
        let parts = (count / PART).min(MAX_PARTS);
        let mut drawn: Vec<usize> = (0..count).collect();
        let mut rng = self.config.seed.rng();
        let used = parts * PART;
        for place in 0..used {
            let other = place + rng.below(count - place);
            drawn.swap(place, other);
        }
        drawn.truncate(used);
        let from_parts: Vec<Ellipsoid> = (drawn.chunks(PART).enumerate())
            .flat_map(|(part, own)| self.starts(rows, own, STARTS / parts, 1 + part as u64))
            .collect();
        let wanted = self.support(used, rows.width);
        let merged = in_parallel(from_parts.len(), |candidate| {
            let start = from_parts[candidate].clone();
            concentrate(rows, &drawn, start, wanted, FEW_STEPS)
        });
        best(merged, BEST)
    }

    /// The best of some starts within `own` rows.
    fn starts(&self, rows: Rows<'_>, own: &[usize], starts: usize, part: u64) -> Vec<Ellipsoid> {
        let wanted = self.support(own.len(), rows.width);
        let few = (rows.width + 1).min(own.len());
        let seed = self.config.seed.child(part);
        let found = in_parallel(starts, |start| {
            let mut rng = seed.child(start as u64).rng();
            let mut subset: Vec<usize> = Vec::with_capacity(few);
            while subset.len() < few {
                let row = own[rng.below(own.len())];
                if !subset.contains(&row) {
                    subset.push(row);
                }
            }
            concentrate(rows, own, Ellipsoid::of(rows, &subset), wanted, FEW_STEPS)
        });
        best(found, BEST)
    }
}

/// Rows of equal length, one after the other.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f64],
    width: usize,
}

impl<'a> Rows<'a> {
    fn count(self) -> usize {
        self.values.len() / self.width
    }

    fn row(self, index: usize) -> &'a [f64] {
        &self.values[index * self.width..][..self.width]
    }
}

/// The candidates with the smallest determinants; equal ones in order.
fn best(mut candidates: Vec<Ellipsoid>, most: usize) -> Vec<Ellipsoid> {
    candidates.sort_by(|a, b| a.log_determinant.total_cmp(&b.log_determinant));
    candidates.truncate(most);
    candidates
}

/// Takes the `wanted` rows of `own` that are nearest again and again: the determinant never grows.
fn concentrate(
    rows: Rows<'_>,
    own: &[usize],
    start: Ellipsoid,
    wanted: usize,
    steps: usize,
) -> Ellipsoid {
    let mut now = start;
    let mut before: Vec<usize> = Vec::new();
    let mut scratch = vec![0.0; rows.width];
    for _ in 0..steps {
        let mut distances: Vec<(f64, usize)> = own
            .iter()
            .map(|&row| (now.squared(rows.row(row), &mut scratch), row))
            .collect();
        if wanted < distances.len() {
            let order =
                |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            distances.select_nth_unstable_by(wanted, order);
            distances.truncate(wanted);
        }
        let mut nearest: Vec<usize> = distances.into_iter().map(|(_, row)| row).collect();
        nearest.sort_unstable();
        if nearest == before {
            break;
        }
        now = Ellipsoid::of(rows, &nearest);
        before = nearest;
    }
    now
}

/// The ellipsoid of all rows that are not outside by the densest one.
fn reweighted(rows: Rows<'_>, densest: &Ellipsoid) -> Ellipsoid {
    let freedom = rows.width as f64;
    let mut scratch = vec![0.0; rows.width];
    let distances: Vec<f64> = (0..rows.count())
        .map(|row| densest.squared(rows.row(row), &mut scratch))
        .collect();
    let median = aiops_core::numerics::median(&mut distances.clone());
    let correction = median / chi_squared_quantile(0.5, freedom);
    let limit = chi_squared_quantile(1.0 - OUTSIDE, freedom) * correction;
    let inside: Vec<usize> = (0..rows.count())
        .filter(|row| distances[*row] <= limit)
        .collect();
    let mut shape = Ellipsoid::of(rows, &inside);
    if inside.len() < rows.count() {
        shape.widen(1.0 / kept_variance(freedom));
    }
    shape
}

/// Share of the variance that is left when the outermost rows of a normal cloud are not counted.
fn kept_variance(freedom: f64) -> f64 {
    let limit = chi_squared_quantile(1.0 - OUTSIDE, freedom);
    gamma::regularized(0.5 * freedom + 1.0, 0.5 * limit) / (1.0 - OUTSIDE)
}

/// Mean and covariance of some rows, the latter by its lower triangular factor.
#[derive(Clone, Debug, PartialEq)]
struct Ellipsoid {
    center: Vec<f64>,
    /// Row-major; zero above the diagonal, which is positive.
    factor: Vec<f64>,
    log_determinant: f64,
}

impl Ellipsoid {
    fn of(rows: Rows<'_>, subset: &[usize]) -> Self {
        let width = rows.width;
        let share = 1.0 / subset.len() as f64;
        let mut center = vec![0.0; width];
        for &row in subset {
            for (sum, value) in center.iter_mut().zip(rows.row(row)) {
                *sum += value * share;
            }
        }
        let mut factor = vec![0.0; width * width];
        let mut moved = vec![0.0; width];
        for &row in subset {
            for ((moved, value), center) in moved.iter_mut().zip(rows.row(row)).zip(&center) {
                *moved = value - center;
            }
            for (i, &a) in moved.iter().enumerate() {
                for (sum, &b) in factor[i * width..=i * width + i].iter_mut().zip(&moved) {
                    *sum += a * b * share;
                }
            }
        }
        let log_determinant = decompose(&mut factor, width);
        Self {
            center,
            factor,
            log_determinant,
        }
    }

    fn width(&self) -> usize {
        self.center.len()
    }

    /// Multiplies the covariance.
    fn widen(&mut self, by: f64) {
        let root = by.sqrt();
        self.factor.iter_mut().for_each(|value| *value *= root);
        self.log_determinant += by.ln() * self.width() as f64;
    }

    /// Squared distance; `whitened` holds the row in coordinates of the ellipsoid afterwards.
    fn squared(&self, row: &[f64], whitened: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for i in 0..row.len() {
            let line = &self.factor[i * row.len()..=i * row.len() + i];
            let known: f64 = line[..i].iter().zip(&*whitened).map(|(l, y)| l * y).sum();
            whitened[i] = (row[i] - self.center[i] - known) / line[i];
            sum += whitened[i] * whitened[i];
        }
        sum.min(f64::MAX)
    }

    /// Each column's part of the squared distance.
    fn parts(&self, row: &[f64]) -> Vec<f64> {
        let width = self.width();
        let mut solved = vec![0.0; width];
        self.squared(row, &mut solved);
        for i in (0..width).rev() {
            let below = i + 1..width;
            let known: f64 = below.map(|j| self.factor[j * width + i] * solved[j]).sum();
            solved[i] = (solved[i] - known) / self.factor[i * width + i];
        }
        let moved = row
            .iter()
            .zip(&self.center)
            .map(|(value, center)| value - center);
        moved
            .zip(&solved)
            .map(|(moved, solved)| (moved * solved).clamp(f64::MIN, f64::MAX))
            .collect()
    }
}

/// Cholesky's factor in place of the lower triangle, and the logarithm of the determinant.
fn decompose(matrix: &mut [f64], width: usize) -> f64 {
    let mut log_determinant = 0.0;
    for i in 0..width {
        let variance = matrix[i * width + i];
        for j in 0..=i {
            let (row, column) = (i * width, j * width);
            let known: f64 = (0..j).map(|k| matrix[row + k] * matrix[column + k]).sum();
            let left = matrix[row + j] - known;
            matrix[row + j] = if i == j {
                // Without any variance, distances are in the unit of the scaling.
                let least = if variance > 0.0 {
                    MIN_SHARE * variance
                } else {
                    1.0
                };
                left.max(least).max(f64::MIN_POSITIVE).sqrt()
            } else {
                left / matrix[column + j]
            };
        }
        log_determinant += 2.0 * matrix[i * width + i].ln();
    }
    log_determinant
}

/// What [`RobustMahalanobis`] learned: the scales, the centre and the covariance.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedRobustMahalanobis {
    scaler: Scaler,
    shape: Ellipsoid,
}

impl FittedRobustMahalanobis {
    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        let width = self.scaler.width();
        size_of::<Self>() + width * (width + 4) * size_of::<f64>()
    }

    /// Writes the scaled row; `false` when it has no value.
    fn scaled<'a>(&self, row: impl IntoIterator<Item = &'a f64>, scaled: &mut [f64]) -> bool {
        let known = self.scaler.apply(row, scaled);
        for value in scaled {
            *value = value.clamp(-FARTHEST, FARTHEST);
        }
        known
    }
}

impl FittedMultivariateDetector for FittedRobustMahalanobis {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(rows.nrows(), scores)?;
        check_columns(self.scaler.width(), rows.ncols())?;
        check_finite(rows)?;
        each_block(scores, BLOCK, |first, scores| {
            let mut row = vec![0.0; self.scaler.width()];
            let mut whitened = row.clone();
            for (index, score) in scores.iter_mut().enumerate() {
                let known = self.scaled(rows.row(first + index), &mut row);
                *score = if known {
                    self.shape.squared(&row, &mut whitened)
                } else {
                    f64::NAN
                };
            }
        });
        Ok(())
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        check_columns(self.scaler.width(), row.len())?;
        check_finite(row)?;
        let mut scaled = vec![0.0; row.len()];
        self.scaled(row, &mut scaled);
        let mut parts = self.shape.parts(&scaled);
        for (part, value) in parts.iter_mut().zip(row) {
            if value.is_nan() {
                *part = 0.0;
            }
        }
        Ok(parts)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{Ellipsoid, FARTHEST, FittedRobustMahalanobis};
    use crate::scaling::Scaler;
    use crate::scaling::wire::ScalerV1;

    /// `factor` row by row, the lower triangle only.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        scaler: ScalerV1,
        #[serde(with = "exact_vec")]
        center: Vec<f64>,
        #[serde(with = "exact_vec")]
        factor: Vec<f64>,
    }

    impl StoredModel for FittedRobustMahalanobis {
        const KIND: &'static str = "detect.robust-mahalanobis";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let width = self.scaler.width();
            let lines = self.shape.factor.chunks_exact(width).enumerate();
            V1 {
                scaler: (&self.scaler).into(),
                center: self.shape.center.clone(),
                factor: lines.flat_map(|(i, line)| &line[..=i]).copied().collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let scaler: Scaler = wire.scaler.try_into()?;
            let width = scaler.width();
            let fits = wire.center.len() == width
                && wire.factor.len() == width * (width + 1) / 2
                && wire.center.iter().all(|value| value.abs() <= FARTHEST)
                && wire.factor.iter().all(|value| value.is_finite());
            let bad = || LoadError::payload("not an ellipsoid of so many columns");
            if !fits {
                return Err(bad());
            }
            let mut factor = vec![0.0; width * width];
            let mut values = wire.factor.into_iter();
            let mut log_determinant = 0.0;
            for i in 0..width {
                for (place, value) in factor[i * width..=i * width + i]
                    .iter_mut()
                    .zip(&mut values)
                {
                    *place = value;
                }
                let diagonal = factor[i * width + i];
                if diagonal <= 0.0 {
                    return Err(bad());
                }
                log_determinant += 2.0 * diagonal.ln();
            }
            Ok(Self {
                scaler,
                shape: Ellipsoid {
                    center: wire.center,
                    factor,
                    log_determinant,
                },
            })
        }
    }
}
