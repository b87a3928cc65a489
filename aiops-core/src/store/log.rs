//! The log of the durable store: what is in memory and not yet in a block. It is a journal whose
//! records are batches.
//!
//! ```text
//! record   number of definitions; of each the series' number and its labels
//!          number of samples; of each the differences of number and time to the sample before, and
//!          the value's bytes in reverse order, so that round numbers are short
//! ```
//!
//! Each file defines the series that occur in it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{Accepted, Catalog};
use super::label_bytes;
use super::varint::{self, Reader};
use crate::files::{self, Files};
use crate::journal::{self, HEADER_BYTES, Held, Segment};
use crate::{Labels, StorageError, Timestamp};

/// Bytes that are gathered before they go to the operating system.
pub(super) const WRITE_BYTES: usize = 1 << 20;
/// Samples of one record.
const RECORD_SAMPLES: usize = 64 << 10;

/// Writes the log.
#[derive(Debug)]
pub(super) struct Log {
    files: Arc<dyn Files>,
    folder: PathBuf,
    segment: Option<Held>,
    /// Counts the files, from 1.
    part: u32,
    /// Offset of the next record.
    next: u64,
    /// Records that have not gone to the operating system.
    buffer: Vec<u8>,
    buffered: u64,
    /// Whether something was not written: then only a new block makes the samples durable.
    failure: Option<(&'static str, io::Error)>,
    /// Files that hold what is in memory, and their sizes.
    live: Vec<(PathBuf, u64)>,
    /// Files whose samples are being written to blocks, and their sizes.
    sealed: Vec<(PathBuf, u64)>,
    /// Files that are not needed any more.
    dead: Vec<PathBuf>,
    synced: bool,
}

impl Log {
    /// Goes on behind what was recovered.
    pub(super) fn new(files: Arc<dyn Files>, folder: &Path, held: &[Held], next: u64) -> Self {
        let live = held
            .iter()
            .map(|held| (held.segment.path.clone(), held.size));
        Self {
            files,
            folder: folder.to_owned(),
            segment: None,
            part: 1,
            next,
            buffer: Vec::new(),
            buffered: 0,
            failure: None,
            live: live.collect(),
            sealed: Vec::new(),
            dead: Vec::new(),
            synced: true,
        }
    }

    /// Offset of the next record.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes of the files.
    pub(super) fn size(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|(_, size)| size).sum();
        sealed + self.open_size()
    }

    /// Bytes of the files whose samples are not yet being written to blocks.
    pub(super) fn open_size(&self) -> u64 {
        let growing = self.segment.as_ref().map_or(0, |held| held.size);
        let live: u64 = self.live.iter().map(|(_, size)| size).sum();
        live + growing + self.buffer.len() as u64
    }

    /// Whether only a new block makes the samples durable.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Adds the samples of one batch.
    pub(super) fn add(&mut self, accepted: &[Accepted], catalog: &mut Catalog) {
        if accepted.is_empty() || self.has_failed() {
            return;
        }
        self.synced = false;
        for some in accepted.chunks(RECORD_SAMPLES) {
            let record = encode(some, catalog, self.part);
            if record.len() > journal::MAX_RECORD_BYTES {
                // Label sets of megabytes; a block can hold them.
                self.failure = Some(("write to", io::ErrorKind::FileTooLarge.into()));
                return;
            }
            journal::encode(&mut self.buffer, self.next, Timestamp::EPOCH, &record);
            self.next += 1;
            self.buffered += 1;
            if self.buffer.len() >= WRITE_BYTES {
                self.write();
            }
        }
    }

    /// Gives what is gathered to the operating system.
    fn write(&mut self) {
        if self.buffer.is_empty() || self.has_failed() {
            return;
        }
        let first = self.next - self.buffered;
        let written = self.write_from(first);
        self.buffer.clear();
        self.buffered = 0;
        self.failure = written.err().map(|error| ("write to", error));
    }

    fn write_from(&mut self, first: u64) -> io::Result<()> {
        let held = match &mut self.segment {
            Some(held) => held,
            none => {
                let segment = Segment::create(self.files.as_ref(), &self.folder, first)?;
                // One without records has the name of its follower.
                for files in [&mut self.live, &mut self.sealed] {
                    files.retain(|(path, _)| *path != segment.path);
                }
                self.dead.retain(|path| *path != segment.path);
                none.insert(Held {
                    segment: Arc::new(segment),
                    size: HEADER_BYTES,
                    end: first,
                })
            }
        };
        held.segment.file.write_at(&self.buffer, held.size)?;
        held.size += self.buffer.len() as u64;
        held.end = self.next;
        Ok(())
    }

    /// Makes everything added so far durable.
    pub(super) fn sync(&mut self) -> Result<(), StorageError> {
        self.write();
        if self.synced && !self.has_failed() {
            return Ok(());
        }
        if let (Some(held), None) = (&self.segment, &self.failure) {
            let synced = held.segment.file.sync();
            let synced = synced.and_then(|()| self.files.sync_folder(&self.folder));
            self.failure = synced.err().map(|error| ("sync", error));
        }
        if let Some((action, error)) = &self.failure {
            return Err(StorageError::io(action, &self.folder)(files::copy_of(
                error,
            )));
        }
        self.synced = true;
        Ok(())
    }

    /// Goes on in another file, while what was added so far is written to blocks; it has to be
    /// synced.
    pub(super) fn seal(&mut self) {
        debug_assert!(self.synced && self.buffered == 0, "{self:?}");
        self.sealed.append(&mut self.live);
        let growing = self.segment.take();
        self.sealed
            .extend(growing.map(|held| (held.segment.path.clone(), held.size)));
        self.part += 1;
    }

    /// What was sealed is in blocks: the files are not needed any more.
    pub(super) fn retire(&mut self) {
        let sealed = self.sealed.drain(..).map(|(path, _)| path);
        self.dead.extend(sealed);
    }

    /// Everything added so far is in blocks: the files are not needed any more.
    pub(super) fn restart(&mut self) {
        self.retire();
        let live = self.live.drain(..).map(|(path, _)| path);
        self.dead.extend(live);
        let growing = self.segment.take();
        self.dead
            .extend(growing.map(|held| held.segment.path.clone()));
        self.buffer.clear();
        self.buffered = 0;
        self.failure = None;
        self.synced = true;
        self.part += 1;
    }

    /// Removes the files that are not needed any more.
    pub(super) fn remove_dead(&mut self) -> Result<(), StorageError> {
        if self.dead.is_empty() {
            return Ok(());
        }
        while let Some(path) = self.dead.last() {
            match self.files.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io("remove", path)(error));
                }
                _ => self.dead.pop(),
            };
        }
        self.files
            .sync_folder(&self.folder)
            .map_err(StorageError::io("sync", &self.folder))
    }
}

fn encode(accepted: &[Accepted], catalog: &mut Catalog, part: u32) -> Vec<u8> {
    let mut defined: Vec<(u32, Labels)> = Vec::new();
    let mut last = None;
    for sample in accepted {
        if last.replace(sample.id) == Some(sample.id) {
            continue;
        }
        if let Some(entry) = catalog.get_mut(sample.id)
            && entry.logged_in != part
        {
            entry.logged_in = part;
            defined.push((sample.id, entry.labels.clone()));
        }
    }
    let mut out = Vec::with_capacity(8 * accepted.len() + 16);
    varint::put(&mut out, defined.len() as u64);
    for (id, labels) in defined {
        varint::put(&mut out, id.into());
        label_bytes::put(&mut out, &labels);
    }
    varint::put(&mut out, accepted.len() as u64);
    let (mut id, mut time) = (0, 0);
    for sample in accepted {
        varint::put_signed(&mut out, i64::from(sample.id) - id);
        varint::put_signed(&mut out, sample.time.wrapping_sub(time));
        varint::put(&mut out, sample.value.swap_bytes());
        (id, time) = (sample.id.into(), sample.time);
    }
    out
}

/// The series that a log has defined, by their numbers there.
pub(super) type Defined = HashMap<u64, Labels>;

/// Reads the definitions of a record, which later ones in the same file need; answers the rest.
/// `None` when the record is not one of ours.
pub(super) fn define<'a>(record: &'a [u8], defined: &mut Defined) -> Option<Reader<'a>> {
    let mut record = Reader::new(record);
    for _ in 0..record.count(2)? {
        let id = record.number()?;
        defined.insert(id, label_bytes::read(&mut record)?);
    }
    Some(record)
}

/// Shows the samples of a record to `insert`; `None` when the record is not one of ours, or belongs
/// to a series whose definition is lost.
pub(super) fn replay(
    mut record: Reader<'_>,
    defined: &Defined,
    insert: &mut dyn FnMut(&Labels, i64, u64),
) -> Option<()> {
    let (mut id, mut time, mut known) = (0_i64, 0_i64, true);
    for _ in 0..record.count(3)? {
        id = id.checked_add(record.signed()?)?;
        time = time.wrapping_add(record.signed()?);
        let value = record.number()?.swap_bytes();
        match defined.get(&u64::try_from(id).ok()?) {
            Some(labels) => insert(labels, time, value),
            None => known = false,
        }
    }
    known.then_some(())
}
