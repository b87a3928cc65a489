use aiops_core::{Rng, Seed};
use aiops_detect::monitor::Direction;
use aiops_detect::release::sequential::Sequential;
use aiops_detect::release::{Answer, Count, Policy, Release, ReleaseConfig, mann_whitney};

const LOOKS: usize = 400;

fn watch() -> Sequential {
    Sequential::new(Release::try_from(ReleaseConfig::default()).unwrap())
}

/// Share of the runs that end with each answer at any of the looks (fail, pass), and the mean
/// number of looks until then.
fn runs(
    count: u64,
    mut start: impl FnMut(&mut Rng) -> Box<dyn FnMut(&mut Rng) -> Answer>,
) -> (f64, f64, f64) {
    let (mut fails, mut passes, mut looks) = (0.0, 0.0, 0.0);
    for run in 0..count {
        let mut rng = Seed(77).child(run).rng();
        let mut look = start(&mut rng);
        for _ in 0..LOOKS {
            looks += 1.0;
            match look(&mut rng) {
                Answer::Inconclusive => continue,
                Answer::Fail => fails += 1.0,
                Answer::Pass => passes += 1.0,
            }
            break;
        }
    }
    let count = count as f64;
    (fails / count, passes / count, looks / count)
}

/// Pairs around 100 whose differences come from `noise`.
fn of_pairs(
    policy: Policy,
    block: usize,
    mut noise: impl FnMut(&mut Rng) -> f64 + 'static,
) -> Box<dyn FnMut(&mut Rng) -> Answer> {
    let mut watch = watch();
    let metric = watch.values("value", policy, block).unwrap();
    Box::new(move |rng| {
        let both = 30.0 * rng.normal(); // what moves both sides
        watch.update_values(metric, 500.0 + both, 500.0 + both + noise(rng));
        watch.report().answer
    })
}

fn strict() -> Policy {
    Policy {
        direction: Direction::Both,
        relative_floor: 0.0,
        absolute_floor: 1e-12,
        ..Policy::default()
    }
}

#[test]
fn false_alarms_stay_below_alpha_at_all_looks_together() {
    let normal = |_: &mut Rng| of_pairs(strict(), 1, |rng| 10.0 * rng.normal());
    let heavy = |_: &mut Rng| of_pairs(strict(), 1, |rng| rng.normal() / rng.normal());
    let (fails, ..) = runs(300, normal);
    assert!(fails <= 0.06, "{fails}");
    let (fails, ..) = runs(300, heavy);
    assert!(fails <= 0.06, "{fails} of Cauchy's");
    let (fails, ..) = runs(300, |rng| {
        let mut state = rng.normal();
        of_pairs(strict(), 10, move |rng| {
            state = 0.6 * state + 0.8 * rng.normal();
            state
        })
    });
    assert!(
        fails <= 0.06,
        "{fails} of an autoregression in blocks of ten"
    );
}

#[test]
fn a_test_for_one_look_would_not_do() {
    let (fails, ..) = runs(100, |_| {
        let (mut own, mut other) = (Vec::new(), Vec::new());
        Box::new(move |rng: &mut Rng| {
            own.push(rng.normal());
            other.push(rng.normal());
            if own.len() >= 20 && mann_whitney(&own, &other).p <= 0.05 {
                Answer::Fail
            } else {
                Answer::Inconclusive
            }
        })
    });
    assert!(fails > 0.2, "{fails}");
}

#[test]
fn changes_are_found_early_and_what_is_tolerated_passes() {
    let policy = Policy {
        absolute_floor: 5.0,
        ..Policy::default()
    };
    let shifted = move |by: f64| {
        runs(300, move |_| {
            of_pairs(policy, 1, move |rng| by + 5.0 * rng.normal())
        })
    };
    let (fails, passes, looks) = shifted(15.0);
    assert!(
        fails == 1.0 && passes == 0.0 && looks < 25.0,
        "{fails} {looks}"
    );
    let (fails, passes, looks) = shifted(0.0);
    assert!(
        fails == 0.0 && passes > 0.99 && looks < 60.0,
        "{passes} {looks}"
    );
    let (fails, passes, _) = shifted(5.0);
    assert!(
        fails <= 0.065 && passes <= 0.065,
        "{fails} {passes} on the border"
    );
}

/// Poisson events whose rates move together, with twice the exposure at the baseline.
fn of_events(policy: Policy, times: f64) -> Box<dyn FnMut(&mut Rng) -> Answer> {
    let mut watch = watch();
    let metric = watch.counts("errors", policy).unwrap();
    Box::new(move |rng| {
        let busy = 1.0 + 5.0 * rng.uniform();
        let mut count = |rate: f64, exposure: f64| {
            let (mut time, mut events) = (0.0, -1.0);
            while time < rate * exposure {
                time -= (1.0 - rng.uniform()).ln();
                events += 1.0;
            }
            Count::new(events, exposure)
        };
        let (baseline, candidate) = (count(busy, 2.0), count(times * busy, 1.0));
        watch.update_counts(metric, baseline, candidate);
        watch.report().answer
    })
}

#[test]
fn events_hold_the_same_promises() {
    let strict = Policy {
        relative_floor: 0.0,
        direction: Direction::Both,
        ..Policy::default()
    };
    let (fails, ..) = runs(200, |_| of_events(strict, 1.0));
    assert!(fails <= 0.06, "{fails}");
    let policy = Policy {
        relative_floor: 0.5,
        ..Policy::default()
    };
    let (fails, passes, looks) = runs(60, |_| of_events(policy, 3.0));
    assert!(
        fails == 1.0 && passes == 0.0 && looks < 40.0,
        "{fails} {looks}"
    );
    let (fails, passes, looks) = runs(60, |_| of_events(policy, 1.0));
    assert!(
        fails == 0.0 && passes == 1.0 && looks < 100.0,
        "{passes} {looks}"
    );
}

#[test]
fn intervals_hold_at_all_looks_and_close_in() {
    let mut misses = 0;
    for run in 0..200 {
        let mut rng = Seed(5).child(run).rng();
        let mut watch = watch();
        let policy = Policy {
            absolute_floor: 1.0,
            ..Policy::default()
        };
        let (a, b) = (
            watch.values("value", policy, 1).unwrap(),
            watch.counts("events", Policy::default()).unwrap(),
        );
        let mut missed = false;
        for _ in 0..200 {
            watch.update_values(a, rng.normal(), 2.0 + rng.normal());
            let count = |rng: &mut Rng, rate: f64| {
                let hits = (0..40).filter(|_| rng.uniform() < rate / 40.0).count();
                Count::new(hits as f64, 40.0)
            };
            let (own, other) = (count(&mut rng, 4.0), count(&mut rng, 8.0));
            watch.update_counts(b, own, other);
            for metric in watch.report().metrics {
                let effect = metric.findings[0].effect;
                missed |= !(effect.lower <= 2.0 && 2.0 <= effect.upper);
            }
        }
        misses += u32::from(missed);
        let last = watch.report().metrics;
        let width = |index: usize| {
            last[index].findings[0].effect.upper - last[index].findings[0].effect.lower
        };
        assert!(
            width(0) < 1.2 && width(1) < 1.2,
            "{} {}",
            width(0),
            width(1)
        );
    }
    assert!(
        misses <= 20,
        "{misses} of 200, for two metrics at 0.05 each"
    );
}

#[test]
fn what_is_missing_is_counted_and_proves_nothing() {
    let mut watch = watch();
    let value = watch.values("value", Policy::default(), 0).unwrap();
    let count = watch.counts("count", Policy::default()).unwrap();
    assert_eq!(watch.report().metrics[0].findings, []);
    for (a, b) in [
        (f64::NAN, 1.0),
        (1.0, f64::INFINITY),
        (0.0, 1.0),
        (-1.0, 2.0),
        (0.0, 0.0),
    ] {
        watch.update_values(value, a, b);
        watch.update_counts(count, Count::new(a, 1.0), Count::new(b, f64::NAN));
    }
    let report = watch.report();
    assert_eq!(
        (report.metrics[0].missing, report.metrics[1].missing),
        (5, 5)
    );
    assert_eq!(report.answer, Answer::Inconclusive);
    for _ in 0..50 {
        watch.update_counts(count, Count::new(0.0, 1.0), Count::new(0.0, 1.0));
        watch.update_values(value, 3.0, 3.0);
    }
    let report = watch.report();
    assert_eq!(
        report.metrics[0].answer,
        Answer::Pass,
        "equal is within five percent: {report}"
    );
    assert_eq!(report.metrics[1].answer, Answer::Inconclusive);
    assert!(!watch.is_decided());
    let bad = Policy {
        minimum: 0,
        ..Policy::default()
    };
    assert_eq!(watch.counts("bad", bad).unwrap_err().metric, "bad");
}
