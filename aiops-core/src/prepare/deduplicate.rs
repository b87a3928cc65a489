//! Samples that come twice, late, or from a clock that is ahead.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::ingest::Batch;
use crate::{Labels, ParamError, Timestamp};

/// Parameters of [`Deduplicate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct DeduplicateConfig {
    /// How far behind the newest sample of its series a sample may lie.
    pub lateness: Duration,
    /// How far ahead of the time of receipt a sample may lie.
    pub ahead: Duration,
    /// Samples that are remembered of a series. What is older than those is late, whatever
    /// `lateness` is. At least 1.
    pub max_recent: usize,
    /// Series that are remembered. At least 1.
    pub max_series: usize,
}

impl Default for DeduplicateConfig {
    fn default() -> Self {
        Self {
            lateness: Duration::from_mins(5),
            ahead: Duration::from_mins(10),
            max_recent: 64,
            max_series: 200_000,
        }
    }
}

/// What became of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrivals {
    /// Newer than all before of their series. Kept.
    pub in_order: u64,
    /// Older than the newest of their series, within the lateness. Kept.
    pub out_of_order: u64,
    /// Older than that. Left out.
    pub late: u64,
    /// Ahead of the time of receipt. Left out.
    pub ahead: u64,
    /// At the instant of one before, with the same bits. Left out.
    pub same: u64,
    /// At the instant of one before, with another value. Left out: the first stays.
    pub different: u64,
    /// Of series above the limit. Left out.
    pub over_limit: u64,
}

impl Arrivals {
    /// What was left out: name of the reason and number, without the zeros.
    pub fn left_out(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("late", self.late),
            ("ahead", self.ahead),
            ("duplicate-same", self.same),
            ("duplicate-different", self.different),
            ("series-limit", self.over_limit),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
    }
}

/// Lets every instant of a series pass once.
///
/// Senders repeat what was not acknowledged in time, and pairs of them send the same series. Each
/// series has a watermark: its newest sample less the lateness. Above it samples come in any
/// order, and each is compared with those remembered; below it nothing passes, so that nothing
/// passes twice.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::prepare::{Deduplicate, DeduplicateConfig};
/// use aiops_core::{Labels, Timestamp};
///
/// let mut step = Deduplicate::try_from(DeduplicateConfig::default())?;
/// let now = Timestamp::from_secs(60).expect("in range");
/// let mut batch = Batch::default();
/// batch.start_series(Labels::of([("__name__", "up")])?);
/// batch.push(now, 1.0);
/// let (kept, _) = step.apply(now, &batch);
/// let (again, arrivals) = step.apply(now, &batch);
/// assert_eq!((kept.sample_count(), again.sample_count(), arrivals.same), (1, 0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | case | outcome |
/// |---|---|
/// | same instant, same bits (`NaN` and markers too) | left out, `duplicate-same` |
/// | same instant, other bits (`0` and `-0` too) | the first stays, `duplicate-different` |
/// | more than `max_recent` samples within the lateness | the oldest is forgotten, and what is as old is late |
/// | more than `max_series` series | those that are below the watermark of the newest give way; else new ones are left out |
/// | a series that gave way comes back | passes from behind the last sample of those that gave way |
///
/// Memory: 16 bytes for each remembered sample and some 100 for a series. A sample in order costs
/// a look-up.
#[derive(Clone, Debug)]
pub struct Deduplicate {
    config: DeduplicateConfig,
    series: HashMap<Labels, Recent>,
    newest: Timestamp,
    /// Newest sample of the series that gave way.
    forgotten: Option<Timestamp>,
    /// Before the newest sample gets there, no further series can give way.
    next_sweep: Timestamp,
}

#[derive(Clone, Debug)]
struct Recent {
    newest: Timestamp,
    /// Up to here, samples are no longer remembered.
    floor: Option<Timestamp>,
    /// Ascending in time, values as bits.
    samples: VecDeque<(Timestamp, u64)>,
}

impl TryFrom<DeduplicateConfig> for Deduplicate {
    type Error = ParamError;

    fn try_from(config: DeduplicateConfig) -> Result<Self, ParamError> {
        for (name, got) in [
            ("max_recent", config.max_recent),
            ("max_series", config.max_series),
        ] {
            if got == 0 {
                return Err(ParamError::new(name, "at least 1", 0));
            }
        }
        Ok(Self {
            config,
            series: HashMap::new(),
            newest: Timestamp::MIN,
            forgotten: None,
            next_sweep: Timestamp::MIN,
        })
    }
}

impl Deduplicate {
    /// What of a batch received at `now` passes, and what became of all its samples.
    pub fn apply(&mut self, now: Timestamp, batch: &Batch) -> (Batch, Arrivals) {
        let mut kept = Batch::default();
        kept.metadata.clone_from(&batch.metadata);
        let mut arrivals = Arrivals::default();
        let end = now.saturating_add(self.config.ahead);
        for series in batch.iter() {
            let mut is_started = false;
            for (time, value) in series.times.iter().zip(series.values) {
                if self.admit(series.labels, *time, *value, end, &mut arrivals) {
                    if !is_started {
                        kept.start_series(series.labels.clone());
                        is_started = true;
                    }
                    kept.push(*time, *value);
                }
            }
        }
        (kept, arrivals)
    }

    fn admit(
        &mut self,
        labels: &Labels,
        time: Timestamp,
        value: f64,
        end: Timestamp,
        arrivals: &mut Arrivals,
    ) -> bool {
        if time > end {
            arrivals.ahead += 1;
            return false;
        }
        let config = self.config;
        if let Some(recent) = self.series.get_mut(labels) {
            let is_kept = recent.admit(time, value.to_bits(), config, arrivals);
            self.newest = self.newest.max(recent.newest);
            return is_kept;
        }
        if self.series.len() >= config.max_series {
            self.sweep();
        }
        if self.series.len() >= config.max_series {
            arrivals.over_limit += 1;
            return false;
        }
        if self.forgotten.is_some_and(|forgotten| time <= forgotten) {
            arrivals.late += 1;
            return false;
        }
        let recent = Recent {
            newest: time,
            floor: self.forgotten,
            samples: VecDeque::from([(time, value.to_bits())]),
        };
        self.series.insert(labels.clone(), recent);
        self.newest = self.newest.max(time);
        arrivals.in_order += 1;
        true
    }

    /// Forgets the series that are below the watermark of the newest sample of all.
    fn sweep(&mut self) {
        if self.newest < self.next_sweep {
            return;
        }
        let (lateness, newest) = (self.config.lateness, self.newest);
        let forgotten = &mut self.forgotten;
        self.series.retain(|_, recent| {
            let stays = recent.newest.saturating_add(lateness) >= newest;
            if !stays {
                *forgotten = Some(forgotten.map_or(recent.newest, |old| old.max(recent.newest)));
            }
            stays
        });
        let oldest = self.series.values().map(|recent| recent.newest).min();
        let next = oldest.unwrap_or(newest).saturating_add(lateness);
        self.next_sweep = next.saturating_add(Duration::from_nanos(1));
    }

    /// Series that are remembered.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Memory in use, without the label sets, which others share.
    pub fn size_bytes(&self) -> usize {
        let samples = self.series.values();
        samples
            .map(|recent| recent.samples.capacity() * size_of::<(Timestamp, u64)>())
            .sum::<usize>()
            + self.series.capacity() * (size_of::<(Labels, Recent)>() + 1)
    }
}

impl Recent {
    fn admit(
        &mut self,
        time: Timestamp,
        bits: u64,
        config: DeduplicateConfig,
        arrivals: &mut Arrivals,
    ) -> bool {
        let is_late = time.saturating_add(config.lateness) < self.newest
            || self.floor.is_some_and(|floor| time <= floor);
        if is_late {
            arrivals.late += 1;
            return false;
        }
        if time > self.newest {
            self.samples.push_back((time, bits));
            self.newest = time;
            arrivals.in_order += 1;
        } else {
            match self.samples.binary_search_by_key(&time, |(own, _)| *own) {
                Ok(place) if self.samples[place].1 == bits => arrivals.same += 1,
                Ok(_) => arrivals.different += 1,
                Err(place) => {
                    self.samples.insert(place, (time, bits));
                    arrivals.out_of_order += 1;
                    self.forget(config);
                    return true;
                }
            }
            return false;
        }
        self.forget(config);
        true
    }

    /// Forgets what is late by now, and what is too much.
    fn forget(&mut self, config: DeduplicateConfig) {
        while let Some((oldest, _)) = self.samples.front() {
            let is_late = oldest.saturating_add(config.lateness) < self.newest;
            if !is_late && self.samples.len() <= config.max_recent {
                break;
            }
            if !is_late {
                self.floor = Some(*oldest);
            }
            self.samples.pop_front();
        }
    }
}
