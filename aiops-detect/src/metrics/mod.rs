//! How good are scores, given labels?
//!
//! Every measure but the [NAB score](nab), and those of decisions, takes one label and one score per sample, and looks at the order of the scores
//! only, so that detectors on different scales compare.
//!
//! | measure | use it | it hides |
//! |---|---|---|
//! | [`average_precision`] | first: tables, single samples | how long events are |
//! | [`auroc`] | to compare with papers | false alarms, when anomalies are rare |
//! | [`vus`] | first for series: events with blurred borders | one early hit counts like a late one |
//! | [`nab`] | streaming detectors: early hits, one threshold for many series | the order of scores below the threshold |
//! | [`affiliation`] | decisions: how near alarms are to events, against chance | that 0.5 is chance |
//! | [`event_wise`] | decisions: what people count, and how late | the length of alarms |
//! | [`best_f1`] | to see what a good threshold reaches | that no one knows it beforehand |
//!
//! [`point_adjusted_f1`] is there to compare with papers only, and says what random scores reach.
//!
//! Accuracy is left out on purpose: with one anomaly in a hundred samples, a detector that never
//! fires has an accuracy of 0.99.

mod affiliation;
mod events;
pub mod nab;
mod ranking;
mod vus;

use thiserror::Error;

pub use affiliation::{Affiliation, affiliation};
pub use events::{EventWise, PointAdjusted, event_wise, point_adjusted_f1};
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
    check_classes(labels)
}

/// Fails unless there is one decision for each label, and both classes among the labels.
fn check_decisions(labels: &[bool], called: &[bool]) -> Result<(), MetricError> {
    if labels.len() != called.len() {
        return Err(MetricError::Length {
            labels: labels.len(),
            scores: called.len(),
        });
    }
    check_classes(labels).map(|_| ())
}

/// Number of anomalous samples; fails unless there are both classes.
fn check_classes(labels: &[bool]) -> Result<usize, MetricError> {
    let anomalous = labels.iter().filter(|&&label| label).count();
    if anomalous == 0 || anomalous == labels.len() {
        let samples = labels.len();
        return Err(MetricError::OneClass { anomalous, samples });
    }
    Ok(anomalous)
}
