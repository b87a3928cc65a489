//! Questions, and their answers.

use aiops_core::{Alert, Labels, Matcher, Selector, Timestamp};

use super::Answer;
use super::query::Parameters;
use super::silence::{self, State};
use crate::engine::{AlertEngine, SilenceId};
use crate::json::{Json, object};

/// What is said about the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// Its version.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Its configuration, as Alertmanager would write it; may be empty.
    pub config: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Timestamp::EPOCH,
            config: String::new(),
        }
    }
}

/// A request that changes nothing.
#[derive(Clone, Debug)]
pub struct Question(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Status,
    Receivers,
    Alerts(AlertFilter),
    Groups(AlertFilter),
    Silences {
        filter: Selector,
        states: Vec<State>,
    },
    Silence(SilenceId),
}

#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one for each parameter of the question"
)]
struct AlertFilter {
    labels: Selector,
    receiver: Option<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    /// Groups of which all alerts are held back.
    muted: bool,
}

impl AlertFilter {
    fn read(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            labels: parameters.filter()?,
            receiver: parameters.receiver()?,
            active: parameters.flag("active")?,
            silenced: parameters.flag("silenced")?,
            inhibited: parameters.flag("inhibited")?,
            muted: parameters.flag("muted")?,
        })
    }

    fn takes_receiver(&self, name: &str) -> bool {
        let receiver = self.receiver.as_ref();
        receiver.is_none_or(|wanted| wanted.matches_value(name))
    }
}

impl Question {
    pub(super) fn status() -> Self {
        Self(Kind::Status)
    }

    pub(super) fn receivers(parameters: &Parameters) -> Result<Self, String> {
        parameters.receiver()?;
        Ok(Self(Kind::Receivers))
    }

    pub(super) fn alerts(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self(Kind::Alerts(AlertFilter::read(parameters)?)))
    }

    pub(super) fn groups(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self(Kind::Groups(AlertFilter::read(parameters)?)))
    }

    pub(super) fn silences(parameters: &Parameters) -> Result<Self, String> {
        let mut states = Vec::new();
        for (name, state) in [
            ("active", State::Active),
            ("pending", State::Pending),
            ("expired", State::Expired),
        ] {
            if parameters.flag(name)? {
                states.push(state);
            }
        }
        let filter = parameters.filter()?;
        Ok(Self(Kind::Silences { filter, states }))
    }

    pub(super) fn silence(id: SilenceId) -> Self {
        Self(Kind::Silence(id))
    }

    /// The answer at `now`. Costs in proportion to the alerts that are held, and for each of them
    /// to the silences.
    pub fn answer(&self, now: Timestamp, engine: &AlertEngine, server: &Server) -> Answer {
        match &self.0 {
            Kind::Status => Answer::ok(&status(server)),
            Kind::Receivers => {
                let receivers = engine.config().receivers.iter();
                let mut names: Vec<&str> = receivers.map(|one| one.name.as_str()).collect();
                if names.is_empty() {
                    names.push(&engine.config().receiver);
                }
                Answer::ok(&Json::List(names.into_iter().map(named).collect()))
            }
            Kind::Alerts(filter) => Answer::ok(&Json::List(alerts(now, engine, filter))),
            Kind::Groups(filter) => Answer::ok(&Json::List(groups(now, engine, filter))),
            Kind::Silences { filter, states } => {
                let mut found: Vec<_> = engine
                    .silences()
                    .filter(|(_, one)| {
                        states.contains(&silence::state(one, now)) && silence::is_found(filter, one)
                    })
                    .collect();
                // Those that end next come first; of those that are over, the latest.
                found.sort_by_key(|(id, one)| {
                    let state = silence::state(one, now);
                    let end = one.ends_at.as_nanos();
                    let end = if state == State::Expired { -end } else { end };
                    (state, end, *id)
                });
                let found = found.into_iter();
                let found = found.map(|(id, one)| silence::write(id, one, now));
                Answer::ok(&Json::List(found.collect()))
            }
            Kind::Silence(wanted) => {
                let found = engine.silences().find(|(id, _)| id == wanted);
                found.map_or_else(
                    || Answer::refuse(404, "there is no such silence"),
                    |(id, one)| Answer::ok(&silence::write(id, one, now)),
                )
            }
        }
    }
}

fn status(server: &Server) -> Json {
    let unknown = || Json::text("");
    let version = object([
        ("version", Json::text(&server.version)),
        ("revision", unknown()),
        ("branch", unknown()),
        ("buildUser", unknown()),
        ("buildDate", unknown()),
        ("goVersion", unknown()),
    ]);
    let cluster = object([
        ("status", Json::text("disabled")),
        ("peers", Json::List(Vec::new())),
    ]);
    object([
        ("cluster", cluster),
        ("versionInfo", version),
        ("config", object([("original", Json::text(&server.config))])),
        ("uptime", Json::text(server.started.to_string())),
    ])
}

fn named(name: &str) -> Json {
    object([("name", Json::text(name))])
}

fn labels(labels: &Labels) -> Json {
    object(labels.iter().map(|(name, value)| (name, Json::text(value))))
}

/// What holds an alert back: silences and another alert.
struct Held {
    silences: Vec<String>,
    inhibitors: Vec<String>,
}

impl Held {
    fn back(engine: &AlertEngine, labels: &Labels) -> Self {
        let silences = engine.silenced_by(labels).into_iter();
        let inhibitors = engine.inhibited_by(labels).into_iter();
        Self {
            silences: silences.map(silence::write_id).collect(),
            inhibitors: inhibitors
                .map(|alert| alert.fingerprint().to_string())
                .collect(),
        }
    }

    fn is_free(&self) -> bool {
        self.silences.is_empty() && self.inhibitors.is_empty()
    }
}

/// The alert as it is shown, and whether something holds it back; `None` when it is not wanted.
fn alert(
    now: Timestamp,
    engine: &AlertEngine,
    filter: &AlertFilter,
    alert: &Alert,
) -> Option<(Json, bool)> {
    if alert.ends_at.is_some_and(|end| end <= now) || !filter.labels.matches(&alert.labels) {
        return None;
    }
    let receivers = engine.receivers_for(&alert.labels);
    if !receivers.iter().any(|name| filter.takes_receiver(name)) {
        return None;
    }
    let held = Held::back(engine, &alert.labels);
    if (!filter.active && held.is_free())
        || (!filter.silenced && !held.silences.is_empty())
        || (!filter.inhibited && !held.inhibitors.is_empty())
    {
        return None;
    }
    let free = held.is_free();
    let list = |texts: Vec<String>| Json::List(texts.into_iter().map(Json::Text).collect());
    let state = if free { "active" } else { "suppressed" };
    let status = object([
        ("state", Json::text(state)),
        ("silencedBy", list(held.silences)),
        ("inhibitedBy", list(held.inhibitors)),
        ("mutedBy", list(Vec::new())),
    ]);
    let annotations = alert.annotations.iter();
    let annotations = annotations.map(|(name, text)| (name, Json::text(text)));
    let end = alert.ends_at.unwrap_or(now);
    let json = object([
        ("annotations", object(annotations)),
        ("endsAt", Json::text(end.to_string())),
        ("fingerprint", Json::text(alert.fingerprint().to_string())),
        (
            "receivers",
            Json::List(receivers.into_iter().map(named).collect()),
        ),
        ("startsAt", Json::text(alert.starts_at.to_string())),
        ("status", status),
        ("updatedAt", Json::text(alert.starts_at.to_string())),
        ("generatorURL", Json::text(&alert.generator_url)),
        ("labels", labels(&alert.labels)),
    ]);
    Some((json, free))
}

fn alerts(now: Timestamp, engine: &AlertEngine, filter: &AlertFilter) -> Vec<Json> {
    let alerts = engine.alerts().into_iter();
    let shown = alerts.filter_map(|one| alert(now, engine, filter, one));
    shown.map(|(json, _)| json).collect()
}

fn groups(now: Timestamp, engine: &AlertEngine, filter: &AlertFilter) -> Vec<Json> {
    let mut groups = engine.groups();
    groups.retain(|group| filter.takes_receiver(group.receiver));
    groups.sort_by(|a, b| (&a.labels, a.receiver).cmp(&(&b.labels, b.receiver)));
    let shown = groups.into_iter().filter_map(|group| {
        let alerts = group.alerts.into_iter();
        let shown: Vec<_> = alerts
            .filter_map(|one| alert(now, engine, filter, one))
            .collect();
        let wanted = filter.muted || shown.iter().any(|(_, free)| *free);
        if shown.is_empty() || !wanted {
            return None;
        }
        Some(object([
            ("labels", labels(&group.labels)),
            ("routeLabels", Json::Object(Vec::new())),
            ("receiver", named(group.receiver)),
            (
                "alerts",
                Json::List(shown.into_iter().map(|(json, _)| json).collect()),
            ),
        ]))
    });
    shown.collect()
}
