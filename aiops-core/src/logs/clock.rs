//! The time at the start of a line, in the shapes that programs write.

use std::time::Duration;

use super::line::LineContext;
use crate::Timestamp;
use crate::model::{civil_from_days, days_from_civil};

const SECS_PER_DAY: i64 = 86_400;
const NANOS_PER_SEC: i64 = 1_000_000_000;
/// How far the clock of a sender may be ahead.
const A_DAY: Duration = Duration::from_hours(24);
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The time that `text` starts with, and its length. White space before it must be gone.
pub(super) fn leading_time(text: &str, context: &LineContext) -> Option<(Timestamp, usize)> {
    let bracket = usize::from(text.starts_with('['));
    let mut cursor = Cursor {
        text: text.as_bytes(),
        at: bracket,
    };
    let time = cursor.time(context)?;
    if bracket == 1 && !cursor.eat(b']') {
        return None;
    }
    // The time ends a word.
    let ends = cursor
        .peek()
        .is_none_or(|next| !next.is_ascii_alphanumeric() && next != b'_');
    ends.then_some((time, cursor.at))
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told by the number of
/// digits; `None` when it is none of these.
pub(super) fn epoch(value: f64) -> Option<Timestamp> {
    let per_unit = match value.abs() {
        size if size < 1e8 => return None,
        size if size < 1e11 => 1e9,
        size if size < 1e14 => 1e6,
        size if size < 1e17 => 1e3,
        size if size < 9e18 => 1.0,
        _ => return None,
    };
    let nanos = value * per_unit;
    (nanos.abs() < 9.2e18).then(|| Timestamp::from_nanos(nanos as i64))
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn eat_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let found = self.peek().filter(|byte| bytes.contains(byte))?;
        self.at += 1;
        Some(found)
    }

    fn blanks(&mut self) -> bool {
        let start = self.at;
        while self.eat(b' ') {}
        self.at > start
    }

    fn digit_count(&self) -> usize {
        let digits = self.text[self.at..].iter();
        digits.take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Between `least` and `most` digits, and no more.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.digit_count();
        if count < least || count > most {
            return None;
        }
        self.fixed(count)
    }

    /// The next `count` digits, whatever follows.
    fn fixed(&mut self, count: usize) -> Option<i64> {
        let digits = self.text.get(self.at..self.at + count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.at += count;
        Some(
            digits
                .iter()
                .fold(0, |sum, d| sum * 10 + i64::from(d - b'0')),
        )
    }

    /// One of some three-letter words, in any case; answers its index.
    fn word(&mut self, words: &[&str]) -> Option<i64> {
        let three = self.text.get(self.at..self.at + 3)?;
        let index = words
            .iter()
            .position(|word| word.as_bytes().eq_ignore_ascii_case(three))?;
        self.at += 3;
        Some(index as i64)
    }

    fn time(&mut self, context: &LineContext) -> Option<Timestamp> {
        let start = *self;
        let shapes: [fn(&mut Self, &LineContext) -> Option<Timestamp>; 5] = [
            Self::year_first,
            Self::day_first,
            Self::month_name,
            Self::month_first,
            Self::digits_only,
        ];
        shapes.iter().find_map(|shape| {
            *self = start;
            shape(self, context)
        })
    }

    /// `2015-07-29 17:41:44,747`, `2005-06-03-15.42.50.675872`, `2024/05/01T10:00:00Z`,
    /// `17/06/09 20:10:40`.
    fn year_first(&mut self, context: &LineContext) -> Option<Timestamp> {
        let digits = self.digit_count();
        let year = match digits {
            4 => self.fixed(4)?,
            2 => 2000 + self.fixed(2)?,
            _ => return None,
        };
        let separator = self.eat_any(b"-/.")?;
        let month = self.number(1, 2)?;
        if !self.eat(separator) {
            return None;
        }
        let day = self.number(1, 2)?;
        self.eat_any(b"T t-_")?;
        self.blanks();
        let of_day = self.of_day()?;
        self.instant((year, month, day), of_day, context)
    }

    /// `10/Oct/2000:13:55:36 -0700`.
    fn day_first(&mut self, context: &LineContext) -> Option<Timestamp> {
        let day = self.number(1, 2)?;
        let separator = self.eat_any(b"/- ")?;
        let month = 1 + self.word(&MONTHS)?;
        if !self.eat(separator) {
            return None;
        }
        let year = self.number(4, 4)?;
        self.eat_any(b": ")?;
        let of_day = self.of_day()?;
        self.instant((year, month, day), of_day, context)
    }

    /// `Nov 22 11:43:31`, `Sun Dec 04 04:47:44 2005`, `Thu Aug 04 15:31:25 PDT 2005`.
    fn month_name(&mut self, context: &LineContext) -> Option<Timestamp> {
        if self.word(&DAYS).is_some() {
            self.eat(b',');
            if !self.blanks() {
                return None;
            }
        }
        let month = 1 + self.word(&MONTHS)?;
        if !self.blanks() {
            return None;
        }
        let day = self.number(1, 2)?;
        if !self.blanks() {
            return None;
        }
        let before = *self;
        if let Some(year) = self.number(4, 4)
            && self.blanks()
        {
            let of_day = self.of_day()?;
            return self.instant((year, month, day), of_day, context);
        }
        *self = before;
        let of_day = self.of_day()?;
        let behind_clock = *self;
        if self.blanks()
            && let Some(year @ 1970..=2261) = self.number(4, 4)
        {
            return self.instant((year, month, day), of_day, context);
        }
        *self = behind_clock;
        self.without_year(month, day, of_day, context)
    }

    /// `03-17 16:13:38.811`, without a year.
    fn month_first(&mut self, context: &LineContext) -> Option<Timestamp> {
        let month = self.number(2, 2)?;
        self.eat_any(b"-.")?;
        let day = self.number(2, 2)?;
        if !self.blanks() {
            return None;
        }
        let of_day = self.of_day()?;
        self.without_year(month, day, of_day, context)
    }

    /// `1700000000`, `1700000000123`, `1700000000.123`, `081109 203615`.
    fn digits_only(&mut self, context: &LineContext) -> Option<Timestamp> {
        match self.digit_count() {
            6 => {
                let (year, month, day) = (self.fixed(2)?, self.fixed(2)?, self.fixed(2)?);
                if !self.eat(b' ') || self.digit_count() != 6 {
                    return None;
                }
                let (hour, minute, second) = (self.fixed(2)?, self.fixed(2)?, self.fixed(2)?);
                let of_day = seconds(hour, minute, second)? * NANOS_PER_SEC;
                self.instant((2000 + year, month, day), of_day, context)
            }
            10 => {
                let secs = self.fixed(10)?;
                let nanos = secs.checked_mul(NANOS_PER_SEC)?;
                Some(Timestamp::from_nanos(nanos + self.fraction()))
            }
            13 => Timestamp::from_millis(self.fixed(13)?),
            16 => self
                .fixed(16)?
                .checked_mul(1_000)
                .map(Timestamp::from_nanos),
            19 => {
                let digits = &self.text[self.at..self.at + 19];
                let nanos = std::str::from_utf8(digits).ok()?.parse().ok()?;
                self.at += 19;
                Some(Timestamp::from_nanos(nanos))
            }
            _ => None,
        }
    }

    /// `11:43:31`, `11.43.31`, with a fraction behind a point or comma; nanoseconds.
    fn of_day(&mut self) -> Option<i64> {
        let hour = self.number(1, 2)?;
        let separator = self.eat_any(b":.")?;
        let minute = self.number(2, 2)?;
        if !self.eat(separator) {
            return None;
        }
        let second = self.number(2, 2)?;
        Some(seconds(hour, minute, second)? * NANOS_PER_SEC + self.fraction())
    }

    fn fraction(&mut self) -> i64 {
        let before = *self;
        if self.eat_any(b".,").is_none() || self.digit_count() == 0 {
            *self = before;
            return 0;
        }
        let count = self.digit_count();
        let digits = self.text[self.at..self.at + count].iter().copied();
        self.at += count;
        digits
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    }

    /// The offset of the zone behind the time, in seconds.
    fn zone(&mut self) -> Option<i64> {
        let before = *self;
        self.blanks();
        let offset = match self.peek() {
            Some(b'Z' | b'z') => {
                self.at += 1;
                Some(0)
            }
            Some(b'U') if self.text[self.at..].starts_with(b"UTC") => {
                self.at += 3;
                Some(0)
            }
            Some(sign @ (b'+' | b'-')) => {
                self.at += 1;
                let hours = self.fixed(2);
                self.eat(b':');
                let minutes = self.fixed(2);
                let sign = if sign == b'-' { -1 } else { 1 };
                hours
                    .zip(minutes)
                    .filter(|(hours, minutes)| *hours < 24 && *minutes < 60)
                    .map(|(hours, minutes)| sign * (hours * 3600 + minutes * 60))
            }
            _ => None,
        };
        if offset.is_none() {
            *self = before;
        }
        offset
    }

    fn instant(
        &mut self,
        date: (i64, i64, i64),
        of_day: i64,
        context: &LineContext,
    ) -> Option<Timestamp> {
        let offset = self.zone().unwrap_or(i64::from(context.utc_offset_secs));
        instant(date, of_day, offset)
    }

    /// The last year that does not put the time more than a day behind when the line was read:
    /// a line of the 31st of December read on the 1st of January is a minute old, not a year ahead.
    fn without_year(
        &mut self,
        month: i64,
        day: i64,
        of_day: i64,
        context: &LineContext,
    ) -> Option<Timestamp> {
        let offset = self.zone().unwrap_or(i64::from(context.utc_offset_secs));
        let (year, _, _) = civil_from_days(context.observed.as_secs().div_euclid(SECS_PER_DAY));
        let latest = context.observed.saturating_add(A_DAY);
        // The 29th of February may be up to eight years ago.
        (year - 8..=year + 1)
            .rev()
            .filter_map(|year| instant((year, month, day), of_day, offset))
            .find(|at| *at <= latest)
    }
}

fn seconds(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // A leap second is counted as the one before it.
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then_some(hour * 3600 + minute * 60 + second.min(59))
}

fn instant((year, month, day): (i64, i64, i64), of_day: i64, offset: i64) -> Option<Timestamp> {
    let days = days_from_civil(year, month, day);
    let exists = (1..=12).contains(&month) && civil_from_days(days) == (year, month, day);
    let secs = exists.then_some(days * SECS_PER_DAY - offset)?;
    secs.checked_mul(NANOS_PER_SEC)?
        .checked_add(of_day)
        .map(Timestamp::from_nanos)
}
