//! A detector, a threshold and a policy: what a program asks about each sample of a series.
//!
//! Scores alone wake people at night. The policy around them is where trust is won: changes that
//! do not matter are left alone, one odd sample is not an incident, an incident does not become
//! the new normal while it lasts, and a lasting new level does not alarm for ever.

mod counter;
mod recall;
mod series;

use std::borrow::Cow;
use std::collections::VecDeque;

use aiops_core::{
    Band, Outcome, ParamError, Sample, StreamingDetector, Suppression, Threshold, Verdict, Votes,
    Warmup,
};

pub use counter::CounterMonitor;
pub use recall::{OutOfReach, Recall};
pub use series::{SeriesMonitor, SeriesMonitorConfig};

use crate::exclusion::Exclusions;
use crate::spread::{check_not_negative, distance};

/// Most votes that are looked at: the bits of the history.
const MAX_VOTES: u32 = 64;

/// Most samples of a run from which a new level is learned.
const MAX_RECENT: usize = 256;

/// Which changes are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Direction {
    /// Values above and below what is expected.
    #[default]
    Both,
    /// Values above, as for latencies and errors.
    Up,
    /// Values below, as for throughput and free space.
    Down,
}

impl Direction {
    fn watches(self, value: f64, expected: f64) -> bool {
        match self {
            Self::Both => true,
            Self::Up => value > expected,
            Self::Down => value < expected,
        }
    }
}

/// Policy of a [`Monitor`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MonitorConfig {
    /// Smallest distance from the expected value that matters, in the unit of the series. Not
    /// negative; 0 by default, because the unit is not known.
    pub absolute_floor: f64,
    /// The same as a share of the absolute expected value; 0.02 by default: nobody is woken by a
    /// change of less than 2 percent. Not negative. The larger of the two floors holds.
    pub relative_floor: f64,
    /// Which changes are watched.
    pub direction: Direction,
    /// Samples among the last `votes_of` that must be beyond the threshold, the present one among
    /// them; from 1 to `votes_of`.
    pub votes_needed: u32,
    /// Samples looked at, from 1 to 64; missing ones are not counted.
    pub votes_of: u32,
    /// After so many flagged samples without a normal one between them, the new level is normal.
    /// At least 1; should not be less than what the detector needs to warm up, or it is silent
    /// for the rest.
    pub adapt_after: u32,
    /// Flagged samples of one run that are learned clipped to the band; those after them are not
    /// learned until the run ends. Keep it below half of the detector's window, or a long
    /// incident moves what is expected. 0 learns nothing from flagged samples.
    pub learn_clipped: u32,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            absolute_floor: 0.0,
            relative_floor: 0.02,
            direction: Direction::Both,
            votes_needed: 3,
            votes_of: 5,
            adapt_after: 60,
            learn_clipped: 60,
        }
    }
}

impl MonitorConfig {
    fn check(&self) -> Result<(), ParamError> {
        check_not_negative("absolute_floor", self.absolute_floor)?;
        check_not_negative("relative_floor", self.relative_floor)?;
        if !(1..=MAX_VOTES).contains(&self.votes_of) {
            return Err(ParamError::new("votes_of", "from 1 to 64", self.votes_of));
        }
        if !(1..=self.votes_of).contains(&self.votes_needed) {
            let expected = "at least 1 and at most votes_of";
            return Err(ParamError::new("votes_needed", expected, self.votes_needed));
        }
        if self.adapt_after == 0 {
            return Err(ParamError::new("adapt_after", "at least 1", 0));
        }
        Ok(())
    }

    /// Smallest distance from the centre of `band` that matters; 0 where nothing is expected.
    fn floor(&self, band: Option<Band>) -> f64 {
        band.map_or(0.0, |band| {
            let relative = self.relative_floor * band.center.abs();
            relative.max(self.absolute_floor).min(f64::MAX)
        })
    }
}

/// What one sample is before the others are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Normal,
    BelowFloor,
    Unwatched,
    Flagged,
}

/// One series under watch: scores each sample, decides, and learns from it.
///
/// [`SeriesMonitor`] is the concrete form for services.
///
/// # What is said
///
/// | the sample is | outcome | learned |
/// |---|---|---|
/// | missing (`NaN`, also as a staleness marker) or infinite | `Missing`; votes and run stay as they are | no |
/// | among the first ones | `Warming`, with the samples seen before it and needed | as it is |
/// | within the threshold | `Normal` | as it is |
/// | beyond it, nearer than the floor | `Suppressed(BelowFloor)` | as it is |
/// | beyond it, on the side not watched | `Suppressed(Direction)` | clipped to the band |
/// | beyond it, with too few others | `Suppressed(Votes)` | clipped to the band |
/// | beyond it, with enough others | `Anomalous` | clipped to the band |
/// | in a window that is [excluded](Self::update_excluded), beyond the last threshold | `Suppressed(Excluded)` | no |
///
/// A sample that is normal itself is `Normal`, however many before it were not; how long an alert
/// keeps firing is decided where alerts are made.
///
/// "Clipped" holds for the first [`learn_clipped`](MonitorConfig::learn_clipped) samples of a run;
/// the rest of it is not learned.
///
/// # A new level
///
/// After [`adapt_after`](MonitorConfig::adapt_after) flagged samples in a row the detector starts
/// afresh from those samples (the last 256 of them), and the votes are cleared: a level shift is
/// one run of anomalies.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | constant series, then a change | as the detector scores it ([finite](crate::MAX_SCORE)); a change by less than the floor is suppressed |
/// | a constant 0, then any other value | flagged, unless `absolute_floor` is larger: a share of 0 is 0 |
/// | detector without a band | no floor, both directions watched; flagged samples are not learned |
/// | detector that is ready but has no score for a sample | `Missing` |
/// | samples out of order, or twice | taken as they come; sort them before |
///
/// Threshold and band of a verdict without a score are those of the last decision;
/// before the first one the threshold is infinite and there is no band.
///
/// # Not good for
///
/// Regular peaks rarer than the window of the detector: they are anomalies each time.
#[derive(Clone, Debug)]
pub struct Monitor<S, T> {
    config: MonitorConfig,
    /// Has learned nothing; copied to begin again.
    fresh: S,
    detector: S,
    threshold: T,
    /// Score from which on the last sample would have been beyond the threshold.
    level: f64,
    /// One bit for each of the last samples, the latest in the lowest: flagged?
    history: u64,
    /// Flagged samples since the last that was not.
    run: u32,
    /// The latest of them, as they came.
    recent: VecDeque<Sample>,
}

impl<S: StreamingDetector + Clone, T: Threshold> Monitor<S, T> {
    /// Watches with `detector`, which should have learned nothing: a copy of it as it is now is
    /// what a new level is learned with.
    ///
    /// # Errors
    ///
    /// [`ParamError`] when a field of `config` is out of its range.
    pub fn new(config: MonitorConfig, detector: S, threshold: T) -> Result<Self, ParamError> {
        config.check()?;
        Ok(Self {
            config,
            fresh: detector.clone(),
            detector,
            threshold,
            level: f64::INFINITY,
            history: 0,
            run: 0,
            recent: VecDeque::new(),
        })
    }

    /// Its policy.
    pub fn config(&self) -> &MonitorConfig {
        &self.config
    }

    /// The detector in its present state.
    pub fn detector(&self) -> &S {
        &self.detector
    }

    /// Whether the detector has seen enough.
    pub fn warmup(&self) -> Warmup {
        self.detector.warmup()
    }

    /// Judges `sample` by what came before it, then learns from it. Samples come in order of
    /// time.
    pub fn update(&mut self, sample: Sample) -> Verdict {
        if !sample.value.is_finite() {
            let verdict = self.without_score(sample, Outcome::Missing);
            self.step_over(sample);
            return verdict;
        }
        if let Warmup::Warming { seen, needed } = self.detector.warmup() {
            let verdict = self.without_score(sample, Outcome::Warming { seen, needed });
            self.detector.learn_one(sample);
            return verdict;
        }
        let score = self.detector.score_one(sample);
        if let Some(score) = score.filter(|score| !score.is_nan()) {
            return self.judge(sample, score);
        }
        let verdict = self.without_score(sample, Outcome::Missing);
        self.detector.learn_one(sample);
        verdict
    }

    /// Judges `sample` in a window that is excluded: beyond the threshold it is
    /// `Suppressed(Excluded)`. Neither learned nor counted among votes and runs.
    pub fn update_excluded(&mut self, sample: Sample) -> Verdict {
        let score = self.detector.score_one(sample);
        let score = score.filter(|score| !score.is_nan() && sample.value.is_finite());
        // The last decision's level: a threshold that learns must not see this score.
        let outcome = match (score, self.detector.warmup()) {
            (_, Warmup::Warming { seen, needed }) if sample.value.is_finite() => {
                Outcome::Warming { seen, needed }
            }
            (None, _) => Outcome::Missing,
            (Some(score), _) if score >= self.level => Outcome::Suppressed(Suppression::Excluded),
            (Some(_), _) => Outcome::Normal,
        };
        let verdict = Verdict {
            score,
            ..self.without_score(sample, outcome)
        };
        self.step_over(sample);
        verdict
    }

    /// [`update_excluded`](Self::update_excluded) in a window of `exclusions`, otherwise
    /// [`update`](Self::update).
    pub fn update_unless(&mut self, exclusions: &Exclusions, sample: Sample) -> Verdict {
        if exclusions.at(sample.time).is_some() {
            self.update_excluded(sample)
        } else {
            self.update(sample)
        }
    }

    /// Memory in use. Grows while a run of flagged samples lasts, by at most 8 KiB.
    pub fn size_bytes(&self) -> usize {
        // Each detector counts itself.
        size_of::<Self>().saturating_sub(2 * size_of::<S>())
            + self.fresh.size_bytes()
            + self.detector.size_bytes()
            + self.recent.capacity() * size_of::<Sample>()
    }

    fn judge(&mut self, sample: Sample, score: f64) -> Verdict {
        let decision = self.threshold.decide(sample.time, score);
        self.level = decision.threshold;
        let band = self.detector.band(sample.time, decision.threshold);
        let floor = self.config.floor(band);
        let standing = self.standing(sample.value, decision.anomalous, band, floor);
        let votes = self.vote(standing == Standing::Flagged);
        let verdict = Verdict {
            time: sample.time,
            value: sample.value,
            outcome: outcome(standing, votes),
            score: Some(score),
            threshold: decision.threshold,
            probability: decision.probability,
            band,
            floor,
            votes: Some(votes),
            model: Cow::Borrowed(self.detector.kind()),
        };
        match standing {
            Standing::Normal | Standing::BelowFloor => self.learn_normal(sample),
            Standing::Unwatched | Standing::Flagged => self.learn_flagged(sample, band),
        }
        verdict
    }

    fn standing(&self, value: f64, beyond: bool, band: Option<Band>, floor: f64) -> Standing {
        if !beyond {
            return Standing::Normal;
        }
        match band {
            Some(band) if distance(value, band.center) < floor => Standing::BelowFloor,
            Some(band) if !self.config.direction.watches(value, band.center) => Standing::Unwatched,
            _ => Standing::Flagged,
        }
    }

    fn vote(&mut self, flagged: bool) -> Votes {
        let looked_at = u64::MAX >> (MAX_VOTES - self.config.votes_of);
        self.history = ((self.history << 1) | u64::from(flagged)) & looked_at;
        self.votes()
    }

    fn votes(&self) -> Votes {
        Votes {
            fired: self.history.count_ones(),
            needed: self.config.votes_needed,
            of: self.config.votes_of,
        }
    }

    fn learn_normal(&mut self, sample: Sample) {
        if self.run > 0 {
            self.run = 0;
            self.recent = VecDeque::new(); // gives the memory back
        }
        self.detector.learn_one(sample);
    }

    fn learn_flagged(&mut self, sample: Sample, band: Option<Band>) {
        self.run += 1;
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
        if self.run >= self.config.adapt_after {
            self.begin_again();
        } else if let Some(band) = band.filter(|_| self.run <= self.config.learn_clipped) {
            let clipped = sample.value.max(band.lower).min(band.upper);
            self.detector.learn_one(Sample::new(sample.time, clipped));
        } else {
            self.step_over(sample);
        }
    }

    /// Time goes on without a value: to the detector a missing sample.
    fn step_over(&mut self, sample: Sample) {
        self.detector.learn_one(Sample::new(sample.time, f64::NAN));
    }

    fn begin_again(&mut self) {
        self.detector = self.fresh.clone();
        for sample in std::mem::take(&mut self.recent) {
            self.detector.learn_one(sample);
        }
        (self.run, self.history) = (0, 0);
    }

    fn without_score(&self, sample: Sample, outcome: Outcome) -> Verdict {
        let band = self
            .detector
            .band(sample.time, self.level)
            .filter(|_| self.level.is_finite());
        Verdict {
            time: sample.time,
            value: sample.value,
            outcome,
            score: None,
            threshold: self.level,
            probability: None,
            band,
            floor: self.config.floor(band),
            votes: Some(self.votes()),
            model: Cow::Borrowed(self.detector.kind()),
        }
    }
}

fn outcome(standing: Standing, votes: Votes) -> Outcome {
    match standing {
        Standing::Normal => Outcome::Normal,
        Standing::BelowFloor => Outcome::Suppressed(Suppression::BelowFloor),
        Standing::Unwatched => Outcome::Suppressed(Suppression::Direction),
        Standing::Flagged if votes.fired < votes.needed => Outcome::Suppressed(Suppression::Votes),
        Standing::Flagged => Outcome::Anomalous,
    }
}
