//! What runs out, and when.

use std::ops::ControlFlow;
use std::time::Duration;

use aiops_core::store::SeriesStore;
use aiops_core::{Fingerprint, Labels, Series, TimeAxis, TimeRange, Timestamp};
use aiops_forecast::capacity::{Capacity, CapacityConfig, Limit, Outlook};

use crate::config::ForecastTarget;

/// How much of the past a forecast looks at.
const PAST: Duration = Duration::from_secs(6 * 3_600);
/// Points that the past is reduced to.
const POINTS: usize = 360;
/// Points with a value that a forecast needs.
const MIN_POINTS: usize = 30;
/// Series that are forecast for one target; the first in order of labels.
const MAX_SERIES: usize = 200;

/// When one series reaches its limit.
#[derive(Clone, Debug)]
pub struct Exhaustion {
    /// The series.
    pub labels: Labels,
    /// The limit.
    pub limit: f64,
    /// The value now.
    pub current: f64,
    /// How far was looked ahead.
    pub horizon: Duration,
    /// The answer.
    pub outlook: Outlook,
}

impl Exhaustion {
    /// Identity of the series.
    pub fn id(&self) -> Fingerprint {
        self.labels.fingerprint()
    }
}

/// Forecasts every series of every target; the soonest first.
pub fn forecast_all(
    store: &dyn SeriesStore,
    targets: &[ForecastTarget],
    now: Timestamp,
) -> Vec<Exhaustion> {
    let mut found: Vec<_> = targets
        .iter()
        .flat_map(|target| forecast_target(store, target, now))
        .collect();
    found.sort_by_key(|one| (one.outlook.median.unwrap_or(Timestamp::MAX), one.id()));
    found
}

fn forecast_target(
    store: &dyn SeriesStore,
    target: &ForecastTarget,
    now: Timestamp,
) -> Vec<Exhaustion> {
    let range = TimeRange::new(
        now.saturating_sub(PAST),
        now.saturating_add(Duration::from_nanos(1)),
    );
    let mut pasts = Vec::new();
    let read = store.select(&target.selector, range, &mut |labels, times, values| {
        pasts.extend(on_grid(times, values).map(|past| (labels.clone(), past)));
        if pasts.len() < MAX_SERIES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    if let Err(error) = read {
        tracing::error!(
            error = crate::ingest::describe(&error),
            "cannot read for a forecast"
        );
    }
    pasts
        .into_iter()
        .filter_map(|(labels, past)| forecast_one(target, labels, &past))
        .collect()
}

fn forecast_one(target: &ForecastTarget, labels: Labels, past: &Series) -> Option<Exhaustion> {
    let (limit, value) = match (target.above, target.below) {
        (Some(value), _) => (Limit::Above(value), value),
        (None, Some(value)) => (Limit::Below(value), value),
        (None, None) => return None, // refused when the configuration is checked
    };
    let mut config = CapacityConfig::default();
    config.horizon = target.horizon;
    let outlook = Capacity::try_from(config)
        .ok()?
        .outlook(past.view(), limit)
        .ok()?;
    let current = past.view().present().last()?;
    Some(Exhaustion {
        labels,
        limit: value,
        current,
        horizon: target.horizon,
        outlook,
    })
}

/// The samples on a regular grid of at most [`POINTS`] instants, the last sample of each interval;
/// `None` when there are too few.
fn on_grid(times: &[Timestamp], values: &[f64]) -> Option<Series> {
    let (&first, &last) = (times.first()?, times.last()?);
    let step = (last.since(first) / POINTS as u32).max(Duration::from_secs(1));
    let len = (last.since(first).as_nanos() / step.as_nanos()) as usize + 1;
    let mut grid = vec![f64::NAN; len];
    for (time, value) in times
        .iter()
        .zip(values)
        .filter(|(_, value)| value.is_finite())
    {
        let place = (time.since(first).as_nanos() / step.as_nanos()) as usize;
        grid[place] = *value;
    }
    let series = Series::new(TimeAxis::regular(first, step, len).ok()?, grid).ok()?;
    series.view().require(MIN_POINTS).is_ok().then_some(series)
}
