//! What series have reached, for those whose points build on one another.

use std::collections::HashMap;

use crate::ingest::exponential::Exponential;
use crate::{Labels, Timestamp};

/// How the points of a series build on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not at all.
    Level,
    /// Each is the growth since the one before.
    Delta,
    /// Each is the growth since the start, and cannot fall.
    Grows,
}

/// Why a point is refused: name of the reason, and what is wrong.
type Fault = (&'static str, String);

#[derive(Clone, Debug)]
pub(super) struct Tracks {
    capacity: usize,
    /// Total of a delta series, and the end of its last point.
    totals: HashMap<Labels, (f64, Timestamp)>,
    buckets: HashMap<Labels, (Exponential, Timestamp)>,
    /// Start and time of the last point of a series that grows.
    starts: HashMap<Labels, (Timestamp, Timestamp)>,
}

impl Tracks {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            totals: HashMap::new(),
            buckets: HashMap::new(),
            starts: HashMap::new(),
        }
    }

    /// The total with a point from `start` to `time`.
    pub(super) fn total(
        &mut self,
        labels: &Labels,
        start: Option<Timestamp>,
        time: Timestamp,
        value: f64,
    ) -> Result<f64, Fault> {
        if let Some((total, end)) = self.totals.get_mut(labels) {
            follows(*end, start, time)?;
            *total += value;
            *end = time;
            return Ok(*total);
        }
        self.has_room()?;
        self.totals.insert(labels.clone(), (value, time));
        Ok(value)
    }

    /// As [`total`](Self::total), of buckets.
    pub(super) fn merged(
        &mut self,
        labels: &Labels,
        start: Option<Timestamp>,
        time: Timestamp,
        point: Exponential,
    ) -> Result<Exponential, Fault> {
        if let Some((total, end)) = self.buckets.get_mut(labels) {
            follows(*end, start, time)?;
            total.merge(point);
            *end = time;
            return Ok(total.clone());
        }
        self.has_room()?;
        self.buckets.insert(labels.clone(), (point.clone(), time));
        Ok(point)
    }

    fn has_room(&self) -> Result<(), Fault> {
        let capacity = self.capacity;
        if self.totals.len() + self.buckets.len() < capacity {
            return Ok(());
        }
        let what = format!("more than {capacity} delta series");
        Err(("delta-capacity", what))
    }

    /// When the series began again at zero, if it has since its last point. Where that lies before
    /// the last point, the restart is only told by the value.
    pub(super) fn restart(
        &mut self,
        labels: &Labels,
        start: Option<Timestamp>,
        time: Timestamp,
    ) -> Option<Timestamp> {
        let start = start?;
        if let Some((known, last)) = self.starts.get_mut(labels) {
            let is_new = start > *known && start > *last && start < time;
            if time > *last {
                (*known, *last) = (start, time);
            }
            return is_new.then_some(start);
        }
        if self.starts.len() < self.capacity {
            self.starts.insert(labels.clone(), (start, time));
        }
        None
    }
}

/// Refuses a point that would count twice what was counted up to `end`.
fn follows(end: Timestamp, start: Option<Timestamp>, time: Timestamp) -> Result<(), Fault> {
    if time > end && start.is_none_or(|start| start >= end) {
        return Ok(());
    }
    let what = match start {
        Some(start) if time > end => format!("begins at {start}, before {end}"),
        _ => format!("ends at {time}, not after {end}"),
    };
    let what = format!("{what}, up to where the series was counted already");
    Err(("delta-overlap", what))
}
