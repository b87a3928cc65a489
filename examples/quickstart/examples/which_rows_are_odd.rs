//! Which rows are odd? Hosts with three figures each; one has an ordinary value in each column, but
//! not together, and one is far out.

use std::error::Error;

use aiops_core::ndarray::Array2;
use aiops_core::{FittedMultivariateDetector as _, MultivariateDetector as _, Seed};
use aiops_detect::isolation_forest::{IsolationForest, IsolationForestConfig};

const COLUMNS: [&str; 3] = ["requests/s", "CPU %", "memory %"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut noise = Seed::default().rng();
    let mut hosts = Array2::zeros((300, 3));
    for mut host in hosts.rows_mut() {
        let requests = 100.0 + 800.0 * noise.uniform();
        host[0] = requests;
        host[1] = 5.0 + requests / 10.0 + 2.0 * noise.normal(); // the work follows the requests
        host[2] = 40.0 + 3.0 * noise.normal();
    }
    hosts[[42, 0]] = 120.0;
    hosts[[42, 1]] = 93.0; // busy without requests
    hosts[[7, 2]] = 97.0; // memory nearly full

    let forest = IsolationForest::try_from(IsolationForestConfig::default())?; // aiops-detect
    let model = forest.fit(hosts.view())?;
    let scores = model.score(hosts.view())?;

    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    println!("the five oddest of {} hosts", scores.len());
    for &host in &order[..5] {
        let row = hosts.row(host).to_vec();
        let blame = model.explain(&row)?; // which column sets it apart
        let worst = (0..row.len()).max_by(|&a, &b| blame[a].total_cmp(&blame[b]));
        let column = worst.map_or("", |column| COLUMNS[column]);
        println!(
            "host {host:3}  score {:.3}  {:4.0} requests/s  CPU {:3.0} %  memory {:3.0} %  because of {column}",
            scores[host], row[0], row[1], row[2]
        );
    }
    Ok(())
}
