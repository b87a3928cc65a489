//! Detectors that judge each column by itself and add up.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{DataError, ScoreError, check_scores};

use crate::rows::{check_columns, check_finite, check_train, each_block};

/// Rows that are scored at a time.
const BLOCK: usize = 1024;

/// One part of the score for each column.
pub(crate) trait Columns: Send + Sync {
    /// Number of columns.
    fn width(&self) -> usize;
    /// Number of columns that had a value in training.
    fn learned(&self) -> usize;
    /// What `value` adds to the score; `None` when the column had no value in training.
    fn term(&self, column: usize, value: f64) -> Option<f64>;
}

/// Sum of the terms of the values that are there, scaled up for those that are missing; `NaN` of
/// none.
fn score_row<'a>(model: &impl Columns, row: impl IntoIterator<Item = &'a f64>) -> f64 {
    let (mut sum, mut used) = (0.0, 0_usize);
    for (column, &value) in row.into_iter().enumerate() {
        if value.is_nan() {
            continue;
        }
        if let Some(term) = model.term(column, value) {
            sum += term;
            used += 1;
        }
    }
    if used == model.learned() && used > 0 {
        sum
    } else if used == 0 {
        f64::NAN
    } else {
        sum * (model.learned() as f64 / used as f64)
    }
}

pub(crate) fn score_into(
    model: &impl Columns,
    rows: &ArrayView2<'_, f64>,
    scores: &mut [f64],
) -> Result<(), ScoreError> {
    check_scores(rows.nrows(), scores)?;
    check_columns(model.width(), rows.ncols())?;
    check_finite(rows)?;
    each_block(scores, BLOCK, |first, scores| {
        for (index, score) in scores.iter_mut().enumerate() {
            *score = score_row(model, rows.row(first + index));
        }
    });
    Ok(())
}

pub(crate) fn explain(model: &impl Columns, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
    check_columns(model.width(), row.len())?;
    check_finite(row)?;
    let term = |(column, &value): (usize, &f64)| {
        let term = if value.is_nan() {
            None
        } else {
            model.term(column, value)
        };
        term.unwrap_or(0.0)
    };
    Ok(row.iter().enumerate().map(term).collect())
}

/// The values of each column that are not missing, in increasing order.
pub(crate) fn sorted_columns(train: &ArrayView2<'_, f64>) -> Result<Vec<Vec<f64>>, DataError> {
    check_train(train, 1)?;
    let columns = crate::rows::in_parallel(train.ncols(), |column| {
        let column = train.column(column);
        let mut values: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
        for value in &mut values {
            *value += 0.0; // one zero, not two
        }
        values.sort_unstable_by(f64::total_cmp);
        values
    });
    if columns.iter().all(Vec::is_empty) {
        return Err(DataError::TooShort {
            needed: 1,
            found: 0,
        });
    }
    Ok(columns)
}
