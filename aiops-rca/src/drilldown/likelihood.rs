//! The combinations whose leaves are most likely under one common change.

use aiops_core::numerics::{MAD_TO_SIGMA, median};
use aiops_core::{DataError, ParamError};

use super::Finding;
use super::cuboids::{Groups, cuboids};
use super::flows::{UsualRatio, relative};
use super::table::{Leaf, LeafTable};

/// Squared distance beyond which a leaf counts no more: one leaf cannot decide alone.
const CLIP: f64 = 50.0;
/// Smallest relative noise assumed.
const MIN_NOISE: f64 = 0.01;
/// Smallest spread of the changes under one cause.
const MIN_SPREAD: f64 = 0.03;
/// The same where there is but one leaf.
const SINGLE_SPREAD: f64 = 0.05;
/// How much the changes of ratios under one cause vary, as a share of the change.
const RATIO_SPREAD: f64 = 0.3;
/// Smallest noise of ratios beyond that of counting.
const MIN_RATIO_NOISE: f64 = 0.005;

/// Parameters of [`LikelihoodSearch`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct LikelihoodSearchConfig {
    /// Log-likelihood that a combination must gain beyond its price; not negative.
    pub min_gain: f64,
    /// Smallest relative change of a sum, in `(0, 2)`.
    pub min_change: f64,
    /// Smallest probability by which a ratio rises, in `(0, 1)`.
    pub min_ratio_change: f64,
    /// Price of each attribute of a combination, in log-likelihood; not negative.
    pub price: f64,
    /// Share of the best gain with which a combination of fewer attributes is preferred, in
    /// `(0, 1]`.
    pub prefer_short: f64,
    /// Share of the whole change below which a combination of a ratio is left out, in `[0, 1)`.
    pub min_ratio_share: f64,
    /// Combinations found, at most; at least 1.
    pub max_findings: usize,
    /// Attributes of one combination, at most; at least 1.
    pub max_attributes: usize,
}

impl Default for LikelihoodSearchConfig {
    fn default() -> Self {
        Self {
            min_gain: 1.0,
            min_change: 0.1,
            min_ratio_change: 0.01,
            price: 1.5,
            prefer_short: 0.95,
            min_ratio_share: 0.15,
            max_findings: 5,
            max_attributes: 6,
        }
    }
}

/// Finds the combinations that changed, for sums and for ratios alike.
///
/// ```
/// use aiops_rca::drilldown::{Leaf, LeafTable, LikelihoodSearch, LikelihoodSearchConfig};
///
/// let mut table = LeafTable::new(["region", "version"])?;
/// for region in ["eu", "us", "asia"] {
///     for version in ["2.2", "2.3"] {
///         let broken = region == "eu" && version == "2.3";
///         let bad = if broken { 130.0 } else { 11.0 };
///         let leaf = Leaf::Ratio { bad, all: 1000.0, normal_bad: 50.0, normal_all: 5000.0 };
///         table.push(&[region, version], leaf)?;
///     }
/// }
/// let search = LikelihoodSearch::try_from(LikelihoodSearchConfig::default())?;
/// let found = search.search(&table)?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].element.to_string(), "region=eu and version=2.3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// sums     d = 2 (actual - expected) / (actual + expected)     normal: N(0, noise^2)
///                                                              cause:  N(median of its d, spread^2)
/// ratios   d = (bad / all - p) / (1 - p), p from normal times  normal: N(0, p (1-p) / all + noise^2)
///                                                              cause:  N(delta, q (1-q) / all + noise^2
///                                                                      + (0.3 delta)^2)
/// gain     sum over leaves of log(cause / normal) - price * attributes - log(elements of the cuboid)
/// ```
///
/// Noise and spread are robust. The element with the largest gain is taken, or one with fewer
/// attributes and nearly the gain; its leaves are removed, and the search goes on until nothing
/// gains. A larger element than the true one has leaves that did not change, a smaller one fewer
/// leaves that did: both gain less.
///
/// # Cost
///
/// For each finding, linear in the number of leaves for each combination of attributes, of which
/// there are `2^attributes`; memory for a few numbers a leaf.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no leaf | [`DataError::TooShort`] |
/// | nothing changed, or all of it by noise | empty: nothing found |
/// | leaves with nothing, expected or actual | are left out |
/// | ratios: a leaf without normal events | is taken to be like the whole table |
/// | ratios that fall | are not looked for: exchange good and bad |
/// | everything changed alike | the attribute with one value, or most of the values one by one |
/// | equal gains | fewer attributes, then the order of attributes and rows |
///
/// # Not good for
///
/// Tables in which more than half of the leaves changed: their change is then what is normal.
/// Changes that move events from one combination to another without changing any relative amount.
#[derive(Clone, Copy, Debug)]
pub struct LikelihoodSearch {
    config: LikelihoodSearchConfig,
}

impl TryFrom<LikelihoodSearchConfig> for LikelihoodSearch {
    type Error = ParamError;

    fn try_from(config: LikelihoodSearchConfig) -> Result<Self, ParamError> {
        let finite = |name, x: f64| {
            if x >= 0.0 && x.is_finite() {
                Ok(())
            } else {
                Err(ParamError::new(name, "not negative and finite", x))
            }
        };
        finite("min_gain", config.min_gain)?;
        finite("price", config.price)?;
        if !(config.min_change > 0.0 && config.min_change < 2.0) {
            return Err(ParamError::new(
                "min_change",
                "between 0 and 2",
                config.min_change,
            ));
        }
        let least = config.min_ratio_change;
        if !(least > 0.0 && least < 1.0) {
            return Err(ParamError::new(
                "min_ratio_change",
                "between 0 and 1",
                least,
            ));
        }
        if !(config.prefer_short > 0.0 && config.prefer_short <= 1.0) {
            let expected = "above 0 and at most 1";
            return Err(ParamError::new(
                "prefer_short",
                expected,
                config.prefer_short,
            ));
        }
        if !(0.0..1.0).contains(&config.min_ratio_share) {
            let expected = "from 0 to below 1";
            return Err(ParamError::new(
                "min_ratio_share",
                expected,
                config.min_ratio_share,
            ));
        }
        if config.max_findings == 0 {
            return Err(ParamError::new("max_findings", "at least 1", 0));
        }
        if config.max_attributes == 0 {
            return Err(ParamError::new("max_attributes", "at least 1", 0));
        }
        Ok(Self { config })
    }
}

/// An element that would be an answer.
#[derive(Clone, Debug)]
struct Candidate {
    gain: f64,
    cuboid: Vec<usize>,
    rows: Vec<u32>,
    change: f64,
}

impl LikelihoodSearch {
    /// Its parameters.
    pub fn config(&self) -> &LikelihoodSearchConfig {
        &self.config
    }

    /// The combinations that changed, in the order in which they were found; empty when none did.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`] for an empty table.
    pub fn search(&self, table: &LeafTable) -> Result<Vec<Finding>, DataError> {
        if table.is_empty() {
            return Err(DataError::TooShort {
                needed: 1,
                found: 0,
            });
        }
        let leaves = Leaves::new(table);
        let mut live: Vec<u32> = (0..table.len() as u32)
            .filter(|row| leaves.has_data(*row))
            .collect();
        let cuboids = cuboids(table.attributes.len(), self.config.max_attributes);
        let whole: f64 = live.iter().map(|row| leaves.amount[*row as usize]).sum();
        let mut findings = Vec::new();
        while findings.len() < self.config.max_findings {
            let Some(best) = self.best(table, &leaves, &live, &cuboids) else {
                break;
            };
            let amount: f64 = best
                .rows
                .iter()
                .map(|row| leaves.amount[*row as usize])
                .sum();
            let share = if whole == 0.0 { 0.0 } else { amount / whole };
            if leaves.ratio && share < self.config.min_ratio_share {
                break;
            }
            findings.push(Finding {
                element: table.element(best.rows[0] as usize, &best.cuboid),
                score: best.gain,
                share,
                change: leaves.relative(best.change),
                leaves: best.rows.len(),
            });
            let mut gone = best.rows;
            gone.sort_unstable();
            live.retain(|row| gone.binary_search(row).is_err());
        }
        Ok(findings)
    }

    fn best(
        &self,
        table: &LeafTable,
        leaves: &Leaves,
        live: &[u32],
        cuboids: &[Vec<usize>],
    ) -> Option<Candidate> {
        let noise = leaves.noise(live);
        let normal: Vec<f64> = (0..table.len())
            .map(|row| leaves.normal(row, noise))
            .collect();
        // The best of each number of attributes.
        let mut best: Vec<Option<Candidate>> = vec![None; table.attributes.len() + 1];
        let mut scratch = Vec::new();
        for cuboid in cuboids {
            let groups = Groups::new(table, live, cuboid);
            let price = self.config.price * cuboid.len() as f64 + (groups.len() as f64).ln();
            for rows in groups.iter() {
                let Some(change) = self.change(leaves, rows, &mut scratch) else {
                    continue;
                };
                let gain = leaves.likelihood(rows, change, noise, &mut scratch)
                    - rows.iter().map(|row| normal[*row as usize]).sum::<f64>()
                    - price;
                let known = &mut best[cuboid.len()];
                if gain
                    > known
                        .as_ref()
                        .map_or(self.config.min_gain, |known| known.gain)
                {
                    let (cuboid, rows) = (cuboid.clone(), rows.to_vec());
                    *known = Some(Candidate {
                        gain,
                        cuboid,
                        rows,
                        change,
                    });
                }
            }
        }
        let highest = best
            .iter()
            .flatten()
            .map(|known| known.gain)
            .reduce(f64::max)?;
        let enough = self.config.prefer_short * highest;
        best.into_iter()
            .flatten()
            .find(|known| known.gain >= enough)
    }

    /// The common change of some leaves, where it is large enough.
    fn change(&self, leaves: &Leaves, rows: &[u32], scratch: &mut Vec<f64>) -> Option<f64> {
        if leaves.ratio {
            let amount: f64 = rows.iter().map(|row| leaves.amount[*row as usize]).sum();
            let good: f64 = rows.iter().map(|row| leaves.good[*row as usize]).sum();
            let change = amount / good;
            return (change >= self.config.min_ratio_change).then_some(change.min(1.0));
        }
        scratch.clear();
        scratch.extend(rows.iter().map(|row| leaves.change[*row as usize]));
        let change = median(scratch);
        (change.abs() >= self.config.min_change).then_some(change)
    }
}

/// The leaves as relative changes.
struct Leaves {
    ratio: bool,
    change: Vec<f64>,
    /// How much of the whole change lies at the leaf: the sum, or bad events beyond the normal.
    amount: Vec<f64>,
    /// For ratios: events that are good in normal times.
    good: Vec<f64>,
    /// For ratios: share of bad events in normal times.
    usual: Vec<f64>,
    /// Events, or the expected and actual sum.
    weight: Vec<f64>,
}

impl Leaves {
    fn new(table: &LeafTable) -> Self {
        let ratio = UsualRatio::new(table);
        let mut leaves = Self {
            ratio: matches!(table.leaves.first(), Some(Leaf::Ratio { .. })),
            change: Vec::new(),
            amount: Vec::new(),
            good: Vec::new(),
            usual: Vec::new(),
            weight: Vec::new(),
        };
        for leaf in &table.leaves {
            match *leaf {
                Leaf::Sum { actual, expected } => {
                    let change = relative(expected, actual);
                    leaves.push(change, actual - expected, 0.0, 0.0, actual + expected);
                }
                Leaf::Ratio {
                    bad,
                    all,
                    normal_bad,
                    normal_all,
                } => {
                    let usual = ratio.of(normal_bad, normal_all);
                    let change = if all > 0.0 {
                        (bad / all - usual) / (1.0 - usual)
                    } else {
                        0.0
                    };
                    leaves.push(change, bad - all * usual, all * (1.0 - usual), usual, all);
                }
            }
        }
        leaves
    }

    fn push(&mut self, change: f64, amount: f64, good: f64, usual: f64, weight: f64) {
        self.change.push(change);
        self.amount.push(amount);
        self.good.push(good);
        self.usual.push(usual);
        self.weight.push(weight);
    }

    fn has_data(&self, row: u32) -> bool {
        self.weight[row as usize] > 0.0
    }

    /// Robust noise of the changes: of all leaves for sums, of the larger half for ratios, where
    /// counting adds its own.
    fn noise(&self, live: &[u32]) -> f64 {
        let mut weights: Vec<f64> = live.iter().map(|row| self.weight[*row as usize]).collect();
        let least = if self.ratio {
            median(&mut weights)
        } else {
            0.0
        };
        let mut changes: Vec<f64> = live
            .iter()
            .filter(|row| self.weight[**row as usize] >= least)
            .map(|row| self.change[*row as usize])
            .collect();
        let (_, mad) = aiops_core::numerics::median_and_mad(&mut changes);
        let floor = if self.ratio {
            MIN_RATIO_NOISE
        } else {
            MIN_NOISE
        };
        (mad * MAD_TO_SIGMA).max(floor)
    }

    /// Log-likelihood of a leaf when nothing happened, up to a constant.
    fn normal(&self, row: usize, noise: f64) -> f64 {
        let variance = if self.ratio {
            let p = self.usual[row];
            p * (1.0 - p) / self.weight[row].max(1.0) + noise * noise
        } else {
            noise * noise
        };
        density(self.change[row], variance)
    }

    /// Log-likelihood of leaves that changed by `change`, up to the same constant.
    fn likelihood(&self, rows: &[u32], change: f64, noise: f64, scratch: &mut Vec<f64>) -> f64 {
        let apart = |row: &u32| self.change[*row as usize] - change;
        if self.ratio {
            let own = noise * noise + (RATIO_SPREAD * change).powi(2);
            let one = |row: &u32| {
                let p = self.usual[*row as usize];
                let q = p + (1.0 - p) * change;
                let counting = q * (1.0 - q) / self.weight[*row as usize].max(1.0);
                density(apart(row), counting + own)
            };
            return rows.iter().map(one).sum();
        }
        let spread = if rows.len() > 1 {
            scratch.clear();
            scratch.extend(rows.iter().map(|row| apart(row).abs()));
            (median(scratch) * MAD_TO_SIGMA).max(MIN_SPREAD)
        } else {
            SINGLE_SPREAD
        };
        let spread = spread.min(noise.max(SINGLE_SPREAD));
        rows.iter()
            .map(|row| density(apart(row), spread * spread))
            .sum()
    }

    /// The change as people say it.
    fn relative(&self, change: f64) -> f64 {
        if self.ratio {
            change
        } else {
            2.0 * change / (2.0 - change).max(f64::EPSILON)
        }
    }
}

fn density(apart: f64, variance: f64) -> f64 {
    -0.5 * (apart * apart / variance).min(CLIP) - 0.5 * variance.ln()
}
