//! How much more counts scatter than chance alone would let them.

use aiops_core::numerics::{normal, student};

use super::dependence;

/// By what the variance of a side's total is larger than its model says: at least 1. The excess that
/// `residuals` (Pearson's, in order of time) show, times their dependence in time; for few
/// intervals more, as Student's t is wider than the normal distribution. 1 for fewer than three.
pub(super) fn inflation(residuals: &[f64]) -> f64 {
    if residuals.len() < 3 {
        return 1.0;
    }
    let freedom = (residuals.len() - 1) as f64;
    let excess = residuals.iter().map(|r| r * r).sum::<f64>() / freedom;
    let dependence = dependence::inflation(residuals);
    if excess <= 1.0 {
        return dependence;
    }
    let caution = student::tail_quantile(0.025, freedom) / normal::tail_quantile(0.025);
    (excess * caution * caution).min(1e12) * dependence
}
