//! How good is a detector? Measures of scores against labels.

pub mod nab;
