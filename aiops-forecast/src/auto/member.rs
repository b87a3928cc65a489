//! The models that can take part, in one form.

use std::fmt;

use aiops_core::{
    FitError, Forecaster as _, OnlineForecaster as _, Sample, SeriesView, TimeAxis, Timestamp,
};
use std::time::Duration;

use crate::arima::{Arima, ArimaConfig, AutoArima, AutoArimaConfig, FittedArima, Order};
use crate::direct::{Direct, DirectConfig, FittedDirect};
use crate::ets::{AutoEts, AutoEtsConfig, Ets, EtsConfig, FittedEts, Form};
use crate::grid::Moments;
use crate::mstl::{FittedMstl, Mstl, MstlConfig};
use crate::naive::drift::{Drift, FittedDrift};
use crate::naive::last::{FittedNaive, Naive};
use crate::naive::profile::{FittedProfile, Profile, ProfileConfig};
use crate::naive::seasonal::{FittedSeasonalNaive, SeasonalNaive, SeasonalNaiveConfig};
use crate::theta::{FittedTheta, Theta, ThetaConfig};

/// Nanoseconds for each value that a form takes once it is chosen.
const FORM_AGAIN: f64 = 3_000.0;

/// A model that can take part, with what it is given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Candidate {
    Naive,
    Drift,
    SeasonalNaive(usize),
    Profile(usize, usize),
    Theta(usize),
    /// The form is chosen once, on the whole series.
    Ets(usize, Option<Form>),
    /// Likewise the order and whether there is a constant.
    Arima(Option<usize>, Option<(Order, bool)>),
    Mstl(Vec<usize>),
    Direct(Vec<usize>, usize, bool),
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Naive => f.write_str("naive"),
            Self::Drift => f.write_str("drift"),
            Self::SeasonalNaive(season) => write!(f, "seasonal naive {season}"),
            Self::Profile(season, cycles) => write!(f, "median of {cycles} at {season}"),
            Self::Theta(1) => f.write_str("theta"),
            Self::Theta(season) => write!(f, "theta {season}"),
            Self::Ets(season, Some(form)) => write!(f, "ETS {form} {season}"),
            Self::Ets(season, None) => write!(f, "ETS {season}"),
            Self::Arima(_, Some((order, constant))) => {
                let constant = if *constant { " with constant" } else { "" };
                write!(f, "ARIMA {order}{constant}")
            }
            Self::Arima(..) => f.write_str("ARIMA"),
            Self::Mstl(seasons) => write!(f, "MSTL {seasons:?}"),
            Self::Direct(seasons, _, false) => write!(f, "direct {seasons:?}"),
            Self::Direct(seasons, _, true) => write!(f, "direct, logarithm {seasons:?}"),
        }
    }
}

/// A fitted one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Member {
    Naive(FittedNaive),
    Drift(FittedDrift),
    SeasonalNaive(FittedSeasonalNaive),
    Profile(FittedProfile),
    Theta(FittedTheta),
    Ets(Box<FittedEts>),
    Arima(Box<FittedArima>),
    Mstl(Box<FittedMstl>),
    Direct(FittedDirect),
}

impl Candidate {
    /// Nanoseconds that a fit of `n` values takes, measured once on an ordinary core. A table, not
    /// a clock, so that the choice is the same on every machine.
    pub(super) fn cost(&self, n: usize) -> f64 {
        let each = match self {
            Self::Naive | Self::Drift | Self::SeasonalNaive(_) => 5.0,
            Self::Profile(..) => 60.0,
            Self::Theta(_) => 250.0,
            Self::Ets(1, None) => 8_000.0,
            Self::Ets(_, None) => 27_000.0,
            Self::Ets(_, Some(_)) => FORM_AGAIN,
            Self::Arima(None, None) => 60_000.0,
            Self::Arima(Some(season), None) => 60_000.0 + 30_000.0 * *season as f64,
            Self::Arima(season, Some(_)) => 5_000.0 + 1_500.0 * season.unwrap_or(0) as f64,
            Self::Mstl(_) => 5_000.0,
            Self::Direct(..) => 400.0,
        };
        each * n as f64 + 1_000.0
    }

    /// The same once form or order are chosen.
    pub(super) fn cost_again(&self, n: usize) -> f64 {
        match self {
            Self::Ets(..) => FORM_AGAIN * n as f64,
            Self::Arima(season, None) => {
                Self::Arima(*season, Some((Order::new(0, 1, 1), false))).cost(n)
            }
            _ => self.cost(n),
        }
    }

    /// Weight before anything is known about the series: our judgement, that a method which looks
    /// at more of the past is more often right.
    pub(super) fn prior(&self) -> f64 {
        match self {
            Self::Drift | Self::SeasonalNaive(_) | Self::Profile(..) => 0.4,
            Self::Naive | Self::Mstl(_) => 0.8,
            Self::Theta(_) | Self::Ets(..) | Self::Arima(..) => 1.0,
            Self::Direct(..) => 1.5,
        }
    }

    pub(super) fn fit(&self, values: &[f64]) -> Result<Member, FitError> {
        let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(1), values.len())?;
        let train = SeriesView::new(axis.view(), values)?;
        Ok(match self {
            Self::Naive => Member::Naive(Naive.fit(train)?),
            Self::Drift => Member::Drift(Drift.fit(train)?),
            Self::SeasonalNaive(season) => {
                let config = SeasonalNaiveConfig { season: *season };
                Member::SeasonalNaive(SeasonalNaive::try_from(config)?.fit(train)?)
            }
            Self::Profile(season, cycles) => {
                let config = ProfileConfig {
                    season: *season,
                    cycles: *cycles,
                };
                Member::Profile(Profile::try_from(config)?.fit(train)?)
            }
            Self::Theta(season) => {
                let config = ThetaConfig {
                    season: *season,
                    ..ThetaConfig::default()
                };
                Member::Theta(Theta::try_from(config)?.fit(train)?)
            }
            Self::Ets(season, None) => {
                let config = AutoEtsConfig { season: *season };
                Member::Ets(Box::new(AutoEts::try_from(config)?.fit(train)?))
            }
            Self::Ets(season, Some(form)) => {
                let config = EtsConfig {
                    season: *season,
                    form: *form,
                    ..EtsConfig::default()
                };
                Member::Ets(Box::new(Ets::try_from(config)?.fit(train)?))
            }
            Self::Arima(season, None) => {
                let config = AutoArimaConfig {
                    seasons: season.iter().copied().collect(),
                };
                Member::Arima(Box::new(AutoArima::try_from(config)?.fit(train)?))
            }
            Self::Arima(_, Some((order, constant))) => {
                let config = ArimaConfig {
                    order: *order,
                    constant: *constant,
                    ..ArimaConfig::default()
                };
                Member::Arima(Box::new(Arima::try_from(config)?.fit(train)?))
            }
            Self::Mstl(seasons) => {
                let config = MstlConfig {
                    seasons: seasons.clone(),
                };
                Member::Mstl(Box::new(Mstl::try_from(config)?.fit(train)?))
            }
            Self::Direct(seasons, horizon, logarithm) => {
                let config = DirectConfig {
                    seasons: seasons.clone(),
                    horizon: *horizon,
                    logarithm: *logarithm,
                };
                Member::Direct(Direct::try_from(config)?.fit(train)?)
            }
        })
    }
}

impl Member {
    pub(super) fn moments(&self, horizon: usize) -> Moments {
        match self {
            Self::Naive(model) => model.moments(horizon),
            Self::Drift(model) => model.moments(horizon),
            Self::SeasonalNaive(model) => model.moments(horizon),
            Self::Profile(model) => model.moments(horizon),
            Self::Theta(model) => model.moments(horizon),
            Self::Ets(model) => model.moments(horizon),
            Self::Arima(model) => model.moments(horizon),
            Self::Mstl(model) => model.moments(horizon),
            Self::Direct(model) => model.moments(horizon),
        }
    }

    pub(super) fn update(&mut self, sample: Sample) {
        match self {
            Self::Naive(model) => model.update(sample),
            Self::Drift(model) => model.update(sample),
            Self::SeasonalNaive(model) => model.update(sample),
            Self::Profile(model) => model.update(sample),
            Self::Theta(model) => model.update(sample),
            Self::Ets(model) => model.update(sample),
            Self::Arima(model) => model.update(sample),
            Self::Mstl(model) => model.update(sample),
            Self::Direct(model) => model.update(sample),
        }
    }
}
