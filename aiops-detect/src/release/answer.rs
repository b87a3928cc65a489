//! What a comparison of releases says.

use std::fmt;

use super::{Metric, Policy};

/// The answer about a release, a metric or one aspect of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Answer {
    /// Shown to be no worse than what is tolerated.
    Pass,
    /// Shown to be worse than what is tolerated.
    Fail,
    /// Neither is shown: more data may tell.
    Inconclusive,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Aspect {
    /// Usual value. The effect is a shift, in the unit of the metric.
    Location,
    /// Usual value of the candidate divided by the baseline's. The effect is a ratio.
    Level,
    /// Usual distance from the usual value. The effect is a ratio.
    Spread,
    /// Share of values beyond a high quantile (a low one where low values are watched). The effect is a ratio.
    Tail,
    /// Events for each unit of exposure. The effect is a ratio.
    Rate,
    /// Share of hits among trials. The effect is a difference.
    Share,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Location => "location",
            Self::Level => "level",
            Self::Spread => "spread",
            Self::Tail => "tail",
            Self::Rate => "rate",
            Self::Share => "share",
        })
    }
}

/// How far the candidate is from the baseline, with an interval that holds the truth with
/// probability `1 - alpha`, for this metric alone. Infinite where the data do not bound it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Effect {
    /// Best guess; see [`Aspect`] for its kind.
    pub estimate: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// What the comparison of one aspect found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// What was compared.
    pub aspect: Aspect,
    /// By how much the candidate differs.
    pub effect: Effect,
    /// Effects between these do not matter.
    pub margin: (f64, f64),
    /// p-value against "the effect is within the margin, or on the side not watched".
    pub p: f64,
    /// The same, corrected for the number of tests; `Fail` when it is at most alpha.
    pub adjusted_p: f64,
    /// p-value against "the effect is beyond the margin on the side watched"; `Pass` when it is at
    /// most alpha.
    pub p_within: f64,
    /// What follows for this aspect.
    pub answer: Answer,
}

/// Why a metric has no finding, or one that decides nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Doubt {
    /// Fewer samples, intervals or trials than the policy's minimum on a side.
    TooLittle {
        /// Those of the baseline.
        baseline: u64,
        /// Those of the candidate.
        candidate: u64,
        /// Needed on each side.
        needed: u64,
    },
    /// The baseline's level is 0 and there is no absolute floor: nothing can be shown to be within 0.
    NoFloor,
    /// The interval reaches both what is tolerated and what is not.
    Undecided,
}

/// What is said about one metric.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MetricAnswer {
    /// Its name.
    pub name: String,
    /// The answer.
    pub answer: Answer,
    /// Why it is inconclusive.
    pub doubt: Option<Doubt>,
    /// Whether it counts for the release.
    pub gates: bool,
    /// Samples, intervals or trials of the baseline.
    pub baseline: u64,
    /// Those of the candidate.
    pub candidate: u64,
    /// Values that were missing on both sides together.
    pub missing: u64,
    /// The baseline's usual value, rate or share; `NaN` where there is none.
    pub level: f64,
    /// What each comparison found; the first one must pass for the metric to pass.
    pub findings: Vec<Finding>,
    /// How many more samples or trials the candidate needs (and the baseline in proportion) to pass
    /// with the power asked for, should nothing have changed; 0 when there are enough.
    pub more: Option<u64>,
    /// How many the candidate needs in all for that.
    pub(super) wanted: u64,
}

impl MetricAnswer {
    pub(super) fn new(
        metric: &Metric<'_>,
        baseline: usize,
        candidate: usize,
        missing: usize,
    ) -> Self {
        Self {
            name: metric.name.to_owned(),
            answer: Answer::Inconclusive,
            doubt: None,
            gates: metric.policy.gates,
            baseline: baseline as u64,
            candidate: candidate as u64,
            missing: missing as u64,
            level: f64::NAN,
            findings: Vec::new(),
            more: None,
            wanted: 0,
        }
    }

    /// Whether both sides have the policy's minimum; says so otherwise.
    pub(super) fn is_enough(&mut self, policy: &Policy) -> bool {
        let needed = policy.minimum;
        let enough = self.baseline >= needed && self.candidate >= needed;
        if !enough {
            self.doubt = Some(Doubt::TooLittle {
                baseline: self.baseline,
                candidate: self.candidate,
                needed,
            });
            self.more = Some(needed.saturating_sub(self.candidate));
        }
        enough
    }

    /// Takes in that `growth` times as much data would do.
    pub(super) fn wants(&mut self, growth: Option<f64>) {
        self.wanted = growth.map_or(0, |growth| (growth * self.candidate as f64).ceil() as u64);
        self.more = growth.map(|_| self.wanted.saturating_sub(self.candidate));
    }

    /// Draws the conclusion from the findings: any of them fails the metric, the first passes it.
    pub(super) fn conclude(&mut self) {
        let Some(first) = self.findings.first() else {
            return;
        };
        let fails = |finding: &Finding| finding.answer == Answer::Fail;
        if self.findings.iter().any(fails) {
            self.answer = Answer::Fail;
            return;
        }
        self.answer = first.answer;
        if self.answer == Answer::Inconclusive {
            let (lower, upper) = first.margin;
            self.doubt = Some(if lower < upper {
                Doubt::Undecided
            } else {
                Doubt::NoFloor
            });
        }
    }
}

/// What is said about a release.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// `Fail` when a metric that gates fails, `Pass` when all of them pass.
    pub answer: Answer,
    /// In the order they were given.
    pub metrics: Vec<MetricAnswer>,
}

/// A line for each metric and aspect, for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.answer)?;
        self.metrics
            .iter()
            .try_for_each(|metric| write!(f, "{metric}"))
    }
}

impl fmt::Display for MetricAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<13}{}", self.answer, self.name)?;
        if !self.gates {
            f.write_str(" (does not gate)")?;
        }
        match self.doubt {
            Some(Doubt::TooLittle {
                baseline,
                candidate,
                needed,
            }) => write!(
                f,
                ": {baseline} and {candidate} samples, at least {needed} are needed on each side"
            )?,
            Some(Doubt::NoFloor) => {
                f.write_str(": the baseline is 0, an absolute floor is needed")?;
            }
            _ => {}
        }
        match self.more {
            Some(more) if more > 0 && self.answer == Answer::Inconclusive => {
                writeln!(f, ": {more} more needed")?;
            }
            _ => writeln!(f)?,
        }
        for finding in &self.findings {
            writeln!(f, "    {finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effect {
            estimate,
            lower,
            upper,
        } = self.effect;
        let sign = match self.aspect {
            Aspect::Location | Aspect::Share => "by",
            Aspect::Level | Aspect::Spread | Aspect::Tail | Aspect::Rate => "times",
        };
        write!(
            f,
            "{:<9} {:<13}{sign} {estimate:.4} ({lower:.4} to {upper:.4}), tolerated {:.4} to {:.4}, p {:.2e}",
            self.aspect, self.answer, self.margin.0, self.margin.1, self.adjusted_p
        )
    }
}
