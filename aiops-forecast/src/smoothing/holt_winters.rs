//! The method of Holt and Winters: level, slope and one season.
//!
//! Winters, *Forecasting sales by exponentially weighted moving averages*, Management Science 1960;
//! as state space models, `AAA` (or `AAdA`) and `MAM` (or `MAdM`) of Hyndman et al. (2008).

use aiops_core::{FitError, Forecaster, ParamError, SeriesView};

use crate::ets::{ErrorKind, Ets, EtsConfig, FittedEts, Form, SeasonKind, TrendKind};

/// Parameters of [`HoltWinters`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HoltWintersConfig {
    /// Samples in a season, from 2 to 512; the default 24 is a day of hourly samples.
    pub season: usize,
    /// Whether the season is multiplied with the level instead of added; needs positive values.
    pub multiplicative: bool,
    /// Whether the slope fades.
    pub damped: bool,
}

impl Default for HoltWintersConfig {
    fn default() -> Self {
        Self {
            season: 24,
            multiplicative: false,
            damped: true,
        }
    }
}

/// The method of Holt and Winters; degenerate cases as in [`Ets`].
///
/// # Not good for
///
/// Two seasons at once, and seasons of hundreds of samples; see [`mstl`](crate::mstl).
#[derive(Clone, Debug, PartialEq)]
pub struct HoltWinters {
    ets: Ets,
}

impl TryFrom<HoltWintersConfig> for HoltWinters {
    type Error = ParamError;

    fn try_from(config: HoltWintersConfig) -> Result<Self, ParamError> {
        let trend = if config.damped {
            TrendKind::Damped
        } else {
            TrendKind::Additive
        };
        let (error, season) = if config.multiplicative {
            (ErrorKind::Multiplicative, SeasonKind::Multiplicative)
        } else {
            (ErrorKind::Additive, SeasonKind::Additive)
        };
        let ets = EtsConfig {
            form: Form::new(error, trend, season),
            season: config.season,
            ..EtsConfig::default()
        };
        Ok(Self {
            ets: Ets::try_from(ets)?,
        })
    }
}

impl Forecaster for HoltWinters {
    type Model = FittedEts;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedEts, FitError> {
        self.ets.fit(train)
    }
}
