use aiops_core::{Seed, StreamingDetector};
use aiops_detect::random_cut_forest::{RandomCutForest, RandomCutForestConfig};

use crate::streaming::{holds_up, ordinary};
use crate::support::{at, noise};

fn checked(
    change: impl FnOnce(&mut RandomCutForestConfig),
) -> Result<RandomCutForest, aiops_core::ParamError> {
    let mut config = RandomCutForestConfig::default();
    (config.trees, config.sample_size, config.memory) = (20, 64, 640);
    change(&mut config);
    RandomCutForest::try_from(config)
}

fn make() -> RandomCutForest {
    checked(|_| ()).unwrap()
}

#[test]
fn holds_up_like_the_others() {
    let small = || {
        checked(|config| {
            (config.trees, config.sample_size, config.memory) = (5, 16, 40);
            (config.shingle, config.warmup) = (3, 32);
        })
        .unwrap()
    };
    holds_up(small, 20_000);
    holds_up(
        || checked(|c| (c.trees, c.shingle) = (3, 1)).unwrap(),
        60_000,
    );
}

/// Memory that the table of the crate guide states.
#[test]
fn the_default_stays_small() {
    let mut forest = RandomCutForest::try_from(RandomCutForestConfig::default()).unwrap();
    let values = ordinary(4_000);
    for (second, &value) in values.iter().cycle().take(13_000).enumerate() {
        forest.learn_one(at(second, value));
    }
    assert!(forest.size_bytes() < 600_000, "{}", forest.size_bytes());
}

#[test]
fn a_usual_value_at_an_unusual_time_is_odd() {
    let mut forest = make();
    let wave = |i: usize| 10.0 * (i as f64 / 8.0).sin() + noise(i);
    let mut scores = Vec::new();
    for second in 0..1_500 {
        let value = if second == 1_200 {
            -wave(second)
        } else {
            wave(second)
        };
        scores.push(forest.update(at(second, value)).unwrap_or(f64::NAN));
    }
    let usual = scores[400..1_200].iter().sum::<f64>() / 800.0;
    assert!((0.3..1.3).contains(&usual), "{usual}");
    let most = scores[400..1_200].iter().copied().fold(0.0, f64::max);
    assert!(scores[1_200] > 1.1 * most, "{} {most}", scores[1_200]);
    // What is beyond all is as odd as can be, whatever the seed.
    for seed in 0..5 {
        let mut forest = checked(|config| config.seed = Seed(seed)).unwrap();
        (0..300).for_each(|second| forest.learn_one(at(second, wave(second))));
        let far = forest.score_one(at(300, 1e4)).unwrap();
        let near = forest.score_one(at(300, wave(300))).unwrap();
        assert!(far > 4.0 * near && far <= 65_f64.log2(), "{far} {near}");
    }
}

/// A single tree of two points, by hand: 0 with weight, and 1.
#[test]
fn the_score_of_points_that_are_there_is_the_formula() {
    let config = |config: &mut RandomCutForestConfig| {
        (config.trees, config.sample_size, config.shingle) = (1, 64, 1);
        (config.warmup, config.memory, config.min_scale) = (32, 16_000, 1.0);
    };
    let mut forest = checked(config).unwrap();
    (0..40).for_each(|second| forest.learn_one(at(second, 5.0)));
    // 40 equal points are one leaf at the root: (1 - 40 / 80) / log2(41), times log2(41).
    let score = forest.score_one(at(40, 5.0)).unwrap();
    assert!((score - 0.5).abs() < 1e-12, "{score}");
    // One unit away: p = 1 / (1 + 0.001) at the root.
    let apart = 1.0 / 1.001;
    let expected = 41_f64.log2() * (apart + (1.0 - apart) * 0.5 / 41_f64.log2());
    let score = forest.score_one(at(40, 6.0)).unwrap();
    assert!(
        (score - expected).abs() < 1e-6,
        "{score}, expected {expected}"
    );
}

#[test]
fn a_new_level_becomes_usual() {
    let mut forest = make();
    let level = |second: usize| if second < 1_000 { 10.0 } else { 30.0 };
    let mut scores = Vec::new();
    for second in 0..3_000 {
        let score = forest.update(at(second, level(second) + noise(second)));
        scores.push(score.unwrap_or(f64::NAN));
    }
    let usual = scores[900..1_000].iter().sum::<f64>() / 100.0;
    let later = scores[2_900..].iter().sum::<f64>() / 100.0;
    assert!(
        scores[1_000] > 2.0 * usual && later < 1.3 * usual,
        "{usual} {later}"
    );
}

/// Rows of two metrics that go together, and a third without relation.
fn row(second: usize) -> [f64; 3] {
    let load = (second as f64 / 9.0).sin();
    let noise = |i: usize| 0.05 * noise(second * 3 + i);
    [load + noise(0), 400.0 + 50.0 * (load + noise(1)), noise(2)]
}

fn trained() -> RandomCutForest {
    let mut forest = checked(|c| (c.dimensions, c.shingle, c.trees) = (3, 2, 50)).unwrap();
    for second in 0..800 {
        forest.learn_row(&row(second)).unwrap();
    }
    forest
}

#[test]
fn attribution_adds_up_and_names_metric_lag_and_direction() {
    let forest = trained();
    let mut odd = row(800);
    odd[1] -= 300.0;
    let score = forest.score_row(&odd).unwrap().unwrap();
    let blame = forest.attribution(&odd).unwrap().unwrap();
    let sum: f64 = blame.by_dimension().iter().sum();
    assert!((sum - score).abs() < 1e-6 * score, "{sum} {score}");
    let lags: f64 = blame.by_lag().iter().sum();
    assert!((lags - score).abs() < 1e-6 * score, "{lags} {score}");
    let (above, below) = blame.of(1, 0);
    assert!(
        below > 0.6 * score && above < 0.1 * score,
        "{above} {below} of {score}"
    );
    let usual = forest.score_row(&row(800)).unwrap().unwrap();
    let blame = forest.attribution(&row(800)).unwrap().unwrap();
    let sum: f64 = blame.by_lag().iter().sum();
    assert!((sum - usual).abs() < 1e-6 * usual, "{sum} {usual}");
}

#[test]
fn missing_values_are_imputed_and_the_next_row_is_expected() {
    let forest = trained();
    let truth = row(800);
    let holed = [truth[0], f64::NAN, truth[2]];
    let filled = forest.impute(&holed).unwrap().unwrap();
    assert_eq!((filled[0], filled[2]), (truth[0], truth[2]));
    assert!((filled[1] - truth[1]).abs() < 15.0, "{filled:?} {truth:?}");
    let expected = forest.expected().unwrap();
    assert!(
        (expected[0] - truth[0]).abs() < 0.3,
        "{expected:?} {truth:?}"
    );

    // Imputed rows are scored and keep their place, but no tree takes them.
    let mut forest = trained();
    assert!(forest.update_row(&holed).unwrap().unwrap() < 2.0);
    assert_eq!(forest.update_row(&[f64::NAN; 3]).unwrap(), None);
    assert!(forest.score_row(&[0.0; 2]).is_err());
    assert!(forest.score_row(&[0.0, f64::INFINITY, 0.0]).is_err());
    assert!(forest.learn_row(&[f64::NEG_INFINITY; 3]).is_err());
}

#[test]
fn parameters_are_checked_on_both_sides() {
    type Change = fn(&mut RandomCutForestConfig);
    let cases: [(&str, Change, Change); 12] = [
        ("trees", |c| c.trees = 0, |c| c.trees = 1),
        ("trees", |c| c.trees = 1_001, |c| c.trees = 1_000),
        ("sample_size", |c| c.sample_size = 1, |c| c.sample_size = 2),
        (
            "sample_size",
            |c| (c.sample_size, c.memory) = (4_097, 5_000),
            |c| (c.sample_size, c.memory) = (4_096, 4_096),
        ),
        ("dimensions", |c| c.dimensions = 0, |c| c.dimensions = 1),
        ("shingle", |c| c.shingle = 0, |c| c.shingle = 1),
        ("shingle", |c| c.dimensions = 129, |c| c.dimensions = 128),
        ("memory", |c| c.memory = 63, |c| c.memory = 64),
        ("memory", |c| c.memory = 16_001, |c| c.memory = 16_000),
        ("warmup", |c| c.warmup = 31, |c| c.warmup = 32),
        ("min_scale", |c| c.min_scale = -1.0, |c| c.min_scale = 0.0),
        (
            "relative_min_scale",
            |c| c.relative_min_scale = f64::NAN,
            |c| c.relative_min_scale = 1.0,
        ),
    ];
    for (name, bad, good) in cases {
        assert_eq!(checked(bad).unwrap_err().name(), name);
        assert!(checked(good).is_ok(), "{name}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn is_stored() {
    use crate::streaming::{can_be_stored, refuses};
    use crate::support::released;

    let small = || {
        checked(|config| {
            (config.trees, config.sample_size, config.memory) = (3, 8, 20);
            (config.shingle, config.warmup) = (2, 32);
        })
        .unwrap()
    };
    can_be_stored(small);
    let mut forest = small();
    (0..50).for_each(|second| forest.learn_one(at(second, noise(second))));
    refuses(&forest, r#""pushed":50"#, r#""pushed":49"#);
    refuses(&forest, r#""sample_size":8"#, r#""sample_size":7"#);
    refuses(&forest, r#""unclean":0"#, r#""unclean":3"#);
    refuses(&forest, r#""nodes":["#, r#""nodes":[0,"#);
    refuses(&forest, r#""epoch":"#, r#""epoch":9"#);
    refuses(&forest, r#""scales":""#, r#""scales":"-"#);
    let old = released("random-cut-forest-1.json", &forest);
    assert_eq!(
        old.score_one(at(50, 3.0)).map(f64::to_bits),
        forest.score_one(at(50, 3.0)).map(f64::to_bits)
    );
}
