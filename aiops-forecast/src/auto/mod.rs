//! Chooses and combines.
//!
//! Every model that suits the series is tried from several origins of its own past; those that did
//! about as well as the best are combined, weighted by how well they did (Bates and Granger, *The
//! Combination of Forecasts*, Operational Research Quarterly 1969), and the errors of the combination
//! calibrate its quantiles.

mod member;
mod trial;

use std::fmt;
use std::time::Duration;

use aiops_core::ndarray::Array2;
use aiops_core::{
    FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster, ParamError,
    Sample, SeriesView, check_request,
};

use crate::conformal::{Factors, Scores, Tracked};
use crate::grid::{Grid, Moments, filled, finite};
use crate::mstl::check_seasons;
use crate::naive2::is_seasonal;
use crate::tracking::Tracker;
use aiops_core::numerics::normal;
use member::{Candidate, Member};
use trial::{Trial, Windows};

/// Candidates worse than the best by more than this factor do not take part, ...
const CLOSE: f64 = 2.0;
/// ... with this over the number of errors added: a few errors say little.
const CLOSE_FOR_FEW: f64 = 5.0;
/// Members of a combination at most.
const MEMBERS: usize = 8;
/// How steeply weights fall with the loss: half of it at [`MANY`] errors.
const STEEP: f64 = 6.0;
const MANY: f64 = 80.0;
/// Cycles of a robust profile.
const CYCLES: usize = 7;
/// Longest season that exponential smoothing carries as states.
const ETS_SEASON: usize = 24;
/// A forecast farther from the past than this many of its ranges is a runaway.
const RUNAWAY: f64 = 1.5;

/// Parameters of [`Auto`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AutoConfig {
    /// Samples in each season, at least 2, increasing; empty for none.
    pub seasons: Vec<usize>,
    /// Steps ahead to choose for, at least 1.
    pub horizon: usize,
    /// Origins of the backtest, from 1 to 50.
    pub windows: usize,
    /// Time on an ordinary core that may be spent on a fit, estimated from a table of costs rather
    /// than measured, so that results do not depend on the machine. Cheap models are always tried.
    pub budget: Duration,
    /// Whether values below 0 cannot be; taken from the training series when not given.
    pub non_negative: Option<bool>,
}

impl Default for AutoConfig {
    fn default() -> Self {
        Self {
            seasons: Vec::new(),
            horizon: 24,
            windows: 5,
            budget: Duration::from_millis(100),
            non_negative: None,
        }
    }
}

/// A forecaster that chooses for itself.
///
/// ```
/// use aiops_core::{FittedForecaster, Forecaster, Series, TimeAxis, Timestamp};
/// use aiops_forecast::auto::{Auto, AutoConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3_600), 240)?;
/// let load = (0..240).map(|h| 100.0 + 20.0 * f64::from(h % 24) + f64::from(h * 7 % 5)).collect();
/// let load = Series::new(axis, load)?;
///
/// let mut config = AutoConfig::default();
/// config.seasons = vec![24];
/// let model = Auto::try_from(config)?.fit(load.view())?;
/// let ahead = model.forecast(24, &[0.025, 0.975])?;
/// assert!((ahead.mean()[0] - 102.0).abs() < 5.0);
/// println!("{model}"); // who takes part, who was tried, and their losses
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// One fit of each candidate for each window and one more, and the search for the forms of exponential
/// smoothing and ARIMA; 2 to 60 ms for the series of the public
/// competitions.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no value | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | too short for a backtest | the simplest model that suits, with its own quantiles widened |
/// | constant series | the constant |
/// | missing values | filled by straight lines in training; in an update as each member does |
/// | a member that runs away | taken out; with none left, the naive forecast |
/// | no value below 0 in training | no quantile below 0, unless told otherwise |
///
/// # Not good for
///
/// Forecasts at known future events: nothing but the past of the series itself is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auto {
    config: AutoConfig,
}

impl TryFrom<AutoConfig> for Auto {
    type Error = ParamError;

    fn try_from(config: AutoConfig) -> Result<Self, ParamError> {
        check_seasons(&config.seasons)?;
        check_request(config.horizon, &[])?;
        if !(1..=50).contains(&config.windows) {
            return Err(ParamError::new("windows", "from 1 to 50", config.windows));
        }
        Ok(Self { config })
    }
}

/// What [`Auto`] chose.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedAuto {
    members: Vec<(f64, Member)>,
    tried: Vec<Tried>,
    factors: Factors,
    tracker: Tracker,
    bounds: (f64, f64),
    grid: Grid,
}

/// A model that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Its name and what it was given.
    pub name: String,
    /// Its error in the backtest relative to the best one's; `NaN` where there was no backtest.
    pub loss: f64,
    /// Its weight in the combination; 0 when it does not take part.
    pub weight: f64,
}

impl Forecaster for Auto {
    type Model = FittedAuto;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedAuto, FitError> {
        train.require(1)?;
        let grid = Grid::after(train)?;
        let values = filled(train.values());
        let windows = self.windows(&values);
        let candidates = self.candidates(&values, windows.origins.len());
        let mut trials = trial::run(&candidates, &values, &windows);
        trials.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        let weights = weigh(&trials, &windows);
        let mut model = FittedAuto {
            members: Vec::new(),
            tried: Vec::new(),
            factors: Self::calibrate(&trials, &weights, &values, &windows),
            tracker: Tracker::default(),
            bounds: self.bounds(&values),
            grid,
        };
        for (trial, &weight) in trials.iter().zip(&weights) {
            let name = trial.candidate.to_string();
            model.tried.push(Tried {
                name,
                loss: trial.loss,
                weight,
            });
            if weight > 0.0
                && let Ok(member) = trial.candidate.fit(&values)
                && !runs_away(&member, &values, self.config.horizon)
            {
                model.members.push((weight, member));
            }
        }
        if model.members.is_empty() {
            self.fall_back(&candidates, &values, &mut model)?;
        }
        let total: f64 = model.members.iter().map(|(weight, _)| weight).sum();
        model
            .members
            .iter_mut()
            .for_each(|(weight, _)| *weight /= total);
        Ok(model)
    }
}

impl Auto {
    fn windows(&self, values: &[f64]) -> Windows {
        let shortest = self.config.seasons.first().map_or(1, |season| 2 * season);
        let needed = shortest.max(6).min(values.len() / 2);
        Windows::of(
            values.len(),
            self.config.horizon,
            self.config.windows,
            needed,
        )
    }

    /// What suits the series and the budget, the cheap ones first.
    fn candidates(&self, values: &[f64], windows: usize) -> Vec<Candidate> {
        let n = values.len();
        let constant = values.iter().all(|&value| value == values[0]);
        let mut all = vec![Candidate::Naive];
        if constant || n < 4 {
            return all;
        }
        let AutoConfig {
            seasons, horizon, ..
        } = &self.config;
        let positive = values.iter().all(|&value| value > 0.0);
        let usable: Vec<usize> = seasons.iter().copied().filter(|&m| n > 2 * m).collect();
        let season = usable.first().copied().unwrap_or(1);
        all.extend([Candidate::Theta(season), Candidate::Drift]);
        for &season in &usable {
            all.push(Candidate::SeasonalNaive(season));
            if n >= 4 * season {
                all.push(Candidate::Profile(season, CYCLES));
            }
        }
        if season > 1 && n > 3 * season {
            all.push(Candidate::Direct(usable.clone(), *horizon, false));
            if positive {
                all.push(Candidate::Direct(usable.clone(), *horizon, true));
            }
        }
        if season > 1 && !is_seasonal(values, season) {
            all.push(Candidate::Theta(1));
        }
        let mut left = self.config.budget.as_nanos() as f64;
        left -= all.iter().map(|one| one.cost(n)).sum::<f64>() * (windows + 1) as f64;
        let mut dear = Vec::new();
        if season <= ETS_SEASON {
            dear.push(Candidate::Ets(season, None));
        }
        if season <= ETS_SEASON {
            dear.push(Candidate::Arima((season > 1).then_some(season), None));
        }
        if season > 1 {
            dear.push(Candidate::Mstl(usable));
            if season > ETS_SEASON {
                dear.push(Candidate::Ets(1, None));
            }
        }
        for candidate in dear {
            let again = candidate.cost_again(n);
            let cost = candidate.cost(n) + again * (windows + 1) as f64;
            if cost <= left {
                left -= cost;
                all.push(settle(candidate, values));
            }
        }
        all
    }

    fn bounds(&self, values: &[f64]) -> (f64, f64) {
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let non_negative = self.config.non_negative.unwrap_or(lowest >= 0.0);
        (if non_negative { 0.0 } else { f64::MIN }, f64::MAX)
    }

    /// Errors of the combination, in units of its own spread.
    fn calibrate(trials: &[Trial], weights: &[f64], values: &[f64], windows: &Windows) -> Factors {
        let mut scores = Scores::default();
        for window in 0..windows.origins.len() {
            let moments = combine(
                windows.horizon,
                trials
                    .iter()
                    .zip(weights)
                    .filter_map(|(trial, &weight)| Some((weight, trial.windows[window].clone()?))),
            );
            let actual = windows.actual(values, window);
            for (actual, (mean, sd)) in actual.iter().zip(moments.mean.iter().zip(&moments.sd)) {
                scores.push(actual - mean, *sd);
            }
        }
        scores.factors()
    }

    /// The first candidate that suits, in order of trust.
    fn fall_back(
        &self,
        candidates: &[Candidate],
        values: &[f64],
        model: &mut FittedAuto,
    ) -> Result<(), FitError> {
        let by_trust = [1, 0];
        let tried = by_trust
            .into_iter()
            .filter_map(|index| candidates.get(index));
        for candidate in tried {
            if let Ok(member) = candidate.fit(values)
                && !runs_away(&member, values, self.config.horizon)
            {
                let name = candidate.to_string();
                model.tried.push(Tried {
                    name,
                    loss: f64::NAN,
                    weight: 1.0,
                });
                model.members.push((1.0, member));
                return Ok(());
            }
        }
        model.members.push((1.0, Candidate::Naive.fit(values)?));
        model.tried.push(Tried {
            name: Candidate::Naive.to_string(),
            loss: f64::NAN,
            weight: 1.0,
        });
        Ok(())
    }
}

/// The form of exponential smoothing or the order of ARIMA, chosen on the whole series.
fn settle(candidate: Candidate, values: &[f64]) -> Candidate {
    match candidate {
        Candidate::Ets(season, None) => match candidate.fit(values) {
            Ok(Member::Ets(model)) => Candidate::Ets(season, Some(model.form())),
            _ => candidate,
        },
        Candidate::Arima(season, None) => match candidate.fit(values) {
            Ok(Member::Arima(model)) => {
                Candidate::Arima(season, Some((model.order(), model.constant().is_some())))
            }
            _ => candidate,
        },
        other => other,
    }
}

/// Weights of the trials, which are sorted by loss.
fn weigh(trials: &[Trial], windows: &Windows) -> Vec<f64> {
    let Some(best) = trials.first().map(|trial| trial.loss) else {
        return Vec::new();
    };
    // A few errors say little, so the weights differ little.
    let told = (windows.origins.len() * windows.horizon) as f64;
    let steep = STEEP * told / (told + MANY);
    let close = CLOSE + CLOSE_FOR_FEW / told.max(1.0);
    let weights: Vec<f64> = trials
        .iter()
        .enumerate()
        .map(|(rank, trial)| {
            if rank < MEMBERS && trial.loss <= close * best {
                trial.candidate.prior() * (trial.loss / best).powf(-steep)
            } else {
                0.0
            }
        })
        .collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// Whether a forecast leaves the past by far.
fn runs_away(member: &Member, values: &[f64], horizon: usize) -> bool {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let reach = RUNAWAY * (highest - lowest);
    let inside = |value: &f64| *value >= lowest - reach && *value <= highest + reach;
    !member.moments(horizon).mean.iter().all(inside)
}

/// Weighted mean of means and spreads.
fn combine(horizon: usize, parts: impl Iterator<Item = (f64, Moments)>) -> Moments {
    let mut out = Moments {
        mean: vec![0.0; horizon],
        sd: vec![0.0; horizon],
    };
    for (weight, part) in parts.filter(|(weight, _)| *weight > 0.0) {
        for step in 0..horizon {
            out.mean[step] += weight * part.mean[step];
            out.sd[step] += weight * part.sd[step];
        }
    }
    out.within_range()
}

impl FittedAuto {
    /// What the updates say: coverage achieved one step ahead, and whether the errors have drifted so
    /// far that a refit is wanted.
    pub fn tracked(&self) -> Tracked {
        self.tracker.report()
    }

    fn moments(&self, horizon: usize) -> Moments {
        let parts = self.members.iter();
        combine(
            horizon,
            parts.map(|(weight, member)| (*weight, member.moments(horizon))),
        )
    }

    /// Every model that was tried, the best first.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }
}

impl fmt::Display for FittedAuto {
    /// One line for each model: weight, loss, name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tried in &self.tried {
            writeln!(
                f,
                "{:4.2}  {:6.3}  {}",
                tried.weight, tried.loss, tried.name
            )?;
        }
        Ok(())
    }
}

impl FittedForecaster for FittedAuto {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        check_request(horizon, levels)?;
        let axis = self.grid.axis(horizon)?;
        let Moments { mean, sd } = self.moments(horizon);
        let bound = |value: f64| finite(value).clamp(self.bounds.0, self.bounds.1);
        let reach: Vec<f64> = levels
            .iter()
            .map(|&level| self.factors.at(level) * normal::quantile(level))
            .collect();
        let quantiles = Array2::from_shape_fn((horizon, levels.len()), |(step, level)| {
            bound(mean[step] + reach[level] * sd[step])
        });
        let mean = mean.into_iter().map(bound).collect();
        Ok(Forecast::new(axis, mean, levels.to_vec(), quantiles)?)
    }
}

impl OnlineForecaster for FittedAuto {
    /// The weights stay; the members and the quantiles go on learning.
    fn update(&mut self, sample: Sample) {
        if sample.value.is_finite() {
            let Moments { mean, sd } = self.moments(1);
            self.tracker
                .take(sample.value - mean[0], sd[0], &mut self.factors);
        }
        for (_, member) in &mut self.members {
            member.update(sample);
        }
        self.grid.advance();
    }
}
