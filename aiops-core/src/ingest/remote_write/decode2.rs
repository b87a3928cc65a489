//! From a decompressed request of version 2.0 to the columns of a batch.

use std::collections::HashSet;

use super::super::interner::KeyKind;
use super::super::protobuf::{BYTES, Reader, VARINT, WireError};
use super::super::{Batch, LabelInterner, Limits, MetricMetadata, Report, varint};
use super::Error;
use super::labels::{Fault, Pairs, bad_time, kind_name, sample, too_many};
use super::native::Expander;
use crate::{Labels, METRIC_NAME};

pub(super) fn request(
    bytes: &[u8],
    limits: &Limits,
    interner: &mut LabelInterner,
    batch: &mut Batch,
) -> Result<Report, Error> {
    let mut request = Request {
        max_samples: batch.values.len().saturating_add(limits.max_samples),
        max_metadata: batch.metadata.len().saturating_add(limits.max_metadata),
        symbols: symbols(bytes, limits)?,
        expander: Expander {
            limits,
            max_samples: batch.values.len().saturating_add(limits.max_samples),
            label_bytes: 0,
        },
        histograms: Vec::new(),
        limits,
        interner,
        batch,
        report: Report::default(),
        key: Vec::new(),
        described: HashSet::new(),
    };
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        if (tag.field, tag.wire) == (5, BYTES) {
            request.series(reader.message()?)?;
        } else {
            reader.skip(tag)?;
        }
    }
    Ok(request.report)
}

/// The texts that series refer to. They may stand anywhere in the request.
fn symbols<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Vec<&'a str>, Error> {
    let mut symbols = Vec::new();
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        let offset = reader.at;
        let tag = reader.tag()?;
        match (tag.field, tag.wire) {
            (4, BYTES) => {
                if symbols.len() == limits.max_symbols {
                    return Err(too_many("symbols", limits.max_symbols, offset));
                }
                let symbol = std::str::from_utf8(reader.bytes()?).map_err(|_| WireError {
                    offset,
                    expected: "UTF-8 in a symbol",
                })?;
                if symbols.is_empty() && !symbol.is_empty() {
                    let expected = "an empty first symbol";
                    return Err(WireError { offset, expected }.into());
                }
                symbols.push(symbol);
            }
            (field @ 1..=3, BYTES) => {
                return Err(Error::Version {
                    offset,
                    field,
                    expected: "2.0",
                });
            }
            _ => reader.skip(tag)?,
        }
    }
    Ok(symbols)
}

struct Request<'a> {
    limits: &'a Limits,
    symbols: Vec<&'a str>,
    /// Lengths that the columns of the batch may reach.
    max_samples: usize,
    max_metadata: usize,
    interner: &'a mut LabelInterner,
    batch: &'a mut Batch,
    report: Report,
    expander: Expander<'a>,
    /// Those of the series at hand.
    histograms: Vec<Reader<'a>>,
    /// The texts of the labels of a series, each with its length; what the interner knows it by.
    key: Vec<u8>,
    /// Metrics whose metadata have been taken, by the symbol of their name.
    described: HashSet<u64>,
}

/// Where the metadata of a series are.
#[derive(Default)]
struct Description {
    kind: u64,
    help: u64,
    unit: u64,
}

impl<'a> Request<'a> {
    fn series(&mut self, mut reader: Reader<'a>) -> Result<(), Error> {
        let offset = reader.at;
        let mark = self.batch.mark();
        let (mut fault, mut name, mut description) = (None, 0, None);
        self.key.clear();
        self.histograms.clear();
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            match (tag.field, tag.wire) {
                (1, BYTES) => match self.references(reader.message()?)? {
                    Ok(found) => name = found,
                    Err(found) => fault = Some(found),
                },
                (2, BYTES) => {
                    let index = self.batch.values.len();
                    if index == self.max_samples {
                        return Err(too_many("samples", self.limits.max_samples, reader.at));
                    }
                    if !sample(reader.message()?, self.batch)? {
                        fault.get_or_insert_with(|| bad_time(index - mark.samples));
                    }
                }
                (3, BYTES) => {
                    if self.histograms.len() == self.limits.max_samples {
                        return Err(too_many("samples", self.limits.max_samples, reader.at));
                    }
                    self.histograms.push(reader.message()?);
                }
                (4, BYTES) => {
                    self.report.exemplars += 1;
                    reader.bytes()?;
                }
                (5, BYTES) => description = Some(read_description(reader.message()?)?),
                _ => reader.skip(tag)?,
            }
        }
        let end = self.batch.values.len();
        let (limits, key) = (self.limits, &self.key);
        let labels = match fault {
            Some(fault) => Err(fault),
            None => self
                .interner
                .get(KeyKind::RemoteWrite2, key, || read_key(key, limits)),
        };
        let labels = match labels {
            Ok(labels) => labels,
            Err((reason, what)) => {
                let samples = end - mark.samples + self.histograms.len();
                let what = || format!("series at byte {offset}: {what}");
                self.report.refuse(reason, offset, samples as u64, what);
                self.batch.roll_back(mark);
                return Ok(());
            }
        };
        if let Some(description) = description {
            self.describe(name, &labels, &description, offset)?;
        }
        if end > mark.samples {
            self.batch.series.push((labels.clone(), mark.samples..end));
        }
        self.expander
            .add(&labels, &self.histograms, self.batch, &mut self.report)
    }

    /// Writes the texts that are referred to into the key; answers the reference to the name of
    /// the metric, 0 where there is none.
    fn references(&mut self, mut reader: Reader<'_>) -> Result<Result<u64, Fault>, WireError> {
        let (mut name, mut count, mut is_name) = (0, 0, false);
        while !reader.is_at_end() {
            let offset = reader.at;
            let reference = reader.varint()?;
            let symbol = usize::try_from(reference)
                .ok()
                .and_then(|index| self.symbols.get(index));
            let Some(symbol) = symbol else {
                let what = format!(
                    "byte {offset}: symbol {reference} of {} symbols",
                    self.symbols.len()
                );
                return Ok(Err(("symbol", what)));
            };
            if is_name {
                name = reference;
            }
            is_name = count % 2 == 0 && *symbol == METRIC_NAME;
            count += 1;
            // Texts are shared, so that a short request could stand for endless labels.
            if self.key.len() > self.limits.max_label_bytes + 10 * self.limits.max_labels * 2 {
                let what = format!("more than {} bytes of labels", self.limits.max_label_bytes);
                return Ok(Err(("too-long-labels", what)));
            }
            varint::put(&mut self.key, symbol.len() as u64);
            self.key.extend_from_slice(symbol.as_bytes());
        }
        if count % 2 == 1 {
            let what = format!("{count} references, which is not a number of pairs");
            return Ok(Err(("odd-labels", what)));
        }
        Ok(Ok(name))
    }

    fn describe(
        &mut self,
        name: u64,
        labels: &Labels,
        description: &Description,
        offset: usize,
    ) -> Result<(), Error> {
        let is_empty = description.kind == 0 && description.help == 0 && description.unit == 0;
        if is_empty || !self.described.insert(name) {
            return Ok(());
        }
        if self.batch.metadata.len() == self.max_metadata {
            return Err(too_many("metadata", self.limits.max_metadata, offset));
        }
        let text = |reference: u64| {
            let index = usize::try_from(reference).unwrap_or(usize::MAX);
            (*self.symbols.get(index).unwrap_or(&"")).to_owned()
        };
        self.batch.metadata.push(MetricMetadata {
            metric: labels.metric().to_owned(),
            kind: kind_name(description.kind).to_owned(),
            help: text(description.help),
            unit: text(description.unit),
        });
        Ok(())
    }
}

fn read_description(mut reader: Reader<'_>) -> Result<Description, WireError> {
    let mut found = Description::default();
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match (tag.field, tag.wire) {
            (1, VARINT) => found.kind = reader.varint()?,
            (3, VARINT) => found.help = reader.varint()?,
            (4, VARINT) => found.unit = reader.varint()?,
            _ => reader.skip(tag)?,
        }
    }
    Ok(found)
}

/// The labels that a key of our own making stands for.
#[cold]
fn read_key(key: &[u8], limits: &Limits) -> Result<Labels, Fault> {
    let mut pairs = Pairs::new(limits);
    let mut at = 0;
    let mut text = || -> Option<&str> {
        let len = varint::get(key, &mut at)? as usize;
        let bytes = key.get(at..at + len)?;
        at += len;
        std::str::from_utf8(bytes).ok()
    };
    while let Some((name, value)) = text().zip(text()) {
        pairs.push(name, value)?;
    }
    pairs.finish()
}
