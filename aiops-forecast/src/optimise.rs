//! Minimisation with gradients.

/// Steps after which it stops in any case.
const MAX_STEPS: usize = 200;
/// Share of the predicted decrease that a step must bring (Armijo).
const ENOUGH: f64 = 1e-4;
const MAX_HALVINGS: usize = 25;

/// Minimises a smooth function from `start` by the method of Broyden, Fletcher, Goldfarb and
/// Shanno (Nocedal and Wright, *Numerical Optimization*, 2006, chapter 6), and answers its value
/// there. `function` writes the gradient and may answer infinity where it is not defined. Stops
/// when two steps in a row bring less than `tolerance`.
pub(crate) fn minimise(
    start: &mut [f64],
    tolerance: f64,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> f64 {
    let n = start.len();
    let mut gradient = vec![0.0; n];
    let mut value = function(start, &mut gradient);
    if n == 0 || !value.is_finite() {
        return value;
    }
    let mut inverse = Inverse::new(n);
    let (mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    let mut direction = vec![0.0; n];
    let mut idle = 0;
    for _ in 0..MAX_STEPS {
        let mut slope = inverse.direction(&gradient, &mut direction);
        if slope >= 0.0 || slope.is_nan() {
            inverse.reset();
            slope = inverse.direction(&gradient, &mut direction);
        }
        if slope > -1e-14 || slope.is_nan() {
            break;
        }
        let mut size = 1.0;
        let mut halvings = 0;
        let reached = loop {
            for ((to, from), along) in next.iter_mut().zip(start.iter()).zip(&direction) {
                *to = from + size * along;
            }
            let reached = function(&next, &mut next_gradient);
            if reached <= value + ENOUGH * size * slope {
                break reached;
            }
            halvings += 1;
            if halvings > MAX_HALVINGS {
                return value;
            }
            // The minimum of the parabola through both ends, within bounds.
            let curve = reached - value - size * slope;
            let guess = -0.5 * slope * size * size / curve;
            size = if guess.is_finite() {
                guess.clamp(0.1 * size, 0.5 * size)
            } else {
                0.25 * size
            };
        };
        inverse.update(start, &next, &gradient, &next_gradient);
        start.copy_from_slice(&next);
        gradient.copy_from_slice(&next_gradient);
        idle = if value - reached < tolerance {
            idle + 1
        } else {
            0
        };
        value = reached;
        if idle == 2 {
            break;
        }
    }
    value
}

/// The inverse of the matrix of second derivatives, row-major.
struct Inverse {
    n: usize,
    cells: Vec<f64>,
    fresh: bool,
    moved: Vec<f64>,
    bent: Vec<f64>,
    product: Vec<f64>,
}

impl Inverse {
    fn new(n: usize) -> Self {
        let mut inverse = Self {
            n,
            cells: vec![0.0; n * n],
            fresh: true,
            moved: vec![0.0; n],
            bent: vec![0.0; n],
            product: vec![0.0; n],
        };
        inverse.reset();
        inverse
    }

    fn reset(&mut self) {
        self.fill_diagonal(1.0);
        self.fresh = true;
    }

    fn fill_diagonal(&mut self, value: f64) {
        self.cells.fill(0.0);
        for index in 0..self.n {
            self.cells[index * self.n + index] = value;
        }
    }

    /// Writes the direction and answers the slope along it. The first step has length 0.5 at most.
    fn direction(&self, gradient: &[f64], direction: &mut [f64]) -> f64 {
        let mut slope = 0.0;
        for (row, along) in self.cells.chunks_exact(self.n).zip(direction.iter_mut()) {
            *along = -dot(row, gradient);
        }
        if self.fresh {
            let length = dot(direction, direction).sqrt();
            let shrink = (0.5 / length.max(f64::MIN_POSITIVE)).min(1.0);
            for along in direction.iter_mut() {
                *along *= shrink;
            }
        }
        for (along, gradient) in direction.iter().zip(gradient) {
            slope += along * gradient;
        }
        slope
    }

    fn update(&mut self, from: &[f64], to: &[f64], before: &[f64], after: &[f64]) {
        for index in 0..self.n {
            self.moved[index] = to[index] - from[index];
            self.bent[index] = after[index] - before[index];
        }
        let curvature = dot(&self.moved, &self.bent);
        if curvature <= 1e-12 || !curvature.is_finite() {
            return;
        }
        if self.fresh {
            self.fill_diagonal(curvature / dot(&self.bent, &self.bent));
            self.fresh = false;
        }
        for (row, cell) in self.cells.chunks_exact(self.n).zip(&mut self.product) {
            *cell = dot(row, &self.bent);
        }
        let weight = (1.0 + dot(&self.bent, &self.product) / curvature) / curvature;
        for row in 0..self.n {
            let (moved, product) = (self.moved[row], self.product[row]);
            let cells = &mut self.cells[row * self.n..(row + 1) * self.n];
            for (column, cell) in cells.iter_mut().enumerate() {
                *cell += weight * moved * self.moved[column]
                    - (moved * self.product[column] + product * self.moved[column]) / curvature;
            }
        }
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_rosenbrocks_valley() {
        let mut at = [-1.2, 1.0];
        let value = minimise(&mut at, 1e-12, |x, gradient| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            gradient[0] = -2.0 * a - 400.0 * x[0] * b;
            gradient[1] = 200.0 * b;
            a * a + 100.0 * b * b
        });
        assert!(
            value < 1e-10 && (at[0] - 1.0).abs() < 1e-4,
            "{at:?} {value}"
        );
    }

    #[test]
    fn backs_off_from_where_the_function_is_not_defined() {
        let mut at = [4.0];
        minimise(&mut at, 1e-12, |x, gradient| {
            gradient[0] = 1.0 - 0.1 / x[0];
            if x[0] > 0.0 {
                x[0] - 0.1 * x[0].ln()
            } else {
                f64::INFINITY
            }
        });
        assert!((at[0] - 0.1).abs() < 1e-4, "{at:?}");
    }
}
