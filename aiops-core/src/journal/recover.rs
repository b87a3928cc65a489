//! Opening a journal after whatever has happened to it.

use std::path::Path;
use std::sync::Arc;

use super::segment::first_of;
use super::{HEADER_BYTES, Segment, Step};
use crate::files::Files;
use crate::{Damage, StorageError, Timestamp};

/// Bytes that are read at one time.
const AHEAD: usize = 1 << 20;

/// A segment and what of it counts.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) segment: Arc<Segment>,
    /// Bytes that count; there may be more in the file.
    pub(crate) size: u64,
    /// One past the offset of the last record that counts.
    pub(crate) end: u64,
}

/// What is left of a journal.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// In order of offsets.
    pub(crate) segments: Vec<Held>,
    /// Places that are not what was written.
    pub(crate) damage: Vec<Damage>,
    /// A record at the end that had not been written as a whole, which was cut off.
    pub(crate) cut: Option<Damage>,
}

/// Removes the segments in `folder` that end before offset `from`, and shows every whole record of
/// the others to `visit`. A torn end of the last one is cut off.
pub(crate) fn recover(
    files: &dyn Files,
    folder: &Path,
    from: u64,
    visit: &mut dyn FnMut(u64, Timestamp, &[u8]),
) -> Result<Recovered, StorageError> {
    let names = files
        .list(folder)
        .map_err(StorageError::io("list", folder))?;
    let firsts: Vec<u64> = names.iter().filter_map(|name| first_of(name)).collect();
    let mut recovered = Recovered::default();
    for (index, &first) in firsts.iter().enumerate() {
        let next = firsts.get(index + 1).copied();
        let segment = Segment::open(files, folder, first)
            .map_err(StorageError::io("open a segment of", folder))?;
        if next.is_some_and(|next| next <= from) {
            files
                .remove(&segment.path)
                .map_err(StorageError::io("remove", &segment.path))?;
            continue;
        }
        recovered.segment(files, folder, segment, next, visit)?;
    }
    recovered.settle(files, folder)?;
    let beyond = recovered
        .segments
        .last()
        .is_some_and(|held| held.end < from);
    if beyond {
        // Everything is older than what is wanted, so the next record begins a segment.
        for held in recovered.segments.drain(..) {
            files
                .remove(&held.segment.path)
                .map_err(StorageError::io("remove", &held.segment.path))?;
        }
        recovered.damage.clear();
    }
    Ok(recovered)
}

impl Recovered {
    /// What was read may not have been synced by the process that wrote it. Only the last segment
    /// is in doubt: none is begun before the one before it is durable.
    fn settle(&self, files: &dyn Files, folder: &Path) -> Result<(), StorageError> {
        let Some(last) = self.segments.last() else {
            return Ok(());
        };
        let path = &last.segment.path;
        last.segment
            .rewrite(last.size)
            .map_err(StorageError::io("write to", path))?;
        files
            .sync_folder(folder)
            .map_err(StorageError::io("sync", folder))
    }

    /// Reads one segment; `next` is the first offset of the one behind it.
    fn segment(
        &mut self,
        files: &dyn Files,
        folder: &Path,
        segment: Segment,
        next: Option<u64>,
        visit: &mut dyn FnMut(u64, Timestamp, &[u8]),
    ) -> Result<(), StorageError> {
        let path = segment.path.clone();
        let size = segment
            .file
            .size()
            .map_err(StorageError::io("read", &path))?;
        let first = segment.first;
        let header = segment.check_header()?;
        let mut held = Held {
            size: HEADER_BYTES,
            end: first,
            segment: Arc::new(segment),
        };
        let segment = held.segment.clone();
        let mut cursor = segment.cursor(first, size, AHEAD);
        // What follows the first offset of the next segment was given up after a failed sync.
        while next.is_none_or(|next| held.end < next) {
            match cursor.step().map_err(StorageError::io("read", &path))? {
                Step::Record {
                    offset,
                    position,
                    at,
                    bytes,
                } => {
                    held.end = offset + 1;
                    held.size = position + (super::RECORD_HEADER_BYTES + bytes.len()) as u64;
                    segment.mark(offset, position);
                    visit(offset, at, bytes);
                }
                Step::Gap { position, lost } => {
                    let lost = lost.start..next.map_or(lost.end, |next| lost.end.min(next));
                    held.end = lost.end;
                    self.damaged(&segment, position, &lost);
                }
                Step::Rest { position } => {
                    if next.is_none() {
                        self.cut(&segment, position, size)?;
                    }
                    break;
                }
                Step::End => break,
            }
        }
        if let Some(next) = next.filter(|&next| held.end < next) {
            let end = held.end;
            self.damaged(&segment, held.size.min(size), &(end..next));
            held.end = next;
        }
        if next.is_none() && held.end == first {
            // It was just begun; its header may be torn too.
            held.segment = Segment::create(files, folder, first)
                .map(Arc::new)
                .map_err(StorageError::io("write to", &path))?;
        } else {
            self.damage.extend(header);
        }
        self.segments.push(held);
        Ok(())
    }

    fn damaged(&mut self, segment: &Segment, position: u64, lost: &std::ops::Range<u64>) {
        self.damage.push(lost_records(segment, position, lost));
    }

    fn cut(&mut self, segment: &Segment, position: u64, size: u64) -> Result<(), StorageError> {
        segment
            .file
            .set_size(position)
            .and_then(|()| segment.file.sync())
            .map_err(StorageError::io("cut the torn end of", &segment.path))?;
        let what = format!("{} bytes of a torn record were cut off", size - position);
        self.cut = Some(Damage::new(&segment.path, position, what));
        Ok(())
    }
}

/// How the loss of records is told.
pub(crate) fn lost_records(
    segment: &Segment,
    position: u64,
    lost: &std::ops::Range<u64>,
) -> Damage {
    let what = if lost.is_empty() {
        "bytes between two records; no record is lost".to_owned()
    } else {
        format!("records {}..{} are lost", lost.start, lost.end)
    };
    Damage::new(&segment.path, position, what)
}
