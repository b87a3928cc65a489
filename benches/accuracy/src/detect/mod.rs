//! Detectors on labelled tables and series: one file for each sub-command.

mod kpi;
mod multivariate;
mod nab;
mod stream;
mod tabular;

pub(crate) use kpi::run as kpi;
pub(crate) use multivariate::run as multivariate;
pub(crate) use nab::run as nab;
pub(crate) use tabular::run as tabular;
