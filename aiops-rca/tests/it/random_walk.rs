//! A walk from the symptom.

use aiops_rca::random_walk::{RandomWalk, RandomWalkConfig};

use crate::support::{Setup, degenerate, facts, minute, names, shifted};

fn ranker() -> RandomWalk {
    RandomWalk::try_from(RandomWalkConfig::default()).unwrap()
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

#[test]
fn ends_at_the_deepest_that_strayed() {
    let causes = shop(90.0, 60.0, 40.0).rank(&ranker());
    assert_eq!(names(&causes)[0], "db", "{causes:#?}");
    let total: f64 = causes.iter().map(|cause| cause.score).sum();
    assert!(total > 0.5 && total <= 1.0 + 1e-9, "{total}");
    let causes = shop(90.0, 60.0, 0.0).rank(&ranker());
    assert_eq!(names(&causes)[0], "cart");
    assert!(!names(&causes).contains(&"db"));
    assert!(shop(0.0, 0.0, 0.0).rank(&ranker()).is_empty());
}

#[test]
fn unmeasured_components_and_cycles_are_walked_through() {
    let setup = Setup::default()
        .metric("web", "latency", &shifted(1, 120, 10, 50.0, 90.0))
        .metric("db", "latency", &shifted(3, 120, 10, 5.0, 40.0))
        .call("web", "proxy")
        .call("proxy", "mesh")
        .call("mesh", "proxy")
        .call("mesh", "db")
        .call("db", "db")
        .onset(110);
    assert_eq!(names(&setup.rank(&ranker())), ["db", "web"]);
    let causes = setup.call("db", "web").rank(&ranker());
    assert_eq!(causes.len(), 2);
}

#[test]
fn equals_without_a_graph_are_in_order_of_name() {
    let values = shifted(1, 120, 10, 50.0, 40.0);
    let setup = Setup::default()
        .metric("b", "m", &values)
        .metric("a", "m", &values)
        .onset(110);
    let causes = setup.rank(&ranker());
    assert_eq!(names(&causes), ["a", "b"]);
    assert_eq!(causes[0].score, causes[1].score);
    assert!((causes[0].score - 0.5).abs() < 1e-9);
}

#[test]
fn changes_are_evidence() {
    let causes = shop(90.0, 60.0, 40.0)
        .change("v2", "db", minute(109))
        .rank(&ranker());
    let db = facts(&causes[0]);
    assert_eq!(db[1], "change v2 (deploy of db) 60 s before the onset");
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
    for (backward, restart, refused) in [
        (0.0, 0.01, None),
        (1.0, 1.0, None),
        (-0.1, 0.1, Some("backward")),
        (f64::NAN, 0.1, Some("backward")),
        (0.5, 0.009, Some("restart")),
        (0.5, 1.1, Some("restart")),
    ] {
        let mut config = RandomWalkConfig::default();
        (config.backward, config.restart) = (backward, restart);
        let checked = RandomWalk::try_from(config);
        assert_eq!(checked.err().map(|error| error.name()), refused);
    }
}
