//! What a leaf of a condition remembers of the series that it looks at.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aiops_core::ingest::is_stale;
use aiops_core::{Labels, METRIC_NAME, Outcome, Sample, Timestamp, Verdict};

use super::burn::Events;
use super::condition::{Crossing, SignalCondition};

/// A series without a word for this long no longer says anything, as in Prometheus.
const LOOKBACK: Duration = Duration::from_mins(5);

/// Silent series are forgotten after this time.
const FORGET_AFTER: Duration = Duration::from_hours(30 * 24);

/// Most samples of one series in a window; beyond it every second one is let go.
const MAX_SAMPLES: usize = 4_096;

/// Most series of one leaf; what comes beyond is counted.
const MAX_SERIES: usize = 100_000;

/// One series.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Memory {
    pub(super) last: Timestamp,
    pub(super) holds: bool,
    /// What the alert shows.
    #[cfg_attr(feature = "serde", serde(with = "aiops_core::stored::exact"))]
    pub(super) value: f64,
    #[cfg_attr(feature = "serde", serde(with = "samples"))]
    samples: VecDeque<Sample>,
    crossing: Option<Crossing>,
    events: Events,
}

impl Memory {
    fn new(at: Timestamp) -> Self {
        Self {
            last: at,
            holds: false,
            value: f64::NAN,
            samples: VecDeque::new(),
            crossing: None,
            events: Events::default(),
        }
    }
}

/// A leaf and its series.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) condition: SignalCondition,
    pub(super) series: BTreeMap<Labels, Memory>,
}

/// Something that is said about a series.
pub(super) enum Word<'a> {
    Sample(Sample),
    Verdict(&'a Verdict),
    Crossing(Crossing),
    Events { at: Timestamp, good: u64, bad: u64 },
}

impl Word<'_> {
    fn time(&self) -> Timestamp {
        match self {
            Self::Sample(sample) => sample.time,
            Self::Verdict(verdict) => verdict.time,
            Self::Crossing(crossing) => crossing.made_at(),
            Self::Events { at, .. } => *at,
        }
    }
}

/// Why a word was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    Late,
    TooMany,
}

impl Leaf {
    pub(super) fn new(condition: SignalCondition) -> Self {
        Self {
            condition,
            series: BTreeMap::new(),
        }
    }

    /// Whether the leaf looks at words of this kind.
    fn hears(&self, word: &Word<'_>) -> bool {
        use SignalCondition as C;
        matches!(
            (&self.condition, word),
            (
                C::Above { .. } | C::Below { .. } | C::Changes { .. },
                Word::Sample(_)
            ) | (C::Anomalous { .. }, Word::Verdict(_))
                | (C::Crosses { .. }, Word::Crossing(_))
                | (C::BurnsBudget { .. }, Word::Events { .. })
                | (C::Silent { .. }, _)
        )
    }

    pub(super) fn hear(&mut self, labels: &Labels, word: &Word<'_>) -> Result<(), Dropped> {
        let looks = self
            .condition
            .selector()
            .is_some_and(|one| one.matches(labels));
        if !looks || !self.hears(word) {
            return Ok(());
        }
        let time = word.time();
        if !self.series.contains_key(labels) {
            if self.series.len() >= MAX_SERIES {
                return Err(Dropped::TooMany);
            }
            self.series
                .insert(labels.clone(), Memory::new(Timestamp::MIN));
        }
        let Some(memory) = self.series.get_mut(labels) else {
            return Ok(());
        };
        // Counts of events may come late, as long as their window is still looked at.
        if let (SignalCondition::BurnsBudget { windows, .. }, Word::Events { at, good, bad }) =
            (&self.condition, word)
        {
            let longest = windows.iter().map(|one| one.long).max().unwrap_or_default();
            memory.events.add(*at, *good, *bad, longest);
            memory.last = memory.last.max(time);
            return Ok(());
        }
        if time <= memory.last {
            return Err(Dropped::Late);
        }
        memory.last = time;
        take(&self.condition, memory, word);
        Ok(())
    }

    /// The series for which it holds at `now`, without the name of their metric.
    pub(super) fn holding(&mut self, now: Timestamp) -> Vec<(Labels, f64)> {
        let condition = &self.condition;
        self.series
            .retain(|_, memory| memory.last.saturating_add(FORGET_AFTER) > now);
        for memory in self.series.values_mut() {
            look(condition, memory, now);
        }
        let holding = self.series.iter().filter(|(_, memory)| memory.holds);
        holding
            .map(|(labels, memory)| (labels.without(&[METRIC_NAME]), memory.value))
            .collect()
    }
}

/// What a word changes at once.
fn take(condition: &SignalCondition, memory: &mut Memory, word: &Word<'_>) {
    match (condition, word) {
        (SignalCondition::Above { limit, resolve, .. }, Word::Sample(sample)) => {
            let level = if memory.holds {
                resolve.unwrap_or(*limit)
            } else {
                *limit
            };
            settle(memory, sample.value, |value| value > level);
        }
        (SignalCondition::Below { limit, resolve, .. }, Word::Sample(sample)) => {
            let level = if memory.holds {
                resolve.unwrap_or(*limit)
            } else {
                *limit
            };
            settle(memory, sample.value, |value| value < level);
        }
        (SignalCondition::Changes { over, .. }, Word::Sample(sample)) => {
            if is_stale(sample.value) {
                memory.samples.clear();
            } else if !sample.value.is_nan() {
                memory.samples.push_back(*sample);
            }
            let oldest = sample.time.saturating_sub(*over);
            while memory.samples.front().is_some_and(|one| one.time < oldest) {
                memory.samples.pop_front();
            }
            if memory.samples.len() > MAX_SAMPLES {
                let mut odd = false;
                memory.samples.retain(|_| {
                    odd = !odd;
                    odd
                });
            }
        }
        (SignalCondition::Anomalous { min_score, .. }, Word::Verdict(verdict))
            if verdict.outcome != Outcome::Missing =>
        {
            let scored = verdict.score.is_none_or(|score| score >= *min_score);
            memory.holds = verdict.outcome == Outcome::Anomalous && scored;
            memory.value = verdict.value;
        }
        (SignalCondition::Crosses { .. }, Word::Crossing(crossing)) => {
            memory.crossing = Some(crossing.clone());
        }
        _ => {}
    }
}

/// A missing value leaves it as it was.
fn settle(memory: &mut Memory, value: f64, holds: impl Fn(f64) -> bool) {
    if is_stale(value) {
        memory.holds = false;
    } else if !value.is_nan() {
        (memory.holds, memory.value) = (holds(value), value);
    }
}

/// What time changes.
fn look(condition: &SignalCondition, memory: &mut Memory, now: Timestamp) {
    let silent = |span: Duration| memory.last.saturating_add(span) < now;
    match condition {
        SignalCondition::Above { .. }
        | SignalCondition::Below { .. }
        | SignalCondition::Anomalous { .. } => memory.holds &= !silent(LOOKBACK),
        SignalCondition::Changes {
            over, above, below, ..
        } => {
            let slope = if silent(LOOKBACK) {
                None
            } else {
                slope(&memory.samples, *over)
            };
            memory.holds = slope.is_some_and(|slope| {
                above.is_some_and(|above| slope > above) || below.is_some_and(|below| slope < below)
            });
            memory.value = slope.unwrap_or(f64::NAN);
        }
        SignalCondition::Crosses {
            within,
            min_probability,
            max_age,
            ..
        } => {
            let fresh = memory.crossing.as_ref().filter(|_| !silent(*max_age));
            let share = fresh.map(|one| one.probability_by(now.saturating_add(*within)));
            memory.holds = share.is_some_and(|share| share >= *min_probability);
            memory.value = share.unwrap_or(f64::NAN);
        }
        SignalCondition::BurnsBudget {
            objective,
            min_events,
            windows,
            ..
        } => {
            let burns = memory.events.burns(now, windows, *objective, *min_events);
            if let Some(burns) = burns {
                (memory.holds, memory.value) = (burns > 0.0, burns);
            } else {
                // Nobody says anything: as it was, until nothing is known at all.
                let longest = windows.iter().map(|one| one.long).max();
                memory.holds &= !memory.events.is_silent(now, longest.unwrap_or_default());
            }
        }
        SignalCondition::Silent { after, .. } => {
            memory.holds = memory.last.saturating_add(*after) <= now;
            memory.value = now.since(memory.last).as_secs_f64();
        }
        SignalCondition::All { .. }
        | SignalCondition::Any { .. }
        | SignalCondition::Unless { .. } => {}
    }
}

/// Of the least squares line, a second; `None` when the samples cover less than half of the window.
fn slope(samples: &VecDeque<Sample>, over: Duration) -> Option<f64> {
    let (first, last) = (samples.front()?, samples.back()?);
    if last.time.since(first.time) < over / 2 {
        return None;
    }
    let n = samples.len() as f64;
    let x = |sample: &Sample| sample.time.since(first.time).as_secs_f64();
    let mean_x = samples.iter().map(x).sum::<f64>() / n;
    let mean_y = samples.iter().map(|sample| sample.value).sum::<f64>() / n;
    let (mut sxx, mut sxy) = (0.0, 0.0);
    for sample in samples {
        let dx = x(sample) - mean_x;
        sxx += dx * dx;
        sxy += dx * (sample.value - mean_y);
    }
    (sxx > 0.0).then(|| sxy / sxx)
}

/// Samples as times and values.
#[cfg(feature = "serde")]
mod samples {
    use std::collections::VecDeque;

    use aiops_core::{Sample, Timestamp};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        samples: &VecDeque<Sample>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let pairs = samples.iter().map(|one| (one.time, one.value.to_string()));
        serializer.collect_seq(pairs)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<VecDeque<Sample>, D::Error> {
        let pairs = Vec::<(Timestamp, String)>::deserialize(deserializer)?;
        let samples = pairs.into_iter().map(|(time, value)| {
            let value = value.parse().map_err(D::Error::custom)?;
            Ok(Sample::new(time, value))
        });
        samples.collect()
    }
}
