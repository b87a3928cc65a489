//! Sessions whose counts of templates do not go together as usual.
//!
//! Xu, Huang, Fox, Patterson and Jordan, *Detecting Large-Scale System Problems by Mining Console
//! Logs*, SOSP 2009: principal components of weighted counts, and the distance from their space.

use aiops_core::logs::TemplateId;
use aiops_core::ndarray::{Array2, ArrayView2};
use aiops_core::{FitError, FittedMultivariateDetector, MultivariateDetector, ParamError};

use super::vocabulary::{Vocabulary, check_sessions};
use super::{FittedSessionDetector, SessionDetector};
use crate::pca::{FittedPca, Pca, PcaConfig, PcaScore};
use crate::scaling::Scaling;

/// Most templates that may be asked for: the components take the cube of it.
const MAX_TEMPLATES: usize = 2_048;

/// Parameters of [`CountVectors`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CountVectorsConfig {
    /// Templates that are counted each by itself, those of most sessions; from 1 to 2,048. The
    /// rest counts as one. 256 by default.
    pub templates: usize,
    /// Share of the variance that the components which are kept have together at least, greater
    /// than 0 and at most 1. 0.95 by default, as in the paper.
    pub variance: f64,
}

impl Default for CountVectorsConfig {
    fn default() -> Self {
        Self {
            templates: 256,
            variance: 0.95,
        }
    }
}

/// The algorithm. Build it from a [`CountVectorsConfig`].
///
/// # Formula
///
/// ```text
/// x     = ln(1 + count) * (1 + ln((1 + sessions) / (1 + sessions with the template)))
/// score = squared Mahalanobis distance of x from the usual ones, by principal components
/// ```
///
/// The score is that of [`pca`](crate::pca) with [`PcaScore::Both`]; the column of templates that
/// were not seen has no variance, so that any of them counts much.
///
/// # Cost
///
/// Fitting `O(n d^2 + d^3)` for `n` sessions and `d` templates, scoring `O(d k)` with `k` components
/// kept; memory `O(d k)`.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two sessions | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | all sessions equal | 0 for the same counts; squared distance for others |
/// | sessions without a line only | any line is odd |
/// | empty session | as one in which everything is missing |
/// | template that no session had | counts in the column of the rest |
///
/// # Not good for
///
/// Order, and few sessions of many kinds: components explain kinds, not a single one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountVectors {
    config: CountVectorsConfig,
    pca: Pca,
}

impl TryFrom<CountVectorsConfig> for CountVectors {
    type Error = ParamError;

    fn try_from(config: CountVectorsConfig) -> Result<Self, ParamError> {
        check_templates(config.templates, MAX_TEMPLATES)?;
        let pca = Pca::try_from(PcaConfig {
            variance: config.variance,
            score: PcaScore::Both,
            scaling: Scaling::None,
        })?;
        Ok(Self { config, pca })
    }
}

/// Accepts from 1 to `most`.
pub(super) fn check_templates(templates: usize, most: usize) -> Result<(), ParamError> {
    if (1..=most).contains(&templates) {
        Ok(())
    } else {
        let expected = "at least 1, at most the limit of this detector";
        Err(ParamError::new("templates", expected, templates))
    }
}

impl CountVectors {
    /// Its parameters.
    pub fn config(&self) -> &CountVectorsConfig {
        &self.config
    }
}

impl SessionDetector for CountVectors {
    type Model = FittedCountVectors;

    fn fit(&self, sessions: &[Vec<TemplateId>]) -> Result<FittedCountVectors, FitError> {
        check_sessions(sessions.len(), 2)?;
        let vocabulary = Vocabulary::of(sessions, self.config.templates);
        let mut held = vec![0_usize; vocabulary.width()];
        let counts: Vec<_> = sessions.iter().map(|one| vocabulary.count(one)).collect();
        for counts in &counts {
            for (held, &count) in held.iter_mut().zip(counts) {
                *held += usize::from(count > 0);
            }
        }
        let all = sessions.len() as f64;
        let weights: Vec<f64> = held
            .iter()
            .map(|&held| 1.0 + ((1.0 + all) / (1.0 + held as f64)).ln())
            .collect();
        let rows = Array2::from_shape_fn((sessions.len(), vocabulary.width()), |(row, column)| {
            weigh(counts[row][column], weights[column])
        });
        Ok(FittedCountVectors {
            pca: self.pca.fit(rows.view())?,
            vocabulary,
            weights,
        })
    }
}

fn weigh(count: u32, weight: f64) -> f64 {
    f64::from(count).ln_1p() * weight
}

/// What [`CountVectors`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedCountVectors {
    vocabulary: Vocabulary,
    weights: Vec<f64>,
    pca: FittedPca,
}

impl FittedCountVectors {
    /// Templates that are counted each by itself.
    pub fn templates(&self) -> &[TemplateId] {
        &self.vocabulary.templates
    }

    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.pca.size_bytes() + 16 * self.vocabulary.width()
    }

    fn row(&self, session: &[TemplateId]) -> Vec<f64> {
        let counts = self.vocabulary.count(session);
        let pairs = counts.iter().zip(&self.weights);
        pairs
            .map(|(&count, &weight)| weigh(count, weight))
            .collect()
    }
}

impl FittedSessionDetector for FittedCountVectors {
    fn score(&self, session: &[TemplateId]) -> f64 {
        let row = self.row(session);
        let mut score = [0.0];
        let rows = ArrayView2::from_shape((1, row.len()), &row);
        let scored = rows.map(|rows| self.pca.score_into(rows, &mut score));
        assert!(matches!(scored, Ok(Ok(()))), "the row has its columns");
        score[0]
    }

    fn explain(&self, session: &[TemplateId]) -> Vec<(TemplateId, f64)> {
        let parts = self.pca.explain(&self.row(session));
        self.vocabulary.explain(session, &parts.unwrap_or_default())
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact_vec};

    use super::{FittedCountVectors, FittedPca, MAX_TEMPLATES, Vocabulary};
    use crate::logs::wire::{read, write};
    use crate::pca::wire::V1 as PcaV1;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        templates: String,
        #[serde(with = "exact_vec")]
        weights: Vec<f64>,
        pca: PcaV1,
    }

    impl StoredModel for FittedCountVectors {
        const KIND: &'static str = "detect.count-vectors";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                templates: write(&self.vocabulary.templates),
                weights: self.weights.clone(),
                pca: self.pca.to_wire(),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let templates = read(&wire.templates)?;
            let pca = FittedPca::try_from(wire.pca)?;
            let fits = templates.len() <= MAX_TEMPLATES
                && templates.is_sorted_by(|a, b| a < b)
                && wire.weights.len() == templates.len() + 1
                && pca.columns() == wire.weights.len()
                && wire.weights.iter().all(|w| *w > 0.0 && *w < 1e3);
            if !fits {
                return Err(LoadError::payload("not the weights of these templates"));
            }
            Ok(Self {
                vocabulary: Vocabulary { templates },
                weights: wire.weights,
                pca,
            })
        }
    }
}
