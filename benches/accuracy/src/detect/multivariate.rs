//! Several metrics of one machine.

use crate::Fallible;
use crate::args::Args;
use crate::report::Report;

pub(crate) fn run(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("multivariate series cannot be evaluated yet".into())
}
