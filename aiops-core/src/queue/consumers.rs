//! The note of how far each consumer has read.
//!
//! ```text
//! "AIOPSCON", format u32, number of consumers u32; of each the length of the name u32, the name,
//! the offset of the record that it reads next u64; CRC-32C u32 of what is before it
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{LOST_CONSUMERS, MAX_CONSUMERS, MAX_NAME_BYTES};
use crate::files::{self, Files};
use crate::journal::{u32_at, u64_at};
use crate::{Damage, StorageError};

const FILE: &str = "consumers";
const MAGIC: [u8; 8] = *b"AIOPSCON";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 16;
/// Length of a name and offset.
const ENTRY_BYTES: usize = 12;
/// Bytes of the longest note.
const MOST_BYTES: u64 = (HEADER_BYTES + MAX_CONSUMERS * (ENTRY_BYTES + MAX_NAME_BYTES) + 4) as u64;

/// The offset that each consumer reads next.
pub(super) type Places = BTreeMap<String, u64>;

pub(super) fn save(files: &dyn Files, folder: &Path, places: &Places) -> Result<(), StorageError> {
    let mut note = Vec::with_capacity(HEADER_BYTES + 4 + places.len() * (ENTRY_BYTES + 16));
    note.extend_from_slice(&MAGIC);
    note.extend_from_slice(&FORMAT.to_le_bytes());
    note.extend_from_slice(&(places.len() as u32).to_le_bytes());
    for (name, offset) in places {
        note.extend_from_slice(&(name.len() as u32).to_le_bytes());
        note.extend_from_slice(name.as_bytes());
        note.extend_from_slice(&offset.to_le_bytes());
    }
    note.extend_from_slice(&crc32c::crc32c(&note).to_le_bytes());
    files::replace(files, folder, FILE, &note).map_err(StorageError::io("write", folder.join(FILE)))
}

/// The places, and why they are not known: then a consumer that nobody has named stands at the
/// beginning, so that nothing is released that some consumer may not have read.
pub(super) fn load(
    files: &dyn Files,
    folder: &Path,
) -> Result<(Places, Option<Damage>), StorageError> {
    let path = folder.join(FILE);
    let file = match files.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Places::new(), None)),
        Err(error) => return Err(StorageError::io("open", path)(error)),
    };
    let failed = |error| StorageError::io("read", &path)(error);
    let size = file.size().map_err(failed)?;
    let mut note = vec![0; size.min(MOST_BYTES) as usize];
    let read = file.read_at(&mut note, 0).map_err(failed)?;
    note.truncate(read);
    if note.len() >= HEADER_BYTES && note[..8] == MAGIC && u32_at(&note, 8) > FORMAT {
        let format = u32_at(&note, 8);
        let what = format!("format {format} is newer than this release, which reads {FORMAT}");
        return Err(Damage::new(path, 8, what).into());
    }
    if let Some(places) = parse(&note).filter(|_| size <= MOST_BYTES) {
        return Ok((places, None));
    }
    let what = "the note of the consumers is not what was written";
    let places = Places::from([(LOST_CONSUMERS.to_owned(), 0)]);
    Ok((places, Some(Damage::new(path, 0, what))))
}

fn parse(note: &[u8]) -> Option<Places> {
    let (mut rest, crc) = note.split_at_checked(note.len().checked_sub(4)?)?;
    if rest.len() < HEADER_BYTES || rest[..8] != MAGIC || crc32c::crc32c(rest) != u32_at(crc, 0) {
        return None;
    }
    let count = u32_at(rest, 12);
    rest = &rest[HEADER_BYTES..];
    let mut places = Places::new();
    for _ in 0..count {
        let (len, behind) = rest.split_at_checked(4)?;
        let (name, behind) = behind.split_at_checked(u32_at(len, 0) as usize)?;
        let (offset, behind) = behind.split_at_checked(8)?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        places.insert(name, u64_at(offset, 0));
        rest = behind;
    }
    rest.is_empty().then_some(places)
}
