use aiops_core::ndarray::{Array2, array};
use aiops_core::{FittedMultivariateDetector, MultivariateDetector, Seed};
use aiops_detect::auto_table::{AutoTable, AutoTableConfig};
use aiops_detect::metrics::{auroc, average_precision};

use crate::multivariate::{check, noisy};
use crate::reference;
use crate::support::{shared_data, table};

#[test]
fn degenerate_input() {
    check("auto", &AutoTable::default());
}

/// The scores are negative logarithms of shares of the training rows.
#[test]
fn scores_are_rarities() {
    let rows = noisy(1000, 3);
    let scores = AutoTable::default().fit_score(rows.view()).unwrap();
    let mean = scores.iter().sum::<f64>() / 1000.0;
    assert!((0.9..1.1).contains(&mean), "{mean}"); // that of an exponential distribution
    assert!(
        scores
            .iter()
            .all(|score| (0.0..2000.0_f64.ln() + 0.1).contains(score))
    );
    let model = AutoTable::default().fit(rows.view()).unwrap();
    let far = model
        .score(array![[0.0, 2.0, 0.0], [0.0, 5.0, 0.0], [0.0, 50.0, 0.0]].view())
        .unwrap();
    assert!(
        far[0] > 4.6 && far[1] > far[0] && far[2] > far[1],
        "{far:?}"
    );
}

/// What each of the three finds best: an odd value, an odd combination, a clump.
#[test]
fn finds_what_its_members_find() {
    let mut rows = Array2::from_shape_fn((1000, 3), |(row, column)| {
        let noise = noisy(1000, 3)[[row, column]];
        if column == 2 {
            noisy(1000, 3)[[row, 0]] + 0.05 * noise
        } else {
            noise
        }
    });
    rows[[10, 1]] = 3.0;
    rows.row_mut(20).assign(&array![0.45, 0.0, -0.45]);
    for row in [30, 31, 32] {
        rows.row_mut(row).assign(&array![1.0, 1.0, 1.0]);
    }
    let scores = AutoTable::default().fit_score(rows.view()).unwrap();
    let mut order: Vec<usize> = (0..1000).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    for row in [10, 20, 30, 31, 32] {
        let rank = order.iter().position(|&at| at == row).unwrap();
        assert!(rank < 12, "row {row} is at rank {rank}");
    }
}

#[test]
fn the_explanation_names_the_column() {
    let model = AutoTable::default().fit(reference::train().view()).unwrap();
    let shares = model.explain(&[0.1, 1.0, 4.0]).unwrap();
    assert!(shares[2] > 3.0 * shares[0].max(shares[1]), "{shares:?}");
    assert!(shares.iter().all(|&share| share >= 0.0));
}

#[test]
fn scores_depend_on_the_seed_alone() {
    let rows = reference::train();
    let scores = |seed| {
        let mut config = AutoTableConfig::default();
        config.seed = Seed(seed);
        AutoTable::from(config).fit_score(rows.view()).unwrap()
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}

/// Small public tables of unlike kinds: global, local and tied anomalies.
#[test]
fn ranks_well_on_public_tables() {
    let Some(folder) = shared_data("data/detect/adbench") else {
        return;
    };
    let (mut area, mut precision) = (0.0, 0.0);
    let sets = [
        "glass",
        "Ionosphere",
        "breastw",
        "cardio",
        "vowels",
        "thyroid",
    ];
    for set in sets {
        let (rows, labels) = table(&folder.join(format!("{set}.csv.gz")));
        let scores = AutoTable::default().fit_score(rows.view()).unwrap();
        area += auroc(&labels, &scores).unwrap() / sets.len() as f64;
        precision += average_precision(&labels, &scores).unwrap() / sets.len() as f64;
    }
    // Those of the isolation forest are 0.88 and 0.52.
    assert!(area > 0.90 && precision > 0.53, "{area} {precision}");
}

#[cfg(feature = "serde")]
#[test]
fn written_and_read_back_it_is_the_same() {
    use aiops_core::stored::{load, save};
    use aiops_detect::auto_table::FittedAutoTable;

    let fitted = AutoTable::default().fit(reference::train().view()).unwrap();
    let bytes = save(&fitted);
    assert_eq!(load::<FittedAutoTable>(&bytes).unwrap(), fitted);
    for end in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        assert!(load::<FittedAutoTable>(&bytes[..end]).is_err());
    }
}
