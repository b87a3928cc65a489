//! Columns on one scale, for detectors that compare distances.

use aiops_core::DataError;
use aiops_core::ndarray::ArrayView2;
use aiops_core::numerics::{MAD_TO_SIGMA, Welford, median, median_and_mad};

use crate::rows::check_train;

/// How columns are brought onto one scale before distances are taken.
///
/// Location and spread are those of the training rows. A column whose spread is 0 is moved but
/// keeps its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Scaling {
    /// As they are: all columns have one unit.
    None,
    /// Least and greatest value become 0 and 1.
    #[default]
    MinMax,
    /// Mean 0, standard deviation 1.
    Standard,
    /// Median 0, median absolute deviation times 1.4826 becomes 1; the standard deviation takes
    /// its place where more than half of the values are equal.
    Robust,
}

/// One column: `(value - shift) * factor`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Column {
    /// Stands in for a missing value: the median.
    pub(crate) fill: f64,
    pub(crate) shift: f64,
    pub(crate) factor: f64,
}

/// What is done to each column, learned from the training rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaler {
    pub(crate) columns: Vec<Column>,
}

impl Scaler {
    /// Fails unless there are `needed` rows with a value.
    pub(crate) fn fit(
        train: &ArrayView2<'_, f64>,
        scaling: Scaling,
        needed: usize,
    ) -> Result<Self, DataError> {
        check_train(train, needed)?;
        let has_value =
            |row: aiops_core::ndarray::ArrayView1<'_, f64>| row.iter().any(|v| !v.is_nan());
        let found = train
            .rows()
            .into_iter()
            .filter(|row| has_value(*row))
            .count();
        if found < needed {
            return Err(DataError::TooShort { needed, found });
        }
        let columns = train.columns().into_iter().map(|column| {
            let values: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
            Column::fit(values, scaling)
        });
        Ok(Self {
            columns: columns.collect(),
        })
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Writes the scaled row; `false` when it has no value at all.
    pub(crate) fn apply<'a>(
        &self,
        row: impl IntoIterator<Item = &'a f64>,
        scaled: &mut [f64],
    ) -> bool {
        let mut any = false;
        for ((&value, column), scaled) in row.into_iter().zip(&self.columns).zip(scaled) {
            any |= !value.is_nan();
            *scaled = column.apply(value);
        }
        any
    }
}

impl Column {
    fn fit(mut values: Vec<f64>, scaling: Scaling) -> Self {
        if values.is_empty() {
            return Self {
                fill: 0.0,
                shift: 0.0,
                factor: 0.0, // never counts
            };
        }
        let fill = median(&mut values);
        let (shift, spread) = match scaling {
            Scaling::None => (0.0, 1.0),
            Scaling::MinMax => {
                let (low, high) = extremes(&values);
                (low, high - low)
            }
            Scaling::Standard => moments(&values),
            Scaling::Robust => {
                let (_, deviation) = moments(&values);
                let (center, mad) = median_and_mad(&mut values);
                let spread = if mad > 0.0 {
                    mad * MAD_TO_SIGMA
                } else {
                    deviation
                };
                (center, spread)
            }
        };
        let factor = 1.0 / spread;
        Self {
            fill,
            shift,
            // A spread that is 0, overflows, or is too small to divide by says nothing.
            factor: if factor.is_finite() && factor > 0.0 {
                factor
            } else {
                1.0
            },
        }
    }

    pub(crate) fn apply(&self, value: f64) -> f64 {
        let value = if value.is_nan() { self.fill } else { value };
        let scaled = (value - self.shift) * self.factor;
        if scaled.is_nan() {
            0.0
        } else {
            scaled.clamp(f64::MIN, f64::MAX)
        }
    }
}

pub(crate) fn extremes(values: &[f64]) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    values.iter().fold(start, |(low, high), &value| {
        (low.min(value), high.max(value))
    })
}

pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let mut welford = Welford::default();
    for &value in values {
        welford.add(value);
    }
    if welford.mean().is_finite() {
        (welford.mean(), welford.variance().sqrt())
    } else {
        (0.0, 1.0) // near the end of the range of f64
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, exact_vec};

    use super::{Column, Scaler};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct ScalerV1 {
        #[serde(with = "exact_vec")]
        fill: Vec<f64>,
        #[serde(with = "exact_vec")]
        shift: Vec<f64>,
        #[serde(with = "exact_vec")]
        factor: Vec<f64>,
    }

    impl From<&Scaler> for ScalerV1 {
        fn from(scaler: &Scaler) -> Self {
            let each = |f: fn(&Column) -> f64| scaler.columns.iter().map(f).collect();
            Self {
                fill: each(|column| column.fill),
                shift: each(|column| column.shift),
                factor: each(|column| column.factor),
            }
        }
    }

    impl TryFrom<ScalerV1> for Scaler {
        type Error = LoadError;

        fn try_from(wire: ScalerV1) -> Result<Self, LoadError> {
            let width = wire.fill.len();
            let all = || wire.fill.iter().chain(&wire.shift).chain(&wire.factor);
            let same = wire.shift.len() == width && wire.factor.len() == width;
            if width == 0 || !same || !all().all(|value| value.is_finite()) {
                return Err(LoadError::payload("the columns have no scale"));
            }
            let columns = wire.fill.iter().zip(&wire.shift).zip(&wire.factor);
            let columns = columns.map(|((&fill, &shift), &factor)| Column {
                fill,
                shift,
                factor,
            });
            Ok(Self {
                columns: columns.collect(),
            })
        }
    }
}
