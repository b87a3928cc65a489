//! Distance from the middle of the last samples in units of the band between two of their
//! quantiles.
//!
//! The distribution-free form of a control chart: no symmetry and no normal distribution is
//! assumed (Tukey, *Exploratory Data Analysis*, 1977, with the quantiles free to choose).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::MAX_SCORE;
use crate::ordered_window::OrderedWindow;
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};

/// Parameters of [`RollingQuantile`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RollingQuantileConfig {
    /// Samples remembered, from 2 to 65535.
    pub window: usize,
    /// Samples needed before the first score, from 2 to `window`.
    pub warmup: usize,
    /// Level of the lower end of the band, from 0 to below 0.5.
    pub lower: f64,
    /// Level of its upper end, above 0.5 and up to 1.
    pub upper: f64,
    /// Smallest distance assumed between the median and an end of the band, in the unit of the
    /// series. Not negative.
    pub min_scale: f64,
    /// The same as a share of the absolute value of the median. Not negative.
    pub relative_min_scale: f64,
}

impl Default for RollingQuantileConfig {
    fn default() -> Self {
        Self {
            window: 240,
            warmup: 32,
            lower: 0.05,
            upper: 0.95,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

impl RollingQuantileConfig {
    fn check(&self) -> Result<ScaleFloor, ParamError> {
        if !(2..=usize::from(u16::MAX)).contains(&self.window) {
            return Err(ParamError::new("window", "from 2 to 65535", self.window));
        }
        if !(2..=self.window).contains(&self.warmup) {
            let expected = "at least 2 and at most the window";
            return Err(ParamError::new("warmup", expected, self.warmup));
        }
        if !(0.0..0.5).contains(&self.lower) {
            let expected = "from 0 to below 0.5";
            return Err(ParamError::new("lower", expected, self.lower));
        }
        if !(self.upper > 0.5 && self.upper <= 1.0) {
            let expected = "above 0.5 and up to 1";
            return Err(ParamError::new("upper", expected, self.upper));
        }
        ScaleFloor::new(self.min_scale, self.relative_min_scale)
    }
}

/// An online detector: how far outside of the usual band is a sample?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::rolling_quantile::{RollingQuantile, RollingQuantileConfig};
///
/// let mut detector = RollingQuantile::try_from(RollingQuantileConfig::default())?;
/// for second in 0..101 {
///     let latency_ms = 100.0 + f64::from(second);
///     detector.learn_one(Sample::new(Timestamp::from_nanos(second.into()), latency_ms));
/// }
/// let band = detector.band(Timestamp::from_nanos(101), 1.0).unwrap();
/// assert_eq!((band.lower, band.center, band.upper), (105.0, 150.0, 195.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = (x - median) / max(q_upper - median, floor)   for x above the median, at most 1e6
///         (median - x) / max(median - q_lower, floor)   below it
/// floor = max(min_scale, relative_min_scale * |median|)
/// ```
///
/// So 1 is an end of the band, on either side; quantiles are interpolated (type 7).
///
/// # Cost
///
/// Learning costs `O(log window)` comparisons and one move of at most `2 * window` bytes; scoring
/// a division. 10 bytes for each remembered sample.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | constant series, or one whose quantiles are the median | the floor is the spread: 0 for the median, else as [`rolling_mad`](crate::rolling_mad) scores a constant series, at most [`MAX_SCORE`] |
/// | values near the end of the range of `f64` | distances stop at the largest finite number |
///
/// # Not good for
///
/// More anomalies in the window than lie beyond the quantiles: the band then holds them.
#[derive(Clone, Debug, PartialEq)]
pub struct RollingQuantile {
    config: RollingQuantileConfig,
    floor: ScaleFloor,
    window: OrderedWindow,
    median: f64,
    /// Distances from the median to the ends of the band, floors included.
    below: f64,
    above: f64,
}

impl TryFrom<RollingQuantileConfig> for RollingQuantile {
    type Error = ParamError;

    fn try_from(config: RollingQuantileConfig) -> Result<Self, ParamError> {
        Ok(Self {
            config,
            floor: config.check()?,
            window: OrderedWindow::new(config.window),
            median: f64::NAN,
            below: f64::NAN,
            above: f64::NAN,
        })
    }
}

impl RollingQuantile {
    /// Its parameters.
    pub fn config(&self) -> &RollingQuantileConfig {
        &self.config
    }

    /// Median of the remembered samples; `NaN` of none.
    pub fn median(&self) -> f64 {
        self.median
    }

    fn quantile(&self, level: f64) -> f64 {
        let last = self.window.len() - 1;
        let place = level * last as f64;
        let rank = place.floor() as usize;
        let (low, high) = (self.window.nth(rank), self.window.nth((rank + 1).min(last)));
        let part = place - rank as f64;
        let step = high - low;
        if step.is_finite() {
            low + part * step
        } else {
            (1.0 - part) * low + part * high
        }
    }

    fn summarise(&mut self) {
        self.median = self.quantile(0.5);
        let reach = |level| {
            let distance = spread::distance(self.quantile(level), self.median);
            self.floor.at_least(self.median, distance)
        };
        (self.below, self.above) = (reach(self.config.lower), reach(self.config.upper));
    }
}

impl StreamingDetector for RollingQuantile {
    fn kind(&self) -> &'static str {
        "detect.rolling-quantile"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.window.len(), self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        let reach = if sample.value > self.median {
            self.above
        } else {
            self.below
        };
        (sample.value.is_finite() && self.warmup() == Warmup::Ready)
            .then(|| spread::score(sample.value, self.median, reach))
    }

    fn learn_one(&mut self, sample: Sample) {
        if sample.value.is_finite() {
            self.window.push(sample.value);
            self.summarise();
        }
    }

    fn band(&self, _at: Timestamp, max_score: f64) -> Option<Band> {
        if self.warmup() != Warmup::Ready || max_score.is_nan() || max_score < 0.0 {
            return None;
        }
        let reach = |side: f64| {
            if max_score >= MAX_SCORE {
                f64::MAX // no score is larger
            } else {
                max_score * side
            }
        };
        Some(Band {
            lower: (self.median - reach(self.below)).max(f64::MIN),
            center: self.median,
            upper: (self.median + reach(self.above)).min(f64::MAX),
        })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.window.heap_bytes()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{RollingQuantile, RollingQuantileConfig};
    use crate::ordered_window::OrderedWindow;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        window: usize,
        warmup: usize,
        #[serde(with = "exact")]
        lower: f64,
        #[serde(with = "exact")]
        upper: f64,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
        oldest: usize,
        #[serde(with = "exact_vec")]
        values: Vec<f64>,
    }

    impl StoredModel for RollingQuantile {
        const KIND: &'static str = "detect.rolling-quantile";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                window: self.config.window,
                warmup: self.config.warmup,
                lower: self.config.lower,
                upper: self.config.upper,
                min_scale: self.config.min_scale,
                relative_min_scale: self.config.relative_min_scale,
                oldest: self.window.oldest(),
                values: self.window.values().to_vec(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = RollingQuantileConfig {
                window: wire.window,
                warmup: wire.warmup,
                lower: wire.lower,
                upper: wire.upper,
                min_scale: wire.min_scale,
                relative_min_scale: wire.relative_min_scale,
            };
            let mut model =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            model.window = OrderedWindow::restore(config.window, wire.oldest, wire.values)?;
            if model.window.len() > 0 {
                model.summarise();
            }
            Ok(model)
        }
    }
}
