//! How well services do: time between failures, to detect, to acknowledge and to repair;
//! availability and error budget.

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::{Incident, ParamError, TimeRange, Timestamp};

/// The times of one outage of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Outage {
    /// The service.
    pub service: String,
    /// When it began, as far as that is known.
    pub began_at: Timestamp,
    /// When people could know: the first notification.
    pub detected_at: Option<Timestamp>,
    /// When somebody took care.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over; `None` while it lasts.
    pub resolved_at: Option<Timestamp>,
}

impl Outage {
    /// The outage that an incident is for a service: from its first alert to its end.
    pub fn of(incident: &Incident, service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            began_at: incident.opened_at,
            detected_at: None,
            acknowledged_at: None,
            resolved_at: incident.resolved_at,
        }
    }
}

/// Figures of one service over a period.
///
/// Mean times are over the outages that have them; `None` where none has.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reliability {
    /// Outages that touch the period.
    pub outages: usize,
    /// Time of the period in which the service was out; outages at the same time count once.
    pub downtime: Duration,
    /// Share of the period in which it was not out, in `[0, 1]`.
    pub availability: f64,
    /// Mean time between failures: time up, by failures that began in the period; `None` without
    /// one.
    pub mtbf: Option<Duration>,
    /// Mean time from the beginning to the detection.
    pub mttd: Option<Duration>,
    /// Mean time from the detection to the acknowledgement.
    pub mtta: Option<Duration>,
    /// Mean time from the beginning to the end.
    pub mttr: Option<Duration>,
    /// Time that the service may be out by its objective.
    pub budget: Duration,
    /// Share of the budget that is used; above 1 it is overspent. 0 when nothing was used, and
    /// infinite when there is no budget.
    pub budget_used: f64,
}

/// The figures of each service with an outage in `period`, by an objective such as 0.999.
///
/// # Errors
///
/// [`ParamError`] unless the objective lies in `[0, 1]` and the period is not empty.
///
/// # Examples
///
/// ```
/// use aiops_alert::availability::{Outage, reliability};
/// use aiops_core::{TimeRange, Timestamp};
///
/// let at = |minute: i64| Timestamp::from_secs(60 * minute).unwrap();
/// let outage = Outage {
///     service: "shop".into(),
///     began_at: at(100),
///     detected_at: Some(at(102)),
///     acknowledged_at: Some(at(105)),
///     resolved_at: Some(at(110)),
/// };
/// let figures = reliability(&[outage], TimeRange::new(at(0), at(1_000)), 0.99)?;
/// assert_eq!(figures["shop"].availability, 0.99);
/// assert_eq!(figures["shop"].budget_used, 1.0);
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// # Degenerate cases
///
/// | outage | counted |
/// |---|---|
/// | it lasts | up to the end of the period; it has no time to repair |
/// | it began before the period | its part inside; not among the failures that began |
/// | it ends before it begins | not at all |
/// | it overlaps another one of its service | once for the downtime, by itself for the means |
pub fn reliability(
    outages: &[Outage],
    period: TimeRange,
    objective: f64,
) -> Result<BTreeMap<String, Reliability>, ParamError> {
    if !(0.0..=1.0).contains(&objective) {
        return Err(ParamError::new("objective", "from 0 to 1", objective));
    }
    if period.end <= period.start {
        let got = format!("{} to {}", period.start, period.end);
        return Err(ParamError::new("period", "not empty", got));
    }
    let mut by_service: BTreeMap<&str, Vec<&Outage>> = BTreeMap::new();
    for outage in outages {
        let ends = outage.resolved_at.unwrap_or(Timestamp::MAX);
        let touches = outage.began_at < period.end && ends > period.start;
        if touches && ends >= outage.began_at {
            by_service.entry(&outage.service).or_default().push(outage);
        }
    }
    let figures = by_service.into_iter().map(|(service, outages)| {
        let figures = of_service(&outages, period, objective);
        (service.to_owned(), figures)
    });
    Ok(figures.collect())
}

fn of_service(outages: &[&Outage], period: TimeRange, objective: f64) -> Reliability {
    let length = period.end.since(period.start);
    let downtime = downtime(outages, period);
    let began = outages.iter();
    let began = began.filter(|one| one.began_at >= period.start).count();
    let budget = length.mul_f64(1.0 - objective);
    let up = length.saturating_sub(downtime);
    let mean = |times: &dyn Fn(&Outage) -> Option<Duration>| {
        let times: Vec<Duration> = outages.iter().filter_map(|one| times(one)).collect();
        let total: Duration = times.iter().sum();
        u32::try_from(times.len())
            .ok()
            .filter(|count| *count > 0)
            .map(|count| total / count)
    };
    Reliability {
        outages: outages.len(),
        downtime,
        availability: up.as_secs_f64() / length.as_secs_f64(),
        mtbf: u32::try_from(began)
            .ok()
            .filter(|count| *count > 0)
            .map(|count| up / count),
        mttd: mean(&|one| Some(one.detected_at?.since(one.began_at))),
        mtta: mean(&|one| Some(one.acknowledged_at?.since(one.detected_at?))),
        mttr: mean(&|one| Some(one.resolved_at?.since(one.began_at))),
        budget,
        budget_used: match (downtime.is_zero(), budget.is_zero()) {
            (true, _) => 0.0,
            (false, true) => f64::INFINITY,
            (false, false) => downtime.as_secs_f64() / budget.as_secs_f64(),
        },
    }
}

/// The union of the outages, inside the period.
fn downtime(outages: &[&Outage], period: TimeRange) -> Duration {
    let mut spans: Vec<(Timestamp, Timestamp)> = outages
        .iter()
        .map(|one| {
            let ends = one.resolved_at.unwrap_or(period.end);
            (one.began_at.max(period.start), ends.min(period.end))
        })
        .collect();
    spans.sort_unstable();
    let (mut total, mut reached) = (Duration::ZERO, period.start);
    for (from, to) in spans {
        total += to.since(from.max(reached));
        reached = reached.max(to);
    }
    total
}
