//! Stored form: order, coefficients and the state. Rivals are not kept.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::design::Waves;
use super::filter::Space;
use super::polynomial::Terms;
use super::{FittedArima, Order};
use crate::grid::Grid;
use crate::wire::{GridV1, finite};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    order: String,
    #[serde(with = "exact_vec")]
    ar: Vec<f64>,
    #[serde(with = "exact_vec")]
    ma: Vec<f64>,
    #[serde(with = "exact_vec")]
    seasonal_ar: Vec<f64>,
    #[serde(with = "exact_vec")]
    seasonal_ma: Vec<f64>,
    #[serde(with = "exact")]
    centre: f64,
    /// One or none.
    #[serde(with = "exact_vec")]
    constant: Vec<f64>,
    /// Season and pairs of each.
    waves: Vec<(usize, usize)>,
    #[serde(with = "exact_vec")]
    wave_effects: Vec<f64>,
    #[serde(with = "exact_vec")]
    effects: Vec<f64>,
    /// `variance`, `loss`, `aicc`.
    #[serde(with = "exact_vec")]
    numbers: Vec<f64>,
    #[serde(with = "exact_vec")]
    state: Vec<f64>,
    /// Row-major; empty when settled.
    #[serde(with = "exact_vec")]
    covariance: Vec<f64>,
    seen: usize,
    grid: GridV1,
}

impl StoredModel for FittedArima {
    const KIND: &'static str = "forecast.arima";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let Terms {
            ar,
            ma,
            seasonal_ar,
            seasonal_ma,
        } = self.terms.clone();
        V1 {
            order: self.order.to_string(),
            ar,
            ma,
            seasonal_ar,
            seasonal_ma,
            centre: self.centre,
            constant: self.constant.into_iter().collect(),
            waves: self
                .waves
                .iter()
                .map(|one| (one.season, one.pairs))
                .collect(),
            wave_effects: self.wave_effects.clone(),
            effects: self.effects.clone(),
            numbers: vec![self.variance, self.loss, self.aicc],
            state: self.state.clone(),
            covariance: self.uncertainty.clone().unwrap_or_default(),
            seen: self.seen,
            grid: self.grid.into(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let order: Order = wire
            .order
            .parse()
            .map_err(|_| LoadError::payload(format!("no order `{}`", wire.order)))?;
        let terms = Terms {
            ar: wire.ar,
            ma: wire.ma,
            seasonal_ar: wire.seasonal_ar,
            seasonal_ma: wire.seasonal_ma,
        };
        let counts = [
            (terms.ar.len(), order.ar),
            (terms.ma.len(), order.ma),
            (terms.seasonal_ar.len(), order.seasonal_ar),
            (terms.seasonal_ma.len(), order.seasonal_ma),
        ];
        if counts.iter().any(|(found, wanted)| found != wanted)
            || !terms.roots_outside(order.season, 1.0)
        {
            return Err(LoadError::payload(
                "coefficients that the order does not have",
            ));
        }
        let space = Space::new(order, &terms);
        let dim = space.dim();
        let [variance, loss, aicc] = wire.numbers[..] else {
            return Err(LoadError::payload("not variance, loss and criterion"));
        };
        let covariance = wire.covariance;
        let fits = wire.state.len() == dim
            && (covariance.is_empty() || covariance.len() == dim * dim)
            && wire.constant.len() <= 1
            && variance >= 0.0;
        let named = [
            ("constant", &wire.constant),
            ("effect of a wave", &wire.wave_effects),
            ("effect", &wire.effects),
            ("state", &wire.state),
            ("covariance", &covariance),
        ];
        for (what, numbers) in named {
            finite(what, numbers)?;
        }
        finite("centre", &[wire.centre])?;
        let mut waves = Vec::with_capacity(wire.waves.len().min(16));
        for (season, pairs) in wire.waves {
            if season < 2 || pairs == 0 || pairs > season / 2 {
                return Err(LoadError::payload("a wave that cannot be"));
            }
            waves.push(Waves { season, pairs });
        }
        let columns = waves
            .iter()
            .try_fold(0_usize, |sum, one| sum.checked_add(one.len()));
        if !fits || columns != Some(wire.wave_effects.len()) {
            return Err(LoadError::payload(
                "states or effects that the order does not have",
            ));
        }
        Ok(Self {
            order,
            terms,
            space,
            centre: wire.centre,
            constant: wire.constant.first().copied(),
            waves,
            wave_effects: wire.wave_effects,
            effects: wire.effects,
            variance,
            loss,
            aicc,
            state: wire.state,
            uncertainty: (!covariance.is_empty()).then_some(covariance),
            seen: wire.seen,
            grid: Grid::try_from(wire.grid)?,
            rivals: Vec::new(),
        })
    }
}
