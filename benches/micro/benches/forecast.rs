//! How long the parts of aiops-forecast take.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use std::hint::black_box;
use std::time::Duration;

use aiops_core::{
    FittedForecaster, Forecaster, OnlineForecaster, Sample, Seed, Series, TimeAxis, Timestamp,
};
use aiops_forecast::arima::{Arima, ArimaConfig, AutoArima, AutoArimaConfig};
use aiops_forecast::auto::{Auto, AutoConfig};
use aiops_forecast::capacity::{Capacity, CapacityConfig, Limit};
use aiops_forecast::direct::{Direct, DirectConfig};
use aiops_forecast::ets::{AutoEts, AutoEtsConfig};
use aiops_forecast::lstm::{Lstm, LstmConfig};
use aiops_forecast::mstl::{Mstl, MstlConfig};
use aiops_forecast::smoothing::holt::{Holt, HoltConfig};
use aiops_forecast::theta::{Theta, ThetaConfig};
use criterion::{Criterion, criterion_group, criterion_main};

/// A trend, a season and noise; all positive.
fn series(len: usize, season: usize, step: u64) -> Series {
    let mut rng = Seed::default().rng();
    let values = (0..len)
        .map(|t| {
            let phase = std::f64::consts::TAU * (t % season) as f64 / season as f64;
            200.0 + 0.1 * t as f64 + 40.0 * phase.sin() + 5.0 * rng.normal()
        })
        .collect();
    let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(step), len).unwrap();
    Series::new(axis, values).unwrap()
}

fn fits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forecast");
    group.sample_size(10);
    let (monthly, hourly) = (series(100, 12, 2_592_000), series(800, 24, 3_600));
    for (name, data, season) in [("monthly", &monthly, 12), ("hourly", &hourly, 24)] {
        let mut config = AutoEtsConfig::default();
        config.season = season;
        let ets = AutoEts::try_from(config).unwrap();
        group.bench_function(format!("auto_ets/{name}/{}", data.len()), |bench| {
            bench.iter(|| ets.fit(black_box(data.view())).unwrap());
        });
        let mut config = AutoArimaConfig::default();
        config.seasons = vec![season];
        let arima = AutoArima::try_from(config).unwrap();
        group.bench_function(format!("auto_arima/{name}/{}", data.len()), |bench| {
            bench.iter(|| arima.fit(black_box(data.view())).unwrap());
        });
        let mut config = ThetaConfig::default();
        config.season = season;
        let theta = Theta::try_from(config).unwrap();
        group.bench_function(format!("theta/{name}/{}", data.len()), |bench| {
            bench.iter(|| theta.fit(black_box(data.view())).unwrap());
        });
        let mut config = AutoConfig::default();
        config.seasons = vec![season];
        let auto = Auto::try_from(config).unwrap();
        group.bench_function(format!("auto/{name}/{}", data.len()), |bench| {
            bench.iter(|| auto.fit(black_box(data.view())).unwrap());
        });
    }
    let mstl = Mstl::try_from(MstlConfig::default()).unwrap();
    group.bench_function("mstl/hourly/800", |bench| {
        bench.iter(|| mstl.fit(black_box(hourly.view())).unwrap());
    });
    let mut config = DirectConfig::default();
    config.horizon = 48;
    let direct = Direct::try_from(config).unwrap();
    group.bench_function("direct/hourly/800", |bench| {
        bench.iter(|| direct.fit(black_box(hourly.view())).unwrap());
    });
    let fitted = direct.fit(hourly.view()).unwrap();
    group.bench_function("direct/forecast/48", |bench| {
        bench.iter(|| fitted.forecast(48, black_box(&[0.1, 0.9])).unwrap());
    });
    group.finish();
}

/// A step of training, and a forecast of two days, at the default size.
fn networks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forecast/lstm");
    group.sample_size(10);
    let data = series(1_000, 24, 3_600);
    let mut config = LstmConfig::default();
    (config.horizon, config.nets, config.steps) = (48, 1, 10);
    let lstm = Lstm::try_from(config).unwrap();
    let train = || {
        let go_on = |_| std::ops::ControlFlow::Continue(());
        lstm.train(&[data.view()], go_on).unwrap()
    };
    group.bench_function("10_steps", |bench| bench.iter(train));
    let mut fitted = train().fit(data.view()).unwrap();
    group.bench_function("forecast/48/one_net", |bench| {
        bench.iter(|| fitted.forecast(48, black_box(&[0.1, 0.9])).unwrap());
    });
    let time = Timestamp::EPOCH;
    group.bench_function("update", |bench| {
        bench.iter(|| fitted.update(black_box(Sample { time, value: 230.0 })));
    });
    group.finish();
}

fn updates(criterion: &mut Criterion) {
    let data = series(800, 24, 3_600);
    let mut holt = Holt::try_from(HoltConfig::default())
        .unwrap()
        .fit(data.view())
        .unwrap();
    let mut theta = Theta::try_from(ThetaConfig::default())
        .unwrap()
        .fit(data.view())
        .unwrap();
    let mut config = ArimaConfig::default();
    config.order = "0,1,1 0,1,1 24".parse().unwrap();
    let mut arima = Arima::try_from(config).unwrap().fit(data.view()).unwrap();
    let sample = Sample::new(Timestamp::EPOCH, 200.0);
    criterion.bench_function("forecast/update/holt", |bench| {
        bench.iter(|| holt.update(black_box(sample)));
    });
    criterion.bench_function("forecast/update/arima", |bench| {
        bench.iter(|| arima.update(black_box(sample)));
    });
    criterion.bench_function("forecast/update/theta", |bench| {
        bench.iter(|| theta.update(black_box(sample)));
    });
}

fn outlook(criterion: &mut Criterion) {
    let data = series(360, 60, 60);
    let capacity = Capacity::try_from(CapacityConfig::default()).unwrap();
    criterion.bench_function("forecast/capacity/360", |bench| {
        bench.iter(|| {
            capacity
                .outlook(black_box(data.view()), Limit::Above(400.0))
                .unwrap()
        });
    });
}

criterion_group!(benches, fits, networks, updates, outlook);
criterion_main!(benches);
