//! What can be configured.

use std::time::Duration;

use aiops_core::{ParamError, Selector};
use thiserror::Error;

use super::damping::DampingConfig;
use super::inhibit::InhibitRule;
use crate::correlate::CorrelatorConfig;
use crate::interval::TimeInterval;

/// Stands for all labels in a `group_by`.
pub(super) const ALL_LABELS: &str = "...";

/// Parameters of [`AlertEngine`](super::AlertEngine). The fields of the root route lie here;
/// with no further [`routes`](Self::routes) there is one receiver for everything.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in a configuration file"
)]
pub struct EngineConfig {
    /// Who is told what no other route takes; one of `receivers`, or any name when there are none.
    pub receiver: String,
    /// Alerts that agree in these labels are one group; `...` stands for all labels. The root's
    /// labels also say which alerts are one incident.
    pub group_by: Vec<String>,
    /// How long a new group waits for further alerts before its first notification.
    pub group_wait: Duration,
    /// How often a group is looked at after that; at least 1 millisecond.
    pub group_interval: Duration,
    /// A group in which nothing changes is notified again at the first look later than this.
    pub repeat_interval: Duration,
    /// Who is told about a part of the alerts.
    pub routes: Vec<RouteConfig>,
    /// Who can be told. Empty: every name in the routes is a receiver with one integration.
    pub receivers: Vec<ReceiverConfig>,
    /// What is not told while something else fires.
    pub inhibit: Vec<InhibitRule>,
    /// Times at which routes are silent, or speak.
    pub time_intervals: Vec<TimeInterval>,
    /// An alert without an end is taken as ended when nothing is heard of it for this long.
    pub resolve_timeout: Duration,
    /// An alert that ends goes on counting as firing for this long; if it comes back meanwhile, it
    /// has never ended. An incident is over once this is so for all its alerts.
    pub resolve_after: Duration,
    /// Which alerts are one incident, by time and topology rather than by labels. Routes see the
    /// incident as the label `incident`, and can group by it. None by default: alerts that agree
    /// in the root's `group_by` are one incident.
    pub correlation: Option<CorrelatorConfig>,
    /// Damping of alerts that keep coming back; none by default.
    pub damping: Option<DampingConfig>,
    /// Whether a group that was notified is notified again when alerts join it or a part of them
    /// ends. Off by default: one notification for an incident, and one at its end.
    pub notify_changes: bool,
    /// An alert that comes back with a later start is news, also to a receiver that was never told
    /// of its end.
    pub refire_is_news: bool,
    /// Whether the end of an alert that a receiver believes to fire is told although the alert is
    /// silenced or inhibited, and after a time at which its route is silent. Otherwise it is
    /// never told, and neither is the next beginning before `repeat_interval`.
    pub settle_muted: bool,
    /// Whether a receiver that believes an alert to fire is told of its end when another
    /// configuration sends the alert elsewhere. Otherwise it is never told.
    pub settle_moved: bool,
    /// How long a group without alerts is kept for those that come back. Zero: not at all, so that
    /// they wait for `group_wait` and not for the next look.
    pub keep_empty_groups: Duration,
    /// Whether alerts are part of the stored form. Without them a restart knows what was sent, but
    /// not what goes on, until it is told again.
    pub store_alerts: bool,
    /// Alerts that are held at one time; further ones are refused and counted.
    pub max_alerts: usize,
    /// Incidents that are remembered; at least 1. The oldest resolved ones are dropped first, and
    /// counted.
    pub max_incidents: usize,
    /// Alerts that one incident lists; further ones are counted.
    pub max_alerts_per_incident: usize,
}

impl Default for EngineConfig {
    /// One receiver; Alertmanager's intervals; one notification for an incident.
    fn default() -> Self {
        Self {
            receiver: "default".to_owned(),
            group_by: Vec::new(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
            routes: Vec::new(),
            receivers: Vec::new(),
            inhibit: Vec::new(),
            time_intervals: Vec::new(),
            resolve_timeout: Duration::from_mins(5),
            resolve_after: Duration::ZERO,
            correlation: None,
            damping: None,
            notify_changes: false,
            refire_is_news: true,
            settle_muted: true,
            settle_moved: true,
            keep_empty_groups: Duration::ZERO,
            store_alerts: true,
            max_alerts: 200_000,
            max_incidents: 1_000,
            max_alerts_per_incident: 1_000,
        }
    }
}

impl EngineConfig {
    /// Alertmanager 0.25, weaknesses included.
    pub fn alertmanager() -> Self {
        Self {
            notify_changes: true,
            refire_is_news: false,
            settle_muted: false,
            settle_moved: false,
            keep_empty_groups: Duration::from_secs(30),
            store_alerts: false,
            ..Self::default()
        }
    }
}

/// A route below the root. What is `None` is inherited.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RouteConfig {
    /// Which alerts; all of them by default.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::selector"))]
    pub matchers: Selector,
    /// Who is told.
    pub receiver: Option<String>,
    /// Whether the next sibling is asked too.
    #[cfg_attr(feature = "serde", serde(rename = "continue"))]
    pub continues: bool,
    /// See [`EngineConfig::group_by`].
    pub group_by: Option<Vec<String>>,
    /// See [`EngineConfig::group_wait`].
    pub group_wait: Option<Duration>,
    /// See [`EngineConfig::group_interval`].
    pub group_interval: Option<Duration>,
    /// See [`EngineConfig::repeat_interval`].
    pub repeat_interval: Option<Duration>,
    /// Names of times at which it is silent. Not inherited.
    pub mute_time_intervals: Vec<String>,
    /// Names of times at which it speaks; always, when there are none. Not inherited.
    pub active_time_intervals: Vec<String>,
    /// Asked first; the first that takes an alert ends the search, unless it continues.
    pub routes: Vec<RouteConfig>,
}

/// Somebody who can be told, in one or more ways.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ReceiverConfig {
    /// Name, as routes use it.
    pub name: String,
    /// Each is told by itself: one that is slow or fails does not hold up another. None: nobody
    /// is told.
    pub integrations: Vec<IntegrationConfig>,
}

impl ReceiverConfig {
    /// A receiver with one integration.
    pub fn new(name: impl Into<String>, integration: IntegrationConfig) -> Self {
        Self {
            name: name.into(),
            integrations: vec![integration],
        }
    }
}

/// One way to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct IntegrationConfig {
    /// What it is, such as `webhook`; for the host.
    pub kind: String,
    /// Whether the end of alerts is told too.
    pub send_resolved: bool,
}

impl Default for IntegrationConfig {
    fn default() -> Self {
        Self {
            kind: "webhook".to_owned(),
            send_resolved: true,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A parameter is out of its range.
    #[error("unsuitable parameter")]
    Param(#[from] ParamError),
    /// A route names somebody who is not among the receivers.
    #[error("route {route} names the receiver `{receiver}`, which there is not")]
    UnknownReceiver {
        /// The route by its matchers, from the root on.
        route: String,
        /// The name.
        receiver: String,
    },
    /// A route names times that there are not.
    #[error("route {route} names the time interval `{interval}`, which there is not")]
    UnknownInterval {
        /// The route by its matchers, from the root on.
        route: String,
        /// The name.
        interval: String,
    },
    /// Two receivers have the same name.
    #[error("there are two receivers named `{receiver}`")]
    DuplicateReceiver {
        /// The name.
        receiver: String,
    },
    /// Routes lie too deep.
    #[error("routes lie more than {limit} deep")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
}

pub(super) fn check(config: &EngineConfig) -> Result<(), ConfigError> {
    let least = Duration::from_millis(1);
    if config.group_interval < least {
        let error = ParamError::new("group_interval", "at least 1 ms", "less");
        return Err(error.into());
    }
    if config.resolve_timeout < least {
        let error = ParamError::new("resolve_timeout", "at least 1 ms", "less");
        return Err(error.into());
    }
    if let Some(damping) = &config.damping {
        damping.check()?;
    }
    for (name, value) in [
        ("max_alerts", config.max_alerts),
        ("max_incidents", config.max_incidents),
        ("max_alerts_per_incident", config.max_alerts_per_incident),
    ] {
        if value == 0 {
            return Err(ParamError::new(name, "at least 1", value).into());
        }
    }
    for (index, receiver) in config.receivers.iter().enumerate() {
        if config.receivers[..index]
            .iter()
            .any(|other| other.name == receiver.name)
        {
            return Err(ConfigError::DuplicateReceiver {
                receiver: receiver.name.clone(),
            });
        }
    }
    Ok(())
}
