//! Samples on their way in.

use std::ops::Range;

use crate::{Labels, Timestamp};

/// Prometheus's staleness marker: "this series has just ended". A `NaN` with these very bits,
/// which must be kept through storage.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether `value` is [`STALE`], bit for bit.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// Samples of many series, in columns: one allocation for all times and one for all values.
///
/// ```
/// use aiops_core::ingest::Batch;
/// use aiops_core::{Labels, Timestamp};
///
/// let mut batch = Batch::default();
/// batch.start_series(Labels::of([("__name__", "up")])?);
/// batch.push(Timestamp::EPOCH, 1.0);
/// let series = batch.iter().next().expect("one series");
/// assert_eq!((series.labels.metric(), series.values), ("up", &[1.0][..]));
/// # Ok::<(), aiops_core::LabelError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) series: Vec<(Labels, Range<usize>)>,
    pub(super) times: Vec<Timestamp>,
    pub(super) values: Vec<f64>,
    /// What the sender says about its metrics.
    pub metadata: Vec<MetricMetadata>,
}

/// Lengths of a [`Batch`]'s columns at some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    series: usize,
    pub(super) samples: usize,
    metadata: usize,
}

/// One series of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct BatchSeries<'a> {
    /// Its labels.
    pub labels: &'a Labels,
    /// The times, in the order in which they came; not checked.
    pub times: &'a [Timestamp],
    /// One value for each time, bit for bit as sent: `NaN`, infinities and [`STALE`] included.
    pub values: &'a [f64],
}

/// What a sender says about a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricMetadata {
    /// Name of the metric, or of the family it belongs to.
    pub metric: String,
    /// `counter`, `gauge`, `histogram` and so on, in lower case.
    pub kind: String,
    /// Help text.
    pub help: String,
    /// Unit; may be empty.
    pub unit: String,
}

impl Batch {
    /// The samples pushed from now on belong to `labels`. The same labels may come again.
    pub fn start_series(&mut self, labels: Labels) {
        let end = self.values.len();
        self.series.push((labels, end..end));
    }

    /// Adds a sample to the series started last.
    ///
    /// # Panics
    ///
    /// When no series was started.
    pub fn push(&mut self, time: Timestamp, value: f64) {
        let (_, range) = self
            .series
            .last_mut()
            .expect("a series is started before its samples");
        self.times.push(time);
        self.values.push(value);
        range.end += 1;
    }

    /// The series, in the order in which they were started.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = BatchSeries<'_>> {
        self.series.iter().map(|(labels, range)| BatchSeries {
            labels,
            times: &self.times[range.clone()],
            values: &self.values[range.clone()],
        })
    }

    /// Number of samples.
    pub fn sample_count(&self) -> usize {
        self.values.len()
    }

    /// Number of series started, repetitions included.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Whether there is neither a sample nor metadata.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.metadata.is_empty()
    }

    /// How much there is now, to [`roll_back`](Self::roll_back) to.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            series: self.series.len(),
            samples: self.values.len(),
            metadata: self.metadata.len(),
        }
    }

    /// Takes out what was added since `mark`. No sample may have been added to a series that was
    /// there already.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        self.series.truncate(mark.series);
        self.times.truncate(mark.samples);
        self.values.truncate(mark.samples);
        self.metadata.truncate(mark.metadata);
    }

    /// Forgets the contents and keeps the memory, for the next batch.
    pub fn clear(&mut self) {
        self.series.clear();
        self.times.clear();
        self.values.clear();
        self.metadata.clear();
    }
}
