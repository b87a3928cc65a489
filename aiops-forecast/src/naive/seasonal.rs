//! The value one season ago.

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView,
};

use super::known;
use crate::grid::{Grid, Moments};

/// The longest season: a year of hours.
const MAX_SEASON: usize = 24 * 366;

/// Parameters of [`SeasonalNaive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SeasonalNaiveConfig {
    /// Samples in a season, from 1 to 8784; the default 24 is a day of hourly samples.
    pub season: usize,
}

impl Default for SeasonalNaiveConfig {
    fn default() -> Self {
        Self { season: 24 }
    }
}

/// The seasonal naive forecast: every value ahead is the one at the same place of the last season.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::naive::seasonal::{SeasonalNaive, SeasonalNaiveConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 6)?;
/// let load = Series::new(axis, vec![1.0, 5.0, 3.0, 2.0, 6.0, 4.0])?;
/// let mut config = SeasonalNaiveConfig::default();
/// config.season = 3;
/// let model = SeasonalNaive::try_from(config)?.fit(load.view())?;
/// assert_eq!(model.forecast(4, &[])?.mean(), [2.0, 6.0, 4.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// mean(h) = y(n + h - k m),  sd(h) = s sqrt(k),  k = ceil(h / m)
/// s = root mean square of y(t) - y(t - m)
/// ```
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer values than a season | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | missing value | the place keeps its value of an earlier season; one never seen takes the last value |
/// | exactly one season | quantiles equal to the mean: nothing was compared |
///
/// # Not good for
///
/// Series with a trend; the last season's accidents are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeasonalNaive {
    config: SeasonalNaiveConfig,
}

impl TryFrom<SeasonalNaiveConfig> for SeasonalNaive {
    type Error = ParamError;

    fn try_from(config: SeasonalNaiveConfig) -> Result<Self, ParamError> {
        if (1..=MAX_SEASON).contains(&config.season) {
            Ok(Self { config })
        } else {
            Err(ParamError::new("season", "from 1 to 8784", config.season))
        }
    }
}

/// What [`SeasonalNaive`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedSeasonalNaive {
    /// The last season; `NaN` at a place that was never seen.
    season: Vec<f64>,
    /// The next place.
    at: usize,
    last: f64,
    squares: f64,
    compared: f64,
    grid: Grid,
}

impl FittedSeasonalNaive {
    fn take(&mut self, value: f64) {
        let at = self.at;
        self.at = (at + 1) % self.season.len();
        let place = &mut self.season[at];
        if value.is_nan() {
            return;
        }
        if !place.is_nan() {
            self.squares += (value - *place).powi(2);
            self.compared += 1.0;
        }
        (*place, self.last) = (value, value);
    }
}

impl Forecaster for SeasonalNaive {
    type Model = FittedSeasonalNaive;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedSeasonalNaive, FitError> {
        train.require(self.config.season)?;
        let mut model = FittedSeasonalNaive {
            season: vec![f64::NAN; self.config.season],
            at: 0,
            last: f64::NAN,
            squares: 0.0,
            compared: 0.0,
            grid: Grid::after(train)?,
        };
        train.values().iter().for_each(|&value| model.take(value));
        Ok(model)
    }
}

impl FittedSeasonalNaive {
    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let len = self.season.len();
        let size = (self.squares / self.compared.max(1.0)).sqrt();
        Moments {
            mean: (0..horizon)
                .map(|h| self.season[(self.at + h) % len])
                .map(|value| if value.is_nan() { self.last } else { value })
                .collect(),
            sd: (0..horizon)
                .map(|h| size * ((h / len + 1) as f64).sqrt())
                .collect(),
        }
    }
}

impl FittedForecaster for FittedSeasonalNaive {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedSeasonalNaive {
    fn update(&mut self, sample: Sample) {
        self.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{FittedSeasonalNaive, MAX_SEASON};
    use crate::grid::Grid;
    use crate::wire::GridV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact_vec")]
        season: Vec<f64>,
        at: usize,
        #[serde(with = "exact")]
        last: f64,
        #[serde(with = "exact")]
        squares: f64,
        #[serde(with = "exact")]
        compared: f64,
        grid: GridV1,
    }

    impl StoredModel for FittedSeasonalNaive {
        const KIND: &'static str = "forecast.seasonal-naive";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                season: self.season.clone(),
                at: self.at,
                last: self.last,
                squares: self.squares,
                compared: self.compared,
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let len = wire.season.len();
            let counts = wire.squares >= 0.0 && wire.compared >= 0.0 && wire.last.is_finite();
            let values = wire.season.iter().all(|value| !value.is_infinite());
            if !(1..=MAX_SEASON).contains(&len) || wire.at >= len || !counts || !values {
                return Err(LoadError::payload("not a season with its place"));
            }
            Ok(Self {
                season: wire.season,
                at: wire.at,
                last: wire.last,
                squares: wire.squares,
                compared: wire.compared,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
