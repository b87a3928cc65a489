//! Ridge regression on few columns.

/// A linear model with an intercept, fitted on standardised columns.
#[derive(Clone, Debug)]
pub(crate) struct Ridge {
    intercept: f64,
    /// Centre and weight of each column, in the column's own unit.
    columns: Vec<(f64, f64)>,
}

impl Ridge {
    /// Rows whose `target` is missing are left out; a missing value of a column counts as its mean.
    /// `ridge` is a share of the number of rows; `relative_floor` bounds a column's spread from
    /// below, as a share of its mean. `None` without a complete row.
    pub(crate) fn fit(
        columns: &[Vec<f64>],
        target: &[f64],
        ridge: f64,
        relative_floor: f64,
    ) -> Option<Self> {
        let rows: Vec<usize> = (0..target.len())
            .filter(|row| !target[*row].is_nan())
            .collect();
        if rows.is_empty() {
            return None;
        }
        let n = rows.len() as f64;
        let intercept = rows.iter().map(|&row| target[row] / n).sum::<f64>();
        let scaled: Vec<(f64, f64, Vec<f64>)> = columns
            .iter()
            .map(|column| {
                let (mean, spread) = moments(rows.iter().map(|&row| column[row]));
                let spread = spread.max(relative_floor * mean.abs());
                let spread = if spread > 0.0 && spread.is_finite() {
                    spread
                } else {
                    1.0
                };
                let values = rows.iter().map(|&row| standard(column[row], mean, spread));
                (mean, spread, values.collect())
            })
            .collect();
        let k = columns.len();
        let mut gram = vec![0.0; k * k];
        let mut right = vec![0.0; k];
        for i in 0..k {
            for j in 0..=i {
                let dot = scaled[i]
                    .2
                    .iter()
                    .zip(&scaled[j].2)
                    .map(|(a, b)| a * b)
                    .sum();
                (gram[i * k + j], gram[j * k + i]) = (dot, dot);
            }
            gram[i * k + i] += ridge * n;
            right[i] = rows
                .iter()
                .zip(&scaled[i].2)
                .map(|(&row, x)| x * (target[row] - intercept))
                .sum();
        }
        let weights = solve(&mut gram, right)?;
        let columns = weights
            .into_iter()
            .zip(scaled)
            .map(|(weight, (mean, spread, _))| (mean, weight / spread))
            .collect();
        Some(Self { intercept, columns })
    }

    /// What the model does not explain, without rows whose target is missing.
    pub(crate) fn residuals(&self, columns: &[Vec<f64>], target: &[f64]) -> Vec<f64> {
        (0..target.len())
            .filter(|row| !target[*row].is_nan())
            .map(|row| {
                let explained =
                    columns
                        .iter()
                        .zip(&self.columns)
                        .map(|(column, (mean, weight))| {
                            let x = column.get(row).copied().unwrap_or(f64::NAN);
                            if x.is_nan() { 0.0 } else { (x - mean) * weight }
                        });
                let residual = target[row] - self.intercept - explained.sum::<f64>();
                if residual.is_nan() {
                    0.0
                } else {
                    residual.clamp(f64::MIN, f64::MAX)
                }
            })
            .collect()
    }
}

fn standard(x: f64, mean: f64, spread: f64) -> f64 {
    let z = (x - mean) / spread;
    if z.is_finite() { z } else { 0.0 }
}

/// Mean and standard deviation of the values that are there.
fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut welford = aiops_core::numerics::Welford::default();
    values.filter(|x| !x.is_nan()).for_each(|x| welford.add(x));
    (welford.mean(), welford.variance().sqrt())
}

/// Solves a symmetric positive definite system by Cholesky's method, in place; `None` when it is
/// not one.
pub(crate) fn solve(matrix: &mut [f64], mut right: Vec<f64>) -> Option<Vec<f64>> {
    let k = right.len();
    for i in 0..k {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|m| matrix[i * k + m] * matrix[j * k + m]).sum();
            let rest = matrix[i * k + j] - dot;
            if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                matrix[i * k + i] = rest.sqrt();
            } else {
                matrix[i * k + j] = rest / matrix[j * k + j];
            }
        }
    }
    for i in 0..k {
        let dot: f64 = (0..i).map(|j| matrix[i * k + j] * right[j]).sum();
        right[i] = (right[i] - dot) / matrix[i * k + i];
    }
    for i in (0..k).rev() {
        let dot: f64 = (i + 1..k).map(|j| matrix[j * k + i] * right[j]).sum();
        right[i] = (right[i] - dot) / matrix[i * k + i];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_weights_it_was_made_with() {
        let a: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
        let b: Vec<f64> = (0..50).map(|i| f64::from(i % 5) * 100.0).collect();
        let y: Vec<f64> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| 3.0 + 2.0 * a - 0.5 * b)
            .collect();
        let model = Ridge::fit(&[a.clone(), b.clone()], &y, 1e-12, 0.0).expect("a fit");
        assert!((model.columns[0].1 - 2.0).abs() < 1e-8 && (model.columns[1].1 + 0.5).abs() < 1e-8);
        assert!(model.residuals(&[a, b], &y).iter().all(|r| r.abs() < 1e-6));
    }

    #[test]
    fn equal_and_constant_columns_do_no_harm() {
        let a: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
        let y: Vec<f64> = a.iter().map(|a| 2.0 * a).collect();
        let columns = [a.clone(), a, vec![4.0; 50], vec![f64::NAN; 50]];
        let model = Ridge::fit(&columns, &y, 1e-6, 0.0).expect("a fit");
        assert!(model.residuals(&columns, &y).iter().all(|r| r.abs() < 1e-2));
        assert!(Ridge::fit(&columns, &[f64::NAN; 50], 1e-6, 0.0).is_none());
    }
}
