//! Copula-based outlier detection: tail probabilities of each column, corrected for skewness.
//!
//! Li, Zhao, Botta, Ionescu and Hu, *COPOD: Copula-Based Outlier Detection*, ICDM 2020. As in
//! `PyOD`, the larger of the two parts is taken in each column.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{FitError, FittedMultivariateDetector, MultivariateDetector, ScoreError};

use crate::columns;
use crate::tails::{TailColumns, Tails};

/// Parameters of [`Copod`]: none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CopodConfig {}

/// The algorithm. It has no parameters.
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::copod::Copod;
///
/// // Rows are hosts, columns are CPU share and queue length.
/// let mut hosts = Array2::from_shape_fn((200, 2), |(host, column)| {
///     ((host * (column + 3)) % 19) as f64
/// });
/// hosts[[7, 1]] = 500.0;
///
/// let model = Copod::default().fit(hosts.view())?;
/// let scores = model.score(hosts.view())?;
/// assert!(scores.iter().all(|&score| score <= scores[7]));
/// let terms = model.explain(&[9.0, 500.0])?;
/// assert!(terms[1] > terms[0]); // the queue
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = sum over the columns of max(skewed, (left + right) / 2)
/// left  = -ln(share of training rows with at most this value)
/// right = -ln(share of training rows with at least this value)
/// skewed = left where the skewness is negative, right where it is positive, left + right at 0
/// ```
///
/// At least 0; larger is more anomalous. The terms are the explanation. Where no training row has
/// so small or so large a value, half a row stands in, so that the logarithm is finite; scores of
/// the training rows themselves are those of `PyOD`.
///
/// # Cost
///
/// Fitting sorts each column; scoring is a binary search for each value, some 30 ns. 32 bytes for
/// each distinct value of a column.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no row, no column, or no value at all | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | constant column | 0 for its value, `ln(2 n)` of n rows for any other |
/// | ties | all rows with the value count, on both sides |
/// | missing value (`NaN`) | left out; the sum of the others is scaled up in its place |
/// | row without any value | score `NaN` |
/// | column without any value | adds nothing |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
///
/// # Not good for
///
/// As for [`ecod`](crate::ecod), which is its successor: rows whose values are usual one by one
/// and odd together, and anomalies between the normal values of a column. In a skewed column the
/// short tail counts half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Copod {}

impl From<CopodConfig> for Copod {
    fn from(CopodConfig {}: CopodConfig) -> Self {
        Self {}
    }
}

fn combine(tails: Tails) -> f64 {
    tails.skewed.max(f64::midpoint(tails.left, tails.right))
}

impl MultivariateDetector for Copod {
    type Model = FittedCopod;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedCopod, FitError> {
        let columns = TailColumns::fit(&train, combine)?;
        Ok(FittedCopod { columns })
    }
}

/// What [`Copod`] learned: the distribution of each column.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedCopod {
    columns: TailColumns,
}

impl FittedCopod {
    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.columns.size_bytes()
    }
}

impl FittedMultivariateDetector for FittedCopod {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        columns::score_into(&self.columns, &rows, scores)
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        columns::explain(&self.columns, row)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel};

    use super::{FittedCopod, combine};
    use crate::tails::wire::V1;

    impl StoredModel for FittedCopod {
        const KIND: &'static str = "detect.copod";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            (&self.columns).into()
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let columns = payload.read::<V1>()?.read(combine)?;
            Ok(Self { columns })
        }
    }
}
