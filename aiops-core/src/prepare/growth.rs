//! How much counters have grown, whatever the order of their samples.

use std::collections::{BTreeMap, HashMap};

use crate::Labels;

/// The recent samples of counters.
///
/// A sample stands for the growth since the one before it in time. One that comes between two
/// others changes what the later one stands for, by an amount that is exact.
#[derive(Clone, Debug)]
pub(super) struct Histories {
    max_points: usize,
    points: usize,
    /// Samples further apart, in nanoseconds, say nothing about growth.
    max_gap: i64,
    series: HashMap<Labels, BTreeMap<i64, f64>>,
}

/// What has to be added to the growth at which time.
pub(super) type Changes = [Option<(i64, f64)>; 4];

impl Histories {
    pub(super) fn new(max_points: usize, max_gap: i64) -> Self {
        Self {
            max_points,
            points: 0,
            max_gap,
            series: HashMap::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.points < self.max_points
    }

    /// Takes in a sample. Of two at one instant the larger one counts.
    pub(super) fn insert(&mut self, labels: &Labels, time: i64, value: f64) -> Changes {
        let own = |entry: (&i64, &f64)| (*entry.0, *entry.1);
        if !self.series.contains_key(labels) {
            self.series.insert(labels.clone(), BTreeMap::new());
        }
        let Some(history) = self.series.get_mut(labels) else {
            return Changes::default();
        };
        let before = history.range(..time).next_back().map(own);
        let after = history.range(time..).find(|(at, _)| **at > time).map(own);
        let old = history.get(&time).map(|old| (time, *old));
        if old.is_some_and(|(_, old)| old >= value) {
            return Changes::default();
        }
        self.points += usize::from(old.is_none());
        history.insert(time, value);
        let new = Some((time, value));
        let max_gap = self.max_gap;
        let growth = |from, to| growth(from, to, max_gap);
        let less = |change: Option<(i64, f64)>| change.map(|(at, growth)| (at, -growth));
        [
            growth(before, new),
            less(growth(before, old)),
            growth(new, after),
            less(growth(old.or(before), after)),
        ]
    }

    /// Forgets what lies before `cut`.
    pub(super) fn forget(&mut self, cut: i64) {
        let mut points = 0;
        self.series.retain(|_, history| {
            if history.first_key_value().is_some_and(|(at, _)| *at < cut) {
                *history = history.split_off(&cut);
            }
            points += history.len();
            !history.is_empty()
        });
        self.points = points;
    }

    pub(super) fn size_bytes(&self) -> usize {
        // A node of a tree is at least half full.
        2 * self.points * size_of::<(i64, f64)>()
            + self.series.capacity() * (size_of::<(Labels, BTreeMap<i64, f64>)>() + 1)
    }
}

/// The growth up to the later of two samples; a smaller value is what has come since a reset.
fn growth(from: Option<(i64, f64)>, to: Option<(i64, f64)>, max_gap: i64) -> Option<(i64, f64)> {
    let ((start, from), (end, to)) = (from?, to?);
    let growth = if to >= from { to - from } else { to };
    (end.saturating_sub(start) <= max_gap).then_some((end, growth))
}
