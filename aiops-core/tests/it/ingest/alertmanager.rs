use std::fs;

use aiops_core::ingest::alertmanager::{Error, decode};
use aiops_core::ingest::{Limits, Report};
use aiops_core::{Alert, AlertStatus, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::support::files;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn decoded(body: &[u8]) -> Result<(Vec<Alert>, Report), Error> {
    let mut alerts = Vec::new();
    let report = decode(body, now(), &Limits::default(), &mut alerts)?;
    assert_eq!(report.samples as usize, alerts.len());
    Ok((alerts, report))
}

#[test]
fn what_prometheus_and_alertmanager_post() {
    let mut seen = 0;
    for (folder, start) in [
        (
            "alerts/captures/prometheus_to_alertmanager",
            "prometheus_to",
        ),
        (
            "alerts/captures/alertmanager_webhook",
            "alertmanager_webhook",
        ),
    ] {
        for path in files(folder, start, ".json") {
            if path.to_string_lossy().ends_with(".headers.json") {
                continue;
            }
            let body = fs::read(&path).unwrap();
            let (alerts, report) = decoded(&body).unwrap();
            assert_eq!(report.refused_series(), 0, "{}", path.display());
            let expected: Value = serde_json::from_slice(&body).unwrap();
            let list = expected
                .get("alerts")
                .unwrap_or(&expected)
                .as_array()
                .unwrap();
            assert_eq!(alerts.len(), list.len());
            assert_eq!(
                report.truncated,
                expected["truncatedAlerts"].as_u64().unwrap_or(0)
            );
            for (alert, expected) in alerts.iter().zip(list) {
                let labels = expected["labels"].as_object().unwrap();
                assert_eq!(alert.labels.len(), labels.len());
                for (name, value) in labels {
                    assert_eq!(alert.labels.get(name), value.as_str(), "{name}");
                }
                if let Some(fingerprint) = expected["fingerprint"].as_str() {
                    assert_eq!(alert.fingerprint().to_string(), fingerprint);
                }
                if let Some(status) = expected["status"].as_str() {
                    let resolved = alert.status(now()) == AlertStatus::Resolved;
                    assert_eq!(resolved, status == "resolved");
                }
                let summary = expected["annotations"]["summary"].as_str();
                assert_eq!(
                    alert.annotations.get("summary").map(String::as_str),
                    summary
                );
            }
            seen += alerts.len();
        }
    }
    assert!(seen == 0 || seen >= 15, "only {seen} alerts");
}

#[test]
fn times_that_are_missing() {
    let check = |fields: &str, starts: &str, ends: Option<&str>| {
        let body = format!(r#"[{{"labels":{{"a":"b","empty":""}}{fields}}}]"#);
        let (alerts, _) = decoded(body.as_bytes()).unwrap();
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(alerts[0].starts_at, time(starts), "{fields}");
        assert_eq!(alerts[0].ends_at, ends.map(time), "{fields}");
        assert_eq!(alerts[0].labels.len(), 1);
    };
    let noon = "2026-11-22T12:00:00Z";
    check("", noon, None);
    check(
        r#","endsAt":"0001-01-01T00:00:00Z","startsAt":null"#,
        noon,
        None,
    );
    check(
        r#","endsAt":"2026-11-22T11:00:00+01:00""#,
        "2026-11-22T10:00:00Z",
        Some("2026-11-22T10:00:00Z"),
    );
    check(
        r#","endsAt":"2026-11-22T13:00:00Z""#,
        noon,
        Some("2026-11-22T13:00:00Z"),
    );
    check(r#","status":"resolved""#, noon, Some(noon));
    check(
        r#","startsAt":"2026-11-22T11:00:00Z","status":"firing""#,
        "2026-11-22T11:00:00Z",
        None,
    );
}

#[test]
fn faults_of_an_alert_refuse_the_alert() {
    for (reason, bad) in [
        ("shape", "1"),
        ("shape", r#"{"labels":[]}"#),
        ("shape", r#"{"labels":{"a":"b"},"status":1}"#),
        ("no-labels", "{}"),
        ("no-labels", r#"{"labels":{"a":""}}"#),
        ("label", r#"{"labels":{"a":1}}"#),
        ("empty-label-name", r#"{"labels":{"":"b"}}"#),
        ("duplicate-label", r#"{"labels":{"a":"b","a":"c"}}"#),
        (
            "annotation",
            r#"{"labels":{"a":"b"},"annotations":{"a":null}}"#,
        ),
        ("time", r#"{"labels":{"a":"b"},"startsAt":"yesterday"}"#),
    ] {
        let body = format!(r#"{{"version":"4","alerts":[{{"labels":{{"a":"b"}}}},{bad}]}}"#);
        let (alerts, report) = decoded(body.as_bytes()).unwrap();
        assert_eq!(
            (alerts.len(), report.refused[reason].count),
            (1, 1),
            "{bad}"
        );
        assert!(report.first_refusal().unwrap().starts_with("alert 1: "));
    }
    for bad in ["", "{}", "1", "[", r#"{"alerts":{}}"#, "\u{0}"] {
        assert_eq!(decoded(bad.as_bytes()), Err(Error::Json), "{bad}");
    }
    assert_eq!(decoded(b"[]").unwrap().0, []);
    assert_eq!(decoded(b"\xff").unwrap_err().reason(), "json");
}

#[test]
fn limits_hold_on_both_sides() {
    let check = |set: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        let body = br#"[{"labels":{"a":"b","c":"d"}}]"#;
        let result = decode(body, now(), &limits, &mut Vec::new());
        result
            .map(|report| report.samples)
            .map_err(|error| error.reason())
    };
    assert_eq!(check(&|l| l.max_body_bytes = 30), Ok(1));
    assert_eq!(check(&|l| l.max_body_bytes = 29), Err("too-large"));
    assert_eq!(check(&|l| l.max_labels = 2), Ok(1));
    assert_eq!(check(&|l| l.max_labels = 1), Ok(0));
    assert_eq!(check(&|l| l.max_label_bytes = 4), Ok(1));
    assert_eq!(check(&|l| l.max_label_bytes = 3), Ok(0));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[\\[\\]{}\":,a0]{0,40}") {
        let _ = decoded(&bytes);
        let _ = decoded(text.as_bytes());
    }
}
