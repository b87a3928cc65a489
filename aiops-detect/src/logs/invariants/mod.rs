//! Relations between the counts of a session that always hold: what is opened is closed.
//!
//! Lou, Fu, Yang, Xu and Li, *Mining Invariants from Console Logs for System Problem Detection*,
//! USENIX ATC 2010; relations of one, two and three templates with small whole factors.

mod search;
#[cfg(feature = "serde")]
mod wire;

use std::collections::BTreeMap;
use std::fmt;

use aiops_core::logs::TemplateId;
use aiops_core::{FitError, ParamError};

use super::counts::check_templates;
use super::vocabulary::{Vocabulary, check_sessions};
use super::{FittedSessionDetector, SessionDetector};
use search::Search;

/// Largest factor of a relation: larger ones are chance.
const MAX_FACTOR: u32 = 16;

/// Most templates that may be asked for: all pairs and sums of two are tried.
const MAX_TEMPLATES: usize = 256;

/// Parameters of [`Invariants`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct InvariantsConfig {
    /// Templates that are looked at, those of most sessions; from 1 to 256. 64 by default.
    pub templates: usize,
    /// Share of the sessions with one of its templates in which a relation must hold: greater than
    /// 0.5 and at most 1. 0.98 by default, as in the paper.
    pub support: f64,
    /// Sessions with one of its templates that a relation needs, at least 2. 20 by default.
    pub sessions: usize,
}

impl Default for InvariantsConfig {
    fn default() -> Self {
        Self {
            templates: 64,
            support: 0.98,
            sessions: 20,
        }
    }
}

/// A relation between counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Relation {
    /// The template comes so many times in every session.
    Fixed(TemplateId, u32),
    /// `a` times the count of the first is `b` times that of the second.
    Ratio {
        /// The first.
        first: TemplateId,
        /// The second.
        second: TemplateId,
        /// Factor of the first.
        a: u32,
        /// Factor of the second.
        b: u32,
    },
    /// The first comes as often as the other two together.
    Sum(TemplateId, [TemplateId; 2]),
}

impl Relation {
    /// Whether it holds for the counts that `count` answers.
    pub fn holds(&self, count: impl Fn(TemplateId) -> u32) -> bool {
        let count = |template| u64::from(count(template));
        match *self {
            Self::Fixed(template, times) => count(template) == u64::from(times),
            Self::Ratio {
                first,
                second,
                a,
                b,
            } => count(first) * u64::from(a) == count(second) * u64::from(b),
            Self::Sum(whole, [one, other]) => count(whole) == count(one) + count(other),
        }
    }

    /// Its templates, each once.
    pub fn templates(&self) -> Vec<TemplateId> {
        match *self {
            Self::Fixed(template, _) => vec![template],
            Self::Ratio { first, second, .. } => vec![first, second],
            Self::Sum(whole, [one, other]) => vec![whole, one, other],
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(template, times) => write!(f, "{template} = {times}"),
            Self::Ratio {
                first,
                second,
                a,
                b,
            } => write!(f, "{a} * {first} = {b} * {second}"),
            Self::Sum(whole, [one, other]) => write!(f, "{whole} = {one} + {other}"),
        }
    }
}

/// A relation, and how well it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// The relation.
    pub relation: Relation,
    /// Training sessions with one of its templates.
    pub sessions: u64,
    /// Those of them in which it did not hold.
    pub broken: u64,
}

impl Invariant {
    /// Zeros of the probability that it does not hold in a usual session.
    pub fn score(&self) -> f64 {
        -((self.broken as f64 + 0.5) / (self.sessions as f64 + 1.0)).log10()
    }
}

/// The algorithm. Build it from an [`InvariantsConfig`].
///
/// # Formula
///
/// ```text
/// score = max over the relations that do not hold of -log10((broken + 1/2) / (sessions + 1))
/// ```
///
/// with what was counted among the training sessions that have a template of the relation; 0 where
/// all hold. A sum is looked for only where neither part is tied to the whole by a ratio.
///
/// # Cost
///
/// Fitting `O(k d^3)` at most for `k` different vectors of counts and `d` templates: sums that fail
/// are given up after `1 - support` of the sessions, which is after a few vectors for most.
/// Scoring: two look-ups for each relation.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two sessions | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | fewer than `sessions` sessions | no relation, every score 0 |
/// | all sessions equal | each template comes a fixed number of times |
/// | empty session | breaks what is fixed, nothing else |
/// | template that no session had | is in no relation; give [`counts`](super::counts) the sessions, too |
///
/// # Not good for
///
/// Programs whose counts depend on their data; sessions cut off by the end of the observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Invariants {
    config: InvariantsConfig,
}

impl TryFrom<InvariantsConfig> for Invariants {
    type Error = ParamError;

    fn try_from(config: InvariantsConfig) -> Result<Self, ParamError> {
        check_templates(config.templates, MAX_TEMPLATES)?;
        if !(config.support > 0.5 && config.support <= 1.0) {
            let expected = "greater than 0.5 and at most 1";
            return Err(ParamError::new("support", expected, config.support));
        }
        if config.sessions < 2 {
            return Err(ParamError::new("sessions", "at least 2", config.sessions));
        }
        Ok(Self { config })
    }
}

impl Invariants {
    /// Its parameters.
    pub fn config(&self) -> &InvariantsConfig {
        &self.config
    }
}

impl SessionDetector for Invariants {
    type Model = FittedInvariants;

    fn fit(&self, sessions: &[Vec<TemplateId>]) -> Result<FittedInvariants, FitError> {
        check_sessions(sessions.len(), 2)?;
        let vocabulary = Vocabulary::of(sessions, self.config.templates);
        let mut vectors: BTreeMap<Vec<u32>, u64> = BTreeMap::new();
        for session in sessions {
            *vectors.entry(vocabulary.count(session)).or_default() += 1;
        }
        let mut vectors: Vec<_> = vectors.into_iter().collect();
        vectors.sort_by_key(|(_, times)| std::cmp::Reverse(*times)); // failures show early
        let search = Search {
            config: &self.config,
            templates: &vocabulary.templates,
            vectors: &vectors,
        };
        Ok(FittedInvariants {
            invariants: search.all(),
        })
    }
}

/// What [`Invariants`] learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FittedInvariants {
    invariants: Vec<Invariant>,
}

impl FittedInvariants {
    /// The relations that hold.
    pub fn invariants(&self) -> &[Invariant] {
        &self.invariants
    }

    /// The relations that do not hold in `session`, the most reliable first.
    pub fn broken(&self, session: &[TemplateId]) -> Vec<&Invariant> {
        let mut counts: BTreeMap<TemplateId, u32> = BTreeMap::new();
        for &template in session {
            let count = counts.entry(template).or_default();
            *count = count.saturating_add(1);
        }
        let count = |template| counts.get(&template).copied().unwrap_or(0);
        let mut broken: Vec<_> = self
            .invariants
            .iter()
            .filter(|one| !one.relation.holds(count))
            .collect();
        broken.sort_by(|one, other| other.score().total_cmp(&one.score()));
        broken
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.invariants.capacity() * size_of::<Invariant>()
    }
}

impl FittedSessionDetector for FittedInvariants {
    fn score(&self, session: &[TemplateId]) -> f64 {
        self.broken(session).first().map_or(0.0, |one| one.score())
    }

    /// Each template gets the scores of its broken relations, shared among their templates.
    fn explain(&self, session: &[TemplateId]) -> Vec<(TemplateId, f64)> {
        super::blame(self.broken(session).into_iter().flat_map(|one| {
            let templates = one.relation.templates();
            let share = one.score() / templates.len() as f64;
            templates.into_iter().map(move |template| (template, share))
        }))
    }
}
