//! Histogram-based outlier score: a row is as odd as its values are rare, column by column.
//!
//! Goldstein and Dengel, *Histogram-based Outlier Score (HBOS)*, KI 2012; numbers of bins by
//! Birge and Rozenholc, *How Many Bins Should Be Put in a Regular Histogram*, ESAIM 2006. The
//! details are `PyOD`'s, so that scores compare.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError,
};

use crate::columns::{self, Columns, sorted_columns};

/// Most bins of a column.
const MAX_BINS: usize = 1 << 16;

/// Parameters of [`Hbos`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HbosConfig {
    /// Bins of each column, from 2 to 65536. `None`: as many, below the square root of the number
    /// of rows, as the penalised likelihood of Birge and Rozenholc asks for.
    pub bins: Option<usize>,
    /// Added to each density, so that an empty bin has a logarithm; in (0, 1). In the unit of a
    /// density, so it weighs the more the wider a column spreads.
    pub alpha: f64,
    /// A value outside of the histogram by at most this many bin widths counts as in its last
    /// bin; in (0, 1).
    pub tolerance: f64,
}

impl Default for HbosConfig {
    fn default() -> Self {
        Self {
            bins: None,
            alpha: 0.1,
            tolerance: 0.5,
        }
    }
}

/// The algorithm. Build it from an [`HbosConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::hbos::{Hbos, HbosConfig};
///
/// // Rows are requests, columns are seconds and megabytes.
/// let mut requests = Array2::from_shape_fn((500, 2), |(row, column)| {
///     ((row * (column + 3)) % 17) as f64 / 10.0
/// });
/// requests[[42, 1]] = 9.0;
///
/// let model = Hbos::try_from(HbosConfig::default())?.fit(requests.view())?;
/// let scores = model.score(requests.view())?;
/// assert!(scores.iter().all(|&score| score <= scores[42]));
/// let terms = model.explain(&[0.5, 9.0])?;
/// assert!(terms[1] > terms[0]); // the megabytes
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = sum over the columns of -log2(density + alpha)
/// density = rows in the bin / (rows * width of the bin)
/// ```
///
/// Any real number; larger is more anomalous. The terms are the explanation. Densities are per
/// unit of the column, so a change of unit changes scores: scale columns of different units
/// first.
///
/// # Cost
///
/// Fitting sorts each column; scoring looks one bin up for each value, some 5 ns. 16 bytes a bin.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no row, no column, or no value at all | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | constant column | one bin width around the value is 1 / bins; any other value is outside |
/// | missing value (`NaN`) | left out; the sum of the others is scaled up in its place |
/// | row without any value | score `NaN` |
/// | column without any value | adds nothing |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | values too near for a bin width | densities stop at the largest finite number |
///
/// # Not good for
///
/// Rows whose values are usual one by one and odd together, local anomalies, and columns whose
/// far outliers stretch the range until all else is one bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hbos {
    config: HbosConfig,
}

impl TryFrom<HbosConfig> for Hbos {
    type Error = ParamError;

    fn try_from(config: HbosConfig) -> Result<Self, ParamError> {
        if let Some(bins) = config.bins
            && !(2..=MAX_BINS).contains(&bins)
        {
            return Err(ParamError::new("bins", "from 2 to 65536", bins));
        }
        for (name, value) in [("alpha", config.alpha), ("tolerance", config.tolerance)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(ParamError::new(name, "between 0 and 1", value));
            }
        }
        Ok(Self { config })
    }
}

impl MultivariateDetector for Hbos {
    type Model = FittedHbos;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedHbos, FitError> {
        let sorted = sorted_columns(&train)?;
        let columns = crate::rows::in_parallel(sorted.len(), |column| {
            let values = &sorted[column];
            let (&low, &high) = (values.first()?, values.last()?);
            let bins = self.config.bins.unwrap_or_else(|| automatic_bins(values));
            let edges = edges(low, high, bins);
            let counts = counts(values, &edges);
            Some(Histogram::new(edges, counts, self.config.alpha))
        });
        Ok(FittedHbos {
            alpha: self.config.alpha,
            tolerance: self.config.tolerance,
            learned: columns.iter().flatten().count(),
            columns,
        })
    }
}

/// Number of bins with the largest penalised likelihood.
fn automatic_bins(sorted: &[f64]) -> usize {
    let n = sorted.len() as f64;
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    let most = (n.sqrt() as usize).clamp(2, MAX_BINS);
    let (mut best, mut best_bins) = (f64::NEG_INFINITY, 1);
    for bins in 1..most {
        let b = bins as f64;
        let penalty = b - 1.0 + b.ln().powf(2.5);
        let likelihood: f64 = counts(sorted, &edges(low, high, bins))
            .into_iter()
            .map(|count| count as f64 * (b * count as f64 / n + 1.0).ln() - penalty)
            .sum();
        if likelihood > best {
            (best, best_bins) = (likelihood, bins);
        }
    }
    best_bins
}

/// The `bins + 1` edges of bins of equal width; one unit wide around a constant.
fn edges(low: f64, high: f64, bins: usize) -> Vec<f64> {
    let (low, high) = if low == high {
        ((low - 0.5).max(f64::MIN), (high + 0.5).min(f64::MAX))
    } else {
        (low, high)
    };
    let b = bins as f64;
    let width = if (high - low).is_finite() {
        (high - low) / b
    } else {
        high / b - low / b
    };
    let mut edges: Vec<f64> = (0..bins).map(|bin| bin as f64 * width + low).collect();
    edges.push(high);
    edges
}

/// Values in `[edge, next edge)`, the last bin with both its edges.
fn counts(sorted: &[f64], edges: &[f64]) -> Vec<u64> {
    let mut before = 0;
    let mut counts: Vec<u64> = edges[1..]
        .iter()
        .map(|&edge| {
            let below = before + sorted[before..].partition_point(|&value| value < edge);
            let count = below - before;
            before = below;
            count as u64
        })
        .collect();
    if let Some(last) = counts.last_mut() {
        *last += (sorted.len() - before) as u64;
    }
    counts
}

/// The histogram of one column.
#[derive(Clone, Debug, PartialEq)]
struct Histogram {
    edges: Vec<f64>,
    counts: Vec<u64>,
    /// What each bin adds to a score.
    terms: Vec<f64>,
    /// The largest of them, for values outside.
    rarest: f64,
}

impl Histogram {
    fn new(edges: Vec<f64>, counts: Vec<u64>, alpha: f64) -> Self {
        let rows = counts.iter().sum::<u64>() as f64;
        let terms: Vec<f64> = counts
            .iter()
            .zip(edges.windows(2))
            .map(|(&count, edge)| {
                let density = if count == 0 {
                    0.0
                } else {
                    (count as f64 / (edge[1] - edge[0]) / rows).min(f64::MAX)
                };
                -(density + alpha).log2()
            })
            .collect();
        let rarest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            edges,
            counts,
            terms,
            rarest,
        }
    }

    fn term(&self, value: f64, tolerance: f64) -> f64 {
        let last = self.edges.len() - 1;
        let (low, high) = (self.edges[0], self.edges[last]);
        if value <= low {
            let width = self.edges[1] - low;
            return self.outside(low - value, width * tolerance, 0);
        }
        if value > high {
            let width = high - self.edges[last - 1];
            return self.outside(value - high, width * tolerance, last - 1);
        }
        // A bin holds its right edge. A guess, then the few steps that rounding may ask for.
        let share = (value * 0.5 - low * 0.5) / (high * 0.5 - low * 0.5);
        let mut bin = ((share * last as f64) as usize).min(last - 1);
        while bin > 0 && value <= self.edges[bin] {
            bin -= 1;
        }
        while value > self.edges[bin + 1] {
            bin += 1;
        }
        self.terms[bin]
    }

    fn outside(&self, distance: f64, tolerated: f64, bin: usize) -> f64 {
        if distance <= tolerated {
            self.terms[bin]
        } else {
            self.rarest
        }
    }
}

/// What [`Hbos`] learned: the histograms.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedHbos {
    alpha: f64,
    tolerance: f64,
    learned: usize,
    columns: Vec<Option<Histogram>>,
}

impl FittedHbos {
    /// Number of bins of a column; 0 when it had no value.
    ///
    /// # Panics
    ///
    /// When there is no such column.
    pub fn bins(&self, column: usize) -> usize {
        let histogram = self.columns[column].as_ref();
        histogram.map_or(0, |histogram| histogram.counts.len())
    }
}

impl Columns for FittedHbos {
    fn width(&self) -> usize {
        self.columns.len()
    }

    fn learned(&self) -> usize {
        self.learned
    }

    fn term(&self, column: usize, value: f64) -> Option<f64> {
        let histogram = self.columns[column].as_ref()?;
        Some(histogram.term(value, self.tolerance))
    }
}

impl FittedMultivariateDetector for FittedHbos {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        columns::score_into(self, &rows, scores)
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        columns::explain(self, row)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

    use super::{FittedHbos, Histogram, MAX_BINS, edges};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        alpha: f64,
        #[serde(with = "exact")]
        tolerance: f64,
        columns: Vec<Option<ColumnV1>>,
    }

    /// `low` and `high` are the outer edges; edges between follow from the number of bins.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ColumnV1 {
        #[serde(with = "exact")]
        low: f64,
        #[serde(with = "exact")]
        high: f64,
        counts: Vec<u64>,
    }

    impl From<&Histogram> for ColumnV1 {
        fn from(histogram: &Histogram) -> Self {
            Self {
                low: histogram.edges[0],
                high: histogram.edges[histogram.counts.len()],
                counts: histogram.counts.clone(),
            }
        }
    }

    impl ColumnV1 {
        fn read(self, alpha: f64) -> Result<Histogram, LoadError> {
            let bad = || LoadError::payload("a column is no histogram");
            let in_order = self.low < self.high && self.low.is_finite() && self.high.is_finite();
            let bins = self.counts.len();
            // The sum is a number of rows, which no machine has more of than this.
            let rows = self
                .counts
                .iter()
                .try_fold(0_u64, |sum, &count| sum.checked_add(count));
            let rows = rows
                .filter(|&rows| rows > 0 && rows < 1 << 53)
                .ok_or_else(bad)?;
            if !in_order || !(1..=MAX_BINS).contains(&bins) || rows == 0 {
                return Err(bad());
            }
            let edges = edges(self.low, self.high, bins);
            Ok(Histogram::new(edges, self.counts, alpha))
        }
    }

    impl StoredModel for FittedHbos {
        const KIND: &'static str = "detect.hbos";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let columns = self.columns.iter();
            V1 {
                alpha: self.alpha,
                tolerance: self.tolerance,
                columns: columns
                    .map(|column| column.as_ref().map(ColumnV1::from))
                    .collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let share = |value: f64| value > 0.0 && value < 1.0;
            if !share(wire.alpha) || !share(wire.tolerance) {
                return Err(LoadError::payload("alpha or tolerance cannot be"));
            }
            let columns: Vec<Option<Histogram>> = wire
                .columns
                .into_iter()
                .map(|column| column.map(|column| column.read(wire.alpha)).transpose())
                .collect::<Result<_, _>>()?;
            let learned = columns.iter().flatten().count();
            if learned == 0 {
                return Err(LoadError::payload("no column was learned"));
            }
            Ok(Self {
                alpha: wire.alpha,
                tolerance: wire.tolerance,
                learned,
                columns,
            })
        }
    }
}
