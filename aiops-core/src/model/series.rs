//! Samples and series.

use crate::{AxisView, DataError, TimeAxis, TimeRange, Timestamp};

/// One value at one instant. A missing value is `NaN`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sample {
    /// When.
    pub time: Timestamp,
    /// What, in the unit of the series.
    pub value: f64,
}

impl Sample {
    /// `value` at `time`.
    pub const fn new(time: Timestamp, value: f64) -> Self {
        Self { time, value }
    }
}

/// Values on a time axis.
///
/// A missing value is `NaN` and keeps its place; infinite values are refused, so that no sum or
/// spread downstream becomes infinite without a word.
///
/// ```
/// use aiops_core::{Series, TimeAxis, Timestamp};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 3)?;
/// let series = Series::new(axis, vec![1.0, f64::NAN, 3.0])?;
/// assert_eq!(series.view().present().count(), 2);
/// # Ok::<(), aiops_core::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    axis: TimeAxis,
    values: Vec<f64>,
}

impl Series {
    /// One value for each instant of `axis`.
    ///
    /// # Errors
    ///
    /// [`DataError::Length`] when the lengths differ, [`DataError::Infinite`] with the index of
    /// the first infinite value.
    pub fn new(axis: TimeAxis, values: Vec<f64>) -> Result<Self, DataError> {
        SeriesView::new(axis.view(), &values)?;
        Ok(Self { axis, values })
    }

    /// From samples in order of time.
    ///
    /// # Errors
    ///
    /// [`DataError::NotIncreasing`], [`DataError::Infinite`].
    pub fn from_samples(samples: &[Sample]) -> Result<Self, DataError> {
        let axis = TimeAxis::listed(samples.iter().map(|sample| sample.time).collect())?;
        Self::new(axis, samples.iter().map(|sample| sample.value).collect())
    }

    /// Borrowed form.
    pub fn view(&self) -> SeriesView<'_> {
        SeriesView {
            axis: self.axis.view(),
            values: &self.values,
        }
    }

    /// Number of instants, missing values included.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no instant.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// A borrowed [`Series`], or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct SeriesView<'a> {
    axis: AxisView<'a>,
    values: &'a [f64],
}

impl<'a> SeriesView<'a> {
    /// One value for each instant of `axis`.
    ///
    /// # Errors
    ///
    /// As [`Series::new`].
    pub fn new(axis: AxisView<'a>, values: &'a [f64]) -> Result<Self, DataError> {
        if axis.len() != values.len() {
            return Err(DataError::Length {
                what: "values on the time axis",
                expected: axis.len(),
                found: values.len(),
            });
        }
        match values.iter().position(|value| value.is_infinite()) {
            Some(index) => Err(DataError::Infinite {
                index,
                value: values[index],
            }),
            None => Ok(Self { axis, values }),
        }
    }

    /// The instants.
    pub fn axis(&self) -> AxisView<'a> {
        self.axis
    }

    /// The values; `NaN` where missing.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// Number of instants, missing values included.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no instant.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All samples in order of time, missing ones included.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Sample> + 'a {
        self.values
            .iter()
            .enumerate()
            .map(move |(index, &value)| Sample::new(self.axis.at(index), value))
    }

    /// The values that are not missing, in order of time.
    pub fn present(self) -> impl Iterator<Item = f64> + 'a {
        self.values.iter().copied().filter(|value| !value.is_nan())
    }

    /// Fails unless at least `needed` values are not missing.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`].
    pub fn require(self, needed: usize) -> Result<(), DataError> {
        let found = self.present().count();
        if found < needed {
            Err(DataError::TooShort { needed, found })
        } else {
            Ok(())
        }
    }

    /// The part from index `from` up to, not including, `to`.
    ///
    /// # Panics
    ///
    /// When `from > to` or `to > len`, as slices do.
    #[must_use]
    pub fn slice(self, from: usize, to: usize) -> Self {
        Self {
            axis: self.axis.slice(from, to),
            values: &self.values[from..to],
        }
    }

    /// The part inside `range`.
    #[must_use]
    pub fn within(self, range: TimeRange) -> Self {
        let from = self.axis.position(range.start);
        let to = self.axis.position(range.end).max(from);
        self.slice(from, to)
    }

    /// Owned form.
    pub fn to_series(self) -> Series {
        Series {
            axis: self.axis.to_axis(),
            values: self.values.to_vec(),
        }
    }
}
