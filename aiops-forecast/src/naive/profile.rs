//! The median of the last cycles at each place of the season.

use std::collections::VecDeque;

use aiops_core::numerics::median;
use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView,
};

use super::known;
use crate::grid::{Grid, Moments};

/// Samples remembered at most.
const MAX_SAMPLES: usize = 100_000;
/// Forgetting of the squared errors, for each error.
const FORGET: f64 = 1.0 / 256.0;

/// Parameters of [`Profile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ProfileConfig {
    /// Samples in a season, at least 1; 1 makes it a moving median.
    pub season: usize,
    /// Cycles that the median is taken of, at least 1; at most 100,000 samples in all.
    pub cycles: usize,
}

impl Default for ProfileConfig {
    fn default() -> Self {
        Self {
            season: 24,
            cycles: 7,
        }
    }
}

/// A robust seasonal profile: every value ahead is the median of the last cycles at its place. One
/// bad day, or three of seven, changes nothing.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::naive::profile::{Profile, ProfileConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 6)?;
/// let load = Series::new(axis, vec![1.0, 5.0, 1.1, 90.0, 0.9, 5.2])?;
/// let mut config = ProfileConfig::default();
/// (config.season, config.cycles) = (2, 3);
/// let model = Profile::try_from(config)?.fit(load.view())?;
/// assert_eq!(model.forecast(2, &[])?.mean(), [1.0, 5.2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// mean(h) = median(y(n + h - k m), k = ceil(h / m), ...), as many as there are, at most `cycles`
/// sd(h) = root of an exponentially weighted mean (256 errors) of the squared errors, one cycle ahead
/// ```
///
/// # Cost
///
/// `O(cycles)` for each sample, 8 bytes for each sample remembered.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer values than a season | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | missing values | left out; a place never seen takes the median of all |
/// | exactly one season | quantiles equal to the mean: nothing was compared |
///
/// # Not good for
///
/// Trends and new levels, which it takes up after half of the cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    config: ProfileConfig,
}

impl TryFrom<ProfileConfig> for Profile {
    type Error = ParamError;

    fn try_from(config: ProfileConfig) -> Result<Self, ParamError> {
        if config.season == 0 {
            return Err(ParamError::new("season", "at least 1", config.season));
        }
        let samples = config.season.saturating_mul(config.cycles);
        if config.cycles == 0 || samples > MAX_SAMPLES {
            let expected = "at least 1, with at most 100000 samples in all";
            return Err(ParamError::new("cycles", expected, config.cycles));
        }
        Ok(Self { config })
    }
}

/// What [`Profile`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedProfile {
    season: usize,
    cycles: usize,
    /// The last samples, oldest first.
    past: VecDeque<f64>,
    squares: f64,
    /// Weight of the errors in `squares`, up to 1.
    known: f64,
    grid: Grid,
}

impl FittedProfile {
    fn take(&mut self, value: f64) {
        if !value.is_nan() && self.past.len() >= self.season {
            let expected = self.ahead(0);
            if !expected.is_nan() {
                self.known += FORGET * (1.0 - self.known);
                self.squares += FORGET * ((value - expected).powi(2) - self.squares);
            }
        }
        if self.past.len() == self.season * self.cycles {
            self.past.pop_front();
        }
        self.past.push_back(value);
    }

    /// `NaN` at a place that was never seen.
    fn ahead(&self, steps: usize) -> f64 {
        let back = self.season - steps % self.season;
        let newest_first = self.past.iter().rev().skip(back - 1).step_by(self.season);
        let mut seen: Vec<f64> = newest_first
            .copied()
            .filter(|value| !value.is_nan())
            .collect();
        median(&mut seen)
    }

    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let cycle: Vec<f64> = (0..self.season.min(horizon))
            .map(|step| self.ahead(step))
            .collect();
        let mut all: Vec<f64> = self
            .past
            .iter()
            .copied()
            .filter(|value| !value.is_nan())
            .collect();
        let middle = if all.is_empty() {
            0.0
        } else {
            median(&mut all)
        };
        let size = (self.squares / self.known.max(f64::MIN_POSITIVE)).sqrt();
        Moments {
            mean: (0..horizon)
                .map(|step| cycle[step % self.season])
                .map(|value| if value.is_nan() { middle } else { value })
                .collect(),
            sd: vec![size; horizon],
        }
    }
}

impl Forecaster for Profile {
    type Model = FittedProfile;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedProfile, FitError> {
        let ProfileConfig { season, cycles } = self.config;
        train.require(season)?;
        let mut model = FittedProfile {
            season,
            cycles,
            past: VecDeque::with_capacity((season * cycles).min(train.len())),
            squares: 0.0,
            known: 0.0,
            grid: Grid::after(train)?,
        };
        train.values().iter().for_each(|&value| model.take(value));
        Ok(model)
    }
}

impl FittedForecaster for FittedProfile {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedProfile {
    fn update(&mut self, sample: Sample) {
        self.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{FittedProfile, Profile, ProfileConfig};
    use crate::grid::Grid;
    use crate::wire::{GridV1, finite, none_infinite};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        season: usize,
        cycles: usize,
        /// Oldest first; `NaN` where missing.
        #[serde(with = "exact_vec")]
        past: Vec<f64>,
        /// `squares`, `known`.
        #[serde(with = "exact_vec")]
        errors: Vec<f64>,
        grid: GridV1,
    }

    impl StoredModel for FittedProfile {
        const KIND: &'static str = "forecast.profile";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                season: self.season,
                cycles: self.cycles,
                past: self.past.iter().copied().collect(),
                errors: vec![self.squares, self.known],
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let (season, cycles) = (wire.season, wire.cycles);
            Profile::try_from(ProfileConfig { season, cycles })
                .map_err(|error| LoadError::payload(error.to_string()))?;
            none_infinite("value", &wire.past)?;
            finite("number", &wire.errors)?;
            let [squares, known] = wire.errors[..] else {
                return Err(LoadError::payload("not squares and their weight"));
            };
            let length = season..=season * cycles;
            if !length.contains(&wire.past.len()) || squares < 0.0 || !(0.0..=1.0).contains(&known)
            {
                return Err(LoadError::payload("a past or a spread that cannot be"));
            }
            Ok(Self {
                season,
                cycles,
                past: wire.past.into(),
                squares,
                known,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
