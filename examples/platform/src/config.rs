//! The configuration file: TOML or YAML, every key optional, unknown keys refused.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aiops_core::Selector;
use aiops_detect::monitor::Direction;
use serde::Deserialize;
use thiserror::Error;

use crate::duration;

mod defaults;

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not of the form; the text names line and column.
    #[error("{}: {text}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        text: String,
    },
    /// A value does not make sense.
    #[error("`{key}`: {what}")]
    Value {
        /// Path of the key, such as `rules[2].match`.
        key: String,
        /// What is wrong.
        what: String,
    },
}

fn value_error(key: impl Into<String>, what: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key: key.into(),
        what: what.into(),
    }
}

/// Text that must not be shown.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that compares or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to listen on. An address that others can reach requires a token.
    pub listen: SocketAddr,
    /// Token that clients must send.
    #[serde(deserialize_with = "token")]
    pub token: Option<Secret>,
    /// File that holds the token.
    pub token_file: Option<PathBuf>,
    /// Folder for everything that is kept.
    pub data_dir: PathBuf,
    /// How long samples are kept.
    #[serde(deserialize_with = "duration::deserialize")]
    pub retention: Duration,
    /// This host's own metrics.
    pub host: Host,
    /// Programs whose metrics are fetched.
    #[serde(deserialize_with = "checked")]
    pub scrape: Vec<Scrape>,
    /// Bounds on what is taken in.
    pub limits: Limits,
    /// When a sample is unusual.
    pub detection: Detection,
    /// What people are told about. Replaces the built-in rules when given.
    #[serde(deserialize_with = "checked")]
    pub rules: Vec<RuleFile>,
    /// How alerts become notifications.
    pub alerting: Alerting,
    /// Where notifications go.
    #[serde(deserialize_with = "checked")]
    pub webhooks: Vec<Webhook>,
    /// What may run out. Replaces the built-in list when given.
    #[serde(deserialize_with = "checked")]
    pub forecasts: Vec<ForecastTarget>,
    /// Who calls whom, for the search for causes.
    pub calls: Vec<Call>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9797)),
            token: None,
            token_file: None,
            data_dir: PathBuf::from("./aiops-data"),
            retention: Duration::from_hours(360),
            host: Host::default(),
            scrape: Vec::new(),
            limits: Limits::default(),
            detection: Detection::default(),
            rules: defaults::rules(),
            alerting: Alerting::default(),
            webhooks: Vec::new(),
            forecasts: defaults::forecasts(),
            calls: Vec::new(),
        }
    }
}

/// This host's own metrics.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Host {
    /// Whether they are collected.
    pub enabled: bool,
    /// How often.
    #[serde(deserialize_with = "duration::deserialize")]
    pub interval: Duration,
    /// Name of this host, by default what the operating system says.
    pub name: Option<String>,
    /// How many of the largest consumers of processor and memory are followed.
    pub top_processes: usize,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(1),
            name: None,
            top_processes: 5,
        }
    }
}

/// A program whose metrics are fetched in Prometheus's text format.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    /// Becomes the label `job`.
    pub job: String,
    /// Addresses such as `http://127.0.0.1:9100/metrics`; host and port become `instance`.
    pub targets: Vec<String>,
    /// How often.
    #[serde(
        default = "scrape_interval",
        deserialize_with = "duration::deserialize"
    )]
    pub interval: Duration,
    /// How long to wait for an answer.
    #[serde(default = "scrape_timeout", deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn scrape_interval() -> Duration {
    Duration::from_secs(15)
}

fn scrape_timeout() -> Duration {
    Duration::from_secs(10)
}

/// Bounds on what is taken in.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one request body, also after decompression.
    pub body_bytes: usize,
    /// Bytes of all request bodies that are worked on at one time.
    pub in_flight_bytes: usize,
    /// Bytes that wait on disk to be processed.
    pub queue_bytes: u64,
    /// Series that are kept.
    pub series: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            in_flight_bytes: 128 << 20,
            queue_bytes: 1 << 30,
            series: 200_000,
        }
    }
}

/// When a sample is unusual.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// Normal samples that are remembered for each series.
    pub window: usize,
    /// Distance from the median, in robust standard deviations, from which on it is unusual.
    pub threshold: f64,
    /// Smallest change that matters, as a share of the expected value.
    pub relative_floor: f64,
    /// Smallest change that matters, in the unit of the series; the first entry that matches wins.
    pub floors: Vec<Floor>,
    /// Unusual samples among the last `votes_of` that make an anomaly.
    pub votes_needed: u32,
    /// See `votes_needed`.
    pub votes_of: u32,
    /// Unusual samples in a row after which the new level is normal.
    pub adapt_after: u32,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            window: 240,
            threshold: 8.0,
            relative_floor: 0.1,
            floors: defaults::floors(),
            votes_needed: 6,
            votes_of: 10,
            adapt_after: 600,
        }
    }
}

/// Smallest change that matters for some series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Which series.
    #[serde(rename = "match", deserialize_with = "selector")]
    pub selector: Selector,
    /// In the unit of the series.
    pub absolute: f64,
    /// Which changes are watched: `both` unless given, `up` or `down`.
    #[serde(default)]
    pub direction: Direction,
}

/// Something that people are told about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Becomes the label `alertname`.
    pub name: String,
    /// Which series.
    #[serde(rename = "match", deserialize_with = "selector")]
    pub selector: Selector,
    /// Fires while the value is above this.
    pub above: Option<f64>,
    /// Fires while the value is below this.
    pub below: Option<f64>,
    /// With `above` or `below`: ends only once the value is back at this one.
    pub resolve: Option<f64>,
    /// Fires while the series is anomalous, with at least this score.
    pub anomaly: Option<f64>,
    /// Fires once the series has had no sample for this long.
    #[serde(default, deserialize_with = "optional_duration")]
    pub absent: Option<Duration>,
    /// How long the condition must hold.
    #[serde(default, rename = "for", deserialize_with = "duration::deserialize")]
    pub hold: Duration,
    /// How long it goes on firing once the condition holds no more.
    #[serde(default, deserialize_with = "duration::deserialize")]
    pub keep_firing_for: Duration,
    /// Further labels of the alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Text for people, with `{{ $labels.x }}` and `{{ $value }}`.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl RuleFile {
    /// A rule that says when any of these series is unusual.
    pub fn unusual(selector: Selector) -> Self {
        Self {
            anomaly: Some(0.0),
            ..Self::without_condition(
                "Unusual",
                selector,
                "{{ $labels.instance }} is unusual: {{ printf \"%.4g\" $value }}",
            )
        }
    }

    fn without_condition(name: &str, selector: Selector, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            selector,
            above: None,
            below: None,
            resolve: None,
            anomaly: None,
            absent: None,
            hold: Duration::from_secs(10),
            keep_firing_for: Duration::from_secs(20),
            labels: BTreeMap::from([("severity".to_owned(), "warning".to_owned())]),
            annotations: BTreeMap::from([("summary".to_owned(), summary.to_owned())]),
        }
    }
}

/// How alerts become notifications.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerting {
    /// Alerts that agree in these labels are one incident.
    pub group_by: Vec<String>,
    /// How long to wait for further alerts before the first notification.
    #[serde(deserialize_with = "duration::deserialize")]
    pub group_wait: Duration,
    /// How often a group is looked at again.
    #[serde(deserialize_with = "duration::deserialize")]
    pub group_interval: Duration,
    /// How often an open incident is notified again.
    #[serde(deserialize_with = "duration::deserialize")]
    pub repeat_interval: Duration,
    /// How long all alerts must be over before an incident is.
    #[serde(deserialize_with = "duration::deserialize")]
    pub resolve_after: Duration,
}

impl Default for Alerting {
    fn default() -> Self {
        Self {
            group_by: vec!["host".to_owned(), "instance".to_owned()],
            group_wait: Duration::from_secs(5),
            group_interval: Duration::from_secs(15),
            repeat_interval: Duration::from_hours(4),
            resolve_after: Duration::from_secs(30),
        }
    }
}

/// Where notifications go, as Alertmanager's webhook payload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Address; `http` or `https`.
    pub url: Secret,
    /// Sent as `Authorization: Bearer`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Whether the end of an incident is sent too.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

fn yes() -> bool {
    true
}

/// Something that may run out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastTarget {
    /// Which series.
    #[serde(rename = "match", deserialize_with = "selector")]
    pub selector: Selector,
    /// It has run out once the value is above this.
    pub above: Option<f64>,
    /// It has run out once the value is below this.
    pub below: Option<f64>,
    /// How far to look ahead.
    #[serde(
        default = "forecast_horizon",
        deserialize_with = "duration::deserialize"
    )]
    pub horizon: Duration,
}

fn forecast_horizon() -> Duration {
    Duration::from_hours(168)
}

/// `from` calls `to`: trouble in `to` shows in `from`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The caller.
    pub from: String,
    /// The callee.
    pub to: String,
}

fn selector<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn token<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let token = Secret(String::deserialize(deserializer)?);
    token.check().map_err(serde::de::Error::custom)?;
    Ok(Some(token))
}

/// A part of the configuration that is checked where it is read, so that an error names its line.
trait Check {
    /// What is wrong.
    fn check(&self) -> Result<(), String>;
}

/// Reads a list and checks each entry.
fn checked<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Check,
{
    struct Checked<T>(T);

    impl<'de, T: Deserialize<'de> + Check> Deserialize<'de> for Checked<T> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let entry = T::deserialize(deserializer)?;
            entry.check().map_err(serde::de::Error::custom)?;
            Ok(Self(entry))
        }
    }

    let entries = Vec::<Checked<T>>::deserialize(deserializer)?;
    Ok(entries.into_iter().map(|entry| entry.0).collect())
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}

impl Config {
    /// Reads a file, TOML unless its name ends in `.yaml` or `.yml`, and checks it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]; for a wrong or unknown key with line and column.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let yaml = path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml");
        let parse = |text| ConfigError::Parse {
            path: path.to_owned(),
            text,
        };
        let mut config: Self = if yaml {
            serde_saphyr::from_str(&text).map_err(|error| parse(error.to_string()))?
        } else {
            toml::from_str(&text).map_err(|error| parse(error.to_string()))?
        };
        config.read_token_file()?;
        config.check()?;
        Ok(config)
    }

    fn read_token_file(&mut self) -> Result<(), ConfigError> {
        let Some(path) = &self.token_file else {
            return Ok(());
        };
        if self.token.is_some() {
            return Err(value_error(
                "token_file",
                "give `token` or `token_file`, not both",
            ));
        }
        let read = |source| ConfigError::Read {
            path: path.clone(),
            source,
        };
        let token = std::fs::read_to_string(path).map_err(read)?;
        self.token = Some(Secret(token.trim().to_owned()));
        Ok(())
    }

    /// Checks what concerns several keys, or did not come from a file.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] with the path of the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(token) = &self.token {
            token.check().map_err(|what| value_error("token", what))?;
        }
        if !self.listen.ip().is_loopback() && self.token.is_none() {
            let what = format!(
                "{} can be reached by others, so a `token` or `token_file` is required",
                self.listen
            );
            return Err(value_error("listen", what));
        }
        if self.host.interval < Duration::from_millis(100) {
            return Err(value_error("host.interval", "must be at least 100ms"));
        }
        check_all("scrape", &self.scrape)?;
        check_all("rules", &self.rules)?;
        check_all("webhooks", &self.webhooks)?;
        check_all("forecasts", &self.forecasts)
    }
}

fn check_all(key: &str, entries: &[impl Check]) -> Result<(), ConfigError> {
    for (index, entry) in entries.iter().enumerate() {
        entry
            .check()
            .map_err(|what| value_error(format!("{key}[{index}]"), what))?;
    }
    Ok(())
}

impl Check for Secret {
    fn check(&self) -> Result<(), String> {
        const LEAST: usize = 16;
        if self.0.len() < LEAST {
            return Err(format!("a token must have at least {LEAST} characters"));
        }
        Ok(())
    }
}

impl Check for Scrape {
    fn check(&self) -> Result<(), String> {
        if self.interval < Duration::from_secs(1) {
            return Err("`interval` must be at least 1s".to_owned());
        }
        if self.timeout.is_zero() {
            return Err("`timeout` must be longer than 0s".to_owned());
        }
        let mut urls = self.targets.iter();
        urls.try_for_each(|url| check_url("targets", url))
    }
}

impl Check for RuleFile {
    fn check(&self) -> Result<(), String> {
        let conditions = [
            self.above.is_some(),
            self.below.is_some(),
            self.anomaly.is_some(),
            self.absent.is_some(),
        ];
        if conditions.into_iter().filter(|given| *given).count() != 1 {
            return Err(format!(
                "rule `{}` needs exactly one of `above`, `below`, `anomaly` and `absent`",
                self.name
            ));
        }
        if self.resolve.is_some() && self.above.is_none() && self.below.is_none() {
            return Err(format!(
                "rule `{}` has `resolve`, which goes with `above` or `below`",
                self.name
            ));
        }
        crate::setup::rule(self).map(|_| ())
    }
}

impl Check for Webhook {
    fn check(&self) -> Result<(), String> {
        check_url("url", self.url.expose())
    }
}

impl Check for ForecastTarget {
    fn check(&self) -> Result<(), String> {
        if self.above.is_some() == self.below.is_some() {
            return Err("a forecast needs either `above` or `below`".to_owned());
        }
        Ok(())
    }
}

/// The address itself is not shown: those of webhooks hold secrets.
fn check_url(key: &str, url: &str) -> Result<(), String> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    if rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
        Ok(())
    } else {
        Err(format!(
            "`{key}` must begin with http:// or https:// and name a host"
        ))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}
