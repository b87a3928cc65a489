//! Models that are written and read again go on as if nothing had been.

use aiops_core::stored::{self, LoadError, StoredModel};
use aiops_core::{FittedForecaster as _, Forecaster, OnlineForecaster};
use aiops_forecast::arima::{Arima, ArimaConfig, FittedArima};
use aiops_forecast::ets::{Ets, EtsConfig, FittedEts, Form};
use aiops_forecast::intermittent::{FittedIntermittent, Intermittent, IntermittentConfig};
use aiops_forecast::moving_average::{FittedMovingAverage, MovingAverage, MovingAverageConfig};
use aiops_forecast::mstl::{FittedMstl, Mstl, MstlConfig};
use aiops_forecast::naive::drift::Drift;
use aiops_forecast::naive::last::{FittedNaive, Naive};
use aiops_forecast::naive::profile::{FittedProfile, Profile, ProfileConfig};
use aiops_forecast::naive::seasonal::{SeasonalNaive, SeasonalNaiveConfig};
use aiops_forecast::theta::{FittedTheta, Theta, ThetaConfig};

use crate::support::series;

fn values() -> Vec<f64> {
    (0..60)
        .map(|i| 20.0 + f64::from(i % 4) + 0.1 * f64::from(i) + f64::from(i * 37 % 11) / 5.0)
        .collect()
}

#[track_caller]
fn check<F: Forecaster>(forecaster: &F)
where
    F::Model: OnlineForecaster + StoredModel + std::fmt::Debug,
{
    let all = series(&values());
    let mut model = forecaster.fit(all.view().slice(0, 48)).unwrap();
    let mut again: F::Model = stored::load(&stored::save(&model)).unwrap();
    assert_eq!(stored::save(&model), stored::save(&again));
    for sample in all.view().slice(48, 60).iter() {
        model.update(sample);
        again.update(sample);
    }
    let levels = [0.1, 0.9];
    assert_eq!(
        model.forecast(5, &levels).unwrap(),
        again.forecast(5, &levels).unwrap()
    );
}

fn average() -> MovingAverage {
    MovingAverage::try_from(MovingAverageConfig::default()).unwrap()
}

fn profile() -> Profile {
    let mut config = ProfileConfig::default();
    (config.season, config.cycles) = (4, 3);
    Profile::try_from(config).unwrap()
}

fn mstl() -> Mstl {
    let mut config = MstlConfig::default();
    config.seasons = vec![4, 12];
    Mstl::try_from(config).unwrap()
}

#[test]
fn go_on_where_they_were() {
    check(&Naive);
    check(&Drift);
    let mut config = SeasonalNaiveConfig::default();
    config.season = 4;
    check(&SeasonalNaive::try_from(config).unwrap());
    let mut config = ThetaConfig::default();
    config.season = 4;
    check(&Theta::try_from(config).unwrap());
    check(&average());
    check(&profile());
    check(&mstl());
    check(&Intermittent::try_from(IntermittentConfig::default()).unwrap());
    for order in ["2,1,1", "0,1,1 0,1,1 4", "1,0,0 1,1,0 4"] {
        let mut config = ArimaConfig::default();
        config.order = order.parse().unwrap();
        check(&Arima::try_from(config).unwrap());
    }
    for form in Form::admissible() {
        let mut config = EtsConfig::default();
        (config.form, config.season) = (form, 4);
        check(&Ets::try_from(config).unwrap());
    }
}

/// Written by this release; later ones must read it.
const NAIVE_V1: &str = include_str!("golden/naive.v1.json");
const ETS_V1: &str = include_str!("golden/ets.v1.json");
const ARIMA_V1: &str = include_str!("golden/arima.v1.json");
const INTERMITTENT_V1: &str = include_str!("golden/intermittent.v1.json");
const MOVING_AVERAGE_V1: &str = include_str!("golden/moving_average.v1.json");
const PROFILE_V1: &str = include_str!("golden/profile.v1.json");
const MSTL_V1: &str = include_str!("golden/mstl.v1.json");
const THETA_V1: &str = include_str!("golden/theta.v1.json");

#[test]
fn files_of_the_first_format_are_read() {
    let ahead = |model: &dyn OnlineForecaster| model.forecast(2, &[]).unwrap().mean().to_vec();
    let naive: FittedNaive = stored::load(NAIVE_V1.as_bytes()).unwrap();
    assert_eq!(ahead(&naive), [29.9, 29.9]);
    let all = series(&values());
    let ets: FittedEts = stored::load(ETS_V1.as_bytes()).unwrap();
    let expected = ets.replay(all.view()).unwrap();
    assert_eq!(
        ets.forecast(4, &[0.9]).unwrap(),
        expected.forecast(4, &[0.9]).unwrap()
    );
    let arima: FittedArima = stored::load(ARIMA_V1.as_bytes()).unwrap();
    let none = aiops_core::ndarray::Array2::zeros((0, 0));
    let expected = arima.replay_with(all.view(), none.view()).unwrap();
    let (ours, expected) = (
        arima.forecast(4, &[0.9]).unwrap(),
        expected.forecast(4, &[0.9]).unwrap(),
    );
    for (a, b) in ours.mean().iter().zip(expected.mean()) {
        assert!((a - b).abs() < 1e-9 * b.abs(), "{a} {b}");
    }
    let intermittent: FittedIntermittent = stored::load(INTERMITTENT_V1.as_bytes()).unwrap();
    assert_eq!(intermittent, intermittent.replay(all.view()).unwrap());
    let four = |model: &dyn OnlineForecaster| model.forecast(4, &[0.9]).unwrap();
    let stored: FittedMovingAverage = stored::load(MOVING_AVERAGE_V1.as_bytes()).unwrap();
    assert_eq!(four(&stored), four(&average().fit(all.view()).unwrap()));
    let stored: FittedProfile = stored::load(PROFILE_V1.as_bytes()).unwrap();
    assert_eq!(four(&stored), four(&profile().fit(all.view()).unwrap()));
    // The fit of another release may stop elsewhere in the last digits.
    let stored: FittedMstl = stored::load(MSTL_V1.as_bytes()).unwrap();
    let expected = four(&mstl().fit(all.view()).unwrap());
    for (a, b) in four(&stored).mean().iter().zip(expected.mean()) {
        assert!((a - b).abs() < 1e-3 * b.abs(), "{a} {b}");
    }
    let theta: FittedTheta = stored::load(THETA_V1.as_bytes()).unwrap();
    let expected = theta.replay(all.view()).unwrap();
    assert_eq!(
        theta.forecast(4, &[0.9]).unwrap(),
        expected.forecast(4, &[0.9]).unwrap()
    );
}

#[test]
fn damaged_files_are_refused() {
    fn payload(text: &str) -> Vec<u8> {
        // The checksum of a changed payload must not hide what is wrong with it.
        let envelope: serde_json::Value = serde_json::from_slice(&stored::save(
            &Naive.fit(series(&[1.0, 2.0]).view()).unwrap(),
        ))
        .unwrap();
        let mut hash = aiops_core::numerics::Fnv1a64::default();
        hash.write(text.as_bytes());
        format!(
            r#"{{"kind":{},"format":1,"checksum":"{:016x}","payload":{text}}}"#,
            envelope["kind"],
            hash.finish()
        )
        .into_bytes()
    }
    let good = r#"{"walk":{"last":"1","gap":"0","steps":"1","moved":"1","squares":"1"},"grid":{"next_nanos":0,"step_nanos":1}}"#;
    assert!(stored::load::<FittedNaive>(&payload(good)).is_ok());
    for (from, to) in [
        (r#""step_nanos":1"#, r#""step_nanos":0"#),
        (r#""last":"1""#, r#""last":"NaN""#),
        (r#""steps":"1""#, r#""steps":"-1""#),
        (r#""gap":"0""#, r#""gap":"0","more":1"#),
    ] {
        let bad = payload(&good.replace(from, to));
        let error = stored::load::<FittedNaive>(&bad).unwrap_err();
        assert!(matches!(error, LoadError::Payload { .. }), "{to}: {error}");
    }
    let other = stored::load::<FittedEts>(&payload(good)).unwrap_err();
    assert!(matches!(other, LoadError::Kind { .. }), "{other}");
}
