//! Scaled training rows to search among.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{DataError, FitError, ParamError, ScoreError, check_scores};

use super::{Index, NONE, Neighbor};
use crate::rows::{check_columns, check_finite, each_block};
use crate::scaling::{Scaler, Scaling};

/// Rows that are looked for at a time.
const BLOCK: usize = 64;

/// The training rows that are remembered, each column on one scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Space {
    pub(crate) scaler: Scaler,
    pub(crate) index: Index,
}

/// Accepts what [`Space::fit`] can do with.
pub(crate) fn check_sizes(neighbors: usize, max_rows: usize) -> Result<(), ParamError> {
    if !(1..=10_000).contains(&neighbors) {
        return Err(ParamError::new("neighbors", "from 1 to 10000", neighbors));
    }
    if !(2..=u32::MAX as usize - 1).contains(&max_rows) {
        return Err(ParamError::new(
            "max_rows",
            "from 2 to 4294967294",
            max_rows,
        ));
    }
    Ok(())
}

impl Space {
    /// Remembers at most `max_rows` of the rows that have a value: with `q` the smallest number
    /// for which that is enough, the first and every `q`-th after it. Answers which.
    pub(crate) fn fit(
        train: &ArrayView2<'_, f64>,
        scaling: Scaling,
        max_rows: usize,
    ) -> Result<(Self, Vec<usize>), DataError> {
        let scaler = Scaler::fit(train, scaling, 2)?;
        let step = train.nrows().div_ceil(max_rows);
        let (mut points, mut kept) = (Vec::new(), Vec::new());
        let mut scaled = vec![0.0; train.ncols()];
        for row in (0..train.nrows()).step_by(step) {
            if scaler.apply(train.row(row), &mut scaled) {
                points.extend_from_slice(&scaled);
                kept.push(row);
            }
        }
        if kept.len() < 2 {
            return Err(DataError::TooShort {
                needed: 2,
                found: kept.len(),
            });
        }
        let index = Index::new(&points, train.ncols());
        Ok((Self { scaler, index }, kept))
    }

    /// Writes `score(neighbours)` for each row, `NaN` for one without any value.
    pub(crate) fn score_into(
        &self,
        rows: &ArrayView2<'_, f64>,
        wanted: usize,
        scores: &mut [f64],
        score: impl Fn(&[Neighbor]) -> f64 + Send + Sync,
    ) -> Result<(), ScoreError> {
        check_scores(rows.nrows(), scores)?;
        check_columns(self.scaler.width(), rows.ncols())?;
        check_finite(rows)?;
        each_block(scores, BLOCK, |first, scores| {
            let width = self.scaler.width();
            let mut queries = vec![0.0; scores.len() * width];
            for (index, query) in queries.chunks_exact_mut(width).enumerate() {
                let known = self.scaler.apply(rows.row(first + index), query);
                scores[index] = if known { 0.0 } else { f64::NAN };
            }
            let skip = vec![NONE; scores.len()];
            self.index.nearest(&queries, &skip, wanted, |index, found| {
                scores[index] += score(found); // NaN stays
            });
        });
        Ok(())
    }

    /// Scores of the training rows: those of the remembered ones among each other, given by
    /// place, the others by `score`.
    pub(crate) fn outlier_form(
        &self,
        train: &ArrayView2<'_, f64>,
        kept: &[usize],
        own: &[f64],
        score: impl Fn(ArrayView2<'_, f64>, &mut [f64]) -> Result<(), ScoreError>,
    ) -> Result<Vec<f64>, FitError> {
        let mut scores = vec![f64::NAN; train.nrows()];
        if kept.len() < train.nrows() {
            score(train.view(), &mut scores)?;
        }
        for (&id, &own) in self.index.ids().iter().zip(own) {
            scores[kept[id as usize]] = own;
        }
        Ok(scores)
    }

    /// Share of each column in the squared distances to the neighbours; they add up to 1, or are
    /// all 0 for a row that has neighbours where it is. With them the neighbours.
    pub(crate) fn shares(
        &self,
        row: &[f64],
        wanted: usize,
    ) -> Result<(Vec<f64>, Vec<Neighbor>), ScoreError> {
        check_columns(self.scaler.width(), row.len())?;
        check_finite(row)?;
        let mut query = vec![0.0; row.len()];
        self.scaler.apply(row, &mut query);
        let mut neighbors = Vec::new();
        self.index.nearest(&query, &[NONE], wanted, |_, found| {
            neighbors = found.to_vec();
        });
        let mut shares = vec![0.0; row.len()];
        for &(_, place) in &neighbors {
            for ((share, at), there) in shares.iter_mut().zip(&query).zip(self.index.point(place)) {
                *share += ((at - there) * (at - there)).min(f64::MAX / 1e6);
            }
        }
        for (share, value) in shares.iter_mut().zip(row) {
            if value.is_nan() {
                *share = 0.0;
            }
        }
        normalise(&mut shares);
        Ok((shares, neighbors))
    }

    pub(crate) fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.index.size_bytes() + self.scaler.width() * 3 * size_of::<f64>()
    }
}

/// Divides by the largest, then by the sum, so that no sum overflows.
fn normalise(shares: &mut [f64]) {
    let largest = shares.iter().copied().fold(0.0, f64::max);
    if largest > 0.0 {
        for share in shares.iter_mut() {
            *share /= largest;
        }
        let sum: f64 = shares.iter().sum();
        for share in shares.iter_mut() {
            *share /= sum;
        }
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, exact_vec};

    use super::Space;
    use crate::neighbors::Index;
    use crate::scaling::wire::ScalerV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct SpaceV1 {
        scaler: ScalerV1,
        /// Scaled, row by row.
        #[serde(with = "exact_vec")]
        points: Vec<f64>,
    }

    impl From<&Space> for SpaceV1 {
        fn from(space: &Space) -> Self {
            Self {
                scaler: (&space.scaler).into(),
                points: space.index.points(),
            }
        }
    }

    impl TryFrom<SpaceV1> for Space {
        type Error = LoadError;

        fn try_from(wire: SpaceV1) -> Result<Self, LoadError> {
            let scaler: crate::scaling::Scaler = wire.scaler.try_into()?;
            let (count, width) = (wire.points.len(), scaler.width());
            let finite = wire.points.iter().all(|value| value.is_finite());
            if !finite
                || count % width != 0
                || count / width < 2
                || count / width >= u32::MAX as usize
            {
                return Err(LoadError::payload("the points are no rows"));
            }
            let index = Index::new(&wire.points, width);
            Ok(Self { scaler, index })
        }
    }
}
