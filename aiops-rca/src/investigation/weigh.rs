//! How the parts of an investigation are weighed against each other.

use std::collections::{BTreeMap, BTreeSet};

use aiops_core::{Cause, Evidence, Fact, Timestamp};

use crate::class::MetricClass;
use crate::deviation;
use crate::graph::{self, Towards};
use crate::investigation::{InvestigationConfig, Report, Request, Suspect};
use crate::reading::{self, Measure, Reading, Scene, What};
use crate::residual::{self, Causal};
use crate::traces::TraceReport;

/// Weight of a metric of another kind than the one on which the symptom was noticed.
const OTHER_KIND: f64 = 0.3;
/// Weight of another metric of the same kind.
const SAME_KIND: f64 = 0.6;
/// Score from which on the causes of a metric are asked whether they explain it.
const ASK: f64 = 1.5;
/// Share of its trouble that troubled dependencies explain, beyond what the regression says.
const EXPLAINED: f64 = 0.3;
/// Share of the trouble of its dependents that a component is credited with.
const CREDIT: f64 = 0.25;
/// The same where it is known on which metric the symptom was noticed.
const CREDIT_BY_KIND: f64 = 0.4;
/// What is left of a component on which the symptom does not depend.
const OFF_PATH: f64 = 0.1;
/// Score from which on a rise of traffic is a surge.
const SURGE: f64 = 2.5;
/// What is left of a component whose callers surge too.
const SURGED: f64 = 0.2;
/// Share of its trouble that a change adds to a component; halves with every third of the window.
const CHANGE: f64 = 0.35;
/// Share of the best score from which on a component is a first failure of its own.
const ALSO_FIRST: f64 = 0.6;

/// What a metric's score counts where requests say something.
const BESIDE_TRACES: f64 = 0.2;
/// Largest logarithm of odds.
const MAX_LOG_ODDS: f64 = 300.0;

/// What is known of one component.
struct Part<'s, 'a> {
    readings: &'s [Reading<'a>],
    /// What its causes do not explain, weighed; logarithmic.
    own: f64,
    /// All of its trouble, weighed; logarithmic.
    all: f64,
    /// The score behind `own`, not weighed.
    score: f64,
    /// The metric behind `own`.
    metric: &'a str,
    /// The residual behind `own`, where one was asked for.
    residual: Option<f64>,
    /// How far its traffic rose.
    surge: f64,
}

fn log(score: f64) -> f64 {
    (score / reading::BAND).ln_1p()
}

pub(super) fn report(
    config: &InvestigationConfig,
    measure: &Measure,
    request: &Request<'_>,
) -> Report {
    let nothing = |onset| Report {
        onset,
        causes: Vec::new(),
        following: Vec::new(),
        impact: Vec::new(),
    };
    let Some(scene) = measure.scene(&request.case) else {
        return nothing(None);
    };
    let parts = parts(config, request, &scene);
    if !parts.values().any(|part| part.score >= config.min_score) {
        return nothing(Some(scene.onset));
    }
    Weighing {
        config,
        request,
        scene: &scene,
        parts: &parts,
    }
    .report()
}

fn parts<'s, 'a>(
    config: &InvestigationConfig,
    request: &Request<'a>,
    scene: &'s Scene<'a>,
) -> BTreeMap<&'a str, Part<'s, 'a>> {
    let case = &request.case;
    let causal = Causal::new(
        case,
        scene.onset,
        config.min_reference,
        config.relative_min_scale,
    );
    let measured = scene
        .components
        .iter()
        .filter(|(_, readings)| !readings.is_empty());
    measured
        .map(|(name, readings)| {
            let mut part = Part {
                readings,
                own: 0.0,
                all: 0.0,
                score: 0.0,
                metric: readings[0].metric,
                residual: None,
                surge: 0.0,
            };
            let noticed = request
                .symptom_metric
                .filter(|noticed| readings.iter().any(|reading| reading.metric == *noticed));
            for reading in readings {
                part.add(reading, weight(reading.metric, noticed), &causal);
            }
            (*name, part)
        })
        .collect()
}

/// How much a metric has to do with the one on which the symptom was noticed.
fn weight(metric: &str, noticed: Option<&str>) -> f64 {
    match noticed {
        Some(noticed) if noticed == metric => 1.0,
        Some(noticed) if MetricClass::of(noticed) == MetricClass::of(metric) => SAME_KIND,
        Some(_) => OTHER_KIND,
        None => 1.0,
    }
}

impl<'a> Part<'_, 'a> {
    fn add(&mut self, reading: &Reading<'a>, weight: f64, causal: &Causal<'_, 'a>) {
        let residual = (reading.score >= ASK)
            .then(|| causal.score(reading.index, reading::widening_of))
            .flatten();
        let unexplained = residual.unwrap_or(reading.score);
        if weight * log(unexplained) > self.own {
            self.own = weight * log(unexplained);
            (self.score, self.metric, self.residual) = (unexplained, reading.metric, residual);
        }
        self.all = self.all.max(weight * log(reading.score));
        let rose = matches!(reading.what, What::Deviation { extent, .. } if extent.above);
        if rose && MetricClass::of(reading.metric) == MetricClass::Traffic {
            self.surge = self.surge.max(reading.score);
        }
    }

    fn surges(&self) -> bool {
        self.surge >= SURGE
    }
}

/// The likeliest first, with their confidence, in lists.
fn in_lists(mut suspects: Vec<Suspect>, onset: Option<Timestamp>, impact: Vec<String>) -> Report {
    suspects.sort_by(|a, b| {
        let (a, b) = (&a.cause, &b.cause);
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.component.cmp(&b.component))
    });
    let best = suspects.first().map_or(0.0, |best| best.cause.score);
    let odds = |suspect: &Suspect| suspect.cause.score.min(MAX_LOG_ODDS).exp_m1();
    let total: f64 = suspects.iter().map(odds).sum();
    for suspect in &mut suspects {
        let share = odds(suspect) / total;
        suspect.cause.confidence = Some(if total > 0.0 { share } else { 0.0 });
    }
    let (causes, following) = suspects
        .into_iter()
        .partition(|suspect| suspect.cause.score >= ALSO_FIRST * best);
    Report {
        onset,
        causes,
        following,
        impact,
    }
}

/// What metrics say with what requests say. Where requests say something, they lead: they compare
/// like with like.
pub(super) fn with_traces(report: Report, traces: TraceReport, request: &Request<'_>) -> Report {
    if traces.causes.is_empty() {
        return report;
    }
    let case = &request.case;
    let onset = case.onset.map_or(traces.onset, |_| report.onset);
    let mut suspects: BTreeMap<String, Suspect> = BTreeMap::new();
    for mut suspect in report.causes.into_iter().chain(report.following) {
        suspect.cause.score *= BESIDE_TRACES;
        suspects.insert(suspect.cause.component.clone(), suspect);
    }
    for cause in traces.causes {
        let known = suspects.entry(cause.component.clone()).or_insert_with(|| {
            let path = case
                .symptom
                .map(|symptom| graph::path(case.topology, &cause.component, symptom));
            Suspect {
                cause: Cause {
                    score: 0.0,
                    evidence: Vec::new(),
                    ..cause.clone()
                },
                path: path.unwrap_or_default(),
                change: None,
            }
        });
        known.cause.score += cause.score;
        known.cause.evidence.splice(0..0, cause.evidence);
    }
    in_lists(suspects.into_values().collect(), onset, report.impact)
}

struct Weighing<'w, 'a> {
    config: &'w InvestigationConfig,
    request: &'w Request<'a>,
    scene: &'w Scene<'a>,
    parts: &'w BTreeMap<&'a str, Part<'w, 'a>>,
}

impl<'a> Weighing<'_, 'a> {
    fn report(&self) -> Report {
        let case = &self.request.case;
        let on_path = case.symptom.and_then(|symptom| {
            let mut names = residual::reachable(case, symptom)?;
            names.insert(symptom);
            Some(names)
        });
        let suspects: Vec<Suspect> = self
            .parts
            .keys()
            .filter_map(|name| self.suspect(name, on_path.as_ref()))
            .collect();
        in_lists(suspects, Some(self.scene.onset), self.impact())
    }

    fn near(&self, name: &str, towards: Towards) -> BTreeSet<&'a str> {
        let measured = |name: &str| self.parts.contains_key(name);
        graph::nearest(self.request.case.topology, name, towards, measured)
    }

    fn troubled(&self, names: &BTreeSet<&'a str>) -> Vec<String> {
        let mut found: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| self.parts[name].all >= log(reading::BAND))
            .collect();
        found.sort_by(|a, b| {
            self.parts[b]
                .all
                .total_cmp(&self.parts[a].all)
                .then_with(|| a.cmp(b))
        });
        found.into_iter().take(8).map(str::to_owned).collect()
    }

    fn suspect(&self, name: &str, on_path: Option<&BTreeSet<&str>>) -> Option<Suspect> {
        let part = &self.parts[name];
        let case = &self.request.case;
        let below = self.near(name, Towards::Dependencies);
        let above = self.near(name, Towards::Dependents);
        let largest = |names: &BTreeSet<&str>, of: fn(&Part<'_, '_>) -> f64| {
            names
                .iter()
                .map(|name| of(&self.parts[name]))
                .fold(0.0, f64::max)
        };
        let explained = (largest(&below, |part| part.own) / part.own.max(1e-9)).min(1.0);
        let credit = if self.request.symptom_metric.is_some() {
            CREDIT_BY_KIND
        } else {
            CREDIT
        };
        let faint = (part.own / log(reading::BAND)).min(1.0);
        let mut score = part.own * (1.0 - EXPLAINED * explained);
        score += credit * largest(&above, |part| part.all) * faint;
        let mut evidence = deviation::facts(part.readings, reading::BAND);
        if let Some(residual) = part.residual.filter(|residual| *residual >= reading::BAND) {
            let text = format!(
                "{} is {residual:.1} spreads from what its causes explain",
                part.metric
            );
            evidence.push(Evidence::supporting(Fact::Note { text }));
        }
        self.weigh_surge(part, &above, &below, &mut score, &mut evidence);
        if on_path.is_some_and(|names| !names.contains(name)) {
            score *= OFF_PATH;
            let symptom = case.symptom.unwrap_or_default();
            let text = format!("{symptom} does not depend on it");
            evidence.push(Evidence::opposing(Fact::Note { text }));
        }
        let (changes, boost) = self.changes(name);
        score *= 1.0 + boost;
        let change = changes.first().and_then(|change| match &change.fact {
            Fact::Change { id, .. } => Some(id.clone()),
            _ => None,
        });
        evidence.extend(changes);
        self.neighbours(&above, &below, &mut evidence);
        let path = case
            .symptom
            .map(|symptom| graph::path(case.topology, name, symptom));
        (part.all >= log(reading::BAND) || part.own >= log(reading::BAND)).then(|| Suspect {
            cause: Cause {
                component: name.to_owned(),
                metric: Some(part.metric.to_owned()),
                score,
                confidence: None,
                evidence,
            },
            path: path.unwrap_or_default(),
            change,
        })
    }

    fn weigh_surge(
        &self,
        part: &Part<'_, '_>,
        above: &BTreeSet<&str>,
        below: &BTreeSet<&str>,
        score: &mut f64,
        evidence: &mut Vec<Evidence>,
    ) {
        let surging = |names: &BTreeSet<&str>| names.iter().any(|name| self.parts[name].surges());
        if !part.surges() {
            return;
        }
        if surging(above) {
            *score *= SURGED;
            let text = "its traffic rose with that of its callers".to_owned();
            evidence.push(Evidence::opposing(Fact::Note { text }));
        } else if surging(below) {
            *score += log(part.surge);
            let text = "traffic rose here first, and with it that of what it calls".to_owned();
            evidence.push(Evidence::supporting(Fact::Note { text }));
        }
    }

    fn changes(&self, name: &str) -> (Vec<Evidence>, f64) {
        let window = self.config.change_window;
        let changes = reading::changes(&self.request.case, name, self.scene.onset, window);
        let boost = changes.first().map_or(0.0, |change| match &change.fact {
            Fact::Change { before, .. } => {
                CHANGE * (-3.0 * before.as_secs_f64() / window.as_secs_f64()).exp2()
            }
            _ => 0.0,
        });
        (changes, boost)
    }

    fn neighbours(
        &self,
        above: &BTreeSet<&'a str>,
        below: &BTreeSet<&'a str>,
        evidence: &mut Vec<Evidence>,
    ) {
        let affected = self.troubled(above);
        if !affected.is_empty() {
            evidence.push(Evidence::supporting(Fact::Affects {
                components: affected,
            }));
        }
        let explaining = self.troubled(below);
        if !explaining.is_empty() {
            let components = explaining;
            evidence.push(Evidence::opposing(Fact::DependsOnAnomalous { components }));
        } else if !below.is_empty() {
            evidence.push(Evidence::supporting(Fact::DependenciesNormal));
        }
    }

    /// Components in trouble on which nothing else in trouble depends.
    fn impact(&self) -> Vec<String> {
        let troubled = |part: &Part<'_, '_>| part.all >= log(reading::BAND);
        self.parts
            .iter()
            .filter(|(name, part)| {
                let above = self.near(name, Towards::Dependents);
                troubled(part) && !above.iter().any(|name| troubled(&self.parts[name]))
            })
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }
}
