//! Deviation along the call graph.

use aiops_core::{Fact, Stance};
use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};

use crate::support::{Setup, degenerate, facts, minute, names, shifted};

fn ranker() -> GraphDeviation {
    GraphDeviation::try_from(GraphDeviationConfig::default()).unwrap()
}

/// `web -> cart -> db`, `web -> ads`; `ads` is well.
fn shop(web: f64, cart: f64, db: f64) -> Setup {
    Setup::default()
        .metric("web", "latency", &shifted(1, 120, 10, 50.0, web))
        .metric("cart", "latency", &shifted(2, 120, 10, 20.0, cart))
        .metric("db", "latency", &shifted(3, 120, 10, 5.0, db))
        .metric("ads", "latency", &shifted(4, 120, 10, 9.0, 0.0))
        .call("web", "cart")
        .call("cart", "db")
        .call("web", "ads")
        .onset(110)
}

#[track_caller]
fn check(setup: &Setup, expected: &[&str]) {
    let causes = setup.rank(&ranker());
    assert_eq!(names(&causes), expected, "{causes:#?}");
}

#[test]
fn the_deepest_dependency_in_trouble_leads() {
    check(&shop(90.0, 30.0, 6.0), &["db", "cart", "web"]);
    check(&shop(90.0, 30.0, 0.0), &["cart", "web"]);
    check(&shop(90.0, 0.0, 0.0), &["web"]);
    check(&shop(0.0, 0.0, 0.0), &[]);
}

#[test]
fn a_faint_dependency_explains_little() {
    // 17 spreads in the database cannot explain 18,000 at the cart.
    let setup = shop(90.0, 18_000.0, 4.2);
    assert_eq!(names(&setup.rank(&ranker()))[0], "cart");
}

#[test]
fn unmeasured_components_are_looked_through() {
    let setup = Setup::default()
        .metric("web", "latency", &shifted(1, 120, 10, 50.0, 90.0))
        .metric("db", "latency", &shifted(3, 120, 10, 5.0, 6.0))
        .call("web", "proxy")
        .call("proxy", "mesh")
        .call("mesh", "proxy")
        .call("mesh", "db")
        .call("db", "nowhere")
        .call("db", "db")
        .onset(110);
    check(&setup, &["db", "web"]);
}

#[test]
fn cycles_are_led_by_who_strayed_furthest() {
    let setup = shop(90.0, 30.0, 0.0).call("cart", "web");
    check(&setup, &["web", "cart"]);
}

#[test]
fn evidence_for_and_against() {
    let causes = shop(90.0, 30.0, 6.0)
        .change("v2", "db", minute(109))
        .rank(&ranker());
    let db = facts(&causes[0]);
    assert!(db[0].starts_with("latency reached"), "{db:?}");
    assert_eq!(db[1], "change v2 (deploy of db) 60 s before the onset");
    assert_eq!(db[2], "also in trouble and dependent on it: cart");
    let cart = &causes[1].evidence;
    let against: Vec<_> = cart
        .iter()
        .filter(|fact| fact.stance == Stance::Against)
        .collect();
    assert_eq!(against.len(), 1);
    assert_eq!(
        against[0].fact,
        Fact::DependsOnAnomalous {
            components: vec!["db".into()]
        }
    );
    assert_eq!(
        against[0].to_string(),
        "against: it depends on db, in trouble too"
    );
}

#[test]
fn normal_dependencies_speak_for_a_cause() {
    let causes = shop(90.0, 30.0, 0.0).rank(&ranker());
    assert!(
        causes[0]
            .evidence
            .iter()
            .any(|evidence| evidence.fact == Fact::DependenciesNormal)
    );
}

#[test]
fn a_change_decides_between_equals() {
    let setup = Setup::default()
        .metric("a", "m", &shifted(1, 120, 10, 50.0, 40.0))
        .metric("b", "m", &shifted(1, 120, 10, 50.0, 40.0))
        .onset(110);
    check(&setup, &["a", "b"]);
    check(&setup.change("v2", "b", minute(109)), &["b", "a"]);
}

#[test]
fn a_busy_processor_among_many_quiet_metrics() {
    let mut setup = Setup::default()
        .metric(
            "h/cpu",
            "host_cpu_busy_percent",
            &shifted(1, 300, 30, 12.0, 80.0),
        )
        .metric("h/load", "host_load1", &shifted(2, 300, 28, 0.4, 2.0))
        .call("h/load", "h/cpu");
    for index in 0..200 {
        let level = 10.0_f64.powi(index % 9);
        let values = shifted(10 + index as usize, 300, 0, level, 0.0);
        setup = setup.metric(
            &format!("h/part{}", index % 5),
            &format!("m{index}"),
            &values,
        );
    }
    for late in [270, 272, 268] {
        let causes = setup.clone().onset(late).rank(&ranker());
        assert_eq!(names(&causes)[0], "h/cpu");
        assert!(facts(&causes[0])[0].starts_with("host_cpu_busy_percent reached"));
    }
}

#[test]
fn odd_input_never_panics() {
    for (name, values) in degenerate() {
        let setup = shop(90.0, 30.0, 6.0)
            .metric("db", "odd", &values)
            .metric("", "", &values);
        for cause in setup.rank(&ranker()) {
            assert!(cause.score.is_finite(), "{name}: {cause:?}");
        }
    }
}

#[test]
fn parameters_are_checked() {
    for share in [0.0, 1.0] {
        let mut config = GraphDeviationConfig::default();
        (config.explained, config.credit, config.change) = (share, share, share);
        assert!(GraphDeviation::try_from(config).is_ok());
    }
    for share in [-1e-9, 1.0 + 1e-9, f64::NAN] {
        let refused = |set: fn(&mut GraphDeviationConfig, f64)| {
            let mut config = GraphDeviationConfig::default();
            set(&mut config, share);
            GraphDeviation::try_from(config).unwrap_err().name()
        };
        assert_eq!(refused(|c, s| c.explained = s), "explained");
        assert_eq!(refused(|c, s| c.credit = s), "credit");
        assert_eq!(refused(|c, s| c.change = s), "change");
    }
}
