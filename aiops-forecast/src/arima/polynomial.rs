//! Lag polynomials that are stationary and invertible by construction.
//!
//! Jones, *Maximum likelihood fitting of ARMA models to time series with missing observations*,
//! Technometrics 1980; Barndorff-Nielsen and Schou, *On the parametrization of autoregressive models by
//! partial autocorrelations*, Journal of Multivariate Analysis 1973.

use super::order::Order;

/// Largest partial autocorrelation: the unit root itself has no stationary variance.
const LARGEST: f64 = 1.0 - 1e-7;

/// Coefficients of the four polynomials, in the signs of
/// `y(t) = ar y(t-1) + .. + e(t) + ma e(t-1) + ..`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Terms {
    pub(super) ar: Vec<f64>,
    pub(super) ma: Vec<f64>,
    pub(super) seasonal_ar: Vec<f64>,
    pub(super) seasonal_ma: Vec<f64>,
}

impl Terms {
    /// From unbounded numbers: `ar`, `ma`, `seasonal_ar`, `seasonal_ma` one after the other.
    /// No root of the polynomials multiplied out is closer to 0 than `radius`.
    pub(super) fn of(order: Order, radius: f64, free: &[f64]) -> Self {
        let mut terms = Self {
            ar: vec![0.0; order.ar],
            ma: vec![0.0; order.ma],
            seasonal_ar: vec![0.0; order.seasonal_ar],
            seasonal_ma: vec![0.0; order.seasonal_ma],
        };
        terms.set(order.season, radius, free);
        terms
    }

    pub(super) fn set(&mut self, season: usize, radius: f64, free: &[f64]) {
        let mut rest = free;
        let shrinks = [1, 1, season, season].map(|lag| radius.powi(-(lag as i32)));
        for ((part, sign), shrink) in self.parts_mut().into_iter().zip(shrinks) {
            let (own, after) = rest.split_at(part.len());
            stationary(own, part);
            // An invertible moving average is a stationary autoregression with the other sign.
            let mut factor = sign;
            for value in part.iter_mut() {
                factor *= shrink;
                *value *= factor;
            }
            rest = after;
        }
    }

    fn parts_mut(&mut self) -> [(&mut Vec<f64>, f64); 4] {
        [
            (&mut self.ar, 1.0),
            (&mut self.ma, -1.0),
            (&mut self.seasonal_ar, 1.0),
            (&mut self.seasonal_ma, -1.0),
        ]
    }

    /// The polynomials multiplied out: autoregression and moving average, from lag 1 on.
    pub(super) fn expand(&self, season: usize, phi: &mut [f64], theta: &mut [f64]) {
        multiply(&self.ar, &self.seasonal_ar, season, -1.0, phi);
        multiply(&self.ma, &self.seasonal_ma, season, 1.0, theta);
    }

    /// Whether every root of every polynomial multiplied out lies outside the circle of `radius`.
    #[cfg(any(test, feature = "serde"))]
    pub(super) fn roots_outside(&self, season: usize, radius: f64) -> bool {
        let outside = |coefficients: &[f64], sign: f64, radius: f64| {
            let mut power = 1.0;
            let mut scaled: Vec<f64> = coefficients
                .iter()
                .map(|value| {
                    power *= radius;
                    sign * value * power
                })
                .collect();
            is_stationary(&mut scaled)
        };
        let seasonal = radius.powi(season as i32);
        outside(&self.ar, 1.0, radius)
            && outside(&self.ma, -1.0, radius)
            && outside(&self.seasonal_ar, 1.0, seasonal)
            && outside(&self.seasonal_ma, -1.0, seasonal)
    }
}

/// Writes the coefficients of the stationary autoregression with partial autocorrelations
/// `tanh(free)`.
fn stationary(free: &[f64], out: &mut [f64]) {
    for (order, free) in free.iter().enumerate() {
        let partial = LARGEST * free.tanh();
        for low in 0..order.div_ceil(2) {
            let high = order - 1 - low;
            let (a, b) = (out[low], out[high]);
            out[low] = a - partial * b;
            out[high] = b - partial * a;
        }
        out[order] = partial;
    }
}

/// Durbin and Levinson's recursion backwards.
#[cfg(any(test, feature = "serde"))]
fn is_stationary(coefficients: &mut [f64]) -> bool {
    for order in (0..coefficients.len()).rev() {
        let partial = coefficients[order];
        if partial.abs() >= 1.0 || partial.is_nan() {
            return false;
        }
        let rest = 1.0 - partial * partial;
        for low in 0..order.div_ceil(2) {
            let high = order - 1 - low;
            let (a, b) = (coefficients[low], coefficients[high]);
            coefficients[low] = (a + partial * b) / rest;
            coefficients[high] = (b + partial * a) / rest;
        }
    }
    true
}

/// `(1 + s a(B)) (1 + s b(B^season)) = 1 + s out(B)`, with `s` the sign; `out` may be longer.
fn multiply(a: &[f64], b: &[f64], season: usize, sign: f64, out: &mut [f64]) {
    out.fill(0.0);
    out[..a.len()].copy_from_slice(a);
    for (index, seasonal) in b.iter().enumerate() {
        let lag = (index + 1) * season;
        out[lag - 1] += seasonal;
        for (at, value) in a.iter().enumerate() {
            out[lag + at] += sign * seasonal * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unbounded_numbers_give_roots_outside_the_circle() {
        let order = Order::new(3, 0, 2).seasonal(1, 0, 2, 4);
        let free = [2.0, -1.5, 0.7, -3.0, 2.5, 1.0, 0.3, -2.0];
        let terms = Terms::of(order, 1.0, &free);
        assert!(terms.roots_outside(4, 1.0), "{terms:?}");
        assert!(!terms.roots_outside(4, 1.2), "{terms:?}");
        let terms = Terms::of(order, 1.1, &free);
        assert!(terms.roots_outside(4, 1.099), "{terms:?}");
    }

    #[test]
    fn products_of_polynomials() {
        // (1 + 0.5 B)(1 + 0.4 B^2) = 1 + 0.5 B + 0.4 B^2 + 0.2 B^3
        let mut out = [0.0; 4];
        multiply(&[0.5], &[0.4], 2, 1.0, &mut out);
        assert_eq!(out, [0.5, 0.4, 0.2, 0.0]);
        multiply(&[0.5], &[0.4], 2, -1.0, &mut out);
        assert_eq!(out, [0.5, 0.4, -0.2, 0.0]);
    }
}
