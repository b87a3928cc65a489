use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
use aiops_detect::hbos::{Hbos, HbosConfig};

use crate::multivariate;
use crate::reference::{self, close, expected};

fn hbos(bins: Option<usize>) -> Hbos {
    let mut config = HbosConfig::default();
    config.bins = bins;
    Hbos::try_from(config).unwrap()
}

#[test]
fn equal_to_pyod() {
    for (name, bins) in [("hbos_10", Some(10)), ("hbos_auto", None)] {
        reference::check(name, &hbos(bins));
        let model = hbos(bins).fit(reference::train().view()).unwrap();
        let new = model.score(reference::new().view()).unwrap();
        close(name, &new, &expected(&format!("{name}_new")));
    }
    let scores = |bins| {
        move |rows: &Array2<f64>| {
            hbos(bins)
                .fit(rows.view())
                .unwrap()
                .score(rows.view())
                .unwrap()
        }
    };
    reference::check_public_tables("hbos10_pyod", scores(Some(10)));
    reference::check_public_tables("hbos_auto_pyod", scores(None));
}

#[test]
fn degenerate_input() {
    multivariate::check("HBOS with 10 bins", &hbos(Some(10)));
    multivariate::check("HBOS", &hbos(None));
}

#[test]
fn terms_of_a_histogram_worked_by_hand() {
    // Two bins, [0, 2) with three values and [2, 4] with one; densities 3/8 and 1/8.
    let model = hbos(Some(2))
        .fit(array![[0.0], [1.0], [1.5], [4.0]].view())
        .unwrap();
    let (common, rare) = (-(0.375_f64 + 0.1).log2(), -(0.125_f64 + 0.1).log2());
    for (value, expected) in [
        (0.0, common),
        (2.0, common), // a bin holds its right edge when it scores
        (2.1, rare),
        (4.0, rare),
        (5.0, rare),
        (-1.0, common), // within half a bin width
        (-1.1, rare),   // beyond it: as the rarest bin
        (1e9, rare),
    ] {
        let got = model.score(array![[value]].view()).unwrap()[0];
        assert!(
            (got - expected).abs() < 1e-12,
            "{value}: {got}, expected {expected}"
        );
    }
    assert_eq!(model.bins(0), 2);
}

#[test]
fn a_missing_value_is_made_up_for_by_the_others() {
    let model = hbos(Some(10)).fit(reference::train().view()).unwrap();
    let row = [0.1, 2.0, 0.5];
    let terms = model.explain(&row).unwrap();
    let whole = model.score(array![row].view()).unwrap()[0];
    assert!((terms.iter().sum::<f64>() - whole).abs() < 1e-12);
    let holed = model.score(array![[0.1, f64::NAN, 0.5]].view()).unwrap()[0];
    assert!((holed - (terms[0] + terms[2]) * 1.5).abs() < 1e-12);
    assert_eq!(model.explain(&[0.1, f64::NAN, 0.5]).unwrap()[1], 0.0);
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (bins, accepted) in [
        (Some(1), false),
        (Some(2), true),
        (Some(65_536), true),
        (Some(65_537), false),
        (None, true),
    ] {
        let mut config = HbosConfig::default();
        config.bins = bins;
        assert_eq!(Hbos::try_from(config).is_ok(), accepted, "{bins:?}");
    }
    for (share, accepted) in [
        (0.0, false),
        (1e-300, true),
        (0.999, true),
        (1.0, false),
        (f64::NAN, false),
    ] {
        let mut config = HbosConfig::default();
        config.alpha = share;
        assert_eq!(Hbos::try_from(config).is_ok(), accepted, "alpha {share}");
        let mut config = HbosConfig::default();
        config.tolerance = share;
        assert_eq!(
            Hbos::try_from(config).is_ok(),
            accepted,
            "tolerance {share}"
        );
    }
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};
    use aiops_detect::hbos::FittedHbos;

    let fitted = hbos(None).fit(reference::train().view()).unwrap();
    assert_eq!(crate::support::released("hbos-1.json", &fitted), fitted);
    assert_eq!(load::<FittedHbos>(&save(&fitted)).unwrap(), fitted);

    let read = |alpha: &str, column: &str| {
        let payload =
            format!(r#"{{"alpha":"{alpha}","tolerance":"0.5","columns":[null,{column}]}}"#);
        load::<FittedHbos>(&crate::support::envelope("detect.hbos", 1, &payload))
    };
    assert!(read("0.1", r#"{"low":"0","high":"1","counts":[2,0,1]}"#).is_ok());
    for (alpha, column) in [
        ("1", r#"{"low":"0","high":"1","counts":[2]}"#),
        ("NaN", r#"{"low":"0","high":"1","counts":[2]}"#),
        ("0.1", "null"),
        ("0.1", r#"{"low":"1","high":"1","counts":[2]}"#),
        ("0.1", r#"{"low":"0","high":"inf","counts":[2]}"#),
        ("0.1", r#"{"low":"NaN","high":"1","counts":[2]}"#),
        ("0.1", r#"{"low":"0","high":"1","counts":[]}"#),
        ("0.1", r#"{"low":"0","high":"1","counts":[0,0]}"#),
        (
            "0.1",
            r#"{"low":"0","high":"1","counts":[18446744073709551615,2]}"#,
        ),
    ] {
        assert!(read(alpha, column).is_err(), "{alpha} {column}");
    }
}
