//! Detectors on labelled tables and series.

use crate::Fallible;
use crate::args::Args;
use crate::report::Report;

pub(crate) fn tabular(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("tables cannot be evaluated yet".into())
}

pub(crate) fn nab(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("NAB cannot be evaluated yet".into())
}

pub(crate) fn kpi(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("KPIs cannot be evaluated yet".into())
}

pub(crate) fn multivariate(_args: &Args, _report: &mut Report) -> Fallible<()> {
    Err("multivariate series cannot be evaluated yet".into())
}
