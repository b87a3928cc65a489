//! One file of a journal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Cursor, u32_at};
use crate::files::{FileHandle, Files};
use crate::{Damage, StorageError};

const MAGIC: [u8; 8] = *b"AIOPSLOG";
const FORMAT: u32 = 1;
/// Bytes before the first record.
pub(crate) const HEADER_BYTES: u64 = 24;
/// A position is remembered at least this many bytes after the one before.
const MARK_EVERY: u64 = 64 << 10;
/// Bytes that are written again at one time.
const REWRITE_BYTES: usize = 1 << 20;
const ENDING: &str = ".log";

/// A file of records, the first of which has the offset in the file's name.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) first: u64,
    pub(crate) file: Box<dyn FileHandle>,
    /// Offsets and positions of some records, in order.
    marks: Mutex<Vec<(u64, u64)>>,
}

/// The first offset of the segment that is called `name`; `None` for other files.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

impl Segment {
    /// A new file without records, in place of any other of that name.
    pub(crate) fn create(files: &dyn Files, folder: &Path, first: u64) -> io::Result<Self> {
        let path = folder.join(format!("{first:020}{ENDING}"));
        let file = files.create(&path)?;
        file.write_at(&header(first), 0)?;
        Ok(Self::new(path, first, file))
    }

    /// The file of the segment that begins with offset `first`.
    pub(crate) fn open(files: &dyn Files, folder: &Path, first: u64) -> io::Result<Self> {
        let path = folder.join(format!("{first:020}{ENDING}"));
        let file = files.open(&path)?;
        Ok(Self::new(path, first, file))
    }

    fn new(path: PathBuf, first: u64, file: Box<dyn FileHandle>) -> Self {
        Self {
            path,
            first,
            file,
            marks: Mutex::new(Vec::new()),
        }
    }

    /// What is wrong with the header, if anything: the records are read all the same, since the
    /// name says where they begin. Of a file that ends within the header nothing is said. The file
    /// of a newer release is an error.
    pub(crate) fn check_header(&self) -> Result<Option<Damage>, StorageError> {
        let mut found = [0; HEADER_BYTES as usize];
        let read = self
            .file
            .read_at(&mut found, 0)
            .map_err(StorageError::io("read", &self.path))?;
        let expected = header(self.first);
        let right = found
            .iter()
            .zip(&expected)
            .take_while(|(one, other)| one == other);
        let right = right.count();
        if read < found.len() || found[right..].iter().all(|byte| *byte == 0) {
            return Ok(None); // as it should be, or torn
        }
        let whole = crc32c::crc32c(&found[..20]) == u32_at(&found, 20);
        let format = u32_at(&found, 8);
        if whole && found[..8] == MAGIC && format > FORMAT {
            let what = format!("format {format} is newer than this release, which reads {FORMAT}");
            return Err(Damage::new(&self.path, 8, what).into());
        }
        let what = "the header is not what was written; nothing is lost";
        Ok(Some(Damage::new(&self.path, 0, what)))
    }

    /// Writes again what is in the file up to `size`, and syncs it. After a failed sync, what is
    /// read may be in memory only, and count as written nevertheless.
    pub(crate) fn rewrite(&self, size: u64) -> io::Result<()> {
        self.file.write_at(&header(self.first), 0)?;
        let mut buffer = vec![0; REWRITE_BYTES];
        let mut at = HEADER_BYTES;
        while at < size {
            let len = (size - at).min(REWRITE_BYTES as u64) as usize;
            let read = self.file.read_at(&mut buffer[..len], at)?;
            if read < len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.file.write_at(&buffer[..len], at)?;
            at += len as u64;
        }
        self.file.sync()
    }

    /// Remembers where a record is; in order of offsets.
    pub(crate) fn mark(&self, offset: u64, position: u64) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let far = marks
            .last()
            .is_none_or(|(_, last)| position >= last + MARK_EVERY);
        if far {
            marks.push((offset, position));
        }
    }

    /// A cursor that meets the record of `offset` soon, and ends at position `end`.
    pub(crate) fn cursor(&self, offset: u64, end: u64, ahead: usize) -> Cursor<'_> {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = marks.partition_point(|(marked, _)| *marked <= offset);
        let (expected, position) = before
            .checked_sub(1)
            .map_or((self.first, HEADER_BYTES), |index| marks[index]);
        Cursor::new(self.file.as_ref(), position, expected, end, ahead)
    }
}

fn header(first: u64) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}
