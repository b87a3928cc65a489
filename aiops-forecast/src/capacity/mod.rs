//! When does it run out? Time to reach a limit, as a distribution.
//!
//! The past is taken apart into what a person would see in it (a slope, a daily or weekly shape,
//! noise, resets, sudden changes of size), and the future is simulated from the parts, path by
//! path. Quantiles of the first passage of the paths are the answer. Crossing the bounds of a
//! forecast with the limit would not give one: the bounds are no paths.
//!
//! - The slope comes from generalised least squares with first-order autoregressive errors
//!   (Cochrane and Orcutt, *Application of Least Squares Regression to Relationships Containing
//!   Autocorrelated Error Terms*, JASA 1949), so that a wandering series does not look like a sure
//!   trend. How much the slope itself changed within the past is carried into the future.
//! - The maximum of the noise between two simulated instants is drawn from its own distribution,
//!   so a long horizon does not miss short excursions.

mod jumps;
mod line;
mod outlook;
mod sawtooth;
mod season;

use std::time::Duration;

use aiops_core::{DataError, FitError, ParamError, Seed, SeriesView};

pub use outlook::{Outlook, Pattern};

/// Values that a forecast needs.
const MIN_VALUES: usize = 10;
/// Ten years: farther ahead nothing here means anything.
const MAX_HORIZON: Duration = Duration::from_hours(10 * 365 * 24);

/// What must not be reached, in the unit of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Limit {
    /// Reached by values that are at least this.
    Above(f64),
    /// Reached by values that are at most this.
    Below(f64),
}

impl Limit {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Self::Above(value) | Self::Below(value) => value,
        }
    }

    /// 1 when larger is closer to the limit, -1 otherwise.
    fn sign(self) -> f64 {
        match self {
            Self::Above(_) => 1.0,
            Self::Below(_) => -1.0,
        }
    }
}

/// Parameters of [`Capacity`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CapacityConfig {
    /// How far to look ahead from the last sample; longer than 0, at most ten years.
    pub horizon: Duration,
    /// Samples in a row whose mean must reach the limit, from 1 to 1000. With 1 a single noisy
    /// sample counts.
    pub sustained: usize,
    /// Simulated futures, from 20 to 100,000.
    pub paths: usize,
    /// Where the randomness comes from.
    pub seed: Seed,
}

impl Default for CapacityConfig {
    fn default() -> Self {
        Self {
            horizon: Duration::from_hours(7 * 24),
            sustained: 3,
            paths: 400,
            seed: Seed::default(),
        }
    }
}

/// Looks ahead to a limit.
///
/// ```
/// use aiops_core::{Series, TimeAxis, Timestamp};
/// use aiops_forecast::capacity::{Capacity, CapacityConfig, Limit};
/// use std::time::Duration;
///
/// // A disk that fills by one percent in two hours.
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(600), 144)?;
/// let percent = (0..144).map(|i| 50.0 + f64::from(i) / 12.0 + f64::from(i % 3) / 10.0).collect();
/// let disk = Series::new(axis, percent)?;
///
/// let capacity = Capacity::try_from(CapacityConfig::default())?;
/// let outlook = capacity.outlook(disk.view(), Limit::Above(99.0))?;
/// assert!(outlook.probability > 0.9);
/// let hours = outlook.median.expect("it fills").since(Timestamp::EPOCH).as_secs() / 3_600;
/// assert!((90..106).contains(&hours)); // 98 from the first sample on
/// println!("{outlook}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// `O(n)` for the past and some 200 instants for each path, however far the horizon is: about 3 ms
/// for 360 samples and 400 paths. Memory for one copy of the series.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 10 values that are not missing | [`DataError::TooShort`] |
/// | missing values | bridged; the time stamps count, not the number of samples |
/// | instants not equally spaced | taken as they are; noise is measured from sample to sample |
/// | constant series | probability 0, or 1 when it is beyond the limit already |
/// | already beyond the limit | probability 1; all three instants are the last sample's |
/// | limit `NaN` or infinite | [`ParamError`] |
/// | falling towards `Above`, or rising towards `Below` | the small probability that noise alone gives |
/// | saw-tooth whose peaks stay below the limit | no crossing, though each tooth heads for it |
/// | one sudden change of size | the past before it tells the slope, not the level |
/// | horizon past the range of time stamps | instants stop at the last one |
///
/// # Not good for
///
/// Growth that speeds up (exponential growth is met late), limits that only a rare event reaches
/// (failover, a batch job that did not run in the past that is given), and less than two days of
/// past for a series with a daily shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    config: CapacityConfig,
}

impl TryFrom<CapacityConfig> for Capacity {
    type Error = ParamError;

    fn try_from(config: CapacityConfig) -> Result<Self, ParamError> {
        if config.horizon.is_zero() || config.horizon > MAX_HORIZON {
            let got = format!("{:?}", config.horizon);
            return Err(ParamError::new(
                "horizon",
                "longer than 0 and at most ten years",
                got,
            ));
        }
        if !(1..=1_000).contains(&config.sustained) {
            return Err(ParamError::new(
                "sustained",
                "from 1 to 1000",
                config.sustained,
            ));
        }
        if !(20..=100_000).contains(&config.paths) {
            return Err(ParamError::new("paths", "from 20 to 100000", config.paths));
        }
        Ok(Self { config })
    }
}

impl Capacity {
    /// Its parameters.
    pub fn config(&self) -> &CapacityConfig {
        &self.config
    }

    /// When `past` reaches `limit`.
    ///
    /// # Errors
    ///
    /// [`FitError::Data`] for fewer than 10 values, [`FitError::Param`] for a limit that is not
    /// finite.
    pub fn outlook(&self, past: SeriesView<'_>, limit: Limit) -> Result<Outlook, FitError> {
        if !limit.value().is_finite() {
            return Err(ParamError::new("limit", "finite", limit.value()).into());
        }
        past.require(MIN_VALUES)?;
        let past = Past::of(past, limit)?;
        Ok(self.look(&past, limit))
    }

    fn look(&self, past: &Past, limit: Limit) -> Outlook {
        let target = limit.sign() * limit.value();
        if past.recent(self.config.sustained) >= target {
            return Outlook::reached(&self.config, past, limit);
        }
        let jumps = jumps::find(&past.values);
        if let Some(teeth) = sawtooth::Teeth::of(past, &jumps) {
            let crossings = teeth.crossings(&self.config, past, target);
            return Outlook::of(
                &self.config,
                past,
                limit,
                crossings,
                teeth.pattern(limit.sign()),
            );
        }
        let (level, shifts) = jumps::without_shifts(past, &jumps);
        let line = line::Line::of(&level);
        let crossings = line.crossings(&self.config, target);
        let pattern = line.pattern(limit.sign(), shifts);
        Outlook::of(&self.config, past, limit, crossings, pattern)
    }
}

/// The values that are not missing, turned so that the limit lies above.
#[derive(Clone, Debug)]
struct Past {
    /// Seconds before the last value; not positive, increasing.
    times: Vec<f64>,
    values: Vec<f64>,
    /// Median distance of the values, in seconds.
    step: f64,
    last: aiops_core::Timestamp,
}

impl Past {
    fn of(series: SeriesView<'_>, limit: Limit) -> Result<Self, DataError> {
        let sign = limit.sign();
        let present = || series.iter().filter(|sample| !sample.value.is_nan());
        let too_short = DataError::TooShort {
            needed: MIN_VALUES,
            found: 0,
        };
        let last = present().last().ok_or(too_short)?.time;
        let times: Vec<f64> = present()
            .map(|sample| -last.since(sample.time).as_secs_f64())
            .collect();
        let values = present().map(|sample| sign * sample.value).collect();
        let mut gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let step = aiops_core::numerics::median(&mut gaps).max(1e-9);
        Ok(Self {
            times,
            values,
            step,
            last,
        })
    }

    /// Mean of the last `count` values.
    fn recent(&self, count: usize) -> f64 {
        let from = self.values.len().saturating_sub(count);
        aiops_core::numerics::mean(&self.values[from..])
    }
}
