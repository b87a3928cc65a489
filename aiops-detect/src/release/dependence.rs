//! How much less a sample says because its values depend on each other in time.

use aiops_core::numerics::Welford;

/// Largest correlation of neighbours that is believed.
const MOST: f64 = 0.99;

/// Largest distance of values whose correlation is looked at; bounds the cost.
const FARTHEST: usize = 512;

/// Sample variance, with divisor n - 1; 0 of fewer than two values.
pub(super) fn variance(values: &[f64]) -> f64 {
    let mut moments = Welford::default();
    for &value in values {
        moments.add(value);
    }
    let count = moments.count() as f64;
    if count < 2.0 {
        0.0
    } else {
        moments.variance() * count / (count - 1.0)
    }
}

/// By what the variance of the mean of `values`, in order of time, is larger than if they were
/// independent: the larger of two estimates, at least 1 and at most a tenth of the values.
///
/// `(1 + r) / (1 - r)` of an autoregression of order 1, whose `r` is the correlation of neighbours
/// with Kendall's correction for its bias (*Note on Bias in the Estimation of Autocorrelation*, 1954); and the sum of
/// correlations over all distances up to the first pair of them that is not positive (Geyer, *Practical Markov Chain
/// Monte Carlo*, 1992), which sees dependence that fades more slowly.
pub(super) fn inflation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let center = values.iter().sum::<f64>() / count;
    let centered: Vec<f64> = values.iter().map(|value| value - center).collect();
    let product = |lag: usize| -> f64 {
        let later = centered.iter().skip(lag);
        centered.iter().zip(later).map(|(a, b)| a * b).sum()
    };
    let squares = product(0);
    if squares.is_nan() || squares <= 0.0 {
        return 1.0;
    }
    let neighbours = product(1) / squares;
    let correlation = (neighbours + (1.0 + 3.0 * neighbours) / count).clamp(0.0, MOST);
    let fading = (1.0 + correlation) / (1.0 - correlation);
    let mut sum = 1.0 + 2.0 * neighbours;
    for lag in (2..(values.len() / 4).min(FARTHEST)).step_by(2) {
        let pair = (product(lag) + product(lag + 1)) / squares;
        if pair <= 0.0 {
            break;
        }
        sum += 2.0 * pair;
    }
    // The mean was taken out, which lowers every correlation by that of the mean.
    let slow = sum / (1.0 - (sum / count).clamp(0.0, 0.5));
    fading.max(slow).clamp(1.0, (0.1 * count).max(1.0))
}
