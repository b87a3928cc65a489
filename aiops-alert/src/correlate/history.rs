//! What fired together before, learned as it happens.

use std::collections::HashMap;

use aiops_core::Labels;
use aiops_core::numerics::Fnv1a64;

use crate::rule::ALERT_NAME;

/// Most kinds of a cluster that are learned from.
pub(super) const MAX_KINDS: usize = 48;

/// Most pairs that are remembered; when there are more, all counts are halved and the rarest fall
/// out, so that old habits are forgotten.
const MAX_PAIRS: usize = 100_000;

/// Clusters in which a pair must have been together to mean something.
const LEAST_TOGETHER: u32 = 2;

/// Counts of kinds of alerts, and of pairs of kinds in one cluster. A kind is the name of an alert
/// and its component. Memory is bounded, below 5 MB.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(from = "stored::Counts", into = "stored::Counts")
)]
pub(crate) struct History {
    kinds: HashMap<u64, u32>,
    pairs: HashMap<(u64, u64), u32>,
}

/// The kind of an alert.
pub(super) fn kind(labels: &Labels, component: &str) -> u64 {
    let mut hash = Fnv1a64::default();
    hash.write(labels.get(ALERT_NAME).unwrap_or_default().as_bytes());
    hash.write(&[0xff]);
    hash.write(component.as_bytes());
    hash.finish()
}

fn pair(a: u64, b: u64) -> (u64, u64) {
    (a.min(b), a.max(b))
}

impl History {
    /// These kinds, each once, were in one cluster, which is over.
    pub(super) fn learn(&mut self, kinds: &[u64]) {
        for (place, &kind) in kinds.iter().enumerate() {
            *self.kinds.entry(kind).or_default() += 1;
            for &other in &kinds[..place] {
                *self.pairs.entry(pair(kind, other)).or_default() += 1;
            }
        }
        while self.pairs.len() > MAX_PAIRS || self.kinds.len() > MAX_PAIRS {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let halve = |count: &mut u32| {
            *count /= 2;
            *count > 0
        };
        self.kinds.retain(|_, count| halve(count));
        self.pairs.retain(|_, count| halve(count));
    }

    /// How sure it is that `kind` belongs to a cluster with `others`, from 0 to 1: the share of
    /// clusters with one of a pair that had both, for the pair where it is largest. A pair seen
    /// `n` times counts `n / (n + 1)`.
    pub(super) fn affinity(&self, kind: u64, others: &[u64]) -> f64 {
        let Some(&alone) = self.kinds.get(&kind) else {
            return 0.0;
        };
        let affinities = others.iter().filter_map(|&other| {
            let together = *self.pairs.get(&pair(kind, other))?;
            let either = alone + self.kinds.get(&other)?.saturating_sub(together);
            let sure = f64::from(together) / f64::from(together + 1);
            (together >= LEAST_TOGETHER)
                .then(|| sure * f64::from(together) / f64::from(either.max(together)))
        });
        affinities.fold(0.0, f64::max)
    }
}

/// In order, so that the stored form is the same for the same counts.
#[cfg(feature = "serde")]
mod stored {
    use super::History;

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Counts {
        kinds: Vec<(u64, u32)>,
        pairs: Vec<(u64, u64, u32)>,
    }

    impl From<Counts> for History {
        fn from(counts: Counts) -> Self {
            let pairs = counts.pairs.into_iter();
            Self {
                kinds: counts.kinds.into_iter().collect(),
                pairs: pairs.map(|(a, b, count)| ((a, b), count)).collect(),
            }
        }
    }

    impl From<History> for Counts {
        fn from(history: History) -> Self {
            let pairs = history.pairs.into_iter();
            let mut counts = Self {
                kinds: history.kinds.into_iter().collect(),
                pairs: pairs.map(|((a, b), count)| (a, b, count)).collect(),
            };
            counts.kinds.sort_unstable();
            counts.pairs.sort_unstable();
            counts
        }
    }
}
