//! Requests for the usual receivers.

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, Notification};
use aiops_alert::payload::{Message, Request, Secret, opsgenie, pagerduty, slack, teams, webhook};
use aiops_core::{Alert, Cause, Evidence, Fact};
use serde_json::Value;
use std::path::Path;

use crate::support::{at, labels};

/// What is sent at the beginning and at the end of an incident with `count` alerts.
fn sent(count: usize) -> (AlertEngine, Notification, Notification) {
    let mut config = EngineConfig::default();
    config.group_by = vec!["alertname".into()];
    let mut engine = AlertEngine::try_from(config).unwrap();
    for number in 0..count {
        let severity = if number == 1 { "critical" } else { "warning" };
        let labels = labels(&format!(
            "alertname=A,instance=<{number}>,severity={severity}"
        ));
        let mut alert = Alert::new(labels, at(0.0)).annotate("summary", "a & b");
        alert.ends_at = Some(at(100.0));
        engine.receive(at(0.0), alert);
    }
    let first = engine.tick(at(30.0)).remove(0);
    engine.report_delivery(at(30.0), &first.key, Delivery::Delivered);
    let last = engine.tick(at(330.0)).remove(0);
    (engine, first, last)
}

fn body(request: &Request) -> Value {
    assert_eq!(request.method, "POST");
    serde_json::from_str(request.body.expose()).unwrap()
}

#[test]
fn secrets_never_print() {
    let (engine, first, _) = sent(2);
    let message = Message::new(&first, engine.incident(first.incident), "");
    let secret = Secret::new("https://hooks.example/T0PSECRET");
    for request in [
        webhook(&message, &secret, Some(&Secret::new("T0PSECRET"))),
        pagerduty(&message, &Secret::new("T0PSECRET")),
        opsgenie(
            &message,
            "https://api.opsgenie.com/",
            &Secret::new("T0PSECRET"),
        ),
        slack(&message, &secret),
        teams(&message, &secret),
    ] {
        let shown = format!("{request:?} {secret:?}");
        assert!(!shown.contains("T0PSECRET"), "{shown}");
        assert!(shown.contains("idempotency-key"), "{shown}");
    }
}

#[test]
fn beginning_and_end_have_the_same_key_at_the_receiver() {
    let (engine, first, last) = sent(2);
    let incident = engine.incident(first.incident);
    let key = Secret::new("k");
    let begin = body(&pagerduty(
        &Message::new(&first, incident, "http://here"),
        &key,
    ));
    let end = body(&pagerduty(&Message::new(&last, incident, ""), &key));
    assert_eq!(
        (&begin["event_action"], &end["event_action"]),
        (&"trigger".into(), &"resolve".into())
    );
    assert_eq!(begin["dedup_key"], end["dedup_key"]);
    assert_eq!(begin["payload"]["severity"], "critical");
    assert_eq!(begin["client_url"], "http://here");
    assert_eq!(begin["routing_key"], "k");

    let base = "https://api.opsgenie.com/";
    let request = opsgenie(&Message::new(&first, incident, ""), base, &key);
    let begin = body(&request);
    assert_eq!(request.url.expose(), "https://api.opsgenie.com/v2/alerts");
    assert_eq!(
        (&begin["priority"], &begin["details"]["alertname"]),
        (&"P1".into(), &"A".into())
    );
    let end = opsgenie(&Message::new(&last, incident, ""), base, &key);
    let alias = begin["alias"].as_str().unwrap();
    assert!(
        end.url
            .expose()
            .ends_with(&format!("/{alias}/close?identifierType=alias"))
    );
}

#[test]
fn texts_are_escaped_and_cut() {
    let (engine, first, _) = sent(200);
    let message = Message::new(&first, engine.incident(first.incident), "");
    let slack = body(&slack(&message, &Secret::new("u")));
    let blocks = slack["attachments"][0]["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["type"], "header");
    assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
    let text = blocks[1]["text"]["text"].as_str().unwrap();
    assert!(
        text.chars().count() <= 3_000 && text.contains("&lt;0&gt;") && text.contains("a &amp; b"),
        "{text}"
    );
    let pager = body(&pagerduty(&message, &Secret::new("k")));
    let alerts = pager["payload"]["custom_details"]["alerts"]
        .as_str()
        .unwrap();
    assert_eq!(alerts.lines().count(), 21);
    assert!(alerts.ends_with("and 180 more"));
    let card = body(&teams(&message, &Secret::new("u")));
    let content = &card["attachments"][0]["content"];
    assert_eq!(content["type"], "AdaptiveCard");
    let last = &content["body"].as_array().unwrap().last().unwrap()["inlines"][0];
    assert_eq!(last["text"], "and 180 more");
}

/// Compares with a file that was looked at; one that is not there is written for that.
fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/payload");
    let path = path.join(name);
    if !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        panic!("{} is new: look at it", path.display());
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(expected.trim_end(), text.trim_end(), "{}", path.display());
}

/// With a cause, and an incident's summary.
fn explained(count: usize) -> (AlertEngine, Notification, Notification) {
    let (mut engine, first, last) = sent(count);
    let causes = vec![Cause {
        component: "db <primary>".into(),
        metric: None,
        score: 1.0,
        confidence: Some(0.9),
        evidence: vec![Evidence::supporting(Fact::Note {
            text: "latency grew tenfold".into(),
        })],
    }];
    assert!(engine.set_causes(first.incident, causes));
    (engine, first, last)
}

#[test]
fn each_receiver_gets_exactly_this() {
    let (engine, first, last) = explained(2);
    let incident = engine.incident(first.incident);
    for (when, notification) in [("firing", &first), ("resolved", &last)] {
        let message = Message::new(notification, incident, "https://here/?a=1&b=2");
        let url = Secret::new("https://hooks.example/x");
        for (name, request) in [
            ("webhook", webhook(&message, &url, None)),
            ("pagerduty", pagerduty(&message, &Secret::new("R"))),
            (
                "opsgenie",
                opsgenie(&message, "https://api", &Secret::new("K")),
            ),
            ("slack", slack(&message, &url)),
            ("teams", teams(&message, &url)),
        ] {
            let shown = serde_json::to_string_pretty(&body(&request)).unwrap();
            let text = format!("POST {}\n{shown}\n", request.url.expose());
            check(&format!("{name}-{when}.txt"), &text);
        }
    }
}

/// What a program that wants to do harm could put into its alerts.
fn hostile() -> (AlertEngine, Notification) {
    let mut engine = AlertEngine::try_from(EngineConfig::default()).unwrap();
    for number in 0..30 {
        let labels = labels("alertname=A")
            .with("n", &number.to_string())
            .with("long", &"&\u{1}\u{1F525}".repeat(100_000));
        let text = "<&>\r\n--boundary\nBcc: x@y\n".repeat(50_000);
        engine.receive(
            at(0.0),
            Alert::new(labels, at(0.0)).annotate("summary", text),
        );
    }
    let notification = engine.tick(at(30.0)).remove(0);
    (engine, notification)
}

#[test]
fn no_alert_makes_a_message_that_its_receiver_refuses() {
    let (mut engine, notification) = hostile();
    let cause = Cause {
        component: "<&\u{1}>".repeat(10_000),
        metric: None,
        score: 1.0,
        confidence: None,
        evidence: Vec::new(),
    };
    engine.set_causes(notification.incident, vec![cause; 3]);
    let message = Message::new(&notification, engine.incident(notification.incident), "");
    let secret = Secret::new("u");
    let chars = |value: &Value| value.as_str().unwrap().chars().count();

    let pager = pagerduty(&message, &secret);
    assert!(pager.body.expose().len() < 512 * 1024);
    let pager = body(&pager);
    assert!(chars(&pager["payload"]["summary"]) <= 1_024);
    assert!(chars(&pager["dedup_key"]) <= 255);
    assert!(chars(&pager["payload"]["source"]) >= 1);

    let genie = body(&opsgenie(&message, "https://api", &secret));
    assert!(chars(&genie["message"]) <= 130 && chars(&genie["alias"]) <= 512);
    assert!(chars(&genie["description"]) <= 15_000);
    let details = genie["details"].as_object().unwrap().iter();
    let details = details.map(|(name, value)| name.chars().count() + chars(value));
    assert!(details.sum::<usize>() <= 8_000);

    let slack = body(&slack(&message, &secret));
    let blocks = slack["attachments"][0]["blocks"].as_array().unwrap();
    assert!(chars(&blocks[0]["text"]["text"]) <= 150);
    assert_eq!(blocks.len(), 3);
    for block in &blocks[1..] {
        let text = block["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= 3_000, "{}", text.len());
        for escape in text.split('&').skip(1) {
            let whole = ["amp;", "lt;", "gt;"]
                .iter()
                .any(|one| escape.starts_with(one));
            assert!(whole, "{escape}");
        }
    }
    assert!(blocks[2].to_string().contains("more"));

    assert!(teams(&message, &secret).body.expose().len() <= 28 * 1024);
}

#[test]
fn details_that_are_left_out_are_counted() {
    let mut config = EngineConfig::default();
    config.group_by = vec!["...".into()];
    let mut engine = AlertEngine::try_from(config).unwrap();
    let mut many = labels("alertname=A");
    for number in 0..1_000 {
        many = many.with(&format!("label_{number:04}"), &"x".repeat(2_000));
    }
    engine.receive(at(0.0), Alert::new(many, at(0.0)));
    let notification = engine.tick(at(30.0)).remove(0);
    let message = Message::new(&notification, None, "");
    let genie = body(&opsgenie(&message, "https://api", &Secret::new("k")));
    let details = genie["details"].as_object().unwrap();
    assert!(details["label_0000"].as_str().unwrap().ends_with('…'));
    assert_eq!(
        details["…"],
        format!("and {} more", 1_001 - (details.len() - 1))
    );
}

#[cfg(feature = "serde")]
#[test]
fn a_template_gives_json_whatever_is_put_in() {
    use aiops_alert::payload::{JsonTemplate, json};
    let (engine, first, last) = sent(2);
    let template: JsonTemplate = r#"{"t": ["{{ $labels._summary }}", 3, 1.5, null, true],
        "s": "{{ $labels._status | toUpper }} {{ $labels._severity }}", "n": {"of": "{{ $value }}"},
        "a": "{{ $labels._alerts }}", "name": "{{ $labels.alertname }}", "id": "{{ $labels._id }}"}"#
        .parse()
        .unwrap();
    let (url, token) = (Secret::new("u"), Secret::new("T0PSECRET"));
    let incident = engine.incident(first.incident);
    let request = json(
        &Message::new(&first, incident, ""),
        &url,
        Some(&token),
        &template,
    );
    assert!(!format!("{request:?}").contains("T0PSECRET"));
    let begin = body(&request);
    assert_eq!(
        (&begin["s"], &begin["n"]["of"]),
        (&"FIRING critical".into(), &"2".into())
    );
    assert_eq!(
        begin["t"].as_array().unwrap()[1..],
        [3.into(), 1.5.into(), Value::Null, true.into()]
    );
    assert_eq!(begin["name"], "A");
    let alerts = begin["a"].as_str().unwrap();
    assert!(
        alerts.contains('"') && alerts.lines().count() == 2,
        "{alerts}"
    );
    let end = body(&json(
        &Message::new(&last, incident, ""),
        &url,
        None,
        &template,
    ));
    assert_eq!(
        (&end["s"], &end["id"]),
        (&"RESOLVED critical".into(), &begin["id"])
    );
    let bad = "{\n\"a\": }".parse::<JsonTemplate>().unwrap_err();
    assert!(bad.to_string().starts_with("line 2: no JSON"), "{bad}");
    let bad = r#"["{{ nosuch }}"]"#.parse::<JsonTemplate>().unwrap_err();
    assert!(bad.to_string().contains("nosuch"), "{bad}");
}
