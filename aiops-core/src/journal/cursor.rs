//! Reading a segment from one record to the next, and past what is damaged.

use std::io;
use std::ops::Range;

use super::{MAX_RECORD_BYTES, RECORD_HEADER_BYTES, RecordHeader};
use crate::Timestamp;
use crate::files::FileHandle;

/// What a [`Cursor`] finds next.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A whole record.
    Record {
        /// Its offset.
        offset: u64,
        /// Position of its header.
        position: u64,
        /// Its time of receipt.
        at: Timestamp,
        /// Its contents.
        bytes: &'a [u8],
    },
    /// Damage, with a whole record behind it.
    Gap {
        /// Position of the first damaged byte.
        position: u64,
        /// Offsets of the records that are lost.
        lost: Range<u64>,
    },
    /// No whole record from this position to the end.
    Rest {
        /// Position of the first byte that is not part of a whole record.
        position: u64,
    },
    /// The end, right behind a whole record.
    End,
}

/// Walks over the records of a segment.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    window: Window<'a>,
    position: u64,
    expected: u64,
}

impl<'a> Cursor<'a> {
    /// Starts at `position`, where the record of offset `expected` should be. Nothing from `end`
    /// on is looked at; `ahead` bytes are read at one time.
    pub(crate) fn new(
        file: &'a dyn FileHandle,
        position: u64,
        expected: u64,
        end: u64,
        ahead: usize,
    ) -> Self {
        let window = Window {
            file,
            end,
            ahead,
            start: position,
            bytes: Vec::new(),
        };
        Self {
            window,
            position,
            expected,
        }
    }

    /// The next step.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let position = self.position;
        if position >= self.window.end {
            return Ok(Step::End);
        }
        let Some(header) = self.record_at(position, 0)? else {
            return self.past_damage();
        };
        self.position += header.size();
        self.expected = header.offset + 1;
        let record = self.window.bytes(position, header.size() as usize)?;
        Ok(Step::Record {
            offset: header.offset,
            position,
            at: header.at,
            bytes: &record[RECORD_HEADER_BYTES..],
        })
    }

    /// Looks for the next whole record behind the damage at the present position.
    fn past_damage(&mut self) -> io::Result<Step<'_>> {
        let damaged = self.position;
        let most = (self.window.end - damaged) / RECORD_HEADER_BYTES as u64 + 1;
        for position in damaged + 1..self.window.end {
            let found = self.record_at(position, most)?;
            if let Some(header) = found {
                let lost = self.expected..header.offset;
                self.position = position;
                self.expected = header.offset;
                return Ok(Step::Gap {
                    position: damaged,
                    lost,
                });
            }
        }
        self.position = self.window.end;
        Ok(Step::Rest { position: damaged })
    }

    /// The whole record at `position`, if its offset is the expected one or at most `most` above.
    fn record_at(&mut self, position: u64, most: u64) -> io::Result<Option<RecordHeader>> {
        let left = self.window.end - position;
        if left < RECORD_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let header = RecordHeader::parse(self.window.bytes(position, RECORD_HEADER_BYTES)?);
        let plausible = header.len <= MAX_RECORD_BYTES
            && header.size() <= left
            && header.offset >= self.expected
            && header.offset - self.expected <= most;
        if !plausible {
            return Ok(None);
        }
        let record = self.window.bytes(position, header.size() as usize)?;
        Ok((crc32c::crc32c(&record[4..]) == header.crc).then_some(header))
    }
}

/// A part of a file in memory.
#[derive(Debug)]
struct Window<'a> {
    file: &'a dyn FileHandle,
    end: u64,
    ahead: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `len` bytes at `position`, which lie before the end.
    fn bytes(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        let inside =
            position >= self.start && position + len as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.fill(position, len)?;
        }
        let from = (position - self.start) as usize;
        Ok(&self.bytes[from..from + len])
    }

    fn fill(&mut self, position: u64, len: usize) -> io::Result<()> {
        let wanted = (self.end - position).min(self.ahead.max(len) as u64) as usize;
        self.start = position;
        self.bytes.resize(wanted, 0);
        let read = self.file.read_at(&mut self.bytes, position)?;
        if read < wanted {
            self.bytes.clear();
            let what = format!("the file ends {} bytes early", wanted - read);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        Ok(())
    }
}
