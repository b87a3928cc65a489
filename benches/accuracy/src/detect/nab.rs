//! The Numenta Anomaly Benchmark.

use crate::Fallible;
use crate::args::Args;
use crate::report::Report;

pub(crate) fn run(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("NAB cannot be evaluated yet".into())
}
