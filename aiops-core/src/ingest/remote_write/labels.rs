//! What both versions have in common: samples, limits of labels, kinds of metrics.

use super::super::protobuf::{FIXED64, Reader, VARINT, WireError};
use super::super::{Batch, Limits};
use super::Error;
use crate::{LabelError, Labels, METRIC_NAME, Timestamp};

/// First byte of a field of a sample: number and wire type.
const VALUE: u8 = 1 << 3 | FIXED64;
const TIME: u8 = 2 << 3 | VARINT;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// Why a series is refused: name of the reason, and what is wrong.
pub(super) type Fault = (&'static str, String);

/// Adds a sample; answers whether its time is one that can be kept.
#[inline]
pub(super) fn sample(mut reader: Reader<'_>, batch: &mut Batch) -> Result<bool, WireError> {
    let (mut value, mut millis) = (0.0, 0_i64);
    while let Some(byte) = reader.peek() {
        match byte {
            VALUE => {
                reader.at += 1;
                value = f64::from_bits(reader.fixed64()?);
            }
            TIME => {
                reader.at += 1;
                millis = reader.varint()? as i64;
            }
            _ => {
                let tag = reader.tag()?;
                reader.skip(tag)?;
            }
        }
    }
    let nanos = millis.checked_mul(NANOS_PER_MILLI);
    batch.values.push(value);
    batch.times.push(Timestamp::from_nanos(nanos.unwrap_or(0)));
    Ok(nanos.is_some())
}

#[cold]
pub(super) fn bad_time(index: usize) -> Fault {
    let what = format!("sample {index} has a time outside the years 1678 to 2261");
    ("time", what)
}

/// Names and values of one series as they come, within the limits.
pub(super) struct Pairs<'a> {
    limits: &'a Limits,
    list: Vec<(&'a str, &'a str)>,
    bytes: usize,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            list: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, name: &'a str, value: &'a str) -> Result<(), Fault> {
        if self.list.len() == self.limits.max_labels {
            let what = format!("more than {} labels", self.limits.max_labels);
            return Err(("too-many-labels", what));
        }
        self.bytes += name.len() + value.len();
        if self.bytes > self.limits.max_label_bytes {
            let what = format!("more than {} bytes of labels", self.limits.max_label_bytes);
            return Err(("too-long-labels", what));
        }
        self.list.push((name, value));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Labels, Fault> {
        let labels = Labels::from_pairs(&mut self.list).map_err(|error| match error {
            LabelError::Duplicate { .. } => ("duplicate-label", error.to_string()),
            LabelError::EmptyName => ("empty-label-name", error.to_string()),
            LabelError::TooLong { .. } => ("too-long-labels", error.to_string()),
        })?;
        if labels.metric().is_empty() {
            let what = format!("no label `{METRIC_NAME}` in {labels}");
            return Err(("no-name", what));
        }
        Ok(labels)
    }
}

pub(super) fn too_many(what: &'static str, limit: usize, offset: usize) -> Error {
    Error::TooMany {
        offset,
        what,
        limit,
    }
}

/// The kinds of metrics, in the order of their numbers.
pub(super) const KINDS: [&str; 8] = [
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
];

pub(super) fn kind_name(number: u64) -> &'static str {
    usize::try_from(number)
        .ok()
        .and_then(|number| KINDS.get(number).copied())
        .unwrap_or(KINDS[0])
}
