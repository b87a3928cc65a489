//! What the causal parents of a metric do not explain.

use std::collections::{BTreeMap, BTreeSet};

use aiops_core::{AxisView, Case, SeriesView, Timestamp};

use crate::baseline::{Baseline, Center, Shape};
use crate::class::MetricClass;
use crate::graph::{self, Towards};
use crate::linear;

/// Causal parents of a metric, at most; those of the most similar kind first.
const MAX_PARENTS: usize = 12;
/// Normal rows beyond the number of parents without which nothing is regressed.
const MIN_SPARE_ROWS: usize = 8;
/// Ridge, as a share of the number of rows: keeps equal parents from blowing up.
const RIDGE: f64 = 1e-4;

/// The normal and the faulty samples of a metric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) normal: SeriesView<'a>,
    pub(crate) faulty: SeriesView<'a>,
}

/// The metrics of a case as a causal graph, by what they measure and by who depends on whom.
#[derive(Debug)]
pub(crate) struct Causal<'c, 'a> {
    case: &'c Case<'a>,
    rows: Vec<Rows<'a>>,
    classes: Vec<MetricClass>,
    relative_floor: f64,
    by_component: BTreeMap<&'a str, Vec<usize>>,
}

impl<'c, 'a> Causal<'c, 'a> {
    pub(crate) fn new(
        case: &'c Case<'a>,
        onset: Timestamp,
        min_reference: usize,
        relative_floor: f64,
    ) -> Self {
        let mut by_component: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let rows = case.metrics.iter().enumerate().map(|(index, metric)| {
            by_component
                .entry(metric.component)
                .or_default()
                .push(index);
            let observed = metric.observed;
            let split = observed.axis().position(onset);
            let reference = metric
                .reference
                .filter(|view| view.present().count() >= min_reference);
            Rows {
                normal: reference.unwrap_or_else(|| observed.slice(0, split)),
                faulty: observed.slice(split, observed.len()),
            }
        });
        let rows = rows.collect();
        let classes = case.metrics.iter();
        let classes = classes
            .map(|metric| MetricClass::of(metric.metric))
            .collect();
        Self {
            case,
            rows,
            classes,
            relative_floor,
            by_component,
        }
    }

    /// The metrics that may move this one: the same metric of the dependencies for latency and
    /// errors, that of the dependents for traffic, and the own traffic for all but traffic. Where
    /// components have a single metric, that of the dependencies.
    fn parents(&self, metric: usize) -> Vec<usize> {
        let own = &self.case.metrics[metric];
        let siblings = &self.by_component[own.component];
        let single = siblings.len() == 1;
        let class = self.classes[metric];
        let towards = match class {
            _ if single => Some(Towards::Dependencies),
            MetricClass::Latency | MetricClass::Errors | MetricClass::Success => {
                Some(Towards::Dependencies)
            }
            MetricClass::Traffic => Some(Towards::Dependents),
            MetricClass::Saturation => None,
        };
        let mut parents = Vec::new();
        if let Some(towards) = towards {
            let measured = |name: &str| self.by_component.contains_key(name);
            for name in graph::nearest(self.case.topology, own.component, towards, measured) {
                let theirs = self.by_component.get(name).into_iter().flatten();
                parents.extend(
                    theirs
                        .copied()
                        .filter(|other| self.case.metrics[*other].metric == own.metric),
                );
            }
        }
        if !single && class != MetricClass::Traffic {
            let traffic = |other: &usize| self.classes[*other] == MetricClass::Traffic;
            parents.extend(siblings.iter().copied().filter(traffic));
        }
        parents.truncate(MAX_PARENTS);
        parents
    }

    /// How far the metric strayed from what its parents explain, in widened spreads of what they
    /// do not explain in normal times; `None` when it has no parents, or too few normal rows.
    pub(crate) fn score(&self, metric: usize, widen: impl Fn(&Baseline) -> f64) -> Option<f64> {
        let parents = self.parents(metric);
        let own = self.rows[metric];
        if parents.is_empty() || own.normal.present().count() < parents.len() + MIN_SPARE_ROWS {
            return None;
        }
        let columns = |pick: fn(Rows<'a>) -> SeriesView<'a>| -> Vec<Vec<f64>> {
            parents
                .iter()
                .map(|&other| aligned(pick(own), pick(self.rows[other])))
                .collect()
        };
        let (normal, faulty) = (columns(|rows| rows.normal), columns(|rows| rows.faulty));
        let model = linear::Ridge::fit(&normal, own.normal.values(), RIDGE, self.relative_floor)?;
        let normal = model.residuals(&normal, own.normal.values());
        let faulty = model.residuals(&faulty, own.faulty.values());
        let values: Vec<f64> = own.normal.present().collect();
        let mut keys = Vec::new();
        let level = Center::of(&values, &mut keys)?;
        let shape = Shape {
            relative_floor: self.relative_floor,
            level: f64::max(level.median.abs(), level.new_level(own.faulty.present())),
            weights: self.classes[metric].weights(),
        };
        let baseline = Baseline::around(Center::of(&normal, &mut keys)?, shape).with_blocks(
            &normal,
            faulty.len(),
            &mut keys,
        );
        let extent = baseline.extent(faulty.into_iter(), &mut keys)?;
        Some(extent.score / widen(&baseline))
    }
}

/// The values of `source` at the times of `target`: the latest one not older than two steps.
fn aligned(target: SeriesView<'_>, source: SeriesView<'_>) -> Vec<f64> {
    if same_axis(target.axis(), source.axis()) {
        return source.values().to_vec();
    }
    let axis = target.axis();
    let (Some(first), Some(last)) = (axis.first(), axis.last()) else {
        return Vec::new();
    };
    let steps = (axis.len() as u32).saturating_sub(1).max(1);
    let reach = last.since(first) / steps * 2;
    let mut samples = source.iter().peekable();
    let mut latest = None;
    axis.iter()
        .map(|time| {
            while let Some(sample) = samples.next_if(|sample| sample.time <= time) {
                latest = Some(sample);
            }
            latest
                .filter(|sample| time.since(sample.time) <= reach)
                .map_or(f64::NAN, |sample| sample.value)
        })
        .collect()
}

fn same_axis(a: AxisView<'_>, b: AxisView<'_>) -> bool {
    match (a, b) {
        (
            AxisView::Regular { start, step, len },
            AxisView::Regular {
                start: other,
                step: theirs,
                len: length,
            },
        ) => (start, step, len) == (other, theirs, length),
        (AxisView::Listed(a), AxisView::Listed(b)) => std::ptr::eq(a, b) || a == b,
        _ => false,
    }
}

/// Names of components that are in both sets, for tests of reachability.
pub(crate) fn reachable<'t>(case: &Case<'t>, from: &str) -> Option<BTreeSet<&'t str>> {
    if !case.topology.contains(from) {
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = case.topology.dependencies(from).collect();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(case.topology.dependencies(name));
        }
    }
    Some(seen)
}
