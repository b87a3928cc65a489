//! Intervals that go on being calibrated, and errors that drift.

use aiops_core::{Forecaster, OnlineForecaster, Seed};
use aiops_forecast::auto::{Auto, AutoConfig};
use aiops_forecast::conformal::{Conformal, ConformalConfig, FittedConformal, Tracked};
use aiops_forecast::smoothing::simple::{SimpleSmoothing, SimpleSmoothingConfig};

use crate::support::series;

/// Noise around 100 whose standard deviation and level change at `change`.
fn values(len: usize, change: usize, sd: f64, level: f64) -> Vec<f64> {
    let mut rng = Seed(21).rng();
    (0..len)
        .map(|t| {
            let (sd, level) = if t < change { (1.0, 0.0) } else { (sd, level) };
            100.0 + level + sd * rng.normal()
        })
        .collect()
}

/// Trained on the first 200.
fn play(values: &[f64]) -> Tracked {
    let inner = SimpleSmoothing::try_from(SimpleSmoothingConfig::default()).unwrap();
    let all = series(values);
    let forecaster = Conformal::new(inner, ConformalConfig::default()).unwrap();
    let mut model: FittedConformal<_> = forecaster.fit(all.view().slice(0, 200)).unwrap();
    for sample in all.view().slice(200, values.len()).iter() {
        model.update(sample);
    }
    model.tracked()
}

#[test]
fn coverage_tends_to_what_is_said() {
    let calm = play(&values(1_200, 1_200, 1.0, 0.0));
    assert!(
        (calm.coverage80 - 0.8).abs() < 0.03 && (calm.coverage95 - 0.95).abs() < 0.02,
        "{calm:?}"
    );
    assert!(!calm.refit_wanted, "{calm:?}");
    // Three times the noise from the start of the updates on: fixed intervals would cover 33 and 49 %.
    let wild = play(&values(1_200, 200, 3.0, 0.0));
    assert!(
        (wild.coverage80 - 0.8).abs() < 0.05 && (wild.coverage95 - 0.95).abs() < 0.03,
        "{wild:?}"
    );
}

#[test]
fn errors_that_grow_ask_for_a_refit() {
    let wild = play(&values(400, 320, 3.0, 0.0));
    assert!(wild.error_growth > 2.0 && wild.refit_wanted, "{wild:?}");
    let calm = play(&values(400, 400, 1.0, 0.0));
    assert!(calm.error_growth < 1.5 && !calm.refit_wanted, "{calm:?}");
}

#[test]
fn few_false_calls_for_a_refit() {
    let mut calls = 0;
    for seed in 0..40 {
        let mut rng = Seed(seed).rng();
        let values: Vec<f64> = (0..500).map(|_| 10.0 + rng.normal()).collect();
        calls += u32::from(play(&values).refit_wanted);
    }
    assert!(calls <= 2, "{calls} of 40");
}

#[test]
fn the_one_that_chooses_is_tracked_too() {
    let values = values(500, 500, 1.0, 0.0);
    let all = series(&values);
    let mut model = Auto::try_from(AutoConfig::default())
        .unwrap()
        .fit(all.view().slice(0, 200))
        .unwrap();
    assert!(model.tracked().coverage80.is_nan() && model.tracked().seen == 0);
    for sample in all.view().slice(200, 500).iter() {
        model.update(sample);
    }
    let tracked = model.tracked();
    assert_eq!(tracked.seen, 300);
    assert!(
        (tracked.coverage80 - 0.8).abs() < 0.06 && (tracked.coverage95 - 0.95).abs() < 0.04,
        "{tracked:?}"
    );
}
