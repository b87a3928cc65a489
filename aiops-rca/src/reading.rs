//! What each metric of a case did: the common ground of the rankers.

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::{Band, Case, ComponentMetric, Evidence, Fact, SeriesView, TimeRange, Timestamp};

use crate::baseline::{Baseline, Extent, MAX_SCORE, Shape, center_and_spread};
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
        let onset = match case.onset {
            Some(noticed) => self.onset.before(noticed, case.metrics),
            None => self.onset.find(case.metrics)?,
        };
        let end = case
            .metrics
            .iter()
            .filter_map(|metric| metric.observed.axis().last())
            .max()?;
        let mut components: BTreeMap<&str, Vec<Reading<'_>>> = BTreeMap::new();
        let mut scratch = Vec::new();
        for (index, metric) in case.metrics.iter().enumerate() {
            let readings = components.entry(metric.component).or_default();
            readings.extend(
                self.read(metric, onset, end, &mut scratch)
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

    fn read<'a>(
        &self,
        metric: &ComponentMetric<'a>,
        onset: Timestamp,
        end: Timestamp,
        scratch: &mut Vec<f64>,
    ) -> Option<Reading<'a>> {
        let observed = metric.observed;
        let split = observed.axis().position(onset);
        let before = observed.slice(0, split);
        let after = observed.slice(split, observed.len());
        let mut normal: Vec<f64> = metric
            .reference
            .into_iter()
            .flat_map(SeriesView::present)
            .collect();
        if normal.len() < self.min_reference {
            normal.extend(before.present());
        }
        if normal.len() < MIN_NORMAL {
            return None;
        }
        let faulty: Vec<f64> = after.present().collect();
        let shape = Shape {
            window: faulty.len(),
            relative_floor: self.relative_floor,
            level: new_level(&normal, &faulty),
            weights: MetricClass::of(metric.metric).weights(),
        };
        let baseline = Baseline::new(&normal, shape)?;
        let silence = || self.silence(metric, onset, end);
        let frozen = || frozen(&normal, metric);
        let mut deviation = || deviation(&baseline, metric, onset, scratch);
        let best = [deviation(), silence(), frozen()]
            .into_iter()
            .flatten()
            .reduce(|best, other| if other.0 > best.0 { other } else { best });
        let (score, what) = best?;
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
        onset: Timestamp,
        end: Timestamp,
    ) -> Option<(f64, What)> {
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
        let last = times.last().copied().unwrap_or(onset);
        let around = usual.saturating_mul(2);
        if last < onset.saturating_sub(around) {
            return None; // it stopped before anything happened
        }
        let silent = end.since(last);
        let score = ratio(silent, usual);
        (score >= SILENCE).then_some((score, What::Vanished { last }))
    }
}

/// The level that a metric without any spread went to: a change from nothing is as large as what
/// came of it.
pub(crate) fn new_level(normal: &[f64], faulty: &[f64]) -> f64 {
    if center_and_spread(normal).1 > 0.0 {
        return 0.0;
    }
    faulty.iter().map(|x| x.abs()).fold(0.0, f64::max)
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
    metric: &ComponentMetric<'_>,
    onset: Timestamp,
    scratch: &mut Vec<f64>,
) -> Option<(f64, What)> {
    let from = metric.observed.axis().position(onset);
    let after = metric.observed.slice(from, metric.observed.len());
    let extent = baseline.extent(after.values().iter().copied(), scratch)?;
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
    let (mut longest, mut current) = (1_usize, 1_usize);
    for pair in normal.windows(2) {
        current = if pair[0] == pair[1] { current + 1 } else { 1 };
        longest = longest.max(current);
    }
    let score = (run as f64 / longest as f64).min(MAX_SCORE);
    let since = metric.observed.axis().at(start);
    (run >= MIN_FROZEN && score >= FROZEN).then_some((score, What::Frozen { value, since }))
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
