//! Cases that are sets of alerts: which instance was it? Learned from the cases that the set marks as
//! `train`, measured on the others.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use aiops_core::ndarray::{Array2, ArrayView1};
use aiops_rca::metrics::{ac_at, avg_at};
use aiops_rca::tree::{Forest, ForestConfig, Tree, TreeConfig, ranked};
use serde_json::json;

use crate::Fallible;
use crate::args::Args;
use crate::report::{Report, mean};
use crate::table::Table;

/// Training cases in which a feature must occur.
const MIN_CASES: usize = 2;

/// Probabilities of the classes for a row of features.
type Model = Box<dyn Fn(ArrayView1<'_, f64>) -> Fallible<Vec<f64>>>;

struct Learned {
    model: Model,
    leaves: Option<usize>,
    seconds: f64,
}

pub(super) fn run_set(args: &Args, report: &mut Report, set: &str, folder: &Path) -> Fallible<()> {
    let cases = Table::read(&folder.join("cases.csv"))?;
    let alerts = Table::read(&folder.join("alerts.csv.gz"))?;
    let (case, root) = (cases.column("case")?, cases.column("root_instance")?);
    let split = cases.column("upstream_split")?;
    let mut found: BTreeMap<&str, BTreeMap<String, f64>> = BTreeMap::new();
    let column = |name: &str| alerts.column(name);
    let (of, source, node) = (column("case")?, column("source")?, column("node")?);
    let (peer, item, kind) = (column("peer")?, column("item")?, column("kind")?);
    for row in &alerts.rows {
        let features = found.entry(&row[of]).or_default();
        let (source, node, kind) = (&row[source], &row[node], &row[kind]);
        let mut count = |name: String| *features.entry(name).or_default() += 1.0;
        count(format!("{source} {node} {} {kind}", &row[item]));
        count(format!("{source} {node}"));
        if source == "trace" {
            count(format!("{source} {} to {node} {kind}", &row[peer]));
        }
    }
    let train: Vec<usize> = rows(&cases, split, true);
    let test: Vec<usize> = rows(&cases, split, false);
    let mut common: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &train {
        for name in found
            .get(&cases.rows[*row][case])
            .into_iter()
            .flat_map(BTreeMap::keys)
        {
            *common.entry(name).or_default() += 1;
        }
    }
    let names: Vec<&str> = common
        .into_iter()
        .filter(|(_, count)| *count >= MIN_CASES)
        .map(|(name, _)| name)
        .collect();
    let features = |rows: &[usize]| {
        Array2::from_shape_fn((rows.len(), names.len()), |(row, column)| {
            let alerts = found.get(&cases.rows[rows[row]][case]);
            alerts
                .and_then(|alerts| alerts.get(names[column]))
                .copied()
                .unwrap_or(0.0)
        })
    };
    let mut classes: Vec<&str> = train.iter().map(|row| &cases.rows[*row][root]).collect();
    classes.sort_unstable();
    classes.dedup();
    let label = |row: &usize| classes.partition_point(|class| *class < &cases.rows[*row][root]);
    let labels: Vec<usize> = train.iter().map(label).collect();
    let (known, asked) = (features(&train), features(&test));
    if args.wants_model("tree") {
        let all: Vec<usize> = (0..cases.rows.len()).collect();
        let millis = train_all(&cases, root, &features(&all))?;
        report.put(format!("{set}.train_all_ms.tree"), millis)?;
    }
    for name in ["tree", "forest", "investigation"] {
        if !args.wants_model(name) {
            continue;
        }
        let learned = learn(name, &known, &labels)?;
        let (mut ac, mut avg, mut millis) = (vec![[0.0; 2]; 0], Vec::new(), Vec::new());
        for (row, features) in test.iter().zip(asked.rows()) {
            let started = Instant::now();
            let order = ranked(&(learned.model)(features)?);
            millis.push(started.elapsed().as_secs_f64() * 1e3);
            let order: Vec<&str> = order.into_iter().map(|class| classes[class]).collect();
            let truth = [&cases.rows[*row][root]];
            ac.push([ac_at(&order, &truth, 1), ac_at(&order, &truth, 3)]);
            avg.push(avg_at(&order, &truth, 5));
        }
        let over = |k: usize| mean(&ac.iter().map(|pair| pair[k]).collect::<Vec<_>>());
        report.put(format!("{set}.ac1.{name}"), over(0))?;
        report.put(format!("{set}.ac3.{name}"), over(1))?;
        report.put(format!("{set}.avg5.{name}"), mean(&avg))?;
        report.put(format!("{set}.ms_per_case.{name}"), mean(&millis))?;
        let (leaves, seconds) = (learned.leaves, learned.seconds);
        report.detail(
            set,
            name,
            json!({ "cases": test.len(), "ac1": over(0), "ac3": over(1), "leaves": leaves, "train_s": seconds }),
        );
    }
    Ok(())
}

/// Milliseconds that one tree takes to learn every case of the set, without pruning: what a plain
/// decision tree of other libraries does.
fn train_all(cases: &Table, root: usize, features: &Array2<f64>) -> Fallible<f64> {
    let mut classes: Vec<&str> = cases.rows.iter().map(|row| &row[root]).collect();
    classes.sort_unstable();
    classes.dedup();
    let label = |name: &str| classes.partition_point(|class| *class < name);
    let labels: Vec<usize> = cases.rows.iter().map(|row| label(&row[root])).collect();
    let mut config = TreeConfig::default();
    config.folds = 0;
    let tree = Tree::try_from(config)?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        let fitted = tree.fit(features.view(), &labels)?;
        best = best.min(started.elapsed().as_secs_f64() * 1e3);
        if fitted.leaves() < 2 {
            return Err("the tree learned nothing".into());
        }
    }
    Ok(best)
}

fn rows(cases: &Table, split: usize, train: bool) -> Vec<usize> {
    (0..cases.rows.len())
        .filter(|row| (&cases.rows[*row][split] == "train") == train)
        .collect()
}

fn learn(name: &str, features: &Array2<f64>, labels: &[usize]) -> Fallible<Learned> {
    let started = Instant::now();
    let (model, leaves): (Model, _) = if name == "tree" {
        let tree = Tree::try_from(TreeConfig::default())?.fit(features.view(), labels)?;
        let leaves = tree.leaves();
        (
            Box::new(move |row| Ok(tree.probabilities(row)?)),
            Some(leaves),
        )
    } else {
        let forest = Forest::try_from(ForestConfig::default())?.fit(features.view(), labels)?;
        (Box::new(move |row| Ok(forest.probabilities(row)?)), None)
    };
    Ok(Learned {
        model,
        leaves,
        seconds: started.elapsed().as_secs_f64(),
    })
}
