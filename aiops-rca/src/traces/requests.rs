//! Spans and lines as numbers: what is compared before and after.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// With the number of each name that is given. Each is hashed once.
    fn new(names: impl Iterator<Item = K>) -> (Self, Vec<u32>) {
        let mut numbers: HashMap<K, u32> = HashMap::new();
        let mut last = None;
        let mut of: Vec<u32> = names
            .map(|name| match last {
                Some((known, number)) if known == name => number,
                _ => {
                    let next = numbers.len() as u32;
                    let number = *numbers.entry(name).or_insert(next);
                    last = Some((name, number));
                    number
                }
            })
            .collect();
        let mut sorted: Vec<(K, u32)> = numbers.drain().collect();
        sorted.sort_unstable();
        let mut places = vec![0_u32; sorted.len()];
        for ((_, first_seen), place) in sorted.iter().zip(0..) {
            places[*first_seen as usize] = place;
        }
        for number in &mut of {
            *number = places[*number as usize];
        }
        let sorted: Vec<K> = sorted.into_iter().map(|(name, _)| name).collect();
        numbers.extend(sorted.iter().copied().zip(0..));
        (Self { sorted, numbers }, of)
    }
}

/// What a component was asked or showed in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// It was there.
    Visited,
    /// It was asked for this operation.
    Asked(u32),
    Shows(Feature),
}

/// Request, component, and what is known of the two.
type Note = (u32, u32, Item);

impl<'a> Requests<'a> {
    pub(super) fn new(spans: &[Span<'a>], logs: &[LogLine<'a>], resolution: Duration) -> Self {
        let (components, of_component) = Names::new(spans.iter().map(|span| span.component));
        let (operations, of_operation) = Names::new(spans.iter().map(|span| span.operation));
        let (traces, of_trace) = Names::new(spans.iter().map(|span| span.trace));
        let parents = parents(spans, &of_trace);

        let mut starts = vec![None; traces.sorted.len()];
        for (span, trace) in spans.iter().zip(&of_trace) {
            let start: &mut Option<Timestamp> = &mut starts[*trace as usize];
            *start = Some(start.map_or(span.start, |known| known.min(span.start)));
        }
        let starts: Vec<Timestamp> = starts.into_iter().flatten().collect();

        let mut notes: Vec<Note> = Vec::with_capacity(spans.len() + logs.len());
        let mut calls: Vec<(u32, u32)> = Vec::new();
        for (index, span) in spans.iter().enumerate() {
            let (trace, own) = (of_trace[index], of_component[index]);
            let operation = of_operation[index];
            let caller = parents[index].map(|parent| of_component[parent]);
            let item = if caller == Some(own) {
                Item::Visited
            } else {
                calls.extend(caller.map(|caller| (caller, own)));
                Item::Asked(operation)
            };
            notes.push((trace, own, item));
            if span.failed {
                notes.push((trace, own, Item::Shows(Feature::Failed(operation))));
            }
        }
        let mut callees: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (caller, callee) in calls {
            callees.entry(caller).or_default().insert(callee);
        }
        let (miner, ignored_lines) = read(logs, &traces, &components, &mut notes);
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
        requests.group(notes);
        requests
    }

    /// Groups visits of a component by what was asked.
    fn group(&mut self, mut notes: Vec<Note>) {
        notes.sort_unstable();
        notes.dedup();
        // What was asked of a component, by number; the visits of each, and what each of them shows.
        let mut sets: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut visits: Vec<(u32, u32, Timestamp, u32, &[Note])> = Vec::new();
        let mut asked = Vec::new();
        for notes in notes.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (trace, component, _) = notes[0];
            asked.clear();
            let mut features = notes;
            while let [(.., item @ (Item::Visited | Item::Asked(_))), rest @ ..] = features {
                asked.extend(match item {
                    Item::Asked(operation) => Some(*operation),
                    _ => None,
                });
                features = rest;
            }
            let next = sets.len() as u32;
            let set = match sets.get(&asked) {
                Some(set) => *set,
                None => *sets.entry(asked.clone()).or_insert(next),
            };
            let start = self.starts[trace as usize];
            visits.push((component, set, start, trace, features));
        }
        visits.sort_unstable_by_key(|visit| (visit.0, visit.1, visit.2, visit.3));
        let mut shown: Vec<(u32, Feature, usize, u32)> = Vec::new();
        for same in visits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (kind, from) = (self.kinds.len(), self.asked.len());
            let component = same[0].0;
            for ((.., start, _, features), place) in same.iter().zip(0..) {
                self.asked.push(*start);
                shown.extend(features.iter().filter_map(|(.., item)| match item {
                    Item::Shows(feature) => Some((component, *feature, kind, place)),
                    _ => None,
                }));
            }
            self.kinds.push(Group {
                key: component,
                rows: from..self.asked.len(),
            });
        }
        shown.sort_unstable();
        for same in shown.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)) {
            let (component, feature, kind, _) = same[0];
            let from = self.places.len();
            self.places.extend(same.iter().map(|row| row.3));
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

/// The place of each span's parent; the first of those with its name.
fn parents(spans: &[Span<'_>], of_trace: &[u32]) -> Vec<Option<usize>> {
    let mut places: Vec<(u32, SpanId, usize)> = spans
        .iter()
        .enumerate()
        .map(|(index, span)| (of_trace[index], span.id, index))
        .collect();
    places.sort_unstable();
    let parents = spans.iter().enumerate().map(|(index, span)| {
        let (trace, id) = (of_trace[index], span.parent?);
        let at = places.partition_point(|place| (place.0, place.1) < (trace, id));
        let parent = places
            .get(at)
            .filter(|place| (place.0, place.1) == (trace, id));
        parent
            .map(|place| place.2)
            .filter(|parent| *parent != index)
    });
    parents.collect()
}

/// Notes the templates of the lines where they belong; answers how many belong to none, too.
fn read(
    logs: &[LogLine<'_>],
    traces: &Names<TraceId>,
    components: &Names<&str>,
    notes: &mut Vec<Note>,
) -> (TemplateMiner, usize) {
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())
        .unwrap_or_else(|_| unreachable!("the defaults are in range"));
    let mut visits: Vec<(u32, u32)> = notes.iter().map(|note| (note.0, note.1)).collect();
    visits.sort_unstable();
    visits.dedup();
    let mut ignored = 0;
    let mut found: Vec<((u32, u32), TemplateId, Severity)> = Vec::with_capacity(logs.len());
    for line in logs {
        let trace = line.trace.and_then(|trace| traces.numbers.get(&trace));
        let component = components.numbers.get(line.component);
        let visit = trace.copied().zip(component.copied());
        let visit = visit.filter(|visit| visits.binary_search(visit).is_ok());
        match visit {
            Some(visit) => found.push((visit, miner.observe(line.message), line.severity)),
            None => ignored += 1,
        }
    }
    notes.extend(
        found
            .into_iter()
            .map(|((trace, component), template, severity)| {
                let feature = Feature::Template(miner.current(template), severity);
                (trace, component, Item::Shows(feature))
            }),
    );
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
