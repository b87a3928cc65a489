//! Half-space trees: rows beside the usual ones, windows, missing values, the stored form.

use aiops_core::{ParamError, Seed, Warmup};
use aiops_detect::half_space_trees::{HalfSpaceTrees, HalfSpaceTreesConfig};
use aiops_detect::metrics::auroc;

fn try_make(change: impl FnOnce(&mut HalfSpaceTreesConfig)) -> Result<HalfSpaceTrees, ParamError> {
    let mut config = HalfSpaceTreesConfig::default();
    config.dimensions = 2;
    change(&mut config);
    HalfSpaceTrees::try_from(config)
}

fn make() -> HalfSpaceTrees {
    try_make(|_| ()).unwrap()
}

/// Two clouds.
fn usual(rng: &mut aiops_core::Rng) -> [f64; 2] {
    let center = if rng.uniform() < 0.5 { 0.0 } else { 10.0 };
    [center + rng.normal(), 1e6 * (center + rng.normal())]
}

fn trained(rows: usize) -> HalfSpaceTrees {
    let (mut trees, mut rng) = (make(), Seed(3).rng());
    for _ in 0..rows {
        trees.learn_row(&usual(&mut rng)).unwrap();
    }
    trees
}

#[test]
fn rows_between_and_beside_the_clouds_rank_above_those_within() {
    let trees = trained(1024);
    let mut rng = Seed(9).rng();
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        scores.push(trees.score_row(&usual(&mut rng)).unwrap().unwrap());
        labels.push(false);
        let x = -8.0 + 26.0 * rng.uniform();
        let odd = [x, 1e6 * (10.0 - x + 2.0 * rng.normal())];
        let far = (odd[0] - odd[1] / 1e6).abs() > 6.0;
        if far {
            scores.push(trees.score_row(&odd).unwrap().unwrap());
            labels.push(true);
        }
    }
    let auroc = auroc(&labels, &scores).unwrap();
    assert!(auroc > 0.97, "{auroc}");
}

#[test]
fn what_is_usual_is_that_of_the_last_window() {
    let mut trees = trained(256);
    let odd = [10.0, 0.0];
    let before = trees.score_row(&odd).unwrap().unwrap();
    for _ in 0..255 {
        trees.learn_row(&odd).unwrap();
    }
    assert_eq!(trees.score_row(&odd).unwrap(), Some(before));
    trees.learn_row(&odd).unwrap();
    let after = trees.score_row(&odd).unwrap().unwrap();
    assert!(after < 0.0 && before > 1.0, "{before} {after}");
}

/// In one dimension all trees cut the same way but for where the work space begins: by hand.
#[test]
fn the_mass_of_one_cut_by_hand() {
    let mut trees = try_make(|config| {
        config.dimensions = 1;
        config.trees = 1;
        config.height = 1;
        config.window = 8;
    })
    .unwrap();
    for row in [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 8.0] {
        assert_eq!(trees.update_row(&[row]).unwrap(), None);
    }
    // One cut somewhere in the span: two rows on the one side, six on the other.
    let of = |value: f64| trees.score_row(&[value]).unwrap().unwrap();
    let score = |rows: f64| -((rows * 2.0 + 1.0) / 8.0).log2();
    assert!((of(-1.0) - score(6.0)).abs() < 1e-12);
    assert!((of(9.0) - score(2.0)).abs() < 1e-12);
    // The side with more rows where nothing is known: no score of a row without any value.
    assert_eq!(trees.score_row(&[f64::NAN]).unwrap(), None);
}

#[test]
fn warms_up_and_leaves_out_what_is_missing() {
    let mut trees = make();
    let mut rng = Seed(1).rng();
    for seen in 0..255 {
        assert_eq!(trees.warmup(), Warmup::Warming { seen, needed: 256 });
        trees.learn_row(&[f64::NAN, 1.0]).unwrap();
        assert_eq!(trees.update_row(&usual(&mut rng)).unwrap(), None);
    }
    trees.learn_row(&usual(&mut rng)).unwrap();
    assert_eq!(trees.warmup(), Warmup::Ready);
    let half = trees.score_row(&[f64::NAN, 0.0]).unwrap().unwrap();
    let odd = trees.score_row(&[40.0, 0.0]).unwrap().unwrap();
    assert!(half.is_finite() && half < odd, "{half} {odd}");
    assert_eq!(trees.score_row(&[f64::NAN; 2]).unwrap(), None);
    assert!(trees.score_row(&[1.0]).is_err());
    assert!(trees.score_row(&[f64::INFINITY, 0.0]).is_err());
    assert!(trees.learn_row(&[f64::NEG_INFINITY, 0.0]).is_err());
}

#[test]
fn the_column_to_blame() {
    let (mut trees, mut rng) = (make(), Seed(5).rng());
    for _ in 0..512 {
        trees.learn_row(&[rng.normal(), rng.normal()]).unwrap();
    }
    let parts = trees.explain_row(&[5.0, 0.1]).unwrap();
    assert!(parts[0] > 1.0 && parts[0] > 3.0 * parts[1], "{parts:?}");
}

#[test]
fn ends_of_the_range_score_finite() {
    let tables: [fn(usize) -> [f64; 2]; 5] = [
        |_| [3.0, 3.0],
        |i| [if i % 2 == 0 { f64::MAX } else { f64::MIN }, 1e-308],
        |i| [f64::from_bits(i as u64 % 5), -0.0],
        |i| [1e300 * (i % 7) as f64, -1e300],
        |i| [i as f64, -(i as f64)],
    ];
    for (case, row) in tables.iter().enumerate() {
        let mut trees = make();
        for index in 0..600 {
            if let Some(score) = trees.update_row(&row(index)).unwrap() {
                assert!(score.is_finite(), "case {case}: {score}");
            }
        }
        for value in [0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE] {
            let score = trees.score_row(&[value, -value]).unwrap().unwrap();
            assert!(score.is_finite(), "case {case}, {value}: {score}");
            let parts = trees.explain_row(&[value, -value]).unwrap();
            assert!(
                parts.iter().all(|part| part.is_finite()),
                "case {case}: {parts:?}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let scores = |trees: HalfSpaceTrees| trees.score_row(&[4.0, 5e6]).unwrap();
    assert_eq!(scores(trained(700)), scores(trained(700)));
}

#[test]
fn parameters_are_checked_on_both_sides() {
    type Change = fn(&mut HalfSpaceTreesConfig);
    let cases: [(Change, bool); 11] = [
        (|c| c.dimensions = 0, false),
        (|c| c.trees = 0, false),
        (|c| c.trees = 1, true),
        (|c| c.height = 0, false),
        (|c| c.height = 1, true),
        (|c| (c.height, c.trees) = (20, 32), true),
        (|c| (c.height, c.trees) = (20, 33), false),
        (|c| c.height = 21, false),
        (|c| c.window = 7, false),
        (|c| c.window = 8, true),
        (|c| c.window = usize::MAX, false),
    ];
    for (case, (change, accepted)) in cases.into_iter().enumerate() {
        assert_eq!(try_make(change).is_ok(), accepted, "case {case}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn stored_trees_go_on_as_they_were_and_impossible_ones_are_refused() {
    use aiops_core::stored::{load, save};

    let small = |rows: usize| {
        let change: fn(&mut HalfSpaceTreesConfig) = |c| (c.trees, c.height, c.window) = (2, 3, 16);
        let (mut trees, mut rng) = (try_make(change).unwrap(), Seed(3).rng());
        for _ in 0..rows {
            trees.learn_row(&usual(&mut rng)).unwrap();
        }
        trees
    };
    let mut fitted = small(40);
    let mut model: HalfSpaceTrees = crate::support::released("half-space-trees-1.json", &fitted);
    assert_eq!(model, fitted);
    let mut rng = Seed(8).rng();
    for _ in 0..50 {
        let row = usual(&mut rng);
        assert_eq!(
            model.update_row(&row).unwrap(),
            fitted.update_row(&row).unwrap()
        );
    }
    let warming = small(5);
    assert_eq!(load::<HalfSpaceTrees>(&save(&warming)).unwrap(), warming);

    let text = String::from_utf8(save(&small(40))).unwrap();
    for (good, bad) in [
        ("\"trees\":2", "\"trees\":3"),
        ("\"height\":3", "\"height\":2"),
        ("\"filled\":8", "\"filled\":16"),
        ("\"filled\":8", "\"filled\":7"),
        ("\"dimensions\":2", "\"dimensions\":1"),
        ("\"window\":16", "\"window\":8"),
    ] {
        let changed = text.replacen(good, bad, 1);
        assert_ne!(changed, text, "{good}");
        assert!(load::<HalfSpaceTrees>(changed.as_bytes()).is_err(), "{bad}");
    }
}
