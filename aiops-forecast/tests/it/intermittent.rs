use aiops_core::{FittedForecaster, Forecaster, OnlineForecaster, Sample, Seed, Timestamp};
use aiops_forecast::intermittent::{
    FittedIntermittent, Intermittent, IntermittentConfig, IntermittentKind,
};

use crate::support::series;

const KINDS: [IntermittentKind; 3] = [
    IntermittentKind::Croston,
    IntermittentKind::SyntetosBoylan,
    IntermittentKind::TeunterSyntetosBabai,
];

fn fit(kind: IntermittentKind, smoothing: Option<f64>, values: &[f64]) -> FittedIntermittent {
    let mut config = IntermittentConfig::default();
    (config.kind, config.alpha, config.beta) = (kind, smoothing, smoothing);
    let model = Intermittent::try_from(config).unwrap();
    model.fit(series(values).view()).unwrap()
}

fn mean(model: &FittedIntermittent) -> f64 {
    model.forecast(1, &[]).unwrap().mean()[0]
}

/// Sizes 3, 1, 4 after 2, 3, 1 instants, by hand with a smoothing of 0.5.
#[test]
fn by_hand() {
    let values = [0.0, 3.0, 0.0, 0.0, 1.0, 4.0];
    // z: 3, 2, 3; q: 2, 2.5, 1.75
    let croston = fit(KINDS[0], Some(0.5), &values);
    assert!(
        (mean(&croston) - 3.0 / 1.75).abs() < 1e-12,
        "{}",
        mean(&croston)
    );
    let unbiased = fit(KINDS[1], Some(0.5), &values);
    assert!((mean(&unbiased) - 0.75 * 3.0 / 1.75).abs() < 1e-12);
    // p from 1/2: 1/4, 5/8, 5/16, 5/32, 37/64, 101/128
    let teunter = fit(KINDS[2], Some(0.5), &values);
    assert!((mean(&teunter) - 3.0 * 101.0 / 128.0).abs() < 1e-12);
}

#[test]
fn only_the_probability_forgets_what_no_longer_comes() {
    let mut values: Vec<f64> = (0..60).map(|i| f64::from(i % 4 == 0) * 5.0).collect();
    values.extend([0.0; 60]);
    assert!(mean(&fit(KINDS[0], Some(0.1), &values)) > 1.0);
    assert!(mean(&fit(KINDS[2], Some(0.1), &values)) < 0.01);
}

#[test]
fn means_and_quantiles_of_a_known_process() {
    let mut rng = Seed(8).rng();
    let draw = |rng: &mut aiops_core::Rng| {
        if rng.uniform() < 0.2 {
            (1.0 + 0.4 * rng.normal()).exp()
        } else {
            0.0
        }
    };
    let values: Vec<f64> = (0..800).map(|_| draw(&mut rng)).collect();
    let truth = 0.2 * (1.0_f64 + 0.08).exp();
    for kind in KINDS {
        let model = fit(kind, Some(0.05), &values);
        assert!(
            (mean(&model) / truth - 1.0).abs() < 0.3,
            "{kind:?} {}",
            mean(&model)
        );
        let ahead = model.forecast(1, &[0.5, 0.95]).unwrap();
        assert_eq!(ahead.quantile(0.5).unwrap()[0], 0.0);
        let high = ahead.quantile(0.95).unwrap()[0];
        let below = (0..4_000).filter(|_| draw(&mut rng) <= high).count();
        assert!((3_600..3_960).contains(&below), "{kind:?}: {below}");
    }
}

#[test]
fn updates_are_a_pass_without_a_refit() {
    let mut values: Vec<f64> = (0..80)
        .map(|i| f64::from(i * 7 % 5 == 0) * f64::from(i % 9))
        .collect();
    values[60] = f64::NAN;
    let all = series(&values);
    for kind in KINDS {
        let mut model = fit(kind, None, &values[..50]);
        for sample in all.view().slice(50, 80).iter() {
            model.update(sample);
        }
        assert_eq!(model, model.replay(all.view()).unwrap());
    }
}

#[test]
fn degenerate_series() {
    for kind in KINDS {
        let mut never = fit(kind, None, &[0.0; 9]);
        assert_eq!(mean(&never), 0.0);
        never.update(Sample::new(Timestamp::EPOCH, -1.0));
        assert_eq!(mean(&never), 0.0);
        never.update(Sample::new(Timestamp::EPOCH, 4.0));
        assert!(mean(&never) > 0.0);
        assert!(mean(&fit(kind, None, &[0.0, 1e300, 0.0, 1e300])).is_finite());
    }
    let error = Intermittent::try_from(IntermittentConfig::default())
        .unwrap()
        .fit(series(&[1.0, -2.0]).view())
        .unwrap_err();
    let text = format!(
        "{:?}",
        std::error::Error::source(&error).map(ToString::to_string)
    );
    assert!(text.contains("-2 at sample 1"), "{text}");
    for share in [0.0, 1.1, f64::NAN] {
        let mut config = IntermittentConfig::default();
        config.beta = Some(share);
        assert_eq!(Intermittent::try_from(config).unwrap_err().name(), "beta");
    }
}
