//! Fetches metrics from other programs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::time::Duration;

use aiops_core::ingest::{Batch, Limits, STALE, prometheus_text};
use aiops_core::{Labels, Timestamp};

use crate::config::Scrape;

/// Formats asked for, the best first.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// One target of one job.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to fetch.
    pub url: String,
    /// How often.
    pub interval: Duration,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// Labels of all its series: `job`, `instance` and those of the configuration.
    pub labels: BTreeMap<String, String>,
    /// Most bytes of an answer.
    pub max_bytes: usize,
}

impl Target {
    /// All targets of a job.
    pub fn of(job: &Scrape, max_bytes: usize) -> impl Iterator<Item = Self> {
        job.targets.iter().map(move |url| {
            let mut labels = job.labels.clone();
            labels.insert("job".to_owned(), job.job.clone());
            labels.insert("instance".to_owned(), instance(url).to_owned());
            let (interval, timeout) = (job.interval, job.timeout.min(job.interval));
            Self {
                url: url.clone(),
                interval,
                timeout,
                labels,
                max_bytes,
            }
        })
    }

    /// Name for counters.
    pub fn source(&self) -> String {
        format!("scrape:{}", self.labels["job"])
    }

    /// The target's samples at `now`, with `up` and `scrape_duration_seconds`, and for every
    /// series of `before` that is there no longer the mark that it has ended. When the target
    /// does not answer, `up` is 0 and the reason is returned beside it.
    pub fn fetch(
        &self,
        agent: &ureq::Agent,
        now: Timestamp,
        before: &mut BTreeSet<Labels>,
    ) -> (Batch, Option<String>) {
        let started = std::time::Instant::now();
        let fetched = self.try_fetch(agent, now);
        let (mut batch, failure) = match fetched {
            Ok(batch) => (crate::ingest::add_labels(&batch, &self.labels), None),
            Err(why) => (Batch::default(), Some(why)),
        };
        let present: BTreeSet<Labels> = batch.iter().map(|one| one.labels.clone()).collect();
        for ended in before.difference(&present) {
            batch.start_series(ended.clone());
            batch.push(now, STALE);
        }
        *before = present;
        let up = f64::from(u8::from(failure.is_none()));
        let seconds = started.elapsed().as_secs_f64();
        for (metric, value) in [("up", up), ("scrape_duration_seconds", seconds)] {
            let own = self.labels.iter();
            let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
            if let Ok(labels) = Labels::of(own.chain([(aiops_core::METRIC_NAME, metric)])) {
                batch.start_series(labels);
                batch.push(now, value);
            }
        }
        (batch, failure)
    }

    fn try_fetch(&self, agent: &ureq::Agent, now: Timestamp) -> Result<Batch, String> {
        let mut response = agent
            .get(&self.url)
            .config()
            .timeout_global(Some(self.timeout))
            .build()
            .header("accept", ACCEPT)
            .call()
            .map_err(|error| error.to_string())?;
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        let format = prometheus_text::Format::from_content_type(kind.unwrap_or_default());
        let mut body = Vec::new();
        let limit = self.max_bytes as u64 + 1;
        let mut reader = response.body_mut().as_reader().take(limit);
        reader
            .read_to_end(&mut body)
            .map_err(|error| error.to_string())?;
        if body.len() > self.max_bytes {
            return Err(format!(
                "the answer is longer than {} bytes",
                self.max_bytes
            ));
        }
        let mut batch = Batch::default();
        let mut limits = Limits::default();
        limits.max_body_bytes = self.max_bytes;
        prometheus_text::parse(&body, format, now, &limits, &mut batch)
            .map_err(|error| error.to_string())?;
        Ok(batch)
    }
}

/// Host and port of an address.
fn instance(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    rest.rsplit_once('@').map_or(rest, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::instance;

    #[test]
    fn instance_is_host_and_port_without_password() {
        assert_eq!(instance("http://127.0.0.1:9100/metrics"), "127.0.0.1:9100");
        assert_eq!(instance("https://user:secret@db:9187?x=1"), "db:9187");
    }
}
