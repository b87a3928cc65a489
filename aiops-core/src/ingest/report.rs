//! What a body brought besides its samples.

use std::collections::BTreeMap;

/// Series that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Number of series.
    pub count: u64,
    /// Number of samples in them.
    pub samples: u64,
    /// Position in the decompressed body (a byte, or a line of a text), and fault of the first of
    /// them.
    pub first: (usize, String),
}

/// What was refused and left out of a body whose other series were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Refused series, by a short stable reason such as `no-name`.
    pub refused: BTreeMap<&'static str, Refused>,
    /// Samples taken; alerts, records or spans, of a body of those.
    pub samples: u64,
    /// Exemplars, which are left out.
    pub exemplars: u64,
    /// Native and exponential histograms taken; their buckets are among the samples.
    pub histograms: u64,
    /// Samples that were made of those.
    pub histogram_samples: u64,
    /// Fields that are text, which are left out.
    pub texts: u64,
    /// Links between spans, which are left out.
    pub links: u64,
    /// Alerts that the sender says it has left out.
    pub truncated: u64,
}

impl Report {
    /// What was left out of series that were taken: name and number, without the zeros.
    pub fn ignored(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("exemplars", self.exemplars),
            ("texts", self.texts),
            ("links", self.links),
            ("truncated", self.truncated),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
    }

    /// The fault of the first series in the body that was refused.
    pub fn first_refusal(&self) -> Option<&str> {
        self.refused
            .values()
            .map(|refused| &refused.first)
            .min()
            .map(|(_, what)| what.as_str())
    }

    /// Number of series refused, for whatever reason.
    pub fn refused_series(&self) -> u64 {
        self.refused.values().map(|refused| refused.count).sum()
    }

    /// Counts a series; `what` is only called for the first of its reason.
    pub(super) fn refuse(
        &mut self,
        reason: &'static str,
        at: usize,
        samples: u64,
        what: impl FnOnce() -> String,
    ) {
        let refused = self.refused.entry(reason).or_insert_with(|| Refused {
            count: 0,
            samples: 0,
            first: (at, what()),
        });
        refused.count += 1;
        refused.samples += samples;
    }
}
