//! Generalised extreme studentised deviate: which samples, and how many, are outliers?
//!
//! Rosner, *Percentage Points for a Generalized ESD Many-Outlier Procedure*, Technometrics 1983;
//! with season, median and MAD as in Hochenbaum, Vallis and Kejariwal, *Automatic Anomaly
//! Detection in the Cloud Via Statistical Learning* (2017), S-H-ESD.

use aiops_core::numerics::{mean, median, median_and_mad, student};
use aiops_core::{FitError, ParamError, SeriesView};

use crate::ordered_window::OrderedWindow;
use crate::scaling::moments;
use crate::spread::{DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor, distance, mean_deviation, score};

/// Longest season: a week of minutes, and what the window of the moving median holds.
const MAX_PERIOD: usize = 30_000;

/// Parameters of [`GeneralizedEsd`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct GeneralizedEsdConfig {
    /// Most outliers, as a share of the present samples; greater than 0 and less than 0.5.
    pub max_share: f64,
    /// Probability that a normal series has any outlier; greater than 0 and less than 1.
    pub alpha: f64,
    /// Median and MAD in place of mean and standard deviation: the hybrid form, which many
    /// outliers do not mask.
    pub robust: bool,
    /// Samples of a season that is taken off first, from 2 to 30000, together with the level of
    /// each stretch of [`stretch`](Self::stretch) seasons. `None`: none is.
    pub period: Option<usize>,
    /// Seasons whose median is their level, at least 2: two weeks of a daily season by default.
    pub stretch: usize,
    /// Smallest spread assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest spread assumed, as a share of the typical absolute value. Not negative.
    pub relative_min_scale: f64,
}

impl Default for GeneralizedEsdConfig {
    fn default() -> Self {
        Self {
            max_share: 0.1,
            alpha: 0.05,
            robust: true,
            period: None,
            stretch: 14,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

/// A sample that is an outlier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EsdOutlier {
    /// Its index in the series.
    pub index: usize,
    /// What was expected there: season and level, or the centre of all samples.
    pub expected: f64,
    /// Its distance from the centre in units of the spread, those that are farther left out.
    pub statistic: f64,
    /// What the statistic would exceed with probability `alpha` in a normal series.
    pub critical: f64,
}

/// The algorithm. Build it from a [`GeneralizedEsdConfig`].
///
/// ```
/// use aiops_core::{Seed, Series, TimeAxis, Timestamp};
/// use aiops_detect::esd::{GeneralizedEsd, GeneralizedEsdConfig};
/// use std::time::Duration;
///
/// // Two weeks of hours with a daily season; a value of the night by day is odd.
/// let mut noise = Seed::default().rng();
/// let mut values: Vec<f64> = (0..336)
///     .map(|hour| 50.0 - 30.0 * (f64::from(hour) * 0.2618).cos() + noise.normal())
///     .collect();
/// values[36] = 40.0;
/// let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(3600), 336)?;
/// let requests = Series::new(axis, values)?;
///
/// let mut config = GeneralizedEsdConfig::default();
/// config.period = Some(24);
/// let outliers = GeneralizedEsd::try_from(config)?.outliers(requests.view())?;
/// assert_eq!(outliers.len(), 1);
/// assert_eq!(outliers[0].index, 36);
/// assert!((outliers[0].expected - 80.0).abs() < 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// R(i)      = the largest |x - centre| / spread of what is left after i - 1 removals
/// lambda(i) = (n - i) t / sqrt((n - i - 1 + t^2) (n - i + 1))
/// t         = quantile 1 - alpha / (2 (n - i + 1)) of Student's t with n - i - 1 degrees
/// outliers  = those removed up to the largest i with R(i) > lambda(i)
/// ```
///
/// Centre and spread are median and 1.4826 MAD, or mean and standard deviation. With a period,
/// `x` is the series without its season, the medians by phase of what a moving median over two
/// seasons leaves, and without the median of each stretch of seasons. A trend
/// within a stretch stays.
///
/// # Cost
///
/// `O(k n)` with `k = max_share n`; some 0.05 s for 10,000 samples by default.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 15 present samples | [`DataError::TooShort`](aiops_core::DataError::TooShort): the critical values are not valid (Rosner) |
/// | fewer than two seasons | the same |
/// | constant series | no outlier |
/// | missing sample (`NaN`) | left out; the others keep their index |
/// | more than half equal values | the mean absolute deviation takes the place of the MAD |
/// | an infinite range, as of `f64::MIN` and `f64::MAX` | distances stop at the largest finite number |
///
/// # Not good for
///
/// Level shifts and series whose noise is skewed or has heavy tails, of which it makes many
/// outliers: the critical values are those of a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralizedEsd {
    config: GeneralizedEsdConfig,
    floor: ScaleFloor,
}

/// Fewest samples for which the critical values were found to hold.
const MIN_SAMPLES: usize = 15;

impl TryFrom<GeneralizedEsdConfig> for GeneralizedEsd {
    type Error = ParamError;

    fn try_from(config: GeneralizedEsdConfig) -> Result<Self, ParamError> {
        if !(config.max_share > 0.0 && config.max_share < 0.5) {
            let expected = "greater than 0 and less than 0.5";
            return Err(ParamError::new("max_share", expected, config.max_share));
        }
        if !(config.alpha > 0.0 && config.alpha < 1.0) {
            let expected = "greater than 0 and less than 1";
            return Err(ParamError::new("alpha", expected, config.alpha));
        }
        if let Some(period) = config.period
            && !(2..=MAX_PERIOD).contains(&period)
        {
            return Err(ParamError::new("period", "from 2 to 30000", period));
        }
        if config.stretch < 2 {
            return Err(ParamError::new("stretch", "at least 2", config.stretch));
        }
        let floor = ScaleFloor::new(config.min_scale, config.relative_min_scale)?;
        Ok(Self { config, floor })
    }
}

impl GeneralizedEsd {
    /// The outliers, the one that was removed first at the front.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`](aiops_core::DataError::TooShort) with fewer than 15 present
    /// samples, or fewer than two seasons.
    pub fn outliers(&self, series: SeriesView<'_>) -> Result<Vec<EsdOutlier>, FitError> {
        let seasons = self.config.period.map_or(0, |period| 2 * period);
        series.require(MIN_SAMPLES.max(seasons))?;
        let values = series.values();
        let expected = match self.config.period {
            Some(period) => seasonal_level(values, period, self.config.stretch),
            None => vec![0.0; values.len()],
        };
        let mut left: Vec<(f64, usize)> = values
            .iter()
            .zip(&expected)
            .enumerate()
            .filter(|(_, (value, _))| !value.is_nan())
            .map(|(index, (value, expected))| ((value - expected).clamp(f64::MIN, f64::MAX), index))
            .collect();
        left.sort_by(|a, b| a.0.total_cmp(&b.0));
        let level = median(&mut series.present().map(f64::abs).collect::<Vec<f64>>());
        let mut removed = self.removed(&left, level);
        for outlier in &mut removed {
            let center = outlier.expected;
            outlier.expected = (expected[outlier.index] + center).clamp(f64::MIN, f64::MAX);
        }
        Ok(removed)
    }

    /// Takes the farthest away, one after the other, from values in increasing order.
    fn removed(&self, sorted: &[(f64, usize)], level: f64) -> Vec<EsdOutlier> {
        let count = sorted.len();
        let most = (self.config.max_share * count as f64).floor() as usize;
        let values: Vec<f64> = sorted.iter().map(|&(value, _)| value).collect();
        let (mut low, mut high, mut outliers) = (0, count, 0);
        let mut removed = Vec::new();
        let mut scratch = Vec::with_capacity(count);
        for step in 1..=most.min(count.saturating_sub(3)) {
            let left = &values[low..high];
            let (center, spread) = self.center_and_spread(left, &mut scratch, level);
            let (first, last) = (left[0], left[left.len() - 1]);
            let (value, place) = if distance(first, center) > distance(last, center) {
                low += 1;
                (first, low - 1)
            } else {
                high -= 1;
                (last, high)
            };
            let outlier = EsdOutlier {
                index: sorted[place].1,
                expected: center,
                statistic: score(value, center, spread),
                critical: self.critical(count, step),
            };
            removed.push(outlier);
            if outlier.statistic > outlier.critical {
                outliers = step;
            }
        }
        removed.truncate(outliers);
        removed
    }

    /// `scratch` is room for a copy.
    fn center_and_spread(&self, left: &[f64], scratch: &mut Vec<f64>, level: f64) -> (f64, f64) {
        let (center, spread) = if self.config.robust {
            scratch.clear();
            scratch.extend_from_slice(left);
            let (center, mad) = median_and_mad(scratch);
            let mean_deviation = || mean_deviation(left, center);
            (center, self.floor.scale(center, mad, mean_deviation))
        } else {
            let (center, deviation) = moments(left);
            let count = left.len() as f64;
            (center, deviation * (count / (count - 1.0)).sqrt())
        };
        (center, self.floor.at_least(level, spread))
    }

    fn critical(&self, count: usize, step: usize) -> f64 {
        let left = (count - step) as f64;
        let freedom = left - 1.0;
        let t = student::tail_quantile(self.config.alpha / (2.0 * (left + 1.0)), freedom);
        left * t / ((freedom + t * t) * (left + 1.0)).sqrt()
    }
}

/// Season and level at each sample.
fn seasonal_level(values: &[f64], period: usize, stretch: usize) -> Vec<f64> {
    let smooth = moving_median(values, 2 * period);
    let mut phases: Vec<Vec<f64>> = vec![Vec::new(); period];
    for (index, (value, smooth)) in values.iter().zip(&smooth).enumerate() {
        if !value.is_nan() {
            phases[index % period].push((value - smooth).clamp(f64::MIN, f64::MAX));
        }
    }
    let or_zero = |value: f64| if value.is_nan() { 0.0 } else { value };
    let mut season: Vec<f64> = phases
        .iter_mut()
        .map(|values| or_zero(median(values)))
        .collect();
    let middle = mean(&season);
    if middle.is_finite() {
        for value in &mut season {
            *value -= middle;
        }
    }
    let piece = (stretch * period).min(values.len());
    let mut expected = Vec::with_capacity(values.len());
    while expected.len() < values.len() {
        // What is left over at the end joins the last whole stretch.
        let start = expected.len();
        let whole = start + 2 * piece <= values.len();
        let end = if whole { start + piece } else { values.len() };
        let of_season = |index: usize| season[index % period];
        let without = (start..end).filter(|&index| !values[index].is_nan());
        let mut without: Vec<f64> = without
            .map(|index| (values[index] - of_season(index)).clamp(f64::MIN, f64::MAX))
            .collect();
        let level = or_zero(median(&mut without));
        expected
            .extend((start..end).map(|index| (level + of_season(index)).clamp(f64::MIN, f64::MAX)));
    }
    expected
}

/// Median of the `width` samples around each; at the ends, of those that there are.
fn moving_median(values: &[f64], width: usize) -> Vec<f64> {
    let mut window = OrderedWindow::new(width);
    let median = |window: &OrderedWindow| match window.len() {
        0 => 0.0,
        count => f64::midpoint(window.nth((count - 1) / 2), window.nth(count / 2)),
    };
    let present: Vec<usize> = (0..values.len())
        .filter(|&index| !values[index].is_nan())
        .collect();
    let mut smooth = Vec::with_capacity(present.len());
    for &index in &present {
        window.push(values[index]);
        smooth.push(median(&window));
    }
    // The median after a sample belongs to the middle of its window.
    let last = smooth.len() - 1;
    let mut of_present = 0;
    let each = values.iter().map(|value| {
        let at = (of_present + width / 2)
            .min(last)
            .max((width - 1).min(last));
        of_present += usize::from(!value.is_nan());
        smooth[at]
    });
    each.collect()
}
