//! What a series is regressed on.

use aiops_core::ParamError;
use aiops_core::ndarray::ArrayView2;

use super::fit::Problem;
use super::order::Order;
use crate::grid::finite;

/// Sines and cosines of a season and its first harmonics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waves {
    /// Samples in the season, at least 2.
    pub season: usize,
    /// Harmonics, from 1 to half the season.
    pub pairs: usize,
}

impl Waves {
    /// Columns; the sine of half the season is 0 everywhere and left out.
    pub(super) fn len(self) -> usize {
        2 * self.pairs - usize::from(2 * self.pairs == self.season)
    }

    fn at(self, index: usize, t: usize) -> f64 {
        let harmonic = index / 2 + 1;
        let turn = (harmonic * (t % self.season)) % self.season;
        let angle = std::f64::consts::TAU * turn as f64 / self.season as f64;
        if index.is_multiple_of(2) {
            angle.cos()
        } else {
            angle.sin()
        }
    }

    pub(super) fn columns(self, len: usize) -> impl Iterator<Item = Vec<f64>> {
        (0..self.len()).map(move |index| (0..len).map(|t| self.at(index, t)).collect())
    }

    /// Their sum at the instant `t`.
    pub(super) fn sum(self, effects: &[f64], t: usize) -> f64 {
        let terms = effects.iter().enumerate();
        terms
            .map(|(index, effect)| effect * self.at(index, t))
            .sum()
    }
}

/// Columns of finite numbers, as many rows as `len` or none at all.
pub(super) fn columns(
    regressors: ArrayView2<'_, f64>,
    len: usize,
) -> Result<Vec<Vec<f64>>, ParamError> {
    if regressors.is_empty() {
        return Ok(Vec::new());
    }
    if regressors.nrows() != len {
        let got = format!("{} rows for {len} instants", regressors.nrows());
        return Err(ParamError::new("regressors", "a row for each instant", got));
    }
    let bad = regressors
        .indexed_iter()
        .find(|(_, value)| !value.is_finite());
    if let Some(((row, column), value)) = bad {
        let got = format!("{value} in row {row}, column {column}");
        return Err(ParamError::new("regressors", "finite", got));
    }
    Ok(regressors
        .columns()
        .into_iter()
        .map(|column| column.to_vec())
        .collect())
}

/// What the series is regressed on.
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) constant: bool,
    pub(super) waves: Vec<Waves>,
    /// Taken off the values first; does not change the model, but spares digits.
    pub(super) centre: f64,
    /// The constant first, where there is one, then the waves, then the regressors.
    pub(super) columns: Vec<Vec<f64>>,
}

impl Design {
    pub(super) fn new(
        order: Order,
        constant: bool,
        waves: &[Waves],
        values: &[f64],
        regressors: Vec<Vec<f64>>,
    ) -> Self {
        let present: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| !value.is_nan())
            .collect();
        let centre = if order.all_differences() > 0 {
            present.first().copied().unwrap_or(0.0)
        } else if constant {
            finite(aiops_core::numerics::mean(&present))
        } else {
            0.0
        };
        let mut columns = Vec::new();
        if constant {
            let of = |t: usize| drift(order, t);
            columns.push((0..values.len()).map(of).collect());
        }
        for one in waves {
            columns.extend(one.columns(values.len()));
        }
        columns.extend(regressors);
        Self {
            constant,
            waves: waves.to_vec(),
            centre,
            columns,
        }
    }

    pub(super) fn problem(&self, order: Order, radius: f64, values: &[f64]) -> Problem {
        let centred: Vec<f64> = values.iter().map(|value| value - self.centre).collect();
        Problem::new(order, radius, &centred, &self.columns)
    }
}

/// What the constant is multiplied by at the instant `t`.
pub(super) fn drift(order: Order, t: usize) -> f64 {
    if order.all_differences() == 0 {
        1.0
    } else {
        (t + 1) as f64
    }
}
