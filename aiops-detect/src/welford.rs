//! Distance from the mean in standard deviations: the z-score, online.
//!
//! Welford, *Note on a Method for Calculating Corrected Sums of Squares and Products*,
//! Technometrics 4 (1962).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::ewma::{check_memory, check_warmup};
use crate::running::Running;
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};

/// Parameters of [`WelfordZ`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct WelfordZConfig {
    /// Samples after which old ones begin to be forgotten: the weight of a new sample is at least
    /// `1 / memory`. Finite and at least 1.
    pub memory: f64,
    /// Samples needed before the first score, at least 2.
    pub warmup: usize,
    /// Smallest spread assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest spread assumed, as a share of the absolute value of the mean. Not negative.
    pub relative_min_scale: f64,
}

impl Default for WelfordZConfig {
    fn default() -> Self {
        Self {
            memory: 1_000.0,
            warmup: 32,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

/// An online detector: how many standard deviations is a sample away from the mean?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::welford::{WelfordZ, WelfordZConfig};
///
/// let mut detector = WelfordZ::try_from(WelfordZConfig::default())?;
/// for second in 0..100 {
///     let requests = if second % 2 == 0 { 90.0 } else { 110.0 };
///     detector.learn_one(Sample::new(Timestamp::from_nanos(second.into()), requests));
/// }
/// let many = Sample::new(Timestamp::from_nanos(100), 150.0);
/// assert!((detector.score_one(many).unwrap() - 5.0).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = |x - mean| / max(sd, min_scale, relative_min_scale * |mean|), at most 1e6
/// ```
///
/// with the standard deviation of divisor n.
///
/// # Cost
///
/// A few additions and a root for each sample; the memory of the struct itself.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | constant series | 0 for the same value; a change scores its share of the level over `relative_min_scale`, at most [`MAX_SCORE`](crate::MAX_SCORE) |
/// | values whose squares leave the range of `f64` | the variance stops at the largest finite number: scores are near 0 until it is forgotten |
///
/// # Not good for
///
/// Series with outliers: one of size `s` standard deviations in `n` samples raises the deviation
/// by about `s^2 / 2n`, and a sample can never be more than `sqrt(n - 1)` away. Use
/// [`rolling_mad`](crate::rolling_mad) there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WelfordZ {
    config: WelfordZConfig,
    floor: ScaleFloor,
    moments: Running,
}

impl TryFrom<WelfordZConfig> for WelfordZ {
    type Error = ParamError;

    fn try_from(config: WelfordZConfig) -> Result<Self, ParamError> {
        check_memory("memory", config.memory)?;
        check_warmup(config.warmup)?;
        Ok(Self {
            config,
            floor: ScaleFloor::new(config.min_scale, config.relative_min_scale)?,
            moments: Running::default(),
        })
    }
}

impl WelfordZ {
    /// Its parameters.
    pub fn config(&self) -> &WelfordZConfig {
        &self.config
    }

    /// The mean, in the unit of the series; 0 before the first sample.
    pub fn mean(&self) -> f64 {
        self.moments.mean
    }

    /// Spread in use, in the unit of the series, floors included.
    pub fn scale(&self) -> f64 {
        self.floor
            .at_least(self.moments.mean, self.moments.deviation())
    }
}

impl StreamingDetector for WelfordZ {
    fn kind(&self) -> &'static str {
        "detect.welford-z"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.moments.count as usize, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready)
            .then(|| spread::score(sample.value, self.mean(), self.scale()))
    }

    fn learn_one(&mut self, sample: Sample) {
        if sample.value.is_finite() {
            self.moments.add(sample.value, self.config.memory);
        }
    }

    fn band(&self, _at: Timestamp, max_score: f64) -> Option<Band> {
        match self.warmup() {
            Warmup::Ready => spread::band(self.mean(), self.scale(), max_score),
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

    use super::{WelfordZ, WelfordZConfig};
    use crate::running::wire as running;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        memory: f64,
        warmup: usize,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
        moments: running::V1,
    }

    impl StoredModel for WelfordZ {
        const KIND: &'static str = "detect.welford-z";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                memory: self.config.memory,
                warmup: self.config.warmup,
                min_scale: self.config.min_scale,
                relative_min_scale: self.config.relative_min_scale,
                moments: (&self.moments).into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = WelfordZConfig {
                memory: wire.memory,
                warmup: wire.warmup,
                min_scale: wire.min_scale,
                relative_min_scale: wire.relative_min_scale,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            Ok(Self {
                moments: wire.moments.try_into()?,
                ..empty
            })
        }
    }
}
