//! ECOD and COPOD.

use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
use aiops_detect::copod::{Copod, CopodConfig};
use aiops_detect::ecod::{Ecod, EcodConfig};

use crate::multivariate;
use crate::reference;

fn ecod() -> Ecod {
    Ecod::from(EcodConfig::default())
}

fn copod() -> Copod {
    Copod::from(CopodConfig::default())
}

#[test]
fn equal_to_pyod() {
    reference::check("ecod", &ecod());
    reference::check("copod", &copod());
    reference::check_public_tables("ecod_pyod", |rows: &Array2<f64>| {
        ecod().fit(rows.view()).unwrap().score(rows.view()).unwrap()
    });
    reference::check_public_tables("copod_pyod", |rows: &Array2<f64>| {
        copod()
            .fit(rows.view())
            .unwrap()
            .score(rows.view())
            .unwrap()
    });
}

#[test]
fn degenerate_input() {
    multivariate::check("ECOD", &ecod());
    multivariate::check("COPOD", &copod());
}

#[track_caller]
fn check(train: &[f64], at: f64, ecod_score: f64, copod_score: f64) {
    let train = Array2::from_shape_vec((train.len(), 1), train.to_vec()).unwrap();
    let got = (
        ecod()
            .fit(train.view())
            .unwrap()
            .score(array![[at]].view())
            .unwrap()[0],
        copod()
            .fit(train.view())
            .unwrap()
            .score(array![[at]].view())
            .unwrap()[0],
    );
    assert!(
        (got.0 - ecod_score).abs() < 1e-12,
        "ECOD {at}: {} {ecod_score}",
        got.0
    );
    assert!(
        (got.1 - copod_score).abs() < 1e-12,
        "COPOD {at}: {} {copod_score}",
        got.1
    );
}

#[test]
fn tails_worked_by_hand() {
    let ln = f64::ln;
    // Skewed to the right: three of four rows are at most 1, one is at least 9.
    check(&[0.0, 1.0, 1.0, 9.0], 9.0, ln(4.0), ln(4.0));
    check(&[0.0, 1.0, 1.0, 9.0], 0.0, ln(4.0), ln(4.0) / 2.0);
    check(&[0.0, 1.0, 1.0, 9.0], 1.0, ln(4.0 / 3.0), ln(4.0 / 3.0));
    // Between training values, and outside of them: half a row.
    check(&[0.0, 1.0, 1.0, 9.0], 5.0, ln(4.0), ln(4.0));
    check(&[0.0, 1.0, 1.0, 9.0], 99.0, ln(8.0), ln(8.0));
    check(&[0.0, 1.0, 1.0, 9.0], -99.0, ln(8.0), ln(8.0) / 2.0);
    // Symmetric: both tails add up.
    check(
        &[-1.0, 0.0, 0.0, 1.0],
        0.0,
        2.0 * ln(4.0 / 3.0),
        2.0 * ln(4.0 / 3.0),
    );
    check(&[7.0; 5], 7.0, 0.0, 0.0);
    check(&[7.0; 5], 8.0, ln(10.0), ln(10.0));
}

/// Only the order of the values counts, but for the sign of the skewness.
#[test]
fn the_unit_changes_nothing() {
    let rows = reference::train();
    let moved = rows.mapv(|value| 1e6 * value - 3e3);
    let score = |rows: &Array2<f64>| ecod().fit(rows.view()).unwrap().score(rows.view()).unwrap();
    reference::close("unit", &score(&moved), &score(&rows));
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};
    use aiops_detect::copod::FittedCopod;
    use aiops_detect::ecod::FittedEcod;

    let rows = array![[1.0, 0.5], [1.0, f64::NAN], [2.0, -0.5], [40.0, 0.25]];
    let fitted = ecod().fit(rows.view()).unwrap();
    assert_eq!(crate::support::released("ecod-1.json", &fitted), fitted);
    assert_eq!(load::<FittedEcod>(&save(&fitted)).unwrap(), fitted);
    let fitted = copod().fit(rows.view()).unwrap();
    assert_eq!(crate::support::released("copod-1.json", &fitted), fitted);
    assert_eq!(load::<FittedCopod>(&save(&fitted)).unwrap(), fitted);
    assert!(load::<FittedEcod>(&save(&fitted)).is_err()); // another kind

    let read = |column: &str| {
        let payload = format!(r#"{{"columns":[{column}]}}"#);
        load::<FittedEcod>(&crate::support::envelope("detect.ecod", 1, &payload))
    };
    assert!(read(r#"{"values":"1 2","at_most":[1,3],"skewness":-1}"#).is_ok());
    for bad in [
        "",
        r#"{"values":"","at_most":[],"skewness":0}"#,
        r#"{"values":"2 1","at_most":[1,3],"skewness":0}"#,
        r#"{"values":"1 1","at_most":[1,3],"skewness":0}"#,
        r#"{"values":"1 NaN","at_most":[1,3],"skewness":0}"#,
        r#"{"values":"1 inf","at_most":[1,3],"skewness":0}"#,
        r#"{"values":"1 2","at_most":[3,1],"skewness":0}"#,
        r#"{"values":"1 2","at_most":[0,1],"skewness":0}"#,
        r#"{"values":"1 2","at_most":[1],"skewness":0}"#,
        r#"{"values":"1 2","at_most":[1,3],"skewness":2}"#,
        r#"{"values":"1 2","at_most":[1,18446744073709551615],"skewness":0}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
