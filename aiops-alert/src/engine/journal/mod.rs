//! An engine that survives being killed at any moment.
//!
//! What the engine is told is written down before it acts on it: a few dozen bytes for an alert
//! that goes on, whatever the number of alerts. After a restart the same things are told again to
//! the engine of the last snapshot, and it stands where it stood. So the decision to send is on
//! disk before [`tick`](Journaled::tick) hands out the notification, and its result is as soon as
//! it is reported; what was on its way comes again with the same key.
//!
//! ```
//! use aiops_alert::engine::journal::{JournalFiles, Journaled};
//! use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig};
//! use aiops_core::{Alert, Labels, Timestamp};
//!
//! let folder = tempfile::tempdir()?;
//! let at = |second| Timestamp::from_secs(second).unwrap();
//! let open = || {
//!     let (files, snapshot, journal) = JournalFiles::open(folder.path())?;
//!     let engine = AlertEngine::try_from(EngineConfig::default())?;
//!     Ok::<_, Box<dyn std::error::Error>>(Journaled::open(files, &snapshot, &journal, engine)?.0)
//! };
//!
//! let mut engine = open()?;
//! let labels = Labels::of([("alertname", "DiskFull")])?;
//! engine.receive(at(0), Alert::new(labels, at(0)))?;
//! let sent = engine.tick(at(30))?;
//! drop(engine); // killed before it is known what became of it
//!
//! let mut engine = open()?;
//! let again = engine.tick(at(31))?;
//! assert_eq!(again[0].key, sent[0].key);
//! engine.report_delivery(at(31), &again[0].key, Delivery::Delivered)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Size and time
//!
//! A new snapshot is written, and the journal begins anew, when the journal is larger than the
//! snapshot and than [`LEAST_JOURNAL`]: both together stay below three times what the engine knows,
//! and a restart reads no more than that.
//!
//! # Damage
//!
//! | found | done |
//! |---|---|
//! | no snapshot | the engine that was passed begins |
//! | a snapshot that cannot be read | an error |
//! | a record that is not whole | it and what is behind it is left out, counted in [`Recovery`] |
//! | records older than the snapshot | left out: the program was killed between the two |
//!
//! # Not good for
//!
//! A receiver that does not look at the key: what was sent without its result being written is
//! sent once more.

mod files;
mod record;

use std::collections::HashMap;
use std::io;

use aiops_core::stored::{self, LoadError};
use aiops_core::{Alert, Cause, IncidentId, Labels, Timestamp, Topology};
use thiserror::Error;

use self::record::Record;
use super::{
    Acknowledgement, AlertEngine, ConfigError, Delivery, EngineConfig, Notification, Received,
    Silence, SilenceError, SilenceId,
};

pub use files::JournalFiles;

/// A journal up to this size, in bytes, is not replaced by a snapshot.
pub const LEAST_JOURNAL: u64 = 1 << 20;

/// Where a journal lies.
pub trait JournalStore {
    /// Adds to the journal.
    ///
    /// # Errors
    ///
    /// When it could not be written; a part of it may have been.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// What was added is safe once this returns.
    ///
    /// # Errors
    ///
    /// When it is not known to be.
    fn sync(&mut self) -> io::Result<()>;

    /// Replaces the snapshot as a whole, safely, and after that empties the journal.
    ///
    /// # Errors
    ///
    /// When one of both could not be done. The snapshot must then be the old one or the new one.
    fn replace(&mut self, snapshot: &[u8]) -> io::Result<()>;
}

/// A journal that cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The snapshot does not begin as one.
    #[error("the snapshot has no head of this format")]
    Head,
    /// The engine in the snapshot cannot be read.
    #[error("the snapshot cannot be read")]
    Snapshot(#[from] LoadError),
    /// The store fails.
    #[error("the store fails")]
    Store(#[from] io::Error),
}

/// What was found when a journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Records that were told again to the engine.
    pub replayed: usize,
    /// Records that the snapshot held already.
    pub outdated: usize,
    /// Bytes at the end of the journal that hold no whole record.
    pub damaged_bytes: usize,
}

/// An engine, and the journal of all that it was told.
///
/// When a method fails, the engine was not told: tell it again. (It may have been after a restart,
/// if the record is whole in spite of the failure.)
#[derive(Debug)]
pub struct Journaled<S> {
    engine: AlertEngine,
    store: S,
    /// Number of the last record.
    last: u64,
    /// Labels that were written since the snapshot.
    numbers: HashMap<Labels, u32>,
    journal_bytes: u64,
    snapshot_bytes: u64,
    /// The end of the journal may be a part of a record.
    is_torn: bool,
}

impl<S: JournalStore> Journaled<S> {
    /// Goes on from what `store` holds, read before as `snapshot` and `journal`; `first` is where
    /// there is no snapshot, which is empty then.
    ///
    /// # Errors
    ///
    /// [`JournalError`] for a snapshot that cannot be read, and when the new one, which is written
    /// at once, cannot be.
    pub fn open(
        store: S,
        snapshot: &[u8],
        journal: &[u8],
        first: AlertEngine,
    ) -> Result<(Self, Recovery), JournalError> {
        let (last, engine) = if snapshot.is_empty() {
            (0, first)
        } else {
            let (last, engine) = record::open_snapshot(snapshot).ok_or(JournalError::Head)?;
            (last, stored::load::<Paused>(engine)?.0)
        };
        let mut one = Self {
            engine,
            store,
            last,
            numbers: HashMap::new(),
            journal_bytes: 0,
            snapshot_bytes: 0,
            is_torn: false,
        };
        // Without a snapshot nothing says how the engine was configured.
        let journal = if snapshot.is_empty() { &[] } else { journal };
        let recovery = one.replay(journal);
        one.engine.resume();
        one.compact()?;
        Ok((one, recovery))
    }

    fn replay(&mut self, journal: &[u8]) -> Recovery {
        let mut recovery = Recovery::default();
        let mut labels = Vec::new();
        let mut rest = journal;
        while let Some((number, at, record, length)) = record::decode(rest) {
            if number > self.last + 1 {
                break;
            }
            if let Record::Alert { alert, .. } = &record
                && !self.numbers.contains_key(&alert.labels)
            {
                self.numbers
                    .insert(alert.labels.clone(), labels.len() as u32);
                labels.push(alert.labels.clone());
            }
            if number <= self.last {
                recovery.outdated += 1;
            } else {
                self.last = number;
                apply(&mut self.engine, at, record, &labels);
                recovery.replayed += 1;
            }
            rest = &rest[length..];
        }
        recovery.damaged_bytes = rest.len();
        recovery
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &AlertEngine {
        &self.engine
    }

    /// Where the journal lies.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Bytes of the journal now.
    pub fn journal_bytes(&self) -> u64 {
        self.journal_bytes
    }

    /// Bytes of the latest snapshot.
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }

    /// As [`AlertEngine::receive`]. Safe after [`sync`](Self::sync) or the next
    /// [`tick`](Self::tick) that has something to do; until then the sender should repeat it.
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn receive(&mut self, now: Timestamp, alert: Alert) -> io::Result<Received> {
        self.write_alert(now, None, &alert)?;
        Ok(self.engine.receive(now, alert))
    }

    /// As [`AlertEngine::receive_from`]; safe as in [`receive`](Self::receive).
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn receive_from(
        &mut self,
        now: Timestamp,
        sender: &str,
        alert: Alert,
    ) -> io::Result<Received> {
        self.write_alert(now, Some(sender), &alert)?;
        Ok(self.engine.receive_from(now, sender, alert))
    }

    /// What the engine was told is safe once this returns.
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn sync(&mut self) -> io::Result<()> {
        self.store.sync()
    }

    /// As [`AlertEngine::tick`]; the decisions are safe before they are handed out. Where there is
    /// nothing to do, nothing is written.
    ///
    /// # Errors
    ///
    /// Of the store; then there is nothing to send.
    pub fn tick(&mut self, now: Timestamp) -> io::Result<Vec<Notification>> {
        if !self.engine.is_idle(now) {
            self.write_safely(now, &Record::Tick)?;
        }
        Ok(self.engine.tick(now))
    }

    /// As [`AlertEngine::report_delivery`].
    ///
    /// # Errors
    ///
    /// Of the store; unless it is reported again, the notification comes again.
    pub fn report_delivery(
        &mut self,
        now: Timestamp,
        key: &str,
        delivery: Delivery,
    ) -> io::Result<bool> {
        self.write_safely(now, &Record::delivery(key, delivery))?;
        Ok(self.engine.report_delivery(now, key, delivery))
    }

    /// As [`AlertEngine::add_silence`].
    ///
    /// # Errors
    ///
    /// Of the store; within it, that of the silence.
    pub fn add_silence(
        &mut self,
        now: Timestamp,
        silence: Silence,
    ) -> io::Result<Result<SilenceId, SilenceError>> {
        self.write_safely(now, &Record::AddSilence(silence.clone()))?;
        Ok(self.engine.add_silence(now, silence))
    }

    /// As [`AlertEngine::expire_silence`].
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn expire_silence(&mut self, now: Timestamp, id: SilenceId) -> io::Result<bool> {
        self.write_safely(now, &Record::ExpireSilence(id))?;
        Ok(self.engine.expire_silence(now, id))
    }

    /// As [`AlertEngine::acknowledge`].
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn acknowledge(
        &mut self,
        now: Timestamp,
        id: IncidentId,
        by: Acknowledgement,
    ) -> io::Result<bool> {
        self.write_safely(now, &Record::Acknowledge(id, by.clone()))?;
        Ok(self.engine.acknowledge(now, id, by))
    }

    /// As [`AlertEngine::set_causes`].
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn set_causes(
        &mut self,
        now: Timestamp,
        id: IncidentId,
        causes: Vec<Cause>,
    ) -> io::Result<bool> {
        self.write(now, &Record::Causes(id, causes.clone()))?;
        Ok(self.engine.set_causes(id, causes))
    }

    /// As [`AlertEngine::set_topology`].
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn set_topology(&mut self, now: Timestamp, topology: Topology) -> io::Result<()> {
        self.write(now, &Record::Topology(topology.clone()))?;
        self.engine.set_topology(topology);
        Ok(())
    }

    /// As [`AlertEngine::merge_incidents`].
    ///
    /// # Errors
    ///
    /// Of the store.
    pub fn merge_incidents(
        &mut self,
        now: Timestamp,
        from: IncidentId,
        into: IncidentId,
    ) -> io::Result<bool> {
        self.write_safely(now, &Record::Merge { from, into })?;
        Ok(self.engine.merge_incidents(now, from, into))
    }

    /// Goes on with another configuration, as [`AlertEngine::adopt`] does.
    ///
    /// # Errors
    ///
    /// Of the store; within it, that of the configuration. Either way the old one stays.
    pub fn reconfigure(
        &mut self,
        now: Timestamp,
        config: EngineConfig,
    ) -> io::Result<Result<(), ConfigError>> {
        let mut later = match AlertEngine::try_from(config) {
            Ok(later) => later,
            Err(error) => return Ok(Err(error)),
        };
        later.adopt(now, &self.engine);
        let earlier = std::mem::replace(&mut self.engine, later);
        if let Err(error) = self.compact() {
            self.engine = earlier;
            return Err(error);
        }
        Ok(Ok(()))
    }

    /// Writes a snapshot, with which the journal begins anew.
    ///
    /// # Errors
    ///
    /// Of the store; it is tried again before the next record.
    pub fn compact(&mut self) -> io::Result<()> {
        self.is_torn = true;
        let bytes = record::snapshot(self.last, &stored::save(&self.engine));
        self.store.replace(&bytes)?;
        self.is_torn = false;
        self.numbers.clear();
        self.journal_bytes = 0;
        self.snapshot_bytes = bytes.len() as u64;
        Ok(())
    }

    fn write_alert(
        &mut self,
        now: Timestamp,
        sender: Option<&str>,
        alert: &Alert,
    ) -> io::Result<()> {
        self.make_room()?;
        let sender = sender.map(str::to_owned);
        let known = self.numbers.get(&alert.labels).copied();
        if let Some(number) = known
            && self.engine.says_the_same(alert)
        {
            let (starts_at, ends_at) = (alert.starts_at, alert.ends_at);
            return self.write(
                now,
                &Record::Again {
                    number,
                    starts_at,
                    ends_at,
                    sender,
                },
            );
        }
        let alert = alert.clone();
        let labels = alert.labels.clone();
        self.write(now, &Record::Alert { alert, sender })?;
        if known.is_none() {
            let number = self.numbers.len() as u32;
            self.numbers.insert(labels, number);
        }
        Ok(())
    }

    fn write_safely(&mut self, now: Timestamp, record: &Record) -> io::Result<()> {
        self.make_room()?;
        self.write(now, record)?;
        self.store.sync().inspect_err(|_| self.is_torn = true)
    }

    fn write(&mut self, now: Timestamp, record: &Record) -> io::Result<()> {
        self.make_room()?;
        let bytes = record::encode(self.last + 1, now, record)?;
        // Should it fail, what is behind the last whole record must not be built upon.
        self.is_torn = true;
        self.store.append(&bytes)?;
        self.is_torn = false;
        self.last += 1;
        self.journal_bytes += bytes.len() as u64;
        Ok(())
    }

    fn make_room(&mut self) -> io::Result<()> {
        let is_large = self.journal_bytes > self.snapshot_bytes.max(LEAST_JOURNAL);
        if self.is_torn || is_large {
            self.compact()?;
        }
        Ok(())
    }
}

/// Tells the engine once more what it was told.
fn apply(engine: &mut AlertEngine, at: Timestamp, record: Record, labels: &[Labels]) {
    let receive = |engine: &mut AlertEngine, alert, sender: Option<String>| match sender {
        Some(sender) => engine.receive_from(at, &sender, alert),
        None => engine.receive(at, alert),
    };
    match record {
        Record::Alert { alert, sender } => {
            receive(engine, alert, sender);
        }
        Record::Again {
            number,
            starts_at,
            ends_at,
            sender,
        } => {
            if let Some(labels) = labels.get(number as usize) {
                let alert = engine.said_before(labels, starts_at, ends_at);
                receive(engine, alert, sender);
            }
        }
        Record::Tick => {
            engine.tick(at);
        }
        Record::Delivered { key } => {
            engine.report_delivery(at, &key, Delivery::Delivered);
        }
        Record::Failed { key, retry, after } => {
            engine.report_delivery(at, &key, Delivery::Failed { retry, after });
        }
        Record::AddSilence(silence) => {
            let _ = engine.add_silence(at, silence); // as it was refused then
        }
        Record::ExpireSilence(id) => {
            engine.expire_silence(at, id);
        }
        Record::Acknowledge(id, by) => {
            engine.acknowledge(at, id, by);
        }
        Record::Causes(id, causes) => {
            engine.set_causes(id, causes);
        }
        Record::Topology(topology) => engine.set_topology(topology),
        Record::Merge { from, into } => {
            engine.merge_incidents(at, from, into);
        }
    }
}

/// A stored engine that does not yet try again what was on its way: the journal may say what
/// became of it.
struct Paused(AlertEngine);

impl stored::StoredModel for Paused {
    const KIND: &'static str = AlertEngine::KIND;
    const FORMAT: u32 = AlertEngine::FORMAT;
    type Wire = super::wire::V1;

    fn to_wire(&self) -> Self::Wire {
        self.0.to_wire()
    }

    fn from_wire(format: u32, payload: stored::Payload<'_>) -> Result<Self, LoadError> {
        super::wire::paused(format, payload).map(Self)
    }
}
