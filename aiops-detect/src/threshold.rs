//! From scores to decisions.

use aiops_core::numerics::quantile_sorted;
use aiops_core::{DataError, Decision, FitError, ParamError, Threshold, Timestamp};

/// One score for all: anomalous from it on.
///
/// For scores on a scale with a meaning, such as the robust standard deviations of
/// [`robust_z`](crate::robust_z) and [`rolling_mad`](crate::rolling_mad). Real metrics have
/// heavier tails than a normal distribution, so the default is 6, not 3.
///
/// ```
/// use aiops_core::{Threshold, Timestamp};
/// use aiops_detect::threshold::FixedThreshold;
///
/// let mut threshold = FixedThreshold::new(6.0)?;
/// assert!(threshold.decide(Timestamp::EPOCH, 6.0).anomalous);
/// assert!(!threshold.decide(Timestamp::EPOCH, 5.9).anomalous);
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedThreshold {
    level: f64,
}

impl FixedThreshold {
    /// Anomalous from `level` on.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when `level` is not finite.
    pub fn new(level: f64) -> Result<Self, ParamError> {
        if level.is_finite() {
            Ok(Self { level })
        } else {
            Err(ParamError::new("level", "finite", level))
        }
    }

    /// The score from which on a sample is anomalous.
    pub fn level(&self) -> f64 {
        self.level
    }
}

impl Default for FixedThreshold {
    fn default() -> Self {
        Self { level: 6.0 }
    }
}

impl Threshold for FixedThreshold {
    fn decide(&mut self, _at: Timestamp, score: f64) -> Decision {
        decide(self.level, score)
    }
}

fn decide(level: f64, score: f64) -> Decision {
    Decision {
        anomalous: score >= level,
        threshold: level,
        probability: None,
    }
}

/// Parameters of [`QuantileThreshold`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct QuantileThresholdConfig {
    /// Share of the training samples that are taken to be anomalous, greater than 0 and at most
    /// 0.5.
    pub contamination: f64,
}

impl Default for QuantileThresholdConfig {
    fn default() -> Self {
        Self {
            contamination: 0.01,
        }
    }
}

/// A threshold from the scores of training samples: their quantile `1 - contamination`.
///
/// Works for scores on any scale. It always calls about the share `contamination` of samples like
/// the training samples anomalous, also when none is; use it when that share is known.
///
/// # Degenerate cases
///
/// | training scores | result |
/// |---|---|
/// | `NaN` (no score) | left out |
/// | none | [`DataError::TooShort`] |
/// | infinite | [`DataError::Infinite`] with its index |
/// | ties at the quantile, or all equal | the tied scores are normal, larger ones anomalous |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileThreshold {
    config: QuantileThresholdConfig,
}

impl TryFrom<QuantileThresholdConfig> for QuantileThreshold {
    type Error = ParamError;

    fn try_from(config: QuantileThresholdConfig) -> Result<Self, ParamError> {
        check_contamination(config.contamination)?;
        Ok(Self { config })
    }
}

/// Accepts shares greater than 0 and up to one half.
pub(crate) fn check_contamination(contamination: f64) -> Result<(), ParamError> {
    if contamination > 0.0 && contamination <= 0.5 {
        Ok(())
    } else {
        let expected = "greater than 0 and at most 0.5";
        Err(ParamError::new("contamination", expected, contamination))
    }
}

impl QuantileThreshold {
    /// Chooses the threshold from the scores of training samples. Costs one sort.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] when no score is given or one is infinite.
    ///
    /// # Examples
    ///
    /// ```
    /// use aiops_core::{Threshold, Timestamp};
    /// use aiops_detect::threshold::{QuantileThreshold, QuantileThresholdConfig};
    ///
    /// let mut config = QuantileThresholdConfig::default();
    /// config.contamination = 0.1;
    /// let scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 9.0];
    /// let mut threshold = QuantileThreshold::try_from(config)?.fit(&scores)?;
    /// assert!(threshold.decide(Timestamp::EPOCH, 9.0).anomalous);
    /// assert!(!threshold.decide(Timestamp::EPOCH, 1.0).anomalous);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fit(&self, scores: &[f64]) -> Result<FittedQuantileThreshold, FitError> {
        let quantile = upper_quantile(scores, self.config.contamination)?;
        // The quantile itself is normal: else a series whose scores are nearly all 0 would be
        // anomalous throughout.
        let level = quantile.next_up();
        Ok(FittedQuantileThreshold { level })
    }
}

/// Quantile `1 - share` of the scores that are not missing.
pub(crate) fn upper_quantile(scores: &[f64], share: f64) -> Result<f64, DataError> {
    if let Some(index) = scores.iter().position(|score| score.is_infinite()) {
        let value = scores[index];
        return Err(DataError::Infinite { index, value });
    }
    let mut sorted: Vec<f64> = scores
        .iter()
        .copied()
        .filter(|score| !score.is_nan())
        .collect();
    if sorted.is_empty() {
        return Err(DataError::TooShort {
            needed: 1,
            found: 0,
        });
    }
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(quantile_sorted(&sorted, 1.0 - share))
}

/// What [`QuantileThreshold`] learned: a score. The training scores are not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedQuantileThreshold {
    level: f64,
}

impl FittedQuantileThreshold {
    /// The score from which on a sample is anomalous: the smallest number above the quantile.
    pub fn level(&self) -> f64 {
        self.level
    }
}

impl Threshold for FittedQuantileThreshold {
    fn decide(&mut self, _at: Timestamp, score: f64) -> Decision {
        decide(self.level, score)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

    use super::FittedQuantileThreshold;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        level: f64,
    }

    impl StoredModel for FittedQuantileThreshold {
        const KIND: &'static str = "detect.quantile-threshold";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 { level: self.level }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let V1 { level } = payload.read()?;
            if level.is_nan() {
                return Err(LoadError::payload("the level is not a number"));
            }
            Ok(Self { level })
        }
    }
}
