//! Thresholds for a wanted risk, from the tail of the scores.
//!
//! Siffer, Fouque, Termier and Largouet, *Anomaly Detection in Streams with Extreme Value
//! Theory*, KDD 2017.

mod gpd;

use std::collections::VecDeque;

use aiops_core::numerics::quantile_sorted;
use aiops_core::{Decision, ParamError, Threshold, Timestamp};

pub use gpd::GeneralizedPareto;

/// Fewest peaks to which a shape is fitted; fewer are taken as exponential.
const FEW_PEAKS: usize = 10;

/// Anomalous scores are learned down to this share of the risk. Normal scores seldom lie farther
/// out; would all beyond the threshold be left out, as in the paper, the tail would be cut where
/// the threshold is, and the next threshold be lower.
const FAR: f64 = 0.1;

/// Fewest peaks that may say that the tail ends. A tail taken to end too early feeds itself: what
/// lies beyond is flagged, so not learned, and the tail stays short.
const MANY_PEAKS: usize = 100;

/// Parameters of [`Spot`] and [`Dspot`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SpotConfig {
    /// Wanted probability that a normal score is called anomalous, greater than 0 and below
    /// `1 - level`.
    pub risk: f64,
    /// Scores from which the first threshold is made, at least 10. None of them is called
    /// anomalous.
    pub initial: usize,
    /// Share of those scores below the tail, greater than 0 and less than 1.
    pub level: f64,
    /// Peaks that are remembered, the latest ones; from 10 to 65,536.
    pub peaks: usize,
    /// Normal scores over which [`Dspot`] takes the local mean, at least 1. Not used by [`Spot`].
    pub depth: usize,
}

impl Default for SpotConfig {
    fn default() -> Self {
        Self {
            risk: 1e-4,
            initial: 1_000,
            level: 0.98,
            peaks: 200,
            depth: 100,
        }
    }
}

impl SpotConfig {
    fn check(&self) -> Result<(), ParamError> {
        if !(self.level > 0.0 && self.level < 1.0) {
            let expected = "greater than 0 and less than 1";
            return Err(ParamError::new("level", expected, self.level));
        }
        if !(self.risk > 0.0 && self.risk < 1.0 - self.level) {
            let expected = "greater than 0 and below 1 - level";
            return Err(ParamError::new("risk", expected, self.risk));
        }
        if self.initial < FEW_PEAKS {
            return Err(ParamError::new("initial", "at least 10", self.initial));
        }
        if !(FEW_PEAKS..=65_536).contains(&self.peaks) {
            return Err(ParamError::new("peaks", "from 10 to 65536", self.peaks));
        }
        if self.depth == 0 {
            return Err(ParamError::new("depth", "at least 1", 0));
        }
        Ok(())
    }
}

/// A threshold that the wanted share of normal scores exceeds, however high that is: the tail is
/// modelled, no distribution is assumed.
///
/// ```
/// use aiops_core::{Seed, Threshold, Timestamp};
/// use aiops_detect::spot::{Spot, SpotConfig};
///
/// let mut config = SpotConfig::default();
/// config.risk = 1e-3;
/// let mut threshold = Spot::try_from(config)?;
/// let mut rng = Seed(1).rng();
/// let mut alarms = 0;
/// for _ in 0..21_000 {
///     alarms += i32::from(threshold.decide(Timestamp::EPOCH, rng.normal()).anomalous);
/// }
/// assert!((4..=40).contains(&alarms), "{alarms} alarms, 20 are wanted");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// z = t + scale / shape * ((risk * n / peaks)^-shape - 1)
/// ```
///
/// `t` is the quantile `level` of the initial scores, `n` counts the scores learned, `peaks` those of them above `t`, and shape and scale are those of the
/// [`GeneralizedPareto`] distribution of the latest excesses over `t`.
///
/// Scores whose probability is below a tenth of the risk are not learned.
///
/// # Cost
///
/// A few operations for most scores; a fit, about 0.2 milliseconds at 200 peaks, for each peak, that
/// is for one in fifty. 8 bytes a peak; 8 bytes for each initial score until they are complete.
///
/// # Degenerate cases
///
/// | scores | result |
/// |---|---|
/// | fewer than `initial` | none anomalous, threshold infinite |
/// | all initial ones equal | the threshold is their value: any higher score is anomalous |
/// | fewer than 10 peaks, or fewer than 100 whose tail seems to end | exponential tail |
/// | `NaN` | not anomalous, not learned |
/// | infinite | anomalous; not among the initial ones, which must be finite and are left out |
///
/// # Not good for
///
/// Scores whose distribution moves ([`Dspot`] follows their mean), and initial scores that hold an
/// incident: its peaks are the tail then.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    config: SpotConfig,
    /// Scores so far, until there are enough; then empty.
    initial: Vec<f64>,
    /// Where the tail begins; `NaN` before it is known.
    tail: f64,
    excesses: VecDeque<f64>,
    /// Scores learned, and peaks among them.
    normal: u64,
    peaks: u64,
    model: Option<GeneralizedPareto>,
    threshold: f64,
}

impl TryFrom<SpotConfig> for Spot {
    type Error = ParamError;

    fn try_from(config: SpotConfig) -> Result<Self, ParamError> {
        config.check()?;
        Ok(Self {
            config,
            initial: Vec::new(),
            tail: f64::NAN,
            excesses: VecDeque::new(),
            normal: 0,
            peaks: 0,
            model: None,
            threshold: f64::INFINITY,
        })
    }
}

impl Spot {
    /// Its parameters.
    pub fn config(&self) -> &SpotConfig {
        &self.config
    }

    /// The score above which one is anomalous; infinite at first.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The distribution of the excesses, when there are some.
    pub fn model(&self) -> Option<GeneralizedPareto> {
        self.model
    }

    /// Probability of a normal score at least this high, where the tail knows it.
    pub fn probability(&self, score: f64) -> Option<f64> {
        let excess = score - self.tail;
        let model = self.model.filter(|_| excess >= 0.0)?;
        Some(self.peaks as f64 / self.normal as f64 * model.survival(excess))
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        let numbers = self.initial.capacity() + self.excesses.capacity();
        size_of::<Self>() + numbers * size_of::<f64>()
    }

    fn gather(&mut self, score: f64) {
        if !score.is_finite() {
            return;
        }
        self.initial.push(score);
        if self.initial.len() < self.config.initial {
            return;
        }
        let mut sorted = std::mem::take(&mut self.initial);
        let scores = sorted.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        self.tail = quantile_sorted(&sorted, self.config.level);
        self.normal = scores.len() as u64;
        for score in scores {
            if score > self.tail {
                self.add_peak(score);
            }
        }
        self.refit();
    }

    fn add_peak(&mut self, score: f64) {
        if self.excesses.len() == self.config.peaks {
            self.excesses.pop_front();
        }
        self.excesses.push_back((score - self.tail).min(f64::MAX));
        self.peaks += 1;
    }

    fn refit(&mut self) {
        let excesses = self.excesses.make_contiguous();
        self.model = if excesses.is_empty() {
            None
        } else if excesses.len() < FEW_PEAKS {
            let scale = aiops_core::numerics::mean(excesses);
            (scale > 0.0).then_some(GeneralizedPareto { shape: 0.0, scale })
        } else {
            GeneralizedPareto::fit(excesses).ok()
        };
        let ends = self.model.is_some_and(|model| model.shape < 0.0);
        if ends && excesses.len() < MANY_PEAKS {
            let scale = aiops_core::numerics::mean(excesses);
            self.model = Some(GeneralizedPareto { shape: 0.0, scale });
        }
        self.place();
    }

    /// The threshold that follows from tail and counts.
    fn place(&mut self) {
        let share = self.config.risk * self.normal as f64 / self.peaks as f64;
        let reach = self
            .model
            .map_or(0.0, |model| model.exceeded_with(share.min(1.0)));
        self.threshold = (self.tail + reach).min(f64::MAX);
    }

    fn is_far(&self, decision: &Decision) -> bool {
        let near = |probability| probability >= FAR * self.config.risk;
        decision.anomalous && !decision.probability.is_some_and(near)
    }

    fn learn(&mut self, score: f64) {
        self.normal += 1;
        if score > self.tail {
            self.add_peak(score);
            self.refit();
        } else {
            self.place();
        }
    }
}

impl Threshold for Spot {
    fn decide(&mut self, _at: Timestamp, score: f64) -> Decision {
        if self.tail.is_nan() {
            self.gather(score);
            return Decision {
                anomalous: false,
                threshold: f64::INFINITY,
                probability: None,
            };
        }
        let decision = Decision {
            anomalous: score > self.threshold,
            threshold: self.threshold.next_up(),
            probability: self.probability(score),
        };
        if !score.is_nan() && !self.is_far(&decision) {
            self.learn(score);
        }
        decision
    }
}

/// [`Spot`] on what a score is above the mean of the last normal ones: for scores that drift.
///
/// The parameters and the degenerate cases are those of [`Spot`]; the first
/// [`depth`](SpotConfig::depth) scores only make the first mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Dspot {
    spot: Spot,
    recent: VecDeque<f64>,
}

impl TryFrom<SpotConfig> for Dspot {
    type Error = ParamError;

    fn try_from(config: SpotConfig) -> Result<Self, ParamError> {
        Ok(Self {
            spot: Spot::try_from(config)?,
            recent: VecDeque::new(),
        })
    }
}

impl Dspot {
    /// Its parameters.
    pub fn config(&self) -> &SpotConfig {
        self.spot.config()
    }

    /// Mean of the last normal scores; `NaN` of none.
    pub fn local_mean(&self) -> f64 {
        if self.recent.is_empty() {
            return f64::NAN;
        }
        let share = 1.0 / self.recent.len() as f64;
        self.recent.iter().map(|score| share * score).sum()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.spot.size_bytes() + self.recent.capacity() * size_of::<f64>()
    }
}

impl Threshold for Dspot {
    fn decide(&mut self, at: Timestamp, score: f64) -> Decision {
        let full = self.recent.len() == self.spot.config.depth;
        let mut decision = Decision {
            anomalous: false,
            threshold: f64::INFINITY,
            probability: None,
        };
        if full {
            let mean = self.local_mean();
            decision = self.spot.decide(at, score - mean);
            decision.threshold += mean;
        }
        if !decision.anomalous && score.is_finite() {
            if full {
                self.recent.pop_front();
            }
            self.recent.push_back(score);
        }
        decision
    }
}

#[cfg(feature = "serde")]
mod wire;
