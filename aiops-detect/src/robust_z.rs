//! Distance from the median in units of the median absolute deviation.
//!
//! Iglewicz and Hoaglin, *How to Detect and Handle Outliers* (1993), whose modified z-score is
//! the same number.

use aiops_core::numerics::median_and_mad;
use aiops_core::{
    Detector, FitError, FittedDetector, ParamError, ScoreError, SeriesView, check_scores,
};

use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};

/// Parameters of [`RobustZ`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RobustZConfig {
    /// Smallest spread assumed, in the unit of the series. Keeps a constant series from scoring
    /// a small change as a large one. Not negative.
    pub min_scale: f64,
    /// Smallest spread assumed, as a share of the absolute value of the median. Not negative.
    pub relative_min_scale: f64,
}

impl Default for RobustZConfig {
    fn default() -> Self {
        Self {
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

/// A batch detector: how many robust standard deviations is a sample away from the median of the
/// training series?
///
/// The online form, over the last samples, is [`rolling_mad`](crate::rolling_mad).
///
/// ```
/// use aiops_core::{Detector, FittedDetector, Series, TimeAxis, Timestamp};
/// use aiops_detect::robust_z::{RobustZ, RobustZConfig};
/// use std::time::Duration;
///
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 7)?;
/// let latency_ms = Series::new(axis, vec![10.0, 11.0, 9.0, f64::NAN, 10.0, 10.5, 95.0])?;
///
/// let detector = RobustZ::try_from(RobustZConfig::default())?;
/// let scores = detector.fit(latency_ms.view())?.score(latency_ms.view())?;
/// assert!(scores[6] > 10.0 && scores[0] < 1.0 && scores[3].is_nan());
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
/// Fitting takes linear time and one copy of the series, scoring a division a sample. The model
/// is two numbers.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no sample that is not missing | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | missing sample (`NaN`) | score `NaN`; not learned |
/// | constant series | 0 for the same value; a change scores its share of the level over `relative_min_scale`, at most [`MAX_SCORE`](crate::MAX_SCORE) |
/// | constant 0 | [`MAX_SCORE`](crate::MAX_SCORE) for any other value, unless `min_scale` is given |
/// | more than half equal values | the mean absolute deviation takes the place of the MAD |
/// | values near the end of the range of `f64` | distances stop at the largest finite number |
///
/// # Not good for
///
/// Series with a season or a trend, whose usual values depend on the time, and values with two
/// usual levels: the distance is from one centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobustZ {
    floor: ScaleFloor,
}

impl TryFrom<RobustZConfig> for RobustZ {
    type Error = ParamError;

    fn try_from(config: RobustZConfig) -> Result<Self, ParamError> {
        let floor = ScaleFloor::new(config.min_scale, config.relative_min_scale)?;
        Ok(Self { floor })
    }
}

impl Detector for RobustZ {
    type Model = FittedRobustZ;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedRobustZ, FitError> {
        train.require(1)?;
        let present: Vec<f64> = train.present().collect();
        let (median, mad) = median_and_mad(&mut present.clone());
        let scale = self.floor.scale(median, mad, || {
            if present.iter().all(|&value| value == present[0]) {
                0.0
            } else {
                spread::mean_deviation(&present, median)
            }
        });
        Ok(FittedRobustZ { median, scale })
    }
}

/// What [`RobustZ`] learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedRobustZ {
    median: f64,
    scale: f64,
}

impl FittedRobustZ {
    /// Median of the training series.
    pub fn median(&self) -> f64 {
        self.median
    }

    /// Spread in use, in the unit of the series, floors included.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}

impl FittedDetector for FittedRobustZ {
    fn score_into(&self, series: SeriesView<'_>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(series.len(), scores)?;
        for (score, &value) in scores.iter_mut().zip(series.values()) {
            *score = if value.is_nan() {
                f64::NAN
            } else {
                spread::score(value, self.median, self.scale)
            };
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

    use super::FittedRobustZ;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        median: f64,
        #[serde(with = "exact")]
        scale: f64,
    }

    impl StoredModel for FittedRobustZ {
        const KIND: &'static str = "detect.robust-z";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                median: self.median,
                scale: self.scale,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let V1 { median, scale } = payload.read()?;
            if median.is_finite() && scale.is_finite() && scale >= 0.0 {
                Ok(Self { median, scale })
            } else {
                Err(LoadError::payload("median or scale cannot be"))
            }
        }
    }
}
