//! Single attributes by explanatory power and surprise.
//!
//! Bhagwan et al., *Adtributor: Revenue Debugging in Advertising Systems* (NSDI 2014).

use std::collections::BTreeMap;

use aiops_core::{DataError, ParamError};

use super::Finding;
use super::table::{Element, Leaf, LeafTable};

/// Parameters of [`Adtributor`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AdtributorConfig {
    /// Share of the whole change that a value must explain to be listed, in `[0, 1]`.
    pub min_each: f64,
    /// Share that the listed values must explain together, in `(0, 1]`.
    pub min_together: f64,
}

impl Default for AdtributorConfig {
    fn default() -> Self {
        Self {
            min_each: 0.1,
            min_together: 0.67,
        }
    }
}

/// Explains a change by the values of one attribute: the attribute whose values surprise most.
///
/// ```
/// use aiops_rca::drilldown::{Adtributor, AdtributorConfig, Leaf, LeafTable};
///
/// let mut table = LeafTable::new(["region", "device"])?;
/// for (region, device, actual) in
///     [("eu", "tv", 20.0), ("eu", "pc", 90.0), ("us", "tv", 25.0), ("us", "pc", 110.0)]
/// {
///     table.push(&[region, device], Leaf::Sum { actual, expected: 100.0 })?;
/// }
/// let found = Adtributor::try_from(AdtributorConfig::default())?.explain(&table)?;
/// assert_eq!(found[0].element.to_string(), "device=tv");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
///
/// ```text
/// power    = (A_i - F_i) / (A - F)                                         sums
///            ((A_i - F_i) M - (N_i - M_i) F) / (M (M + N_i - M_i)), scaled to sum 1     ratios F / M
/// surprise = (p log(2p / (p + q)) + q log(2q / (p + q))) / 2,  p = F_i / F, q = A_i / A
/// ```
///
/// Values are listed by surprise while their power is at least `min_each`, until they explain
/// `min_together`; the one that crosses it belongs to the answer. Attributes are ordered by the
/// sum of the surprise of their listed values.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | no leaf | [`DataError::TooShort`] |
/// | no change in total | empty |
/// | no attribute explains enough | empty |
/// | nothing expected at all, or nothing left | surprise counts 0 for 0 |
/// | equal surprise | in order of name |
///
/// # Not good for
///
/// Causes of two attributes or more: see [`RecursiveAdtributor`](super::RecursiveAdtributor) and
/// [`LikelihoodSearch`](super::LikelihoodSearch).
///
/// # Cost
///
/// One pass over the leaves for each attribute.
#[derive(Clone, Copy, Debug)]
pub struct Adtributor {
    config: AdtributorConfig,
}

impl TryFrom<AdtributorConfig> for Adtributor {
    type Error = ParamError;

    fn try_from(config: AdtributorConfig) -> Result<Self, ParamError> {
        if !(0.0..=1.0).contains(&config.min_each) {
            return Err(ParamError::new("min_each", "from 0 to 1", config.min_each));
        }
        if !(config.min_together > 0.0 && config.min_together <= 1.0) {
            let expected = "above 0 and at most 1";
            return Err(ParamError::new(
                "min_together",
                expected,
                config.min_together,
            ));
        }
        Ok(Self { config })
    }
}

/// Sums over the leaves of a value: of what is counted, now and as expected, and of what it is
/// divided by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    actual: f64,
    expected: f64,
    whole: f64,
    expected_whole: f64,
    pub(super) leaves: usize,
}

impl Sums {
    pub(super) fn add(&mut self, leaf: &Leaf) {
        self.leaves += 1;
        match *leaf {
            Leaf::Sum { actual, expected } => {
                self.actual += actual;
                self.expected += expected;
            }
            Leaf::Ratio {
                bad,
                all,
                normal_bad,
                normal_all,
            } => {
                self.actual += bad;
                self.whole += all;
                self.expected += normal_bad;
                self.expected_whole += normal_all;
            }
        }
    }
}

impl Adtributor {
    /// Its parameters.
    pub fn config(&self) -> &AdtributorConfig {
        &self.config
    }

    /// The values that explain the change, of the attribute that surprises most first; several
    /// attributes follow each other.
    ///
    /// # Errors
    ///
    /// [`DataError::TooShort`] for an empty table.
    pub fn explain(&self, table: &LeafTable) -> Result<Vec<Finding>, DataError> {
        if table.is_empty() {
            return Err(DataError::TooShort {
                needed: 1,
                found: 0,
            });
        }
        let rows: Vec<u32> = (0..table.len() as u32).collect();
        let all: Vec<usize> = (0..table.attributes.len()).collect();
        let explained = self.attributes(table, &rows, &all);
        Ok(explained
            .iter()
            .flat_map(|one| one.values.iter().map(|value| one.finding(table, value)))
            .collect())
    }

    /// The attributes that explain the change over `rows`, those that surprise most first.
    pub(super) fn attributes(
        &self,
        table: &LeafTable,
        rows: &[u32],
        open: &[usize],
    ) -> Vec<Explained> {
        let mut total = Sums::default();
        for row in rows {
            total.add(&table.leaves[*row as usize]);
        }
        let mut explained: Vec<Explained> = open
            .iter()
            .filter_map(|attribute| self.attribute(table, rows, *attribute, &total))
            .collect();
        // Stable: equal surprise leaves the order of the attributes.
        explained.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
        explained
    }

    fn attribute(
        &self,
        table: &LeafTable,
        rows: &[u32],
        attribute: usize,
        total: &Sums,
    ) -> Option<Explained> {
        let names = &table.values[attribute];
        let mut sums = vec![Sums::default(); names.len()];
        for row in rows {
            sums[table.code(*row as usize, attribute) as usize].add(&table.leaves[*row as usize]);
        }
        let mut values: Vec<Value> = sums
            .into_iter()
            .enumerate()
            .filter(|(_, sums)| sums.leaves > 0)
            .map(|(code, sums)| Value {
                code: code as u32,
                share: power(&sums, total),
                surprise: surprise(&sums, total),
                sums,
            })
            .collect();
        let name = |value: &Value| &names[value.code as usize];
        values.sort_by(|a, b| {
            let by_surprise = b.surprise.total_cmp(&a.surprise);
            by_surprise.then_with(|| name(a).cmp(name(b)))
        });
        let all: f64 = values.iter().map(|value| value.share).sum();
        if all == 0.0 || !all.is_finite() {
            return None;
        }
        let mut explained = Explained {
            attribute,
            surprise: 0.0,
            values: Vec::new(),
        };
        let mut together = 0.0;
        for mut value in values {
            value.share /= all;
            if value.share < self.config.min_each {
                continue;
            }
            together += value.share;
            explained.surprise += value.surprise;
            explained.values.push(value);
            if together > self.config.min_together {
                return Some(explained);
            }
        }
        None
    }
}

/// A value of an attribute, with its share of the change.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) code: u32,
    share: f64,
    surprise: f64,
    sums: Sums,
}

/// An attribute whose listed values explain a change.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) attribute: usize,
    pub(super) surprise: f64,
    pub(super) values: Vec<Value>,
}

impl Explained {
    fn finding(&self, table: &LeafTable, value: &Value) -> Finding {
        let name = table.values[self.attribute][value.code as usize].clone();
        let pair = (table.attributes[self.attribute].clone(), name);
        Finding {
            element: Element(BTreeMap::from([pair])),
            score: value.surprise,
            share: value.share,
            change: change(&value.sums),
            leaves: value.sums.leaves,
        }
    }
}

/// How much of the change of the total the value explains, not yet scaled.
pub(super) fn power(value: &Sums, total: &Sums) -> f64 {
    if total.expected_whole == 0.0 {
        return value.actual - value.expected;
    }
    let (by, more) = (total.expected_whole, value.whole - value.expected_whole);
    let moved = (value.actual - value.expected) * by - more * total.expected;
    let power = moved / (by * (by + more));
    if power.is_finite() { power } else { 0.0 }
}

/// Divergence (Jensen and Shannon) of the share that the value had and the one that it has.
pub(super) fn surprise(value: &Sums, total: &Sums) -> f64 {
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let (p, q) = (
        share(value.expected, total.expected),
        share(value.actual, total.actual),
    );
    let term = |x: f64| {
        if x > 0.0 {
            x * (2.0 * x / (p + q)).ln()
        } else {
            0.0
        }
    };
    0.5 * (term(p) + term(q))
}

pub(super) fn change(sums: &Sums) -> f64 {
    let change = if sums.whole > 0.0 && sums.expected_whole > 0.0 {
        sums.actual / sums.whole - sums.expected / sums.expected_whole
    } else {
        (sums.actual - sums.expected) / sums.expected
    };
    if change.is_finite() { change } else { 0.0 }
}
