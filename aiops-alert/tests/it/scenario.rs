//! Scenarios that were recorded with Alertmanager, replayed on a virtual clock.
//!
//! The format is that of the folder's `README.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, Notification, Silence};
use aiops_alert::files::alertmanager;
use aiops_alert::replay::{Event, Replay, Sent};
use aiops_core::{Alert, AlertStatus, Labels, MatchOp, Matcher, Selector, Timestamp};
use serde_json::Value;

/// How far a time may be off, in seconds.
const TOLERANCE: f64 = 0.25;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// A recorded scenario.
pub(crate) struct Scenario {
    file: Value,
}

/// Status and alerts of a notification, without times.
type Content = (String, Vec<(String, String)>);

/// By receiver and group: when, and what.
pub(crate) type Told = BTreeMap<(String, String), Vec<(f64, Content)>>;

pub(crate) fn seconds(time: Timestamp) -> f64 {
    (time.as_nanos() - START) as f64 / 1e9
}

const START: i64 = 1_700_000_000_000_000_000;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos(START + (seconds * 1e9).round() as i64)
}

impl Scenario {
    pub(crate) fn read(path: &Path) -> Fallible<Self> {
        let file = serde_json::from_slice(&std::fs::read(path)?)?;
        Ok(Self { file })
    }

    pub(crate) fn config(&self) -> Fallible<EngineConfig> {
        config(&self.file["config"])
    }

    fn steps(&self) -> impl Iterator<Item = (f64, &Value)> {
        let steps = self.file["steps"].as_array().into_iter().flatten();
        steps.map(|step| (step["t"].as_f64().unwrap_or_default(), step))
    }

    /// What the sink answers to request number `number` of a receiver.
    fn answer(&self, receiver: &str, number: u64) -> Delivery {
        let rules = self.file["sink"][receiver].as_array().into_iter().flatten();
        let status = rules
            .filter(|rule| {
                let bound = |name: &str| rule[name].as_u64().unwrap_or_default();
                (bound("from")..=bound("to")).contains(&number)
            })
            .find_map(|rule| rule["status"].as_u64());
        match status {
            None | Some(200..=299) => Delivery::Delivered,
            Some(status) => Delivery::failed(status >= 500),
        }
    }

    /// Plays the steps; answers what was sent, and the answers to the questions among the steps
    /// that are not as recorded.
    pub(crate) fn play(&self, config: EngineConfig) -> Fallible<(Vec<Sent>, Vec<String>)> {
        let mut hits: BTreeMap<String, u64> = BTreeMap::new();
        let answer = |_: Timestamp, notification: &Notification| {
            let hits = hits.entry(notification.receiver.clone()).or_default();
            *hits += 1;
            self.answer(&notification.receiver, *hits)
        };
        let mut replay = Replay::new(AlertEngine::try_from(config)?, answer);
        let (mut silences, mut wrong, mut end) = (Vec::new(), Vec::new(), 0.0_f64);
        for (number, (time, step)) in self.steps().enumerate() {
            end = end.max(time);
            let now = at(time);
            match step["op"].as_str().unwrap_or_default() {
                "post_alerts" => {
                    for posted in step["alerts"].as_array().into_iter().flatten() {
                        replay.event(now, Event::Alert(alert(posted, now)?))?;
                    }
                }
                "add_silence" => {
                    silences.push(step["name"].clone());
                    replay.event(now, Event::AddSilence(silence(step)?))?;
                }
                "expire_silence" => {
                    let place = silences.iter().position(|name| *name == step["name"]);
                    let place = place.ok_or("a silence that there is not")?;
                    replay.event(now, Event::ExpireSilence(place))?;
                }
                "restart" | "crash" => replay.event(now, Event::Restart)?,
                "reload" => {
                    let later = self::config(&step["config"])?;
                    replay.event(now, Event::Reload(Box::new(later)))?;
                }
                "get_alerts" | "get_groups" | "amtool_routes_test" => {
                    replay.finish(now);
                    let names: Vec<&str> = silences.iter().filter_map(Value::as_str).collect();
                    let recorded = self.recorded(number);
                    wrong.extend(check(replay.engine(), now, step, recorded, &names));
                }
                "end" => {}
                other => return Err(format!("unknown step `{other}`").into()),
            }
        }
        replay.finish(at(end));
        Ok((replay.into_sent(), wrong))
    }

    /// The recorded answer to a step.
    fn recorded(&self, step: usize) -> &Value {
        let calls = self.file["observed"]["calls"].as_array();
        let mut calls = calls.into_iter().flatten();
        calls
            .find(|call| call["step"].as_u64() == Some(step as u64))
            .unwrap_or(&Value::Null)
    }

    /// What Alertmanager sent.
    pub(crate) fn observed(&self) -> Told {
        let mut told = Told::new();
        let notifications = self.file["observed"]["notifications"].as_array();
        for notification in notifications.into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let alerts = notification["alerts"].as_array().into_iter().flatten();
            let alerts = alerts.map(|alert| (text(&alert["fingerprint"]), text(&alert["status"])));
            let key = (text(&notification["sink"]), text(&notification["groupKey"]));
            let content = (text(&notification["status"]), alerts.collect());
            let time = notification["t"].as_f64().unwrap_or_default();
            told.entry(key).or_default().push((time, content));
        }
        told
    }

    /// Whether answers other than success were recorded, after which times are random.
    fn has_failures(&self) -> bool {
        self.file["sink"]
            .as_object()
            .is_some_and(|sink| !sink.is_empty())
    }

    /// Differences between what was sent and what was recorded.
    pub(crate) fn differences(&self, sent: &[Sent]) -> Vec<String> {
        let (ours, theirs) = (told(sent), self.observed());
        let mut found = Vec::new();
        for key in ours
            .keys()
            .chain(theirs.keys())
            .collect::<std::collections::BTreeSet<_>>()
        {
            let none = Vec::new();
            let (ours, theirs) = (
                ours.get(key).unwrap_or(&none),
                theirs.get(key).unwrap_or(&none),
            );
            let content = |list: &[(f64, Content)]| -> Vec<Content> {
                list.iter().map(|(_, content)| content.clone()).collect()
            };
            if content(ours) != content(theirs) {
                found.push(format!("{key:?}: sent {ours:?}, recorded {theirs:?}"));
                continue;
            }
            for (index, (mine, other)) in ours.iter().zip(theirs).enumerate() {
                let is_random = self.has_failures() && index > 0;
                if !is_random && (mine.0 - other.0).abs() > TOLERANCE {
                    found.push(format!(
                        "{key:?}: sent at {}, recorded at {}",
                        mine.0, other.0
                    ));
                }
            }
        }
        found
    }
}

/// What was sent, in the form of the recordings.
pub(crate) fn told(sent: &[Sent]) -> Told {
    let mut told = Told::new();
    for one in sent {
        let notification = &one.notification;
        let status = |over: bool| if over { "resolved" } else { "firing" }.to_owned();
        let alerts = notification.alerts.iter().map(|alert| {
            (
                alert.fingerprint().to_string(),
                status(alert.ends_at.is_some()),
            )
        });
        let key = (
            notification.receiver.clone(),
            notification.group_key.clone(),
        );
        let content = (
            status(notification.status == AlertStatus::Resolved),
            alerts.collect(),
        );
        told.entry(key)
            .or_default()
            .push((seconds(one.at), content));
    }
    told
}

fn config(text: &Value) -> Fallible<EngineConfig> {
    let text = text.as_str().ok_or("no configuration")?;
    Ok(alertmanager::parse(&text.replace("{{SINK}}", "http://sink"))?.engine)
}

fn labels(value: &Value) -> Fallible<Labels> {
    let pairs = value.as_object().into_iter().flatten();
    Ok(Labels::of(pairs.map(|(name, value)| {
        (name.clone(), value.as_str().unwrap_or_default())
    }))?)
}

fn alert(value: &Value, now: Timestamp) -> Fallible<Alert> {
    let time = |name: &str| value[name].as_f64().map(at);
    let ends = time("endsAt_rel");
    let starts = time("startsAt_rel").unwrap_or_else(|| ends.map_or(now, |end| end.min(now)));
    let mut alert = Alert::new(labels(&value["labels"])?, starts);
    alert.ends_at = ends;
    for (name, text) in value["annotations"].as_object().into_iter().flatten() {
        alert = alert.annotate(name, text.as_str().unwrap_or_default());
    }
    Ok(alert)
}

fn silence(step: &Value) -> Fallible<Silence> {
    let mut matchers = Vec::new();
    for matcher in step["matchers"].as_array().into_iter().flatten() {
        let flag = |name: &str| matcher[name].as_bool().unwrap_or(name == "isEqual");
        let op = match (flag("isRegex"), flag("isEqual")) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Matches,
            (true, false) => MatchOp::NotMatches,
        };
        let text = |name: &str| matcher[name].as_str().unwrap_or_default();
        matchers.push(Matcher::new(text("name"), op, text("value"))?);
    }
    let time = |name: &str| at(step[name].as_f64().unwrap_or_default());
    Ok(Silence::new(
        Selector::new(matchers),
        time("startsAt_rel"),
        time("endsAt_rel"),
    ))
}

/// Compares the answer to a question with the recorded one.
fn check(
    engine: &AlertEngine,
    now: Timestamp,
    step: &Value,
    recorded: &Value,
    silences: &[&str],
) -> Vec<String> {
    let (ours, theirs) = match step["op"].as_str().unwrap_or_default() {
        "get_groups" => (groups(engine), recorded["groups"].clone()),
        "get_alerts" => {
            let mut theirs = recorded["alerts"].clone();
            for alert in theirs.as_array_mut().into_iter().flatten() {
                for time in ["startsAt_rel", "endsAt_rel", "labels"] {
                    alert.as_object_mut().map(|alert| alert.remove(time));
                }
            }
            (alerts(engine, now, silences), theirs)
        }
        _ => {
            let labels = labels(&step["labels"]).unwrap_or_default();
            (
                Value::from(engine.receivers_for(&labels)),
                recorded["receivers"].clone(),
            )
        }
    };
    if ours == theirs {
        return Vec::new();
    }
    vec![format!("{}: {ours}, recorded {theirs}", step["op"])]
}

fn groups(engine: &AlertEngine) -> Value {
    let mut groups: Vec<(String, String, Value)> = engine
        .groups()
        .into_iter()
        .filter(|group| !group.alerts.is_empty())
        .map(|group| {
            let mut alerts: Vec<String> = group
                .alerts
                .iter()
                .map(|alert| alert.fingerprint().to_string())
                .collect();
            alerts.sort();
            let labels: BTreeMap<&str, &str> = group.labels.iter().collect();
            let value = serde_json::json!({
                "labels": labels, "receiver": group.receiver, "alerts": alerts,
            });
            let text = serde_json::to_string(&labels).unwrap_or_default();
            (group.receiver.to_owned(), text, value)
        })
        .collect();
    groups.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    groups.into_iter().map(|(_, _, value)| value).collect()
}

fn alerts(engine: &AlertEngine, now: Timestamp, silences: &[&str]) -> Value {
    let mut alerts: Vec<(String, Value)> = engine
        .alerts()
        .into_iter()
        .filter(|alert| alert.status(now) == AlertStatus::Firing)
        .map(|alert| {
            let silenced = engine.silenced_by(&alert.labels);
            let mut silenced: Vec<&str> = silenced
                .iter()
                .map(|id| silences[id.0 as usize - 1])
                .collect();
            silenced.sort_unstable();
            let inhibited: Vec<String> = engine
                .inhibited_by(&alert.labels)
                .map(|source| source.fingerprint().to_string())
                .into_iter()
                .collect();
            let suppressed = !silenced.is_empty() || !inhibited.is_empty();
            let mut receivers = engine.receivers_for(&alert.labels);
            receivers.sort_unstable();
            let fingerprint = alert.fingerprint().to_string();
            let value = serde_json::json!({
                "state": if suppressed { "suppressed" } else { "active" },
                "silencedBy": silenced, "inhibitedBy": inhibited,
                "receivers": receivers, "fingerprint": fingerprint,
            });
            (fingerprint, value)
        })
        .collect();
    alerts.sort_by(|a, b| a.0.cmp(&b.0));
    alerts.into_iter().map(|(_, value)| value).collect()
}

/// The scenario with this configuration, as Alertmanager behaved or better.
pub(crate) fn outcome(path: &Path) -> Fallible<Vec<String>> {
    let scenario = Scenario::read(path)?;
    let crashes = scenario.steps().any(|(_, step)| step["op"] == "crash");
    let (sent, mut wrong) = scenario.play(scenario.config()?)?;
    if crashes {
        // The recording shows what a crash loses; nothing may be lost or told twice here.
        wrong.clear();
        let mut before = scenario.observed();
        for list in before.values_mut() {
            let mut seen = Vec::new();
            list.retain(|(_, content)| {
                let is_first = !seen.contains(content);
                seen.push(content.clone());
                is_first
            });
        }
        let crash = scenario.steps().find(|(_, step)| step["op"] == "crash");
        let crash = crash.map_or(0.0, |(time, _)| time);
        before.retain(|_, list| list.iter().any(|(time, _)| *time < crash));
        let contents = |told: &Told| -> Vec<_> {
            let contents = told.iter().map(|(key, list)| {
                let list: Vec<Content> = list.iter().map(|(_, content)| content.clone()).collect();
                (key.clone(), list)
            });
            contents.collect()
        };
        if contents(&told(&sent)) != contents(&before) {
            wrong.push(format!("after the crash: {:?}", told(&sent)));
        }
        return Ok(wrong);
    }
    let mut differences = scenario.differences(&sent);
    if !differences.is_empty() {
        // Newer releases close an empty group at once, so that what comes back waits anew.
        let mut config = scenario.config()?;
        config.keep_empty_groups = Duration::ZERO;
        let newer = scenario.differences(&scenario.play(config)?.0);
        if newer.is_empty() {
            differences.clear();
        }
    }
    wrong.extend(differences);
    Ok(wrong)
}
