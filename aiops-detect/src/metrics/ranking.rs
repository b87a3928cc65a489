//! Measures over the order of the scores, sample by sample.

use super::{MetricError, check};

/// Samples of one score, and all above it.
#[derive(Clone, Copy, Debug)]
struct Level {
    score: f64,
    /// Anomalous samples with at least this score.
    true_positives: usize,
    /// Samples with at least this score.
    positives: usize,
}

/// The distinct scores, largest first.
fn levels(labels: &[bool], scores: &[f64]) -> Vec<Level> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
    let mut levels: Vec<Level> = Vec::new();
    let mut true_positives = 0;
    for (index, &sample) in order.iter().enumerate() {
        let score = scores[sample as usize];
        true_positives += usize::from(labels[sample as usize]);
        let level = Level {
            score,
            true_positives,
            positives: index + 1,
        };
        match levels.last_mut() {
            Some(last) if last.score == score => *last = level, // both zeros are one score
            _ => levels.push(level),
        }
    }
    levels
}

/// Area under the curve of true against false positive rate: the probability that an anomalous
/// sample scores higher than a normal one, ties counting one half. 0.5 is chance.
///
/// Equal to scikit-learn's `roc_auc_score`. Costs one sort.
///
/// ```
/// use aiops_detect::metrics::auroc;
///
/// let labels = [false, true, false, true];
/// assert_eq!(auroc(&labels, &[0.1, 0.9, 0.4, 0.4])?, 0.875);
/// # Ok::<(), aiops_detect::metrics::MetricError>(())
/// ```
///
/// # Errors
///
/// [`MetricError`] unless there is one score for each label, none missing, and both classes.
pub fn auroc(labels: &[bool], scores: &[f64]) -> Result<f64, MetricError> {
    let anomalous = check(labels, scores)?;
    let normal = labels.len() - anomalous;
    let (mut area, mut before) = (0_u128, (0, 0));
    for level in levels(labels, scores) {
        let here = (level.true_positives, level.positives - level.true_positives);
        // Twice the trapezium, so that all of it is integer.
        area += (here.1 - before.1) as u128 * (here.0 + before.0) as u128;
        before = here;
    }
    Ok(area as f64 / (2.0 * anomalous as f64 * normal as f64))
}

/// Area under the curve of precision against recall, by steps: the mean, over the anomalous
/// samples, of the precision at the threshold that just finds them. The share of anomalous
/// samples is chance.
///
/// Equal to scikit-learn's `average_precision_score`. Costs one sort.
///
/// # Errors
///
/// As [`auroc`].
pub fn average_precision(labels: &[bool], scores: &[f64]) -> Result<f64, MetricError> {
    let anomalous = check(labels, scores)?;
    let (mut sum, mut before) = (0.0, 0);
    for level in levels(labels, scores) {
        let precision = level.true_positives as f64 / level.positives as f64;
        sum += (level.true_positives - before) as f64 * precision;
        before = level.true_positives;
    }
    Ok(sum / anomalous as f64)
}

/// What the best threshold reaches; see [`best_f1`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestF1 {
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Share of the samples called anomalous that are.
    pub precision: f64,
    /// Share of the anomalous samples that are called so.
    pub recall: f64,
    /// Samples with at least this score are called anomalous. The highest of equally good ones.
    pub threshold: f64,
}

/// The largest F1 over all thresholds, sample by sample. Costs one sort.
///
/// # Errors
///
/// As [`auroc`].
pub fn best_f1(labels: &[bool], scores: &[f64]) -> Result<BestF1, MetricError> {
    let anomalous = check(labels, scores)?;
    let at = |level: &Level| BestF1 {
        f1: 2.0 * level.true_positives as f64 / (level.positives + anomalous) as f64,
        precision: level.true_positives as f64 / level.positives as f64,
        recall: level.true_positives as f64 / anomalous as f64,
        threshold: level.score,
    };
    let all = levels(labels, scores);
    let first = at(&all[0]); // both classes are there, so there is a level
    Ok(all.iter().map(at).fold(
        first,
        |best, next| {
            if next.f1 > best.f1 { next } else { best }
        },
    ))
}
