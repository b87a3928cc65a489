//! Distance to the nearest row of small random samples, averaged over the samples.
//!
//! Sugiyama and Borgwardt, *Rapid Distance-Based Outlier Detection via Sampling*, NIPS 2013;
//! averaged over samples as by Wu and Jermaine, *Outlier Detection by Sampling with Accuracy
//! Guarantees*, KDD 2006.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError, Seed,
    check_scores,
};

use crate::rows::{check_columns, check_finite, each_block, in_parallel};
use crate::scaling::{Scaler, Scaling};

/// Largest scaled value, so that squared distances stay finite.
const FARTHEST: f64 = 1e100;

/// Rows that are compared with one sample after the other.
const BLOCK: usize = 64;

/// Sampled rows that are compared side by side.
const LANES: usize = 8;

/// Most sampled rows of all samples together.
const MAX_ROWS: usize = 1 << 24;

/// Parameters of [`SampledNeighbors`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SampledNeighborsConfig {
    /// Number of samples, at least 1; times `sample_size` at most 16777216.
    pub samples: usize,
    /// Rows of each sample, at least 2; all rows when there are fewer. Few rows see what is far
    /// from all of the data, also when the odd rows are a clump; more rows see local oddities.
    pub sample_size: usize,
    /// How columns of different units become comparable.
    pub scaling: Scaling,
    /// Where randomness comes from.
    pub seed: Seed,
}

impl Default for SampledNeighborsConfig {
    fn default() -> Self {
        Self {
            samples: 20,
            sample_size: 64,
            scaling: Scaling::Robust,
            seed: Seed::default(),
        }
    }
}

/// The algorithm. Build it from a [`SampledNeighborsConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::MultivariateDetector;
/// use aiops_detect::sampled_neighbors::{SampledNeighbors, SampledNeighborsConfig};
///
/// // Three hosts of two hundred have one fault, and so are near each other.
/// let hosts = Array2::from_shape_fn((200, 2), |(host, column)| {
///     let noise = ((host * (column + 3) * 37) % 101) as f64 / 101.0;
///     if host % 80 == 0 { 6.0 + 0.1 * noise } else { noise }
/// });
/// let scores = SampledNeighbors::try_from(SampledNeighborsConfig::default())?
///     .fit_score(hosts.view())?;
/// let most_normal = (0..200).filter(|host| host % 80 != 0).map(|host| scores[host]);
/// let most_normal = most_normal.fold(0.0, f64::max);
/// assert!((0..200).step_by(80).all(|host| scores[host] > most_normal));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = mean over the samples of the distance to the nearest row of the sample
/// distance = Euclidean, over scaled columns
/// ```
///
/// At least 0, in units of the scaling; larger is more anomalous. With
/// [`fit_score`](MultivariateDetector::fit_score) a row does not count as its own neighbour. The
/// explanation divides the score by the shares of the columns in the squared distances.
///
/// # Cost
///
/// Fitting draws the samples, whatever the number of rows, but for the scales. Scoring compares a
/// row with `samples * sample_size` others, by default some 5 us with 8 columns. 8 bytes for each
/// sampled value.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | all rows equal | 0 for the same row |
/// | constant column | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in |
/// | row without any value | score `NaN`; not sampled |
/// | column without any value | never counts |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | scaled values beyond 1e100 | count as 1e100 |
///
/// # Not good for
///
/// Anomalies that are near normal rows but not like them, for which samples are too coarse: see
/// [`knn`](crate::knn) and [`lof`](crate::lof).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampledNeighbors {
    config: SampledNeighborsConfig,
}

impl TryFrom<SampledNeighborsConfig> for SampledNeighbors {
    type Error = ParamError;

    fn try_from(config: SampledNeighborsConfig) -> Result<Self, ParamError> {
        if config.samples == 0 {
            return Err(ParamError::new("samples", "at least 1", config.samples));
        }
        if !(2..=MAX_ROWS).contains(&config.sample_size) {
            let expected = "from 2 to 16777216";
            return Err(ParamError::new("sample_size", expected, config.sample_size));
        }
        if config.samples > MAX_ROWS / config.sample_size {
            let expected = "at most 16777216 / sample_size";
            return Err(ParamError::new("samples", expected, config.samples));
        }
        Ok(Self { config })
    }
}

impl SampledNeighbors {
    /// The model, and for each sample the training rows in it.
    fn learn(
        &self,
        train: &ArrayView2<'_, f64>,
    ) -> Result<(FittedSampledNeighbors, Vec<Vec<usize>>), FitError> {
        let scaler = Scaler::fit(train, self.config.scaling, 2)?;
        let rows = train.rows().into_iter().enumerate();
        let usable: Vec<usize> = rows
            .filter(|(_, row)| row.iter().any(|value| !value.is_nan()))
            .map(|(index, _)| index)
            .collect();
        let drawn = in_parallel(self.config.samples, |index| {
            let mut rng = self.config.seed.child(index as u64).rng();
            let picks = rng.sample_indices(usable.len(), self.config.sample_size);
            picks.iter().map(|&pick| usable[pick]).collect::<Vec<_>>()
        });
        let mut scaled = vec![0.0; scaler.width()];
        let samples = drawn.iter().map(|ids| {
            let mut sample = Sample::new(ids.len(), scaler.width());
            for (place, &id) in ids.iter().enumerate() {
                scale(&scaler, train.row(id), &mut scaled);
                sample.set(place, &scaled);
            }
            sample
        });
        let samples = samples.collect();
        Ok((FittedSampledNeighbors { scaler, samples }, drawn))
    }
}

fn scale<'a>(scaler: &Scaler, row: impl IntoIterator<Item = &'a f64>, scaled: &mut [f64]) -> bool {
    let known = scaler.apply(row, scaled);
    for value in scaled.iter_mut() {
        *value = value.clamp(-FARTHEST, FARTHEST);
    }
    known
}

/// Sampled rows in groups of [`LANES`], each column by column; the last row fills the last group.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    rows: usize,
    groups: Vec<[f64; LANES]>,
    width: usize,
}

impl Sample {
    fn new(rows: usize, width: usize) -> Self {
        Self {
            rows,
            groups: vec![[0.0; LANES]; rows.div_ceil(LANES) * width],
            width,
        }
    }

    /// Rows are set in order.
    fn set(&mut self, place: usize, row: &[f64]) {
        let group = &mut self.groups[place / LANES * self.width..][..self.width];
        for (lanes, &value) in group.iter_mut().zip(row) {
            lanes[place % LANES..].fill(value);
        }
    }

    fn value(&self, place: usize, column: usize) -> f64 {
        self.groups[place / LANES * self.width + column][place % LANES]
    }

    /// Squared distance to the nearest row, passing over one place, and that row's place.
    fn nearest(&self, row: &[f64], skip: Option<usize>) -> (f64, usize) {
        let mut best = (f64::INFINITY, 0);
        for (index, group) in self.groups.chunks_exact(self.width).enumerate() {
            let mut distances = [0.0; LANES];
            for (lanes, &at) in group.iter().zip(row) {
                for (distance, &value) in distances.iter_mut().zip(lanes) {
                    *distance += (value - at) * (value - at);
                }
            }
            for (lane, &distance) in distances.iter().enumerate() {
                let place = index * LANES + lane;
                if distance < best.0 && place < self.rows && Some(place) != skip {
                    best = (distance, place);
                }
            }
        }
        best
    }
}

impl MultivariateDetector for SampledNeighbors {
    type Model = FittedSampledNeighbors;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<Self::Model, FitError> {
        Ok(self.learn(&train)?.0)
    }

    fn fit_score(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        let (model, drawn) = self.learn(&train)?;
        let mut scores = model.score(train)?;
        // Rows that were drawn found themselves.
        let mut ids: Vec<usize> = drawn.iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let own = in_parallel(ids.len(), |index| {
            let mut scaled = vec![0.0; model.scaler.width()];
            scale(&model.scaler, train.row(ids[index]), &mut scaled);
            let skip = |sample: &[usize]| sample.iter().position(|&id| id == ids[index]);
            model.distance(&scaled, |sample| skip(&drawn[sample]))
        });
        for (id, own) in ids.into_iter().zip(own) {
            scores[id] = own;
        }
        Ok(scores)
    }
}

/// What [`SampledNeighbors`] learned: the samples.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedSampledNeighbors {
    scaler: Scaler,
    samples: Vec<Sample>,
}

impl FittedSampledNeighbors {
    #[cfg(feature = "serde")]
    pub(crate) fn width(&self) -> usize {
        self.scaler.width()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        let groups: usize = self.samples.iter().map(|sample| sample.groups.len()).sum();
        size_of::<Self>() + groups * size_of::<[f64; LANES]>()
    }

    fn distance(&self, scaled: &[f64], skip: impl Fn(usize) -> Option<usize>) -> f64 {
        let samples = self.samples.iter().enumerate();
        let sum: f64 = samples
            .map(|(index, sample)| sample.nearest(scaled, skip(index)).0.sqrt())
            .sum();
        sum / self.samples.len() as f64
    }
}

impl FittedMultivariateDetector for FittedSampledNeighbors {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        let width = self.scaler.width();
        check_scores(rows.nrows(), scores)?;
        check_columns(width, rows.ncols())?;
        check_finite(rows)?;
        each_block(scores, BLOCK, |first, scores| {
            let mut scaled = vec![0.0; width];
            for (index, score) in scores.iter_mut().enumerate() {
                let known = scale(&self.scaler, rows.row(first + index), &mut scaled);
                *score = if known {
                    self.distance(&scaled, |_| None)
                } else {
                    f64::NAN
                };
            }
        });
        Ok(())
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        check_columns(self.scaler.width(), row.len())?;
        check_finite(row)?;
        let mut scaled = vec![0.0; row.len()];
        scale(&self.scaler, row, &mut scaled);
        let mut shares = vec![0.0; row.len()];
        for sample in &self.samples {
            let (squared, place) = sample.nearest(&scaled, None);
            if squared > 0.0 {
                let unit = squared.sqrt() * self.samples.len() as f64;
                for (column, share) in shares.iter_mut().enumerate() {
                    let difference = scaled[column] - sample.value(place, column);
                    *share += difference * (difference / unit);
                }
            }
        }
        for (share, value) in shares.iter_mut().zip(row) {
            if value.is_nan() {
                *share = 0.0;
            }
        }
        Ok(shares)
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{FARTHEST, FittedSampledNeighbors, MAX_ROWS, Sample};
    use crate::scaling::Scaler;
    use crate::scaling::wire::ScalerV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        scaler: ScalerV1,
        samples: Vec<SampleV1>,
    }

    /// Scaled rows, one after the other.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SampleV1 {
        #[serde(with = "exact_vec")]
        rows: Vec<f64>,
    }

    impl From<&Sample> for SampleV1 {
        fn from(sample: &Sample) -> Self {
            let rows = 0..sample.rows;
            let row = |place| (0..sample.width).map(move |column| sample.value(place, column));
            Self {
                rows: rows.flat_map(row).collect(),
            }
        }
    }

    impl From<&FittedSampledNeighbors> for V1 {
        fn from(model: &FittedSampledNeighbors) -> Self {
            Self {
                scaler: (&model.scaler).into(),
                samples: model.samples.iter().map(SampleV1::from).collect(),
            }
        }
    }

    impl TryFrom<V1> for FittedSampledNeighbors {
        type Error = LoadError;

        fn try_from(wire: V1) -> Result<Self, LoadError> {
            let bad = || LoadError::payload("the samples are no rows");
            let scaler: Scaler = wire.scaler.try_into()?;
            let width = scaler.width();
            let mut samples = Vec::with_capacity(wire.samples.len());
            for SampleV1 { rows } in wire.samples {
                let count = rows.len() / width;
                let inside = rows.iter().all(|value| value.abs() <= FARTHEST);
                if !(2..=MAX_ROWS).contains(&count) || rows.len() % width != 0 || !inside {
                    return Err(bad());
                }
                let mut sample = Sample::new(count, width);
                for (place, row) in rows.chunks_exact(width).enumerate() {
                    sample.set(place, row);
                }
                samples.push(sample);
            }
            if samples.is_empty() {
                return Err(bad());
            }
            Ok(Self { scaler, samples })
        }
    }

    impl StoredModel for FittedSampledNeighbors {
        const KIND: &'static str = "detect.sampled-neighbors";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            self.into()
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            payload.read::<V1>()?.try_into()
        }
    }
}
