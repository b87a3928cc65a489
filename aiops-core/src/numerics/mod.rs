//! Numbers that several crates compute: robust statistics, exact sums, stable hashes, distributions.

pub mod beta;
pub mod gamma;
pub mod normal;
pub mod student;

/// Makes the median absolute deviation of a normal sample consistent with its standard
/// deviation: 1 / Phi^-1(3/4).
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// Where `below` ends to hold between two numbers, to the last bits.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    while let middle = f64::midpoint(low, high)
        && middle > low
        && middle < high
    {
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): a hash that is the same everywhere, for ever. Not for
/// hash tables that outsiders can fill.
#[derive(Clone, Copy, Debug)]
pub struct Fnv1a64(u64);

impl Default for Fnv1a64 {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a64 {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash of all bytes so far.
    pub fn finish(self) -> u64 {
        self.0
    }
}

/// A sum whose error does not grow with the number of terms (Neumaier 1974).
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactSum {
    sum: f64,
    lost: f64,
}

impl ExactSum {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        self.lost += if self.sum.abs() >= term.abs() {
            (self.sum - sum) + term
        } else {
            (term - sum) + self.sum
        };
        self.sum = sum;
    }

    /// The sum.
    pub fn total(self) -> f64 {
        self.sum + self.lost
    }
}

impl FromIterator<f64> for ExactSum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.add(term));
        sum
    }
}

/// Mean and variance of a stream (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Welford {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Welford {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean; 0 of no value.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance with divisor n; 0 of no value.
    pub fn variance(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.squares / self.count as f64
        }
    }
}

/// Arithmetic mean; `NaN` of no value.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().copied().collect::<ExactSum>().total() / values.len() as f64
}

/// Median of values in any order, which are reordered; `NaN` of no value. Missing values must be
/// taken out first. Linear time.
pub fn median(values: &mut [f64]) -> f64 {
    let len = values.len();
    if len == 0 {
        return f64::NAN;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(len / 2, f64::total_cmp);
    if len % 2 == 1 {
        return upper;
    }
    let lower = below
        .iter()
        .copied()
        .max_by(f64::total_cmp)
        .unwrap_or(upper);
    f64::midpoint(lower, upper)
}

/// Median and median absolute deviation (not scaled) of values in any order, which are
/// overwritten; `NaN` of no value. Missing values must be taken out first.
pub fn median_and_mad(values: &mut [f64]) -> (f64, f64) {
    let center = median(values);
    for value in values.iter_mut() {
        *value = (*value - center).abs();
    }
    (center, median(values))
}

/// Quantile of sorted values by linear interpolation between the closest ranks (type 7 of
/// Hyndman and Fan 1996, the default of R and `NumPy`); `NaN` of no value.
///
/// # Panics
///
/// When `level` is not in `[0, 1]`.
pub fn quantile_sorted(sorted: &[f64], level: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&level),
        "quantile level {level} is not in [0, 1]"
    );
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = level * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
