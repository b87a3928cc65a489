//! The payload, against what Alertmanager sends.

use aiops_alert::engine::{AlertEngine, EngineConfig, Notification};
use aiops_alert::webhook;
use aiops_core::{Band, Cause, Evidence, Fact, IncidentId};
use serde_json::Value;

use crate::support::{alert, at, labels};

fn notified() -> (AlertEngine, Notification) {
    let mut config = EngineConfig::default();
    config.group_by = vec!["alertname".into()];
    config.receiver = "hook".into();
    let mut engine = AlertEngine::try_from(config).unwrap();
    let one = alert("Down/a\"b", 0.0, None).annotate("summary", "línea\n\u{1}");
    engine.receive(at(0.0), one.annotate("job", "x"));
    engine.receive(at(0.0), alert("Down/c", 0.0, None).annotate("job", "x"));
    let notification = engine.tick(at(30.0)).remove(0);
    (engine, notification)
}

#[test]
fn has_every_field_of_version_4() {
    let (_, notification) = notified();
    let text = webhook::payload(&notification, None, "http://here").to_string();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["receiver"], "hook");
    assert_eq!(body["status"], "firing");
    assert_eq!(body["version"], "4");
    assert_eq!(body["groupKey"], "{}:{alertname=\"Down\"}");
    assert_eq!(body["groupLabels"]["alertname"], "Down");
    assert_eq!(
        body["commonLabels"],
        serde_json::json!({"alertname": "Down"})
    );
    assert_eq!(body["commonAnnotations"], serde_json::json!({"job": "x"}));
    assert_eq!(body["externalURL"], "http://here");
    assert_eq!(body["truncatedAlerts"], 0);
    let first = &body["alerts"][0];
    assert_eq!(first["labels"]["instance"], "a\"b");
    assert_eq!(first["annotations"]["summary"], "línea\n\u{1}");
    assert_eq!(first["startsAt"], at(0.0).to_string());
    assert_eq!(first["endsAt"], "0001-01-01T00:00:00Z");
    let identity = labels("alertname=Down,instance=a\"b").fingerprint();
    assert_eq!(first["fingerprint"], identity.to_string());
    assert!(body.get("incident").is_none());
}

#[test]
fn names_the_causes_with_their_evidence() {
    let (mut engine, notification) = notified();
    let deviation = Fact::Deviation {
        metric: "host_cpu_busy_percent".into(),
        value: 97.0,
        band: Band {
            lower: 2.0,
            center: 10.0,
            upper: 30.0,
        },
        score: 12.0,
        since: at(1.0),
    };
    let cause = Cause {
        component: "web-1/cpu".into(),
        metric: None,
        score: f64::INFINITY,
        confidence: Some(f64::NAN),
        evidence: vec![
            Evidence::opposing(Fact::DependenciesNormal),
            Evidence::supporting(deviation),
        ],
    };
    assert!(engine.set_causes(notification.incident, vec![cause.clone()]));
    assert!(!engine.set_causes(IncidentId(99), vec![cause]));
    let incident = engine.incident(notification.incident);
    let text = webhook::payload(&notification, incident, "").to_string();
    let body: Value = serde_json::from_str(&text).unwrap();
    let line = body["commonAnnotations"]["cause"].as_str().unwrap();
    assert!(
        line.starts_with("web-1/cpu: host_cpu_busy_percent reached 97"),
        "{line}"
    );
    assert_eq!(body["incident"]["id"], "INC-1");
    assert_eq!(body["incident"]["causes"][0]["score"], f64::MAX);
    assert_eq!(body["incident"]["causes"][0]["confidence"], Value::Null);
    let evidence = body["incident"]["causes"][0]["evidence"]
        .as_array()
        .unwrap();
    assert!(evidence[0].as_str().unwrap().starts_with("against: "));
    assert!(
        body["incident"]["summary"]
            .as_str()
            .unwrap()
            .contains("likely cause: web-1/cpu")
    );
}
