//! Symmetric matrices: covariance and eigenvectors.

use aiops_core::ndarray::Array2;

/// Sweeps after which the off-diagonal is what rounding leaves; six are usual.
const MAX_SWEEPS: usize = 60;

/// Mean cross product of the rows, without taking a mean off: `rows^T rows / n`. Row-major rows.
pub(crate) fn second_moments(rows: &[f64], width: usize) -> Array2<f64> {
    let count = (rows.len() / width).max(1) as f64;
    let mut moments = Array2::<f64>::zeros((width, width));
    for row in rows.chunks_exact(width) {
        for (i, &a) in row.iter().enumerate() {
            let mut line = moments.row_mut(i);
            let line = line.as_slice_mut().expect("a fresh matrix is row-major");
            for (sum, &b) in line[i..].iter_mut().zip(&row[i..]) {
                *sum += a * b;
            }
        }
    }
    for i in 0..width {
        for j in i..width {
            let value = moments[[i, j]] / count;
            (moments[[i, j]], moments[[j, i]]) = (value, value);
        }
    }
    moments
}

/// Eigenvalues, largest first, and eigenvectors in the rows of the matrix beside them, by cyclic
/// rotations (Jacobi 1846; the formulas are those of Golub and Van Loan, *Matrix Computations*,
/// section 8.5). Each vector is turned so that its largest entry is positive.
pub(crate) fn eigen(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut vectors = Array2::<f64>::eye(n);
    let scale = a.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    for _ in 0..MAX_SWEEPS {
        let mut largest = 0.0_f64;
        for p in 0..n {
            for q in p + 1..n {
                largest = largest.max(a[[p, q]].abs());
                rotate(&mut a, &mut vectors, p, q);
            }
        }
        if largest <= 1e-15 * scale {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[[j, j]].total_cmp(&a[[i, i]]));
    let values = order.iter().map(|&i| a[[i, i]]).collect();
    let mut sorted = Array2::zeros((n, n));
    for (row, &i) in order.iter().enumerate() {
        let vector = vectors.row(i);
        let largest = vector.iter().copied().fold(0.0, |most: f64, value| {
            if value.abs() > most.abs() {
                value
            } else {
                most
            }
        });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        sorted
            .row_mut(row)
            .assign(&vector.mapv(|value| sign * value));
    }
    (values, sorted)
}

/// Makes `a[p, q]` zero.
fn rotate(a: &mut Array2<f64>, vectors: &mut Array2<f64>, p: usize, q: usize) {
    let off = a[[p, q]];
    if off == 0.0 {
        return;
    }
    let tau = (a[[q, q]] - a[[p, p]]) / (2.0 * off);
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cos = 1.0 / t.hypot(1.0);
    let sin = t * cos;
    for k in 0..a.nrows() {
        let (x, y) = (a[[k, p]], a[[k, q]]);
        (a[[k, p]], a[[k, q]]) = (cos * x - sin * y, sin * x + cos * y);
    }
    turn_rows(a, p, q, cos, sin);
    turn_rows(vectors, p, q, cos, sin);
}

fn turn_rows(a: &mut Array2<f64>, p: usize, q: usize, cos: f64, sin: f64) {
    for k in 0..a.ncols() {
        let (x, y) = (a[[p, k]], a[[q, k]]);
        (a[[p, k]], a[[q, k]]) = (cos * x - sin * y, sin * x + cos * y);
    }
}

#[cfg(test)]
mod tests {
    use aiops_core::ndarray::{Array1, Array2, array};

    use super::*;

    #[test]
    fn a_matrix_with_known_eigenvalues() {
        let (values, vectors) = eigen(array![[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 5.0]]);
        assert!(
            values
                .iter()
                .zip([5.0, 3.0, 1.0])
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        let half = 0.5_f64.sqrt();
        assert!((vectors[[1, 0]] - half).abs() < 1e-12 && (vectors[[1, 1]] - half).abs() < 1e-12);
    }

    #[test]
    fn values_and_vectors_give_the_matrix_back() {
        let rows: Vec<f64> = (0..30 * 12)
            .map(|i| (f64::from(i) * 0.7).sin() + (f64::from(i * i) * 0.013).cos())
            .collect();
        let matrix = second_moments(&rows, 12);
        let (values, vectors) = eigen(matrix.clone());
        let diagonal = Array2::from_diag(&Array1::from(values.clone()));
        let back = vectors.t().dot(&diagonal).dot(&vectors);
        let one = vectors.dot(&vectors.t());
        assert!((&back - &matrix).iter().all(|error| error.abs() < 1e-12));
        assert!(
            (&one - &Array2::<f64>::eye(12))
                .iter()
                .all(|error| error.abs() < 1e-12)
        );
        assert!(values.is_sorted_by(|a, b| a >= b) && values[11] > -1e-12);
    }
}
