//! Distance from a centre in units of a robust spread: what the detectors with a median share.

use aiops_core::numerics::MAD_TO_SIGMA;
use aiops_core::{Band, ParamError, Warmup};

/// Largest score of [`robust_z`](crate::robust_z) and [`rolling_mad`](crate::rolling_mad): the
/// score of a change in a series whose assumed spread is zero.
pub const MAX_SCORE: f64 = 1e6;

/// Makes the mean absolute deviation of a normal sample consistent with its standard deviation:
/// sqrt(pi / 2).
const MEAN_DEVIATION_TO_SIGMA: f64 = 1.253_314_137_315_500_3;

/// Smallest share of the level that counts as spread. Rounding in computed metrics (sums of
/// shares, differences of counters) stays far below it, and so does not score.
pub(crate) const DEFAULT_RELATIVE_MIN_SCALE: f64 = 1e-9;

/// The spread that is assumed however quiet the data are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScaleFloor {
    pub(crate) absolute: f64,
    pub(crate) relative: f64,
}

impl ScaleFloor {
    /// Checked; the names are those of the configurations that hold the two numbers.
    pub(crate) fn new(absolute: f64, relative: f64) -> Result<Self, ParamError> {
        check_not_negative("min_scale", absolute)?;
        check_not_negative("relative_min_scale", relative)?;
        Ok(Self { absolute, relative })
    }

    /// Robust standard deviation from the median absolute deviation, or where that is 0, because
    /// more than half of the values are equal, from the mean absolute deviation; at least the
    /// floor. Finite, and 0 only for constant data without a floor.
    pub(crate) fn scale(self, center: f64, mad: f64, mean_deviation: impl FnOnce() -> f64) -> f64 {
        let robust = if mad > 0.0 {
            mad * MAD_TO_SIGMA
        } else {
            mean_deviation() * MEAN_DEVIATION_TO_SIGMA
        };
        self.at_least(center, robust)
    }

    /// `scale`, or the floor where that is larger; finite.
    pub(crate) fn at_least(self, center: f64, scale: f64) -> f64 {
        scale
            .max(self.absolute)
            .max(self.relative * center.abs())
            .min(f64::MAX)
    }
}

/// Accepts finite numbers from 0 on; meant for fields of configurations.
pub(crate) fn check_not_negative(name: &'static str, value: f64) -> Result<(), ParamError> {
    if value >= 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(ParamError::new(name, "finite and not negative", value))
    }
}

/// `|a - b|` of finite numbers, at most the largest finite one.
pub(crate) fn distance(a: f64, b: f64) -> f64 {
    (a - b).abs().min(f64::MAX)
}

/// Score of a finite value: 0 at the centre, at most [`MAX_SCORE`], never `NaN`.
pub(crate) fn score(value: f64, center: f64, scale: f64) -> f64 {
    let distance = distance(value, center);
    if distance > 0.0 {
        (distance / scale).min(MAX_SCORE)
    } else {
        0.0
    }
}

/// Mean of `|value - center|` over values that are not missing; 0 of no value.
///
/// Eight partial sums, added in a fixed order, so that the processor need not wait for each
/// addition; all terms have one sign, so nothing cancels.
pub(crate) fn mean_deviation(values: &[f64], center: f64) -> f64 {
    const LANES: usize = 8;
    let count = values.len().max(1) as f64;
    let sum_of = |unit: f64| {
        let mut lanes = [0.0; LANES];
        let chunks = values.chunks_exact(LANES);
        for (lane, &value) in lanes.iter_mut().zip(chunks.remainder()) {
            *lane = distance(value, center) * unit;
        }
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane += distance(value, center) * unit;
            }
        }
        lanes.iter().sum::<f64>()
    };
    let sum = sum_of(1.0);
    if sum.is_finite() {
        sum / count
    } else {
        sum_of(1.0 / count).min(f64::MAX) // values near the end of the range
    }
}

/// The values that [`score`] at most `max_score`; `None` for a score that is none.
pub(crate) fn band(center: f64, scale: f64, max_score: f64) -> Option<Band> {
    if max_score.is_nan() || max_score < 0.0 {
        return None;
    }
    let reach = if max_score >= MAX_SCORE {
        f64::MAX // no score is larger
    } else {
        max_score * scale
    };
    Some(Band {
        lower: (center - reach).max(f64::MIN),
        center,
        upper: (center + reach).min(f64::MAX),
    })
}

/// How far a detector is that needs `needed` samples.
pub(crate) fn warmup(seen: usize, needed: usize) -> Warmup {
    if seen < needed {
        Warmup::Warming { seen, needed }
    } else {
        Warmup::Ready
    }
}
