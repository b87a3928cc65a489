//! What a forecaster did not expect: its errors, in units of their usual spread.
//!
//! Each sample is compared with the forecast made before it came. Median and spread of the last
//! errors are robust, as in [`rolling_mad`](crate::rolling_mad).

use aiops_core::{
    Band, ForecastError, OnlineForecaster, ParamError, Sample, StreamingDetector, Timestamp, Warmup,
};

use crate::rolling_mad::{RollingMad, RollingMadConfig};

/// Parameters of [`Residuals`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ResidualsConfig {
    /// How many errors are remembered, and how many are needed before the first score. Its
    /// `relative_min_scale` is a share of the median error.
    pub errors: RollingMadConfig,
}

/// An online detector: how far from its forecast is a sample?
///
/// Takes any [`OnlineForecaster`], fitted on a stretch of the same series, and moves it on with
/// each sample.
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{
///     Forecast, ForecastError, FittedForecaster, OnlineForecaster, Sample, StreamingDetector,
///     TimeAxis, Timestamp,
/// };
/// use aiops_detect::residuals::{Residuals, ResidualsConfig};
/// use std::time::Duration;
///
/// /// Goes on as between the last two samples.
/// struct Line([f64; 2]);
///
/// impl FittedForecaster for Line {
///     fn forecast(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, ForecastError> {
///         let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(1), horizon)?;
///         let [before, last] = self.0;
///         let ahead = (1..=horizon).map(|step| last + step as f64 * (last - before));
///         Forecast::new(axis, ahead.collect(), levels.to_vec(), Array2::zeros((horizon, levels.len())))
///             .map_err(ForecastError::from)
///     }
/// }
///
/// impl OnlineForecaster for Line {
///     fn update(&mut self, sample: Sample) {
///         self.0 = [self.0[1], sample.value];
///     }
/// }
///
/// // A disk that fills, and is emptied by somebody.
/// let mut detector = Residuals::new(ResidualsConfig::default(), Line([0.0, 1.0]))?;
/// let mut found = Vec::new();
/// for minute in 2..300_u32 {
///     let gigabytes = f64::from(minute) + f64::from(minute * 7 % 5) / 50.0
///         - if minute >= 250 { 100.0 } else { 0.0 };
///     let sample = Sample::new(Timestamp::from_nanos(minute.into()), gigabytes);
///     if detector.update(sample) >= Some(100.0) {
///         found.push(minute);
///     }
/// }
/// assert_eq!(found, [250, 251]); // this forecaster believes the fall for one more minute
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// error = sample - forecast of one step, made before it
/// score = |error - median of the errors| / their robust standard deviation, at most 1e6
/// ```
///
/// The band is that of the errors, moved to the forecast.
///
/// # Cost
///
/// One step and one forecast of the forecaster, and [`rolling_mad`](crate::rolling_mad)'s
/// logarithmic update.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer errors than `warmup` | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; the forecaster steps over it as missing |
/// | forecast that fails or is not finite | the last one that was stands |
/// | forecaster that is always right | as a constant series in [`rolling_mad`](crate::rolling_mad) |
///
/// # Not good for
///
/// Forecasters that learn each sample at full weight: after one odd value the next forecast is odd.
///
/// In a [`Monitor`](crate::monitor::Monitor) a new level begins again with the forecaster as it was
/// given, at its place in the season then: set
/// [`adapt_after`](crate::monitor::MonitorConfig::adapt_after) and
/// [`learn_clipped`](crate::monitor::MonitorConfig::learn_clipped) to `u32::MAX`, and let the
/// forecaster follow the level.
#[derive(Clone, Debug, PartialEq)]
pub struct Residuals<F> {
    forecaster: F,
    /// Forecast of the next sample.
    next: f64,
    errors: RollingMad,
}

impl<F: OnlineForecaster> Residuals<F> {
    /// Compares with the forecasts of `forecaster`, which stands at the sample before the first
    /// that will come.
    ///
    /// # Errors
    ///
    /// [`ForecastError`] when the parameters are out of range, or there is no finite forecast.
    pub fn new(config: ResidualsConfig, forecaster: F) -> Result<Self, ForecastError> {
        let forecast = forecaster.forecast(1, &[])?;
        let next = forecast.mean().first().copied().unwrap_or(f64::NAN);
        if !next.is_finite() {
            return Err(ParamError::new("forecaster", "a finite forecast", next).into());
        }
        Ok(Self {
            forecaster,
            next,
            errors: RollingMad::try_from(config.errors)?,
        })
    }

    /// The forecaster in its present state.
    pub fn forecaster(&self) -> &F {
        &self.forecaster
    }

    /// What is expected of the next sample.
    pub fn next(&self) -> f64 {
        self.next
    }

    fn error(&self, sample: Sample) -> Sample {
        let error = (sample.value - self.next).clamp(f64::MIN, f64::MAX);
        Sample::new(sample.time, error)
    }
}

impl<F: OnlineForecaster> StreamingDetector for Residuals<F> {
    fn kind(&self) -> &'static str {
        "detect.residuals"
    }

    fn warmup(&self) -> Warmup {
        self.errors.warmup()
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        if sample.value.is_finite() {
            self.errors.score_one(self.error(sample))
        } else {
            None
        }
    }

    fn learn_one(&mut self, sample: Sample) {
        if sample.value.is_finite() {
            let error = self.error(sample);
            self.errors.learn_one(error);
            self.forecaster.update(sample);
        } else {
            self.forecaster.update(Sample::new(sample.time, f64::NAN));
        }
        if let Ok(forecast) = self.forecaster.forecast(1, &[])
            && let Some(&next) = forecast.mean().first()
            && next.is_finite()
        {
            self.next = next;
        }
    }

    fn band(&self, at: Timestamp, max_score: f64) -> Option<Band> {
        let band = self.errors.band(at, max_score)?;
        let moved = |error: f64| (error + self.next).clamp(f64::MIN, f64::MAX);
        Some(Band {
            lower: if band.lower == f64::MIN {
                f64::MIN
            } else {
                moved(band.lower)
            },
            center: moved(band.center),
            upper: if band.upper == f64::MAX {
                f64::MAX
            } else {
                moved(band.upper)
            },
        })
    }

    /// What the forecaster holds outside of its own struct is not counted.
    fn size_bytes(&self) -> usize {
        size_of::<Self>() - size_of::<RollingMad>() + self.errors.size_bytes()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::OnlineForecaster;
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, load, save};

    use super::Residuals;
    use crate::rolling_mad::wire as rolling_mad;

    /// `forecaster` is its own stored form.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        forecaster: String,
        #[serde(with = "exact")]
        next: f64,
        errors: rolling_mad::V1,
    }

    impl<F: OnlineForecaster + StoredModel> StoredModel for Residuals<F> {
        const KIND: &'static str = "detect.residuals";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                forecaster: String::from_utf8_lossy(&save(&self.forecaster)).into_owned(),
                next: self.next,
                errors: (&self.errors).into(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            if !wire.next.is_finite() {
                return Err(LoadError::payload("the forecast is not finite"));
            }
            Ok(Self {
                forecaster: load(wire.forecaster.as_bytes())?,
                next: wire.next,
                errors: wire.errors.try_into()?,
            })
        }
    }
}
