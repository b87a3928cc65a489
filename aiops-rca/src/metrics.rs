//! How good a ranking is, given the true causes.
//!
//! Pham et al., *Root Cause Analysis for Microservice System based on Causal Inference: How Far Are
//! We?* (ASE 2024), for the definitions. Names are compared exactly; a name that stands in a ranking
//! more than once counts once, at its first place.

use std::collections::BTreeSet;

/// Share of the true causes among the first `k` of `ranked`, out of those that could be there:
/// `|first k and truth| / min(k, |truth|)`, in `[0, 1]`. 0 when `k` is 0 or there is no truth.
///
/// ```
/// use aiops_rca::metrics::ac_at;
///
/// assert_eq!(ac_at(&["db", "db", "cart"], &["cart"], 1), 0.0);
/// assert_eq!(ac_at(&["db", "db", "cart"], &["cart"], 2), 1.0); // `db` counts once
/// ```
pub fn ac_at<R: AsRef<str>, T: AsRef<str>>(ranked: &[R], truth: &[T], k: usize) -> f64 {
    let truth: BTreeSet<&str> = truth.iter().map(AsRef::as_ref).collect();
    let possible = k.min(truth.len());
    if possible == 0 {
        return 0.0;
    }
    let mut seen = BTreeSet::new();
    let found = ranked
        .iter()
        .map(AsRef::as_ref)
        .filter(|name| seen.insert(*name))
        .take(k)
        .filter(|name| truth.contains(name))
        .count();
    found as f64 / possible as f64
}

/// Mean of [`ac_at`] over `1..=k`; 0 when `k` is 0.
pub fn avg_at<R: AsRef<str>, T: AsRef<str>>(ranked: &[R], truth: &[T], k: usize) -> f64 {
    if k == 0 {
        return 0.0;
    }
    let total: f64 = (1..=k).map(|at| ac_at(ranked, truth, at)).sum();
    total / k as f64
}

/// What a ranking of `candidates` components in random order has for [`ac_at`] on average, when
/// `truths` of them are causes; in `[0, 1]`, 0 when there is nothing to choose or to find.
///
/// ```
/// # use aiops_rca::metrics::chance_ac_at;
/// assert_eq!(chance_ac_at(20, 1, 5), 0.25);
/// assert_eq!(chance_ac_at(4, 1, 5), 1.0);
/// ```
pub fn chance_ac_at(candidates: usize, truths: usize, k: usize) -> f64 {
    let possible = k.min(truths);
    if candidates == 0 || possible == 0 {
        return 0.0;
    }
    let expected = k.min(candidates) as f64 * truths as f64 / candidates as f64;
    (expected / possible as f64).min(1.0)
}

/// Right, wrong and missed answers of methods that answer with a set.
///
/// ```
/// use aiops_rca::metrics::SetScore;
///
/// let score = SetScore::of(["a", "b"], ["b", "c"]) + SetScore::of(["d"], ["d"]);
/// assert_eq!((score.precision(), score.recall()), (2.0 / 3.0, 2.0 / 3.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetScore {
    /// Answers that are true.
    pub right: usize,
    /// Answers that are not.
    pub wrong: usize,
    /// Truths that were not answered.
    pub missed: usize,
}

impl SetScore {
    /// Compares one answer with its truth. An answer counts only when it equals a truth exactly.
    pub fn of<T: Ord>(
        answers: impl IntoIterator<Item = T>,
        truths: impl IntoIterator<Item = T>,
    ) -> Self {
        let answers: BTreeSet<T> = answers.into_iter().collect();
        let truths: BTreeSet<T> = truths.into_iter().collect();
        let right = answers.intersection(&truths).count();
        Self {
            right,
            wrong: answers.len() - right,
            missed: truths.len() - right,
        }
    }

    /// Share of the answers that are true; 0 of none.
    pub fn precision(&self) -> f64 {
        share(self.right, self.right + self.wrong)
    }

    /// Share of the truths that were answered; 0 of none.
    pub fn recall(&self) -> f64 {
        share(self.right, self.right + self.missed)
    }

    /// Harmonic mean of precision and recall; 0 when nothing is right.
    pub fn f1(&self) -> f64 {
        share(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }
}

impl std::ops::Add for SetScore {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            right: self.right + other.right,
            wrong: self.wrong + other.wrong,
            missed: self.missed + other.missed,
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
