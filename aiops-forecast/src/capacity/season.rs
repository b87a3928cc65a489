//! A daily or weekly shape.

use aiops_core::numerics::median;

/// Days and weeks, in seconds.
const PERIODS: [f64; 2] = [86_400.0, 7.0 * 86_400.0];
/// Whole periods that must have been seen.
const MIN_PERIODS: f64 = 2.0;
/// Variance between the phases over variance within them, per degree of freedom.
const MIN_RATIO: f64 = 3.0;
/// Phases that a period is cut into at most.
const MAX_PHASES: usize = 168;

/// What to add at each phase of a period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Season {
    pub(super) period: f64,
    shape: Vec<f64>,
}

impl Season {
    /// The longest period whose shape stands out of `rest`, values without their trend taken
    /// `times` seconds before now; `None` when none does.
    pub(super) fn of(times: &[f64], rest: &[f64], step: f64) -> Option<Self> {
        let span = times.last()? - times.first()? + step;
        let mut best: Option<(f64, Self)> = None;
        for period in PERIODS {
            let phases = ((period / step).round() as usize).min(MAX_PHASES);
            if span < MIN_PERIODS * period || phases < 4 || rest.len() < 2 * phases {
                continue;
            }
            let (left, ratio, season) = Self::fit(times, rest, period, phases);
            // A week must explain clearly more than a day does.
            let better = best.as_ref().is_none_or(|(before, _)| left < 0.8 * before);
            if ratio > MIN_RATIO && better {
                best = Some((left, season));
            }
        }
        best.map(|(_, season)| season)
    }

    /// Variance left, ratio of variances, shape.
    fn fit(times: &[f64], rest: &[f64], period: f64, phases: usize) -> (f64, f64, Self) {
        let mut seen = vec![Vec::new(); phases];
        for (&at, &value) in times.iter().zip(rest) {
            seen[phase(at, period, phases)].push(value);
        }
        let shape: Vec<f64> = seen
            .iter()
            .map(|values| {
                if values.is_empty() {
                    0.0
                } else {
                    median(&mut values.clone())
                }
            })
            .collect();
        let within: f64 = seen
            .iter()
            .zip(&shape)
            .flat_map(|(values, centre)| values.iter().map(move |value| (value - centre).powi(2)))
            .sum();
        let between: f64 = seen
            .iter()
            .zip(&shape)
            .map(|(values, centre)| values.len() as f64 * centre * centre)
            .sum();
        let free = (rest.len() - phases).max(1) as f64;
        let left = within / free;
        let ratio = between / phases as f64 / left.max(f64::MIN_POSITIVE);
        (left, ratio, Self { period, shape })
    }

    /// What to add `at` seconds from now.
    pub(super) fn at(&self, at: f64) -> f64 {
        self.shape[phase(at, self.period, self.shape.len())]
    }

    /// The largest value of the shape between two instants.
    pub(super) fn highest(&self, from: f64, to: f64) -> f64 {
        let width = self.period / self.shape.len() as f64;
        let count = (((to - from) / width).ceil() as usize).clamp(1, self.shape.len());
        (1..=count)
            .map(|k| self.at(from + (to - from) * k as f64 / count as f64))
            .fold(f64::MIN, f64::max)
    }
}

fn phase(at: f64, period: f64, phases: usize) -> usize {
    let share = (at / period).rem_euclid(1.0);
    ((share * phases as f64 + 0.5) as usize) % phases
}
