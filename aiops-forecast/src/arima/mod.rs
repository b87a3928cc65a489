//! Autoregressive integrated moving averages, with seasons and regressors.
//!
//! Box, Jenkins, Reinsel and Ljung, *Time Series Analysis: Forecasting and Control*, 5th edition, Wiley
//! 2015; the choice of the order is that of Hyndman and Khandakar, *Automatic time series forecasting:
//! the forecast package for R*, Journal of Statistical Software 2008.
//!
//! Coefficients are those of the exact Gaussian likelihood. It is evaluated by recursions of `O(r)` for
//! each value where there are no gaps, by the Kalman filter where there are, and maximised with the
//! coefficients of regressors and the variance concentrated out, over partial autocorrelations, so that
//! every estimate is stationary and invertible.
#![allow(
    clippy::needless_pass_by_value,
    reason = "views of arrays go by value, as in the traits"
)]

mod auto;
mod design;
mod filter;
mod fit;
mod likelihood;
mod order;
mod polynomial;
mod stationary;
mod unit_root;
#[cfg(feature = "serde")]
mod wire;

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView, check_request,
};

use crate::grid::{Grid, Moments};
use crate::naive::known;
pub use auto::{AutoArima, AutoArimaConfig, Rival};
pub use design::Waves;
use design::{Design, columns, drift};
use filter::{Space, Uncertainty};
use fit::Fit;
pub use order::Order;
use polynomial::Terms;

/// How coefficients are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Estimator {
    /// The exact likelihood, started from the conditional estimate.
    MaximumLikelihood,
    /// The sum of squares given the first values: cheaper, worse for short series. Gaps are filled
    /// by straight lines.
    ConditionalSquares,
}

/// Parameters of [`Arima`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ArimaConfig {
    /// The order; the default is `1,1,1`.
    pub order: Order,
    /// Whether there is a constant: the mean without differences, the drift of a step with one. With
    /// two or more it would be a parabola and is refused.
    pub constant: bool,
    /// How coefficients are estimated.
    pub estimator: Estimator,
}

impl Default for ArimaConfig {
    fn default() -> Self {
        Self {
            order: Order::new(1, 1, 1),
            constant: false,
            estimator: Estimator::MaximumLikelihood,
        }
    }
}

/// An ARIMA model of a given order.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::arima::{Arima, ArimaConfig, Order};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 60)?;
/// let queue = (0..60).map(|i| 20.0 + f64::from(i) + 3.0 * f64::from(i * 7 % 5)).collect();
/// let queue = Series::new(axis, queue)?;
///
/// let mut config = ArimaConfig::default();
/// config.order = Order::new(0, 1, 1);
/// config.constant = true; // a random walk with drift and noise
/// let model = Arima::try_from(config)?.fit(queue.view())?;
/// let ahead = model.forecast(10, &[0.1, 0.9])?;
/// assert!((ahead.mean()[9] - 95.0).abs() < 5.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// (1 - ar B - ..)(1 - seasonal_ar B^m - ..) w(t) = (1 + ma B + ..)(1 + seasonal_ma B^m + ..) e(t)
/// w(t) = (1 - B)^d (1 - B^m)^D (y(t) - constant - effects x(t))
/// ```
///
/// # Cost
///
/// Some hundred evaluations of the likelihood, each of some `2 r` operations for a value, where `r` is
/// the longest lag; 1 ms for the airline model of 144 values. With gaps `r^2`. Updating takes `O(r)`.
/// A fitted model holds `r` states, and `r^2` numbers until it has settled and after a gap.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer values than differences, coefficients and two more need | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | missing values | the state moves on, nothing is learned; the likelihood is that of the others |
/// | constant series | the constant, with quantiles that touch it |
/// | a regressor that is a combination of others, or a constant with two differences | [`ParamError`] |
/// | instants not equally spaced | [`DataError::Irregular`](aiops_core::DataError::Irregular) |
///
/// # Not good for
///
/// Seasons of more than some tens of samples (see [`AutoArima`], which uses Fourier terms there), sudden
/// changes of level, counts near 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arima {
    config: ArimaConfig,
}

impl TryFrom<ArimaConfig> for Arima {
    type Error = ParamError;

    fn try_from(config: ArimaConfig) -> Result<Self, ParamError> {
        config.order.check()?;
        if config.constant && config.order.all_differences() > 1 {
            let differences = config.order.all_differences();
            return Err(ParamError::new(
                "constant",
                "off with more than one difference",
                format!("on with {differences}"),
            ));
        }
        Ok(Self { config })
    }
}

impl Forecaster for Arima {
    type Model = FittedArima;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedArima, FitError> {
        self.fit_with(train, ArrayView2::from(&[[0.0; 0]; 0]))
    }
}

impl Arima {
    /// Fits with regressors: a row for each instant, a column for each regressor. No rows stand for no
    /// regressors.
    ///
    /// # Errors
    ///
    /// As [`fit`](Forecaster::fit); [`ParamError`] naming the row and column of a regressor that is not
    /// finite, the number of rows when it is not that of instants, and a regressor that is a combination
    /// of others.
    pub fn fit_with(
        &self,
        train: SeriesView<'_>,
        regressors: ArrayView2<'_, f64>,
    ) -> Result<FittedArima, FitError> {
        let ArimaConfig {
            order,
            constant,
            estimator,
        } = self.config;
        let columns = columns(regressors, train.len())?;
        let effects = columns.len() + usize::from(constant);
        train.require(order.lost() + order.terms() + effects + 2)?;
        let grid = Grid::after(train)?;
        let design = Design::new(order, constant, &[], train.values(), columns);
        let mut problem = design.problem(order, 1.0, train.values());
        if let Some(column) = problem.dependent() {
            let column = column.saturating_sub(usize::from(constant));
            return Err(ParamError::new(
                "regressors",
                "not combinations of each other, the constant and what differencing removes",
                format!("column {column}"),
            )
            .into());
        }
        let fit = problem
            .fit(estimator, &[])
            .ok_or(FitError::NotConverged { iterations: 0 })?;
        Ok(FittedArima::of(order, &design, &fit, train.values(), grid))
    }
}

/// What [`Arima`] learned, at the end of what it has seen.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedArima {
    order: Order,
    terms: Terms,
    space: Space,
    centre: f64,
    constant: Option<f64>,
    waves: Vec<Waves>,
    /// Of the columns of all waves, one after the other.
    wave_effects: Vec<f64>,
    effects: Vec<f64>,
    variance: f64,
    loss: f64,
    aicc: f64,
    state: Vec<f64>,
    uncertainty: Uncertainty,
    /// Instants seen.
    seen: usize,
    grid: Grid,
    rivals: Vec<Rival>,
}

impl FittedArima {
    fn of(order: Order, design: &Design, fit: &Fit, values: &[f64], grid: Grid) -> Self {
        let space = Space::new(order, &fit.terms);
        let (constant, rest) = fit.effects.split_at(usize::from(design.constant));
        let waves = design.waves.iter().map(|one| one.len()).sum();
        let (wave_effects, effects) = rest.split_at(waves);
        let mut model = Self {
            order,
            terms: fit.terms.clone(),
            space,
            centre: design.centre,
            constant: constant.first().copied(),
            waves: design.waves.clone(),
            wave_effects: wave_effects.to_vec(),
            effects: effects.to_vec(),
            variance: fit.variance,
            loss: fit.loss,
            aicc: fit.aicc(),
            state: Vec::new(),
            uncertainty: None,
            seen: 0,
            grid,
            rivals: Vec::new(),
        };
        let own = &design.columns[usize::from(design.constant) + waves..];
        model.play(values, own);
        model
    }

    /// From the beginning.
    fn play(&mut self, values: &[f64], regressors: &[Vec<f64>]) {
        let rest = |t: usize, value: f64| {
            let effects = self.effects.iter().zip(regressors);
            let effect: f64 = effects.map(|(effect, column)| effect * column[t]).sum();
            value - self.level(t) - effect
        };
        let rests: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(t, &v)| rest(t, v))
            .collect();
        let lost = self.order.lost();
        let past: Option<Vec<f64>> = rests
            .get(..lost)
            .filter(|past| past.iter().all(|value| !value.is_nan()))
            .map(|past| past.iter().rev().copied().collect());
        (self.state, self.uncertainty) = self.space.start(past.as_deref());
        for &rest in &rests[past.map_or(0, |past| past.len())..] {
            self.space
                .take(&mut self.state, &mut self.uncertainty, rest);
        }
        self.seen = values.len();
    }

    /// What does not depend on the past, without regressors.
    fn level(&self, t: usize) -> f64 {
        let constant = self
            .constant
            .map_or(0.0, |constant| constant * drift(self.order, t));
        let mut effects = &self.wave_effects[..];
        let mut level = self.centre + constant;
        for waves in &self.waves {
            let (own, rest) = effects.split_at(waves.len());
            level += waves.sum(own, t);
            effects = rest;
        }
        level
    }

    /// The order.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Autoregressive coefficients.
    pub fn ar(&self) -> &[f64] {
        &self.terms.ar
    }

    /// Moving-average coefficients, positive for an error that goes on.
    pub fn ma(&self) -> &[f64] {
        &self.terms.ma
    }

    /// Seasonal autoregressive coefficients.
    pub fn seasonal_ar(&self) -> &[f64] {
        &self.terms.seasonal_ar
    }

    /// Seasonal moving-average coefficients.
    pub fn seasonal_ma(&self) -> &[f64] {
        &self.terms.seasonal_ma
    }

    /// The mean of the series without differences, the change in a step with one; `None` where there
    /// is no constant.
    pub fn constant(&self) -> Option<f64> {
        let mean = if self.order.all_differences() == 0 {
            self.centre
        } else {
            0.0
        };
        self.constant.map(|constant| constant + mean)
    }

    /// Seasons that are carried by sines and cosines instead of states.
    pub fn waves(&self) -> &[Waves] {
        &self.waves
    }

    /// The models that were tried, the best first; empty when the order was given, and after loading.
    pub fn rivals(&self) -> &[Rival] {
        &self.rivals
    }

    /// Change of the series for a change of 1 in each regressor.
    pub fn effects(&self) -> &[f64] {
        &self.effects
    }

    /// Variance of the errors, corrected for the number of coefficients.
    pub fn error_variance(&self) -> f64 {
        self.variance
    }

    /// Logarithm of the likelihood of the differenced series.
    pub fn log_likelihood(&self) -> f64 {
        -0.5 * self.loss
    }

    /// Corrected information criterion; smaller is better, infinite for too few values. To be
    /// compared between models with the same differences of one series.
    pub fn aicc(&self) -> f64 {
        self.aicc
    }

    /// Whether the state is known up to the next error, so that an update takes `O(r)`.
    pub fn is_settled(&self) -> bool {
        self.uncertainty.is_none()
    }

    /// The same coefficients played over another series, from its beginning: what
    /// [`update`](OnlineForecaster::update) over all of it would give.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when the instants are not equally spaced, [`FitError::Param`] when
    /// `regressors` are not those of the fit in number, or not finite.
    pub fn replay_with(
        &self,
        series: SeriesView<'_>,
        regressors: ArrayView2<'_, f64>,
    ) -> Result<Self, FitError> {
        let columns = columns(regressors, series.len())?;
        self.same_number(columns.len())?;
        let mut model = self.clone();
        model.grid = Grid::after(series)?;
        model.play(series.values(), &columns);
        Ok(model)
    }

    fn same_number(&self, columns: usize) -> Result<(), ParamError> {
        let expected = self.effects.len();
        if columns == expected {
            Ok(())
        } else {
            let got = format!("{columns} where the fit had {expected}");
            Err(ParamError::new("regressors", "the columns of the fit", got))
        }
    }

    /// Takes in the next sample with its regressors. Those of a missing sample are not looked at.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when they are not as many as in the fit, or not finite; nothing is learned then.
    pub fn update_with(&mut self, sample: Sample, regressors: &[f64]) -> Result<(), ParamError> {
        self.same_number(regressors.len())?;
        if let Some(column) = regressors.iter().position(|value| !value.is_finite()) {
            let got = format!("{} in column {column}", regressors[column]);
            return Err(ParamError::new("regressors", "finite", got));
        }
        self.take(known(sample) - crate::optimise::dot(&self.effects, regressors));
        Ok(())
    }

    fn take(&mut self, value: f64) {
        let rest = value - self.level(self.seen);
        let rest = if rest.is_finite() { rest } else { f64::NAN };
        self.space
            .take(&mut self.state, &mut self.uncertainty, rest);
        self.seen += 1;
        self.grid.advance();
    }

    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let mut state = self.state.clone();
        let mean = (0..horizon)
            .map(|ahead| {
                let value = self.level(self.seen + ahead) + self.space.expected(&state);
                self.space.advance(&mut state, None);
                value
            })
            .collect();
        let variances = self.space.variances(&self.uncertainty, horizon);
        let sd = variances
            .into_iter()
            .map(|variance| (variance * self.variance).sqrt())
            .collect();
        Moments { mean, sd }
    }

    /// A forecast with known regressors: a row for each step, a column for each regressor.
    ///
    /// # Errors
    ///
    /// [`ForecastError::Param`] when their shape is not that of horizon and fit, or one is not finite;
    /// as [`forecast`](FittedForecaster::forecast).
    pub fn forecast_with(
        &self,
        horizon: usize,
        levels: &[f64],
        regressors: ArrayView2<'_, f64>,
    ) -> Result<Forecast, ForecastError> {
        check_request(horizon, levels)?;
        let columns = columns(regressors, horizon)?;
        self.same_number(columns.len())?;
        self.grid.normal(horizon, levels, |horizon| {
            let mut moments = self.moments(horizon);
            for (effect, column) in self.effects.iter().zip(&columns) {
                for (mean, value) in moments.mean.iter_mut().zip(column) {
                    *mean += effect * value;
                }
            }
            moments
        })
    }
}

impl FittedForecaster for FittedArima {
    /// Without regressors; a model with some says so in its error.
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.same_number(0)?;
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedArima {
    /// A model with regressors learns nothing from a sample without them: it counts as missing; see
    /// [`update_with`](FittedArima::update_with).
    fn update(&mut self, sample: Sample) {
        let value = if self.effects.is_empty() {
            known(sample)
        } else {
            f64::NAN
        };
        self.take(value);
    }
}
