//! The recurrent network.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiops_core::{FittedForecaster, Forecaster, OnlineForecaster, Rng, Sample, Seed, Series};
use aiops_forecast::lstm::{GlobalLstm, Lstm, LstmConfig, Progress};

use crate::support::series;

const SEASON: usize = 12;
const HORIZON: usize = 12;

/// A season whose height follows a slow wave, with noise that fades slowly: seasonal naive is good at it,
/// and can be beaten by whoever has learned how waves and noise go on.
fn values(rng: &mut Rng, len: usize) -> Vec<f64> {
    let (phase, level) = (rng.uniform() * 40.0, 50.0 + 200.0 * rng.uniform());
    let mut noise = 0.0;
    (0..len)
        .map(|t| {
            let season = (std::f64::consts::TAU * (t % SEASON) as f64 / SEASON as f64).sin();
            let slow = (std::f64::consts::TAU * (t as f64 + phase) / 40.0).sin();
            noise = 0.8 * noise + 0.02 * rng.normal();
            level * (1.0 + 0.2 * season * (1.0 + 0.5 * slow) + 0.1 * slow + noise)
        })
        .collect()
}

fn many(count: usize, len: usize) -> Vec<Vec<f64>> {
    let mut rng = Seed(7).rng();
    (0..count).map(|_| values(&mut rng, len)).collect()
}

fn config() -> LstmConfig {
    let mut config = LstmConfig::default();
    (config.seasons, config.horizon) = (vec![SEASON], HORIZON);
    (config.hidden, config.nets, config.steps) = (12, 2, 150);
    config.window = Some(60);
    config
}

fn train(config: LstmConfig, pasts: &[Series]) -> GlobalLstm {
    let views: Vec<_> = pasts.iter().map(Series::view).collect();
    let lstm = Lstm::try_from(config).unwrap();
    lstm.train(&views, |_| ControlFlow::Continue(())).unwrap()
}

/// The first `len` of each.
fn pasts(all: &[Vec<f64>], len: usize) -> Vec<Series> {
    all.iter().map(|values| series(&values[..len])).collect()
}

#[test]
fn beats_the_seasonal_naive_forecast_on_what_it_has_not_seen_and_covers_it() {
    const PAST: usize = 240;
    let all = many(40, PAST + HORIZON);
    // Half of them are never trained on.
    let network = train(config(), &pasts(&all[..20], PAST));
    assert_eq!((network.report().series, network.report().skipped), (20, 0));
    let (mut own, mut naive, mut inside, mut count) = (0.0, 0.0, 0.0, 0.0);
    for values in &all[20..] {
        let model = network.fit(series(&values[..PAST]).view()).unwrap();
        let ahead = model.forecast(HORIZON, &[0.05, 0.95]).unwrap();
        let (low, high) = (ahead.quantile(0.05).unwrap(), ahead.quantile(0.95).unwrap());
        for step in 0..HORIZON {
            let actual = values[PAST + step];
            let level = values.iter().sum::<f64>() / values.len() as f64;
            own += (actual - ahead.mean()[step]).abs() / level;
            naive += (actual - values[PAST + step - SEASON]).abs() / level;
            inside += f64::from(u8::from(low[step] <= actual && actual <= high[step]));
            count += 1.0;
        }
    }
    assert!(own < 0.7 * naive, "{own} against {naive}");
    let coverage = inside / count;
    assert!((0.8..=0.97).contains(&coverage), "{coverage}");
}

#[test]
fn same_seed_same_bits_and_another_seed_others() {
    let pasts = pasts(&many(6, 150), 150);
    let mut short = config();
    short.steps = 20;
    let (one, again) = (train(short.clone(), &pasts), train(short.clone(), &pasts));
    assert_eq!(one, again);
    short.seed = Seed(1);
    assert_ne!(one, train(short, &pasts));
}

#[test]
fn before_any_step_it_is_the_seasonal_naive_forecast() {
    let all = many(4, 150);
    let pasts = pasts(&all, 150);
    let mut still = config();
    (still.steps, still.learning_rate) = (1, 1e-12);
    let model = train(still, &pasts).fit(pasts[1].view()).unwrap();
    let ahead = model.forecast(HORIZON, &[0.5]).unwrap();
    for (step, value) in ahead.mean().iter().enumerate() {
        let naive = all[1][150 - SEASON + step];
        assert!((value - naive).abs() < 1e-5 * naive, "{value} for {naive}");
    }
}

#[test]
fn a_callback_stops_it_and_a_budget_shortens_it() {
    let pasts = pasts(&many(6, 150), 150);
    let views: Vec<_> = pasts.iter().map(Series::view).collect();
    let calls = AtomicUsize::new(0);
    let stop = |now: Progress| {
        calls.fetch_add(1, Ordering::Relaxed);
        assert!(now.step <= now.steps && now.loss.is_finite() && now.held_out_loss.is_finite());
        ControlFlow::Break(())
    };
    let lstm = Lstm::try_from(config()).unwrap();
    let network = lstm.train(&views, stop).unwrap();
    assert!(network.report().stopped);
    assert_eq!(calls.load(Ordering::Relaxed), 2, "once for each net");
    let mut hurried = config();
    hurried.budget = Duration::from_millis(20);
    let network = train(hurried, &pasts);
    assert!(network.report().steps < 150, "{:?}", network.report());
    assert!(!network.report().stopped);
}

#[test]
fn updates_are_what_a_look_at_the_longer_series_gives() {
    let all = many(5, 200);
    let mut short = config();
    short.steps = 20;
    let network = train(short, &pasts(&all, 150));
    let mut model = network.fit(series(&all[0][..150]).view()).unwrap();
    for (index, &value) in all[0].iter().enumerate().skip(150) {
        let time = series(&all[0]).view().axis().at(index);
        model.update(Sample { time, value });
    }
    let fresh = network.fit(series(&all[0]).view()).unwrap();
    assert_eq!(
        model.forecast(9, &[0.3]).unwrap(),
        fresh.forecast(9, &[0.3]).unwrap()
    );
    let time = series(&all[0]).view().axis().at(199);
    model.update(Sample {
        time,
        value: f64::NAN,
    });
    let ahead = model.forecast(9, &[0.3]).unwrap();
    assert!(ahead.mean().iter().all(|value| value.is_finite()));
}

#[test]
fn odd_series_get_what_the_table_says() {
    let mut short = config();
    short.steps = 50;
    let mut all = pasts(&many(5, 150), 150);
    all.push(series(&[1.0; 20])); // too short to train on
    let network = train(short, &all);
    assert_eq!(network.report().skipped, 1);
    let forecast = |values: &[f64], horizon| {
        let model = network.fit(series(values).view()).unwrap();
        let ahead = model.forecast(horizon, &[0.01, 0.5, 0.99]).unwrap();
        for level in [0.01, 0.5, 0.99] {
            assert!(
                ahead
                    .quantile(level)
                    .unwrap()
                    .iter()
                    .all(|value| value.is_finite())
            );
        }
        ahead
    };
    for constant in [0.0, 5.0, -3e300, 1e-300] {
        let ahead = forecast(&[constant; 40], 5);
        for value in ahead.mean() {
            assert!(
                (value - constant).abs() <= 1e-6 * constant.abs(),
                "{value} for {constant}"
            );
        }
    }
    let signed: Vec<f64> = (0..90).map(|t| f64::from(t % 12) - 6.0).collect();
    forecast(&signed, 5);
    let huge: Vec<f64> = (0..90).map(|t| f64::from(t % 12) * 1e300).collect();
    forecast(&huge, 5);
    let gaps: Vec<f64> = (0..90)
        .map(|t| if t % 7 == 0 { f64::NAN } else { f64::from(t) })
        .collect();
    forecast(&gaps, 5);
    // Far ahead intervals widen.
    let ahead = forecast(&many(1, 150)[0], 10 * HORIZON);
    let width =
        |step: usize| ahead.quantile(0.99).unwrap()[step] - ahead.quantile(0.01).unwrap()[step];
    assert!(width(9 * HORIZON) > 1.5 * width(0));
    let few = network.fit(series(&[1.0; 12]).view()).unwrap_err();
    assert!(
        format!("{few:?}").contains("needed: 13, found: 12"),
        "{few:?}"
    );
    assert!(network.fit(series(&[f64::NAN; 40]).view()).is_err());
    let lstm = Lstm::try_from(config()).unwrap();
    assert!(lstm.train(&[], |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn bad_parameters_are_named() {
    let refused = |change: fn(&mut LstmConfig), name: &str| {
        let mut config = LstmConfig::default();
        change(&mut config);
        assert_eq!(Lstm::try_from(config).unwrap_err().name(), name);
    };
    refused(|config| config.horizon = 0, "horizon");
    refused(|config| config.window = Some(100), "window");
    refused(|config| config.hidden = 0, "hidden");
    refused(|config| config.nets = 65, "nets");
    refused(|config| config.steps = 0, "steps");
    refused(|config| config.learning_rate = f64::NAN, "learning_rate");
    refused(|config| config.seasons = vec![24, 12], "seasons");
}

#[test]
fn series_without_a_season() {
    let mut config = config();
    (config.seasons, config.window, config.steps) = (Vec::new(), None, 600);
    let walk = |seed: u64| {
        let mut rng = Seed(seed).rng();
        let mut level = 100.0;
        let steps = (0..120).map(|_| {
            level += 1.0 + 0.2 * rng.normal();
            level
        });
        series(&steps.collect::<Vec<f64>>())
    };
    let all: Vec<Series> = (0..12).map(walk).collect();
    let network = train(config, &all);
    let fresh = walk(99);
    let ahead = network
        .fit(fresh.view())
        .unwrap()
        .forecast(HORIZON, &[0.5])
        .unwrap();
    let rise = ahead.mean()[HORIZON - 1] - fresh.view().values()[119];
    assert!((rise - 12.0).abs() < 4.0, "{rise}");
}

#[cfg(feature = "serde")]
#[test]
fn a_stored_network_forecasts_the_same() {
    use aiops_core::stored;
    let pasts = pasts(&many(4, 150), 150);
    let mut short = config();
    (short.steps, short.nets) = (3, 1);
    let network = train(short, &pasts);
    let bytes = stored::save(&network);
    let loaded: GlobalLstm = stored::load(&bytes).unwrap();
    assert_eq!(loaded, network);
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("\"hidden\":12", "\"hidden\":13"),
        ("\"horizon\":12", "\"horizon\":0"),
    ] {
        assert!(text.contains(from), "{}", &text[..200]);
        let broken = text.replace(from, to);
        assert!(
            stored::load::<GlobalLstm>(broken.as_bytes()).is_err(),
            "{to}"
        );
    }
}
