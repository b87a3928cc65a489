//! Which combination of attributes changed: "the error ratio rose for region=eu and version=2.3".
//!
//! Leaves under a cause change by the same relative amount, the ripple effect of Sun et al.,
//! *`HotSpot`: Anomaly Localization for Additive KPIs with Multi-Dimensional Attributes* (IEEE Access
//! 2018). All methods take tables of sums and of ratios.
//!
//! | method | answers | misses |
//! |---|---|---|
//! | [`LikelihoodSearch`] | what is more likely under one common change than under noise; where to begin | tables of which most changed |
//! | [`Adtributor`] | values of one attribute that surprise | combinations |
//! | [`RecursiveAdtributor`] | the same, narrowed down | what no single attribute shows |
//! | [`Squeeze`] | sets of combinations, one for each size of change | unlike causes of the same size |
//! | [`RiskLoc`] | what lies beyond the normal deviations | causes in both directions, few events a leaf |
//! | [`Ripple`] | how well a given set explains the table | it does not search |

mod adtributor;
mod cuboids;
mod flows;
mod likelihood;
mod recursive;
mod ripple;
mod risk_loc;
mod squeeze;
mod table;

pub use adtributor::{Adtributor, AdtributorConfig};
pub use likelihood::{LikelihoodSearch, LikelihoodSearchConfig};
pub use recursive::{RecursiveAdtributor, RecursiveAdtributorConfig};
pub use ripple::Ripple;
pub use risk_loc::{RiskLoc, RiskLocConfig};
pub use squeeze::{Squeeze, SqueezeConfig};
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
