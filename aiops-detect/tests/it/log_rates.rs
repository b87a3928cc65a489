//! Counts of templates by interval.

use aiops_core::Timestamp;
use aiops_core::logs::{TemplateId, TemplateMiner, TemplateMinerConfig};
use aiops_detect::logs::rates::{
    TemplateChange, TemplateFinding, TemplateRates, TemplateRatesConfig, TemplateReport,
};

use crate::support::{noise, shared_data};

fn fresh() -> TemplateRates {
    TemplateRates::try_from(TemplateRatesConfig::default()).unwrap()
}

fn end(rates: &mut TemplateRates, interval: usize) -> TemplateReport {
    let at = Timestamp::from_secs(60 * interval as i64).unwrap();
    rates.end_interval(at, |template| template)
}

/// A Poisson count, repeatable: uniform numbers multiplied (Knuth).
fn poisson(mean: f64, seed: usize) -> u64 {
    let (mut product, mut count) = (1.0, 0);
    loop {
        product *= (noise(seed * 997 + count as usize * 13 + 1) + 0.5).max(1e-12);
        if product < (-mean).exp() {
            return count;
        }
        count += 1;
    }
}

/// Runs `counts(interval)` of template 1 beside a steady template 2; answers what was told.
fn run(intervals: usize, counts: impl Fn(usize) -> u64) -> Vec<(usize, TemplateFinding)> {
    let mut rates = fresh();
    let mut told = Vec::new();
    for interval in 0..intervals {
        rates.observe_many(TemplateId(1), counts(interval));
        rates.observe_many(TemplateId(2), 10 + poisson(5.0, interval + 50_000));
        let report = end(&mut rates, interval);
        told.extend(report.findings.into_iter().map(|found| (interval, found)));
    }
    told
}

#[test]
fn steady_rates_are_not_told() {
    for mean in [0.05, 0.8, 4.0, 40.0] {
        let told = run(3_000, |interval| poisson(mean, interval));
        assert!(told.is_empty(), "mean {mean}: {told:?}");
    }
}

#[test]
fn a_rate_that_scatters_is_given_its_room() {
    // Quiet and busy intervals at random: variance far above Poisson's.
    let told = run(3_000, |interval| {
        poisson(if noise(interval) > 0.2 { 60.0 } else { 5.0 }, interval)
    });
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_burst_is_told_once_and_a_new_rate_for_a_while() {
    let told = run(400, |interval| {
        poisson(if interval == 300 { 60.0 } else { 8.0 }, interval)
    });
    let [(300, found)] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(found.change, TemplateChange::Rate);
    assert!(found.score > 6.0 && found.probability < 1e-6);
    let band = found.band.unwrap();
    assert!((7.0..9.0).contains(&band.center), "{band:?}");
    assert!((20.0..50.0).contains(&band.upper), "{band:?}");

    let told = run(1_000, |interval| {
        poisson(if interval >= 300 { 60.0 } else { 8.0 }, interval)
    });
    let last = told.last().unwrap().0;
    assert_eq!(told[0].0, 300);
    assert!(
        (300..500).contains(&last),
        "the new rate was learned at {last}"
    );
}

#[test]
fn a_drop_is_told() {
    let told = run(320, |interval| {
        poisson(if interval >= 300 { 3.0 } else { 60.0 }, interval)
    });
    assert_eq!((told[0].0, told[0].1.change), (300, TemplateChange::Rate));
}

#[test]
fn a_template_that_stays_away_is_told_and_then_forgotten() {
    let told = run(800, |interval| {
        if interval < 300 {
            poisson(1.0, interval)
        } else {
            0
        }
    });
    let first = told[0];
    assert_eq!(first.1.change, TemplateChange::Missing);
    assert!((310..330).contains(&first.0), "{first:?}");
    assert_eq!(first.1.intervals as usize, first.0 - last_line());
    assert_eq!(told.len(), 60, "told for `forget_after` intervals");
    // Then it is new again.
    let told = run(900, |interval| {
        if (300..850).contains(&interval) {
            0
        } else {
            poisson(1.0, interval)
        }
    });
    let again: Vec<_> = told
        .iter()
        .filter(|(_, f)| f.change == TemplateChange::New)
        .collect();
    assert_eq!(again.len(), 1);
    assert!(again[0].0 >= 850);
}

/// The last interval before 300 with a line.
fn last_line() -> usize {
    (0..300)
        .rev()
        .find(|&interval| poisson(1.0, interval) > 0)
        .unwrap()
}

#[test]
fn rare_templates_may_stay_away_for_long() {
    // One line in 20 intervals: 100 without one are e^-5, not odd enough.
    let told = run(600, |interval| {
        u64::from(interval < 500 && interval.is_multiple_of(20))
    });
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn new_templates_are_told_where_they_are_rare() {
    let mut rates = fresh();
    let mut told = Vec::new();
    for interval in 0..500_usize {
        rates.observe(TemplateId(1));
        if interval == 400 {
            rates.observe_many(TemplateId(99), 3);
        }
        told.extend(end(&mut rates, interval).findings);
    }
    let [found] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (found.change, found.template),
        (TemplateChange::New, TemplateId(99))
    );
    assert_eq!((found.count, found.band), (3, None));

    // Where each interval brings one, none is told.
    let mut rates = fresh();
    for interval in 0..500 {
        rates.observe(TemplateId(1_000 + interval as u64));
        assert!(end(&mut rates, interval).findings.is_empty());
    }
}

#[test]
fn joined_templates_are_neither_new_nor_missing() {
    let mut rates = fresh();
    for interval in 0..200 {
        let late = interval >= 150;
        rates.observe_many(
            TemplateId(if late { 1 } else { 1 + interval as u64 % 3 }),
            30,
        );
        let at = Timestamp::from_secs(interval).unwrap();
        // From interval 150 on, all are one.
        let report = rates.end_interval(at, |id| if late { TemplateId(1) } else { id });
        assert!(report.findings.is_empty(), "{interval}: {report:?}");
    }
    assert_eq!(rates.templates(), 1);
}

#[test]
fn templates_are_bounded_and_losses_counted() {
    let mut config = TemplateRatesConfig::default();
    config.capacity = 16;
    let mut rates = TemplateRates::try_from(config).unwrap();
    rates.observe(TemplateId(5));
    for id in 0..20 {
        rates.observe_many(TemplateId(100 + id), 2);
    }
    let report = end(&mut rates, 0);
    assert_eq!((report.dropped, rates.templates()), (2 * 5, 16));
    for interval in 1..100 {
        rates.observe(TemplateId(5));
        rates.observe(TemplateId(1_000 + interval as u64));
        let report = end(&mut rates, interval);
        assert_eq!((report.dropped, report.forgotten), (0, 1));
        assert!(rates.size_bytes() < 2_000);
    }
    // The one that is always there was never forgotten: its rate is known.
    rates.observe_many(TemplateId(5), 500);
    let report = end(&mut rates, 100);
    assert!(
        report
            .findings
            .iter()
            .any(|found| found.template == TemplateId(5))
    );
}

#[test]
fn what_cannot_be_does_no_harm() {
    let counts: [fn(usize) -> u64; 6] = [
        |_| u64::MAX,
        |i| if i % 2 == 0 { u64::MAX } else { 0 },
        |i| if i == 200 { u64::MAX } else { 1 },
        |_| 0,
        |i| i as u64 * 1_000_003,
        |i| if i < 100 { 1_000_000_000 } else { 0 },
    ];
    for (case, counts) in counts.into_iter().enumerate() {
        for (_, found) in run(400, counts) {
            let fine = found.score.is_finite() && (0.0..=1.0).contains(&found.probability);
            assert!(fine, "{case}: {found:?}");
            if let Some(band) = found.band {
                assert!(
                    band.lower <= band.upper && band.upper.is_finite(),
                    "{case}: {band:?}"
                );
            }
        }
    }
    let mut rates = fresh();
    rates.observe(TemplateId(1));
    rates.skip_interval();
    assert_eq!(
        (end(&mut rates, 0).findings.len(), rates.templates()),
        (0, 0)
    );
}

#[test]
fn parameters_are_checked_on_both_sides() {
    let with = |change: fn(&mut TemplateRatesConfig)| {
        let mut config = TemplateRatesConfig::default();
        change(&mut config);
        TemplateRates::try_from(config).map_err(|error| error.name().to_owned())
    };
    assert_eq!(with(|c| c.memory = 0.9).unwrap_err(), "memory");
    assert_eq!(with(|c| c.warmup = 1).unwrap_err(), "warmup");
    assert_eq!(with(|c| c.threshold = 0.0).unwrap_err(), "threshold");
    assert_eq!(with(|c| c.threshold = 301.0).unwrap_err(), "threshold");
    assert_eq!(
        with(|c| c.new_threshold = f64::NAN).unwrap_err(),
        "new_threshold"
    );
    assert_eq!(
        with(|c| c.absolute_floor = -1.0).unwrap_err(),
        "absolute_floor"
    );
    assert_eq!(
        with(|c| c.relative_floor = f64::INFINITY).unwrap_err(),
        "relative_floor"
    );
    assert_eq!(with(|c| c.capacity = 15).unwrap_err(), "capacity");
    assert_eq!(with(|c| c.forget_after = 0).unwrap_err(), "forget_after");
    assert!(with(|c| (c.memory, c.warmup, c.capacity, c.forget_after) = (1.0, 2, 16, 1)).is_ok());
}

/// Real lines of ten systems, shuffled so that each interval is alike: hardly anything is told. Then one
/// system's most frequent template bursts, and is.
#[test]
fn real_lines_in_usual_numbers_are_quiet_until_one_bursts() {
    let Some(folder) = shared_data("data/logs") else {
        return;
    };
    let (mut told, mut intervals) = (0, 0);
    for system in [
        "Apache",
        "BGL",
        "HDFS",
        "HPC",
        "OpenSSH",
        "Spark",
        "Zookeeper",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{system}_2k.log"))).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default()).unwrap();
        for line in &lines {
            miner.observe(line);
        }
        let mut rates = fresh();
        let most = miner
            .templates()
            .into_iter()
            .max_by_key(|one| one.count())
            .unwrap()
            .id();
        for interval in 0..200_usize {
            for line in 0..100 {
                let at = ((noise(interval * 100 + line) + 0.5) * lines.len() as f64) as usize;
                rates.observe(miner.observe(lines[at]));
            }
            if interval == 199 {
                rates.observe_many(most, 1_000);
            }
            let at = Timestamp::from_secs(interval as i64).unwrap();
            let report = rates.end_interval(at, |id| miner.current(id));
            if interval < 199 {
                told += report.findings.len();
            } else {
                let burst = report
                    .findings
                    .iter()
                    .find(|found| found.template == miner.current(most));
                assert_eq!(burst.unwrap().change, TemplateChange::Rate, "{system}");
            }
            intervals += 1;
        }
    }
    assert!(told <= intervals / 100, "{told} in {intervals} intervals");
}

#[cfg(feature = "serde")]
#[test]
fn goes_on_from_its_stored_form() {
    use crate::streaming::refuses;
    use crate::support::released;
    use aiops_core::stored::{load, save};

    let mut kept = fresh();
    let feed = |rates: &mut TemplateRates, interval: usize| {
        rates.observe_many(TemplateId(1), poisson(3.0, interval));
        rates.observe_many(TemplateId(2), u64::from(interval < 100) * 20);
        end(rates, interval)
    };
    for interval in 0..150 {
        feed(&mut kept, interval);
    }
    let mut loaded: TemplateRates = load(&save(&kept)).unwrap();
    let mut earlier: TemplateRates = released("template-rates-1.json", &kept);
    for interval in 150..300 {
        let report = feed(&mut kept, interval);
        assert_eq!(report, feed(&mut loaded, interval));
        assert_eq!(
            report.findings.len(),
            feed(&mut earlier, interval).findings.len()
        );
    }
    refuses(
        &kept,
        "0000000000000001",
        "0000000000000003 0000000000000001",
    );
    refuses(&kept, r#""news":""#, r#""news":"-"#);
    refuses(&kept, r#""weights":""#, r#""weights":"0.5 "#);
    refuses(&kept, r#""capacity":20000"#, r#""capacity":1"#);
}
