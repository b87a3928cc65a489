use aiops_core::{ParamError, Rng, Seed, Threshold, Timestamp};
use aiops_detect::budget::{PageBudget, PageBudgetConfig};

fn checked(change: impl FnOnce(&mut PageBudgetConfig)) -> Result<PageBudget, ParamError> {
    let mut config = PageBudgetConfig::default();
    change(&mut config);
    PageBudget::try_from(config)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds).unwrap()
}

/// Pages in `blocks` hours of `per_block` scores each.
fn pages(
    budget: &mut PageBudget,
    blocks: i64,
    per_block: i64,
    mut score: impl FnMut() -> f64,
) -> usize {
    let mut pages = 0;
    for block in 0..blocks {
        let mut page = false;
        for part in 0..per_block {
            let time = at(3_600 * block + 3_600 / per_block * part);
            page |= budget.decide(time, score()).anomalous;
        }
        pages += usize::from(page);
    }
    pages
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let refused = |change: fn(&mut PageBudgetConfig)| checked(change).unwrap_err().name();
    assert_eq!(refused(|c| c.block_s = 0), "block_s");
    assert_eq!(refused(|c| c.block_s = c.period_s + 1), "block_s");
    assert_eq!(refused(|c| c.depth = 0), "depth");
    for bad in [0.0, -1.0, 168.0, f64::NAN, f64::INFINITY, 1e-9] {
        assert_eq!(checked(|c| c.pages = bad).unwrap_err().name(), "pages");
    }
    assert!(checked(|c| c.pages = 167.9).is_ok());
    assert!(checked(|c| (c.depth, c.pages) = (1, 168.0 / 65_535.0)).is_ok());
}

#[test]
fn the_budget_is_kept_whatever_the_distribution() {
    let scores: [fn(&mut Rng) -> f64; 4] = [
        |rng| rng.uniform(),
        |rng| rng.normal().abs(),
        |rng| (1.0 - rng.uniform()).powf(-2.0), // no mean
        |rng| (rng.uniform() * 4.0).floor(),    // ties
    ];
    let weeks = 200;
    for (which, score) in scores.into_iter().enumerate() {
        let mut rng = Seed(30 + which as u64).rng();
        let mut budget = checked(|c| c.pages = 2.0).unwrap();
        let found = pages(&mut budget, 168 * weeks, 6, || score(&mut rng));
        let most = 2 * weeks as usize;
        // Twenty pages on each side of 400 are one standard deviation.
        assert!(found < most + 60, "{which}: {found} pages of {most}");
        assert!(
            which == 3 || found > most - 80,
            "{which}: {found} pages of {most}"
        );
    }
}

#[test]
fn dependence_within_a_block_does_not_break_it() {
    // All scores of an hour are nearly one: a threshold by sample would see bursts.
    let mut rng = Seed(40).rng();
    let (mut level, mut left) = (0.0, 0);
    let mut budget = checked(|_| {}).unwrap();
    let found = pages(&mut budget, 168 * 300, 12, || {
        if left == 0 {
            (level, left) = (rng.normal().abs(), 12);
        }
        left -= 1;
        level + 0.01 * rng.uniform()
    });
    assert!((200..360).contains(&found), "{found} pages of 300");
}

#[test]
fn a_fleet_shares_its_budget() {
    let config = PageBudgetConfig::default().shared_by(4);
    assert_eq!(config.pages, 0.25);
    let mut rng = Seed(41).rng();
    let mut found = 0;
    for _ in 0..4 {
        let mut budget = PageBudget::try_from(config).unwrap();
        found += pages(&mut budget, 168 * 200, 2, || rng.normal());
    }
    assert!((120..260).contains(&found), "{found} pages of 200");
}

#[test]
fn says_nothing_before_it_can_and_finds_what_is_odd_after() {
    let mut budget = checked(|_| {}).unwrap();
    let mut rng = Seed(42).rng();
    assert_eq!(budget.blocks(), (0, 167));
    assert_eq!(pages(&mut budget, 167, 1, || rng.uniform()), 0);
    assert_eq!(
        (budget.blocks(), budget.threshold()),
        ((166, 167), f64::INFINITY)
    );
    let next = budget.decide(at(3_600 * 167), 0.5);
    assert_eq!((next.anomalous, budget.blocks()), (false, (167, 167)));
    assert!(budget.threshold() <= 1.0);
    assert!(budget.decide(at(3_600 * 167 + 1), 1.5).anomalous);
    let before = budget.clone();
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(!budget.decide(at(3_600 * 170), odd).anomalous);
    }
    assert_eq!(budget, before);
}

#[test]
fn memory_is_bounded_and_old_blocks_are_forgotten() {
    let mut budget = checked(|_| {}).unwrap();
    pages(&mut budget, 1_000, 1, || 100.0);
    let found = pages(&mut budget, 10, 1, || 100.0);
    assert_eq!(found, 0, "equal scores are no page");
    let mut rng = Seed(43).rng();
    let mut budget = checked(|_| {}).unwrap();
    pages(&mut budget, 700, 1, || 100.0 + rng.uniform());
    for block in 700..1_500 {
        budget.decide(at(3_600 * block), rng.uniform());
    }
    assert!(budget.threshold() < 1.0, "{}", budget.threshold());
    assert!(budget.size_bytes() < 8_000, "{}", budget.size_bytes());
}

#[cfg(feature = "serde")]
#[test]
fn is_stored() {
    use aiops_core::stored::{load, save};

    use crate::streaming::refuses;

    for cut in [0, 1, 100, 700, 1_500] {
        let mut rng = Seed(44).rng();
        let mut kept = checked(|_| {}).unwrap();
        pages(&mut kept, cut, 2, || rng.normal());
        let mut loaded: PageBudget = load(&save(&kept)).unwrap();
        assert_eq!(save(&kept), save(&loaded));
        for block in cut..cut + 300 {
            let score = rng.normal();
            let time = at(3_600 * block);
            assert_eq!(kept.decide(time, score), loaded.decide(time, score));
        }
    }
    let budget = checked(|_| {}).unwrap();
    refuses(&budget, r#""pages":"1""#, r#""pages":"0""#);
    refuses(&budget, r#""highest":"0""#, r#""highest":"inf""#);
    refuses(&budget, r#""oldest":0"#, r#""oldest":1"#);
    refuses(&budget, r#""maxima":"""#, r#""maxima":"NaN""#);
}
