//! How many series a source may have.

use std::collections::{BTreeMap, HashMap};

use crate::ingest::Batch;
use crate::{Labels, ParamError, Timestamp};
use std::time::Duration;

/// Parameters of [`SeriesLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SeriesLimitConfig {
    /// Series that one source may have at a time. At least 1.
    pub per_source: usize,
    /// Sources that are told apart; those above share one limit. At least 1.
    pub max_sources: usize,
    /// A series that had no sample for so long no longer counts. More than zero.
    pub idle: Duration,
}

impl Default for SeriesLimitConfig {
    fn default() -> Self {
        Self {
            per_source: 100_000,
            max_sources: 1_000,
            idle: Duration::from_hours(1),
        }
    }
}

/// Keeps a source that invents labels (a request id, a time) from taking all memory: the series it
/// has go on, new ones above the limit are left out and counted.
///
/// ```
/// use aiops_core::prepare::{SeriesLimit, SeriesLimitConfig};
/// use aiops_core::ingest::Batch;
/// use aiops_core::{Labels, Timestamp};
///
/// let mut config = SeriesLimitConfig::default();
/// config.per_source = 1;
/// let mut limit = SeriesLimit::try_from(config)?;
/// let mut batch = Batch::default();
/// for id in ["a", "b"] {
///     batch.start_series(Labels::of([("__name__", "m"), ("id", id)])?);
///     batch.push(Timestamp::EPOCH, 1.0);
/// }
/// let (kept, left_out) = limit.apply("team-a", Timestamp::EPOCH, &batch);
/// assert_eq!((kept.series_count(), left_out), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | case | outcome |
/// |---|---|
/// | series known already | kept, whatever the limit |
/// | series idle for longer than `idle` | makes room when a new one needs it |
/// | more sources than `max_sources` | the others share the limit of one |
/// | time that goes back | counts as no time |
#[derive(Clone, Debug)]
pub struct SeriesLimit {
    config: SeriesLimitConfig,
    sources: BTreeMap<String, Source>,
}

#[derive(Clone, Debug, Default)]
struct Source {
    /// When each series had its last sample.
    series: HashMap<Labels, Timestamp>,
    /// Before this, no series can have become idle.
    next_sweep: Option<Timestamp>,
    left_out: u64,
}

/// Name of the source that those above `max_sources` share.
const OTHERS: &str = "";

impl TryFrom<SeriesLimitConfig> for SeriesLimit {
    type Error = ParamError;

    fn try_from(config: SeriesLimitConfig) -> Result<Self, ParamError> {
        if config.per_source == 0 {
            return Err(ParamError::new("per_source", "at least 1", 0));
        }
        if config.max_sources == 0 {
            return Err(ParamError::new("max_sources", "at least 1", 0));
        }
        if config.idle.is_zero() {
            return Err(ParamError::new("idle", "more than zero", "0s"));
        }
        Ok(Self {
            config,
            sources: BTreeMap::new(),
        })
    }
}

impl SeriesLimit {
    /// What of a batch of `source`, received at `now`, is within the limit, and how many samples
    /// are not.
    pub fn apply(&mut self, source: &str, now: Timestamp, batch: &Batch) -> (Batch, u64) {
        let config = self.config;
        let source = self.source(source);
        let mut kept = Batch::default();
        kept.metadata.clone_from(&batch.metadata);
        let mut left_out = 0;
        for series in batch.iter() {
            if !source.admit(series.labels, now, config) {
                left_out += series.values.len() as u64;
                continue;
            }
            kept.start_series(series.labels.clone());
            for (time, value) in series.times.iter().zip(series.values) {
                kept.push(*time, *value);
            }
        }
        source.left_out += left_out;
        (kept, left_out)
    }

    fn source(&mut self, name: &str) -> &mut Source {
        let is_known = self.sources.contains_key(name);
        let name = if is_known || self.sources.len() < self.config.max_sources {
            name
        } else {
            OTHERS
        };
        self.sources.entry(name.to_owned()).or_default()
    }

    /// Sources with the series they have and the samples left out so far, in order of name; the
    /// empty name stands for those above `max_sources`.
    pub fn sources(&self) -> impl Iterator<Item = (&str, usize, u64)> {
        let sources = self.sources.iter();
        sources.map(|(name, source)| (name.as_str(), source.series.len(), source.left_out))
    }

    /// Memory in use, without the label sets, which others share.
    pub fn size_bytes(&self) -> usize {
        let sources = self.sources.iter();
        let each = size_of::<(Labels, Timestamp)>() + 1;
        sources
            .map(|(name, source)| {
                name.len() + size_of::<Source>() + source.series.capacity() * each
            })
            .sum()
    }
}

impl Source {
    fn admit(&mut self, labels: &Labels, now: Timestamp, config: SeriesLimitConfig) -> bool {
        if let Some(last) = self.series.get_mut(labels) {
            *last = now.max(*last);
            return true;
        }
        if self.series.len() >= config.per_source {
            self.sweep(now, config.idle);
        }
        let has_room = self.series.len() < config.per_source;
        if has_room {
            self.series.insert(labels.clone(), now);
        }
        has_room
    }

    /// Forgets idle series, but not before one can be idle: so a source at its limit costs no
    /// sweep for each series that it invents.
    fn sweep(&mut self, now: Timestamp, idle: Duration) {
        if self.next_sweep.is_some_and(|next| now < next) {
            return;
        }
        self.series.retain(|_, last| now.since(*last) <= idle);
        let oldest = self.series.values().min().copied().unwrap_or(now);
        let next = oldest.saturating_add(idle);
        self.next_sweep = Some(next.saturating_add(Duration::from_nanos(1)));
    }
}
