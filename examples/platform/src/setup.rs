//! From the configuration to the libraries' types.

use std::path::PathBuf;

use aiops_alert::engine::{AlertEngine, EngineConfig, IntegrationConfig, ReceiverConfig};
use aiops_alert::rule::{Condition, Rule, RuleConfig, RuleSet};
use aiops_core::queue::{DiskQueue, DiskQueueConfig};
use aiops_core::store::{DiskStore, DiskStoreConfig, MemoryStore, MemoryStoreConfig};
use aiops_core::{Labels, StorageError};
use aiops_detect::monitor::{SeriesMonitor, SeriesMonitorConfig};
use aiops_rca::investigation::{Investigation, InvestigationConfig};

use crate::config::{Config, Detection, RuleFile};

/// Name of the only receiver; each webhook is one of its integrations.
const RECEIVER: &str = "webhooks";

/// Whether everything can be made from the configuration.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(config: &Config) -> Result<(), String> {
    rules(config)?;
    engine(config)?;
    ranker()?;
    try_monitor(&config.detection, &Labels::empty()).map(|_| ())
}

/// The queue on disk.
///
/// # Errors
///
/// [`StorageError`] when the folder cannot be used.
pub fn queue(config: &Config) -> Result<DiskQueue, StorageError> {
    let mut wanted = DiskQueueConfig::default();
    wanted.limit_bytes = config.limits.queue_bytes;
    DiskQueue::open(config.data_dir.join("queue"), wanted)
}

/// Where the store on disk lies.
pub fn store_folder(config: &Config) -> PathBuf {
    config.data_dir.join("store")
}

/// The store on disk.
///
/// # Errors
///
/// [`StorageError`] when the folder cannot be used.
pub fn store(config: &Config) -> Result<DiskStore, StorageError> {
    let mut wanted = DiskStoreConfig::default();
    wanted.max_series = config.limits.series;
    DiskStore::open(store_folder(config), wanted)
}

/// A store that ends with the process.
pub fn memory_store(config: &Config) -> MemoryStore {
    let mut wanted = MemoryStoreConfig::default();
    wanted.max_series = config.limits.series;
    MemoryStore::new(wanted)
}

/// The rules, which have seen nothing.
///
/// # Errors
///
/// Which rule is wrong, and how.
pub fn rules(config: &Config) -> Result<RuleSet, String> {
    let rules: Result<Vec<Rule>, String> = config.rules.iter().map(rule).collect();
    Ok(RuleSet::new(rules?))
}

/// One rule.
///
/// # Errors
///
/// What is wrong with it.
pub fn rule(file: &RuleFile) -> Result<Rule, String> {
    let condition = match (file.above, file.below, file.anomaly, file.absent) {
        (Some(limit), ..) => Condition::Above {
            limit,
            resolve: file.resolve,
        },
        (_, Some(limit), ..) => Condition::Below {
            limit,
            resolve: file.resolve,
        },
        (_, _, Some(min_score), _) => Condition::Anomalous { min_score },
        (_, _, _, Some(after)) => Condition::Absent { after },
        _ => return Err(format!("rule `{}` has no condition", file.name)),
    };
    let mut rule = RuleConfig::new(file.name.clone(), file.selector.clone(), condition);
    rule.hold = file.hold;
    rule.keep_firing_for = file.keep_firing_for;
    rule.labels.clone_from(&file.labels);
    rule.annotations.clone_from(&file.annotations);
    Rule::try_from(rule).map_err(|error| format!("rule `{}`: {}", file.name, chain(&error)))
}

/// The engine, which has heard of no alert. Integration `n` of its receiver is webhook `n`.
///
/// # Errors
///
/// What is wrong with the configuration.
pub fn engine(config: &Config) -> Result<AlertEngine, String> {
    let alerting = &config.alerting;
    let mut receiver = ReceiverConfig::new(RECEIVER, IntegrationConfig::default());
    if !config.webhooks.is_empty() {
        let integrations = config.webhooks.iter().map(|webhook| {
            let mut integration = IntegrationConfig::default();
            integration.send_resolved = webhook.send_resolved;
            integration
        });
        receiver.integrations = integrations.collect();
    }
    let mut wanted = EngineConfig::default();
    RECEIVER.clone_into(&mut wanted.receiver);
    wanted.receivers = vec![receiver];
    wanted.group_by.clone_from(&alerting.group_by);
    wanted.group_wait = alerting.group_wait;
    wanted.group_interval = alerting.group_interval;
    wanted.repeat_interval = alerting.repeat_interval;
    wanted.resolve_after = alerting.resolve_after;
    AlertEngine::try_from(wanted).map_err(|error| format!("`alerting`: {}", chain(&error)))
}

/// What ranks causes.
///
/// # Errors
///
/// None with the defaults.
pub fn ranker() -> Result<Investigation, String> {
    Investigation::try_from(InvestigationConfig::default()).map_err(|error| error.to_string())
}

/// The detector of a series that has seen nothing.
///
/// # Panics
///
/// When the configuration was not checked by [`check`].
pub fn monitor(detection: &Detection, labels: &Labels) -> SeriesMonitor {
    try_monitor(detection, labels)
        .unwrap_or_else(|what| panic!("the configuration was not checked: {what}"))
}

fn try_monitor(detection: &Detection, labels: &Labels) -> Result<SeriesMonitor, String> {
    let floor = detection
        .floors
        .iter()
        .find(|floor| floor.selector.matches(labels));
    let mut wanted = SeriesMonitorConfig::default();
    wanted.detector.window = detection.window;
    wanted.detector.warmup = wanted.detector.warmup.min(detection.window);
    wanted.threshold = detection.threshold;
    if let Some(floor) = floor {
        wanted.policy.absolute_floor = floor.absolute;
        wanted.policy.direction = floor.direction;
    }
    wanted.policy.relative_floor = detection.relative_floor;
    wanted.policy.votes_needed = detection.votes_needed;
    wanted.policy.votes_of = detection.votes_of;
    wanted.policy.adapt_after = detection.adapt_after;
    wanted.policy.learn_clipped = wanted.policy.learn_clipped.min(detection.window as u32 / 4);
    SeriesMonitor::try_from(wanted).map_err(|error| format!("`detection`: {}", chain(&error)))
}

/// What the detectors are configured with, as one text: those that were configured otherwise
/// learn anew.
pub fn detection_settings(config: &Config) -> String {
    format!("{:?}", config.detection)
}

/// Where notifications say that people should look.
pub fn external_url(config: &Config) -> String {
    format!("http://{}", config.listen)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use aiops_core::{Sample, Timestamp};

    use super::*;

    /// Anomalies among 40 samples at `then`, after 100 around `first`.
    fn anomalies(metric: &str, first: f64, then: f64) -> usize {
        let labels = Labels::of([("__name__", metric), ("host", "web-1")]).expect("labels");
        let mut monitor = monitor(&Detection::default(), &labels);
        let level = |second: i32| if second < 100 { first } else { then };
        let is_anomalous = |second: &i32| {
            let time = Timestamp::from_secs(i64::from(*second)).expect("in range");
            let value = level(*second) + f64::from(second % 3);
            monitor.update(Sample::new(time, value)).is_anomalous()
        };
        (0..140).filter(is_anomalous).count()
    }

    #[test]
    fn a_busy_processor_is_unusual_and_an_idle_one_is_not() {
        assert!(anomalies("host_cpu_busy_percent", 10.0, 95.0) > 30);
        assert_eq!(anomalies("host_cpu_busy_percent", 95.0, 10.0), 0);
        assert!(anomalies("host_memory_used_percent", 80.0, 20.0) > 30);
    }
}
