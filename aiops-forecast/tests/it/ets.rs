use aiops_core::{FitError, FittedForecaster, Forecaster};
use aiops_forecast::ets::{AutoEts, AutoEtsConfig, Ets, EtsConfig, FittedEts, Form};
use serde_json::Value;

use crate::support::{classics, data, reference, series};

fn fit(form: &str, season: usize, values: &[f64]) -> FittedEts {
    let mut config = EtsConfig::default();
    config.form = form.parse().unwrap();
    config.season = season;
    Ets::try_from(config)
        .unwrap()
        .fit(series(values).view())
        .unwrap()
}

fn auto(season: usize, values: &[f64]) -> FittedEts {
    let mut config = AutoEtsConfig::default();
    config.season = season;
    AutoEts::try_from(config)
        .unwrap()
        .fit(series(values).view())
        .unwrap()
}

/// R's forecast 8.20 and statsforecast 2.1.1 on twelve classics.
#[test]
fn never_behind_the_better_of_two_other_programs() {
    let Some(folder) = data() else { return };
    let reference = reference(&folder);
    let mut behind = Vec::new();
    for classic in classics(&folder) {
        let theirs = &reference["series"][&classic.name];
        let aicc = |entry: &Value| entry["aicc"].as_f64();
        let best = [
            &theirs["R_forecast"]["ets_auto"],
            &theirs["statsforecast_AutoETS"],
        ]
        .into_iter()
        .filter_map(aicc)
        .fold(f64::INFINITY, f64::min);
        let model = auto(classic.season, &classic.values);
        eprintln!(
            "{:14} {:5} {:10.3} {:10.3} {:8.3}",
            classic.name,
            model.form().to_string(),
            model.aicc(),
            best,
            model.aicc() - best
        );
        if model.aicc() > best + 0.1 {
            behind.push((classic.name.clone(), model.aicc(), best));
        }
        let fits = theirs["R_forecast"].as_object().unwrap();
        for (name, one) in fits.iter().filter(|(name, _)| name.starts_with("ets_")) {
            let form: String = one["model"]
                .as_str()
                .unwrap()
                .chars()
                .filter(|c| c.is_alphabetic())
                .skip(3)
                .collect();
            let model = fit(&form, classic.season, &classic.values);
            let likelihood = one["loglik"].as_f64().unwrap();
            eprintln!(
                "   {name:10} {form:5} {:9.3} {:9.3} {:7.3}",
                model.log_likelihood(),
                likelihood,
                model.log_likelihood() - likelihood
            );
            if model.log_likelihood() < likelihood - 0.05 {
                behind.push((
                    format!("{} {name}", classic.name),
                    model.log_likelihood(),
                    likelihood,
                ));
            }
        }
    }
    assert!(behind.is_empty(), "{behind:?}");
}

/// R's forecast 8.20: `ets(USAccDeaths)` and `ets(Nile)` within 1 %.
#[test]
fn forecasts_of_another_program() {
    let Some(folder) = data() else { return };
    let reference = reference(&folder);
    for classic in classics(&folder) {
        let theirs = &reference["series"][&classic.name]["R_forecast"]["ets_ANN"]["forecast"];
        let numbers = |key: &str| -> Vec<f64> {
            theirs[key]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .collect()
        };
        let (mean, upper) = (numbers("mean"), numbers("upper95"));
        let ours = fit("ANN", 1, &classic.values)
            .forecast(mean.len().max(1), &[0.975])
            .unwrap();
        let ours_upper = ours.quantile(0.975).unwrap();
        for (h, (mean, upper)) in mean.iter().zip(&upper).enumerate() {
            assert!(
                (ours.mean()[h] - mean).abs() < 0.01 * mean.abs(),
                "{} {h}",
                classic.name
            );
            let reach = upper - mean;
            assert!(
                (ours_upper[h] - ours.mean()[h] - reach).abs() < 0.02 * reach,
                "{} {h}",
                classic.name
            );
        }
    }
}

#[test]
fn forms_are_read_and_written() {
    let names: Vec<String> = Form::admissible().map(|form| form.to_string()).collect();
    assert_eq!(names.len(), 15);
    for name in &names {
        assert_eq!(name.parse::<Form>().unwrap().to_string(), *name);
    }
    assert!("AAM".parse::<Form>().is_err()); // infinite variance
}

#[test]
fn refuses_what_it_cannot_do() {
    fn refused(change: impl Fn(&mut EtsConfig)) -> String {
        let mut config = EtsConfig::default();
        change(&mut config);
        Ets::try_from(config).unwrap_err().name().to_owned()
    }
    assert_eq!(refused(|c| c.alpha = Some(0.0)), "alpha");
    assert_eq!(refused(|c| c.beta = Some(1.0)), "beta");
    assert_eq!(refused(|c| c.gamma = Some(f64::NAN)), "gamma");
    assert_eq!(refused(|c| c.phi = Some(-0.1)), "phi");
    let seasonal: Form = "ANA".parse().unwrap();
    assert_eq!(refused(|c| (c.form, c.season) = (seasonal, 1)), "season");
    assert_eq!(refused(|c| (c.form, c.season) = (seasonal, 513)), "season");
    let mut config = EtsConfig::default();
    config.form = "MNN".parse().unwrap();
    let ets = Ets::try_from(config).unwrap();
    let error = ets.fit(series(&[1.0, 0.0, 2.0]).view()).unwrap_err();
    assert!(matches!(error, FitError::Param(_)), "{error}");
    let error = ets.fit(series(&[1.0, 2.0]).view()).unwrap_err();
    assert!(matches!(error, FitError::Data(_)), "{error}");
}

#[test]
fn keeps_given_parameters() {
    let mut config = EtsConfig::default();
    config.form = "AAdN".parse().unwrap();
    (config.alpha, config.beta, config.phi) = (Some(0.5), Some(0.1), Some(0.9));
    let values: Vec<f64> = (0..30).map(|i| f64::from(i * i % 17)).collect();
    let model = Ets::try_from(config)
        .unwrap()
        .fit(series(&values).view())
        .unwrap();
    assert_eq!(model.smoothing(), [0.5, 0.1, 0.0, 0.9]);
}

#[test]
fn chooses_and_says_between_what() {
    let values: Vec<f64> = (0..60)
        .map(|i| 10.0 + 5.0 * f64::from(i % 4) + f64::from(i * 7 % 5))
        .collect();
    let model = auto(4, &values);
    assert_ne!(model.form().season, aiops_forecast::ets::SeasonKind::None);
    assert_eq!(model.rivals().len(), 15);
    assert_eq!(model.rivals()[0].form, model.form());
    let with_zero: Vec<f64> = values.iter().map(|value| value - 10.0).collect();
    assert!(
        auto(4, &with_zero)
            .rivals()
            .iter()
            .all(|rival| !rival.form.needs_positive())
    );
    assert_eq!(auto(4, &[5.0; 30]).form().to_string(), "ANN");
}
