//! A cluster of alerts that may still grow.

use std::collections::VecDeque;

use aiops_core::{Labels, Timestamp};

use super::history::MAX_KINDS;
use super::onset::{Moments, ONE_MOMENT};

/// Most alerts of a cluster that are looked at.
const MAX_RECENT: usize = 64;

/// Most alerts of a cluster that a split can move.
const MAX_ARRIVALS: usize = 256;

/// Latest alerts of which the rate is taken.
const RATE_OF: usize = 4;

/// A cluster that may still grow.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct Cluster {
    pub(super) number: u64,
    pub(super) last: Timestamp,
    /// Mean time between its alerts, in seconds, the latest ones weighing more.
    gap: f64,
    count: u64,
    /// Components of its latest alerts, with the time of the last one of each.
    pub(super) recent: VecDeque<(String, Timestamp)>,
    moments: Moments,
    /// Its latest alerts.
    pub(super) arrivals: VecDeque<Arrival>,
    /// Kinds of its alerts, each once, the first ones.
    pub(super) kinds: Vec<u64>,
}

/// An alert as it came.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) labels: Labels,
    pub(super) component: String,
    pub(super) kind: u64,
}

impl Cluster {
    pub(super) fn new(number: u64, now: Timestamp) -> Self {
        Self {
            number,
            last: now,
            gap: 0.0,
            count: 0,
            recent: VecDeque::new(),
            moments: Moments::default(),
            arrivals: VecDeque::new(),
            kinds: Vec::new(),
        }
    }

    /// After how many seconds without an alert it is quiet. A cluster of few alerts has the time
    /// to become one of many.
    pub(super) fn horizon(&self, patience: f64, (min, max): (f64, f64)) -> f64 {
        if self.count < 4 {
            return (4.0 * min).min(max);
        }
        (patience * self.gap).clamp(min, max)
    }

    /// Its alerts in a second at `now`, by the latest ones. Of few alerts it is not known to be
    /// fast: they count as if they took `least` seconds.
    pub(super) fn rate(&self, now: Timestamp, least: f64) -> f64 {
        let latest = self.arrivals.len().min(RATE_OF);
        let Some(first) = self.arrivals.get(self.arrivals.len() - latest) else {
            return 0.0;
        };
        let least = if latest < RATE_OF { least } else { ONE_MOMENT };
        latest as f64 / now.since(first.at).as_secs_f64().max(least)
    }

    /// Share of labels that an alert has in common with the latest one of a component, of those
    /// that either has.
    pub(super) fn similarity(&self, alert: &Arrival, component: &str) -> f64 {
        let mut latest = self.arrivals.iter().rev().take(MAX_RECENT);
        let Some(other) = latest.find(|one| one.component == component) else {
            return 0.0;
        };
        let (a, b) = (&alert.labels, &other.labels);
        let same = |(name, value): &(&str, &str)| b.get(name) == Some(*value);
        let common = a.iter().filter(same).count();
        common as f64 / (a.len() + b.len() - common).max(1) as f64
    }

    pub(super) fn join(&mut self, arrival: Arrival, longest: f64) {
        let now = self.last.max(arrival.at);
        if self.count > 0 {
            let gap = now.since(self.last).as_secs_f64().clamp(0.0, longest);
            let weight = 1.0 / (self.count as f64).min(16.0);
            self.gap += weight * (gap - self.gap);
        }
        self.count += 1;
        self.last = now;
        self.moments.push(now);
        self.recent.retain(|(other, _)| *other != arrival.component);
        push(
            &mut self.recent,
            (arrival.component.clone(), now),
            MAX_RECENT,
        );
        if self.kinds.len() < MAX_KINDS && !self.kinds.contains(&arrival.kind) {
            self.kinds.push(arrival.kind);
        }
        push(
            &mut self.arrivals,
            Arrival { at: now, ..arrival },
            MAX_ARRIVALS,
        );
    }

    /// The second burst in it, as a cluster of its own, if there is that much evidence for one.
    pub(super) fn split(&mut self, evidence: f64, number: u64, longest: f64) -> Option<Self> {
        let onset = self.moments.onset(evidence)?;
        let place = self.arrivals.partition_point(|one| one.at < onset);
        let later = self.arrivals.split_off(place);
        let mut new = Self::new(number, onset);
        for arrival in later {
            self.count = self.count.saturating_sub(1);
            new.join(arrival, longest);
        }
        self.moments.split_off(onset);
        self.last = self.arrivals.back().map_or(self.last, |one| one.at);
        self.recent = VecDeque::new();
        for one in &self.arrivals {
            self.recent.retain(|(other, _)| *other != one.component);
            push(
                &mut self.recent,
                (one.component.clone(), one.at),
                MAX_RECENT,
            );
        }
        Some(new)
    }

    /// Takes in the alerts of another one.
    pub(super) fn merge(&mut self, other: Self, longest: f64) {
        let mut all: Vec<Arrival> = self.arrivals.drain(..).chain(other.arrivals).collect();
        all.sort_by_key(|one| one.at);
        let mut merged = Self::new(self.number, self.last.min(other.last));
        for arrival in all {
            merged.join(arrival, longest);
        }
        // One thing, whatever its times say.
        merged.moments = Moments::default();
        *self = merged;
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(item);
}
