//! The four operations that take the time: matrix product, gates forward, gates backward, Adam.
//!
//! Nothing else in this directory knows how they are done, so another processor can take their place.
//! All matrices are row-major and dense.

use aiops_core::ndarray::linalg::general_mat_mul;
use aiops_core::ndarray::{ArrayView2, ArrayViewMut2};

/// `c = a b + beta c`; one of `a` and `b` may be a transposed view.
pub(super) fn product(a: &ArrayView2<'_, f32>, b: &ArrayView2<'_, f32>, beta: f32, c: &mut [f32]) {
    let shape = (a.nrows(), b.ncols());
    let mut c = ArrayViewMut2::from_shape(shape, c).expect("a row of `c` for each row of `a`");
    general_mat_mul(1.0, a, b, beta, &mut c);
}

/// A matrix to be read.
pub(super) fn view(rows: usize, columns: usize, values: &[f32]) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("as many values as rows and columns say")
}

/// What one step of a layer keeps for the way back, one row for each window; `gates` has four
/// blocks a row: input, forget, candidate, output.
pub(super) struct Step<'a> {
    pub(super) gates: &'a mut [f32],
    pub(super) cell: &'a mut [f32],
    /// Hyperbolic tangent of the cell.
    pub(super) squashed: &'a mut [f32],
    pub(super) hidden: &'a mut [f32],
}

/// Turns the sums in `gates` into gates, cell and hidden state.
pub(super) fn gates_forward(width: usize, cell_before: &[f32], step: &mut Step<'_>) {
    let rows = step
        .gates
        .chunks_exact_mut(4 * width)
        .zip(cell_before.chunks_exact(width))
        .zip(step.cell.chunks_exact_mut(width))
        .zip(step.squashed.chunks_exact_mut(width))
        .zip(step.hidden.chunks_exact_mut(width));
    for ((((gates, before), cell), squashed), hidden) in rows {
        let (input, rest) = gates.split_at_mut(width);
        let (forget, rest) = rest.split_at_mut(width);
        let (candidate, output) = rest.split_at_mut(width);
        for k in 0..width {
            input[k] = sigmoid(input[k]);
            forget[k] = sigmoid(forget[k]);
            candidate[k] = tanh(candidate[k]);
            output[k] = sigmoid(output[k]);
            cell[k] = forget[k] * before[k] + input[k] * candidate[k];
            squashed[k] = tanh(cell[k]);
            hidden[k] = output[k] * squashed[k];
        }
    }
}

/// What the way forward kept of one step.
pub(super) struct Kept<'a> {
    pub(super) gates: &'a [f32],
    pub(super) cell_before: &'a [f32],
    pub(super) squashed: &'a [f32],
}

/// From the gradient of the hidden state to that of the sums before the gates; `cell` carries the
/// gradient of the cell from step to step.
pub(super) fn gates_backward(
    width: usize,
    kept: &Kept<'_>,
    hidden: &[f32],
    cell: &mut [f32],
    sums: &mut [f32],
) {
    let rows = kept
        .gates
        .chunks_exact(4 * width)
        .zip(kept.cell_before.chunks_exact(width))
        .zip(kept.squashed.chunks_exact(width))
        .zip(hidden.chunks_exact(width))
        .zip(cell.chunks_exact_mut(width))
        .zip(sums.chunks_exact_mut(4 * width));
    for (((((gates, before), squashed), hidden), cell), sums) in rows {
        let (input, rest) = gates.split_at(width);
        let (forget, rest) = rest.split_at(width);
        let (candidate, output) = rest.split_at(width);
        let (d_input, rest) = sums.split_at_mut(width);
        let (d_forget, rest) = rest.split_at_mut(width);
        let (d_candidate, d_output) = rest.split_at_mut(width);
        for k in 0..width {
            let into_cell = cell[k] + hidden[k] * output[k] * (1.0 - squashed[k] * squashed[k]);
            d_output[k] = hidden[k] * squashed[k] * output[k] * (1.0 - output[k]);
            d_input[k] = into_cell * candidate[k] * input[k] * (1.0 - input[k]);
            d_forget[k] = into_cell * before[k] * forget[k] * (1.0 - forget[k]);
            d_candidate[k] = into_cell * input[k] * (1.0 - candidate[k] * candidate[k]);
            cell[k] = into_cell * forget[k];
        }
    }
}

/// Kingma and Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015.
#[derive(Clone, Debug)]
pub(super) struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    /// Powers of the two rates of forgetting.
    powers: (f32, f32),
}

impl Adam {
    const FORGET: (f32, f32) = (0.9, 0.999);
    const LEAST: f32 = 1e-8;

    pub(super) fn new(parameters: usize) -> Self {
        Self {
            mean: vec![0.0; parameters],
            square: vec![0.0; parameters],
            powers: (1.0, 1.0),
        }
    }

    /// One step against `gradient`, which is taken `scale` times.
    pub(super) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], scale: f32, rate: f32) {
        let (first, second) = Self::FORGET;
        self.powers = (self.powers.0 * first, self.powers.1 * second);
        let rate = rate / (1.0 - self.powers.0);
        let unbias = 1.0 / (1.0 - self.powers.1);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, gradient), (mean, square)) in
            parameters.iter_mut().zip(gradient).zip(moments)
        {
            let gradient = gradient * scale;
            *mean += (1.0 - first) * (gradient - *mean);
            *square += (1.0 - second) * (gradient * gradient - *square);
            *parameter -= rate * *mean / ((*square * unbias).sqrt() + Self::LEAST);
        }
    }
}

/// `e^x` to about 4 parts in a million: a polynomial that the compiler turns into vector code, which
/// the one of the standard library is not.
#[inline]
fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 * 2^23 rounds to a whole number, whose low bits then lie in the sum.
    const ROUND: f32 = 12_582_912.0;
    let scaled = (x * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    let shifted = scaled + ROUND;
    let rest = scaled - (shifted - ROUND);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1_f32.to_bits()));
    let series = 0.009_618_13 + rest * 0.001_333_55;
    let series = 0.240_226_46 + rest * (0.055_503_6 + rest * series);
    power * (1.0 + rest * (std::f32::consts::LN_2 + rest * series))
}

#[inline]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline]
fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exp(-2.0 * x)) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_exact_enough() {
        for index in -2_000..2_000_i16 {
            let x = f32::from(index) * 0.037;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got / want - 1.0).abs() < 1e-5, "{x}: {got} for {want}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert!(sigmoid(-1e9) < 1e-30 && (tanh(-1e9) + 1.0).abs() < 1e-6);
    }
}
