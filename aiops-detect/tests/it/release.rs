use aiops_core::{Rng, Seed};
use aiops_detect::monitor::Direction;
use aiops_detect::release::{
    Answer, Aspect, Correction, Count, Data, Doubt, Metric, Policy, Ratio, Release, ReleaseConfig,
    Report, hodges_lehmann, mann_whitney,
};

use crate::support::degenerate;

#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64) {
    let near = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
    assert!(near, "{got}, expected {expected}");
}

fn release() -> Release {
    Release::try_from(ReleaseConfig::default()).unwrap()
}

fn one(policy: Policy, data: Data<'_>) -> Report {
    release()
        .compare(&[Metric::new("metric", policy, data)])
        .unwrap()
}

fn values(policy: Policy, baseline: &[f64], candidate: &[f64]) -> Report {
    one(
        policy,
        Data::Values {
            baseline,
            candidate,
        },
    )
}

fn shares(policy: Policy, baseline: &[Ratio], candidate: &[Ratio]) -> Report {
    one(
        policy,
        Data::Ratios {
            baseline,
            candidate,
        },
    )
}

fn rates(policy: Policy, baseline: &[Count], candidate: &[Count]) -> Report {
    one(
        policy,
        Data::Counts {
            baseline,
            candidate,
        },
    )
}

/// An autoregression of order 1 around 100 with standard deviation 10.
fn waves(rng: &mut Rng, count: usize, correlation: f64) -> Vec<f64> {
    let mut state = rng.normal();
    (0..count)
        .map(|_| {
            state = correlation * state + (1.0 - correlation * correlation).sqrt() * rng.normal();
            100.0 + 10.0 * state
        })
        .collect()
}

/// Poisson by counting exponential gaps.
fn poisson(rng: &mut Rng, mean: f64) -> f64 {
    let (mut time, mut events) = (0.0, -1.0);
    while time < mean {
        time -= (1.0 - rng.uniform()).ln();
        events += 1.0;
    }
    events
}

/// `scipy.stats.mannwhitneyu` and all pairs with `NumPy`, `SciPy` 1.17.
#[test]
fn rank_tests_of_the_reference() {
    let x = [1.5, 6.0, 5.0, 2.5, 2.5, 2.0, 2.0, 3.5, 3.0, 3.0, 54.5];
    let y = [2.5, 2.5, 2.0, 2.5, 7.5, 9.0, 3.5, 11.5, 3.0];
    let test = mann_whitney(&x, &y);
    close(test.u, 57.5, 1e-12);
    close(test.p, 0.564_535_094_276_456_7, 1e-12);
    close(hodges_lehmann(&x, &y), 0.5, 1e-12);
    let same = mann_whitney(&[3.0; 5], &[3.0; 5]);
    assert_eq!((same.z, same.p), (0.0, 1.0));
    assert!(hodges_lehmann(&[], &[1.0]).is_nan());
}

#[test]
fn the_shift_is_the_median_of_all_pairs() {
    let mut rng = Seed(4).rng();
    for (m, n) in [(1, 1), (2, 3), (7, 4), (30, 41)] {
        let x: Vec<f64> = (0..m).map(|_| (rng.normal() * 3.0).round()).collect();
        let y: Vec<f64> = (0..n).map(|_| rng.normal() * 1e3).collect();
        let mut pairs: Vec<f64> = x
            .iter()
            .flat_map(|x| y.iter().map(move |y| y - x))
            .collect();
        let expected = aiops_core::numerics::median(&mut pairs);
        assert_eq!(hodges_lehmann(&x, &y), expected);
    }
}

/// Newcombe 1998, table II, method 6 for (a): 56 of 70 against 48 of 80; the zeros of (e) and (g).
#[test]
fn score_intervals_of_the_literature() {
    let mut policy = Policy {
        minimum: 2,
        ..Policy::default()
    };
    policy.direction = Direction::Both;
    let cases = [
        ((56.0, 70.0), (48.0, 80.0), (0.0528, 0.3382)),
        ((5.0, 56.0), (0.0, 29.0), (-0.0326, 0.1933)),
        ((0.0, 10.0), (0.0, 20.0), (-0.1658, 0.2844)),
    ];
    for ((hits, trials), (base_hits, base_trials), (lower, upper)) in cases {
        let candidate = [Ratio::new(hits, trials)];
        let report = shares(policy, &[Ratio::new(base_hits, base_trials)], &candidate);
        let effect = report.metrics[0].findings[0].effect;
        close(effect.lower, lower, 6e-5);
        close(effect.upper, upper, 6e-5);
    }
}

/// Exact interval of a ratio of rates: 20 events against 10 of equal exposure, by the beta quantiles of
/// `SciPy` 1.17.
#[test]
fn exact_intervals_of_rates() {
    let report = rates(
        Policy {
            minimum: 2,
            ..Policy::default()
        },
        &[Count::new(5.0, 50.0), Count::new(5.0, 50.0)],
        &[Count::new(10.0, 50.0), Count::new(10.0, 50.0)],
    );
    let effect = report.metrics[0].findings[0].effect;
    close(effect.estimate, 2.0, 1e-12);
    close(effect.lower, 0.893_508_890_384_690_8, 1e-9);
    close(effect.upper, 4.784_552_440_338_102, 1e-9);
}

#[test]
fn corrections_of_the_literature() {
    // Benjamini and Hochberg 1995, section 3.2.
    let p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ];
    let hits = |correction: Correction| {
        let adjusted = correction.adjust(&p);
        adjusted.iter().filter(|&&p| p <= 0.05).count()
    };
    assert_eq!(hits(Correction::BenjaminiHochberg), 4);
    assert_eq!(hits(Correction::Holm), 3);
    assert_eq!(hits(Correction::None), 9);
    let missing = Correction::Holm.adjust(&[f64::NAN, 0.04]);
    assert!(missing[0].is_nan() && missing[1] == 0.04);
}

/// How often unchanged and changed releases get each answer: (fail, pass) of all runs.
fn frequencies(runs: u64, mut judge: impl FnMut(&mut Rng) -> Report) -> (f64, f64) {
    let (mut fails, mut passes) = (0, 0);
    for run in 0..runs {
        match judge(&mut Seed(900).child(run).rng()).answer {
            Answer::Fail => fails += 1,
            Answer::Pass => passes += 1,
            Answer::Inconclusive => {}
        }
    }
    (
        f64::from(fails) / runs as f64,
        f64::from(passes) / runs as f64,
    )
}

#[test]
fn false_alarms_stay_below_alpha_also_where_values_resemble_their_neighbours() {
    // Without a floor, so that the test is at its limit.
    let strict = Policy {
        relative_floor: 0.0,
        spread_floor: Some(0.0),
        tail_floor: Some(0.0),
        direction: Direction::Both,
        ..Policy::default()
    };
    for (count, correlation) in [(60, 0.0), (60, 0.5), (120, 0.8), (400, 0.9)] {
        let (fails, passes) = frequencies(600, |rng| {
            let baseline = waves(rng, count, correlation);
            values(strict, &baseline, &waves(rng, count, correlation))
        });
        assert!(fails < 0.075, "{fails} at correlation {correlation}");
        assert_eq!(passes, 0.0);
    }
}

#[test]
fn changes_are_found_and_what_is_tolerated_passes() {
    let policy = Policy::default(); // 5 of 100 are tolerated
    let shifted = |by: f64, count: usize| {
        frequencies(200, |rng| {
            let baseline = waves(rng, count, 0.3);
            let moved = waves(rng, count, 0.3)
                .iter()
                .map(|v| v + by)
                .collect::<Vec<_>>();
            values(policy, &baseline, &moved)
        })
    };
    let (fails, passes) = shifted(15.0, 200);
    assert!(fails > 0.95 && passes == 0.0, "{fails} {passes}");
    let (fails, passes) = shifted(0.0, 200);
    assert!(fails < 0.02 && passes > 0.85, "{fails} {passes}");
    // On the border both are wrong, each at most alpha of the time.
    let (fails, passes) = shifted(5.0, 200);
    assert!(fails < 0.09 && passes < 0.09, "{fails} {passes}");
    // An improvement is no failure where only increases are watched.
    let (fails, passes) = shifted(-15.0, 200);
    assert!(fails == 0.0 && passes == 1.0, "{fails} {passes}");
}

#[test]
fn counts_that_scatter_more_than_poisson_raise_no_alarm() {
    let strict = Policy {
        relative_floor: 0.0,
        direction: Direction::Both,
        ..Policy::default()
    };
    let side = |rng: &mut Rng, mean: f64, scatter: f64| -> Vec<Count> {
        (0..60)
            .map(|_| {
                let busy = (scatter * rng.normal() - 0.5 * scatter * scatter).exp();
                Count::new(poisson(rng, mean * busy), 1.0)
            })
            .collect()
    };
    for scatter in [0.0, 0.5, 1.0] {
        let (fails, _) = frequencies(500, |rng| {
            let baseline = side(rng, 4.0, scatter);
            rates(strict, &baseline, &side(rng, 4.0, scatter))
        });
        assert!(fails < 0.075, "{fails} at scatter {scatter}");
        let (fails, _) = frequencies(100, |rng| {
            let baseline = side(rng, 4.0, scatter);
            rates(strict, &baseline, &side(rng, 10.0, scatter))
        });
        assert!(fails > 0.9, "{fails} found at scatter {scatter}");
    }
}

#[test]
fn many_metrics_raise_no_more_alarms_than_one() {
    let strict = Policy {
        relative_floor: 0.0,
        direction: Direction::Both,
        ..Policy::default()
    };
    let (fails, _) = frequencies(300, |rng| {
        let sides: Vec<_> = (0..20)
            .map(|_| (waves(rng, 50, 0.2), waves(rng, 50, 0.2)))
            .collect();
        let metrics: Vec<Metric<'_>> = sides
            .iter()
            .map(|(baseline, candidate)| {
                let data = Data::Values {
                    baseline,
                    candidate,
                };
                Metric::new("one of twenty", strict, data)
            })
            .collect();
        release().compare(&metrics).unwrap()
    });
    assert!(fails < 0.09, "{fails}");
}

#[test]
fn spread_and_tail_fail_a_release_whose_median_is_the_same() {
    let policy = Policy {
        spread_floor: Some(0.5),
        tail_floor: Some(1.0),
        ..Policy::default()
    };
    let mut rng = Seed(12).rng();
    let baseline = waves(&mut rng, 2_000, 0.0);
    let slow = |value: &f64| if *value > 110.0 { value + 60.0 } else { *value };
    let tail: Vec<f64> = waves(&mut rng, 2_000, 0.0).iter().map(slow).collect();
    let report = values(policy, &baseline, &tail);
    let of = |report: &Report, aspect: Aspect| {
        let mut findings = report.metrics[0].findings.iter();
        *findings.find(|finding| finding.aspect == aspect).unwrap()
    };
    assert_eq!(of(&report, Aspect::Location).answer, Answer::Pass);
    assert_eq!(of(&report, Aspect::Tail).answer, Answer::Fail);
    assert_eq!(report.answer, Answer::Fail);

    let wide: Vec<f64> = waves(&mut rng, 2_000, 0.0)
        .iter()
        .map(|value| 100.0 + 3.0 * (value - 100.0))
        .collect();
    let spread = of(&values(policy, &baseline, &wide), Aspect::Spread);
    assert_eq!(spread.answer, Answer::Fail);
    close(spread.effect.estimate, 3.0, 0.1);
    assert_eq!(values(policy, &baseline, &baseline).answer, Answer::Pass);
}

#[test]
fn it_says_how_much_more_it_takes_and_that_is_enough() {
    let policy = Policy {
        relative_floor: 0.5,
        ..Policy::default()
    };
    let base = [Ratio::new(20.0, 2_000.0)];
    let plan = |ratios: &[Ratio]| {
        let data = Data::Ratios {
            baseline: ratios,
            candidate: &[],
        };
        release()
            .plan(&Metric::new("errors", policy, data))
            .unwrap()
            .unwrap()
    };
    let wanted = plan(&base);
    assert!((7_000..8_500).contains(&wanted), "{wanted}");
    // With so many on each side it passes about four times out of five.
    let (_, passes) = frequencies(300, |rng| {
        let draw = |rng: &mut Rng| {
            let hits = (0..wanted).filter(|_| rng.uniform() < 0.01).count();
            [Ratio::new(hits as f64, wanted as f64)]
        };
        let baseline = draw(rng);
        shares(policy, &baseline, &draw(rng))
    });
    assert!((0.72..0.88).contains(&passes), "{passes}");
    let few = shares(policy, &base, &[Ratio::new(20.0, 2_000.0)]);
    assert_eq!(few.answer, Answer::Inconclusive);
    assert_eq!(few.metrics[0].more, Some(wanted - 2_000));
    assert!(few.to_string().contains("more needed"), "{few}");
}

#[test]
fn degenerate_data_has_an_answer() {
    let all = degenerate();
    for (name, baseline) in &all {
        for (other, candidate) in &all {
            for direction in [Direction::Up, Direction::Down, Direction::Both] {
                let policy = Policy {
                    direction,
                    spread_floor: Some(0.5),
                    tail_floor: Some(1.0),
                    minimum: 2,
                    ..Policy::default()
                };
                let report = values(policy, baseline, candidate);
                for finding in &report.metrics[0].findings {
                    for p in [finding.p, finding.adjusted_p, finding.p_within] {
                        assert!((0.0..=1.0).contains(&p), "{name}, {other}: {report}");
                    }
                }
            }
        }
    }
    let constant = values(Policy::default(), &[7.0; 30], &[7.0; 30]);
    assert_eq!(constant.answer, Answer::Pass);
    assert_eq!(
        values(Policy::default(), &[7.0; 30], &[8.0; 30]).answer,
        Answer::Fail
    );
    let zero = values(Policy::default(), &[0.0; 30], &[0.0; 30]);
    assert_eq!(zero.metrics[0].doubt, Some(Doubt::NoFloor));
    let none = values(Policy::default(), &[1.0; 30], &[f64::NAN; 30]);
    let doubt = Doubt::TooLittle {
        baseline: 30,
        candidate: 0,
        needed: 20,
    };
    assert_eq!(none.metrics[0].doubt, Some(doubt));
    assert_eq!(none.metrics[0].missing, 30);
    let quiet = [Count::new(0.0, 60.0); 40];
    assert_eq!(
        rates(Policy::default(), &quiet, &quiet).answer,
        Answer::Inconclusive
    );
    assert_eq!(release().compare(&[]).unwrap().answer, Answer::Inconclusive);
}

#[test]
fn what_cannot_be_is_refused() {
    use std::error::Error;

    let checked = |change: fn(&mut ReleaseConfig)| {
        let mut config = ReleaseConfig::default();
        change(&mut config);
        Release::try_from(config).map_err(|error| error.name())
    };
    assert_eq!(checked(|c| c.alpha = 0.0).unwrap_err(), "alpha");
    assert_eq!(checked(|c| c.alpha = 0.5).unwrap_err(), "alpha");
    assert_eq!(checked(|c| c.power = 1.0).unwrap_err(), "power");
    assert!(checked(|c| (c.alpha, c.power) = (0.49, 0.5)).is_ok());

    let policy = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        policy.check().map_err(|error| error.name())
    };
    assert_eq!(policy(|p| p.relative_floor = -0.1), Err("relative_floor"));
    assert_eq!(
        policy(|p| p.absolute_floor = f64::NAN),
        Err("absolute_floor")
    );
    assert_eq!(policy(|p| p.spread_floor = Some(-1.0)), Err("spread_floor"));
    assert_eq!(policy(|p| p.tail_floor = Some(-1.0)), Err("tail_floor"));
    assert_eq!(policy(|p| p.minimum = 1), Err("minimum"));
    assert_eq!(policy(|p| p.tail_from = 0.5), Err("tail_from"));
    assert_eq!(policy(|p| (p.minimum, p.tail_from) = (2, 0.51)), Ok(()));

    let refused = |data: Data<'_>| {
        let metric = Metric::new("errors", Policy::default(), data);
        let error = release().compare(&[metric]).unwrap_err();
        assert_eq!(error.to_string(), "metric `errors`");
        error.source().unwrap().to_string()
    };
    let more = [Ratio::new(3.0, 2.0)];
    let said = refused(Data::Ratios {
        baseline: &[],
        candidate: &more,
    });
    assert_eq!(said, "interval 0 has 3 of 2, which cannot be");
    refused(Data::Counts {
        baseline: &[Count::new(-1.0, 2.0)],
        candidate: &[],
    });
    refused(Data::Values {
        baseline: &[f64::INFINITY],
        candidate: &[],
    });
}
