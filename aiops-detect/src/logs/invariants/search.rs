//! The search for relations.

use aiops_core::logs::TemplateId;

use super::{Invariant, InvariantsConfig, MAX_FACTOR, Relation};

/// Looks for relations among the different vectors of counts, each with its number of sessions.
pub(super) struct Search<'a> {
    pub(super) config: &'a InvariantsConfig,
    pub(super) templates: &'a [TemplateId],
    pub(super) vectors: &'a [(Vec<u32>, u64)],
}

impl Search<'_> {
    pub(super) fn all(&self) -> Vec<Invariant> {
        let columns = self.templates.len();
        let mut found = Vec::new();
        let mut tied = vec![false; columns * columns];
        for i in 0..columns {
            let times = self.majority(|v| Some(v[i]));
            if let Some(times) = times.filter(|&times| times > 0) {
                let relation = Relation::Fixed(self.templates[i], times);
                found.extend(self.check(relation, |_| true, |v| v[i] == times));
            }
            for j in i + 1..columns {
                let Some((a, b)) = self.majority(|v| ratio(v[i], v[j])) else {
                    continue;
                };
                let relation = Relation::Ratio {
                    first: self.templates[i],
                    second: self.templates[j],
                    a,
                    b,
                };
                let holds =
                    |v: &[u32]| u64::from(v[i]) * u64::from(a) == u64::from(v[j]) * u64::from(b);
                if let Some(one) = self.check(relation, |v| v[i] + v[j] > 0, holds) {
                    found.push(one);
                    (tied[i * columns + j], tied[j * columns + i]) = (true, true);
                }
            }
        }
        for whole in 0..columns {
            for one in 0..columns {
                for other in one + 1..columns {
                    let apart = whole != one && whole != other;
                    if !apart || tied[whole * columns + one] || tied[whole * columns + other] {
                        continue;
                    }
                    let (w, p, q) = (whole, one, other);
                    let relation =
                        Relation::Sum(self.templates[w], [self.templates[p], self.templates[q]]);
                    let holds = |v: &[u32]| u64::from(v[w]) == u64::from(v[p]) + u64::from(v[q]);
                    let sum = self.check(relation, |v| v[w] > 0 || v[p] > 0 || v[q] > 0, holds);
                    found.extend(sum.filter(|_| self.both_matter(p, q)));
                }
            }
        }
        found
    }

    /// The value that most sessions give which give one, if any value is more than half.
    fn majority<T: PartialEq + Copy>(&self, value: impl Fn(&[u32]) -> Option<T>) -> Option<T> {
        let (mut best, mut lead) = (None, 0_u64);
        for (vector, times) in self.vectors {
            let Some(value) = value(vector) else { continue };
            if best == Some(value) {
                lead += times;
            } else if lead >= *times {
                lead -= times;
            } else {
                (best, lead) = (Some(value), times - lead);
            }
        }
        best
    }

    fn check(
        &self,
        relation: Relation,
        matters: impl Fn(&[u32]) -> bool,
        holds: impl Fn(&[u32]) -> bool,
    ) -> Option<Invariant> {
        let all: u64 = self.vectors.iter().map(|(_, times)| times).sum();
        let most = ((1.0 - self.config.support) * all as f64) as u64;
        let (mut sessions, mut broken) = (0, 0);
        for (vector, times) in self.vectors {
            if matters(vector) {
                sessions += times;
                if !holds(vector) {
                    broken += times;
                    if broken > most {
                        return None;
                    }
                }
            }
        }
        let allowed = (1.0 - self.config.support) * sessions as f64;
        let enough = sessions >= self.config.sessions as u64 && broken as f64 <= allowed;
        enough.then_some(Invariant {
            relation,
            sessions,
            broken,
        })
    }

    /// Whether each of two parts is there in sessions enough: else the sum is a ratio in disguise.
    fn both_matter(&self, one: usize, other: usize) -> bool {
        [one, other].iter().all(|&part| {
            let with = self.vectors.iter().filter(|(vector, _)| vector[part] > 0);
            with.map(|(_, times)| times).sum::<u64>() >= self.config.sessions as u64
        })
    }
}

/// Factors `a`, `b` with `a x = b y` and nothing in common; `None` where one of them is 0, or a
/// factor is too large.
fn ratio(x: u32, y: u32) -> Option<(u32, u32)> {
    let (mut p, mut q) = (x, y);
    while q > 0 {
        (p, q) = (q, p % q);
    }
    if x == 0 || y == 0 || x.max(y) / p > MAX_FACTOR {
        return None;
    }
    Some((y / p, x / p))
}
