//! Matrix profile: how far is each window of a series from the most similar other one?
//!
//! Yeh et al., *Matrix Profile I: All Pairs Similarity Joins for Time Series*, ICDM 2016; diagonal
//! by diagonal as in Zhu et al., *Matrix Profile XI: SCRIMP++*, ICDM 2018, with covariances carried
//! along as in Zimmerman et al., *Matrix Profile XIV: Scaling Time Series Motif Discovery with
//! GPUs*, `SoCC` 2019; one sample after the other as STAMPI of the first paper.

mod join;
mod online;
mod shapes;

pub use online::{OnlineMatrixProfile, OnlineMatrixProfileConfig};

use aiops_core::{
    DataError, Detector, FitError, FittedDetector, ParamError, ScoreError, SeriesView, check_scores,
};

use crate::spread::{DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};
use join::{Best, join};
use shapes::Shapes;

/// Longest window: what an hour has of seconds, ten times.
const MAX_WINDOW: usize = 36_000;

/// Parameters of [`MatrixProfile`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MatrixProfileConfig {
    /// Samples of a window, from 3 to 36000: the length of what may look odd, such as a season.
    pub window: usize,
    /// Windows that begin at most so many samples apart are not compared: they are nearly the
    /// same. `None`: a quarter of the window, rounded up.
    pub exclusion: Option<usize>,
    /// Smallest standard deviation of a window that has a shape, in the unit of the series; with
    /// less, it counts as constant. Not negative.
    pub min_scale: f64,
    /// The same, as a share of the absolute value of the window's mean. Not negative.
    pub relative_min_scale: f64,
}

impl Default for MatrixProfileConfig {
    fn default() -> Self {
        Self {
            window: 100,
            exclusion: None,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

/// The window, the windows that are not compared, and what counts as constant.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measure {
    window: usize,
    exclusion: usize,
    floor: ScaleFloor,
}

impl TryFrom<MatrixProfileConfig> for Measure {
    type Error = ParamError;

    fn try_from(config: MatrixProfileConfig) -> Result<Self, ParamError> {
        if !(3..=MAX_WINDOW).contains(&config.window) {
            let expected = "from 3 to 36000";
            return Err(ParamError::new("window", expected, config.window));
        }
        let exclusion = config.exclusion.unwrap_or(config.window.div_ceil(4));
        if exclusion > MAX_WINDOW {
            return Err(ParamError::new("exclusion", "at most 36000", exclusion));
        }
        Ok(Self {
            window: config.window,
            exclusion,
            floor: ScaleFloor::new(config.min_scale, config.relative_min_scale)?,
        })
    }
}

/// The algorithm. Build it from a [`MatrixProfileConfig`].
///
/// ```
/// use aiops_core::{Series, TimeAxis, Timestamp};
/// use aiops_detect::matrix_profile::{MatrixProfile, MatrixProfileConfig};
/// use std::time::Duration;
///
/// // A job runs every 50 minutes; once it takes a different course.
/// let load = |minute: usize| match minute % 50 {
///     phase if (400..450).contains(&minute) => 20.0 + 10.0 * (phase as f64 / 4.0).sin(),
///     phase => 20.0 + 10.0 * (phase as f64 / 8.0).sin() + (minute * 7 % 11) as f64 / 20.0,
/// };
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 1000)?;
/// let series = Series::new(axis, (0..1000).map(load).collect())?;
///
/// let mut config = MatrixProfileConfig::default();
/// config.window = 50;
/// let profile = MatrixProfile::try_from(config)?.profile(series.view())?;
/// let odd = profile.discords(1)[0];
/// assert!((380..430).contains(&odd), "{odd}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// distance(i, j) = sqrt(sum over the samples of (a - b)^2)    from 0 to 2 sqrt(window)
/// a, b           = the windows at i and j, each brought to mean 0 and standard deviation 1
/// profile(i)     = least distance(i, j) with |i - j| > exclusion
/// left profile   = the same with j < i: what was known when the window ended
/// ```
///
/// Two windows without a shape (constant ones) have distance 0, one with and one without
/// `sqrt(window)`. The minimum is exact; distances agree with `stumpy` to 1e-9.
///
/// As a [`Detector`] it learns a series that is normal; the score of a sample is the distance of
/// the window that ends there from the nearest window of the training series. So a season that is
/// longer than the window is no help: what is normal on some day is normal at all times.
///
/// # Cost
///
/// `O(n^2)` for a profile, whatever the window: 0.6 s for 32,000 samples on one core. With the
/// feature `rayon` diagonals spread over the caller's pool; results are the same to the bit.
/// 100 bytes a sample.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no window without a missing sample | [`DataError::TooShort`] |
/// | missing sample (`NaN`) | no distance for the windows over it; they are nobody's neighbour |
/// | constant window | see above; what is constant says the floor |
/// | no other window far enough away | no distance |
/// | values beyond 1e100 | count as 1e100 |
/// | standard deviations below 1e-150 | count as constant |
///
/// # Not good for
///
/// Single odd values, which are a small part of a window; the size of things, which is taken off;
/// anomalies that happen twice alike and so are each other's neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixProfile {
    measure: Measure,
}

impl TryFrom<MatrixProfileConfig> for MatrixProfile {
    type Error = ParamError;

    fn try_from(config: MatrixProfileConfig) -> Result<Self, ParamError> {
        let measure = config.try_into()?;
        Ok(Self { measure })
    }
}

impl MatrixProfile {
    /// The profile of a series with itself.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`] when there is no window without a missing sample.
    pub fn profile(&self, series: SeriesView<'_>) -> Result<Profile, FitError> {
        self.among(series, true)
    }

    /// The left profile: each window is compared with those before it.
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile).
    pub fn left_profile(&self, series: SeriesView<'_>) -> Result<Profile, FitError> {
        self.among(series, false)
    }

    fn shapes(&self, series: SeriesView<'_>) -> Result<Shapes, DataError> {
        let (needed, values) = (self.measure.window, series.values());
        let runs = values.split(|value| value.is_nan());
        let found = runs.map(<[f64]>::len).max().unwrap_or(0);
        if found < needed {
            return Err(DataError::TooShort { needed, found });
        }
        Ok(Shapes::new(values, needed, self.measure.floor))
    }

    fn among(&self, series: SeriesView<'_>, later: bool) -> Result<Profile, FitError> {
        let shapes = self.shapes(series)?;
        let apart = self.measure.exclusion + 1;
        let (right, left) = join(&shapes, &shapes, apart);
        let before = |list: &[usize], index: usize| {
            let count = list.partition_point(|&at| at + apart <= index);
            list[..count].last().copied()
        };
        let after = |list: &[usize], index: usize| {
            let count = list.partition_point(|&at| at < index + apart);
            list.get(count).copied()
        };
        let nearest = |index: usize| {
            let left = settle(&shapes, index, &shapes, &left, |list| before(list, index));
            if !later {
                return left;
            }
            let right = settle(&shapes, index, &shapes, &right, |list| after(list, index));
            match (left, right) {
                (Some(left), Some(right)) if right.0 < left.0 => Some(right),
                (left, right) => left.or(right),
            }
        };
        Ok(Profile {
            window: self.measure.window,
            nearest: (0..shapes.len()).map(nearest).collect(),
        })
    }
}

/// Distance of a window from the nearest of `others`, and where that is. `pick` chooses from the
/// windows without and with a shape.
fn settle(
    shapes: &Shapes,
    index: usize,
    others: &Shapes,
    best: &Best,
    pick: impl Fn(&[usize]) -> Option<usize>,
) -> Option<(f64, usize)> {
    let apart = (shapes.window() as f64).sqrt();
    let flat = pick(&others.flat);
    if shapes.flat.binary_search(&index).is_ok() {
        let equal = flat.map(|at| (0.0, at));
        return equal.or_else(|| pick(&others.shaped).map(|at| (apart, at)));
    }
    shapes.shaped.binary_search(&index).ok()?;
    match (best.get(index), flat) {
        // A cosine of 1/2 is as far as a window without a shape.
        (Some((cosine, _)), Some(flat)) if cosine < 0.5 => Some((apart, flat)),
        (Some((_, at)), _) => Some((shapes.distance(index, others, at), at)),
        (None, flat) => flat.map(|at| (apart, at)),
    }
}

/// The nearest neighbour of each window.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    window: usize,
    nearest: Vec<Option<(f64, usize)>>,
}

impl Profile {
    /// For each window, by its first sample: the distance from its nearest neighbour, and the
    /// first sample of that; `None` where there is none.
    pub fn nearest(&self) -> &[Option<(f64, usize)>] {
        &self.nearest
    }

    /// One score for each sample: the distance of the window that ends there, `NaN` where there
    /// is none, which the first `window - 1` samples never have.
    pub fn scores(&self) -> Vec<f64> {
        let scores = self.nearest.iter();
        let scores = scores.map(|nearest| nearest.map_or(f64::NAN, |(distance, _)| distance));
        let none = std::iter::repeat_n(f64::NAN, self.window - 1);
        none.chain(scores).collect()
    }

    /// First samples of the windows that are farthest from all others, the farthest first, at
    /// most `count` of them; they do not overlap.
    pub fn discords(&self, count: usize) -> Vec<usize> {
        let distance = |index: usize| self.nearest[index].map_or(f64::NEG_INFINITY, |n| n.0);
        let mut order: Vec<usize> = (0..self.nearest.len())
            .filter(|&index| self.nearest[index].is_some())
            .collect();
        order.sort_by(|&a, &b| distance(b).total_cmp(&distance(a)));
        let mut found: Vec<usize> = Vec::new();
        for index in order {
            if found.len() == count {
                break;
            }
            if found.iter().all(|at| at.abs_diff(index) >= self.window) {
                found.push(index);
            }
        }
        found
    }
}

impl Detector for MatrixProfile {
    type Model = FittedMatrixProfile;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedMatrixProfile, FitError> {
        self.shapes(train)?;
        Ok(FittedMatrixProfile {
            profile: *self,
            train: train.values().to_vec(),
        })
    }
}

/// What [`MatrixProfile`] learned: the training series.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedMatrixProfile {
    profile: MatrixProfile,
    train: Vec<f64>,
}

impl FittedMatrixProfile {
    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.train.capacity() * size_of::<f64>()
    }
}

impl FittedDetector for FittedMatrixProfile {
    fn warmup(&self) -> usize {
        self.profile.measure.window - 1
    }

    fn score_into(&self, series: SeriesView<'_>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(series.len(), scores)?;
        scores.fill(f64::NAN);
        let Ok(new) = self.profile.shapes(series) else {
            return Ok(()); // no window, no score
        };
        let Measure { window, floor, .. } = self.profile.measure;
        let train = Shapes::new(&self.train, window, floor);
        let (mut best, _) = join(&new, &train, 0);
        best.merge(&join(&train, &new, 1).1);
        for (index, score) in scores[window - 1..].iter_mut().enumerate() {
            let first = |list: &[usize]| list.first().copied();
            *score = settle(&new, index, &train, &best, first).map_or(f64::NAN, |n| n.0);
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{FittedMatrixProfile, MatrixProfile, MatrixProfileConfig, Measure};

    /// The measure, checked when read.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(in crate::matrix_profile) struct MeasureV1 {
        window: usize,
        exclusion: usize,
        #[serde(with = "exact")]
        min_scale: f64,
        #[serde(with = "exact")]
        relative_min_scale: f64,
    }

    impl From<Measure> for MeasureV1 {
        fn from(measure: Measure) -> Self {
            Self {
                window: measure.window,
                exclusion: measure.exclusion,
                min_scale: measure.floor.absolute,
                relative_min_scale: measure.floor.relative,
            }
        }
    }

    impl From<Measure> for MatrixProfileConfig {
        fn from(measure: Measure) -> Self {
            Self {
                window: measure.window,
                exclusion: Some(measure.exclusion),
                min_scale: measure.floor.absolute,
                relative_min_scale: measure.floor.relative,
            }
        }
    }

    impl TryFrom<&MeasureV1> for Measure {
        type Error = LoadError;

        fn try_from(wire: &MeasureV1) -> Result<Self, LoadError> {
            let config = MatrixProfileConfig {
                window: wire.window,
                exclusion: Some(wire.exclusion),
                min_scale: wire.min_scale,
                relative_min_scale: wire.relative_min_scale,
            };
            Measure::try_from(config).map_err(|error| LoadError::payload(error.to_string()))
        }
    }

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        measure: MeasureV1,
        #[serde(with = "exact_vec")]
        train: Vec<f64>,
    }

    impl StoredModel for FittedMatrixProfile {
        const KIND: &'static str = "detect.matrix-profile";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                measure: self.profile.measure.into(),
                train: self.train.clone(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let measure = Measure::try_from(&wire.measure)?;
            let runs = wire.train.split(|value| value.is_nan());
            let longest = runs.map(<[f64]>::len).max().unwrap_or(0);
            if longest < measure.window || wire.train.iter().any(|value| value.is_infinite()) {
                return Err(LoadError::payload("no window to compare with"));
            }
            Ok(Self {
                profile: MatrixProfile { measure },
                train: wire.train,
            })
        }
    }
}
