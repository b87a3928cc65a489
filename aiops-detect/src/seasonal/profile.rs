//! What is usual at each time of a period.

use aiops_core::Timestamp;

/// Values of single precision, so that a day and a week fit into a few kilobytes; kept relative
/// to an anchor, so that small changes on a high level are not lost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    period_nanos: i64,
    offset_nanos: i64,
    /// Weight of a visit of a bin against those before it.
    rate: f64,
    /// `NaN` where nothing was seen.
    bins: Box<[f32]>,
    anchor: f64,
    visit: Visit,
}

/// The samples since time entered the present bin. They count when it leaves it, so that what is
/// expected never holds the very sample that is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Visit {
    pub(crate) bin: usize,
    pub(crate) count: u32,
    pub(crate) mean: f64,
}

impl Profile {
    /// Of a period in seconds, in `bins` equal parts. `offset` seconds are added to a time stamp
    /// before its place in the period is taken.
    pub(crate) fn new(period: u32, bins: usize, offset: i32, rate: f64) -> Self {
        const NANOS: i64 = 1_000_000_000;
        Self {
            period_nanos: i64::from(period) * NANOS,
            offset_nanos: i64::from(offset) * NANOS,
            rate,
            bins: vec![f32::NAN; bins].into(),
            anchor: f64::NAN,
            visit: Visit::default(),
        }
    }

    fn bin(&self, at: Timestamp) -> usize {
        let place = at.as_nanos().rem_euclid(self.period_nanos);
        let place = (place + self.offset_nanos).rem_euclid(self.period_nanos);
        // In microseconds, so that the product fits.
        ((place / 1_000) * self.bins.len() as i64 / (self.period_nanos / 1_000)) as usize
    }

    /// What was usual at this time of earlier periods; `None` when nothing was seen.
    pub(crate) fn expected(&self, at: Timestamp) -> Option<f64> {
        let value = self.bins[self.bin(at)];
        (!value.is_nan()).then(|| clamp(self.anchor + f64::from(value)))
    }

    /// Learns a finite value.
    pub(crate) fn learn(&mut self, at: Timestamp, value: f64) {
        if self.anchor.is_nan() {
            self.anchor = value;
        }
        let bin = self.bin(at);
        if bin != self.visit.bin {
            self.leave();
            self.visit = Visit {
                bin,
                ..Visit::default()
            };
        }
        let away = clamp(value - self.anchor);
        self.visit.count = self.visit.count.saturating_add(1);
        let share = 1.0 / f64::from(self.visit.count);
        self.visit.mean = (1.0 - share) * self.visit.mean + share * away;
    }

    fn leave(&mut self) {
        if self.visit.count == 0 {
            return;
        }
        let value = &mut self.bins[self.visit.bin];
        let known = f64::from(*value);
        let next = if value.is_nan() {
            self.visit.mean
        } else {
            (1.0 - self.rate) * known + self.rate * self.visit.mean
        };
        *value = next.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.bins.len() * size_of::<f32>()
    }
}

fn clamp(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

/// Stored form: what was learned. The shape comes from the configuration.
#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, exact, exact_vec};

    use super::{Profile, Visit};

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct V1 {
        #[serde(with = "exact_vec")]
        bins: Vec<f64>,
        #[serde(with = "exact")]
        anchor: f64,
        bin: usize,
        count: u32,
        #[serde(with = "exact")]
        mean: f64,
    }

    impl From<&Profile> for V1 {
        fn from(profile: &Profile) -> Self {
            Self {
                bins: profile.bins.iter().copied().map(f64::from).collect(),
                anchor: profile.anchor,
                bin: profile.visit.bin,
                count: profile.visit.count,
                mean: profile.visit.mean,
            }
        }
    }

    impl V1 {
        /// Puts what was learned into an empty profile.
        pub(crate) fn fill(self, empty: &mut Profile) -> Result<(), LoadError> {
            let shape = self.bins.len() == empty.bins.len() && self.bin < self.bins.len();
            let numbers = self.mean.is_finite() && !self.anchor.is_infinite();
            let anchored = !self.anchor.is_nan()
                || (self.count == 0 && self.bins.iter().all(|value| value.is_nan()));
            let single = |value: &f64| value.is_nan() || f64::from(*value as f32) == *value;
            if !shape || !numbers || !anchored || !self.bins.iter().all(single) {
                return Err(LoadError::payload("a seasonal profile cannot be"));
            }
            if self.bins.iter().any(|value| value.is_infinite()) {
                return Err(LoadError::payload("a usual value is not finite"));
            }
            empty.bins = self.bins.iter().map(|&value| value as f32).collect();
            empty.anchor = self.anchor;
            empty.visit = Visit {
                bin: self.bin,
                count: self.count,
                mean: self.mean,
            };
            Ok(())
        }
    }
}
