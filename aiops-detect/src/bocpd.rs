//! Bayesian online change point detection: how long has this been so?
//!
//! Adams and `MacKay`, *Bayesian Online Changepoint Detection* (2007), for normal data whose mean and
//! variance are both unknown, with a bounded number of hypotheses, and with outliers as events of
//! their own, as Fearnhead and Rigaill ask for in *Changepoint Detection in the Presence of
//! Outliers*, JASA 114 (2019): else each spike would be two changes.

use aiops_core::numerics::{MAD_TO_SIGMA, median};
use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::spread::{self, DEFAULT_RELATIVE_MIN_SCALE};

/// Hypotheses below this probability are dropped.
const NEGLIGIBLE: f64 = 1e-6;
/// Prior of mean and variance: the strength of one sample.
const PRIOR: Normal = Normal {
    mean: 0.0,
    kappa: 1.0,
    alpha: 1.0,
    beta: 1.0,
    // ln Gamma(1.5) - ln Gamma(1)
    gamma_step: -0.120_782_237_635_245_22,
};

/// Parameters of [`Bocpd`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BocpdConfig {
    /// Samples between two changes that are expected, and between two outliers; greater than 1
    /// and finite.
    pub expected_run: f64,
    /// A change younger than so many samples is not one yet: a spike lasts shorter. At least 1.
    pub confirm: u32,
    /// One older than so many samples is past; greater than `confirm`.
    pub recent: u32,
    /// Most ages that are told apart, from 8 to 4096; the least probable are dropped.
    pub hypotheses: usize,
    /// Samples from which unit and zero of the series are taken, at least 8. The first score
    /// comes after them.
    pub warmup: usize,
}

impl Default for BocpdConfig {
    fn default() -> Self {
        Self {
            expected_run: 1_000.0,
            confirm: 5,
            recent: 30,
            hypotheses: 100,
            warmup: 32,
        }
    }
}

impl BocpdConfig {
    fn check(&self) -> Result<(), ParamError> {
        if !(self.expected_run > 1.0 && self.expected_run.is_finite()) {
            let expected = "finite and greater than 1";
            return Err(ParamError::new("expected_run", expected, self.expected_run));
        }
        if self.confirm == 0 {
            return Err(ParamError::new("confirm", "at least 1", 0));
        }
        if self.recent <= self.confirm {
            let expected = "greater than confirm";
            return Err(ParamError::new("recent", expected, self.recent));
        }
        if !(8..=4096).contains(&self.hypotheses) {
            let expected = "from 8 to 4096";
            return Err(ParamError::new("hypotheses", expected, self.hypotheses));
        }
        if self.warmup < 8 {
            return Err(ParamError::new("warmup", "at least 8", self.warmup));
        }
        Ok(())
    }
}

/// What is believed about mean and variance: a normal-gamma distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Normal {
    mean: f64,
    kappa: f64,
    alpha: f64,
    beta: f64,
    /// `ln Gamma(alpha + 1/2) - ln Gamma(alpha)`, carried along by its recurrence.
    gamma_step: f64,
}

impl Normal {
    /// Logarithm of the density of `value`: Student's t.
    fn log_density(&self, value: f64) -> f64 {
        // Twice beta times the squared width.
        let spread = 2.0 * self.beta * (self.kappa + 1.0) / self.kappa;
        let away = value - self.mean;
        let tail = (away * away / spread).ln_1p();
        self.gamma_step - 0.5 * (std::f64::consts::PI * spread).ln() - (self.alpha + 0.5) * tail
    }

    fn with(self, value: f64) -> Self {
        let away = value - self.mean;
        Self {
            mean: self.mean + away / (self.kappa + 1.0),
            kappa: self.kappa + 1.0,
            alpha: self.alpha + 0.5,
            beta: self.beta + 0.5 * self.kappa / (self.kappa + 1.0) * away * away,
            gamma_step: self.alpha.ln() - self.gamma_step,
        }
    }
}

/// That the last change was `age` samples ago.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hypothesis {
    age: u32,
    probability: f64,
    belief: Normal,
}

/// An online detector of changes of level or spread: the probability that one happened a short
/// while ago.
///
/// ```
/// use aiops_core::{Seed, Sample, StreamingDetector, Timestamp};
/// use aiops_detect::bocpd::{Bocpd, BocpdConfig};
///
/// let mut detector = Bocpd::try_from(BocpdConfig::default())?;
/// let mut rng = Seed(1).rng();
/// let mut found = Vec::new();
/// for second in 0..600 {
///     // A spike at 200 is no change; the step at 400 is.
///     let spike = if second == 200 { 30.0 } else { 0.0 };
///     let step = if second >= 400 { 8.0 } else { 0.0 };
///     let value = rng.normal() + spike + step;
///     let score = detector.update(Sample::new(Timestamp::from_nanos(second), value));
///     if score > Some(0.9) {
///         found.push(second);
///     }
/// }
/// assert!(found.first().is_some_and(|&at| (404..412).contains(&at)), "{found:?}");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Score
///
/// The probability that the last change was at least [`confirm`](BocpdConfig::confirm) and fewer than
/// [`recent`](BocpdConfig::recent) samples ago, the present one among them: from 0 to 1. It rises `confirm` samples
/// after a change and falls when that is no longer recent.
///
/// # Cost
///
/// A few logarithms and exponentials for each hypothesis, about 3 microseconds a sample and
/// 5 KB at the default of 100; most streams need far fewer.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score |
/// | missing (`NaN`) or infinite sample | no score; not learned |
/// | constant first samples | a billionth of the level is the unit |
/// | more than a million units from the first samples | as far as that |
///
/// There is no band: which value would be odd depends on how long the present level lasts.
///
/// # Not good for
///
/// Seasons and autocorrelated noise, which are changes to it; single outliers, which it is made
/// to ignore.
#[derive(Clone, Debug, PartialEq)]
pub struct Bocpd {
    config: BocpdConfig,
    first: Vec<f64>,
    zero: f64,
    unit: f64,
    /// By increasing age; empty while warming up.
    hypotheses: Vec<Hypothesis>,
}

impl TryFrom<BocpdConfig> for Bocpd {
    type Error = ParamError;

    fn try_from(config: BocpdConfig) -> Result<Self, ParamError> {
        config.check()?;
        Ok(Self {
            config,
            first: Vec::new(),
            zero: 0.0,
            unit: 1.0,
            hypotheses: Vec::new(),
        })
    }
}

impl Bocpd {
    /// Its parameters.
    pub fn config(&self) -> &BocpdConfig {
        &self.config
    }

    /// Samples since the last change, most probably; `None` while warming up.
    pub fn age(&self) -> Option<u32> {
        let most = self
            .hypotheses
            .iter()
            .max_by(|a, b| a.probability.total_cmp(&b.probability))?;
        Some(most.age)
    }

    /// The mean since then, in the unit of the series.
    pub fn level(&self) -> Option<f64> {
        let most = self
            .hypotheses
            .iter()
            .max_by(|a, b| a.probability.total_cmp(&b.probability))?;
        Some((self.zero + most.belief.mean * self.unit).clamp(f64::MIN, f64::MAX))
    }

    fn scaled(&self, value: f64) -> f64 {
        spread::score(value, self.zero, self.unit).copysign(value - self.zero)
    }

    fn gather(&mut self, value: f64) {
        self.first.push(value);
        if self.first.len() < self.config.warmup {
            return;
        }
        let mut first = std::mem::take(&mut self.first);
        let mut steps: Vec<f64> = first
            .windows(2)
            .map(|pair| spread::distance(pair[1], pair[0]))
            .collect();
        // Differences of neighbours, so that a change among the first does not widen the unit.
        let noise = median(&mut steps) * MAD_TO_SIGMA / std::f64::consts::SQRT_2;
        let values = first.clone();
        self.zero = median(&mut first);
        self.unit = noise
            .max(DEFAULT_RELATIVE_MIN_SCALE * self.zero.abs())
            .clamp(f64::MIN_POSITIVE, f64::MAX);
        self.hypotheses.push(Hypothesis {
            age: 0,
            probability: 1.0,
            belief: PRIOR,
        });
        for value in values {
            self.hypotheses = self.with(value);
        }
    }

    /// All hypotheses after `value`.
    fn with(&self, value: f64) -> Vec<Hypothesis> {
        let value = self.scaled(value);
        let hazard = 1.0 / self.config.expected_run;
        let anywhere = PRIOR.log_density(value);
        let anew = anywhere + hazard.ln();
        let told: Vec<(f64, bool)> = self
            .hypotheses
            .iter()
            .map(|h| {
                // An outlier may come from anywhere, as the first value of a new run may.
                let (fits, outlier) = (h.belief.log_density(value), anew);
                let log = fits.max(outlier) + (-(fits - outlier).abs()).exp().ln_1p();
                (log + h.probability.ln(), fits >= outlier)
            })
            .collect();
        let largest = told.iter().map(|(log, _)| *log).fold(anew, f64::max);
        let mut next = Vec::with_capacity(self.hypotheses.len() + 1);
        next.push(Hypothesis {
            age: 1,
            probability: (anew - largest).exp(),
            belief: PRIOR.with(value),
        });
        let older = self.hypotheses.iter().zip(told);
        next.extend(older.map(|(h, (log, fits))| Hypothesis {
            age: h.age.saturating_add(1),
            probability: (1.0 - hazard) * (log - largest).exp(),
            belief: if fits { h.belief.with(value) } else { h.belief },
        }));
        prune(&mut next, self.config.hypotheses);
        next
    }

    fn recent(&self, hypotheses: &[Hypothesis]) -> f64 {
        let ages = self.config.confirm..self.config.recent;
        let recent = hypotheses.iter().filter(|h| ages.contains(&h.age));
        recent.map(|h| h.probability).sum::<f64>().min(1.0)
    }
}

/// Makes the probabilities sum to 1 and drops the negligible, and the least probable beyond `most`.
fn prune(hypotheses: &mut Vec<Hypothesis>, most: usize) {
    normalise(hypotheses);
    hypotheses.retain(|h| h.probability >= NEGLIGIBLE);
    if hypotheses.len() > most {
        let mut all: Vec<f64> = hypotheses.iter().map(|h| h.probability).collect();
        let surplus = all.len() - most;
        let (_, &mut least, _) = all.select_nth_unstable_by(surplus, f64::total_cmp);
        hypotheses.retain(|h| h.probability >= least);
        hypotheses.truncate(most); // ties
    }
    normalise(hypotheses);
}

fn normalise(hypotheses: &mut [Hypothesis]) {
    let sum: f64 = hypotheses.iter().map(|h| h.probability).sum();
    for hypothesis in hypotheses {
        hypothesis.probability /= sum;
    }
}

impl StreamingDetector for Bocpd {
    fn kind(&self) -> &'static str {
        "detect.bocpd"
    }

    fn warmup(&self) -> Warmup {
        if self.hypotheses.is_empty() {
            spread::warmup(self.first.len(), self.config.warmup)
        } else {
            Warmup::Ready
        }
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && !self.hypotheses.is_empty())
            .then(|| self.recent(&self.with(sample.value)))
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        if self.hypotheses.is_empty() {
            self.gather(sample.value);
        } else {
            self.hypotheses = self.with(sample.value);
        }
    }

    fn update(&mut self, sample: Sample) -> Option<f64> {
        let ready = !self.hypotheses.is_empty();
        self.learn_one(sample);
        (ready && sample.value.is_finite()).then(|| self.recent(&self.hypotheses))
    }

    fn band(&self, _at: Timestamp, _max_score: f64) -> Option<Band> {
        None
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.first.capacity() * size_of::<f64>()
            + self.hypotheses.capacity() * size_of::<Hypothesis>()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{Bocpd, BocpdConfig, Hypothesis, Normal};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        expected_run: f64,
        confirm: u32,
        recent: u32,
        hypotheses: usize,
        warmup: usize,
        #[serde(with = "exact_vec")]
        first: Vec<f64>,
        #[serde(with = "exact")]
        zero: f64,
        #[serde(with = "exact")]
        unit: f64,
        ages: Vec<u32>,
        /// For each age: probability, mean, kappa, alpha, beta, step of the logarithm of gamma.
        #[serde(with = "exact_vec")]
        beliefs: Vec<f64>,
    }

    impl V1 {
        fn hypotheses(&self) -> Result<Vec<Hypothesis>, LoadError> {
            let beliefs = self.beliefs.chunks_exact(6);
            let fits = beliefs.len() == self.ages.len() && beliefs.remainder().is_empty();
            let increasing = self.ages.windows(2).all(|pair| pair[0] < pair[1]);
            let finite = self.beliefs.iter().all(|number| number.is_finite());
            if !fits || !increasing || !finite || self.ages.len() > self.hypotheses {
                return Err(LoadError::payload("hypotheses cannot be"));
            }
            let all: Vec<Hypothesis> = self
                .ages
                .iter()
                .zip(beliefs)
                .map(|(&age, numbers)| Hypothesis {
                    age,
                    probability: numbers[0],
                    belief: Normal {
                        mean: numbers[1],
                        kappa: numbers[2],
                        alpha: numbers[3],
                        beta: numbers[4],
                        gamma_step: numbers[5],
                    },
                })
                .collect();
            let sound = |h: &Hypothesis| {
                let Normal {
                    kappa, alpha, beta, ..
                } = h.belief;
                (0.0..=1.0).contains(&h.probability) && kappa >= 1.0 && alpha >= 1.0 && beta >= 1.0
            };
            let sum: f64 = all.iter().map(|h| h.probability).sum();
            if !all.iter().all(sound) || (!all.is_empty() && (sum - 1.0).abs() > 1e-6) {
                return Err(LoadError::payload("a belief cannot be"));
            }
            Ok(all)
        }
    }

    impl StoredModel for Bocpd {
        const KIND: &'static str = "detect.bocpd";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            let numbers = |h: &Hypothesis| {
                let b = h.belief;
                [
                    h.probability,
                    b.mean,
                    b.kappa,
                    b.alpha,
                    b.beta,
                    b.gamma_step,
                ]
            };
            V1 {
                expected_run: self.config.expected_run,
                confirm: self.config.confirm,
                recent: self.config.recent,
                hypotheses: self.config.hypotheses,
                warmup: self.config.warmup,
                first: self.first.clone(),
                zero: self.zero,
                unit: self.unit,
                ages: self.hypotheses.iter().map(|h| h.age).collect(),
                beliefs: self.hypotheses.iter().flat_map(numbers).collect(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = BocpdConfig {
                expected_run: wire.expected_run,
                confirm: wire.confirm,
                recent: wire.recent,
                hypotheses: wire.hypotheses,
                warmup: wire.warmup,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            let hypotheses = wire.hypotheses()?;
            let first_fine = wire.first.iter().all(|value| value.is_finite())
                && wire.first.len() < config.warmup
                && (hypotheses.is_empty() || wire.first.is_empty());
            let scale_fine = wire.zero.is_finite() && wire.unit > 0.0 && wire.unit.is_finite();
            if !first_fine || !scale_fine {
                return Err(LoadError::payload("first samples or unit cannot be"));
            }
            Ok(Self {
                first: wire.first,
                zero: wire.zero,
                unit: wire.unit,
                hypotheses,
                ..empty
            })
        }
    }
}
