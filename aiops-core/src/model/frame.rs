//! Several series on one time axis.

use ndarray::{Array2, ArrayView2};

use crate::{DataError, Labels, TimeAxis};

/// Several series on one time axis: rows are instants, columns are series.
///
/// A missing value is `NaN`; infinite values are refused.
///
/// ```
/// use aiops_core::ndarray::array;
/// use aiops_core::{Labels, SeriesFrame, TimeAxis, Timestamp};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(1), 2)?;
/// let columns = vec![Labels::of([("core", "0")])?, Labels::of([("core", "1")])?];
/// let frame = SeriesFrame::new(axis, columns, array![[0.1, 0.2], [0.3, 0.4]])?;
/// assert_eq!(frame.column("core", "1"), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesFrame {
    axis: TimeAxis,
    columns: Vec<Labels>,
    values: Array2<f64>,
}

impl SeriesFrame {
    /// One row for each instant of `axis`, one column for each of `columns`.
    ///
    /// # Errors
    ///
    /// [`DataError::Length`] when a shape differs, [`DataError::Infinite`] with the row-major
    /// index of the first infinite value.
    pub fn new(
        axis: TimeAxis,
        columns: Vec<Labels>,
        values: Array2<f64>,
    ) -> Result<Self, DataError> {
        check_length("rows of the frame", axis.len(), values.nrows())?;
        check_length("columns of the frame", columns.len(), values.ncols())?;
        if let Some(index) = values.iter().position(|value| value.is_infinite()) {
            let value = values[[index / values.ncols(), index % values.ncols()]];
            return Err(DataError::Infinite { index, value });
        }
        Ok(Self {
            axis,
            columns,
            values,
        })
    }

    /// The instants.
    pub fn axis(&self) -> &TimeAxis {
        &self.axis
    }

    /// The labels of each column.
    pub fn columns(&self) -> &[Labels] {
        &self.columns
    }

    /// The values, rows = instants, columns = series.
    pub fn values(&self) -> ArrayView2<'_, f64> {
        self.values.view()
    }

    /// Index of the first column whose label `name` is `value`.
    pub fn column(&self, name: &str, value: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|labels| labels.get(name) == Some(value))
    }
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), DataError> {
    if expected == found {
        Ok(())
    } else {
        Err(DataError::Length {
            what,
            expected,
            found,
        })
    }
}
