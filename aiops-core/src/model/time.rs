//! Instants, ranges and time axes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::DataError;

const NANOS_PER_SEC: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;
const SECS_PER_DAY: i64 = 86_400;

/// An instant: nanoseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted.
///
/// Covers the years 1677 to 2262. Displays as RFC 3339 in UTC and parses from it.
///
/// ```
/// use aiops_core::Timestamp;
///
/// let t: Timestamp = "2026-01-02T03:04:05.5Z".parse()?;
/// assert_eq!(t.as_millis(), 1_767_323_045_500);
/// assert_eq!(t.to_string(), "2026-01-02T03:04:05.5Z");
/// # Ok::<(), aiops_core::ParseTimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that can be told.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant that can be told.
    pub const MAX: Self = Self(i64::MAX);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the epoch, or `None` outside the range.
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(NANOS_PER_MILLI) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// From seconds since the epoch, or `None` outside the range.
    pub const fn from_secs(secs: i64) -> Option<Self> {
        match secs.checked_mul(NANOS_PER_SEC) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MILLI)
    }

    /// Seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// Seconds since the epoch with a fraction; exact to about a microsecond.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }

    /// This instant plus `span`, or `None` past the range.
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        let nanos = i64::try_from(span.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// This instant plus `span`, or the latest instant.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        self.checked_add(span).unwrap_or(Self::MAX)
    }

    /// This instant minus `span`, or the earliest instant.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(nanos))
    }

    /// Time since `earlier`; zero when `earlier` is in fact later.
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        let (year, month, day) = civil_from_days(secs.div_euclid(SECS_PER_DAY));
        let of_day = secs.rem_euclid(SECS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        let nanos = self.0.rem_euclid(NANOS_PER_SEC);
        if nanos > 0 {
            let fraction = format!("{nanos:09}");
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an RFC 3339 instant, or one outside the range of [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not an RFC 3339 time such as 2026-01-02T03:04:05Z: {what}")]
pub struct ParseTimeError {
    what: &'static str,
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        parse_rfc3339(text).map_err(|what| ParseTimeError { what })
    }
}

fn parse_rfc3339(text: &str) -> Result<Timestamp, &'static str> {
    let (date, rest) = text
        .split_at_checked(10)
        .filter(|(_, rest)| rest.starts_with(['T', 't', ' ']))
        .ok_or("expected YYYY-MM-DD and then T")?;
    let (clock, rest) = rest[1..].split_at_checked(8).ok_or("expected HH:MM:SS")?;
    let days = parse_date(date).ok_or("no such day")?;
    let of_day = parse_clock(clock).ok_or("no such time of day")?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(after) => {
            let end = after.bytes().take_while(u8::is_ascii_digit).count();
            (&after[..end], &after[end..])
        }
        None => ("", rest),
    };
    if fraction.is_empty() && rest.starts_with('.') {
        return Err("no digits after the point");
    }
    let nanos = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let offset = parse_offset(zone).ok_or("expected Z or an offset such as +01:00")?;
    let secs = days * SECS_PER_DAY + of_day - offset;
    secs.checked_mul(NANOS_PER_SEC)
        .and_then(|whole| whole.checked_add(nanos))
        .map(Timestamp)
        .ok_or("outside the years 1678 to 2261")
}

fn digits(text: &str) -> Option<i64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || parts.next().is_some() {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let days = days_from_civil(year, month, day);
    // A day such as 30 February would come back as another one.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some(hour * 3600 + minute * 60 + second)
}

fn parse_offset(text: &str) -> Option<i64> {
    let (sign, clock) = match text.as_bytes().first()? {
        b'Z' | b'z' if text.len() == 1 => return Some(0),
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (hour < 24 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

/// Days since the epoch of a date in the proleptic Gregorian calendar. Years are counted from
/// March, so that the leap day is the last of its year; 400 years have 146,097 days.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// A half-open span of time: `start <= t < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeRange {
    /// First instant inside.
    pub start: Timestamp,
    /// First instant after.
    pub end: Timestamp,
}

impl TimeRange {
    /// All time.
    pub const ALL: Self = Self {
        start: Timestamp::MIN,
        end: Timestamp::MAX,
    };

    /// From `start` up to, not including, `end`. Empty when `end <= start`.
    pub const fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// Whether `at` lies inside.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// Whether some instant lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether no instant lies inside.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// The instants of a series: equally spaced, or listed.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeAxis(Axis);

#[derive(Clone, Debug, PartialEq)]
enum Axis {
    Regular {
        start: Timestamp,
        step: i64,
        len: usize,
    },
    Listed(Vec<Timestamp>),
}

impl TimeAxis {
    /// `len` instants, the first at `start`, `step` apart.
    ///
    /// # Errors
    ///
    /// [`DataError::TimeRange`] when `step` is zero or the last instant is out of range.
    pub fn regular(start: Timestamp, step: Duration, len: usize) -> Result<Self, DataError> {
        let nanos = i64::try_from(step.as_nanos())
            .ok()
            .filter(|&nanos| nanos > 0)
            .ok_or(DataError::TimeRange {
                what: "step of a time axis",
            })?;
        let last = i64::try_from(len.saturating_sub(1))
            .ok()
            .and_then(|steps| steps.checked_mul(nanos))
            .and_then(|span| start.0.checked_add(span));
        if last.is_none() {
            return Err(DataError::TimeRange {
                what: "end of a time axis",
            });
        }
        Ok(Self(Axis::Regular {
            start,
            step: nanos,
            len,
        }))
    }

    /// The listed instants, which must strictly increase.
    ///
    /// # Errors
    ///
    /// [`DataError::NotIncreasing`] with the position of the first that does not.
    pub fn listed(instants: Vec<Timestamp>) -> Result<Self, DataError> {
        match instants.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(before) => Err(DataError::NotIncreasing { index: before + 1 }),
            None => Ok(Self(Axis::Listed(instants))),
        }
    }

    /// Number of instants.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no instant.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Borrowed form.
    pub fn view(&self) -> AxisView<'_> {
        match &self.0 {
            Axis::Regular { start, step, len } => AxisView::Regular {
                start: *start,
                step: *step,
                len: *len,
            },
            Axis::Listed(instants) => AxisView::Listed(instants),
        }
    }
}

/// A borrowed [`TimeAxis`], or a part of one.
#[derive(Clone, Copy, Debug)]
pub enum AxisView<'a> {
    /// Equally spaced.
    Regular {
        /// First instant.
        start: Timestamp,
        /// Nanoseconds from one instant to the next; positive.
        step: i64,
        /// Number of instants.
        len: usize,
    },
    /// Strictly increasing.
    Listed(&'a [Timestamp]),
}

impl<'a> AxisView<'a> {
    /// Number of instants.
    pub fn len(&self) -> usize {
        match self {
            Self::Regular { len, .. } => *len,
            Self::Listed(instants) => instants.len(),
        }
    }

    /// Whether there is no instant.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The instant at `index`.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len), as slices do.
    pub fn at(&self, index: usize) -> Timestamp {
        match self {
            Self::Regular { start, step, len } => {
                assert!(index < *len, "index {index} of an axis of {len}");
                Timestamp(start.0 + step * index as i64)
            }
            Self::Listed(instants) => instants[index],
        }
    }

    /// First instant, if any.
    pub fn first(&self) -> Option<Timestamp> {
        (!self.is_empty()).then(|| self.at(0))
    }

    /// Last instant, if any.
    pub fn last(&self) -> Option<Timestamp> {
        self.len().checked_sub(1).map(|index| self.at(index))
    }

    /// Distance of the instants when they are equally spaced.
    pub fn step(&self) -> Option<Duration> {
        match self {
            Self::Regular { step, .. } => Some(Duration::from_nanos(*step as u64)),
            Self::Listed(_) => None,
        }
    }

    /// The instants in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Timestamp> + 'a {
        (0..self.len()).map(move |index| self.at(index))
    }

    /// Index of the first instant at or after `at`; [`len`](Self::len) when there is none.
    pub fn position(&self, at: Timestamp) -> usize {
        match self {
            Self::Regular { start, step, len } => {
                let ahead = i128::from(at.0) - i128::from(start.0);
                let steps = (ahead + i128::from(*step) - 1).div_euclid(i128::from(*step));
                usize::try_from(steps.max(0)).map_or(*len, |steps| steps.min(*len))
            }
            Self::Listed(instants) => instants.partition_point(|&instant| instant < at),
        }
    }

    /// The part from index `from` up to, not including, `to`.
    ///
    /// # Panics
    ///
    /// When `from > to` or `to > len`, as slices do.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        assert!(
            from <= to && to <= self.len(),
            "{from}..{to} of an axis of {}",
            self.len()
        );
        match self {
            Self::Regular { start, step, .. } => Self::Regular {
                // An empty part may begin one step past the last instant.
                start: Timestamp(start.0.saturating_add(step.saturating_mul(from as i64))),
                step: *step,
                len: to - from,
            },
            Self::Listed(instants) => Self::Listed(&instants[from..to]),
        }
    }

    /// Owned form.
    pub fn to_axis(&self) -> TimeAxis {
        TimeAxis(match self {
            Self::Regular { start, step, len } => Axis::Regular {
                start: *start,
                step: *step,
                len: *len,
            },
            Self::Listed(instants) => Axis::Listed(instants.to_vec()),
        })
    }
}
