//! AC@k, Avg@k, chance and F1.

use aiops_rca::metrics::{SetScore, ac_at, avg_at, chance_ac_at};
use proptest::prelude::*;

#[track_caller]
fn check(ranked: &[&str], truth: &[&str], k: usize, expected: f64) {
    let got = ac_at(ranked, truth, k);
    assert!(
        (got - expected).abs() < 1e-12,
        "AC@{k} of {ranked:?} for {truth:?} is {got}"
    );
}

#[test]
fn counts_what_can_be_found() {
    check(&["a", "b", "c"], &["a"], 1, 1.0);
    check(&["a", "b", "c"], &["c"], 2, 0.0);
    check(&["a", "b", "c"], &["c"], 3, 1.0);
    check(&["a", "b", "c"], &["c", "a"], 1, 1.0); // one place, one found
    check(&["a", "b", "c"], &["c", "a"], 2, 0.5);
    check(&["a", "a", "a", "b"], &["b"], 2, 1.0); // duplicates go before the cut
    check(&["a", "b"], &["b", "b"], 2, 1.0);
    check(&[], &["a"], 5, 0.0);
    check(&["a"], &[], 5, 0.0);
    check(&["a"], &["a"], 0, 0.0);
}

#[test]
fn averages_over_k() {
    // AC@1..5 = 0, 0, 1, 1, 1.
    assert!((avg_at(&["x", "y", "a"], &["a"], 5) - 0.6).abs() < 1e-12);
    assert_eq!(avg_at(&["a"], &["a"], 0), 0.0);
}

#[test]
fn chance_is_what_random_orders_have() {
    let cases = [
        (20, 1, 1, 0.05),
        (20, 1, 5, 0.25),
        (4, 1, 5, 1.0),
        (10, 3, 2, 0.3),
        (0, 1, 1, 0.0),
    ];
    for (candidates, truths, k, expected) in cases {
        let got = chance_ac_at(candidates, truths, k);
        assert!(
            (got - expected).abs() < 1e-12,
            "{candidates} {truths} {k}: {got}"
        );
    }
    // Over all 24 orders of four names the mean is exactly that.
    let names = ["a", "b", "c", "d"];
    let mut total = 0.0;
    for first in 0..4 {
        for second in (0..4).filter(|second| *second != first) {
            total += ac_at(&[names[first], names[second]], &["a", "b", "c"], 2) / 12.0;
        }
    }
    assert!((total - chance_ac_at(4, 3, 2)).abs() < 1e-12);
}

#[test]
fn sets_are_compared_exactly() {
    let score = SetScore::of(["a", "b", "b"], ["b", "c", "d"]);
    assert_eq!(
        score,
        SetScore {
            right: 1,
            wrong: 1,
            missed: 2
        }
    );
    assert_eq!(score.f1(), 0.4);
    assert_eq!(SetScore::default().f1(), 0.0);
}

proptest! {
    #[test]
    fn stays_between_0_and_1_and_grows_to_the_end(
        ranked in proptest::collection::vec("[a-e]", 0..8),
        truth in proptest::collection::vec("[a-e]", 1..4),
    ) {
        for k in 0..10 {
            let ac = ac_at(&ranked, &truth, k);
            prop_assert!((0.0..=1.0).contains(&ac));
        }
        let everything = ["a", "b", "c", "d", "e"];
        prop_assert_eq!(ac_at(&everything, &truth, 5), 1.0);
    }
}
