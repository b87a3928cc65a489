//! Streaming detectors over single series: what NAB and KPI share.

use aiops_core::{
    Detector, FittedDetector, Replay, Series, StreamingDetector, TimeAxis, Timestamp,
};
use aiops_detect::auto::{Auto, AutoConfig};
use aiops_detect::cusum::{Cusum, CusumConfig};
use aiops_detect::ewma::{Ewma, EwmaConfig};
use aiops_detect::metrics;
use aiops_detect::page_hinkley::{PageHinkley, PageHinkleyConfig};
use aiops_detect::rolling_mad::{RollingMad, RollingMadConfig};
use aiops_detect::rolling_quantile::{RollingQuantile, RollingQuantileConfig};
use aiops_detect::seasonal::{Seasonal, SeasonalConfig};
use aiops_detect::welford::{WelfordZ, WelfordZConfig};
use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::Table;

/// A labelled series.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) name: String,
    pub(super) series: Series,
    pub(super) labels: Vec<bool>,
    /// Time stamps as they stand in the file.
    pub(super) seconds: Vec<i64>,
}

impl Labelled {
    pub(super) fn read(name: &str, table: &Table) -> Fallible<Self> {
        let seconds: Vec<i64> = table
            .numbers("timestamp")?
            .into_iter()
            .map(|seconds| seconds as i64)
            .collect();
        let instants = increasing(&seconds).ok_or("time stamp out of range")?;
        let axis = TimeAxis::listed(instants).map_err(|error| format!("{name}: {error}"))?;
        let series = Series::new(axis, table.numbers("value")?)
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            series,
            labels: table.labels()?,
            seconds,
        })
    }
}

/// The instants of all rows. Where a file goes back in time, as some do when summer time ends, a row
/// comes a nanosecond after the one before it, so that every row keeps its place.
fn increasing(seconds: &[i64]) -> Option<Vec<Timestamp>> {
    let mut instants: Vec<Timestamp> = Vec::with_capacity(seconds.len());
    for &seconds in seconds {
        let at = Timestamp::from_secs(seconds)?;
        let after = instants
            .last()
            .map(|last| last.saturating_add(std::time::Duration::from_nanos(1)));
        instants.push(after.map_or(at, |after| after.max(at)));
    }
    Some(instants)
}

/// A detector with the library's defaults, by the name that stands in the results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    score: fn(&Series) -> Fallible<Vec<f64>>,
}

/// All models that are wanted.
pub(super) fn models(args: &Args) -> Vec<Model> {
    let all = [
        model("auto", |series| {
            replay(Auto::try_from(AutoConfig::default())?, series)
        }),
        model("seasonal", |series| {
            replay(Seasonal::try_from(SeasonalConfig::default())?, series)
        }),
        model("rolling_mad", |series| {
            replay(RollingMad::try_from(RollingMadConfig::default())?, series)
        }),
        model("rolling_quantile", |series| {
            replay(
                RollingQuantile::try_from(RollingQuantileConfig::default())?,
                series,
            )
        }),
        model("ewma", |series| {
            replay(Ewma::try_from(EwmaConfig::default())?, series)
        }),
        model("welford", |series| {
            replay(WelfordZ::try_from(WelfordZConfig::default())?, series)
        }),
        model("cusum", |series| {
            replay(Cusum::try_from(CusumConfig::default())?, series)
        }),
        model("page_hinkley", |series| {
            replay(PageHinkley::try_from(PageHinkleyConfig::default())?, series)
        }),
    ];
    all.into_iter()
        .filter(|model| args.wants_model(model.name))
        .collect()
}

fn model(name: &'static str, score: fn(&Series) -> Fallible<Vec<f64>>) -> Model {
    Model { name, score }
}

impl Model {
    /// One score for each sample; 0 for those that have none.
    pub(super) fn score(&self, series: &Series) -> Fallible<Vec<f64>> {
        let mut scores = (self.score)(series)?;
        if let Some(at) = scores.iter().position(|score| score.is_infinite()) {
            return Err(format!("{}: infinite score at row {at}", self.name).into());
        }
        for score in &mut scores {
            *score = if score.is_nan() { 0.0 } else { *score };
        }
        Ok(scores)
    }
}

fn replay<S>(detector: S, series: &Series) -> Fallible<Vec<f64>>
where
    S: StreamingDetector + Clone + Sync + 'static,
{
    let nothing = series.view().slice(0, 0);
    Ok(Replay::new(detector).fit(nothing)?.score(series.view())?)
}

/// Figures of one model on one series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    vus_pr: f64,
    vus_roc: f64,
    auroc: f64,
    ap: f64,
    best_f1: f64,
    seconds: f64,
}

/// Judges the rows from `from` on; `None` when none of them is anomalous.
pub(super) fn figures(
    data: &Labelled,
    scores: &[f64],
    from: usize,
    seconds: f64,
) -> Fallible<Option<Figures>> {
    let (labels, judged) = (&data.labels[from..], &scores[from..]);
    if !labels.contains(&true) {
        return Ok(None);
    }
    let vus = metrics::vus(labels, judged, dominant_lag(data.series.view().values()))?;
    Ok(Some(Figures {
        vus_pr: vus.pr,
        vus_roc: vus.roc,
        auroc: metrics::auroc(labels, judged)?,
        ap: metrics::average_precision(labels, judged)?,
        best_f1: metrics::best_f1(labels, judged)?.f1,
        seconds,
    }))
}

/// Puts the means over all series into the report, and each series into its details. Where no
/// series has an anomaly, there is nothing to take a mean of.
pub(super) fn summarise(
    field: &str,
    model: Model,
    figures: &[(&Labelled, Figures)],
    report: &mut Report,
) -> Fallible<()> {
    for (data, figures) in figures {
        let figures = json!({
            "vus_pr": figures.vus_pr, "vus_roc": figures.vus_roc, "auroc": figures.auroc,
            "ap": figures.ap, "best_f1": figures.best_f1,
            "ns_per_sample": figures.seconds * 1e9 / data.labels.len() as f64,
        });
        report.detail(&data.name, model.name, figures);
    }
    if figures.is_empty() {
        return Ok(());
    }
    let mut put = |key: &str, of: fn(&Figures) -> f64| {
        let all: Vec<f64> = figures.iter().map(|(_, figures)| of(figures)).collect();
        report.put(format!("{field}.{key}.{}", model.name), mean(&all))
    };
    put("vus_pr", |figures| figures.vus_pr)?;
    put("vus_roc", |figures| figures.vus_roc)?;
    put("auroc", |figures| figures.auroc)?;
    put("ap", |figures| figures.ap)?;
    put("best_f1", |figures| figures.best_f1)
}

/// Lag with the highest local maximum of the autocorrelation, as the TSB-AD benchmark chooses the
/// window of its measures: lags 3 to 400 of the first 20,000 values; 125 where there is none.
pub(super) fn dominant_lag(values: &[f64]) -> usize {
    const NONE: usize = 125;
    let head = &values[..values.len().min(20_000)];
    let mean = aiops_core::numerics::mean(head);
    let centered: Vec<f64> = head.iter().map(|value| value - mean).collect();
    let product = |lag: usize| -> f64 {
        let later = centered.get(lag..).unwrap_or_default();
        later.iter().zip(&centered).map(|(a, b)| a * b).sum()
    };
    if product(0) == 0.0 {
        return NONE;
    }
    let curve: Vec<f64> = (3..401.min(head.len())).map(product).collect();
    let mut best: Option<usize> = None;
    for index in 1..curve.len().saturating_sub(1) {
        let peak = curve[index] > curve[index - 1] && curve[index] > curve[index + 1];
        if peak && best.is_none_or(|best| curve[index] > curve[best]) {
            best = Some(index);
        }
    }
    match best {
        Some(index) if (3..=300).contains(&index) => index + 3,
        _ => NONE,
    }
}
