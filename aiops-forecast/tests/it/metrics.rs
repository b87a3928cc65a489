use aiops_forecast::backtest::{Backtest, BacktestConfig, BacktestError};
use aiops_forecast::metrics::{
    coverage, crps, diebold_mariano, mase, msis, owa, pinball, rmsse, seasonal_step, smape,
};
use aiops_forecast::naive::last::Naive;
use aiops_forecast::naive2;

use crate::support::series;

const NAN: f64 = f64::NAN;

#[track_caller]
fn check(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
}

#[test]
fn worked_by_hand() {
    check(smape(&[1.0, 0.0, NAN], &[3.0, 0.0, 9.0]), 50.0);
    check(seasonal_step(&[1.0, 2.0, 4.0, 8.0], 2), 4.5);
    check(
        mase(&[5.0, 7.0], &[4.0, 4.0], &[1.0, 2.0, 4.0], 1),
        4.0 / 3.0,
    );
    check(
        rmsse(&[5.0, 7.0], &[4.0, 4.0], &[1.0, 2.0, 4.0], 1),
        2.0_f64.sqrt(),
    );
    check(owa(10.0, 1.0, 20.0, 4.0), 0.375);
    check(
        coverage(&[1.0, 2.0, NAN, 5.0], &[0.0; 4], &[2.0; 4]),
        2.0 / 3.0,
    );
    check(
        msis(&[1.0, 5.0], &[0.0, 0.0], &[2.0, 4.0], 0.05, &[1.0, 3.0], 1),
        11.5,
    );
    check(pinball(&[1.0, 4.0], &[2.0, 2.0], 0.9), 0.95);
    check(
        crps(&[1.0], &[&[0.0], &[1.0], &[3.0]], &[0.25, 0.5, 0.75]),
        0.5,
    );
}

#[test]
fn what_cannot_be_told_is_not_a_number() {
    assert!(smape(&[NAN], &[1.0]).is_nan());
    assert!(mase(&[1.0], &[1.0], &[2.0, 2.0, 2.0], 1).is_nan());
    assert!(mase(&[1.0], &[1.0], &[2.0], 1).is_nan());
    assert!(coverage(&[], &[], &[]).is_nan());
    assert!(diebold_mariano(&[1.0, 1.0], &[1.0, 1.0], 1).is_nan());
}

#[test]
fn diebold_and_mariano_prefer_the_smaller_errors() {
    let first: Vec<f64> = (0..50).map(|i| f64::from(i % 3)).collect();
    let second: Vec<f64> = (0..50).map(|i| 3.0 + f64::from(i % 5)).collect();
    let one = diebold_mariano(&first, &second, 1);
    assert!(one < -5.0, "{one}");
    check(diebold_mariano(&second, &first, 1), -one);
}

#[test]
fn naive2_repeats_the_season_it_finds() {
    let shape = [0.5, 1.5, 1.2, 0.8];
    let values: Vec<f64> = (0..40).map(|i| 100.0 * shape[i % 4]).collect();
    let ahead = naive2(&values, 4, 6);
    for (h, value) in ahead.iter().enumerate() {
        assert!((value - 100.0 * shape[h % 4]).abs() < 1e-9);
    }
    assert_eq!(naive2(&[3.0, NAN, 5.0], 4, 2), [5.0, 5.0]);
    assert!(naive2(&[NAN], 4, 2).is_empty());
}

#[test]
fn a_backtest_ends_at_the_end_and_says_when_it_cannot_begin() {
    let ramp: Vec<f64> = (0..30).map(f64::from).collect();
    let mut config = BacktestConfig::default();
    (
        config.horizon,
        config.windows,
        config.step,
        config.min_train,
    ) = (3, 99, 4, 10);
    let backtest = Backtest::try_from(config).unwrap();
    let windows = backtest.run(&Naive, series(&ramp).view()).unwrap();
    assert_eq!(windows.len(), 5);
    assert_eq!(windows[4].origin, 27);
    assert_eq!(windows[0].origin, 11);
    assert_eq!(windows[0].actual, [11.0, 12.0, 13.0]);
    assert_eq!(windows[0].errors().collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
    assert_eq!(windows[0].quantiles.len(), 4);
    let error = backtest
        .run(&Naive, series(&ramp[..12]).view())
        .unwrap_err();
    assert!(
        matches!(
            error,
            BacktestError::TooShort {
                needed: 13,
                found: 12
            }
        ),
        "{error}"
    );
    assert!(backtest.run(&Naive, series(&ramp[..13]).view()).is_ok());
}
