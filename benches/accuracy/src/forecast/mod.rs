//! Forecasts of the competitions and of rolling windows, after the protocol in the data's README.

mod global;
mod models;
mod sets;

use std::time::Instant;

use aiops_core::{DynForecaster, Series, TimeAxis, Timestamp};
use aiops_forecast::metrics;
use serde_json::{Value, json};

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::parallel;
use sets::{Case, Set};

/// 80 % and 95 % intervals.
const LEVELS: [f64; 4] = [0.025, 0.1, 0.9, 0.975];

pub(crate) fn run(args: &Args, report: &mut Report) -> Fallible<()> {
    for set in sets::all(args)? {
        let naive2: Vec<Score> = parallel(args.jobs, &set.cases, |case| {
            let (past, horizon) = (case.past.as_slice(), case.ahead.len());
            let forecast = aiops_forecast::naive2(past, set.kind.season, horizon);
            Score::of_points(&set, case, &forecast)
        });
        let base = (
            Score::mean(&naive2, |s| s.smape),
            Score::mean(&naive2, |s| s.mase),
        );
        report.detail(
            &set.name,
            "naive2",
            json!({ "smape": base.0, "mase": base.1 }),
        );
        for model in models::all(set.kind, set.horizon(), set.shortest())
            .filter(|model| args.wants_model(model.name))
        {
            let same = |_: &Case| &*model.forecaster;
            measure(&set, model.name, same, base, args, report)?;
        }
        if args.names_model("lstm") {
            let network = global::train(&set)?;
            let own = |case: &Case| network.of(case);
            measure(&set, "lstm", own, base, args, report)?;
            report.detail(&set.name, "lstm_training", network.report());
        }
        peers(&set, report);
    }
    Ok(())
}

fn measure<'a>(
    set: &Set,
    name: &'static str,
    model: impl Fn(&Case) -> &'a (dyn DynForecaster) + Sync,
    base: (f64, f64),
    args: &Args,
    report: &mut Report,
) -> Fallible<()> {
    let scores = parallel(args.jobs, &set.cases, |case| {
        judge(set, case, model(case))
            .map_err(|error| format!("{} of {}: {error}", case.name, set.name))
    });
    let scores: Vec<Score> = scores.into_iter().collect::<Result<_, _>>()?;
    let average = |pick: fn(&Score) -> f64| Score::mean(&scores, pick);
    let (smape, mase) = (average(|s| s.smape), average(|s| s.mase));
    let figures = [
        ("owa", metrics::owa(smape, mase, base.0, base.1)),
        ("smape", smape),
        ("mase", mase),
        ("cov80", average(|s| s.cov80)),
        ("cov95", average(|s| s.cov95)),
        ("msis95", average(|s| s.msis95)),
        ("cpu_s_per_1000", 1_000.0 * average(|s| s.seconds)),
    ];
    let mut details = serde_json::Map::new();
    details.insert("n".into(), scores.len().into());
    for (figure, value) in figures {
        report.put(format!("{}.{figure}.{name}", set.name), value)?;
        details.insert(figure.into(), value.into());
    }
    report.detail(&set.name, name, Value::Object(details));
    Ok(())
}

/// What one forecast is worth. A figure that the case does not allow is `NaN`.
#[derive(Clone, Copy, Debug)]
struct Score {
    smape: f64,
    mase: f64,
    cov80: f64,
    cov95: f64,
    msis95: f64,
    seconds: f64,
}

impl Score {
    fn of_points(set: &Set, case: &Case, points: &[f64]) -> Self {
        Self {
            smape: metrics::smape(&case.ahead, points),
            mase: metrics::mase(&case.ahead, points, &case.past, set.kind.season),
            cov80: f64::NAN,
            cov95: f64::NAN,
            msis95: f64::NAN,
            seconds: f64::NAN,
        }
    }

    fn mean(scores: &[Self], pick: impl Fn(&Self) -> f64) -> f64 {
        let known: Vec<f64> = scores
            .iter()
            .map(pick)
            .filter(|figure| !figure.is_nan())
            .collect();
        mean(&known)
    }
}

fn judge(
    set: &Set,
    case: &Case,
    forecaster: &dyn DynForecaster,
) -> Result<Score, Box<dyn std::error::Error + Send + Sync>> {
    let axis = TimeAxis::regular(Timestamp::EPOCH, set.kind.step, case.past.len())?;
    let series = Series::new(axis, case.past.clone())?;
    let started = Clock::start();
    let forecast = forecaster
        .fit_boxed(series.view())?
        .forecast(case.ahead.len(), &LEVELS)?;
    let seconds = started.seconds();
    if let Some(step) = forecast.mean().iter().position(|value| !value.is_finite()) {
        return Err(format!("step {step} is not finite").into());
    }
    let quantile = |level: usize| -> Vec<f64> {
        forecast
            .quantile(LEVELS[level])
            .map_or_else(Vec::new, |column| column.to_vec())
    };
    let [low95, low80, high80, high95] = [0, 1, 2, 3].map(quantile);
    Ok(Score {
        cov80: metrics::coverage(&case.ahead, &low80, &high80),
        cov95: metrics::coverage(&case.ahead, &low95, &high95),
        msis95: metrics::msis(
            &case.ahead,
            &low95,
            &high95,
            0.05,
            &case.past,
            set.kind.season,
        ),
        seconds,
        ..Score::of_points(set, case, forecast.mean())
    })
}

/// Time on the processor where the system tells it, so that other work does not count; time on the
/// wall elsewhere.
pub(super) struct Clock {
    wall: Instant,
    busy: Option<u64>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            wall: Instant::now(),
            busy: Self::busy(),
        }
    }

    fn busy() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok()
    }

    pub(super) fn seconds(&self) -> f64 {
        match (self.busy, Self::busy()) {
            (Some(before), Some(now)) => now.saturating_sub(before) as f64 * 1e-9,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

/// Figures of other programs on the set whose name begins with the name of their task.
fn peers(set: &Set, report: &mut Report) {
    let Some(peers) = report.peers.clone() else {
        return;
    };
    let tasks = peers["tasks"].as_object().into_iter().flatten();
    for (task, entry) in tasks.filter(|(task, _)| set.name.starts_with(task.as_str())) {
        for (model, figures) in entry["models"].as_object().into_iter().flatten() {
            let text: Vec<String> = [
                "n",
                "owa",
                "smape",
                "mase",
                "cov80",
                "cov95",
                "msis95",
                "cpu_s_per_1000_series",
            ]
            .into_iter()
            .filter_map(|key| {
                figures[key]
                    .as_f64()
                    .map(|figure| format!("{key} {figure}"))
            })
            .collect();
            report.peer(format!("{task}.{model}"), text.join("  "));
        }
    }
}
