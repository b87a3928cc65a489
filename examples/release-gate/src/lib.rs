//! Is the new release worse than the one before it? A command line around
//! [`aiops_detect::release`], for any CI.

pub mod cli;
pub mod config;
pub mod gate;
pub mod source;
