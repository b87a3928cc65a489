//! Local outlier factor: a row is odd when it lies less densely than its neighbours do.
//!
//! Breunig, Kriegel, Ng and Sander, *LOF: Identifying Density-Based Local Outliers*, SIGMOD 2000,
//! with the details of scikit-learn: exactly `k` neighbours also where distances tie, and a guard
//! for equal rows.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError,
};

use crate::neighbors::{Neighbor, Space, check_sizes};
use crate::scaling::Scaling;

/// Added to mean reachabilities, so that rows with more than `k` equals have a density:
/// scikit-learn's.
const GUARD: f64 = 1e-10;

/// Parameters of [`Lof`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct LofConfig {
    /// Neighbours looked at, from 1 to 10000; all others when there are fewer. Larger than the
    /// largest group of anomalies that are like each other, smaller than the smallest normal one.
    pub neighbors: usize,
    /// How columns of different units become comparable.
    pub scaling: Scaling,
    /// Most training rows that are remembered, at least 2. Of more, the first and every `q`-th
    /// after it are, with the smallest `q` for which that is enough.
    pub max_rows: usize,
}

impl Default for LofConfig {
    fn default() -> Self {
        Self {
            neighbors: 20,
            scaling: Scaling::default(),
            max_rows: 50_000,
        }
    }
}

/// The algorithm. Build it from a [`LofConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::MultivariateDetector;
/// use aiops_detect::lof::{Lof, LofConfig};
///
/// // A tight group around 0, a wide one around 100, and one row that is near the tight group but
/// // not in it.
/// let mut rows = Array2::from_shape_fn((200, 1), |(row, _)| {
///     if row < 100 { row as f64 / 1000.0 } else { 100.0 + (row % 50) as f64 }
/// });
/// rows[[7, 0]] = 3.0;
///
/// let scores = Lof::try_from(LofConfig::default())?.fit_score(rows.view())?;
/// assert!(scores.iter().all(|&score| score <= scores[7]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`fit_score`](MultivariateDetector::fit_score) judges the training rows among each other, where
/// a row is not its own neighbour (outlier form); [`fit`](MultivariateDetector::fit) and
/// [`score`](FittedMultivariateDetector::score) judge new rows by the training rows (novelty form).
///
/// # Formula
///
/// ```text
/// score   = mean over the neighbours o of p: lrd(o) / lrd(p)
/// lrd(p)  = 1 / (mean over the neighbours o of p: reach(p, o) + 1e-10)
/// reach   = max(distance from o to its k-th neighbour, distance from p to o)
/// ```
///
/// About 1 is normal; larger is more anomalous; a row beside more than `k` equal ones can reach
/// 1e10 and more. The explanation divides the score by the shares of the columns in the squared
/// distances to the neighbours.
///
/// # Cost
///
/// As [`knn`](crate::knn), with as many neighbours, and 16 bytes more for each remembered row.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | fewer rows than neighbours | all others are the neighbours |
/// | all rows equal | 1 for the same row |
/// | more than `k` equal rows | density 1e10; a row near them, but not equal, scores very high |
/// | more than `k` rows at one distance | which of them are neighbours is fixed, but not by their values |
/// | constant column | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in |
/// | row without any value | score `NaN`; not remembered |
/// | column without any value | never counts |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | values near the end of the range of `f64` | squared distances stop at the largest finite number |
///
/// # Not good for
///
/// Counts and other values with many equal rows, where densities are those of the guard; anomalies
/// in groups of more than `k`; global outliers far from everything, which [`knn`](crate::knn)
/// ranks better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lof {
    config: LofConfig,
}

impl TryFrom<LofConfig> for Lof {
    type Error = ParamError;

    fn try_from(config: LofConfig) -> Result<Self, ParamError> {
        check_sizes(config.neighbors, config.max_rows)?;
        Ok(Self { config })
    }
}

/// A fitted model, with what only the outlier form needs.
struct Learned {
    model: FittedLof,
    /// Which training rows are remembered.
    kept: Vec<usize>,
    /// Scores of the remembered rows, by place.
    own: Vec<f64>,
}

impl Lof {
    fn learn(&self, train: &ArrayView2<'_, f64>) -> Result<Learned, FitError> {
        let (space, kept) = Space::fit(train, self.config.scaling, self.config.max_rows)?;
        let neighbors = self.config.neighbors.min(kept.len() - 1);
        let found = space.index.each(neighbors, |_, found| found.to_vec());
        let reach = found
            .iter()
            .map(|found| found[neighbors - 1].0.sqrt())
            .collect();
        let mut model = FittedLof {
            space,
            neighbors,
            reach,
            density: Vec::new(),
        };
        model.density = found.iter().map(|found| model.density_at(found)).collect();
        let own = found.iter().zip(&model.density);
        let own = own
            .map(|(found, density)| model.mean_density(found) / density)
            .collect();
        Ok(Learned { model, kept, own })
    }
}

impl MultivariateDetector for Lof {
    type Model = FittedLof;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedLof, FitError> {
        Ok(self.learn(&train)?.model)
    }

    fn fit_score(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        let Learned { model, kept, own } = self.learn(&train)?;
        model
            .space
            .outlier_form(&train, &kept, &own, |rows, scores| {
                model.score_into(rows, scores)
            })
    }
}

/// What [`Lof`] learned: the rows it remembers, with their densities.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedLof {
    space: Space,
    neighbors: usize,
    /// Distance of each remembered row to its k-th neighbour, by place.
    reach: Vec<f64>,
    /// Local reachability density of each, by place.
    density: Vec<f64>,
}

impl FittedLof {
    /// Training rows that are remembered.
    pub fn rows(&self) -> usize {
        self.space.index.len()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.space.size_bytes() + 2 * self.reach.len() * size_of::<f64>()
    }

    fn density_at(&self, found: &[Neighbor]) -> f64 {
        let reach = |&(squared, place): &Neighbor| self.reach[place as usize].max(squared.sqrt());
        let mean = found.iter().map(reach).sum::<f64>() / found.len() as f64;
        1.0 / (mean + GUARD)
    }

    fn mean_density(&self, found: &[Neighbor]) -> f64 {
        let density = |&(_, place): &Neighbor| self.density[place as usize];
        found.iter().map(density).sum::<f64>() / found.len() as f64
    }

    fn factor(&self, found: &[Neighbor]) -> f64 {
        self.mean_density(found) / self.density_at(found)
    }
}

impl FittedMultivariateDetector for FittedLof {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        let score = |found: &[Neighbor]| self.factor(found);
        self.space.score_into(&rows, self.neighbors, scores, score)
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let (mut shares, found) = self.space.shares(row, self.neighbors)?;
        for share in &mut shares {
            *share *= self.factor(&found);
        }
        Ok(shares)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{FittedLof, GUARD};
    use crate::neighbors::{Space, SpaceV1};

    /// `reach` and `density` in the order of the points.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        neighbors: usize,
        space: SpaceV1,
        #[serde(with = "exact_vec")]
        reach: Vec<f64>,
        #[serde(with = "exact_vec")]
        density: Vec<f64>,
    }

    impl StoredModel for FittedLof {
        const KIND: &'static str = "detect.lof";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let by_id = |by_place: &[f64]| {
                let mut by_id = vec![0.0; by_place.len()];
                for (&id, &value) in self.space.index.ids().iter().zip(by_place) {
                    by_id[id as usize] = value;
                }
                by_id
            };
            V1 {
                neighbors: self.neighbors,
                space: (&self.space).into(),
                reach: by_id(&self.reach),
                density: by_id(&self.density),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let space: Space = wire.space.try_into()?;
            let count = space.index.len();
            let reach = |value: &f64| (0.0..=f64::MAX).contains(value);
            let density = |value: &f64| *value > 0.0 && *value <= 1.0 / GUARD;
            let fits = (1..count).contains(&wire.neighbors)
                && wire.reach.len() == count
                && wire.density.len() == count
                && wire.reach.iter().all(reach)
                && wire.density.iter().all(density);
            if !fits {
                return Err(LoadError::payload("reaches or densities cannot be"));
            }
            let by_place = |by_id: &[f64]| {
                let ids = space.index.ids().iter();
                ids.map(|&id| by_id[id as usize]).collect()
            };
            Ok(Self {
                neighbors: wire.neighbors,
                reach: by_place(&wire.reach),
                density: by_place(&wire.density),
                space,
            })
        }
    }
}
