//! From scores on any scale to probabilities, by their own past.
//!
//! The probability of a score is the share of earlier scores that were at least as high: the
//! p-value of a conformal predictor with the newest score left out (Laxhammar and Falkman,
//! *Conformal Prediction for Distribution-Independent Anomaly Detection in Streaming Vessel
//! Data*, `StreamKDD` 2010). Two streams whose scores mean nothing to each other become
//! comparable.

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::ewma::check_memory;

/// Lowest and highest power of two that are told apart; scores beyond fall into the outer bins.
const OCTAVES: std::ops::Range<i32> = -8..20;
/// Bins of each octave, of equal width.
const PARTS: usize = 8;
const OCTAVE_COUNT: usize = (OCTAVES.end - OCTAVES.start) as usize;
/// Weight of a sample at which all weights are divided by it.
const RESCALE_AT: f64 = 1e12;

/// How often has a score been as high? In constant memory.
///
/// Scores are counted in bins, eight to a doubling, and a score inside a bin is
/// interpolated: the probability is exact at the ends of the bins, and between them off by less
/// than the share of scores in one bin. Old scores fade.
///
/// ```
/// use aiops_detect::calibrate::RankCalibrator;
///
/// let mut past = RankCalibrator::new(10_000.0)?;
/// for score in 1..=1_000 {
///     past.learn(f64::from(score));
/// }
/// // Half of the scores were at least 500; none was 2,000.
/// assert!((past.probability(500.0) - 0.5).abs() < 0.02);
/// assert!(past.probability(2_000.0) < 0.001);
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// p = (weight of scores >= s, interpolated, + 0.5) / (weight of all scores + 1)
/// ```
///
/// where the weight of a score falls by `1 - 1 / memory` with each later one.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no score yet | probability 0.5 |
/// | `NaN` | probability 1; not learned |
/// | negative | as 0 |
/// | below 2^-8 or above 2^20 | told apart from the rest, not from each other |
/// | all equal | the same score: about 0.5; a higher one: one in the number seen |
///
/// # Not good for
///
/// Telling how extreme a score beyond all earlier ones is: one in the number seen is all that
/// counting can say. [`spot`](crate::spot) models the tail.
#[derive(Clone, Debug, PartialEq)]
pub struct RankCalibrator {
    memory: f64,
    bins: Box<[f32; OCTAVE_COUNT * PARTS]>,
    octaves: [f32; OCTAVE_COUNT],
    total: f64,
    /// Weight of the next score; grows, so that the old ones need no touch.
    weight: f64,
}

impl RankCalibrator {
    /// Of about the last `memory` scores, finite and at least 1.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when `memory` is out of range.
    pub fn new(memory: f64) -> Result<Self, ParamError> {
        check_memory("memory", memory)?;
        Ok(Self {
            memory,
            bins: Box::new([0.0; OCTAVE_COUNT * PARTS]),
            octaves: [0.0; OCTAVE_COUNT],
            total: 0.0,
            weight: 1.0,
        })
    }

    /// Weight of the scores seen, at most about `memory`.
    pub fn seen(&self) -> f64 {
        self.total / self.weight
    }

    /// Probability of a score at least this high, in `(0, 1]`, by the scores learned so far.
    pub fn probability(&self, score: f64) -> f64 {
        if score.is_nan() {
            return 1.0;
        }
        let (bin, share) = place(score);
        let octave = bin / PARTS;
        let higher: f32 = self.octaves[octave + 1..].iter().sum::<f32>()
            + self.bins[bin + 1..(octave + 1) * PARTS].iter().sum::<f32>();
        let within = f64::from(self.bins[bin]) * (1.0 - share);
        let above = (f64::from(higher) + within) / self.weight;
        ((above + 0.5) / (self.seen() + 1.0)).min(1.0)
    }

    /// `-log10` of the [probability](Self::probability): 3 is once in a thousand samples.
    pub fn surprise(&self, score: f64) -> f64 {
        -self.probability(score).log10()
    }

    /// Counts a score.
    pub fn learn(&mut self, score: f64) {
        if score.is_nan() {
            return;
        }
        let (bin, _) = place(score);
        self.bins[bin] += self.weight as f32;
        self.octaves[bin / PARTS] += self.weight as f32;
        self.total += self.weight;
        self.weight *= 1.0 + 1.0 / self.memory;
        if self.weight > RESCALE_AT {
            self.rescale();
        }
    }

    fn rescale(&mut self) {
        let factor = 1.0 / self.weight;
        let scale = |value: &mut f32| *value = (f64::from(*value) * factor) as f32;
        self.bins.iter_mut().for_each(scale);
        self.octaves.iter_mut().for_each(scale);
        self.total *= factor;
        self.weight = 1.0;
    }

    /// Memory of the bins.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.bins)
    }
}

/// Bin of a score, and how far into it. Read from the bits of the number: its exponent is the
/// octave, the first bits of its mantissa the part.
fn place(score: f64) -> (usize, f64) {
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    const PART_BITS: u32 = PARTS.ilog2();
    let bits = score.max(0.0).to_bits();
    let exponent = (bits >> MANTISSA) as i32 - (f64::MAX_EXP - 1);
    if exponent < OCTAVES.start {
        return (0, 0.0);
    }
    if exponent >= OCTAVES.end {
        return (OCTAVE_COUNT * PARTS - 1, 1.0);
    }
    let mantissa = bits & ((1 << MANTISSA) - 1);
    let part = (mantissa >> (MANTISSA - PART_BITS)) as usize;
    let rest = mantissa & ((1 << (MANTISSA - PART_BITS)) - 1);
    let share = rest as f64 / (1_u64 << (MANTISSA - PART_BITS)) as f64;
    ((exponent - OCTAVES.start) as usize * PARTS + part, share)
}

/// A detector whose score is the [surprise](RankCalibrator::surprise) of another one's: the same
/// scale for all.
///
/// The inner detector's warm-up is followed by `warmup` scores that are only counted.
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::calibrate::Calibrated;
/// use aiops_detect::ewma::{Ewma, EwmaConfig};
///
/// let mut detector = Calibrated::new(Ewma::try_from(EwmaConfig::default())?, 10_000.0, 100)?;
/// for second in 0..2_000 {
///     let value = f64::from(second * 7_919 % 101);
///     detector.learn_one(Sample::new(Timestamp::from_nanos(second.into()), value));
/// }
/// let odd = Sample::new(Timestamp::from_nanos(2_000), 500.0);
/// assert!(detector.score_one(odd).is_some_and(|score| score > 3.0));
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// Costs the inner detector's score, taken twice by [`update`](StreamingDetector::update) of
/// detectors that do not override it, and about 20 ns.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrated<S> {
    inner: S,
    past: RankCalibrator,
    counted: usize,
    warmup: usize,
}

impl<S: StreamingDetector> Calibrated<S> {
    /// Calibrates `inner` by about its last `memory` scores, from `warmup` of them on.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when `memory` is not finite or less than 1.
    pub fn new(inner: S, memory: f64, warmup: usize) -> Result<Self, ParamError> {
        Ok(Self {
            inner,
            past: RankCalibrator::new(memory)?,
            counted: 0,
            warmup,
        })
    }

    /// The detector whose scores are calibrated.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Probability of a score at least as high as this sample's; `None` while warming up.
    pub fn probability(&self, sample: Sample) -> Option<f64> {
        let score = self.inner.score_one(sample)?;
        (self.counted >= self.warmup).then(|| self.past.probability(score))
    }
}

impl<S: StreamingDetector> StreamingDetector for Calibrated<S> {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn warmup(&self) -> Warmup {
        match self.inner.warmup() {
            Warmup::Warming { seen, needed } => Warmup::Warming {
                seen,
                needed: needed + self.warmup,
            },
            Warmup::Ready => crate::spread::warmup(self.counted, self.warmup),
        }
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        Some(-self.probability(sample)?.log10())
    }

    fn learn_one(&mut self, sample: Sample) {
        if let Some(score) = self.inner.update(sample) {
            self.past.learn(score);
            self.counted = self.counted.saturating_add(1);
        }
    }

    fn update(&mut self, sample: Sample) -> Option<f64> {
        let score = self.inner.update(sample)?;
        let ready = self.counted >= self.warmup;
        let surprise = ready.then(|| self.past.surprise(score));
        self.past.learn(score);
        self.counted = self.counted.saturating_add(1);
        surprise
    }

    /// The inner detector's band of the highest score whose surprise is at most `max_score`.
    fn band(&self, at: Timestamp, max_score: f64) -> Option<Band> {
        if self.counted < self.warmup || max_score.is_nan() || max_score < 0.0 {
            return None;
        }
        // Surprise does not fall with the score: bisection over the exponent, then the value.
        let (mut low, mut high) = (0.0_f64, crate::MAX_SCORE);
        if self.past.surprise(low) > max_score {
            return None;
        }
        if self.past.surprise(high) <= max_score {
            return self.inner.band(at, high);
        }
        for _ in 0..80 {
            let middle = f64::midpoint(low, high);
            if self.past.surprise(middle) <= max_score {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.inner.band(at, low)
    }

    fn size_bytes(&self) -> usize {
        let own = size_of::<Self>().saturating_sub(size_of::<S>());
        own + self.inner.size_bytes() + self.past.heap_bytes()
    }
}

/// Stored form of the calibrator; part of those of the detectors that hold one.
#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{OCTAVE_COUNT, PARTS, RESCALE_AT, RankCalibrator};

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        memory: f64,
        #[serde(with = "exact_vec")]
        bins: Vec<f64>,
        #[serde(with = "exact_vec")]
        octaves: Vec<f64>,
        #[serde(with = "exact")]
        total: f64,
        #[serde(with = "exact")]
        weight: f64,
    }

    impl From<&RankCalibrator> for V1 {
        fn from(past: &RankCalibrator) -> Self {
            Self {
                memory: past.memory,
                bins: past.bins.iter().copied().map(f64::from).collect(),
                octaves: past.octaves.iter().copied().map(f64::from).collect(),
                total: past.total,
                weight: past.weight,
            }
        }
    }

    impl TryFrom<V1> for RankCalibrator {
        type Error = LoadError;

        fn try_from(wire: V1) -> Result<Self, LoadError> {
            let mut past =
                Self::new(wire.memory).map_err(|error| LoadError::payload(error.to_string()))?;
            let fine = |weight: &f64| *weight >= 0.0 && *weight <= f64::from(f32::MAX);
            let shape =
                wire.bins.len() == OCTAVE_COUNT * PARTS && wire.octaves.len() == OCTAVE_COUNT;
            let total = wire.total >= 0.0 && wire.total.is_finite();
            let weight = wire.weight >= 1.0 && wire.weight <= RESCALE_AT;
            let all_fine = wire.bins.iter().chain(&wire.octaves).all(fine);
            if !shape || !total || !weight || !all_fine {
                return Err(LoadError::payload("counts of scores cannot be"));
            }
            for (bin, value) in past.bins.iter_mut().zip(wire.bins) {
                *bin = value as f32;
            }
            for (octave, value) in past.octaves.iter_mut().zip(wire.octaves) {
                *octave = value as f32;
            }
            (past.total, past.weight) = (wire.total, wire.weight);
            Ok(past)
        }
    }

    impl StoredModel for RankCalibrator {
        const KIND: &'static str = "detect.rank-calibrator";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            self.into()
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            payload.read::<V1>()?.try_into()
        }
    }
}
