//! What survives a restart.
//!
//! ```text
//! state.json       rules, incidents, changes, and the place in the queue up to which they know
//!                  everything; small, written before a notification leaves and every few seconds
//! metrics.json     what senders said about their metrics; written when it changed
//! templates.json   templates of log lines; written once a turn, when lines came
//! models/NN.jsonl  detectors, one line each, in 64 files that are written in turn
//! ```
//!
//! Each file is written under another name and put in place by a rename, so it is whole or not
//! there. Models are older than the rest by up to one turn; what they have missed is in the store,
//! and is played to them when the program starts. So the cost of saving does not depend on how
//! often incidents happen, and a damaged file of models costs a few seconds of reading, not what
//! was learned.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aiops_core::ingest::MetricMetadata;
use aiops_core::logs::TemplateMiner;
use aiops_core::prepare::CounterRate;
use aiops_core::stored::{self, LoadError};
use aiops_core::{ChangeEvent, Labels, Sample, Selector, StorageError, TimeRange, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::activity::Seen;
use crate::pipeline::Pipeline;
use crate::watch::Watch;
use crate::watches::SHARDS;

const STATE: &str = "state.json";
const METRICS: &str = "metrics.json";
const TEMPLATES: &str = "templates.json";
const MODELS: &str = "models";
const FORMAT: u32 = 2;

/// How much of the past a detector is shown that starts anew. Detectors look back less far.
const RELEARNED: Duration = Duration::from_hours(2);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    format: u32,
    /// The queue's records before this one are in the state.
    offset: u64,
    clock: Timestamp,
    rules: Box<RawValue>,
    engine: Box<RawValue>,
    changes: Vec<ChangeEvent>,
    /// Log lines and spans of the open window.
    #[serde(default)]
    seen: Seen,
}

/// The first line of a file of models.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct ModelsHeader {
    format: u32,
    /// What the detectors were configured with. Those of another configuration are not used.
    settings: String,
    /// Lines that follow.
    series: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredWatch {
    labels: Labels,
    monitor: Option<Box<RawValue>>,
    rate: Option<CounterRate>,
    /// The last sample.
    last: Option<StoredSample>,
    anomalous_since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSample {
    time: Timestamp,
    #[serde(with = "stored::exact")]
    value: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMetadata {
    metric: String,
    kind: String,
    help: String,
    unit: String,
}

/// The small part of the state as bytes.
pub fn encode(pipeline: &Pipeline, offset: u64) -> Vec<u8> {
    to_json(&StateFile {
        format: FORMAT,
        offset,
        clock: pipeline.clock,
        rules: raw(stored::save(&pipeline.rules)),
        engine: raw(stored::save(&pipeline.engine)),
        changes: pipeline.changes.iter().cloned().collect(),
        seen: pipeline.activity.seen.clone(),
    })
}

/// Puts it in place of the one before.
///
/// # Errors
///
/// [`StorageError::Io`]; the state before is then still in place.
pub fn write(folder: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    replace(&folder.join(STATE), bytes)
}

/// The descriptions of metrics as bytes.
pub fn encode_metadata(pipeline: &Pipeline) -> Vec<u8> {
    let all = pipeline.all_metadata().values();
    to_json(&all.map(StoredMetadata::from).collect::<Vec<_>>())
}

/// Puts them in place of those before.
///
/// # Errors
///
/// [`StorageError::Io`].
pub fn write_metadata(folder: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    replace(&folder.join(METRICS), bytes)
}

/// Puts the templates of log lines in place of those before.
///
/// # Errors
///
/// [`StorageError::Io`].
pub fn write_templates(folder: &Path, miner: &TemplateMiner) -> Result<(), StorageError> {
    replace(&folder.join(TEMPLATES), &stored::save(miner))
}

/// A copy of the detectors of one shard; writing them takes longer than copying.
pub fn copy_models(pipeline: &Pipeline, shard: usize) -> Vec<Watch> {
    pipeline.watches.shard(shard).cloned().collect()
}

/// Puts the detectors of one shard in place of those before.
///
/// # Errors
///
/// [`StorageError::Io`].
pub fn write_models(
    folder: &Path,
    shard: usize,
    settings: &str,
    mut watches: Vec<Watch>,
) -> Result<(), StorageError> {
    let path = models_path(folder, shard);
    if watches.is_empty() && !path.exists() {
        return Ok(());
    }
    watches.sort_by_key(|watch| watch.labels.fingerprint());
    let header = ModelsHeader {
        format: FORMAT,
        settings: settings.to_owned(),
        series: watches.len(),
    };
    let mut bytes = to_json(&header);
    for watch in watches {
        bytes.push(b'\n');
        bytes.extend(to_json(&StoredWatch::from(&watch)));
    }
    bytes.push(b'\n');
    replace(&path, &bytes)
}

fn models_path(folder: &Path, shard: usize) -> PathBuf {
    folder.join(MODELS).join(format!("{shard:02}.jsonl"))
}

impl From<&Watch> for StoredWatch {
    fn from(watch: &Watch) -> Self {
        let monitor = watch.monitor.as_ref();
        Self {
            labels: watch.labels.clone(),
            monitor: monitor.map(|monitor| raw(stored::save(monitor))),
            rate: watch.rate,
            last: watch
                .last
                .map(|Sample { time, value }| StoredSample { time, value }),
            anomalous_since: watch.anomalous_since,
        }
    }
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

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| panic!("the state is JSON: {error}"))
}

fn raw(json: Vec<u8>) -> Box<RawValue> {
    String::from_utf8(json)
        .ok()
        .and_then(|text| RawValue::from_string(text).ok())
        .unwrap_or_else(|| panic!("a stored model is JSON"))
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let (fresh, folder) = (
        path.with_extension("new"),
        path.parent().unwrap_or(Path::new(".")),
    );
    fs::create_dir_all(folder).map_err(StorageError::io("create", folder))?;
    let mut file = File::create(&fresh).map_err(StorageError::io("create", &fresh))?;
    file.write_all(bytes)
        .map_err(StorageError::io("write to", &fresh))?;
    file.sync_all().map_err(StorageError::io("sync", &fresh))?;
    fs::rename(&fresh, path).map_err(StorageError::io("put in place", path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StorageError::io("sync", folder))
}

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Found {
    /// The first record of the queue that the state does not know; `None` without a state.
    pub offset: Option<u64>,
    /// Files that cannot be used; they were set aside.
    pub damaged: Vec<Damaged>,
}

/// A file that cannot be used, and was set aside under another name.
#[derive(Debug)]
pub struct Damaged {
    /// Its new name.
    pub aside: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Brings the pipeline to the state on disk.
///
/// # Errors
///
/// [`StorageError`] when a file or the store cannot be read, or a file cannot be set aside.
pub fn restore(
    folder: &Path,
    settings: &str,
    pipeline: &mut Pipeline,
) -> Result<Found, StorageError> {
    let mut found = Found::default();
    let metadata: Option<Vec<StoredMetadata>> = load(&folder.join(METRICS), &mut found, from_json)?;
    let metadata = metadata.unwrap_or_default().into_iter();
    pipeline.restore_metadata(&metadata.map(MetricMetadata::from).collect::<Vec<_>>());
    let templates = load(&folder.join(TEMPLATES), &mut found, |bytes| {
        stored::load(bytes).map_err(|error| error.to_string())
    })?;
    if let Some(templates) = templates {
        pipeline.restore_templates(templates);
    }
    let state = folder.join(STATE);
    found.offset = load(&state, &mut found, |bytes| apply(bytes, pipeline))?;
    for shard in 0..SHARDS {
        restore_models(&models_path(folder, shard), settings, pipeline, &mut found)?;
    }
    catch_up(pipeline, found.offset.is_some())?;
    Ok(found)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// What `read` makes of a file; `None` when there is none, or it was set aside.
fn load<T>(
    path: &Path,
    found: &mut Found,
    read: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<Option<T>, StorageError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("read", path)(error)),
    };
    match read(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(why) => {
            set_aside(path, why, found)?;
            Ok(None)
        }
    }
}

fn set_aside(path: &Path, why: String, found: &mut Found) -> Result<(), StorageError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside).map_err(StorageError::io("set aside", path))?;
    found.damaged.push(Damaged { aside, why });
    Ok(())
}

fn apply(bytes: &[u8], pipeline: &mut Pipeline) -> Result<u64, String> {
    let state: StateFile = from_json(bytes)?;
    if state.format != FORMAT {
        return Err(format!("format {} is not {FORMAT}", state.format));
    }
    let text = |error: LoadError| error.to_string();
    let rules = stored::load(state.rules.get().as_bytes()).map_err(text)?;
    let engine = stored::load(state.engine.get().as_bytes()).map_err(text)?;
    pipeline.restore(&rules, &engine, state.changes, state.seen, state.clock);
    Ok(state.offset)
}

fn restore_models(
    path: &Path,
    settings: &str,
    pipeline: &mut Pipeline,
    found: &mut Found,
) -> Result<(), StorageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StorageError::io("open", path)(error)),
    };
    match read_models(BufReader::new(file), settings, pipeline) {
        Ok(()) => Ok(()),
        Err(why) => set_aside(path, why, found),
    }
}

fn read_models(
    file: BufReader<File>,
    settings: &str,
    pipeline: &mut Pipeline,
) -> Result<(), String> {
    let mut lines = file.lines();
    let mut next = || -> Result<Option<String>, String> {
        lines.next().transpose().map_err(|error| error.to_string())
    };
    let header: ModelsHeader = from_json(next()?.unwrap_or_default().as_bytes())?;
    if header.format != FORMAT {
        return Err(format!("format {} is not {FORMAT}", header.format));
    }
    if header.settings != settings {
        return Ok(()); // detectors of another configuration; they learn from the store instead
    }
    for line in 2..header.series + 2 {
        let at = |why: String| format!("line {line}: {why}");
        let text = next()?.ok_or_else(|| at("the file ends too early".to_owned()))?;
        let watch = from_json(text.as_bytes()).map_err(at)?;
        let watch = restored(watch, pipeline).map_err(at)?;
        pipeline.restore_watch(watch);
    }
    Ok(())
}

fn restored(stored: StoredWatch, pipeline: &Pipeline) -> Result<Watch, String> {
    let mut watch = pipeline.new_watch(&stored.labels);
    if let (Some(monitor), true) = (stored.monitor, watch.monitor.is_some()) {
        let monitor = stored::load(monitor.get().as_bytes());
        watch.monitor = Some(monitor.map_err(|error: LoadError| error.to_string())?);
    }
    watch.rate = stored.rate;
    watch.last = stored.last.map(|last| Sample::new(last.time, last.value));
    watch.anomalous_since = stored.anomalous_since;
    Ok(watch)
}

/// Plays to the detectors what the store has and they do not know. What came after the state was
/// saved is left: it comes from the queue, to detectors and rules together.
fn catch_up(pipeline: &mut Pipeline, with_state: bool) -> Result<(), StorageError> {
    let store = pipeline.store().clone();
    let stats = store.stats();
    let Some(newest) = stats.newest else {
        return Ok(());
    };
    let mut since = newest.saturating_sub(RELEARNED);
    if pipeline.watches.len() as u64 >= stats.series {
        let times = pipeline.watches.iter().filter_map(|watch| watch.last);
        let known = times.map(|last| last.time).min();
        // A series that ended long ago must not make all others be read from then on.
        since = since.max(known.unwrap_or(since));
    }
    let saved = if with_state { pipeline.clock } else { newest };
    let end = saved.saturating_add(Duration::from_nanos(1));
    let range = TimeRange::new(since.min(end), end);
    store.select(&Selector::all(), range, &mut |labels, times, values| {
        pipeline.catch_up(labels, times, values);
        ControlFlow::Continue(())
    })
}
