//! Exponential smoothing in state space form.
//!
//! Hyndman, Koehler, Ord and Snyder, *Forecasting with Exponential Smoothing: The State Space
//! Approach*, Springer 2008; the selection by `AICc` is that of Hyndman, Koehler, Snyder and Grose,
//! *A state space framework for automatic forecasting using exponential smoothing methods*, IJF
//! 2002.
//!
//! Likelihoods are maximised with exact derivatives over smoothing parameters and initial states
//! together, which costs a hundred passes where a simplex needs thousands, and ends lower.

mod auto;
mod fit;
mod form;
mod pass;
mod variance;
#[cfg(feature = "serde")]
pub(crate) mod wire;

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView,
};

pub use auto::{AutoEts, AutoEtsConfig, Rival};
use fit::Fixed;
pub(crate) use fit::centred_average;
pub use form::{ErrorKind, Form, SeasonKind, TrendKind};
use pass::{Smoothing, State};

use crate::grid::Grid;

/// The longest season. Above it initial states outnumber what a series tells about them.
pub(crate) const MAX_SEASON: usize = 512;

/// Parameters of [`Ets`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct EtsConfig {
    /// The form; the default is `AAdN`.
    pub form: Form,
    /// Samples in a season, from 2 to 512 for a seasonal form; not used by others.
    pub season: usize,
    /// Smoothing of the level, in `(0, 1)`; estimated when not given.
    pub alpha: Option<f64>,
    /// Smoothing of the slope, in `(0, 1)`; estimated below `alpha` when not given.
    pub beta: Option<f64>,
    /// Smoothing of the season, in `(0, 1)`; estimated below `1 - alpha` when not given.
    pub gamma: Option<f64>,
    /// Damping, in `(0, 1)`; estimated in `[0.8, 0.98]` when not given.
    pub phi: Option<f64>,
}

impl Default for EtsConfig {
    fn default() -> Self {
        Self {
            form: Form::new(ErrorKind::Additive, TrendKind::Damped, SeasonKind::None),
            season: 1,
            alpha: None,
            beta: None,
            gamma: None,
            phi: None,
        }
    }
}

/// Exponential smoothing of one form.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::ets::{Ets, EtsConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 8)?;
/// let requests = Series::new(axis, vec![10.0, 12.0, 13.0, 15.0, 16.0, 18.0, 19.0, 21.0])?;
///
/// let mut config = EtsConfig::default();
/// config.form = "AAN".parse()?; // additive error, additive trend, no season
/// let model = Ets::try_from(config)?.fit(requests.view())?;
/// let ahead = model.forecast(2, &[0.1, 0.9])?;
/// assert!((ahead.mean()[1] - 24.0).abs() < 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// q = l + phi b                       f = q, q + s or q s
/// l' = q + alpha u,  b' = phi b + beta u,  s' = s + gamma v
/// u = e, or e / s for a multiplicative season;  v = e, or e / q
/// ```
///
/// # Cost
///
/// Fitting costs some hundred passes over the series of about 10 ns for each value and pass,
/// updating about 10 ns. A fitted model holds its states: 8 bytes for each sample of a season, twice.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 3 values, or two seasons of a seasonal form | [`aiops_core::DataError::TooShort`] |
/// | missing values | the states move on, nothing is learned |
/// | values that are not positive | a multiplicative form is refused with [`ParamError`] |
/// | constant series | the constant, with quantiles that touch it |
/// | a value that is not positive in an update of a multiplicative form | taken in; level and season are kept away from 0 |
/// | more parameters than values allow | fitted; [`FittedEts::aicc`] is infinite |
/// | instants not equally spaced | [`aiops_core::DataError::Irregular`] |
///
/// # Not good for
///
/// Several seasons, seasons of hundreds of samples (see [`mstl`](crate::mstl)), sudden changes of
/// level, and counts near 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Ets {
    config: EtsConfig,
}

impl TryFrom<EtsConfig> for Ets {
    type Error = ParamError;

    fn try_from(config: EtsConfig) -> Result<Self, ParamError> {
        if !config.form.is_admissible() {
            return Err(ParamError::new("form", "admissible", config.form));
        }
        if config.form.is_seasonal() && !(2..=MAX_SEASON).contains(&config.season) {
            return Err(ParamError::new("season", "from 2 to 512", config.season));
        }
        let shares = [
            ("alpha", config.alpha),
            ("beta", config.beta),
            ("gamma", config.gamma),
            ("phi", config.phi),
        ];
        for (name, share) in shares {
            if let Some(share) = share
                && !(share > 0.0 && share < 1.0)
            {
                return Err(ParamError::new(name, "between 0 and 1, exclusive", share));
            }
        }
        Ok(Self { config })
    }
}

impl Forecaster for Ets {
    type Model = FittedEts;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedEts, FitError> {
        let EtsConfig {
            form,
            season,
            alpha,
            beta,
            gamma,
            phi,
        } = self.config;
        let fixed = Fixed {
            alpha,
            beta,
            gamma,
            phi,
        };
        let grid = check(train, form, season)?;
        FittedEts::of(train.values(), grid, form, season, fixed)
            .ok_or(FitError::NotConverged { iterations: 0 })
    }
}

fn check(train: SeriesView<'_>, form: Form, season: usize) -> Result<Grid, FitError> {
    train.require(if form.is_seasonal() {
        (2 * season).max(3)
    } else {
        3
    })?;
    let lowest = train.present().fold(f64::INFINITY, f64::min);
    if form.needs_positive() && lowest <= 0.0 {
        return Err(
            ParamError::new("form", "additive for values that are not positive", form).into(),
        );
    }
    Ok(Grid::after(train)?)
}

/// Exponential smoothing that stands at the end of what it has seen.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedEts {
    form: Form,
    smoothing: Smoothing,
    start: State,
    state: State,
    /// Standard deviation of one error.
    sigma: f64,
    /// Minus twice the likelihood, without constants, of the training series.
    loss: f64,
    aicc: f64,
    grid: Grid,
    rivals: Vec<Rival>,
}

impl FittedEts {
    fn of(values: &[f64], grid: Grid, form: Form, season: usize, fixed: Fixed) -> Option<Self> {
        let fit = fit::fit(values, form, season, fixed)?;
        let n = values.iter().filter(|value| !value.is_nan()).count() as f64;
        let k = form.parameters(season) as f64;
        let mut model = Self {
            form,
            smoothing: fit.smoothing,
            start: fit.start.clone(),
            state: fit.start,
            sigma: 0.0,
            loss: fit.loss,
            aicc: aicc(fit.loss, n, k),
            grid,
            rivals: Vec::new(),
        };
        let squares: f64 = values
            .iter()
            .map(|&value| model.state.step(form, model.smoothing, value))
            .filter(|error| !error.is_nan())
            .map(|error| error * error)
            .sum();
        let lost = form.parameters(season) as f64 - 1.0;
        model.sigma = (squares / (n - lost).max(0.5 * n)).sqrt();
        Some(model)
    }

    /// The form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Log-likelihood of the training series without constants, as R's `ets` gives it.
    pub fn log_likelihood(&self) -> f64 {
        -0.5 * self.loss
    }

    /// Corrected information criterion of the training series; smaller is better, infinite when
    /// there are more parameters than values allow. To be compared between forms on one series.
    pub fn aicc(&self) -> f64 {
        self.aicc
    }

    /// Smoothing parameters `alpha`, `beta`, `gamma`, `phi`; those that the form lacks are 0, and
    /// `phi` is then 1.
    pub fn smoothing(&self) -> [f64; 4] {
        let Smoothing {
            alpha,
            beta,
            gamma,
            phi,
        } = self.smoothing;
        [alpha, beta, gamma, phi]
    }

    /// Level and slope now, the slope 0 where the form has none.
    pub fn level_and_slope(&self) -> (f64, f64) {
        (self.state.level, self.state.slope)
    }

    /// The season now, from the next instant on; empty where the form has none.
    pub fn season(&self) -> Vec<f64> {
        let mut season = self.state.season.clone();
        season.rotate_left(self.state.at);
        season
    }

    /// The forms that were tried, the best first; empty when the form was given.
    pub fn rivals(&self) -> &[Rival] {
        &self.rivals
    }

    /// The same parameters and initial states played over another series: what
    /// [`update`](OnlineForecaster::update) over all of it would give.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when the instants are not equally spaced.
    pub fn replay(&self, series: SeriesView<'_>) -> Result<Self, FitError> {
        let mut model = self.clone();
        model.grid = Grid::after(series)?;
        model.state = self.start.clone();
        for &value in series.values() {
            model.state.step(self.form, self.smoothing, value);
        }
        Ok(model)
    }

    pub(crate) fn moments(&self, horizon: usize) -> crate::grid::Moments {
        variance::moments(self.form, self.smoothing, &self.state, self.sigma, horizon)
    }
}

/// `loss + 2 k` corrected for small samples; `k` counts the error's variance.
fn aicc(loss: f64, n: f64, k: f64) -> f64 {
    let k = k + 1.0;
    let left = n - k - 1.0;
    if left > 0.0 {
        loss + 2.0 * k + 2.0 * k * (k + 1.0) / left
    } else {
        f64::INFINITY
    }
}

impl FittedForecaster for FittedEts {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedEts {
    fn update(&mut self, sample: Sample) {
        let value = if sample.value.is_finite() {
            sample.value
        } else {
            f64::NAN
        };
        self.state.step(self.form, self.smoothing, value);
        self.grid.advance();
    }
}
