//! Distance to the nearest neighbours: a row is as odd as it is far from all others.
//!
//! Ramaswamy, Rastogi and Shim, *Efficient Algorithms for Mining Outliers from Large Data Sets*,
//! SIGMOD 2000 (largest distance); Angiulli and Pizzuti, *Fast Outlier Detection in High
//! Dimensional Spaces*, PKDD 2002 (mean).

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError,
};

use crate::neighbors::{Neighbor, Space, check_sizes};
use crate::scaling::Scaling;

/// What is made of the distances to the neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum KnnDistance {
    /// The distance to the farthest of them.
    #[default]
    Largest,
    /// The mean of the distances.
    Mean,
    /// The median of the distances.
    Median,
}

/// Parameters of [`Knn`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct KnnConfig {
    /// Neighbours looked at, from 1 to 10000; all others when there are fewer. More of them let
    /// larger groups of equal anomalies stand out.
    pub neighbors: usize,
    /// What is made of their distances.
    pub distance: KnnDistance,
    /// How columns of different units become comparable.
    pub scaling: Scaling,
    /// Most training rows that are remembered, at least 2. Of more, the first and every `q`-th
    /// after it are, with the smallest `q` for which that is enough.
    pub max_rows: usize,
}

impl Default for KnnConfig {
    fn default() -> Self {
        Self {
            neighbors: 5,
            distance: KnnDistance::default(),
            scaling: Scaling::default(),
            max_rows: 50_000,
        }
    }
}

/// The algorithm. Build it from a [`KnnConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::MultivariateDetector;
/// use aiops_detect::knn::{Knn, KnnConfig};
///
/// // Rows are hosts, columns are CPU share and request rate, which go together...
/// let mut hosts = Array2::from_shape_fn((200, 2), |(host, column)| {
///     let load = (host % 40) as f64 + (host % 7) as f64 / 10.0;
///     if column == 0 { 0.02 * load } else { 40.0 * load }
/// });
/// // ... except here: each value is usual, both together are not.
/// hosts[[7, 0]] = 0.7;
/// hosts[[7, 1]] = 100.0;
///
/// let scores = Knn::try_from(KnnConfig::default())?.fit_score(hosts.view())?;
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
/// score = distance to the k-th nearest training row (or mean, median of the k distances)
/// distance = Euclidean, over scaled columns
/// ```
///
/// At least 0, in units of the scaling; larger is more anomalous. The explanation divides the
/// score by the shares of the columns in the squared distances to the neighbours.
///
/// # Cost
///
/// Up to 15 columns a kd-tree: fitting `O(n log n)`, a row `O(log n)` where the data are not
/// spread evenly over all columns, some 5 us. Above, each row is compared with all. 8 bytes for
/// each remembered value.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | fewer rows than neighbours | all others are the neighbours |
/// | equal rows | distance 0 |
/// | constant column | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in |
/// | row without any value | score `NaN`; not remembered |
/// | column without any value | never counts |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | values near the end of the range of `f64` | squared distances stop at the largest finite number |
///
/// # Not good for
///
/// Dense clumps of more equal anomalies than there are neighbours; data whose normal parts differ
/// in density (see [`lof`](crate::lof)); many columns without information, which drown the few
/// with some.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knn {
    config: KnnConfig,
}

impl TryFrom<KnnConfig> for Knn {
    type Error = ParamError;

    fn try_from(config: KnnConfig) -> Result<Self, ParamError> {
        check_sizes(config.neighbors, config.max_rows)?;
        Ok(Self { config })
    }
}

impl Knn {
    /// The model, and which rows it remembers.
    fn learn(&self, train: &ArrayView2<'_, f64>) -> Result<(FittedKnn, Vec<usize>), FitError> {
        let (space, kept) = Space::fit(train, self.config.scaling, self.config.max_rows)?;
        let model = FittedKnn {
            space,
            neighbors: self.config.neighbors.min(kept.len() - 1),
            distance: self.config.distance,
        };
        Ok((model, kept))
    }
}

impl MultivariateDetector for Knn {
    type Model = FittedKnn;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedKnn, FitError> {
        Ok(self.learn(&train)?.0)
    }

    fn fit_score(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        let (model, kept) = self.learn(&train)?;
        let among = |_, found: &[Neighbor]| model.distance.of(found);
        let own = model.space.index.each(model.neighbors, among);
        model
            .space
            .outlier_form(&train, &kept, &own, |rows, scores| {
                model.score_into(rows, scores)
            })
    }
}

impl KnnDistance {
    fn of(self, found: &[Neighbor]) -> f64 {
        let distance = |rank: usize| found[rank].0.sqrt();
        let (half, last) = (found.len() / 2, found.len() - 1);
        match self {
            Self::Largest => distance(last),
            Self::Mean => {
                found
                    .iter()
                    .map(|&(squared, _)| squared.sqrt())
                    .sum::<f64>()
                    / found.len() as f64
            }
            Self::Median if found.len() % 2 == 1 => distance(half),
            Self::Median => f64::midpoint(distance(half - 1), distance(half)),
        }
    }
}

/// What [`Knn`] learned: the rows it remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedKnn {
    space: Space,
    neighbors: usize,
    distance: KnnDistance,
}

impl FittedKnn {
    /// Training rows that are remembered.
    pub fn rows(&self) -> usize {
        self.space.index.len()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.space.size_bytes()
    }
}

impl FittedMultivariateDetector for FittedKnn {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        let score = |found: &[Neighbor]| self.distance.of(found);
        self.space.score_into(&rows, self.neighbors, scores, score)
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let (mut shares, found) = self.space.shares(row, self.neighbors)?;
        for share in &mut shares {
            *share *= self.distance.of(&found);
        }
        Ok(shares)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel};

    use super::{FittedKnn, KnnDistance};
    use crate::neighbors::{Space, SpaceV1};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        neighbors: usize,
        distance: KnnDistance,
        space: SpaceV1,
    }

    impl StoredModel for FittedKnn {
        const KIND: &'static str = "detect.knn";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                neighbors: self.neighbors,
                distance: self.distance,
                space: (&self.space).into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let space: Space = wire.space.try_into()?;
            if !(1..space.index.len()).contains(&wire.neighbors) {
                return Err(LoadError::payload("more neighbours than rows"));
            }
            Ok(Self {
                space,
                neighbors: wire.neighbors,
                distance: wire.distance,
            })
        }
    }
}
