//! From score to decision.

use crate::Timestamp;

/// Whether a score is beyond the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// Whether it is.
    pub anomalous: bool,
    /// The score from which on it would be.
    pub threshold: f64,
    /// Probability of a score this high on a normal sample, where it is known; in `[0, 1]`.
    pub probability: Option<f64>,
}

/// Turns scores into decisions, one at a time. Some learn from the scores that they see, which is
/// why deciding changes them; one fitted model serves several thresholds.
pub trait Threshold: Send {
    /// Decides about the score of the sample taken at `at`. Scores arrive in order of time and
    /// are never `NaN`.
    fn decide(&mut self, at: Timestamp, score: f64) -> Decision;
}

impl<T: Threshold + ?Sized> Threshold for Box<T> {
    fn decide(&mut self, at: Timestamp, score: f64) -> Decision {
        (**self).decide(at, score)
    }
}
