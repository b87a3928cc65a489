//! Is a new release worse than the one before it?
//!
//! A baseline and a candidate that run at the same time, or one after the other, are compared metric by
//! metric. The answer is pass, fail or inconclusive, with the effect, its interval, and how much more
//! traffic it takes.
//!
//! ```
//! use aiops_detect::monitor::Direction;
//! use aiops_detect::release::{Answer, Data, Metric, Policy, Ratio, Release, ReleaseConfig};
//!
//! // Failed requests: 20 of 10,000, and 65 of 10,000 after the release.
//! let (baseline, candidate) = ([Ratio::new(20.0, 10_000.0)], [Ratio::new(65.0, 10_000.0)]);
//! let policy = Policy { direction: Direction::Up, absolute_floor: 0.001, ..Policy::default() };
//! let data = Data::Ratios { baseline: &baseline, candidate: &candidate };
//!
//! let release = Release::try_from(ReleaseConfig::default())?;
//! let report = release.compare(&[Metric::new("failed requests", policy, data)])?;
//! assert_eq!(report.answer, Answer::Fail);
//! let effect = report.metrics[0].findings[0].effect;
//! assert!(effect.lower > 0.002 && effect.upper < 0.007);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which data?
//!
//! | the metric is | give | compared |
//! |---|---|---|
//! | a gauge or a latency, sample by sample | [`Data::Values`] | location by ranks ([`mann_whitney`], [`hodges_lehmann`]); spread and tail where asked |
//! | events: errors, restarts, log lines | [`Data::Counts`] | ratio of rates, exact, negative binomial where they scatter |
//! | a share: failed of all requests | [`Data::Ratios`] | difference of shares by its score interval |
//!
//! Looked at after each interval, and stopped at any look: [`sequential`]. As Kayenta judges: [`kayenta`].
//!
//! # Theorems
//!
//! *Fail* is a test against "the change is within the margin" with a p-value corrected for all tests
//! of the report: with Holm's correction the probability that any metric fails without a
//! change beyond its margin is at most `alpha`. *Pass* is a test against "the change is beyond the margin". A
//! release passes when every metric does, which needs no correction: if one is beyond its margin, that one
//! passes with probability at most `alpha` (intersection-union test; Berger, *Multiparameter Hypothesis Testing and Acceptance
//! Sampling*, 1982).
//!
//! Both hold for one look. A report that is made again and again until it passes needs [`sequential`].
//!
//! # Dependence in time
//!
//! Values of neighbouring intervals resemble each other, and count for less than independent
//! ones: each side's standard error is inflated by its correlations in time. Waves that take longer than a tenth
//! of the comparison are not seen in it: compare at the same time.

mod adjust;
mod answer;
mod counts;
mod data;
mod dependence;
mod dispersion;
pub mod kayenta;
mod rank;
pub mod sequential;
mod shares;
mod test;
mod values;

use aiops_core::ParamError;

pub use adjust::Correction;
pub use answer::{Answer, Aspect, Doubt, Effect, Finding, MetricAnswer, Report};
pub use data::{BadMetric, Count, Data, Metric, Policy, Ratio, ReleaseError};
pub use rank::{MannWhitney, hodges_lehmann, mann_whitney};

use counts::{RateRatio, Total};
use shares::{ShareDifference, Trials};
use test::{Margin, Test, conclude};

/// Parameters of [`Release`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ReleaseConfig {
    /// Risk of a wrong fail, and of a wrong pass: between 0 and 0.5. 0.05 by default.
    pub alpha: f64,
    /// Probability of a pass, should nothing have changed, that [`MetricAnswer::more`] asks the data
    /// for: between 0.5 and 1. 0.8 by default.
    pub power: f64,
    /// How the p-values of one report are corrected for their number.
    pub correction: Correction,
}

impl Default for ReleaseConfig {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            power: 0.8,
            correction: Correction::Holm,
        }
    }
}

/// Compares a baseline with a candidate. Build it from a [`ReleaseConfig`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Release {
    config: ReleaseConfig,
}

impl TryFrom<ReleaseConfig> for Release {
    type Error = ParamError;

    fn try_from(config: ReleaseConfig) -> Result<Self, ParamError> {
        if !(config.alpha > 0.0 && config.alpha < 0.5) {
            let expected = "between 0 and 0.5, exclusive";
            return Err(ParamError::new("alpha", expected, config.alpha));
        }
        if !(config.power >= 0.5 && config.power < 1.0) {
            let expected = "at least 0.5 and below 1";
            return Err(ParamError::new("power", expected, config.power));
        }
        Ok(Self { config })
    }
}

impl Release {
    /// Its parameters.
    pub fn config(&self) -> &ReleaseConfig {
        &self.config
    }

    /// Compares all metrics.
    ///
    /// Without a metric that gates the answer is inconclusive. Costs `O(n log n)` for each metric.
    ///
    /// # Degenerate cases
    ///
    /// | input | answer |
    /// |---|---|
    /// | a side with fewer samples than `minimum`, or none | inconclusive, [`Doubt::TooLittle`] |
    /// | both sides constant and equal | pass, if the margin is not 0 |
    /// | both sides constant and not equal | what the difference says, with certainty |
    /// | baseline's level 0 and no absolute floor | inconclusive, [`Doubt::NoFloor`], unless it fails |
    /// | no event or hit on both sides | what so much exposure shows |
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] for a policy out of range, an infinite value, and counts that cannot be.
    pub fn compare(&self, metrics: &[Metric<'_>]) -> Result<Report, ReleaseError> {
        let answers: Result<Vec<_>, ReleaseError> = metrics
            .iter()
            .map(|metric| {
                self.judge(metric).map_err(|source| ReleaseError {
                    metric: metric.name.to_owned(),
                    source,
                })
            })
            .collect();
        Ok(self.report(answers?))
    }

    /// How much data of each side it takes to let a release pass with the power asked for, should
    /// nothing have changed, judged by the baseline alone: before the first request goes to the
    /// candidate. In samples, intervals or trials; `None` where the baseline does not tell.
    ///
    /// # Errors
    ///
    /// As [`compare`](Self::compare).
    pub fn plan(&self, metric: &Metric<'_>) -> Result<Option<u64>, ReleaseError> {
        let data = match metric.data {
            Data::Values { baseline, .. } => Data::Values {
                baseline,
                candidate: baseline,
            },
            Data::Counts { baseline, .. } => Data::Counts {
                baseline,
                candidate: baseline,
            },
            Data::Ratios { baseline, .. } => Data::Ratios {
                baseline,
                candidate: baseline,
            },
        };
        let itself = Metric { data, ..*metric };
        let report = self.compare(&[itself])?;
        let answer = &report.metrics[0];
        Ok(answer.more.map(|_| answer.wanted))
    }

    fn judge(&self, metric: &Metric<'_>) -> Result<MetricAnswer, BadMetric> {
        let policy = &metric.policy;
        policy.check()?;
        match metric.data {
            Data::Values {
                baseline,
                candidate,
            } => {
                let (own, other) = (values::present(baseline)?, values::present(candidate)?);
                let missing = baseline.len() + candidate.len() - own.len() - other.len();
                let mut answer = MetricAnswer::new(metric, own.len(), other.len(), missing);
                answer.level = values::level(&own);
                if answer.is_enough(policy) {
                    let margin = Margin::around_zero(policy.reach(answer.level));
                    let shift = rank::Shift::new(&own, &other);
                    self.add(&mut answer, Aspect::Location, &shift, margin, policy);
                    if let Some(floor) = policy.spread_floor {
                        let spread = values::Spread::new(&own, &other);
                        let margin = Margin::around_one(floor);
                        self.add(&mut answer, Aspect::Spread, &spread, margin, policy);
                    }
                    if let Some(floor) = policy.tail_floor {
                        let tail = values::tail(&own, &other, policy);
                        let (margin, up) = (Margin::around_one(floor), values::in_tail(policy));
                        self.add(&mut answer, Aspect::Tail, &tail, margin, &up);
                    }
                }
                Ok(answer)
            }
            Data::Counts {
                baseline,
                candidate,
            } => {
                let own = values::intervals(baseline, |one| (one.events, one.exposure), f64::MAX)?;
                let other =
                    values::intervals(candidate, |one| (one.events, one.exposure), f64::MAX)?;
                let missing = baseline.len() + candidate.len() - own.len() - other.len();
                let mut answer = MetricAnswer::new(metric, own.len(), other.len(), missing);
                answer.level = Total::of(&own).rate();
                if answer.is_enough(policy) {
                    let relative = policy.reach(answer.level) / answer.level;
                    let reach = if relative.is_finite() { relative } else { 0.0 };
                    let (test, margin) = (RateRatio::new(&own, &other), Margin::around_one(reach));
                    self.add(&mut answer, Aspect::Rate, &test, margin, policy);
                }
                Ok(answer)
            }
            Data::Ratios {
                baseline,
                candidate,
            } => {
                let own = values::intervals(baseline, |one| (one.hits, one.trials), 1.0)?;
                let other = values::intervals(candidate, |one| (one.hits, one.trials), 1.0)?;
                let missing = baseline.len() + candidate.len() - own.len() - other.len();
                let trials =
                    |side: &[Ratio]| side.iter().map(|one| one.trials).sum::<f64>() as usize;
                let mut answer = MetricAnswer::new(metric, trials(&own), trials(&other), missing);
                let (baseline, candidate) = (Trials::of(&own), Trials::of(&other));
                answer.level = baseline.share();
                let relative = policy.reach(answer.level) > policy.absolute_floor;
                let test = ShareDifference {
                    baseline,
                    candidate,
                    relative_to: relative.then_some(answer.level),
                };
                if answer.is_enough(policy) {
                    let margin = Margin::around_zero(policy.reach(answer.level));
                    self.add(&mut answer, Aspect::Share, &test, margin, policy);
                }
                Ok(answer)
            }
        }
    }

    fn add(
        &self,
        answer: &mut MetricAnswer,
        aspect: Aspect,
        test: &dyn Test,
        margin: Margin,
        policy: &Policy,
    ) {
        let (finding, growth) = conclude(aspect, test, margin, policy, &self.config);
        if answer.findings.is_empty() {
            answer.wants(growth);
        }
        answer.findings.push(finding);
    }

    /// Corrects the p-values for their number and draws the conclusions.
    fn report(&self, mut metrics: Vec<MetricAnswer>) -> Report {
        let p_values: Vec<f64> = metrics
            .iter()
            .flat_map(|metric| metric.findings.iter().map(|finding| finding.p))
            .collect();
        let mut adjusted = self.config.correction.adjust(&p_values).into_iter();
        for metric in &mut metrics {
            for finding in &mut metric.findings {
                finding.adjusted_p = adjusted.next().unwrap_or(f64::NAN);
                if finding.adjusted_p <= self.config.alpha {
                    finding.answer = Answer::Fail;
                }
            }
            metric.conclude();
        }
        Report {
            answer: together(metrics.iter().filter(|metric| metric.gates)),
            metrics,
        }
    }
}

/// `Fail` if one fails, `Pass` if all of at least one pass.
fn together<'a>(metrics: impl Iterator<Item = &'a MetricAnswer> + Clone) -> Answer {
    let mut answers = metrics.map(|metric| metric.answer);
    if answers.clone().any(|answer| answer == Answer::Fail) {
        return Answer::Fail;
    }
    match answers.next() {
        Some(Answer::Pass) if answers.all(|answer| answer == Answer::Pass) => Answer::Pass,
        _ => Answer::Inconclusive,
    }
}
