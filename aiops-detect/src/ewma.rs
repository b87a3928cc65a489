//! Distance from the exponentially weighted mean.
//!
//! Roberts, *Control Chart Tests Based on Geometric Moving Averages*, Technometrics 1 (1959).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};

/// Parameters of [`Ewma`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct EwmaConfig {
    /// Samples over which the mean is taken: the weight of a new sample is `1 / memory`. Finite
    /// and at least 1.
    pub memory: f64,
    /// The same for the spread; should be larger, or a run of odd samples hides itself.
    pub spread_memory: f64,
    /// Samples needed before the first score, at least 2.
    pub warmup: usize,
    /// Smallest spread assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest spread assumed, as a share of the absolute value of the mean. Not negative.
    pub relative_min_scale: f64,
}

impl Default for EwmaConfig {
    fn default() -> Self {
        Self {
            memory: 20.0,
            spread_memory: 200.0,
            warmup: 32,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

/// An online detector: how far is a sample from the weighted mean of those before it, in units of
/// the usual distance?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::ewma::{Ewma, EwmaConfig};
///
/// let mut detector = Ewma::try_from(EwmaConfig::default())?;
/// for second in 0..100 {
///     let load = 1.0 + 0.1 * f64::from(second % 3);
///     detector.learn_one(Sample::new(Timestamp::from_nanos(second.into()), load));
/// }
/// let busy = Sample::new(Timestamp::from_nanos(100), 3.0);
/// assert!(detector.score_one(busy).is_some_and(|score| score > 10.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = |x - m| / max(scale, min_scale, relative_min_scale * |m|), at most 1e6
/// scale = 1.2533 * d
/// m    <- m + (x - m) / memory           d <- d + (|x - m| - d) / spread_memory
/// ```
///
/// where `d` learns from the distance to the mean *before* the sample. Until `memory` samples
/// were seen, `m` is their plain mean; likewise for `d`.
///
/// # Cost
///
/// A few additions for each sample; the memory of the struct itself.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | constant series | 0 for the same value; a change scores its share of the level over `relative_min_scale`, at most [`MAX_SCORE`](crate::MAX_SCORE) |
/// | values near the end of the range of `f64` | distances stop at the largest finite number |
///
/// # Not good for
///
/// Outliers that come in runs (mean and spread follow them; a median does not), and seasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ewma {
    config: EwmaConfig,
    floor: ScaleFloor,
    seen: u64,
    mean: f64,
    deviation: f64,
}

impl TryFrom<EwmaConfig> for Ewma {
    type Error = ParamError;

    fn try_from(config: EwmaConfig) -> Result<Self, ParamError> {
        check_memory("memory", config.memory)?;
        check_memory("spread_memory", config.spread_memory)?;
        check_warmup(config.warmup)?;
        Ok(Self {
            config,
            floor: ScaleFloor::new(config.min_scale, config.relative_min_scale)?,
            seen: 0,
            mean: 0.0,
            deviation: 0.0,
        })
    }
}

/// Accepts finite numbers of samples from 1 on.
pub(crate) fn check_memory(name: &'static str, memory: f64) -> Result<(), ParamError> {
    if memory >= 1.0 && memory.is_finite() {
        Ok(())
    } else {
        Err(ParamError::new(name, "finite and at least 1", memory))
    }
}

/// Accepts 2 samples and more: one has no spread.
pub(crate) fn check_warmup(warmup: usize) -> Result<(), ParamError> {
    if warmup >= 2 {
        Ok(())
    } else {
        Err(ParamError::new("warmup", "at least 2", warmup))
    }
}

impl Ewma {
    /// Its parameters.
    pub fn config(&self) -> &EwmaConfig {
        &self.config
    }

    /// The weighted mean, in the unit of the series; 0 before the first sample.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Spread in use, in the unit of the series, floors included.
    pub fn scale(&self) -> f64 {
        // The mean absolute deviation takes the place that it has where a MAD is 0.
        self.floor.scale(self.mean, 0.0, || self.deviation)
    }
}

impl StreamingDetector for Ewma {
    fn kind(&self) -> &'static str {
        "detect.ewma"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.seen as usize, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready)
            .then(|| spread::score(sample.value, self.mean, self.scale()))
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        if self.seen > 0 {
            let rate = (1.0 / self.seen as f64).max(1.0 / self.config.spread_memory);
            let away = spread::distance(sample.value, self.mean);
            self.deviation = (1.0 - rate) * self.deviation + rate * away;
        }
        self.seen = self.seen.saturating_add(1);
        let rate = (1.0 / self.seen as f64).max(1.0 / self.config.memory);
        let away = sample.value - self.mean;
        self.mean = if away.is_finite() {
            self.mean + rate * away
        } else {
            (1.0 - rate) * self.mean + rate * sample.value
        };
    }

    fn band(&self, _at: Timestamp, max_score: f64) -> Option<Band> {
        match self.warmup() {
            Warmup::Ready => spread::band(self.mean, self.scale(), max_score),
            Warmup::Warming { .. } => None,
        }
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

    use super::{Ewma, EwmaConfig};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        memory: f64,
        #[serde(with = "exact")]
        spread_memory: f64,
        warmup: usize,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
        seen: u64,
        #[serde(with = "exact")]
        mean: f64,
        #[serde(with = "exact")]
        deviation: f64,
    }

    impl StoredModel for Ewma {
        const KIND: &'static str = "detect.ewma";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                memory: self.config.memory,
                spread_memory: self.config.spread_memory,
                warmup: self.config.warmup,
                min_scale: self.config.min_scale,
                relative_min_scale: self.config.relative_min_scale,
                seen: self.seen,
                mean: self.mean,
                deviation: self.deviation,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = EwmaConfig {
                memory: wire.memory,
                spread_memory: wire.spread_memory,
                warmup: wire.warmup,
                min_scale: wire.min_scale,
                relative_min_scale: wire.relative_min_scale,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            let moments = wire.mean.is_finite() && wire.deviation.is_finite();
            if !moments || wire.deviation < 0.0 {
                return Err(LoadError::payload("mean or deviation cannot be"));
            }
            Ok(Self {
                seen: wire.seen,
                mean: wire.mean,
                deviation: wire.deviation,
                ..empty
            })
        }
    }
}
