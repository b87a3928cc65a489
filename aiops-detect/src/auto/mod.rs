//! A default for any metric: no parameters, no training, one pass.
//!
//! Several cheap predictions of the next sample (the last samples, the level, the same time
//! yesterday and last week) are each measured by their own past errors. What follows from their errors is
//! put on one scale by the stream's own past, as conformal prediction does. Ideas from: Lavin and
//! Ahmad (ICMLA 2015), short against long distribution of scores; Taylor and Letham, *Forecasting at
//! Scale* (2018), seasons as profiles; Laxhammar and Falkman (2010), ranks as probabilities.

mod parts;
#[cfg(feature = "serde")]
mod wire;

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::calibrate::RankCalibrator;
use crate::seasonal::profile::Profile;
use crate::spread;
use parts::{Drift, Exceeded, Expert, Mean, Roughness};

/// Samples before the first score.
const WARMUP: u64 = 32;

const DAY: u32 = 86_400;
/// Every five minutes of a day, every quarter of an hour of a week.
const DAY_BINS: usize = 288;
const WEEK_BINS: usize = 672;
/// Weight of a day against those before it.
const SEASON_RATE: f64 = 0.3;

/// Samples over which the level is taken, and its deviation.
const LEVEL_MEMORY: f64 = 500.0;
const SEASON_MEMORY: f64 = 1_000.0;
const LAST_MEMORY: f64 = 3.0;
/// Over which the predictions by level and by season are compared.
const COMPARE_MEMORY: f64 = 2_000.0;
const CALIBRATE_MEMORY: f64 = 10_000.0;

/// Present oddness: means of the score over so many samples.
const NOW: [f64; 3] = [1.0, 3.0, 10.0];
/// Lasting oddness, and the weight of each.
const LASTING: [(f64, f64); 3] = [(30.0, 3.0), (100.0, 5.0), (300.0, 8.0)];
/// Share of samples whose present oddness counts more than what lasts.
const ODD_SHARE: f64 = 0.04;

/// A stream that has seen so many samples needs twice the oddness for that, a younger one more.
const YOUNG: f64 = 5_000.0;

/// Surprise from which on an onset is one: once in 200 samples.
const ONSET: f64 = 2.3;
/// Excess over the last onsets that makes another one.
const MARGIN: f64 = 0.2;
/// Samples over which they are forgotten.
const REFRACTORY: f64 = 400.0;

/// Parameters of [`Auto`]. There is nothing to tune.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AutoConfig {
    /// Seconds that local time is ahead of UTC, at most a day either way. Matters only where
    /// summer time moves people's days: set it anew then.
    pub utc_offset_s: i32,
}

/// The default detector for one metric.
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::auto::{Auto, AutoConfig};
///
/// let mut detector = Auto::try_from(AutoConfig::default())?;
/// let mut onsets = Vec::new();
/// for minute in 0..3_000 {
///     let level = if minute < 2_500 { 40.0 } else { 90.0 };
///     let value = level + f64::from(minute * 7_919 % 13);
///     let time = Timestamp::from_secs(i64::from(minute) * 60).unwrap();
///     let score = detector.update(Sample::new(time, value));
///     if score >= Some(Auto::ONSET_SCORE) {
///         onsets.push(minute);
///     }
/// }
/// assert!(onsets.contains(&2_500));
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # What a score means
///
/// | score | meaning |
/// |---|---|
/// | 0 to 0.5 | usual; the higher, the longer and the more it has been odd lately |
/// | 0.5 to 1 | among the 4 percent oddest samples, ordered by how odd |
/// | 1 + p from 3.3 on | an incident begins: the mean of the last samples is where it was once in `10^p` samples |
///
/// So one threshold at [`ONSET_SCORE`](Self::ONSET_SCORE) gives one alarm for an incident, and the scores
/// below it show for how long it lasts.
///
/// # Formula
///
/// ```text
/// z      = max over the last samples' mean and the same time yesterday of
///          |x - prediction| / (its error that one in ten exceeds)
/// now    = (z + mean3(z) + mean10(z)) / 3
/// long   = (3 mean30(y) + 5 mean100(y) + 8 mean300(y)) / 16,  y = max(z, roughness)
/// state  = 0.5 + 0.5 now / (1 + now)     where now is among its highest 4 percent
///          0.5 long / (1 + long)         elsewhere
/// drift  = |mean3(r) - mean(r)| / sd(r) + |mean10(r) - mean(r)| / sd(r)
/// onset  = surprise of (drift from level or yesterday, whichever predicts better, + drift from last week)
/// score  = 1 + onset, if it is above 2.3 and by 0.2 above the last ones, which fade; else state
/// ```
///
/// # Cost
///
/// About 0.5 microseconds for each sample and 5 KB, whatever the length of the stream. A band
/// costs some 200 scores.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 32 samples | no score, no band |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | less than a day, or a week, seen | the level takes the place of the season |
/// | time that stands still or goes back | taken as it comes: only its place in day and week matters |
/// | constant series | 0; any change by more than rounding is an onset |
/// | samples further apart than five minutes | each time of day that occurs has its own place |
/// | values near the end of the range of `f64` | distances stop at the largest finite number |
///
/// # Not good for
///
/// Seasons other than day and week, drift so slow that every mean follows it, and a change of
/// shape that leaves level, steps and times as they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Auto {
    config: AutoConfig,
    seen: u64,
    last_value: f64,
    last: Mean,
    day: Profile,
    week: Profile,
    experts: [Expert; 2],
    roughness: Roughness,
    now: [Mean; NOW.len()],
    lasting: [Mean; LASTING.len()],
    odd: Exceeded,
    level_drift: Drift,
    day_drift: Drift,
    week_drift: Drift,
    /// Mean squared errors of level and day.
    level_error: Mean,
    day_error: Mean,
    drifts: RankCalibrator,
    /// The highest surprise, fading.
    held: f64,
}

/// All that is to be said about a sample before it is learned.
#[derive(Clone, Copy, Debug)]
struct Assessment {
    level: f64,
    errors: [f64; 2],
    step: f64,
    odd: f64,
    rough: f64,
    now: f64,
    day: f64,
    week: f64,
    drift: f64,
    surprise: f64,
    score: f64,
}

impl TryFrom<AutoConfig> for Auto {
    type Error = ParamError;

    fn try_from(config: AutoConfig) -> Result<Self, ParamError> {
        if config.utc_offset_s.unsigned_abs() > DAY {
            let expected = "at most a day either way";
            return Err(ParamError::new(
                "utc_offset_s",
                expected,
                config.utc_offset_s,
            ));
        }
        let profile = |days, bins| Profile::new(days * DAY, bins, config.utc_offset_s, SEASON_RATE);
        Ok(Self {
            config,
            seen: 0,
            last_value: 0.0,
            last: Mean::NONE,
            day: profile(1, DAY_BINS),
            week: profile(7, WEEK_BINS),
            experts: [Expert::NONE; 2],
            roughness: Roughness::NONE,
            now: NOW.map(Mean::zero),
            lasting: LASTING.map(|(memory, _)| Mean::zero(memory)),
            odd: Exceeded::NONE,
            level_drift: Drift::NONE,
            day_drift: Drift::NONE,
            week_drift: Drift::NONE,
            level_error: Mean::NONE,
            day_error: Mean::NONE,
            drifts: RankCalibrator::new(CALIBRATE_MEMORY)?,
            held: 0.0,
        })
    }
}

impl Auto {
    /// From this score on an incident begins, about once in 300 samples at most. For fewer alarms
    /// take a higher one: 4 is once in a thousand samples.
    pub const ONSET_SCORE: f64 = 3.5;

    /// Its parameters.
    pub fn config(&self) -> &AutoConfig {
        &self.config
    }

    /// What this time of the day usually brings, or the level where that is not known.
    fn expected(&self, at: Timestamp) -> (f64, f64) {
        let level = self.level_drift.long.mean;
        let day = self.day.expected(at).unwrap_or(level);
        (day, self.week.expected(at).unwrap_or(day))
    }

    fn assess(&self, sample: Sample) -> Assessment {
        let (value, level) = (sample.value, self.level_drift.long.mean);
        let (expected_day, expected_week) = if self.seen == 0 {
            (value, value)
        } else {
            self.expected(sample.time)
        };
        let errors = [self.last.value, expected_day].map(|p| spread::distance(value, p));
        let step = spread::distance(value, self.last_value);
        let (day, week) = (minus(value, expected_day), minus(value, expected_week));

        let odd = self.experts[0]
            .score(errors[0], level)
            .max(self.experts[1].score(errors[1], level));
        let now = self.now.iter().zip(NOW);
        let now = now
            .map(|(mean, memory)| mean.with(odd, memory).value)
            .sum::<f64>()
            / 3.0;
        let rough = self.roughness.score(step, level);
        let drift = self.drift(value, day, week, level);
        let surprise = self.drifts.surprise(drift);
        let begins = surprise > ONSET.max(self.held + MARGIN);
        let score = if begins {
            1.0 + surprise
        } else {
            self.state(now, odd.max(rough))
        };
        Assessment {
            level,
            errors,
            step,
            odd,
            rough,
            now,
            day,
            week,
            drift,
            surprise,
            score,
        }
    }

    /// Oddness below any onset, from 0 to 1.
    fn state(&self, now: f64, odd_or_rough: f64) -> f64 {
        let squash = |oddness: f64| 0.5 * oddness / (1.0 + oddness);
        let young = 1.0 + YOUNG / self.seen as f64;
        if now > self.odd.value * young && self.odd.value > 0.0 {
            return 0.5 + squash(now);
        }
        let lasting = self.lasting.iter().zip(LASTING);
        let sum: f64 = lasting
            .map(|(mean, (memory, weight))| weight * mean.with(odd_or_rough, memory).value)
            .sum();
        squash(sum / 16.0)
    }

    /// How far the last samples have left level, day and week.
    fn drift(&self, value: f64, day: f64, week: f64, level: f64) -> f64 {
        let by_level = self.level_drift.score(value, level);
        let by_day = self.day_drift.score(day, level);
        let seasonal = if self.seen < 100 || self.level_error.value <= 0.0 {
            0.0
        } else {
            (1.0 - self.day_error.value / self.level_error.value).clamp(0.0, 1.0)
        };
        let by_week = self.week_drift.score(week, level);
        (1.0 - seasonal) * by_level + seasonal * by_day + by_week
    }

    fn learn(&mut self, sample: Sample, assessed: &Assessment) {
        let Assessment { level, odd, .. } = *assessed;
        let value = sample.value;
        if self.seen > 0 {
            for (expert, error) in self.experts.iter_mut().zip(assessed.errors) {
                expert.learn(error, level);
            }
            self.roughness.learn(assessed.step, level);
            let square = |error: f64| (error * error).min(f64::MAX);
            let from_level = square(minus(value, level));
            self.level_error.add(from_level, COMPARE_MEMORY);
            self.day_error.add(square(assessed.day), COMPARE_MEMORY);
        }
        if self.seen >= WARMUP {
            self.odd.add(assessed.now, ODD_SHARE);
        }
        for (mean, memory) in self.now.iter_mut().zip(NOW) {
            mean.add(odd, memory);
        }
        for (mean, (memory, _)) in self.lasting.iter_mut().zip(LASTING) {
            mean.add(odd.max(assessed.rough), memory);
        }
        self.drifts.learn(assessed.drift);
        self.held = self.held.max(assessed.surprise) * (1.0 - 1.0 / REFRACTORY);
        self.level_drift.learn(value, LEVEL_MEMORY);
        self.day_drift.learn(assessed.day, SEASON_MEMORY);
        self.week_drift.learn(assessed.week, SEASON_MEMORY);
        self.day.learn(sample.time, value);
        self.week.learn(sample.time, value);
        self.last.add(value, LAST_MEMORY);
        self.last_value = value;
        self.seen = self.seen.saturating_add(1);
    }
}

/// `a - b`, finite.
fn minus(a: f64, b: f64) -> f64 {
    (a - b).clamp(f64::MIN, f64::MAX)
}

impl StreamingDetector for Auto {
    fn kind(&self) -> &'static str {
        "detect.auto"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.seen as usize, WARMUP as usize)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.seen >= WARMUP).then(|| self.assess(sample).score)
    }

    fn learn_one(&mut self, sample: Sample) {
        if sample.value.is_finite() {
            let assessed = self.assess(sample);
            self.learn(sample, &assessed);
        }
    }

    fn update(&mut self, sample: Sample) -> Option<f64> {
        if !sample.value.is_finite() {
            return None;
        }
        let assessed = self.assess(sample);
        let score = (self.seen >= WARMUP).then_some(assessed.score);
        self.learn(sample, &assessed);
        score
    }

    fn band(&self, at: Timestamp, max_score: f64) -> Option<Band> {
        if self.seen < WARMUP || max_score.is_nan() || max_score < 0.0 {
            return None;
        }
        // Every part of the score is convex in the value, or grows with one that is: what scores
        // little is an interval. It is looked for around what is expected.
        let scores = |value: f64| self.assess(Sample::new(at, value)).score <= max_score;
        let (day, _) = self.expected(at);
        let center = [day, self.last.value, self.level_drift.long.mean]
            .into_iter()
            .find(|&value| scores(value))?;
        let reach = self.experts[1].error.value.max(1e-9 * center.abs());
        Some(Band {
            lower: edge(center, -reach.max(f64::MIN_POSITIVE), scores),
            center,
            upper: edge(center, reach.max(f64::MIN_POSITIVE), scores),
        })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.day.heap_bytes()
            + self.week.heap_bytes()
            + self.drifts.heap_bytes()
    }
}

/// The last value from `from` in the direction of `step` that is still `fine`.
fn edge(from: f64, mut step: f64, fine: impl Fn(f64) -> bool) -> f64 {
    let end = if step < 0.0 { f64::MIN } else { f64::MAX };
    if fine(end) {
        return end;
    }
    let mut inside = from;
    let outside = loop {
        let next = minus(from, -step);
        if !fine(next) {
            break next;
        }
        inside = next;
        step *= 4.0;
    };
    let (mut inside, mut outside) = (inside, outside);
    for _ in 0..60 {
        let middle = f64::midpoint(inside, outside);
        if fine(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}
