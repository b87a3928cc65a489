//! Which series which rules look at.

use std::collections::{BTreeSet, HashMap};

use aiops_core::{Fingerprint, Labels, METRIC_NAME, MatchOp, Timestamp};

use super::Rule;

/// The series is known, and no rule looks at it.
const UNWATCHED: u32 = u32::MAX;

/// Most series that are known not to be watched. When there are more, all of them are forgotten
/// and matched again when they come.
const MAX_UNWATCHED: usize = 1 << 20;

/// A rule that looks at a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub(super) rule: u32,
    pub(super) instance: u32,
    pub(super) holds: bool,
}

/// A series that at least one rule looks at.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) labels: Labels,
    /// Time of the latest sample.
    pub(super) last: Timestamp,
    pub(super) watches: Vec<Watch>,
}

/// Index from series to rules.
#[derive(Clone, Debug, Default)]
pub(super) struct SeriesIndex {
    /// Rules whose selector names one metric.
    by_metric: HashMap<String, Vec<u32>>,
    /// All others.
    general: Vec<u32>,
    slots: HashMap<Fingerprint, u32>,
    watched: Vec<Option<Watched>>,
    free: Vec<u32>,
    unwatched: usize,
    /// Slots with a watch that holds.
    pub(super) holding: BTreeSet<u32>,
    /// When a series that an absence rule looks at may have to be called absent.
    pub(super) deadlines: BTreeSet<(Timestamp, u32)>,
}

/// What is known about a series.
pub(super) enum Known {
    Unwatched,
    Watched(u32),
    /// Its rules have to be found.
    New(Vec<u32>),
}

impl SeriesIndex {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            let metric = rule.config.selector.matchers().iter().find(|matcher| {
                matcher.name() == METRIC_NAME
                    && matcher.op() == MatchOp::Equal
                    && !matcher.value().is_empty()
            });
            let rules = match metric {
                Some(metric) => index
                    .by_metric
                    .entry(metric.value().to_owned())
                    .or_default(),
                None => &mut index.general,
            };
            rules.push(number as u32);
        }
        index
    }

    pub(super) fn look_up(&mut self, labels: &Labels, rules: &[Rule]) -> Known {
        match self.slots.get(&labels.fingerprint()) {
            Some(&UNWATCHED) => Known::Unwatched,
            Some(&slot) => Known::Watched(slot),
            None => {
                let matching = self.matching(labels, rules);
                if matching.is_empty() {
                    self.remember_unwatched(labels);
                    Known::Unwatched
                } else {
                    Known::New(matching)
                }
            }
        }
    }

    fn matching(&self, labels: &Labels, rules: &[Rule]) -> Vec<u32> {
        let named = self.by_metric.get(labels.metric());
        let candidates = named.into_iter().flatten().chain(&self.general);
        let mut matching: Vec<u32> = candidates
            .copied()
            .filter(|&number| rules[number as usize].config.selector.matches(labels))
            .collect();
        matching.sort_unstable();
        matching
    }

    fn remember_unwatched(&mut self, labels: &Labels) {
        if self.unwatched >= MAX_UNWATCHED {
            self.slots.retain(|_, slot| *slot != UNWATCHED);
            self.unwatched = 0;
        }
        self.slots.insert(labels.fingerprint(), UNWATCHED);
        self.unwatched += 1;
    }

    pub(super) fn insert(&mut self, series: Watched) -> u32 {
        let fingerprint = series.labels.fingerprint();
        let slot = if let Some(slot) = self.free.pop() {
            self.watched[slot as usize] = Some(series);
            slot
        } else {
            self.watched.push(Some(series));
            (self.watched.len() - 1) as u32
        };
        self.slots.insert(fingerprint, slot);
        slot
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Watched> {
        self.watched.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Watched> {
        self.watched.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Watched> {
        let series = self.watched.get_mut(slot as usize)?.take()?;
        self.slots.remove(&series.labels.fingerprint());
        self.holding.remove(&slot);
        self.free.push(slot);
        Some(series)
    }

    /// Slots in use with their series.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Watched)> {
        let slots = self.watched.iter().enumerate();
        slots.filter_map(|(slot, series)| Some((slot as u32, series.as_ref()?)))
    }

    pub(super) fn watched_count(&self) -> usize {
        self.watched.len() - self.free.len()
    }

    pub(super) fn unwatched_count(&self) -> usize {
        self.unwatched
    }
}
