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

/// 40 services in a tree of calls with a way back and long names; the deepest one is slow, and with it
/// all above it.
fn forty() -> Setup {
    let name = |at: usize| format!("checkout-region-{}/service-{at:02}-of-the-shop", at % 3);
    let mut setup = Setup::default();
    let chain: Vec<usize> = std::iter::successors(Some(39_usize), |at| {
        at.checked_sub(1).map(|before| before / 3)
    })
    .collect();
    for at in 0..40 {
        let by = if chain.contains(&at) { 30.0 } else { 8.0 };
        setup = setup.metric(&name(at), "latency_ms", &shifted(at, 120, 10, 20.0, by));
        if at > 0 {
            setup = setup.call(&name((at - 1) / 3), &name(at));
        }
    }
    setup = setup
        .call(&name(39), &name(0))
        .call(&name(7), &name(38))
        .call(&name(5), &name(5));
    setup.symptom = Some(name(0));
    setup.onset(110)
}

#[test]
fn a_picture_of_what_is_blamed() {
    let setup = forty();
    let report = look(&setup, None);
    let svg = report.to_svg(&setup.topology);
    if let Some(path) = std::env::var_os("AIOPS_WRITE_SVG") {
        std::fs::write(path, &svg).unwrap();
    }
    assert_eq!(svg.matches("<g><title>").count(), 40, "{svg}");
    // 39 calls of the tree, two more, no self call.
    assert_eq!(svg.matches("marker-end").count(), 41);
    assert!(svg.contains("<title>checkout-region-0/service-39-of-the-shop</title>"));
    assert!(svg.contains(">checkout-region-0/service-</text>"));
    assert!(svg.contains(">39-of-the-shop</text>"));
    assert!(
        svg.contains("stroke-width=\"3\""),
        "the way to the symptom is thick"
    );
    assert_eq!(svg.matches("#f4b6b0").count(), report.causes.len());
    // The order of the metrics changes nothing.
    let mut turned = setup.clone();
    turned.metrics.reverse();
    assert_eq!(look(&turned, None).to_svg(&setup.topology), svg);
    let nothing = look(&shop("nobody", 0.0), None).to_svg(&setup.topology);
    assert!(nothing.contains("No cause was found.") && !nothing.contains("<g>"));
}

#[test]
fn names_cannot_break_out_of_the_picture() {
    let mut setup = shop("db", 60.0);
    for metric in &mut setup.metrics {
        if metric.0 == "db" {
            metric.0 = "<script>\u{1}&\"".into();
        }
    }
    setup.symptom = None;
    for metric in &mut setup.metrics {
        if metric.0 == "cart" {
            metric.0 = format!("begin{}end", "-".repeat(60));
        }
    }
    let svg = look(&setup, None).to_svg(&setup.topology);
    let first = format!(">begin{}\u{2026}</text>", "-".repeat(20));
    assert!(svg.contains(&first), "{svg}");
    assert!(
        svg.contains("<title>&lt;script&gt; &amp;&quot;</title>"),
        "{svg}"
    );
    assert!(!svg.contains("<script"));
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
