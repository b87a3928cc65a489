//! Where a model stands on the time axis.

use std::time::Duration;

use aiops_core::ndarray::Array2;
use aiops_core::{
    AxisView, DataError, Forecast, ForecastError, SeriesView, TimeAxis, Timestamp, check_request,
};

use aiops_core::numerics::normal;

/// The next instant and the distance of the instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) next: Timestamp,
    pub(crate) step: Duration,
}

impl Grid {
    /// After the last instant of `series`.
    ///
    /// # Errors
    ///
    /// [`DataError::Irregular`] unless the instants are equally spaced, [`DataError::TooShort`]
    /// for fewer than two listed ones, [`DataError::TimeRange`] at the end of time.
    pub(crate) fn after(series: SeriesView<'_>) -> Result<Self, DataError> {
        let axis = series.axis();
        let step = spacing(axis)?;
        let next = axis.last().or(axis.first()).unwrap_or(Timestamp::EPOCH);
        let next = next.checked_add(step).ok_or(DataError::TimeRange {
            what: "end of a forecast",
        })?;
        Ok(Self { next, step })
    }

    /// One step on; stays at the end of time.
    pub(crate) fn advance(&mut self) {
        self.next = self.next.saturating_add(self.step);
    }

    pub(crate) fn axis(&self, horizon: usize) -> Result<TimeAxis, DataError> {
        TimeAxis::regular(self.next, self.step, horizon)
    }

    /// A forecast whose quantiles are `mean + quantile(level) * sd`, normal.
    pub(crate) fn normal(
        &self,
        horizon: usize,
        levels: &[f64],
        moments: impl FnOnce(usize) -> Moments,
    ) -> Result<Forecast, ForecastError> {
        check_request(horizon, levels)?;
        let axis = self.axis(horizon)?;
        let Moments { mean, sd } = moments(horizon).within_range();
        let z: Vec<f64> = levels
            .iter()
            .map(|&level| normal::quantile(level))
            .collect();
        let quantiles = Array2::from_shape_fn((horizon, levels.len()), |(step, level)| {
            finite(mean[step] + z[level] * sd[step])
        });
        let mean = mean.into_iter().map(finite).collect();
        Ok(Forecast::new(axis, mean, levels.to_vec(), quantiles)?)
    }
}

/// Mean and standard deviation of each step ahead.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: Vec<f64>,
    pub(crate) sd: Vec<f64>,
}

impl Moments {
    /// Spreads whose squares left the range of numbers become the largest one.
    pub(crate) fn within_range(mut self) -> Self {
        for sd in &mut self.sd {
            *sd = if sd.is_nan() {
                f64::MAX
            } else {
                sd.min(f64::MAX)
            };
        }
        self
    }
}

/// The nearest number that is not infinite, so that no forecast is.
pub(crate) fn finite(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

/// Distance of the instants; listed ones may differ from it by one part in a thousand.
fn spacing(axis: AxisView<'_>) -> Result<Duration, DataError> {
    if let Some(step) = axis.step() {
        return Ok(step);
    }
    let (len, first, last) = (axis.len(), axis.first(), axis.last());
    let (Some(first), Some(last), true) = (first, last, len >= 2) else {
        return Err(DataError::TooShort {
            needed: 2,
            found: len,
        });
    };
    let step = last.since(first) / (len as u32 - 1);
    let close = |index: usize| {
        let gap = axis.at(index + 1).since(axis.at(index));
        gap.abs_diff(step) <= step / 1_000
    };
    if (0..len - 1).all(close) {
        Ok(step)
    } else {
        Err(DataError::Irregular)
    }
}

/// The values with gaps filled by straight lines, and the nearest value at the ends; empty when
/// all are missing.
pub(crate) fn filled(values: &[f64]) -> Vec<f64> {
    let mut out = values.to_vec();
    let Some(first) = values.iter().position(|value| !value.is_nan()) else {
        return Vec::new();
    };
    out[..first].fill(values[first]);
    let mut known = first;
    for index in first + 1..values.len() {
        if values[index].is_nan() {
            continue;
        }
        let (from, to) = (values[known], values[index]);
        let gap = (index - known) as f64;
        for (after, value) in out[known + 1..index].iter_mut().enumerate() {
            let share = (after + 1) as f64 / gap;
            *value = from * (1.0 - share) + to * share;
        }
        known = index;
    }
    out[known..].fill(values[known]);
    out
}
