//! How often to difference.

use super::order::difference;
use crate::stl;

/// Critical value at 5 % of the test below.
const CRITICAL: f64 = 0.463;
/// Strength of a season from which it is differenced (Hyndman and Athanasopoulos).
const STRONG: f64 = 0.64;

/// Statistic of the test whether a series is stationary around a level (Kwiatkowski, Phillips, Schmidt
/// and Shin, *Testing the null hypothesis of stationarity against the alternative of a unit root*, Journal
/// of Econometrics 1992), with `3 sqrt(n) / 13` autocovariances under Bartlett's window.
fn kpss(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = aiops_core::numerics::mean(values);
    let rest: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let lags = (3.0 * n.sqrt() / 13.0) as usize;
    let covariance = |lag: usize| -> f64 {
        let later = rest.iter().skip(lag);
        later.zip(&rest).map(|(a, b)| a * b).sum::<f64>() / n
    };
    let variance: f64 = covariance(0)
        + (1..=lags)
            .map(|lag| 2.0 * (1.0 - lag as f64 / (lags + 1) as f64) * covariance(lag))
            .sum::<f64>();
    let mut sum = 0.0;
    let squares: f64 = rest
        .iter()
        .map(|value| {
            sum += value;
            sum * sum
        })
        .sum();
    squares / (n * n * variance)
}

/// Differences until the test finds no unit root, at most 2.
pub(super) fn differences(values: &[f64]) -> usize {
    let mut values = values.to_vec();
    for count in 0..2 {
        if values.len() < 4 || is_constant(&values) || kpss(&values) <= CRITICAL {
            return count;
        }
        values = difference(&values, 1);
    }
    2
}

/// Whether a season is so strong that it is differenced.
pub(super) fn seasonal_differences(values: &[f64], season: usize) -> usize {
    let parts = stl::mstl(values, &[season]);
    usize::from(parts.is_ok_and(|parts| parts.seasonal_strength() > STRONG))
}

pub(super) fn is_constant(values: &[f64]) -> bool {
    values.iter().all(|value| *value == values[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_needs_none_a_walk_one_and_its_sum_two() {
        let mut rng = aiops_core::Seed(1).rng();
        let noise: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
        let sum = |values: &[f64]| -> Vec<f64> {
            let mut sum = 0.0;
            let add = |value: &f64| {
                sum += value;
                sum
            };
            values.iter().map(add).collect()
        };
        let walk = sum(&noise);
        assert_eq!(differences(&noise), 0);
        assert_eq!(differences(&walk), 1);
        assert_eq!(differences(&sum(&walk)), 2);
    }

    #[test]
    fn the_statistic_of_a_line_by_hand() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let lagged = kpss(&values);
        let mean = 10.5;
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in &values {
            sum += value - mean;
            squares += sum * sum;
        }
        let c0: f64 = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20.0;
        let c1: f64 = values
            .windows(2)
            .map(|w| (w[0] - mean) * (w[1] - mean))
            .sum::<f64>()
            / 20.0;
        assert!((lagged - squares / 400.0 / (c0 + c1)).abs() < 1e-12);
    }
}
