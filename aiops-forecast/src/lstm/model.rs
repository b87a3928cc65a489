//! What was learned, and where it stands on one series.

use std::sync::Arc;

use aiops_core::ndarray::Array2;
use aiops_core::{
    DataError, FitError, FittedForecaster, Forecast, ForecastError, Forecaster, OnlineForecaster,
    Sample, SeriesView, check_request,
};

use super::network::{Batch, LEVELS, MEDIAN, Shape, Workspace};
use super::window::{Frame, Scale, last};
use crate::grid::{Grid, filled, finite};
use crate::naive::known;
use aiops_core::numerics::normal;

/// A network trained on many series, which forecasts any one of the same kind.
///
/// It is a [`Forecaster`] whose fit only reads the end of a series, in microseconds, and does not
/// train. Clones share the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalLstm(pub(super) Arc<Trained>);

#[derive(Debug, PartialEq)]
pub(super) struct Trained {
    pub(super) frame: Frame,
    pub(super) shape: Shape,
    pub(super) nets: Vec<Vec<f32>>,
    /// What the distance of each quantile from the median is multiplied by.
    pub(super) factors: Vec<f64>,
    pub(super) report: Report,
}

/// How training went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Steps that each net was to take.
    pub steps: usize,
    /// Series that it was trained on.
    pub series: usize,
    /// Series that were too short to train on: a forecast of them is possible all the same.
    pub skipped: usize,
    /// Mean pinball loss on the held-out end of every series, one for each net, in units of the mean
    /// seasonal change.
    pub held_out_losses: Vec<f64>,
    /// Whether the progress callback broke it off.
    pub stopped: bool,
}

impl GlobalLstm {
    /// How training went.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Number of weights of all nets.
    pub fn weights(&self) -> usize {
        self.0.nets.iter().map(Vec::len).sum()
    }
}

impl Forecaster for GlobalLstm {
    type Model = FittedLstm;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedLstm, FitError> {
        let grid = Grid::after(train)?;
        train.require(1)?;
        let values = filled(train.values());
        let frame = &self.0.frame;
        if values.len() < frame.needed() {
            return Err(DataError::TooShort {
                needed: frame.needed(),
                found: values.len(),
            }
            .into());
        }
        let scale = Scale::of(&values);
        let season = frame.seasons[frame.seasons.len() - 1];
        let mut past = last(&values, frame.reach(), season);
        for value in &mut past {
            *value = scale.apply(*value);
        }
        Ok(FittedLstm {
            network: self.clone(),
            scale,
            past,
            grid,
        })
    }
}

/// A trained network at the end of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedLstm {
    network: GlobalLstm,
    scale: Scale,
    /// As far back as a window reaches, logarithms where the scale says so.
    past: Vec<f64>,
    grid: Grid,
}

impl FittedLstm {
    /// Quantiles at the network's own levels, in the units of `past`, a row for each step.
    fn quantiles(&self, horizon: usize) -> Vec<[f64; LEVELS.len()]> {
        let Trained {
            frame,
            shape,
            nets,
            factors,
            ..
        } = &*self.network.0;
        let mut past = self.past.clone();
        let mut batch = Batch::new(*shape, 1);
        let mut room = Workspace::new(*shape, 1);
        let mut rows = Vec::with_capacity(horizon);
        while rows.len() < horizon {
            let scale = frame.write(&past, *shape, &mut batch, 0);
            let mut sum = vec![0.0; shape.outputs()];
            for parameters in nets {
                for (sum, value) in sum.iter_mut().zip(room.forward(parameters, &batch)) {
                    *sum += f64::from(*value) / nets.len() as f64;
                }
            }
            // Steps beyond the horizon trained for start from forecasts, and err accordingly more.
            let farther = ((rows.len() + frame.horizon) as f64 / frame.horizon as f64).sqrt();
            let mut medians = Vec::with_capacity(frame.horizon);
            for (step, quantiles) in sum.chunks_exact_mut(LEVELS.len()).enumerate() {
                quantiles.sort_unstable_by(f64::total_cmp);
                let median = quantiles[MEDIAN];
                let mut row = [0.0; LEVELS.len()];
                for ((cell, quantile), factor) in row.iter_mut().zip(&*quantiles).zip(factors) {
                    let away = median + (quantile - median) * factor * farther;
                    *cell = finite(frame.value(&past, step, scale, away));
                }
                row.sort_unstable_by(f64::total_cmp);
                medians.push(row[MEDIAN]);
                rows.push(row);
            }
            let keep = past.len();
            past.extend(medians);
            past.drain(..past.len() - keep);
        }
        rows.truncate(horizon);
        rows
    }
}

/// The quantile of a row at `z` deviations of a normal distribution: straight lines between the
/// levels, and beyond the outermost ones as between the last two.
fn between(row: &[f64; LEVELS.len()], z: f64) -> f64 {
    let places = LEVELS.map(normal::quantile);
    let above = places
        .partition_point(|&place| place < z)
        .clamp(1, LEVELS.len() - 1);
    let (low, high) = (places[above - 1], places[above]);
    row[above - 1] + (row[above] - row[above - 1]) * (z - low) / (high - low)
}

impl FittedForecaster for FittedLstm {
    fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
        check_request(horizon, levels)?;
        let axis = self.grid.axis(horizon)?;
        let rows = self.quantiles(horizon);
        let z: Vec<f64> = levels
            .iter()
            .map(|&level| normal::quantile(level))
            .collect();
        let value = |row: &[f64; LEVELS.len()], z: f64| finite(self.scale.undo(between(row, z)));
        let quantiles = Array2::from_shape_fn((horizon, levels.len()), |(step, level)| {
            value(&rows[step], z[level])
        });
        let mean = rows.iter().map(|row| value(row, 0.0)).collect();
        Ok(Forecast::new(axis, mean, levels.to_vec(), quantiles)?)
    }
}

impl OnlineForecaster for FittedLstm {
    fn update(&mut self, sample: Sample) {
        let value = known(sample);
        let season = self.network.0.frame.seasons[0];
        let keep = self.past.len();
        let value = if value.is_nan() {
            self.past[keep - season]
        } else {
            self.scale.apply(value)
        };
        self.past.rotate_left(1);
        self.past[keep - 1] = value;
        self.grid.advance();
    }
}
