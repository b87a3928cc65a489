//! How good are scores, given labels?
//!
//! Every measure but the [NAB score](nab) takes one label and one score per sample, and looks at the order of the scores
//! only, so that detectors on different scales compare.
//!
//! | measure | use it | it hides |
//! |---|---|---|
//! | [`average_precision`] | first: tables, single samples | how long events are |
//! | [`auroc`] | to compare with papers | false alarms, when anomalies are rare |
//! | [`vus`] | first for series: events with blurred borders | one early hit counts like a late one |
//! | [`nab`] | streaming detectors: early hits, one threshold for many series | the order of scores below the threshold |
//! | [`best_f1`] | to see what a good threshold reaches | that no one knows it beforehand |
//!
//! Accuracy is left out on purpose: with one anomaly in a hundred samples, a detector that never
//! fires has an accuracy of 0.99.

pub mod nab;
mod ranking;
mod vus;

use thiserror::Error;

pub use ranking::{BestF1, auroc, average_precision, best_f1};
pub use vus::{Vus, vus};

/// Labels and scores that cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Not one score for each label.
    #[error("{labels} labels, but {scores} scores")]
    Length {
        /// Labels given.
        labels: usize,
        /// Scores given.
        scores: usize,
    },
    /// A sample without a score. Leave it out, or give it the lowest score: which one is right
    /// depends on the question, so it is not decided here.
    #[error("score at index {index} is missing (NaN)")]
    Missing {
        /// Its position.
        index: usize,
    },
    /// All labels are the same, or there is none.
    #[error("need anomalous and normal samples, found {anomalous} anomalous of {samples}")]
    OneClass {
        /// Anomalous samples.
        anomalous: usize,
        /// All samples.
        samples: usize,
    },
}

/// Number of anomalous samples, of labels and scores that can be measured.
fn check(labels: &[bool], scores: &[f64]) -> Result<usize, MetricError> {
    if labels.len() != scores.len() {
        return Err(MetricError::Length {
            labels: labels.len(),
            scores: scores.len(),
        });
    }
    if let Some(index) = scores.iter().position(|score| score.is_nan()) {
        return Err(MetricError::Missing { index });
    }
    let anomalous = labels.iter().filter(|&&label| label).count();
    if anomalous == 0 || anomalous == labels.len() {
        let samples = labels.len();
        return Err(MetricError::OneClass { anomalous, samples });
    }
    Ok(anomalous)
}
