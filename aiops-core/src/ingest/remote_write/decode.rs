//! From a decompressed request to the columns of a batch.

use super::super::interner::KeyKind;
use super::super::protobuf::{BYTES, Reader, Tag, VARINT, WireError};
use super::super::{Batch, LabelInterner, Limits, MetricMetadata, Report};
use super::Error;
use super::labels::{Fault, Pairs, bad_time, kind_name, sample, too_many};
use super::native::Expander;
use crate::Labels;

/// First byte of a field of a series: number and wire type.
const LABEL: u8 = 1 << 3 | BYTES;
const SAMPLE: u8 = 2 << 3 | BYTES;

pub(super) fn request(
    bytes: &[u8],
    limits: &Limits,
    interner: &mut LabelInterner,
    batch: &mut Batch,
) -> Result<Report, Error> {
    let mut request = Request {
        max_samples: batch.values.len().saturating_add(limits.max_samples),
        max_metadata: batch.metadata.len().saturating_add(limits.max_metadata),
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
    };
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        request.histograms.clear();
        let offset = reader.at;
        match reader.tag()? {
            Tag {
                field: 1,
                wire: BYTES,
            } => request.series(reader.message()?)?,
            Tag {
                field: 3,
                wire: BYTES,
            } => request.metadata(reader.message()?)?,
            Tag {
                field: field @ (4 | 5),
                wire: BYTES,
            } => {
                return Err(Error::Version {
                    offset,
                    field,
                    expected: "1.0",
                });
            }
            tag => reader.skip(tag)?,
        }
    }
    Ok(request.report)
}

struct Request<'a> {
    limits: &'a Limits,
    /// Lengths that the columns of the batch may reach.
    max_samples: usize,
    max_metadata: usize,
    interner: &'a mut LabelInterner,
    batch: &'a mut Batch,
    report: Report,
    expander: Expander<'a>,
    /// Those of the series at hand.
    histograms: Vec<Reader<'a>>,
}

impl<'a> Request<'a> {
    fn series(&mut self, mut reader: Reader<'a>) -> Result<(), Error> {
        let (offset, whole) = (reader.at, reader);
        let key = label_fields(&mut reader)?;
        let mark = self.batch.mark();
        let mut time_fault = None;
        let mut scattered = false;
        while let Some(byte) = reader.peek() {
            if byte != SAMPLE {
                scattered |= self.other_field(&mut reader)?;
                continue;
            }
            reader.at += 1;
            let index = self.batch.values.len();
            if index == self.max_samples {
                return Err(too_many("samples", self.limits.max_samples, reader.at));
            }
            if !sample(reader.message()?, self.batch)? {
                time_fault.get_or_insert(index - mark.samples);
            }
        }
        let end = self.batch.values.len();
        let limits = self.limits;
        let labels = match time_fault {
            Some(index) => Err(bad_time(index)),
            None if scattered => read_labels(whole, limits),
            None => self
                .interner
                .get(KeyKind::RemoteWrite, key, || read_labels(whole, limits)),
        };
        match labels {
            Ok(_) if end == mark.samples && self.histograms.is_empty() => {}
            Ok(labels) => {
                if end > mark.samples {
                    self.batch.series.push((labels.clone(), mark.samples..end));
                }
                self.expander
                    .add(&labels, &self.histograms, self.batch, &mut self.report)?;
            }
            Err((reason, what)) => {
                let samples = end - mark.samples + self.histograms.len();
                let what = || format!("series at byte {offset}: {what}");
                self.report.refuse(reason, offset, samples as u64, what);
                self.batch.roll_back(mark);
            }
        }
        Ok(())
    }

    /// Moves behind a field that is not a sample; answers whether it is a label, which stands
    /// where a sender would not put it.
    fn other_field(&mut self, reader: &mut Reader<'a>) -> Result<bool, Error> {
        let tag = reader.tag()?;
        if tag.wire != BYTES {
            reader.skip(tag)?;
            return Ok(false);
        }
        let message = reader.message()?;
        match tag.field {
            3 => self.report.exemplars += 1,
            4 if self.histograms.len() < self.limits.max_samples => self.histograms.push(message),
            4 => return Err(too_many("samples", self.limits.max_samples, message.at)),
            _ => {}
        }
        Ok(tag.field == 1)
    }

    fn metadata(&mut self, mut reader: Reader<'_>) -> Result<(), Error> {
        let offset = reader.at;
        if self.batch.metadata.len() == self.max_metadata {
            return Err(too_many("metadata", self.limits.max_metadata, offset));
        }
        let mut kind = 0;
        let mut texts: [&[u8]; 3] = [&[]; 3];
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            match (tag.field, tag.wire) {
                (1, VARINT) => kind = reader.varint()?,
                (2, BYTES) => texts[0] = reader.bytes()?,
                (4, BYTES) => texts[1] = reader.bytes()?,
                (5, BYTES) => texts[2] = reader.bytes()?,
                _ => reader.skip(tag)?,
            }
        }
        let [Ok(metric), Ok(help), Ok(unit)] = texts.map(std::str::from_utf8) else {
            self.report.refuse("metadata-utf8", offset, 0, || {
                format!("metadata at byte {offset}: expected UTF-8")
            });
            return Ok(());
        };
        self.batch.metadata.push(MetricMetadata {
            metric: metric.to_owned(),
            kind: kind_name(kind).to_owned(),
            help: help.to_owned(),
            unit: unit.to_owned(),
        });
        Ok(())
    }
}

/// The fields at the start that are labels, as they are; the position moves behind them.
#[inline]
fn label_fields<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let rest = reader.rest();
    let start = reader.at;
    while reader.peek() == Some(LABEL) {
        reader.at += 1;
        reader.message()?;
    }
    Ok(&rest[..reader.at - start])
}

/// The labels of a series, wherever in it they are.
#[cold]
fn read_labels(mut reader: Reader<'_>, limits: &Limits) -> Result<Labels, Fault> {
    let broken = |error: WireError| ("labels", error.to_string());
    let mut pairs = Pairs::new(limits);
    while !reader.is_at_end() {
        let tag = reader.tag().map_err(broken)?;
        if tag.field == 1 && tag.wire == BYTES {
            let (name, value) = label(reader.message().map_err(broken)?)?;
            pairs.push(name, value)?;
        } else {
            reader.skip(tag).map_err(broken)?;
        }
    }
    pairs.finish()
}

fn label(mut reader: Reader<'_>) -> Result<(&str, &str), Fault> {
    let broken = |error: WireError| ("labels", error.to_string());
    let (mut name, mut value) = ("", "");
    while !reader.is_at_end() {
        match reader.tag().map_err(broken)? {
            Tag {
                field: 1,
                wire: BYTES,
            } => name = text(&mut reader)?,
            Tag {
                field: 2,
                wire: BYTES,
            } => value = text(&mut reader)?,
            tag => reader.skip(tag).map_err(broken)?,
        }
    }
    Ok((name, value))
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Fault> {
    let bytes = reader
        .bytes()
        .map_err(|error| ("labels", error.to_string()))?;
    let start = reader.at - bytes.len();
    std::str::from_utf8(bytes).map_err(|error| {
        let at = start + error.valid_up_to();
        ("utf8", format!("byte {at}: expected UTF-8 in a label"))
    })
}
