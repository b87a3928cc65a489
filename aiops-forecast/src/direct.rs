//! Regression on the past at the same place of each season, for all steps ahead at once.
//!
//! The base is the seasonal naive forecast; a ridge regression learns what to add to it: part of the
//! difference to a longer season, to the mean of several cycles, and of the recent deviation, which
//! fades with the step. The rows of the regression are pairs of an origin and a step ahead, so the
//! coefficients are those that are best at the horizon wanted, not one step ahead (the direct
//! strategy: Ben Taieb, Bontempi, Atiya and Sorjamaa, *A review and comparison of strategies for
//! multi-step ahead time series forecasting*, Expert Systems with Applications 2012). Shrinking all
//! coefficients to 0 gives the seasonal naive forecast.

use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView,
};

use crate::grid::{Grid, Moments, filled};
use crate::mstl::check_seasons;
use crate::naive::known;

/// Cycles of the shortest season that a profile is the mean of.
const CYCLES: usize = 4;
/// Cycles of the longest season, likewise.
const LONG_CYCLES: usize = 3;
/// Origins that the regression is trained on.
const ORIGINS: usize = 80;
/// Steps after which a deviation has faded to 1/e, in shortest seasons.
const FADES: [f64; 3] = [0.08, 0.5, 3.0];
/// Columns at most.
const COLUMNS: usize = 10;
/// Rows that the belief in the seasonal naive forecast counts for.
const PRIOR_ROWS: f64 = 60.0;

/// Parameters of [`Direct`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct DirectConfig {
    /// Samples in each season, at least 2, increasing; the default is a day and a week of hours.
    /// A longer one is used where three cycles of it are there.
    pub seasons: Vec<usize>,
    /// Steps ahead to train for, at least 1; farther ones use the same coefficients.
    pub horizon: usize,
    /// Whether to work on logarithms; needs positive values.
    pub logarithm: bool,
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self {
            seasons: vec![24, 168],
            horizon: 24,
            logarithm: false,
        }
    }
}

/// Direct seasonal regression.
///
/// # Cost
///
/// Some 80 origins times the horizon rows of ten columns: about 1 ms for 48 steps. A fitted model
/// holds the last cycles of the longest season. Updating is `O(1)`.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than three of the shortest season and a horizon | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | missing values | filled by straight lines in training; in an update the value one season ago stands in |
/// | values that are not positive with `logarithm` | [`ParamError`] |
/// | constant series | the constant |
///
/// # Not good for
///
/// Series without a season.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direct {
    config: DirectConfig,
}

impl TryFrom<DirectConfig> for Direct {
    type Error = ParamError;

    fn try_from(config: DirectConfig) -> Result<Self, ParamError> {
        check_seasons(&config.seasons)?;
        if config.seasons.is_empty() {
            return Err(ParamError::new("seasons", "not empty", "none"));
        }
        if config.horizon == 0 {
            return Err(ParamError::new("horizon", "at least 1", config.horizon));
        }
        Ok(Self { config })
    }
}

/// What [`Direct`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedDirect {
    shape: Shape,
    coefficients: [f64; COLUMNS],
    /// Standard deviation of the errors at the first and at the last step trained.
    spread: (f64, f64),
    horizon: usize,
    logarithm: bool,
    /// The last values, as far back as the columns reach.
    past: Vec<f64>,
    grid: Grid,
}

/// Which values the columns are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    season: usize,
    /// The longer season, where there are enough cycles of it.
    long: Option<usize>,
}

impl Shape {
    /// Samples that must lie before an origin.
    fn reach(self) -> usize {
        let short = CYCLES * self.season;
        self.long
            .map_or(short, |long| short.max(LONG_CYCLES * long))
            + self.season
            + 1
    }

    /// Mean over as many cycles as there are.
    fn profile(past: &[f64], ahead: usize, season: usize, cycles: usize) -> f64 {
        let first = ahead / season + 1;
        let (mut sum, mut count) = (0.0, 0.0);
        for cycle in first..first + cycles {
            let back = cycle * season - ahead;
            if back <= past.len() {
                sum += past[past.len() - back];
                count += 1.0;
            }
        }
        sum / f64::max(count, 1.0)
    }

    /// The seasonal naive forecast `ahead` steps after the next value, and the columns.
    fn row(self, past: &[f64], recent: &Recent, ahead: usize) -> (f64, [f64; COLUMNS]) {
        let base = Self::profile(past, ahead, self.season, 1);
        let mut columns = [0.0; COLUMNS];
        columns[0] = Self::profile(past, ahead, self.season, 2) - base;
        columns[1] = Self::profile(past, ahead, self.season, CYCLES) - base;
        if let Some(long) = self.long {
            columns[2] = Self::profile(past, ahead, long, 1) - base;
            columns[3] = Self::profile(past, ahead, long, LONG_CYCLES) - base;
            columns[4] = recent.since_long;
        }
        columns[5] = recent.season;
        let steps = (ahead + 1) as f64 / self.season as f64;
        for (column, fade) in columns[6..9].iter_mut().zip(FADES) {
            *column = recent.last * (-steps / fade).exp();
        }
        columns[9] = recent.few * (-steps / FADES[1]).exp();
        (base, columns)
    }
}

/// How the last values deviate from those a season before.
struct Recent {
    /// The last value; the last few; the whole season.
    last: f64,
    few: f64,
    season: f64,
    /// The last season from the one a long season before.
    since_long: f64,
}

impl Recent {
    fn of(past: &[f64], shape: Shape) -> Self {
        let n = past.len();
        let mean = |from: usize, to: usize| aiops_core::numerics::mean(&past[from..to]);
        let season = shape.season;
        let few = (season / 4).clamp(1, 6);
        let since = |len: usize, back: usize| {
            if n >= len + back {
                mean(n - len, n) - mean(n - len - back, n - back)
            } else {
                0.0
            }
        };
        Self {
            last: since(1, season),
            few: since(few, season),
            season: since(season, season),
            since_long: shape.long.map_or(0.0, |long| since(season, long)),
        }
    }
}

impl Forecaster for Direct {
    type Model = FittedDirect;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedDirect, FitError> {
        let DirectConfig {
            seasons,
            horizon,
            logarithm,
        } = &self.config;
        let grid = Grid::after(train)?;
        let season = seasons[0];
        let n = train.len();
        let horizon = (*horizon).min(n.saturating_sub(3 * season)).max(1);
        train.require(3 * season + 1)?;
        let mut values = filled(train.values());
        if *logarithm {
            if values.iter().any(|&value| value <= 0.0) {
                let expected = "off for values that are not positive";
                return Err(ParamError::new("logarithm", expected, true).into());
            }
            for value in &mut values {
                *value = value.ln();
            }
        }
        let long = seasons
            .last()
            .copied()
            .filter(|&long| long > season && n >= 3 * long);
        let shape = Shape { season, long };
        let (coefficients, spread) = regress(&values, shape, horizon);
        let keep = shape.reach().min(n);
        Ok(FittedDirect {
            shape,
            coefficients,
            spread,
            horizon,
            logarithm: *logarithm,
            past: values.split_off(n - keep),
            grid,
        })
    }
}

/// Coefficients, and the spread of what they leave at the first and the last step.
fn regress(values: &[f64], shape: Shape, horizon: usize) -> ([f64; COLUMNS], (f64, f64)) {
    let n = values.len();
    let first = (2 * shape.season).max(shape.long.map_or(0, |long| long + shape.season));
    let first = first.min(n - horizon);
    let last = n - horizon;
    let count = (last - first + 1).min(ORIGINS);
    // Origins at all phases, the newest among them.
    let origin = |index: usize| last - index * (last - first) / (count.max(2) - 1);
    let steps: Vec<usize> = {
        let every = horizon.div_ceil(48);
        (0..horizon).step_by(every).collect()
    };
    let mut normal = Normal::default();
    for index in 0..count {
        let at = origin(index);
        let past = &values[..at];
        let recent = Recent::of(past, shape);
        for &ahead in &steps {
            let (base, columns) = shape.row(past, &recent, ahead);
            normal.add(&columns, values[at + ahead] - base);
        }
    }
    let coefficients = normal.solve(PRIOR_ROWS);
    let mut squares = [(0.0, 0.0); 2];
    for index in 0..count {
        let at = origin(index);
        let past = &values[..at];
        let recent = Recent::of(past, shape);
        for &ahead in &steps {
            let (base, columns) = shape.row(past, &recent, ahead);
            let error = values[at + ahead] - base - crate::optimise::dot(&columns, &coefficients);
            let late = usize::from(2 * ahead >= horizon);
            squares[late].0 += error * error;
            squares[late].1 += 1.0;
        }
    }
    let root = |(sum, count): (f64, f64)| (sum / f64::max(count, 1.0)).sqrt();
    let late = root(squares[1]);
    let early = if squares[0].1 > 0.0 {
        root(squares[0])
    } else {
        late
    };
    (coefficients, (early.min(late), late.max(early)))
}

/// Sums of products of the columns.
#[derive(Default)]
struct Normal {
    products: [[f64; COLUMNS]; COLUMNS],
    with_target: [f64; COLUMNS],
    rows: f64,
}

impl Normal {
    fn add(&mut self, columns: &[f64; COLUMNS], target: f64) {
        for (row, &left) in columns.iter().enumerate() {
            for (cell, &right) in self.products[row].iter_mut().zip(columns) {
                *cell += left * right;
            }
            self.with_target[row] += left * target;
        }
        self.rows += 1.0;
    }

    /// Ridge regression by Cholesky's decomposition; every column is shrunk as if `prior` rows of
    /// its own size had said 0.
    fn solve(&self, prior: f64) -> [f64; COLUMNS] {
        let mut lower = [[0.0; COLUMNS]; COLUMNS];
        let mut out = [0.0; COLUMNS];
        let widest = (0..COLUMNS)
            .map(|i| self.products[i][i])
            .fold(0.0, f64::max);
        let least = 1e-9 * widest + f64::MIN_POSITIVE;
        for i in 0..COLUMNS {
            for j in 0..=i {
                let mut sum = self.products[i][j];
                if i == j {
                    sum += sum * prior / self.rows.max(1.0) + least;
                }
                sum -= crate::optimise::dot(&lower[i][..j], &lower[j][..j]);
                lower[i][j] = if i == j {
                    sum.max(least).sqrt()
                } else {
                    sum / lower[j][j]
                };
            }
            let known = crate::optimise::dot(&lower[i][..i], &out[..i]);
            out[i] = (self.with_target[i] - known) / lower[i][i];
        }
        for i in (0..COLUMNS).rev() {
            let known: f64 = (i + 1..COLUMNS).map(|k| lower[k][i] * out[k]).sum();
            out[i] = (out[i] - known) / lower[i][i];
        }
        if out.iter().all(|value| value.is_finite()) {
            out
        } else {
            [0.0; COLUMNS]
        }
    }
}

impl FittedDirect {
    pub(crate) fn moments(&self, horizon: usize) -> Moments {
        let recent = Recent::of(&self.past, self.shape);
        let (early, late) = self.spread;
        let (mut mean, mut sd) = (Vec::with_capacity(horizon), Vec::with_capacity(horizon));
        for ahead in 0..horizon {
            let (base, columns) = self.shape.row(&self.past, &recent, ahead);
            let value = base + crate::optimise::dot(&columns, &self.coefficients);
            let share = ((ahead + 1) as f64 / self.horizon as f64).min(1.0);
            let farther = ((ahead + 1) as f64 / self.horizon as f64).max(1.0).sqrt();
            let spread = (early + (late - early) * share) * farther;
            if self.logarithm {
                let value = value.exp();
                mean.push(value);
                sd.push(value * spread);
            } else {
                mean.push(value);
                sd.push(spread);
            }
        }
        Moments { mean, sd }
    }
}

impl FittedForecaster for FittedDirect {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        self.grid
            .normal(horizon, levels, |horizon| self.moments(horizon))
    }
}

impl OnlineForecaster for FittedDirect {
    fn update(&mut self, sample: Sample) {
        let value = known(sample);
        let value = if self.logarithm { value.ln() } else { value };
        let stand_in = Shape::profile(&self.past, 0, self.shape.season, 1);
        let keep = self.past.len();
        self.past.rotate_left(1);
        self.past[keep - 1] = if value.is_finite() { value } else { stand_in };
        self.grid.advance();
    }
}
