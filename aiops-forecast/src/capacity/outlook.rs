//! The answer.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use aiops_core::Timestamp;

use super::{CapacityConfig, Limit, Past};

/// What the past looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Pattern {
    /// A straight line with noise and perhaps a daily or weekly shape.
    Line {
        /// Change in a day, in the unit of the series.
        per_day: f64,
        /// Standard error of `per_day`.
        error: f64,
        /// Length of the repeating shape.
        season: Option<Duration>,
        /// Sudden changes of size that were not taken for trend.
        shifts: usize,
    },
    /// Climbs and drops back again and again: garbage collection, log rotation, queues.
    Sawtooth {
        /// Drops seen.
        resets: usize,
        /// Mean value just before a drop.
        peak: f64,
        /// Change of the peaks in a day; 0 where it is not certain.
        peak_per_day: f64,
    },
    /// The limit is reached already.
    Reached,
}

/// When a limit is reached.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Outlook {
    /// The limit.
    pub limit: Limit,
    /// The last value.
    pub current: f64,
    /// How far was looked ahead.
    pub horizon: Duration,
    /// Share of the simulated futures that reach the limit within the horizon; in `[0, 1]`.
    pub probability: f64,
    /// By then 5 % of the futures have reached it; `None` when fewer do within the horizon.
    pub earliest: Option<Timestamp>,
    /// By then half of the futures have reached it; `None` when fewer do within the horizon.
    pub median: Option<Timestamp>,
    /// By then 95 % of the futures have reached it; `None` when fewer do within the horizon.
    pub latest: Option<Timestamp>,
    /// What the past looks like.
    pub pattern: Pattern,
}

impl Outlook {
    pub(super) fn reached(config: &CapacityConfig, past: &Past, limit: Limit) -> Self {
        let crossings = vec![0.0; config.paths];
        Self::of(config, past, limit, crossings, Pattern::Reached)
    }

    /// `crossings`: for each path that reaches the limit, after how many seconds.
    pub(super) fn of(
        config: &CapacityConfig,
        past: &Past,
        limit: Limit,
        mut crossings: Vec<f64>,
        pattern: Pattern,
    ) -> Self {
        crossings.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * config.paths as f64).ceil() as usize;
            let seconds = *crossings.get(rank.saturating_sub(1))?;
            let span = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            Some(past.last.saturating_add(span))
        };
        let current = past
            .values
            .last()
            .map_or(f64::NAN, |last| limit.sign() * last);
        Self {
            limit,
            current,
            horizon: config.horizon,
            probability: crossings.len() as f64 / config.paths as f64,
            earliest: at(0.05),
            median: at(0.5),
            latest: at(0.95),
            pattern,
        }
    }

    /// What runs out first comes first: by the median, then by the earliest instant, then by
    /// falling probability. For sorting many series.
    pub fn by_urgency(&self, other: &Self) -> Ordering {
        let last = Timestamp::MAX;
        let key = |one: &Self| (one.median.unwrap_or(last), one.earliest.unwrap_or(last));
        key(self)
            .cmp(&key(other))
            .then(other.probability.total_cmp(&self.probability))
    }
}

impl fmt::Display for Outlook {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit.value();
        if self.pattern == Pattern::Reached {
            return write!(f, "has reached {limit}: {}", Short(self.current));
        }
        let horizon = Span(self.horizon);
        let (Some(earliest), Some(median)) = (self.earliest, self.median) else {
            let probability = Probability(1.0 - self.probability);
            return write!(f, "no crossing within {horizon}, probability {probability}");
        };
        let fine = self.horizon <= Duration::from_hours(2);
        let clock = |at| Clock { at, fine };
        let probability = Probability(self.probability);
        match self.latest {
            Some(latest) => write!(
                f,
                "reaches {limit} between {} and {}, most likely {}; probability {probability}",
                clock(earliest),
                clock(latest),
                clock(median),
            ),
            None => write!(
                f,
                "reaches {limit} from {} on, most likely {}; probability {probability} within \
                 {horizon}",
                clock(earliest),
                clock(median),
            ),
        }
    }
}

/// Never claims certainty: the paths are few.
struct Probability(f64);

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0.99 {
            f.write_str("over 0.99")
        } else {
            write!(f, "{:.2}", self.0)
        }
    }
}

/// Four digits.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs().max(1e-300).log10().floor();
        if (-4.0..12.0).contains(&size) {
            let digits = (3.0 - size).max(0.0) as usize;
            let text = format!("{:.digits$}", self.0);
            let short = if digits > 0 {
                text.trim_end_matches('0').trim_end_matches('.')
            } else {
                &text
            };
            f.write_str(short)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}

/// A span in its largest whole unit.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
        match units
            .iter()
            .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(f, "{} {name}", seconds / unit),
            None => write!(f, "{} s", self.0.as_secs_f64()),
        }
    }
}

/// To the minute, or to the second.
struct Clock {
    at: Timestamp,
    fine: bool,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.at.to_string(); // 2026-01-02T03:04:05.678Z
        let end = if self.fine { 19 } else { 16 };
        match (text.get(..10), text.get(11..end)) {
            (Some(day), Some(time)) => write!(f, "{day} {time} UTC"),
            _ => f.write_str(&text),
        }
    }
}
