use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector, Seed};
use aiops_detect::extended_isolation_forest::{
    ExtendedIsolationForest, ExtendedIsolationForestConfig, FittedExtendedIsolationForest,
};
use aiops_detect::isolation_forest::{IsolationForest, IsolationForestConfig};

use crate::multivariate::{check, noisy};
use crate::reference;

fn forest(change: impl FnOnce(&mut ExtendedIsolationForestConfig)) -> ExtendedIsolationForest {
    let mut config = ExtendedIsolationForestConfig::default();
    change(&mut config);
    ExtendedIsolationForest::try_from(config).unwrap()
}

fn fit(
    rows: &Array2<f64>,
    change: impl FnOnce(&mut ExtendedIsolationForestConfig),
) -> FittedExtendedIsolationForest {
    forest(change).fit(rows.view()).unwrap()
}

/// Splits parallel to the axes are those of the plain forest: the same scores in the mean.
#[test]
fn without_extension_it_is_the_isolation_forest() {
    let rows = noisy(200, 3);
    let mut config = IsolationForestConfig::default();
    config.trees = 2000;
    let plain = IsolationForest::try_from(config)
        .unwrap()
        .fit(rows.view())
        .unwrap();
    let plain = plain.score(rows.view()).unwrap();
    let extended = fit(&rows, |config| {
        (config.trees, config.extension) = (2000, Some(0));
    });
    for (row, (a, b)) in plain
        .iter()
        .zip(extended.score(rows.view()).unwrap())
        .enumerate()
    {
        assert!((a - b).abs() < 0.012, "row {row}: {a} {b}");
    }
}

/// Figure 6 of the paper: between two groups on a diagonal the plain forest sees ghosts at the
/// other two corners.
#[test]
fn no_ghosts_beside_two_groups() {
    let rows = Array2::from_shape_fn((400, 2), |(row, column)| {
        noisy(400, 2)[[row, column]] + if row % 2 == 0 { 0.0 } else { 10.0 }
    });
    let corners = array![[0.0, 0.0], [10.0, 10.0], [0.0, 10.0], [10.0, 0.0]];
    let scores = fit(&rows, |_| ()).score(corners.view()).unwrap();
    let plain = IsolationForest::try_from(IsolationForestConfig::default()).unwrap();
    let plain = plain
        .fit(rows.view())
        .unwrap()
        .score(corners.view())
        .unwrap();
    let contrast = |scores: &[f64]| scores[2].min(scores[3]) - scores[0].max(scores[1]);
    assert!(
        contrast(&scores) > 0.1 && contrast(&scores) > 1.5 * contrast(&plain),
        "{scores:?} {plain:?}"
    );
}

#[test]
fn degenerate_input() {
    check(
        "extended isolation forest",
        &forest(|config| config.trees = 20),
    );
    check(
        "extension 1",
        &forest(|config| (config.trees, config.extension) = (20, Some(1))),
    );
    let equal = fit(&Array2::from_elem((50, 2), 3.0), |_| ());
    let score = equal.score(array![[3.0, 3.0]].view()).unwrap()[0];
    assert!((score - 0.5).abs() < 1e-12 && !equal.is_outlier(score));
}

#[test]
fn the_offset_is_one_half_or_the_quantile_of_the_training_scores() {
    let rows = reference::train();
    assert_eq!(fit(&rows, |_| ()).offset(), 0.5);
    let model = fit(&rows, |config| config.contamination = Some(0.05));
    let scores = model.score(rows.view()).unwrap();
    assert_eq!(
        scores
            .iter()
            .filter(|&&score| model.is_outlier(score))
            .count(),
        10
    );
}

#[test]
fn the_explanation_adds_up_to_the_score_and_names_the_column() {
    let rows = noisy(300, 4);
    let model = fit(&rows, |_| ());
    let row = [0.1, 0.1, 4.0, 0.1];
    let shares = model.explain(&row).unwrap();
    let score = model.score(array![row].view()).unwrap()[0];
    assert!((shares.iter().sum::<f64>() - (2.0 * score).log2()).abs() < 1e-9);
    assert!(
        (0..4).all(|column| column == 2 || shares[column] < 0.3 * shares[2]),
        "{shares:?}"
    );
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |change: fn(&mut ExtendedIsolationForestConfig)| {
        let mut config = ExtendedIsolationForestConfig::default();
        change(&mut config);
        ExtendedIsolationForest::try_from(config)
            .unwrap_err()
            .name()
    };
    assert_eq!(refused(|config| config.trees = 0), "trees");
    assert_eq!(refused(|config| config.trees = 65_537), "trees");
    assert_eq!(refused(|config| config.sample_size = 1), "sample_size");
    assert_eq!(refused(|config| config.sample_size = 65_537), "sample_size");
    assert_eq!(
        refused(|config| config.contamination = Some(0.6)),
        "contamination"
    );
    forest(|config| (config.trees, config.sample_size) = (65_536, 256));
    forest(|config| config.extension = Some(usize::MAX));
}

/// A fixed seed gives fixed bits: this fails when a release changes the scores.
#[test]
fn scores_are_pinned() {
    let rows = reference::train();
    let scores = fit(&rows, |config| config.seed = Seed(7))
        .score(rows.view())
        .unwrap();
    let head: Vec<String> = scores[..3]
        .iter()
        .map(|score| format!("{score:.12}"))
        .collect();
    assert_eq!(head, ["0.515386454097", "0.442763444467", "0.440411365847"]);
}

#[cfg(feature = "rayon")]
#[test]
fn threads_change_no_bit() {
    let rows = noisy(1000, 5);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| fit(&rows, |_| ()).score(rows.view()).unwrap())
    };
    assert!(
        with(1)
            .iter()
            .zip(&with(3))
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};

    let rows = reference::train();
    let fitted = fit(&rows, |config| {
        (config.trees, config.sample_size, config.contamination) = (3, 16, Some(0.05));
    });
    assert_eq!(
        crate::support::released("extended-isolation-forest-1.json", &fitted),
        fitted
    );
    for rows in [
        noisy(1, 2),
        noisy(2, 1),
        noisy(300, 5),
        Array2::from_elem((9, 2), 1.0),
    ] {
        let model = fit(&rows, |config| config.trees = 7);
        assert_eq!(
            load::<FittedExtendedIsolationForest>(&save(&model)).unwrap(),
            model
        );
    }
    let read = |sample: usize, tree: &str| {
        let payload = format!(
            r#"{{"scaler":{{"fill":"0","shift":"0","factor":"1"}},"sample":{sample},"offset":"0.5","trees":[{tree}]}}"#
        );
        let kind = "detect.extended-isolation-forest";
        load::<FittedExtendedIsolationForest>(&crate::support::envelope(kind, 1, &payload))
    };
    assert!(read(3, r#"{"rows":[0,1,2],"offsets":"0.5","normals":"1"}"#).is_ok());
    for (sample, tree) in [
        (0, r#"{"rows":[0,1,2],"offsets":"0.5","normals":"1"}"#),
        (4, r#"{"rows":[0,1,2],"offsets":"0.5","normals":"1"}"#),
        (65_537, r#"{"rows":[65537],"offsets":"","normals":""}"#),
        (3, ""),
        (3, r#"{"rows":[],"offsets":"","normals":""}"#),
        (3, r#"{"rows":[0,1],"offsets":"0.5","normals":"1"}"#),
        (3, r#"{"rows":[0,1,2,1],"offsets":"0.5","normals":"1"}"#),
        (3, r#"{"rows":[0,1,2],"offsets":"","normals":""}"#),
        (3, r#"{"rows":[0,1,2],"offsets":"NaN","normals":"1"}"#),
        (3, r#"{"rows":[0,1,2],"offsets":"0.5","normals":"inf"}"#),
        (3, r#"{"rows":[0,1,2],"offsets":"0.5","normals":"1 1"}"#),
        (
            3,
            r#"{"rows":[0,0,0,0,0,1,1,1,1,1,1],"offsets":"1 1","normals":"1 1"}"#,
        ),
    ] {
        assert!(read(sample, tree).is_err(), "{sample} {tree}");
    }
}
