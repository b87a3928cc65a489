//! Samples as they were sent, made ready for the algorithms.

mod counter;

pub use counter::CounterRate;
