//! Stored form: parameters, initial and current states. Rivals are not kept.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

use super::pass::{Smoothing, State};
use super::{FittedEts, Form, MAX_SEASON};
use crate::grid::Grid;
use crate::wire::{GridV1, finite};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    form: String,
    /// `alpha`, `beta`, `gamma`, `phi`.
    #[serde(with = "exact_vec")]
    smoothing: Vec<f64>,
    start: StateV1,
    state: StateV1,
    #[serde(with = "exact")]
    sigma: f64,
    #[serde(with = "exact")]
    loss: f64,
    #[serde(with = "exact")]
    aicc: f64,
    grid: GridV1,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct StateV1 {
    #[serde(with = "exact")]
    level: f64,
    #[serde(with = "exact")]
    slope: f64,
    #[serde(with = "exact_vec")]
    season: Vec<f64>,
    at: usize,
}

impl From<&State> for StateV1 {
    fn from(state: &State) -> Self {
        Self {
            level: state.level,
            slope: state.slope,
            season: state.season.clone(),
            at: state.at,
        }
    }
}

impl StateV1 {
    fn read(self, form: Form) -> Result<State, LoadError> {
        finite("state", &[self.level, self.slope])?;
        finite("phase", &self.season)?;
        let len = self.season.len();
        let fits = if form.is_seasonal() {
            (2..=MAX_SEASON).contains(&len) && self.at < len
        } else {
            len == 0 && self.at == 0
        };
        if !fits {
            return Err(LoadError::payload("a season that the form does not have"));
        }
        Ok(State {
            level: self.level,
            slope: self.slope,
            season: self.season,
            at: self.at,
        })
    }
}

impl StoredModel for FittedEts {
    const KIND: &'static str = "forecast.ets";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        V1 {
            form: self.form.to_string(),
            smoothing: self.smoothing().to_vec(),
            start: (&self.start).into(),
            state: (&self.state).into(),
            sigma: self.sigma,
            loss: self.loss,
            aicc: self.aicc,
            grid: self.grid.into(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        payload.read::<V1>()?.try_into()
    }
}

impl TryFrom<V1> for FittedEts {
    type Error = LoadError;

    fn try_from(wire: V1) -> Result<Self, LoadError> {
        let form: Form = wire
            .form
            .parse()
            .map_err(|_| LoadError::payload(format!("no form `{}`", wire.form)))?;
        let [alpha, beta, gamma, phi] = wire.smoothing[..] else {
            return Err(LoadError::payload("not four smoothing parameters"));
        };
        finite("smoothing parameter", &wire.smoothing)?;
        let (start, state) = (wire.start.read(form)?, wire.state.read(form)?);
        if start.season.len() != state.season.len() || wire.sigma.is_nan() || wire.sigma < 0.0 {
            return Err(LoadError::payload("states or spread cannot be"));
        }
        Ok(Self {
            form,
            smoothing: Smoothing {
                alpha,
                beta,
                gamma,
                phi,
            },
            start,
            state,
            sigma: wire.sigma,
            loss: wire.loss,
            aicc: wire.aicc,
            grid: Grid::try_from(wire.grid)?,
            rivals: Vec::new(),
        })
    }
}
