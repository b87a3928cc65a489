//! The Theta method, classical and dynamic optimised.
//!
//! Assimakopoulos and Nikolopoulos, *The theta model: a decomposition approach to forecasting*, IJF
//! 2000; Fiorucci, Pellegrini, Louzada, Petropoulos and Koehler, *Models for optimising the theta
//! method and their relationship to state space models*, IJF 2016.
//!
//! For a given smoothing `alpha` the one-step errors are linear in the initial level and in
//! `1 - 1 / theta`, so those two come from a regression and only `alpha` is searched.

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView,
};

use crate::grid::{Grid, Moments, filled};
use crate::naive::known;
use crate::naive2::Factors;

/// Bounds of `alpha`, as in the paper's software.
const ALPHA: (f64, f64) = (0.1, 0.99);
/// Points of the first, coarse search for `alpha`, and halvings of the interval after it.
const COARSE: usize = 9;
const FINE: usize = 12;
/// Errors before this one are not counted: the line has no slope yet.
const FIRST: usize = 2;

/// Which of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ThetaKind {
    /// `theta = 2` with one line through the whole series: exponential smoothing with half the slope.
    Classical,
    /// `theta` is estimated and the line moves with the series.
    DynamicOptimised,
}

/// Parameters of [`Theta`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ThetaConfig {
    /// Which of the family; the default is the dynamic optimised one.
    pub kind: ThetaKind,
    /// Samples in a season, from 1 to 8784; 1 for none. It is taken out only where the
    /// autocorrelation says at 90 % that it is there and its factors are positive.
    pub season: usize,
}

impl Default for ThetaConfig {
    fn default() -> Self {
        Self {
            kind: ThetaKind::DynamicOptimised,
            season: 1,
        }
    }
}

/// The Theta method.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::theta::{Theta, ThetaConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 30)?;
/// let orders = Series::new(axis, (0..30).map(|i| 50.0 + f64::from(i)).collect())?;
/// let model = Theta::try_from(ThetaConfig::default())?.fit(orders.view())?;
/// assert!((model.forecast(2, &[])?.mean()[1] - 81.0).abs() < 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// f(t) = l + (1 - 1/theta) ((1 - alpha)^(t-1) A + (1 - (1 - alpha)^t) / alpha B)
/// l' = alpha y + (1 - alpha) l;  A, B: intercept and slope of the straight line so far
/// ```
///
/// # Cost
///
/// Some 35 passes of about 5 ns for each value. Updating is `O(1)`.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 3 values | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | missing values | filled by straight lines in training; in an update the expectation stands in |
/// | values that are not positive | no season is taken out |
/// | constant series | the constant, with quantiles that touch it |
///
/// # Not good for
///
/// Several seasons, additive seasons around 0, slopes that must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theta {
    config: ThetaConfig,
}

impl TryFrom<ThetaConfig> for Theta {
    type Error = ParamError;

    fn try_from(config: ThetaConfig) -> Result<Self, ParamError> {
        if (1..=8_784).contains(&config.season) {
            Ok(Self { config })
        } else {
            Err(ParamError::new("season", "from 1 to 8784", config.season))
        }
    }
}

/// What [`Theta`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedTheta {
    alpha: f64,
    /// `1 - 1 / theta`.
    weight: f64,
    dynamic: bool,
    season: Option<Factors>,
    start: State,
    state: State,
    sigma: f64,
    grid: Grid,
}

/// Level, line and clock.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    level: f64,
    intercept: f64,
    slope: f64,
    mean: f64,
    /// Values seen.
    seen: usize,
    /// `(1 - alpha)^seen`.
    fade: f64,
}

impl State {
    /// What the line adds to the next expectation for a weight of 1.
    fn line(&self, alpha: f64) -> f64 {
        let ramp = (1.0 - self.fade * (1.0 - alpha)) / alpha;
        self.fade * self.intercept + ramp * self.slope
    }

    fn take(&mut self, alpha: f64, dynamic: bool, y: f64) {
        self.level = alpha * y + (1.0 - alpha) * self.level;
        self.seen += 1;
        self.fade *= 1.0 - alpha;
        if dynamic {
            self.move_line(y);
        }
    }

    /// The least-squares line with one more value.
    fn move_line(&mut self, y: f64) {
        let t = self.seen as f64;
        let before = self.mean;
        self.mean += (y - before) / t;
        self.slope = if self.seen == 1 {
            0.0
        } else {
            ((t - 2.0) * self.slope + 6.0 * (y - before) / t) / (t + 1.0)
        };
        self.intercept = self.mean - self.slope * (t + 1.0) / 2.0;
    }
}

impl Forecaster for Theta {
    type Model = FittedTheta;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedTheta, FitError> {
        train.require(3)?;
        let grid = Grid::after(train)?;
        let mut values = filled(train.values());
        let season = Factors::of(&values, self.config.season);
        if let Some(season) = &season {
            for (index, value) in values.iter_mut().enumerate() {
                *value /= season.at(index);
            }
        }
        let dynamic = self.config.kind == ThetaKind::DynamicOptimised;
        let (alpha, fit) = search(&values, dynamic);
        let start = State {
            level: fit.level,
            ..first(&values, dynamic)
        };
        let mut state = start;
        for &value in &values {
            state.take(alpha, dynamic, value);
        }
        let n = values.len() as f64;
        let sigma = (fit.squares / (n - FIRST as f64 - 3.0).max(0.5 * n)).sqrt();
        Ok(FittedTheta {
            alpha,
            weight: fit.weight,
            dynamic,
            season,
            start,
            state,
            sigma,
            grid,
        })
    }
}

/// Before the first value; the line of the classical method is known at once.
fn first(values: &[f64], dynamic: bool) -> State {
    let mut state = State {
        level: 0.0,
        intercept: 0.0,
        slope: 0.0,
        mean: 0.0,
        seen: 0,
        fade: 1.0,
    };
    if !dynamic {
        for &value in values {
            state.seen += 1;
            state.move_line(value);
        }
        state.seen = 0;
    }
    state
}

/// The best initial level and weight for one `alpha`.
#[derive(Clone, Copy, Debug)]
struct Fit {
    level: f64,
    weight: f64,
    squares: f64,
}

fn search(values: &[f64], dynamic: bool) -> (f64, Fit) {
    let start = first(values, dynamic);
    let at = |alpha: f64| (alpha, regress(values, start, alpha, dynamic));
    let step = (ALPHA.1 - ALPHA.0) / (COARSE - 1) as f64;
    let mut best = at(ALPHA.0);
    for point in 1..COARSE {
        let tried = at(ALPHA.0 + step * point as f64);
        if tried.1.squares < best.1.squares {
            best = tried;
        }
    }
    let mut reach = step;
    for _ in 0..FINE {
        reach *= 0.5;
        for side in [-reach, reach] {
            let tried = at((best.0 + side).clamp(ALPHA.0, ALPHA.1));
            if tried.1.squares < best.1.squares {
                best = tried;
                break;
            }
        }
    }
    best
}

/// Least squares over the initial level and the weight, which stays in `[0, 1]`.
fn regress(values: &[f64], start: State, alpha: f64, dynamic: bool) -> Fit {
    let mut state = start;
    // Products of rest (without initial level and line), fade and line.
    let (mut rr, mut rf, mut rg, mut ff, mut fg, mut gg) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let centre = values[0];
    for (t, &value) in values.iter().enumerate() {
        let y = value - centre;
        if t >= FIRST {
            let (r, f, g) = (y - state.level, state.fade, state.line(alpha));
            rr += r * r;
            rf += r * f;
            rg += r * g;
            ff += f * f;
            fg += f * g;
            gg += g * g;
        }
        state.level = alpha * y + (1.0 - alpha) * state.level;
        state.seen += 1;
        state.fade *= 1.0 - alpha;
        if dynamic {
            state.move_line(value);
        }
    }
    let for_weight = |weight: f64| {
        let level = if ff > 0.0 {
            (rf - weight * fg) / ff
        } else {
            0.0
        };
        let squares =
            rr + level * level * ff + weight * weight * gg - 2.0 * level * rf - 2.0 * weight * rg
                + 2.0 * level * weight * fg;
        Fit {
            level: level + centre,
            weight,
            squares: squares.max(0.0),
        }
    };
    if !dynamic {
        return for_weight(0.5);
    }
    let determinant = ff * gg - fg * fg;
    let free = (rg * ff - rf * fg) / determinant;
    for_weight(if free.is_finite() {
        free.clamp(0.0, 1.0 - 1e-6)
    } else {
        0.5
    })
}

impl FittedTheta {
    /// Smoothing of the level.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The curvature that was kept: 1 is no line at all, 2 the classical method; large values follow
    /// the line.
    pub fn theta(&self) -> f64 {
        1.0 / (1.0 - self.weight)
    }

    /// Whether a season was taken out.
    pub fn is_seasonal(&self) -> bool {
        self.season.is_some()
    }

    fn expected(&self, state: &State) -> f64 {
        state.level + self.weight * state.line(self.alpha)
    }

    /// Factor of the value that comes `ahead` after the next.
    fn factor(&self, ahead: usize) -> f64 {
        self.season
            .as_ref()
            .map_or(1.0, |season| season.at(self.state.seen + ahead))
    }

    /// The same parameters and initial states played over another series, gaps as in
    /// [`update`](OnlineForecaster::update).
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when the instants are not equally spaced.
    pub fn replay(&self, series: SeriesView<'_>) -> Result<Self, FitError> {
        let mut model = self.clone();
        model.grid = Grid::after(series)?;
        model.state = self.start;
        series.values().iter().for_each(|&value| model.take(value));
        Ok(model)
    }

    fn take(&mut self, value: f64) {
        let adjusted = value / self.factor(0);
        let y = if adjusted.is_finite() {
            adjusted
        } else {
            self.expected(&self.state)
        };
        self.state.take(self.alpha, self.dynamic, y);
    }

    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let mut state = self.state;
        let mut mean = Vec::with_capacity(horizon);
        let mut sd = Vec::with_capacity(horizon);
        for ahead in 0..horizon {
            let (expected, factor) = (self.expected(&state), self.factor(ahead));
            mean.push(expected * factor);
            let spread = 1.0 + ahead as f64 * self.alpha * self.alpha;
            sd.push(self.sigma * spread.sqrt() * factor);
            state.take(self.alpha, self.dynamic, expected);
        }
        Moments { mean, sd }
    }
}

impl FittedForecaster for FittedTheta {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedTheta {
    fn update(&mut self, sample: Sample) {
        self.take(known(sample));
        self.grid.advance();
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{ALPHA, FittedTheta, State};
    use crate::grid::Grid;
    use crate::naive2::Factors;
    use crate::wire::{GridV1, finite};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        alpha: f64,
        #[serde(with = "exact")]
        weight: f64,
        dynamic: bool,
        /// Empty for none.
        #[serde(with = "exact_vec")]
        factors: Vec<f64>,
        start: StateV1,
        state: StateV1,
        #[serde(with = "exact")]
        sigma: f64,
        grid: GridV1,
    }

    /// `level`, `intercept`, `slope`, `mean`, `fade`.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct StateV1 {
        #[serde(with = "exact_vec")]
        numbers: Vec<f64>,
        seen: usize,
    }

    impl From<State> for StateV1 {
        fn from(state: State) -> Self {
            let State {
                level,
                intercept,
                slope,
                mean,
                seen,
                fade,
            } = state;
            Self {
                numbers: vec![level, intercept, slope, mean, fade],
                seen,
            }
        }
    }

    impl TryFrom<StateV1> for State {
        type Error = LoadError;

        fn try_from(wire: StateV1) -> Result<Self, LoadError> {
            finite("number of a state", &wire.numbers)?;
            let [level, intercept, slope, mean, fade] = wire.numbers[..] else {
                return Err(LoadError::payload("not the five numbers of a state"));
            };
            Ok(Self {
                level,
                intercept,
                slope,
                mean,
                seen: wire.seen,
                fade,
            })
        }
    }

    impl StoredModel for FittedTheta {
        const KIND: &'static str = "forecast.theta";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let factors = self.season.as_ref().map(|season| season.factors.clone());
            V1 {
                alpha: self.alpha,
                weight: self.weight,
                dynamic: self.dynamic,
                factors: factors.unwrap_or_default(),
                start: self.start.into(),
                state: self.state.into(),
                sigma: self.sigma,
                grid: self.grid.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            finite("factor", &wire.factors)?;
            let inside = (ALPHA.0..=ALPHA.1).contains(&wire.alpha)
                && (0.0..1.0).contains(&wire.weight)
                && wire.sigma >= 0.0
                && wire.factors.iter().all(|&factor| factor > 0.0);
            if !inside {
                return Err(LoadError::payload("a parameter is out of range"));
            }
            let factors = wire.factors;
            Ok(Self {
                alpha: wire.alpha,
                weight: wire.weight,
                dynamic: wire.dynamic,
                season: (!factors.is_empty()).then_some(Factors { factors }),
                start: wire.start.try_into()?,
                state: wire.state.try_into()?,
                sigma: wire.sigma,
                grid: Grid::try_from(wire.grid)?,
            })
        }
    }
}
