//! The left profile of a stream.

use std::collections::VecDeque;

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use super::shapes::{Moments, Peak, covariance, distance, within_reach};
use super::{MatrixProfileConfig, Measure};
use crate::spread;

/// Parameters of [`OnlineMatrixProfile`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct OnlineMatrixProfileConfig {
    /// What is compared, and how.
    pub profile: MatrixProfileConfig,
    /// Samples that are remembered, at least two windows and the exclusion, at most 1000000. More
    /// than a season of them.
    pub history: usize,
}

impl Default for OnlineMatrixProfileConfig {
    fn default() -> Self {
        Self {
            profile: MatrixProfileConfig::default(),
            history: 2_000,
        }
    }
}

/// Most samples that are remembered.
const MAX_HISTORY: usize = 1_000_000;

/// An online detector: how far is the last window from the most similar one before it?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::matrix_profile::{OnlineMatrixProfile, OnlineMatrixProfileConfig};
///
/// let mut config = OnlineMatrixProfileConfig::default();
/// config.profile.window = 50;
/// let mut detector = OnlineMatrixProfile::try_from(config)?;
/// let mut largest = (0.0, 0);
/// for second in 0..1_000 {
///     let value = match f64::from(second % 50) {
///         phase if (700..725).contains(&second) => 10.0 * (phase / 3.0).sin(),
///         phase => 10.0 * (phase / 8.0).sin() + f64::from(second * 7 % 11) / 20.0,
///     };
///     let sample = Sample::new(Timestamp::from_nanos(second.into()), value);
///     if let Some(score) = detector.update(sample) && score > largest.0 && second > 200 {
///         largest = (score, second);
///     }
/// }
/// assert!((700..760).contains(&largest.1), "{largest:?}");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// That of the left profile of [`MatrixProfile`](super::MatrixProfile), over the windows that are
/// remembered: the score of a sample is the distance of the window that ends there.
///
/// # Cost
///
/// `O(history)` a sample, some 3 us by default; 50 bytes for each remembered sample.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer samples than two windows and the exclusion | no score |
/// | missing (`NaN`) or infinite sample | no score; not learned: windows close over it |
/// | constant windows | distance 0 from each other, `sqrt(window)` from those with a shape |
///
/// There is no band: which values would be odd depends on those that follow.
///
/// # Not good for
///
/// What [`MatrixProfile`](super::MatrixProfile) is not good for. An anomaly is remembered: the
/// second of its kind within the history is not odd.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineMatrixProfile {
    config: OnlineMatrixProfileConfig,
    measure: Measure,
    seen: u64,
    past: Past,
}

/// The remembered samples, and the windows that begin at each.
#[derive(Clone, Debug, Default, PartialEq)]
struct Past {
    values: Vec<f64>,
    /// As in [`Shapes`](super::shapes::Shapes), and so the next.
    half: Vec<f64>,
    sum: Vec<f64>,
    moments: Vec<Moments>,
    /// Places in the buffers above before the first remembered window.
    gone: usize,
    /// Covariance of each remembered window with the last one.
    sums: Vec<f64>,
    /// Remembered windows at which sums are taken anew, counted from the first one ever.
    resets: VecDeque<u64>,
    peak: Peak,
}

impl TryFrom<OnlineMatrixProfileConfig> for OnlineMatrixProfile {
    type Error = ParamError;

    fn try_from(config: OnlineMatrixProfileConfig) -> Result<Self, ParamError> {
        let measure: Measure = config.profile.try_into()?;
        let least = needed(measure);
        if !(least..=MAX_HISTORY).contains(&config.history) {
            let expected = "from two windows and the exclusion to 1000000";
            return Err(ParamError::new("history", expected, config.history));
        }
        Ok(Self {
            config,
            measure,
            seen: 0,
            past: Past::default(),
        })
    }
}

/// Samples before the first score.
fn needed(measure: Measure) -> usize {
    2 * measure.window + measure.exclusion
}

impl OnlineMatrixProfile {
    /// Its parameters.
    pub fn config(&self) -> &OnlineMatrixProfileConfig {
        &self.config
    }

    /// Windows that are remembered at most.
    fn windows(&self) -> usize {
        self.config.history + 1 - self.measure.window
    }

    /// Learns a value and answers the distance of the window that ends with it.
    fn push(&mut self, value: f64) -> Option<f64> {
        self.past.values.push(within_reach(value));
        let number = self.seen.checked_sub(self.measure.window as u64 - 1);
        self.seen = self.seen.saturating_add(1);
        let number = number?;
        let full = self.past.sums.len() == self.windows();
        let resets = self.past.add_window(self.measure, full);
        if resets {
            self.past.resets.push_back(number);
        }
        let oldest = number + 1 - self.past.sums.len() as u64;
        self.past.renew_some(oldest, number, self.measure.window);
        let score = self.past.nearest(self.measure);
        if self.past.gone > self.past.sums.len() / 4 + 16 {
            self.past.forget();
        }
        score.filter(|_| self.warmup() == Warmup::Ready)
    }
}

impl Past {
    /// The window at a place of the buffers.
    fn window(&self, at: usize, window: usize) -> &[f64] {
        &self.values[at..at + window]
    }

    /// Moves the sums on to the window that ends with the last value; `full` lets the first
    /// window go. Answers whether all sums are to be taken anew.
    fn add_window(&mut self, measure: Measure, full: bool) -> bool {
        let at = self.values.len() - measure.window;
        let moments = Moments::of(&self.values[at..], measure.floor);
        let (mut half, mut sum) = (0.0, 0.0);
        if let Some(before) = self.moments.last() {
            let (came, went) = (self.values[self.values.len() - 1], self.values[at - 1]);
            half = 0.5 * (came - went);
            sum = (came - moments.mean) + (went - before.mean);
        }
        self.half.push(half);
        self.sum.push(sum);
        self.moments.push(moments);
        // Each sum goes on to the pair one sample later, whose first window has the same place
        // among the remembered when the first is let go.
        let first = if full { self.gone + 1 } else { self.gone };
        let from = if full { first } else { first + 1 };
        let steps = self.half[from..].iter().zip(&self.sum[from..]);
        for (total, (&half_there, &sum_there)) in self.sums.iter_mut().zip(steps) {
            *total += half_there * sum + sum_there * half;
        }
        self.gone = first;
        if !full {
            self.sums.insert(0, 0.0);
            self.renew(0, measure.window);
        }
        self.peak.falls(moments.size)
    }

    /// Takes sums anew where rounding may have gathered: in turn, and where windows became small.
    fn renew_some(&mut self, oldest: u64, number: u64, window: usize) {
        while self.resets.front().is_some_and(|&reset| reset < oldest) {
            self.resets.pop_front();
        }
        if self.resets.back() == Some(&number) {
            (0..self.sums.len()).for_each(|index| self.renew(index, window));
            return;
        }
        self.renew((number % self.sums.len() as u64) as usize, window);
        for index in 0..self.resets.len() {
            self.renew((self.resets[index] - oldest) as usize, window);
        }
    }

    fn renew(&mut self, index: usize, window: usize) {
        let (one, last) = (self.gone + index, self.moments.len() - 1);
        let (a, b) = (self.window(one, window), self.window(last, window));
        self.sums[index] = covariance(a, self.moments[one].mean, b, self.moments[last].mean);
    }

    /// Distance of the last window from the nearest that is far enough before it.
    fn nearest(&self, measure: Measure) -> Option<f64> {
        let far = self.sums.len().checked_sub(measure.exclusion + 1)?;
        let others = &self.moments[self.gone..self.gone + far];
        let last = self.moments[self.moments.len() - 1];
        let apart = (measure.window as f64).sqrt();
        let flat = || others.iter().any(|other| other.inverse.is_nan());
        if others.is_empty() {
            return None;
        }
        if last.inverse.is_nan() {
            return Some(if flat() { 0.0 } else { apart });
        }
        let (mut most, mut nearest) = (f64::NEG_INFINITY, None);
        for (index, (sum, other)) in self.sums.iter().zip(others).enumerate() {
            let cosine = sum * other.inverse;
            if cosine > most {
                (most, nearest) = (cosine, Some(index));
            }
        }
        // A cosine of 1/2 is as far as a window without a shape.
        let Some(index) = nearest.filter(|_| most * last.inverse >= 0.5 || !flat()) else {
            return Some(apart);
        };
        let there = self.window(self.gone + index, measure.window);
        let here = self.window(self.moments.len() - 1, measure.window);
        Some(distance(there, others[index], here, last))
    }

    /// Drops what lies before the first remembered window.
    fn forget(&mut self) {
        self.values.drain(..self.gone);
        self.half.drain(..self.gone);
        self.sum.drain(..self.gone);
        self.moments.drain(..self.gone);
        self.gone = 0;
    }
}

impl StreamingDetector for OnlineMatrixProfile {
    fn kind(&self) -> &'static str {
        "detect.online-matrix-profile"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.seen as usize, needed(self.measure))
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        self.clone().update(sample)
    }

    fn learn_one(&mut self, sample: Sample) {
        self.update(sample);
    }

    fn update(&mut self, sample: Sample) -> Option<f64> {
        let ready = self.warmup() == Warmup::Ready;
        let score = sample.value.is_finite().then(|| self.push(sample.value))?;
        score.filter(|_| ready)
    }

    fn band(&self, _at: Timestamp, _max_score: f64) -> Option<Band> {
        None
    }

    fn size_bytes(&self) -> usize {
        let past = &self.past;
        let numbers = [&past.values, &past.half, &past.sum, &past.sums];
        let numbers: usize = numbers.iter().map(|numbers| numbers.capacity()).sum();
        size_of::<Self>()
            + numbers * size_of::<f64>()
            + past.moments.capacity() * size_of::<Moments>()
            + past.resets.capacity() * size_of::<u64>()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{OnlineMatrixProfile, OnlineMatrixProfileConfig, Past, Peak};
    use crate::matrix_profile::shapes::{Moments, within_reach};
    use crate::matrix_profile::wire::MeasureV1;
    use crate::matrix_profile::{MatrixProfileConfig, Measure};

    /// The remembered samples, and the sums, which have their rounding.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        measure: MeasureV1,
        history: usize,
        seen: u64,
        #[serde(with = "exact_vec")]
        values: Vec<f64>,
        #[serde(with = "exact_vec")]
        sums: Vec<f64>,
        resets: Vec<u64>,
        #[serde(with = "exact")]
        peak: f64,
    }

    impl V1 {
        fn past(self, measure: Measure, history: usize) -> Result<Past, LoadError> {
            let finite = |value: &f64| value.is_finite() && *value == within_reach(*value);
            let count = (self.values.len() + 1).saturating_sub(measure.window);
            let expected = history.min(usize::try_from(self.seen).unwrap_or(usize::MAX));
            let increasing = self.resets.windows(2).all(|pair| pair[0] < pair[1]);
            let end = (self.seen + 1).saturating_sub(measure.window as u64);
            let held = end.saturating_sub(count as u64)..end;
            let fits = self.values.len() == expected
                && self.sums.len() == count
                && self.values.iter().all(finite)
                && self.sums.iter().all(|sum| sum.is_finite())
                && increasing
                && self.resets.iter().all(|reset| held.contains(reset))
                && self.peak >= 0.0
                && self.peak.is_finite();
            if !fits {
                return Err(LoadError::payload("samples or sums cannot be"));
            }
            let windows = self.values.windows(measure.window);
            let moments: Vec<Moments> = windows.map(|w| Moments::of(w, measure.floor)).collect();
            // The first window is let go before its step would be needed.
            let (mut half, mut sum) = (vec![0.0; moments.len()], vec![0.0; moments.len()]);
            for at in 1..moments.len() {
                let (came, went) = (self.values[at + measure.window - 1], self.values[at - 1]);
                half[at] = 0.5 * (came - went);
                sum[at] = (came - moments[at].mean) + (went - moments[at - 1].mean);
            }
            Ok(Past {
                values: self.values,
                half,
                sum,
                moments,
                gone: 0,
                sums: self.sums,
                resets: self.resets.into(),
                peak: Peak(self.peak),
            })
        }
    }

    impl StoredModel for OnlineMatrixProfile {
        const KIND: &'static str = "detect.online-matrix-profile";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                measure: self.measure.into(),
                history: self.config.history,
                seen: self.seen,
                values: self.past.values[self.past.gone..].to_vec(),
                sums: self.past.sums.clone(),
                resets: self.past.resets.iter().copied().collect(),
                peak: self.past.peak.0,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let measure = Measure::try_from(&wire.measure)?;
            let config = OnlineMatrixProfileConfig {
                profile: MatrixProfileConfig::from(measure),
                history: wire.history,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            let seen = wire.seen;
            let past = wire.past(measure, config.history)?;
            Ok(Self {
                seen,
                past,
                ..empty
            })
        }
    }
}
