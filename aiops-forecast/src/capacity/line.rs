//! A straight line with a repeating shape and noise that remembers.

use std::time::Duration;

use aiops_core::Rng;
use aiops_core::numerics::{MAD_TO_SIGMA, median_and_mad};

use super::season::Season;
use super::{CapacityConfig, Past, Pattern};
use aiops_core::numerics::normal::tail_quantile;

/// Simulated instants of one path.
const INSTANTS: usize = 192;
/// Parts that the past is cut into, to see how much its slope changes.
const PARTS: usize = 6;
/// Residuals farther out than this many robust standard deviations are drawn in.
const CLIP: f64 = 4.0;
/// Divided by the number of samples: a random walk comes out that much below 1 in most cases
/// (half-way into the distribution of Dickey and Fuller, JASA 1979, after the correction for
/// bias). Taking a slow return for a walk only makes the answer less certain.
const UNIT_ROOT: f64 = 12.0;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// `y(t) = level + slope * t + season(t) + noise(t)`, `t` in seconds from now.
#[derive(Clone, Debug)]
pub(super) struct Line {
    level: f64,
    slope: f64,
    slope_error: f64,
    /// Standard deviation by which the slope differs from part to part of the past.
    slope_change: f64,
    /// Seconds for which a slope lasts.
    slope_lasts: f64,
    season: Option<Season>,
    noise: Noise,
    step: f64,
}

/// First-order autoregression from sample to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Noise {
    /// 1 for a random walk.
    phi: f64,
    /// Standard deviation of what is new at each sample.
    sigma: f64,
    now: f64,
}

impl Line {
    pub(super) fn of(past: &Past) -> Self {
        let (times, n) = (&past.times, past.values.len() as f64);
        let (intercept, slope) = least_squares(times, &past.values);
        let mut rest: Vec<f64> = times
            .iter()
            .zip(&past.values)
            .map(|(t, y)| y - intercept - slope * t)
            .collect();
        let season = Season::of(times, &rest, past.step);
        let mut level = past.values.clone();
        if let Some(season) = &season {
            for ((value, t), rest) in level.iter_mut().zip(times).zip(&mut rest) {
                *value -= season.at(*t);
                *rest -= season.at(*t);
            }
        }
        clip(&mut level, &rest);
        let (intercept, slope) = least_squares(times, &level);
        let rest: Vec<f64> = times
            .iter()
            .zip(&level)
            .map(|(t, y)| y - intercept - slope * t)
            .collect();
        let phi = persistence(&rest);
        let mut line = if phi > 1.0 - (UNIT_ROOT / n).min(0.3) {
            Self::walking(past, &level)
        } else {
            Self::settling(past, &level, phi)
        };
        line.season = season;
        line.slope_lasts = -times[0] / PARTS as f64;
        line.slope_change = line.change_of_slope(past, &level);
        line
    }

    /// A random walk with drift.
    fn walking(past: &Past, level: &[f64]) -> Self {
        let last = level.len() - 1;
        let span = -past.times[0];
        let slope = (level[last] - level[0]) / span;
        let drift = slope * past.step;
        let squares: f64 = level
            .windows(2)
            .map(|pair| (pair[1] - pair[0] - drift).powi(2))
            .sum();
        let sigma = (squares / last as f64).sqrt();
        let noise = Noise {
            phi: 1.0,
            sigma,
            now: 0.0,
        };
        Self::new(level[last], slope, noise, past)
    }

    /// Noise that returns to the line: least squares on quasi-differences.
    fn settling(past: &Past, level: &[f64], phi: f64) -> Self {
        let turned = |values: &[f64]| -> Vec<f64> {
            values
                .windows(2)
                .map(|pair| pair[1] - phi * pair[0])
                .collect()
        };
        let (times, values) = (turned(&past.times), turned(level));
        let (intercept, slope) = least_squares(&times, &values);
        let squares: f64 = times
            .iter()
            .zip(&values)
            .map(|(t, y)| (y - intercept - slope * t).powi(2))
            .sum();
        let sigma = (squares / (values.len() as f64 - 2.0).max(1.0)).sqrt();
        let at_zero = intercept / (1.0 - phi);
        let now = level[level.len() - 1] - at_zero;
        Self::new(at_zero, slope, Noise { phi, sigma, now }, past)
    }

    fn new(level: f64, slope: f64, noise: Noise, past: &Past) -> Self {
        let slope_error = noise.slope_error(past.values.len(), past.step);
        Self {
            level,
            slope,
            slope_error,
            slope_change: 0.0,
            slope_lasts: 1.0,
            season: None,
            noise,
            step: past.step,
        }
    }

    /// How much more the slopes of the parts differ than noise explains.
    fn change_of_slope(&self, past: &Past, level: &[f64]) -> f64 {
        let size = level.len() / PARTS;
        if size < 5 {
            return 0.0;
        }
        let slopes = (0..PARTS).map(|part| {
            let range = part * size..(part + 1) * size;
            if self.noise.phi == 1.0 {
                let span = past.times[range.end - 1] - past.times[range.start];
                (level[range.end - 1] - level[range.start]) / span
            } else {
                least_squares(&past.times[range.clone()], &level[range]).1
            }
        });
        let differ: f64 = slopes.map(|slope| (slope - self.slope).powi(2)).sum();
        let by_noise = self.noise.slope_error(size, past.step).powi(2);
        (differ / (PARTS - 1) as f64 - by_noise).max(0.0).sqrt()
    }

    pub(super) fn pattern(&self, sign: f64, shifts: usize) -> Pattern {
        let period = self.season.as_ref().map(|season| season.period);
        Pattern::Line {
            per_day: sign * self.slope * SECONDS_PER_DAY,
            error: self.slope_error * SECONDS_PER_DAY,
            season: period.map(Duration::from_secs_f64),
            shifts,
        }
    }

    /// Seconds until the limit, for each path that reaches it.
    pub(super) fn crossings(&self, config: &CapacityConfig, target: f64) -> Vec<f64> {
        let horizon = config.horizon.as_secs_f64();
        let every = (horizon / INSTANTS as f64).max(self.step).min(horizon);
        let noise = self
            .noise
            .mean_of(config.sustained)
            .every(every / self.step);
        let instants = (horizon / every).ceil() as usize;
        let season: Vec<f64> = (0..instants)
            .map(|k| {
                let (from, to) = (k as f64 * every, (k + 1) as f64 * every);
                self.season
                    .as_ref()
                    .map_or(0.0, |season| season.highest(from, to))
            })
            .collect();
        let keeps = (-every / self.slope_lasts).exp();
        let renews = self.slope_change * (1.0 - keeps * keeps).sqrt();
        let walk = Walk {
            every,
            keeps,
            renews,
            horizon,
        };
        (0..config.paths as u64)
            .filter_map(|path| {
                let mut rng = config.seed.child(path).rng();
                self.first_passage(&walk, noise, &season, target, &mut rng)
            })
            .collect()
    }

    fn first_passage(
        &self,
        walk: &Walk,
        mut noise: CoarseNoise,
        season: &[f64],
        target: f64,
        rng: &mut Rng,
    ) -> Option<f64> {
        let slope = self.slope + self.slope_error * rng.normal();
        let (mut level, mut change) = (self.level, 0.0);
        if walk.renews > 0.0 {
            change = self.slope_change * rng.normal();
        }
        let mut before = level + noise.now;
        for (k, shape) in season.iter().enumerate() {
            level += (slope + change) * walk.every;
            let value = level + shape + noise.highest(rng);
            let passed = noise.passes_between(before, value, target, rng);
            if value >= target || passed {
                let share = if value > before && before < target {
                    ((target - before) / (value - before)).clamp(0.0, 1.0)
                } else {
                    rng.uniform()
                };
                let at = (k as f64 + share) * walk.every;
                return (at <= walk.horizon).then_some(at);
            }
            before = value;
            if walk.renews > 0.0 {
                change = walk.keeps * change + walk.renews * rng.normal();
            }
        }
        None
    }
}

/// What is the same for all paths.
struct Walk {
    every: f64,
    /// Share of a change of slope that is left after one instant.
    keeps: f64,
    renews: f64,
    horizon: f64,
}

impl Noise {
    /// Standard error of a slope fitted through `n` samples.
    fn slope_error(&self, n: usize, step: f64) -> f64 {
        let n = n as f64;
        if self.phi == 1.0 {
            return self.sigma / n.sqrt() / step;
        }
        let squares = (n * n * n - n) / 12.0;
        self.sigma / ((1.0 - self.phi) * squares.sqrt()) / step
    }

    /// The noise of the mean of `count` samples in a row.
    fn mean_of(self, count: usize) -> Self {
        if self.phi == 1.0 || count == 1 {
            return self;
        }
        let m = count as f64;
        let pairs: f64 = (1..count)
            .map(|lag| 2.0 * (1.0 - lag as f64 / m) * self.phi.powi(lag as i32))
            .sum();
        let share = ((1.0 + pairs) / m).max(0.0).sqrt();
        // The mean remembers as long as its window at least.
        let phi = self.phi.max(1.0 - 1.0 / m);
        let deviation = share * self.sigma / (1.0 - self.phi * self.phi).sqrt();
        Self {
            phi,
            sigma: deviation * (1.0 - phi * phi).sqrt(),
            now: self.now * share,
        }
    }

    /// The noise seen at every `samples`-th sample only.
    fn every(self, samples: f64) -> CoarseNoise {
        let keeps = self.phi.powf(samples);
        if self.phi == 1.0 {
            let sigma = self.sigma * samples.sqrt();
            return CoarseNoise {
                keeps,
                sigma,
                draws: 1.0,
                now: self.now,
                walks: true,
            };
        }
        let deviation = self.sigma / (1.0 - self.phi * self.phi).sqrt();
        CoarseNoise {
            keeps,
            sigma: deviation * (1.0 - keeps * keeps).sqrt(),
            // Samples as good as independent in between.
            draws: (samples * (1.0 - self.phi) / (1.0 + self.phi)).max(1.0),
            now: self.now,
            walks: false,
        }
    }
}

/// The noise at the simulated instants.
#[derive(Clone, Copy, Debug)]
struct CoarseNoise {
    keeps: f64,
    sigma: f64,
    draws: f64,
    now: f64,
    walks: bool,
}

impl CoarseNoise {
    /// The largest noise since the last instant.
    fn highest(&mut self, rng: &mut Rng) -> f64 {
        if self.draws > 1.5 {
            let above = -((1.0 - rng.uniform()).ln() / self.draws).exp_m1();
            let highest = if above > 0.5 {
                -tail_quantile(1.0 - above)
            } else {
                tail_quantile(above)
            };
            return self.sigma * highest;
        }
        self.now = self.keeps * self.now + self.sigma * rng.normal();
        self.now
    }

    /// Whether a random walk touched the target between two instants (Brownian bridge).
    fn passes_between(&self, before: f64, after: f64, target: f64, rng: &mut Rng) -> bool {
        if !self.walks || self.sigma == 0.0 || before >= target || after >= target {
            return false;
        }
        let exponent = -2.0 * (target - before) * (target - after) / (self.sigma * self.sigma);
        exponent > -30.0 && rng.uniform() < exponent.exp()
    }
}

/// Intercept and slope.
fn least_squares(x: &[f64], y: &[f64]) -> (f64, f64) {
    let (mean_x, mean_y) = (aiops_core::numerics::mean(x), aiops_core::numerics::mean(y));
    let (mut squares, mut together) = (0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        squares += (x - mean_x) * (x - mean_x);
        together += (x - mean_x) * (y - mean_y);
    }
    let slope = if squares > 0.0 {
        together / squares
    } else {
        0.0
    };
    (mean_y - slope * mean_x, slope)
}

/// Draws in values whose residual is far out.
fn clip(values: &mut [f64], rest: &[f64]) {
    let (centre, mad) = median_and_mad(&mut rest.to_vec());
    let reach = CLIP * MAD_TO_SIGMA * mad;
    if reach == 0.0 {
        return;
    }
    for (value, rest) in values.iter_mut().zip(rest) {
        let out = rest - centre;
        *value -= out - out.clamp(-reach, reach);
    }
}

/// Autocorrelation at lag 1, corrected for the bias that a fitted line brings (Kendall 1954); not
/// negative.
fn persistence(rest: &[f64]) -> f64 {
    let squares: f64 = rest.iter().map(|value| value * value).sum();
    if squares <= 0.0 {
        return 0.0;
    }
    let pairs: f64 = rest.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let raw = pairs / squares;
    (raw + (2.0 + 4.0 * raw) / rest.len() as f64).clamp(0.0, 1.0)
}
