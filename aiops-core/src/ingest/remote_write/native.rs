//! Native histograms, which are the same in both versions, to the series of classic ones.

use super::super::exponential::{Exponential, le};
use super::super::protobuf::{BYTES, FIXED64, Reader, VARINT, WireError};
use super::super::{Batch, Limits, Report, STALE, is_stale, varint};
use super::Error;
use super::labels::too_many;
use crate::{Labels, METRIC_NAME, Timestamp};

/// Schema of histograms that say their bounds themselves.
const CUSTOM_BOUNDS: i64 = -53;

/// Adds the series of the histograms of one series.
pub(super) struct Expander<'a> {
    pub(super) limits: &'a Limits,
    /// Length that the columns of the batch may reach.
    pub(super) max_samples: usize,
    /// In all label sets made so far.
    pub(super) label_bytes: usize,
}

impl Expander<'_> {
    pub(super) fn add(
        &mut self,
        labels: &Labels,
        histograms: &[Reader<'_>],
        batch: &mut Batch,
        report: &mut Report,
    ) -> Result<(), Error> {
        for reader in histograms {
            let (offset, mark) = (reader.at, batch.mark());
            let histogram = Histogram::read(*reader)?;
            if let Err(what) = histogram.expand(labels, batch, &mut self.label_bytes) {
                batch.roll_back(mark);
                report.refuse("histogram", offset, 1, || {
                    format!("histogram at byte {offset}: {what}")
                });
                continue;
            }
            if batch.values.len() > self.max_samples {
                return Err(too_many("samples", self.limits.max_samples, offset));
            }
            if self.label_bytes > self.limits.max_copied_bytes {
                let limit = self.limits.max_copied_bytes;
                return Err(too_many("bytes of labels", limit, offset));
            }
            report.histograms += 1;
            report.histogram_samples += (batch.values.len() - mark.samples) as u64;
        }
        Ok(())
    }
}

/// The buckets of one side.
#[derive(Default)]
struct Side {
    /// Distance from the end of the span before, and length.
    spans: Vec<(i64, u64)>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

#[derive(Default)]
struct Histogram {
    count: f64,
    sum: f64,
    schema: i64,
    zero_threshold: f64,
    zeros: f64,
    negative: Side,
    positive: Side,
    custom: Vec<f64>,
    millis: i64,
}

impl Histogram {
    fn read(mut reader: Reader<'_>) -> Result<Self, WireError> {
        let mut found = Self::default();
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            match (tag.field, tag.wire) {
                (1, VARINT) => found.count = reader.varint()? as f64,
                (2, FIXED64) => found.count = f64::from_bits(reader.fixed64()?),
                (3, FIXED64) => found.sum = f64::from_bits(reader.fixed64()?),
                (4, VARINT) => found.schema = varint::unzigzag(reader.varint()?),
                (5, FIXED64) => found.zero_threshold = f64::from_bits(reader.fixed64()?),
                (6, VARINT) => found.zeros = reader.varint()? as f64,
                (7, FIXED64) => found.zeros = f64::from_bits(reader.fixed64()?),
                (8, BYTES) => found.negative.spans.push(span(reader.message()?)?),
                (11, BYTES) => found.positive.spans.push(span(reader.message()?)?),
                (9, BYTES | VARINT) => deltas(&mut reader, tag.wire, &mut found.negative.deltas)?,
                (12, BYTES | VARINT) => deltas(&mut reader, tag.wire, &mut found.positive.deltas)?,
                (10, BYTES | FIXED64) => floats(&mut reader, tag.wire, &mut found.negative.counts)?,
                (13, BYTES | FIXED64) => floats(&mut reader, tag.wire, &mut found.positive.counts)?,
                (16, BYTES | FIXED64) => floats(&mut reader, tag.wire, &mut found.custom)?,
                (15, VARINT) => found.millis = reader.varint()? as i64,
                _ => reader.skip(tag)?,
            }
        }
        Ok(found)
    }

    fn expand(
        &self,
        labels: &Labels,
        batch: &mut Batch,
        label_bytes: &mut usize,
    ) -> Result<(), String> {
        let nanos = self.millis.checked_mul(1_000_000);
        let nanos = nanos.ok_or("its time is outside the years 1678 to 2261")?;
        let time = Timestamp::from_nanos(nanos);
        let is_over = is_stale(self.sum);
        let mut push = |labels: Labels, value: f64| {
            *label_bytes += labels.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
            batch.start_series(labels);
            batch.push(time, value);
        };
        let named = |ending| labels.with(METRIC_NAME, &format!("{}{ending}", labels.metric()));
        if !is_over {
            let buckets = named("_bucket");
            for (bound, count) in self.buckets()? {
                push(buckets.with("le", &le(bound)), count);
            }
        }
        push(named("_sum"), self.sum);
        push(named("_count"), if is_over { STALE } else { self.count });
        Ok(())
    }

    fn buckets(&self) -> Result<Vec<(f64, f64)>, String> {
        if self.schema == CUSTOM_BOUNDS {
            return self.custom_buckets();
        }
        let schema = i32::try_from(self.schema).unwrap_or(i32::MAX);
        let mut found = Exponential::new(schema, self.zero_threshold, self.zeros)?;
        for (is_negative, side) in [(true, &self.negative), (false, &self.positive)] {
            // Here a bucket has the number of its upper bound.
            side.each(|bucket, count| found.add(is_negative, bucket - 1, count))?;
        }
        found.cumulative()
    }

    fn custom_buckets(&self) -> Result<Vec<(f64, f64)>, String> {
        let ascends = self.custom.is_sorted_by(|one, next| one < next);
        if !ascends || self.custom.iter().any(|bound| !bound.is_finite()) {
            return Err("expected bounds that ascend".to_owned());
        }
        let mut counts = vec![0.0; self.custom.len() + 1];
        let mut outside = None;
        self.positive.each(|bucket, count| {
            let place = usize::try_from(bucket).ok();
            match place.and_then(|place| counts.get_mut(place)) {
                Some(own) => *own += count,
                None => outside = Some(bucket),
            }
        })?;
        if let Some(bucket) = outside {
            let most = self.custom.len();
            return Err(format!(
                "expected a bucket from 0 to {most}, found {bucket}"
            ));
        }
        let mut total = 0.0;
        let bounds = self.custom.iter().copied().chain([f64::INFINITY]);
        let sum = |(bound, count)| {
            total += count;
            (bound, total)
        };
        Ok(bounds.zip(counts).map(sum).collect())
    }
}

impl Side {
    /// Calls `add` with number and count of each bucket.
    fn each(&self, mut add: impl FnMut(i64, f64)) -> Result<(), String> {
        let mut running = 0_i64;
        let mut of_deltas = self.deltas.iter().map(|delta| {
            running = running.wrapping_add(*delta);
            running as f64
        });
        let mut of_counts = self.counts.iter().copied();
        let (mut bucket, mut left) = (0_i64, self.deltas.len().max(self.counts.len()) as u64);
        for (distance, length) in &self.spans {
            bucket = bucket.saturating_add(*distance);
            if *length > left {
                return Err(format!("spans of more buckets than the {left} counts left"));
            }
            left -= length;
            for _ in 0..*length {
                let count = of_counts.next().or_else(|| of_deltas.next());
                let count = count.unwrap_or(f64::NAN);
                if !(count.is_finite() && count >= 0.0) {
                    return Err(format!(
                        "expected a count in bucket {bucket}, found {count}"
                    ));
                }
                add(bucket, count);
                bucket = bucket.saturating_add(1);
            }
        }
        if left > 0 {
            return Err(format!("{left} counts that belong to no span"));
        }
        Ok(())
    }
}

fn span(mut reader: Reader<'_>) -> Result<(i64, u64), WireError> {
    let (mut distance, mut length) = (0, 0);
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match (tag.field, tag.wire) {
            (1, VARINT) => distance = varint::unzigzag(reader.varint()?),
            (2, VARINT) => length = reader.varint()?,
            _ => reader.skip(tag)?,
        }
    }
    Ok((distance, length))
}

fn deltas(reader: &mut Reader<'_>, wire: u8, list: &mut Vec<i64>) -> Result<(), WireError> {
    if wire == VARINT {
        list.push(varint::unzigzag(reader.varint()?));
        return Ok(());
    }
    let mut packed = reader.message()?;
    while !packed.is_at_end() {
        list.push(varint::unzigzag(packed.varint()?));
    }
    Ok(())
}

fn floats(reader: &mut Reader<'_>, wire: u8, list: &mut Vec<f64>) -> Result<(), WireError> {
    if wire == FIXED64 {
        list.push(f64::from_bits(reader.fixed64()?));
        return Ok(());
    }
    let mut packed = reader.message()?;
    while !packed.is_at_end() {
        list.push(f64::from_bits(packed.fixed64()?));
    }
    Ok(())
}
