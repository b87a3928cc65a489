//! Bad input: typed errors that name the number, or forecasts that are numbers. Regressors that are not
//! finite are refused in `arima`, every bound of a configuration beside its module.

use aiops_core::{DataError, DynForecaster, FitError, FittedForecaster};

use crate::every::all;
use crate::support::series;

type Fitted = Result<Box<dyn FittedForecaster>, FitError>;

/// Fits every forecaster on `values` and judges what comes.
#[track_caller]
fn each(values: &[f64], judge: impl Fn(&str, Fitted)) {
    for (name, forecaster) in all() {
        let forecaster: &dyn DynForecaster = forecaster.as_ref();
        judge(name, forecaster.fit_boxed(series(values).view()));
    }
}

/// The number of values found, where the error is that they are too few.
fn found(fitted: &Fitted) -> Option<usize> {
    match fitted {
        Err(FitError::Data(DataError::TooShort { needed, found })) if needed > found => {
            Some(*found)
        }
        _ => None,
    }
}

fn finite(model: &dyn FittedForecaster) -> bool {
    let ahead = model.forecast(9, &[0.025, 0.975]).unwrap();
    let edges = [0.025, 0.975].map(|level| ahead.quantile(level).unwrap().to_vec());
    ahead
        .mean()
        .iter()
        .chain(edges.iter().flatten())
        .all(|value| value.is_finite())
}

fn steady(len: usize) -> Vec<f64> {
    (0..len)
        .map(|i| 10.0 + f64::from((i % 4) as u32) + 0.1 * f64::from((i % 3) as u32))
        .collect()
}

#[test]
fn nothing_at_all() {
    each(&[], |name, fitted| {
        assert_eq!(found(&fitted), Some(0), "{name}");
    });
}

#[test]
fn nothing_but_missing_values() {
    each(&[f64::NAN; 40], |name, fitted| {
        assert_eq!(found(&fitted), Some(0), "{name}");
    });
}

#[test]
fn one_value() {
    each(&[7.0], |name, fitted| match &fitted {
        Ok(model) => assert_eq!(model.forecast(2, &[]).unwrap().mean(), [7.0, 7.0], "{name}"),
        Err(_) => assert_eq!(found(&fitted), Some(1), "{name}"),
    });
}

#[test]
fn the_same_value_for_ever() {
    each(&[5.0; 40], |name, fitted| {
        let ahead = fitted.unwrap().forecast(9, &[0.1, 0.9]).unwrap();
        assert!(
            ahead.mean().iter().all(|value| (value - 5.0).abs() < 1e-9),
            "{name} {:?}",
            ahead.mean()
        );
    });
}

#[test]
fn negative_values() {
    let values: Vec<f64> = steady(60).iter().map(|value| value - 11.0).collect();
    each(&values, |name, fitted| match (name, fitted) {
        ("direct, logarithm", Err(FitError::Param(error))) => assert_eq!(error.name(), "logarithm"),
        ("intermittent", Err(FitError::Param(error))) => {
            assert!(error.to_string().contains("-1 at sample 0"), "{error}");
        }
        (_, Ok(model)) => assert!(finite(model.as_ref()), "{name}"),
        (_, Err(error)) => panic!("{name}: {error}"),
    });
}

#[test]
fn values_near_the_end_of_numbers() {
    let values: Vec<f64> = steady(60).iter().map(|value| value * 1e299).collect();
    each(&values, |name, fitted| match fitted {
        Ok(model) => assert!(finite(model.as_ref()), "{name}"),
        Err(error) => assert!(
            matches!(error, FitError::NotConverged { .. }),
            "{name}: {error}"
        ),
    });
}

#[test]
fn seasons_longer_than_the_series() {
    each(&steady(3), |name, fitted| match &fitted {
        Ok(model) => assert!(finite(model.as_ref()), "{name}"),
        Err(_) => assert_eq!(found(&fitted), Some(3), "{name}"),
    });
}

#[test]
fn a_horizon_of_nothing() {
    each(&steady(60), |name, fitted| {
        let error = fitted.unwrap().forecast(0, &[]).unwrap_err();
        let text = format!(
            "{error} {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        );
        assert!(
            text.contains("`horizon`") && text.contains("got 0"),
            "{name}: {text}"
        );
    });
}

#[test]
fn quantiles_that_are_none() {
    each(&steady(60), |name, fitted| {
        let model = fitted.unwrap();
        for (level, said) in [
            (0.0, "got 0"),
            (1.0, "got 1"),
            (-0.5, "got -0.5"),
            (f64::NAN, "got NaN"),
        ] {
            let error = model.forecast(2, &[level]).unwrap_err();
            let text = format!(
                "{error} {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            );
            assert!(
                text.contains("`levels`") && text.contains(said),
                "{name}: {text}"
            );
        }
    });
}
