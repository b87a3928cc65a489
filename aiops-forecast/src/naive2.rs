//! The benchmark of the M4 competition: the naive forecast of the seasonally adjusted series.

use crate::ets::centred_average;
use crate::grid::filled;

/// Multiplicative factors of a season; the adjustment of Naive2 and of the Theta method.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factors {
    /// Of the sample at the start of the series, and so on.
    pub(crate) factors: Vec<f64>,
}

impl Factors {
    /// `None` unless the season stands out of the noise at 90 % and its factors are positive.
    pub(crate) fn of(values: &[f64], season: usize) -> Option<Self> {
        if !is_seasonal(values, season) {
            return None;
        }
        let trend = centred_average(values, season);
        let mut sums = vec![(0.0, 0.0); season];
        for (index, (value, trend)) in values.iter().zip(&trend).enumerate() {
            let ratio = value / trend;
            if ratio.is_finite() {
                let (sum, count) = &mut sums[index % season];
                (*sum, *count) = (*sum + ratio, *count + 1.0);
            }
        }
        let mut factors: Vec<f64> = sums.into_iter().map(|(sum, count)| sum / count).collect();
        let mean = aiops_core::numerics::mean(&factors);
        for factor in &mut factors {
            *factor /= mean;
        }
        factors
            .iter()
            .all(|&factor| factor > 1e-8 && factor < 1e8)
            .then_some(Self { factors })
    }

    pub(crate) fn at(&self, index: usize) -> f64 {
        self.factors[index % self.factors.len()]
    }
}

/// Whether the autocorrelation at one season is beyond Bartlett's limit at 90 %; needs three seasons.
pub(crate) fn is_seasonal(values: &[f64], season: usize) -> bool {
    let n = values.len();
    let longest = (10.0 * (n.max(1) as f64).log10()) as usize;
    if season < 2 || n < 3 * season || season > longest.min(n - 1) {
        return false;
    }
    let mean = aiops_core::numerics::mean(values);
    let around: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let squares: f64 = around.iter().map(|value| value * value).sum();
    if squares <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        let pairs = around.iter().skip(lag).zip(&around).map(|(a, b)| a * b);
        pairs.sum::<f64>() / squares
    };
    let before: f64 = (1..season).map(|lag| correlation(lag).powi(2)).sum();
    let limit = 1.645 * ((1.0 + 2.0 * before) / n as f64).sqrt();
    correlation(season).abs() > limit
}

/// Naive2 of the M4: where the autocorrelation at one `season` is beyond its limit at 90 %, the
/// series is divided by the factors of a classical multiplicative decomposition, its last value
/// is repeated, and multiplied with the factors again. Gaps in `past` are filled linearly.
///
/// Empty when every value is missing.
pub fn naive2(past: &[f64], season: usize, horizon: usize) -> Vec<f64> {
    let values = filled(past);
    let n = values.len();
    let Some(last) = values.last() else {
        return Vec::new();
    };
    match Factors::of(&values, season) {
        None => vec![*last; horizon],
        Some(factors) => {
            let level = last / factors.at(n - 1);
            (0..horizon).map(|h| level * factors.at(n + h)).collect()
        }
    }
}
