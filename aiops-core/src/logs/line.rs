//! One line of any kind to a record.

use super::clock::leading_time;
use super::fields;
use crate::{AnyValue, LogRecord, Severity, Timestamp};

/// What is known about a line besides its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LineContext {
    /// When it was read. Decides the year of a time that has none.
    pub observed: Timestamp,
    /// Offset from UTC, in seconds, of times that do not say their zone. Positive to the east.
    pub utc_offset_secs: i32,
}

impl LineContext {
    /// A line read at `observed`; times without a zone are UTC.
    pub fn new(observed: Timestamp) -> Self {
        Self {
            observed,
            utc_offset_secs: 0,
        }
    }
}

/// Reads a line in whatever form it is: JSON (with the feature `json`), logfmt, syslog behind its
/// `<priority>`, or text with a time and a level at its start. There is no line that it refuses:
/// what is not recognised stays in the body.
///
/// ```
/// use aiops_core::logs::{LineContext, parse_line};
/// use aiops_core::{Severity, Timestamp};
///
/// let line = "2015-07-29 17:41:44,747 - WARN  [main:Quorum@774] - Notification time out: 3200";
/// let record = parse_line(line, &LineContext::new(Timestamp::EPOCH));
/// assert_eq!(record.time, Some("2015-07-29T17:41:44.747Z".parse()?));
/// assert_eq!(record.severity, Severity::WARN);
/// assert_eq!(record.body.as_text(), Some("[main:Quorum@774] - Notification time out: 3200"));
/// # Ok::<(), aiops_core::ParseTimeError>(())
/// ```
///
/// | at the start of the line | becomes |
/// |---|---|
/// | RFC 3339, `2015-07-29 17:41:44,747`, `17/06/09 20:10:40`, `Nov 22 11:43:31`, `[Sun Dec 04 04:47:44 2005]`, `10/Oct/2000:13:55:36 -0700`, `03-17 16:13:38.811`, `081109 203615`, seconds to nanoseconds since the epoch | [`LogRecord::time`] |
/// | a level in capitals or brackets, or before a colon, among the words that follow | [`LogRecord::severity`] |
/// | `I0102 15:04:05.678901 123 file.go:12]` | both |
/// | a time without a year | the last one that is not more than a day after it was read |
///
/// Not good for: times within the line, and levels that are not English.
pub fn parse_line(line: &str, context: &LineContext) -> LogRecord {
    let text = line.trim();
    if text.starts_with('<')
        && let Some(record) = super::syslog::recognise(text, context)
    {
        return record;
    }
    fields::recognise(text, context).unwrap_or_else(|| plain(text, context))
}

/// Text with a time and a level at its start.
pub(super) fn plain(text: &str, context: &LineContext) -> LogRecord {
    let mut record = LogRecord {
        observed: context.observed,
        ..LogRecord::default()
    };
    let mut rest = text;
    if let Some((severity, time, len)) = letter_and_time(text, context) {
        record.severity = severity;
        text[..1].clone_into(&mut record.severity_text);
        record.time = Some(time);
        rest = trim_separators(&text[len..]);
    } else {
        if let Some((time, len)) = leading_time(text, context) {
            record.time = Some(time);
            rest = trim_separators(&text[len..]);
        }
        if let Some(level) = find_level(rest) {
            record.severity = Severity::from_word(level.word);
            level.word.clone_into(&mut record.severity_text);
            if level.is_first {
                rest = trim_separators(&rest[level.end..]);
            }
        }
    }
    record.body = AnyValue::Text(rest.to_owned());
    record
}

fn trim_separators(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '-', ':', '|'])
}

/// `I0102 15:04:05.678901`: level, month and day in one word.
fn letter_and_time(text: &str, context: &LineContext) -> Option<(Severity, Timestamp, usize)> {
    let letter = text.get(..1).filter(|letter| "IWEFD".contains(letter))?;
    let (month, day, rest) = (text.get(1..3)?, text.get(3..5)?, text.get(5..)?);
    let dated = format!("{month}-{day}{rest}");
    let (time, len) = leading_time(&dated, context)?;
    Some((Severity::from_word(letter), time, len))
}

struct Level<'a> {
    word: &'a str,
    /// Whether nothing stands before it.
    is_first: bool,
    end: usize,
}

/// Words behind the time among which a level is looked for: it may come behind host, process,
/// thread and unit.
const LEVEL_WITHIN: usize = 7;

/// A level among the first words: in capitals, in brackets, or first and before a colon. A single
/// letter counts only behind two numbers, as Android writes it.
fn find_level(text: &str) -> Option<Level<'_>> {
    let mut numbers = 0;
    let mut at = 0;
    for index in 0..LEVEL_WITHIN {
        at += text[at..].len() - text[at..].trim_start().len();
        let whole = text[at..].split_whitespace().next()?;
        let end = at + whole.len();
        let word = whole.trim_matches(|c: char| !c.is_alphanumeric());
        let is_known = Severity::from_word(word) != Severity::UNSPECIFIED;
        let is_capital = word.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_marked = whole.starts_with(['[', '<', '(', '|'])
            && whole.ends_with([']', '>', ')', '|', ':'])
            || (index == 0 && whole.ends_with(':'));
        let is_level = is_known
            && if word.len() == 1 {
                is_capital && numbers >= 2
            } else {
                is_capital || is_marked
            };
        if is_level {
            return Some(Level {
                word,
                is_first: index == 0,
                end,
            });
        }
        numbers += usize::from(!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()));
        at = end;
    }
    None
}
