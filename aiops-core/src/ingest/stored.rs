//! The form in which a batch waits in a queue.
//!
//! ```text
//! byte     1                        version
//! byte     0 | 1                    unit of time: nanoseconds | milliseconds
//! varint   series, samples, metadata
//! series   varint shared start, varint shared end, varint own length, own bytes, varint samples
//! times    zigzag varint, difference to the one before
//! values   8 bytes each, little-endian bits
//! metadata four texts: varint length, bytes
//! ```
//!
//! The labels of a series are, for each label, name and value as texts. Neighbouring series differ
//! in few bytes, so only those between a start and an end shared with the series before are
//! written. Damage is found by structure here; checksums are the queue's.

use thiserror::Error;

use super::interner::{KeyKind, LabelInterner};
use super::varint;
use super::{Batch, MetricMetadata};
use crate::{LabelError, Labels, Timestamp};

const VERSION: u8 = 1;
const NANOS: u8 = 0;
const MILLIS: u8 = 1;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// At most this much is shared at the start, and at the end. It bounds how much longer than the
/// record its labels can be, whatever the bytes are: 510 bytes for each 4.
const MAX_SHARED: usize = 255;

/// Shortest series: two shared lengths, own length, number of samples.
const MIN_SERIES_BYTES: usize = 4;

/// Bytes that are not a stored batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoredBatchError {
    /// Written by a newer release.
    #[error("stored batch has version {found}, this release reads up to {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// Something does not fit.
    #[error("stored batch is damaged at byte {offset}: {what}")]
    Damaged {
        /// Position in the record.
        offset: usize,
        /// What was expected there.
        what: &'static str,
    },
    /// Labels that cannot be.
    #[error("stored batch is damaged at byte {offset}")]
    Labels {
        /// Position in the record.
        offset: usize,
        /// Why not.
        source: LabelError,
    },
}

impl Batch {
    /// Appends the batch to `out`, bit for bit, in a compact form that [`decode`](Self::decode)
    /// reads: about 10 bytes a sample and 10 to 20 a series. The form is versioned.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let in_millis = self
            .times
            .iter()
            .all(|time| time.as_nanos() % NANOS_PER_MILLI == 0);
        out.extend([VERSION, if in_millis { MILLIS } else { NANOS }]);
        for count in [self.series.len(), self.values.len(), self.metadata.len()] {
            varint::put(out, count as u64);
        }
        self.encode_series(out);
        let unit = if in_millis { NANOS_PER_MILLI } else { 1 };
        let mut before = 0_i64;
        for time in &self.times {
            let now = time.as_nanos() / unit;
            varint::put(out, varint::zigzag(now.wrapping_sub(before)));
            before = now;
        }
        out.reserve(8 * self.values.len());
        for value in &self.values {
            out.extend(value.to_bits().to_le_bytes());
        }
        for entry in &self.metadata {
            for text in [&entry.metric, &entry.kind, &entry.help, &entry.unit] {
                put_text(out, text);
            }
        }
    }

    fn encode_series(&self, out: &mut Vec<u8>) {
        let (mut before, mut now) = (Vec::new(), Vec::new());
        for (labels, samples) in &self.series {
            now.clear();
            for (name, value) in labels.iter() {
                put_text(&mut now, name);
                put_text(&mut now, value);
            }
            let (start, end) = shared(&before, &now);
            varint::put(out, start as u64);
            varint::put(out, end as u64);
            let own = &now[start..now.len() - end];
            varint::put(out, own.len() as u64);
            out.extend_from_slice(own);
            varint::put(out, samples.len() as u64);
            std::mem::swap(&mut before, &mut now);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; every byte must be used.
    ///
    /// Memory is bounded by the length of `bytes`, about 130 times in the worst case, and a count
    /// that cannot be true is refused before anything is allocated for it.
    ///
    /// # Errors
    ///
    /// [`StoredBatchError`].
    pub fn decode(bytes: &[u8], interner: &mut LabelInterner) -> Result<Self, StoredBatchError> {
        let mut reader = Reader { bytes, at: 0 };
        let version = reader.byte("the version")?;
        if version != VERSION {
            return Err(StoredBatchError::Version { found: version });
        }
        let unit = match reader.byte("the unit of time")? {
            NANOS => 1,
            MILLIS => NANOS_PER_MILLI,
            _ => return Err(reader.damaged("expected a unit of time, 0 or 1")),
        };
        let series = reader.count(MIN_SERIES_BYTES, "the number of series")?;
        let samples = reader.count(9, "the number of samples")?;
        let metadata = reader.count(4, "the number of metadata")?;
        let mut batch = Self::default();
        batch.series.reserve_exact(series);
        reader.series(series, samples, &mut batch, interner)?;
        reader.times(samples, unit, &mut batch)?;
        let values = reader.take(8 * samples, "the values")?;
        let (values, _) = values.as_chunks::<8>();
        let bits = values.iter().map(|bits| u64::from_le_bytes(*bits));
        batch.values.extend(bits.map(f64::from_bits));
        for _ in 0..metadata {
            batch.metadata.push(MetricMetadata {
                metric: reader.text()?.to_owned(),
                kind: reader.text()?.to_owned(),
                help: reader.text()?.to_owned(),
                unit: reader.text()?.to_owned(),
            });
        }
        if reader.at < bytes.len() {
            return Err(reader.damaged("expected the end"));
        }
        Ok(batch)
    }
}

/// How many bytes two neighbours share at the start and, apart from those, at the end.
fn shared(before: &[u8], now: &[u8]) -> (usize, usize) {
    let limit = before.len().min(now.len()).min(MAX_SHARED);
    let start = before[..limit]
        .iter()
        .zip(&now[..limit])
        .take_while(|(a, b)| a == b)
        .count();
    let end = before[start..]
        .iter()
        .rev()
        .zip(now[start..].iter().rev())
        .take(MAX_SHARED)
        .take_while(|(a, b)| a == b)
        .count();
    (start, end)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self, what: &'static str) -> StoredBatchError {
        StoredBatchError::Damaged {
            offset: self.at,
            what,
        }
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, StoredBatchError> {
        self.take(1, what).map(|bytes| bytes[0])
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], StoredBatchError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or_else(|| self.damaged(what))?;
        self.at += len;
        Ok(taken)
    }

    fn number(&mut self, what: &'static str) -> Result<u64, StoredBatchError> {
        let start = self.at;
        varint::get(self.bytes, &mut self.at).ok_or(StoredBatchError::Damaged {
            offset: start,
            what,
        })
    }

    /// A number of things of at least `least` bytes each, which must fit into what is left.
    fn count(&mut self, least: usize, what: &'static str) -> Result<usize, StoredBatchError> {
        let count = self.number(what)?;
        let room = (self.bytes.len() - self.at) / least;
        usize::try_from(count)
            .ok()
            .filter(|&count| count <= room)
            .ok_or_else(|| self.damaged(what))
    }

    fn text(&mut self) -> Result<&'a str, StoredBatchError> {
        let len = self.count(1, "the length of a text")?;
        let text = self.take(len, "a text")?;
        std::str::from_utf8(text).map_err(|_| self.damaged("expected UTF-8"))
    }

    fn series(
        &mut self,
        series: usize,
        samples: usize,
        batch: &mut Batch,
        interner: &mut LabelInterner,
    ) -> Result<(), StoredBatchError> {
        let (mut before, mut now, mut end) = (Vec::<u8>::new(), Vec::new(), 0_usize);
        for _ in 0..series {
            let offset = self.at;
            let shared_start = self.number("the length of the shared start")? as usize;
            let shared_end = self.number("the length of the shared end")? as usize;
            let apart = shared_start <= MAX_SHARED
                && shared_end <= MAX_SHARED
                && shared_start + shared_end <= before.len();
            if !apart {
                return Err(self.damaged("expected no more shared bytes than there are"));
            }
            let own = self.count(1, "the length of the labels")?;
            now.clear();
            now.extend_from_slice(&before[..shared_start]);
            now.extend_from_slice(self.take(own, "the labels")?);
            now.extend_from_slice(&before[before.len() - shared_end..]);
            let labels = interner.get(KeyKind::Stored, &now, || read_labels(&now, offset))?;
            let start = end;
            end = usize::try_from(self.number("the number of samples")?)
                .ok()
                .and_then(|own| start.checked_add(own))
                .filter(|&end| end <= samples)
                .ok_or_else(|| self.damaged("expected no more samples than in all"))?;
            batch.series.push((labels, start..end));
            std::mem::swap(&mut before, &mut now);
        }
        if end == samples {
            Ok(())
        } else {
            Err(self.damaged("expected as many samples as in all series"))
        }
    }

    fn times(
        &mut self,
        samples: usize,
        unit: i64,
        batch: &mut Batch,
    ) -> Result<(), StoredBatchError> {
        batch.times.reserve_exact(samples);
        let mut now = 0_i64;
        for _ in 0..samples {
            now = now.wrapping_add(varint::unzigzag(self.number("a time")?));
            let nanos = now
                .checked_mul(unit)
                .ok_or_else(|| self.damaged("expected a time between the years 1678 and 2261"))?;
            batch.times.push(Timestamp::from_nanos(nanos));
        }
        Ok(())
    }
}

fn read_labels(key: &[u8], offset: usize) -> Result<Labels, StoredBatchError> {
    let mut reader = Reader { bytes: key, at: 0 };
    let mut pairs = Vec::new();
    let mut read = || {
        while reader.at < key.len() {
            pairs.push((reader.text()?, reader.text()?));
        }
        Ok(())
    };
    read().map_err(|_: StoredBatchError| StoredBatchError::Damaged {
        offset,
        what: "expected names and values of labels",
    })?;
    Labels::from_pairs(&mut pairs).map_err(|source| StoredBatchError::Labels { offset, source })
}
