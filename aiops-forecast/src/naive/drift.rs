//! The last value and the mean step.

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, Sample,
    SeriesView,
};

use super::{Walk, known, last};
use crate::grid::{Grid, Moments};

/// A random walk with drift: goes on from the last value by the mean step. It has no parameters.
///
/// # Formula
///
/// ```text
/// mean(h) = last + (h + g) b,  b = (last - first) / steps
/// sd(h) = s sqrt((h + g) (1 + (h + g) / steps)),  s = standard deviation of the steps
/// g = missing values at the end
/// ```
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two values | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | constant series | the constant, with quantiles that touch it |
/// | missing values | a step across a gap counts as several |
///
/// # Not good for
///
/// Seasons, and horizons as long as the past: two values, the first and the last, decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift;

/// What [`Drift`] learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedDrift {
    walk: Walk,
    grid: Grid,
}

impl Forecaster for Drift {
    type Model = FittedDrift;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedDrift, FitError> {
        train.require(2)?;
        Ok(FittedDrift {
            walk: last::walk(train)?,
            grid: Grid::after(train)?,
        })
    }
}

impl FittedDrift {
    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let Walk {
            last, gap, steps, ..
        } = self.walk;
        let (slope, size) = (self.walk.slope(), self.walk.size());
        let free = steps / (steps - 1.0).max(1.0);
        let sigma = ((size * size - slope * slope).max(0.0) * free).sqrt();
        let ahead = |h: usize| h as f64 + gap;
        Moments {
            mean: (1..=horizon).map(|h| last + ahead(h) * slope).collect(),
            sd: (1..=horizon)
                .map(|h| sigma * (ahead(h) * (1.0 + ahead(h) / steps)).sqrt())
                .collect(),
        }
    }
}

impl FittedForecaster for FittedDrift {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedDrift {
    fn update(&mut self, sample: Sample) {
        self.walk.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel};

    use super::FittedDrift;
    use crate::grid::Grid;
    use crate::naive::wire::WalkV1;
    use crate::wire::GridV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        walk: WalkV1,
        grid: GridV1,
    }

    impl StoredModel for FittedDrift {
        const KIND: &'static str = "forecast.drift";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                walk: self.walk.into(),
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            Ok(Self {
                walk: wire.walk.try_into()?,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
