//! Samples in tables of text.
//!
//! The first row names the columns. What the others are depends on whether one is called as
//! [`CsvConfig::value`] says:
//!
//! | layout | columns | a row is |
//! |---|---|---|
//! | long | time, value, perhaps the metric, labels | one sample |
//! | wide | time, and one for each series, called `metric` or `metric{label="value"}` | one sample of each series |
//!
//! ```
//! use aiops_core::ingest::csv::{self, CsvConfig};
//! use aiops_core::ingest::{Batch, Limits};
//!
//! let long = b"time,metric,host,value\n2026-01-02T03:04:05Z,load,a,1.5\n2026-01-02T03:04:05Z,load,b,2\n";
//! let wide = b"time,\"load{host=\"\"a\"\"}\",\"load{host=\"\"b\"\"}\"\n1767323045,1.5,2\n";
//! for text in [&long[..], wide] {
//!     let mut batch = Batch::default();
//!     csv::parse(text, &CsvConfig::default(), &Limits::default(), &mut batch)?;
//!     let shown: Vec<_> = batch.iter().map(|series| series.labels.to_string()).collect();
//!     assert_eq!(shown, [r#"load{host="a"}"#, r#"load{host="b"}"#]);
//! }
//! # Ok::<(), aiops_core::ingest::csv::Error>(())
//! ```
//!
//! | in the text | becomes |
//! |---|---|
//! | a time with its date, as RFC 3339 or `YYYY-MM-DD hh:mm:ss` (UTC) | the time |
//! | a number as time, with or without a fraction | units of [`CsvConfig::precision`] since the epoch |
//! | an empty cell for a value | no sample |
//! | `NaN`, `inf`, `-inf` | the value |
//! | an empty cell for a label | no label |
//! | a row of another length, without a time, with a value that is no number | the row is refused, counted by reason |
//! | rows in any order | the samples of a series together, in the order of the rows |
//!
//! Rows, quotes and line ends are those of RFC 4180. Not for tables with several rows of headers or
//! with decimal commas.

use std::collections::HashMap;

use ::csv::{ByteRecord, ReaderBuilder};

use super::influx::Precision;
use super::{Batch, BodyTooLarge, Limits, Report};
use crate::{Labels, METRIC_NAME, MatchOp, Selector, Timestamp};

/// Parameters of [`parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsvConfig {
    /// Between two cells of a row: a comma, a semicolon, a tab.
    pub delimiter: u8,
    /// Name of the column of times; `None` for the first one called `time`, `timestamp`, `ts` or
    /// `date`, in any case.
    pub time: Option<String>,
    /// Name of the column of values in the long layout. A table without it is wide.
    pub value: String,
    /// Name of the column of metrics in the long layout. A table without it has the metric
    /// [`default_metric`](Self::default_metric) throughout.
    pub metric: String,
    /// Metric of a long table that names none.
    pub default_metric: String,
    /// Unit of times that are numbers.
    pub precision: Precision,
}

impl Default for CsvConfig {
    fn default() -> Self {
        Self {
            delimiter: b',',
            time: None,
            value: "value".to_owned(),
            metric: "metric".to_owned(),
            default_metric: "value".to_owned(),
            precision: Precision::Seconds,
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
    /// The first row does not name the columns that are needed.
    #[error("line 1: {what}")]
    Header {
        /// What was expected, and what was found.
        what: String,
    },
    /// More samples or series than the limit.
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
            Self::Header { .. } => "header",
            Self::TooMany { .. } => "too-many",
        }
    }
}

/// Why a row is refused: name of the reason, and what is wrong.
type Fault = (&'static str, String);

/// Names of the column of times where none is given.
const TIME_NAMES: [&str; 4] = ["time", "timestamp", "ts", "date"];

/// Adds the samples of `text` to `batch`.
///
/// Memory is bounded by the limits before it is taken: about 24 bytes a sample beside the batch,
/// and the labels of the series.
///
/// # Errors
///
/// [`Error`] when the text as a whole is no good; `batch` then is as it was. Rows and cells that
/// are no good are counted in the [`Report`], where the place of the first is a line, and the
/// others are taken.
pub fn parse(
    text: &[u8],
    config: &CsvConfig,
    limits: &Limits,
    batch: &mut Batch,
) -> Result<Report, Error> {
    limits.check_body(text.len() as u64)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(config.delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
    let mut row = ByteRecord::new();
    if !reader.read_byte_record(&mut row).unwrap_or(false) {
        let what = "expected a row with the names of the columns".to_owned();
        return Err(Error::Header { what });
    }
    let header = row.clone();
    let mut table = Table::new(&header, config, limits)?;
    let mut report = Report::default();
    let (mut line, mut seen) = (1, 0);
    // Reading from memory does not fail, and rows of any length and bytes are taken.
    while reader.read_byte_record(&mut row).unwrap_or(false) {
        let start = row
            .position()
            .map_or(seen, |position| position.byte() as usize);
        // A row may begin with what is left of the end of the one before.
        let ends = text[start..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let start = start + ends.count();
        line += text[seen..start].split(|byte| *byte == b'\n').count() - 1;
        seen = start;
        if let Err((reason, what)) = table.row(&row, &mut report, line) {
            report.refuse(reason, line, 1, || format!("line {line}: {what}"));
        }
        table.check(line)?;
    }
    report.samples = table.samples as u64;
    for (labels, samples) in table.series {
        if samples.is_empty() {
            continue;
        }
        batch.start_series(labels);
        for (time, value) in samples {
            batch.push(time, value);
        }
    }
    Ok(report)
}

struct Table<'a> {
    config: &'a CsvConfig,
    limits: &'a Limits,
    width: usize,
    time: usize,
    layout: Layout,
    /// In the order in which they came.
    series: Vec<(Labels, Vec<(Timestamp, f64)>)>,
    samples: usize,
}

enum Layout {
    Long {
        value: usize,
        /// Name of each other column, and its place.
        labels: Vec<(String, usize)>,
        /// The series with these cells, each with its length.
        known: HashMap<Vec<u8>, usize>,
        key: Vec<u8>,
    },
    /// The columns of the series, in their order.
    Wide(Vec<usize>),
}

impl<'a> Table<'a> {
    fn new(header: &ByteRecord, config: &'a CsvConfig, limits: &'a Limits) -> Result<Self, Error> {
        let mut names = Vec::with_capacity(header.len());
        for name in header {
            // Spreadsheets write a mark of the byte order before the first one.
            let name = name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name);
            let name = std::str::from_utf8(name).map_err(|_| Error::Header {
                what: format!("expected UTF-8 as the name of column {}", names.len() + 1),
            })?;
            names.push(name.trim());
        }
        let place = |wanted: &str| names.iter().position(|name| *name == wanted);
        let time = match &config.time {
            Some(name) => place(name),
            None => names.iter().position(|name| {
                TIME_NAMES
                    .iter()
                    .any(|time| name.eq_ignore_ascii_case(time))
            }),
        };
        let time = time.ok_or_else(|| Error::Header {
            what: match &config.time {
                Some(name) => format!("expected a column `{name}`"),
                None => "expected a column `time`, `timestamp`, `ts` or `date`".to_owned(),
            },
        })?;
        let mut table = Self {
            config,
            limits,
            width: names.len(),
            time,
            layout: Layout::Wide(Vec::new()),
            series: Vec::new(),
            samples: 0,
        };
        if let Some(value) = place(&config.value).filter(|value| *value != time) {
            table.long(&names, value)?;
        } else {
            table.wide(&names)?;
        }
        Ok(table)
    }

    fn long(&mut self, names: &[&str], value: usize) -> Result<(), Error> {
        let mut labels = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if place == value || place == self.time {
                continue;
            }
            let name = if *name == self.config.metric {
                METRIC_NAME
            } else {
                *name
            };
            if name.is_empty() || labels.iter().any(|(other, _)| other == name) {
                let place = place + 1;
                let what = format!("expected a name of its own for column {place}, found `{name}`");
                return Err(Error::Header { what });
            }
            labels.push((name.to_owned(), place));
        }
        self.layout = Layout::Long {
            value,
            labels,
            known: HashMap::new(),
            key: Vec::new(),
        };
        Ok(())
    }

    fn wide(&mut self, names: &[&str]) -> Result<(), Error> {
        let mut columns = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if place == self.time {
                continue;
            }
            let series = labels_of(name).filter(|labels| within(labels, self.limits).is_ok());
            let labels = series.ok_or_else(|| Error::Header {
                what: format!(
                    "expected `metric` or `metric{{label=\"value\"}}` as the name of column {}, \
                     found `{name}`",
                    place + 1
                ),
            })?;
            columns.push(place);
            self.series.push((labels, Vec::new()));
        }
        self.layout = Layout::Wide(columns);
        self.check(1)
    }

    /// Whether there is too much by now.
    fn check(&self, line: usize) -> Result<(), Error> {
        let counts = [
            ("samples", self.samples, self.limits.max_samples),
            ("series", self.series.len(), self.limits.max_samples),
        ];
        match counts.into_iter().find(|(_, count, limit)| count > limit) {
            Some((what, _, limit)) => Err(Error::TooMany { line, what, limit }),
            None => Ok(()),
        }
    }

    fn row(&mut self, row: &ByteRecord, report: &mut Report, line: usize) -> Result<(), Fault> {
        if row.len() != self.width {
            let what = format!("expected {} cells, found {}", self.width, row.len());
            return Err(("cells", what));
        }
        let time = time(&row[self.time], self.config.precision)?;
        match &mut self.layout {
            Layout::Long {
                value,
                labels,
                known,
                key,
            } => {
                let Some(value) = number(&row[*value])? else {
                    return Ok(());
                };
                key.clear();
                for (_, place) in labels.iter() {
                    key.extend_from_slice(&row[*place].len().to_le_bytes());
                    key.extend_from_slice(&row[*place]);
                }
                let index = if let Some(index) = known.get(key) {
                    *index
                } else {
                    let found = row_labels(row, labels, self.config, self.limits)?;
                    self.series.push((found, Vec::new()));
                    known.insert(key.clone(), self.series.len() - 1);
                    self.series.len() - 1
                };
                self.series[index].1.push((time, value));
                self.samples += 1;
            }
            Layout::Wide(columns) => {
                for (place, (_, samples)) in columns.iter().zip(&mut self.series) {
                    match number(&row[*place]) {
                        Ok(Some(value)) => {
                            samples.push((time, value));
                            self.samples += 1;
                        }
                        Ok(None) => {}
                        Err((reason, what)) => report.refuse(reason, line, 1, || {
                            format!("line {line}, column {}: {what}", place + 1)
                        }),
                    }
                }
            }
        }
        Ok(())
    }
}

/// `metric` or `metric{label="value"}`.
fn labels_of(text: &str) -> Option<Labels> {
    if !text.contains('{') {
        return Labels::of([(METRIC_NAME, text)])
            .ok()
            .filter(|labels| !labels.is_empty());
    }
    let selector: Selector = text.parse().ok()?;
    let equal = |matcher: &&crate::Matcher| matcher.op() == MatchOp::Equal;
    if !selector.matchers().iter().all(|matcher| equal(&matcher)) {
        return None;
    }
    let pairs = selector
        .matchers()
        .iter()
        .map(|matcher| (matcher.name(), matcher.value()));
    Labels::of(pairs)
        .ok()
        .filter(|labels| !labels.metric().is_empty())
}

fn row_labels(
    row: &ByteRecord,
    names: &[(String, usize)],
    config: &CsvConfig,
    limits: &Limits,
) -> Result<Labels, Fault> {
    let mut pairs = Vec::with_capacity(names.len() + 1);
    for (name, place) in names {
        let value = std::str::from_utf8(&row[*place]);
        let value = value.map_err(|_| ("utf8", format!("expected UTF-8 in `{name}`")))?;
        pairs.push((name.as_str(), value));
    }
    if !pairs.iter().any(|(name, _)| *name == METRIC_NAME) {
        pairs.push((METRIC_NAME, &config.default_metric));
    }
    let labels = Labels::from_pairs(&mut pairs).map_err(|error| ("labels", error.to_string()))?;
    if labels.metric().is_empty() {
        return Err((
            "no-name",
            format!("expected a metric in `{}`", config.metric),
        ));
    }
    within(&labels, limits)?;
    Ok(labels)
}

fn within(labels: &Labels, limits: &Limits) -> Result<(), Fault> {
    if labels.len() > limits.max_labels {
        let what = format!("more than {} labels", limits.max_labels);
        return Err(("too-many-labels", what));
    }
    let bytes: usize = labels
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > limits.max_label_bytes {
        let what = format!("more than {} bytes of labels", limits.max_label_bytes);
        return Err(("too-long-labels", what));
    }
    Ok(())
}

/// The value of a cell; `None` of an empty one.
fn number(cell: &[u8]) -> Result<Option<f64>, Fault> {
    let text = std::str::from_utf8(cell).unwrap_or("\u{fffd}").trim();
    if text.is_empty() {
        return Ok(None);
    }
    let fault = || ("value", format!("expected a number, found {}", shown(cell)));
    text.parse().map(Some).map_err(|_| fault())
}

fn time(cell: &[u8], precision: Precision) -> Result<Timestamp, Fault> {
    let fault = || ("time", format!("expected a time, found {}", shown(cell)));
    let text = std::str::from_utf8(cell).map_err(|_| fault())?.trim();
    if let Ok(units) = text.parse::<i64>() {
        let nanos = units.checked_mul(precision.nanos());
        return nanos.map(Timestamp::from_nanos).ok_or_else(fault);
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && whole
            .bytes()
            .chain(fraction.bytes())
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        return decimal(whole, fraction, precision).ok_or_else(fault);
    }
    let parsed = text.parse().or_else(|_| format!("{text}Z").parse());
    parsed.map_err(|_| fault())
}

/// A number with digits behind its point, without a float's rounding: those of a time in seconds
/// are nanoseconds. Digits beyond the nanosecond are cut off.
fn decimal(whole: &str, fraction: &str, precision: Precision) -> Option<Timestamp> {
    let unit = precision.nanos();
    let whole_nanos = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut rest = 0;
    let mut digit_unit = unit / 10;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        rest += i64::from(digit - b'0') * digit_unit;
        digit_unit /= 10;
    }
    let nanos = if whole.starts_with('-') {
        whole_nanos.checked_sub(rest)
    } else {
        whole_nanos.checked_add(rest)
    };
    nanos.map(Timestamp::from_nanos)
}

/// The beginning of a cell, for people.
fn shown(cell: &[u8]) -> String {
    format!("`{}`", cell[..cell.len().min(40)].escape_ascii())
}
