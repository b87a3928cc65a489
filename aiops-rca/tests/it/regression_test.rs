//! Regression hypothesis test over the graph.

use aiops_rca::regression_test::{RegressionTest, RegressionTestConfig};

use crate::support::{Setup, degenerate, facts, names, noise};

fn ranker() -> RegressionTest {
    RegressionTest::try_from(RegressionTestConfig::default()).unwrap()
}

/// `web = 3 * cart + 2 * ads`, `cart = 2 * db`, each with noise of its own; the last ten of 200
/// samples of `faulty` are 8 spreads higher.
fn chain(faulty: &str) -> Setup {
    let own = |stream: usize, name: &str, i: usize| {
        noise(stream, i)
            + if name == faulty && i >= 190 {
                8.0 * 0.29
            } else {
                0.0
            }
    };
    let (mut web, mut cart, mut db, mut ads) = (vec![], vec![], vec![], vec![]);
    for i in 0..200 {
        db.push(20.0 + own(1, "db", i));
        ads.push(10.0 + own(2, "ads", i));
        cart.push(2.0 * db[i] + own(3, "cart", i));
        web.push(3.0 * cart[i] + 2.0 * ads[i] + own(4, "web", i));
    }
    Setup::default()
        .metric("web", "value", &web)
        .metric("cart", "value", &cart)
        .metric("db", "value", &db)
        .metric("ads", "value", &ads)
        .call("web", "cart")
        .call("web", "ads")
        .call("cart", "db")
        .onset(190)
}

#[track_caller]
fn check(faulty: &str) {
    let mut config = RegressionTestConfig::default();
    config.deviation.relative_min_scale = 0.0;
    let ranker = RegressionTest::try_from(config).unwrap();
    let causes = chain(faulty).rank(&ranker);
    assert_eq!(names(&causes), [faulty], "{causes:#?}");
    // The metric strayed in the front end at least as far, but is explained there.
    assert!(facts(&causes[0])[0].starts_with("value reached"));
}

#[test]
fn only_where_it_happened_is_unexplained() {
    check("db");
    check("cart");
    check("ads");
}

#[test]
fn several_causes_are_found_together() {
    let mut setup = chain("ads");
    let both = chain("db");
    setup.metrics[2] = both.metrics[2].clone();
    setup.metrics[1] = both.metrics[1].clone();
    let web: Vec<f64> = (0..200)
        .map(|i| {
            let value = |metric: usize| setup.metrics[metric].3.view().values()[i];
            3.0 * value(1) + 2.0 * value(3) + noise(4, i)
        })
        .collect();
    setup.metrics[0].3 = crate::support::series(&web);
    let mut config = RegressionTestConfig::default();
    config.deviation.relative_min_scale = 0.0;
    let ranker = RegressionTest::try_from(config).unwrap();
    let causes = setup.rank(&ranker);
    let mut found = names(&causes);
    found.sort_unstable();
    assert_eq!(found, ["ads", "db"]);
}

#[test]
fn nothing_is_found_in_normal_samples() {
    assert!(chain("nobody").rank(&ranker()).is_empty());
    assert!(Setup::default().rank(&ranker()).is_empty());
}

#[test]
fn cycles_and_odd_input_do_no_harm() {
    for (name, values) in degenerate() {
        let setup = chain("db")
            .metric("db", "odd", &values)
            .call("db", "web")
            .call("odd", "odd");
        for cause in setup.rank(&ranker()) {
            assert!(cause.score.is_finite(), "{name}: {cause:?}");
        }
    }
}

#[test]
fn parameters_are_checked() {
    for (significant, good) in [
        (1e-9, true),
        (0.0, false),
        (f64::NAN, false),
        (f64::INFINITY, false),
    ] {
        let mut config = RegressionTestConfig::default();
        config.significant = significant;
        assert_eq!(
            RegressionTest::try_from(config).is_ok(),
            good,
            "{significant}"
        );
    }
}
