//! Quantiles of a stream within a stated error.
//!
//! Masson, Rim and Lee, *DDSketch: a fast and fully-mergeable quantile sketch with relative-error
//! guarantees*, PVLDB 12 (2019).

use std::collections::BTreeMap;

use crate::ParamError;

/// Counts values in bins whose width grows with the value, so that a quantile is off by at most a
/// stated share of itself, whatever the distribution.
///
/// Two sketches of the same error can be joined, and give what one sketch of all values would. The
/// order of the values does not matter.
///
/// ```
/// use aiops_core::prepare::QuantileSketch;
///
/// let mut sketch = QuantileSketch::new(0.01)?;
/// for value in 1..=1_000 {
///     sketch.add(f64::from(value));
/// }
/// let p99 = sketch.quantile(0.99).expect("not empty");
/// assert!((p99 - 990.0).abs() <= 0.01 * 990.0);
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// One addition costs a logarithm and a search among the bins in use. At most 4,096 bins for each
/// sign are kept: with an error of 1 % they span 35 orders of magnitude. When there are more, those
/// closest to zero become one, and quantiles that fall into it lose the promise.
///
/// | case | outcome |
/// |---|---|
/// | no value | no quantile |
/// | `NaN`, infinite | not counted |
/// | smaller than 1e-300 in size | counts as 0 |
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileSketch {
    relative_error: f64,
    /// Logarithm of the ratio between the ends of a bin.
    log_ratio: f64,
    below: BTreeMap<i32, u64>,
    zeros: u64,
    above: BTreeMap<i32, u64>,
    count: u64,
}

const MAX_BINS: usize = 4_096;
/// What is closer to zero counts as zero.
const SMALLEST: f64 = 1e-300;

impl QuantileSketch {
    /// Quantiles are off by at most `relative_error` times their size.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when it is not from 0.0001 to 0.5.
    pub fn new(relative_error: f64) -> Result<Self, ParamError> {
        if !(0.0001..=0.5).contains(&relative_error) {
            let expected = "from 0.0001 to 0.5";
            return Err(ParamError::new("relative_error", expected, relative_error));
        }
        let ratio = (1.0 + relative_error) / (1.0 - relative_error);
        Ok(Self {
            relative_error,
            log_ratio: ratio.ln(),
            below: BTreeMap::new(),
            zeros: 0,
            above: BTreeMap::new(),
            count: 0,
        })
    }

    /// Counts a value.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        if value.abs() < SMALLEST {
            self.zeros += 1;
            return;
        }
        let bin = (value.abs().ln() / self.log_ratio).ceil() as i32;
        let bins = if value > 0.0 {
            &mut self.above
        } else {
            &mut self.below
        };
        *bins.entry(bin).or_default() += 1;
        bound(bins);
    }

    /// Counts all that `other` has counted. Answers `false`, and does nothing, when the two have
    /// different errors.
    pub fn join(&mut self, other: &Self) -> bool {
        if self.relative_error != other.relative_error {
            return false;
        }
        for (own, others) in [
            (&mut self.below, &other.below),
            (&mut self.above, &other.above),
        ] {
            for (bin, count) in others {
                *own.entry(*bin).or_default() += count;
            }
            bound(own);
        }
        self.zeros += other.zeros;
        self.count += other.count;
        true
    }

    /// Number of values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value below which a share `level` of the values is: the one of rank
    /// `floor(level * (count - 1))`, counted from 0; `None` of no value.
    ///
    /// # Panics
    ///
    /// When `level` is not in `[0, 1]`.
    pub fn quantile(&self, level: f64) -> Option<f64> {
        assert!(
            (0.0..=1.0).contains(&level),
            "quantile level {level} is not in [0, 1]"
        );
        let last = self.count.checked_sub(1)?;
        let mut rank = (level * last as f64).floor() as u64;
        let negative = self
            .below
            .iter()
            .rev()
            .map(|(bin, count)| (-self.middle(*bin), *count));
        let zero = [(0.0, self.zeros)];
        let positive = self
            .above
            .iter()
            .map(|(bin, count)| (self.middle(*bin), *count));
        for (value, count) in negative.chain(zero).chain(positive) {
            if rank < count {
                return Some(value);
            }
            rank -= count;
        }
        None
    }

    /// The value that is off by the same share from both ends of a bin.
    fn middle(&self, bin: i32) -> f64 {
        let upper = (f64::from(bin) * self.log_ratio).exp();
        upper * (1.0 - self.relative_error)
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + 16 * (self.below.len() + self.above.len())
    }
}

/// Joins the bins closest to zero while there are too many.
fn bound(bins: &mut BTreeMap<i32, u64>) {
    while bins.len() > MAX_BINS {
        let Some((_, smallest)) = bins.pop_first() else {
            return;
        };
        if let Some(mut next) = bins.first_entry() {
            *next.get_mut() += smallest;
        }
    }
}
