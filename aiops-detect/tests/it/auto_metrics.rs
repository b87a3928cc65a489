use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector};
use aiops_detect::auto_metrics::{AutoMetrics, AutoMetricsConfig, FittedAutoMetrics};

use crate::multivariate::{check, degenerate, noisy};

fn detector(window: usize) -> AutoMetrics {
    let mut config = AutoMetricsConfig::default();
    config.window = window;
    AutoMetrics::try_from(config).unwrap()
}

fn fit(rows: &Array2<f64>, window: usize) -> FittedAutoMetrics {
    detector(window).fit(rows.view()).unwrap()
}

#[test]
fn degenerate_input() {
    check("auto metrics, window 1", &detector(1));
    for (name, rows) in degenerate() {
        let Ok(model) = detector(10).fit(rows.view()) else {
            continue;
        };
        let scores = model.score(rows.view()).unwrap();
        for (row, score) in rows.rows().into_iter().zip(scores) {
            assert_eq!(
                score.is_nan(),
                row.iter().all(|value| value.is_nan()),
                "{name}: {score}"
            );
            assert!(!score.is_infinite(), "{name}");
        }
    }
}

#[test]
fn a_score_is_the_mean_over_the_last_rows() {
    let mut rows = noisy(60, 3);
    rows.row_mut(20).fill(f64::NAN);
    let each = fit(&noisy(200, 3), 1).score(rows.view()).unwrap();
    let means = fit(&noisy(200, 3), 4).score(rows.view()).unwrap();
    assert!(means[20].is_nan() && each[20].is_nan());
    for (index, expected) in [
        (0, each[0]),
        (2, (each[0] + each[1] + each[2]) / 3.0),
        (9, (each[6] + each[7] + each[8] + each[9]) / 4.0),
        (21, (each[18] + each[19] + each[21]) / 3.0),
    ] {
        assert!(
            (means[index] - expected).abs() < 1e-12,
            "row {index}: {}",
            means[index]
        );
    }
    // Later rows change nothing.
    let head = fit(&noisy(200, 3), 4)
        .score(rows.slice(aiops_core::ndarray::s![..30, ..]))
        .unwrap();
    assert!(
        head.iter()
            .zip(&means)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
}

#[test]
fn blame_in_squared_standard_deviations() {
    // Mean 0, deviation 1, range 2: ratio one half in both columns, which the floor is below.
    let rows = Array2::from_shape_fn((100, 2), |(row, column)| {
        let sign = if row % 2 == 0 { 1.0 } else { -1.0 };
        if column == 0 { sign } else { 1000.0 * sign }
    });
    let blame = fit(&rows, 1).explain(&[3.0, -2000.0]).unwrap();
    assert!(
        (blame[0] - 9.0).abs() < 1e-9 && (blame[1] - 4.0).abs() < 1e-9,
        "{blame:?}"
    );
    assert_eq!(fit(&rows, 1).explain(&[f64::NAN, 0.0]).unwrap()[0], 0.0);

    // A column that moved once is not blamed for half of that.
    let mut quiet = Array2::zeros((10_000, 3));
    quiet
        .slice_mut(aiops_core::ndarray::s![.., ..2])
        .assign(&noisy(10_000, 2));
    quiet[[77, 2]] = 1.0;
    let blame = fit(&quiet, 1).explain(&[1.0, 0.0, 0.5]).unwrap();
    assert!(blame[2] < 40.0 && blame[0] > 10.0, "{blame:?}"); // 2500 without the floor
}

#[test]
fn parameters_are_checked_on_both_sides() {
    for (window, accepted) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let mut config = AutoMetricsConfig::default();
        config.window = window;
        assert_eq!(AutoMetrics::try_from(config).is_ok(), accepted, "{window}");
    }
    let scores = detector(3)
        .fit_score(array![[1.0], [2.0], [3.0]].view())
        .unwrap();
    assert!(scores.iter().all(|&score| score > 0.0)); // no row is its own neighbour
}

#[cfg(feature = "serde")]
#[test]
fn stored_models_score_alike_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};

    let fitted = fit(&noisy(30, 2), 5);
    assert_eq!(
        crate::support::released("auto-metrics-1.json", &fitted),
        fitted
    );
    assert_eq!(load::<FittedAutoMetrics>(&save(&fitted)).unwrap(), fitted);
    let read = |window: usize, mean: &str, spread: &str| {
        let payload = format!(
            r#"{{"window":{window},"sampled":{{"scaler":{{"fill":"0","shift":"0","factor":"1"}},"samples":[{{"rows":"1 2"}}]}},"mean":"{mean}","spread":"{spread}"}}"#
        );
        load::<FittedAutoMetrics>(&crate::support::envelope(
            "detect.auto-metrics",
            1,
            &payload,
        ))
    };
    assert!(read(5, "0", "1").is_ok());
    for (window, mean, spread) in [
        (0, "0", "1"),
        (10_001, "0", "1"),
        (5, "0 0", "1"),
        (5, "0", ""),
        (5, "NaN", "1"),
        (5, "0", "0"),
        (5, "0", "inf"),
    ] {
        assert!(
            read(window, mean, spread).is_err(),
            "{window} {mean} {spread}"
        );
    }
}
