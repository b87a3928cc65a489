//! aiops-forecast and its peers: a fit and a forecast with a 95 % interval, in CPU seconds of one
//! thread for 1,000 series.
//!
//! Peers: `anofox-forecast` 0.19 and `augurs` 0.10 run here, on the same series, in turn. What
//! statsforecast 2.1.1 took elsewhere is printed beside them as recorded: from Python it cannot
//! alternate. Series are those of M1 and M3 (monthly) and of M4 (hourly), evenly picked.
//!
//! Answers cannot be equal, since each has its own likelihood and its own search. What is asserted
//! is that ours does not buy its speed with errors: its sMAPE on the series that both did is not
//! more than a tenth above the peer's, where there are at least twenty of them. Slow peers reach fewer:
//! there, read both errors beside the ratio.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use aiops_core::{DynForecaster, Series, TimeAxis, Timestamp};
use aiops_forecast::arima::{AutoArima, AutoArimaConfig};
use aiops_forecast::ets::{AutoEts, AutoEtsConfig};
use aiops_forecast::metrics;
use aiops_forecast::mstl::{Mstl, MstlConfig};
use aiops_forecast::theta::{Theta, ThetaConfig};
use anofox_forecast::core::TimeSeries;
use anofox_forecast::models::arima::AutoARIMA;
use anofox_forecast::models::exponential::AutoETS;
use anofox_forecast::models::theta::{AutoTheta, DynamicTheta};
use anofox_forecast::models::{Forecaster as Anofox, MSTLForecaster};
use augurs::{Fit as _, Predict as _};

use crate::timing::{Rounds, cpu_seconds};

/// A peer has had enough when this much of it has been measured.
const PEER_SECONDS: f64 = 8.0;
/// Each series is done again until this has passed, and so often at most.
const LONG: Duration = Duration::from_millis(20);
const MOST: u32 = 200;
/// sMAPE of ours in that of the peer, at most.
const WORSE: f64 = 1.1;

/// A peer's answer, the values ahead; `None` where it refuses the series.
type Peer = (&'static str, fn(&[f64], usize) -> Option<Vec<f64>>);

struct Case {
    name: &'static str,
    set: &'static str,
    step: Duration,
    series: usize,
    ours: Box<dyn DynForecaster>,
    peers: Vec<Peer>,
    /// CPU seconds for 1,000 series that statsforecast took, and its form of the model.
    recorded: (&'static str, f64),
}

const HOUR: Duration = Duration::from_hours(1);
const MONTH: Duration = Duration::from_hours(30 * 24);

pub(crate) fn run(rounds: Rounds) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/forecast");
    if !folder.is_dir() {
        let required = std::env::var_os("AIOPS_REQUIRE_DATA").is_some_and(|value| value == "1");
        assert!(!required, "{} is required and missing", folder.display());
        eprintln!("SKIPPED: {} is missing", folder.display());
        return;
    }
    for case in cases() {
        let count = if rounds == Rounds::One {
            2
        } else {
            case.series
        };
        let sample = sample(&folder, case.set, count);
        measure(&case, &sample, rounds);
    }
}

fn cases() -> Vec<Case> {
    let ets = |season| {
        let mut config = AutoEtsConfig::default();
        config.season = season;
        AutoEts::try_from(config).expect("a good season")
    };
    let mut arima = AutoArimaConfig::default();
    arima.seasons = vec![12];
    let mut theta = ThetaConfig::default();
    theta.season = 12;
    let arima = AutoArima::try_from(arima).expect("a good season");
    let theta = Theta::try_from(theta).expect("a good season");
    let mstl = Mstl::try_from(MstlConfig::default()).expect("good seasons");
    let monthly = |name, series, ours: Box<dyn DynForecaster>, peers, recorded| Case {
        name,
        set: "m1m3_monthly",
        step: MONTH,
        series,
        ours,
        peers,
        recorded,
    };
    let hourly = |name, series, ours: Box<dyn DynForecaster>, peers, recorded| Case {
        name,
        set: "m4_hourly",
        step: HOUR,
        series,
        ours,
        peers,
        recorded,
    };
    vec![
        monthly(
            "auto_ets/monthly",
            200,
            Box::new(ets(12)),
            vec![("anofox AutoETS", |y, h| {
                anofox(AutoETS::with_period(12), y, h)
            })],
            ("AutoETS", 70.0),
        ),
        hourly(
            "auto_ets/hourly",
            40,
            Box::new(ets(24)),
            vec![("anofox AutoETS", |y, h| {
                anofox(AutoETS::with_period(24), y, h)
            })],
            ("AutoETS", 470.0),
        ),
        monthly(
            "auto_arima/monthly",
            100,
            Box::new(arima),
            vec![("anofox AutoARIMA", |y, h| {
                anofox(AutoARIMA::seasonal(12), y, h)
            })],
            ("AutoARIMA", 580.0),
        ),
        monthly(
            "theta/monthly",
            400,
            Box::new(theta),
            vec![
                ("anofox AutoTheta", |y, h| {
                    anofox(AutoTheta::seasonal(12), y, h)
                }),
                ("anofox DynamicTheta", |y, h| {
                    anofox(DynamicTheta::seasonal_optimized(12), y, h)
                }),
            ],
            ("DynamicOptimizedTheta", 3.5),
        ),
        hourly(
            "mstl/hourly",
            80,
            Box::new(mstl),
            vec![
                ("augurs MSTL + AutoETS", augurs_mstl),
                ("anofox MSTL", |y, h| {
                    anofox(MSTLForecaster::new(vec![24, 168]), y, h)
                }),
            ],
            ("MSTL + AutoETS", 203.0),
        ),
    ]
}

fn anofox(mut model: impl Anofox, y: &[f64], horizon: usize) -> Option<Vec<f64>> {
    let times = (0..y.len() as i64)
        .map(|hour| chrono::DateTime::from_timestamp(3_600 * hour, 0))
        .collect::<Option<Vec<_>>>()?;
    let series = TimeSeries::univariate(times, y.to_vec()).ok()?;
    model.fit(&series).ok()?;
    let ahead = model.predict_with_intervals(horizon, 0.95).ok()?;
    Some(ahead.primary().to_vec())
}

fn augurs_mstl(y: &[f64], horizon: usize) -> Option<Vec<f64>> {
    let trend: augurs_ets::trend::AutoETSTrendModel = augurs_ets::AutoETS::non_seasonal().into();
    let fitted = augurs::mstl::MSTLModel::new(vec![24, 168], trend)
        .fit(y)
        .ok()?;
    Some(fitted.predict(horizon, 0.95).ok()?.point)
}

fn ours(case: &Case, y: &[f64], horizon: usize) -> Vec<f64> {
    let axis = TimeAxis::regular(Timestamp::EPOCH, case.step, y.len()).expect("within time");
    let series = Series::new(axis, y.to_vec()).expect("no infinite values");
    let model = case.ours.fit_boxed(series.view()).expect("a good series");
    let ahead = model.forecast(horizon, &[0.025, 0.975]);
    ahead.expect("a good request").mean().to_vec()
}

/// CPU seconds of one call, and its answer. Clocks of threads move in steps of some milliseconds, so
/// what is shorter is called more often.
fn timed<T>(rounds: Rounds, mut work: impl FnMut() -> T) -> (f64, T) {
    let (started, before) = (Instant::now(), cpu_seconds());
    let mut answer = work();
    let mut calls = 1;
    while rounds == Rounds::Full && calls < MOST && started.elapsed() < LONG {
        answer = work();
        calls += 1;
    }
    ((cpu_seconds() - before) / f64::from(calls), answer)
}

/// Sums over the series that ours and a peer both did.
#[derive(Clone, Copy, Debug, Default)]
struct Both {
    series: usize,
    refused: usize,
    /// CPU seconds and sMAPE, of ours and of the peer.
    seconds: (f64, f64),
    smape: (f64, f64),
}

fn measure(case: &Case, sample: &[(Vec<f64>, Vec<f64>)], rounds: Rounds) {
    let (mut all, mut each) = (0.0, vec![Both::default(); case.peers.len()]);
    for (past, ahead) in sample {
        let horizon = ahead.len();
        let (mine, answer) = timed(rounds, || ours(case, past, horizon));
        all += mine;
        let error = |answer: &[f64]| metrics::smape(ahead, answer);
        for ((_, peer), both) in case.peers.iter().zip(&mut each) {
            if both.seconds.1 > PEER_SECONDS {
                continue;
            }
            let (theirs, their_answer) = timed(rounds, || peer(past, horizon));
            let Some(their_answer) = their_answer else {
                both.refused += 1;
                continue;
            };
            both.series += 1;
            both.seconds = (both.seconds.0 + mine, both.seconds.1 + theirs);
            both.smape.0 += error(&answer);
            both.smape.1 += error(&their_answer);
        }
    }
    let mine = 1_000.0 * all / sample.len() as f64;
    let name = format!("forecast/{}", case.name);
    println!(
        "{name:30} {mine:9.2} CPU s per 1,000 ({} series)",
        sample.len()
    );
    for ((peer, _), both) in case.peers.iter().zip(&each) {
        print(peer, *both);
    }
    let (form, recorded) = case.recorded;
    println!(
        "{:30} {recorded:9.2} recorded: statsforecast {form}; {:.1} times as fast",
        "",
        recorded / mine
    );
}

fn print(peer: &str, both: Both) {
    let Both {
        series,
        refused,
        seconds,
        smape,
    } = both;
    let n = series as f64;
    println!(
        "{:30} {:9.2} {peer}; {:.1} times as fast on {series} series (sMAPE {:.2}, theirs {:.2}; refused {refused})",
        "",
        1_000.0 * seconds.1 / n,
        seconds.1 / seconds.0,
        smape.0 / n,
        smape.1 / n,
    );
    assert!(
        series < 20 || smape.0 <= WORSE * smape.1,
        "{peer}: sMAPE of ours {} and of theirs {}",
        smape.0 / n,
        smape.1 / n
    );
}

/// Pasts and what came after, `count` of a set, evenly picked by name.
fn sample(folder: &Path, set: &str, count: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let past = table(&folder.join(format!("{set}_train.csv.gz")));
    let mut ahead = table(&folder.join(format!("{set}_test.csv.gz")));
    let step = past.len() as f64 / count as f64;
    let picked: Vec<usize> = (0..count).map(|i| (i as f64 * step) as usize).collect();
    let named = past.into_iter().enumerate();
    named
        .filter(|(index, _)| picked.binary_search(index).is_ok())
        .map(|(_, (id, past))| {
            let after = ahead.remove(&id).expect("every series has a test");
            (past, after)
        })
        .collect()
}

/// Values by the name of their series.
fn table(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    let read = flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text);
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all = BTreeMap::<String, Vec<f64>>::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        let (Some(id), Some(_), Some(y)) = (cells.next(), cells.next(), cells.next()) else {
            panic!("{}: a line without three cells: {line}", path.display());
        };
        let y = y.parse().unwrap_or_else(|_| {
            panic!("{}: `{y}` is not a number: {line}", path.display());
        });
        all.entry(id.to_owned()).or_default().push(y);
    }
    all
}
