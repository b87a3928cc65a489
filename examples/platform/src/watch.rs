//! One series under watch.

use std::time::Duration;

use aiops_core::ingest::is_stale;
use aiops_core::prepare::CounterRate;
use aiops_core::{Labels, Outcome, Sample, Timestamp, Verdict};
use aiops_detect::monitor::SeriesMonitor;

/// Two samples further apart than this many usual distances have a gap between them.
const GAP: u32 = 5;

/// A series, its detector, and the latest that is known about it.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Its labels.
    pub labels: Labels,
    /// Its detector; `None` for series that are only stored.
    pub monitor: Option<SeriesMonitor>,
    /// For a counter, what turns it into a rate.
    pub rate: Option<CounterRate>,
    /// The latest sample.
    pub last: Option<Sample>,
    /// The verdict on it.
    pub verdict: Option<Verdict>,
    /// When the present run of anomalies began.
    pub anomalous_since: Option<Timestamp>,
}

impl Watch {
    /// Takes in a sample; answers the verdict where there is one. Samples that are not newer than
    /// the latest are left to the store.
    pub fn update(&mut self, sample: Sample) -> Option<&Verdict> {
        if self.last.is_some_and(|last| sample.time <= last.time) {
            return None;
        }
        self.last = Some(sample);
        let monitor = self.monitor.as_mut()?;
        let value = match &mut self.rate {
            Some(rate) if !is_stale(sample.value) => rate.update(sample)?,
            _ => sample.value,
        };
        let verdict = monitor.update(Sample::new(sample.time, value));
        self.anomalous_since = match verdict.outcome {
            Outcome::Anomalous => self.anomalous_since.or(Some(sample.time)),
            Outcome::Missing => self.anomalous_since,
            _ => None,
        };
        Some(self.verdict.insert(verdict))
    }

    /// Memory of the watch without its labels, which the store shares.
    pub fn size_bytes(&self) -> usize {
        // The monitor lies in the watch, and counts itself.
        let watch = size_of::<Self>() - size_of::<SeriesMonitor>();
        watch
            + self
                .monitor
                .as_ref()
                .map_or(size_of::<SeriesMonitor>(), SeriesMonitor::size_bytes)
    }
}

/// Whether `now` is so long after `last` that samples must be missing, when they usually come
/// `step` apart.
pub fn is_gap(last: Timestamp, now: Timestamp, step: Duration) -> bool {
    now.since(last) > step * GAP
}
