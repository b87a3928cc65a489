//! Templates whose lines come more often or less often than they used to, new ones, and those that
//! stay away.
//!
//! Counts of an interval are negative binomial: Poisson with a rate that scatters (Greenwood and Yule, *An
//! Inquiry into the Nature of Frequency Distributions Representative of Multiple Happenings*, JRSS
//! 1920), with mean and dispersion by moments, as for surveillance of diseases (Farrington et al., *A
//! Statistical Algorithm for the Early Detection of Outbreaks of Infectious Disease*, JRSS A 1996).

mod known;
#[cfg(feature = "serde")]
mod wire;

use std::collections::BTreeMap;

use aiops_core::logs::TemplateId;
use aiops_core::{Band, ParamError, Timestamp};

use super::tail::surprise;
use crate::ewma::{check_memory, check_warmup};
use crate::spread::check_not_negative;
use known::Known;

/// Parameters of [`TemplateRates`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct TemplateRatesConfig {
    /// Intervals over which rates are learned. Finite and at least 1; 500 by default.
    pub memory: f64,
    /// Intervals before anything is said, and for which a template must be known before its rate
    /// is judged: at least 2. 32 by default.
    pub warmup: usize,
    /// Zeros of the probability of a count from which on it is told: 6, one in a million, by
    /// default. Greater than 0 and at most 300.
    pub threshold: f64,
    /// The same for the probability of an interval with a new template: 1.5 by default, where
    /// fewer than 3 intervals in a hundred had one. Greater than 0 and at most 300.
    pub new_threshold: f64,
    /// Lines by which a count must differ from what is expected; not negative. 5 by default.
    pub absolute_floor: f64,
    /// The same as a share of what is expected; 0.5 by default. Not negative. The larger of the
    /// two floors holds.
    pub relative_floor: f64,
    /// Templates that are remembered, at least 16; the one that was not seen for longest gives
    /// way. 20,000 by default, as the miner's.
    pub capacity: usize,
    /// Intervals for which a missing template is told; then it is forgotten, and new should it
    /// come again. At least 1; 60 by default.
    pub forget_after: u32,
}

impl Default for TemplateRatesConfig {
    fn default() -> Self {
        Self {
            memory: 500.0,
            warmup: 32,
            threshold: 6.0,
            new_threshold: 1.5,
            absolute_floor: 5.0,
            relative_floor: 0.5,
            capacity: 20_000,
            forget_after: 60,
        }
    }
}

/// What became of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TemplateChange {
    /// It was not seen before, and new templates are rare.
    New,
    /// It comes more often, or less often.
    Rate,
    /// It stays away.
    Missing,
}

/// What is said about one template in one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateFinding {
    /// Which template.
    pub template: TemplateId,
    /// What became of it.
    pub change: TemplateChange,
    /// Lines in the interval; of a missing one 0.
    pub count: u64,
    /// Intervals that the finding is about: 1, and for a missing template those since its last
    /// line.
    pub intervals: u32,
    /// Counts in so many intervals that would not be told; `None` of a new template.
    pub band: Option<Band>,
    /// Zeros of the probability: -log10.
    pub score: f64,
    /// Probability of a count as far away, should nothing have changed; of a new template, that of
    /// an interval with one.
    pub probability: f64,
    /// Lines by which the count must have differed to be told.
    pub floor: f64,
}

/// What is said about one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateReport {
    /// Its end.
    pub time: Timestamp,
    /// What is odd, in the order of templates.
    pub findings: Vec<TemplateFinding>,
    /// Lines of templates for which there was no room in this interval.
    pub dropped: u64,
    /// Templates that were forgotten to make room.
    pub forgotten: u64,
}

/// Counts templates by interval, and tells what changes. Build it from a [`TemplateRatesConfig`].
///
/// ```
/// use aiops_core::Timestamp;
/// use aiops_core::logs::{TemplateMiner, TemplateMinerConfig};
/// use aiops_detect::logs::rates::{TemplateChange, TemplateRates, TemplateRatesConfig};
///
/// let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())?;
/// let mut rates = TemplateRates::try_from(TemplateRatesConfig::default())?;
/// for minute in 0..100_u32 {
///     for line in 0..20 + minute % 7 {
///         rates.observe(miner.observe(&format!("GET /orders/{line} took {minute} ms")));
///     }
///     if minute == 99 {
///         rates.observe(miner.observe("connection to database db-1 refused"));
///     }
///     let at = Timestamp::from_secs(i64::from(minute) * 60).expect("in range");
///     let report = rates.end_interval(at, |template| miner.current(template));
///     assert_eq!(report.findings.len(), usize::from(minute == 99));
///     if let [found] = report.findings[..] {
///         assert_eq!(found.change, TemplateChange::New);
///     }
/// }
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Formula
///
/// ```text
/// count      ~ negative binomial(mean, mean + alpha mean^2)
/// alpha      = max(excess of the variance over the mean / mean^2, 0.001)
///              + 1 / (lines seen + 1/2)                    for the mean itself is learned
/// Rate       : p = 2 min(P(at least count), P(at most count)), score = -log10 p
/// Missing    : p = P(0), mean and alpha of all intervals since its last line
/// New        : p = (intervals with a new template + 1/2) / (intervals + 1)
/// ```
///
/// A count that is told is learned as the nearest one that would not be; intervals without a line
/// are learned when the template comes again, those of a template that was told as missing are
/// not.
///
/// # Cost
///
/// A look-up for each line; at the end of an interval a tail of a distribution for each template
/// known whose count is beyond the floor. Some 80 bytes of memory for each.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than `warmup` intervals | nothing is told |
/// | template known for fewer than `warmup` intervals, those without a line at the end not counted | is not judged |
/// | interval without any line | every template is silent for one more |
/// | interval that was not observed at all | call [`skip_interval`](Self::skip_interval): nothing is learned or told |
/// | more templates in one interval than `capacity` | the rest is counted in `dropped` |
/// | more templates at all | those not seen for longest are forgotten, and counted |
/// | templates that the miner joins | their counts are added; neither is new or missing |
///
/// # Not good for
///
/// Templates of jobs that run less often than once in `memory` intervals: each run is a change; and
/// rates that follow the day, which only widen the dispersion: give those to
/// [`seasonal`](crate::seasonal).
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateRates {
    config: TemplateRatesConfig,
    intervals: u64,
    /// Share of intervals with a new template.
    news: f64,
    known: BTreeMap<TemplateId, Known>,
    /// Of the interval that is open.
    counts: BTreeMap<TemplateId, u64>,
    dropped: u64,
}

impl TryFrom<TemplateRatesConfig> for TemplateRates {
    type Error = ParamError;

    fn try_from(config: TemplateRatesConfig) -> Result<Self, ParamError> {
        check_memory("memory", config.memory)?;
        check_warmup(config.warmup)?;
        for (name, value) in [
            ("threshold", config.threshold),
            ("new_threshold", config.new_threshold),
        ] {
            if !(value > 0.0 && value <= 300.0) {
                let expected = "greater than 0 and at most 300";
                return Err(ParamError::new(name, expected, value));
            }
        }
        check_not_negative("absolute_floor", config.absolute_floor)?;
        check_not_negative("relative_floor", config.relative_floor)?;
        if config.capacity < 16 {
            return Err(ParamError::new("capacity", "at least 16", config.capacity));
        }
        if config.forget_after == 0 {
            return Err(ParamError::new("forget_after", "at least 1", 0));
        }
        Ok(Self {
            config,
            intervals: 0,
            news: 0.0,
            known: BTreeMap::new(),
            counts: BTreeMap::new(),
            dropped: 0,
        })
    }
}

impl TemplateRates {
    /// Its parameters.
    pub fn config(&self) -> &TemplateRatesConfig {
        &self.config
    }

    /// Intervals learned.
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// Templates known.
    pub fn templates(&self) -> usize {
        self.known.len()
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        // Nodes of the trees are two thirds full.
        let known = size_of::<(TemplateId, Known)>() * self.known.len();
        let counts = size_of::<(TemplateId, u64)>() * self.counts.len();
        size_of::<Self>() + (known + counts) * 3 / 2
    }

    /// Counts one line of `template` in the interval that is open.
    pub fn observe(&mut self, template: TemplateId) {
        self.observe_many(template, 1);
    }

    /// Counts `lines` lines of `template`.
    pub fn observe_many(&mut self, template: TemplateId, lines: u64) {
        if lines == 0 {
            return;
        }
        let full = self.counts.len() >= self.config.capacity;
        match self.counts.get_mut(&template) {
            Some(count) => *count = count.saturating_add(lines),
            None if full => self.dropped = self.dropped.saturating_add(lines),
            None => {
                self.counts.insert(template, lines);
            }
        }
    }

    /// Drops what was counted since the last interval, and learns nothing: the source was not
    /// there.
    pub fn skip_interval(&mut self) {
        self.counts.clear();
        self.dropped = 0;
    }

    /// Ends an interval: judges it by those before it, then learns from it. `current` says which
    /// template another was joined to, or answers it as it is:
    /// [`TemplateMiner::current`](aiops_core::logs::TemplateMiner::current).
    pub fn end_interval(
        &mut self,
        time: Timestamp,
        current: impl Fn(TemplateId) -> TemplateId,
    ) -> TemplateReport {
        let counts = self.joined(&current);
        let ready = self.intervals >= self.config.warmup as u64;
        let mut findings = Vec::new();
        for (&template, known) in &mut self.known {
            let count = counts.get(&template).copied().unwrap_or(0);
            let mut finding = known.judge(template, count, &self.config);
            finding = finding.filter(|_| ready);
            known.take_in(count, finding.as_ref(), &self.config);
            findings.extend(finding);
        }
        let forget_after = self.config.forget_after;
        self.known.retain(|_, known| known.told < forget_after);
        let new: Vec<_> = counts
            .iter()
            .filter(|(template, _)| !self.known.contains_key(template))
            .map(|(&template, &count)| (template, count))
            .collect();
        if ready {
            findings.extend(self.news_about(&new));
            findings.sort_by_key(|finding| finding.template);
        }
        let forgotten = self.learn_new(&new);
        TemplateReport {
            time,
            findings,
            dropped: std::mem::take(&mut self.dropped),
            forgotten,
        }
    }

    /// The counts of the interval, by what their templates are now; what is known follows.
    fn joined(&mut self, current: impl Fn(TemplateId) -> TemplateId) -> BTreeMap<TemplateId, u64> {
        let mut counts = BTreeMap::new();
        for (template, count) in std::mem::take(&mut self.counts) {
            let sum: &mut u64 = counts.entry(current(template)).or_default();
            *sum = sum.saturating_add(count);
        }
        let moved: Vec<_> = self
            .known
            .keys()
            .map(|&template| (template, current(template)))
            .filter(|(from, into)| from != into)
            .collect();
        for (from, into) in moved {
            if let Some(gone) = self.known.remove(&from) {
                self.known
                    .entry(into)
                    .and_modify(|kept| kept.join(&gone))
                    .or_insert(gone);
            }
        }
        counts
    }

    fn news_about(&self, new: &[(TemplateId, u64)]) -> Vec<TemplateFinding> {
        let weight = (self.intervals as f64).min(self.config.memory);
        let probability = (self.news * weight + 0.5) / (weight + 1.0);
        let score = surprise(probability);
        if score < self.config.new_threshold {
            return Vec::new();
        }
        let finding = |&(template, count): &(TemplateId, u64)| TemplateFinding {
            template,
            change: TemplateChange::New,
            count,
            intervals: 1,
            band: None,
            score,
            probability,
            floor: 0.0,
        };
        new.iter().map(finding).collect()
    }

    /// Answers how many templates were forgotten.
    fn learn_new(&mut self, new: &[(TemplateId, u64)]) -> u64 {
        self.intervals = self.intervals.saturating_add(1);
        let weight = (self.intervals as f64).min(self.config.memory);
        let any = if new.is_empty() { 0.0 } else { 1.0 };
        self.news += (any - self.news) / weight;
        for &(template, count) in new {
            let mut known = Known::default();
            known.learn(count as f64, self.config.memory);
            self.known.insert(template, known);
        }
        let excess = self.known.len().saturating_sub(self.config.capacity);
        if excess > 0 {
            let mut silent: Vec<_> = self
                .known
                .iter()
                .map(|(&template, known)| (std::cmp::Reverse(known.silent), template))
                .collect();
            silent.sort_unstable();
            for (_, template) in silent.into_iter().take(excess) {
                self.known.remove(&template);
            }
        }
        excess as u64
    }
}
