//! Autocovariances of an ARMA process and the first variance of its state.

/// What the recursions start from. All for an error of variance 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Stationary {
    /// Covariance of each state with the first one, which is the observed value.
    pub(super) first: Vec<f64>,
    autocovariances: Vec<f64>,
    weights: Vec<f64>,
    reduced: Vec<f64>,
    squares: Vec<f64>,
}

impl Stationary {
    /// `phi` and `theta` have the same length, at least 1 and more than the moving average's longest
    /// lag; both start at lag 1.
    ///
    /// # Method
    ///
    /// `theta(z) theta(1/z) / (phi(z) phi(1/z)) = x(z) / phi(z) + x(1/z) / phi(1/z)`, solved for `x`
    /// by reducing the order of `phi` in `O(r^2)` (Tunnicliffe Wilson, *Some efficient computational
    /// procedures for high order ARMA models*, Journal of Statistical Computation and Simulation
    /// 1979).
    pub(super) fn of(&mut self, phi: &[f64], theta: &[f64]) {
        let r = phi.len();
        self.autocovariances(phi, theta);
        // psi(k): what an error does to the value k steps later.
        let weights = &mut self.weights;
        weights.clear();
        weights.push(1.0);
        for k in 1..r {
            let past: f64 = (1..=k).map(|j| phi[j - 1] * weights[k - j]).sum();
            weights.push(theta[k - 1] + past);
        }
        self.first.clear();
        self.first.push(self.autocovariances[0]);
        for i in 1..r {
            let values = phi[i..].iter().zip(&self.autocovariances[1..]);
            let errors = theta[i - 1..].iter().zip(&self.weights);
            let sum: f64 = values.chain(errors).map(|(a, b)| a * b).sum();
            self.first.push(sum);
        }
    }

    fn autocovariances(&mut self, phi: &[f64], theta: &[f64]) {
        let r = phi.len();
        let Self {
            autocovariances: x,
            reduced: a,
            squares: s,
            weights: reflections,
            ..
        } = self;
        let moving = |i: usize| if i == 0 { 1.0 } else { theta[i - 1] };
        s.clear();
        s.extend((0..=r).map(|lag| {
            (0..=r - lag)
                .map(|i| moving(i) * moving(i + lag))
                .sum::<f64>()
        }));
        a.clear();
        a.push(1.0);
        a.extend(phi.iter().map(|value| -value));
        x.clear();
        x.resize(r + 1, 0.0);
        reflections.clear();
        reflections.resize(r + 1, 0.0);
        for n in (1..=r).rev() {
            let k = a[n];
            reflections[n] = k;
            let rest = 1.0 - k * k;
            if k != 0.0 {
                for low in 1..n.div_ceil(2) {
                    let high = n - low;
                    let (left, right) = (a[low], a[high]);
                    a[low] = (left - k * right) / rest;
                    a[high] = (right - k * left) / rest;
                }
                if n % 2 == 0 {
                    a[n / 2] *= (1.0 - k) / rest;
                }
                s[..=n].iter_mut().for_each(|value| *value /= rest);
            }
            x[n] = s[n];
            for j in 1..n {
                s[n - j] -= x[n] * a[j];
            }
        }
        x[0] = 0.5 * s[0];
        for (n, &k) in reflections.iter().enumerate().skip(1) {
            if k != 0.0 {
                for low in 0..=n / 2 {
                    let high = n - low;
                    let (left, right) = (x[low], x[high]);
                    x[low] = left - k * right;
                    x[high] = right - k * left;
                }
            }
        }
        // The power series of x(z) / phi(z).
        for lag in 1..=r {
            let past: f64 = (1..=lag).map(|j| phi[j - 1] * x[lag - j]).sum();
            x[lag] += past;
        }
        x[0] *= 2.0;
    }

    /// The whole covariance of the state, row-major, from its first column.
    pub(super) fn covariance(&self, phi: &[f64], theta: &[f64]) -> Vec<f64> {
        let r = phi.len();
        let shock = |i: usize| if i == 0 { 1.0 } else { theta[i - 1] };
        let mut out = vec![0.0; r * r];
        for i in (0..r).rev() {
            for j in (0..=i).rev() {
                let value = if j == 0 {
                    self.first[i]
                } else {
                    let next = |at: usize| self.first.get(at + 1).copied().unwrap_or(0.0);
                    let after = if i + 1 < r {
                        out[(i + 1) * r + j + 1]
                    } else {
                        0.0
                    };
                    phi[i] * phi[j] * self.first[0]
                        + phi[i] * next(j)
                        + phi[j] * next(i)
                        + shock(i) * shock(j)
                        + after
                };
                out[i * r + j] = value;
                out[j * r + i] = value;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variance(phi: &[f64], theta: &[f64]) -> f64 {
        let mut stationary = Stationary::default();
        stationary.of(phi, theta);
        stationary.first[0]
    }

    #[test]
    fn variances_of_the_textbook() {
        assert!((variance(&[0.5, 0.0], &[0.0; 2]) - 1.0 / 0.75).abs() < 1e-12);
        assert!((variance(&[0.0; 3], &[0.5, -0.3, 0.0]) - 1.34).abs() < 1e-12);
        let (phi, theta) = (0.6, 0.4);
        let expected = (1.0 + 2.0 * phi * theta + theta * theta) / (1.0 - phi * phi);
        assert!((variance(&[phi, 0.0], &[theta, 0.0]) - expected).abs() < 1e-12);
    }

    #[test]
    fn the_covariance_stays_as_it_is() {
        let (phi, theta) = ([0.9, -0.5, 0.2, 0.1], [0.4, 0.3, -0.2, 0.0]);
        let mut stationary = Stationary::default();
        stationary.of(&phi, &theta);
        let p = stationary.covariance(&phi, &theta);
        let at = |i: usize, j: usize| if i < 4 && j < 4 { p[4 * i + j] } else { 0.0 };
        let shock = |i: usize| if i == 0 { 1.0 } else { theta[i - 1] };
        for i in 0..4 {
            for j in 0..4 {
                let next = phi[i] * phi[j] * at(0, 0)
                    + phi[i] * at(0, j + 1)
                    + phi[j] * at(i + 1, 0)
                    + at(i + 1, j + 1)
                    + shock(i) * shock(j);
                assert!(
                    (next - at(i, j)).abs() < 1e-12,
                    "{i} {j}: {next} {}",
                    at(i, j)
                );
            }
        }
    }
}
