//! A queue whose records survive a crash.

use std::collections::BTreeMap;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::consumers::{self, Places};
use super::released::{self, Released};
use super::{Queue, QueueStats, RecordVisitor};
use crate::files::{self, DamageList, Files, Lock, OsFiles};
use crate::journal::{self, HEADER_BYTES, Held, RECORD_HEADER_BYTES, Segment, Step};
use crate::{Damage, StorageError, Timestamp};

const LOCK: &str = "lock";
/// Smallest segment that is worth a file.
const MIN_SEGMENT_BYTES: u64 = 4 << 10;
/// Bytes that a reader takes in at one time.
const READ_AHEAD: usize = 256 << 10;

/// Parameters of [`DiskQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct DiskQueueConfig {
    /// Bytes on disk and waiting for it, from which on appends are refused.
    pub limit_bytes: u64,
    /// A file that has grown to this many bytes is followed by a new one; at most an eighth of
    /// `limit_bytes` is used.
    pub segment_bytes: u64,
    /// Bytes that may wait in memory for a sync before appends are refused. One record may always
    /// wait. While a sync is under way, as many again are in use.
    pub unsynced_bytes: u64,
}

impl Default for DiskQueueConfig {
    fn default() -> Self {
        Self {
            limit_bytes: 1 << 30,
            segment_bytes: 32 << 20,
            unsynced_bytes: 128 << 20,
        }
    }
}

/// A [`Queue`] in files.
///
/// ```
/// use aiops_core::Timestamp;
/// use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue};
/// use std::ops::ControlFlow;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let queue = DiskQueue::open(path, DiskQueueConfig::default())?;
/// queue.append(Timestamp::EPOCH, b"first")?;
/// queue.sync()?; // from here on it survives a crash, and can be read
/// drop(queue);
///
/// let queue = DiskQueue::open(path, DiskQueueConfig::default())?;
/// let end = queue.read(0, &mut |offset, _received, record| {
///     assert_eq!((offset, record), (0, &b"first"[..]));
///     ControlFlow::Continue(())
/// })?;
/// queue.release(end)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Threads
///
/// Appending copies the record into memory. The first thread that calls [`sync`](Queue::sync) then
/// writes for all that have appended, with one fsync; those that come meanwhile wait for it, and
/// the first of them writes for the next group.
///
/// # Visibility
///
/// A record can be read once it is durable, never before: a consumer cannot have seen what a crash
/// takes back.
///
/// # Failures
///
/// | what happens | what follows |
/// |---|---|
/// | writing or fsync fails, or the disk is full | the calls that wait get the error; nothing that was not durable counts as written: the next sync writes all of it again, to a new file (a second fsync of the old one could succeed without the bytes being there). A record whose sync failed may thus still get in: a sender that tries again must be able to bear it twice |
/// | crash | a record at the end that is not whole is cut off, and named in [`recovery`](DiskQueue::recovery) |
/// | damage in the middle | the records around it are kept. It is named in [`damage`](DiskQueue::damage); the first [`read`](Queue::read) that meets it ends with [`StorageError::Corrupt`], later ones pass over it, and offsets show the gap |
/// | damaged note of what was released | named; reading begins with the oldest file |
/// | damaged note of the consumers | named; [`LOST_CONSUMERS`](super::LOST_CONSUMERS) stands for them at the oldest record |
/// | file of a newer release | [`StorageError::Corrupt`] on opening; nothing is changed |
/// | second process, or second opening in this one | [`StorageError::Locked`] |
///
/// # Not good for
///
/// Consumers that read at very different paces: the slowest holds back what is released.
#[derive(Debug)]
pub struct DiskQueue {
    config: DiskQueueConfig,
    folder: PathBuf,
    files: Arc<dyn Files>,
    state: Mutex<State>,
    flushed: Condvar,
    /// Who has read how far. Held also while records are released, which takes file operations.
    consumers: Mutex<Noted>,
    damage: DamageList,
    recovery: Recovery,
    _lock: Box<dyn Lock>,
}

/// What was found when a [`DiskQueue`] was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// A record at the end that had not been written as a whole, and was cut off.
    pub cut: Option<Damage>,
    /// Places that are not what was written.
    pub damage: Vec<Damage>,
}

#[derive(Debug)]
struct State {
    /// In order of offsets; records are added to the last one.
    segments: Vec<Held>,
    /// Whether the last segment must not be written to again.
    broken: bool,
    start: u64,
    durable: u64,
    /// One past the last record appended.
    next: u64,
    /// Records from `durable` on, encoded; empty while they are being written.
    pending: Vec<u8>,
    /// Bytes that are being written by the thread that leads.
    writing: u64,
    flushing: bool,
    failures: u64,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Noted {
    /// The offset that each consumer reads next.
    places: Places,
    /// Whether the note in the file may be another one, since it could not be written as a whole.
    unsure: bool,
    /// The same of the note of what was released.
    start_unsure: bool,
}

#[derive(Debug)]
struct Failure {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Failure {
    fn to_error(&self) -> StorageError {
        StorageError::io(self.action, &self.path)(files::copy_of(&self.source))
    }
}

impl State {
    fn bytes(&self) -> u64 {
        let held: u64 = self.segments.iter().map(|held| held.size).sum();
        held + self.pending.len() as u64 + self.writing
    }
}

impl DiskQueue {
    /// Opens the queue in `folder`, which is created when it is missing. Reads everything that is
    /// held, about a gigabyte in a second.
    ///
    /// # Errors
    ///
    /// [`StorageError::Locked`] when another process has it open, [`StorageError::Io`],
    /// [`StorageError::Corrupt`] when a newer release has written a file.
    pub fn open(folder: impl AsRef<Path>, config: DiskQueueConfig) -> Result<Self, StorageError> {
        Self::open_in(Arc::new(OsFiles), folder.as_ref(), config)
    }

    pub(crate) fn open_in(
        files: Arc<dyn Files>,
        folder: &Path,
        config: DiskQueueConfig,
    ) -> Result<Self, StorageError> {
        files
            .create_folder(folder)
            .map_err(StorageError::io("create", folder))?;
        let path = folder.join(LOCK);
        let lock = files
            .lock(&path)
            .map_err(StorageError::io("lock", &path))?
            .ok_or(StorageError::Locked { path })?;
        let Released { offset, damage } = released::load(files.as_ref(), folder)?;
        let recovered = journal::recover(files.as_ref(), folder, offset, &mut |_, _, _| {})?;
        let oldest = recovered.segments.first().map(|held| held.segment.first);
        let start = offset.max(oldest.unwrap_or(0));
        let end = recovered.segments.last().map_or(start, |held| held.end);
        let (mut places, unknown) = consumers::load(files.as_ref(), folder)?;
        // The process that wrote the notes may have ended before their names were durable.
        files
            .sync_folder(folder)
            .map_err(StorageError::io("sync", folder))?;
        let mut recovery = Recovery {
            cut: recovered.cut,
            damage: damage.into_iter().chain(unknown).collect(),
        };
        for place in places.values_mut() {
            // What lies before the start was released before its consumer was known.
            *place = (*place).clamp(start, end);
        }
        recovery.damage.extend(recovered.damage.iter().cloned());
        let known = DamageList::default();
        recovered
            .damage
            .into_iter()
            .for_each(|damage| known.note(damage));
        let state = State {
            segments: recovered.segments,
            broken: false,
            start,
            durable: end,
            next: end,
            pending: Vec::new(),
            writing: 0,
            flushing: false,
            failures: 0,
            failure: None,
        };
        Ok(Self {
            config,
            folder: folder.to_owned(),
            files,
            state: Mutex::new(state),
            flushed: Condvar::new(),
            consumers: Mutex::new(Noted {
                places,
                unsure: false,
                start_unsure: false,
            }),
            damage: known,
            recovery,
            _lock: lock,
        })
    }

    /// What was found when it was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Damage in what is held now, in the order in which it was met.
    pub fn damage(&self) -> Vec<Damage> {
        self.damage.all()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes these the places, also after a crash.
    fn note(&self, noted: &mut Noted, places: Places) -> Result<(), StorageError> {
        if noted.start_unsure {
            // The other note may already say that what a consumer wants is released.
            let start = self.offsets().start;
            released::save(self.files.as_ref(), &self.folder, start)?;
            noted.start_unsure = false;
        }
        if noted.unsure || noted.places != places {
            noted.unsure = true;
            consumers::save(self.files.as_ref(), &self.folder, &places)?;
            noted.unsure = false;
            noted.places = places;
        }
        Ok(())
    }

    fn segment_bytes(&self) -> u64 {
        let most = (self.config.limit_bytes / 8).max(MIN_SEGMENT_BYTES);
        self.config.segment_bytes.clamp(MIN_SEGMENT_BYTES, most)
    }

    /// Writes everything that was appended so far, for all threads that wait for it.
    fn flush<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut records = std::mem::take(&mut state.pending);
        let (first, end) = (state.durable, state.next);
        let goes_on = |held: &&Held| held.size < self.segment_bytes();
        let last = state.segments.last().filter(goes_on).cloned();
        let last = last.filter(|_| !state.broken);
        state.flushing = true;
        state.writing = records.len() as u64;
        drop(state);

        let written = self.write(last, first, end, &records);

        let mut state = self.state();
        state.flushing = false;
        state.writing = 0;
        match written {
            Ok(held) => {
                // The segment that was added to, or one that held nothing durable.
                let replaced = |last: &mut Held| last.segment.first == held.segment.first;
                state.segments.pop_if(replaced);
                state.segments.push(held);
                state.broken = false;
                state.durable = end;
                if state.pending.is_empty() {
                    records.clear();
                    state.pending = records;
                }
            }
            Err(failure) => {
                records.append(&mut state.pending);
                state.pending = records;
                state.broken = true;
                state.failures += 1;
                state.failure = Some(failure);
            }
        }
        self.flushed.notify_all();
        state
    }

    /// Adds `records` to the segment `last`, or to a new one, and makes them durable.
    fn write(
        &self,
        last: Option<Held>,
        first: u64,
        end: u64,
        records: &[u8],
    ) -> Result<Held, Failure> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Failure {
                action,
                path,
                source,
            }
        };
        let fresh = last.is_none();
        let held = match last {
            Some(held) => held,
            None => Segment::create(self.files.as_ref(), &self.folder, first)
                .map(|segment| Held {
                    segment: Arc::new(segment),
                    size: HEADER_BYTES,
                    end: first,
                })
                .map_err(failed("create a segment in", &self.folder))?,
        };
        let path = &held.segment.path;
        let file = held.segment.file.as_ref();
        let undone = |source| {
            // Best effort, so that the bytes are not read back after a restart of the process.
            let _ = file.set_size(held.size);
            source
        };
        file.write_at(records, held.size)
            .map_err(undone)
            .map_err(failed("write to", path))?;
        file.sync().map_err(undone).map_err(failed("sync", path))?;
        if fresh {
            self.files
                .sync_folder(&self.folder)
                .map_err(failed("sync", &self.folder))?;
        }
        mark(&held, records);
        Ok(Held {
            size: held.size + records.len() as u64,
            end,
            ..held
        })
    }

    /// The segments with records from `from` on.
    fn segments_from(&self, from: u64) -> Result<Vec<Held>, StorageError> {
        let state = self.state();
        if !(state.start..=state.durable).contains(&from) {
            return Err(StorageError::NoSuchOffset {
                wanted: from,
                first: state.start,
                end: state.durable,
            });
        }
        let wanted = state.segments.iter().filter(|held| held.end > from);
        Ok(wanted.cloned().collect())
    }

    /// Reads one segment from offset `next` on, which it moves; answers whether to go on.
    fn read_segment(
        &self,
        held: &Held,
        next: &mut u64,
        visit: &mut RecordVisitor<'_>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let segment = &held.segment;
        let failed = |source| StorageError::io("read", &segment.path)(source);
        let size = segment.file.size().map_err(failed)?.min(held.size);
        let mut cursor = segment.cursor(*next, size, READ_AHEAD);
        while *next < held.end {
            let (position, lost) = match cursor.step().map_err(failed)? {
                Step::Record { offset, .. } if offset < *next => continue,
                Step::Record {
                    offset, at, bytes, ..
                } => {
                    *next = offset + 1;
                    if visit(offset, at, bytes).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    continue;
                }
                Step::Gap { lost, .. } if !lost.is_empty() && lost.end <= *next => continue,
                Step::Gap { position, lost } => (position, lost),
                Step::Rest { position } => (position, *next..held.end),
                Step::End => (size, *next..held.end),
            };
            self.damage
                .meet(journal::lost_records(segment, position, &lost))?;
            *next = lost.end.clamp(*next, held.end);
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Remembers the places of some of the records that were written behind `held`.
fn mark(held: &Held, records: &[u8]) {
    let mut at = 0;
    let mut offset = held.end;
    while at < records.len() {
        held.segment.mark(offset, held.size + at as u64);
        at += RECORD_HEADER_BYTES + journal::u32_at(records, at + 4) as usize;
        offset += 1;
    }
}

impl Queue for DiskQueue {
    fn append(&self, at: Timestamp, record: &[u8]) -> Result<u64, StorageError> {
        let full = |what, limit| Err(StorageError::Full { what, limit });
        if record.len() > journal::MAX_RECORD_BYTES {
            return full(super::RECORD, journal::MAX_RECORD_BYTES as u64);
        }
        let size = (RECORD_HEADER_BYTES + record.len()) as u64;
        let mut state = self.state();
        if state.bytes() + size > self.config.limit_bytes {
            return full(super::FULL, self.config.limit_bytes);
        }
        let waiting = state.pending.len() as u64;
        if waiting > 0 && waiting + size > self.config.unsynced_bytes {
            return full(super::UNSYNCED, self.config.unsynced_bytes);
        }
        let offset = state.next;
        journal::encode(&mut state.pending, offset, at, record);
        state.next += 1;
        Ok(offset)
    }

    fn sync(&self) -> Result<u64, StorageError> {
        let mut state = self.state();
        let (target, failures) = (state.next, state.failures);
        loop {
            if state.durable >= target {
                return Ok(target);
            }
            if let Some(failure) = state.failure.as_ref().filter(|_| state.failures > failures) {
                return Err(failure.to_error());
            }
            state = if state.flushing {
                self.flushed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.flush(state)
            };
        }
    }

    fn read(&self, from: u64, visit: &mut RecordVisitor<'_>) -> Result<u64, StorageError> {
        let mut next = from;
        for held in self.segments_from(from)? {
            if self.read_segment(&held, &mut next, visit)?.is_break() {
                break;
            }
        }
        Ok(next)
    }

    fn release(&self, before: u64) -> Result<(), StorageError> {
        let mut noted = self.noted();
        let unread = noted.places.values().min().copied();
        let before = {
            let state = self.state();
            let before = before.min(state.durable).min(unread.unwrap_or(u64::MAX));
            if before <= state.start {
                return Ok(());
            }
            before
        };
        noted.start_unsure = true;
        released::save(self.files.as_ref(), &self.folder, before)?;
        noted.start_unsure = false;
        let mut state = self.state();
        state.start = before;
        let all = before == state.durable && !state.flushing;
        let last = state.segments.last().map(|held| held.segment.first);
        // The last file stays as long as it can grow, even when all of it is released.
        let grows = |held: &Held| {
            Some(held.segment.first) == last && !(all && held.size >= self.segment_bytes())
        };
        let unneeded = |held: &mut Held| held.end <= before && !grows(held);
        let old: Vec<Held> = state.segments.extract_if(.., unneeded).collect();
        drop(state);
        for held in old {
            let path = &held.segment.path;
            self.damage.forget(path);
            self.files
                .remove(path)
                .map_err(StorageError::io("remove", path))?;
        }
        Ok(())
    }

    fn commit(&self, consumer: &str, next: u64) -> Result<(), StorageError> {
        let mut noted = self.noted();
        let places = super::committed(&noted.places, &self.offsets(), consumer, next)?;
        self.note(&mut noted, places)
    }

    fn forget(&self, consumer: &str) -> Result<(), StorageError> {
        let mut noted = self.noted();
        let mut places = noted.places.clone();
        places.remove(consumer);
        self.note(&mut noted, places)
    }

    fn consumers(&self) -> BTreeMap<String, u64> {
        self.noted().places.clone()
    }

    fn offset_of_last(&self, bytes: u64) -> u64 {
        let state = self.state();
        let mut left = bytes;
        let mut first = state.durable;
        for held in state.segments.iter().rev() {
            let Some(rest) = left.checked_sub(held.size) else {
                break;
            };
            (left, first) = (rest, held.segment.first);
        }
        first.max(state.start)
    }

    fn offsets(&self) -> Range<u64> {
        let state = self.state();
        state.start..state.durable
    }

    fn stats(&self) -> QueueStats {
        let state = self.state();
        QueueStats {
            records: state.next - state.start,
            bytes: state.bytes(),
            limit_bytes: self.config.limit_bytes,
        }
    }
}
