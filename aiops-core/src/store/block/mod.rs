//! Immutable files of samples.
//!
//! ```text
//! header      "AIOPSBLK", format u32, zero u32
//! runs        one for each series, in order of labels: number of chunks; of each the codec, number
//!             of samples and length, and of all but the last how long it lasts and how much later
//!             the next begins; then the bytes of the chunks. Where the first begins and the last
//!             ends is in the directory
//! series      for each run: labels, front-coded against the ones before; number of samples; time of
//!             the latest as the difference to the one before
//! directory   for each run, by fingerprint, in pages of 64: fingerprint as the difference to the one
//!             before on the page, CRC-32C of the labels u32, CRC-32C of the run u32, where it is, its
//!             length, samples, how much later than the block it begins and how much earlier it ends
//! replaces    identifiers of the blocks that this one stands for
//! footer      where the sections are, their CRC-32C, totals; CRC-32C of itself; "AIOPSBLK"
//! ```
//!
//! Numbers of fixed size are little-endian, others as in `varint`. A block is written under
//! another name, synced and renamed, so it is there as a whole or not at all.

mod read;
mod write;

use super::varint::{self, Reader};
use crate::journal::{u32_at, u64_at};

pub(super) use read::{Block, Opened, Run, SeriesInfo};
pub(super) use write::{About, BlockWriter};

const MAGIC: [u8; 8] = *b"AIOPSBLK";
const FORMAT: u32 = 2;
const HEADER_BYTES: u64 = 16;
const FOOTER_BYTES: usize = 104;
/// Entries of the directory that are read at one time.
const PAGE_ENTRIES: usize = 64;
/// Bytes of the shortest entry of the directory.
const LEAST_ENTRY: usize = 14;
/// The codec of [`packed`](super::packed).
const PACKED: u8 = 1;

/// What the name ends with while a block is being written.
const FRESH: &str = ".new";

/// Name of the file of a block.
pub(super) fn file_name(id: u64) -> String {
    format!("{id:020}.block")
}

/// The identifier of the block in the file `name`; `None` for other files.
pub(super) fn id_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".block")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Whether `name` is that of a block whose writing did not end.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(FRESH)
        .is_some_and(|name| id_of(name).is_some())
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    fingerprint: u64,
    /// CRC-32C of the labels, which tells series of one fingerprint apart.
    check: u32,
    len: u32,
    at: u64,
    pub(super) samples: u32,
    crc: u32,
    min: i64,
    max: i64,
}

impl Place {
    /// Appends it; `before` is the fingerprint of the one before on its page, `min` and `max` are
    /// those of the block.
    fn put(&self, before: u64, (min, max): (i64, i64), out: &mut Vec<u8>) {
        varint::put(out, self.fingerprint.wrapping_sub(before));
        out.extend_from_slice(&self.check.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        varint::put(out, self.at);
        varint::put(out, self.len.into());
        varint::put(out, self.samples.into());
        varint::put(out, self.min.wrapping_sub(min) as u64);
        varint::put(out, max.wrapping_sub(self.max) as u64);
    }

    /// The inverse of [`put`](Self::put).
    fn read(bytes: &mut Reader<'_>, before: u64, (min, max): (i64, i64)) -> Option<Self> {
        Some(Self {
            fingerprint: before.wrapping_add(bytes.number()?),
            check: u32_at(bytes.bytes(4)?, 0),
            crc: u32_at(bytes.bytes(4)?, 0),
            at: bytes.number()?,
            len: u32::try_from(bytes.number()?).ok()?,
            samples: u32::try_from(bytes.number()?).ok()?,
            min: min.wrapping_add(bytes.number()? as i64),
            max: max.wrapping_sub(bytes.number()? as i64),
        })
    }

    /// Appends the entries of a directory, in order of fingerprint.
    fn put_all(places: &[Self], span: (i64, i64), out: &mut Vec<u8>) {
        for page in places.chunks(PAGE_ENTRIES) {
            let mut before = 0;
            for place in page {
                place.put(before, span, out);
                before = place.fingerprint;
            }
        }
    }

    /// Reads the entries of one page.
    fn read_page(bytes: &mut Reader<'_>, entries: usize, span: (i64, i64)) -> Option<Vec<Self>> {
        let mut before = 0;
        let entry = |_| {
            let place = Self::read(bytes, before, span)?;
            before = place.fingerprint;
            Some(place)
        };
        (0..entries).map(entry).collect()
    }
}

/// The last bytes of the file.
#[derive(Clone, Copy, Debug, Default)]
struct Footer {
    series_at: u64,
    series_len: u64,
    series_crc: u32,
    series: u32,
    directory_at: u64,
    directory_crc: u32,
    directory_len: u32,
    replaces: u32,
    replaces_crc: u32,
    samples: u64,
    min: i64,
    max: i64,
    id: u64,
    covers: u64,
}

impl Footer {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(&self.series_at.to_le_bytes());
        out.extend_from_slice(&self.series_len.to_le_bytes());
        out.extend_from_slice(&self.series_crc.to_le_bytes());
        out.extend_from_slice(&self.series.to_le_bytes());
        out.extend_from_slice(&self.directory_at.to_le_bytes());
        out.extend_from_slice(&self.directory_crc.to_le_bytes());
        out.extend_from_slice(&self.replaces.to_le_bytes());
        out.extend_from_slice(&self.replaces_crc.to_le_bytes());
        out.extend_from_slice(&self.directory_len.to_le_bytes());
        out.extend_from_slice(&self.samples.to_le_bytes());
        out.extend_from_slice(&self.min.to_le_bytes());
        out.extend_from_slice(&self.max.to_le_bytes());
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.covers.to_le_bytes());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.extend_from_slice(&MAGIC);
        out
    }

    /// `bytes` are [`FOOTER_BYTES`]. What is wrong, in words, when they are no footer.
    fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes[96..] != MAGIC || crc32c::crc32c(&bytes[..92]) != u32_at(bytes, 92) {
            return Err(Unreadable::Damaged("the end is not what was written"));
        }
        let format = u32_at(bytes, 88);
        if format != FORMAT {
            return Err(Unreadable::Newer(format));
        }
        Ok(Self {
            series_at: u64_at(bytes, 0),
            series_len: u64_at(bytes, 8),
            series_crc: u32_at(bytes, 16),
            series: u32_at(bytes, 20),
            directory_at: u64_at(bytes, 24),
            directory_crc: u32_at(bytes, 32),
            replaces: u32_at(bytes, 36),
            replaces_crc: u32_at(bytes, 40),
            directory_len: u32_at(bytes, 44),
            samples: u64_at(bytes, 48),
            min: u64_at(bytes, 56) as i64,
            max: u64_at(bytes, 64) as i64,
            id: u64_at(bytes, 72),
            covers: u64_at(bytes, 80),
        })
    }
}

/// Why a footer cannot be used.
#[derive(Clone, Copy, Debug)]
enum Unreadable {
    Damaged(&'static str),
    Newer(u32),
}

/// One chunk within a run.
#[derive(Clone, Copy, Debug)]
struct ChunkInfo {
    codec: u8,
    count: u32,
    len: usize,
    first: i64,
    last: i64,
}

impl ChunkInfo {
    /// Bytes of the shortest one.
    const LEAST: usize = 3;

    /// Appends the number of chunks, and what is to be known of each.
    fn put_all(infos: &[Self], out: &mut Vec<u8>) {
        varint::put(out, infos.len() as u64);
        for (index, info) in infos.iter().enumerate() {
            out.push(info.codec);
            varint::put(out, info.count.into());
            varint::put(out, info.len as u64);
            if let Some(next) = infos.get(index + 1) {
                varint::put(out, info.last.wrapping_sub(info.first) as u64);
                varint::put(out, next.first.wrapping_sub(info.last) as u64);
            }
        }
    }

    /// Reads those of a run that begins at `min` and ends at `max`.
    fn read_all(bytes: &mut Reader<'_>, min: i64, max: i64) -> Option<Vec<Self>> {
        let count = bytes.count(Self::LEAST)?;
        let mut infos = Vec::with_capacity(count);
        let mut first = min;
        for index in 0..count {
            let mut info = Self {
                codec: bytes.byte()?,
                count: u32::try_from(bytes.number()?).ok()?,
                len: usize::try_from(bytes.number()?).ok()?,
                first,
                last: max,
            };
            if index + 1 < count {
                info.last = first.wrapping_add(bytes.number()? as i64);
                first = info.last.wrapping_add(bytes.number()? as i64);
            }
            infos.push(info);
        }
        Some(infos)
    }
}
