//! What runs out, and when.

use std::ops::ControlFlow;
use std::time::Duration;

use aiops_core::store::SeriesStore;
use aiops_core::{Fingerprint, Labels, Series, TimeAxis, TimeRange, Timestamp};
use aiops_forecast::capacity::{Capacity, CapacityConfig, Limit, Outlook};

use crate::config::ForecastTarget;

/// How much of the past a forecast looks at.
const PAST: Duration = Duration::from_hours(48);
/// Points that the past is reduced to.
const POINTS: usize = 480;
/// Points with a value that a forecast needs.
const MIN_POINTS: usize = 30;
/// How long a series must have been there before anything is said about it.
const MIN_PAST: Duration = Duration::from_mins(2);
/// No forecast looks further ahead than so many times as long as it has looked back.
const REACH: u32 = 30;
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
    found.sort_by(|a, b| {
        let urgency = a.outlook.by_urgency(&b.outlook);
        urgency.then_with(|| a.labels.cmp(&b.labels))
    });
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
    let axis = past.view().axis();
    let seen = axis.last()?.since(axis.first()?);
    if seen < MIN_PAST {
        return None;
    }
    let reach = Duration::from_mins((seen * REACH).as_secs() / 600 * 10);
    let horizon = target.horizon.min(reach);
    let mut config = CapacityConfig::default();
    config.horizon = horizon;
    let outlook = Capacity::try_from(config)
        .ok()?
        .outlook(past.view(), limit)
        .ok()?;
    Some(Exhaustion {
        labels,
        limit: value,
        current: outlook.current,
        horizon,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_keeps_the_last_sample_of_each_interval_and_leaves_gaps() {
        let at = |secs: u64| Timestamp::EPOCH.saturating_add(Duration::from_secs(secs));
        let times: Vec<_> = (0..480)
            .filter(|secs| *secs != 7)
            .map(|secs| at(2 * secs))
            .collect();
        let values: Vec<_> = times.iter().map(|time| time.as_secs_f64()).collect();
        let grid = on_grid(&times, &values).expect("enough samples");
        assert_eq!(
            grid.view().axis().step(),
            Some(Duration::from_secs_f64(958.0 / 480.0))
        );
        assert_eq!(grid.view().values()[0], 0.0);
        assert!(grid.view().values()[7].is_nan());
        assert!(on_grid(&times[..20], &values[..20]).is_none());
    }
}
