//! Smoothing parameters and initial states by maximum likelihood.

use super::form::{Form, SeasonKind, TrendKind};
use super::pass::{Gradient, Passes, Smoothing, State};
use crate::grid::filled;
use crate::optimise::minimise;

/// Bounds as in R's forecast: `alpha`, `beta < alpha` (or [`SMOOTH_TREND`]) and
/// `gamma < 1 - alpha` from ...
const LEAST: f64 = 1e-4;
/// ... to this at most, ...
const MOST: f64 = 1.0 - 1e-4;
/// ... and damping between these. Less would hardly be a trend, more hardly damped.
const PHI: (f64, f64) = (0.8, 0.98);
/// Decrease of minus twice the likelihood that is not worth another step.
const TOLERANCE: f64 = 2e-4;
/// Logistic coordinates stop here; the bound is then as near as makes no difference.
const FAR: f64 = 12.0;
/// Series longer than this are fitted from fewer starting points.
const LONG: usize = 300;
/// The slope may move by this share although the level hardly does: a smooth trend.
const SMOOTH_TREND: f64 = 0.1;
/// Cycles that the initial season is taken from.
const CYCLES: usize = 5;

/// Parameters that the caller has fixed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fixed {
    pub(super) alpha: Option<f64>,
    pub(super) beta: Option<f64>,
    pub(super) gamma: Option<f64>,
    pub(super) phi: Option<f64>,
}

/// The best parameters found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) smoothing: Smoothing,
    pub(super) start: State,
    /// Minus twice the likelihood, without constants.
    pub(super) loss: f64,
}

/// The best fit of `form`; `None` where none has a finite likelihood.
pub(super) fn fit(values: &[f64], form: Form, season: usize, fixed: Fixed) -> Option<Fit> {
    let season = if form.is_seasonal() { season } else { 0 };
    let start = first_states(values, form, season);
    let mut passes = Passes::new(values, season);
    let mut map = Map::new(form, fixed, start);
    let mut tried: Vec<(f64, Vec<f64>)> = map
        .corners()
        .into_iter()
        .map(|x| {
            let (smoothing, start) = map.point(&x);
            (passes.loss(form, smoothing, &start), x)
        })
        .filter(|(loss, _)| loss.is_finite())
        .collect();
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    map.set_unit(&tried.first()?.1, &mut passes);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for mut x in far_apart(tried, values.len()) {
        let loss = minimise(&mut x, TOLERANCE, |x, gradient| {
            map.loss(x, gradient, &mut passes)
        });
        if best.as_ref().is_none_or(|(before, _)| loss < *before) {
            best = Some((loss, x));
        }
    }
    let (loss, x) = best.filter(|(loss, _)| loss.is_finite())?;
    let (smoothing, start) = map.point(&x);
    Some(Fit {
        smoothing,
        start,
        loss,
    })
}

/// Starting points that are followed to the end: the best, and the best of each other smoothing of
/// level, slope and season, because the likelihood often has several hills. Long series have fewer.
fn far_apart(tried: Vec<(f64, Vec<f64>)>, len: usize) -> Vec<Vec<f64>> {
    let most = if len > LONG { 2 } else { 4 };
    let mut seen = Vec::new();
    let mut kept = Vec::new();
    for (_, x) in tried {
        let mut new = false;
        for (place, share) in x
            .iter()
            .enumerate()
            .take(3)
            .filter(|(_, share)| **share != 0.0)
        {
            let key = (place, share.to_bits());
            if !seen.contains(&key) {
                seen.push(key);
                new = true;
            }
        }
        if kept.len() < most && (new || kept.is_empty()) {
            kept.push(x);
        }
    }
    kept
}

/// Between the free coordinates and the parameters.
///
/// A smoothing parameter is a logistic function of its coordinate; states are linear.
struct Map {
    form: Form,
    fixed: Fixed,
    centre: State,
    /// What one unit of a coordinate is, for level and slope, and for the season.
    unit: (f64, f64),
    scratch: State,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x.clamp(-FAR, FAR)).exp())
}

fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

impl Map {
    fn new(form: Form, fixed: Fixed, centre: State) -> Self {
        let scratch = centre.clone();
        Self {
            form,
            fixed,
            centre,
            unit: (1.0, 1.0),
            scratch,
        }
    }

    /// Free coordinates of `alpha`, `beta`, `gamma`, `phi`.
    fn free(&self) -> [bool; 4] {
        let damped = self.form.trend == TrendKind::Damped;
        [
            self.fixed.alpha.is_none(),
            self.form.has_trend() && self.fixed.beta.is_none(),
            self.form.is_seasonal() && self.fixed.gamma.is_none(),
            damped && self.fixed.phi.is_none(),
        ]
    }

    /// Points to start from, with the initial states at their guesses.
    fn corners(&self) -> Vec<Vec<f64>> {
        let free = self.free();
        let both = |free: bool, low: f64, high: f64| {
            if free { vec![low, high] } else { vec![low] }
        };
        let alphas = if free[0] {
            vec![0.1, 0.4, 0.9]
        } else {
            vec![0.5]
        };
        let mut points = Vec::new();
        for alpha in alphas {
            for beta in both(free[1], 0.05, 0.7) {
                for gamma in both(free[2], 0.05, 0.6) {
                    let mut x: Vec<f64> = [alpha, beta, gamma, 0.8]
                        .into_iter()
                        .zip(free)
                        .filter(|(_, free)| *free)
                        .map(|(share, _)| logit(share))
                        .collect();
                    x.push(0.0);
                    if self.form.has_trend() {
                        x.push(0.0);
                    }
                    x.extend(std::iter::repeat_n(
                        0.0,
                        self.centre.season.len().saturating_sub(1),
                    ));
                    points.push(x);
                }
            }
        }
        points
    }

    /// Scales the states by the misfit at `x`.
    fn set_unit(&mut self, x: &[f64], passes: &mut Passes<'_>) {
        let (smoothing, start) = self.point(x);
        let mut additive = self.form;
        additive.error = super::ErrorKind::Additive;
        let n = passes.present();
        let loss = passes.loss(additive, smoothing, &start);
        let spread = (loss / n).exp().sqrt() / n.sqrt();
        let spread = if spread.is_finite() && spread > 0.0 {
            spread
        } else {
            1.0
        };
        let size = if self.form.season == SeasonKind::Multiplicative {
            self.centre.level.abs().max(f64::MIN_POSITIVE)
        } else {
            1.0
        };
        self.unit = (spread, spread / size);
    }

    fn smoothing(&self, x: &[f64]) -> (Smoothing, usize) {
        let free = self.free();
        let mut used = 0;
        let mut next = |free: bool| {
            free.then(|| {
                used += 1;
                logistic(x[used - 1])
            })
        };
        let alpha = next(free[0]).map_or_else(
            || self.fixed.alpha.unwrap_or(0.0),
            |share| LEAST + (MOST - LEAST) * share,
        );
        let beta = next(free[1]).map_or_else(
            || {
                self.fixed
                    .beta
                    .filter(|_| self.form.has_trend())
                    .unwrap_or(0.0)
            },
            |share| LEAST + (alpha.max(SMOOTH_TREND) - LEAST) * share,
        );
        let gamma = next(free[2]).map_or_else(
            || {
                self.fixed
                    .gamma
                    .filter(|_| self.form.is_seasonal())
                    .unwrap_or(0.0)
            },
            |share| LEAST + (1.0 - alpha - LEAST).max(0.0) * share,
        );
        let damped = self.form.trend == TrendKind::Damped;
        let phi = next(free[3]).map_or_else(
            || self.fixed.phi.filter(|_| damped).unwrap_or(1.0),
            |share| PHI.0 + (PHI.1 - PHI.0) * share,
        );
        (
            Smoothing {
                alpha,
                beta,
                gamma,
                phi,
            },
            used,
        )
    }

    fn write_state(&self, x: &[f64], state: &mut State) {
        state.level = self.centre.level + self.unit.0 * x[0];
        let mut used = 1;
        if self.form.has_trend() {
            state.slope = self.centre.slope + 0.2 * self.unit.0 * x[1];
            used = 2;
        }
        let Some(last) = state.season.len().checked_sub(1) else {
            return;
        };
        let mut total = 0.0;
        for ((to, from), x) in state
            .season
            .iter_mut()
            .zip(&self.centre.season)
            .zip(&x[used..])
        {
            *to = from + self.unit.1 * x;
            total += *to;
        }
        let whole = match self.form.season {
            SeasonKind::Multiplicative => (last + 1) as f64,
            _ => 0.0,
        };
        state.season[last] = whole - total;
    }

    fn point(&self, x: &[f64]) -> (Smoothing, State) {
        let (smoothing, used) = self.smoothing(x);
        let mut state = self.centre.clone();
        self.write_state(&x[used..], &mut state);
        (smoothing, state)
    }

    fn loss(&mut self, x: &[f64], gradient: &mut [f64], passes: &mut Passes<'_>) -> f64 {
        let (smoothing, used) = self.smoothing(x);
        let mut state = std::mem::replace(
            &mut self.scratch,
            State {
                level: 0.0,
                slope: 0.0,
                season: Vec::new(),
                at: 0,
            },
        );
        self.write_state(&x[used..], &mut state);
        let loss = passes.loss(self.form, smoothing, &state);
        self.scratch = state;
        if loss.is_finite() {
            self.pull_back(x, smoothing, used, &passes.gradient, gradient);
        }
        loss
    }

    /// The gradient in the free coordinates.
    fn pull_back(&self, x: &[f64], p: Smoothing, used: usize, from: &Gradient, to: &mut [f64]) {
        let free = self.free();
        let mut share = [0.0; 4];
        let mut at = 0;
        for (share, _) in share.iter_mut().zip(free).filter(|(_, free)| *free) {
            *share = logistic(x[at]);
            at += 1;
        }
        let slope = |share: f64| share * (1.0 - share);
        let mut by_alpha = from.alpha;
        if free[1] && p.alpha > SMOOTH_TREND {
            by_alpha += from.beta * share[1];
        }
        if free[2] {
            by_alpha -= from.gamma * share[2];
        }
        let wide = [
            (MOST - LEAST) * by_alpha,
            (p.alpha.max(SMOOTH_TREND) - LEAST) * from.beta,
            (1.0 - p.alpha - LEAST).max(0.0) * from.gamma,
            (PHI.1 - PHI.0) * from.phi,
        ];
        at = 0;
        for index in (0..4).filter(|&index| free[index]) {
            let inside = x[at].abs() < FAR;
            to[at] = if inside {
                wide[index] * slope(share[index])
            } else {
                0.0
            };
            at += 1;
        }
        to[used] = self.unit.0 * from.level;
        let mut rest = used + 1;
        if self.form.has_trend() {
            to[rest] = 0.2 * self.unit.0 * from.slope;
            rest += 1;
        }
        if let Some((last, others)) = from.season.split_last() {
            for (to, from) in to[rest..].iter_mut().zip(others) {
                *to = self.unit.1 * (from - last);
            }
        }
    }
}

/// Guesses of the initial states from the first part of the series.
fn first_states(values: &[f64], form: Form, season: usize) -> State {
    let filled = filled(values);
    let mut level = filled.clone();
    let factors = if season > 0 {
        let factors = first_season(&filled, form.season, season);
        for (index, value) in level.iter_mut().enumerate() {
            match form.season {
                SeasonKind::Multiplicative => *value /= factors[index % season],
                _ => *value -= factors[index % season],
            }
        }
        factors
    } else {
        Vec::new()
    };
    let head = &level[..level.len().min(10.max(2 * season))];
    let mean = aiops_core::numerics::mean(head);
    let middle = (head.len() as f64 - 1.0) / 2.0;
    let (mut together, mut squares) = (0.0, 0.0);
    for (index, value) in head.iter().enumerate() {
        let from_middle = index as f64 - middle;
        together += from_middle * (value - mean);
        squares += from_middle * from_middle;
    }
    let mut state = State {
        level: mean,
        slope: 0.0,
        season: factors,
        at: 0,
    };
    if form.has_trend() {
        state.slope = if squares > 0.0 {
            together / squares
        } else {
            0.0
        };
        state.level = mean - state.slope * (middle + 1.0);
        if form.needs_positive() && state.level <= 0.0 {
            (state.level, state.slope) = (mean, 0.0);
        }
    }
    state
}

/// Mean deviation of each phase from a centred moving average, over the first cycles.
fn first_season(values: &[f64], kind: SeasonKind, season: usize) -> Vec<f64> {
    let values = &values[..values.len().min(CYCLES * season + season)];
    let trend = centred_average(values, season);
    let mut sums = vec![(0.0, 0.0); season];
    for (index, (value, trend)) in values.iter().zip(&trend).enumerate() {
        if trend.is_nan() {
            continue;
        }
        let (sum, count) = &mut sums[index % season];
        *sum += match kind {
            SeasonKind::Multiplicative => value / trend,
            _ => value - trend,
        };
        *count += 1.0;
    }
    let neutral = if kind == SeasonKind::Multiplicative {
        1.0
    } else {
        0.0
    };
    let mut factors: Vec<f64> = sums
        .into_iter()
        .map(|(sum, count)| if count > 0.0 { sum / count } else { neutral })
        .collect();
    let mean = aiops_core::numerics::mean(&factors);
    for factor in &mut factors {
        if kind == SeasonKind::Multiplicative {
            *factor = (*factor / mean).max(0.05);
        } else {
            *factor -= mean;
        }
    }
    factors
}

/// Moving average over a whole season, with half weights at the ends for even ones; `NaN` where
/// the window does not fit.
pub(crate) fn centred_average(values: &[f64], season: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; values.len()];
    let half = season / 2;
    let even = season.is_multiple_of(2);
    if values.len() < 2 * half + 1 {
        return out;
    }
    for centre in half..values.len() - half {
        let window = &values[centre - half..=centre + half];
        let mut sum: f64 = window.iter().sum();
        if even {
            sum -= 0.5 * (window[0] + window[window.len() - 1]);
        }
        out[centre] = sum / season as f64;
    }
    out
}
