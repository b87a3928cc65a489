//! Series that climb and drop back.

use aiops_core::numerics::{Welford, median};

use super::jumps::Jump;
use super::{CapacityConfig, Past, Pattern};
use aiops_core::numerics::normal::tail_quantile;

/// Teeth seen at least.
const MIN_TEETH: usize = 2;
/// A tooth has at least this many samples; faster ones are noise.
const MIN_SAMPLES: usize = 4;
/// Simulated blocks of teeth for one path.
const BLOCKS: usize = 128;
/// The peaks move when their slope is this many standard errors from 0.
const SURE: f64 = 2.5;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// What the teeth have in common. Values are turned so that the limit lies above.
#[derive(Clone, Debug)]
pub(super) struct Teeth {
    resets: usize,
    /// Expected peak now, its change in a second, and the standard errors of both.
    peak: f64,
    slope: f64,
    slope_error: f64,
    peak_error: f64,
    /// Standard deviation of the peaks around their line.
    spread: f64,
    /// Seconds from drop to drop.
    length: f64,
    /// Rise in a second within a tooth.
    climb: f64,
}

impl Teeth {
    /// `None` when the past is no saw-tooth.
    pub(super) fn of(past: &Past, jumps: &[Jump]) -> Option<Self> {
        let drops: Vec<Jump> = jumps
            .iter()
            .copied()
            .filter(|jump| jump.size < 0.0)
            .collect();
        let rises = jumps.len() - drops.len();
        if drops.len() < MIN_TEETH || 2 * rises > drops.len() {
            return None;
        }
        let teeth = drops.windows(2).map(|pair| (pair[0].at, pair[1].at));
        let mut climbs: Vec<f64> = teeth
            .clone()
            .map(|(from, to)| past.values[to - 1] - past.values[from])
            .collect();
        let mut samples: Vec<f64> = teeth.clone().map(|(from, to)| (to - from) as f64).collect();
        let mut rates: Vec<f64> = teeth
            .clone()
            .filter(|(from, to)| to - from >= 2)
            .map(|(from, to)| {
                let rise = past.values[to - 1] - past.values[from];
                rise / (past.times[to - 1] - past.times[from])
            })
            .collect();
        let mut falls: Vec<f64> = drops.iter().map(|drop| -drop.size).collect();
        let (climb, fall) = (median(&mut climbs), median(&mut falls));
        let regular = climb > 0.0 && fall >= 0.5 * climb && fall <= 3.0 * climb;
        if !regular || median(&mut samples) < MIN_SAMPLES as f64 {
            return None;
        }
        let ends: Vec<(f64, f64)> = drops
            .iter()
            .map(|drop| (past.times[drop.at - 1], past.values[drop.at - 1]))
            .collect();
        let length = (ends[ends.len() - 1].0 - ends[0].0) / (ends.len() - 1) as f64;
        let mut teeth = Self {
            resets: drops.len(),
            peak: 0.0,
            slope: 0.0,
            slope_error: 0.0,
            peak_error: 0.0,
            spread: 0.0,
            length,
            climb: median(&mut rates),
        };
        teeth.fit_peaks(&ends);
        Some(teeth)
    }

    /// A straight line through the peaks where it is certain, their mean where it is not.
    fn fit_peaks(&mut self, ends: &[(f64, f64)]) {
        let n = ends.len() as f64;
        let (mut time, mut value) = (Welford::default(), Welford::default());
        for &(at, peak) in ends {
            time.add(at);
            value.add(peak);
        }
        let together: f64 = ends
            .iter()
            .map(|(at, peak)| (at - time.mean()) * (peak - value.mean()))
            .sum();
        let squares = time.variance() * n;
        let slope = together / squares.max(f64::MIN_POSITIVE);
        let rest = (value.variance() * n - slope * together).max(0.0);
        let error = (rest / (n - 2.0).max(1.0) / squares.max(f64::MIN_POSITIVE)).sqrt();
        if ends.len() >= 4 && slope.abs() > SURE * error {
            (self.slope, self.slope_error) = (slope, error);
            self.peak = value.mean() - slope * time.mean();
            self.spread = (rest / (n - 2.0)).sqrt();
        } else {
            self.peak = value.mean();
            self.spread = (value.variance() * n / (n - 1.0).max(1.0)).sqrt();
        }
        self.peak_error = self.spread / n.sqrt();
    }

    /// Seconds until the limit, for each path that reaches it.
    pub(super) fn crossings(&self, config: &CapacityConfig, past: &Past, target: f64) -> Vec<f64> {
        let horizon = config.horizon.as_secs_f64();
        let now = past.recent(1);
        (0..config.paths as u64)
            .filter_map(|path| {
                let mut rng = config.seed.child(path).rng();
                let peak = self.peak + self.peak_error * rng.normal();
                let slope = self.slope + self.slope_error * rng.normal();
                // The tooth that has begun ends at its own peak.
                let first = peak + self.spread * rng.normal();
                let climbing = (first.max(now) - now) / self.climb;
                if first >= target {
                    let at = (target - now) / self.climb;
                    return (at <= horizon).then_some(at);
                }
                let block = ((horizon - climbing) / BLOCKS as f64).max(self.length);
                let teeth = block / self.length;
                let mut start = climbing;
                while start < horizon {
                    let middle = peak + slope * (start + 0.5 * block);
                    // Of several teeth the highest peak counts: P(max <= x) = P(one <= x)^teeth.
                    let above = -((1.0 - rng.uniform()).ln() / teeth).exp_m1();
                    let highest = if above > 0.5 {
                        -tail_quantile(1.0 - above)
                    } else {
                        tail_quantile(above)
                    };
                    if middle + self.spread * highest >= target {
                        let at = start + block * rng.uniform();
                        return (at <= horizon).then_some(at);
                    }
                    start += block;
                }
                None
            })
            .collect()
    }

    pub(super) fn pattern(&self, sign: f64) -> Pattern {
        Pattern::Sawtooth {
            resets: self.resets,
            peak: sign * self.peak,
            peak_per_day: sign * self.slope * SECONDS_PER_DAY,
        }
    }
}
