//! A value that does not move any more: a sensor, an exporter or a job that hangs.
//!
//! How long a value stays is compared with how often this series changes: the run of equal
//! values is geometric if changes come independently (Feller, *An Introduction to Probability Theory and Its
//! Applications*, 1968, chapter VI.8).

use aiops_core::{Band, ParamError, Sample, StreamingDetector, Timestamp, Warmup};

use crate::MAX_SCORE;
use crate::ewma::{check_memory, check_warmup};
use crate::spread::{self, check_not_negative};

/// Parameters of [`Stuck`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct StuckConfig {
    /// Largest difference between neighbours that is none, in the unit of the series. Not
    /// negative; 0 by default: a value that is stuck is equal to the bit.
    pub tolerance: f64,
    /// Samples over which the share of changes is taken. Finite and at least 1.
    pub memory: f64,
    /// Samples needed before the first score, at least 2.
    pub warmup: usize,
}

impl Default for StuckConfig {
    fn default() -> Self {
        Self {
            tolerance: 0.0,
            memory: 1_000.0,
            warmup: 32,
        }
    }
}

/// An online detector: has the value stayed for longer than this series lets it?
///
/// ```
/// use aiops_core::{Sample, StreamingDetector, Timestamp};
/// use aiops_detect::stuck::{Stuck, StuckConfig};
///
/// let mut detector = Stuck::try_from(StuckConfig::default())?;
/// let mut found = None;
/// for second in 0..200_u32 {
///     // A temperature in whole degrees, which hangs from 100 on.
///     let now = f64::from(second.min(100) * 7_919 % 101 % 5);
///     let score = detector.update(Sample::new(Timestamp::from_nanos(second.into()), 20.0 + now));
///     if score >= Some(6.0) {
///         found = found.or(Some(second));
///     }
/// }
/// assert!(found.is_some_and(|second| (105..125).contains(&second)), "{found:?}");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = -run * log10(1 - q), at most 1e6; 0 for a sample that differs
/// q     = (changes + 1/2) / (samples + 1), of those before the run
/// ```
///
/// `run` counts the repetitions, this sample's included: the score is the number of zeros of
/// the probability of so long a run. 6 is one in a million.
///
/// # Cost
///
/// A few additions and a logarithm for each sample; the memory of the struct itself.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` samples | no score |
/// | missing (`NaN`) or infinite sample | no score; not learned; the run goes on |
/// | constant from the start | 0.22 at most: staying is what it does |
/// | a series that changes with every sample | a repetition scores 1.8 after the warm-up, 3.3 after a thousand samples |
/// | a run of any length, then a change | the run counts as `memory` samples at most |
///
/// There is no band: what is odd is one value and no other.
///
/// # Not good for
///
/// Series whose quiet and busy times alternate, such as counts that are 0 at night.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stuck {
    config: StuckConfig,
    seen: u64,
    last: f64,
    /// Repetitions of the last value.
    run: u64,
    /// Samples and changes before the run, the old ones fading.
    samples: f64,
    changes: f64,
}

impl TryFrom<StuckConfig> for Stuck {
    type Error = ParamError;

    fn try_from(config: StuckConfig) -> Result<Self, ParamError> {
        check_not_negative("tolerance", config.tolerance)?;
        check_memory("memory", config.memory)?;
        check_warmup(config.warmup)?;
        Ok(Self {
            config,
            seen: 0,
            last: 0.0,
            run: 0,
            samples: 0.0,
            changes: 0.0,
        })
    }
}

impl Stuck {
    /// Its parameters.
    pub fn config(&self) -> &StuckConfig {
        &self.config
    }

    /// How often the last value has been repeated.
    pub fn run(&self) -> u64 {
        self.run
    }

    fn repeats(&self, value: f64) -> bool {
        self.seen > 0 && spread::distance(value, self.last) <= self.config.tolerance
    }

    /// The run, which has ended, joins the past, and so does the change.
    fn end_run(&mut self) {
        let run = (self.run as f64).min(self.config.memory);
        let samples = self.samples + run + 1.0;
        let keep = (self.config.memory / samples).min(1.0);
        self.samples = samples * keep;
        self.changes = (self.changes + 1.0) * keep;
        self.run = 0;
    }
}

impl StreamingDetector for Stuck {
    fn kind(&self) -> &'static str {
        "detect.stuck"
    }

    fn warmup(&self) -> Warmup {
        spread::warmup(self.seen as usize, self.config.warmup)
    }

    fn score_one(&self, sample: Sample) -> Option<f64> {
        (sample.value.is_finite() && self.warmup() == Warmup::Ready).then(|| {
            if !self.repeats(sample.value) {
                return 0.0;
            }
            // A series that never changed has only its run to judge by.
            let samples = self.samples.max(if self.changes == 0.0 {
                self.run as f64
            } else {
                0.0
            });
            let share = (self.changes + 0.5) / (samples + 1.0);
            let stays = (1.0 - share).max(f64::MIN_POSITIVE);
            (-(self.run as f64 + 1.0) * stays.log10()).min(MAX_SCORE)
        })
    }

    fn learn_one(&mut self, sample: Sample) {
        if !sample.value.is_finite() {
            return;
        }
        if self.repeats(sample.value) {
            self.run = self.run.saturating_add(1);
        } else {
            if self.seen > 0 {
                self.end_run();
            }
            self.last = sample.value;
        }
        self.seen = self.seen.saturating_add(1);
    }

    fn band(&self, _at: Timestamp, _max_score: f64) -> Option<Band> {
        None
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

    use super::{Stuck, StuckConfig};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        #[serde(with = "exact")]
        tolerance: f64,
        #[serde(with = "exact")]
        memory: f64,
        warmup: usize,
        seen: u64,
        #[serde(with = "exact")]
        last: f64,
        run: u64,
        #[serde(with = "exact")]
        samples: f64,
        #[serde(with = "exact")]
        changes: f64,
    }

    impl StoredModel for Stuck {
        const KIND: &'static str = "detect.stuck";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                tolerance: self.config.tolerance,
                memory: self.config.memory,
                warmup: self.config.warmup,
                seen: self.seen,
                last: self.last,
                run: self.run,
                samples: self.samples,
                changes: self.changes,
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let config = StuckConfig {
                tolerance: wire.tolerance,
                memory: wire.memory,
                warmup: wire.warmup,
            };
            let empty =
                Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
            let counts = wire.changes >= 0.0
                && wire.samples >= wire.changes
                && wire.samples <= config.memory;
            if !counts || !wire.last.is_finite() || wire.run > wire.seen {
                return Err(LoadError::payload("a count cannot be"));
            }
            Ok(Self {
                seen: wire.seen,
                last: wire.last,
                run: wire.run,
                samples: wire.samples,
                changes: wire.changes,
                ..empty
            })
        }
    }
}
