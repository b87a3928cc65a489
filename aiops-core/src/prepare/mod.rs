//! Samples as they were sent, made ready for the algorithms.

mod counter;
mod limit;
mod resample;

pub use counter::CounterRate;
pub use limit::{SeriesLimit, SeriesLimitConfig};
pub use resample::{Gaps, Reduce, resample};
