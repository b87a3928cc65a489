//! What each metric of a case did: the common ground of the rankers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use aiops_core::{Band, Case, ComponentMetric, Evidence, Fact, SeriesView, TimeRange, Timestamp};

use crate::baseline::{Baseline, Center, Extent, MAX_SCORE, Shape};
use crate::class::MetricClass;
use crate::onset::Onset;

/// How far a metric may stray without being in trouble, in spreads. Spreads are widened until no
/// window of the normal samples strayed further.
pub(crate) const BAND: f64 = 3.0;
/// Present samples below which nothing is known to be normal.
const MIN_NORMAL: usize = 3;
/// Silence that counts, in units of the longest silence before.
const SILENCE: f64 = 3.0;
/// Longest silence of a metric that reports steadily, in units of the mean distance of its samples.
const STEADY: u32 = 5;
/// Samples without change that count, in units of the longest run of equal samples before.
const FROZEN: f64 = 5.0;
/// Samples without change that count at least.
const MIN_FROZEN: usize = 8;

/// What happened to a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    /// It left its band, or strayed furthest in this direction.
    Deviation {
        extent: Extent,
        band: Band,
        since: Timestamp,
    },
    /// It has stopped.
    Vanished { last: Timestamp },
    /// It has stopped changing.
    Frozen { value: f64, since: Timestamp },
}

/// One metric, measured.
#[derive(Clone, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) metric: &'a str,
    /// Its place among the metrics of the case.
    pub(crate) index: usize,
    /// How far it strayed, in widened spreads; 0 to [`MAX_SCORE`].
    pub(crate) score: f64,
    pub(crate) what: What,
    /// The score of each window of normal samples, had the others been all that is known.
    pub(crate) blocks: Vec<f64>,
}

impl Reading<'_> {
    pub(crate) fn fact(&self) -> Fact {
        let metric = self.metric.to_owned();
        match self.what {
            What::Deviation {
                extent,
                band,
                since,
            } => Fact::Deviation {
                metric,
                value: extent.value,
                band,
                score: self.score,
                since,
            },
            What::Vanished { last } => Fact::Vanished { metric, last },
            What::Frozen { value, since } => Fact::Note {
                text: format!("{metric} has not changed from {value:.4} since {since}"),
            },
        }
    }
}

/// All metrics of a case, measured.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) onset: Timestamp,
    /// Readings of each component, the furthest first, then by name of the metric.
    pub(crate) components: BTreeMap<&'a str, Vec<Reading<'a>>>,
    /// The score from which on a metric of this case is in trouble: what normal windows of the
    /// same case reached by chance, over all metrics together.
    pub(crate) threshold: f64,
}

/// Memory for one metric at a time.
#[derive(Debug, Default)]
struct Buffers {
    normal: Vec<f64>,
    keys: Vec<u64>,
}

/// How metrics are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) onset: Onset,
    pub(crate) relative_floor: f64,
    pub(crate) min_score: f64,
    pub(crate) min_reference: usize,
}

impl Measure {
    /// `None` when no metric left its normal values at any time.
    pub(crate) fn scene<'a>(&self, case: &Case<'a>) -> Option<Scene<'a>> {
        let references = self.onset.references(case.metrics);
        let onset = match case.onset {
            Some(noticed) => self.onset.back_from(noticed, case.metrics, &references),
            None => self.onset.scan(case.metrics, &references)?,
        };
        let end = case
            .metrics
            .iter()
            .filter_map(|metric| metric.observed.axis().last())
            .max()?;
        let mut components: BTreeMap<&str, Vec<Reading<'_>>> = BTreeMap::new();
        let mut buffers = Buffers::default();
        for (index, (metric, reference)) in case.metrics.iter().zip(references).enumerate() {
            let readings = components.entry(metric.component).or_default();
            readings.extend(
                self.read(metric, reference, onset..end, &mut buffers)
                    .map(|reading| Reading { index, ..reading }),
            );
        }
        for readings in components.values_mut() {
            readings.sort_by(|a, b| {
                b.score
                    .total_cmp(&a.score)
                    .then_with(|| a.metric.cmp(b.metric))
            });
        }
        let threshold = self.min_score.max(chance(components.values().flatten()));
        Some(Scene {
            onset,
            components,
            threshold,
        })
    }

    /// `reference` is the centre of the metric's reference, where that has enough samples.
    fn read<'a>(
        &self,
        metric: &ComponentMetric<'a>,
        reference: Option<Center>,
        incident: Range<Timestamp>,
        buffers: &mut Buffers,
    ) -> Option<Reading<'a>> {
        let Buffers { normal, keys } = buffers;
        let observed = metric.observed;
        let split = observed.axis().position(incident.start);
        let after = observed.slice(split, observed.len());
        normal.clear();
        normal.extend(metric.reference.into_iter().flat_map(SeriesView::present));
        if reference.is_none() {
            normal.extend(observed.slice(0, split).present());
        }
        if normal.len() < MIN_NORMAL {
            return None;
        }
        let center = match reference {
            Some(center) => center,
            None => Center::of(normal, keys)?,
        };
        let shape = Shape {
            relative_floor: self.relative_floor,
            level: center.new_level(after.present()),
            weights: MetricClass::of(metric.metric).weights(),
        };
        let baseline =
            Baseline::around(center, shape).with_blocks(normal, after.present().count(), keys);
        let best = [
            deviation(&baseline, after, incident.start, keys),
            self.silence(metric, &incident),
            frozen(normal, metric),
        ];
        let (score, what) = best
            .into_iter()
            .flatten()
            .reduce(|best, other| if other.0 > best.0 { other } else { best })?;
        Some(Reading {
            metric: metric.metric,
            index: 0,
            score,
            what,
            blocks: leave_one_out(&baseline.blocks),
        })
    }

    /// The metric stopped before the end.
    fn silence(
        &self,
        metric: &ComponentMetric<'_>,
        incident: &Range<Timestamp>,
    ) -> Option<(f64, What)> {
        let (onset, end) = (incident.start, incident.end);
        let axis = metric.observed.axis();
        let values = metric.observed.values();
        let last = values.iter().rposition(|value| !value.is_nan());
        let last = last.map_or(onset, |place| axis.at(place));
        if last >= end {
            return None;
        }
        let present = |view: SeriesView<'_>| -> Vec<Timestamp> {
            view.iter()
                .filter(|s| !s.value.is_nan())
                .map(|s| s.time)
                .collect()
        };
        let times = present(metric.observed);
        let before: Vec<Timestamp> = match metric.reference {
            Some(reference) if reference.len() >= self.min_reference => present(reference),
            _ => times.iter().copied().filter(|time| *time < onset).collect(),
        };
        let usual = before.windows(2).map(|pair| pair[1].since(pair[0])).max()?;
        let mean = before.last()?.since(before[0]) / (before.len() as u32 - 1);
        if usual > mean.saturating_mul(STEADY) {
            return None;
        }
        let around = usual.saturating_mul(2);
        if last < onset.saturating_sub(around) {
            return None; // it stopped before anything happened
        }
        let silent = end.since(last);
        let score = ratio(silent, usual);
        (score >= SILENCE).then_some((score, What::Vanished { last }))
    }
}

fn ratio(a: Duration, b: Duration) -> f64 {
    if b.is_zero() {
        return 0.0;
    }
    (a.as_secs_f64() / b.as_secs_f64()).min(MAX_SCORE)
}

/// How much the spread of a baseline must be widened.
pub(crate) fn widening_of(baseline: &Baseline) -> f64 {
    widening(baseline.blocks.iter())
}

/// How much the spread must be widened so that no normal window left the band.
fn widening<'b>(blocks: impl Iterator<Item = &'b f64>) -> f64 {
    blocks.copied().fold(BAND, f64::max) / BAND
}

fn leave_one_out(blocks: &[f64]) -> Vec<f64> {
    let highest = (0..blocks.len()).max_by(|&a, &b| blocks[a].total_cmp(&blocks[b]));
    let all = widening(blocks.iter());
    (0..blocks.len())
        .map(|k| {
            let unit = if Some(k) == highest {
                let others = blocks.iter().enumerate().filter(|(j, _)| *j != k);
                widening(others.map(|(_, block)| block))
            } else {
                all
            };
            blocks[k] / unit
        })
        .collect()
}

fn deviation(
    baseline: &Baseline,
    after: SeriesView<'_>,
    onset: Timestamp,
    keys: &mut Vec<u64>,
) -> Option<(f64, What)> {
    let extent = baseline.extent(after.values().iter().copied(), keys)?;
    let widening = widening(baseline.blocks.iter());
    let reach = (BAND * widening * baseline.spread).min(f64::MAX);
    let band = Band {
        lower: (baseline.center - reach).max(f64::MIN),
        center: baseline.center,
        upper: (baseline.center + reach).min(f64::MAX),
    };
    let outside = |value: f64| {
        if extent.above {
            value > band.upper
        } else {
            value < band.lower
        }
    };
    let since = after
        .iter()
        .find(|sample| outside(sample.value))
        .or_else(|| after.iter().find(|sample| sample.value == extent.value))
        .map_or(onset, |sample| sample.time);
    Some((
        extent.score / widening,
        What::Deviation {
            extent,
            band,
            since,
        },
    ))
}

/// A metric that used to change and does not any more.
fn frozen(normal: &[f64], metric: &ComponentMetric<'_>) -> Option<(f64, What)> {
    let mut backwards = metric
        .observed
        .values()
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, x)| !x.is_nan());
    let (mut start, &value) = backwards.next()?;
    let mut run = 1_usize;
    for (index, _) in backwards.take_while(|(_, x)| **x == value) {
        (start, run) = (index, run + 1);
    }
    if run < MIN_FROZEN {
        return None;
    }
    let (mut longest, mut current) = (1_usize, 1_usize);
    for pair in normal.windows(2) {
        current = if pair[0] == pair[1] { current + 1 } else { 1 };
        longest = longest.max(current);
    }
    let score = (run as f64 / longest as f64).min(MAX_SCORE);
    let since = metric.observed.axis().at(start);
    (score >= FROZEN).then_some((score, What::Frozen { value, since }))
}

/// The score that the normal windows of all metrics together reached by chance: the largest over
/// the metrics, in all but one window in twenty.
fn chance<'a: 'b, 'b>(readings: impl Iterator<Item = &'b Reading<'a>>) -> f64 {
    let mut highest: Vec<f64> = Vec::new();
    for reading in readings {
        if highest.len() < reading.blocks.len() {
            highest.resize(reading.blocks.len(), 0.0);
        }
        for (high, score) in highest.iter_mut().zip(&reading.blocks) {
            *high = high.max(*score);
        }
    }
    highest.sort_by(f64::total_cmp);
    highest
        .len()
        .checked_sub(1 + highest.len() / 20)
        .map_or(0.0, |place| highest[place])
}

/// The changes of `component` near the onset, the closest first, as evidence.
pub(crate) fn changes(
    case: &Case<'_>,
    component: &str,
    onset: Timestamp,
    window: Duration,
) -> Vec<Evidence> {
    let range = TimeRange::new(
        onset.saturating_sub(window),
        // Sampling and clocks differ by a little; a change just after the first bad sample counts.
        onset.saturating_add(window / 15),
    );
    let mut near: Vec<_> = case
        .changes
        .iter()
        .filter(|change| change.component == component && range.contains(change.time))
        .collect();
    near.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
    near.iter()
        .map(|change| {
            Evidence::supporting(Fact::Change {
                id: change.id.clone(),
                summary: change.summary.clone(),
                before: onset.since(change.time),
            })
        })
        .collect()
}
