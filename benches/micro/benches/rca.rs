//! How long the parts of aiops-rca take.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use std::time::Duration;

use aiops_core::{
    Case, ComponentMetric, RootCauseRanker, Seed, Series, TimeAxis, Timestamp, Topology,
};
use aiops_rca::deviation::{Deviation, DeviationConfig};
use aiops_rca::drilldown::{Adtributor, AdtributorConfig, Leaf, LeafTable, RiskLoc, RiskLocConfig};
use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};
use aiops_rca::investigation::{Investigation, InvestigationConfig};
use aiops_rca::onset::{Onset, OnsetConfig};
use criterion::{Criterion, criterion_group, criterion_main};

/// Services, metrics of each, samples of each metric.
const SIZES: [(usize, usize, usize); 2] = [(20, 6, 760), (1000, 10, 1000)];

/// A tree of services in which the last one is slow at the end, and with it all above it.
struct Fleet {
    names: Vec<String>,
    series: Vec<(usize, String, Series)>,
    topology: Topology,
    onset: Timestamp,
}

impl Fleet {
    fn new((services, metrics, samples): (usize, usize, usize)) -> Self {
        let names: Vec<String> = (0..services)
            .map(|index| format!("svc{index:04}"))
            .collect();
        let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(15), samples).unwrap();
        let mut topology = Topology::default();
        (1..services).for_each(|index| topology.add_call(&names[(index - 1) / 3], &names[index]));
        let mut troubled = vec![services - 1];
        while let Some(above) = troubled
            .last()
            .filter(|last| **last > 0)
            .map(|last| (last - 1) / 3)
        {
            troubled.push(above);
        }
        let faulty = samples - samples / 20;
        let mut series = Vec::new();
        for service in 0..services {
            for metric in 0..metrics {
                let mut rng = Seed::default()
                    .child((service * metrics + metric) as u64)
                    .rng();
                let by = if metric == 0 && troubled.contains(&service) {
                    12.0
                } else {
                    0.0
                };
                let values = (0..samples)
                    .map(|at| 10.0 + rng.normal() + if at >= faulty { by } else { 0.0 })
                    .collect();
                series.push((
                    service,
                    format!("m{metric}"),
                    Series::new(axis.clone(), values).unwrap(),
                ));
            }
        }
        let onset = axis.view().at(faulty);
        Self {
            names,
            series,
            topology,
            onset,
        }
    }

    fn with(&self, onset: Option<Timestamp>, mut look: impl FnMut(&Case<'_>)) {
        let metrics: Vec<_> = self
            .series
            .iter()
            .map(|(service, metric, series)| ComponentMetric {
                component: &self.names[*service],
                metric,
                reference: None,
                observed: series.view(),
            })
            .collect();
        look(&Case {
            metrics: &metrics,
            onset,
            symptom: Some(&self.names[0]),
            topology: &self.topology,
            changes: &[],
        });
    }
}

fn rank(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rca");
    group.sample_size(10);
    let deviation = Deviation::try_from(DeviationConfig::default()).unwrap();
    let graph = GraphDeviation::try_from(GraphDeviationConfig::default()).unwrap();
    let onset = Onset::try_from(OnsetConfig::default()).unwrap();
    let investigation = Investigation::try_from(InvestigationConfig::default()).unwrap();
    let rankers: [(&str, &dyn RootCauseRanker); 3] = [
        ("deviation", &deviation),
        ("graph_deviation", &graph),
        ("investigation", &investigation),
    ];
    for size in SIZES {
        let fleet = Fleet::new(size);
        let label = format!("{}x{}x{}", size.0, size.1, size.2);
        group.bench_function(format!("onset/{label}"), |bencher| {
            fleet.with(None, |case| {
                bencher.iter(|| onset.find(case.metrics).unwrap());
            });
        });
        for (name, ranker) in rankers {
            for (given, start) in [("given", Some(fleet.onset)), ("unknown", None)] {
                group.bench_function(format!("{name}/{given}/{label}"), |bencher| {
                    fleet.with(start, |case| {
                        bencher.iter(|| {
                            let causes = ranker.rank(case).unwrap();
                            assert!(!causes.is_empty());
                        });
                    });
                });
            }
        }
    }
    group.finish();
}

/// 100,000 leaves of five attributes, 3 % of them halved, with noise.
fn leaves() -> LeafTable {
    let sizes = [10, 10, 10, 10, 10];
    let mut table = LeafTable::new(["a", "b", "c", "d", "e"]).unwrap();
    let mut rng = Seed::default().rng();
    for row in 0..sizes.iter().product() {
        let mut rest = row;
        let place = sizes.map(|size| {
            let code = rest % size;
            rest /= size;
            code
        });
        let names = place.map(|code| code.to_string());
        let expected = 100.0 * (1.0 + rng.uniform());
        let under = (place[0], place[1]) == (1, 2)
            || place[2..] == [3, 4, 5]
            || place[4] == 7 && place[0] < 2;
        let factor = if under { 0.5 } else { 1.0 };
        let actual = expected * factor * (1.0 + 0.05 * (rng.uniform() - 0.5));
        let values = [&names[0][..], &names[1], &names[2], &names[3], &names[4]];
        table.push(&values, Leaf::Sum { actual, expected }).unwrap();
    }
    table
}

fn drilldown(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rca");
    group.sample_size(10);
    let table = leaves();
    let adtributor = Adtributor::try_from(AdtributorConfig::default()).unwrap();
    group.bench_function("adtributor/100000", |bencher| {
        bencher.iter(|| adtributor.explain(&table).unwrap());
    });
    let risk_loc = RiskLoc::try_from(RiskLocConfig::default()).unwrap();
    assert_eq!(risk_loc.search(&table).unwrap().len(), 4);
    group.bench_function("risk_loc/100000", |bencher| {
        bencher.iter(|| risk_loc.search(&table).unwrap());
    });
    group.finish();
}

criterion_group!(benches, rank, drilldown);
criterion_main!(benches);
