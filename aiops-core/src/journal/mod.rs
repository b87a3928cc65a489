//! Records one after another in files: what the durable queue and the log of the durable store
//! are made of.
//!
//! ```text
//! segment   "AIOPSLOG", format u32, first offset u64, CRC-32C u32 of what is before it; records
//! record    CRC-32C u32 of what follows it; length u32, offset u64, time of receipt i64, bytes
//! ```
//!
//! All numbers are little-endian. A record carries its offset, so that the next whole record is
//! recognised behind a damaged one.

mod cursor;
mod recover;
mod segment;

use crate::Timestamp;

pub(crate) use cursor::{Cursor, Step};
pub(crate) use recover::{Held, lost_records, recover};
pub(crate) use segment::{HEADER_BYTES, Segment};

/// Bytes of a record before its contents.
pub(crate) const RECORD_HEADER_BYTES: usize = 24;
/// Longest record that is written, and the longest that is believed when reading.
pub(crate) const MAX_RECORD_BYTES: usize = 64 << 20;

/// Appends a record to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, offset: u64, at: Timestamp, record: &[u8]) {
    let start = out.len();
    out.reserve(RECORD_HEADER_BYTES + record.len());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(record.len() as u32).to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&at.as_nanos().to_le_bytes());
    out.extend_from_slice(record);
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The fields before the contents of a record.
#[derive(Clone, Copy)]
struct RecordHeader {
    crc: u32,
    len: usize,
    offset: u64,
    at: Timestamp,
}

impl RecordHeader {
    /// `bytes` are [`RECORD_HEADER_BYTES`].
    fn parse(bytes: &[u8]) -> Self {
        Self {
            crc: u32_at(bytes, 0),
            len: u32_at(bytes, 4) as usize,
            offset: u64_at(bytes, 8),
            at: Timestamp::from_nanos(u64_at(bytes, 16) as i64),
        }
    }

    fn size(&self) -> u64 {
        (RECORD_HEADER_BYTES + self.len) as u64
    }
}

/// Reads a little-endian number; the caller has checked the length.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// Reads a little-endian number; the caller has checked the length.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
