//! Seasonal profiles.

pub(crate) mod profile;
