use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
use aiops_detect::pca::{Pca, PcaConfig, PcaScore};
use aiops_detect::scaling::Scaling;

use crate::multivariate;
use crate::reference::{self, close, expected};
use crate::support::noise;

fn pca(score: PcaScore, variance: f64) -> Pca {
    let mut config = PcaConfig::default();
    (config.score, config.variance) = (score, variance);
    Pca::try_from(config).unwrap()
}

/// numpy's SVD of the standardised rows; two components of three have 0.7 of the variance.
#[test]
fn equal_to_the_singular_value_decomposition() {
    let (train, new) = (reference::train(), reference::new());
    let model = pca(PcaScore::Residual, 0.7).fit(train.view()).unwrap();
    assert_eq!(model.components(), 2);
    let residual = model.score(train.view()).unwrap();
    close("residual", &residual, &expected("pca_residual_2"));
    let got = model.score(new.view()).unwrap();
    close(
        "residual of new rows",
        &got,
        &expected("pca_residual_2_new"),
    );
    let t_squared = pca(PcaScore::TSquared, 0.7).fit(train.view()).unwrap();
    let t_squared = t_squared.score(train.view()).unwrap();
    close("T-squared", &t_squared, &expected("pca_t2_2"));

    // Both: one component is left, whose variance is the mean residual.
    let variance = residual.iter().sum::<f64>() / 200.0;
    let both = pca(PcaScore::Both, 0.7)
        .fit(train.view())
        .unwrap()
        .score(train.view())
        .unwrap();
    let sum: Vec<f64> = residual
        .iter()
        .zip(&t_squared)
        .map(|(q, t)| t + q / variance)
        .collect();
    close("both", &both, &sum);
}

/// With all components T-squared is the Mahalanobis distance, whatever the scales.
#[test]
fn all_components_give_the_mahalanobis_distance() {
    let train = reference::train();
    for (score, scaling) in [
        (PcaScore::TSquared, Scaling::Standard),
        (PcaScore::Both, Scaling::MinMax),
    ] {
        let mut config = PcaConfig::default();
        (config.score, config.variance, config.scaling) = (score, 1.0, scaling);
        let model = Pca::try_from(config).unwrap().fit(train.view()).unwrap();
        let got = model.score(train.view()).unwrap();
        close("Mahalanobis", &got, &expected("mahalanobis_sq"));
    }
}

#[test]
fn degenerate_input() {
    for score in [PcaScore::Residual, PcaScore::TSquared, PcaScore::Both] {
        for scaling in [
            Scaling::None,
            Scaling::MinMax,
            Scaling::Standard,
            Scaling::Robust,
        ] {
            let mut config = PcaConfig::default();
            (config.score, config.scaling) = (score, scaling);
            multivariate::check(
                &format!("PCA, {score:?}, {scaling:?}"),
                &Pca::try_from(config).unwrap(),
            );
        }
    }
}

/// Collinear columns, where other programs answer infinity for every row.
#[test]
fn collinear_columns_keep_their_order() {
    let mut rows =
        Array2::from_shape_fn((100, 3), |(row, column)| noise(row) * (column + 1) as f64);
    rows[[9, 2]] += 1.0;
    for score in [PcaScore::Residual, PcaScore::Both] {
        let scores = pca(score, 0.95)
            .fit(rows.view())
            .unwrap()
            .score(rows.view())
            .unwrap();
        assert!(
            (0..100).all(|row| row == 9 || scores[row] < 0.1 * scores[9]),
            "{scores:?}"
        );
    }
}

#[test]
fn the_explanation_adds_up_to_the_score() {
    let model = pca(PcaScore::Both, 0.9)
        .fit(reference::train().view())
        .unwrap();
    for row in [[0.1, 1.0, 0.2], [0.0, 40.0, 0.0], [5.0, 1.0, -0.5]] {
        let score = model.score(array![row].view()).unwrap()[0];
        let parts = model.explain(&row).unwrap();
        assert!(
            (parts.iter().sum::<f64>() - score).abs() < 1e-9 * score,
            "{parts:?} {score}"
        );
    }
    let parts = model.explain(&[5.0, 1.0, 0.0]).unwrap();
    assert!(parts[0] > 10.0 * parts[1].max(parts[2]), "{parts:?}");
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (variance, accepted) in [
        (0.0, false),
        (1e-300, true),
        (1.0, true),
        (1.0_f64.next_up(), false),
        (f64::NAN, false),
    ] {
        let mut config = PcaConfig::default();
        config.variance = variance;
        assert_eq!(Pca::try_from(config).is_ok(), accepted, "{variance}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};
    use aiops_detect::pca::FittedPca;

    let fitted = pca(PcaScore::Both, 0.7)
        .fit(reference::train().view())
        .unwrap();
    let model = crate::support::released("pca-1.json", &fitted);
    let rows = reference::new();
    close(
        "released",
        &model.score(rows.view()).unwrap(),
        &fitted.score(rows.view()).unwrap(),
    );
    assert_eq!(load::<FittedPca>(&save(&fitted)).unwrap(), fitted);

    let read = |center: &str, variances: &str, components: &str, noise: &str| {
        let payload = format!(
            r#"{{"score":"both","scaler":{{"fill":"0 0","shift":"0 0","factor":"1 1"}},"center":"{center}","variances":"{variances}","components":"{components}","noise":"{noise}"}}"#
        );
        load::<FittedPca>(&crate::support::envelope("detect.pca", 1, &payload))
    };
    assert!(read("0 0", "1", "0 1", "0.1").is_ok());
    for (center, variances, components, noise) in [
        ("0", "1", "0 1", "0.1"),
        ("0 NaN", "1", "0 1", "0.1"),
        ("0 0", "", "", "0.1"),
        ("0 0", "0", "0 1", "0.1"),
        ("0 0", "1 1 1", "0 1 0 1 0 1", "0.1"),
        ("0 0", "1", "0 1 0", "0.1"),
        ("0 0", "1", "0 1e300", "0.1"),
        ("0 0", "1", "0 NaN", "0.1"),
        ("0 0", "1", "0 1", "0"),
        ("0 0", "1", "0 1", "inf"),
    ] {
        assert!(
            read(center, variances, components, noise).is_err(),
            "{center} {variances} {components} {noise}"
        );
    }
}
