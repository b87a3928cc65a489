//! A default for tables: three detectors that see different things, on one scale.
//!
//! Aggarwal and Sathe, *Theoretical Foundations and Algorithms for Outlier Ensembles*, SIGKDD
//! Explorations 2015: averages of calibrated scores of unlike detectors are rarely much worse
//! than the best of them, which is not known beforehand.

use aiops_core::ndarray::ArrayView2;
use aiops_core::{
    FitError, FittedMultivariateDetector, MultivariateDetector, ParamError, ScoreError, Seed,
    check_scores,
};

use crate::extended_isolation_forest::{
    ExtendedIsolationForest, ExtendedIsolationForestConfig, FittedExtendedIsolationForest,
};
use crate::isolation_forest::{FittedIsolationForest, IsolationForest, IsolationForestConfig};
use crate::sampled_neighbors::{FittedSampledNeighbors, SampledNeighbors, SampledNeighborsConfig};
use crate::scaling::Scaling;

/// Places at which the distribution of the training scores is remembered.
const KNOTS: usize = 256;

/// Share of the training scores whose excess says how fast their tail falls.
const TAIL: f64 = 0.02;

/// Weights of the three. The plain forest counts twice: alone it has the best precision at the
/// top, where people look, and it draws its columns where the others mix them.
const WEIGHTS: [f64; 3] = [0.5, 0.25, 0.25];

/// Parameters of [`AutoTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AutoTableConfig {
    /// Where randomness comes from.
    pub seed: Seed,
}

/// The detector to begin with for rows of several numbers. It has no parameters but a seed.
///
/// ```
/// use aiops_core::ndarray::Array2;
/// use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
/// use aiops_detect::auto_table::AutoTable;
///
/// // Rows are hosts, columns are CPU share and request rate, which go together...
/// let mut hosts = Array2::from_shape_fn((300, 2), |(host, column)| {
///     let load = ((host * 37) % 101) as f64;
///     if column == 0 { 0.008 * load } else { 40.0 * load + (host % 7) as f64 }
/// });
/// hosts[[7, 1]] = 9000.0; // ... except here
///
/// let scores = AutoTable::default().fit_score(hosts.view())?;
/// assert!(scores.iter().all(|&score| score <= scores[7]));
/// let blame = AutoTable::default().fit(hosts.view())?.explain(&[0.2, 9000.0])?;
/// assert!(blame[1] > blame[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// score = weighted mean over the detectors of
///         -ln(share of training rows that score at least as high)
/// ```
///
/// The detectors are an [isolation forest](crate::isolation_forest), which sees what is odd in few
/// columns; an [extended](crate::extended_isolation_forest) one over robustly scaled columns with
/// splits over two of them, which sees odd combinations; and the distance to
/// [sampled neighbours](crate::sampled_neighbors), which sees what is odd among many columns and
/// apart from the rest; the first counts as much as the other two. Beyond the highest training score the logarithm goes on as an exponential
/// tail with the mean excess of the highest 2 percent. At least 0; 4.6 is a row as odd as the
/// oddest in a hundred, 6.9 in a thousand. [`explain`](FittedMultivariateDetector::explain) shares
/// the score out as the three do, each in its own scale.
///
/// # Cost
///
/// That of the three: some 10 us a row with 8 columns; fitting scores the training rows. Some 2 MB
/// with 8 columns.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than two rows with a value, or no column | [`DataError::TooShort`](aiops_core::DataError::TooShort) |
/// | all rows equal | one low score for the same row |
/// | missing value (`NaN`) | as each detector has it |
/// | row without any value | score `NaN` |
/// | infinite value | [`DataError::Infinite`](aiops_core::DataError::Infinite) with its row-major index |
///
/// # Not good for
///
/// Rows that are odd only among their neighbours, for which [`lof`](crate::lof) is made; metrics
/// over time, for which there is [`auto_metrics`](crate::auto_metrics).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AutoTable {
    config: AutoTableConfig,
}

impl From<AutoTableConfig> for AutoTable {
    fn from(config: AutoTableConfig) -> Self {
        Self { config }
    }
}

/// The three detectors.
struct Members {
    plain: IsolationForest,
    extended: ExtendedIsolationForest,
    sampled: SampledNeighbors,
}

impl AutoTable {
    fn members(self) -> Result<Members, ParamError> {
        let seed = self.config.seed;
        let plain = IsolationForestConfig {
            seed: seed.child(0),
            ..IsolationForestConfig::default()
        };
        let extended = ExtendedIsolationForestConfig {
            seed: seed.child(1),
            extension: Some(1),
            scaling: Scaling::Robust,
            ..ExtendedIsolationForestConfig::default()
        };
        let sampled = SampledNeighborsConfig {
            seed: seed.child(2),
            ..SampledNeighborsConfig::default()
        };
        Ok(Members {
            plain: plain.try_into()?,
            extended: extended.try_into()?,
            sampled: sampled.try_into()?,
        })
    }

    /// The model and the scores of the training rows.
    fn learn(self, train: &ArrayView2<'_, f64>) -> Result<(FittedAutoTable, Vec<f64>), FitError> {
        let members = self.members()?;
        let sampled = members.sampled.fit(train.view())?;
        let plain = members.plain.fit(train.view())?;
        let extended = members.extended.fit(train.view())?;
        let columns = [
            plain.score(train.view())?,
            extended.score(train.view())?,
            members.sampled.fit_score(train.view())?,
        ];
        let tails = columns.each_ref().map(|scores| Tail::new(scores));
        let mut scores = vec![0.0; train.nrows()];
        for ((tail, column), weight) in tails.iter().zip(&columns).zip(WEIGHTS) {
            for (score, &raw) in scores.iter_mut().zip(column) {
                *score += weight * tail.surprise(raw);
            }
        }
        let model = FittedAutoTable {
            plain,
            extended,
            sampled,
            tails,
        };
        Ok((model, scores))
    }
}

impl MultivariateDetector for AutoTable {
    type Model = FittedAutoTable;

    fn fit(&self, train: ArrayView2<'_, f64>) -> Result<FittedAutoTable, FitError> {
        Ok(self.learn(&train)?.0)
    }

    fn fit_score(&self, train: ArrayView2<'_, f64>) -> Result<Vec<f64>, FitError> {
        Ok(self.learn(&train)?.1)
    }
}

/// How rare a score is among training scores.
#[derive(Clone, Debug, PartialEq)]
struct Tail {
    /// Scores in increasing order, each with the negative logarithm of the share of training
    /// scores that are at least as high.
    knots: Vec<(f64, f64)>,
    /// Mean excess over the highest [`TAIL`] of the scores.
    excess: f64,
}

impl Tail {
    fn new(scores: &[f64]) -> Self {
        let mut sorted: Vec<f64> = scores
            .iter()
            .copied()
            .filter(|score| !score.is_nan())
            .collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let count = sorted.len();
        let mut knots: Vec<(f64, f64)> = Vec::with_capacity(KNOTS);
        // Even steps of the logarithm, so that the tail is known best.
        let last = (2.0 * count as f64).ln();
        for step in 0..=KNOTS {
            let share = (-(last * step as f64 / KNOTS as f64)).exp();
            let rank = ((1.0 - share) * count as f64) as usize;
            let score = sorted[rank.min(count - 1)];
            let below = sorted.partition_point(|&known| known < score);
            let at_least = (count - below) as f64 - 0.5;
            if knots.last().is_none_or(|&(known, _)| known < score) {
                knots.push((score, -(at_least / count as f64).ln()));
            }
        }
        let high = sorted[((1.0 - TAIL) * (count - 1) as f64) as usize];
        let above = &sorted[sorted.partition_point(|&score| score <= high)..];
        let excess =
            above.iter().map(|score| score - high).sum::<f64>() / above.len().max(1) as f64;
        // Without a tail, or one that rounding made, the level is the scale.
        let floor = 1e-3 * high.abs().max(f64::MIN_POSITIVE);
        Self {
            knots,
            excess: excess.max(floor),
        }
    }

    fn surprise(&self, score: f64) -> f64 {
        let place = self.knots.partition_point(|&(known, _)| known < score);
        let last = self.knots[self.knots.len() - 1];
        match self.knots.get(place) {
            _ if score.is_nan() => f64::NAN,
            None => (last.1 + (score - last.0) / self.excess).min(f64::MAX / 4.0),
            Some(&(known, surprise)) if place == 0 || known == score => surprise,
            Some(&(above, high)) => {
                let (below, low) = self.knots[place - 1];
                low + (high - low) * ((score - below) / (above - below))
            }
        }
    }
}

/// What [`AutoTable`] learned.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedAutoTable {
    plain: FittedIsolationForest,
    extended: FittedExtendedIsolationForest,
    sampled: FittedSampledNeighbors,
    tails: [Tail; 3],
}

impl FittedAutoTable {
    /// Memory in use.
    pub fn size_bytes(&self) -> usize {
        self.plain.size_bytes()
            + self.extended.size_bytes()
            + self.sampled.size_bytes()
            + 3 * KNOTS * size_of::<(f64, f64)>()
    }

    fn members(&self) -> [&dyn FittedMultivariateDetector; 3] {
        [&self.plain, &self.extended, &self.sampled]
    }
}

impl FittedMultivariateDetector for FittedAutoTable {
    fn score_into(&self, rows: ArrayView2<'_, f64>, scores: &mut [f64]) -> Result<(), ScoreError> {
        check_scores(rows.nrows(), scores)?;
        let mut raw = vec![0.0; rows.nrows()];
        scores.fill(0.0);
        for ((member, tail), weight) in self.members().into_iter().zip(&self.tails).zip(WEIGHTS) {
            member.score_into(rows, &mut raw)?;
            for (score, &raw) in scores.iter_mut().zip(&raw) {
                *score += weight * tail.surprise(raw);
            }
        }
        Ok(())
    }

    fn explain(&self, row: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let mut shares = vec![0.0; row.len()];
        let table = ArrayView2::from_shape((1, row.len()), row).map_err(|_| {
            aiops_core::DataError::Length {
                what: "columns",
                expected: 1,
                found: row.len(),
            }
        })?;
        for ((member, tail), weight) in self.members().into_iter().zip(&self.tails).zip(WEIGHTS) {
            let parts = member.explain(row)?;
            let surprise = tail.surprise(member.score(table)?[0]);
            // Only what speaks for an anomaly is shared out.
            let sum: f64 = parts.iter().map(|part| part.max(0.0)).sum();
            if sum > 0.0 && surprise.is_finite() {
                for (share, part) in shares.iter_mut().zip(&parts) {
                    *share += weight * surprise * (part.max(0.0) / sum);
                }
            }
        }
        Ok(shares)
    }
}

#[cfg(feature = "serde")]
mod wire {
    use aiops_core::stored::{LoadError, Payload, StoredModel, exact, exact_vec};

    use super::{FittedAutoTable, KNOTS, Tail};
    use crate::extended_isolation_forest::FittedExtendedIsolationForest;
    use crate::isolation_forest::FittedIsolationForest;
    use crate::sampled_neighbors::FittedSampledNeighbors;

    /// The members in their own first formats.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct V1 {
        plain: crate::isolation_forest::V1,
        extended: crate::extended_isolation_forest::V1,
        sampled: crate::sampled_neighbors::wire::V1,
        tails: [TailV1; 3],
    }

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TailV1 {
        #[serde(with = "exact_vec")]
        scores: Vec<f64>,
        #[serde(with = "exact_vec")]
        surprises: Vec<f64>,
        #[serde(with = "exact")]
        excess: f64,
    }

    impl From<&Tail> for TailV1 {
        fn from(tail: &Tail) -> Self {
            Self {
                scores: tail.knots.iter().map(|knot| knot.0).collect(),
                surprises: tail.knots.iter().map(|knot| knot.1).collect(),
                excess: tail.excess,
            }
        }
    }

    impl TryFrom<TailV1> for Tail {
        type Error = LoadError;

        fn try_from(wire: TailV1) -> Result<Self, LoadError> {
            let all = || wire.scores.iter().chain(&wire.surprises);
            let fits = (1..=KNOTS + 1).contains(&wire.scores.len())
                && wire.scores.len() == wire.surprises.len()
                && all().all(|value| value.is_finite())
                && wire.scores.is_sorted_by(|a, b| a < b)
                && wire.excess > 0.0
                && wire.excess.is_finite();
            if !fits {
                return Err(LoadError::payload("a tail cannot be"));
            }
            let knots = wire.scores.into_iter().zip(wire.surprises).collect();
            Ok(Self {
                knots,
                excess: wire.excess,
            })
        }
    }

    impl StoredModel for FittedAutoTable {
        const KIND: &'static str = "detect.auto-table";
        const FORMAT: u32 = 1;
        type Wire = V1;

        fn to_wire(&self) -> V1 {
            V1 {
                plain: self.plain.to_wire(),
                extended: self.extended.to_wire(),
                sampled: self.sampled.to_wire(),
                tails: self.tails.each_ref().map(TailV1::from),
            }
        }

        fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
            let wire: V1 = payload.read()?;
            let [a, b, c] = wire.tails;
            let model = Self {
                plain: FittedIsolationForest::try_from(wire.plain)?,
                extended: FittedExtendedIsolationForest::try_from(wire.extended)?,
                sampled: FittedSampledNeighbors::try_from(wire.sampled)?,
                tails: [a.try_into()?, b.try_into()?, c.try_into()?],
            };
            let widths = [
                model.plain.width(),
                model.extended.width(),
                model.sampled.width(),
            ];
            if widths[0] != widths[1] || widths[0] != widths[2] {
                return Err(LoadError::payload("the detectors differ in their columns"));
            }
            Ok(model)
        }
    }
}
