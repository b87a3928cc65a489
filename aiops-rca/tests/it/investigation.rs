//! One answer from everything that is known.

use aiops_core::{Fact, Stance};
use aiops_rca::investigation::{Investigation, InvestigationConfig, Report, Request};

use crate::support::{Setup, degenerate, minute, noise, shifted};

fn investigation() -> Investigation {
    Investigation::try_from(InvestigationConfig::default()).unwrap()
}

fn look(setup: &Setup, noticed: Option<&str>) -> Report {
    setup.with(|case| {
        investigation()
            .investigate(&Request {
                symptom_metric: noticed,
                ..Request::from(*case)
            })
            .unwrap()
    })
}

/// Names of the first failures.
fn causes(report: &Report) -> Vec<&str> {
    report
        .causes
        .iter()
        .map(|suspect| suspect.cause.component.as_str())
        .collect()
}

/// `web -> cart -> db`, and `batch`, which nothing calls. Callers wait for what they call.
fn shop(faulty: &str, by: f64) -> Setup {
    let slow = |name: &str, i: usize| if name == faulty && i >= 190 { by } else { 0.0 };
    let (mut web, mut cart, mut db) = (vec![], vec![], vec![]);
    for i in 0..200 {
        db.push(5.0 + noise(1, i) + slow("db", i));
        cart.push(db[i] + 10.0 + noise(2, i) + slow("cart", i));
        web.push(cart[i] + 30.0 + noise(3, i) + slow("web", i));
    }
    let batch: Vec<f64> = (0..200)
        .map(|i| 7.0 + noise(5, i) + slow("batch", i))
        .collect();
    let mut setup = Setup::default()
        .metric("web", "latency_ms", &web)
        .metric("cart", "latency_ms", &cart)
        .metric("db", "latency_ms", &db)
        .metric("db", "cpu_percent", &shifted(9, 200, 0, 30.0, 0.0))
        .metric("web", "requests", &shifted(8, 200, 0, 300.0, 0.0))
        .metric("batch", "latency_ms", &batch)
        .call("web", "cart")
        .call("cart", "db")
        .onset(190);
    setup.symptom = Some("web".into());
    setup
}

#[test]
fn three_lists_with_the_path_to_the_symptom() {
    for noticed in [None, Some("latency_ms")] {
        let report = look(&shop("db", 60.0), noticed);
        assert_eq!(causes(&report), ["db"]);
        assert_eq!(report.causes[0].path, ["db", "cart", "web"]);
        assert_eq!(report.onset, Some(minute(190)));
        assert_eq!(report.impact, ["web"]);
        let following: Vec<_> = report
            .following
            .iter()
            .map(|suspect| suspect.cause.component.as_str())
            .collect();
        assert_eq!(following, ["cart", "web"]);
        let confidence: f64 = report
            .causes
            .iter()
            .chain(&report.following)
            .map(|suspect| suspect.cause.confidence.unwrap())
            .sum();
        assert!((confidence - 1.0).abs() < 1e-9);
    }
}

#[test]
fn each_component_can_be_the_cause() {
    for name in ["web", "cart", "db"] {
        assert_eq!(causes(&look(&shop(name, 60.0), None)), [name]);
    }
}

#[test]
fn what_the_symptom_does_not_depend_on_is_no_cause() {
    let mut setup = shop("db", 60.0);
    setup.metrics[5].3 = shop("batch", 600.0).metrics[5].3.clone();
    let report = look(&setup, None);
    assert_eq!(causes(&report), ["db"]);
    let batch = report
        .following
        .iter()
        .find(|suspect| suspect.cause.component == "batch")
        .unwrap();
    let against = batch
        .cause
        .evidence
        .iter()
        .find(|evidence| evidence.stance == Stance::Against);
    assert_eq!(
        against.unwrap().to_string(),
        "against: web does not depend on it"
    );
}

#[test]
fn a_guilty_change_is_named_and_innocent_ones_are_not() {
    let setup = shop("db", 60.0)
        .change("v7", "db", minute(189))
        .change("v8", "web", minute(100))
        .change("v9", "batch", minute(189));
    let report = look(&setup, None);
    assert_eq!(report.causes[0].change.as_deref(), Some("v7"));
    let plain = look(&shop("db", 60.0).change("v9", "batch", minute(189)), None);
    assert_eq!(plain.causes[0].change, None);
    assert!(report.causes[0].cause.score > plain.causes[0].cause.score);
}

#[test]
fn a_surge_is_blamed_on_where_it_came_in() {
    let traffic =
        |factor: f64, stream: usize| shifted(stream, 200, 10, 100.0 * factor, 400.0 * factor);
    let busy = |stream: usize| shifted(stream, 200, 10, 20.0, 80.0);
    let mut setup = Setup::default()
        .metric("web", "requests", &traffic(1.0, 1))
        .metric("web", "latency_ms", &busy(4))
        .metric("db", "requests", &traffic(2.0, 2))
        .metric("db", "latency_ms", &busy(5))
        .call("web", "db")
        .onset(190);
    setup.symptom = Some("web".into());
    let report = look(&setup, None);
    assert_eq!(causes(&report), ["web"]);
    let says = |text: &str| {
        report.causes[0].cause.evidence.iter().any(
            |evidence| matches!(&evidence.fact, Fact::Note { text: said } if said.contains(text)),
        )
    };
    assert!(says("traffic rose here first"), "{report:#?}");
}

#[test]
fn nothing_found_is_an_answer() {
    let report = look(&shop("nobody", 0.0), Some("latency_ms"));
    assert!(report.causes.is_empty() && report.following.is_empty() && report.impact.is_empty());
    let report = look(&Setup::default(), None);
    assert!(report.causes.is_empty() && report.onset.is_none());
}

#[test]
fn odd_input_never_panics() {
    for (name, values) in degenerate() {
        let setup = shop("db", 60.0)
            .metric("db", "odd", &values)
            .metric("", "", &values)
            .call("db", "web");
        for onset in [None, Some(0), Some(190), Some(10_000)] {
            let mut setup = setup.clone();
            setup.onset = onset.map(minute);
            let report = look(&setup, Some("odd"));
            for suspect in report.causes.iter().chain(&report.following) {
                assert!(suspect.cause.score.is_finite(), "{name}: {suspect:?}");
                let confidence = suspect.cause.confidence.unwrap();
                assert!((0.0..=1.0).contains(&confidence), "{name}: {confidence}");
            }
        }
    }
}

#[test]
fn parameters_are_checked() {
    for (score, good) in [(1e-9, true), (0.0, false), (f64::NAN, false)] {
        let mut config = InvestigationConfig::default();
        config.min_score = score;
        assert_eq!(Investigation::try_from(config).is_ok(), good, "{score}");
    }
}

#[test]
fn reads_as_text_and_draws_as_a_graph() {
    let setup = shop("db", 60.0).change("v7", "db", minute(189));
    let report = look(&setup, None);
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        ["It began at 1970-01-01T03:10:00Z.", "First failures:"]
    );
    assert!(
        lines[2].starts_with("  db (") && lines[2].ends_with("), through cart, web"),
        "{text}"
    );
    assert!(lines[3].starts_with("    - latency_ms reached"), "{text}");
    assert!(
        text.contains("    - change v7 (deploy of db) 60 s before the onset\n"),
        "{text}"
    );
    assert!(text.contains("Failures that follow:\n  cart ("), "{text}");
    assert!(text.ends_with("Noticed at: web\n"), "{text}");

    let dot = report.to_dot(&setup.topology);
    assert!(
        dot.starts_with("digraph incident {\n") && dot.ends_with("}\n"),
        "{dot}"
    );
    assert!(
        dot.contains("  \"cart\" -> \"db\";\n  \"web\" -> \"cart\";\n"),
        "{dot}"
    );
    assert!(
        dot.lines()
            .any(|line| line.contains("\"db\" [label") && line.contains("filled")),
        "{dot}"
    );
    assert!(
        dot.lines()
            .any(|line| line.contains("\"web\" [label") && line.contains("peripheries=2"))
    );

    let nothing = look(&shop("nobody", 0.0), None);
    assert!(nothing.to_string().starts_with("No cause was found"));
    assert_eq!(nothing.to_dot(&setup.topology).matches("label").count(), 0);
}

#[test]
fn names_cannot_break_out_of_the_graph() {
    let mut setup = shop("db", 60.0);
    for metric in &mut setup.metrics {
        if metric.0 == "db" {
            metric.0 = "d\"]; evil \\".into();
        }
    }
    setup.symptom = None;
    let dot = look(&setup, None).to_dot(&setup.topology);
    assert!(dot.contains(r#""d\"]; evil \\" [label="#), "{dot}");
}

#[test]
fn requests_lead_where_they_say_something() {
    let setup = shop("db", 90.0);
    let day = crate::traces::Day::new(40, |i| (i >= 25).then_some(("cart", "the disk is full")));
    let report = setup.with(|case| {
        let request = Request {
            spans: &day.spans(),
            logs: &day.lines(),
            ..Request::from(*case)
        };
        investigation().investigate(&request).unwrap()
    });
    assert_eq!(causes(&report)[0], "cart");
    assert_eq!(report.causes[0].path, ["cart", "web"]);
    let text = report.to_string();
    assert!(text.contains("the disk is full"), "{text}");
    let shares = report.causes.iter().chain(&report.following);
    let total: f64 = shares.map(|s| s.cause.confidence.unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-9, "confidences add up to {total}");
    // What the metrics say is still there.
    let all = report.causes.iter().chain(&report.following);
    assert!(all.map(|s| &s.cause.component).any(|name| name == "db"));
}
