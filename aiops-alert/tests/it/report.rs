//! Explanations, differences, availability, reports.

use std::time::Duration;

use aiops_alert::availability::{Outage, reliability};
use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, Silence, Step};
use aiops_alert::replay::{Event, Replay, compare};
use aiops_alert::report::{Entry, IncidentReport};
use aiops_core::{Alert, Cause, Evidence, Fact, Incident, IncidentId, TimeRange, Timestamp};

use crate::engine::quick;
use crate::mute::selector;
use crate::support::{alert, at, labels};

#[test]
fn every_step_of_an_alert_is_explained() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    let name = labels("alertname=A,instance=a");
    let lines = |engine: &AlertEngine, name| -> Vec<String> {
        engine
            .explain(name)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(engine.explain(&name), [Step::Unknown]);
    engine.receive(at(0.0), alert("A/a", 0.0, Some(600.0)));
    let steps = lines(&engine, &name);
    assert!(steps[0].starts_with("firing: from"), "{steps:?}");
    assert_eq!(steps[1], "belongs to INC-1");
    assert!(steps[2].contains("{}:{alertname=\"A\"}"), "{steps:?}");
    assert!(steps[3].contains("waits until"), "{steps:?}");

    let sent = engine.tick(at(1.0)).remove(0);
    assert!(lines(&engine, &name)[3].contains("being told (First, attempt 1)"));
    engine.report_delivery(at(1.0), &sent.key, Delivery::Delivered);
    assert!(lines(&engine, &name)[3].contains("was told at"));

    engine.receive(at(1.5), alert("A/b", 1.5, Some(600.0)));
    let late = labels("alertname=A,instance=b");
    assert!(lines(&engine, &late)[3].contains("its incident was notified at"));

    let silence = Silence::new(selector(r#"{instance="b"}"#), at(2.0), at(90.0));
    engine.add_silence(at(2.0), silence).unwrap();
    assert_eq!(lines(&engine, &late)[2], "not told: silenced by SIL-1");
}

#[test]
fn another_configuration_is_compared_over_the_same_history() {
    let play = |config: EngineConfig| {
        let engine = AlertEngine::try_from(config).unwrap();
        let mut replay = Replay::new(engine, |_, _| Delivery::Delivered);
        for (time, name, ends) in [
            (0.0, "A/a", 60.0),
            (2.5, "A/b", 60.0),
            (100.0, "B/x", 110.0),
            (130.0, "B/x", 140.0),
        ] {
            let event = Event::Alert(alert(name, time, Some(ends)));
            replay.event(at(time), event).unwrap();
        }
        replay.finish(at(300.0));
        replay.into_sent()
    };
    let mut talkative = quick();
    talkative.notify_changes = true;
    let mut patient = quick();
    patient.resolve_after = Duration::from_mins(1);
    let (before, after) = (play(talkative.clone()), play(patient));
    let difference = compare(&before, &after);
    // The message about the second alert, and an end and a beginning of B, are spared.
    assert_eq!(difference.spared.len(), 3, "{difference}");
    assert_eq!(
        (difference.added.len(), difference.same),
        (0, before.len() - 3)
    );
    assert!(compare(&before, &play(talkative)).spared.is_empty());
}

fn outage(began: f64, resolved: Option<f64>) -> Outage {
    Outage {
        service: "shop".into(),
        began_at: at(began),
        detected_at: Some(at(began + 10.0)),
        acknowledged_at: None,
        resolved_at: resolved.map(at),
    }
}

#[test]
fn availability_counts_time_once() {
    let period = TimeRange::new(at(0.0), at(1_000.0));
    let outages = [
        outage(-50.0, Some(50.0)), // half of it inside
        outage(100.0, Some(200.0)),
        outage(150.0, Some(250.0)), // overlaps
        outage(950.0, None),        // lasts
        outage(2_000.0, Some(2_100.0)),
        outage(300.0, Some(290.0)), // cannot be
    ];
    let figures = &reliability(&outages, period, 0.5).unwrap()["shop"];
    assert_eq!(figures.outages, 4);
    assert_eq!(figures.downtime, Duration::from_secs(250));
    assert_eq!(figures.availability, 0.75);
    assert_eq!(figures.mtbf, Some(Duration::from_secs(250)));
    assert_eq!(figures.mttd, Some(Duration::from_secs(10)));
    assert_eq!(
        (figures.mtta, figures.mttr),
        (None, Some(Duration::from_secs(100)))
    );
    assert_eq!(figures.budget_used, 0.5);
    let perfect = &reliability(&outages, period, 1.0).unwrap()["shop"];
    assert_eq!(perfect.budget_used, f64::INFINITY);
    assert!(reliability(&outages, period, 1.1).is_err());
    assert!(reliability(&outages, period, f64::NAN).is_err());
    assert!(reliability(&outages, TimeRange::new(at(0.0), at(0.0)), 0.5).is_err());
    assert!(reliability(&[], period, 0.5).unwrap().is_empty());
}

#[test]
fn a_report_answers_the_six_questions_and_escapes() {
    let mut engine = AlertEngine::try_from(quick()).unwrap();
    let one = alert("A/<b>", 0.0, Some(90.0)).annotate("summary", "disk *full*");
    engine.receive(at(0.0), one);
    engine.tick(at(1.0));
    let id = engine.incidents().next().unwrap().id;
    engine.set_causes(
        id,
        vec![Cause {
            component: "db".into(),
            metric: None,
            score: 1.0,
            confidence: Some(0.9),
            evidence: vec![Evidence::supporting(Fact::Note {
                text: "grew".into(),
            })],
        }],
    );
    engine.tick(at(100.0));
    let mut report = IncidentReport::new(engine.incident(id).unwrap(), at(100.0));
    report.owners = vec![("db".into(), "storage team".into())];
    report.actions = vec![Entry {
        at: at(60.0),
        what: "enlarged".into(),
        helped: Some(true),
    }];
    let text = report.markdown();
    for words in [
        "# INC-1",
        "## What",
        "disk \\*full\\*",
        "## Where",
        "alertname A",
        "## When",
        "after 1 min 30 s",
        "## Who",
        "db: storage team",
        "## Why",
        "probability 0.90",
        "  - grew",
        "## How",
        "enlarged (helped)",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let page = report.html();
    assert!(
        page.contains("&lt;b&gt;") && !page.contains("<b>"),
        "{page}"
    );
    assert!(page.contains("<svg") && page.contains("</svg>"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["id"], "INC-1");
    assert_eq!(json["who"][0], "db: storage team");
}

/// `count` alerts, one a minute, of which every fourth goes on, and as many actions.
fn busy(count: usize) -> (Incident, Vec<Entry>) {
    let start = |number: usize| at(60.0 * number as f64);
    let alerts = (0..count).map(|number| {
        let name = labels("alertname=<A>,env=prod")
            .with("number", &number.to_string())
            .with("long", &"&\"x'".repeat(50));
        let mut one = Alert::new(name, start(number));
        one.ends_at = (number % 4 != 0).then(|| start(number + 5));
        one
    });
    let actions = (0..count).map(|number| Entry {
        at: start(number),
        what: format!("<step> {number}"),
        helped: None,
    });
    let incident = Incident {
        id: IncidentId(7),
        group: labels("env=prod"),
        opened_at: start(0),
        resolved_at: None,
        summary: "busy".into(),
        alerts: alerts.collect(),
        causes: Vec::new(),
    };
    (incident, actions.collect())
}

#[test]
fn a_report_of_many_alerts_says_what_it_leaves_out() {
    let (incident, actions) = busy(300);
    let mut report = IncidentReport::new(&incident, at(20_000.0));
    report.actions = actions;
    let drawn = report.timeline();
    assert_eq!(drawn.matches("<rect").count(), 40);
    assert!(drawn.contains("and 260 more"), "alerts");
    assert_eq!(drawn.matches("<path class=\"done\"").count(), 20);
    assert!(drawn.contains("and 280 more"), "actions");
    // Each bar that goes on has an arrow.
    assert_eq!(drawn.matches("<path class=\"critical\"").count(), 10);
    assert!(drawn.contains("prefers-color-scheme:dark"));
    for page in [report.html(), drawn] {
        assert!(!page.contains("<A>") && !page.contains("<step>"));
        let open = page.matches("<g>").count() + page.matches("<text").count();
        let closed = page.matches("</g>").count() + page.matches("</text>").count();
        assert_eq!(open, closed);
    }
    assert!(report.markdown().contains("and 100 more"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["alerts"].as_array().unwrap().len(), 201);
}

#[test]
fn the_timeline_holds_for_any_times() {
    for (from, until) in [
        (0.0, 0.0),
        (0.0, 0.5),
        (0.0, 4e8),
        (100.0, -100.0),
        (-9e9, 7e9),
    ] {
        let (mut incident, mut actions) = busy(3);
        incident.opened_at = at(from);
        incident.alerts[0].starts_at = at(from);
        actions[0].at = at(until);
        let mut report = IncidentReport::new(&incident, at(until));
        report.actions = actions;
        let drawn = report.timeline();
        assert!(drawn.len() < 20_000 && !drawn.contains("NaN"), "{drawn}");
        let marks = drawn.matches("class=\"grid\"").count();
        assert!(marks <= 10, "{marks} marks for {from} to {until}");
    }
    let (mut incident, _) = busy(1);
    incident.alerts.clear();
    let report = IncidentReport::new(&incident, Timestamp::MAX);
    assert!(report.timeline().contains("</svg>") && report.html().contains("Not known"));
}

/// Worked out by hand: 200 of 1,000 seconds are down, three failures begin.
#[test]
fn an_outage_at_the_edge_of_the_period_counts_inside_only() {
    let period = TimeRange::new(at(0.0), at(1_000.0));
    let outages = [
        outage(0.0, Some(100.0)),       // begins with the period
        outage(900.0, Some(1_000.0)),   // ends with it
        outage(1_000.0, Some(1_100.0)), // begins after it
        outage(-100.0, Some(0.0)),      // is over before it
        outage(400.0, Some(400.0)),     // took no time
    ];
    let figures = &reliability(&outages, period, 0.9).unwrap()["shop"];
    assert_eq!(figures.outages, 3);
    assert_eq!(figures.downtime, Duration::from_secs(200));
    assert_eq!(figures.availability, 0.8);
    assert_eq!(figures.mtbf, Some(Duration::from_secs(800) / 3));
    assert_eq!(figures.mttr, Some(Duration::from_secs(200) / 3));
    assert!((figures.budget_used - 2.0).abs() < 1e-9);

    // One that lasts since before the period: always down, and no failure began.
    let lasts = &reliability(&[outage(-5.0, None)], period, 0.9).unwrap()["shop"];
    assert_eq!(
        (lasts.availability, lasts.mtbf, lasts.mttr),
        (0.0, None, None)
    );
    assert_eq!(lasts.downtime, Duration::from_secs(1_000));
    // One outage inside another: the time of the longer one.
    let both = [outage(100.0, Some(400.0)), outage(200.0, Some(300.0))];
    let inside = &reliability(&both, period, 0.9).unwrap()["shop"];
    assert_eq!(inside.downtime, Duration::from_mins(5));
    assert_eq!(inside.mttr, Some(Duration::from_secs(200)));
}
