//! From a request body, a scrape or the host to the durable queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use aiops_alert::api::Change;
use aiops_core::ingest::Batch;
use aiops_core::queue::Queue;
use aiops_core::{ChangeEvent, StorageError, Timestamp};

use crate::alerting;
use crate::counters::Counters;
use crate::record;

/// The way into the queue, shared by everything that collects.
pub struct Intake {
    queue: Arc<dyn Queue>,
    counters: Arc<Counters>,
    arrived: (Mutex<bool>, Condvar),
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("queue", &self.queue.stats())
            .finish()
    }
}

impl Intake {
    /// Puts into `queue`, counts into `counters`.
    pub fn new(queue: Arc<dyn Queue>, counters: Arc<Counters>) -> Self {
        Self {
            queue,
            counters,
            arrived: (Mutex::new(false), Condvar::new()),
        }
    }

    /// The queue behind it.
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Keeps the samples; they survive a crash once this returns.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; the samples are then refused, and counted so.
    pub fn samples(&self, source: &str, now: Timestamp, batch: &Batch) -> Result<(), StorageError> {
        let count = batch.sample_count() as u64;
        self.record(source, now, &record::samples(batch), count)
    }

    /// Keeps a change event; it survives a crash once this returns.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; the event is then refused, and counted so.
    pub fn change(&self, now: Timestamp, change: &ChangeEvent) -> Result<(), StorageError> {
        self.keep(now, &record::change(change))
            .map(|_| ())
            .inspect_err(|error| self.counters.refuse(reason(error), 1))
    }

    /// Keeps a record, made by [`record`], of so many samples, lines or spans; it survives a crash
    /// once this returns.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; what is in it is then refused, and counted so.
    pub fn record(
        &self,
        source: &str,
        now: Timestamp,
        record: &[u8],
        count: u64,
    ) -> Result<(), StorageError> {
        self.keep(now, record)
            .inspect_err(|error| self.counters.refuse(reason(error), count))?;
        self.counters.receive(source, count, now);
        Ok(())
    }

    /// Keeps alerts or a silence; they survive a crash once this returns. Answers their place in
    /// the queue.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; they are then refused, and counted so.
    pub fn alerting(&self, now: Timestamp, change: &Change) -> Result<u64, StorageError> {
        self.keep(now, &alerting::encode(change))
            .inspect_err(|error| self.counters.refuse(reason(error), 1))
    }

    fn keep(&self, now: Timestamp, record: &[u8]) -> Result<u64, StorageError> {
        let kept = self.queue.append(now, record);
        let kept = kept.and_then(|place| self.queue.sync().map(|_| place));
        let full = matches!(kept, Err(StorageError::Full { .. }));
        let trouble = kept.as_ref().err().filter(|_| !full).map(describe);
        self.counters.storage(trouble);
        let mut arrived = self
            .arrived
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *arrived = true;
        self.arrived.1.notify_one();
        kept
    }

    /// Waits until something has arrived since the last call, at most for `patience`.
    pub fn wait(&self, patience: Duration) {
        let (lock, signal) = &self.arrived;
        let arrived = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut arrived, _) = signal
            .wait_timeout_while(arrived, patience, |arrived| !*arrived)
            .unwrap_or_else(PoisonError::into_inner);
        *arrived = false;
    }
}

/// Under which name a storage failure is counted.
pub fn reason(error: &StorageError) -> &'static str {
    match error {
        StorageError::Full { .. } => "queue.full",
        StorageError::Io { .. } => "disk.io",
        StorageError::Corrupt { .. } => "disk.corrupt",
        _ => "disk.other",
    }
}

/// The error and its causes in one line.
pub fn describe(error: &StorageError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Adds labels to every series of a batch; a label that the series has already moves to
/// `exported_NAME`, as Prometheus does.
pub fn add_labels(batch: &Batch, labels: &BTreeMap<String, String>) -> Batch {
    let mut labelled = Batch::default();
    labelled.metadata.clone_from(&batch.metadata);
    for series in batch.iter() {
        let mut own = series.labels.clone();
        for (name, value) in labels {
            if let Some(theirs) = own.get(name).map(str::to_owned) {
                own = own.with(&format!("exported_{name}"), &theirs);
            }
            own = own.with(name, value);
        }
        labelled.start_series(own);
        for (time, value) in series.times.iter().zip(series.values) {
            labelled.push(*time, *value);
        }
    }
    labelled
}
