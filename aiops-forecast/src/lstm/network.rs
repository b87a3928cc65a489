//! Layer, heads and loss, forward and back.

use std::ops::Range;

use aiops_core::Rng;

use super::kernels::{Kept, Step, gates_backward, gates_forward, product, view};

/// Quantile levels that the network forecasts.
pub(super) const LEVELS: [f64; 7] = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975];
/// Place of the median in [`LEVELS`].
pub(super) const MEDIAN: usize = 3;
/// A normal distribution's quantiles at [`LEVELS`]: where the head starts.
const START: [f32; LEVELS.len()] = [-1.96, -1.282, -0.674, 0.0, 0.674, 1.282, 1.96];

/// Sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Values in one step of the sequence.
    pub(super) inputs: usize,
    pub(super) steps: usize,
    pub(super) hidden: usize,
    /// Seasonal differences that reach the output by a straight way.
    pub(super) lags: usize,
    pub(super) horizon: usize,
}

impl Shape {
    pub(super) fn outputs(self) -> usize {
        self.horizon * LEVELS.len()
    }

    /// Where each matrix lies among the parameters: input, recurrent, bias, head, its bias, straight
    /// way.
    fn parts(self) -> [Range<usize>; 6] {
        let gates = 4 * self.hidden;
        let mut at = 0;
        [
            self.inputs * gates,
            self.hidden * gates,
            gates,
            self.hidden * self.outputs(),
            self.outputs(),
            self.lags * self.horizon,
        ]
        .map(|len| {
            at += len;
            at - len..at
        })
    }

    /// The weights of the straight way.
    pub(super) fn straight(self) -> Range<usize> {
        let [.., straight] = self.parts();
        straight
    }

    pub(super) fn parameters(self) -> usize {
        self.parts()[5].end
    }

    /// Floating-point operations of one training step for one window.
    pub(super) fn work(self) -> f64 {
        let recurrent = self.steps * (self.inputs + self.hidden) * 4 * self.hidden;
        let head = self.hidden * self.outputs() + self.lags * self.horizon;
        6.0 * (recurrent + head) as f64
    }

    /// Uniform and orthogonal weights, a forget gate that is open, heads of 0: before any training the
    /// forecast is the seasonal base with a normal distribution around it.
    pub(super) fn start(self, rng: &mut Rng) -> Vec<f32> {
        let [input, recurrent, bias, _, head_bias, _] = self.parts();
        let mut parameters = vec![0.0; self.parameters()];
        let reach = (6.0 / (self.inputs + self.hidden) as f64).sqrt();
        for weight in &mut parameters[input] {
            *weight = (reach * (2.0 * rng.uniform() - 1.0)) as f32;
        }
        let gates = 4 * self.hidden;
        for block in 0..4 {
            let square = orthogonal(self.hidden, rng);
            for (row, values) in square.chunks_exact(self.hidden).enumerate() {
                let at = recurrent.start + row * gates + block * self.hidden;
                for (weight, value) in parameters[at..at + self.hidden].iter_mut().zip(values) {
                    *weight = *value as f32;
                }
            }
        }
        parameters[bias][self.hidden..2 * self.hidden].fill(1.0);
        for step in parameters[head_bias].chunks_exact_mut(LEVELS.len()) {
            step.copy_from_slice(&START);
        }
        parameters
    }
}

/// A random square matrix with orthonormal rows, by Gram and Schmidt.
fn orthogonal(n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut rows: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
    for row in 0..n {
        let (before, rest) = rows.split_at_mut(row * n);
        let own = &mut rest[..n];
        // Twice, because once leaves rounding errors.
        for known in before.chunks_exact(n).chain(before.chunks_exact(n)) {
            let along = crate::optimise::dot(own, known);
            for (value, other) in own.iter_mut().zip(known) {
                *value -= along * other;
            }
        }
        let length = crate::optimise::dot(own, own).sqrt().max(f64::MIN_POSITIVE);
        for value in own {
            *value /= length;
        }
    }
    rows
}

/// Windows that go through the network together.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) len: usize,
    /// `steps` blocks of `len` rows of `inputs` values.
    pub(super) sequence: Vec<f32>,
    /// `len` rows of `lags` values.
    pub(super) lags: Vec<f32>,
    /// `len` rows of `horizon` values; not read by the way forward.
    pub(super) actual: Vec<f32>,
}

impl Batch {
    pub(super) fn new(shape: Shape, len: usize) -> Self {
        Self {
            len,
            sequence: vec![0.0; shape.steps * len * shape.inputs],
            lags: vec![0.0; len * shape.lags],
            actual: vec![0.0; len * shape.horizon],
        }
    }
}

/// Room for a batch, used again for the next one.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    shape: Shape,
    len: usize,
    /// One block for each step, and one before the first where there is a state.
    gates: Vec<f32>,
    cell: Vec<f32>,
    squashed: Vec<f32>,
    hidden: Vec<f32>,
    straight: Vec<f32>,
    output: Vec<f32>,
    d_sums: Vec<f32>,
    d_hidden: Vec<f32>,
    d_cell: Vec<f32>,
    d_straight: Vec<f32>,
}

impl Workspace {
    pub(super) fn new(shape: Shape, len: usize) -> Self {
        let rows = shape.steps * len;
        let width = shape.hidden;
        Self {
            shape,
            len,
            gates: vec![0.0; rows * 4 * width],
            cell: vec![0.0; (rows + len) * width],
            squashed: vec![0.0; rows * width],
            hidden: vec![0.0; (rows + len) * width],
            straight: vec![0.0; len * shape.horizon],
            output: vec![0.0; len * shape.outputs()],
            d_sums: Vec::new(),
            d_hidden: vec![0.0; len * width],
            d_cell: vec![0.0; len * width],
            d_straight: vec![0.0; len * shape.horizon],
        }
    }

    /// Quantiles in units of the scale, `outputs` for each window, step by step.
    pub(super) fn forward(&mut self, parameters: &[f32], batch: &Batch) -> &[f32] {
        let Shape {
            inputs,
            steps,
            hidden: width,
            lags,
            horizon,
        } = self.shape;
        let (len, gates) = (self.len, 4 * width);
        let [input, recurrent, bias, head, head_bias, straight] = self.shape.parts();
        for row in self.gates.chunks_exact_mut(gates) {
            row.copy_from_slice(&parameters[bias.clone()]);
        }
        // One product for the whole sequence; what is left inside the loop is recurrent.
        product(
            &view(steps * len, inputs, &batch.sequence),
            &view(inputs, gates, &parameters[input]),
            1.0,
            &mut self.gates,
        );
        let block = len * width;
        for step in 0..steps {
            let (before, hidden) = self.hidden.split_at_mut((step + 1) * block);
            let sums = &mut self.gates[step * 4 * block..(step + 1) * 4 * block];
            product(
                &view(len, width, &before[step * block..]),
                &view(width, gates, &parameters[recurrent.clone()]),
                1.0,
                sums,
            );
            let (cell_before, cell) = self.cell.split_at_mut((step + 1) * block);
            let mut kept = Step {
                gates: sums,
                cell: &mut cell[..block],
                squashed: &mut self.squashed[step * block..(step + 1) * block],
                hidden: &mut hidden[..block],
            };
            gates_forward(width, &cell_before[step * block..], &mut kept);
        }
        for row in self.output.chunks_exact_mut(self.shape.outputs()) {
            row.copy_from_slice(&parameters[head_bias.clone()]);
        }
        product(
            &view(len, width, &self.hidden[steps * block..]),
            &view(width, self.shape.outputs(), &parameters[head]),
            1.0,
            &mut self.output,
        );
        product(
            &view(len, lags, &batch.lags),
            &view(lags, horizon, &parameters[straight]),
            0.0,
            &mut self.straight,
        );
        let ahead = self.output.chunks_exact_mut(LEVELS.len());
        for (quantiles, straight) in ahead.zip(&self.straight) {
            for value in quantiles {
                *value += straight;
            }
        }
        &self.output
    }

    /// Mean pinball loss of the last [`forward`](Self::forward); its gradient goes to `gradient`.
    pub(super) fn backward(
        &mut self,
        parameters: &[f32],
        batch: &Batch,
        gradient: &mut [f32],
    ) -> f64 {
        let loss = self.turn(batch);
        let Shape {
            inputs,
            steps,
            hidden: width,
            lags,
            horizon,
        } = self.shape;
        let (len, gates, outputs) = (self.len, 4 * width, self.shape.outputs());
        let [input, recurrent, bias, head, head_bias, straight] = self.shape.parts();
        let block = len * width;
        product(
            &view(len, width, &self.hidden[steps * block..]).reversed_axes(),
            &view(len, outputs, &self.output),
            0.0,
            &mut gradient[head.clone()],
        );
        column_sums(&self.output, &mut gradient[head_bias]);
        product(
            &view(len, lags, &batch.lags).reversed_axes(),
            &view(len, horizon, &self.d_straight),
            0.0,
            &mut gradient[straight],
        );
        product(
            &view(len, outputs, &self.output),
            &view(width, outputs, &parameters[head]).reversed_axes(),
            0.0,
            &mut self.d_hidden,
        );
        self.d_cell.fill(0.0);
        self.d_sums.resize(self.gates.len(), 0.0);
        for step in (0..steps).rev() {
            let own = step * 4 * block..(step + 1) * 4 * block;
            let kept = Kept {
                gates: &self.gates[own.clone()],
                cell_before: &self.cell[step * block..(step + 1) * block],
                squashed: &self.squashed[step * block..(step + 1) * block],
            };
            let sums = &mut self.d_sums[own];
            gates_backward(width, &kept, &self.d_hidden, &mut self.d_cell, sums);
            product(
                &view(len, gates, sums),
                &view(width, gates, &parameters[recurrent.clone()]).reversed_axes(),
                0.0,
                &mut self.d_hidden,
            );
        }
        let rows = steps * len;
        product(
            &view(rows, width, &self.hidden[..rows * width]).reversed_axes(),
            &view(rows, gates, &self.d_sums),
            0.0,
            &mut gradient[recurrent],
        );
        product(
            &view(rows, inputs, &batch.sequence).reversed_axes(),
            &view(rows, gates, &self.d_sums),
            0.0,
            &mut gradient[input],
        );
        column_sums(&self.d_sums, &mut gradient[bias]);
        loss
    }

    /// The loss; the outputs give way to its gradient.
    fn turn(&mut self, batch: &Batch) -> f64 {
        let levels = LEVELS.map(|level| level as f32);
        let share = 1.0 / self.output.len() as f32;
        let mut loss = 0.0;
        let ahead = self.output.chunks_exact_mut(levels.len());
        for ((quantiles, actual), along) in ahead.zip(&batch.actual).zip(&mut self.d_straight) {
            let (mut sum, mut part) = (0.0, 0.0);
            for (value, level) in quantiles.iter_mut().zip(levels) {
                let error = actual - *value;
                let slope = if error > 0.0 { level } else { level - 1.0 };
                part += slope * error;
                *value = -slope * share;
                sum += *value;
            }
            loss += f64::from(part);
            *along = sum;
        }
        loss * f64::from(share)
    }
}

/// Mean pinball loss of quantiles, as [`Workspace::forward`] gives them.
pub(super) fn loss(output: &[f32], actual: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (quantiles, actual) in output.chunks_exact(LEVELS.len()).zip(actual) {
        for (value, level) in quantiles.iter().zip(LEVELS) {
            let error = f64::from(actual - value);
            sum += error * if error > 0.0 { level } else { level - 1.0 };
        }
    }
    sum / output.len() as f64
}

fn column_sums(matrix: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for row in matrix.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aiops_core::Seed;

    /// Every parameter of a small network against differences of the loss.
    #[test]
    fn gradient_is_that_of_the_loss() {
        let shape = Shape {
            inputs: 3,
            steps: 4,
            hidden: 5,
            lags: 6,
            horizon: 2,
        };
        let mut rng = Seed::default().rng();
        let mut parameters = shape.start(&mut rng);
        for parameter in &mut parameters {
            *parameter += (0.3 * rng.normal()) as f32;
        }
        let mut batch = Batch::new(shape, 7);
        let Batch {
            sequence,
            lags,
            actual,
            ..
        } = &mut batch;
        for value in sequence.iter_mut().chain(lags).chain(actual) {
            *value = rng.normal() as f32;
        }
        let mut room = Workspace::new(shape, 7);
        let mut gradient = vec![0.0; shape.parameters()];
        room.forward(&parameters, &batch);
        let at = room.backward(&parameters, &batch, &mut gradient);
        assert!((at - loss(&room.clone_forward(&parameters, &batch), &batch.actual)).abs() < 1e-5);
        let mut worst: f64 = 0.0;
        for index in 0..parameters.len() {
            let mut difference = |by: f32| {
                let mut moved = parameters.clone();
                moved[index] += by;
                loss(room.forward(&moved, &batch), &batch.actual)
            };
            let step = 2e-3;
            let numeric = (difference(step) - difference(-step)) / f64::from(2.0 * step);
            worst = worst.max((numeric - f64::from(gradient[index])).abs());
        }
        let largest = gradient.iter().map(|g| g.abs()).fold(0.0, f32::max);
        assert!(largest > 0.05, "nothing to compare: {largest}");
        assert!(worst < 2e-3, "{worst}");
    }

    impl Workspace {
        fn clone_forward(&self, parameters: &[f32], batch: &Batch) -> Vec<f32> {
            self.clone().forward(parameters, batch).to_vec()
        }
    }

    #[test]
    fn recurrent_weights_start_orthogonal() {
        let square = orthogonal(6, &mut Seed::default().rng());
        for (i, left) in square.chunks_exact(6).enumerate() {
            for (j, right) in square.chunks_exact(6).enumerate() {
                let product = crate::optimise::dot(left, right);
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
