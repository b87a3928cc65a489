//! The last value, again and again.

use aiops_core::{
    DataError, FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster,
    Sample, SeriesView,
};

use super::{Walk, known};
use crate::grid::{Grid, Moments};

/// The naive forecast: every value ahead is the last one. It has no parameters.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::naive::last::Naive;
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 3)?;
/// let load = Series::new(axis, vec![10.0, 12.0, 11.0])?;
/// let ahead = Naive.fit(load.view())?.forecast(2, &[0.1, 0.9])?;
/// assert_eq!(ahead.mean(), [11.0, 11.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// mean(h) = last value,  sd(h) = s sqrt(h + g),  s = root mean square of the steps so far
/// g = missing values at the end
/// ```
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no value | [`DataError::TooShort`] |
/// | one value, constant series | quantiles equal to the value |
/// | missing values | a step across a gap counts as several |
///
/// # Not good for
///
/// Series with a season or a trend. It is hard to beat on random walks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naive;

/// What [`Naive`] learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedNaive {
    walk: Walk,
    grid: Grid,
}

/// The walk through the values that are not missing.
pub(super) fn walk(train: SeriesView<'_>) -> Result<Walk, DataError> {
    let values = train.values();
    let too_short = DataError::TooShort {
        needed: 1,
        found: 0,
    };
    let first = values.iter().position(|value| !value.is_nan());
    let first = first.ok_or(too_short)?;
    let mut walk = Walk::at(values[first]);
    values[first + 1..]
        .iter()
        .for_each(|&value| walk.take(value));
    Ok(walk)
}

impl Forecaster for Naive {
    type Model = FittedNaive;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedNaive, FitError> {
        Ok(FittedNaive {
            walk: walk(train)?,
            grid: Grid::after(train)?,
        })
    }
}

impl FittedNaive {
    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let Walk { last, gap, .. } = self.walk;
        let size = self.walk.size();
        Moments {
            mean: vec![last; horizon],
            sd: (1..=horizon)
                .map(|h| size * (h as f64 + gap).sqrt())
                .collect(),
        }
    }
}

impl FittedForecaster for FittedNaive {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedNaive {
    fn update(&mut self, sample: Sample) {
        self.walk.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel};

    use super::FittedNaive;
    use crate::grid::Grid;
    use crate::naive::wire::WalkV1;
    use crate::wire::GridV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        walk: WalkV1,
        grid: GridV1,
    }

    impl StoredModel for FittedNaive {
        const KIND: &'static str = "forecast.naive";
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
