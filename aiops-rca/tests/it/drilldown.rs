//! Which combination of attributes changed?

use aiops_rca::drilldown::{
    Adtributor, AdtributorConfig, Element, Finding, Leaf, LeafTable, LikelihoodSearch,
    LikelihoodSearchConfig, MAX_ATTRIBUTES, RecursiveAdtributor, RecursiveAdtributorConfig, Ripple,
    RiskLoc, RiskLocConfig, Squeeze, SqueezeConfig, TableError,
};
use proptest::prelude::*;

use crate::support::noise;

const SIZES: [usize; 3] = [6, 5, 4];

fn search(table: &LeafTable) -> Vec<Finding> {
    let search = LikelihoodSearch::try_from(LikelihoodSearchConfig::default()).unwrap();
    search.search(table).unwrap()
}

/// A table of three attributes `a0..`, `b0..`, `c0..`; `leaf` says what is there.
fn table(mut leaf: impl FnMut(usize, [usize; 3]) -> Leaf) -> LeafTable {
    let mut table = LeafTable::new(["a", "b", "c"]).unwrap();
    let mut row = 0;
    for a in 0..SIZES[0] {
        for b in 0..SIZES[1] {
            for c in 0..SIZES[2] {
                let values = [format!("a{a}"), format!("b{b}"), format!("c{c}")];
                let values = [values[0].as_str(), values[1].as_str(), values[2].as_str()];
                table.push(&values, leaf(row, [a, b, c])).unwrap();
                row += 1;
            }
        }
    }
    table
}

fn under(element: &str, place: [usize; 3]) -> bool {
    element.split(' ').all(|part| {
        let (attribute, value) = part.split_at(1);
        let value: usize = value.parse().unwrap();
        place["abc".find(attribute).unwrap()] == value
    })
}

/// Sums around 100 to 1000 with 5 % noise; `factors` multiply what lies under an element.
fn sums(factors: &[(&str, f64)]) -> LeafTable {
    table(|row, place| {
        let expected = 100.0 + 900.0 * (noise(1, row) + 0.5);
        let factor: f64 = factors
            .iter()
            .filter(|(element, _)| under(element, place))
            .map(|(_, factor)| factor)
            .product();
        Leaf::Sum {
            actual: expected * factor * (1.0 + 0.1 * noise(2, row)),
            expected,
        }
    })
}

/// Two percent of about 500 events are bad; `extra` of the good ones fail under an element.
fn ratios(element: &str, extra: f64) -> LeafTable {
    table(|row, place| {
        let all = (200.0 + 600.0 * (noise(1, row) + 0.5)).round();
        let rate = if under(element, place) {
            0.02 + 0.98 * extra
        } else {
            0.02
        };
        let bad = (all * rate * (1.0 + 0.4 * noise(2, row))).round().min(all);
        Leaf::Ratio {
            bad,
            all,
            normal_bad: (0.2 * all).round(),
            normal_all: 10.0 * all,
        }
    })
}

fn recursive(table: &LeafTable) -> Vec<Finding> {
    let method = RecursiveAdtributor::try_from(RecursiveAdtributorConfig::default()).unwrap();
    method.explain(table).unwrap()
}

fn squeeze(table: &LeafTable) -> Vec<Finding> {
    let method = Squeeze::try_from(SqueezeConfig::default()).unwrap();
    method.search(table).unwrap()
}

fn risk_loc(table: &LeafTable) -> Vec<Finding> {
    let method = RiskLoc::try_from(RiskLocConfig::default()).unwrap();
    method.search(table).unwrap()
}

#[track_caller]
fn check(table: &LeafTable, expected: &[&str]) {
    check_with(search, table, expected);
}

#[track_caller]
fn check_with(method: fn(&LeafTable) -> Vec<Finding>, table: &LeafTable, expected: &[&str]) {
    let mut found: Vec<String> = method(table)
        .iter()
        .map(|finding| {
            let values: Vec<&str> = finding.element.0.values().map(String::as_str).collect();
            values.join(" ")
        })
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn finds_the_exact_combination_of_a_sum() {
    check(&sums(&[("a1", 0.5)]), &["a1"]);
    check(&sums(&[("a1 c2", 0.4)]), &["a1 c2"]);
    check(&sums(&[("a1 b3 c2", 0.2)]), &["a1 b3 c2"]);
    check(&sums(&[("b2", 1.8)]), &["b2"]); // a rise
    check(&sums(&[("a1 c2", 0.0)]), &["a1 c2"]); // all of it lost
}

#[test]
fn finds_several_at_once() {
    check(
        &sums(&[("a1 c2", 0.4), ("b3 c0", 0.7)]),
        &["a1 c2", "b3 c0"],
    );
    check(&sums(&[("a0", 0.6), ("a5 b4", 1.9)]), &["a0", "a5 b4"]);
}

#[test]
fn finds_the_exact_combination_of_a_ratio() {
    check(&ratios("a1", 0.2), &["a1"]);
    check(&ratios("a1 c2", 0.1), &["a1 c2"]);
    check(&ratios("b4 c3", 0.9), &["b4 c3"]);
}

#[test]
fn nothing_is_found_in_noise() {
    check(&sums(&[]), &[]);
    check(&ratios("a1", 0.0), &[]);
    let nothing = table(|_, _| Leaf::Sum {
        actual: 0.0,
        expected: 0.0,
    });
    check(&nothing, &[]);
    let equal = table(|_, _| Leaf::Sum {
        actual: 7.0,
        expected: 7.0,
    });
    check(&equal, &[]);
}

#[test]
fn says_by_how_much() {
    let finding = &search(&sums(&[("a1 c2", 0.4)]))[0];
    assert!((finding.change + 0.6).abs() < 0.03, "{}", finding.change);
    assert!(
        finding.share > 0.8 && finding.leaves == SIZES[1],
        "{finding:?}"
    );
    assert!(
        finding.to_string().starts_with("a=a1 and c=c2: -"),
        "{finding}"
    );
    let finding = &search(&ratios("a1", 0.2))[0];
    assert!((finding.change - 0.2).abs() < 0.03, "{}", finding.change);
}

#[test]
fn adtributor_finds_single_attributes() {
    let adtributor = Adtributor::try_from(AdtributorConfig::default()).unwrap();
    let first = |table: &LeafTable| adtributor.explain(table).unwrap()[0].element.to_string();
    assert_eq!(first(&sums(&[("b2", 0.3)])), "b=b2");
    assert_eq!(first(&ratios("c1", 0.3)), "c=c1");
    let nothing = table(|_, _| Leaf::Sum {
        actual: 5.0,
        expected: 5.0,
    });
    assert!(adtributor.explain(&nothing).unwrap().is_empty());
}

/// The worked numbers of explanatory power and surprise, by hand: A = 80, F = 100; one value went
/// from 50 to 30, the other stayed at 50.
#[test]
fn adtributor_by_hand() {
    let mut table = LeafTable::new(["x"]).unwrap();
    table
        .push(
            &["fell"],
            Leaf::Sum {
                actual: 30.0,
                expected: 50.0,
            },
        )
        .unwrap();
    table
        .push(
            &["stayed"],
            Leaf::Sum {
                actual: 50.0,
                expected: 50.0,
            },
        )
        .unwrap();
    let found = Adtributor::try_from(AdtributorConfig::default())
        .unwrap()
        .explain(&table)
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].share, found[0].change), (1.0, -0.4));
    // p = 0.5, q = 0.375: (0.5 ln(1 / 0.875) + 0.375 ln(0.75 / 0.875)) / 2.
    let expected = 0.5 * (0.5 * (1.0_f64 / 0.875).ln() + 0.375 * (0.75_f64 / 0.875).ln());
    assert!((found[0].score - expected).abs() < 1e-12);
}

#[test]
fn the_way_down_ends_where_values_changed_alike() {
    check_with(recursive, &sums(&[("a1", 0.3)]), &["a1"]);
    check_with(recursive, &sums(&[("a1 c2", 0.1)]), &["a1 c2"]);
    check_with(recursive, &sums(&[("a1 b3 c2", 0.0)]), &["a1 b3 c2"]);
    check_with(recursive, &ratios("a1", 0.3), &["a1"]);
    check_with(recursive, &ratios("b4 c3", 0.9), &["b4 c3"]);
}

#[test]
fn risk_loc_finds_exact_combinations() {
    check_with(risk_loc, &sums(&[("a1", 0.5)]), &["a1"]);
    check_with(risk_loc, &sums(&[("a1 c2", 0.4)]), &["a1 c2"]);
    check_with(risk_loc, &sums(&[("b2", 1.8)]), &["b2"]); // a rise
    let two = sums(&[("a1 c2", 0.3), ("b3 c0", 0.5)]);
    check_with(risk_loc, &two, &["a1 c2", "b3 c0"]);
    check_with(risk_loc, &ratios("a1", 0.4), &["a1"]);
    check_with(risk_loc, &sums(&[]), &[]);
    check_with(risk_loc, &ratios("a1", 0.0), &[]);
}

#[test]
fn squeeze_finds_exact_combinations() {
    check_with(squeeze, &sums(&[("a1", 0.5)]), &["a1"]);
    check_with(squeeze, &sums(&[("a1 c2", 0.4)]), &["a1 c2"]);
    check_with(squeeze, &sums(&[("b2", 1.8)]), &["b2"]);
    // Two sizes of change are two clusters; one size is one set.
    let two = sums(&[("a1 c2", 0.2), ("a3 c0", 0.6)]);
    check_with(squeeze, &two, &["a1 c2", "a3 c0"]);
    let two = sums(&[("a1", 0.3), ("a4", 0.3)]);
    check_with(squeeze, &two, &["a1", "a4"]);
    check_with(squeeze, &ratios("a1", 0.4), &["a1"]);
    check_with(squeeze, &sums(&[]), &[]);
}

/// Nothing that moved, all that moved alike, one leaf, no leaf.
#[test]
fn degenerate_tables_have_an_answer_or_an_error() {
    let empty = LeafTable::new(["a"]).unwrap();
    let risk = RiskLoc::try_from(RiskLocConfig::default()).unwrap();
    assert!(risk.search(&empty).is_err());
    let clusters = Squeeze::try_from(SqueezeConfig::default()).unwrap();
    assert!(clusters.search(&empty).is_err());
    let levels = RecursiveAdtributor::try_from(RecursiveAdtributorConfig::default()).unwrap();
    assert!(levels.explain(&empty).is_err());
    for method in [recursive, squeeze, risk_loc] {
        for value in [0.0, 7.0] {
            let still = table(|_, _| Leaf::Sum {
                actual: value,
                expected: value,
            });
            assert_eq!(method(&still), []);
        }
        let mut one = LeafTable::new(["a"]).unwrap();
        let leaf = Leaf::Sum {
            actual: 1.0,
            expected: 4.0,
        };
        one.push(&["x"], leaf).unwrap();
        let found = method(&one);
        assert!(
            found
                .iter()
                .all(|one| one.change == -0.75 && one.share == 1.0)
        );
    }
}

/// 60 of 100 and 30 of 50 left, 10 of 10 untouched: by hand.
#[test]
fn ripple_by_hand() {
    let mut table = LeafTable::new(["x", "y"]).unwrap();
    for (x, y, actual, expected) in [
        ("a", "1", 60.0, 100.0),
        ("a", "2", 30.0, 50.0),
        ("b", "1", 10.0, 10.0),
    ] {
        let leaf = Leaf::Sum { actual, expected };
        table.push(&[x, y], leaf).unwrap();
    }
    let element = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Element(owned.collect())
    };
    let ripple = Ripple::new(&table);
    let all = [element(&[("x", "a")])];
    assert_eq!(ripple.potential(&all).unwrap(), 1.0);
    assert_eq!(ripple.generalised(&all).unwrap(), 1.0);
    // Only the first leaf: what is left unexplained is 20 of (40, 20).
    let first = [element(&[("x", "a"), ("y", "1")])];
    let expected = 1.0 - (400.0_f64 / 2000.0).sqrt();
    assert!((ripple.potential(&first).unwrap() - expected).abs() < 1e-12);
    // Elsewhere a mean of (20 + 0) / 2; under it 0 of 40.
    let expected = 1.0 - 10.0 / 50.0;
    assert!((ripple.generalised(&first).unwrap() - expected).abs() < 1e-12);
    // y=1 over both: 110 to 70, so 63.6 and 6.36.
    let like = [100.0 * 70.0 / 110.0, 10.0 * 70.0 / 110.0];
    let apart: f64 = (60.0_f64 - like[0]).powi(2) + (10.0_f64 - like[1]).powi(2);
    let expected = 1.0 - ((apart + 400.0) / 2000.0).sqrt();
    let both = [element(&[("y", "1")])];
    assert!((ripple.potential(&both).unwrap() - expected).abs() < 1e-12);
    assert_eq!(ripple.potential(&[]).unwrap(), 0.0);
    let unknown = ripple.potential(&[element(&[("x", "c")])]).unwrap_err();
    assert_eq!(unknown.to_string(), "no row has x=c");
}

#[test]
fn bad_rows_are_refused_with_their_number() {
    assert_eq!(
        LeafTable::new([""; 0]),
        Err(TableError::Attributes { found: 0 })
    );
    let many = vec!["x"; MAX_ATTRIBUTES + 1];
    assert_eq!(
        LeafTable::new(many),
        Err(TableError::Attributes {
            found: MAX_ATTRIBUTES + 1
        })
    );
    assert!(LeafTable::new(vec!["x"; MAX_ATTRIBUTES]).is_ok());

    let sum = |actual| Leaf::Sum {
        actual,
        expected: 1.0,
    };
    let mut table = LeafTable::new(["a", "b"]).unwrap();
    table.push(&["1", "2"], sum(1.0)).unwrap();
    let short = table.push(&["1"], sum(1.0));
    assert_eq!(
        short,
        Err(TableError::Values {
            row: 1,
            expected: 2,
            found: 1
        })
    );
    for value in [-1.0, f64::INFINITY] {
        let refused = table.push(&["1", "2"], sum(value));
        assert_eq!(
            refused,
            Err(TableError::Number {
                row: 1,
                what: "actual",
                value
            })
        );
    }
    assert!(table.push(&["1", "2"], sum(f64::NAN)).is_err());
    let ratio = Leaf::Ratio {
        bad: 0.0,
        all: 1.0,
        normal_bad: 0.0,
        normal_all: 1.0,
    };
    assert_eq!(
        table.push(&["1", "2"], ratio),
        Err(TableError::Mixed { row: 1 })
    );
    assert_eq!(table.len(), 1);

    let empty = LeafTable::new(["a"]).unwrap();
    let search = LikelihoodSearch::try_from(LikelihoodSearchConfig::default()).unwrap();
    assert!(search.search(&empty).is_err());
}

#[test]
fn extreme_numbers_never_panic() {
    for value in [0.0, f64::MIN_POSITIVE, 1.0, f64::MAX] {
        for other in [0.0, f64::MIN_POSITIVE, 1.0, f64::MAX] {
            let odd = table(|row, _| {
                if row % 3 == 0 {
                    Leaf::Sum {
                        actual: value,
                        expected: other,
                    }
                } else {
                    Leaf::Sum {
                        actual: 10.0,
                        expected: 10.0,
                    }
                }
            });
            search(&odd);
            let _ = [recursive, squeeze, risk_loc].map(|method| method(&odd));
            let odd = table(|row, _| {
                let (bad, all) = if row % 3 == 0 {
                    (value, other)
                } else {
                    (1.0, 10.0)
                };
                Leaf::Ratio {
                    bad,
                    all,
                    normal_bad: other,
                    normal_all: value,
                }
            });
            search(&odd);
            let _ = [recursive, squeeze, risk_loc].map(|method| method(&odd));
            Adtributor::try_from(AdtributorConfig::default())
                .unwrap()
                .explain(&odd)
                .unwrap();
        }
    }
}

#[test]
fn parameters_are_checked() {
    let refused = |set: fn(&mut LikelihoodSearchConfig)| {
        let mut config = LikelihoodSearchConfig::default();
        set(&mut config);
        LikelihoodSearch::try_from(config)
            .err()
            .map(|error| error.name())
    };
    assert_eq!(refused(|c| c.min_gain = 0.0), None);
    assert_eq!(refused(|c| c.min_gain = -1.0), Some("min_gain"));
    assert_eq!(refused(|c| c.price = f64::NAN), Some("price"));
    assert_eq!(refused(|c| c.min_change = 0.0), Some("min_change"));
    assert_eq!(refused(|c| c.min_change = 2.0), Some("min_change"));
    assert_eq!(
        refused(|c| c.min_ratio_change = 1.0),
        Some("min_ratio_change")
    );
    assert_eq!(refused(|c| c.prefer_short = 1.0), None);
    assert_eq!(refused(|c| c.prefer_short = 0.0), Some("prefer_short"));
    assert_eq!(
        refused(|c| c.min_ratio_share = 1.0),
        Some("min_ratio_share")
    );
    assert_eq!(refused(|c| c.max_findings = 0), Some("max_findings"));
    assert_eq!(refused(|c| c.max_attributes = 0), Some("max_attributes"));
    for (each, together, good) in [(0.0, 1.0, true), (-0.1, 0.5, false), (0.1, 0.0, false)] {
        let mut config = AdtributorConfig::default();
        (config.min_each, config.min_together) = (each, together);
        assert_eq!(Adtributor::try_from(config).is_ok(), good);
    }
}

#[test]
fn parameters_of_the_classics_are_checked() {
    let risk = |set: fn(&mut RiskLocConfig)| {
        let mut config = RiskLocConfig::default();
        set(&mut config);
        RiskLoc::try_from(config).err().map(|error| error.name())
    };
    assert_eq!(risk(|c| c.min_risk = 1.0), None);
    assert_eq!(risk(|c| c.min_risk = 0.0), Some("min_risk"));
    assert_eq!(risk(|c| c.min_share = f64::NAN), Some("min_share"));
    assert_eq!(risk(|c| c.extremes = 0), None);
    assert_eq!(risk(|c| c.max_findings = 0), Some("max_findings"));
    assert_eq!(risk(|c| c.max_attributes = 0), Some("max_attributes"));
    let clusters = |set: fn(&mut SqueezeConfig)| {
        let mut config = SqueezeConfig::default();
        set(&mut config);
        Squeeze::try_from(config).err().map(|error| error.name())
    };
    assert_eq!(clusters(|c| c.price = 0.0), None);
    assert_eq!(clusters(|c| c.price = -0.1), Some("price"));
    assert_eq!(clusters(|c| c.min_change = 0.0), Some("min_change"));
    assert_eq!(clusters(|c| c.enough = 1.1), Some("enough"));
    assert_eq!(clusters(|c| c.min_score = 0.0), Some("min_score"));
    assert_eq!(clusters(|c| c.max_elements = 0), Some("max_elements"));
    assert_eq!(clusters(|c| c.max_attributes = 0), Some("max_attributes"));
    let levels = |set: fn(&mut RecursiveAdtributorConfig)| {
        let mut config = RecursiveAdtributorConfig::default();
        set(&mut config);
        let checked = RecursiveAdtributor::try_from(config);
        checked.err().map(|error| error.name())
    };
    assert_eq!(levels(|c| c.min_surprise = 0.0), None);
    assert_eq!(levels(|c| c.min_surprise = -1.0), Some("min_surprise"));
    assert_eq!(levels(|c| c.level.min_each = 2.0), Some("min_each"));
    assert_eq!(levels(|c| c.max_attributes = 0), Some("max_attributes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The answer does not depend on the unit of a sum, nor on the order of the rows.
    #[test]
    fn unit_and_order_change_nothing(power in -20_i32..20, turn in 1_usize..119) {
        let scale = 2.0_f64.powi(power);
        let mut rows = Vec::new();
        table(|row, place| {
            let expected = 100.0 + 900.0 * (noise(1, row) + 0.5);
            let factor = if under("a1 c2", place) { 0.4 } else { 1.0 };
            let actual = expected * factor * (1.0 + 0.1 * noise(2, row));
            rows.push((place, Leaf::Sum { actual: actual * scale, expected: expected * scale }));
            Leaf::Sum { actual, expected }
        });
        rows.rotate_left(turn);
        let mut turned = LeafTable::new(["a", "b", "c"]).unwrap();
        for ([a, b, c], leaf) in rows {
            let values = [format!("a{a}"), format!("b{b}"), format!("c{c}")];
            turned.push(&[&values[0], &values[1], &values[2]], leaf).unwrap();
        }
        for method in [search, recursive, squeeze, risk_loc] {
            let elements = |table: &LeafTable| -> Vec<Element> {
                method(table).into_iter().map(|finding| finding.element).collect()
            };
            prop_assert_eq!(elements(&sums(&[("a1 c2", 0.4)])), elements(&turned));
        }
    }
}
