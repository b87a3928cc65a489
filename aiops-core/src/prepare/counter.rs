//! Counters to rates.

use crate::Sample;

/// Turns a counter, which only grows and starts again at 0 when its process restarts, into a rate
/// per second, one sample at a time.
///
/// A value smaller than the one before is a reset: the counter then stands for the growth since
/// the reset. A missing sample (`NaN`) gives no rate; the next one covers the gap. Samples that do
/// not move on in time, and negative or infinite values, give no rate and are not remembered.
///
/// ```
/// use aiops_core::prepare::CounterRate;
/// use aiops_core::{Sample, Timestamp};
///
/// let mut rate = CounterRate::default();
/// let at = |secs| Timestamp::from_secs(secs).expect("in range");
/// assert_eq!(rate.update(Sample::new(at(0), 100.0)), None);
/// assert_eq!(rate.update(Sample::new(at(10), 150.0)), Some(5.0));
/// assert_eq!(rate.update(Sample::new(at(20), 20.0)), Some(2.0)); // a restart
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CounterRate {
    last: Option<Sample>,
}

impl CounterRate {
    /// The rate per second since the sample before, in the unit of the counter; `None` for the
    /// first sample and for one that is not usable.
    pub fn update(&mut self, sample: Sample) -> Option<f64> {
        if !(sample.value.is_finite() && sample.value >= 0.0) {
            return None;
        }
        let Some(last) = self.last else {
            self.last = Some(sample);
            return None;
        };
        let seconds = sample.time.since(last.time).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        self.last = Some(sample);
        let growth = if sample.value >= last.value {
            sample.value - last.value
        } else {
            sample.value
        };
        Some(growth / seconds)
    }
}
