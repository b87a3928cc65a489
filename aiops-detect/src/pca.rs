//! Principal components: a row is odd that does not follow the relations between the columns, or
//! follows them too far.
//!
//! Jackson and Mudholkar, *Control Procedures for Residuals Associated With Principal Component
//! Analysis*, Technometrics 1979 (residual); Hotelling 1947 (T-squared); Tipping and Bishop,
//! *Probabilistic Principal Component Analysis*, JRSS B 1999 (both together).

use aiops_core::ndarray::{Array2, ArrayView2, Axis};
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError,
    check_scores,
};

use crate::rows::{check_columns, check_finite, each_block};
use crate::scaling::{Scaler, Scaling};
use crate::symmetric::{eigen, second_moments};

/// Largest distance, in standard deviations or other units of the scaling, that a value can have
/// from the centre: so that squares stay finite, and far from anything real.
const FARTHEST: f64 = 1e100;

/// Smallest share of the largest eigenvalue that counts as variance. Smaller ones are rounding;
/// dividing by them would make every row infinitely odd where columns are collinear.
const MIN_SHARE: f64 = 1e-9;

/// Rows that are scored at a time.
const BLOCK: usize = 64;

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum PcaScore {
    /// Squared distance from the space of the components that are kept: relations between columns
    /// that no longer hold.
    Residual,
    /// Squared distance from the centre within that space, each component in units of its
    /// standard deviation: usual relations, unusual size.
    TSquared,
    /// T-squared, plus the residual in units of the mean variance of the components that are not
    /// kept: the squared Mahalanobis distance of probabilistic PCA.
    #[default]
    Both,
}

/// Parameters of [`Pca`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct PcaConfig {
    /// Share of the variance that the components which are kept have together at least, greater
    /// than 0 and at most 1.
    pub variance: f64,
    /// What is measured.
    pub score: PcaScore,
    /// How columns of different units become comparable.
    pub scaling: Scaling,
}

impl Default for PcaConfig {
    fn default() -> Self {
        Self {
            variance: 0.95,
            score: PcaScore::default(),
            scaling: Scaling::Standard,
        }
    }
}

/// The algorithm. Build it from a [`PcaConfig`].
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::pca::{Pca, PcaConfig};
///
/// // Rows are minutes, columns are requests, CPU share and bytes sent: all follow the load.
/// let mut minutes = Array2::from_shape_fn((300, 3), |(minute, column)| {
///     let load = (minute as f64 / 20.0).sin() + 2.0;
///     [100.0, 0.2, 3e6][column] * (load + ((minute * (column + 7)) % 11) as f64 / 50.0)
/// });
/// minutes[[7, 1]] = 0.2; // a usual share of CPU, but not at this load
///
/// let model = Pca::try_from(PcaConfig::default())?.fit(minutes.view())?;
/// let scores = model.score(minutes.view())?;
/// assert!(scores.iter().all(|&score| score <= scores[7]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// z         = scaled row minus the mean of the scaled training rows
/// residual  = |z|^2 - sum over the kept components i of (v_i z)^2
/// T-squared = sum over the kept components i of (v_i z)^2 / lambda_i
/// both      = T-squared + residual / mean of the eigenvalues that are not kept
/// ```
///
/// `v_i` are the eigenvectors of the covariance, `lambda_i` its eigenvalues. At least 0; larger is
/// more anomalous. The explanation gives each column its part of these sums; parts of T-squared
/// may be negative.
///
/// # Cost
///
/// Fitting `O(n d^2 + d^3)`, scoring `O(k d)` a row, with `k` components kept of `d`.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | all rows equal | 0 for the same row; squared distance for others |
/// | collinear columns | eigenvalues count as at least 1e-9 of the largest |
/// | constant column | keeps its unit |
/// | missing value (`NaN`) | the training median of its column stands in |
/// | row without any value | score `NaN`; not learned |
/// | column without any value | never counts |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
/// | scaled values beyond 1e100 | count as 1e100 |
///
/// # Not good for
///
/// Curved relations and several clusters; training data with many outliers, which bend the
/// components.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pca {
    config: PcaConfig,
}

impl TryFrom<PcaConfig> for Pca {
    type Error = ParamError;

    fn try_from(config: PcaConfig) -> Result<Self, ParamError> {
        if config.variance > 0.0 && config.variance <= 1.0 {
            Ok(Self { config })
        } else {
            let expected = "greater than 0 and at most 1";
            Err(ParamError::new("variance", expected, config.variance))
        }
    }
}

impl MultivariateDetector for Pca {
    type Model = FittedPca;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedPca, FitError> {
        let scaler = Scaler::fit(&train, self.config.scaling, 2)?;
        let width = scaler.width();
        let mut rows = scaled_rows(&scaler, &train);
        let center = take_mean_off(&mut rows, width);
        let (values, vectors) = eigen(second_moments(&rows, width));
        let kept = kept(&values, self.config.variance);
        let floor = MIN_SHARE * values[0].max(0.0);
        let rest = &values[kept..];
        let noise = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
        // Without any variance at all, distances are in the unit of the scaling.
        let at_least = |value: f64| if floor > 0.0 { value.max(floor) } else { 1.0 };
        Ok(FittedPca {
            score: self.config.score,
            scaler,
            center,
            variances: values[..kept]
                .iter()
                .map(|&value| at_least(value))
                .collect(),
            components: vectors.view().split_at(Axis(0), kept).0.to_owned(),
            noise: at_least(noise),
        })
    }
}

/// Scaled rows that have a value, one after the other, within [`FARTHEST`].
fn scaled_rows(scaler: &Scaler, train: &ArrayView2<'_, f64>) -> Vec<f64> {
    let mut rows = Vec::with_capacity(train.len());
    let mut scaled = vec![0.0; train.ncols()];
    for row in train.rows() {
        if scaler.apply(row, &mut scaled) {
            rows.extend(scaled.iter().map(|value| value.clamp(-FARTHEST, FARTHEST)));
        }
    }
    rows
}

fn take_mean_off(rows: &mut [f64], width: usize) -> Vec<f64> {
    let count = (rows.len() / width) as f64;
    let mut center = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in center.iter_mut().zip(row) {
            *sum += value / count;
        }
    }
    for row in rows.chunks_exact_mut(width) {
        for (value, center) in row.iter_mut().zip(&center) {
            *value -= center;
        }
    }
    center
}

/// Number of components whose variances add up to the share; at least 1.
fn kept(values: &[f64], share: f64) -> usize {
    let all: f64 = values.iter().map(|value| value.max(0.0)).sum();
    let mut sum = 0.0;
    for (index, value) in values.iter().enumerate() {
        sum += value.max(0.0);
        if sum >= share * all {
            return index + 1;
        }
    }
    values.len()
}

/// What [`Pca`] learned: the scales and the components, not the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedPca {
    score: PcaScore,
    scaler: Scaler,
    center: Vec<f64>,
    /// Of each component that is kept.
    variances: Vec<f64>,
    /// One in each row.
    components: Array2<f64>,
    /// Mean variance of the components that are not kept.
    noise: f64,
}

impl FittedPca {
    /// Number of components that are kept.
    pub fn components(&self) -> usize {
        self.variances.len()
    }

    /// Number of columns of the rows that it scores.
    pub fn columns(&self) -> usize {
        self.center.len()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        let values = self.components.len() + self.variances.len() + 4 * self.center.len();
        size_of::<Self>() + values * size_of::<f64>()
    }

    /// Writes the centred row; `false` when it has no value.
    fn center<'a>(&self, row: impl IntoIterator<Item = &'a f64>, centered: &mut [f64]) -> bool {
        let known = self.scaler.apply(row, centered);
        for (value, center) in centered.iter_mut().zip(&self.center) {
            *value = value.clamp(-FARTHEST, FARTHEST) - center;
        }
        known
    }

    /// Gives each column its part, which `parts` holds afterwards, and answers the sum.
    ///
    /// `z` is split into what lies in the space of the components and what is left.
    fn parts(&self, z: &[f64], parts: &mut [f64]) -> f64 {
        let (t_squared, residual) = match self.score {
            PcaScore::Residual => (0.0, 1.0),
            PcaScore::TSquared => (1.0, 0.0),
            PcaScore::Both => (1.0, 1.0 / self.noise),
        };
        let mut left = z.to_vec();
        parts.fill(0.0);
        for (component, variance) in self.components.rows().into_iter().zip(&self.variances) {
            let along: f64 = component.iter().zip(z).map(|(v, z)| v * z).sum();
            for (((part, left), v), z) in parts.iter_mut().zip(&mut left).zip(component).zip(z) {
                *part += t_squared * (along / variance) * v * z;
                *left -= along * v;
            }
        }
        for (part, left) in parts.iter_mut().zip(&left) {
            *part += residual * left * left;
        }
        parts.iter().sum::<f64>().max(0.0)
    }
}

impl FittedMultivariateDetector for FittedPca {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(rows.nrows(), scores)?;
        check_columns(self.scaler.width(), rows.ncols())?;
        check_finite(rows)?;
        each_block(scores, BLOCK, |first, scores| {
            let mut z = vec![0.0; self.scaler.width()];
            let mut parts = z.clone();
            for (index, score) in scores.iter_mut().enumerate() {
                let known = self.center(rows.row(first + index), &mut z);
                *score = if known {
                    self.parts(&z, &mut parts)
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
        let mut z = vec![0.0; row.len()];
        let mut parts = z.clone();
        self.center(row, &mut z);
        self.parts(&z, &mut parts);
        for (part, value) in parts.iter_mut().zip(row) {
            if value.is_nan() {
                *part = 0.0;
            }
        }
        Ok(parts)
    }
}

#[cfg(feature = "serde")]
pub(crate) mod wire {
    use aiops_core::ndarray::Array2;
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{FARTHEST, FittedPca, PcaScore};
    use crate::scaling::Scaler;
    use crate::scaling::wire::ScalerV1;

    /// `components` row by row.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        score: PcaScore,
        scaler: ScalerV1,
        #[serde(with = "exact_vec")]
        center: Vec<f64>,
        #[serde(with = "exact_vec")]
        variances: Vec<f64>,
        #[serde(with = "exact_vec")]
        components: Vec<f64>,
        #[serde(with = "exact")]
        noise: f64,
    }

    impl StoredModel for FittedPca {
        const KIND: &'static str = "detect.pca";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                score: self.score,
                scaler: (&self.scaler).into(),
                center: self.center.clone(),
                variances: self.variances.clone(),
                components: self.components.iter().copied().collect(),
                noise: self.noise,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            payload.read::<V1>()?.try_into()
        }
    }

    impl TryFrom<V1> for FittedPca {
        type Error = LoadError;

        fn try_from(wire: V1) -> Result<Self, LoadError> {
            let scaler: Scaler = wire.scaler.try_into()?;
            let (width, kept) = (scaler.width(), wire.variances.len());
            let variance = |value: &f64| *value > 0.0 && value.is_finite();
            let fits = (1..=width).contains(&kept)
                && wire.center.len() == width
                && wire.center.iter().all(|value| value.abs() <= FARTHEST)
                && wire.variances.iter().all(variance)
                && variance(&wire.noise)
                && wire
                    .components
                    .iter()
                    .all(|value| value.abs() <= 1.0 + 1e-9);
            let bad = || LoadError::payload("not the components of so many columns");
            if !fits {
                return Err(bad());
            }
            let components =
                Array2::from_shape_vec((kept, width), wire.components).map_err(|_| bad())?;
            Ok(Self {
                score: wire.score,
                scaler,
                center: wire.center,
                variances: wire.variances,
                components,
                noise: wire.noise,
            })
        }
    }
}
