//! Simple exponential smoothing: a level that follows the series, no trend, no season.
//!
//! Brown, *Statistical Forecasting for Inventory Control*, 1959; as a state space model, `ANN` of
//! Hyndman et al. (2008).

use aiops_core::{FitError, Forecaster, ParamError, SeriesView};

use crate::ets::{ErrorKind, Ets, EtsConfig, FittedEts, Form, SeasonKind, TrendKind};

/// Parameters of [`SimpleSmoothing`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SimpleSmoothingConfig {
    /// Share of the last error that the level takes in, in `(0, 1)`; estimated when not given.
    pub alpha: Option<f64>,
}

/// Simple exponential smoothing; degenerate cases as in [`Ets`].
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::smoothing::simple::{SimpleSmoothing, SimpleSmoothingConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 6)?;
/// let load = Series::new(axis, vec![10.0, 11.0, 9.0, 10.0, 10.0, 11.0])?;
/// let model = SimpleSmoothing::try_from(SimpleSmoothingConfig::default())?.fit(load.view())?;
/// assert!((model.forecast(3, &[])?.mean()[2] - 10.0).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Not good for
///
/// Anything with a trend or a season: every value ahead is the level.
#[derive(Clone, Debug, PartialEq)]
pub struct SimpleSmoothing {
    ets: Ets,
}

impl TryFrom<SimpleSmoothingConfig> for SimpleSmoothing {
    type Error = ParamError;

    fn try_from(config: SimpleSmoothingConfig) -> Result<Self, ParamError> {
        let ets = EtsConfig {
            form: Form::new(ErrorKind::Additive, TrendKind::None, SeasonKind::None),
            alpha: config.alpha,
            ..EtsConfig::default()
        };
        Ok(Self {
            ets: Ets::try_from(ets)?,
        })
    }
}

impl Forecaster for SimpleSmoothing {
    type Model = FittedEts;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedEts, FitError> {
        self.ets.fit(train)
    }
}
