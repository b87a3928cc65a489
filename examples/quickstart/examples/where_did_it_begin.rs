//! Where did it begin? Four services call each other; all become slow, one of them first, and it
//! was deployed a minute before.

use std::error::Error;
use std::time::Duration;

use aiops_core::{
    Case, ChangeEvent, ChangeKind, ComponentMetric, Labels, RootCauseRanker as _, Seed, Series,
    TimeAxis, Timestamp, Topology,
};
use aiops_rca::graph_deviation::{GraphDeviation, GraphDeviationConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let mut topology = Topology::default(); // aiops-core
    for (caller, callee) in [("web", "cart"), ("web", "search"), ("cart", "db")] {
        topology.add_call(caller, callee);
    }
    let start: Timestamp = "2026-03-02T10:00:00Z".parse()?;
    let axis = TimeAxis::regular(start, Duration::from_secs(15), 120)?;
    let mut noise = Seed::default().rng();
    let mut latency = |usual: f64, slower: f64| {
        let values = (0..120).map(|sample| {
            let level = if sample < 100 { usual } else { slower };
            level * (1.0 + 0.05 * noise.normal())
        });
        Series::new(axis.clone(), values.collect())
    };
    let services = [
        ("web", latency(80.0, 900.0)?), // strays furthest, but it only waits
        ("cart", latency(30.0, 300.0)?),
        ("search", latency(50.0, 50.0)?),
        ("db", latency(5.0, 40.0)?),
    ];
    let metrics = services
        .each_ref()
        .map(|(component, series)| ComponentMetric {
            component,
            metric: "latency_ms",
            reference: None,
            observed: series.view(),
        });
    let deploy = ChangeEvent {
        id: "r42".to_owned(),
        time: axis.view().at(96),
        kind: ChangeKind::Deploy,
        component: "db".to_owned(),
        summary: "db 5.1".to_owned(),
        labels: Labels::empty(),
    };
    let case = Case {
        metrics: &metrics,
        onset: None, // found from the metrics
        symptom: Some("web"),
        topology: &topology,
        changes: &[deploy],
    };

    let ranker = GraphDeviation::try_from(GraphDeviationConfig::default())?; // aiops-rca
    for (place, cause) in ranker.rank(&case)?.iter().enumerate() {
        println!(
            "{}. {}  (score {:.2})",
            place + 1,
            cause.component,
            cause.score
        );
        for evidence in &cause.evidence {
            println!("     {evidence}");
        }
    }
    Ok(())
}
