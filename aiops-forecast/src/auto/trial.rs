//! The rolling backtest of all candidates.

use super::member::Candidate;
use crate::grid::Moments;

/// Forecasts of one candidate from each origin.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) candidate: Candidate,
    /// One for each window; `None` where the past was too short for it.
    pub(super) windows: Vec<Option<Moments>>,
    /// Mean over the windows of absolute errors and symmetric percentage errors, each relative to
    /// the best candidate's; smaller is better.
    pub(super) loss: f64,
}

/// Origins of a backtest and what came after them.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub(super) origins: Vec<usize>,
    pub(super) horizon: usize,
}

impl Windows {
    /// At most `count` origins, the newest first; none where the series is too short.
    pub(super) fn of(len: usize, horizon: usize, count: usize, needed: usize) -> Self {
        let horizon = horizon.min(len / 4).max(1);
        let spare = len.saturating_sub(horizon + needed);
        let step = (spare / count.max(1)).clamp(1, horizon.div_ceil(2));
        let count = count.min(spare / step + usize::from(len > horizon + needed));
        let origins = (0..count).map(|back| len - horizon - back * step).collect();
        Self { origins, horizon }
    }

    pub(super) fn actual<'a>(&self, values: &'a [f64], window: usize) -> &'a [f64] {
        let origin = self.origins[window];
        &values[origin..origin + self.horizon]
    }
}

/// Runs every candidate from every origin; candidates that no window suits are left out.
pub(super) fn run(candidates: &[Candidate], values: &[f64], windows: &Windows) -> Vec<Trial> {
    let mut trials: Vec<(Trial, f64, f64)> = candidates
        .iter()
        .filter_map(|candidate| {
            let tried: Vec<Option<Moments>> = windows
                .origins
                .iter()
                .map(|&origin| {
                    let member = candidate.fit(&values[..origin]).ok()?;
                    let moments = member.moments(windows.horizon);
                    moments
                        .mean
                        .iter()
                        .all(|value| value.is_finite())
                        .then_some(moments)
                })
                .collect();
            // A candidate is compared on all windows or not at all.
            if tried.iter().any(Option::is_none) || tried.is_empty() {
                return None;
            }
            let (absolute, relative) = errors(&tried, values, windows);
            let trial = Trial {
                candidate: candidate.clone(),
                windows: tried,
                loss: 0.0,
            };
            Some((trial, absolute, relative))
        })
        .collect();
    let best = |pick: fn(&(Trial, f64, f64)) -> f64| {
        trials
            .iter()
            .map(pick)
            .fold(f64::INFINITY, f64::min)
            .max(f64::MIN_POSITIVE)
    };
    let (absolute, relative) = (best(|one| one.1), best(|one| one.2));
    for (trial, own_absolute, own_relative) in &mut trials {
        trial.loss = f64::midpoint(*own_absolute / absolute, *own_relative / relative);
    }
    trials
        .into_iter()
        .map(|(trial, ..)| trial)
        .filter(|trial| trial.loss.is_finite())
        .collect()
}

/// Mean absolute error and mean symmetric relative error.
fn errors(tried: &[Option<Moments>], values: &[f64], windows: &Windows) -> (f64, f64) {
    let (mut absolute, mut relative, mut count) = (0.0, 0.0, 0.0);
    for (window, moments) in tried.iter().enumerate() {
        let Some(moments) = moments else {
            continue;
        };
        for (actual, mean) in windows.actual(values, window).iter().zip(&moments.mean) {
            let error = (actual - mean).abs();
            let size = actual.abs() + mean.abs();
            absolute += error;
            relative += if size > 0.0 { error / size } else { 0.0 };
            count += 1.0;
        }
    }
    (absolute / count, relative / count)
}
