//! Distance from the median of the last samples in units of their median absolute deviation.
//!
//! The online form of [`robust_z`](crate::robust_z). Median and deviation are exact, not
//! approximated: the window is kept in order. Up to half of the window may be anomalous before
//! the median leaves the normal values (breakdown point 0.5; Rousseeuw and Croux, *Alternatives
//! to the Median Absolute Deviation*, JASA 1993).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::ordered_window::OrderedWindow;
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};

/// Parameters of [`RollingMad`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RollingMadConfig {
    /// Samples remembered, from 2 to 65535; the default 240 is an hour at 15 seconds. Should
    /// cover several times the longest anomaly, and less than the shortest season.
    pub window: usize,
    /// Samples needed before the first score, from 2 to `window`.
    pub warmup: usize,
    /// Smallest spread assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest spread assumed, as a share of the absolute value of the median. Not negative.
    pub relative_min_scale: f64,
}

impl Default for RollingMadConfig {
    fn default() -> Self {
        Self {
            window: 240,
            warmup: 32,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

impl RollingMadConfig {
    fn check(&self) -> Result<ScaleFloor, ParamError> {
        if !(2..=usize::from(u16::MAX)).contains(&self.window) {
            return Err(ParamError::new("window", "from 2 to 65535", self.window));
        }
        if !(2..=self.window).contains(&self.warmup) {
            let expected = "at least 2 and at most the window";
            return Err(ParamError::new("warmup", expected, self.warmup));
        }
        ScaleFloor::new(self.min_scale, self.relative_min_scale)
    }
}

/// An online detector: how many robust standard deviations is a sample away from the median of
/// the last ones?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::rolling_mad::{RollingMad, RollingMadConfig};
///
/// let mut detector = RollingMad::try_from(RollingMadConfig::default())?;
/// for second in 0..100 {
///     let latency_ms = 20.0 + f64::from(second % 5);
///     detector.learn_one(Sample::new(Timestamp::from_nanos(second.into()), latency_ms));
/// }
/// let slow = Sample::new(Timestamp::from_nanos(100), 80.0);
/// assert!(detector.score_one(slow).is_some_and(|score| score > 30.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = |x - median| / max(scale, min_scale, relative_min_scale * |median|), at most 1e6
/// scale = 1.4826 * MAD, or 1.2533 * (mean absolute deviation) where MAD = 0
/// ```
///
/// # Cost
///
/// Learning costs `O(log window)` comparisons and one move of at most `2 * window` bytes, about
/// 0.1 microseconds at the default window; scoring costs a division. 10 bytes for each remembered
/// sample.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | constant series | 0 for the same value; a change scores its share of the level over `relative_min_scale`, at most [`MAX_SCORE`](crate::MAX_SCORE) |
/// | constant 0 | [`MAX_SCORE`](crate::MAX_SCORE) for any other value, unless `min_scale` is given |
/// | more than half equal values | the mean absolute deviation takes the place of the MAD |
/// | values near the end of the range of `f64` | distances stop at the largest finite number |
///
/// # Not good for
///
/// Seasons longer than the window (a daily peak scores high every day), gradual drift faster than
/// the window, changes of shape without unusual values, and spreads that depend on the level.
#[derive(Clone, Debug, PartialEq)]
pub struct RollingMad {
    config: RollingMadConfig,
    floor: ScaleFloor,
    window: OrderedWindow,
    median: f64,
    scale: f64,
}

impl TryFrom<RollingMadConfig> for RollingMad {
    type Error = ParamError;

    fn try_from(config: RollingMadConfig) -> Result<Self, ParamError> {
        let floor = config.check()?;
        Ok(Self {
            config,
            floor,
            window: OrderedWindow::new(config.window),
            median: f64::NAN,
            scale: f64::NAN,
        })
    }
}

impl RollingMad {
    /// Its parameters.
    pub fn config(&self) -> &RollingMadConfig {
        &self.config
    }

    /// Median of the remembered samples; `NaN` of none.
    pub fn median(&self) -> f64 {
        self.median
    }

    /// Spread in use, in the unit of the series, floors included; `NaN` before the first sample.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn nth(&self, rank: usize) -> f64 {
        self.window.nth(rank)
    }

    fn summarise(&mut self) {
        let half = self.window.len() / 2;
        let upper = self.nth(half);
        self.median = if self.window.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(self.nth(half - 1), upper)
        };
        let (center, mad) = (self.median, self.deviation());
        self.scale = self.floor.scale(center, mad, || {
            if self.nth(0) == self.nth(self.window.len() - 1) {
                0.0
            } else {
                spread::mean_deviation(self.window.values(), center)
            }
        });
    }

    /// Median absolute deviation. The `k` values closest to the median are neighbours in the
    /// order, so the place of their first is found by bisection.
    fn deviation(&self) -> f64 {
        let len = self.window.len();
        let k = len / 2 + 1;
        let below = |rank: usize| spread::distance(self.nth(rank), self.median);
        let (mut first, mut end) = (0, len - k);
        while first < end {
            let middle = usize::midpoint(first, end);
            if below(middle) > below(middle + k) {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        let (mut left, mut right) = (first, first + k - 1);
        let upper = below(left).max(below(right));
        if len % 2 == 1 {
            return upper;
        }
        if below(left) > below(right) {
            left += 1;
        } else {
            right -= 1;
        }
        f64::midpoint(below(left).max(below(right)), upper)
    }
}

impl StreamingDetector for RollingMad {
    fn kind(&self) -> &'static str {
        "detect.rolling-mad"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.window.len(), self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready)
            .then(|| spread::score(sample.value, self.median, self.scale))
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        self.window.push(sample.value);
        self.summarise();
    }

    fn band(&self, _at: Timestamp, max_score: f64) -> Option<Band> {
        match self.warmup() {
            Warmup::Ready => spread::band(self.median, self.scale, max_score),
            Warmup::Warming { .. } => None,
        }
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.window.heap_bytes()
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{RollingMad, RollingMadConfig};
    use crate::ordered_window::OrderedWindow;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        window: usize,
        warmup: usize,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
        oldest: usize,
        #[serde(with = "exact_vec")]
        values: Vec<f64>,
    }

    impl From<&RollingMad> for V1 {
        fn from(model: &RollingMad) -> Self {
            Self {
                window: model.config.window,
                warmup: model.config.warmup,
                min_scale: model.config.min_scale,
                relative_min_scale: model.config.relative_min_scale,
                oldest: model.window.oldest(),
                values: model.window.values().to_vec(),
            }
        }
    }

    impl TryFrom<V1> for RollingMad {
        type Error = LoadError;

        fn try_from(wire: V1) -> Result<Self, LoadError> {
            let config = RollingMadConfig {
                window: wire.window,
                warmup: wire.warmup,
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

    impl StoredModel for RollingMad {
        const KIND: &'static str = "detect.rolling-mad";
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
