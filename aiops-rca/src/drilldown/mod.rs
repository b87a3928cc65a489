//! Which combination of attributes changed: "the error ratio rose for region=eu and version=2.3".
//!
//! Leaves under a cause change by the same relative amount, the ripple effect of Sun et al.,
//! *`HotSpot`: Anomaly Localization for Additive KPIs with Multi-Dimensional Attributes* (IEEE Access
//! 2018). [`LikelihoodSearch`] asks of every combination how much more likely its leaves are under
//! one common change than under the noise that the table has anyway; [`Adtributor`] is the
//! classic for single attributes.

mod adtributor;
mod likelihood;
mod table;

pub use adtributor::{Adtributor, AdtributorConfig};
pub use likelihood::{LikelihoodSearch, LikelihoodSearchConfig};
pub use table::{Element, Leaf, LeafTable, MAX_ATTRIBUTES, TableError};

/// A combination that changed.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Finding {
    /// The combination.
    pub element: Element,
    /// How strongly the leaves speak for it; larger is more. Comparable within one answer.
    pub score: f64,
    /// Share of the whole change that lies under it; can be negative or above 1 where parts of the
    /// table change in opposite directions.
    pub share: f64,
    /// By how much its leaves changed: for sums the relative change, negative for a loss; for
    /// ratios the probability with which an event that was good is now bad.
    pub change: f64,
    /// Number of leaves under it.
    pub leaves: usize,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {:+.1} %, {:.1} % of the whole change",
            self.element,
            100.0 * self.change,
            100.0 * self.share
        )
    }
}
