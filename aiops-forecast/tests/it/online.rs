//! `update` is equal to a pass over all samples without a refit.

use aiops_core::{FittedForecaster, Forecaster, OnlineForecaster, Sample, SeriesView};
use aiops_forecast::ets::{Ets, EtsConfig, Form};
use aiops_forecast::moving_average::{MovingAverage, MovingAverageConfig};
use aiops_forecast::naive::drift::Drift;
use aiops_forecast::naive::last::Naive;
use aiops_forecast::naive::profile::{Profile, ProfileConfig};
use aiops_forecast::naive::seasonal::{SeasonalNaive, SeasonalNaiveConfig};
use aiops_forecast::theta::{Theta, ThetaConfig};

use crate::support::series;

fn values() -> Vec<f64> {
    (0..80)
        .map(|i| {
            let noise = f64::from(i * 37 % 11) / 5.0;
            if i % 13 == 12 {
                f64::NAN
            } else {
                20.0 + f64::from(i % 4) + 0.1 * f64::from(i) + noise
            }
        })
        .collect()
}

fn play<M: OnlineForecaster>(model: &mut M, rest: SeriesView<'_>) {
    rest.iter().for_each(|sample| model.update(sample));
}

/// Those that learn the same from a batch as sample by sample.
#[track_caller]
fn check<F: Forecaster>(forecaster: &F)
where
    F::Model: OnlineForecaster + std::fmt::Debug,
{
    let all = series(&values());
    let mut model = forecaster.fit(all.view().slice(0, 50)).unwrap();
    play(&mut model, all.view().slice(50, 80));
    // As text, because missing values are not equal to themselves.
    let batch = forecaster.fit(all.view()).unwrap();
    assert_eq!(format!("{model:?}"), format!("{batch:?}"));
}

#[test]
fn naive_forecasts_and_averages() {
    check(&Naive);
    check(&Drift);
    check(&MovingAverage::try_from(MovingAverageConfig::default()).unwrap());
    let mut config = SeasonalNaiveConfig::default();
    config.season = 4;
    let mut profile = ProfileConfig::default();
    (profile.season, profile.cycles) = (4, 3);
    check(&Profile::try_from(profile).unwrap());
    check(&SeasonalNaive::try_from(config).unwrap());
}

#[test]
fn smoothing_of_every_form() {
    let all = series(&values());
    for form in Form::admissible() {
        let mut config = EtsConfig::default();
        (config.form, config.season) = (form, 4);
        let fitted = Ets::try_from(config)
            .unwrap()
            .fit(all.view().slice(0, 50))
            .unwrap();
        let mut model = fitted.clone();
        play(&mut model, all.view().slice(50, 80));
        assert_eq!(model, fitted.replay(all.view()).unwrap(), "{form}");
    }
}

#[test]
fn theta_with_a_season() {
    let all = series(&values());
    let mut config = ThetaConfig::default();
    config.season = 4;
    // Without gaps in the part that is fitted, where they are filled from both sides.
    let fitted = Theta::try_from(config)
        .unwrap()
        .fit(all.view().slice(13, 25))
        .unwrap();
    let mut model = fitted.clone();
    play(&mut model, all.view().slice(25, 80));
    assert_eq!(model, fitted.replay(all.view().slice(13, 80)).unwrap());
}

#[test]
fn an_infinite_sample_counts_as_missing() {
    let all = series(&values());
    let mut model = Naive.fit(all.view()).unwrap();
    let before = model.forecast(1, &[]).unwrap();
    model.update(Sample::new(before.axis().view().at(0), f64::INFINITY));
    assert_eq!(model.forecast(1, &[]).unwrap().mean(), before.mean());
}
