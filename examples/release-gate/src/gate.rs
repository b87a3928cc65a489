//! From the configuration to the report.

use std::error::Error;
use std::fmt::Write as _;

use aiops_core::Timestamp;
use aiops_detect::release::{Count, Data, Metric, Ratio, Release, Report};

use crate::config::{Config, Kind, MetricConfig};
use crate::source::{Row, Source};

/// What is compared with what, and when.
#[derive(Clone, Debug)]
pub struct Sides {
    /// `$side` of the baseline.
    pub baseline: String,
    /// `$side` of the candidate.
    pub candidate: String,
    /// First and last instant.
    pub window: Option<(Timestamp, Timestamp)>,
}

/// The numbers of one metric.
enum Numbers {
    Values([Vec<f64>; 2]),
    Counts([Vec<Count>; 2]),
    Ratios([Vec<Ratio>; 2]),
}

/// Fetches everything, then compares.
///
/// # Errors
///
/// What could not be fetched, or compared.
pub fn compare(config: &Config, sides: &Sides) -> Result<Report, Box<dyn Error>> {
    let release = Release::try_from(config.release)?;
    let numbers = fetch(config, sides, &[&sides.baseline, &sides.candidate])?;
    Ok(release.compare(&metrics(config, &numbers))?)
}

/// How much data a pass takes, a line for each metric.
///
/// # Errors
///
/// As [`compare`].
pub fn plan(config: &Config, sides: &Sides) -> Result<String, Box<dyn Error>> {
    let release = Release::try_from(config.release)?;
    let numbers = fetch(config, sides, &[&sides.baseline])?;
    let mut text = String::new();
    for (metric, config) in metrics(config, &numbers).iter().zip(&config.metric) {
        let name = &config.name;
        let unit = match config.kind {
            Kind::Values => "values",
            Kind::Counts => "intervals",
            Kind::Ratios => "trials",
        };
        match release.plan(metric)? {
            Some(wanted) => writeln!(text, "{name}: {wanted} {unit} on each side")?,
            None => writeln!(text, "{name}: the baseline does not tell")?,
        }
    }
    Ok(text)
}

fn fetch(
    config: &Config,
    sides: &Sides,
    names: &[&String],
) -> Result<Vec<Numbers>, Box<dyn Error>> {
    let source = Source::new(&config.source, sides.window)?;
    let of = |metric: &MetricConfig| -> Result<Numbers, Box<dyn Error>> {
        let mut rows = [Vec::new(), Vec::new()];
        for (rows, name) in rows.iter_mut().zip(names) {
            *rows = source
                .rows(metric, name)
                .map_err(|error| format!("metric `{}`, {name}: {error}", metric.name))?;
        }
        let step = config.source.step_s;
        Ok(match metric.kind {
            Kind::Values => Numbers::Values(rows.map(|rows| each(&rows, |row| row.part))),
            Kind::Counts => Numbers::Counts(
                rows.map(|rows| each(&rows, |row| Count::new(row.part, row.whole.unwrap_or(step)))),
            ),
            Kind::Ratios => Numbers::Ratios(rows.map(|rows| {
                each(&rows, |row| {
                    Ratio::new(row.part, row.whole.unwrap_or(f64::NAN))
                })
            })),
        })
    };
    config.metric.iter().map(of).collect()
}

fn each<T>(rows: &[Row], make: impl Fn(&Row) -> T) -> Vec<T> {
    rows.iter().map(make).collect()
}

fn metrics<'a>(config: &'a Config, numbers: &'a [Numbers]) -> Vec<Metric<'a>> {
    let pairs = config.metric.iter().zip(numbers);
    pairs
        .map(|(metric, numbers)| {
            let data = match numbers {
                Numbers::Values([baseline, candidate]) => Data::Values {
                    baseline,
                    candidate,
                },
                Numbers::Counts([baseline, candidate]) => Data::Counts {
                    baseline,
                    candidate,
                },
                Numbers::Ratios([baseline, candidate]) => Data::Ratios {
                    baseline,
                    candidate,
                },
            };
            Metric::new(&metric.name, metric.checked, data)
        })
        .collect()
}
