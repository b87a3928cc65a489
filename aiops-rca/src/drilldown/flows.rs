//! Leaves as what was expected to come through and what did.

use super::table::{Leaf, LeafTable};

/// Events of the whole table that are added to the normal ones of each leaf.
const PRIOR: f64 = 20.0;

/// Share of bad events in normal times.
pub(super) struct UsualRatio {
    overall: f64,
}

impl UsualRatio {
    pub(super) fn new(table: &LeafTable) -> Self {
        let (mut bad, mut all) = (1.0, 2.0);
        for leaf in &table.leaves {
            if let Leaf::Ratio {
                normal_bad,
                normal_all,
                ..
            } = leaf
            {
                bad += normal_bad;
                all += normal_all;
            }
        }
        Self { overall: bad / all }
    }

    /// Of a leaf, drawn to that of the whole table where it had few events.
    pub(super) fn of(&self, normal_bad: f64, normal_all: f64) -> f64 {
        let usual = (normal_bad + PRIOR * self.overall) / (normal_all + PRIOR);
        usual.clamp(1e-4, 0.999)
    }
}

/// `2 (actual - expected) / (actual + expected)`; 0 where there is nothing.
pub(super) fn relative(expected: f64, actual: f64) -> f64 {
    let both = actual + expected;
    if both > 0.0 {
        2.0 * (actual - expected) / both
    } else {
        0.0
    }
}

/// What comes through each leaf: the sum, or the good events among those that there were. So a cause
/// takes the same share from each of its leaves in both kinds of table.
#[derive(Debug)]
pub(super) struct Flows {
    pub(super) expected: Vec<f64>,
    pub(super) actual: Vec<f64>,
    /// [`relative`] of each leaf.
    pub(super) deviation: Vec<f64>,
    ratio: bool,
    whole: f64,
}

impl Flows {
    pub(super) fn new(table: &LeafTable) -> Self {
        let ratio = UsualRatio::new(table);
        let (expected, actual): (Vec<f64>, Vec<f64>) = table
            .leaves
            .iter()
            .map(|leaf| match *leaf {
                Leaf::Sum { actual, expected } => (expected, actual),
                Leaf::Ratio {
                    bad,
                    all,
                    normal_bad,
                    normal_all,
                } => {
                    let good = all * (1.0 - ratio.of(normal_bad, normal_all));
                    (good, (all - bad).max(0.0))
                }
            })
            .unzip();
        let both = || expected.iter().zip(&actual);
        Self {
            deviation: both().map(|(f, v)| relative(*f, *v)).collect(),
            ratio: matches!(table.leaves.first(), Some(Leaf::Ratio { .. })),
            whole: both().map(|(f, v)| v - f).sum(),
            expected,
            actual,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.expected.len()
    }

    /// Actual less expected.
    pub(super) fn moved(&self, row: u32) -> f64 {
        self.actual[row as usize] - self.expected[row as usize]
    }

    /// Expected and actual sum of some leaves.
    pub(super) fn sums(&self, rows: &[u32]) -> (f64, f64) {
        rows.iter().fold((0.0, 0.0), |(f, v), row| {
            let row = *row as usize;
            (f + self.expected[row], v + self.actual[row])
        })
    }

    /// What a leaf would have under a cause that moved its leaves from `sums.0` to `sums.1` in all.
    pub(super) fn under(&self, row: u32, sums: (f64, f64), leaves: usize) -> f64 {
        if sums.0 > 0.0 {
            self.expected[row as usize] * sums.1 / sums.0
        } else {
            sums.1 / leaves as f64
        }
    }

    /// Share of the whole change under some leaves; 0 where there is none.
    pub(super) fn share(&self, rows: &[u32]) -> f64 {
        let (expected, actual) = self.sums(rows);
        finite((actual - expected) / self.whole)
    }

    /// The change of some leaves as people say it: see [`Finding::change`](super::Finding::change).
    pub(super) fn change(&self, rows: &[u32]) -> f64 {
        let (expected, actual) = self.sums(rows);
        let change = finite((actual - expected) / expected);
        if self.ratio { -change } else { change }
    }
}

fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}
