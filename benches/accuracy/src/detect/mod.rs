//! Detectors on labelled tables and series: one file for each sub-command.

mod kpi;
mod models;
mod multivariate;
mod nab;
mod stream;
mod tabular;

pub(crate) use kpi::run as kpi;
pub(crate) use multivariate::run as multivariate;
pub(crate) use nab::run as nab;
pub(crate) use tabular::run as tabular;

use crate::report::Report;

/// Shows the means of the peers' file under `path`: `{method: {measure: number}}`, or
/// `{"methods": {method: {"mean": {measure: number}}}}`.
fn peers(report: &mut Report, path: &str, measures: &[&str]) {
    let Some(found) = report.peers.as_ref().and_then(|peers| peers.pointer(path)) else {
        return;
    };
    let methods = found.get("methods").unwrap_or(found);
    let rows: Vec<(String, String)> = methods
        .as_object()
        .into_iter()
        .flatten()
        .map(|(method, figures)| {
            let figures = figures.get("mean").unwrap_or(figures);
            let text: Vec<String> = measures
                .iter()
                .filter_map(|&measure| {
                    Some(format!("{measure} {:.4}", figures.get(measure)?.as_f64()?))
                })
                .collect();
            (method.clone(), text.join("  "))
        })
        .collect();
    for (method, figures) in rows {
        report.peer(
            format!("{} {method}", path.trim_start_matches('/')),
            figures,
        );
    }
}
