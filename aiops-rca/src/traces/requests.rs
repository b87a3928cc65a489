//! Spans and lines as numbers: what is compared before and after.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;
use std::time::Duration;

use aiops_core::logs::{TemplateId, TemplateMiner, TemplateMinerConfig};
use aiops_core::{Severity, SpanId, Timestamp, TraceId};

use super::{LogLine, Span};

/// Rows of one group, in order of time.
pub(super) struct Group<K> {
    pub(super) key: K,
    pub(super) rows: Range<usize>,
}

/// Calls from one component to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) caller: u32,
    pub(super) callee: u32,
}

/// What a component may show in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Feature {
    Template(TemplateId, Severity),
    /// An operation that ended in an error.
    Failed(u32),
}

impl Feature {
    /// Whether it is bad news to see `more` of it: a warning that stops and a step that is reached
    /// again are recoveries. What does not say how serious it is may be either.
    pub(super) fn is_bad_news(self, more: bool) -> bool {
        match self {
            Self::Template(_, Severity::UNSPECIFIED) => true,
            Self::Template(_, severity) => more == (severity >= Severity::WARN),
            Self::Failed(_) => more,
        }
    }
}

/// A feature of a kind of request at a component: the places, among the requests of the kind, of
/// those that show it.
pub(super) struct Shown {
    pub(super) component: u32,
    pub(super) feature: Feature,
    /// Index into [`Requests::kinds`].
    pub(super) kind: usize,
    pub(super) places: Range<usize>,
}

pub(super) struct Requests<'a> {
    /// In order of name.
    pub(super) components: Vec<&'a str>,
    pub(super) operations: Vec<&'a str>,
    starts: Vec<Timestamp>,
    /// Calls between two components.
    pub(super) links: Vec<Group<Link>>,
    /// Begin and logarithm of the time waited, by group.
    pub(super) waits: Vec<(Timestamp, f64)>,
    /// What was asked of a component in a request: begins by group.
    pub(super) kinds: Vec<Group<u32>>,
    pub(super) asked: Vec<Timestamp>,
    pub(super) shown: Vec<Shown>,
    pub(super) places: Vec<u32>,
    /// Whom each component calls.
    pub(super) callees: BTreeMap<u32, BTreeSet<u32>>,
    pub(super) miner: TemplateMiner,
    pub(super) ignored_lines: usize,
}

/// Numbers for names, in order of the names.
struct Names<K> {
    sorted: Vec<K>,
    numbers: HashMap<K, u32>,
}

impl<K: Copy + Ord + Hash> Names<K> {
    fn new(names: impl Iterator<Item = K>) -> Self {
        let distinct: HashSet<K> = names.collect();
        let mut sorted: Vec<K> = distinct.into_iter().collect();
        sorted.sort_unstable();
        let numbers = sorted.iter().copied().zip(0..).collect();
        Self { sorted, numbers }
    }

    fn of(&self, name: K) -> u32 {
        self.numbers[&name]
    }
}

/// One component in one request.
#[derive(Default)]
struct Visit {
    asked: BTreeSet<u32>,
    features: BTreeSet<Feature>,
}

/// A visit with the begin and the number of its request.
type Row = (Timestamp, u32, BTreeSet<Feature>);

impl<'a> Requests<'a> {
    pub(super) fn new(spans: &[Span<'a>], logs: &[LogLine<'a>], resolution: Duration) -> Self {
        let components = Names::new(spans.iter().map(|span| span.component));
        let operations = Names::new(spans.iter().map(|span| span.operation));
        let traces = Names::new(spans.iter().map(|span| span.trace));
        let of_trace: Vec<u32> = spans.iter().map(|span| traces.of(span.trace)).collect();
        let of_component: Vec<u32> = spans.iter().map(|s| components.of(s.component)).collect();
        let parents = parents(spans, &of_trace);

        let mut starts = vec![None; traces.sorted.len()];
        for (span, trace) in spans.iter().zip(&of_trace) {
            let start: &mut Option<Timestamp> = &mut starts[*trace as usize];
            *start = Some(start.map_or(span.start, |known| known.min(span.start)));
        }
        let starts: Vec<Timestamp> = starts.into_iter().flatten().collect();

        let mut visits: BTreeMap<(u32, u32), Visit> = BTreeMap::new();
        let mut callees: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (index, span) in spans.iter().enumerate() {
            let own = of_component[index];
            let visit = visits.entry((of_trace[index], own)).or_default();
            let caller = parents[index].map(|parent| of_component[parent]);
            if caller != Some(own) {
                visit.asked.insert(operations.of(span.operation));
                if let Some(caller) = caller {
                    callees.entry(caller).or_default().insert(own);
                }
            }
            if span.failed {
                let operation = operations.of(span.operation);
                visit.features.insert(Feature::Failed(operation));
            }
        }
        let (miner, ignored_lines) = read(logs, &traces, &components, &mut visits);
        let (links, waits) = waits(spans, &parents, &of_component, resolution);
        let mut requests = Self {
            components: components.sorted,
            operations: operations.sorted,
            starts,
            links,
            waits,
            kinds: Vec::new(),
            asked: Vec::new(),
            shown: Vec::new(),
            places: Vec::new(),
            callees,
            miner,
            ignored_lines,
        };
        requests.group(visits);
        requests
    }

    /// Groups the visits by what was asked.
    fn group(&mut self, visits: BTreeMap<(u32, u32), Visit>) {
        let mut kinds: BTreeMap<(u32, BTreeSet<u32>), Vec<Row>> = BTreeMap::new();
        for ((trace, component), visit) in visits {
            let start = self.starts[trace as usize];
            let kind = kinds.entry((component, visit.asked)).or_default();
            kind.push((start, trace, visit.features));
        }
        let mut shown: BTreeMap<(u32, Feature, usize), Vec<u32>> = BTreeMap::new();
        for ((component, _), mut rows) in kinds {
            rows.sort_by_key(|row| (row.0, row.1));
            let from = self.asked.len();
            for (place, (start, _, features)) in rows.into_iter().enumerate() {
                self.asked.push(start);
                for feature in features {
                    let places = shown.entry((component, feature, self.kinds.len()));
                    places.or_default().push(place as u32);
                }
            }
            self.kinds.push(Group {
                key: component,
                rows: from..self.asked.len(),
            });
        }
        for ((component, feature, kind), places) in shown {
            let from = self.places.len();
            self.places.extend(places);
            self.shown.push(Shown {
                component,
                feature,
                kind,
                places: from..self.places.len(),
            });
        }
    }

    /// Times that part the requests into so many equal parts, each once.
    pub(super) fn quantiles(&self, parts: usize) -> Vec<Timestamp> {
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        let mut times: Vec<Timestamp> = (1..parts)
            .filter_map(|part| starts.get(starts.len() * part / parts).copied())
            .collect();
        times.dedup();
        times
    }
}

/// The place of each span's parent.
fn parents(spans: &[Span<'_>], of_trace: &[u32]) -> Vec<Option<usize>> {
    let mut places: HashMap<(u32, SpanId), usize> = HashMap::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        places.entry((of_trace[index], span.id)).or_insert(index);
    }
    let parents = spans.iter().enumerate().map(|(index, span)| {
        let parent = places.get(&(of_trace[index], span.parent?)).copied();
        parent.filter(|parent| *parent != index)
    });
    parents.collect()
}

/// Adds the templates of the lines to the visits they belong to; answers how many belong to none, too.
fn read(
    logs: &[LogLine<'_>],
    traces: &Names<TraceId>,
    components: &Names<&str>,
    visits: &mut BTreeMap<(u32, u32), Visit>,
) -> (TemplateMiner, usize) {
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())
        .unwrap_or_else(|_| unreachable!("the defaults are in range"));
    let mut found: Vec<((u32, u32), TemplateId, Severity)> = Vec::with_capacity(logs.len());
    for line in logs {
        let trace = line.trace.and_then(|trace| traces.numbers.get(&trace));
        let component = components.numbers.get(line.component);
        if let (Some(&trace), Some(&component)) = (trace, component) {
            let template = miner.observe(line.message);
            found.push(((trace, component), template, line.severity));
        }
    }
    let ignored = logs.len() - found.len();
    for (visit, template, severity) in found {
        if let Some(visit) = visits.get_mut(&visit) {
            let template = miner.current(template);
            visit.features.insert(Feature::Template(template, severity));
        }
    }
    (miner, ignored)
}

/// What each span waited for others or worked by itself, by the components that it is between.
fn waits(
    spans: &[Span<'_>],
    parents: &[Option<usize>],
    of_component: &[u32],
    resolution: Duration,
) -> (Vec<Group<Link>>, Vec<(Timestamp, f64)>) {
    let mut children: Vec<(usize, Timestamp, usize)> = parents
        .iter()
        .enumerate()
        .filter_map(|(child, parent)| Some(((*parent)?, spans[child].start, child)))
        .collect();
    children.sort_unstable();
    let mut rows: Vec<(Link, Timestamp, f64)> = Vec::new();
    let mut rest = children.as_slice();
    while let Some(&(parent, ..)) = rest.first() {
        let (own, others) = rest.split_at(rest.partition_point(|row| row.0 == parent));
        rest = others;
        let remote = own
            .iter()
            .map(|row| of_component[row.2])
            .find(|component| *component != of_component[parent]);
        let Some(callee) = remote else { continue };
        let span = &spans[parent];
        let end = span.start.saturating_add(span.duration);
        let (mut covered, mut busy) = (span.start, Duration::ZERO);
        for &(_, start, child) in own {
            let until = start.saturating_add(spans[child].duration).min(end);
            busy += until.since(start.max(covered));
            covered = covered.max(until);
        }
        let waited = span.duration.saturating_sub(busy) + resolution;
        let link = Link {
            caller: of_component[parent],
            callee,
        };
        rows.push((link, span.start, waited.as_secs_f64().ln()));
    }
    rows.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    let mut groups = Vec::new();
    let mut from = 0;
    for same in rows.chunk_by(|a, b| a.0 == b.0) {
        groups.push(Group {
            key: same[0].0,
            rows: from..from + same.len(),
        });
        from += same.len();
    }
    let waits = rows.into_iter().map(|(_, at, log)| (at, log)).collect();
    (groups, waits)
}
