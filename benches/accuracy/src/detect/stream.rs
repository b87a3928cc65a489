//! Streaming detectors over single series: what NAB and KPI share.

use aiops_core::{
    Detector, FittedDetector, Replay, Series, StreamingDetector, TimeAxis, Timestamp,
};
use aiops_detect::rolling_mad::{RollingMad, RollingMadConfig};

use crate::Fallible;
use crate::args::Args;
use crate::table::Table;

/// A labelled series.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) series: Series,
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
        Ok(Self { series, seconds })
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
    let all = [Model {
        name: "rolling_mad",
        score: |series| replay(RollingMad::try_from(RollingMadConfig::default())?, series),
    }];
    all.into_iter()
        .filter(|model| args.wants_model(model.name))
        .collect()
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
