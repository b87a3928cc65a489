//! Stored form: frame, weights, factors, how training went. A forecaster at the end of a series is not
//! stored: [`Forecaster::fit`](aiops_core::Forecaster::fit) makes it again in microseconds.

use std::sync::Arc;

use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

use super::model::{GlobalLstm, Report, Trained};
use super::network::LEVELS;
use super::window::Frame;
use super::{Lstm, LstmConfig};
use crate::wire::finite;

/// Weights of all nets at most: what a file says must not make us allocate more.
const WEIGHTS: usize = 1 << 26;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    seasons: Vec<usize>,
    horizon: usize,
    window: usize,
    hidden: usize,
    nets: Vec<Vec<f32>>,
    #[serde(with = "exact_vec")]
    factors: Vec<f64>,
    steps: usize,
    series: usize,
    skipped: usize,
    #[serde(with = "exact_vec")]
    held_out_losses: Vec<f64>,
    stopped: bool,
}

impl StoredModel for GlobalLstm {
    const KIND: &'static str = "forecast.lstm";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let Trained {
            frame,
            shape,
            nets,
            factors,
            report,
        } = &*self.0;
        V1 {
            seasons: frame.given_seasons().to_vec(),
            horizon: frame.horizon,
            window: frame.window,
            hidden: shape.hidden,
            nets: nets.clone(),
            factors: factors.clone(),
            steps: report.steps,
            series: report.series,
            skipped: report.skipped,
            held_out_losses: report.held_out_losses.clone(),
            stopped: report.stopped,
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let config = LstmConfig {
            seasons: wire.seasons,
            horizon: wire.horizon,
            window: Some(wire.window),
            hidden: wire.hidden,
            nets: wire.nets.len(),
            ..LstmConfig::default()
        };
        if config.horizon > WEIGHTS || wire.window > WEIGHTS {
            return Err(LoadError::payload("a window or horizon that cannot be"));
        }
        // The checks of a configuration hold for a stored one.
        let Lstm { config } =
            Lstm::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
        let frame = Frame::new(&config.seasons, config.window, config.horizon);
        let shape = frame.shape(config.hidden);
        if wire.nets.iter().any(|net| net.len() != shape.parameters()) {
            let expected = shape.parameters();
            return Err(LoadError::payload(format!(
                "a net without {expected} weights"
            )));
        }
        if let Some(net) = wire
            .nets
            .iter()
            .position(|net| !net.iter().all(|w| w.is_finite()))
        {
            return Err(LoadError::payload(format!(
                "a weight of net {net} is not finite"
            )));
        }
        finite("factor", &wire.factors)?;
        if wire.factors.len() != LEVELS.len() || wire.factors.iter().any(|&factor| factor <= 0.0) {
            return Err(LoadError::payload("factors that cannot be"));
        }
        let report = Report {
            steps: wire.steps,
            series: wire.series,
            skipped: wire.skipped,
            held_out_losses: wire.held_out_losses,
            stopped: wire.stopped,
        };
        Ok(Self(Arc::new(Trained {
            frame,
            shape,
            nets: wire.nets,
            factors: wire.factors,
            report,
        })))
    }
}
