//! Lines to samples and metadata.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::{Batch, Limits, MetricMetadata, Report};
use super::cursor::{Cursor, Fault, unescape};
use super::{Error, Format};
use crate::{LabelError, Labels, METRIC_NAME, Timestamp};

pub(super) fn parse(
    text: &str,
    format: Format,
    now: Timestamp,
    limits: &Limits,
    batch: &mut Batch,
) -> Result<Report, Error> {
    let mut parser = Parser {
        format,
        now,
        limits,
        max_samples: batch.sample_count().saturating_add(limits.max_samples),
        max_metadata: batch.metadata.len().saturating_add(limits.max_metadata),
        batch,
        report: Report::default(),
        families: HashMap::new(),
        is_fresh: true,
    };
    let mut ended = false;
    let mut number = 0;
    for line in text.split_terminator('\n') {
        number += 1;
        if ended {
            return Err(at(number, (0, "expected nothing after `# EOF`".to_owned())));
        }
        if line == "# EOF" && format == Format::OpenMetrics {
            ended = true;
            continue;
        }
        parser.line(line).map_err(|trouble| match trouble {
            Trouble::Fault(fault) => at(number, fault),
            Trouble::TooMany(what, limit) => Error::TooMany {
                line: number,
                what,
                limit,
            },
        })?;
    }
    if format == Format::OpenMetrics && !ended {
        return Err(Error::CutOff { line: number });
    }
    Ok(parser.report)
}

fn at(line: usize, (index, what): Fault) -> Error {
    Error::Syntax {
        line,
        column: index + 1,
        what,
    }
}

enum Trouble {
    Fault(Fault),
    TooMany(&'static str, usize),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

struct Parser<'a, 't> {
    format: Format,
    now: Timestamp,
    limits: &'a Limits,
    /// Lengths that the columns of the batch may reach.
    max_samples: usize,
    max_metadata: usize,
    batch: &'a mut Batch,
    report: Report,
    /// Where the metadata of a family is in the batch.
    families: HashMap<Cow<'t, str>, usize>,
    /// Whether no series was started yet, so that the last one in the batch is not ours.
    is_fresh: bool,
}

impl<'t> Parser<'_, 't> {
    fn line(&mut self, line: &'t str) -> Result<(), Trouble> {
        let mut cursor = Cursor::new(line);
        if self.format == Format::Text {
            cursor.skip_blanks();
        }
        match cursor.peek() {
            Some(b'#') => self.comment(cursor),
            None if self.format == Format::Text => Ok(()),
            _ => self.sample(cursor),
        }
    }

    fn comment(&mut self, mut cursor: Cursor<'t>) -> Result<(), Trouble> {
        cursor.at += 1;
        cursor.skip_blanks();
        let start = cursor.at;
        let keyword = cursor.word();
        let is_open = self.format == Format::OpenMetrics;
        match keyword {
            "HELP" | "TYPE" => {}
            "UNIT" if is_open => {}
            _ if is_open => {
                let what = "expected HELP, TYPE, UNIT or EOF: OpenMetrics has no comments";
                return Err((start, what.to_owned()).into());
            }
            _ => return Ok(()),
        }
        cursor.skip_blanks();
        let family = cursor.name(true, "the name of a metric")?;
        let entry = self.family(family)?;
        cursor.skip_blanks();
        match keyword {
            "HELP" => entry.help = unescape(cursor.rest(), is_open).into_owned(),
            "UNIT" => cursor.rest().clone_into(&mut entry.unit),
            _ => {
                let here = cursor;
                kind_name(cursor.rest().trim_end(), is_open)
                    .ok_or_else(|| here.expected("a type such as gauge"))?
                    .clone_into(&mut entry.kind);
            }
        }
        Ok(())
    }

    fn family(&mut self, name: Cow<'t, str>) -> Result<&mut MetricMetadata, Trouble> {
        let next = self.batch.metadata.len();
        let index = *self.families.entry(name.clone()).or_insert(next);
        if index == next {
            if next == self.max_metadata {
                return Err(Trouble::TooMany("metadata", self.limits.max_metadata));
            }
            self.batch.metadata.push(MetricMetadata {
                metric: name.into_owned(),
                kind: "unknown".to_owned(),
                help: String::new(),
                unit: String::new(),
            });
        }
        Ok(&mut self.batch.metadata[index])
    }

    fn sample(&mut self, mut cursor: Cursor<'t>) -> Result<(), Trouble> {
        if self.batch.sample_count() == self.max_samples {
            return Err(Trouble::TooMany("samples", self.limits.max_samples));
        }
        let mut pairs = Vec::with_capacity(8);
        if cursor.peek() != Some(b'{') {
            let name = cursor.name(true, "the name of a metric")?;
            pairs.push((Cow::Borrowed(METRIC_NAME), name));
        }
        let labels_at = cursor.at;
        cursor.skip_blanks();
        self.labels(&mut cursor, &mut pairs)?;
        let labels = self.build(&pairs, labels_at)?;
        cursor.skip_blanks();
        let value = cursor.value()?;
        cursor.skip_blanks();
        let time = match cursor.peek() {
            None | Some(b'#') => self.now,
            Some(_) => self.time(&mut cursor)?,
        };
        cursor.skip_blanks();
        if self.format == Format::OpenMetrics && cursor.eat(b'#') {
            self.exemplar(&mut cursor)?;
        }
        if !cursor.is_at_end() {
            return Err(cursor.expected("the end of the line").into());
        }
        if self.is_fresh
            || self
                .batch
                .series
                .last()
                .is_none_or(|(last, _)| *last != labels)
        {
            self.batch.start_series(labels);
            self.is_fresh = false;
        }
        self.batch.push(time, value);
        Ok(())
    }

    /// Labels in braces, where there are some. A text without `=` is the name of the metric.
    fn labels(
        &self,
        cursor: &mut Cursor<'t>,
        pairs: &mut Vec<(Cow<'t, str>, Cow<'t, str>)>,
    ) -> Result<(), Trouble> {
        if !cursor.eat(b'{') {
            return Ok(());
        }
        loop {
            cursor.skip_blanks();
            if cursor.eat(b'}') {
                return Ok(());
            }
            if pairs.len() == self.limits.max_labels {
                return Err(Trouble::TooMany("labels", self.limits.max_labels));
            }
            let is_quoted = cursor.peek() == Some(b'"');
            let name = cursor.name(false, "a label or a closing brace")?;
            cursor.skip_blanks();
            if cursor.eat(b'=') {
                cursor.skip_blanks();
                pairs.push((name, cursor.quoted()?));
            } else if is_quoted {
                pairs.push((Cow::Borrowed(METRIC_NAME), name));
            } else {
                return Err(cursor.expected("an equals sign").into());
            }
            cursor.skip_blanks();
            if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
                return Err(cursor.expected("a comma or a closing brace").into());
            }
        }
    }

    fn build(&self, pairs: &[(Cow<'t, str>, Cow<'t, str>)], at: usize) -> Result<Labels, Trouble> {
        let mut borrowed: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        let bytes: usize = borrowed.iter().map(|(n, v)| n.len() + v.len()).sum();
        if bytes > self.limits.max_label_bytes {
            let limit = self.limits.max_label_bytes;
            return Err(Trouble::TooMany("bytes of labels", limit));
        }
        let labels = Labels::from_pairs(&mut borrowed).map_err(|error| match &error {
            LabelError::Duplicate { name } if name == METRIC_NAME => {
                (at, "expected one name of the metric, found two".to_owned())
            }
            _ => (at, error.to_string()),
        })?;
        if labels.metric().is_empty() {
            return Err((at, "expected the name of a metric, found none".to_owned()).into());
        }
        Ok(labels)
    }

    fn time(&self, cursor: &mut Cursor<'t>) -> Result<Timestamp, Fault> {
        match self.format {
            Format::Text => cursor.millis(),
            Format::OpenMetrics => cursor.seconds(),
        }
    }

    /// ` {labels} value [time]`, behind the `#`.
    fn exemplar(&mut self, cursor: &mut Cursor<'t>) -> Result<(), Trouble> {
        cursor.skip_blanks();
        if cursor.peek() != Some(b'{') {
            return Err(cursor.expected("the labels of an exemplar").into());
        }
        self.labels(cursor, &mut Vec::new())?;
        cursor.skip_blanks();
        cursor.value()?;
        cursor.skip_blanks();
        if !cursor.is_at_end() {
            cursor.seconds()?;
        }
        self.report.exemplars += 1;
        Ok(())
    }
}

/// The kind as [`MetricMetadata`] has it.
fn kind_name(word: &str, is_open: bool) -> Option<&'static str> {
    const SHARED: [&str; 4] = ["counter", "gauge", "histogram", "summary"];
    const OPEN: [&str; 4] = ["unknown", "info", "stateset", "gaugehistogram"];
    let known = SHARED.iter().chain(OPEN.iter().filter(|_| is_open));
    match word {
        "untyped" | "unknown" => Some("unknown"),
        word => known.copied().find(|known| *known == word),
    }
}
