//! When a second burst begins: two failures, one after the other, in components that are the same.

use aiops_core::Timestamp;

/// Alerts this close together, in seconds, came at one moment: a rule gives several at once.
pub(super) const ONE_MOMENT: f64 = 0.05;

/// Fewest moments of a burst.
const SHORTEST: usize = 3;

/// Most moments of the new burst, and of the old one, that are compared.
const LONGEST: usize = 12;

/// Most gaps of the quiet between them.
const QUIET: usize = 8;

/// Most moments that are remembered.
const MOMENTS: usize = 64;

/// The moments at which alerts of a cluster came, the latest ones.
///
/// The times of one failure's alerts have one peak: it is noticed by more and more, and then by
/// fewer and fewer. Two peaks with a valley between them are two failures. Gaps in a stretch of
/// constant rate are exponential, so that the evidence for "the rate rose here" over "it did not"
/// is the logarithm of a likelihood ratio:
///
/// ```text
/// evidence = a ln(a / D) + b ln(b / d) - (a + b) ln((a + b) / (D + d))
/// ```
///
/// with `a` gaps in the `D` seconds of the valley and `b` in the `d` seconds of a peak. It is asked
/// for both sides of a valley, and the smaller one counts. Only order and proportion of the gaps
/// matter, so it is the same for failures that unfold in seconds and in hours.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub(super) struct Moments(Vec<Timestamp>);

impl Moments {
    /// An alert came.
    pub(super) fn push(&mut self, now: Timestamp) {
        let is_new = self
            .0
            .last()
            .is_none_or(|last| now.since(*last).as_secs_f64() > ONE_MOMENT);
        if is_new {
            if self.0.len() == MOMENTS {
                self.0.remove(0);
            }
            self.0.push(now);
        }
    }

    /// Splits off what came from `at` on.
    pub(super) fn split_off(&mut self, at: Timestamp) -> Self {
        let place = self.0.partition_point(|time| *time < at);
        Self(self.0.split_off(place))
    }

    /// The first moment of a second burst that goes on now, if the evidence for one is more than
    /// `least`. Cost: below 100 comparisons, unless there is one.
    pub(super) fn onset(&self, least: f64) -> Option<Timestamp> {
        let times: Vec<f64> = self
            .0
            .iter()
            .map(|time| time.since(self.0[0]).as_secs_f64())
            .collect();
        let count = times.len();
        let mut best = (least, None);
        for burst in SHORTEST..=LONGEST.min(count.saturating_sub(SHORTEST + 1)) {
            let first = count - burst;
            let peak = (burst - 1, times[count - 1] - times[first]);
            for quiet in 1..=QUIET.min(first.saturating_sub(SHORTEST - 1)) {
                let end = first - quiet;
                let valley = (quiet, times[first] - times[end]);
                if rise(valley, peak) <= best.0 {
                    continue;
                }
                let before = (SHORTEST - 1..=LONGEST.min(end))
                    .map(|gaps| rise(valley, (gaps, shortest(&times[..=end], gaps))))
                    .fold(0.0, f64::max);
                let evidence = before.min(rise(valley, peak));
                if evidence > best.0 {
                    best = (evidence, Some(self.0[first]));
                }
            }
        }
        best.1
    }
}

/// The shortest time that `gaps` gaps in a row take.
fn shortest(times: &[f64], gaps: usize) -> f64 {
    let windows = times.windows(gaps + 1);
    windows
        .map(|window| window[gaps] - window[0])
        .fold(f64::INFINITY, f64::min)
}

/// Evidence for a higher rate of the second stretch: (gaps, seconds) each.
fn rise((a, wide): (usize, f64), (b, narrow): (usize, f64)) -> f64 {
    let (a, b) = (a as f64, b as f64);
    let (wide, narrow) = (wide + ONE_MOMENT, narrow + ONE_MOMENT);
    if b * wide <= a * narrow {
        return 0.0;
    }
    a * (a / wide).ln() + b * (b / narrow).ln() - (a + b) * ((a + b) / (wide + narrow)).ln()
}
