use aiops_core::{FittedForecaster, Forecaster};
use aiops_forecast::theta::{FittedTheta, Theta, ThetaConfig, ThetaKind};

use crate::support::{classics, data, reference, series};

fn fit(kind: ThetaKind, season: usize, values: &[f64]) -> FittedTheta {
    let mut config = ThetaConfig::default();
    (config.kind, config.season) = (kind, season);
    Theta::try_from(config)
        .unwrap()
        .fit(series(values).view())
        .unwrap()
}

/// statsforecast 2.1.1's `DynamicOptimizedTheta` on the classics: the same method with another
/// search, so forecasts agree to a few percent.
#[test]
fn close_to_another_program() {
    let Some(folder) = data() else { return };
    let reference = reference(&folder);
    let mut off = Vec::new();
    for classic in classics(&folder) {
        let theirs = &reference["series"][&classic.name]["statsforecast_DynamicOptimizedTheta"];
        let theirs: Vec<f64> = theirs["forecast"]["mean"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_f64)
            .collect();
        assert!(!theirs.is_empty(), "{}", classic.name);
        let model = fit(ThetaKind::DynamicOptimised, classic.season, &classic.values);
        let ours = model.forecast(theirs.len(), &[]).unwrap();
        let apart = ours
            .mean()
            .iter()
            .zip(&theirs)
            .map(|(a, b)| (a - b).abs() / b.abs());
        off.push((apart.fold(0.0, f64::max), classic.name));
    }
    off.sort_by(|a, b| a.0.total_cmp(&b.0));
    let median = off[off.len() / 2].0;
    assert!(median < 0.01, "{off:?}");
}

#[test]
fn follows_a_line_and_a_season() {
    let values: Vec<f64> = (0..48)
        .map(|i| (50.0 + f64::from(i)) * [0.8, 1.0, 1.3, 0.9][i as usize % 4])
        .collect();
    for kind in [ThetaKind::Classical, ThetaKind::DynamicOptimised] {
        let model = fit(kind, 4, &values);
        assert!(model.is_seasonal());
        let ahead = model.forecast(4, &[]).unwrap();
        for (h, value) in ahead.mean().iter().enumerate() {
            let level = if kind == ThetaKind::Classical {
                98.0
            } else {
                98.0 + h as f64
            };
            let expected = level * [0.8, 1.0, 1.3, 0.9][h % 4];
            assert!(
                (value - expected).abs() < 0.05 * expected,
                "{kind:?} {h}: {value} {expected}"
            );
        }
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    for season in [0, 8_785] {
        let mut config = ThetaConfig::default();
        config.season = season;
        assert_eq!(Theta::try_from(config).unwrap_err().name(), "season");
    }
    let theta = Theta::try_from(ThetaConfig::default()).unwrap();
    assert!(theta.fit(series(&[1.0, 2.0]).view()).is_err());
    assert!(theta.fit(series(&[1.0, 2.0, 3.0]).view()).is_ok());
}
