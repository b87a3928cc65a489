//! What was changed before the trouble.

use std::time::Duration;

use aiops_core::Stance;
use aiops_rca::change_correlation::{ChangeCorrelation, ChangeCorrelationConfig};

use crate::support::{Setup, degenerate, facts, minute, names, shifted};

fn ranker() -> ChangeCorrelation {
    ChangeCorrelation::try_from(ChangeCorrelationConfig::default()).unwrap()
}

/// `web -> cart -> db`, and `job -> db`; `web` and `cart` are in trouble.
fn shop() -> Setup {
    Setup::default()
        .metric("web", "latency", &shifted(1, 120, 10, 50.0, 90.0))
        .metric("cart", "latency", &shifted(2, 120, 10, 20.0, 36.0))
        .metric("db", "latency", &shifted(3, 120, 10, 5.0, 0.0))
        .metric("job", "latency", &shifted(4, 120, 10, 9.0, 0.0))
        .call("web", "cart")
        .call("cart", "db")
        .call("job", "db")
        .onset(110)
}

#[test]
fn the_nearer_in_time_and_calls_leads() {
    let same_time = shop()
        .change("d", "db", minute(108))
        .change("c", "cart", minute(108));
    assert_eq!(names(&same_time.rank(&ranker())), ["cart", "db"]);
    let earlier = shop()
        .change("d", "db", minute(109))
        .change("c", "cart", minute(96));
    assert_eq!(names(&earlier.rank(&ranker())), ["db", "cart"]);
}

#[test]
fn what_leads_to_no_trouble_is_not_named() {
    let innocent = shop().change("j", "job", minute(109));
    assert!(innocent.rank(&ranker()).is_empty());
    let late = shop().change("d", "cart", minute(113));
    assert!(late.rank(&ranker()).is_empty());
    let old = shop().change("d", "cart", minute(80));
    assert!(old.rank(&ranker()).is_empty());
    assert!(shop().rank(&ranker()).is_empty());
}

#[test]
fn the_score_halves_with_time() {
    let score = |at: i64| {
        let causes = shop().change("c", "web", minute(at)).rank(&ranker());
        causes[0].score
    };
    assert!((score(109) / score(104) - 2.0).abs() < 1e-9);
    assert!(score(109) < 1.0 && score(109) > 0.8);
}

#[test]
fn evidence_names_changes_and_the_way() {
    let causes = shop()
        .change("d1", "db", minute(101))
        .change("d2", "db", minute(109))
        .rank(&ranker());
    assert_eq!(names(&causes), ["db"]);
    let said = facts(&causes[0]);
    assert_eq!(said[0], "change d2 (deploy of db) 60 s before the onset");
    assert_eq!(said[1], "change d1 (deploy of db) 540 s before the onset");
    assert!(
        said[2].starts_with("trouble is on its way: db -> cart"),
        "{said:?}"
    );
    let against = causes[0]
        .evidence
        .iter()
        .find(|one| one.stance == Stance::Against);
    assert_eq!(
        against.unwrap().fact.to_string(),
        "its own metrics look normal"
    );
}

#[test]
fn a_component_without_metrics_can_be_guilty() {
    let causes = shop()
        .call("cart", "cache")
        .change("x", "cache", minute(109))
        .rank(&ranker());
    assert_eq!(names(&causes), ["cache"]);
    assert_eq!(causes[0].metric, None);
}

#[test]
fn odd_input_never_panics() {
    for (name, values) in degenerate() {
        let setup = shop()
            .metric("db", "odd", &values)
            .metric("", "", &values)
            .change("", "", minute(110))
            .change("d", "db", minute(109));
        for cause in setup.rank(&ranker()) {
            assert!(cause.score.is_finite(), "{name}: {cause:?}");
        }
    }
}

#[test]
fn parameters_are_checked() {
    let refused = |set: fn(&mut ChangeCorrelationConfig)| {
        let mut config = ChangeCorrelationConfig::default();
        set(&mut config);
        let checked = ChangeCorrelation::try_from(config);
        checked.err().map(|error| error.name())
    };
    assert_eq!(refused(|c| c.per_call = 0.0), None);
    assert_eq!(refused(|c| c.per_call = 1.1), Some("per_call"));
    assert_eq!(refused(|c| c.half_life = Duration::ZERO), Some("half_life"));
}
