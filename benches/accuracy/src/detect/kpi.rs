//! Service indicators with the labels of operators.

use crate::Fallible;
use crate::args::Args;
use crate::report::Report;

pub(crate) fn run(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("KPIs cannot be evaluated yet".into())
}
