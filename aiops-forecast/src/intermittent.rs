//! Series that are 0 most of the time: errors, restarts, orders of spare parts.
//!
//! Croston, *Forecasting and stock control for intermittent demands*, Operational Research Quarterly
//! 1972; Syntetos and Boylan, *The accuracy of intermittent demand estimates*, IJF 2005; Teunter,
//! Syntetos and Babai, *Intermittent demand: linking forecasting to inventory obsolescence*, EJOR 2011.

use aiops_core::ndarray::Array2;
use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView, check_request,
};

use crate::grid::{Grid, finite};
use crate::naive::known;
use aiops_core::numerics::normal;

/// Smoothings that are tried where none is given (the range that Syntetos and Boylan recommend).
const TRIED: [f64; 5] = [0.05, 0.1, 0.15, 0.2, 0.3];

/// Which of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum IntermittentKind {
    /// Smoothed size over smoothed interval; 6 % too high on average at a smoothing of 0.12.
    Croston,
    /// Croston's without that bias.
    SyntetosBoylan,
    /// Smoothed size times smoothed probability, which also falls while nothing comes.
    TeunterSyntetosBabai,
}

/// Parameters of [`Intermittent`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct IntermittentConfig {
    /// Which of the family; the default is Teunter, Syntetos and Babai's.
    pub kind: IntermittentKind,
    /// Smoothing of sizes, in `(0, 1]`; the one with the least squares when not given.
    pub alpha: Option<f64>,
    /// Smoothing of intervals or probability, likewise.
    pub beta: Option<f64>,
}

impl Default for IntermittentConfig {
    fn default() -> Self {
        Self {
            kind: IntermittentKind::TeunterSyntetosBabai,
            alpha: None,
            beta: None,
        }
    }
}

/// A forecaster of a series that is 0 most of the time.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::intermittent::{Intermittent, IntermittentConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 8)?;
/// let restarts = Series::new(axis, vec![0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0, 2.0])?;
/// let model = Intermittent::try_from(IntermittentConfig::default())?.fit(restarts.view())?;
/// let ahead = model.forecast(2, &[0.5, 0.95])?;
/// assert!((0.5..1.2).contains(&ahead.mean()[0])); // each hour, on average
/// assert_eq!(ahead.quantile(0.5).unwrap()[0], 0.0); // nothing comes in most hours
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// where y > 0:   z' = z + alpha (y - z),  q' = q + beta (interval - q)
/// mean = z / q,  or (1 - beta / 2) z / q,  or p z with p' = p + beta ([y > 0] - p) at every instant
/// ```
///
/// A quantile is that of a mixture: 0 with the probability that nothing comes, else a log-normal size
/// with the smoothed mean and variance. The forecast is the same at every step ahead.
///
/// # Cost
///
/// 25 passes over the series where no smoothing is given; an update takes `O(1)`.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no value | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | nothing but 0 | 0 |
/// | a value below 0 in training | [`ParamError`] naming it |
/// | a value below 0 in an update | counts as missing |
/// | missing values | the interval goes on, nothing else is learned |
///
/// # Not good for
///
/// Series that are seldom 0, trends and seasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intermittent {
    config: IntermittentConfig,
}

impl TryFrom<IntermittentConfig> for Intermittent {
    type Error = ParamError;

    fn try_from(config: IntermittentConfig) -> Result<Self, ParamError> {
        for (name, share) in [("alpha", config.alpha), ("beta", config.beta)] {
            if let Some(share) = share
                && !(share > 0.0 && share <= 1.0)
            {
                return Err(ParamError::new(name, "above 0, at most 1", share));
            }
        }
        Ok(Self { config })
    }
}

/// What [`Intermittent`] learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedIntermittent {
    kind: IntermittentKind,
    alpha: f64,
    beta: f64,
    start: State,
    state: State,
    grid: Grid,
}

/// What is smoothed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct State {
    /// Mean and mean square deviation of the sizes; 0 before the first.
    size: f64,
    spread: f64,
    interval: f64,
    probability: f64,
    /// Instants since the last size.
    waited: f64,
}

impl State {
    /// Before the first value: from the first size, the time it took to come, and the share of
    /// instants with one.
    fn before(values: &[f64]) -> Self {
        let present = values.iter().filter(|value| !value.is_nan());
        let sizes = present.clone().filter(|value| **value > 0.0);
        let first = values.iter().position(|value| *value > 0.0);
        Self {
            size: first.map_or(0.0, |first| values[first]),
            spread: 0.0,
            interval: first.map_or(1.0, |first| (first + 1) as f64),
            probability: sizes.count() as f64 / present.count().max(1) as f64,
            waited: 0.0,
        }
    }

    fn take(&mut self, alpha: f64, beta: f64, value: f64) {
        self.waited += 1.0;
        if value.is_nan() {
            return;
        }
        self.probability += beta * (f64::from(u8::from(value > 0.0)) - self.probability);
        if value > 0.0 {
            if self.size == 0.0 {
                (self.size, self.interval) = (value, self.waited);
            }
            let off = value - self.size;
            self.size += alpha * off;
            self.spread = finite((1.0 - alpha) * (self.spread + alpha * off * off));
            self.interval += beta * (self.waited - self.interval);
            self.waited = 0.0;
        }
    }

    /// Probability that something comes.
    fn probability(&self, kind: IntermittentKind, beta: f64) -> f64 {
        let rate = 1.0 / self.interval.max(1.0);
        match kind {
            IntermittentKind::Croston => rate,
            IntermittentKind::SyntetosBoylan => (1.0 - 0.5 * beta) * rate,
            IntermittentKind::TeunterSyntetosBabai => self.probability.clamp(0.0, 1.0),
        }
    }

    fn mean(&self, kind: IntermittentKind, beta: f64) -> f64 {
        self.probability(kind, beta) * self.size
    }
}

impl Forecaster for Intermittent {
    type Model = FittedIntermittent;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedIntermittent, FitError> {
        train.require(1)?;
        let grid = Grid::after(train)?;
        let values = train.values();
        if let Some(index) = values.iter().position(|value| *value < 0.0) {
            let got = format!("{} at sample {index}", values[index]);
            return Err(ParamError::new("values", "not negative", got).into());
        }
        let IntermittentConfig { kind, alpha, beta } = self.config;
        let start = State::before(values);
        let choices = |given: Option<f64>| given.map_or(TRIED.to_vec(), |one| vec![one]);
        let mut best = FittedIntermittent {
            kind,
            alpha: alpha.unwrap_or(TRIED[1]),
            beta: beta.unwrap_or(TRIED[1]),
            start,
            state: start,
            grid,
        };
        let mut least = f64::INFINITY;
        for alpha in choices(alpha) {
            for &beta in &choices(beta) {
                let mut model = FittedIntermittent {
                    alpha,
                    beta,
                    ..best
                };
                model.state = start;
                let squares = model.play(values);
                if squares < least {
                    (least, best) = (squares, model);
                }
            }
        }
        if least == f64::INFINITY {
            best.state = start;
            best.play(values);
        }
        Ok(best)
    }
}

impl FittedIntermittent {
    /// Takes in all values; the sum of the squared errors.
    fn play(&mut self, values: &[f64]) -> f64 {
        let mut squares = 0.0;
        for &value in values {
            let error = value - self.state.mean(self.kind, self.beta);
            if !error.is_nan() {
                squares += error * error;
            }
            self.state.take(self.alpha, self.beta, value);
        }
        squares
    }

    /// Smoothing of sizes, and of intervals or probability.
    pub fn smoothing(&self) -> (f64, f64) {
        (self.alpha, self.beta)
    }

    /// Probability that something comes at an instant, and its mean size.
    pub fn probability_and_size(&self) -> (f64, f64) {
        let probability = self.state.probability(self.kind, self.beta);
        (probability, self.state.size)
    }

    /// The same parameters and start played over another series.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when the instants are not equally spaced.
    pub fn replay(&self, series: SeriesView<'_>) -> Result<Self, FitError> {
        let mut model = *self;
        model.grid = Grid::after(series)?;
        model.state = self.start;
        for &value in series.values() {
            model.take(value);
        }
        Ok(model)
    }

    fn take(&mut self, value: f64) {
        let value = if value >= 0.0 { value } else { f64::NAN };
        self.state.take(self.alpha, self.beta, value);
    }

    /// Of the mixture.
    fn quantile(&self, level: f64) -> f64 {
        let (probability, size) = self.probability_and_size();
        let nothing = 1.0 - probability;
        if level <= nothing || size <= 0.0 {
            return 0.0;
        }
        let within = ((level - nothing) / probability).min(1.0 - 1e-9);
        let relative = self.state.spread.sqrt() / size;
        let sigma = (relative * relative).ln_1p().sqrt();
        finite(size * (sigma * normal::quantile(within) - 0.5 * sigma * sigma).exp())
    }
}

impl FittedForecaster for FittedIntermittent {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        check_request(horizon, levels)?;
        let axis = self.grid.axis(horizon)?;
        let mean = finite(self.state.mean(self.kind, self.beta));
        let row: Vec<f64> = levels.iter().map(|&level| self.quantile(level)).collect();
        let quantiles = Array2::from_shape_fn((horizon, row.len()), |(_, level)| row[level]);
        Ok(Forecast::new(
            axis,
            vec![mean; horizon],
            levels.to_vec(),
            quantiles,
        )?)
    }
}

impl OnlineForecaster for FittedIntermittent {
    fn update(&mut self, sample: Sample) {
        self.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{FittedIntermittent, IntermittentKind, State};
    use crate::grid::Grid;
    use crate::wire::{GridV1, finite};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        kind: IntermittentKind,
        /// `alpha`, `beta`.
        #[serde(with = "exact_vec")]
        smoothing: Vec<f64>,
        /// `size`, `spread`, `interval`, `probability`, `waited`.
        #[serde(with = "exact_vec")]
        start: Vec<f64>,
        #[serde(with = "exact_vec")]
        state: Vec<f64>,
        grid: GridV1,
    }

    impl From<State> for Vec<f64> {
        fn from(state: State) -> Self {
            vec![
                state.size,
                state.spread,
                state.interval,
                state.probability,
                state.waited,
            ]
        }
    }

    fn state(numbers: &[f64]) -> Result<State, LoadError> {
        finite("number of a state", numbers)?;
        let [size, spread, interval, probability, waited] = *numbers else {
            return Err(LoadError::payload("not the five numbers of a state"));
        };
        let low = [size, spread, interval, probability, waited]
            .iter()
            .any(|one| *one < 0.0);
        if low || probability > 1.0 {
            return Err(LoadError::payload("a number of a state is out of range"));
        }
        Ok(State {
            size,
            spread,
            interval,
            probability,
            waited,
        })
    }

    impl StoredModel for FittedIntermittent {
        const KIND: &'static str = "forecast.intermittent";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                kind: self.kind,
                smoothing: vec![self.alpha, self.beta],
                start: self.start.into(),
                state: self.state.into(),
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let [alpha, beta] = wire.smoothing[..] else {
                return Err(LoadError::payload("not two smoothing parameters"));
            };
            if [alpha, beta]
                .iter()
                .any(|share| !(*share > 0.0 && *share <= 1.0))
            {
                return Err(LoadError::payload("a smoothing parameter is out of range"));
            }
            Ok(Self {
                kind: wire.kind,
                alpha,
                beta,
                start: state(&wire.start)?,
                state: state(&wire.state)?,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
