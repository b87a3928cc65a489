//! Mean and spread of the forecasts (Hyndman et al. 2008, chapter 6).

use super::form::{ErrorKind, Form, SeasonKind};
use super::pass::{Smoothing, State};
use crate::grid::Moments;

/// Moments of the next `horizon` values; `sigma` is the standard deviation of one error.
pub(super) fn moments(
    form: Form,
    p: Smoothing,
    state: &State,
    sigma: f64,
    horizon: usize,
) -> Moments {
    let season = state.season.len();
    let mut damping = 0.0;
    let mut factor = 1.0;
    let mut flat = Vec::with_capacity(horizon); // without the season
    let mut shape = Vec::with_capacity(horizon);
    let mut weights = Vec::with_capacity(horizon); // of an error, so many steps later
    for step in 0..horizon {
        factor *= p.phi;
        damping += factor;
        flat.push(state.level + damping * state.slope);
        shape.push(match form.season {
            SeasonKind::None => 0.0,
            _ => state.season[(state.at + step) % season],
        });
        let back = form.season == SeasonKind::Additive && (step + 1) % season == 0;
        weights.push(p.alpha + p.beta * damping + if back { p.gamma } else { 0.0 });
    }
    let mean: Vec<f64> = flat
        .iter()
        .zip(&shape)
        .map(|(flat, shape)| match form.season {
            SeasonKind::Multiplicative => flat * shape,
            _ => flat + shape,
        })
        .collect();
    let variance = match (form.error, form.season) {
        (ErrorKind::Additive, SeasonKind::Multiplicative) => {
            // The variance is not finite; that of the same model with relative errors stands in.
            let level = state.level.abs().max(f64::MIN_POSITIVE);
            relative_season(&flat, &shape, &weights, p.gamma, sigma / level, season)
        }
        (ErrorKind::Additive, _) => additive(&weights, sigma),
        (_, SeasonKind::Multiplicative) => {
            relative_season(&flat, &shape, &weights, p.gamma, sigma, season)
        }
        (ErrorKind::Multiplicative, _) => relative(&mean, &weights, sigma),
    };
    let sd = variance
        .into_iter()
        .map(|variance| variance.max(0.0).sqrt())
        .collect();
    Moments { mean, sd }
}

fn additive(weights: &[f64], sigma: f64) -> Vec<f64> {
    let mut sum = 1.0;
    weights
        .iter()
        .map(|weight| {
            let variance = sigma * sigma * sum;
            sum += weight * weight;
            variance
        })
        .collect()
}

/// `theta[h] = mean[h]^2 + sigma^2 sum_j weights[j]^2 theta[h - j]`, equation 6.6.
fn theta(mean: &[f64], weights: &[f64], sigma: f64) -> Vec<f64> {
    let squared: Vec<f64> = weights.iter().map(|weight| weight * weight).collect();
    let mut theta: Vec<f64> = Vec::with_capacity(mean.len());
    for (h, mean) in mean.iter().enumerate() {
        let spread: f64 = squared
            .iter()
            .zip(theta[..h].iter().rev())
            .map(|(w, theta)| w * theta)
            .sum();
        theta.push(mean * mean + sigma * sigma * spread);
    }
    theta
}

fn relative(mean: &[f64], weights: &[f64], sigma: f64) -> Vec<f64> {
    theta(mean, weights, sigma)
        .into_iter()
        .zip(mean)
        .map(|(theta, mean)| (1.0 + sigma * sigma) * theta - mean * mean)
        .collect()
}

fn relative_season(
    flat: &[f64],
    shape: &[f64],
    weights: &[f64],
    gamma: f64,
    sigma: f64,
    season: usize,
) -> Vec<f64> {
    let square = sigma * sigma;
    theta(flat, weights, sigma)
        .into_iter()
        .zip(flat.iter().zip(shape))
        .enumerate()
        .map(|(h, (theta, (flat, shape)))| {
            let cycles = (h / season) as i32;
            let renewed = (1.0 + gamma * gamma * square).powi(cycles);
            shape * shape * (theta * (1.0 + square) * renewed - flat * flat)
        })
        .collect()
}
