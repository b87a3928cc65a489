//! Affiliation metrics: how near are alarms to events, compared with alarms at random?
//!
//! Huet, Navarro and Rossi, *Local Evaluation of Time Series Anomaly Detection Algorithms*, KDD 2022.

use super::vus::events;
use super::{MetricError, check_decisions};

/// How near decisions are to events; see [`affiliation`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affiliation {
    /// Nearness of the alarms to the events, mean over the events with an alarm in their zone: the probability that
    /// a sample of the zone drawn at random is farther from the event. `None` without an alarm.
    pub precision: Option<f64>,
    /// Nearness of the events to the alarms, mean over all events; 0 for one without an alarm in its
    /// zone.
    pub recall: f64,
}

/// Compares decisions with labels by distances in time. The time axis is cut in the middle between
/// neighbouring events; in each zone, distances between its event and the alarms become probabilities by
/// comparison with samples at random.
///
/// Alarms at random have a precision and a recall of about one half, so 0.5 is chance and not 0. Costs `O(n)` and a sort
/// of the alarms in each zone.
///
/// ```
/// use aiops_detect::metrics::affiliation;
///
/// let event: Vec<bool> = (0..100).map(|i| (40..50).contains(&i)).collect();
/// let near: Vec<bool> = (0..100).map(|i| (50..55).contains(&i)).collect();
/// let far: Vec<bool> = (0..100).map(|i| (90..95).contains(&i)).collect();
/// assert!(affiliation(&event, &near)?.precision > Some(0.8));
/// assert!(affiliation(&event, &far)?.precision < Some(0.2));
/// # Ok::<(), aiops_detect::metrics::MetricError>(())
/// ```
///
/// # Errors
///
/// [`MetricError`] unless there is one decision for each label, and both classes among the labels.
pub fn affiliation(labels: &[bool], called: &[bool]) -> Result<Affiliation, MetricError> {
    check_decisions(labels, called)?;
    let (events, alarms) = (spans(labels), spans(called));
    let (mut precision, mut zones, mut recall) = (0.0, 0, 0.0);
    for (index, &event) in events.iter().enumerate() {
        let middle = |a: f64, b: f64| f64::midpoint(a, b);
        let before = index.checked_sub(1).map(|before| events[before].1);
        let after = events.get(index + 1).map(|after| after.0);
        let zone = Zone {
            lower: before.map_or(0.0, |end| middle(end, event.0)),
            upper: after.map_or(labels.len() as f64, |begin| middle(event.1, begin)),
            event,
        };
        let own: Vec<(f64, f64)> = alarms
            .iter()
            .map(|&(begin, end)| (begin.max(zone.lower), end.min(zone.upper)))
            .filter(|(begin, end)| begin < end)
            .collect();
        if !own.is_empty() {
            precision += zone.precision(&own);
            recall += zone.recall(&own);
            zones += 1;
        }
    }
    Ok(Affiliation {
        precision: (zones > 0).then(|| precision / f64::from(zones)),
        recall: recall / events.len() as f64,
    })
}

/// Begin and end, exclusive, of each run.
fn spans(labels: &[bool]) -> Vec<(f64, f64)> {
    let runs = events(labels).into_iter();
    runs.map(|(first, last)| (first as f64, last as f64 + 1.0))
        .collect()
}

/// What is nearer to one event than to the others.
struct Zone {
    lower: f64,
    upper: f64,
    event: (f64, f64),
}

impl Zone {
    fn precision(&self, alarms: &[(f64, f64)]) -> f64 {
        let (begin, end) = self.event;
        let (left, right) = (begin - self.lower, self.upper - end);
        let nearer = left.min(right);
        let farther = |at: f64| {
            let distance = (begin - at).max(at - end);
            if distance <= 0.0 {
                return 1.0;
            }
            let near = end - begin + distance.min(left) + distance.min(right);
            1.0 - near / (self.upper - self.lower)
        };
        let mut breaks = vec![begin, end, begin - nearer, end + nearer];
        breaks.sort_unstable_by(f64::total_cmp);
        let (mut sum, mut length) = (0.0, 0.0);
        for &alarm in alarms {
            sum += integral(alarm, &breaks, farther);
            length += alarm.1 - alarm.0;
        }
        sum / length
    }

    fn recall(&self, alarms: &[(f64, f64)]) -> f64 {
        let distance = |at: f64| {
            let next = alarms.partition_point(|alarm| alarm.1 <= at);
            let ahead = alarms
                .get(next)
                .map_or(f64::INFINITY, |alarm| (alarm.0 - at).max(0.0));
            let behind = next
                .checked_sub(1)
                .map_or(f64::INFINITY, |last| at - alarms[last].1);
            ahead.min(behind)
        };
        let farther = |at: f64| {
            let distance = distance(at);
            let near = distance.min(at - self.lower) + distance.min(self.upper - at);
            1.0 - near / (self.upper - self.lower)
        };
        let mut breaks = Vec::new();
        for &(begin, end) in alarms {
            let middle = |edge: f64, border: f64| f64::midpoint(edge, border);
            breaks.extend([
                begin,
                end,
                middle(begin, self.lower),
                middle(end, self.upper),
            ]);
        }
        breaks.extend(
            alarms
                .windows(2)
                .map(|pair| f64::midpoint(pair[0].1, pair[1].0)),
        );
        breaks.sort_unstable_by(f64::total_cmp);
        integral(self.event, &breaks, farther) / (self.event.1 - self.event.0)
    }
}

/// Integral over `span` of a function that is linear between the sorted `breaks`.
fn integral(span: (f64, f64), breaks: &[f64], linear: impl Fn(f64) -> f64) -> f64 {
    let inner = breaks
        .iter()
        .copied()
        .filter(|&at| at > span.0 && at < span.1);
    let (mut sum, mut from) = (0.0, span.0);
    for to in inner.chain([span.1]) {
        sum += (to - from) * linear(f64::midpoint(from, to));
        from = to;
    }
    sum
}
