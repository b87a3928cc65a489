//! What to compare.

use std::path::{Path, PathBuf};

use aiops_detect::release::{Policy, ReleaseConfig};
use serde::Deserialize;
use thiserror::Error;

/// The configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Risks and correction.
    #[serde(default)]
    pub release: ReleaseConfig,
    /// Where the data are.
    pub source: Source,
    /// What is compared.
    pub metric: Vec<MetricConfig>,
}

/// Where the data are: one of the three.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Address of a Prometheus server, or what has its `query_range`.
    pub prometheus: Option<String>,
    /// Address of aiops-platform.
    pub platform: Option<String>,
    /// A file with a header, `$side` in its name; seen from the configuration's folder.
    pub csv: Option<PathBuf>,
    /// Seconds between two values, of `counts` also what they are counted over; 15 by default.
    #[serde(default = "step")]
    pub step_s: f64,
    /// Folder of the configuration.
    #[serde(skip)]
    pub folder: PathBuf,
}

fn step() -> f64 {
    15.0
}

/// What a metric's numbers are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Values.
    #[default]
    Values,
    /// Events, over `of` or over the step.
    Counts,
    /// Hits among the trials `of`.
    Ratios,
}

/// One metric.
#[derive(Clone, Debug, Deserialize)]
pub struct MetricConfig {
    /// What it is called in the report.
    pub name: String,
    /// What its numbers are; values by default.
    #[serde(default)]
    pub kind: Kind,
    /// A query, selector or column, with `$side` in it where the sides differ.
    pub query: String,
    /// The same of what `counts` and `ratios` are counted over.
    pub of: Option<String>,
    /// Its policy, key by key.
    #[serde(flatten)]
    pub policy: toml::Table,
    #[serde(skip)]
    pub(crate) checked: Policy,
}

/// A configuration that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what is expected.
    #[error("{}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key does not go with the others.
    #[error("{what}")]
    Conflict {
        /// What is wrong.
        what: String,
    },
}

impl Config {
    /// Reads and checks `path`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let bad = |source| ConfigError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let mut config: Self = toml::from_str(&text).map_err(bad)?;
        path.parent()
            .unwrap_or(Path::new(""))
            .clone_into(&mut config.source.folder);
        let conflict = |what: String| Err(ConfigError::Conflict { what });
        let source = &config.source;
        let given = [
            source.prometheus.is_some(),
            source.platform.is_some(),
            source.csv.is_some(),
        ];
        if given.iter().filter(|&&given| given).count() != 1 {
            return conflict("source needs one of prometheus, platform and csv".to_owned());
        }
        if !(source.step_s > 0.0 && source.step_s <= 86_400.0) {
            return conflict(format!(
                "step_s is {}, not between 0 and 86400",
                source.step_s
            ));
        }
        for metric in &mut config.metric {
            metric.checked = metric.policy.clone().try_into().map_err(bad)?;
            let name = &metric.name;
            match (metric.kind, &metric.of) {
                (Kind::Ratios, None) => {
                    return conflict(format!("metric `{name}`: ratios need `of`"));
                }
                (Kind::Values, Some(_)) => {
                    return conflict(format!("metric `{name}`: values have no `of`"));
                }
                _ => {}
            }
        }
        Ok(config)
    }
}
