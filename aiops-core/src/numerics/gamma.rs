//! The regularised incomplete gamma function: tails of the gamma, Poisson and chi-squared
//! distributions.

use super::beta::ln_gamma;

/// Terms after which the series and the fraction are given up; reached by no shape below 1e8.
const MAX_TERMS: usize = 100_000;

/// The regularised lower incomplete gamma function `P(shape, x)` for `shape > 0`: the probability
/// that a gamma variable of this shape and scale 1 is at most `x`. `NaN` where an argument is `NaN`
/// or the shape is not positive and finite.
///
/// `1 - P(k, mean)` is the probability that a Poisson variable is below `k`.
///
/// ```
/// use aiops_core::numerics::gamma;
///
/// // An exponential variable.
/// assert!((gamma::regularized(1.0, 2.0) - (1.0 - (-2.0_f64).exp())).abs() < 1e-15);
/// ```
///
/// Costs `O(sqrt(shape))` near the mean, less elsewhere. Series below the mean, continued fraction by
/// Lentz's method above it (Press et al., *Numerical Recipes*, section 6.2).
pub fn regularized(shape: f64, x: f64) -> f64 {
    if !(shape > 0.0 && shape.is_finite()) || x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 || x.is_infinite() {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = (shape * x.ln() - x - ln_gamma(shape)).exp();
    if x < shape + 1.0 {
        (front * series(shape, x)).min(1.0)
    } else {
        1.0 - front * fraction(shape, x)
    }
}

fn series(shape: f64, x: f64) -> f64 {
    let mut term = 1.0 / shape;
    let mut sum = term;
    for step in 1..MAX_TERMS {
        term *= x / (shape + step as f64);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

fn fraction(shape: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guarded = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut b = x + 1.0 - shape;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / guarded(b);
    let mut product = d;
    for step in 1..MAX_TERMS {
        let step = step as f64;
        let a = -step * (step - shape);
        b += 2.0;
        d = 1.0 / guarded(a * d + b);
        c = guarded(b + a / c);
        let factor = c * d;
        product *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    product
}

/// The value that a chi-squared variable with `freedom` degrees of freedom stays below with
/// probability `level`, for a level in `[0, 1)`; by bisection, to the last bits.
///
/// ```
/// use aiops_core::numerics::gamma;
///
/// assert!((gamma::chi_squared_quantile(0.95, 1.0) - 3.841_458_820_694_124).abs() < 1e-12);
/// ```
pub fn chi_squared_quantile(level: f64, freedom: f64) -> f64 {
    let below = |x: f64| regularized(0.5 * freedom, 0.5 * x) < level;
    let mut high = freedom.max(1.0);
    while below(high) && high < f64::MAX / 2.0 {
        high *= 2.0;
    }
    super::bisect(0.0, high, below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
    }

    #[test]
    fn closed_forms() {
        // Of a whole shape k: 1 - exp(-x) * sum of x^j / j! below k.
        let erlang = |k: i32, x: f64| {
            let (mut term, mut sum) = (1.0, 1.0);
            for j in 1..k {
                term *= x / f64::from(j);
                sum += term;
            }
            1.0 - (-x).exp() * sum
        };
        for (k, x) in [(1, 0.3), (3, 2.0), (3, 9.0), (10, 11.5), (40, 30.0)] {
            close(regularized(f64::from(k), x), erlang(k, x));
        }
        // Two degrees of freedom: an exponential variable of mean 2.
        close(chi_squared_quantile(0.9, 2.0), 2.0 * 10.0_f64.ln());
        close(chi_squared_quantile(0.5, 2.0), 2.0 * 2.0_f64.ln());
    }

    #[test]
    fn half_a_degree_is_the_normal_distribution() {
        for z in [0.1, 1.0, 2.5, 6.0] {
            let inside = 1.0 - 2.0 * crate::numerics::normal::tail(z);
            close(regularized(0.5, 0.5 * z * z), inside);
        }
    }

    #[test]
    fn ends_and_what_is_no_number() {
        assert_eq!(regularized(2.0, 0.0), 0.0);
        assert_eq!(regularized(2.0, f64::INFINITY), 1.0);
        assert!(regularized(0.0, 1.0).is_nan() && regularized(1.0, f64::NAN).is_nan());
        let far = regularized(1e6, 1e6);
        assert!((far - 0.5).abs() < 1e-3, "{far}");
        assert_eq!(chi_squared_quantile(0.0, 3.0), 0.0);
    }
}
