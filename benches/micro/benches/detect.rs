//! How long the parts of aiops-detect take.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use std::hint::black_box;
use std::time::Duration;

use aiops_core::ndarray::{Array2, s};
use aiops_core::{
    Detector, FittedDetector, FittedMultivariateDetector, MultivariateDetector, Sample, Seed,
    Series, StreamingDetector, TimeAxis, Timestamp,
};
use aiops_detect::auto::{Auto, AutoConfig};
use aiops_detect::cusum::{Cusum, CusumConfig};
use aiops_detect::esd::{GeneralizedEsd, GeneralizedEsdConfig};
use aiops_detect::ewma::{Ewma, EwmaConfig};
use aiops_detect::isolation_forest::{IsolationForest, IsolationForestConfig};
use aiops_detect::matrix_profile::{
    MatrixProfile, MatrixProfileConfig, OnlineMatrixProfile, OnlineMatrixProfileConfig,
};
use aiops_detect::metrics;
use aiops_detect::random_cut_forest::{RandomCutForest, RandomCutForestConfig};
use aiops_detect::robust_z::{RobustZ, RobustZConfig};
use aiops_detect::rolling_mad::{RollingMad, RollingMadConfig};
use aiops_detect::rolling_quantile::{RollingQuantile, RollingQuantileConfig};
use aiops_detect::spectral_residual::{SpectralResidual, SpectralResidualConfig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Normal rows, one in a hundred moved far out.
fn rows(count: usize, columns: usize) -> Array2<f64> {
    let mut rng = Seed(1).rng();
    let mut rows = Array2::from_shape_simple_fn((count, columns), || rng.normal());
    rows.slice_mut(s![..;100, ..])
        .mapv_inplace(|value| value + 6.0);
    rows
}

fn series(count: usize) -> Series {
    let mut rng = Seed(2).rng();
    let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_mins(1), count).unwrap();
    Series::new(axis, (0..count).map(|_| rng.normal()).collect()).unwrap()
}

fn forest(criterion: &mut Criterion) {
    let detector = IsolationForest::try_from(IsolationForestConfig::default()).unwrap();
    let mut group = criterion.benchmark_group("isolation-forest");
    let train = rows(10_000, 3);
    group.bench_function("fit/10000x3", |bencher| {
        bencher.iter(|| detector.fit(black_box(train.view())).unwrap());
    });
    let model = detector.fit(train.view()).unwrap();
    let mut scores = vec![0.0; 10_000];
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("score/10000x3", |bencher| {
        bencher.iter(|| {
            model
                .score_into(black_box(train.view()), &mut scores)
                .unwrap();
        });
    });
    group.throughput(Throughput::Elements(1));
    let one = train.slice(s![..1, ..]);
    group.bench_function("score/1x3", |bencher| {
        bencher.iter(|| model.score_into(black_box(one), &mut scores[..1]).unwrap());
    });
    group.bench_function("explain/1x3", |bencher| {
        bencher.iter(|| model.explain(black_box(&[0.1, 6.0, 0.2])).unwrap());
    });
    group.finish();
}

fn one_series(criterion: &mut Criterion) {
    let series = series(10_000);
    let mut group = criterion.benchmark_group("series");
    group.throughput(Throughput::Elements(10_000));
    let detector = RobustZ::try_from(RobustZConfig::default()).unwrap();
    let mut scores = vec![0.0; 10_000];
    group.bench_function("robust-z/10000", |bencher| {
        bencher.iter(|| {
            let model = detector.fit(black_box(series.view())).unwrap();
            model.score_into(series.view(), &mut scores).unwrap();
        });
    });
    let esd = GeneralizedEsd::try_from(GeneralizedEsdConfig::default()).unwrap();
    group.bench_function("esd/10000", |bencher| {
        bencher.iter(|| esd.outliers(black_box(series.view())).unwrap());
    });
    let spectral = SpectralResidual::try_from(SpectralResidualConfig::default()).unwrap();
    group.bench_function("spectral-residual/10000", |bencher| {
        bencher.iter(|| spectral.scores(black_box(series.view())).unwrap());
    });
    let profile = MatrixProfile::try_from(MatrixProfileConfig::default()).unwrap();
    for count in [4_000, 32_000] {
        let series = self::series(count);
        group.sample_size(10);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("matrix-profile/{count}"), |bencher| {
            bencher.iter(|| profile.profile(black_box(series.view())).unwrap());
        });
    }
    group.finish();
}

/// Time of one sample, all included.
fn streaming(criterion: &mut Criterion) {
    fn bench<S: StreamingDetector>(
        group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
        name: &str,
        make: impl Fn() -> S,
    ) {
        let series = series(10_000);
        group.throughput(Throughput::Elements(10_000));
        group.bench_function(format!("{name}/10000"), |bencher| {
            bencher.iter(|| {
                let mut detector = make();
                let samples = series.view().iter();
                samples
                    .filter_map(|sample: Sample| detector.update(sample))
                    .sum::<f64>()
            });
        });
    }
    let mut group = criterion.benchmark_group("streaming");
    bench(&mut group, "auto", || {
        Auto::try_from(AutoConfig::default()).unwrap()
    });
    bench(&mut group, "rolling-mad", || {
        RollingMad::try_from(RollingMadConfig::default()).unwrap()
    });
    bench(&mut group, "rolling-quantile", || {
        RollingQuantile::try_from(RollingQuantileConfig::default()).unwrap()
    });
    bench(&mut group, "ewma", || {
        Ewma::try_from(EwmaConfig::default()).unwrap()
    });
    bench(&mut group, "random-cut-forest", || {
        RandomCutForest::try_from(RandomCutForestConfig::default()).unwrap()
    });
    bench(&mut group, "matrix-profile", || {
        OnlineMatrixProfile::try_from(OnlineMatrixProfileConfig::default()).unwrap()
    });
    bench(&mut group, "cusum", || {
        Cusum::try_from(CusumConfig::default()).unwrap()
    });
    group.finish();
}

fn measures(criterion: &mut Criterion) {
    let mut rng = Seed(3).rng();
    let scores: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
    let labels: Vec<bool> = (0..20_000).map(|index| index % 2_000 < 30).collect();
    let mut group = criterion.benchmark_group("metrics");
    group.bench_function("auroc/20000", |bencher| {
        bencher.iter(|| metrics::auroc(&labels, black_box(&scores)).unwrap());
    });
    group.bench_function("vus/20000x100", |bencher| {
        bencher.iter(|| metrics::vus(&labels, black_box(&scores), 100).unwrap());
    });
    group.finish();
}

criterion_group!(benches, forest, one_series, measures, streaming);
criterion_main!(benches);
