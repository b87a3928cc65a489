//! Student's t distribution.

use super::{beta, normal};

/// Degrees of freedom from which on it is the normal distribution to nine digits in what is asked.
const NORMAL_FROM: f64 = 1e9;

/// Probability that a variable with `freedom` degrees of freedom, a positive number that need not be
/// whole, exceeds `t`.
pub fn tail(t: f64, freedom: f64) -> f64 {
    if freedom >= NORMAL_FROM {
        return normal::tail(t);
    }
    let upper = 0.5 * beta::regularized(freedom / (freedom + t * t), 0.5 * freedom, 0.5);
    if t < 0.0 { 1.0 - upper } else { upper }
}

/// The value that is exceeded with probability `tail`, which is in `(0, 0.5]`; found by bisection.
///
/// ```
/// use aiops_core::numerics::student;
///
/// assert!((student::tail_quantile(0.025, 10.0) - 2.228_138_851_986_275_3).abs() < 1e-12);
/// ```
pub fn tail_quantile(tail: f64, freedom: f64) -> f64 {
    if freedom >= NORMAL_FROM {
        return normal::tail_quantile(tail);
    }
    // I_x(freedom / 2, 1 / 2) = 2 tail at x = freedom / (freedom + t^2).
    let x = beta::quantile((2.0 * tail).min(1.0), 0.5 * freedom, 0.5);
    (freedom * (1.0 - x) / x.max(f64::MIN_POSITIVE)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_tables() {
        // scipy.stats.t, SciPy 1.17
        let cases = [
            (1.0, 1.0, 0.25),
            (2.5, 7.3, 0.019_825_117_332_800_214),
            (-2.0, 30.0, 0.972_687_477_518_508_5),
            (12.0, 4.0, 0.000_138_214_274_251_486_5),
        ];
        for (t, freedom, expected) in cases {
            let got = tail(t, freedom);
            assert!((got / expected - 1.0).abs() < 1e-10, "{got} {expected}");
            if t > 0.0 {
                let back = tail_quantile(got, freedom);
                assert!((back / t - 1.0).abs() < 1e-9, "{back} {t}");
            }
        }
        assert_eq!(tail_quantile(0.5, 3.0), 0.0);
    }
}
