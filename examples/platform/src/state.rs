//! What survives a restart: models, rules, incidents, changes, and the place in the queue up to
//! which they know everything. One file, written whole and put in place by a rename, so that it
//! is always one consistent state.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aiops_core::ingest::MetricMetadata;
use aiops_core::prepare::CounterRate;
use aiops_core::stored::{self, LoadError};
use aiops_core::{ChangeEvent, Fingerprint, Labels, StorageError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::pipeline::Pipeline;

const FILE: &str = "state.json";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    format: u32,
    /// The queue's records before this one are in the state.
    offset: u64,
    clock: Timestamp,
    watches: Vec<StoredWatch>,
    metadata: Vec<StoredMetadata>,
    rules: Box<RawValue>,
    engine: Box<RawValue>,
    changes: Vec<ChangeEvent>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredWatch {
    labels: Labels,
    monitor: Option<Box<RawValue>>,
    rate: Option<CounterRate>,
    /// Time of the last sample; its value comes with the next one.
    last: Option<Timestamp>,
    anomalous_since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMetadata {
    metric: String,
    kind: String,
    help: String,
    unit: String,
}

/// The state as bytes. Quick enough to be done while the pipeline waits; writing is not.
pub fn encode(pipeline: &Pipeline, offset: u64) -> Vec<u8> {
    let mut watches: Vec<_> = pipeline.watches.values().collect();
    watches.sort_by_key(|watch| watch.labels.fingerprint());
    let watches = watches
        .into_iter()
        .map(|watch| StoredWatch {
            labels: watch.labels.clone(),
            monitor: watch
                .monitor
                .as_ref()
                .map(|monitor| raw(stored::save(monitor))),
            rate: watch.rate,
            last: watch.last.map(|last| last.time),
            anomalous_since: watch.anomalous_since,
        })
        .collect();
    let state = StateFile {
        format: FORMAT,
        offset,
        clock: pipeline.clock,
        watches,
        metadata: pipeline.all_metadata().map(StoredMetadata::from).collect(),
        rules: raw(stored::save(&pipeline.rules)),
        engine: raw(stored::save(&pipeline.engine)),
        changes: pipeline.changes.iter().cloned().collect(),
    };
    serde_json::to_vec(&state).unwrap_or_else(|error| panic!("the state is JSON: {error}"))
}

impl From<&MetricMetadata> for StoredMetadata {
    fn from(about: &MetricMetadata) -> Self {
        Self {
            metric: about.metric.clone(),
            kind: about.kind.clone(),
            help: about.help.clone(),
            unit: about.unit.clone(),
        }
    }
}

impl From<StoredMetadata> for MetricMetadata {
    fn from(about: StoredMetadata) -> Self {
        Self {
            metric: about.metric,
            kind: about.kind,
            help: about.help,
            unit: about.unit,
        }
    }
}

fn raw(json: Vec<u8>) -> Box<RawValue> {
    String::from_utf8(json)
        .ok()
        .and_then(|text| RawValue::from_string(text).ok())
        .unwrap_or_else(|| panic!("a stored model is JSON"))
}

/// Puts the state in place of the one before.
///
/// # Errors
///
/// [`StorageError::Io`]; the state before is then still in place.
pub fn write(folder: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let (path, fresh) = (folder.join(FILE), folder.join("state.json.new"));
    let mut file = File::create(&fresh).map_err(StorageError::io("create", &fresh))?;
    file.write_all(bytes)
        .map_err(StorageError::io("write to", &fresh))?;
    file.sync_all().map_err(StorageError::io("sync", &fresh))?;
    fs::rename(&fresh, &path).map_err(StorageError::io("put in place", &path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StorageError::io("sync", folder))
}

/// What was found on disk.
#[derive(Debug)]
pub enum Found {
    /// Nothing: a first start.
    Nothing,
    /// A state; processing goes on at this offset of the queue.
    State {
        /// The first record that the state does not know.
        offset: u64,
    },
    /// A file that cannot be used; it was set aside under another name.
    Damaged {
        /// Its new name.
        aside: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Brings the pipeline to the state on disk.
///
/// # Errors
///
/// [`StorageError::Io`] when the file cannot be read or set aside.
pub fn restore(folder: &Path, pipeline: &mut Pipeline) -> Result<Found, StorageError> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StorageError::io("read", &path)(error)),
    };
    match apply(&bytes, pipeline) {
        Ok(offset) => Ok(Found::State { offset }),
        Err(why) => {
            let aside = folder.join("state.json.damaged");
            fs::rename(&path, &aside).map_err(StorageError::io("set aside", &path))?;
            Ok(Found::Damaged { aside, why })
        }
    }
}

fn apply(bytes: &[u8], pipeline: &mut Pipeline) -> Result<u64, String> {
    let state: StateFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if state.format != FORMAT {
        return Err(format!("format {} is not {FORMAT}", state.format));
    }
    let text = |error: LoadError| error.to_string();
    let rules = stored::load(state.rules.get().as_bytes()).map_err(text)?;
    let engine = stored::load(state.engine.get().as_bytes()).map_err(text)?;
    pipeline.restore_metadata(state.metadata.into_iter().map(MetricMetadata::from));
    let mut watches: BTreeMap<Fingerprint, _> = BTreeMap::new();
    for stored in state.watches {
        let mut watch = pipeline.new_watch(&stored.labels);
        if let (Some(monitor), true) = (stored.monitor, watch.monitor.is_some()) {
            watch.monitor = Some(stored::load(monitor.get().as_bytes()).map_err(text)?);
        }
        watch.rate = stored.rate;
        watch.last = stored
            .last
            .map(|time| aiops_core::Sample::new(time, f64::NAN));
        watch.anomalous_since = stored.anomalous_since;
        watches.insert(stored.labels.fingerprint(), watch);
    }
    pipeline.restore(watches, rules, engine, state.changes, state.clock);
    Ok(state.offset)
}
