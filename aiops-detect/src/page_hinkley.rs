//! The Page-Hinkley test: has the mean left what it was on average so far?
//!
//! Hinkley, *Inference about the Change-Point from Cumulative Sum Tests*, Biometrika 58 (1971).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::MAX_SCORE;
use crate::cusum::check_limit;
use crate::ewma::check_warmup;
use crate::running::Running;
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor, check_not_negative};

/// Parameters of [`PageHinkley`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct PageHinkleyConfig {
    /// Deviation that is let pass, in standard deviations. Not negative.
    pub tolerance: f64,
    /// Rise of the sum from which on the mean is taken to be another one, which is then learned
    /// afresh. The score to decide at. Greater than 0.
    pub limit: f64,
    /// Share of the sum that is kept from sample to sample, greater than 0 and at most 1. Below 1
    /// slow drift is let pass.
    pub keep: f64,
    /// Samples before the first score, at least 2.
    pub warmup: usize,
    /// Smallest standard deviation assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest standard deviation assumed, as a share of the absolute value of the mean. Not
    /// negative.
    pub relative_min_scale: f64,
}

impl Default for PageHinkleyConfig {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            limit: 30.0,
            keep: 0.9999,
            warmup: 32,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

impl PageHinkleyConfig {
    fn check(&self) -> Result<ScaleFloor, ParamError> {
        check_not_negative("tolerance", self.tolerance)?;
        check_limit(self.limit)?;
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            let expected = "greater than 0 and at most 1";
            return Err(ParamError::new("keep", expected, self.keep));
        }
        check_warmup(self.warmup)?;
        ScaleFloor::new(self.min_scale, self.relative_min_scale)
    }
}

/// A sum that drifts down while nothing happens, and its lowest point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Side {
    sum: f64,
    lowest: f64,
}

impl Side {
    fn with(self, z: f64, config: &PageHinkleyConfig) -> Self {
        let sum = config.keep * self.sum + z - config.tolerance;
        Self {
            sum,
            lowest: self.lowest.min(sum),
        }
    }

    fn rise(self) -> f64 {
        (self.sum - self.lowest).min(MAX_SCORE)
    }
}

/// An online detector: how far has the sum of deviations from the mean so far risen above its
/// lowest point?
///
/// Where [`cusum`](crate::cusum) compares with a baseline that ends where the shift begins,
/// this test's mean takes in all samples since the last shift: cheaper to get right on
/// long quiet series, slower on short ones.
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::page_hinkley::{PageHinkley, PageHinkleyConfig};
///
/// let mut detector = PageHinkley::try_from(PageHinkleyConfig::default())?;
/// let mut found = None;
/// for second in 0..400 {
///     let noise = if second % 2 == 0 { -1.0 } else { 1.0 };
///     let value = 50.0 + noise + if second < 300 { 0.0 } else { 2.0 };
///     let score = detector.update(Sample::new(Timestamp::from_nanos(second.into()), value));
///     if score >= Some(30.0) {
///         found = found.or(Some(second));
///     }
/// }
/// assert!(found.is_some_and(|second| (300..325).contains(&second)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// mean  = of all samples since the last shift, the new one included
/// z     = (x - mean) / max(sd, min_scale, relative_min_scale * |mean|), sd of those before it
/// up   <- keep * up + z - tolerance      down <- keep * down - z - tolerance
/// score = max(up - lowest up, down - lowest down), with the sample taken in; at most 1e6
/// ```
///
/// # Cost
///
/// A few additions and a root for each sample; the memory of the struct itself.
///
/// # After a shift
///
/// A sample that brings the score to `limit` ends the mean: everything begins again, and the
/// detector warms up on the new level. One shift is one alarm.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples since the start or the last shift | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned; the sums stay |
/// | constant series | 0; a change scores by its share of the level over `relative_min_scale`, at most [`MAX_SCORE`] |
/// | sums beyond the value that is asked about | no band: no value would score so little |
///
/// # Not good for
///
/// Seasons, strongly autocorrelated series, and shifts soon after the start: the mean has then
/// hardly anything to compare with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkley {
    config: PageHinkleyConfig,
    floor: ScaleFloor,
    moments: Running,
    up: Side,
    down: Side,
}

impl TryFrom<PageHinkleyConfig> for PageHinkley {
    type Error = ParamError;

    fn try_from(config: PageHinkleyConfig) -> Result<Self, ParamError> {
        Ok(Self {
            config,
            floor: config.check()?,
            moments: Running::default(),
            up: Side::default(),
            down: Side::default(),
        })
    }
}

impl PageHinkley {
    /// Its parameters.
    pub fn config(&self) -> &PageHinkleyConfig {
        &self.config
    }

    /// Mean of the samples since the last shift; 0 of none.
    pub fn mean(&self) -> f64 {
        self.moments.mean
    }

    fn scale(&self) -> f64 {
        self.floor.at_least(self.mean(), self.moments.deviation())
    }

    /// Share of a sample's distance from the mean before it that is left when the mean has taken
    /// the sample in.
    fn left(&self) -> f64 {
        let count = self.moments.count as f64;
        count / (count + 1.0)
    }

    fn sides_with(&self, value: f64) -> (Side, Side) {
        let size = spread::score(value, self.mean(), self.scale()) * self.left();
        let z = size.copysign(value - self.mean());
        (
            self.up.with(z, &self.config),
            self.down.with(-z, &self.config),
        )
    }
}

impl StreamingDetector for PageHinkley {
    fn kind(&self) -> &'static str {
        "detect.page-hinkley"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.moments.count as usize, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready).then(|| {
            let (up, down) = self.sides_with(sample.value);
            up.rise().max(down.rise())
        })
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        if self.warmup() == Warmup::Ready {
            (self.up, self.down) = self.sides_with(sample.value);
            if self.up.rise().max(self.down.rise()) >= self.config.limit {
                self.moments = Running::default();
                (self.up, self.down) = (Side::default(), Side::default());
            }
        }
        self.moments.add(sample.value, f64::INFINITY);
    }

    fn band(&self, _at: Timestamp, max_score: f64) -> Option<Band> {
        if self.warmup() != Warmup::Ready || max_score.is_nan() || max_score < 0.0 {
            return None;
        }
        let reach = |side: Side| {
            if max_score >= MAX_SCORE {
                return f64::MAX; // no score is larger
            }
            let z = side.lowest + max_score + self.config.tolerance - self.config.keep * side.sum;
            (z / self.left() * self.scale()).clamp(f64::MIN, f64::MAX)
        };
        let center = self.mean();
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

    use super::{PageHinkley, PageHinkleyConfig, Side};
    use crate::running::wire as running;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        tolerance: f64,
        #[serde(with = "exact")]
        limit: f64,
        #[serde(with = "exact")]
        keep: f64,
        warmup: usize,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
        moments: running::V1,
        up: SideV1,
        down: SideV1,
    }

    #[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SideV1 {
        #[serde(with = "exact")]
        sum: f64,
        #[serde(with = "exact")]
        lowest: f64,
    }

    impl From<Side> for SideV1 {
        fn from(side: Side) -> Self {
            Self {
                sum: side.sum,
                lowest: side.lowest,
            }
        }
    }

    impl TryFrom<SideV1> for Side {
        type Error = LoadError;

        fn try_from(wire: SideV1) -> Result<Self, LoadError> {
            let finite = wire.sum.is_finite() && wire.lowest.is_finite();
            if finite && wire.lowest <= 0.0 {
                Ok(Self {
                    sum: wire.sum,
                    lowest: wire.lowest,
                })
            } else {
                Err(LoadError::payload("a sum cannot be"))
            }
        }
    }

    impl StoredModel for PageHinkley {
        const KIND: &'static str = "detect.page-hinkley";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                tolerance: self.config.tolerance,
                limit: self.config.limit,
                keep: self.config.keep,
                warmup: self.config.warmup,
                min_scale: self.config.min_scale,
                relative_min_scale: self.config.relative_min_scale,
                moments: (&self.moments).into(),
                up: self.up.into(),
                down: self.down.into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = PageHinkleyConfig {
                tolerance: wire.tolerance,
                limit: wire.limit,
                keep: wire.keep,
                warmup: wire.warmup,
                min_scale: wire.min_scale,
                relative_min_scale: wire.relative_min_scale,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            Ok(Self {
                moments: wire.moments.try_into()?,
                up: wire.up.try_into()?,
                down: wire.down.try_into()?,
                ..empty
            })
        }
    }
}
