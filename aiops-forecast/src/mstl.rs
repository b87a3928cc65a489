//! Several seasons: each is taken out by MSTL, exponential smoothing carries on what is left.
//!
//! Bandara, Hyndman and Bergmeir, *MSTL: A Seasonal-Trend Decomposition Algorithm for Time Series with
//! Multiple Seasonal Patterns*, 2021.

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, Series, SeriesView,
};

use crate::ets::{AutoEts, AutoEtsConfig, FittedEts};
use crate::grid::{Grid, Moments};
use crate::naive::known;
use crate::stl;

/// Parameters of [`Mstl`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MstlConfig {
    /// Samples in each season, at least 2, increasing; the default is a day and a week of hours.
    /// Seasons longer than half of the series are left out.
    pub seasons: Vec<usize>,
}

impl Default for MstlConfig {
    fn default() -> Self {
        Self {
            seasons: vec![24, 168],
        }
    }
}

/// MSTL with exponential smoothing of the seasonally adjusted series.
///
/// # Cost
///
/// `O(n)` for each season: the local regressions are evaluated at a tenth of the samples; then the
/// six fits of [`AutoEts`] without a season.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two of the shortest season | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | a longer season with fewer than two cycles | left out |
/// | missing values | filled by straight lines for the decomposition |
/// | constant series | the constant, with quantiles that touch it |
///
/// # Not good for
///
/// Seasons that grow with the level (take logarithms first), and shapes that change at once: the
/// last cycle of the smoothed shape is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mstl {
    config: MstlConfig,
}

impl TryFrom<MstlConfig> for Mstl {
    type Error = ParamError;

    fn try_from(config: MstlConfig) -> Result<Self, ParamError> {
        check_seasons(&config.seasons)?;
        if config.seasons.is_empty() {
            return Err(ParamError::new("seasons", "not empty", "none"));
        }
        Ok(Self { config })
    }
}

/// Fails unless seasons are at least 2 and increase.
pub(crate) fn check_seasons(seasons: &[usize]) -> Result<(), ParamError> {
    if let Some(season) = seasons.iter().find(|&&season| season < 2) {
        return Err(ParamError::new("seasons", "at least 2", season));
    }
    match seasons.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(ParamError::new(
            "seasons",
            "increasing",
            format!("{pair:?}"),
        )),
        None => Ok(()),
    }
}

/// What [`Mstl`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedMstl {
    adjusted: FittedEts,
    seasons: Vec<Cycle>,
    grid: Grid,
}

/// The last cycle of one season, from the next instant on.
#[derive(Clone, Debug, PartialEq)]
struct Cycle {
    shape: Vec<f64>,
    at: usize,
    /// Variance of the change of the shape from cycle to cycle.
    change: f64,
}

impl Cycle {
    fn of(part: &[f64], season: usize) -> Self {
        let shape = part[part.len() - season..].to_vec();
        let changes = part.iter().skip(season).zip(part);
        let (mut squares, mut count) = (0.0_f64, 0.0_f64);
        for (now, before) in changes {
            squares += (now - before).powi(2);
            count += 1.0;
        }
        // The square of a huge change is infinite.
        let change = (squares / count.max(1.0)).min(f64::MAX);
        Self {
            shape,
            at: 0,
            change,
        }
    }

    fn ahead(&self, steps: usize) -> f64 {
        self.shape[(self.at + steps) % self.shape.len()]
    }
}

impl Forecaster for Mstl {
    type Model = FittedMstl;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedMstl, FitError> {
        let grid = Grid::after(train)?;
        let fits = |season: &&usize| 2 * **season <= train.len();
        let seasons: Vec<usize> = self.config.seasons.iter().filter(fits).copied().collect();
        let shortest = self.config.seasons[0];
        train.require(2 * shortest)?;
        let parts = stl::mstl(train.values(), &seasons).map_err(|error| match error {
            stl::StlError::Data(data) => FitError::Data(data),
            stl::StlError::Param(param) => FitError::Param(param),
        })?;
        let adjusted = train
            .values()
            .iter()
            .enumerate()
            .map(|(t, value)| value - parts.seasonal.iter().map(|part| part[t]).sum::<f64>());
        let adjusted = Series::new(train.axis().to_axis(), adjusted.collect())?;
        let ets = AutoEts::try_from(AutoEtsConfig::default())?;
        let cycles = parts.seasonal.iter().zip(&seasons);
        Ok(FittedMstl {
            adjusted: ets.fit(adjusted.view())?,
            seasons: cycles
                .map(|(part, &season)| Cycle::of(part, season))
                .collect(),
            grid,
        })
    }
}

impl FittedMstl {
    /// The model of the seasonally adjusted series.
    pub fn adjusted(&self) -> &FittedEts {
        &self.adjusted
    }

    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let mut moments = self.adjusted.moments(horizon);
        for cycle in &self.seasons {
            for (step, (mean, sd)) in moments.mean.iter_mut().zip(&mut moments.sd).enumerate() {
                *mean += cycle.ahead(step);
                let cycles = (step / cycle.shape.len() + 1) as f64;
                *sd = (*sd * *sd + cycles * cycle.change).sqrt();
            }
        }
        moments
    }
}

impl FittedForecaster for FittedMstl {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedMstl {
    /// The shapes stay as they are; the adjusted series moves on.
    fn update(&mut self, sample: Sample) {
        let season: f64 = self.seasons.iter().map(|cycle| cycle.ahead(0)).sum();
        self.adjusted
            .update(Sample::new(sample.time, known(sample) - season));
        for cycle in &mut self.seasons {
            cycle.at = (cycle.at + 1) % cycle.shape.len();
        }
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{Cycle, FittedMstl};
    use crate::ets::wire::V1 as EtsV1;
    use crate::grid::Grid;
    use crate::wire::{GridV1, finite};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        adjusted: EtsV1,
        seasons: Vec<CycleV1>,
        grid: GridV1,
    }

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct CycleV1 {
        #[serde(with = "exact_vec")]
        shape: Vec<f64>,
        at: usize,
        #[serde(with = "exact")]
        change: f64,
    }

    impl TryFrom<CycleV1> for Cycle {
        type Error = LoadError;

        fn try_from(wire: CycleV1) -> Result<Self, LoadError> {
            finite("phase", &wire.shape)?;
            if wire.at >= wire.shape.len() || wire.change.is_nan() || wire.change < 0.0 {
                return Err(LoadError::payload("a season that cannot be"));
            }
            Ok(Self {
                shape: wire.shape,
                at: wire.at,
                change: wire.change,
            })
        }
    }

    impl StoredModel for FittedMstl {
        const KIND: &'static str = "forecast.mstl";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let seasons = self.seasons.iter().map(|cycle| CycleV1 {
                shape: cycle.shape.clone(),
                at: cycle.at,
                change: cycle.change,
            });
            V1 {
                adjusted: self.adjusted.to_wire(),
                seasons: seasons.collect(),
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let seasons = wire.seasons.into_iter().map(Cycle::try_from);
            Ok(Self {
                adjusted: wire.adjusted.try_into()?,
                seasons: seasons.collect::<Result<_, _>>()?,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
