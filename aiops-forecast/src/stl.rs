//! Trend, season and remainder by local regression.
//!
//! Cleveland, Cleveland, `McRae` and Terpenning, *STL: A Seasonal-Trend Decomposition Procedure Based
//! on Loess*, Journal of Official Statistics 1990. Without robustness weights; as in R's `stl`, the
//! season is smoothed by local means, trend and low-pass by local lines, and the smoothers are
//! evaluated at every tenth of their window, with straight lines in between.

use aiops_core::{DataError, ParamError};

use crate::grid::filled;

/// Passes over season and trend.
const PASSES: usize = 2;

/// A series taken apart: `trend + seasonal + remainder`, one value for each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Decomposition {
    /// The slow part.
    pub trend: Vec<f64>,
    /// One part for each season, in the order that was asked for.
    pub seasonal: Vec<Vec<f64>>,
    /// The rest; `NaN` where the value was missing.
    pub remainder: Vec<f64>,
}

impl Decomposition {
    /// Strength of the seasons together: 1 minus variance of the remainder over variance of
    /// remainder and seasons, in `[0, 1]` (Wang, Smith and Hyndman 2006).
    pub fn seasonal_strength(&self) -> f64 {
        self.strength(|index| self.seasonal.iter().map(|part| part[index]).sum())
    }

    /// Strength of the trend, likewise.
    pub fn trend_strength(&self) -> f64 {
        self.strength(|index| self.trend[index])
    }

    fn strength(&self, part: impl Fn(usize) -> f64) -> f64 {
        let (mut rest, mut both) = (aiops_core::numerics::Welford::default(), rest_of());
        for (index, remainder) in self.remainder.iter().enumerate() {
            if !remainder.is_nan() {
                rest.add(*remainder);
                both.add(remainder + part(index));
            }
        }
        if both.variance() > 0.0 {
            (1.0 - rest.variance() / both.variance()).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

fn rest_of() -> aiops_core::numerics::Welford {
    aiops_core::numerics::Welford::default()
}

/// STL of one season of `season` samples, its shape smoothed over `window` cycles. Missing values
/// are filled by straight lines first.
///
/// # Errors
///
/// [`ParamError`] for a season below 2 or a window below 3.
pub fn stl(values: &[f64], season: usize, window: usize) -> Result<Decomposition, StlError> {
    check(values, &[season])?;
    if window < 3 {
        return Err(ParamError::new("window", "at least 3", window).into());
    }
    let full = filled(values);
    let mut part = Part::new(full.len(), season, window);
    part.decompose(&full);
    Ok(finish(values, part.trend, vec![part.seasonal]))
}

/// MSTL: STL for one season after the other, shortest first, twice (Bandara, Hyndman and Bergmeir,
/// *MSTL: A Seasonal-Trend Decomposition Algorithm for Time Series with Multiple Seasonal Patterns*,
/// 2021). Season `i`, counted from 0, is smoothed over `11 + 4 i` cycles.
///
/// # Errors
///
/// [`ParamError`] when `seasons` is empty, does not increase, or has one below 2.
pub fn mstl(values: &[f64], seasons: &[usize]) -> Result<Decomposition, StlError> {
    check(values, seasons)?;
    let full = filled(values);
    let n = full.len();
    let mut parts: Vec<Part> = seasons
        .iter()
        .enumerate()
        .map(|(index, &season)| Part::new(n, season, 11 + 4 * index))
        .collect();
    let mut rest = full;
    let rounds = if parts.len() > 1 { 2 } else { 1 };
    for _ in 0..rounds {
        for part in &mut parts {
            add(&mut rest, &part.seasonal, 1.0);
            part.decompose(&rest);
            add(&mut rest, &part.seasonal, -1.0);
        }
    }
    let trend = parts
        .last()
        .map_or_else(Vec::new, |part| part.trend.clone());
    let seasonal = parts.into_iter().map(|part| part.seasonal).collect();
    Ok(finish(values, trend, seasonal))
}

/// A decomposition that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StlError {
    /// The data does not suit.
    #[error("unsuitable data")]
    Data(#[from] DataError),
    /// A parameter is out of range.
    #[error("unsuitable parameter")]
    Param(#[from] ParamError),
}

fn check(values: &[f64], seasons: &[usize]) -> Result<(), StlError> {
    if let Some(&season) = seasons.iter().find(|&&season| season < 2) {
        return Err(ParamError::new("season", "at least 2", season).into());
    }
    if seasons.is_empty() || seasons.windows(2).any(|pair| pair[0] >= pair[1]) {
        let got = format!("{seasons:?}");
        return Err(ParamError::new("seasons", "not empty and increasing", got).into());
    }
    if let Some(index) = values.iter().position(|value| value.is_infinite()) {
        return Err(DataError::Infinite {
            index,
            value: values[index],
        }
        .into());
    }
    let needed = 2 * seasons[seasons.len() - 1];
    let present = values.iter().filter(|value| !value.is_nan()).count();
    if values.len() < needed || present < needed / 2 {
        return Err(DataError::TooShort {
            needed,
            found: present,
        }
        .into());
    }
    Ok(())
}

fn add(to: &mut [f64], part: &[f64], sign: f64) {
    for (to, part) in to.iter_mut().zip(part) {
        *to += sign * part;
    }
}

fn finish(values: &[f64], trend: Vec<f64>, seasonal: Vec<Vec<f64>>) -> Decomposition {
    let remainder = values
        .iter()
        .enumerate()
        .map(|(t, value)| value - trend[t] - seasonal.iter().map(|part| part[t]).sum::<f64>())
        .collect();
    Decomposition {
        trend,
        seasonal,
        remainder,
    }
}

/// One season's smoothers and their working space.
struct Part {
    season: usize,
    /// Windows of season, trend and low-pass, odd.
    windows: [usize; 3],
    trend: Vec<f64>,
    seasonal: Vec<f64>,
}

impl Part {
    fn new(n: usize, season: usize, window: usize) -> Self {
        let odd = |value: usize| value | 1;
        let window = odd(window);
        let trend = 1.5 * season as f64 / (1.0 - 1.5 / window as f64);
        Self {
            season,
            windows: [window, odd(trend.ceil() as usize), odd(season)],
            trend: vec![0.0; n],
            seasonal: vec![0.0; n],
        }
    }

    fn decompose(&mut self, values: &[f64]) {
        let [_, trend_window, low_window] = self.windows;
        for _ in 0..PASSES {
            let detrended: Vec<f64> = values
                .iter()
                .zip(&self.trend)
                .map(|(value, trend)| value - trend)
                .collect();
            let cycles = self.cycles(&detrended);
            let low = average(&average(&average(&cycles, self.season), self.season), 3);
            let low = loess(&low, low_window, Degree::Line);
            for (t, seasonal) in self.seasonal.iter_mut().enumerate() {
                *seasonal = cycles[t + self.season] - low[t];
            }
            let adjusted: Vec<f64> = values
                .iter()
                .zip(&self.seasonal)
                .map(|(value, part)| value - part)
                .collect();
            self.trend = loess(&adjusted, trend_window, Degree::Line);
        }
    }

    /// Each phase smoothed by itself and carried on by one cycle at both ends.
    fn cycles(&self, values: &[f64]) -> Vec<f64> {
        let (n, season, window) = (values.len(), self.season, self.windows[0]);
        let mut out = vec![0.0; n + 2 * season];
        for phase in 0..season {
            let of_phase: Vec<f64> = values.iter().skip(phase).step_by(season).copied().collect();
            let smooth = loess(&of_phase, window, Degree::Mean);
            let len = smooth.len();
            let before = loess_at(&of_phase, window, -1.0, Degree::Mean);
            let after = loess_at(&of_phase, window, len as f64, Degree::Mean);
            out[phase] = before;
            for (cycle, value) in smooth.into_iter().enumerate() {
                out[phase + season * (cycle + 1)] = value;
            }
            if let Some(last) = out.get_mut(phase + season * (len + 1)) {
                *last = after;
            }
        }
        out
    }
}

/// Moving average, shorter than its input by `window - 1`.
fn average(values: &[f64], window: usize) -> Vec<f64> {
    let mut sum: f64 = values[..window].iter().sum();
    let scale = 1.0 / window as f64;
    let mut out = Vec::with_capacity(values.len() + 1 - window);
    out.push(sum * scale);
    for (new, old) in values[window..].iter().zip(values) {
        sum += new - old;
        out.push(sum * scale);
    }
    out
}

/// What is fitted in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Degree {
    Mean,
    Line,
}

/// Local regression at every sample.
fn loess(values: &[f64], window: usize, degree: Degree) -> Vec<f64> {
    let n = values.len();
    let jump = window.div_ceil(10).max(1);
    let mut out = vec![0.0; n];
    let mut last = 0;
    let mut at = 0;
    loop {
        out[at] = loess_at(values, window, at as f64, degree);
        let gap = (at - last) as f64;
        for between in last + 1..at {
            let share = (between - last) as f64 / gap;
            out[between] = out[last] * (1.0 - share) + out[at] * share;
        }
        if at + 1 >= n {
            return out;
        }
        last = at;
        at = (at + jump).min(n - 1);
    }
}

/// Local regression at `x`, with tricube weights over the nearest `window` samples.
fn loess_at(values: &[f64], window: usize, x: f64, degree: Degree) -> f64 {
    let n = values.len();
    let width = window.min(n);
    let half = (width / 2) as f64;
    let from = (x - half).round().clamp(0.0, (n - width) as f64) as usize;
    let to = from + width;
    let mut reach = (x - from as f64).max((to - 1) as f64 - x);
    if window > n {
        reach += ((window - n) / 2) as f64;
    }
    let (near, far) = (0.001 * reach, 0.999 * reach);
    let (mut sum, mut mean_x, mut mean_y) = (0.0, 0.0, 0.0);
    let weight = |index: usize| {
        let distance = (index as f64 - x).abs();
        if distance <= near {
            1.0
        } else if distance > far {
            0.0
        } else {
            let share = distance / reach;
            let rest = 1.0 - share * share * share;
            rest * rest * rest
        }
    };
    for (index, value) in values.iter().enumerate().take(to).skip(from) {
        let w = weight(index);
        sum += w;
        mean_x += w * index as f64;
        mean_y += w * value;
    }
    if sum <= 0.0 {
        return values[from];
    }
    (mean_x, mean_y) = (mean_x / sum, mean_y / sum);
    if degree == Degree::Mean {
        return mean_y;
    }
    let (mut squares, mut together) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate().take(to).skip(from) {
        let (w, off) = (weight(index), index as f64 - mean_x);
        squares += w * off * off;
        together += w * off * value;
    }
    // A line through samples at one place has no slope.
    if (squares / sum).sqrt() > 0.001 * (n as f64 - 1.0) {
        mean_y + (x - mean_x) * together / squares
    } else {
        mean_y
    }
}
