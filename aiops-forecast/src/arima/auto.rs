//! The order with the best `AICc`.

use std::fmt;

use aiops_core::ndarray::ArrayView2;
use aiops_core::{FitError, Forecaster, ParamError, SeriesView};

use super::design::{Design, Waves, columns};
use super::fit::Fit;
use super::unit_root::{differences, is_constant, seasonal_differences};
use super::{Estimator, FittedArima, Order};
use crate::grid::{Grid, filled};
use crate::mstl::check_seasons;
use crate::products::Products;

/// Longest season carried as states; and alone.
const STATES: usize = 24;
/// Highest orders without and with the season.
const MOST: usize = 5;
const MOST_SEASONAL: usize = 2;
/// Models tried at most.
const TRIES: usize = 94;
/// No root is closer to 0 than this, which keeps models away from the unit circle.
const RADIUS: f64 = 1.01;
/// Values times states above which the search looks at conditional sums of squares.
const EXACT: usize = 30_000;
/// Unbounded numbers beyond this lie where everything is flat.
const STEEP: f64 = 2.0;
/// A strong autoregression and a moving average that takes most of it back, unbounded.
const OPPOSED: [f64; 2] = [1.5, 0.9];
/// Harmonics of a long season at most.
const HARMONICS: usize = 12;

/// Where to look from the best model: change of `ar`, `ma`, `seasonal_ar`, `seasonal_ma`.
#[rustfmt::skip]
const MOVES: [[i32; 4]; 20] = [
    [0, 0, -1, 0], [0, 0, 0, -1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, -1, -1], [0, 0, -1, 1],
    [0, 0, 1, -1], [0, 0, 1, 1], [-1, 0, 0, 0], [0, -1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0],
    [-1, -1, 0, 0], [-1, 1, 0, 0], [1, -1, 0, 0], [1, 1, 0, 0], [0, -2, 0, 0], [0, 2, 0, 0],
    [-2, 0, 0, 0], [2, 0, 0, 0],
];

/// Parameters of [`AutoArima`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AutoArimaConfig {
    /// Samples in each season, at least 2, increasing; empty for none. Those with fewer than two cycles
    /// are left out.
    pub seasons: Vec<usize>,
}

/// ARIMA that chooses its order.
///
/// Differences by the strength of the season and by repeated KPSS tests; then the stepwise search of
/// Hyndman and Khandakar by the exact `AICc`, from five simple models on to neighbours that are better,
/// among models whose roots keep a distance from the unit circle. One season of at most 24 samples is
/// part of the polynomials; a longer one, or several, become sines and cosines, as many pairs as the
/// `AICc` wants: [`FittedArima::waves`] says so.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::arima::{AutoArima, AutoArimaConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 120)?;
/// let load = (0..120).map(|h| 50.0 + 9.0 * f64::from(h % 12) + f64::from(h * 7 % 5)).collect();
/// let load = Series::new(axis, load)?;
///
/// let mut config = AutoArimaConfig::default();
/// config.seasons = vec![12];
/// let model = AutoArima::try_from(config)?.fit(load.view())?;
/// println!("{}, {} others tried", model.order(), model.rivals().len());
/// assert!((model.forecast(1, &[])?.mean()[0] - 52.0).abs() < 4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// 15 to 40 fits; some 20 ms for 100 monthly values. Above 30,000 values times states the search looks
/// at conditional sums of squares, and only the winner at the likelihood.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 3 values | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | constant series, or constant differences | no coefficients |
/// | missing values | the order is chosen with straight lines in their place, the winner estimated without |
/// | a season with fewer than two cycles | left out |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoArima {
    config: AutoArimaConfig,
}

impl TryFrom<AutoArimaConfig> for AutoArima {
    type Error = ParamError;

    fn try_from(config: AutoArimaConfig) -> Result<Self, ParamError> {
        check_seasons(&config.seasons)?;
        Ok(Self { config })
    }
}

/// A model that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    /// Its order.
    pub order: Order,
    /// Whether it had a constant.
    pub constant: bool,
    /// Its `AICc`, by the estimator of the search; infinite when there were too few values.
    pub aicc: f64,
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constant = if self.constant { " with constant" } else { "" };
        write!(f, "{}{constant}: {:.2}", self.order, self.aicc)
    }
}

impl Forecaster for AutoArima {
    type Model = FittedArima;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedArima, FitError> {
        self.fit_with(train, ArrayView2::from(&[[0.0; 0]; 0]))
    }
}

impl AutoArima {
    /// Chooses with regressors, which are taken out by least squares before the tests; see
    /// [`Arima::fit_with`](super::Arima::fit_with).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fit_with(
        &self,
        train: SeriesView<'_>,
        regressors: ArrayView2<'_, f64>,
    ) -> Result<FittedArima, FitError> {
        let regressors = columns(regressors, train.len())?;
        train.require(3 + regressors.len())?;
        let grid = Grid::after(train)?;
        let values = filled(train.values());
        let mut usable = self.config.seasons.clone();
        usable.retain(|season| 2 * season <= values.len());
        let mut search = match usable[..] {
            [season] if season <= STATES => Search::new(&values, season, &[], regressors),
            [] => Search::new(&values, 1, &[], regressors),
            _ => {
                let waves = choose_waves(&values, &usable, &regressors);
                Search::new(&values, 1, &waves, regressors)
            }
        };
        search.run();
        let mut rivals = search.tried.clone();
        rivals.sort_by(|a, b| a.aicc.total_cmp(&b.aicc));
        let (design, fit, order) =
            search
                .last_word(train.values(), &rivals)
                .ok_or(FitError::NotConverged {
                    iterations: rivals.len(),
                })?;
        let mut model = FittedArima::of(order, &design, &fit, train.values(), grid);
        model.rivals = rivals;
        Ok(model)
    }
}

/// Of each season as many pairs as lower the `AICc`, with an autoregression of the errors.
fn choose_waves(values: &[f64], seasons: &[usize], regressors: &[Vec<f64>]) -> Vec<Waves> {
    let mut waves: Vec<Waves> = Vec::new();
    let order = Order::new(2, 0, 0);
    let judge = |waves: &[Waves]| {
        let design = Design::new(order, true, waves, values, regressors.to_vec());
        let mut problem = design.problem(order, RADIUS, values);
        let fit = problem.fit(Estimator::ConditionalSquares, &[vec![0.5, 0.1]]);
        fit.map_or(f64::INFINITY, |fit| fit.aicc())
    };
    let mut best = judge(&waves);
    for &season in seasons {
        let mut chosen = None;
        for pairs in 1..=(season / 2).min(HARMONICS) {
            // A harmonic that a shorter season has already says nothing new.
            let shared = |one: &Waves| {
                (pairs * one.season).is_multiple_of(season)
                    && pairs * one.season / season <= one.pairs
            };
            if waves.iter().any(shared) {
                break;
            }
            let mut with = waves.clone();
            with.push(Waves { season, pairs });
            let aicc = judge(&with);
            if aicc < best {
                best = aicc;
                chosen = Some(with);
            }
        }
        waves = chosen.unwrap_or(waves);
    }
    waves
}

/// The stepwise search.
struct Search<'a> {
    values: &'a [f64],
    waves: Vec<Waves>,
    regressors: Vec<Vec<f64>>,
    /// Differences and season; no terms.
    base: Order,
    estimator: Estimator,
    most: usize,
    most_seasonal: usize,
    tried: Vec<Rival>,
    best: Option<(Order, bool, f64, Vec<f64>)>,
}

impl<'a> Search<'a> {
    fn new(values: &'a [f64], season: usize, waves: &[Waves], regressors: Vec<Vec<f64>>) -> Self {
        let rest = without(values, waves, &regressors);
        let seasonal = if season > 1 {
            seasonal_differences(&rest, season)
        } else {
            0
        };
        let shape = Order::new(0, 0, 0).seasonal(0, seasonal, 0, season);
        let rest = shape.difference(&rest);
        let own = differences(&rest);
        let base = Order::new(0, own, 0).seasonal(0, seasonal, 0, season);
        let rest = Order::new(0, own, 0).difference(&rest);
        let n = rest.len();
        let still = rest.is_empty() || is_constant(&rest);
        let (most, most_seasonal) = match (still, season) {
            (true, _) => (0, 0),
            (_, 1) => (MOST.min(n / 3), 0),
            _ => (MOST.min(n / 3), MOST_SEASONAL.min(n / (3 * season))),
        };
        let states = most + season * most_seasonal + 1;
        Self {
            values,
            waves: waves.to_vec(),
            regressors,
            base,
            estimator: if n * states > EXACT {
                Estimator::ConditionalSquares
            } else {
                Estimator::MaximumLikelihood
            },
            most,
            most_seasonal,
            tried: Vec::new(),
            best: None,
        }
    }

    fn order(&self, [p, q, sp, sq]: [usize; 4]) -> Order {
        let base = self.base;
        Order::new(p, base.differences, q).seasonal(sp, base.seasonal_differences, sq, base.season)
    }

    fn run(&mut self) {
        let constant = self.base.all_differences() < 2;
        let starts = [[2, 2, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]];
        for [p, q, sp, sq] in starts {
            let [p, q] = [p, q].map(|terms: usize| terms.min(self.most));
            let [sp, sq] = [sp, sq].map(|terms: usize| terms.min(self.most_seasonal));
            self.attempt([p, q, sp, sq], constant);
        }
        self.attempt([0; 4], false);
        while self.tried.len() < TRIES && self.look_around(constant) {}
    }

    /// Tries the neighbours of the best model, one after the other; whether one was better.
    fn look_around(&mut self, may_have_constant: bool) -> bool {
        let Some((order, constant, ..)) = self.best else {
            return false;
        };
        let at = [order.ar, order.ma, order.seasonal_ar, order.seasonal_ma].map(|n| n as i32);
        for step in MOVES {
            let mut to = [0; 4];
            let most = [self.most, self.most, self.most_seasonal, self.most_seasonal];
            let inside = (0..4).all(|index| {
                to[index] = (at[index] + step[index]).max(0) as usize;
                (0..=most[index] as i32).contains(&(at[index] + step[index]))
            });
            if inside && self.attempt(to, constant) {
                return true;
            }
        }
        let terms = at.map(|n| n as usize);
        may_have_constant && self.attempt(terms, !constant)
    }

    /// Whether the model is new and the best so far.
    fn attempt(&mut self, terms: [usize; 4], constant: bool) -> bool {
        let order = self.order(terms);
        let known = |rival: &Rival| rival.order == order && rival.constant == constant;
        if self.tried.iter().any(known) || self.tried.len() >= TRIES {
            return false;
        }
        let starts = self
            .best
            .as_ref()
            .map_or_else(Vec::new, |(from, _, _, free)| starts(*from, free, order));
        let design = self.design(order, constant, self.values);
        let mut problem = design.problem(order, RADIUS, self.values);
        let fit = problem.fit(self.estimator, &starts);

        let aicc = fit.as_ref().map_or(f64::INFINITY, Fit::aicc);
        self.tried.push(Rival {
            order,
            constant,
            aicc,
        });
        let better = self
            .best
            .as_ref()
            .is_none_or(|(_, _, least, _)| aicc < *least);
        match fit {
            Some(fit) if better => {
                self.best = Some((order, constant, aicc, fit.free));
                true
            }
            _ => false,
        }
    }

    fn design(&self, order: Order, constant: bool, values: &[f64]) -> Design {
        Design::new(
            order,
            constant,
            &self.waves,
            values,
            self.regressors.clone(),
        )
    }

    /// The best model estimated by the exact likelihood of the series with its gaps; the next best
    /// where that fails.
    fn last_word(&self, values: &[f64], rivals: &[Rival]) -> Option<(Design, Fit, Order)> {
        rivals.iter().find_map(
            |&Rival {
                 order, constant, ..
             }| {
                let design = self.design(order, constant, values);
                let mut problem = design.problem(order, RADIUS, values);
                let found = self
                    .best
                    .iter()
                    .filter(|best| best.0 == order && best.1 == constant);
                let starts: Vec<Vec<f64>> = found.map(|best| best.3.clone()).collect();
                let fit = problem.fit(Estimator::MaximumLikelihood, &starts)?;
                Some((design, fit, order))
            },
        )
    }
}

/// Where to start: at the coefficients that both orders have, with new ones near 0; and where an
/// autoregression meets a moving average, also where the two nearly cancel, which has a maximum of
/// its own.
fn starts(from: Order, free: &[f64], to: Order) -> Vec<Vec<f64>> {
    let parts = |order: Order| [order.ar, order.ma, order.seasonal_ar, order.seasonal_ma];
    let carry_over = |opposed: bool| {
        let mut out = Vec::with_capacity(to.terms());
        let mut rest = free;
        for (part, (had, wants)) in parts(from).into_iter().zip(parts(to)).enumerate() {
            let (own, after) = rest.split_at(had);
            let first = out.len();
            out.extend(
                own.iter()
                    .map(|value| value.clamp(-STEEP, STEEP))
                    .chain(std::iter::repeat(0.05))
                    .take(wants),
            );
            if opposed && wants > 0 && part >= 2 {
                out[first] = OPPOSED[part % 2];
            }
            rest = after;
        }
        out
    };
    let mut starts = vec![carry_over(false)];
    if to.seasonal_ar > 0 && to.seasonal_ma > 0 {
        starts.push(carry_over(true));
    }
    starts
}

/// What waves and regressors do not explain.
fn without(values: &[f64], waves: &[Waves], regressors: &[Vec<f64>]) -> Vec<f64> {
    let constant = Order::new(0, 0, 0);
    let design = Design::new(constant, true, waves, values, regressors.to_vec());
    if design.columns.len() == 1 {
        return values.to_vec();
    }
    let mut products = Products::default();
    products.reset(design.columns.len() + 1);
    let row = |t: usize| -> Vec<f64> {
        let own = std::iter::once(values[t] - design.centre);
        own.chain(design.columns.iter().map(|column| column[t]))
            .collect()
    };
    for t in 0..values.len() {
        products.add(&row(t), 1.0);
    }
    let Ok(solved) = products.solve() else {
        return values.to_vec();
    };
    (0..values.len())
        .map(|t| {
            let row = row(t);
            row[0] - crate::optimise::dot(&row[1..], &solved.coefficients)
        })
        .collect()
}
