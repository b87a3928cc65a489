use aiops_core::ndarray::{Array2, array};
use aiops_core::{DataError, FitError, FittedMultivariateDetector, MultivariateDetector, Seed};
use aiops_detect::isolation_forest::{
    FittedIsolationForest, IsolationForest, IsolationForestConfig, average_path_length,
};
use aiops_detect::metrics::auroc;
use proptest::prelude::*;

use crate::multivariate::{check, noisy};
use crate::support::{shared_data, table};

fn forest(change: impl FnOnce(&mut IsolationForestConfig)) -> IsolationForest {
    let mut config = IsolationForestConfig::default();
    change(&mut config);
    IsolationForest::try_from(config).unwrap()
}

fn fit(
    rows: &Array2<f64>,
    change: impl FnOnce(&mut IsolationForestConfig),
) -> FittedIsolationForest {
    forest(change).fit(rows.view()).unwrap()
}

/// 300 rows of noise, the last column with few values, one row far out in all columns and one in
/// the second.
fn reference_rows() -> Array2<f64> {
    let mut rows = noisy(300, 3);
    rows.column_mut(2)
        .mapv_inplace(|value| (value * 4.0).round_ties_even() / 4.0);
    rows.row_mut(7).fill(2.0);
    rows.row_mut(11).assign(&array![0.1, -1.5, 0.0]);
    rows
}

/// Python 3.11, `math.log`: the table of the reference script.
#[test]
fn average_path_lengths() {
    for (rows, expected) in [
        (0, 0.0),
        (1, 0.0),
        (2, 1.0),
        (3, 1.207_392_357_589_623),
        (10, 3.748_880_484_475_505),
        (256, 10.244_770_920_119_917),
        (10_000, 17.575_112_063_754_766),
    ] {
        let got = average_path_length(rows);
        assert!((got - expected).abs() < 1e-12, "c({rows}) = {got}");
    }
}

/// scikit-learn 1.9.1, `-score_samples`, mean of three forests of 1000 trees; its standard error
/// is below 0.002.
#[test]
fn scores_are_those_of_scikit_learn_in_the_mean() {
    let rows = reference_rows();
    for (sample, expected) in [
        (
            64,
            [
                0.537, 0.5336, 0.4958, 0.4769, 0.5179, 0.5205, 0.4695, 0.6898, 0.4545, 0.5644,
                0.5565, 0.5605, 0.4884, 0.4685,
            ],
        ),
        (
            256,
            [
                0.524, 0.5143, 0.4731, 0.4494, 0.4785, 0.4839, 0.4434, 0.8559, 0.4355, 0.534,
                0.5378, 0.6881, 0.4586, 0.4365,
            ],
        ),
    ] {
        let model = fit(&rows, |config| {
            (config.trees, config.sample_size) = (3000, sample);
        });
        let scores = model.score(rows.view()).unwrap();
        for (row, (got, expected)) in scores.iter().zip(expected).enumerate() {
            assert!(
                (got - expected).abs() < 0.006,
                "{sample}: row {row} scores {got}, expected {expected}"
            );
        }
    }
}

#[test]
fn the_offset_is_one_half_or_the_quantile_of_the_training_scores() {
    let rows = reference_rows();
    assert_eq!(fit(&rows, |_| ()).offset(), 0.5);
    for (contamination, outliers) in [(0.05, 15), (0.1, 30), (0.5, 150)] {
        let model = fit(&rows, |config| config.contamination = Some(contamination));
        let scores = model.score(rows.view()).unwrap();
        let found = scores
            .iter()
            .filter(|&&score| model.is_outlier(score))
            .count();
        assert_eq!(found, outliers);
        // The threshold changes no score.
        assert_eq!(scores, fit(&rows, |_| ()).score(rows.view()).unwrap());
    }
    let model = fit(&rows, |_| ());
    assert!(
        !model.is_outlier(0.5)
            && model.is_outlier(0.5_f64.next_up())
            && !model.is_outlier(f64::NAN)
    );
}

#[test]
fn degenerate_input() {
    check("isolation forest", &forest(|config| config.trees = 20));
    let alone = fit(&noisy(1, 3), |_| ());
    assert_eq!(alone.score(noisy(4, 3).view()).unwrap(), [0.5; 4]);
    let equal = fit(&Array2::from_elem((50, 2), 3.0), |_| ());
    let score = equal.score(array![[3.0, 3.0]].view()).unwrap()[0];
    assert!((score - 0.5).abs() < 1e-12 && !equal.is_outlier(score));
}

/// A constant column among informative ones must not use up splits (scikit-learn's issue 19275).
#[test]
fn constant_columns_change_no_score_in_the_mean() {
    let rows = reference_rows();
    let mut padded = Array2::from_elem((300, 40), 1.0);
    padded
        .slice_mut(aiops_core::ndarray::s![.., ..3])
        .assign(&rows);
    let plain = fit(&rows, |config| config.trees = 1000)
        .score(rows.view())
        .unwrap();
    let wide = fit(&padded, |config| config.trees = 1000)
        .score(padded.view())
        .unwrap();
    for (row, (a, b)) in plain.iter().zip(&wide).enumerate() {
        assert!((a - b).abs() < 0.015, "row {row}: {a} {b}");
    }
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |change: fn(&mut IsolationForestConfig)| {
        let mut config = IsolationForestConfig::default();
        change(&mut config);
        IsolationForest::try_from(config).unwrap_err()
    };
    assert_eq!(refused(|config| config.trees = 0).name(), "trees");
    assert_eq!(refused(|config| config.trees = 65_537).name(), "trees");
    assert_eq!(
        refused(|config| config.sample_size = 1).name(),
        "sample_size"
    );
    assert_eq!(
        refused(|config| config.sample_size = 65_537).name(),
        "sample_size"
    );
    assert_eq!(
        refused(|config| (config.trees, config.sample_size) = (257, 65_536)).name(),
        "trees"
    );
    for bad in [0.0, 0.500_001, f64::NAN] {
        let mut config = IsolationForestConfig::default();
        config.contamination = Some(bad);
        assert_eq!(
            IsolationForest::try_from(config).unwrap_err().name(),
            "contamination"
        );
    }
    forest(|config| (config.trees, config.sample_size) = (256, 65_536));
    forest(|config| (config.trees, config.sample_size) = (65_536, 256));
    forest(|config| (config.trees, config.sample_size, config.contamination) = (1, 2, Some(0.5)));
}

#[test]
fn the_explanation_adds_up_to_the_score_and_names_the_column() {
    let rows = reference_rows();
    let model = fit(&rows, |_| ());
    for row in rows.rows() {
        let row = row.to_vec();
        let shares = model.explain(&row).unwrap();
        let score = model
            .score(Array2::from_shape_vec((1, 3), row).unwrap().view())
            .unwrap()[0];
        assert!((shares.iter().sum::<f64>() - (2.0 * score).log2()).abs() < 1e-9);
    }
    let shares = model.explain(&[0.1, -1.5, 0.0]).unwrap();
    assert!(
        shares[1] > 0.2 && shares[1] > 2.0 * shares[0].max(shares[2]),
        "{shares:?}"
    );
    assert!(model.explain(&[1.0]).is_err());
    assert!(model.explain(&[1.0, f64::INFINITY, 0.0]).is_err());
    let hole = model.explain(&[f64::NAN, -1.5, 0.0]).unwrap();
    assert!(hole.iter().all(|share| share.is_finite()) && hole[1] > 0.2);
}

#[test]
fn missing_values_follow_the_larger_side() {
    // One split at most of the column decides: 0 for most rows, 1 for few.
    let rows = Array2::from_shape_fn((100, 1), |(row, _)| f64::from(u8::from(row < 10)));
    let model = fit(&rows, |_| ());
    let scores = model.score(array![[0.0], [1.0]].view()).unwrap();
    assert!(scores[1] > scores[0]);
    // With a second column that is missing, a row scores like those of the larger side.
    let mut two = Array2::zeros((100, 2));
    two.column_mut(0).assign(&rows.column(0));
    two.column_mut(1).assign(&noisy(100, 1).column(0));
    let model = fit(&two, |config| config.trees = 400);
    let scores = model
        .score(array![[0.0, 0.1], [1.0, 0.1], [f64::NAN, 0.1]].view())
        .unwrap();
    assert_eq!(scores[2], scores[0]);
    assert!(scores[1] > scores[0]);
    // Holes in training leave a usable forest.
    let mut holed = reference_rows();
    holed
        .iter_mut()
        .step_by(7)
        .for_each(|value| *value = f64::NAN);
    holed.row_mut(7).fill(2.0);
    let scores = fit(&holed, |_| ()).score(holed.view()).unwrap();
    assert!(scores.iter().all(|&score| score <= scores[7]));
}

/// A fixed seed gives fixed bits: this fails when a release changes the scores.
#[test]
fn scores_are_pinned() {
    let rows = reference_rows();
    let scores = fit(&rows, |config| config.seed = Seed(7))
        .score(rows.view())
        .unwrap();
    let head: Vec<String> = scores[..3]
        .iter()
        .map(|score| format!("{score:.12}"))
        .collect();
    assert_eq!(head, ["0.546637917918", "0.509797184176", "0.480114786628"]);
    let other = fit(&rows, |config| config.seed = Seed(8))
        .score(rows.view())
        .unwrap();
    assert_ne!(scores, other);
}

#[test]
fn memory_is_as_documented() {
    let rows = noisy(5000, 4);
    let per_tree = fit(&rows, |_| ()).size_bytes() / 100;
    assert!((8000..9500).contains(&per_tree), "{per_tree}");
}

#[test]
fn too_little_data_is_refused() {
    let Err(FitError::Data(error)) = forest(|_| ()).fit(Array2::zeros((0, 2)).view()) else {
        panic!("fitted nothing");
    };
    assert_eq!(
        error,
        DataError::TooShort {
            needed: 1,
            found: 0
        }
    );
}

/// scikit-learn 1.9.1, mean AUROC of five seeds and their standard deviation, on public tables.
#[test]
fn ranks_like_scikit_learn_on_public_tables() {
    let Some(folder) = shared_data("data/detect/adbench") else {
        return;
    };
    for (set, expected, spread) in [
        ("glass", 0.7828, 0.0108),
        ("cardio", 0.9318, 0.0121),
        ("thyroid", 0.9777, 0.0024),
    ] {
        let (rows, labels) = table(&folder.join(format!("{set}.csv.gz")));
        let mut sum = 0.0;
        for seed in 0..10 {
            let scores = fit(&rows, |config| config.seed = Seed(seed))
                .score(rows.view())
                .unwrap();
            sum += auroc(&labels, &scores).unwrap() / 10.0;
        }
        // The difference of a mean of five and one of ten, at three standard deviations.
        let margin = 3.0 * spread * (0.2_f64 + 0.1).sqrt();
        assert!(
            (sum - expected).abs() < margin,
            "{set}: {sum}, expected {expected} +- {margin}"
        );
    }
}

#[cfg(feature = "rayon")]
#[test]
fn threads_change_no_bit() {
    let rows = noisy(3000, 5);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| fit(&rows, |_| ()).score(rows.view()).unwrap())
    };
    let (one, three) = (with(1), with(3));
    assert!(
        one.iter()
            .zip(&three)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
    // That of the build without rayon, see `scores_are_pinned`, is the same computation.
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Splits are by order and share of the range, so powers of two change nothing at all.
    #[test]
    fn the_unit_of_a_column_changes_nothing(power in -60_i32..60, column in 0_usize..3) {
        let rows = reference_rows();
        let mut moved = rows.clone();
        moved.column_mut(column).mapv_inplace(|value| value * 2.0_f64.powi(power));
        let plain = fit(&rows, |config| config.trees = 10).score(rows.view()).unwrap();
        prop_assert_eq!(plain, fit(&moved, |config| config.trees = 10).score(moved.view()).unwrap());
    }

    #[test]
    fn scores_are_in_the_unit_interval(values in proptest::collection::vec(-1e3..1e3_f64, 2..120), at in -1e6..1e6_f64) {
        let rows = Array2::from_shape_vec((values.len(), 1), values).unwrap();
        let score = fit(&rows, |config| config.trees = 5).score(array![[at]].view()).unwrap()[0];
        prop_assert!(score > 0.0 && score <= 1.0);
    }
}

#[cfg(feature = "serde")]
mod stored {
    use aiops_core::stored::{LoadError, load, save};

    use super::*;
    use crate::support::{envelope, released};

    /// Written by release 0.1 with the configuration and rows below.
    #[test]
    fn the_released_format_scores_as_then() {
        let fitted = fit(&reference_rows(), |config| {
            (config.trees, config.sample_size, config.contamination) = (3, 16, Some(0.05));
        });
        let model = released("isolation-forest-1.json", &fitted);
        let rows = reference_rows();
        assert_eq!(
            model.score(rows.view()).unwrap(),
            fitted.score(rows.view()).unwrap()
        );
        assert_eq!(model, fitted);
        assert_eq!(
            model.explain(&[2.0; 3]).unwrap(),
            fitted.explain(&[2.0; 3]).unwrap()
        );
    }

    #[test]
    fn written_and_read_back_it_is_the_same() {
        for rows in [
            noisy(1, 2),
            noisy(2, 1),
            noisy(300, 5),
            Array2::from_elem((9, 2), 1.0),
        ] {
            let model = fit(&rows, |config| config.trees = 7);
            assert_eq!(load::<FittedIsolationForest>(&save(&model)).unwrap(), model);
        }
    }

    #[test]
    fn impossible_forests_are_refused() {
        let read = |columns: i64, sample: i64, offset: &str, trees: &str| {
            let payload = format!(
                r#"{{"columns":{columns},"sample":{sample},"offset":"{offset}","trees":[{trees}]}}"#
            );
            load::<FittedIsolationForest>(&envelope("detect.isolation-forest", 1, &payload))
        };
        let good = r#"{"nodes":[0,-1,-2],"thresholds":"0.5"}"#;
        let model = read(1, 3, "0.5", good).unwrap();
        let scores = model.score(array![[0.0], [1.0]].view()).unwrap();
        assert!(scores[0] > scores[1]);
        for (columns, sample, offset, trees) in [
            (0, 3, "0.5", good),
            (1, 0, "0.5", good),
            (1, 65_537, "0.5", good),
            (1, 4, "0.5", good),
            (1, 3, "NaN", good),
            (1, 3, "0.5", ""),
            (1, 3, "0.5", r#"{"nodes":[],"thresholds":""}"#),
            (1, 3, "0.5", r#"{"nodes":[1,-1,-2],"thresholds":"0.5"}"#),
            (1, 3, "0.5", r#"{"nodes":[0,-1,-2],"thresholds":"NaN"}"#),
            (1, 3, "0.5", r#"{"nodes":[0,-1,-2],"thresholds":""}"#),
            (1, 3, "0.5", r#"{"nodes":[0,-1,-2],"thresholds":"0.5 1"}"#),
            (1, 3, "0.5", r#"{"nodes":[0,-1,-2,-1],"thresholds":"0.5"}"#),
            (1, 3, "0.5", r#"{"nodes":[0,-1],"thresholds":"0.5"}"#),
            (
                1,
                3,
                "0.5",
                r#"{"nodes":[0,-9223372036854775808,-2],"thresholds":"0.5"}"#,
            ),
            (
                1,
                3,
                "0.5",
                r#"{"nodes":[0,0,0,-1,-1,-1,-1],"thresholds":"0.5 0.4 0.3"}"#,
            ),
        ] {
            let got = read(columns, sample, offset, trees);
            assert!(
                matches!(got, Err(LoadError::Payload { .. })),
                "{columns} {sample} {offset} {trees}: {got:?}"
            );
        }
        // Many small trees in the file, each of the largest size in memory.
        let greedy = vec![r#"{"nodes":[-65536],"thresholds":""}"#; 257].join(",");
        assert!(read(1, 65_536, "0.5", &greedy).is_err());
    }
}
