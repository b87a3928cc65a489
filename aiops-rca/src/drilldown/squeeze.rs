//! Clusters of leaves that moved alike, and the combinations that explain each.
//!
//! Li et al., *Generic and Robust Localization of Multi-Dimensional Root Causes* (ISSRE 2019).

use aiops_core::numerics::median;
use aiops_core::{DataError, ParamError};

use super::cuboids::{Groups, cuboids};
use super::flows::Flows;
use super::ripple::generalised;
use super::{Finding, LeafTable};

/// Bins of the histogram of deviations, from -2 to 2.
const BINS: usize = 80;

/// Parameters of [`Squeeze`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SqueezeConfig {
    /// Generalised potential score from which on combinations of more attributes are not looked at,
    /// in `(0, 1]`.
    pub enough: f64,
    /// The same from which on a set is an answer, in `(0, 1]`.
    pub min_score: f64,
    /// Smallest median of the deviations of a cluster, in `(0, 2)`; what moved less is noise.
    pub min_change: f64,
    /// What each combination costs for each of its attributes, in units of the score; not negative.
    pub price: f64,
    /// Combinations in one set, at most; at least 1.
    pub max_elements: usize,
    /// Attributes of one combination, at most; at least 1.
    pub max_attributes: usize,
}

impl Default for SqueezeConfig {
    fn default() -> Self {
        Self {
            enough: 0.9,
            min_score: 0.5,
            min_change: 0.1,
            price: 0.02,
            max_elements: 5,
            max_attributes: 6,
        }
    }
}

/// Clusters the leaves that changed by how much they did, and explains each cluster by a set of
/// combinations of the same attributes.
///
/// ```
/// use aiops_rca::drilldown::{Leaf, LeafTable, Squeeze, SqueezeConfig};
///
/// let mut table = LeafTable::new(["region", "host"])?;
/// for region in ["eu", "us", "asia"] {
///     for host in 0..20 {
///         let noise = f64::from(host % 5) - 2.0;
///         let actual = if region == "eu" { 40.0 } else { 100.0 } + noise;
///         table.push(&[region, &format!("h{host}")], Leaf::Sum { actual, expected: 100.0 })?;
///     }
/// }
/// let found = Squeeze::try_from(SqueezeConfig::default())?.search(&table)?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].element.to_string(), "region=eu");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Steps
///
/// 1. Leaves beyond the knee of the sorted changes are abnormal.
/// 2. Their deviations `2 (v - f) / (v + f)` are cut into clusters at the valleys of a smoothed histogram;
///    those that moved by less than `min_change` are left out.
/// 3. For each cluster and combination of attributes, elements are ordered by the share of their leaves
///    that is in the cluster; the first one, two, ... of them are scored together as in
///    [`Ripple`](super::Ripple), on the cluster and the normal leaves.
/// 4. The set with the largest score less its price answers. In a table of ratios `v` are the good events
///    and `f` those that normal times would have left.
///
/// # Cost
///
/// For each cluster and each combination of attributes a pass over the leaves.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no leaf | [`DataError::TooShort`] |
/// | nothing changed, or nothing that a set explains | empty |
/// | equal scores | fewer attributes, then order of the attributes; elements in order of name |
///
/// # Not good for
///
/// Several causes that changed by the same relative amount and differ in their attributes: they are one
/// cluster, which one set explains only in the finest cuboid. [`LikelihoodSearch`](super::LikelihoodSearch)
/// takes causes one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Squeeze {
    config: SqueezeConfig,
}

impl TryFrom<SqueezeConfig> for Squeeze {
    type Error = ParamError;

    fn try_from(config: SqueezeConfig) -> Result<Self, ParamError> {
        for (name, x) in [("enough", config.enough), ("min_score", config.min_score)] {
            if !(x > 0.0 && x <= 1.0) {
                return Err(ParamError::new(name, "above 0 and at most 1", x));
            }
        }
        if !(config.min_change > 0.0 && config.min_change < 2.0) {
            let expected = "between 0 and 2";
            return Err(ParamError::new("min_change", expected, config.min_change));
        }
        if !(config.price >= 0.0 && config.price.is_finite()) {
            return Err(ParamError::new(
                "price",
                "not negative and finite",
                config.price,
            ));
        }
        let counts = [
            ("max_elements", config.max_elements),
            ("max_attributes", config.max_attributes),
        ];
        for (name, count) in counts {
            if count == 0 {
                return Err(ParamError::new(name, "at least 1", 0));
            }
        }
        Ok(Self { config })
    }
}

/// A set of elements of one cuboid: the leaves under each.
struct Set {
    value: f64,
    score: f64,
    cuboid: Vec<usize>,
    elements: Vec<Vec<u32>>,
}

impl Squeeze {
    /// Its parameters.
    pub fn config(&self) -> &SqueezeConfig {
        &self.config
    }

    /// The combinations that explain the clusters, the best explained cluster first.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`] for an empty table.
    pub fn search(&self, table: &LeafTable) -> Result<Vec<Finding>, DataError> {
        if table.is_empty() {
            let (needed, found) = (1, 0);
            return Err(DataError::TooShort { needed, found });
        }
        let flows = Flows::new(table);
        let (normal, abnormal) = by_knee(&flows);
        let cuboids = cuboids(table.attributes.len(), self.config.max_attributes);
        let moved = |rows: &Vec<u32>| {
            let mut deviations: Vec<f64> = rows
                .iter()
                .map(|row| flows.deviation[*row as usize].abs())
                .collect();
            median(&mut deviations) >= self.config.min_change
        };
        let mut sets: Vec<Set> = clusters(&flows, abnormal)
            .iter()
            .filter(|rows| moved(rows))
            .filter_map(|cluster| self.explain(table, &flows, &normal, cluster, &cuboids))
            .collect();
        sets.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable: else as the clusters are
        let mut findings: Vec<Finding> = Vec::new();
        for set in sets {
            for rows in &set.elements {
                let element = table.element(rows[0] as usize, &set.cuboid);
                if findings.iter().all(|known| known.element != element) {
                    findings.push(Finding {
                        element,
                        score: set.score,
                        share: flows.share(rows),
                        change: flows.change(rows),
                        leaves: rows.len(),
                    });
                }
            }
        }
        Ok(findings)
    }

    fn explain(
        &self,
        table: &LeafTable,
        flows: &Flows,
        normal: &[u32],
        cluster: &[u32],
        cuboids: &[Vec<usize>],
    ) -> Option<Set> {
        let mut live: Vec<u32> = normal.iter().chain(cluster).copied().collect();
        live.sort_unstable();
        let mut inside = vec![false; table.len()];
        for row in cluster {
            inside[*row as usize] = true;
        }
        let moved: f64 = live.iter().map(|row| flows.moved(*row).abs()).sum();
        let (mut best, mut layer, mut highest): (Option<Set>, usize, f64) = (None, 1, 0.0);
        for cuboid in cuboids {
            if cuboid.len() > layer {
                if highest > self.config.enough {
                    break;
                }
                layer = cuboid.len();
            }
            let groups = Groups::new(table, &live, cuboid);
            let (mut rows, mut rest) = (Vec::new(), moved);
            for (index, element) in self
                .descent(table, cuboid, &groups, &inside)
                .iter()
                .enumerate()
            {
                rows.extend_from_slice(element);
                rest -= element
                    .iter()
                    .map(|row| flows.moved(*row).abs())
                    .sum::<f64>();
                let score = generalised(flows, &rows, (rest.max(0.0), live.len() - rows.len()));
                highest = highest.max(score);
                let price = self.config.price * ((index + 1) * cuboid.len() - 1) as f64;
                let value = score - price;
                if score >= self.config.min_score
                    && best.as_ref().is_none_or(|known| value > known.value)
                {
                    let elements = self.descent(table, cuboid, &groups, &inside);
                    best = Some(Set {
                        value,
                        score,
                        cuboid: cuboid.clone(),
                        elements: elements[..=index]
                            .iter()
                            .map(|rows| rows.to_vec())
                            .collect(),
                    });
                }
            }
        }
        best
    }

    /// The elements with the largest share of their leaves in the cluster, as far as they may be in a set.
    fn descent<'g>(
        &self,
        table: &LeafTable,
        cuboid: &[usize],
        groups: &'g Groups,
        inside: &[bool],
    ) -> Vec<&'g [u32]> {
        let mut elements: Vec<(f64, &[u32])> = groups
            .iter()
            .map(|rows| {
                let count = rows.iter().filter(|row| inside[**row as usize]).count();
                (count as f64 / rows.len() as f64, rows)
            })
            .filter(|(share, _)| *share > 0.0)
            .collect();
        let name = |rows: &[u32]| {
            let row = rows[0] as usize;
            cuboid
                .iter()
                .map(move |at| &table.values[*at][table.code(row, *at) as usize])
        };
        elements.sort_by(|a, b| {
            let by_share = b.0.total_cmp(&a.0).then(b.1.len().cmp(&a.1.len()));
            by_share.then_with(|| name(a.1).cmp(name(b.1)))
        });
        elements.truncate(self.config.max_elements);
        elements.into_iter().map(|(_, rows)| rows).collect()
    }
}

/// The leaves before and after the knee of the running sum of changes: where it is furthest below the
/// straight line. Equal changes lie on one side.
fn by_knee(flows: &Flows) -> (Vec<u32>, Vec<u32>) {
    let moved = |row: &u32| flows.moved(*row).abs();
    let mut rows: Vec<u32> = (0..flows.len() as u32).collect();
    rows.sort_by(|a, b| moved(a).total_cmp(&moved(b)));
    let whole: f64 = rows.iter().map(moved).sum();
    if whole == 0.0 {
        return (rows, Vec::new());
    }
    let (mut sum, mut furthest, mut knee) = (0.0, 0.0, 0);
    for (index, row) in rows.iter().enumerate() {
        sum += moved(row);
        let below = (index + 1) as f64 / rows.len() as f64 - sum / whole;
        if below > furthest {
            (furthest, knee) = (below, index + 1);
        }
    }
    let abnormal = rows.split_off(knee);
    (rows, abnormal)
}

/// Leaves whose deviations lie around one peak of the histogram, without those that did not move.
fn clusters(flows: &Flows, rows: Vec<u32>) -> Vec<Vec<u32>> {
    let bin = |row: &u32| {
        let place = (flows.deviation[*row as usize] + 2.0) / 4.0 * BINS as f64;
        (place as usize).min(BINS - 1)
    };
    let mut counts = [0.0; BINS];
    for row in &rows {
        counts[bin(row)] += 1.0;
    }
    let at = |index: usize, by: isize| {
        let place = index.checked_add_signed(by);
        place
            .and_then(|place| counts.get(place))
            .copied()
            .unwrap_or(0.0)
    };
    let smooth: Vec<f64> = (0..BINS)
        .map(|index| 0.25 * at(index, -1) + 0.5 * at(index, 0) + 0.25 * at(index, 1))
        .collect();
    // A cluster ends where the histogram turns up again.
    let (mut cluster, mut falling, mut of) = (0, false, [0; BINS]);
    for index in 1..BINS {
        if smooth[index] > smooth[index - 1] && falling {
            cluster += 1;
        }
        if smooth[index] != smooth[index - 1] {
            falling = smooth[index] < smooth[index - 1];
        }
        of[index] = cluster;
    }
    let mut clusters = vec![Vec::new(); cluster + 1];
    for row in rows {
        clusters[of[bin(&row)]].push(row);
    }
    clusters.retain(|rows| !rows.is_empty());
    clusters
}
