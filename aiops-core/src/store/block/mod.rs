//! Immutable files of samples.
//!
//! ```text
//! header      "AIOPSBLK", format u32, zero u32
//! runs        one for each series, in order of labels: number of chunks; of each the codec, number
//!             of samples and length, and of all but the last how long it lasts and how much later
//!             the next begins; then the bytes of the chunks. Where the first begins and the last
//!             ends is in the directory
//! series      for each run: labels, front-coded against the ones before; number of samples; time of
//!             the latest
//! directory   for each run, by fingerprint: where it is, its CRC-32C, its range of time
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
const ENTRY_BYTES: usize = 48;
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
struct Place {
    fingerprint: u64,
    /// CRC-32C of the labels, which tells series of one fingerprint apart.
    check: u32,
    len: u32,
    at: u64,
    samples: u32,
    crc: u32,
    min: i64,
    max: i64,
}

impl Place {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
        out.extend_from_slice(&self.check.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.samples.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.min.to_le_bytes());
        out.extend_from_slice(&self.max.to_le_bytes());
    }

    /// `bytes` are [`ENTRY_BYTES`].
    fn parse(bytes: &[u8]) -> Self {
        Self {
            fingerprint: u64_at(bytes, 0),
            check: u32_at(bytes, 8),
            len: u32_at(bytes, 12),
            at: u64_at(bytes, 16),
            samples: u32_at(bytes, 24),
            crc: u32_at(bytes, 28),
            min: u64_at(bytes, 32) as i64,
            max: u64_at(bytes, 40) as i64,
        }
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
        out.extend_from_slice(&[0; 4]);
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
