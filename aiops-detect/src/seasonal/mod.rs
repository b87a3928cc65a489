//! Distance from what is usual at this time of the hour, day or week.
//!
//! Seasonal profiles by exponential smoothing (Winters, *Forecasting Sales by Exponentially
//! Weighted Moving Averages*, 1960), of which the one that predicted best so far is used.

pub(crate) mod profile;
#[cfg(feature = "serde")]
mod wire;

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::ewma::{check_memory, check_warmup};
use crate::running::Running;
use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE, ScaleFloor};
use profile::Profile;

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;
const WEEK: u32 = 7 * DAY;

/// Errors of a profile before it may be used.
const TRIED: u64 = 32;
/// Share of the error of a simpler prediction that a longer season must stay below.
const BETTER: f64 = 0.9;
/// Errors beyond so many usual ones count as that many: one outlier does not become the spread,
/// many do.
const CUT: f64 = 8.0;

/// Parameters of [`Seasonal`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SeasonalConfig {
    /// Whether an hour may be a season: 60 bins of a minute.
    pub hourly: bool,
    /// Whether a day may be: 288 bins of five minutes.
    pub daily: bool,
    /// Whether a week may be: 672 bins of a quarter of an hour.
    pub weekly: bool,
    /// Weight of the latest season against those before it, greater than 0 and at most 1.
    pub rate: f64,
    /// Samples over which level, spread and errors are taken. Finite and at least 1.
    pub memory: f64,
    /// Samples needed before the first score, at least 2.
    pub warmup: usize,
    /// Seconds that local time is ahead of UTC, at most a day either way.
    pub utc_offset_s: i32,
    /// Smallest spread assumed, in the unit of the series. Not negative.
    pub min_scale: f64,
    /// Smallest spread assumed, as a share of the absolute expected value. Not negative.
    pub relative_min_scale: f64,
}

impl Default for SeasonalConfig {
    fn default() -> Self {
        Self {
            hourly: false,
            daily: true,
            weekly: true,
            rate: 0.3,
            memory: 1_000.0,
            warmup: 32,
            utc_offset_s: 0,
            min_scale: 0.0,
            relative_min_scale: DEFAULT_RELATIVE_MIN_SCALE,
        }
    }
}

impl SeasonalConfig {
    fn check(&self) -> Result<ScaleFloor, ParamError> {
        if !(self.rate > 0.0 && self.rate <= 1.0) {
            let expected = "greater than 0 and at most 1";
            return Err(ParamError::new("rate", expected, self.rate));
        }
        check_memory("memory", self.memory)?;
        check_warmup(self.warmup)?;
        if self.utc_offset_s.unsigned_abs() > DAY {
            let expected = "at most a day either way";
            return Err(ParamError::new("utc_offset_s", expected, self.utc_offset_s));
        }
        ScaleFloor::new(self.min_scale, self.relative_min_scale)
    }

    /// Seconds and bins of the seasons that are asked for, shortest first.
    fn seasons(&self) -> impl Iterator<Item = (u32, usize)> {
        [
            (self.hourly, HOUR, 60),
            (self.daily, DAY, 288),
            (self.weekly, WEEK, 672),
        ]
        .into_iter()
        .filter_map(|(wanted, period, bins)| wanted.then_some((period, bins)))
    }
}

/// An online detector: is this usual for the time of the day, or of the week?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::seasonal::{Seasonal, SeasonalConfig};
///
/// let at = |hour: i64| Timestamp::from_secs(3_600 * hour).unwrap();
/// // Busy from 8 to 18 o'clock, for two weeks.
/// let busy = |hour: i64| if (8..18).contains(&(hour % 24)) { 500.0 } else { 20.0 };
/// let mut detector = Seasonal::try_from(SeasonalConfig::default())?;
/// for hour in 0..14 * 24 {
///     let requests = busy(hour) + (hour * 7 % 5) as f64;
///     detector.learn_one(Sample::new(at(hour), requests));
/// }
/// // 500 requests are usual at noon, and very odd at midnight.
/// let noon = detector.score_one(Sample::new(at(14 * 24 + 12), 500.0)).unwrap();
/// let midnight = detector.score_one(Sample::new(at(14 * 24), 500.0)).unwrap();
/// assert!(noon < 3.0 && midnight > 50.0, "{noon} {midnight}");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = |x - p| / max(scale, min_scale, relative_min_scale * |p|), at most 1e6
/// scale = 1.2533 * (mean absolute error of p)
/// ```
///
/// `p` is the level, or the value of the shortest season whose mean absolute error is smaller by a
/// tenth than that of what is simpler. A bin
/// of a season holds the weighted mean of its visits; what it learns is cut to 8 spreads from what
/// it expects.
///
/// # Cost
///
/// About 50 ns for each sample; 4 bytes a bin, 4 KB for day and week.
///
/// # A new level
///
/// It is odd until the spread has grown to it, by a factor of e for each seventh of `memory`, and the
/// seasons have taken it in, at `rate` a season.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | less than one season, no season, or none that predicts better than the level | distance from the level |
/// | constant series | 0 for the same value; a change scores its share of the level over `relative_min_scale`, at most [`MAX_SCORE`](crate::MAX_SCORE) |
/// | time that stands still or goes back | taken as it comes: only its place in the season matters |
/// | values near the end of the range of `f64` | distances stop at the largest finite number |
///
/// # Not good for
///
/// Seasons of other lengths, holidays, and features shorter than a bin.
#[derive(Clone, Debug, PartialEq)]
pub struct Seasonal {
    config: SeasonalConfig,
    floor: ScaleFloor,
    level: Running,
    level_error: Errors,
    seasons: Vec<(Profile, Errors)>,
}

/// Mean absolute error of one way to predict.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Errors {
    seen: u64,
    mean: f64,
}

impl Errors {
    fn add(&mut self, error: f64, memory: f64) {
        self.seen = self.seen.saturating_add(1);
        let rate = (1.0 / self.seen as f64).max(1.0 / memory);
        let cut = if self.seen > TRIED && self.mean > 0.0 {
            error.min(CUT * self.mean)
        } else {
            error
        };
        self.mean = (1.0 - rate) * self.mean + rate * cut;
    }
}

impl TryFrom<SeasonalConfig> for Seasonal {
    type Error = ParamError;

    fn try_from(config: SeasonalConfig) -> Result<Self, ParamError> {
        let floor = config.check()?;
        let season = |(period, bins)| {
            let profile = Profile::new(period, bins, config.utc_offset_s, config.rate);
            (profile, Errors::default())
        };
        Ok(Self {
            config,
            floor,
            level: Running::default(),
            level_error: Errors::default(),
            seasons: config.seasons().map(season).collect(),
        })
    }
}

impl Seasonal {
    /// Its parameters.
    pub fn config(&self) -> &SeasonalConfig {
        &self.config
    }

    /// What is usual at `at`, in the unit of the series; 0 before the first sample.
    pub fn expected(&self, at: Timestamp) -> f64 {
        self.predict(at).0
    }

    /// The season in use at `at`, in seconds; `None` for the level.
    pub fn season(&self, at: Timestamp) -> Option<u32> {
        let (_, error) = self.predict(at);
        let seasons = self.config.seasons().zip(&self.seasons);
        let mut used = seasons.filter(|(_, (profile, errors))| {
            *errors == error && profile.expected(at).is_some() && errors.seen >= TRIED
        });
        used.next().map(|((period, _), _)| period)
    }

    /// The best prediction, and its errors.
    fn predict(&self, at: Timestamp) -> (f64, Errors) {
        let level = (self.level.mean, self.level_error);
        self.seasons.iter().fold(level, |best, (profile, errors)| {
            match profile.expected(at) {
                Some(value) if errors.seen >= TRIED && errors.mean < BETTER * best.1.mean => {
                    (value, *errors)
                }
                _ => best,
            }
        })
    }

    fn scale(&self, expected: f64, errors: Errors) -> f64 {
        self.floor.scale(expected, 0.0, || errors.mean)
    }
}

impl StreamingDetector for Seasonal {
    fn kind(&self) -> &'static str {
        "detect.seasonal"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.level.count as usize, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready).then(|| {
            let (expected, errors) = self.predict(sample.time);
            spread::score(sample.value, expected, self.scale(expected, errors))
        })
    }

    fn learn_one(&mut self, sample: Sample) {
        let Sample { time, value } = sample;
        if !value.is_finite() {
            return;
        }
        let memory = self.config.memory;
        if self.level.count > 0 {
            let error = spread::distance(value, self.level.mean);
            self.level_error.add(error, memory);
        }
        for (profile, errors) in &mut self.seasons {
            let mut learned = value;
            if let Some(expected) = profile.expected(time) {
                if errors.seen >= TRIED {
                    let spread = self.floor.scale(expected, 0.0, || errors.mean);
                    let reach = (CUT * spread).min(f64::MAX);
                    learned = value.max(expected - reach).min(expected + reach);
                }
                errors.add(spread::distance(value, expected), memory);
            }
            profile.learn(time, learned);
        }
        self.level.add(value, memory);
    }

    fn band(&self, at: Timestamp, max_score: f64) -> Option<Band> {
        if self.warmup() != Warmup::Ready {
            return None;
        }
        let (expected, errors) = self.predict(at);
        spread::band(expected, self.scale(expected, errors), max_score)
    }

    fn size_bytes(&self) -> usize {
        let season = size_of::<(Profile, Errors)>();
        let bins: usize = self.seasons.iter().map(|(p, _)| p.heap_bytes()).sum();
        size_of::<Self>() + self.seasons.capacity() * season + bins
    }
}
