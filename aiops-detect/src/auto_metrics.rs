//! A default for the metrics of one machine or service over time.
//!
//! The distance to [sampled neighbours](crate::sampled_neighbors) of standardised rows, averaged
//! over the last rows, because incidents last and noise does not. In comparisons on labelled
//! server metrics such simple distances are on top: Schmidl, Wenig and Papenbrock, *Anomaly
//! Detection in Time Series: A Comprehensive Evaluation*, VLDB 2022.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError, Seed,
    check_scores,
};

use crate::rows::{check_columns, check_finite};
use crate::sampled_neighbors::{FittedSampledNeighbors, SampledNeighbors, SampledNeighborsConfig};
use crate::scaling::{Scaling, extremes};

/// Smallest spread of a column that blame is measured in, as a share of its training range and of
/// the median column's ratio of the two: columns that hardly ever move are not blamed for little.
const LEAST_RATIO: f64 = 0.3;

/// Longest window.
const MAX_WINDOW: usize = 10_000;

/// Parameters of [`AutoMetrics`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AutoMetricsConfig {
    /// Rows that a score is the mean over, the scored one last; from 1 to 10000.
    pub window: usize,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for AutoMetricsConfig {
    fn default() -> Self {
        Self {
            window: 10,
            seed: Seed::default(),
        }
    }
}

/// The detector to begin with for several metrics on one time axis: rows are instants in order,
/// columns are metrics. Build it from an [`AutoMetricsConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::auto_metrics::{AutoMetrics, AutoMetricsConfig};
///
/// // Rows are minutes, columns are CPU share, requests and queue length.
/// let minute = |minute: usize, column: usize| {
///     let load = (minute as f64 / 200.0).sin() + 2.0;
///     [0.2, 100.0, 3.0][column] * (load + ((minute * (column + 7)) % 11) as f64 / 20.0)
/// };
/// let yesterday = Array2::from_shape_fn((1440, 3), |(m, column)| minute(m, column));
/// let mut today = Array2::from_shape_fn((600, 3), |(m, column)| minute(m + 1440, column));
/// for m in 300..330 {
///     today[[m, 2]] *= 4.0; // the queue grows
/// }
///
/// let model = AutoMetrics::try_from(AutoMetricsConfig::default())?.fit(yesterday.view())?;
/// let scores = model.score(today.view())?;
/// assert!((0..300).all(|m| scores[m] < scores[315]));
/// let blame = model.explain(&today.row(315).to_vec())?;
/// assert!(blame[2] > blame[0] + blame[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score(t) = mean over the last `window` rows up to t of the distance to sampled neighbours
/// blame    = ((x - mean) / spread)^2 for each column
/// spread   = standard deviation, at least 0.3 * range * median over the columns of
///            (standard deviation / range)
/// ```
///
/// Causal: a score depends on rows up to its own. The neighbours are those of
/// [`sampled_neighbors`](crate::sampled_neighbors) with 5 samples of 1024 standardised rows; at
/// least 0, in standard deviations over all columns. The blame is per row; add it up over the
/// rows of an incident to find the metrics that it is about.
///
/// # Cost
///
/// Some 50 us a row with 38 columns, and 5120 times 8 bytes a column.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | the first rows | the mean over those that there are |
/// | constant column in training | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in; not blamed |
/// | row without any value | score `NaN`; left out of the means after it |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
///
/// # Not good for
///
/// Drift: what is normal is what the training rows were, so fit anew, for example every day.
/// Single spikes, which the mean dilutes; take a window of 1 for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoMetrics {
    window: usize,
    sampled: SampledNeighbors,
}

impl TryFrom<AutoMetricsConfig> for AutoMetrics {
    type Error = ParamError;

    fn try_from(config: AutoMetricsConfig) -> Result<Self, ParamError> {
        if !(1..=MAX_WINDOW).contains(&config.window) {
            return Err(ParamError::new("window", "from 1 to 10000", config.window));
        }
        let sampled = SampledNeighborsConfig {
            samples: 5,
            sample_size: 1024,
            scaling: Scaling::Standard,
            seed: config.seed,
        };
        Ok(Self {
            window: config.window,
            sampled: sampled.try_into()?,
        })
    }
}

impl MultivariateDetector for AutoMetrics {
    type Model = FittedAutoMetrics;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedAutoMetrics, FitError> {
        Ok(FittedAutoMetrics {
            window: self.window,
            sampled: self.sampled.fit(train)?,
            columns: Column::of_all(&train),
        })
    }

    fn fit_score(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        Ok(trailing_means(&self.sampled.fit_score(train)?, self.window))
    }
}

/// What blame is measured in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Column {
    mean: f64,
    spread: f64,
}

impl Column {
    fn of_all(train: &ArrayView2<'_, f64>) -> Vec<Self> {
        let stats: Vec<(f64, f64, f64)> = train
            .columns()
            .into_iter()
            .map(|column| {
                let values: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
                let (low, high) = extremes(&values);
                let (mean, deviation) = crate::scaling::moments(&values);
                let range = if high > low {
                    (high - low).min(f64::MAX)
                } else {
                    0.0
                };
                (mean, deviation, range)
            })
            .collect();
        let moving = stats.iter().filter(|(_, _, range)| *range > 0.0);
        let mut ratios: Vec<f64> = moving
            .map(|(_, deviation, range)| deviation / range)
            .collect();
        let usual = aiops_core::numerics::median(&mut ratios); // NaN when nothing moves
        let column = |&(mean, deviation, range): &(f64, f64, f64)| {
            let spread = deviation.max(LEAST_RATIO * usual * range);
            let usable = spread > 0.0 && spread.is_finite();
            Self {
                mean,
                spread: if usable { spread } else { 1.0 },
            }
        };
        stats.iter().map(column).collect()
    }

    fn blame(self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        let distance = ((value - self.mean) / self.spread).clamp(-1e100, 1e100);
        distance * distance
    }
}

/// Mean over the last `window` values that are there; `NaN` stays.
fn trailing_means(values: &[f64], window: usize) -> Vec<f64> {
    let mean_up_to = |index: usize| {
        let from = (index + 1).saturating_sub(window);
        let present = values[from..=index].iter().filter(|value| !value.is_nan());
        let (count, sum) =
            present.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
        sum / f64::from(count)
    };
    let values = values.iter().enumerate();
    let mean = |(index, value): (usize, &f64)| {
        if value.is_nan() {
            f64::NAN
        } else {
            mean_up_to(index)
        }
    };
    values.map(mean).collect()
}

/// What [`AutoMetrics`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedAutoMetrics {
    window: usize,
    sampled: FittedSampledNeighbors,
    columns: Vec<Column>,
}

impl FittedAutoMetrics {
    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.sampled.size_bytes() + self.columns.len() * size_of::<Column>()
    }
}

impl FittedMultivariateDetector for FittedAutoMetrics {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(rows.nrows(), scores)?;
        let each = self.sampled.score(rows)?;
        scores.copy_from_slice(&trailing_means(&each, self.window));
        Ok(())
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        check_columns(self.columns.len(), row.len())?;
        check_finite(row)?;
        let columns = self.columns.iter().zip(row);
        Ok(columns
            .map(|(column, &value)| column.blame(value))
            .collect())
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{Column, FittedAutoMetrics, MAX_WINDOW};
    use crate::sampled_neighbors::FittedSampledNeighbors;
    use crate::sampled_neighbors::wire::V1 as SampledV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        window: usize,
        sampled: SampledV1,
        #[serde(with = "exact_vec")]
        mean: Vec<f64>,
        #[serde(with = "exact_vec")]
        spread: Vec<f64>,
    }

    impl StoredModel for FittedAutoMetrics {
        const KIND: &'static str = "detect.auto-metrics";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                window: self.window,
                sampled: self.sampled.to_wire(),
                mean: self.columns.iter().map(|column| column.mean).collect(),
                spread: self.columns.iter().map(|column| column.spread).collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let sampled: FittedSampledNeighbors = wire.sampled.try_into()?;
            let width = sampled.width();
            let fits = (1..=MAX_WINDOW).contains(&wire.window)
                && wire.mean.len() == width
                && wire.spread.len() == width
                && wire.mean.iter().all(|mean| mean.is_finite())
                && wire
                    .spread
                    .iter()
                    .all(|&spread| spread > 0.0 && spread.is_finite());
            if !fits {
                return Err(LoadError::payload("the columns cannot be"));
            }
            let columns = wire.mean.into_iter().zip(wire.spread);
            Ok(Self {
                window: wire.window,
                sampled,
                columns: columns
                    .map(|(mean, spread)| Column { mean, spread })
                    .collect(),
            })
        }
    }
}
