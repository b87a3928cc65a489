//! The text that Prometheus scrapes: text format 0.0.4 and OpenMetrics 1.0.
//!
//! *Exposition formats*, prometheus.io; *OpenMetrics 1.0*, prometheus.io.
//!
//! ```
//! use aiops_core::ingest::prometheus_text::{Format, parse};
//! use aiops_core::ingest::{Batch, Limits};
//! use aiops_core::Timestamp;
//!
//! let text = b"# TYPE queue_depth gauge\nqueue_depth{queue=\"mail\"} 12\n";
//! let mut batch = Batch::default();
//! parse(text, Format::Text, Timestamp::EPOCH, &Limits::default(), &mut batch)?;
//! let series = batch.iter().next().expect("one series");
//! assert_eq!(series.labels.to_string(), r#"queue_depth{queue="mail"}"#);
//! assert_eq!(series.values, [12.0]);
//! assert_eq!(batch.metadata[0].kind, "gauge");
//! # Ok::<(), aiops_core::ingest::prometheus_text::Error>(())
//! ```
//!
//! # What becomes of what
//!
//! | in the text | becomes |
//! |---|---|
//! | sample without a time | a sample at the time of the scrape |
//! | sample with a time | milliseconds in text 0.0.4, seconds with a fraction in OpenMetrics |
//! | `TYPE`, `HELP`, `UNIT` | [`Batch::metadata`], one entry a family; `untyped` becomes `unknown` |
//! | histograms and summaries | the series of their buckets, quantiles, sums and counts |
//! | `_created` series | series like any other, as in Prometheus |
//! | exemplars | checked and left out, counted in the [`Report`] |
//! | quoted names, as in `{"http.requests", "service.name"="api"}` | taken as they are |
//! | unknown escapes in label values | kept as they are, as in Prometheus |
//! | comments | left out in text 0.0.4, refused in OpenMetrics |
//! | no `# EOF` at the end of OpenMetrics | refused: the scrape is cut off |

mod cursor;
mod parser;

use super::{Batch, BodyTooLarge, Limits, Report};
use crate::Timestamp;

/// Which of the two formats a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus's text format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0, which differs in the unit of times and must end with `# EOF`.
    OpenMetrics,
}

impl Format {
    /// The format that a `Content-Type` header names; anything but OpenMetrics is
    /// [`Text`](Self::Text).
    pub fn from_content_type(content_type: &str) -> Self {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Text
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
    /// Not in the format.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What was expected, and what was found.
        what: String,
    },
    /// More samples, metadata, labels or label text than a limit.
    #[error("line {line}: more than {limit} {what}")]
    TooMany {
        /// Line, from 1.
        line: usize,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// OpenMetrics without its end.
    #[error("line {line}: the text ends without `# EOF`, it was cut off")]
    CutOff {
        /// The last line.
        line: usize,
    },
}

impl Error {
    /// A short stable name of the reason, to count by.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too-large",
            Self::Syntax { .. } => "syntax",
            Self::TooMany { .. } => "too-many",
            Self::CutOff { .. } => "cut-off",
        }
    }
}

/// Adds the samples and metadata of `text` to `batch`. Samples without a time get `now`.
///
/// # Errors
///
/// [`Error`] when any line is no good, because a scrape of which a part is missing looks like
/// series that have ended; `batch` then is as it was.
pub fn parse(
    text: &[u8],
    format: Format,
    now: Timestamp,
    limits: &Limits,
    batch: &mut Batch,
) -> Result<Report, Error> {
    limits.check_body(text.len() as u64)?;
    let text = std::str::from_utf8(text).map_err(|error| not_utf8(text, error.valid_up_to()))?;
    let mark = batch.mark();
    match parser::parse(text, format, now, limits, batch) {
        Ok(mut report) => {
            report.samples = (batch.sample_count() - mark.samples) as u64;
            Ok(report)
        }
        Err(error) => {
            batch.roll_back(mark);
            Err(error)
        }
    }
}

fn not_utf8(text: &[u8], at: usize) -> Error {
    let mut lines = text[..at].split(|&byte| byte == b'\n');
    let last = lines.next_back().unwrap_or_default();
    Error::Syntax {
        line: 1 + lines.count(),
        column: 1 + last.len(),
        what: format!("expected UTF-8, found byte {:#04x}", text[at]),
    }
}
