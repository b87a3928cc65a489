//! A series that stops: how late is the next sample, by the intervals that this series keeps?
//!
//! Intervals are judged by their median and median absolute deviation, as values are in
//! [`rolling_mad`](crate::rolling_mad): the accrual of suspicion of Hayashibara, Defago, Yared and
//! Katayama, *The Phi Accrual Failure Detector*, SRDS 2004, made robust.

use std::borrow::Cow;
use std::time::Duration;

use aiops_core::{
    Band, Outcome, ParamError, Sample, StreamingDetector, Suppression, TimeRange, Timestamp,
    Verdict, Warmup,
};

use crate::rolling_mad::{RollingMad, RollingMadConfig};

/// Parameters of [`Absence`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AbsenceConfig {
    /// Intervals that are remembered, from 2 to 65,535. 240 by default.
    pub window: usize,
    /// Intervals needed before anything is said, from 2 to `window`. 16 by default.
    pub warmup: usize,
    /// Smallest jitter assumed, as a share of the median interval; 0.1 by default. Not negative.
    pub min_jitter: f64,
    /// Largest jitter, as a share of the median interval, of a series whose absence can be told;
    /// above it the series is sparse. At least `min_jitter`; 0.5 by default.
    pub max_jitter: f64,
    /// Robust standard deviations from the median interval on; finite and not negative. 6 by default.
    pub threshold: f64,
    /// Median intervals of silence needed in any case: at least 1. 3 by default, so that one
    /// scrape that fails is no absence.
    pub min_intervals: f64,
    /// After so many late samples in a row the longer interval is the usual one. At least 1; 8 by
    /// default.
    pub adapt_after: u32,
}

impl Default for AbsenceConfig {
    fn default() -> Self {
        Self {
            window: 240,
            warmup: 16,
            min_jitter: 0.1,
            max_jitter: 0.5,
            threshold: 6.0,
            min_intervals: 3.0,
            adapt_after: 8,
        }
    }
}

/// Watches the arrivals of one series. Build it from an [`AbsenceConfig`].
///
/// Tell it of each sample that [`arrives`](Self::arrive), and [`check`](Self::check) whenever you
/// like: time is an argument.
///
/// ```
/// use aiops_core::Timestamp;
/// use aiops_detect::absence::{Absence, AbsenceConfig};
///
/// let at = |second: i64| Timestamp::from_secs(second).expect("in range");
/// let mut heartbeat = Absence::try_from(AbsenceConfig::default())?;
/// for sample in 0..=100 {
///     heartbeat.arrive(at(15 * sample + sample % 2)); // every 15 seconds, about
/// }
/// assert!(!heartbeat.check(at(1_500 + 30)).is_anomalous());
/// let verdict = heartbeat.check(at(1_500 + 60));
/// assert!(verdict.is_anomalous());
/// assert_eq!((verdict.value, verdict.band.expect("it is known").center), (60.0, 15.0));
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// jitter = max(1.4826 * MAD of the intervals, min_jitter * median)
/// score  = (silence - median) / jitter, at least 0
/// absent = silence >= max(median + threshold * jitter, min_intervals * median)
/// ```
///
/// The verdict's value is the silence in seconds; score, threshold and band are about it. An
/// interval that was an absence is not learned.
///
/// # Cost
///
/// Logarithmic in the window for each arrival; a check is a few operations. 2.8 KB.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no sample, or fewer than `warmup` intervals | `Warming` |
/// | jitter above `max_jitter` | `Suppressed(Irregular)` where it would be absent |
/// | sample not later than the one before it | not an arrival |
/// | check before the last arrival | silence 0 |
/// | a longer interval for good | late `adapt_after` times, then learned afresh |
/// | a shorter interval for good | learned as it comes; the median follows after half a window |
///
/// # Not good for
///
/// Series that come when something happens: events, errors, jobs started by people.
#[derive(Clone, Debug)]
pub struct Absence {
    config: AbsenceConfig,
    /// In seconds.
    intervals: RollingMad,
    last: Option<Timestamp>,
    /// Intervals that were absences, since the last that was not.
    late: Vec<f64>,
}

impl TryFrom<AbsenceConfig> for Absence {
    type Error = ParamError;

    fn try_from(config: AbsenceConfig) -> Result<Self, ParamError> {
        let not_negative = [
            (
                "min_jitter",
                config.min_jitter,
                0.0,
                "finite and not negative",
            ),
            (
                "max_jitter",
                config.max_jitter,
                config.min_jitter,
                "at least min_jitter",
            ),
            (
                "threshold",
                config.threshold,
                0.0,
                "finite and not negative",
            ),
            (
                "min_intervals",
                config.min_intervals,
                1.0,
                "finite and at least 1",
            ),
        ];
        for (name, value, least, expected) in not_negative {
            if !(value >= least && value.is_finite()) {
                return Err(ParamError::new(name, expected, value));
            }
        }
        if !(1..=1_000).contains(&config.adapt_after) {
            return Err(ParamError::new(
                "adapt_after",
                "from 1 to 1000",
                config.adapt_after,
            ));
        }
        Ok(Self {
            intervals: fresh(&config)?,
            config,
            last: None,
            late: Vec::new(),
        })
    }
}

fn fresh(config: &AbsenceConfig) -> Result<RollingMad, ParamError> {
    RollingMad::try_from(RollingMadConfig {
        window: config.window,
        warmup: config.warmup,
        min_scale: 0.0,
        relative_min_scale: config.min_jitter,
    })
}

impl Absence {
    /// Its parameters.
    pub fn config(&self) -> &AbsenceConfig {
        &self.config
    }

    /// The usual interval in seconds; `None` while warming up.
    pub fn interval_s(&self) -> Option<f64> {
        (self.intervals.warmup() == Warmup::Ready).then(|| self.intervals.median())
    }

    /// When silence becomes absence; `None` while warming up, and of a series that comes
    /// irregularly.
    pub fn due(&self) -> Option<Timestamp> {
        let limit = self.limit().filter(|_| self.is_regular())?;
        let seconds = Duration::try_from_secs_f64(limit).unwrap_or(Duration::MAX);
        Some(self.last?.saturating_add(seconds))
    }

    /// A sample came; a missing one (`NaN`) is none.
    pub fn arrive(&mut self, at: Timestamp) {
        let Some(last) = self.last else {
            self.last = Some(at);
            return;
        };
        if at <= last {
            return;
        }
        let interval = at.since(last).as_secs_f64();
        self.last = Some(at);
        let late = self.is_regular() && self.limit().is_some_and(|limit| interval >= limit);
        if !late {
            self.late.clear();
            self.learn(interval);
            return;
        }
        self.late.push(interval);
        if self.late.len() >= self.config.adapt_after as usize {
            if let Ok(intervals) = fresh(&self.config) {
                self.intervals = intervals;
            }
            for interval in std::mem::take(&mut self.late) {
                self.learn(interval);
            }
        }
    }

    /// Whether the series is absent at `now`.
    pub fn check(&self, now: Timestamp) -> Verdict {
        let silence = self.last.map_or(0.0, |last| {
            if now > last {
                now.since(last).as_secs_f64()
            } else {
                0.0
            }
        });
        let mut verdict = Verdict {
            time: now,
            value: silence,
            outcome: Outcome::Normal,
            score: None,
            threshold: f64::INFINITY,
            probability: None,
            band: None,
            floor: 0.0,
            votes: None,
            model: Cow::Borrowed("detect.absence"),
        };
        if let Warmup::Warming { seen, needed } = self.intervals.warmup() {
            verdict.outcome = Outcome::Warming { seen, needed };
            return verdict;
        }
        let (median, jitter) = (self.intervals.median(), self.intervals.scale());
        let limit = self.limit().unwrap_or(f64::MAX);
        let score = |silence: f64| crate::spread::score(silence.max(median), median, jitter);
        verdict.score = Some(score(silence));
        verdict.threshold = score(limit);
        verdict.floor = (self.config.min_intervals - 1.0) * median;
        verdict.band = Some(Band {
            lower: 0.0,
            center: median,
            upper: limit,
        });
        if silence >= limit {
            verdict.outcome = if self.is_regular() {
                Outcome::Anomalous
            } else {
                Outcome::Suppressed(Suppression::Irregular)
            };
        }
        verdict
    }

    /// The batch form: the spans without a sample that were absences, by what came before each;
    /// the last one ends at `until`. `arrivals` increase. Each span begins when silence became
    /// absence.
    pub fn absences(&self, arrivals: &[Timestamp], until: Timestamp) -> Vec<TimeRange> {
        let mut own = self.clone();
        let mut found = Vec::new();
        for &at in arrivals.iter().chain([&until]) {
            if let Some(due) = own.due().filter(|&due| due <= at) {
                found.push(TimeRange::new(due, at));
            }
            own.arrive(at);
        }
        found
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() - size_of::<RollingMad>()
            + self.intervals.size_bytes()
            + self.late.capacity() * size_of::<f64>()
    }

    fn learn(&mut self, interval: f64) {
        self.intervals
            .learn_one(Sample::new(Timestamp::EPOCH, interval));
    }

    /// Silence in seconds from which on it is absence.
    fn limit(&self) -> Option<f64> {
        let median = self.interval_s()?;
        let jitter = self.intervals.scale();
        let limit = median + self.config.threshold * jitter;
        Some(limit.max(self.config.min_intervals * median))
    }

    fn is_regular(&self) -> bool {
        self.intervals.scale() <= self.config.max_jitter * self.intervals.median()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::Timestamp;
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{Absence, AbsenceConfig};
    use crate::rolling_mad::{RollingMad, wire as rolling_mad};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        max_jitter: f64,
        #[serde(with = "exact")]
        threshold: f64,
        #[serde(with = "exact")]
        min_intervals: f64,
        adapt_after: u32,
        intervals: rolling_mad::V1,
        last_nanos: Option<i64>,
        #[serde(with = "exact_vec")]
        late: Vec<f64>,
    }

    impl StoredModel for Absence {
        const KIND: &'static str = "detect.absence";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                max_jitter: self.config.max_jitter,
                threshold: self.config.threshold,
                min_intervals: self.config.min_intervals,
                adapt_after: self.config.adapt_after,
                intervals: (&self.intervals).into(),
                last_nanos: self.last.map(Timestamp::as_nanos),
                late: self.late.clone(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let intervals = RollingMad::try_from(wire.intervals)?;
            let config = AbsenceConfig {
                window: intervals.config().window,
                warmup: intervals.config().warmup,
                min_jitter: intervals.config().relative_min_scale,
                max_jitter: wire.max_jitter,
                threshold: wire.threshold,
                min_intervals: wire.min_intervals,
                adapt_after: wire.adapt_after,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            let positive = |interval: &f64| *interval > 0.0 && interval.is_finite();
            if wire.late.len() >= config.adapt_after as usize || !wire.late.iter().all(positive) {
                return Err(LoadError::payload("late intervals cannot be"));
            }
            Ok(Self {
                intervals,
                last: wire.last_nanos.map(Timestamp::from_nanos),
                late: wire.late,
                ..empty
            })
        }
    }
}
