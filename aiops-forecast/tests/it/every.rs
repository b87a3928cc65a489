//! What holds for every forecaster.

use aiops_core::{DynForecaster, Series};
use aiops_forecast::arima::{Arima, ArimaConfig, AutoArima, AutoArimaConfig};
use aiops_forecast::auto::{Auto, AutoConfig};
use aiops_forecast::conformal::{Conformal, ConformalConfig};
use aiops_forecast::direct::{Direct, DirectConfig};
use aiops_forecast::ets::{AutoEts, AutoEtsConfig, Ets, EtsConfig};
use aiops_forecast::intermittent::{Intermittent, IntermittentConfig};
use aiops_forecast::moving_average::{MovingAverage, MovingAverageConfig};
use aiops_forecast::mstl::{Mstl, MstlConfig};
use aiops_forecast::naive::drift::Drift;
use aiops_forecast::naive::last::Naive;
use aiops_forecast::naive::profile::{Profile, ProfileConfig};
use aiops_forecast::naive::seasonal::{SeasonalNaive, SeasonalNaiveConfig};
use aiops_forecast::smoothing::holt::{Holt, HoltConfig};
use aiops_forecast::smoothing::holt_winters::{HoltWinters, HoltWintersConfig};
use aiops_forecast::smoothing::simple::{SimpleSmoothing, SimpleSmoothingConfig};
use aiops_forecast::theta::{Theta, ThetaConfig, ThetaKind};
use proptest::prelude::*;

use crate::support::series;

const LEVELS: [f64; 4] = [0.025, 0.1, 0.9, 0.975];

/// Each with a season of 4 where it has one.
pub(crate) fn all() -> Vec<(&'static str, Box<dyn DynForecaster>)> {
    let mut seasonal = SeasonalNaiveConfig::default();
    seasonal.season = 4;
    let mut winters = HoltWintersConfig::default();
    winters.season = 4;
    let mut auto = AutoEtsConfig::default();
    auto.season = 4;
    let auto = AutoEts::try_from(auto).unwrap();
    let mut profile = ProfileConfig::default();
    (profile.season, profile.cycles) = (4, 3);
    let mut theta = ThetaConfig::default();
    theta.season = 4;
    let mut classical = theta;
    classical.kind = ThetaKind::Classical;
    let mut mstl = MstlConfig::default();
    mstl.seasons = vec![4, 12];
    let mut direct = DirectConfig::default();
    direct.seasons = vec![4, 12];
    let mut logarithm = direct.clone();
    logarithm.logarithm = true;
    let mut choose = AutoConfig::default();
    (choose.seasons, choose.horizon) = (vec![4, 12], 6);
    let mut arima = ArimaConfig::default();
    arima.order = "1,0,1 0,1,1 4".parse().unwrap();
    let mut order = AutoArimaConfig::default();
    order.seasons = vec![4];
    let mut waves = AutoArimaConfig::default();
    waves.seasons = vec![4, 12];
    vec![
        ("naive", Box::new(Naive)),
        (
            "intermittent",
            Box::new(Intermittent::try_from(IntermittentConfig::default()).unwrap()),
        ),
        ("arima", Box::new(Arima::try_from(arima).unwrap())),
        ("auto_arima", Box::new(AutoArima::try_from(order).unwrap())),
        (
            "auto_arima, waves",
            Box::new(AutoArima::try_from(waves).unwrap()),
        ),
        ("drift", Box::new(Drift)),
        (
            "seasonal_naive",
            Box::new(SeasonalNaive::try_from(seasonal).unwrap()),
        ),
        (
            "moving_average",
            Box::new(MovingAverage::try_from(MovingAverageConfig::default()).unwrap()),
        ),
        (
            "simple",
            Box::new(SimpleSmoothing::try_from(SimpleSmoothingConfig::default()).unwrap()),
        ),
        (
            "holt",
            Box::new(Holt::try_from(HoltConfig::default()).unwrap()),
        ),
        (
            "holt_winters",
            Box::new(HoltWinters::try_from(winters).unwrap()),
        ),
        (
            "ets",
            Box::new(Ets::try_from(EtsConfig::default()).unwrap()),
        ),
        ("auto_ets", Box::new(auto)),
        ("profile", Box::new(Profile::try_from(profile).unwrap())),
        ("theta", Box::new(Theta::try_from(theta).unwrap())),
        (
            "classical theta",
            Box::new(Theta::try_from(classical).unwrap()),
        ),
        ("mstl", Box::new(Mstl::try_from(mstl).unwrap())),
        ("direct", Box::new(Direct::try_from(direct).unwrap())),
        (
            "direct, logarithm",
            Box::new(Direct::try_from(logarithm).unwrap()),
        ),
        ("auto", Box::new(Auto::try_from(choose).unwrap())),
        (
            "conformal",
            Box::new(Conformal::new(auto, ConformalConfig::default()).unwrap()),
        ),
    ]
}

/// An error, or numbers: finite, in order, and equal for equal input.
#[track_caller]
fn check(name: &str, forecaster: &dyn DynForecaster, train: &Series) {
    let Ok(model) = forecaster.fit_boxed(train.view()) else {
        return;
    };
    let ahead = model.forecast(9, &LEVELS).unwrap();
    assert!(
        ahead.mean().iter().all(|value| value.is_finite()),
        "{name}: {:?}",
        ahead.mean()
    );
    let rows: Vec<_> = LEVELS
        .iter()
        .map(|&level| ahead.quantile(level).unwrap())
        .collect();
    for step in 0..9 {
        let column: Vec<f64> = rows.iter().map(|row| row[step]).collect();
        assert!(
            column.iter().all(|value| value.is_finite()),
            "{name}: {column:?}"
        );
        assert!(
            column.windows(2).all(|pair| pair[0] <= pair[1]),
            "{name}: {column:?}"
        );
    }
    let again = forecaster
        .fit_boxed(train.view())
        .unwrap()
        .forecast(9, &LEVELS)
        .unwrap();
    assert_eq!(ahead, again, "{name}");
}

#[test]
fn degenerate_input_gives_an_error_or_numbers() {
    let cases: Vec<Vec<f64>> = vec![
        vec![],
        vec![1.0],
        vec![f64::NAN],
        vec![f64::NAN; 30],
        vec![5.0; 3],
        vec![5.0; 40],
        vec![0.0; 40],
        (0..40).map(f64::from).collect(),
        (0..40).map(|i| -f64::from(i)).collect(),
        (0..40).map(|i| 1e300 * f64::from(i % 7)).collect(),
        (0..40).map(|i| 1e-300 * f64::from(i % 7)).collect(),
        (0..40).map(|i| f64::from(i % 4)).collect(),
        (0..40)
            .map(|i| {
                if i % 5 == 0 {
                    f64::NAN
                } else {
                    f64::from(i % 4) + 1.0
                }
            })
            .collect(),
        (0..40)
            .map(|i| if i < 35 { f64::NAN } else { f64::from(i) })
            .collect(),
        (0..40)
            .map(|i| if i > 20 { f64::NAN } else { f64::from(i) })
            .collect(),
        (0..40).map(|i| if i == 20 { 1e12 } else { 1.0 }).collect(),
        (0..40)
            .map(|i| if i < 20 { 1.0 } else { 1_000.0 })
            .collect(),
        vec![1.0, 2.0, 1.0, 2.0, 1.0],
    ];
    for (name, forecaster) in all() {
        for case in &cases {
            check(name, forecaster.as_ref(), &series(case));
        }
    }
}

#[test]
fn enough_values_are_enough() {
    let values: Vec<f64> = (0..40)
        .map(|i| 10.0 + f64::from(i % 4) + 0.1 * f64::from(i % 3))
        .collect();
    for (name, forecaster) in all() {
        let model = forecaster.fit_boxed(series(&values).view());
        assert!(model.is_ok(), "{name}");
        let model = model.unwrap();
        assert!(model.forecast(0, &[]).is_err(), "{name}: horizon 0");
        assert!(model.forecast(1, &[1.0]).is_err(), "{name}: level 1");
        assert!(
            model.forecast(1, &[0.5, 0.5]).is_err(),
            "{name}: equal levels"
        );
        let ahead = model.forecast(3, &LEVELS).unwrap();
        assert_eq!(
            ahead.axis().view().first().unwrap().as_secs(),
            40 * 3_600,
            "{name}"
        );
        assert_eq!(ahead.axis().len(), 3, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_numbers_give_numbers(values in prop::collection::vec(
        prop_oneof![4 => -1e6..1e6, 1 => Just(f64::NAN), 1 => Just(0.0)], 0..60)) {
        for (name, forecaster) in all() {
            check(name, forecaster.as_ref(), &series(&values));
        }
    }

    /// The forecast of `a y + b` is that of `y`, scaled and moved.
    #[test]
    fn moves_with_the_unit(values in prop::collection::vec(0.0..100.0, 24..60)) {
        for (name, forecaster) in all() {
            if !["naive", "drift", "seasonal_naive", "moving_average"].contains(&name) {
                continue; // others stop where their optimiser stops
            }
            let turned: Vec<f64> = values.iter().map(|value| 3.0 * value + 7.0).collect();
            let ahead = |values: &[f64]| {
                let model = forecaster.fit_boxed(series(values).view()).unwrap();
                model.forecast(5, &LEVELS).unwrap().mean().to_vec()
            };
            for (plain, turned) in ahead(&values).into_iter().zip(ahead(&turned)) {
                prop_assert!((3.0 * plain + 7.0 - turned).abs() < 1e-9, "{name}");
            }
        }
    }
}
