//! Alertmanager's API, version 2.

use aiops_alert::api::{Answer, Call, Change, Request, Server};
use aiops_alert::engine::{AlertEngine, EngineConfig, InhibitRule};
use aiops_core::ingest::Limits;
use serde_json::{Value, json};

use crate::mute::selector;
use crate::support::at;

struct Peer {
    engine: AlertEngine,
    now: f64,
}

impl Peer {
    fn new() -> Self {
        let mut config = EngineConfig::default();
        config.receiver = "team".into();
        config.group_by = vec!["alertname".into()];
        config.inhibit = vec![InhibitRule::new(
            selector(r#"{severity="critical"}"#),
            selector(r#"{severity="warning"}"#),
            vec!["host".into()],
        )];
        Self {
            engine: AlertEngine::try_from(config).unwrap(),
            now: 0.0,
        }
    }

    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = &format!("/api/v2/{path}");
        let request = Request {
            method,
            path,
            query,
            body,
        };
        let now = at(self.now);
        match Call::read(&request, now, &Limits::default()) {
            Ok(Call::Question(question)) => {
                let mut server = Server::default();
                server.config = "route: {}".into();
                question.answer(now, &self.engine, &server)
            }
            Ok(Call::Change(change)) => {
                let stored = serde_json::to_string(&change).unwrap();
                let read: Change = serde_json::from_str(&stored).unwrap();
                assert_eq!(read, change, "a stored change is another one");
                change.apply(now, &mut self.engine)
            }
            Err(answer) => answer,
        }
    }

    #[track_caller]
    fn get(&mut self, target: &str) -> Value {
        let answer = self.ask("GET", target, b"");
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    #[track_caller]
    fn post(&mut self, target: &str, body: &Value) -> Value {
        let answer = self.ask("POST", target, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    #[track_caller]
    fn refused(&mut self, status: u16, method: &str, target: &str, body: &[u8], words: &str) {
        let answer = self.ask(method, target, body);
        assert_eq!(answer.status, status, "{}", answer.body);
        let text: String = serde_json::from_str(&answer.body).unwrap();
        assert!(text.contains(words), "{text}");
        assert!(text.len() < 500, "{} bytes", text.len());
    }

    /// `alertname` of the alerts that a question finds.
    fn names(&mut self, target: &str) -> Vec<String> {
        let found = self.get(target);
        let names = found.as_array().unwrap().iter();
        let mut names: Vec<String> = names
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

fn silence(name: &str, value: &str, from: f64, until: f64) -> Value {
    json!({
        "matchers": [{"name": name, "value": value, "isRegex": false}],
        "startsAt": at(from).to_string(), "endsAt": at(until).to_string(),
        "createdBy": "me", "comment": "works",
    })
}

fn three(peer: &mut Peer) {
    let alerts = json!([
        {"labels": {"alertname": "Down", "host": "a", "severity": "critical"},
         "annotations": {"summary": "x"}, "generatorURL": "http://g"},
        {"labels": {"alertname": "Slow", "host": "a", "severity": "warning"}},
        {"labels": {"alertname": "Full", "host": "b", "severity": "warning"}},
    ]);
    peer.post("alerts", &alerts);
}

#[test]
fn alerts_are_found_by_what_holds_them_back() {
    let mut peer = Peer::new();
    three(&mut peer);
    let id = peer.post("silences", &silence("alertname", "Full", 0.0, 90.0))["silenceID"].clone();
    assert_eq!(peer.names("alerts"), ["Down", "Full", "Slow"]);
    assert_eq!(peer.names("alerts?silenced=false"), ["Down", "Slow"]);
    assert_eq!(peer.names("alerts?inhibited=false"), ["Down", "Full"]);
    assert_eq!(peer.names("alerts?active=false"), ["Full", "Slow"]);
    assert_eq!(peer.names("alerts?receiver=te.m"), ["Down", "Full", "Slow"]);
    assert_eq!(peer.names("alerts?receiver=te"), [""; 0]);
    for filter in [
        "host%3D%22a%22",
        "host=a",
        "host=~%22a%7Cx%22",
        "severity!=%22%22&filter=host%21~b",
    ] {
        assert_eq!(
            peer.names(&format!("alerts?filter={filter}")),
            ["Down", "Slow"],
            "{filter}"
        );
    }
    let all = peer.get("alerts");
    let by_name = |name: &str| {
        let mut all = all.as_array().unwrap().iter();
        all.find(|one| one["labels"]["alertname"] == name)
            .unwrap()
            .clone()
    };
    let (down, full, slow) = (by_name("Down"), by_name("Full"), by_name("Slow"));
    let free = json!({"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []});
    assert_eq!(down["status"], free);
    assert_eq!(down["annotations"], json!({"summary": "x"}));
    assert_eq!(down["generatorURL"], "http://g");
    assert_eq!(down["receivers"], json!([{"name": "team"}]));
    assert_eq!(down["startsAt"], at(0.0).to_string());
    assert_eq!(down["endsAt"], at(300.0).to_string()); // resolve_timeout
    assert_eq!(full["status"]["silencedBy"], json!([id]));
    assert_eq!(slow["status"]["inhibitedBy"], json!([down["fingerprint"]]));
    assert_eq!(slow["status"]["state"], "suppressed");
    peer.now = 301.0;
    assert_eq!(peer.names("alerts"), [""; 0]);
}

#[test]
fn groups_hold_their_alerts() {
    let mut peer = Peer::new();
    three(&mut peer);
    let groups = peer.get("alerts/groups");
    let labels: Vec<&Value> = groups
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["labels"])
        .collect();
    let named = |name: &str| json!({"alertname": name});
    assert_eq!(labels, [&named("Down"), &named("Full"), &named("Slow")]);
    assert_eq!(groups[0]["receiver"], json!({"name": "team"}));
    assert_eq!(groups[0]["alerts"][0]["labels"]["host"], "a");
    assert_eq!(
        peer.get("alerts/groups?muted=false")
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        peer.get("alerts/groups?filter=host=b")
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_silence_lives() {
    let mut peer = Peer::new();
    peer.now = 10.0;
    let mut first = silence("alertname", "Full", 10.0, 90.0);
    first["matchers"] = json!([
        {"name": "alertname", "value": "Fu.*", "isRegex": true},
        {"name": "host", "value": "x", "isRegex": false, "isEqual": false},
    ]);
    let id = peer.post("silences", &first)["silenceID"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(id, "00000000-0000-0000-0000-000000000001");
    let shown = peer.get(&format!("silence/{id}"));
    assert_eq!(shown["status"]["state"], "active");
    assert_eq!(
        shown["matchers"][0],
        json!({"name": "alertname", "value": "Fu.*", "isRegex": true, "isEqual": true})
    );
    assert_eq!(shown["matchers"][1]["isEqual"], false);
    assert_eq!(
        (&shown["createdBy"], &shown["comment"]),
        (&"me".into(), &"works".into())
    );
    assert_eq!(peer.get("silence/SIL-1"), shown);

    // Sent back with another end, as pages do: the old one ends.
    let mut changed = shown.clone();
    changed["endsAt"] = at(200.0).to_string().into();
    let later = peer.post("silences", &changed)["silenceID"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(later, id);
    let ids = |peer: &mut Peer, query: &str| -> Vec<String> {
        let found = peer.get(&format!("silences{query}"));
        let found = found.as_array().unwrap().iter();
        found
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let pending = peer.post("silences", &silence("host", "b", 50.0, 60.0))["silenceID"].clone();
    let pending = pending.as_str().unwrap().to_owned();
    assert_eq!(ids(&mut peer, ""), [&*later, &*pending, &*id]);
    assert_eq!(ids(&mut peer, "?expired=false&active=false"), [&*pending]);
    assert_eq!(ids(&mut peer, "?filter=host=b"), [&*pending]);

    assert_eq!(
        peer.ask("DELETE", &format!("silence/{later}"), b"").status,
        200
    );
    peer.refused(
        400,
        "DELETE",
        &format!("silence/{later}"),
        b"",
        "over already",
    );
    assert_eq!(
        peer.get(&format!("silence/{later}"))["status"]["state"],
        "expired"
    );
    let other = "6bcfeaa6-4d2b-4d39-8a4c-5a1d3f5b1b11";
    peer.refused(
        404,
        "DELETE",
        &format!("silence/{other}"),
        b"",
        "no such silence",
    );
    peer.refused(
        404,
        "GET",
        &format!("silence/{other}"),
        b"",
        "no such silence",
    );
}

#[test]
fn status_and_receivers_are_told() {
    let mut peer = Peer::new();
    let status = peer.get("status");
    assert_eq!(status["config"]["original"], "route: {}");
    assert_eq!(status["cluster"]["status"], "disabled");
    assert_eq!(peer.get("receivers"), json!([{"name": "team"}]));
}

#[test]
fn what_is_wrong_is_said() {
    let mut peer = Peer::new();
    let mixed = br#"[{"labels":{"alertname":"Good"}},{"labels":{}},
        {"labels":{"alertname":"B"},"startsAt":"2020-01-02T00:00:00Z","endsAt":"2020-01-01T00:00:00Z"}]"#;
    peer.refused(400, "POST", "alerts", mixed, "alert 1");
    assert_eq!(peer.names("alerts"), ["Good"]);
    peer.refused(400, "POST", "alerts", b"\xff", "JSON");
    peer.refused(400, "POST", "alerts", &vec![b'['; 1_000_000], "JSON");
    let ends = br#"[{"labels":{"a":"b"},"startsAt":"2020-01-02T00:00:00Z","endsAt":"2020-01-01T00:00:00Z"}]"#;
    peer.refused(400, "POST", "alerts", ends, "ends before it begins");

    let good = silence("a", "b", 0.0, 90.0);
    let wrong = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body.to_string().into_bytes()
    };
    let matcher = |name: &str, value: &str, regex: bool| json!([{"name": name, "value": value, "isRegex": regex}]);
    for (body, words) in [
        (
            wrong("matchers", json!([])),
            "does not match a missing label",
        ),
        (
            wrong("matchers", matcher("a", ".*", true)),
            "does not match a missing label",
        ),
        (wrong("matchers", matcher("a", "(", true)), "matchers"),
        (
            wrong("matchers", matcher("a", "(a{1000}){1000}", true)),
            "matchers",
        ),
        (
            wrong("matchers", matcher("", "b", false)),
            "expected a name",
        ),
        (wrong("startsAt", "yesterday".into()), "startsAt"),
        (wrong("endsAt", at(-1.0).to_string().into()), "past"),
        (
            wrong("startsAt", at(95.0).to_string().into()),
            "over before it begins",
        ),
        (wrong("id", "x".repeat(10_000).into()), "is no ID"),
        (wrong("comment", 3.into()), "expected a silence"),
        (wrong("comment", "x".repeat(300_000).into()), "at most"),
        (b"{".to_vec(), "expected a silence"),
    ] {
        peer.refused(400, "POST", "silences", &body, words);
    }
    let unknown = wrong("id", "6bcfeaa6-4d2b-4d39-8a4c-5a1d3f5b1b11".into());
    peer.refused(404, "POST", "silences", &unknown, "no such silence");
    assert_eq!(peer.get("silences"), json!([]));

    for (target, words) in [
        ("alerts?filter=a", "expected ="),
        ("alerts?filter=%22", "filter"),
        ("alerts?filter=a=~(", "filter"),
        ("alerts?filter=a%3D%22b%22,c%3D%22d%22", "filter"),
        ("alerts?filter=%zz", "hexadecimal"),
        ("alerts?filter=%f", "hexadecimal"),
        ("alerts?filter=%ff", "UTF-8"),
        ("alerts?active=perhaps", "true or false"),
        ("alerts?receiver=(", "("),
        ("receivers?receiver_matchers=a=b", "no labels"),
        ("silence/x", "is no ID"),
    ] {
        peer.refused(400, "GET", target, b"", words);
    }
    let many = format!("alerts?{}", "filter=a=b&".repeat(1_000));
    peer.refused(400, "GET", &many, b"", "parameters");
    peer.refused(404, "GET", "nothing", b"", "no path");
    peer.refused(405, "PUT", "alerts", b"", "not allowed");
}

#[test]
fn the_same_changes_give_the_same_engine() {
    let play = || {
        let mut peer = Peer::new();
        three(&mut peer);
        peer.now = 1.0;
        peer.post("silences", &silence("host", "a", 1.0, 90.0));
        aiops_core::stored::save(&peer.engine)
    };
    assert_eq!(play(), play());
}
