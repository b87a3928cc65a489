//! Alertmanager's API, version 2, without the network: what its clients ask, and the answers.
//!
//! *Alertmanager API v2* (`api/v2/openapi.yaml`), prometheus.io. `amtool`, Prometheus and pages for
//! Alertmanager can so talk to a program around this crate. A request becomes a [`Call`]: a question
//! is answered from the engine; a [`Change`] can be stored before it is applied, and gives the same
//! engine when it is applied again after a crash.
//!
//! ```
//! use aiops_alert::api::{Call, Request, Server};
//! use aiops_alert::engine::{AlertEngine, EngineConfig};
//! use aiops_core::Timestamp;
//! use aiops_core::ingest::Limits;
//!
//! let mut engine = AlertEngine::try_from(EngineConfig::default())?;
//! let (now, limits) = (Timestamp::EPOCH, Limits::default());
//! let mut ask = |method, path, query, body: &str| {
//!     let request = Request { method, path, query, body: body.as_bytes() };
//!     match Call::read(&request, now, &limits) {
//!         Ok(Call::Question(question)) => question.answer(now, &engine, &Server::default()),
//!         Ok(Call::Change(change)) => change.apply(now, &mut engine),
//!         Err(refused) => refused,
//!     }
//! };
//! let alerts = r#"[{"labels": {"alertname": "Down", "host": "db-1"}}]"#;
//! assert_eq!(ask("POST", "/api/v2/alerts", "", alerts).status, 200);
//! let found = ask("GET", "/api/v2/alerts", "filter=host%3D%22db-1%22", "");
//! assert!(found.body.contains("Down"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Paths
//!
//! | path | |
//! |---|---|
//! | `GET /api/v2/status`, `/receivers` | |
//! | `GET /api/v2/alerts`, `/alerts/groups` | with `filter`, `receiver`, `active`, `silenced`, `inhibited` |
//! | `POST /api/v2/alerts` | those that are good are taken; 400 names the first that is not |
//! | `GET /api/v2/silences` | with `filter`, `active`, `pending`, `expired` |
//! | `POST /api/v2/silences` | with an `id`: that one ends, and the new one has a number of its own |
//! | `GET`, `DELETE /api/v2/silence/ID` | as UUID or as `SIL-1` |
//!
//! # What is different
//!
//! Numbers of silences are UUIDs that count up. `updatedAt` is the beginning of an alert or silence, or the
//! end of one that is over. `mutedBy` is empty: time intervals hold back notifications of groups, not
//! alerts. `receiver_matchers` are refused, since receivers have no labels, and annotations of silences are
//! passed over.

mod answer;
mod query;
mod silence;

use aiops_core::ingest::{Limits, alertmanager};
use aiops_core::{Alert, Timestamp};
use serde::{Deserialize, Serialize};

use self::query::Parameters;
use crate::engine::{AlertEngine, Silence, SilenceId};
use crate::json::{Json, object};

pub use answer::{Question, Server};

/// A request as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// Such as `/api/v2/alerts`.
    pub path: &'a str,
    /// What follows the question mark, as it came.
    pub query: &'a str,
    /// As it came, without content encoding.
    pub body: &'a [u8],
}

/// What is to be answered. The body is JSON, or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// HTTP's number for it.
    pub status: u16,
    /// JSON, or nothing.
    pub body: String,
}

impl Answer {
    fn ok(body: &Json) -> Self {
        Self {
            status: 200,
            body: body.to_string(),
        }
    }

    /// Everything that is wrong is said as a JSON text, as Alertmanager does.
    fn refuse(status: u16, what: impl AsRef<str>) -> Self {
        Self {
            status,
            body: Json::text(what).to_string(),
        }
    }

    fn bad(what: impl AsRef<str>) -> Self {
        Self::refuse(400, what)
    }
}

/// A request that was understood.
#[derive(Clone, Debug)]
pub enum Call {
    /// It only asks.
    Question(Question),
    /// It changes something.
    Change(Change),
}

/// What changes an engine. Applied to equal engines at equal times, the results are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Change {
    /// Alerts come in.
    Alerts {
        /// Those that are good.
        alerts: Vec<Alert>,
        /// What is wrong with the first of the others.
        refused: Option<String>,
    },
    /// A silence begins.
    Silence {
        /// The one that ends for it.
        replaces: Option<SilenceId>,
        /// The new one.
        silence: Silence,
    },
    /// A silence ends.
    Expire(SilenceId),
}

impl Call {
    /// Understands a request that came in at `now`.
    ///
    /// # Errors
    ///
    /// The answer that says what is wrong: 400, 404 for a path that there is not, 405 for another
    /// method.
    pub fn read(request: &Request<'_>, now: Timestamp, limits: &Limits) -> Result<Self, Answer> {
        let path = request.path.strip_prefix("/api/v2/");
        let path = path.ok_or_else(|| unknown(request.path))?;
        let parameters = Parameters::read(request.query).map_err(Answer::bad)?;
        let question =
            |question: Result<Question, String>| question.map(Self::Question).map_err(Answer::bad);
        match (request.method, path) {
            ("GET", "status") => Ok(Self::Question(Question::status())),
            ("GET", "receivers") => question(Question::receivers(&parameters)),
            ("GET", "alerts") => question(Question::alerts(&parameters)),
            ("GET", "alerts/groups") => question(Question::groups(&parameters)),
            ("GET", "silences") => question(Question::silences(&parameters)),
            ("POST", "alerts") => alerts(request.body, now, limits).map(Self::Change),
            ("POST", "silences") => {
                let change = silence::read(request.body, now).map_err(Answer::bad)?;
                Ok(Self::Change(change))
            }
            (method @ ("GET" | "DELETE"), path) if path.starts_with("silence/") => {
                let text = &path["silence/".len()..];
                let id = silence::parse_id(text)
                    .ok_or_else(|| Answer::bad(format!("`{}` is no ID", short(text))))?;
                Ok(match method {
                    "GET" => Self::Question(Question::silence(id)),
                    _ => Self::Change(Change::Expire(id)),
                })
            }
            (_, "status" | "receivers" | "alerts" | "alerts/groups" | "silences") => {
                Err(Answer::refuse(405, "the method is not allowed here"))
            }
            _ => Err(unknown(request.path)),
        }
    }
}

fn unknown(path: &str) -> Answer {
    Answer::refuse(404, format!("there is no path `{}`", short(path)))
}

/// The first characters, for messages.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

fn alerts(body: &[u8], now: Timestamp, limits: &Limits) -> Result<Change, Answer> {
    let mut alerts = Vec::new();
    let report = alertmanager::decode(body, now, limits, &mut alerts)
        .map_err(|error| Answer::bad(error.to_string()))?;
    let mut refused = report.first_refusal().map(str::to_owned);
    alerts.retain(|alert| {
        let ends_first = alert.ends_at.is_some_and(|end| end < alert.starts_at);
        if ends_first && refused.is_none() {
            refused = Some(format!("{} ends before it begins", alert.labels));
        }
        !ends_first
    });
    Ok(Change::Alerts { alerts, refused })
}

impl Change {
    /// Whether nothing would change, so that there is nothing to store.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Alerts { alerts, .. } if alerts.is_empty())
    }

    /// Changes the engine at `now`.
    pub fn apply(self, now: Timestamp, engine: &mut AlertEngine) -> Answer {
        match self {
            Self::Alerts { alerts, refused } => {
                for alert in alerts {
                    engine.receive(now, alert);
                }
                match refused {
                    None => Answer {
                        status: 200,
                        body: String::new(),
                    },
                    Some(what) => Answer::bad(format!("{what}; the good ones were taken")),
                }
            }
            Self::Silence { replaces, silence } => {
                if let Some(id) = replaces
                    && !engine.silences().any(|(known, _)| known == id)
                {
                    return Answer::refuse(404, "there is no such silence");
                }
                match engine.add_silence(now, silence) {
                    Ok(id) => {
                        if let Some(old) = replaces {
                            engine.expire_silence(now, old); // false: it was over already
                        }
                        Answer::ok(&object([("silenceID", Json::text(silence::write_id(id)))]))
                    }
                    Err(error) => Answer::bad(error.to_string()),
                }
            }
            Self::Expire(id) => {
                if engine.expire_silence(now, id) {
                    return Answer {
                        status: 200,
                        body: String::new(),
                    };
                }
                if engine.silences().any(|(known, _)| known == id) {
                    Answer::bad("the silence is over already")
                } else {
                    Answer::refuse(404, "there is no such silence")
                }
            }
        }
    }
}
