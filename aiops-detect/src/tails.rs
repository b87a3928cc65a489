//! Tail probabilities of each column: what ECOD and COPOD share.

use aiops_core::DataError;
use aiops_core::ndarray::ArrayView2;
use aiops_core::numerics::mean;

use crate::columns::{Columns, sorted_columns};

/// Smaller third moments than this share of the level are rounding (that of scipy's `skew`).
const RESOLUTION: f64 = 1e-15;

/// What the left tail, the right tail, and the tail that the skewness points to make of a value:
/// negative logarithms of probabilities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tails {
    pub(crate) left: f64,
    pub(crate) right: f64,
    /// The left one of a column with negative skewness, the right one of a positive one, their
    /// sum where it is exactly 0.
    pub(crate) skewed: f64,
}

/// The empirical distribution of each column, with the terms of the score worked out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TailColumns {
    columns: Vec<TailColumn>,
    learned: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct TailColumn {
    /// Distinct training values in increasing order.
    values: Vec<f64>,
    /// Training rows with at most each value.
    at_most: Vec<u64>,
    /// Sign of the skewness.
    skewness: i8,
    /// Term of each distinct value, and of all values between it and the one before it; one more
    /// of the latter.
    at: Vec<f64>,
    between: Vec<f64>,
}

impl TailColumns {
    pub(crate) fn fit(
        train: &ArrayView2<'_, f64>,
        combine: fn(Tails) -> f64,
    ) -> Result<Self, DataError> {
        let columns = sorted_columns(train)?
            .into_iter()
            .map(|sorted| {
                let skewness = skewness(&sorted);
                let (values, at_most) = steps(&sorted);
                TailColumn::new(values, at_most, skewness, combine)
            })
            .collect();
        Ok(Self::new(columns))
    }

    fn new(columns: Vec<TailColumn>) -> Self {
        let learned = columns
            .iter()
            .filter(|column| !column.values.is_empty())
            .count();
        Self { columns, learned }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let values: usize = self.columns.iter().map(|column| column.values.len()).sum();
        values * 4 * size_of::<f64>() + self.columns.len() * size_of::<TailColumn>()
    }
}

/// Distinct values, and how many of the sorted ones are at most each.
fn steps(sorted: &[f64]) -> (Vec<f64>, Vec<u64>) {
    let (mut values, mut at_most): (Vec<f64>, Vec<u64>) = (Vec::new(), Vec::new());
    for (index, &value) in sorted.iter().enumerate() {
        if values.last() == Some(&value) {
            at_most.pop();
        } else {
            values.push(value);
        }
        at_most.push(index as u64 + 1);
    }
    (values, at_most)
}

/// Sign of the third central moment; 0 of values that are equal but for rounding.
fn skewness(sorted: &[f64]) -> i8 {
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
        return 0;
    };
    // Halves and a power of two for the unit, so that nothing overflows.
    let unit = (high * 0.5 - low * 0.5).log2().floor().exp2();
    if !unit.is_finite() || unit == 0.0 {
        return 0;
    }
    let scaled: Vec<f64> = sorted.iter().map(|value| (value * 0.5) / unit).collect();
    let center = mean(&scaled);
    let moment = |power: i32| {
        mean(
            &scaled
                .iter()
                .map(|v| (v - center).powi(power))
                .collect::<Vec<_>>(),
        )
    };
    if moment(2) <= (RESOLUTION * center).powi(2) {
        return 0;
    }
    let third = moment(3);
    i8::from(third > 0.0) - i8::from(third < 0.0)
}

impl TailColumn {
    fn new(values: Vec<f64>, at_most: Vec<u64>, skewness: i8, combine: fn(Tails) -> f64) -> Self {
        let rows = at_most.last().copied().unwrap_or(0) as f64;
        // Half a row where there is none: beyond the training values is a little odder than the
        // oddest of them, and not infinitely so.
        let surprise = |count: f64| -(count.max(0.5) / rows).ln();
        let term = |at_most: f64, at_least: f64| {
            let (left, right) = (surprise(at_most), surprise(at_least));
            let skewed = match skewness {
                ..0 => left,
                0 => left + right,
                1.. => right,
            };
            combine(Tails {
                left,
                right,
                skewed,
            })
        };
        let below = |index: usize| match index {
            0 => 0.0,
            _ => at_most[index - 1] as f64,
        };
        Self {
            at: (0..values.len())
                .map(|index| term(at_most[index] as f64, rows - below(index)))
                .collect(),
            between: (0..=values.len())
                .map(|index| term(below(index), rows - below(index)))
                .collect(),
            values,
            at_most,
            skewness,
        }
    }
}

impl Columns for TailColumns {
    fn width(&self) -> usize {
        self.columns.len()
    }

    fn learned(&self) -> usize {
        self.learned
    }

    fn term(&self, column: usize, value: f64) -> Option<f64> {
        let column = &self.columns[column];
        if column.values.is_empty() {
            return None;
        }
        let place = column.values.partition_point(|&known| known < value);
        Some(if column.values.get(place) == Some(&value) {
            column.at[place]
        } else {
            column.between[place]
        })
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, exact_vec};

    use super::{TailColumn, TailColumns, Tails};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        columns: Vec<ColumnV1>,
    }

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ColumnV1 {
        #[serde(with = "exact_vec")]
        values: Vec<f64>,
        at_most: Vec<u64>,
        skewness: i8,
    }

    impl From<&TailColumns> for V1 {
        fn from(model: &TailColumns) -> Self {
            let column = |column: &TailColumn| ColumnV1 {
                values: column.values.clone(),
                at_most: column.at_most.clone(),
                skewness: column.skewness,
            };
            Self {
                columns: model.columns.iter().map(column).collect(),
            }
        }
    }

    impl V1 {
        pub(crate) fn read(self, combine: fn(Tails) -> f64) -> Result<TailColumns, LoadError> {
            let columns = self.columns.into_iter().map(|column| column.read(combine));
            let model = TailColumns::new(columns.collect::<Result<_, _>>()?);
            if model.learned == 0 {
                return Err(LoadError::payload("no column was learned"));
            }
            Ok(model)
        }
    }

    impl ColumnV1 {
        fn read(self, combine: fn(Tails) -> f64) -> Result<TailColumn, LoadError> {
            let finite = self.values.iter().all(|value| value.is_finite());
            let increasing = self.values.is_sorted_by(|a, b| a < b);
            let counted = self.at_most.is_sorted_by(|a, b| a < b)
                && self.at_most.first().is_none_or(|&first| first > 0)
                && self.at_most.last().is_none_or(|&last| last < 1 << 53);
            let as_many = self.values.len() == self.at_most.len();
            if finite && increasing && counted && as_many && (-1..=1).contains(&self.skewness) {
                Ok(TailColumn::new(
                    self.values,
                    self.at_most,
                    self.skewness,
                    combine,
                ))
            } else {
                Err(LoadError::payload("a column is no distribution"))
            }
        }
    }
}
