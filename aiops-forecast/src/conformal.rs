//! Intervals that mean what they say: split conformal on rolling errors.
//!
//! Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005; for series with
//! exchangeability only in part, Barber, Candes, Ramdas and Tibshirani, *Conformal prediction beyond
//! exchangeability*, Annals of Statistics 2023.
//!
//! The intervals of a model say how their width grows with the horizon, the errors of a rolling
//! backtest say by what factor they are too narrow or too wide. The factor of a level is the
//! conformal quantile of `|error| / half-width`, the scores of all steps pooled, because a few
//! windows of one step say nothing. With few scores it is drawn towards 1. A model whose widths grow
//! with the horizon as its errors do not is right on average over the steps, not at each.
//!
//! Online, each interval goes on learning from the values that come: it is widened a little by a
//! value outside and narrowed by one inside, so that its coverage tends to what it says whatever the
//! series does (Gibbs and Candes, *Adaptive conformal inference under distribution shift*, `NeurIPS`
//! 2021; Angelopoulos, Candes and Tibshirani, *Conformal PID control for time series prediction*,
//! `NeurIPS` 2023).

use aiops_core::ndarray::Array2;
use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView, check_request,
};

use aiops_core::numerics::normal;

use crate::grid::finite;
pub use crate::tracking::Tracked;
use crate::tracking::Tracker;

/// As many scores as the belief that the model's own width is right counts for.
const PRIOR: f64 = 8.0;
/// A factor is between these.
pub(crate) const FACTORS: (f64, f64) = (0.2, 8.0);
/// Central intervals whose factors are kept.
pub(crate) const CENTRAL: [f64; 8] = [0.1, 0.3, 0.5, 0.68, 0.8, 0.9, 0.95, 0.99];

/// Parameters of [`Conformal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ConformalConfig {
    /// Steps ahead to calibrate, at least 1; farther ones use the same factors.
    pub horizon: usize,
    /// Rolling origins, at least 1, each of which costs a fit. Cut down for short series.
    pub windows: usize,
    /// Samples that a fit should have at least.
    pub min_train: usize,
}

impl Default for ConformalConfig {
    fn default() -> Self {
        Self {
            horizon: 24,
            windows: 5,
            min_train: 20,
        }
    }
}

/// A forecaster whose quantiles are calibrated by its own rolling errors, and go on being calibrated
/// in updates.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, OnlineForecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::conformal::{Conformal, ConformalConfig};
/// use aiops_forecast::smoothing::simple::{SimpleSmoothing, SimpleSmoothingConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 200)?;
/// let load = (0..200).map(|i| 50.0 + f64::from(i * i * 37 % 101)).collect();
/// let load = Series::new(axis, load)?;
/// let inner = SimpleSmoothing::try_from(SimpleSmoothingConfig::default())?;
/// let forecaster = Conformal::new(inner, ConformalConfig::default())?;
/// let mut model = forecaster.fit(load.view().slice(0, 100))?;
/// for sample in load.view().slice(100, 200).iter() {
///     model.update(sample);
/// }
/// let report = model.tracked();
/// assert_eq!(report.seen, 100);
/// assert!((0.7..0.95).contains(&report.coverage80), "{report:?}");
/// assert!(!report.refit_wanted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// One more fit for each window. A forecast costs what the inner one costs.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | series too short for any window | the model's own quantiles |
/// | half-width 0 (a constant series) | such scores are left out |
/// | missing values in a window | left out |
#[derive(Clone, Debug, PartialEq)]
pub struct Conformal<F> {
    inner: F,
    config: ConformalConfig,
}

impl<F: Forecaster> Conformal<F> {
    /// Calibrates `inner`.
    ///
    /// # Errors
    ///
    /// [`ParamError`] for a horizon or a number of windows of 0.
    pub fn new(inner: F, config: ConformalConfig) -> Result<Self, ParamError> {
        check_request(config.horizon, &[])?;
        if config.windows == 0 {
            return Err(ParamError::new("windows", "at least 1", config.windows));
        }
        Ok(Self { inner, config })
    }

    fn scores(&self, train: SeriesView<'_>) -> Scores {
        let ConformalConfig {
            horizon,
            windows,
            min_train,
        } = self.config;
        let mut scores = Scores::default();
        let horizon = horizon.min(train.len() / 4).max(1);
        let spare = train.len().saturating_sub(min_train + horizon);
        let step = (spare / windows).clamp(1, horizon);
        for back in 0..windows.min(spare / step) {
            let origin = train.len() - horizon - back * step;
            let Ok(model) = self.inner.fit(train.slice(0, origin)) else {
                continue; // a shorter past may not suit the algorithm
            };
            let one_sigma = normal_levels();
            if let Ok(ahead) = model.forecast(horizon, &one_sigma) {
                scores.take(&ahead, &train.values()[origin..origin + horizon]);
            }
        }
        scores
    }
}

/// Levels one standard deviation below and above the mean of a normal.
fn normal_levels() -> [f64; 2] {
    [0.158_655_253_931_457_05, 0.841_344_746_068_543]
}

impl<F: Forecaster> Forecaster for Conformal<F> {
    type Model = FittedConformal<F::Model>;

    fn fit(&self, train: SeriesView<'_>) -> Result<Self::Model, FitError> {
        let model = self.inner.fit(train)?;
        let factors = self.scores(train).factors();
        Ok(FittedConformal {
            model,
            factors,
            tracker: Tracker::default(),
        })
    }
}

/// Absolute errors in units of the model's own standard deviation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scores(Vec<f64>);

impl Scores {
    /// `ahead` has the two levels of [`normal_levels`].
    fn take(&mut self, ahead: &Forecast, actual: &[f64]) {
        let [low, high] = normal_levels().map(|level| ahead.quantile(level));
        let (Some(low), Some(high)) = (low, high) else {
            return;
        };
        for (step, (actual, mean)) in actual.iter().zip(ahead.mean()).enumerate() {
            let error = actual - mean;
            let width = if error < 0.0 {
                mean - low[step]
            } else {
                high[step] - mean
            };
            self.push(error, width);
        }
    }

    /// An error with the standard deviation that was expected of it.
    pub(crate) fn push(&mut self, error: f64, width: f64) {
        if !error.is_nan() && width > 0.0 {
            self.0.push(error.abs() / width);
        }
    }

    /// How much wider than a normal distribution's each central interval has to be.
    pub(crate) fn factors(mut self) -> Factors {
        self.0.sort_unstable_by(f64::total_cmp);
        let n = self.0.len() as f64;
        let factors = CENTRAL.map(|share| {
            let own = normal::quantile(0.5 + 0.5 * share);
            let rank = ((n + 1.0) * share).ceil() as usize;
            let Some(score) = self.0.get(rank.min(self.0.len()).saturating_sub(1)) else {
                return 1.0;
            };
            let factor = (score / own).clamp(FACTORS.0, FACTORS.1);
            // Only scores beyond the quantile tell where it lies.
            let told = n * (1.0 - share).min(0.5) * 2.0;
            let told = told / (told + PRIOR * (1.0 - share).min(0.5) * 2.0);
            (factor.ln() * told).exp() * widen(share, n)
        });
        let mut factors = Factors(factors);
        factors.nest();
        factors
    }
}

/// What a central interval of `share` is widened by after calibration on `n` errors. The errors of
/// overlapping windows are far from independent and their models were chosen on them, so their
/// quantiles are too small, the more so the farther out and the fewer they are. The numbers follow the
/// coverage that was missing on the public competition series, all lengths and frequencies
/// together.
fn widen(share: f64, n: f64) -> f64 {
    let out = ((share - 0.5) / 0.45).max(0.0); // 1 at 95 %
    let out = out * out;
    1.0 + 0.22 * out + 10.0 * out / n.max(10.0)
}

/// A factor for each of [`CENTRAL`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Factors(pub(crate) [f64; CENTRAL.len()]);

impl Factors {
    /// Wider intervals contain narrower ones.
    pub(crate) fn nest(&mut self) {
        let mut reach = 0.0_f64;
        for (factor, share) in self.0.iter_mut().zip(CENTRAL) {
            let own = normal::quantile(0.5 + 0.5 * share);
            reach = reach.max(*factor * own);
            *factor = reach / own;
        }
    }

    /// The factor of a quantile level, between its neighbours by a straight line.
    pub(crate) fn at(&self, level: f64) -> f64 {
        let share = (2.0 * level - 1.0).abs();
        let above = CENTRAL.partition_point(|&known| known < share);
        if above == 0 {
            return self.0[0];
        }
        if above == CENTRAL.len() {
            return self.0[CENTRAL.len() - 1];
        }
        let (low, high) = (CENTRAL[above - 1], CENTRAL[above]);
        let weight = (share - low) / (high - low);
        self.0[above - 1] * (1.0 - weight) + self.0[above] * weight
    }
}

/// A fitted model with calibrated quantiles.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedConformal<M> {
    model: M,
    factors: Factors,
    tracker: Tracker,
}

impl<M> FittedConformal<M> {
    /// The model inside.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// How much wider than the model's the quantile at `level` lies from the mean.
    pub fn factor(&self, level: f64) -> f64 {
        self.factors.at(level)
    }

    /// What the updates say: coverage achieved one step ahead, and whether the errors have drifted so
    /// far that a refit is wanted.
    pub fn tracked(&self) -> Tracked {
        self.tracker.report()
    }
}

impl<M: FittedForecaster> FittedForecaster for FittedConformal<M> {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        let ahead = self.model.forecast(horizon, levels)?;
        let columns: Vec<_> = levels
            .iter()
            .filter_map(|&level| ahead.quantile(level))
            .collect();
        let mean = ahead.mean();
        let quantiles = Array2::from_shape_fn((horizon, levels.len()), |(step, level)| {
            let reach = columns[level][step] - mean[step];
            finite(mean[step] + self.factors.at(levels[level]) * reach)
        });
        let (axis, levels) = (ahead.axis().clone(), levels.to_vec());
        Ok(Forecast::new(axis, mean.to_vec(), levels, quantiles)?)
    }
}

impl<M: OnlineForecaster> OnlineForecaster for FittedConformal<M> {
    fn update(&mut self, sample: Sample) {
        if sample.value.is_finite()
            && let Ok(ahead) = self.model.forecast(1, &normal_levels())
            && let [Some(low), Some(high)] = normal_levels().map(|level| ahead.quantile(level))
        {
            let mean = ahead.mean()[0];
            let sd = 0.5 * (high[0] - low[0]);
            self.tracker
                .take(sample.value - mean, sd, &mut self.factors);
        }
        self.model.update(sample);
    }
}
