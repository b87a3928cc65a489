//! A monitor for counters.

use aiops_core::prepare::CounterRate;
use aiops_core::{Sample, StreamingDetector, Threshold, Verdict};

use super::Monitor;

/// Watches the rate of a counter, which starts again at 0 when its process restarts.
///
/// Takes the counter's samples and judges the growth per second between them: a restart is no
/// anomaly. Value, band and floor of a verdict are rates; the first sample, and one that gives no
/// rate, is `Missing`.
///
/// ```
/// use aiops_core::{Sample, Timestamp};
/// use aiops_detect::monitor::{CounterMonitor, SeriesMonitor};
///
/// let mut monitor = CounterMonitor::new(SeriesMonitor::default());
/// let (mut requests, mut anomalies) = (0.0, 0);
/// for second in 0..400 {
///     if second == 200 {
///         requests = 0.0; // the process restarts
///     }
///     requests += if second < 390 { 50.0 } else { 500.0 } + f64::from(second % 7);
///     let at = Timestamp::from_secs(second.into()).expect("in range");
///     let verdict = monitor.update(Sample::new(at, requests));
///     anomalies += i32::from(verdict.is_anomalous());
/// }
/// assert_eq!(anomalies, 8); // of the last ten samples; two wait for the votes
/// ```
#[derive(Clone, Debug)]
pub struct CounterMonitor<S, T> {
    rate: CounterRate,
    monitor: Monitor<S, T>,
}

impl<S: StreamingDetector + Clone, T: Threshold> CounterMonitor<S, T> {
    /// Watches rates with `monitor`.
    pub fn new(monitor: Monitor<S, T>) -> Self {
        Self {
            rate: CounterRate::default(),
            monitor,
        }
    }

    /// The monitor of the rates.
    pub fn monitor(&self) -> &Monitor<S, T> {
        &self.monitor
    }

    /// Judges the growth up to `sample`, then learns from it. Samples come in order of time.
    pub fn update(&mut self, sample: Sample) -> Verdict {
        let rate = self.rate.update(sample).unwrap_or(f64::NAN);
        self.monitor.update(Sample::new(sample.time, rate))
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<CounterRate>() + self.monitor.size_bytes()
    }
}
