use aiops_core::ndarray::{Array2, ArrayView2};
use aiops_core::{FittedForecaster, Forecaster, OnlineForecaster, Sample, Seed, Timestamp};
use aiops_forecast::arima::{
    Arima, ArimaConfig, AutoArima, AutoArimaConfig, Estimator, FittedArima, Order,
};
use serde_json::Value;

use crate::support::{classics, data, reference, series};

fn arima(order: Order, constant: bool, estimator: Estimator) -> Arima {
    let mut config = ArimaConfig::default();
    (config.order, config.constant, config.estimator) = (order, constant, estimator);
    Arima::try_from(config).unwrap()
}

fn ml(order: &str, constant: bool) -> Arima {
    arima(
        order.parse().unwrap(),
        constant,
        Estimator::MaximumLikelihood,
    )
}

fn auto(seasons: &[usize], values: &[f64]) -> FittedArima {
    let mut config = AutoArimaConfig::default();
    config.seasons = seasons.to_vec();
    let auto = AutoArima::try_from(config).unwrap();
    auto.fit(series(values).view()).unwrap()
}

fn numbers(entry: &Value) -> Vec<f64> {
    entry
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect()
}

/// Order and season of an entry of R's forecast.
fn order(entry: &Value, season: usize) -> Order {
    let count = |of: &Value, at: usize| of[at].as_u64().unwrap_or(0) as usize;
    let (own, seasonal) = (&entry["spec"]["o"], &entry["spec"]["s"]);
    let order = Order::new(count(own, 0), count(own, 1), count(own, 2));
    if seasonal.is_null() {
        return order;
    }
    order.seasonal(
        count(seasonal, 0),
        count(seasonal, 1),
        count(seasonal, 2),
        season,
    )
}

/// R's forecast 8.20: coefficients within 2e-3 and forecasts within 1e-3 where the likelihood is the
/// same; it may be higher, not lower by more than 1e-2.
#[test]
fn fits_of_given_order_as_another_program() {
    let Some(folder) = data() else { return };
    let reference = reference(&folder);
    let mut checked = 0;
    for classic in classics(&folder) {
        let theirs = reference["series"][&classic.name]["R_forecast"]
            .as_object()
            .unwrap();
        for (name, one) in theirs
            .iter()
            .filter(|(name, _)| name.starts_with("arima_ml_"))
        {
            let log = one["spec"]["lambda"].as_f64() == Some(0.0);
            let values: Vec<f64> = classic
                .values
                .iter()
                .map(|value| if log { value.ln() } else { *value })
                .collect();
            let coefficients = one["coef"].as_object().unwrap();
            let constant = coefficients.contains_key("intercept");
            let model = arima(
                order(one, classic.season),
                constant,
                Estimator::MaximumLikelihood,
            )
            .fit(series(&values).view())
            .unwrap();
            let gained = model.log_likelihood() - one["loglik"].as_f64().unwrap();
            eprintln!("{:14} {name:24} {gained:8.4}", classic.name);
            assert!(gained > -1e-2, "{} {name}: {gained}", classic.name);
            if gained > 1e-2 {
                continue; // another, higher maximum
            }
            checked += 1;
            for (which, theirs) in coefficients {
                let (kind, index) = which.split_at(which.trim_end_matches(char::is_numeric).len());
                let index = index.parse::<usize>().map_or(0, |index| index - 1);
                let ours = match kind {
                    "ar" => model.ar()[index],
                    "ma" => model.ma()[index],
                    "sar" => model.seasonal_ar()[index],
                    "sma" => model.seasonal_ma()[index],
                    _ => model.constant().unwrap(),
                };
                let theirs = theirs.as_f64().unwrap();
                let allowed = 2e-3 * theirs.abs().max(1.0);
                assert!(
                    (ours - theirs).abs() < allowed,
                    "{} {name} {which}: {ours} {theirs}",
                    classic.name
                );
            }
            let (mean, upper) = (
                numbers(&one["forecast"]["mean"]),
                numbers(&one["forecast"]["upper95"]),
            );
            let ahead = model.forecast(mean.len(), &[0.975]).unwrap();
            let ours_upper = ahead.quantile(0.975).unwrap();
            for (h, (mean, upper)) in mean.iter().zip(&upper).enumerate() {
                let back = |value: f64| if log { value.exp() } else { value };
                let (ours, ours_upper) = (back(ahead.mean()[h]), back(ours_upper[h]));
                assert!(
                    (ours - mean).abs() < 1e-3 * mean.abs(),
                    "{} {name} {h}: {ours} {mean}",
                    classic.name
                );
                let (ours, theirs) = (ours_upper - ours, upper - mean);
                assert!(
                    (ours / theirs - 1.0).abs() < 0.02,
                    "{} {name} {h}: {ours} {theirs}",
                    classic.name
                );
            }
        }
    }
    assert!(checked >= 10, "{checked}");
}

/// R's forecast 8.20 and statsforecast 2.1.1 on the classics, where both have the same differences.
#[test]
fn orders_no_worse_than_the_better_of_two_other_programs() {
    let Some(folder) = data() else { return };
    let reference = reference(&folder);
    let mut behind = Vec::new();
    for classic in classics(&folder) {
        let theirs = &reference["series"][&classic.name];
        let best = [
            &theirs["R_forecast"]["auto_arima_default"],
            &theirs["statsforecast_AutoARIMA"],
        ]
        .into_iter()
        .filter_map(|entry| entry["aicc"].as_f64())
        .fold(f64::INFINITY, f64::min);
        let seasons = if classic.season > 1 {
            vec![classic.season]
        } else {
            Vec::new()
        };
        let model = auto(&seasons, &classic.values);
        eprintln!(
            "{:14} {:20} {:10.3} {best:10.3} {:8.3} of {}",
            classic.name,
            model.order().to_string(),
            model.aicc(),
            model.aicc() - best,
            model.rivals().len()
        );
        if model.aicc() > best + 0.1 {
            behind.push((classic.name, model.aicc(), best));
        }
    }
    assert!(behind.is_empty(), "{behind:?}");
}

fn noisy(len: usize, phi: f64, season: usize) -> Vec<f64> {
    let mut rng = Seed(3).rng();
    let mut rest = 0.0;
    (0..len)
        .map(|t| {
            rest = phi * rest + rng.normal();
            let phase = std::f64::consts::TAU * (t % season) as f64 / season as f64;
            50.0 + 10.0 * phase.sin() + rest
        })
        .collect()
}

#[test]
fn updates_are_a_pass_without_a_refit() {
    let mut values = noisy(160, 0.6, 12);
    values[70] = f64::NAN;
    values[140] = f64::NAN;
    for order in ["1,0,1", "2,1,1", "0,1,1 0,1,1 12", "1,0,0 1,1,0 12"] {
        let forecaster = ml(order, false);
        let all = series(&values);
        let mut model = forecaster.fit(all.view().slice(0, 120)).unwrap();
        for sample in all.view().slice(120, 160).iter() {
            model.update(sample);
        }
        let whole = model
            .replay_with(all.view(), ArrayView2::from(&[[0.0; 0]; 0]))
            .unwrap();
        assert_eq!(model, whole, "{order}");
        assert!(
            model
                .forecast(5, &[0.1, 0.9])
                .unwrap()
                .mean()
                .iter()
                .all(|v| v.is_finite())
        );
    }
}

#[test]
fn the_filter_and_the_fast_recursion_agree() {
    // A gap at the very end changes nothing but makes the filter do the work.
    let values = noisy(120, 0.5, 12);
    let mut gapped = values.clone();
    gapped.push(f64::NAN);
    for (order, constant) in [
        ("2,0,1", true),
        ("1,1,1", true),
        ("0,1,1 0,1,1 12", false),
        ("1,0,0 1,1,1 12", false),
    ] {
        let forecaster = ml(order, constant);
        let fast = forecaster.fit(series(&values).view()).unwrap();
        let slow = forecaster.fit(series(&gapped).view()).unwrap();
        let difference = fast.log_likelihood() - slow.log_likelihood();
        assert!(difference.abs() < 1e-3, "{order}: {difference}");
        let (next, after) = (
            fast.forecast(2, &[]).unwrap(),
            slow.forecast(1, &[]).unwrap(),
        );
        assert!((next.mean()[1] - after.mean()[0]).abs() < 1e-2, "{order}");
    }
}

#[test]
fn gaps_cost_little_and_widen_what_follows_them() {
    let values = noisy(200, 0.7, 12);
    let mut gapped = values.clone();
    gapped
        .iter_mut()
        .skip(3)
        .step_by(9)
        .for_each(|value| *value = f64::NAN);
    gapped[0] = f64::NAN; // nothing known to start the differences from
    let full = ml("1,0,0 0,1,1 12", false)
        .fit(series(&values).view())
        .unwrap();
    let model = ml("1,0,0 0,1,1 12", false)
        .fit(series(&gapped).view())
        .unwrap();
    assert!(
        (model.ar()[0] - full.ar()[0]).abs() < 0.15,
        "{:?} {:?}",
        model.ar(),
        full.ar()
    );
    let mut late = model.clone();
    for _ in 0..3 {
        late.update(Sample::new(Timestamp::EPOCH, f64::NAN));
    }
    let width = |model: &FittedArima| {
        let ahead = model.forecast(1, &[0.1, 0.9]).unwrap();
        ahead.quantile(0.9).unwrap()[0] - ahead.quantile(0.1).unwrap()[0]
    };
    assert!(width(&late) > width(&full) * 1.1);
}

#[test]
fn regressors_are_found_and_refused() {
    let mut rng = Seed(5).rng();
    let heat: Vec<f64> = (0..150).map(|_| rng.normal()).collect();
    let values: Vec<f64> = noisy(150, 0.5, 12)
        .iter()
        .zip(&heat)
        .map(|(v, x)| v + 4.0 * x)
        .collect();
    let forecaster = ml("1,0,0 0,1,1 12", false);
    let x = Array2::from_shape_vec((150, 1), heat.clone()).unwrap();
    let train = series(&values);
    let model = forecaster.fit_with(train.view(), x.view()).unwrap();
    assert!(
        (model.effects()[0] - 4.0).abs() < 0.3,
        "{:?}",
        model.effects()
    );
    let ahead = model
        .forecast_with(1, &[], Array2::from_elem((1, 1), 1.0).view())
        .unwrap();
    let without = model
        .forecast_with(1, &[], Array2::zeros((1, 1)).view())
        .unwrap();
    assert!((ahead.mean()[0] - without.mean()[0] - model.effects()[0]).abs() < 1e-9);
    assert!(model.forecast(1, &[]).is_err());
    let mut bad = x.clone();
    bad[(7, 0)] = f64::NAN;
    let error = forecaster.fit_with(train.view(), bad.view()).unwrap_err();
    let text = format!(
        "{error} {:?}",
        std::error::Error::source(&error).map(ToString::to_string)
    );
    assert!(text.contains("NaN in row 7, column 0"), "{text}");
    let twice = Array2::from_shape_fn((150, 2), |(row, column)| heat[row] * (column + 1) as f64);
    assert!(forecaster.fit_with(train.view(), twice.view()).is_err());
    assert!(
        forecaster
            .fit_with(
                train.view(),
                x.view().split_at(aiops_core::ndarray::Axis(0), 9).0
            )
            .is_err()
    );
    let mut online = model.clone();
    assert!(
        online
            .update_with(Sample::new(Timestamp::EPOCH, 50.0), &[f64::NAN])
            .is_err()
    );
    assert!(
        online
            .update_with(Sample::new(Timestamp::EPOCH, 50.0), &[])
            .is_err()
    );
    assert_eq!(online, model);
    online
        .update_with(Sample::new(Timestamp::EPOCH, 50.0), &[1.0])
        .unwrap();
    assert_ne!(online, model);
}

#[test]
fn long_seasons_become_waves() {
    let values = noisy(700, 0.5, 168);
    let model = auto(&[168], &values);
    assert_eq!(model.waves()[0].season, 168);
    assert!(model.order().season == 1);
    let ahead = model.forecast(168, &[]).unwrap();
    let truth = |t: usize| 50.0 + 10.0 * (std::f64::consts::TAU * (t % 168) as f64 / 168.0).sin();
    let worst = (0..168)
        .map(|h| (ahead.mean()[h] - truth(700 + h)).abs())
        .fold(0.0, f64::max);
    assert!(worst < 2.5, "{worst}");
}

#[test]
fn degenerate_series() {
    assert_eq!(
        auto(&[], &[5.0; 30]).forecast(3, &[0.1]).unwrap().mean(),
        [5.0; 3]
    );
    let line: Vec<f64> = (0..40).map(|i| 3.0 + 2.0 * f64::from(i)).collect();
    let ahead = auto(&[4], &line).forecast(3, &[]).unwrap();
    assert!((ahead.mean()[2] - 87.0).abs() < 1e-6, "{:?}", ahead.mean());
    let huge: Vec<f64> = noisy(60, 0.3, 12).iter().map(|v| v * 1e300).collect();
    assert!(auto(&[12], &huge).forecast(3, &[0.1]).unwrap().mean()[0].is_finite());
    assert!(ml("1,0,0", true).fit(series(&[1.0, 2.0]).view()).is_err());
    let empty = ml("1,0,0", true)
        .fit(series(&[f64::NAN; 20]).view())
        .unwrap_err();
    assert!(empty.to_string().contains("unsuitable"), "{empty}");
}

#[test]
fn refuses_what_it_cannot_do() {
    fn refused(order: Order, constant: bool) -> String {
        let mut config = ArimaConfig::default();
        (config.order, config.constant) = (order, constant);
        Arima::try_from(config).unwrap_err().name().to_owned()
    }
    assert_eq!(refused(Order::new(13, 0, 0), false), "ar");
    assert_eq!(refused(Order::new(0, 0, 13), false), "ma");
    assert_eq!(refused(Order::new(0, 3, 0), false), "differences");
    assert_eq!(refused(Order::new(0, 2, 0), true), "constant");
    assert_eq!(
        refused(Order::new(0, 0, 0).seasonal(1, 0, 0, 61), false),
        "season"
    );
    assert_eq!(
        refused(Order::new(0, 0, 0).seasonal(1, 0, 0, 1), false),
        "season"
    );
    assert!("1,1".parse::<Order>().is_err() && "1,1,1 1,1".parse::<Order>().is_err());
    let mut config = AutoArimaConfig::default();
    config.seasons = vec![1];
    assert!(AutoArima::try_from(config).is_err());
}
