//! Training: random windows of random series, Adam, early stopping on what every series ends with.

use std::ops::ControlFlow;

use aiops_core::Rng;

use super::network::{self, Batch, MEDIAN, Shape, Workspace};
use super::window::Frame;
use super::{LstmConfig, Progress};

/// Windows in one step.
const BATCH: usize = 256;
/// Longest gradient (Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural
/// networks*, ICML 2013).
const LONGEST: f32 = 1.0;
/// What the weights of the straight way lose in each step, in learning rates (Loshchilov and Hutter,
/// *Decoupled Weight Decay Regularization*, ICLR 2019): they are many, and most of them have
/// nothing to say.
const DECAY: f64 = 10.0;
/// Steps from one look at the held-out windows to the next.
const LOOK: usize = 50;
/// Held-out windows at most.
const HELD_OUT: usize = 2_048;

/// A series in training, and the first and the last place where a window may end.
pub(super) struct Train {
    pub(super) values: Vec<f64>,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// The windows that training does not see: the last horizon of each series.
pub(super) struct HeldOut(Vec<Batch>);

impl HeldOut {
    pub(super) fn of(series: &[Train], frame: &Frame, shape: Shape) -> Self {
        let every = series.len().div_ceil(HELD_OUT);
        let chosen: Vec<&Train> = series.iter().step_by(every).collect();
        let batches = chosen.chunks(BATCH).map(|part| {
            let mut batch = Batch::new(shape, part.len());
            for (row, train) in part.iter().enumerate() {
                let end = train.values.len() - frame.horizon;
                put(train, end, frame, shape, &mut batch, row);
            }
            batch
        });
        Self(batches.collect())
    }

    /// Mean over nets of their outputs, batch by batch, with what came.
    pub(super) fn outputs<'a>(
        &'a self,
        shape: Shape,
        nets: &'a [Vec<f32>],
    ) -> impl Iterator<Item = (Vec<f32>, &'a [f32])> {
        self.0.iter().map(move |batch| {
            let mut room = Workspace::new(shape, batch.len);
            let mut sum = vec![0.0; batch.len * shape.outputs()];
            for parameters in nets {
                for (sum, value) in sum.iter_mut().zip(room.forward(parameters, batch)) {
                    *sum += value / nets.len() as f32;
                }
            }
            (sum, batch.actual.as_slice())
        })
    }

    fn loss(&self, shape: Shape, parameters: &[f32]) -> f64 {
        let (mut sum, mut rows) = (0.0, 0);
        for batch in &self.0 {
            let mut room = Workspace::new(shape, batch.len);
            sum += network::loss(room.forward(parameters, batch), &batch.actual) * batch.len as f64;
            rows += batch.len;
        }
        sum / rows as f64
    }
}

/// One window and what came after it.
fn put(train: &Train, end: usize, frame: &Frame, shape: Shape, batch: &mut Batch, row: usize) {
    let past = &train.values[end - frame.reach()..end];
    let scale = frame.write(past, shape, batch, row);
    let ahead = &train.values[end..end + frame.horizon];
    let actual = &mut batch.actual[row * shape.horizon..(row + 1) * shape.horizon];
    frame.write_actual(past, ahead, scale, actual);
}

/// One trained net, its loss on the held-out windows, and whether it was told to stop.
pub(super) struct Net {
    pub(super) parameters: Vec<f32>,
    pub(super) loss: f64,
    pub(super) stopped: bool,
}

/// Trains net number `index`.
pub(super) fn net(
    config: &LstmConfig,
    index: usize,
    steps: usize,
    series: &[Train],
    held_out: &HeldOut,
    frame: &Frame,
    progress: &(impl Fn(Progress) -> ControlFlow<()> + Sync),
) -> Net {
    let shape = frame.shape(config.hidden);
    let mut rng = config.seed.child(index as u64).rng();
    let mut parameters = shape.start(&mut rng);
    let mut best = Net {
        loss: held_out.loss(shape, &parameters),
        parameters: parameters.clone(),
        stopped: false,
    };
    let mut gradient = vec![0.0; parameters.len()];
    let mut adam = super::kernels::Adam::new(parameters.len());
    let (mut batch, mut room) = (Batch::new(shape, BATCH), Workspace::new(shape, BATCH));
    for step in 0..steps {
        draw(series, frame, shape, &mut rng, &mut batch);
        room.forward(&parameters, &batch);
        let loss = room.backward(&parameters, &batch, &mut gradient);
        let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let scale = if length > LONGEST {
            LONGEST / length
        } else {
            1.0
        };
        // Half a cosine down to 0 (Loshchilov and Hutter, *SGDR*, ICLR 2017).
        let done = step as f64 / steps as f64;
        let rate = config.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        adam.step(&mut parameters, &gradient, scale, rate as f32);
        let keep = (1.0 - DECAY * rate).max(0.0) as f32;
        for weight in &mut parameters[shape.straight()] {
            *weight *= keep;
        }
        if (step + 1) % LOOK == 0 || step + 1 == steps {
            let held_out_loss = held_out.loss(shape, &parameters);
            if held_out_loss < best.loss {
                best.loss = held_out_loss;
                best.parameters.copy_from_slice(&parameters);
            }
            let now = Progress {
                net: index,
                nets: config.nets,
                step: step + 1,
                steps,
                loss,
                held_out_loss,
            };
            if progress(now).is_break() {
                best.stopped = true;
                break;
            }
        }
    }
    best
}

/// Series uniformly, not values: a long series says no more about the next one than a short one.
fn draw(series: &[Train], frame: &Frame, shape: Shape, rng: &mut Rng, batch: &mut Batch) {
    for row in 0..batch.len {
        let train = &series[rng.below(series.len())];
        let end = train.first + rng.below(train.last - train.first + 1);
        put(train, end, frame, shape, batch, row);
    }
}

/// How much farther from the median each quantile has to lie for as many held-out values to be
/// beyond it as its level says (conformalised quantile regression, Romano, Patterson and Candes,
/// `NeurIPS` 2019, with factors instead of shifts).
pub(super) fn factors(held_out: &HeldOut, shape: Shape, nets: &[Vec<f32>]) -> Vec<f64> {
    let mut scores: Vec<Vec<f64>> = vec![Vec::new(); network::LEVELS.len()];
    for (mut output, actual) in held_out.outputs(shape, nets) {
        for (quantiles, actual) in output.chunks_exact_mut(network::LEVELS.len()).zip(actual) {
            quantiles.sort_unstable_by(f32::total_cmp);
            let median = quantiles[MEDIAN];
            for (scores, quantile) in scores.iter_mut().zip(&*quantiles) {
                let width = f64::from(quantile - median);
                if width != 0.0 {
                    scores.push(f64::from(actual - median) / width);
                }
            }
        }
    }
    let factor = |(level, mut scores): (f64, Vec<f64>)| {
        scores.sort_unstable_by(f64::total_cmp);
        // Of scores that grow away from the median, on either side.
        let share = if level < 0.5 { 1.0 - level } else { level };
        let rank = ((scores.len() + 1) as f64 * share).ceil() as usize;
        let score = scores.get(rank.min(scores.len()).saturating_sub(1));
        score.map_or(1.0, |score| score.clamp(0.2, 8.0))
    };
    let mut all: Vec<f64> = network::LEVELS
        .into_iter()
        .zip(scores)
        .map(factor)
        .collect();
    all[MEDIAN] = 1.0;
    all
}
