//! The monitor that services hold by the thousand.

use aiops_core::ParamError;

use super::{Monitor, MonitorConfig};
use crate::rolling_mad::{RollingMad, RollingMadConfig};
use crate::threshold::FixedThreshold;

/// Parameters of [`SeriesMonitor`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SeriesMonitorConfig {
    /// How far back, and from when on.
    pub detector: RollingMadConfig,
    /// Distance from the median in robust standard deviations from which on a sample is beyond
    /// the threshold; finite. 6 by default.
    pub threshold: f64,
    /// What becomes of samples beyond the threshold.
    pub policy: MonitorConfig,
}

impl Default for SeriesMonitorConfig {
    fn default() -> Self {
        Self {
            detector: RollingMadConfig::default(),
            threshold: FixedThreshold::default().level(),
            policy: MonitorConfig::default(),
        }
    }
}

/// A monitor for any metric: distance from the rolling median, fixed threshold.
///
/// About 2.8 KB and 0.1 to 0.2 microseconds a sample at the default window. It can be stored and
/// goes on bit for bit where it stopped.
///
/// # Example: a level shift
///
/// ```
/// use aiops_core::{Sample, Timestamp};
/// use aiops_detect::monitor::SeriesMonitor;
///
/// let mut monitor = SeriesMonitor::default();
/// let mut anomalies = 0;
/// for second in 0..1_000 {
///     let level = if second < 500 { 100.0 } else { 300.0 };
///     let value = level + f64::from(second % 7);
///     let verdict = monitor.update(Sample::new(Timestamp::from_nanos(second.into()), value));
///     anomalies += i32::from(verdict.is_anomalous());
/// }
/// // Two samples wait for the votes, the sixtieth makes the new level normal.
/// assert_eq!(anomalies, 58);
/// ```
pub type SeriesMonitor = Monitor<RollingMad, FixedThreshold>;

impl TryFrom<SeriesMonitorConfig> for SeriesMonitor {
    type Error = ParamError;

    fn try_from(config: SeriesMonitorConfig) -> Result<Self, ParamError> {
        let threshold = FixedThreshold::new(config.threshold)
            .map_err(|_| ParamError::new("threshold", "finite", config.threshold))?;
        Self::new(
            config.policy,
            RollingMad::try_from(config.detector)?,
            threshold,
        )
    }
}

impl Default for SeriesMonitor {
    fn default() -> Self {
        Self::try_from(SeriesMonitorConfig::default())
            .unwrap_or_else(|error| unreachable!("the default parameters are valid: {error}"))
    }
}

#[cfg(feature = "serde")]
mod wire {
    use std::collections::VecDeque;

    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};
    use aiops_core::{ParamError, Sample, Timestamp};

    use super::super::{Direction, MAX_RECENT, Monitor, MonitorConfig};
    use super::SeriesMonitor;
    use crate::rolling_mad::{RollingMad, wire as rolling_mad};
    use crate::threshold::FixedThreshold;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        policy: Policy,
        #[serde(with = "exact")]
        threshold: f64,
        detector: rolling_mad::V1,
        #[serde(with = "exact")]
        level: f64,
        history: u64,
        run: u32,
        recent_nanos: Vec<i64>,
        #[serde(with = "exact_vec")]
        recent_values: Vec<f64>,
    }

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Policy {
        #[serde(with = "exact")]
        absolute_floor: f64,
        #[serde(with = "exact")]
        relative_floor: f64,
        direction: Side,
        votes_needed: u32,
        votes_of: u32,
        adapt_after: u32,
        learn_clipped: u32,
    }

    #[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Side {
        Both,
        Up,
        Down,
    }

    impl From<&MonitorConfig> for Policy {
        fn from(config: &MonitorConfig) -> Self {
            Self {
                absolute_floor: config.absolute_floor,
                relative_floor: config.relative_floor,
                direction: match config.direction {
                    Direction::Both => Side::Both,
                    Direction::Up => Side::Up,
                    Direction::Down => Side::Down,
                },
                votes_needed: config.votes_needed,
                votes_of: config.votes_of,
                adapt_after: config.adapt_after,
                learn_clipped: config.learn_clipped,
            }
        }
    }

    impl From<&Policy> for MonitorConfig {
        fn from(policy: &Policy) -> Self {
            Self {
                absolute_floor: policy.absolute_floor,
                relative_floor: policy.relative_floor,
                direction: match policy.direction {
                    Side::Both => Direction::Both,
                    Side::Up => Direction::Up,
                    Side::Down => Direction::Down,
                },
                votes_needed: policy.votes_needed,
                votes_of: policy.votes_of,
                adapt_after: policy.adapt_after,
                learn_clipped: policy.learn_clipped,
            }
        }
    }

    impl V1 {
        fn recent(&self) -> Result<VecDeque<Sample>, LoadError> {
            let kept = (self.run as usize).min(MAX_RECENT);
            let (times, values) = (&self.recent_nanos, &self.recent_values);
            if times.len() != kept || values.len() != kept || self.run >= self.policy.adapt_after {
                return Err(LoadError::payload(
                    "the run does not agree with its samples",
                ));
            }
            if !values.iter().all(|value| value.is_finite()) {
                return Err(LoadError::payload("a sample of the run is not finite"));
            }
            let samples = times.iter().zip(values);
            Ok(samples
                .map(|(&nanos, &value)| Sample::new(Timestamp::from_nanos(nanos), value))
                .collect())
        }
    }

    impl StoredModel for SeriesMonitor {
        const KIND: &'static str = "detect.series-monitor";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                policy: (&self.config).into(),
                threshold: self.threshold.level(),
                detector: (&self.detector).into(),
                level: self.level,
                history: self.history,
                run: self.run,
                recent_nanos: self
                    .recent
                    .iter()
                    .map(|sample| sample.time.as_nanos())
                    .collect(),
                recent_values: self.recent.iter().map(|sample| sample.value).collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let bad = |error: ParamError| LoadError::payload(error.to_string());
            let recent = wire.recent()?;
            let detector = RollingMad::try_from(wire.detector)?;
            let fresh = RollingMad::try_from(*detector.config()).map_err(bad)?;
            let threshold = FixedThreshold::new(wire.threshold).map_err(bad)?;
            let empty = Monitor::new((&wire.policy).into(), fresh, threshold).map_err(bad)?;
            let beyond_votes = u128::from(wire.history) >> wire.policy.votes_of > 0;
            if wire.level.is_nan() || beyond_votes {
                return Err(LoadError::payload("level or votes cannot be"));
            }
            Ok(Self {
                detector,
                level: wire.level,
                history: wire.history,
                run: wire.run,
                recent,
                ..empty
            })
        }
    }
}
