//! Where the numbers come from.

mod csv;
mod http;

use std::collections::BTreeMap;
use std::error::Error;

use aiops_core::Timestamp;

use crate::config::{self, MetricConfig};

/// One instant of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Value, events or hits.
    pub part: f64,
    /// Exposure or trials.
    pub whole: Option<f64>,
}

/// A place that has the numbers.
#[derive(Debug)]
pub enum Source {
    /// Files.
    Csv(csv::Files),
    /// A server.
    Http(http::Server),
}

impl Source {
    /// As configured.
    ///
    /// # Errors
    ///
    /// A server needs a window.
    pub fn new(
        config: &config::Source,
        window: Option<(Timestamp, Timestamp)>,
    ) -> Result<Self, Box<dyn Error>> {
        if let Some(path) = &config.csv {
            return Ok(Self::Csv(csv::Files::new(config.folder.join(path))));
        }
        let window = window.ok_or("--start and --end are needed to ask a server")?;
        Ok(Self::Http(http::Server::new(config, window)))
    }

    /// The numbers of `side`, in order of time.
    ///
    /// # Errors
    ///
    /// What could not be read.
    pub fn rows(&self, metric: &MetricConfig, side: &str) -> Result<Vec<Row>, Box<dyn Error>> {
        let fill = |query: &str| query.replace("$side", side);
        let query = fill(&metric.query);
        let of = metric.of.as_deref().map(fill);
        match self {
            Self::Csv(files) => files.rows(side, &query, of.as_deref()),
            Self::Http(server) => {
                let parts = server.series(&query)?;
                let Some(of) = of else {
                    let values = parts.into_iter().flat_map(BTreeMap::into_values);
                    return Ok(values.map(|part| Row { part, whole: None }).collect());
                };
                Ok(joined(&sum(parts), &sum(server.series(&of)?)))
            }
        }
    }
}

/// Series added up, instant by instant.
fn sum(series: Vec<BTreeMap<i64, f64>>) -> BTreeMap<i64, f64> {
    let mut sums = BTreeMap::new();
    for (time, value) in series.into_iter().flatten() {
        *sums.entry(time).or_insert(0.0) += value;
    }
    sums
}

/// Instants at which there is a whole. A part that is absent there is 0, as a counter that has
/// never counted is not exported.
fn joined(parts: &BTreeMap<i64, f64>, wholes: &BTreeMap<i64, f64>) -> Vec<Row> {
    let row = |(time, &whole): (&i64, &f64)| Row {
        part: parts.get(time).copied().unwrap_or(0.0),
        whole: Some(whole),
    };
    wholes.iter().map(row).collect()
}
