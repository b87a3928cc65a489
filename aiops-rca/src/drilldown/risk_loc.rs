//! Combinations whose leaves lie beyond a cutoff, by their risk.
//!
//! Kalander, *`RiskLoc`: Localization of Multi-Dimensional Root Causes by Weighted Risk* (arXiv 2205.10004,
//! 2022).

use aiops_core::{DataError, ParamError};

use super::cuboids::{Groups, cuboids, members};
use super::flows::{Flows, relative};
use super::{Finding, LeafTable};

/// Of so many distinct deviations, one may be called extreme at each end.
const ONE_EXTREME_OF: usize = 20;

/// Parameters of [`RiskLoc`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RiskLocConfig {
    /// Risk from which on a combination is a cause, in `(0, 1]`.
    pub min_risk: f64,
    /// Share of the change beyond the cutoff that must lie under a combination, in `(0, 1]`.
    pub min_share: f64,
    /// Distinct deviations left out at each end before the cutoff is taken; never more than one in
    /// twenty.
    pub extremes: usize,
    /// Combinations found, at most; at least 1.
    pub max_findings: usize,
    /// Attributes of one combination, at most; at least 1.
    pub max_attributes: usize,
}

impl Default for RiskLocConfig {
    fn default() -> Self {
        Self {
            min_risk: 0.5,
            min_share: 0.02,
            extremes: 5,
            max_findings: 10,
            max_attributes: 6,
        }
    }
}

/// Splits the leaves where normal deviations end, and takes the combinations that lie beyond it.
///
/// ```
/// use aiops_rca::drilldown::{Leaf, LeafTable, RiskLoc, RiskLocConfig};
///
/// let mut table = LeafTable::new(["region", "host"])?;
/// for region in ["eu", "us", "asia"] {
///     for host in 0..20 {
///         let noise = f64::from(host % 5) - 2.0;
///         let actual = if region == "eu" { 40.0 } else { 100.0 } + noise;
///         table.push(&[region, &format!("h{host}")], Leaf::Sum { actual, expected: 100.0 })?;
///     }
/// }
/// let found = RiskLoc::try_from(RiskLocConfig::default())?.search(&table)?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].element.to_string(), "region=eu");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// With `v` what is, `f` what was expected, and `d = 2 (v - f) / (v + f)` at each leaf:
///
/// ```text
/// cutoff   the smaller of the ranges of d below and above 0; beyond it on the other side is abnormal
/// weight   |d| on the abnormal side, |cutoff - d| on the normal one, at most 1
/// high     sum of abnormal weights / (sum of weights + 1)
/// low      mean |2 (a - v) / (a + v)| / mean |d|,  a = f sum(v) / sum(f)       the ripple effect
/// risk     high - low
/// ```
///
/// Among combinations of the fewest attributes that have enough risk, the one with the largest share of
/// the change is taken; its leaves are removed, and the search goes on. The score is the risk. In a
/// table of ratios, `v` are the good events and `f` those that normal times would have left.
///
/// # Cost
///
/// For each finding and each combination of attributes, one pass over the abnormal leaves, and one over
/// all leaves where some combination holds enough of the change. 100,000 leaves of 4 attributes are
/// searched in well under 0.1 s.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no leaf | [`DataError::TooShort`] |
/// | no deviation | empty |
/// | leaves with nothing, expected or actual | deviate by 0 and take no part in the ripple effect |
/// | as far below as above | the side below is abnormal |
/// | equal shares | in order of the combination |
///
/// # Not good for
///
/// Causes in both directions at once: only one side is looked at. Ratios with few events a leaf, whose
/// counting noise is wider than the cause.
#[derive(Clone, Copy, Debug)]
pub struct RiskLoc {
    config: RiskLocConfig,
}

impl TryFrom<RiskLocConfig> for RiskLoc {
    type Error = ParamError;

    fn try_from(config: RiskLocConfig) -> Result<Self, ParamError> {
        let shares = [
            ("min_risk", config.min_risk),
            ("min_share", config.min_share),
        ];
        for (name, x) in shares {
            if !(x > 0.0 && x <= 1.0) {
                return Err(ParamError::new(name, "above 0 and at most 1", x));
            }
        }
        let counts = [
            ("max_findings", config.max_findings),
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

/// A combination with enough risk: the attributes, its leaves, and its share beyond the cutoff.
struct Risky {
    cuboid: Vec<usize>,
    rows: Vec<u32>,
    share: f64,
    risk: f64,
}

impl RiskLoc {
    /// Its parameters.
    pub fn config(&self) -> &RiskLocConfig {
        &self.config
    }

    /// The combinations at risk, in the order in which they were found; empty when none is.
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
        let parts = Parts::new(&flows, self.config.extremes);
        let cuboids = cuboids(table.attributes.len(), self.config.max_attributes);
        let mut live: Vec<u32> = (0..table.len() as u32).collect();
        let mut findings = Vec::new();
        while findings.len() < self.config.max_findings {
            let Some(best) = self.next(table, &flows, &parts, &live, &cuboids) else {
                break;
            };
            findings.push(Finding {
                element: table.element(best.rows[0] as usize, &best.cuboid),
                score: best.risk,
                share: flows.share(&best.rows),
                change: flows.change(&best.rows),
                leaves: best.rows.len(),
            });
            live.retain(|row| best.rows.binary_search(row).is_err());
        }
        Ok(findings)
    }

    fn next(
        &self,
        table: &LeafTable,
        flows: &Flows,
        parts: &Parts,
        live: &[u32],
        cuboids: &[Vec<usize>],
    ) -> Option<Risky> {
        let abnormal: Vec<u32> = live
            .iter()
            .filter(|row| parts.abnormal(**row))
            .copied()
            .collect();
        let mut best: Option<Risky> = None;
        for cuboid in cuboids {
            let found = best.as_ref();
            if found.is_some_and(|found| found.cuboid.len() < cuboid.len()) {
                break;
            }
            let groups = Groups::new(table, &abnormal, cuboid);
            // What holds too little of the change, or cannot reach the risk, is not looked at again.
            let (mut examples, mut shares) = (Vec::new(), Vec::new());
            for rows in groups.iter() {
                let share =
                    rows.iter().map(|row| flows.moved(*row).abs()).sum::<f64>() / parts.moved;
                let weight: f64 = rows.iter().map(|row| parts.weight[*row as usize]).sum();
                if share >= self.config.min_share && weight / (weight + 1.0) >= self.config.min_risk
                {
                    examples.push(rows[0]);
                    shares.push(share);
                }
            }
            if examples.is_empty() {
                continue;
            }
            for (rows, share) in members(table, live, cuboid, &examples)
                .into_iter()
                .zip(shares)
            {
                let risk = parts.high(&rows) - low(flows, &rows);
                let known = best.as_ref().map_or(0.0, |known| known.share);
                if risk < self.config.min_risk || share < known {
                    continue;
                }
                let name = |rows: &[u32], cuboid: &[usize]| table.element(rows[0] as usize, cuboid);
                let first = best.as_ref().is_none_or(|known| {
                    share > known.share || name(&rows, cuboid) < name(&known.rows, &known.cuboid)
                });
                if first {
                    let cuboid = cuboid.clone();
                    best = Some(Risky {
                        cuboid,
                        rows,
                        share,
                        risk,
                    });
                }
            }
        }
        best
    }
}

/// The leaves on both sides of the cutoff.
struct Parts {
    weight: Vec<f64>,
    abnormal: Vec<bool>,
    /// Change on the abnormal side in all.
    moved: f64,
}

impl Parts {
    fn new(flows: &Flows, extremes: usize) -> Self {
        let mut distinct = flows.deviation.clone();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let drop = extremes.min(distinct.len() / ONE_EXTREME_OF);
        let below = (-distinct[drop]).max(0.0);
        let above = distinct[distinct.len() - 1 - drop].max(0.0);
        let falls = below >= above;
        let cutoff = if falls { -above } else { below };
        let abnormal: Vec<bool> = flows
            .deviation
            .iter()
            .map(|d| if falls { *d < cutoff } else { *d > cutoff })
            .collect();
        let weight = flows.deviation.iter().zip(&abnormal).map(|(d, abnormal)| {
            let weight = if *abnormal {
                d.abs()
            } else {
                (cutoff - d).abs()
            };
            weight.min(1.0)
        });
        let moved = (0..flows.len() as u32)
            .filter(|row| abnormal[*row as usize])
            .map(|row| flows.moved(row).abs());
        Self {
            weight: weight.collect(),
            moved: moved.sum(),
            abnormal,
        }
    }

    fn abnormal(&self, row: u32) -> bool {
        self.abnormal[row as usize]
    }

    fn high(&self, rows: &[u32]) -> f64 {
        let (mut beyond, mut all) = (0.0, 1.0);
        for row in rows {
            let weight = self.weight[*row as usize];
            all += weight;
            if self.abnormal(*row) {
                beyond += weight;
            }
        }
        beyond / all
    }
}

/// How far the leaves are from having moved alike; 0 for one leaf.
fn low(flows: &Flows, rows: &[u32]) -> f64 {
    let sums = flows.sums(rows);
    let (mut apart, mut moved) = (0.0, 0.0);
    for row in rows {
        let at = *row as usize;
        if flows.expected[at] != 0.0 && flows.actual[at] != 0.0 {
            let like = flows.under(*row, sums, rows.len());
            apart += relative(like, flows.actual[at]).abs();
            moved += flows.deviation[at].abs();
        }
    }
    if moved > 0.0 { apart / moved } else { 0.0 }
}
