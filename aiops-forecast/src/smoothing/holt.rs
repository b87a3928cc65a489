//! Holt's method: a level and a slope, which fades unless told otherwise.
//!
//! Holt, *Forecasting seasonals and trends by exponentially weighted moving averages*, ONR memo
//! 52, 1957 (reprinted IJF 2004); the damped form is Gardner and
//! `McKenzie`, *Forecasting trends in
//! time series*, Management Science 1985.

use aiops_core::{FitError, Forecaster, ParamError, SeriesView};

use crate::ets::{ErrorKind, Ets, EtsConfig, FittedEts, Form, SeasonKind, TrendKind};

/// Parameters of [`Holt`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HoltConfig {
    /// Whether the slope fades; the default, because slopes do.
    pub damped: bool,
    /// Smoothing of the level, in `(0, 1)`; estimated when not given.
    pub alpha: Option<f64>,
    /// Smoothing of the slope, in `(0, 1)`; estimated when not given.
    pub beta: Option<f64>,
    /// Share of the slope that is left after one step, in `(0, 1)`; estimated in `[0.8, 0.98]` when
    /// not given. Not used unless `damped`.
    pub phi: Option<f64>,
}

impl Default for HoltConfig {
    fn default() -> Self {
        Self {
            damped: true,
            alpha: None,
            beta: None,
            phi: None,
        }
    }
}

/// Holt's method; degenerate cases as in [`Ets`].
///
/// # Not good for
///
/// Seasons; and, when not damped, horizons longer than what the slope was learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Holt {
    ets: Ets,
}

impl TryFrom<HoltConfig> for Holt {
    type Error = ParamError;

    fn try_from(config: HoltConfig) -> Result<Self, ParamError> {
        let trend = if config.damped {
            TrendKind::Damped
        } else {
            TrendKind::Additive
        };
        let ets = EtsConfig {
            form: Form::new(ErrorKind::Additive, trend, SeasonKind::None),
            alpha: config.alpha,
            beta: config.beta,
            phi: config.phi,
            ..EtsConfig::default()
        };
        Ok(Self {
            ets: Ets::try_from(ets)?,
        })
    }
}

impl Forecaster for Holt {
    type Model = FittedEts;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedEts, FitError> {
        self.ets.fit(train)
    }
}
