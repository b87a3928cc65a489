//! Decisions measured event by event.

use super::vus::events;
use super::{BestF1, MetricError, best_f1, check, check_decisions};
use aiops_core::Seed;

/// How decisions do, event by event; see [`event_wise`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventWise {
    /// Labelled events: runs of anomalous samples.
    pub events: usize,
    /// Those with a sample that is called anomalous.
    pub found: usize,
    /// Runs of samples called anomalous.
    pub alarms: usize,
    /// Those that touch no event.
    pub false_alarms: usize,
    /// Share of the alarms that touch an event; `None` without an alarm.
    pub precision: Option<f64>,
    /// Share of the events that are found.
    pub recall: f64,
    /// Mean number of samples from the begin of an event to the first sample in it that is called anomalous, over
    /// those found; `None` when there is none. An alarm that began before the event has a delay of 0.
    pub delay: Option<f64>,
}

/// What people count: alarms that were for something, events that were found, and how late.
///
/// One sample called anomalous finds an event of any length, and an alarm without end finds all with one
/// alarm: look at [`affiliation`](super::affiliation) and the number of alarms beside it. Costs one pass.
///
/// ```
/// use aiops_detect::metrics::event_wise;
///
/// let events = [false, true, true, true, false, false, true];
/// let called = [false, false, true, true, false, true, false];
/// let measured = event_wise(&events, &called)?;
/// assert_eq!((measured.found, measured.false_alarms, measured.delay), (1, 1, Some(1.0)));
/// # Ok::<(), aiops_detect::metrics::MetricError>(())
/// ```
///
/// # Errors
///
/// [`MetricError`] unless there is one decision for each label, and both classes among the labels.
pub fn event_wise(labels: &[bool], called: &[bool]) -> Result<EventWise, MetricError> {
    check_decisions(labels, called)?;
    let (events, alarms) = (events(labels), events(called));
    let firsts = events.iter().filter_map(|&(first, last)| {
        let hit = called[first..=last].iter().position(|&called| called);
        hit.map(|delay| delay as f64)
    });
    let (found, delays) = firsts.fold((0, 0.0), |(count, sum), delay| (count + 1, sum + delay));
    let misses = |&&(first, last): &&(usize, usize)| !labels[first..=last].contains(&true);
    let false_alarms = alarms.iter().filter(misses).count();
    let count = alarms.len();
    Ok(EventWise {
        events: events.len(),
        found,
        alarms: count,
        false_alarms,
        precision: (count > 0).then(|| (count - false_alarms) as f64 / count as f64),
        recall: found as f64 / events.len() as f64,
        delay: (found > 0).then(|| delays / found as f64),
    })
}

/// Point-adjusted F1, and what it is worth; see [`point_adjusted_f1`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointAdjusted {
    /// The best threshold, where one sample finds a whole event.
    pub best: BestF1,
    /// What scores drawn at random reach on the same labels, on average of eight draws. A detector that is not
    /// clearly better than this has shown nothing.
    pub random: f64,
}

/// The largest F1 over all thresholds where an event counts as found in all its samples as soon as one
/// of them is.
///
/// **Do not rank detectors with it**: random scores reach high values where events are long (Kim et al.,
/// *Towards a Rigorous Evaluation of Time-Series Anomaly Detection*, AAAI 2022), which is why their value comes with it. It is
/// here to compare with papers; take [`vus`](super::vus). Costs nine sorts.
///
/// # Errors
///
/// [`MetricError`] unless there is one score for each label, none missing, and both classes.
pub fn point_adjusted_f1(labels: &[bool], scores: &[f64]) -> Result<PointAdjusted, MetricError> {
    const DRAWS: u32 = 8;
    check(labels, scores)?;
    let events = events(labels);
    let adjusted = |scores: &[f64]| {
        let mut adjusted = scores.to_vec();
        for &(first, last) in &events {
            let highest = scores[first..=last]
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            adjusted[first..=last].fill(highest);
        }
        best_f1(labels, &adjusted)
    };
    let mut random = 0.0;
    for draw in 0..DRAWS {
        let mut rng = Seed::default().child(draw.into()).rng();
        let drawn: Vec<f64> = labels.iter().map(|_| rng.uniform()).collect();
        random += adjusted(&drawn)?.f1 / f64::from(DRAWS);
    }
    Ok(PointAdjusted {
        best: adjusted(scores)?,
        random,
    })
}
