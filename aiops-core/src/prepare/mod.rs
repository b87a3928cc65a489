//! Samples as they were sent, made ready for the algorithms.

mod aggregate;
mod counter;
mod deduplicate;
mod growth;
mod limit;
mod resample;
mod rules;
mod sketch;
mod units;
mod windows;

pub use aggregate::Aggregate;
pub use counter::CounterRate;
pub use deduplicate::{Arrivals, Deduplicate, DeduplicateConfig};
pub use limit::{SeriesLimit, SeriesLimitConfig};
pub use resample::{Gaps, Reduce, resample};
pub use rules::{RuleAction, RuleConfig, RuleOutcome, SeriesRules, canonical_labels};
pub use sketch::QuantileSketch;
pub use units::{BaseUnits, Scaling};
pub use windows::{Arrival, WindowResult, Windows, WindowsConfig};
