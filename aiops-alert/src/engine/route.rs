//! The routing tree: who is told about an alert, and with which others.

use std::time::Duration;

use aiops_core::{Labels, ParamError, Selector, Timestamp};

use super::config::{
    ALL_LABELS, ConfigError, EngineConfig, IntegrationConfig, ReceiverConfig, RouteConfig,
};
use crate::interval::TimeInterval;

/// Deepest nesting of routes.
const MAX_DEPTH: usize = 64;

/// Key of the routes for what used to go to a receiver.
const FAREWELL: &str = "moved";

/// A node of the tree with everything inherited.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) receiver: u32,
    selector: Selector,
    continues: bool,
    group_by: GroupBy,
    pub(super) wait: Duration,
    pub(super) interval: Duration,
    pub(super) repeat: Duration,
    /// The matchers from the root on, as Alertmanager writes them.
    pub(super) key: String,
    children: Vec<u32>,
    /// Places in the list of intervals.
    mute: Vec<usize>,
    active: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
enum GroupBy {
    All,
    Labels(Vec<String>),
}

impl GroupBy {
    fn new(names: &[String]) -> Self {
        if names.iter().any(|name| name == ALL_LABELS) {
            Self::All
        } else {
            Self::Labels(names.to_vec())
        }
    }

    fn labels(&self, labels: &Labels) -> Labels {
        match self {
            Self::All => labels.clone(),
            Self::Labels(names) => labels.only(names),
        }
    }
}

/// The tree; the root comes first.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    nodes: Vec<Route>,
    pub(super) receivers: Vec<ReceiverConfig>,
    intervals: Vec<TimeInterval>,
}

impl Routes {
    pub(super) fn new(config: &EngineConfig) -> Result<Self, ConfigError> {
        let mut routes = Self {
            nodes: Vec::new(),
            receivers: config.receivers.clone(),
            intervals: config.time_intervals.clone(),
        };
        let named = !config.receivers.is_empty();
        let root = Route {
            receiver: routes.receiver(&config.receiver, "{}", named)?,
            selector: Selector::all(),
            continues: false,
            group_by: GroupBy::new(&config.group_by),
            wait: config.group_wait,
            interval: config.group_interval,
            repeat: config.repeat_interval,
            key: "{}".to_owned(),
            children: Vec::new(),
            mute: Vec::new(),
            active: Vec::new(),
        };
        routes.nodes.push(root);
        for child in &config.routes {
            routes.add(0, child, named, 1)?;
        }
        Ok(routes)
    }

    fn add(
        &mut self,
        parent: u32,
        config: &RouteConfig,
        named: bool,
        depth: usize,
    ) -> Result<(), ConfigError> {
        if depth > MAX_DEPTH {
            return Err(ConfigError::TooDeep { limit: MAX_DEPTH });
        }
        let above = &self.nodes[parent as usize];
        let key = format!("{}/{}", above.key, matchers(&config.matchers));
        let interval = config.group_interval.unwrap_or(above.interval);
        if interval < Duration::from_millis(1) {
            return Err(ParamError::new("group_interval", "at least 1 ms", "less").into());
        }
        let mut route = Route {
            receiver: above.receiver,
            selector: config.matchers.clone(),
            continues: config.continues,
            group_by: match &config.group_by {
                Some(names) => GroupBy::new(names),
                None => above.group_by.clone(),
            },
            wait: config.group_wait.unwrap_or(above.wait),
            interval,
            repeat: config.repeat_interval.unwrap_or(above.repeat),
            mute: self.intervals(&config.mute_time_intervals, &key)?,
            active: self.intervals(&config.active_time_intervals, &key)?,
            key,
            children: Vec::new(),
        };
        if let Some(name) = &config.receiver {
            route.receiver = self.receiver(name, &route.key, named)?;
        }
        let number = self.nodes.len() as u32;
        self.nodes.push(route);
        self.nodes[parent as usize].children.push(number);
        for child in &config.routes {
            self.add(number, child, named, depth + 1)?;
        }
        Ok(())
    }

    /// A route to a receiver for what used to go there: no alert finds it.
    pub(super) fn farewell(&mut self, receiver: &str) -> Option<u32> {
        let receiver = self.receivers.iter().position(|one| one.name == receiver)? as u32;
        let same = |one: &Route| one.receiver == receiver && one.key == FAREWELL;
        if let Some(known) = self.nodes.iter().position(same) {
            return Some(known as u32);
        }
        let mut route = self.nodes[0].clone();
        FAREWELL.clone_into(&mut route.key);
        (route.receiver, route.children) = (receiver, Vec::new());
        self.nodes.push(route);
        Some(self.nodes.len() as u32 - 1)
    }

    /// The receiver of this name; made where none are configured.
    fn receiver(&mut self, name: &str, route: &str, named: bool) -> Result<u32, ConfigError> {
        let known = self.receivers.iter().position(|one| one.name == name);
        match known {
            Some(place) => Ok(place as u32),
            None if named => Err(ConfigError::UnknownReceiver {
                route: route.to_owned(),
                receiver: name.to_owned(),
            }),
            None => {
                let receiver = ReceiverConfig::new(name, IntegrationConfig::default());
                self.receivers.push(receiver);
                Ok(self.receivers.len() as u32 - 1)
            }
        }
    }

    fn intervals(&self, names: &[String], route: &str) -> Result<Vec<usize>, ConfigError> {
        let place = |name: &String| {
            let found = self.intervals.iter().position(|one| one.name == *name);
            found.ok_or_else(|| ConfigError::UnknownInterval {
                route: route.to_owned(),
                interval: name.clone(),
            })
        };
        names.iter().map(place).collect()
    }

    /// The time interval because of which a route is silent; the empty text when it is because
    /// no active one holds.
    pub(super) fn silent_because(&self, number: u32, now: Timestamp) -> Option<&str> {
        let route = self.get(number);
        let holds = |place: &&usize| self.intervals[**place].contains(now);
        if let Some(&place) = route.mute.iter().find(holds) {
            return Some(&self.intervals[place].name);
        }
        let speaks = route.active.is_empty() || route.active.iter().any(|place| holds(&place));
        (!speaks).then_some("")
    }

    pub(super) fn get(&self, number: u32) -> &Route {
        &self.nodes[number as usize]
    }

    pub(super) fn integrations(&self, route: u32) -> &[IntegrationConfig] {
        let receiver = self.get(route).receiver;
        &self.receivers[receiver as usize].integrations
    }

    pub(super) fn receiver_name(&self, route: u32) -> &str {
        &self.receivers[self.get(route).receiver as usize].name
    }

    /// The routes that take an alert, depth first.
    pub(super) fn find(&self, labels: &Labels) -> Vec<u32> {
        let mut found = Vec::new();
        self.descend(0, labels, &mut found);
        found
    }

    fn descend(&self, number: u32, labels: &Labels, found: &mut Vec<u32>) -> bool {
        let route = self.get(number);
        if !route.selector.matches(labels) {
            return false;
        }
        let before = found.len();
        for &child in &route.children {
            if self.descend(child, labels, found) && !self.get(child).continues {
                break;
            }
        }
        if found.len() == before {
            found.push(number);
        }
        true
    }

    /// What the alerts of a group have in common.
    pub(super) fn group_labels(&self, route: u32, labels: &Labels) -> Labels {
        self.get(route).group_by.labels(labels)
    }

    /// What the alerts of an incident have in common.
    pub(super) fn incident_labels(&self, labels: &Labels) -> Labels {
        self.nodes[0].group_by.labels(labels)
    }

    /// The key of a group, as Alertmanager writes it.
    pub(super) fn group_key(&self, route: u32, group: &Labels) -> String {
        let labels: Vec<String> = group
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        format!("{}:{{{}}}", self.get(route).key, labels.join(", "))
    }
}

/// As Alertmanager writes them: in order of names, without spaces.
fn matchers(selector: &Selector) -> String {
    let mut texts: Vec<(&str, String)> = selector
        .matchers()
        .iter()
        .map(|matcher| (matcher.name(), matcher.to_string()))
        .collect();
    texts.sort();
    let texts: Vec<String> = texts.into_iter().map(|(_, text)| text).collect();
    format!("{{{}}}", texts.join(","))
}
