//! A monitor that can unlearn.

use std::collections::VecDeque;

use aiops_core::{ParamError, Sample, StreamingDetector, Threshold, TimeRange, Timestamp, Verdict};
use thiserror::Error;

use super::Monitor;
use crate::exclusion::Exclusions;

/// What is to be unlearned lies further back than is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot unlearn from {from} on: samples are remembered from {earliest} on")]
pub struct OutOfReach {
    /// Where the span begins.
    pub from: Timestamp,
    /// The first sample that can be unlearned.
    pub earliest: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    Learned,
    Excluded,
    Unlearned,
}

/// A monitor that can take back what it learned from a span of time, once somebody has said that
/// it was an incident.
///
/// It remembers its own state some while ago, and the samples since. To unlearn, it goes back and
/// plays them again, without those of the incident: votes, run, a new level and thresholds
/// that learn are then as if those samples had been missing.
///
/// ```
/// use aiops_core::{Sample, TimeRange, Timestamp};
/// use aiops_detect::monitor::{Recall, SeriesMonitor};
///
/// let at = |second: i64| Timestamp::from_secs(second).expect("in range");
/// let mut monitor = Recall::new(SeriesMonitor::default(), 1_000)?;
/// let value = |second: i64| if second < 300 { 20.0 } else { 95.0 } + (second % 7) as f64;
/// for second in 0..420 {
///     monitor.update(Sample::new(at(second), value(second)));
/// }
/// // The new level was learned after a minute. No: it was an incident.
/// assert_eq!(monitor.unlearn(TimeRange::new(at(300), at(420)))?, 120);
/// let verdict = monitor.update(Sample::new(at(420), 23.0));
/// assert!(!verdict.is_anomalous() && verdict.score < Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// That of the monitor, and a copy of it after every `reach` samples. Memory of three monitors
/// and of at most `2 reach` samples of 24 bytes. Unlearning plays up to `2 reach` samples.
///
/// # Not good for
///
/// Incidents that end up further back than `reach` samples: they are refused.
#[derive(Clone, Debug)]
pub struct Recall<S, T> {
    reach: usize,
    now: Monitor<S, T>,
    /// Before the first of `samples`.
    earlier: Monitor<S, T>,
    /// After the first `reach` of `samples`, once there are so many.
    between: Option<Monitor<S, T>>,
    samples: VecDeque<(Sample, Use)>,
    /// Whether there were samples before the first of `samples`.
    cut: bool,
}

impl<S: StreamingDetector + Clone, T: Threshold + Clone> Recall<S, T> {
    /// Remembers at least the last `reach` samples, and at most twice as many.
    ///
    /// # Errors
    ///
    /// [`ParamError`] unless `reach` is from 1 to a million.
    pub fn new(monitor: Monitor<S, T>, reach: usize) -> Result<Self, ParamError> {
        if !(1..=1_000_000).contains(&reach) {
            return Err(ParamError::new("reach", "from 1 to 1000000", reach));
        }
        Ok(Self {
            reach,
            earlier: monitor.clone(),
            now: monitor,
            between: None,
            samples: VecDeque::new(),
            cut: false,
        })
    }

    /// The monitor in its present state.
    pub fn monitor(&self) -> &Monitor<S, T> {
        &self.now
    }

    /// As [`Monitor::update`].
    pub fn update(&mut self, sample: Sample) -> Verdict {
        self.play(sample, Use::Learned)
    }

    /// As [`Monitor::update_excluded`].
    pub fn update_excluded(&mut self, sample: Sample) -> Verdict {
        self.play(sample, Use::Excluded)
    }

    /// As [`Monitor::update_unless`].
    pub fn update_unless(&mut self, exclusions: &Exclusions, sample: Sample) -> Verdict {
        let excluded = exclusions.at(sample.time).is_some();
        self.play(
            sample,
            if excluded {
                Use::Excluded
            } else {
                Use::Learned
            },
        )
    }

    /// The first sample that can be unlearned; `None` before the first sample.
    pub fn earliest(&self) -> Option<Timestamp> {
        self.samples.front().map(|(sample, _)| sample.time)
    }

    /// Takes back what was learned from the samples of `span`, and answers how many those were. Other
    /// spans stay unlearned.
    ///
    /// # Errors
    ///
    /// [`OutOfReach`] when `span` begins before what is remembered; nothing is changed then.
    pub fn unlearn(&mut self, span: TimeRange) -> Result<usize, OutOfReach> {
        match self.earliest() {
            Some(earliest) if self.cut && span.start < earliest => {
                return Err(OutOfReach {
                    from: span.start,
                    earliest,
                });
            }
            _ => {}
        }
        let mut samples = std::mem::take(&mut self.samples);
        let mut unlearned = 0;
        for (sample, used) in &mut samples {
            if span.contains(sample.time) && *used != Use::Unlearned {
                *used = Use::Unlearned;
                unlearned += 1;
            }
        }
        (self.now, self.between) = (self.earlier.clone(), None);
        for (sample, used) in samples {
            self.play(sample, used);
        }
        Ok(unlearned)
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        let between = self.between.as_ref().map_or(0, Monitor::size_bytes);
        self.now.size_bytes()
            + self.earlier.size_bytes()
            + between
            + self.samples.capacity() * size_of::<(Sample, Use)>()
    }

    fn play(&mut self, sample: Sample, used: Use) -> Verdict {
        if self.samples.len() == 2 * self.reach
            && let Some(between) = self.between.take()
        {
            self.samples.drain(..self.reach);
            self.earlier = between;
            self.cut = true;
        }
        if self.samples.len() == self.reach {
            self.between = Some(self.now.clone());
        }
        self.samples.push_back((sample, used));
        match used {
            Use::Learned => self.now.update(sample),
            Use::Excluded => self.now.update_excluded(sample),
            Use::Unlearned => self.now.update(Sample::new(sample.time, f64::NAN)),
        }
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec, load, save};
    use aiops_core::{Sample, StreamingDetector, Threshold, Timestamp};

    use super::{Monitor, Recall, Use};

    /// `earlier` is the stored form of the monitor; `uses` has one letter for each sample: learned,
    /// excluded, unlearned.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        reach: usize,
        cut: bool,
        earlier: String,
        nanos: Vec<i64>,
        #[serde(with = "exact_vec")]
        values: Vec<f64>,
        uses: String,
    }

    impl<S, T> StoredModel for Recall<S, T>
    where
        S: StreamingDetector + Clone,
        T: Threshold + Clone,
        Monitor<S, T>: StoredModel,
    {
        const KIND: &'static str = "detect.recall";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let samples = || self.samples.iter();
            V1 {
                reach: self.reach,
                cut: self.cut,
                earlier: String::from_utf8_lossy(&save(&self.earlier)).into_owned(),
                nanos: samples().map(|(s, _)| s.time.as_nanos()).collect(),
                values: samples().map(|(s, _)| s.value).collect(),
                uses: samples()
                    .map(|(_, used)| match used {
                        Use::Learned => 'l',
                        Use::Excluded => 'e',
                        Use::Unlearned => 'u',
                    })
                    .collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let earlier: Monitor<S, T> = load(wire.earlier.as_bytes())?;
            let count = wire.nanos.len();
            let mut model = Self::new(earlier, wire.reach)
                .map_err(|error| LoadError::payload(error.to_string()))?;
            let fits = count <= 2 * wire.reach
                && wire.values.len() == count
                && wire.uses.len() == count
                && (!wire.cut || count >= wire.reach);
            if !fits {
                return Err(LoadError::payload("not one value and use for each sample"));
            }
            let samples = wire.nanos.into_iter().zip(wire.values);
            for ((nanos, value), used) in samples.zip(wire.uses.chars()) {
                let used = match used {
                    'l' => Use::Learned,
                    'e' => Use::Excluded,
                    'u' => Use::Unlearned,
                    _ => return Err(LoadError::payload(format!("`{used}` is no use"))),
                };
                model.play(Sample::new(Timestamp::from_nanos(nanos), value), used);
            }
            model.cut = wire.cut;
            Ok(model)
        }
    }
}
