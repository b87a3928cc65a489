use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector, Seed};
use aiops_detect::knn::{Knn, KnnConfig};
use aiops_detect::sampled_neighbors::{
    FittedSampledNeighbors, SampledNeighbors, SampledNeighborsConfig,
};
use aiops_detect::scaling::Scaling;

use crate::multivariate::{check, noisy};
use crate::reference::{self, close};

fn detector(change: impl FnOnce(&mut SampledNeighborsConfig)) -> SampledNeighbors {
    let mut config = SampledNeighborsConfig::default();
    change(&mut config);
    SampledNeighbors::try_from(config).unwrap()
}

/// A sample of all rows is a search among all rows.
#[test]
fn with_all_rows_in_each_sample_it_is_the_nearest_neighbour() {
    let (train, new) = (reference::train(), reference::new());
    let mut config = KnnConfig::default();
    (config.neighbors, config.scaling) = (1, Scaling::Robust);
    let knn = Knn::try_from(config).unwrap();
    let all = detector(|config| (config.samples, config.sample_size) = (3, 1000));
    let (got, expected) = (all.fit_score(train.view()), knn.fit_score(train.view()));
    close("training rows", &got.unwrap(), &expected.unwrap());
    let got = all.fit(train.view()).unwrap().score(new.view()).unwrap();
    let expected = knn.fit(train.view()).unwrap().score(new.view()).unwrap();
    close("new rows", &got, &expected);
}

#[test]
fn degenerate_input() {
    for scaling in [
        Scaling::None,
        Scaling::MinMax,
        Scaling::Standard,
        Scaling::Robust,
    ] {
        let what = format!("sampled neighbours, {scaling:?}");
        check(
            &what,
            &detector(|config| (config.samples, config.scaling) = (5, scaling)),
        );
    }
}

/// A clump that is larger than any number of neighbours: distances to all rows miss it.
#[test]
fn a_clump_of_equal_anomalies_stands_out() {
    let rows = Array2::from_shape_fn((1000, 2), |(row, column)| {
        let noise = noisy(1000, 2)[[row, column]];
        if row % 50 == 0 {
            3.0 + 0.001 * noise
        } else {
            noise
        }
    });
    let scores = detector(|_| ()).fit_score(rows.view()).unwrap();
    let nearest = Knn::try_from(KnnConfig::default())
        .unwrap()
        .fit_score(rows.view())
        .unwrap();
    let caught = |scores: &[f64]| {
        let mut order: Vec<usize> = (0..1000).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order[..20].iter().filter(|&&row| row % 50 == 0).count()
    };
    assert_eq!((caught(&scores), caught(&nearest)), (20, 0));
}

#[test]
fn the_explanation_adds_up_to_the_score() {
    let model = detector(|_| ()).fit(reference::train().view()).unwrap();
    let row = [0.1, 1.0, 4.0];
    let shares = model.explain(&row).unwrap();
    let score = model.score(array![row].view()).unwrap()[0];
    assert!((shares.iter().sum::<f64>() - score).abs() < 1e-9 * score);
    assert!(shares[2] > 10.0 * shares[0].max(shares[1]), "{shares:?}");
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (samples, size, accepted) in [
        (0, 2, false),
        (1, 1, false),
        (1, 2, true),
        (1, 1 << 24, true),
        (1, (1 << 24) + 1, false),
        (1 << 23, 2, true),
        ((1 << 23) + 1, 2, false),
    ] {
        let mut config = SampledNeighborsConfig::default();
        (config.samples, config.sample_size) = (samples, size);
        assert_eq!(
            SampledNeighbors::try_from(config).is_ok(),
            accepted,
            "{samples} {size}"
        );
    }
}

#[test]
fn scores_depend_on_the_seed_alone() {
    let rows = noisy(500, 3);
    let scores = |seed| {
        detector(|config| config.seed = Seed(seed))
            .fit_score(rows.view())
            .unwrap()
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};

    let few = detector(|config| (config.samples, config.sample_size) = (2, 10));
    let fitted = few.fit(reference::train().view()).unwrap();
    assert_eq!(
        crate::support::released("sampled-neighbors-1.json", &fitted),
        fitted
    );
    assert_eq!(
        load::<FittedSampledNeighbors>(&save(&fitted)).unwrap(),
        fitted
    );
    let read = |samples: &str| {
        let payload = format!(
            r#"{{"scaler":{{"fill":"0 0","shift":"0 0","factor":"1 1"}},"samples":[{samples}]}}"#
        );
        let kind = "detect.sampled-neighbors";
        load::<FittedSampledNeighbors>(&crate::support::envelope(kind, 1, &payload))
    };
    assert!(read(r#"{"rows":"1 2 3 4"}"#).is_ok());
    for bad in [
        "",
        r#"{"rows":""}"#,
        r#"{"rows":"1 2"}"#,
        r#"{"rows":"1 2 3"}"#,
        r#"{"rows":"1 2 3 NaN"}"#,
        r#"{"rows":"1 2 3 1e101"}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
