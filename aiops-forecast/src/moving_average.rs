//! Simple and weighted moving averages.

use std::collections::VecDeque;

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView,
};

use crate::grid::{Grid, Moments};
use crate::naive::known;

const MAX_WINDOW: usize = 100_000;

/// How the samples of the window count.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Weights {
    /// All the same: the simple moving average.
    Equal {
        /// Samples in the window, from 1 to 100,000.
        window: usize,
    },
    /// 1, 2, 3 ... up to the newest.
    Linear {
        /// Samples in the window, from 1 to 100,000.
        window: usize,
    },
    /// As listed, oldest first; not negative, finite, with a positive sum, at most 100,000.
    Listed(Vec<f64>),
}

/// Parameters of [`MovingAverage`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MovingAverageConfig {
    /// How the samples of the window count; the default is the simple average of 12.
    pub weights: Weights,
}

impl Default for MovingAverageConfig {
    fn default() -> Self {
        Self {
            weights: Weights::Equal { window: 12 },
        }
    }
}

/// A moving average: every value ahead is the weighted mean of the last ones.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::moving_average::{MovingAverage, MovingAverageConfig, Weights};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 4)?;
/// let load = Series::new(axis, vec![10.0, 12.0, 11.0, 16.0])?;
/// let mut config = MovingAverageConfig::default();
/// config.weights = Weights::Linear { window: 2 };
/// let model = MovingAverage::try_from(config)?.fit(load.view())?;
/// assert!((model.forecast(1, &[])?.mean()[0] - 43.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// mean(h) = sum w_i y_i / sum w_i over the window
/// sd(h) = s sqrt(1 + (h - 1) a^2),  s = root mean square of the one-step errors
/// a = 1 / (1 + mean age): a level that moves as fast as exponential smoothing of the same age
/// ```
///
/// # Cost
///
/// `O(window)` for each sample: the mean is computed anew, so that errors of rounding do not add up.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no value | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | fewer values than the window | the newest weights are used |
/// | missing values | keep their place in the window, with weight 0 |
/// | every value of the window missing, or of weight 0 | the last mean stays |
///
/// # Not good for
///
/// Trends, which it follows half a window late, and seasons.
#[derive(Clone, Debug, PartialEq)]
pub struct MovingAverage {
    /// Oldest first.
    weights: Vec<f64>,
}

impl TryFrom<MovingAverageConfig> for MovingAverage {
    type Error = ParamError;

    fn try_from(config: MovingAverageConfig) -> Result<Self, ParamError> {
        let weights = match config.weights {
            Weights::Equal { window } => vec![1.0; checked(window)?],
            Weights::Linear { window } => (1..=checked(window)?).map(|age| age as f64).collect(),
            Weights::Listed(weights) => {
                checked(weights.len())?;
                if let Some(bad) = weights
                    .iter()
                    .find(|&&weight| !(0.0..=1e100).contains(&weight))
                {
                    return Err(ParamError::new("weights", "finite and not negative", bad));
                }
                weights
            }
        };
        let sum: f64 = weights.iter().sum();
        if sum > 0.0 {
            Ok(Self { weights })
        } else {
            Err(ParamError::new("weights", "positive in sum", sum))
        }
    }
}

fn checked(window: usize) -> Result<usize, ParamError> {
    if (1..=MAX_WINDOW).contains(&window) {
        Ok(window)
    } else {
        Err(ParamError::new("window", "from 1 to 100000", window))
    }
}

/// What [`MovingAverage`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedMovingAverage {
    weights: Vec<f64>,
    window: VecDeque<f64>,
    mean: f64,
    squares: f64,
    compared: f64,
    grid: Grid,
}

impl FittedMovingAverage {
    fn take(&mut self, value: f64) {
        if !value.is_nan() && !self.mean.is_nan() {
            self.squares += (value - self.mean).powi(2);
            self.compared += 1.0;
        }
        if self.window.len() == self.weights.len() {
            self.window.pop_front();
        }
        self.window.push_back(value);
        let weights = &self.weights[self.weights.len() - self.window.len()..];
        let (mut sum, mut total) = (0.0, 0.0);
        for (value, weight) in self.window.iter().zip(weights) {
            if !value.is_nan() {
                sum += weight * value;
                total += weight;
            }
        }
        if total > 0.0 {
            self.mean = sum / total;
        }
    }

    fn gain(&self) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let ages: f64 = self
            .weights
            .iter()
            .rev()
            .enumerate()
            .map(|(age, weight)| age as f64 * weight)
            .sum();
        1.0 / (1.0 + ages / total)
    }
}

impl Forecaster for MovingAverage {
    type Model = FittedMovingAverage;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedMovingAverage, FitError> {
        train.require(1)?;
        let mut model = FittedMovingAverage {
            weights: self.weights.clone(),
            window: VecDeque::with_capacity(self.weights.len()),
            mean: f64::NAN,
            squares: 0.0,
            compared: 0.0,
            grid: Grid::after(train)?,
        };
        train.values().iter().for_each(|&value| model.take(value));
        if model.mean.is_nan() {
            // Values were there, but none with a weight.
            model.mean = train.present().last().unwrap_or(0.0);
        }
        Ok(model)
    }
}

impl FittedForecaster for FittedMovingAverage {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        let size = (self.squares / self.compared.max(1.0)).sqrt();
        let gain = self.gain();
        self.grid.normal(horizon, levels, |horizon| Moments {
            mean: vec![self.mean; horizon],
            sd: (0..horizon)
                .map(|h| size * (1.0 + h as f64 * gain * gain).sqrt())
                .collect(),
        })
    }
}

impl OnlineForecaster for FittedMovingAverage {
    fn update(&mut self, sample: Sample) {
        self.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{FittedMovingAverage, MovingAverage, MovingAverageConfig, Weights};
    use crate::grid::Grid;
    use crate::wire::{GridV1, finite, none_infinite};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        /// Oldest first.
        #[serde(with = "exact_vec")]
        weights: Vec<f64>,
        /// Oldest first; `NaN` where missing.
        #[serde(with = "exact_vec")]
        window: Vec<f64>,
        /// `mean`, `squares`, `compared`.
        #[serde(with = "exact_vec")]
        numbers: Vec<f64>,
        grid: GridV1,
    }

    impl StoredModel for FittedMovingAverage {
        const KIND: &'static str = "forecast.moving-average";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                weights: self.weights.clone(),
                window: self.window.iter().copied().collect(),
                numbers: vec![self.mean, self.squares, self.compared],
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = MovingAverageConfig {
                weights: Weights::Listed(wire.weights),
            };
            let checked = MovingAverage::try_from(config);
            let weights = checked
                .map_err(|error| LoadError::payload(error.to_string()))?
                .weights;
            none_infinite("value", &wire.window)?;
            finite("number", &wire.numbers)?;
            let [mean, squares, compared] = wire.numbers[..] else {
                return Err(LoadError::payload("not mean, squares and their number"));
            };
            if wire.window.len() > weights.len() || squares < 0.0 || compared < 0.0 {
                return Err(LoadError::payload("a window or a spread that cannot be"));
            }
            Ok(Self {
                weights,
                window: wire.window.into(),
                mean,
                squares,
                compared,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
