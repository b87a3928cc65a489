//! The line protocol of InfluxDB.
//!
//! *Line protocol*, docs.influxdata.com.
//!
//! ```
//! use aiops_core::Timestamp;
//! use aiops_core::ingest::influx::{Precision, parse};
//! use aiops_core::ingest::{Batch, Limits};
//!
//! let text = b"cpu,host=a user=1.5,idle=90i 1700000000123456789\n";
//! let mut batch = Batch::default();
//! let limits = Limits::default();
//! parse(text, Precision::Nanoseconds, Timestamp::EPOCH, &limits, &mut batch)?;
//! let labels: Vec<_> = batch.iter().map(|series| series.labels.to_string()).collect();
//! assert_eq!(labels, [r#"cpu_user{host="a"}"#, r#"cpu_idle{host="a"}"#]);
//! # Ok::<(), aiops_core::ingest::influx::Error>(())
//! ```
//!
//! | in the text | becomes |
//! |---|---|
//! | measurement and field | the metric `measurement_field` |
//! | tags | labels |
//! | floats, integers `3i`, unsigned `3u` | samples |
//! | booleans | 1 and 0 |
//! | fields that are text | left out, counted in the [`Report`] |
//! | no time | the time of receipt |
//! | a line that cannot be read, a repeated tag, a time outside the years 1678 to 2261 | the line is refused, counted by reason; the others are taken |

use super::{Batch, BodyTooLarge, Limits, Report};
use crate::{Labels, METRIC_NAME, Timestamp};

/// The unit of times, which the request says (`precision`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// `ns`
    #[default]
    Nanoseconds,
    /// `us`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
}

impl Precision {
    /// From the parameter `precision` of a request; `None` when it is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "n" | "ns" | "nanosecond" => Some(Self::Nanoseconds),
            "u" | "us" | "µ" | "microsecond" => Some(Self::Microseconds),
            "ms" | "millisecond" => Some(Self::Milliseconds),
            "s" | "second" => Some(Self::Seconds),
            _ => None,
        }
    }

    pub(super) fn nanos(self) -> i64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }
}

/// A text of which nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than the limit.
    #[error(transparent)]
    TooLarge(#[from] BodyTooLarge),
    /// Not UTF-8.
    #[error("byte {offset}: expected UTF-8")]
    Utf8 {
        /// Position of the first byte that is not.
        offset: usize,
    },
    /// More samples, or bytes in their labels, than the limit.
    #[error("line {line}: more than {limit} {what}")]
    TooMany {
        /// Line, from 1.
        line: usize,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// A short stable name of the reason, to count by.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too-large",
            Self::Utf8 { .. } => "utf8",
            Self::TooMany { .. } => "too-many",
        }
    }
}

/// Adds the samples of `text` to `batch`. Lines without a time get `now`.
///
/// # Errors
///
/// [`Error`] when the text as a whole is no good; `batch` then is as it was. Lines that cannot be
/// read are counted in the [`Report`], where the place of the first is a line, and the others are
/// taken.
pub fn parse(
    text: &[u8],
    precision: Precision,
    now: Timestamp,
    limits: &Limits,
    batch: &mut Batch,
) -> Result<Report, Error> {
    limits.check_body(text.len() as u64)?;
    let text = std::str::from_utf8(text).map_err(|error| Error::Utf8 {
        offset: error.valid_up_to(),
    })?;
    let mut parser = Parser {
        text,
        at: 0,
        precision,
        now,
        limits,
        label_bytes: 0,
    };
    let mark = batch.mark();
    let mut report = Report::default();
    let mut line = 1;
    while parser.at < text.len() {
        let start = parser.at;
        let before = batch.mark();
        if let Err((reason, what)) = parser.line(batch, &mut report) {
            let column = parser.at - start + 1;
            batch.roll_back(before);
            parser.skip_line();
            report.refuse(reason, line, 0, || {
                format!("line {line}, column {column}: {what}")
            });
        }
        let samples = batch.sample_count() - mark.samples;
        let full = if samples > limits.max_samples {
            Some(("samples", limits.max_samples))
        } else if parser.label_bytes > limits.max_copied_bytes {
            Some(("bytes of labels", limits.max_copied_bytes))
        } else {
            None
        };
        if let Some((what, limit)) = full {
            batch.roll_back(mark);
            return Err(Error::TooMany { line, what, limit });
        }
        line += text[start..parser.at].matches('\n').count();
    }
    report.samples = (batch.sample_count() - mark.samples) as u64;
    Ok(report)
}

/// Why a line is refused: name of the reason, and what is wrong.
type Fault = (&'static str, String);

struct Parser<'a> {
    text: &'a str,
    at: usize,
    precision: Precision,
    now: Timestamp,
    limits: &'a Limits,
    /// In all label sets made so far.
    label_bytes: usize,
}

/// What a field holds.
enum Value {
    Number(f64),
    Text,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while self.eat(b' ') {}
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
    }

    fn expected(&self, what: &str) -> Fault {
        let found = match self.text[self.at..].chars().next() {
            None | Some('\n') => "the line ends".to_owned(),
            Some(found) => format!("found {found:?}"),
        };
        ("syntax", format!("expected {what}, {found}"))
    }

    fn line(&mut self, batch: &mut Batch, report: &mut Report) -> Result<(), Fault> {
        self.blanks();
        if matches!(self.peek(), None | Some(b'\n' | b'\r' | b'#')) {
            self.skip_line();
            return Ok(());
        }
        let measurement = self.name(b", ", "the name of a measurement")?;
        let tags = self.tags()?;
        self.blanks();
        let fields = self.fields()?;
        let mut series = Vec::new();
        for (field, value) in &fields {
            if let Value::Number(value) = value {
                let metric = format!("{measurement}_{field}");
                series.push((self.labels(&metric, &tags)?, *value));
            }
        }
        // Last, because it moves to the next line.
        let time = self.time()?;
        report.texts += (fields.len() - series.len()) as u64;
        for (labels, value) in series {
            batch.start_series(labels);
            batch.push(time, value);
        }
        Ok(())
    }

    /// Text up to one of `ends`, which stay; a backslash takes a comma, blank or equals sign
    /// out of its meaning, and is a backslash before anything else.
    fn name(&mut self, ends: &[u8], what: &str) -> Result<String, Fault> {
        let mut name = String::new();
        let bytes = self.text.as_bytes();
        let mut start = self.at;
        while let Some(byte) = self.peek() {
            if byte == b'\\' && matches!(bytes.get(self.at + 1), Some(b',' | b' ' | b'=')) {
                name.push_str(&self.text[start..self.at]);
                start = self.at + 1;
                self.at += 2;
                continue;
            }
            if byte == b'\n' || ends.contains(&byte) {
                break;
            }
            self.at += 1;
        }
        name.push_str(&self.text[start..self.at]);
        if name.is_empty() {
            return Err(self.expected(what));
        }
        Ok(name)
    }

    fn tags(&mut self) -> Result<Vec<(String, String)>, Fault> {
        let mut tags = Vec::new();
        while self.eat(b',') {
            let name = self.name(b"=, ", "the name of a tag")?;
            if !self.eat(b'=') {
                return Err(self.expected("an equals sign"));
            }
            let value = self.name(b", ", "the value of a tag")?;
            if tags.len() == self.limits.max_labels {
                let what = format!("more than {} tags", self.limits.max_labels);
                return Err(("too-many-labels", what));
            }
            tags.push((name, value));
        }
        Ok(tags)
    }

    fn fields(&mut self) -> Result<Vec<(String, Value)>, Fault> {
        let mut fields = Vec::new();
        loop {
            let name = self.name(b"=, ", "the name of a field")?;
            if !self.eat(b'=') {
                return Err(self.expected("an equals sign"));
            }
            if fields.len() == self.limits.max_fields {
                let what = format!("more than {} fields", self.limits.max_fields);
                return Err(("too-many-fields", what));
            }
            fields.push((name, self.value()?));
            if !self.eat(b',') {
                return Ok(fields);
            }
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        if self.eat(b'"') {
            return self.string();
        }
        let rest = &self.text[self.at..];
        let end = rest.find([',', ' ', '\n', '\r']).unwrap_or(rest.len());
        let word = &rest[..end];
        let number = match word {
            "t" | "T" | "true" | "True" | "TRUE" => Some(1.0),
            "f" | "F" | "false" | "False" | "FALSE" => Some(0.0),
            word => match word.as_bytes().last() {
                Some(b'i') => word[..end - 1]
                    .parse::<i64>()
                    .ok()
                    .map(|whole| whole as f64),
                Some(b'u') => word[..end - 1]
                    .parse::<u64>()
                    .ok()
                    .map(|whole| whole as f64),
                Some(b'0'..=b'9' | b'.') => word.parse().ok(),
                _ => None,
            },
        };
        let number = number.ok_or_else(|| self.expected("a number, a boolean or a text"))?;
        self.at += end;
        Ok(Value::Number(number))
    }

    /// A text, behind its first quote; it may hold line feeds.
    fn string(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return Ok(Value::Text),
                // What follows is skipped with it; within a longer character, that is its start.
                b'\\' => self.at += usize::from(self.peek().is_some()),
                _ => {}
            }
        }
        self.at = start;
        Err(("syntax", "this text has no closing double quote".to_owned()))
    }

    /// The time and the end of the line.
    fn time(&mut self) -> Result<Timestamp, Fault> {
        self.blanks();
        let rest = &self.text[self.at..];
        let end = rest.find('\n').unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(['\r', ' ']);
        let time = if word.is_empty() {
            self.now
        } else {
            let units: i64 = word
                .parse()
                .map_err(|_| self.expected("a time as a whole number"))?;
            let nanos = units.checked_mul(self.precision.nanos()).ok_or_else(|| {
                let what = "expected a time between the years 1678 and 2261";
                ("time", what.to_owned())
            })?;
            Timestamp::from_nanos(nanos)
        };
        self.at += (end + 1).min(rest.len());
        Ok(time)
    }

    fn labels(&mut self, metric: &str, tags: &[(String, String)]) -> Result<Labels, Fault> {
        let pairs = tags
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut pairs: Vec<_> = pairs.chain([(METRIC_NAME, metric)]).collect();
        let bytes: usize = pairs.iter().map(|(n, v)| n.len() + v.len()).sum();
        if bytes > self.limits.max_label_bytes {
            let what = format!("more than {} bytes of labels", self.limits.max_label_bytes);
            return Err(("too-long-labels", what));
        }
        self.label_bytes += bytes;
        Labels::from_pairs(&mut pairs).map_err(|error| ("duplicate-label", error.to_string()))
    }
}
