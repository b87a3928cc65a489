//! Spectral residual: what stands out of the smooth part of the spectrum is salient.
//!
//! Ren et al., *Time-Series Anomaly Detection Service at Microsoft*, KDD 2019, after Hou and Zhang,
//! *Saliency Detection: A Spectral Residual Approach*, CVPR 2007.

use aiops_core::numerics::median;
use aiops_core::{FitError, ParamError, SeriesView};

use crate::MAX_SCORE;
use crate::fourier::{Complex, inverse, transform};
use crate::scaling::extremes;
use crate::spread::DEFAULT_RELATIVE_MIN_SCALE;

/// Amplitudes below this share of the largest are rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// Parameters of [`SpectralResidual`]. The defaults are those of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SpectralResidualConfig {
    /// Frequencies over which the logarithm of the spectrum is averaged, at least 2.
    pub spectrum: usize,
    /// Samples over which the saliency is averaged, at least 2.
    pub saliency: usize,
}

impl Default for SpectralResidualConfig {
    fn default() -> Self {
        Self {
            spectrum: 3,
            saliency: 21,
        }
    }
}

/// The algorithm. Build it from a [`SpectralResidualConfig`].
///
/// ```
/// use aiops_core::{Series, TimeAxis, Timestamp};
/// use aiops_detect::spectral_residual::{SpectralResidual, SpectralResidualConfig};
/// use std::time::Duration;
///
/// let mut values: Vec<f64> = (0..500).map(|i| 50.0 + 20.0 * (f64::from(i) * 0.1).sin()).collect();
/// values[321] += 15.0; // within the usual range, but not here
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(60), 500)?;
/// let series = Series::new(axis, values)?;
///
/// let detector = SpectralResidual::try_from(SpectralResidualConfig::default())?;
/// let scores = detector.scores(series.view())?;
/// assert!(scores[10..490].iter().all(|&score| score <= scores[321]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// L        = ln |F|             F: Fourier transform of the series
/// saliency = |inverse transform of exp(L - average of L) F / |F||
/// score    = (saliency - average of saliency) / average of saliency, at least 0
/// ```
///
/// Averages are over the last values, this one included. The score is at least 0 and less than the
/// number of samples averaged; the paper takes 3 for odd. All of the series counts for each
/// sample: this is a batch method.
///
/// # Cost
///
/// `O(n log n)`, for any `n`: about 1 us a sample; 100 bytes a sample.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two present samples | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | constant series | 0 |
/// | missing sample (`NaN`) | score `NaN`; the line between its neighbours stands in |
///
/// # Not good for
///
/// Noise, in which every sample is salient somewhat; slow changes; the first and last few samples,
/// between which the transform sees a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpectralResidual {
    config: SpectralResidualConfig,
}

impl TryFrom<SpectralResidualConfig> for SpectralResidual {
    type Error = ParamError;

    fn try_from(config: SpectralResidualConfig) -> Result<Self, ParamError> {
        for (name, value) in [("spectrum", config.spectrum), ("saliency", config.saliency)] {
            if value < 2 {
                return Err(ParamError::new(name, "at least 2", value));
            }
        }
        Ok(Self { config })
    }
}

impl SpectralResidual {
    /// One score for each sample.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`](aiops_core::DataError::TooShort) with fewer than two present
    /// samples.
    pub fn scores(&self, series: SeriesView<'_>) -> Result<Vec<f64>, FitError> {
        series.require(2)?;
        let values = series.values();
        let Some(signal) = signal(values) else {
            let constant = |value: &f64| if value.is_nan() { f64::NAN } else { 0.0 };
            return Ok(values.iter().map(constant).collect());
        };
        let saliency = self.saliency(&signal);
        let average = trailing_average(&saliency, self.config.saliency);
        let score = |((value, saliency), average): ((&f64, &f64), &f64)| {
            if value.is_nan() {
                f64::NAN
            } else if *average > 0.0 {
                (saliency / average - 1.0).clamp(0.0, MAX_SCORE)
            } else {
                0.0
            }
        };
        Ok(values
            .iter()
            .zip(&saliency)
            .zip(&average)
            .map(score)
            .collect())
    }

    fn saliency(&self, signal: &[Complex]) -> Vec<f64> {
        let spectrum = transform(signal);
        let largest = spectrum
            .iter()
            .fold(0.0, |most: f64, value| most.max(value.size()));
        let at_least = NEGLIGIBLE * largest;
        let logs: Vec<f64> = spectrum
            .iter()
            .map(|value| value.size().max(at_least).ln())
            .collect();
        let averages = trailing_average(&logs, self.config.spectrum);
        // exp(L - average) / |F| = exp(-average)
        let residual: Vec<Complex> = spectrum
            .iter()
            .zip(&averages)
            .map(|(value, average)| value.scaled((-average).exp()))
            .collect();
        inverse(&residual)
            .iter()
            .map(|value| value.size())
            .collect()
    }
}

/// The series in units of its largest value, gaps closed by lines; `None` for a constant.
fn signal(values: &[f64]) -> Option<Vec<Complex>> {
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let (low, high) = extremes(&present);
    let unit = low.abs().max(high.abs());
    let spread = high / unit - low / unit;
    let center = median(&mut present.clone()).abs() / unit;
    if spread.is_nan() || spread <= DEFAULT_RELATIVE_MIN_SCALE * center {
        return None;
    }
    let mut signal = Vec::with_capacity(values.len());
    let mut last: Option<(usize, f64)> = None;
    for (index, &value) in values.iter().enumerate() {
        if value.is_nan() {
            continue;
        }
        let value = value / unit;
        let (from, start) = last.unwrap_or((0, value));
        while signal.len() < index {
            let share = (signal.len() - from) as f64 / (index - from) as f64;
            signal.push(start + share * (value - start));
        }
        signal.push(value);
        last = Some((index, value));
    }
    let end = last.map_or(0.0, |(_, value)| value);
    signal.resize(values.len(), end);
    let complex = |re: f64| Complex { re, im: 0.0 };
    Some(signal.into_iter().map(complex).collect())
}

/// Mean of the last `width` values, this one included; at the start, of those that there are.
fn trailing_average(values: &[f64], width: usize) -> Vec<f64> {
    let average = |index: usize| {
        let start = (index + 1).saturating_sub(width);
        let window = &values[start..=index];
        window.iter().sum::<f64>() / window.len() as f64
    };
    (0..values.len()).map(average).collect()
}
