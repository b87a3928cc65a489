//! Live aggregation over windows of event time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::aggregate::{Aggregate, Expansion};
use super::growth::Histories;
use crate::{Labels, ParamError, TimeRange, Timestamp};

/// Parameters of [`Windows`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct WindowsConfig {
    /// Length of a window. A multiple of `slide`, at most 1,000 times as long.
    pub width: Duration,
    /// Distance between the starts of two windows: `width` for windows side by side, less for
    /// windows that overlap. More than zero.
    pub slide: Duration,
    /// How long after its end a window still takes in samples, and is corrected.
    pub lateness: Duration,
    /// Labels whose values make a group; without any, all series are one group.
    pub group_by: Vec<String>,
    /// Groups of a window; samples of further ones are left out. At least 1.
    pub max_groups: usize,
    /// Windows that are open at a time; samples that would open further ones, such as those of a
    /// clock in the future, are left out. At least `width / slide`.
    pub max_open: usize,
    /// Samples of counters that are kept to work out growth, 40 bytes each; further samples are
    /// left out. At least 1.
    pub max_points: usize,
    /// Largest error of quantiles, as a share of their size. From 0.0001 to 0.5.
    pub relative_error: f64,
}

impl Default for WindowsConfig {
    fn default() -> Self {
        Self {
            width: Duration::from_mins(1),
            slide: Duration::from_mins(1),
            lateness: Duration::from_mins(5),
            group_by: Vec::new(),
            max_groups: 10_000,
            max_open: 10_000,
            max_points: 1_000_000,
            relative_error: 0.01,
        }
    }
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// In all its windows.
    Counted,
    /// In some of its windows; the others are past correction.
    PartlyLate,
    /// Its windows are past correction.
    Late,
    /// Its group is new, and a window has as many as it may have.
    OverGroupLimit,
    /// One of its windows is new, and as many are open as may be.
    OverWindowLimit,
    /// A counter's, and as many are kept as may be.
    OverPointLimit,
    /// Missing or infinite, or of a counter and negative.
    NoValue,
}

/// Result of a window for one group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WindowResult {
    /// The labels that were grouped by.
    pub group: Labels,
    /// The window.
    pub range: TimeRange,
    /// 0 the first time, and one more each time that late samples have changed it.
    pub revision: u32,
    /// What is known about its samples.
    pub aggregate: Aggregate,
    /// How much the counters of the group have grown, exact and rounded once; `NaN` without
    /// counters. What a counter grew between two samples belongs to the window of the later one.
    pub growth: f64,
}

impl WindowResult {
    /// [`growth`](Self::growth) for each second of the window.
    pub fn rate(&self) -> f64 {
        self.growth / self.range.end.since(self.range.start).as_secs_f64()
    }
}

/// Aggregates samples by group and window as they come, in any order.
///
/// Windows start at multiples of `slide` since the epoch and take what is at or after their start
/// and before their end. A window gives its result when the watermark, up to which the caller
/// takes time to have come, passes its end. Samples that come later are not lost: until `lateness`
/// has passed as well, each [`advance`](Self::advance) gives corrected results of the windows they
/// fell into. Whatever the order of the samples, the last revision is what all of them together
/// give.
///
/// ```
/// use aiops_core::prepare::{Windows, WindowsConfig};
/// use aiops_core::{Labels, Timestamp};
///
/// let mut config = WindowsConfig::default();
/// config.group_by = vec!["service".to_owned()];
/// let mut windows = Windows::try_from(config)?;
/// let at = |secs| Timestamp::from_secs(secs).expect("in range");
/// for (host, secs, value) in [("a", 5, 1.0), ("b", 50, 3.0)] {
///     let labels = Labels::of([("service", "cart"), ("host", host)])?;
///     windows.add(&labels, at(secs), value);
/// }
/// let results = windows.advance(at(60));
/// assert_eq!(results[0].group.to_string(), r#"{service="cart"}"#);
/// assert_eq!(results[0].aggregate.mean(), 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | case | outcome |
/// |---|---|
/// | group without a sample in a window | no result: nothing is not zero |
/// | watermark that goes back | stays where it was |
/// | `NaN`, infinite | not counted, and said so |
/// | two samples of a series at one instant | both count |
/// | counter that falls | it began again at 0: the value is the growth |
/// | two samples of a counter further apart than `width` and `lateness` together | no growth |
/// | two values of a counter at one instant | growth of the larger |
/// | label of `group_by` that a series lacks | the group without that label |
#[derive(Clone, Debug)]
pub struct Windows {
    config: WindowsConfig,
    width: i64,
    slide: i64,
    empty: Aggregate,
    /// By start of the window, in nanoseconds.
    open: BTreeMap<i64, BTreeMap<Labels, Slot>>,
    watermark: Timestamp,
    /// The group of each series, so that it is not made anew for each sample.
    groups: HashMap<Labels, Labels>,
    counters: Histories,
    /// Where the counters were forgotten last.
    forgotten: i64,
}

#[derive(Clone, Debug)]
struct Slot {
    aggregate: Aggregate,
    /// Of counters, when there are some.
    growth: Option<Expansion>,
    /// Results given so far.
    given: u32,
    is_changed: bool,
}

impl TryFrom<WindowsConfig> for Windows {
    type Error = ParamError;

    fn try_from(config: WindowsConfig) -> Result<Self, ParamError> {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let (width, slide) = (nanos(config.width), nanos(config.slide));
        if slide == 0 {
            return Err(ParamError::new("slide", "more than zero", "0s"));
        }
        let windows = width / slide;
        if width % slide != 0 || !(1..=1_000).contains(&windows) {
            let got = format!("{:?}", config.width);
            return Err(ParamError::new("width", "1 to 1,000 times `slide`", got));
        }
        if config.max_groups == 0 {
            return Err(ParamError::new("max_groups", "at least 1", 0));
        }
        if config.max_open < windows as usize {
            let expected = "at least `width / slide`";
            return Err(ParamError::new("max_open", expected, config.max_open));
        }
        if config.max_points == 0 {
            return Err(ParamError::new("max_points", "at least 1", 0));
        }
        Ok(Self {
            counters: Histories::new(
                config.max_points,
                width.saturating_add(nanos(config.lateness)),
            ),
            forgotten: i64::MIN,
            width,
            slide,
            empty: Aggregate::new(config.relative_error)?,
            config,
            open: BTreeMap::new(),
            watermark: Timestamp::MIN,
            groups: HashMap::new(),
        })
    }
}

impl Windows {
    /// Counts a sample into the windows that it falls into.
    pub fn add(&mut self, labels: &Labels, time: Timestamp, value: f64) -> Arrival {
        if !value.is_finite() {
            return Arrival::NoValue;
        }
        let group = self.group_of(labels);
        let (mut counted, mut late) = (false, false);
        for start in starts(time.as_nanos(), self.width, self.slide) {
            if self.is_past(start) {
                late = true;
                continue;
            }
            if self.open.len() >= self.config.max_open && !self.open.contains_key(&start) {
                return Arrival::OverWindowLimit;
            }
            let groups = self.open.entry(start).or_default();
            if groups.len() >= self.config.max_groups && !groups.contains_key(&group) {
                return Arrival::OverGroupLimit;
            }
            let slot = groups.entry(group.clone()).or_insert_with(|| Slot {
                aggregate: self.empty.clone(),
                growth: None,
                given: 0,
                is_changed: true,
            });
            slot.aggregate.add(time, value);
            slot.is_changed = true;
            counted = true;
        }
        match (counted, late) {
            (true, false) => Arrival::Counted,
            (true, true) => Arrival::PartlyLate,
            (false, _) => Arrival::Late,
        }
    }

    /// As [`add`](Self::add), for a sample of a counter, which only grows and starts again at 0
    /// when its process restarts. Growth is that of the samples in the order of their times, in
    /// whatever order they come.
    ///
    /// Keeps the samples for twice `width` and `lateness` together.
    pub fn add_counter(&mut self, labels: &Labels, time: Timestamp, value: f64) -> Arrival {
        if value.is_nan() || value < 0.0 {
            return Arrival::NoValue;
        }
        if !self.counters.has_room() {
            return Arrival::OverPointLimit;
        }
        let arrival = self.add(labels, time, value);
        if !matches!(arrival, Arrival::Counted | Arrival::PartlyLate) {
            return arrival;
        }
        let group = self.group_of(labels);
        self.grow(&group, time.as_nanos(), None);
        let changes = self.counters.insert(labels, time.as_nanos(), value);
        for (at, growth) in changes.into_iter().flatten() {
            self.grow(&group, at, Some(growth));
        }
        arrival
    }

    /// Adds growth to the open windows around `time`.
    fn grow(&mut self, group: &Labels, time: i64, growth: Option<f64>) {
        for start in starts(time, self.width, self.slide) {
            if self.is_past(start) {
                continue;
            }
            let groups = self.open.get_mut(&start);
            if let Some(slot) = groups.and_then(|groups| groups.get_mut(group)) {
                let sum = slot.growth.get_or_insert_default();
                if let Some(growth) = growth {
                    sum.add(growth);
                    slot.is_changed = true;
                }
            }
        }
    }

    /// Moves the watermark, and answers the results that are new or corrected, in order of window
    /// and group.
    pub fn advance(&mut self, watermark: Timestamp) -> Vec<WindowResult> {
        self.watermark = self.watermark.max(watermark);
        let mut results = Vec::new();
        for (start, groups) in &mut self.open {
            let end = start.saturating_add(self.width);
            if end > self.watermark.as_nanos() {
                break;
            }
            let range = TimeRange::new(Timestamp::from_nanos(*start), Timestamp::from_nanos(end));
            for (group, slot) in groups {
                if std::mem::take(&mut slot.is_changed) {
                    results.push(WindowResult {
                        group: group.clone(),
                        range,
                        revision: slot.given,
                        aggregate: slot.aggregate.clone(),
                        growth: slot.growth.as_ref().map_or(f64::NAN, Expansion::total),
                    });
                    slot.given += 1;
                }
            }
        }
        while let Some((&start, _)) = self.open.first_key_value() {
            if !self.is_past(start) {
                break;
            }
            self.open.pop_first();
        }
        self.forget_counters();
        results
    }

    /// Forgets samples that neither are in a window that is open nor come before one that may be.
    fn forget_counters(&mut self) {
        let lateness = i64::try_from(self.config.lateness.as_nanos()).unwrap_or(i64::MAX);
        let span = self.width.saturating_add(lateness);
        let cut = self.watermark.as_nanos().saturating_sub(span);
        if cut.saturating_sub(self.forgotten) >= self.width {
            self.counters.forget(cut.saturating_sub(span));
            self.forgotten = cut;
        }
    }

    /// Whether the window that starts there is past correction.
    fn is_past(&self, start: i64) -> bool {
        let end = Timestamp::from_nanos(start.saturating_add(self.width));
        end.saturating_add(self.config.lateness) <= self.watermark
    }

    fn group_of(&mut self, labels: &Labels) -> Labels {
        if let Some(group) = self.groups.get(labels) {
            return group.clone();
        }
        // Series come and go; those of now are found again soon.
        if self.groups.len() >= 4 * self.config.max_groups {
            self.groups.clear();
        }
        let group = labels.only(&self.config.group_by);
        self.groups.insert(labels.clone(), group.clone());
        group
    }

    /// Memory in use, without the label sets, which others share.
    pub fn size_bytes(&self) -> usize {
        let slots = self.open.values().flat_map(BTreeMap::values);
        slots
            .map(|slot| slot.aggregate.size_bytes() + 64)
            .sum::<usize>()
            + self.groups.capacity() * 2 * size_of::<Labels>()
            + self.counters.size_bytes()
    }
}

/// Where the windows around `time` start, the latest first.
fn starts(time: i64, width: i64, slide: i64) -> impl Iterator<Item = i64> {
    let last = time.div_euclid(slide).saturating_mul(slide);
    (0..width / slide).filter_map(move |back| last.checked_sub(back * slide))
}
