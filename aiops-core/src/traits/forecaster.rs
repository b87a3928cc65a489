//! What comes next.

use ndarray::{Array2, ArrayView1};

use crate::{FitError, ForecastError, ParamError, Sample, SeriesView, TimeAxis};

/// A forecasting algorithm with its parameters, not yet fitted.
pub trait Forecaster: Send + Sync {
    /// What [`fit`](Self::fit) returns.
    type Model: FittedForecaster + 'static;

    /// Learns from `train`.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when `train` is too short or not regular.
    fn fit(&self, train: SeriesView<'_>) -> Result<Self::Model, FitError>;
}

/// A fitted forecaster: stands at the end of what it has seen and looks ahead.
pub trait FittedForecaster: Send + Sync {
    /// Values for the next `horizon` steps: the mean, and the quantiles at `levels`, which are in
    /// `(0, 1)` and increase.
    ///
    /// # Errors
    ///
    /// [`ForecastError::Param`] for a horizon of 0 and levels out of range,
    /// [`ForecastError::Data`] when the time axis would leave the range of time stamps.
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError>;
}

/// A fitted forecaster that moves on, one sample at a time, without a refit.
pub trait OnlineForecaster: FittedForecaster {
    /// Takes in the next sample on the axis; `NaN` when it is missing. Constant time and memory.
    fn update(&mut self, sample: Sample);
}

impl<M: FittedForecaster + ?Sized> FittedForecaster for Box<M> {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        (**self).forecast(horizon, levels)
    }
}

/// The boxed form of [`Forecaster`], for lists of different algorithms.
pub trait DynForecaster: Send + Sync {
    /// As [`Forecaster::fit`].
    ///
    /// # Errors
    ///
    /// As [`Forecaster::fit`].
    fn fit_boxed(&self, train: SeriesView<'_>) -> Result<Box<dyn FittedForecaster>, FitError>;
}

impl<F: Forecaster> DynForecaster for F {
    fn fit_boxed(&self, train: SeriesView<'_>) -> Result<Box<dyn FittedForecaster>, FitError> {
        Ok(Box::new(self.fit(train)?))
    }
}

/// Values ahead: a mean and quantiles for each step.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    axis: TimeAxis,
    mean: Vec<f64>,
    levels: Vec<f64>,
    quantiles: Array2<f64>,
}

impl Forecast {
    /// `mean` has one value for each instant of `axis`; `quantiles` one row for each instant and
    /// one column for each of `levels`.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when a shape differs.
    pub fn new(
        axis: TimeAxis,
        mean: Vec<f64>,
        levels: Vec<f64>,
        quantiles: Array2<f64>,
    ) -> Result<Self, ParamError> {
        check_request(axis.len(), &levels)?;
        let shape = (mean.len(), quantiles.nrows(), quantiles.ncols());
        if shape != (axis.len(), axis.len(), levels.len()) {
            let got = format!(
                "{shape:?} for {} steps and {} levels",
                axis.len(),
                levels.len()
            );
            return Err(ParamError::new(
                "forecast",
                "as long as its axis and levels",
                got,
            ));
        }
        Ok(Self {
            axis,
            mean,
            levels,
            quantiles,
        })
    }

    /// The instants ahead.
    pub fn axis(&self) -> &TimeAxis {
        &self.axis
    }

    /// The expected value at each step.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The quantile levels, increasing.
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// The quantile at `level` for each step, or `None` when it was not asked for.
    pub fn quantile(&self, level: f64) -> Option<ArrayView1<'_, f64>> {
        let column = self
            .levels
            .iter()
            .position(|&known| (known - level).abs() < 1e-12)?;
        Some(self.quantiles.column(column))
    }
}

/// Fails unless `horizon` is at least 1 and `levels` are in `(0, 1)` and increase. The check that
/// every forecaster makes first.
///
/// # Errors
///
/// [`ParamError`] naming the horizon or the level.
pub fn check_request(horizon: usize, levels: &[f64]) -> Result<(), ParamError> {
    if horizon == 0 {
        return Err(ParamError::new("horizon", "at least 1", horizon));
    }
    if let Some(level) = levels.iter().find(|&&level| !(level > 0.0 && level < 1.0)) {
        return Err(ParamError::new(
            "levels",
            "between 0 and 1, exclusive",
            level,
        ));
    }
    match levels.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(ParamError::new("levels", "increasing", format!("{pair:?}"))),
        None => Ok(()),
    }
}
