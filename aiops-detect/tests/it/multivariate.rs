//! What every detector over rows must do, whatever it computes.

use aiops_core::ndarray::{Array2, Axis, array, concatenate};
use aiops_core::{
    DataError, FitError, FittedMultivariateDetector, MultivariateDetector, ScoreError,
};

use crate::support::noise;

/// Rows without structure; each column with its own noise.
pub(crate) fn noisy(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        noise(row * 31 + column * 1009)
    })
}

/// Tables that break careless arithmetic, each with its name.
pub(crate) fn degenerate() -> Vec<(&'static str, Array2<f64>)> {
    let each = |f: fn(usize, usize) -> f64| Array2::from_shape_fn((64, 3), |(r, c)| f(r, c));
    let mut lonely = noisy(64, 3);
    lonely.column_mut(1).fill(4.0);
    vec![
        ("one row", noisy(1, 3)),
        ("two rows", noisy(2, 3)),
        ("one column", noisy(64, 1)),
        ("more columns than rows", noisy(5, 12)),
        ("all rows equal", each(|_, c| c as f64)),
        ("all zero", each(|_, _| 0.0)),
        (
            "both zeros",
            each(|r, _| if r % 2 == 0 { 0.0 } else { -0.0 }),
        ),
        (
            "equal but one",
            each(|r, c| if r == 63 { 5.0 } else { c as f64 }),
        ),
        ("two kinds of rows", each(|r, c| (r % 2 * (c + 1)) as f64)),
        ("one constant column", lonely),
        ("collinear columns", each(|r, c| (c + 1) as f64 * noise(r))),
        ("huge", each(|r, c| noise(r * 3 + c) * f64::MAX)),
        (
            "both ends",
            each(|r, c| if (r + c) % 2 == 0 { f64::MAX } else { f64::MIN }),
        ),
        ("subnormal", each(|r, c| f64::from_bits((r + c) as u64 % 5))),
        (
            "tiny and huge",
            each(|r, c| if (r + c) % 3 == 0 { 1e308 } else { 1e-308 }),
        ),
        (
            "holes",
            each(|r, c| {
                if (r + c) % 5 == 0 {
                    f64::NAN
                } else {
                    noise(r * 3 + c)
                }
            }),
        ),
        (
            "a row without values",
            each(|r, c| if r == 9 { f64::NAN } else { noise(r * 3 + c) }),
        ),
        (
            "a column without values",
            each(|r, c| if c == 1 { f64::NAN } else { noise(r) }),
        ),
        ("nothing but holes", each(|_, _| f64::NAN)),
        ("noise", noisy(64, 3)),
    ]
}

#[track_caller]
fn same_bits(name: &str, one: &[f64], other: &[f64]) {
    let differing = one
        .iter()
        .zip(other)
        .position(|(a, b)| a.to_bits() != b.to_bits());
    assert_eq!(differing, None, "{name}: {one:?} {other:?}");
}

/// The checks; `what` names the detector in messages.
pub(crate) fn check<D: MultivariateDetector>(what: &str, detector: &D) {
    shapes_are_checked(what, detector);
    for (case, rows) in degenerate() {
        let name = format!("{what}, {case}");
        let Some(model) = fit_or_data_error(&name, detector, &rows) else {
            continue;
        };
        let scores = model.score(rows.view()).unwrap();
        for (row, &score) in rows.rows().into_iter().zip(&scores) {
            let empty = row.iter().all(|value| value.is_nan());
            assert!(!score.is_infinite(), "{name}: {score}");
            assert_eq!(score.is_nan(), empty, "{name}: {row} scores {score}");
        }
        let again = detector
            .fit(rows.view())
            .unwrap()
            .score(rows.view())
            .unwrap();
        same_bits(&name, &scores, &again);
        // Scored one by one, in a column-major table, and among other rows.
        let each: Vec<f64> = rows
            .axis_chunks_iter(Axis(0), 1)
            .flat_map(|row| model.score(row).unwrap())
            .collect();
        same_bits(&name, &scores, &each);
        let turned = rows.t().to_owned();
        same_bits(&name, &scores, &model.score(turned.t()).unwrap());
        let twice = concatenate![Axis(0), rows, rows];
        same_bits(
            &name,
            &scores,
            &model.score(twice.view()).unwrap()[rows.nrows()..],
        );
        explains(&name, &model, &rows);
        extremes_score_finite(&name, &model, rows.ncols());
    }
}

fn fit_or_data_error<D: MultivariateDetector>(
    name: &str,
    detector: &D,
    rows: &Array2<f64>,
) -> Option<D::Model> {
    match detector.fit(rows.view()) {
        Ok(model) => Some(model),
        Err(FitError::Data(DataError::TooShort { needed, found })) => {
            assert!(found < needed, "{name}: needs {needed}, has {found}");
            None
        }
        Err(error) => panic!("{name}: {error:?}"),
    }
}

fn shapes_are_checked<D: MultivariateDetector>(what: &str, detector: &D) {
    for empty in [noisy(0, 0), noisy(0, 3), Array2::zeros((5, 0))] {
        let error = detector.fit(empty.view()).err();
        assert!(
            matches!(error, Some(FitError::Data(DataError::TooShort { .. }))),
            "{what}: {error:?} for {:?}",
            empty.dim()
        );
    }
    let mut train = noisy(64, 3);
    let model = detector.fit(train.view()).unwrap();
    assert_eq!(model.score(noisy(0, 3).view()).unwrap(), [0.0; 0], "{what}");
    let Err(ScoreError::Data(error)) = model.score(noisy(4, 2).view()) else {
        panic!("{what}: scored rows of another width");
    };
    let expected = DataError::Length {
        what: "columns",
        expected: 3,
        found: 2,
    };
    assert_eq!(error, expected, "{what}");
    let Err(ScoreError::Data(error)) = model.score_into(train.view(), &mut [0.0; 63]) else {
        panic!("{what}: wrote too few scores");
    };
    let expected = DataError::Length {
        what: "scores",
        expected: 64,
        found: 63,
    };
    assert_eq!(error, expected, "{what}");

    train[[2, 1]] = f64::NEG_INFINITY;
    let infinite = DataError::Infinite {
        index: 7,
        value: f64::NEG_INFINITY,
    };
    let Err(ScoreError::Data(error)) = model.score(train.view()) else {
        panic!("{what}: scored an infinite value");
    };
    assert_eq!(error, infinite, "{what}");
    let Err(FitError::Data(error)) = detector.fit(train.view()) else {
        panic!("{what}: learned an infinite value");
    };
    assert_eq!(error, infinite, "{what}");
}

/// One finite number per column; none for what is missing.
fn explains<M: FittedMultivariateDetector>(name: &str, model: &M, rows: &Array2<f64>) {
    for row in rows.rows() {
        let shares = model.explain(&row.to_vec()).unwrap();
        assert_eq!(shares.len(), rows.ncols(), "{name}");
        for (&share, value) in shares.iter().zip(row) {
            assert!(share.is_finite(), "{name}: {share} for {value}");
            assert!(
                !value.is_nan() || share == 0.0,
                "{name}: {share} for {value}"
            );
        }
    }
    assert!(
        model.explain(&vec![0.0; rows.ncols() + 1]).is_err(),
        "{name}"
    );
    assert!(
        model.explain(&vec![f64::INFINITY; rows.ncols()]).is_err(),
        "{name}"
    );
}

fn extremes_score_finite<M: FittedMultivariateDetector>(name: &str, model: &M, columns: usize) {
    for value in [0.0, -0.0, 1e-308, 1e300, f64::MAX, f64::MIN] {
        let row = Array2::from_elem((1, columns), value);
        let score = model.score(row.view()).unwrap()[0];
        assert!(score.is_finite(), "{name}: {score} for {value}");
    }
    let mut alternating = array![[f64::MAX, f64::MIN, 0.0]];
    if columns == 3 {
        assert!(
            model.score(alternating.view()).unwrap()[0].is_finite(),
            "{name}"
        );
        alternating[[0, 1]] = f64::NAN;
        assert!(
            model.score(alternating.view()).unwrap()[0].is_finite(),
            "{name}, with a hole"
        );
    }
}
