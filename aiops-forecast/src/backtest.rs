//! Rolling-origin evaluation: fit on the past, look ahead, compare, move on.
//!
//! Tashman, *Out-of-sample tests of forecasting accuracy: an analysis and review*, IJF 2000.

use aiops_core::{
    DynForecaster, FitError, FittedForecaster as _, ForecastError, ParamError, SeriesView,
};
use thiserror::Error;

/// Parameters of [`Backtest`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BacktestConfig {
    /// Steps ahead, at least 1.
    pub horizon: usize,
    /// Origins, at least 1.
    pub windows: usize,
    /// Samples between origins, at least 1; the last window ends at the end of the series.
    pub step: usize,
    /// Samples that the first origin must have behind it; the number of windows is cut down to
    /// that.
    pub min_train: usize,
    /// Quantile levels to keep, in `(0, 1)` and increasing.
    pub levels: Vec<f64>,
}

impl Default for BacktestConfig {
    fn default() -> Self {
        Self {
            horizon: 24,
            windows: 5,
            step: 24,
            min_train: 10,
            levels: vec![0.025, 0.1, 0.9, 0.975],
        }
    }
}

/// Rolling-origin evaluation.
///
/// ```
/// use aiops_core::{Series, TimeAxis, Timestamp};
/// use aiops_forecast::backtest::{Backtest, BacktestConfig};
/// use aiops_forecast::naive::last::Naive;
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 40)?;
/// let ramp = Series::new(axis, (0..40).map(f64::from).collect())?;
/// let mut config = BacktestConfig::default();
/// (config.horizon, config.windows, config.step) = (2, 3, 2);
/// let windows = Backtest::try_from(config)?.run(&Naive, ramp.view())?;
/// assert_eq!(windows.len(), 3);
/// assert_eq!(windows[0].errors().collect::<Vec<_>>(), [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backtest {
    config: BacktestConfig,
}

impl TryFrom<BacktestConfig> for Backtest {
    type Error = ParamError;

    fn try_from(config: BacktestConfig) -> Result<Self, ParamError> {
        aiops_core::check_request(config.horizon, &config.levels)?;
        if config.windows == 0 {
            return Err(ParamError::new("windows", "at least 1", config.windows));
        }
        if config.step == 0 {
            return Err(ParamError::new("step", "at least 1", config.step));
        }
        Ok(Self { config })
    }
}

/// A fit or a forecast of a backtest failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BacktestError {
    /// Fitting failed.
    #[error("cannot fit on the first {origin} samples")]
    Fit {
        /// Samples before the origin.
        origin: usize,
        /// Why.
        source: FitError,
    },
    /// Forecasting failed.
    #[error("cannot forecast from sample {origin}")]
    Forecast {
        /// Samples before the origin.
        origin: usize,
        /// Why.
        source: ForecastError,
    },
    /// No origin has enough samples before and after it.
    #[error("need at least {needed} samples, found {found}")]
    TooShort {
        /// Samples needed for one window.
        needed: usize,
        /// Samples found.
        found: usize,
    },
}

/// One origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Samples before it.
    pub origin: usize,
    /// What came; `NaN` where missing.
    pub actual: Vec<f64>,
    /// What was expected.
    pub mean: Vec<f64>,
    /// For each level, its quantile at each step.
    pub quantiles: Vec<Vec<f64>>,
}

impl Window {
    /// Actual minus expected at each step; `NaN` where missing.
    pub fn errors(&self) -> impl Iterator<Item = f64> + '_ {
        self.actual
            .iter()
            .zip(&self.mean)
            .map(|(actual, mean)| actual - mean)
    }
}

impl Backtest {
    /// Its parameters.
    pub fn config(&self) -> &BacktestConfig {
        &self.config
    }

    /// Fits anew at each origin; windows in order of time. Costs one fit and one forecast for each.
    ///
    /// # Errors
    ///
    /// [`BacktestError::TooShort`] when not even one window fits, the others as they come.
    pub fn run(
        &self,
        forecaster: &dyn DynForecaster,
        series: SeriesView<'_>,
    ) -> Result<Vec<Window>, BacktestError> {
        let config = &self.config;
        let needed = config.min_train.saturating_add(config.horizon);
        let found = series.len();
        let Some(spare) = found.checked_sub(needed) else {
            return Err(BacktestError::TooShort { needed, found });
        };
        let windows = config.windows.min(spare / config.step + 1);
        (0..windows)
            .rev()
            .map(|back| {
                let origin = found - config.horizon - back * config.step;
                self.window(forecaster, series, origin)
            })
            .collect()
    }

    fn window(
        &self,
        forecaster: &dyn DynForecaster,
        series: SeriesView<'_>,
        origin: usize,
    ) -> Result<Window, BacktestError> {
        let BacktestConfig {
            horizon, levels, ..
        } = &self.config;
        let model = forecaster
            .fit_boxed(series.slice(0, origin))
            .map_err(|source| BacktestError::Fit { origin, source })?;
        let ahead = model
            .forecast(*horizon, levels)
            .map_err(|source| BacktestError::Forecast { origin, source })?;
        let quantile = |level: &f64| {
            ahead
                .quantile(*level)
                .map_or_else(Vec::new, |column| column.to_vec())
        };
        Ok(Window {
            origin,
            actual: series.values()[origin..origin + horizon].to_vec(),
            mean: ahead.mean().to_vec(),
            quantiles: levels.iter().map(quantile).collect(),
        })
    }
}
