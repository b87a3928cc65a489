//! Sets of alerts of real failures, played so that failures overlap in time.
//!
//! The sets have no times, so times are drawn: a failure begins 30 to 120 s after the one before it
//! and lasts for ten minutes; each of its alerts begins 3 s for each step of the topology away from
//! the root, and 10 s on average, later. All failures happen in the same system, to components of
//! the same names; what fires already does not fire again, and counts for the earlier failure. The
//! topology is that of all cases together, as it is known from running the system.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;

use aiops_alert::correlate::CorrelatorConfig;
use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, INCIDENT_LABEL};
use aiops_alert::replay::{Event, Replay};
use aiops_core::{Alert, Labels, Rng, Seed, Timestamp, Topology};
use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::{self, Table};

/// Failures that overlap.
const OVERLAPS: [usize; 3] = [1, 3, 10];

/// Groups of failures of each size.
const GROUPS: usize = 30;

/// How long a failure lasts, in seconds.
const LASTS: f64 = 600.0;

/// A set of failures.
#[derive(Debug, Default)]
struct Set {
    /// Root and alerts of each case.
    cases: Vec<(String, Vec<Labels>)>,
    topology: Topology,
}

/// An alert at its time, and the failure it belongs to.
type Played = (f64, Labels, usize);

pub(super) fn run(folder: &Path, args: &Args, report: &mut Report) -> Fallible<()> {
    for (name, path) in table::files(folder, "alerts.csv.gz")? {
        let name = name.trim_end_matches('/').replace('/', ".");
        if !args.wants_set(&name) {
            continue;
        }
        let folder = path.parent().ok_or("a file lies in a folder")?;
        let set = read(folder)?;
        for overlap in OVERLAPS {
            let (mut ours, mut window, mut label) = (Vec::new(), Vec::new(), Vec::new());
            for group in 0..GROUPS.min(args.limit) {
                let mut rng = Seed::default()
                    .child((overlap * 1_000 + group) as u64)
                    .rng();
                let played = play(&set, overlap, &mut rng);
                ours.push(engine(&set, &played)?);
                let by_window = |(time, _, _): &Played| format!("{}", (*time / 300.0) as u64);
                window.push(baseline(&played, by_window));
                let by_node = |(_, labels, _): &Played| labels.get("node").unwrap_or("").to_owned();
                label.push(baseline(&played, by_node));
            }
            for (method, scores) in [("engine", &ours), ("window", &window), ("label", &label)] {
                let over = |f: fn(&Score) -> f64| mean(&scores.iter().map(f).collect::<Vec<_>>());
                let figures = [
                    ("pair_f1", over(|score| score.pair_f1)),
                    ("found", over(|score| score.found)),
                    ("reduction", over(|score| score.reduction)),
                ];
                if method == "engine" {
                    for (key, value) in figures {
                        report.put(format!("{name}.overlap{overlap}.{key}"), value)?;
                    }
                }
                let figures = json!({
                    "pair_f1": figures[0].1, "found": figures[1].1, "reduction": figures[2].1,
                });
                report.detail(&format!("{name}.overlap{overlap}"), method, figures);
            }
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Fallible<Set> {
    let cases = Table::read(&folder.join("cases.csv"))?;
    let (case, root) = (cases.column("case")?, cases.column("root_instance")?);
    let mut set = Set::default();
    let mut places = HashMap::new();
    for row in &cases.rows {
        places.insert(row[case].to_owned(), set.cases.len());
        set.cases.push((row[root].to_owned(), Vec::new()));
    }
    let edges = Table::read(&folder.join("edges.csv.gz"))?;
    let (from, to) = (edges.column("from")?, edges.column("to")?);
    for row in &edges.rows {
        set.topology.add_call(&row[from], &row[to]);
    }
    let alerts = Table::read(&folder.join("alerts.csv.gz"))?;
    let case = alerts.column("case")?;
    let names = ["source", "node", "peer", "item", "kind"];
    let columns: Vec<usize> = names
        .iter()
        .map(|name| alerts.column(name))
        .collect::<Fallible<_>>()?;
    for row in &alerts.rows {
        let pairs = names
            .iter()
            .zip(&columns)
            .map(|(name, &column)| (*name, &row[column]));
        if let Some(&place) = places.get(&row[case]) {
            set.cases[place].1.push(Labels::of(pairs)?);
        }
    }
    Ok(set)
}

fn exponential(rng: &mut Rng) -> f64 {
    -(1.0 - rng.uniform()).ln()
}

/// `overlap` failures, in order of time.
fn play(set: &Set, overlap: usize, rng: &mut Rng) -> Vec<Played> {
    let mut played: Vec<Played> = Vec::new();
    let mut begins = 0.0;
    for failure in 0..overlap {
        let (root, alerts) = &set.cases[rng.below(set.cases.len())];
        let steps = steps(&set.topology, root);
        for labels in alerts {
            let away = labels.get("node").and_then(|node| steps.get(node));
            let away = f64::from(away.copied().unwrap_or(3));
            let time = begins + 3.0 * away + 10.0 * exponential(rng);
            played.push((time, labels.clone(), failure));
        }
        begins += 30.0 + 90.0 * rng.uniform();
    }
    played.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let mut ends: HashMap<Labels, f64> = HashMap::new();
    played.retain(|(time, labels, _)| {
        let fires = ends.get(labels).is_some_and(|end| time < end);
        if !fires {
            ends.insert(labels.clone(), time + LASTS);
        }
        !fires
    });
    played
}

/// Steps from `root` along the topology, whatever the direction.
fn steps(topology: &Topology, root: &str) -> HashMap<String, u32> {
    let mut steps = HashMap::from([(root.to_owned(), 0)]);
    let mut queue = VecDeque::from([root.to_owned()]);
    while let Some(component) = queue.pop_front() {
        let next = steps[&component] + 1;
        let around = topology
            .dependencies(&component)
            .chain(topology.dependents(&component));
        for other in around {
            if !steps.contains_key(other) {
                steps.insert(other.to_owned(), next);
                queue.push_back(other.to_owned());
            }
        }
    }
    steps
}

/// Figures of one group of failures.
#[derive(Clone, Copy, Debug)]
struct Score {
    /// Harmonic mean of precision and recall of pairs of alerts that are in one incident.
    pair_f1: f64,
    /// Share of failures that have an incident of their own, of those that have an alert: where
    /// all alerts of a failure fire already because of others, there is nothing to be seen of it.
    found: f64,
    /// Share of alerts that are spared.
    reduction: f64,
}

/// Plays the alerts through the engine with its defaults, correlation on.
fn engine(set: &Set, played: &[Played]) -> Fallible<Score> {
    let mut correlation = CorrelatorConfig::default();
    if !correlation
        .component_labels
        .iter()
        .any(|name| name == "node")
    {
        correlation.component_labels.push("node".to_owned());
    }
    let mut config = EngineConfig::default();
    config.correlation = Some(correlation);
    config.group_by = vec![INCIDENT_LABEL.to_owned()];
    let mut engine = AlertEngine::try_from(config)?;
    engine.set_topology(set.topology.clone());
    let mut replay = Replay::new(engine, |_, _| Delivery::Delivered);
    let at = |seconds: f64| Timestamp::from_nanos((seconds * 1e9) as i64);
    for (time, labels, _) in played {
        let mut alert = Alert::new(labels.clone(), at(*time));
        alert.ends_at = Some(at(time + LASTS));
        replay.event(at(*time), Event::Alert(alert))?;
    }
    let last = played.last().map_or(0.0, |(time, _, _)| *time);
    replay.finish(at(last + 300.0)); // before anything ends
    // An alert may have fired twice.
    let mut incidents: HashMap<(Labels, Timestamp), u64> = HashMap::new();
    for incident in replay.engine().incidents() {
        for alert in &incident.alerts {
            incidents.insert((alert.labels.clone(), alert.starts_at), incident.id.0);
        }
    }
    let mut pairs = Vec::new();
    for (time, labels, failure) in played {
        let incident = incidents
            .get(&(labels.clone(), at(*time)))
            .ok_or("an alert is in no incident")?;
        pairs.push((incident.to_string(), *failure));
    }
    Ok(score(&pairs, replay.sent().len()))
}

fn baseline(played: &[Played], key: impl Fn(&Played) -> String) -> Score {
    let pairs: Vec<(String, usize)> = played.iter().map(|one| (key(one), one.2)).collect();
    let groups: BTreeSet<&String> = pairs.iter().map(|(key, _)| key).collect();
    score(&pairs, groups.len())
}

fn score(pairs: &[(String, usize)], notifications: usize) -> Score {
    let mut cells: BTreeMap<(&str, usize), f64> = BTreeMap::new();
    let (mut by_incident, mut by_failure) = (BTreeMap::new(), BTreeMap::new());
    for (incident, failure) in pairs {
        *cells.entry((incident, *failure)).or_default() += 1.0;
        *by_incident.entry(incident.as_str()).or_insert(0.0) += 1.0;
        *by_failure.entry(*failure).or_insert(0.0) += 1.0;
    }
    let choose =
        |counts: &mut dyn Iterator<Item = f64>| counts.map(|n| n * (n - 1.0) / 2.0).sum::<f64>();
    let both = choose(&mut cells.values().copied());
    let together =
        choose(&mut by_incident.values().copied()) + choose(&mut by_failure.values().copied());
    let mut most: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for ((incident, failure), count) in &cells {
        let entry = most.entry(*incident).or_insert((0.0, *failure));
        if *count > entry.0 {
            *entry = (*count, *failure);
        }
    }
    let found: BTreeSet<usize> = most.values().map(|(_, failure)| *failure).collect();
    Score {
        pair_f1: if together > 0.0 {
            2.0 * both / together
        } else {
            1.0
        },
        found: found.len() as f64 / by_failure.len().max(1) as f64,
        reduction: 1.0 - notifications as f64 / pairs.len().max(1) as f64,
    }
}
