//! The note of what was released.
//!
//! ```text
//! "AIOPSREL", format u32, offset u64, CRC-32C u32 of what is before it
//! ```

use std::io;
use std::path::Path;

use crate::files::{self, Files};
use crate::journal::{u32_at, u64_at};
use crate::{Damage, StorageError};

const FILE: &str = "released";
const MAGIC: [u8; 8] = *b"AIOPSREL";
const FORMAT: u32 = 1;
const BYTES: usize = 24;

/// What the note says.
pub(super) struct Released {
    /// Records before it are not needed any more.
    pub(super) offset: u64,
    /// Why the note says nothing.
    pub(super) damage: Option<Damage>,
}

pub(super) fn save(files: &dyn Files, folder: &Path, offset: u64) -> Result<(), StorageError> {
    let mut note = Vec::with_capacity(BYTES);
    note.extend_from_slice(&MAGIC);
    note.extend_from_slice(&FORMAT.to_le_bytes());
    note.extend_from_slice(&offset.to_le_bytes());
    note.extend_from_slice(&crc32c::crc32c(&note).to_le_bytes());
    files::replace(files, folder, FILE, &note).map_err(StorageError::io("write", folder.join(FILE)))
}

pub(super) fn load(files: &dyn Files, folder: &Path) -> Result<Released, StorageError> {
    let path = folder.join(FILE);
    let nothing = |damage| Released { offset: 0, damage };
    let file = match files.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(nothing(None)),
        Err(error) => return Err(StorageError::io("open", path)(error)),
    };
    let mut note = [0; BYTES];
    let read = file
        .read_at(&mut note, 0)
        .map_err(StorageError::io("read", &path))?;
    let whole =
        read == BYTES && note[..8] == MAGIC && crc32c::crc32c(&note[..20]) == u32_at(&note, 20);
    if !whole {
        let what = "the note of what was released is not what was written";
        return Ok(nothing(Some(Damage::new(path, 0, what))));
    }
    let format = u32_at(&note, 8);
    if format > FORMAT {
        let what = format!("format {format} is newer than this release, which reads {FORMAT}");
        return Err(Damage::new(path, 8, what).into());
    }
    Ok(Released {
        offset: u64_at(&note, 12),
        damage: None,
    })
}
