//! How well a set of combinations explains a table if its leaves moved alike.
//!
//! Sun et al., *`HotSpot`: Anomaly Localization for Additive KPIs with Multi-Dimensional Attributes* (IEEE
//! Access 2018): the ripple effect and the potential score. Li et al., *Generic and Robust Localization of
//! Multi-Dimensional Root Causes* (ISSRE 2019): the generalised potential score.

use super::flows::Flows;
use super::{Element, LeafTable, TableError};

/// Scores sets of combinations on one table.
///
/// ```
/// use aiops_rca::drilldown::{Element, Leaf, LeafTable, Ripple};
/// use std::collections::BTreeMap;
///
/// let mut table = LeafTable::new(["region"])?;
/// table.push(&["eu"], Leaf::Sum { actual: 50.0, expected: 100.0 })?;
/// table.push(&["us"], Leaf::Sum { actual: 100.0, expected: 100.0 })?;
/// let element = |value: &str| Element(BTreeMap::from([("region".to_owned(), value.to_owned())]));
/// let ripple = Ripple::new(&table);
/// assert_eq!(ripple.potential(&[element("eu")])?, 1.0); // explains all of it
/// assert_eq!(ripple.potential(&[element("us")])?, 0.0);
/// # Ok::<(), aiops_rca::drilldown::TableError>(())
/// ```
///
/// # Formula
///
/// Under the set a leaf would have `a = f sum(v) / sum(f)`, the sums over the leaves under it; elsewhere
/// what was expected, `f`. In a table of ratios `v` are the good events and `f` those that normal times
/// would have left.
///
/// ```text
/// potential     max(0, 1 - |v - a| / |v - f|)                                  Euclidean, all leaves
/// generalised   1 - (mean |v - a| + mean |v - f|) / (mean |v - f| + mean |v - f|)   under it, elsewhere
/// ```
///
/// 1 explains everything, 0 or less nothing; 0 where nothing moved. Linear in the leaves.
///
/// # Not good for
///
/// Searching alone: a set of all leaves explains everything. [`Squeeze`](super::Squeeze) searches with it.
#[derive(Debug)]
pub struct Ripple<'a> {
    table: &'a LeafTable,
    flows: Flows,
}

impl<'a> Ripple<'a> {
    /// Prepares a table.
    pub fn new(table: &'a LeafTable) -> Self {
        let flows = Flows::new(table);
        Self { table, flows }
    }

    /// `HotSpot`'s potential score.
    ///
    /// # Errors
    ///
    /// [`TableError::Unknown`] for an attribute or value that the table does not have.
    pub fn potential(&self, set: &[Element]) -> Result<f64, TableError> {
        let (under, elsewhere) = self.split(set)?;
        let sums = self.flows.sums(&under);
        let square = |x: f64| x * x;
        let apart: f64 = under
            .iter()
            .map(|row| {
                let like = self.flows.under(*row, sums, under.len());
                square(self.flows.actual[*row as usize] - like)
            })
            .sum();
        let moved = |rows: &[u32]| -> f64 {
            let moved = rows.iter().map(|row| square(self.flows.moved(*row)));
            moved.sum()
        };
        let rest = moved(&elsewhere);
        let score = 1.0 - ((apart + rest) / (moved(&under) + rest)).sqrt();
        Ok(score.max(0.0)) // 0 also for 0 / 0: `max` leaves out NaN
    }

    /// Squeeze's generalised potential score, over all leaves.
    ///
    /// # Errors
    ///
    /// As [`potential`](Self::potential).
    pub fn generalised(&self, set: &[Element]) -> Result<f64, TableError> {
        let (under, elsewhere) = self.split(set)?;
        let rest = elsewhere.iter().map(|row| self.flows.moved(*row).abs());
        Ok(generalised(
            &self.flows,
            &under,
            (rest.sum(), elsewhere.len()),
        ))
    }

    fn split(&self, set: &[Element]) -> Result<(Vec<u32>, Vec<u32>), TableError> {
        let codes: Vec<Vec<(usize, u32)>> = set
            .iter()
            .map(|element| self.table.codes_of(element))
            .collect::<Result<_, _>>()?;
        Ok((0..self.table.len() as u32).partition(|row| {
            codes.iter().any(|pairs| {
                let has = |(at, code): &(usize, u32)| self.table.code(*row as usize, *at) == *code;
                pairs.iter().all(has)
            })
        }))
    }
}

/// The generalised potential score of some leaves; elsewhere is known by how much it moved in all, and
/// its number of leaves.
pub(super) fn generalised(flows: &Flows, under: &[u32], elsewhere: (f64, usize)) -> f64 {
    let mean = |sum: f64, count: usize| if count > 0 { sum / count as f64 } else { 0.0 };
    let sums = flows.sums(under);
    let (mut apart, mut moved) = (0.0, 0.0);
    for row in under {
        let like = flows.under(*row, sums, under.len());
        apart += (flows.actual[*row as usize] - like).abs();
        moved += flows.moved(*row).abs();
    }
    let rest = mean(elsewhere.0, elsewhere.1);
    let score = 1.0 - (mean(apart, under.len()) + rest) / (mean(moved, under.len()) + rest);
    if score.is_finite() { score } else { 0.0 }
}
