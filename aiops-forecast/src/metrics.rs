//! How good were the forecasts? Measures of the forecasting competitions.
//!
//! Everywhere, a missing actual value (`NaN`) is left out; where nothing is left, the answer is
//! `NaN`, and where a scale is 0 (a constant past), it is `NaN` too: such a series is to be left out
//! of a mean, never clipped.
//!
//! Makridakis, Spiliotis and Assimakopoulos, *The M4 Competition: 100,000 time series and 61
//! forecasting methods*, IJF 2020; Hyndman and Koehler, *Another look at measures of forecast
//! accuracy*, IJF 2006; Gneiting and Raftery, *Strictly Proper Scoring Rules*, JASA 2007.

use aiops_core::numerics::ExactSum;

/// A scale below this is 0.
const NO_SCALE: f64 = 1e-12;

fn mean(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (ExactSum::default(), 0_usize);
    for term in terms.filter(|term| !term.is_nan()) {
        sum.add(term);
        count += 1;
    }
    if count == 0 {
        f64::NAN
    } else {
        sum.total() / count as f64
    }
}

fn pairs<'a>(a: &'a [f64], b: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    assert_eq!(a.len(), b.len(), "one forecast for each value");
    a.iter().copied().zip(b.iter().copied())
}

/// Symmetric mean absolute percentage error, from 0 to 200: mean of `200 |y - f| / (|y| + |f|)`,
/// 0 where both are 0.
///
/// # Panics
///
/// When the lengths differ; so do all measures here.
pub fn smape(actual: &[f64], forecast: &[f64]) -> f64 {
    mean(pairs(actual, forecast).map(|(y, f)| {
        let size = y.abs() + f.abs();
        if size == 0.0 {
            0.0
        } else {
            200.0 * (y - f).abs() / size
        }
    }))
}

/// Mean absolute step over `season` samples within `past`, the scale of [`mase`] and [`msis`];
/// `NaN` when it is 0.
pub fn seasonal_step(past: &[f64], season: usize) -> f64 {
    let steps = past
        .iter()
        .skip(season)
        .zip(past)
        .map(|(now, before)| (now - before).abs());
    let scale = mean(steps);
    if scale > NO_SCALE { scale } else { f64::NAN }
}

/// Mean absolute scaled error: mean of `|y - f|` over [`seasonal_step`] of the past.
///
/// # Panics
///
/// When the lengths differ.
pub fn mase(actual: &[f64], forecast: &[f64], past: &[f64], season: usize) -> f64 {
    let scale = seasonal_step(past, season);
    mean(pairs(actual, forecast).map(|(y, f)| (y - f).abs())) / scale
}

/// Root mean squared scaled error: as [`mase`], of squares.
///
/// # Panics
///
/// When the lengths differ.
pub fn rmsse(actual: &[f64], forecast: &[f64], past: &[f64], season: usize) -> f64 {
    let steps = past
        .iter()
        .skip(season)
        .zip(past)
        .map(|(now, before)| (now - before).powi(2));
    let scale = mean(steps);
    let scale = if scale > NO_SCALE * NO_SCALE {
        scale
    } else {
        f64::NAN
    };
    (mean(pairs(actual, forecast).map(|(y, f)| (y - f).powi(2))) / scale).sqrt()
}

/// Overall weighted average of the M4: mean of the two ratios to [`naive2`](crate::naive2()), each of means over
/// series.
pub fn owa(smape: f64, mase: f64, naive2_smape: f64, naive2_mase: f64) -> f64 {
    f64::midpoint(smape / naive2_smape, mase / naive2_mase)
}

/// Share of the actual values inside `[lower, upper]`.
///
/// # Panics
///
/// When the lengths differ.
pub fn coverage(actual: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let inside = pairs(actual, lower)
        .zip(pairs(actual, upper))
        .map(|((y, lower), (_, upper))| {
            if y.is_nan() {
                f64::NAN
            } else {
                f64::from(u8::from(y >= lower && y <= upper))
            }
        });
    mean(inside)
}

/// Mean scaled interval score of the interval that should miss a share of `miss`, such as 0.05.
///
/// # Panics
///
/// When the lengths differ.
pub fn msis(
    actual: &[f64],
    lower: &[f64],
    upper: &[f64],
    miss: f64,
    past: &[f64],
    season: usize,
) -> f64 {
    let scores = pairs(actual, lower).zip(upper).map(|((y, lower), &upper)| {
        let outside = (lower - y).max(0.0) + (y - upper).max(0.0);
        if y.is_nan() {
            f64::NAN
        } else {
            upper - lower + 2.0 / miss * outside
        }
    });
    mean(scores) / seasonal_step(past, season)
}

/// Mean pinball loss of a quantile at `level`.
///
/// # Panics
///
/// When the lengths differ.
pub fn pinball(actual: &[f64], quantile: &[f64], level: f64) -> f64 {
    mean(pairs(actual, quantile).map(|(y, q)| {
        let over = y - q;
        if over >= 0.0 {
            level * over
        } else {
            (level - 1.0) * over
        }
    }))
}

/// Continuous ranked probability score by quantiles: `2 / K` times the sum of [`pinball`] over the
/// levels, which should be equally spaced. One row of `quantiles` for each level.
///
/// # Panics
///
/// When the lengths differ.
pub fn crps(actual: &[f64], quantiles: &[&[f64]], levels: &[f64]) -> f64 {
    assert_eq!(quantiles.len(), levels.len(), "one row for each level");
    2.0 * mean(
        quantiles
            .iter()
            .zip(levels)
            .map(|(row, &level)| pinball(actual, row, level)),
    )
}

/// Diebold and Mariano's statistic with the correction of Harvey, Leybourne and Newbold (IJF 1997),
/// for squared errors of two forecasts `horizon` steps ahead; about standard normal, negative when
/// the first is better. `NaN` for fewer than two errors or equal ones.
///
/// # Panics
///
/// When the lengths differ.
pub fn diebold_mariano(first: &[f64], second: &[f64], horizon: usize) -> f64 {
    let differ: Vec<f64> = pairs(first, second)
        .map(|(a, b)| a * a - b * b)
        .filter(|differ| !differ.is_nan())
        .collect();
    let n = differ.len() as f64;
    let centre = mean(differ.iter().copied());
    let covariance = |lag: usize| {
        let terms = differ
            .iter()
            .skip(lag)
            .zip(&differ)
            .map(|(a, b)| (a - centre) * (b - centre));
        terms.sum::<f64>() / n
    };
    let lags = horizon.max(1).min(differ.len());
    let variance = covariance(0) + 2.0 * (1..lags).map(covariance).sum::<f64>();
    let h = horizon.max(1) as f64;
    let small = ((n + 1.0 - 2.0 * h + h * (h - 1.0) / n) / n)
        .max(0.0)
        .sqrt();
    let statistic = small * centre / (variance / n).sqrt();
    if statistic.is_finite() {
        statistic
    } else {
        f64::NAN
    }
}
