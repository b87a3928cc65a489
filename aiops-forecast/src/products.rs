//! Least squares from sums of products.

/// Sums of products of a target and its regressors, one row of numbers after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Products {
    columns: usize,
    /// Row-major; the target is column 0. Only `row >= column` is filled.
    cells: Vec<f64>,
}

/// The solution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeastSquares {
    pub(crate) coefficients: Vec<f64>,
    /// Sum of squared residuals.
    pub(crate) squares: f64,
}

/// A pivot smaller than this share of its column's square is no pivot.
const DEPENDENT: f64 = 1e-11;

impl Products {
    /// For `columns` numbers in a row, the target included.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.cells.clear();
        self.cells.resize(columns * columns, 0.0);
    }

    /// Adds a row with a weight.
    pub(crate) fn add(&mut self, row: &[f64], weight: f64) {
        for (index, (value, cells)) in row
            .iter()
            .zip(self.cells.chunks_exact_mut(self.columns))
            .enumerate()
        {
            let value = value * weight;
            for (cell, other) in cells[..=index].iter_mut().zip(row) {
                *cell += value * other;
            }
        }
    }

    /// The coefficients with the least squares, or the index of the first regressor that is a
    /// combination of those before it.
    pub(crate) fn solve(&self) -> Result<LeastSquares, usize> {
        let n = self.columns;
        if n == 1 || self.cells[0] <= 0.0 {
            return Ok(LeastSquares {
                coefficients: vec![0.0; n - 1],
                squares: self.cells[0].max(0.0),
            });
        }
        // Cholesky of the regressors, each scaled to 1; the target is the last row.
        let scale: Vec<f64> = (0..n)
            .map(|i| self.cells[i * n + i].sqrt())
            .map(|size| if size > 0.0 { 1.0 / size } else { 0.0 })
            .collect();
        let order: Vec<usize> = (1..n).chain([0]).collect();
        let at = |i: usize, j: usize| {
            let (a, b) = (order[i], order[j]);
            self.cells[a.max(b) * n + a.min(b)] * scale[a] * scale[b]
        };
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let known =
                    crate::optimise::dot(&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
                let rest = at(i, j) - known;
                lower[i * n + j] = if i != j {
                    rest / lower[j * n + j]
                } else if i + 1 == n {
                    rest.max(0.0)
                } else if rest > DEPENDENT {
                    rest.sqrt()
                } else {
                    return Err(i);
                };
            }
        }
        let k = n - 1;
        let squares = lower[k * n + k] / (scale[0] * scale[0]);
        let mut coefficients = lower[k * n..k * n + k].to_vec();
        for i in (0..k).rev() {
            let known: f64 = (i + 1..k).map(|j| lower[j * n + i] * coefficients[j]).sum();
            coefficients[i] = (coefficients[i] - known) / lower[i * n + i];
        }
        for (coefficient, scale_of) in coefficients.iter_mut().zip(&scale[1..]) {
            *coefficient *= scale_of / scale[0];
        }
        Ok(LeastSquares {
            coefficients,
            squares,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_points() {
        let mut products = Products::default();
        products.reset(3);
        for x in 0..10 {
            let x = f64::from(x);
            products.add(&[3.0 + 2.0 * x, 1.0, x], 1.0);
        }
        let found = products.solve().expect("independent");
        assert!((found.coefficients[0] - 3.0).abs() < 1e-9);
        assert!((found.coefficients[1] - 2.0).abs() < 1e-9);
        assert!(found.squares < 1e-9);
    }

    #[test]
    fn names_the_regressor_that_says_nothing_new() {
        let mut products = Products::default();
        products.reset(4);
        for x in 0..10 {
            let x = f64::from(x);
            products.add(&[x * x, 1.0, x, 2.0 + 3.0 * x], 1.0);
        }
        assert_eq!(products.solve(), Err(2));
    }
}
