//! Times of the week, month and year, in Alertmanager's notation.

use std::ops::RangeInclusive;

use aiops_core::Timestamp;
use thiserror::Error;

const MINUTES_PER_DAY: u16 = 24 * 60;

/// A range that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("bad {what} `{text}`: {expected}")]
pub struct IntervalError {
    what: &'static str,
    text: String,
    expected: &'static str,
}

/// Named times.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct TimeInterval {
    /// Name, as routes use it.
    pub name: String,
    /// It is one of these times.
    pub times: Vec<TimeSpec>,
}

impl TimeInterval {
    /// Any of `times`.
    pub fn new(name: impl Into<String>, times: Vec<TimeSpec>) -> Self {
        Self {
            name: name.into(),
            times,
        }
    }

    /// Whether it is one of the times.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.times.iter().any(|spec| spec.contains(time))
    }
}

/// Times for which each given kind of range holds; a kind without ranges always holds.
///
/// ```
/// use aiops_alert::interval::TimeSpec;
///
/// let nights = TimeSpec::default().at("18:00", "24:00")?.weekdays("monday:friday")?;
/// assert!(nights.contains("2026-01-02T19:00:00Z".parse()?)); // a Friday
/// assert!(!nights.contains("2026-01-03T19:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Degenerate cases
///
/// | ranges | result |
/// |---|---|
/// | none at all | every time |
/// | days of the month that this month does not have | not this month |
/// | a day of the month below 0 | counted from the end: -1 is the last |
/// | a clock that is put forward or back | by the clock on the wall of the zone |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct TimeSpec {
    /// Minutes of the day, the end not among them.
    minutes: Vec<(u16, u16)>,
    /// From 0, Sunday.
    weekdays: Vec<RangeInclusive<u8>>,
    days: Vec<(i8, i8)>,
    months: Vec<RangeInclusive<u8>>,
    years: Vec<RangeInclusive<i32>>,
    zone: Zone,
}

/// Where the clock hangs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
enum Zone {
    #[default]
    Utc,
    /// A name of the time zone database.
    #[cfg(feature = "time-zones")]
    Named(String),
}

/// A time on a wall.
struct Civil {
    year: i32,
    month: u8,
    day: u8,
    weekday: u8,
    minute: u16,
}

impl TimeSpec {
    /// From `start` up to, not including, `end`, as `HH:MM`; `24:00` is the end of the day.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] unless both are times of a day and the start is the earlier one.
    pub fn at(mut self, start: &str, end: &str) -> Result<Self, IntervalError> {
        let (from, to) = (minute(start)?, minute(end)?);
        if from >= to {
            return Err(bad("time", start, "the start must lie before the end"));
        }
        self.minutes.push((from, to));
        Ok(self)
    }

    /// `monday` or `monday:friday`.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] unless these are days of the week in order, Sunday first.
    pub fn weekdays(mut self, text: &str) -> Result<Self, IntervalError> {
        const NAMES: [&str; 7] = [
            "sunday",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
        ];
        let day = |name: &str| NAMES.iter().position(|known| *known == name);
        let expected = "expected days such as monday:friday, Sunday first";
        let range = range(text, |name| day(name).map(|day| day as u8));
        let (from, to) = range.ok_or_else(|| bad("weekday", text, expected))?;
        if from > to {
            return Err(bad("weekday", text, expected));
        }
        self.weekdays.push(from..=to);
        Ok(self)
    }

    /// `1:5` or `-3:-1`; below 0 counted from the end of the month.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] unless these are days from 1 to 31 or -31 to -1, in order.
    pub fn days_of_month(mut self, text: &str) -> Result<Self, IntervalError> {
        let expected = "expected days from 1 to 31 or -31 to -1, in order";
        let day = |text: &str| {
            let day: i8 = text.parse().ok()?;
            (day != 0 && day.abs() <= 31).then_some(day)
        };
        let (from, to) = range(text, day).ok_or_else(|| bad("day of month", text, expected))?;
        let from_end_to_start = from < 0 && to > 0;
        if from_end_to_start || (from.signum() == to.signum() && from > to) {
            return Err(bad("day of month", text, expected));
        }
        self.days.push((from, to));
        Ok(self)
    }

    /// `january:march` or `1:3`.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] unless these are months in order.
    pub fn months(mut self, text: &str) -> Result<Self, IntervalError> {
        const NAMES: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let expected = "expected months such as january:march or 1:3, in order";
        let month = |text: &str| match NAMES.iter().position(|name| *name == text) {
            Some(place) => Some(place as u8 + 1),
            None => text.parse().ok().filter(|month| (1..=12).contains(month)),
        };
        match range(text, month) {
            Some((from, to)) if from <= to => self.months.push(from..=to),
            _ => return Err(bad("month", text, expected)),
        }
        Ok(self)
    }

    /// `2026` or `2026:2030`.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] unless these are years in order.
    pub fn years(mut self, text: &str) -> Result<Self, IntervalError> {
        match range(text, |text| text.parse().ok().filter(|year| *year >= 0)) {
            Some((from, to)) if from <= to => self.years.push(from..=to),
            _ => return Err(bad("year", text, "expected years in order")),
        }
        Ok(self)
    }

    /// By the clock of a zone of the time zone database, such as `Europe/Berlin`; by default by
    /// that of `UTC`. Others than that need the feature `time-zones`.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] when there is no such zone.
    pub fn in_zone(mut self, name: &str) -> Result<Self, IntervalError> {
        self.zone = zone(name)?;
        Ok(self)
    }

    /// Whether it is one of these times.
    pub fn contains(&self, time: Timestamp) -> bool {
        let now = self.zone.civil(time);
        let any = |none: bool, found: bool| none || found;
        let mut minutes = self.minutes.iter();
        let in_time = minutes.any(|(from, to)| (*from..*to).contains(&now.minute));
        any(self.minutes.is_empty(), in_time)
            && any(self.days.is_empty(), self.in_days(&now))
            && any(
                self.months.is_empty(),
                self.months.iter().any(|range| range.contains(&now.month)),
            )
            && any(
                self.weekdays.is_empty(),
                self.weekdays
                    .iter()
                    .any(|range| range.contains(&now.weekday)),
            )
            && any(
                self.years.is_empty(),
                self.years.iter().any(|range| range.contains(&now.year)),
            )
    }

    fn in_days(&self, now: &Civil) -> bool {
        let last = days_in_month(now.year, now.month);
        let from_start = |day: i8| if day < 0 { last + day + 1 } else { day };
        self.days.iter().any(|(from, to)| {
            let (from, to) = (from_start(*from), from_start(*to));
            from <= last && (from.max(1)..=to.min(last)).contains(&(now.day as i8))
        })
    }
}

fn bad(what: &'static str, text: &str, expected: &'static str) -> IntervalError {
    IntervalError {
        what,
        text: text.to_owned(),
        expected,
    }
}

/// `a` or `a:b`.
fn range<T: Copy>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let text = text.trim().to_lowercase();
    let mut parts = text.splitn(2, ':').map(str::trim);
    let from = parse(parts.next()?)?;
    let to = match parts.next() {
        Some(text) => parse(text)?,
        None => from,
    };
    Some((from, to))
}

fn minute(text: &str) -> Result<u16, IntervalError> {
    let digits = |text: &str| -> Option<u16> {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse().ok() } else { None }
    };
    let parse = || {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute) = (digits(hour)?, digits(minute)?);
        (hour <= 24 && minute < 60)
            .then_some(60 * hour + minute)
            .filter(|minute| *minute <= MINUTES_PER_DAY)
    };
    parse().ok_or_else(|| bad("time", text, "expected HH:MM from 00:00 to 24:00"))
}

#[cfg(feature = "time-zones")]
fn zone(name: &str) -> Result<Zone, IntervalError> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(Zone::Utc);
    }
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(Zone::Named(name.to_owned())),
        Err(_) => Err(bad("time zone", name, "there is no such zone")),
    }
}

#[cfg(not(feature = "time-zones"))]
fn zone(name: &str) -> Result<Zone, IntervalError> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(Zone::Utc);
    }
    let expected = "zones other than UTC need the feature `time-zones`";
    Err(bad("time zone", name, expected))
}

impl Zone {
    fn civil(&self, time: Timestamp) -> Civil {
        match self {
            Self::Utc => civil(time.as_secs()),
            #[cfg(feature = "time-zones")]
            Self::Named(name) => {
                let offset = jiff::tz::TimeZone::get(name)
                    .ok()
                    .zip(jiff::Timestamp::from_second(time.as_secs()).ok())
                    .map_or(0, |(zone, time)| zone.to_offset(time).seconds());
                civil(time.as_secs().saturating_add(i64::from(offset)))
            }
        }
    }
}

/// From seconds since 1970, by the days of the proleptic Gregorian calendar (Hinnant 2014).
fn civil(secs: i64) -> Civil {
    let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * of_year + 2) / 153;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year: year as i32,
        month: month as u8,
        day: (of_year - (153 * part + 2) / 5 + 1) as u8,
        weekday: (days + 4).rem_euclid(7) as u8,
        minute: (of_day / 60) as u16,
    }
}

fn days_in_month(year: i32, month: u8) -> i8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}
