//! A Prometheus server, or aiops-platform.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aiops_core::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::config;

/// Most bytes of an answer.
const MAX_BYTES: u64 = 64 << 20;
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and when it is asked about.
#[derive(Debug)]
pub struct Server {
    base: String,
    platform: bool,
    window: (Timestamp, Timestamp),
    step_s: f64,
    token: Option<String>,
    agent: ureq::Agent,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

#[derive(Deserialize)]
struct Samples {
    series: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    times: Vec<i64>,
    values: Vec<Value>,
}

impl Server {
    pub(super) fn new(config: &config::Source, window: (Timestamp, Timestamp)) -> Self {
        let base = config.prometheus.as_ref().or(config.platform.as_ref());
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self {
            base: base
                .map_or("", String::as_str)
                .trim_end_matches('/')
                .to_owned(),
            platform: config.platform.is_some(),
            window,
            step_s: config.step_s,
            token: std::env::var("RELEASE_GATE_TOKEN").ok(),
            agent: agent.into(),
        }
    }

    /// The series that `query` gives, in order of their labels: values by milliseconds.
    pub(super) fn series(&self, query: &str) -> Result<Vec<BTreeMap<i64, f64>>, Box<dyn Error>> {
        let (start, end) = (self.window.0.as_millis(), self.window.1.as_millis());
        if self.platform {
            let ask = [
                ("match", query.to_owned()),
                ("start", start.to_string()),
                ("end", end.to_string()),
            ];
            let text = self.get("/api/v1/samples", &ask)?;
            let Samples { series } = serde_json::from_str(&text)?;
            return Ok(series.into_iter().map(stored).collect());
        }
        let seconds = |millis: i64| {
            format!(
                "{}.{:03}",
                millis.div_euclid(1_000),
                millis.rem_euclid(1_000)
            )
        };
        let ask = [
            ("query", query.to_owned()),
            ("start", seconds(start)),
            ("end", seconds(end)),
            ("step", self.step_s.to_string()),
        ];
        let text = self.get("/api/v1/query_range", &ask)?;
        let answer: Answer = serde_json::from_str(&text)?;
        let Some(mut matrix) = answer.data.filter(|_| answer.status == "success") else {
            return Err(format!("`{query}`: {}", answer.error).into());
        };
        matrix.result.sort_by(|a, b| a.metric.cmp(&b.metric));
        let points = |series: Series| {
            let point = |(time, value): (f64, String)| {
                ((time * 1_000.0).round() as i64, finite(value.parse().ok()))
            };
            series.values.into_iter().map(point).collect()
        };
        Ok(matrix.result.into_iter().map(points).collect())
    }

    fn get(&self, path: &str, query: &[(&str, String)]) -> Result<String, Box<dyn Error>> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.get(&url);
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|error| format!("{url}: {error}"))?;
        let status = response.status();
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_BYTES)
            .read_to_string()
            .map_err(|error| format!("{url}: {error}"))?;
        if status.is_success() {
            Ok(text)
        } else {
            let start: String = text.chars().take(300).collect();
            Err(format!("{url}: {status}: {start}").into())
        }
    }
}

fn stored(series: Stored) -> BTreeMap<i64, f64> {
    let values = series.values.iter().map(|value| finite(value.as_f64()));
    series.times.into_iter().zip(values).collect()
}

/// A number; missing where it is none, or infinite as a quantile of an empty histogram may be.
fn finite(value: Option<f64>) -> f64 {
    value.filter(|value| value.is_finite()).unwrap_or(f64::NAN)
}
