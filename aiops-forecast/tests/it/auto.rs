use aiops_core::{FittedForecaster, Forecaster, Seed};
use aiops_forecast::auto::{Auto, AutoConfig, FittedAuto};
use aiops_forecast::direct::{Direct, DirectConfig};
use aiops_forecast::mstl::{Mstl, MstlConfig};
use aiops_forecast::stl;

use crate::support::series;

fn auto(seasons: &[usize], horizon: usize, values: &[f64]) -> FittedAuto {
    let mut config = AutoConfig::default();
    (config.seasons, config.horizon) = (seasons.to_vec(), horizon);
    Auto::try_from(config)
        .unwrap()
        .fit(series(values).view())
        .unwrap()
}

/// A day, a week and noise.
fn traffic(len: usize, noise: f64) -> Vec<f64> {
    let mut rng = Seed(9).rng();
    (0..len)
        .map(|hour| {
            let day = (std::f64::consts::TAU * (hour % 24) as f64 / 24.0).sin();
            let weekend = if (hour / 24) % 7 >= 5 { -30.0 } else { 0.0 };
            100.0 + 20.0 * day + weekend + noise * rng.normal()
        })
        .collect()
}

fn error(model: &dyn FittedForecaster, actual: &[f64]) -> f64 {
    let ahead = model.forecast(actual.len(), &[]).unwrap();
    let errors = ahead.mean().iter().zip(actual).map(|(a, b)| (a - b).abs());
    errors.sum::<f64>() / actual.len() as f64
}

#[test]
fn two_seasons_are_met_where_one_is_not_enough() {
    let all = traffic(24 * 7 * 5 + 96, 2.0);
    let (past, ahead) = all.split_at(24 * 7 * 5);
    let mut config = DirectConfig::default();
    config.horizon = 96;
    let direct = Direct::try_from(config)
        .unwrap()
        .fit(series(past).view())
        .unwrap();
    assert!(error(&direct, ahead) < 3.0, "{}", error(&direct, ahead));
    let mstl = Mstl::try_from(MstlConfig::default())
        .unwrap()
        .fit(series(past).view())
        .unwrap();
    assert!(error(&mstl, ahead) < 4.0, "{}", error(&mstl, ahead));
    let auto = auto(&[24, 168], 96, past);
    assert!(error(&auto, ahead) < 3.0, "{} {auto}", error(&auto, ahead));
}

#[test]
fn parts_of_a_decomposition_add_up() {
    let mut values = traffic(24 * 7 * 4, 1.0);
    values[100] = f64::NAN;
    let parts = stl::mstl(&values, &[24, 168]).unwrap();
    for (t, value) in values.iter().enumerate() {
        let sum = parts.trend[t] + parts.seasonal[0][t] + parts.seasonal[1][t] + parts.remainder[t];
        assert!(value.is_nan() && sum.is_nan() || (sum - value).abs() < 1e-9);
    }
    assert!(
        parts.seasonal_strength() > 0.95,
        "{}",
        parts.seasonal_strength()
    );
    assert!(stl::stl(&values, 1, 7).is_err() && stl::stl(&values, 24, 2).is_err());
    assert!(stl::mstl(&values, &[24, 24]).is_err() && stl::mstl(&values, &[]).is_err());
    assert!(stl::mstl(&values[..47], &[24]).is_err() && stl::mstl(&values[..48], &[24]).is_ok());
}

#[test]
fn a_trend_is_smooth() {
    let values: Vec<f64> = (0..120)
        .map(|i| f64::from(i) + 10.0 * f64::from(i % 12 == 0))
        .collect();
    let parts = stl::stl(&values, 12, 7).unwrap();
    assert!(
        parts
            .trend
            .windows(2)
            .all(|pair| (pair[1] - pair[0] - 1.0).abs() < 0.1)
    );
}

#[test]
fn says_what_it_chose_and_against_what() {
    let model = auto(&[24], 24, &traffic(24 * 14, 2.0));
    let total: f64 = model.tried().iter().map(|tried| tried.weight).sum();
    assert!((total - 1.0).abs() < 1e-9);
    assert!(
        model
            .tried()
            .windows(2)
            .all(|pair| pair[0].loss <= pair[1].loss)
    );
    assert!(
        model
            .tried()
            .iter()
            .any(|tried| tried.name.starts_with("direct"))
    );
    assert_eq!(model.to_string().lines().count(), model.tried().len());
}

#[test]
fn quantiles_mean_what_they_say_on_data_that_does_not_change() {
    let all = traffic(24 * 7 * 12, 5.0);
    let (mut inside, mut seen) = (0, 0);
    for origin in (24 * 28..all.len() - 24).step_by(36) {
        let model = auto(&[24, 168], 24, &all[origin - 24 * 28..origin]);
        let ahead = model.forecast(24, &[0.1, 0.9]).unwrap();
        let (low, high) = (ahead.quantile(0.1).unwrap(), ahead.quantile(0.9).unwrap());
        for (step, value) in all[origin..origin + 24].iter().enumerate() {
            seen += 1;
            inside += u32::from(low[step] <= *value && *value <= high[step]);
        }
    }
    let coverage = f64::from(inside) / f64::from(seen);
    assert!((0.75..0.92).contains(&coverage), "{coverage}");
}

#[test]
fn a_small_budget_leaves_the_cheap_ones() {
    let mut config = AutoConfig::default();
    config.seasons = vec![12];
    config.budget = std::time::Duration::ZERO;
    let values: Vec<f64> = (0..100).map(|i| 50.0 + f64::from(i % 12)).collect();
    let model = Auto::try_from(config)
        .unwrap()
        .fit(series(&values).view())
        .unwrap();
    assert!(
        model
            .tried()
            .iter()
            .all(|tried| !tried.name.starts_with("ETS")),
        "{model}"
    );
}

#[test]
fn never_below_zero_where_nothing_was() {
    let values: Vec<f64> = (0..60)
        .map(|i| f64::from(i * i % 7) * f64::from(i % 2))
        .collect();
    let model = auto(&[], 12, &values);
    let ahead = model.forecast(12, &[0.025]).unwrap();
    assert!(
        ahead
            .quantile(0.025)
            .unwrap()
            .iter()
            .all(|&value| value >= 0.0)
    );
}

#[test]
fn refuses_what_it_cannot_do() {
    fn refused(change: impl Fn(&mut AutoConfig)) -> String {
        let mut config = AutoConfig::default();
        change(&mut config);
        Auto::try_from(config).unwrap_err().name().to_owned()
    }
    assert_eq!(refused(|c| c.seasons = vec![1]), "seasons");
    assert_eq!(refused(|c| c.seasons = vec![24, 24]), "seasons");
    assert_eq!(refused(|c| c.horizon = 0), "horizon");
    assert_eq!(refused(|c| c.windows = 0), "windows");
    assert_eq!(refused(|c| c.windows = 51), "windows");
}
