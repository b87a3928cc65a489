//! Cumulative sums: small shifts of the mean that last.
//!
//! Page, *Continuous Inspection Schemes*, Biometrika 41 (1954).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::MAX_SCORE;
use crate::ewma::{check_memory, check_warmup};
use crate::running::Running;
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor, check_not_negative};

/// Parameters of [`Cusum`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CusumConfig {
    /// Deviation that is let pass, in standard deviations: half of the smallest shift of
    /// interest. Not negative.
    pub slack: f64,
    /// Sum from which on the level is taken to be another one, which is then learned afresh. The
    /// score to decide at. Greater than 0. With the default of 8 and a slack of 0.5, normal
    /// independent data reach it about once in 9,500 samples (Siegmund's approximation).
    pub limit: f64,
    /// Samples after which the old ones of the baseline begin to be forgotten. Finite and at
    /// least 1.
    pub memory: f64,
    /// Samples from which a baseline is learned before it scores, at least 2.
    pub warmup: usize,
    /// Smallest standard deviation assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest standard deviation assumed, as a share of the absolute value of the mean. Not
    /// negative.
    pub relative_min_scale: f64,
}

impl Default for CusumConfig {
    fn default() -> Self {
        Self {
            slack: 0.5,
            limit: 8.0,
            memory: 1_000.0,
            warmup: 32,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

impl CusumConfig {
    fn check(&self) -> Result<ScaleFloor, ParamError> {
        check_not_negative("slack", self.slack)?;
        check_limit(self.limit)?;
        check_memory("memory", self.memory)?;
        check_warmup(self.warmup)?;
        ScaleFloor::new(self.min_scale, self.relative_min_scale)
    }
}

/// Accepts finite numbers greater than 0.
pub(crate) fn check_limit(limit: f64) -> Result<(), ParamError> {
    if limit > 0.0 && limit.is_finite() {
        Ok(())
    } else {
        Err(ParamError::new("limit", "finite and greater than 0", limit))
    }
}

/// An online detector: has the mean moved, up or down, and stayed there?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::cusum::{Cusum, CusumConfig};
///
/// let mut detector = Cusum::try_from(CusumConfig::default())?;
/// let mut score = None;
/// for second in 0..120 {
///     // From 100 on higher by less than the noise is wide.
///     let noise = if second % 2 == 0 { -1.0 } else { 1.0 };
///     let value = 50.0 + noise + if second < 100 { 0.0 } else { 1.5 };
///     score = detector.update(Sample::new(Timestamp::from_nanos(second.into()), value)).or(score);
///     if score >= Some(8.0) {
///         assert!((100..110).contains(&second));
///         return Ok(());
///     }
/// }
/// unreachable!("the shift is found");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// z     = (x - mean) / max(sd, min_scale, relative_min_scale * |mean|)
/// up   <- max(0, up + z - slack)         down <- max(0, down - z - slack)
/// score = max(up, down), of the sums with the sample taken in; at most 1e6
/// ```
///
/// # Cost
///
/// A few additions and a root for each sample; the memory of the struct itself.
///
/// # After a shift
///
/// A sample that brings a sum to `limit` ends the baseline: sums, mean and deviation begin again,
/// and the detector warms up on the new level. One shift is one alarm.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples since the start or the last shift | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned; the sums stay |
/// | constant series | 0; a change scores at once, by its share of the level over `relative_min_scale`, at most [`MAX_SCORE`] |
/// | sums beyond the value that is asked about | no band: no value would score so little |
///
/// # Not good for
///
/// Seasons (every evening is a shift), strongly autocorrelated series, and single spikes, which
/// are one large term of the sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    config: CusumConfig,
    floor: ScaleFloor,
    baseline: Running,
    up: f64,
    down: f64,
}

impl TryFrom<CusumConfig> for Cusum {
    type Error = ParamError;

    fn try_from(config: CusumConfig) -> Result<Self, ParamError> {
        Ok(Self {
            config,
            floor: config.check()?,
            baseline: Running::default(),
            up: 0.0,
            down: 0.0,
        })
    }
}

impl Cusum {
    /// Its parameters.
    pub fn config(&self) -> &CusumConfig {
        &self.config
    }

    /// The sums for shifts up and down, in standard deviations.
    pub fn sums(&self) -> (f64, f64) {
        (self.up, self.down)
    }

    fn scale(&self) -> f64 {
        self.floor
            .at_least(self.baseline.mean, self.baseline.deviation())
    }

    /// Both sums with `value` taken in.
    fn sums_with(&self, value: f64) -> (f64, f64) {
        let size = spread::score(value, self.baseline.mean, self.scale());
        let z = size.copysign(value - self.baseline.mean);
        let next = |sum: f64, z: f64| (sum + z - self.config.slack).clamp(0.0, MAX_SCORE);
        (next(self.up, z), next(self.down, -z))
    }
}

impl StreamingDetector for Cusum {
    fn kind(&self) -> &'static str {
        "detect.cusum"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.baseline.count as usize, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready).then(|| {
            let (up, down) = self.sums_with(sample.value);
            up.max(down)
        })
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        if self.warmup() == Warmup::Ready {
            (self.up, self.down) = self.sums_with(sample.value);
            if self.up.max(self.down) >= self.config.limit {
                (self.up, self.down, self.baseline) = (0.0, 0.0, Running::default());
            }
        }
        self.baseline.add(sample.value, self.config.memory);
    }

    fn band(&self, _at: Timestamp, max_score: f64) -> Option<Band> {
        if self.warmup() != Warmup::Ready || max_score.is_nan() || max_score < 0.0 {
            return None;
        }
        let reach = |sum: f64| {
            if max_score >= MAX_SCORE {
                f64::MAX // no score is larger
            } else {
                ((max_score + self.config.slack - sum) * self.scale()).clamp(f64::MIN, f64::MAX)
            }
        };
        let center = self.baseline.mean;
        let lower = (center - reach(self.down)).max(f64::MIN);
        let upper = (center + reach(self.up)).min(f64::MAX);
        (lower <= upper).then_some(Band {
            lower,
            center,
            upper,
        })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

    use super::{Cusum, CusumConfig};
    use crate::MAX_SCORE;
    use crate::running::wire as running;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        slack: f64,
        #[serde(with = "exact")]
        limit: f64,
        #[serde(with = "exact")]
        memory: f64,
        warmup: usize,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
        baseline: running::V1,
        #[serde(with = "exact")]
        up: f64,
        #[serde(with = "exact")]
        down: f64,
    }

    impl StoredModel for Cusum {
        const KIND: &'static str = "detect.cusum";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                slack: self.config.slack,
                limit: self.config.limit,
                memory: self.config.memory,
                warmup: self.config.warmup,
                min_scale: self.config.min_scale,
                relative_min_scale: self.config.relative_min_scale,
                baseline: (&self.baseline).into(),
                up: self.up,
                down: self.down,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = CusumConfig {
                slack: wire.slack,
                limit: wire.limit,
                memory: wire.memory,
                warmup: wire.warmup,
                min_scale: wire.min_scale,
                relative_min_scale: wire.relative_min_scale,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            let sums = 0.0..=MAX_SCORE;
            if !sums.contains(&wire.up) || !sums.contains(&wire.down) {
                return Err(LoadError::payload("a sum cannot be"));
            }
            Ok(Self {
                baseline: wire.baseline.try_into()?,
                up: wire.up,
                down: wire.down,
                ..empty
            })
        }
    }
}
