use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::prepare::{Aggregate, Arrival, WindowResult, Windows, WindowsConfig};
use aiops_core::{Labels, Timestamp};
use proptest::prelude::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs).unwrap()
}

fn config(width: u64, slide: u64, lateness: u64) -> WindowsConfig {
    let mut config = WindowsConfig::default();
    config.width = Duration::from_secs(width);
    config.slide = Duration::from_secs(slide);
    config.lateness = Duration::from_secs(lateness);
    config.group_by = vec!["g".to_owned()];
    config
}

fn windows(config: WindowsConfig) -> Windows {
    Windows::try_from(config).unwrap()
}

fn labels(group: u8, series: u8) -> Labels {
    Labels::of([("g", group.to_string()), ("s", series.to_string())]).unwrap()
}

/// `group start revision count sum`
fn shown(results: &[WindowResult]) -> Vec<String> {
    let shown = |r: &WindowResult| {
        let group = r.group.get("g").unwrap_or("-");
        let (start, a) = (r.range.start.as_secs(), &r.aggregate);
        format!("{group} {start} {} {} {}", r.revision, a.count(), a.sum())
    };
    results.iter().map(shown).collect()
}

#[test]
fn results_come_when_the_watermark_passes_and_late_samples_correct_them() {
    let mut windows = windows(config(10, 10, 20));
    assert_eq!(windows.add(&labels(1, 1), at(3), 1.0), Arrival::Counted);
    assert_eq!(windows.add(&labels(1, 2), at(9), 2.0), Arrival::Counted);
    assert_eq!(windows.add(&labels(2, 1), at(10), 4.0), Arrival::Counted);
    assert!(windows.advance(at(9)).is_empty());
    assert_eq!(shown(&windows.advance(at(10))), ["1 0 0 2 3"]);
    assert!(windows.advance(at(10)).is_empty());
    assert_eq!(windows.add(&labels(1, 1), at(0), 0.5), Arrival::Counted);
    assert_eq!(
        shown(&windows.advance(at(25))),
        ["1 0 1 3 3.5", "2 10 0 1 4"]
    );
    assert_eq!(windows.add(&labels(1, 1), at(9), 0.25), Arrival::Counted);
    // The last correction comes with the watermark that closes the window for good.
    assert_eq!(shown(&windows.advance(at(30))), ["1 0 2 4 3.75"]);
    assert_eq!(windows.add(&labels(1, 1), at(9), 9.0), Arrival::Late);
    assert!(windows.advance(at(5)).is_empty()); // does not go back
    assert_eq!(windows.add(&labels(1, 1), at(9), 9.0), Arrival::Late);
    assert_eq!(
        windows.add(&labels(1, 1), at(99), f64::NAN),
        Arrival::NoValue
    );
    windows.advance(at(1_000));
    assert!(windows.size_bytes() < 2_000, "{}", windows.size_bytes());
}

#[test]
fn windows_that_overlap() {
    let mut windows = windows(config(20, 10, 0));
    windows.add(&labels(1, 1), at(-5), 1.0);
    windows.add(&labels(1, 1), at(15), 2.0);
    assert_eq!(
        shown(&windows.advance(at(20))),
        ["1 -20 0 1 1", "1 -10 0 1 1", "1 0 0 1 2"]
    );
    assert_eq!(windows.add(&labels(1, 1), at(15), 4.0), Arrival::PartlyLate);
    assert_eq!(shown(&windows.advance(at(40))), ["1 10 0 2 6"]);
}

#[test]
fn groups_are_limited_and_may_lack_the_label() {
    let mut config = config(10, 10, 0);
    config.max_groups = 1;
    let mut windows = windows(config);
    let bare = Labels::of([("s", "1")]).unwrap();
    assert_eq!(windows.add(&bare, at(1), 1.0), Arrival::Counted);
    assert_eq!(
        windows.add(&labels(1, 1), at(1), 1.0),
        Arrival::OverGroupLimit
    );
    assert_eq!(windows.add(&labels(1, 1), at(11), 1.0), Arrival::Counted);
    assert_eq!(shown(&windows.advance(at(20))), ["- 0 0 1 1", "1 10 0 1 1"]);
}

#[test]
fn a_clock_in_the_future_opens_a_limited_number_of_windows() {
    let mut config = config(10, 10, 0);
    config.max_open = 2;
    let mut windows = windows(config);
    let series = labels(1, 1);
    let arrivals = [5, 1_000, 2_000, 7].map(|time| windows.add(&series, at(time), 1.0));
    let (counted, refused) = (Arrival::Counted, Arrival::OverWindowLimit);
    assert_eq!(arrivals, [counted, counted, refused, counted]);
    assert_eq!(shown(&windows.advance(at(10))), ["1 0 0 2 2"]);
    assert_eq!(windows.add(&series, at(2_000), 1.0), Arrival::Counted);
}

#[test]
fn the_ends_of_time() {
    let mut windows = windows(config(10, 5, 10));
    for time in [Timestamp::MIN, Timestamp::MAX] {
        windows.add(&labels(1, 1), time, 1.0);
    }
    windows.advance(Timestamp::MAX);
}

#[test]
fn parameters_are_checked() {
    let check = |set: &dyn Fn(&mut WindowsConfig)| {
        let mut config = WindowsConfig::default();
        set(&mut config);
        Windows::try_from(config)
            .map(|_| ())
            .map_err(|error| error.name())
    };
    assert_eq!(check(&|c| c.slide = Duration::ZERO), Err("slide"));
    assert_eq!(check(&|c| c.width = Duration::ZERO), Err("width"));
    assert_eq!(check(&|c| c.width = Duration::from_secs(90)), Err("width"));
    assert_eq!(check(&|c| c.width = c.slide * 1_000), Ok(()));
    assert_eq!(
        check(&|c| (c.width, c.max_open) = (c.slide * 9, 8)),
        Err("max_open")
    );
    assert_eq!(check(&|c| c.width = c.slide * 1_001), Err("width"));
    assert_eq!(check(&|c| c.max_groups = 0), Err("max_groups"));
    assert_eq!(check(&|c| c.max_points = 0), Err("max_points"));
    assert_eq!(check(&|c| c.relative_error = 0.6), Err("relative_error"));
}

/// `start revision growth`
fn grown(results: &[WindowResult]) -> Vec<String> {
    let shown =
        |r: &WindowResult| format!("{} {} {}", r.range.start.as_secs(), r.revision, r.growth);
    results.iter().map(shown).collect()
}

#[test]
fn counters_grow_across_resets_gaps_and_late_samples() {
    let mut windows = windows(config(10, 10, 20));
    let (a, b) = (labels(1, 1), labels(1, 2));
    for (series, time, value) in [(&a, 1, 100.0), (&a, 9, 105.0), (&b, 5, 7.0), (&a, 12, 2.0)] {
        assert_eq!(
            windows.add_counter(series, at(time), value),
            Arrival::Counted
        );
    }
    let results = windows.advance(at(20));
    assert_eq!(grown(&results), ["0 0 5", "10 0 2"]); // the first sample says nothing, 2 is a reset
    assert_eq!((results[0].rate(), results[1].rate()), (0.5, 0.2));
    // Between 100 and 105 there was a reset: 1, and then 104.
    windows.add_counter(&a, at(4), 1.0);
    assert_eq!(grown(&windows.advance(at(20))), ["0 1 105"]);
    // The growth up to 12 was 3 up to 11, and a reset behind it.
    windows.add_counter(&a, at(11), 108.0);
    assert_eq!(grown(&windows.advance(at(20))), ["10 1 5"]);
    // Of two at one instant the larger counts; the same again changes no growth.
    windows.add_counter(&b, at(15), 9.0);
    windows.add_counter(&b, at(15), 8.0);
    windows.add_counter(&b, at(15), 10.0);
    assert_eq!(grown(&windows.advance(at(20))), ["10 2 8"]);
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(windows.add_counter(&a, at(25), bad), Arrival::NoValue);
    }
    assert_eq!(windows.add_counter(&a, at(25), 3.0), Arrival::Counted);
    windows.advance(at(50));
    // 30 seconds are as far apart as may be: 25 to 55 counts, 55 to 86 does not.
    windows.add_counter(&a, at(55), 10.0);
    assert_eq!(windows.add_counter(&a, at(9), 10.0), Arrival::Late);
    windows.add_counter(&a, at(86), 99.0);
    assert_eq!(grown(&windows.advance(at(90))), ["50 0 7", "80 0 0"]);
    // Values that are no counters have no growth.
    windows.add(&a, at(95), 1.0);
    assert!(windows.advance(at(100))[0].growth.is_nan());
    windows.advance(at(10_000));
    assert!(windows.size_bytes() < 3_000, "{}", windows.size_bytes());
}

#[test]
fn samples_of_counters_are_limited() {
    let mut config = config(10, 10, 20);
    config.max_points = 2;
    let mut windows = windows(config);
    let arrivals = [1, 2, 3].map(|time| windows.add_counter(&labels(1, 1), at(time), 1.0));
    assert_eq!(
        arrivals,
        [Arrival::Counted, Arrival::Counted, Arrival::OverPointLimit]
    );
    windows.advance(at(200));
    assert_eq!(
        windows.add_counter(&labels(1, 1), at(201), 1.0),
        Arrival::Counted
    );
}

fn aggregate(values: &[f64]) -> Aggregate {
    let mut aggregate = Aggregate::new(0.01).unwrap();
    for value in values {
        aggregate.add(at(0), *value);
    }
    aggregate
}

#[test]
fn sums_are_exact() {
    assert_eq!(aggregate(&[1e100, 1.0, -1e100]).sum(), 1.0);
    assert_eq!(aggregate(&[0.1; 10]).sum(), 1.0);
    // Half way between two floats, decided by what is far below.
    assert_eq!(
        aggregate(&[9_007_199_254_740_992.0, 1.0, 1e-20]).sum(),
        9_007_199_254_740_994.0
    );
    let shifted = [1e9, 1e9 + 1.0, 1e9 + 2.0];
    assert_eq!(aggregate(&shifted).variance(), 2.0 / 3.0);
    assert_eq!(aggregate(&[0.1; 7]).variance(), 0.0);
    assert!(aggregate(&[f64::MAX, f64::MAX]).sum().is_nan());
    let none = aggregate(&[]);
    assert!(none.mean().is_nan() && none.variance().is_nan() && none.last().is_nan());
    assert!(none.min().is_nan() && none.max().is_nan() && none.quantile(0.5).is_nan());
    assert_eq!((none.count(), none.sum()), (0, 0.0));
}

/// Everything of a result, as bits.
fn bits(aggregate: &Aggregate) -> Vec<u64> {
    let numbers = [
        aggregate.sum(),
        aggregate.mean(),
        aggregate.variance(),
        aggregate.min(),
        aggregate.max(),
        aggregate.last(),
        aggregate.quantile(0.5),
        aggregate.quantile(0.99),
    ];
    let bits = numbers.map(f64::to_bits);
    std::iter::once(aggregate.count()).chain(bits).collect()
}

proptest! {
    /// In any order, with the watermark anywhere on the way, the last revision of each window is
    /// what all its samples together give, bit for bit.
    #[test]
    fn streaming_equals_batch(
        samples in prop::collection::vec((0_i64..100, 0_u8..3, -1e3..1e3_f64, 0_i64..100), 0..60),
        overlap in 1_u64..4,
    ) {
        let mut windows = windows(config(10 * overlap, 10, 1_000));
        let mut last = BTreeMap::new();
        let mut keep = |results: Vec<WindowResult>| {
            for result in results {
                last.insert((result.range.start, result.group.clone()), result);
            }
        };
        for (time, group, value, watermark) in &samples {
            prop_assert_eq!(windows.add(&labels(*group, 0), at(*time), *value), Arrival::Counted);
            keep(windows.advance(at(*watermark)));
        }
        keep(windows.advance(at(200)));
        let mut expected = BTreeMap::new();
        let mut sorted = samples.clone();
        sorted.sort_by(|a, b| (a.0, a.2).partial_cmp(&(b.0, b.2)).unwrap());
        for (time, group, value, _) in &sorted {
            for back in 0..overlap as i64 {
                let start = at((time / 10 - back) * 10);
                let group = labels(*group, 0).only(&["g"]);
                let own = expected.entry((start, group)).or_insert_with(|| Aggregate::new(0.01).unwrap());
                own.add(at(*time), *value);
            }
        }
        prop_assert_eq!(last.len(), expected.len());
        for (key, result) in &last {
            prop_assert_eq!(bits(&result.aggregate), bits(&expected[key]));
        }
    }

    /// The same for the growth of counters, of several series in a group, with resets, equal
    /// times, and a watermark that closes nothing.
    #[test]
    fn growth_while_streaming_equals_that_of_the_whole(
        samples in prop::collection::vec((0_i64..60, 0_u8..3, 0.0..50.0_f64, 0_i64..60), 0..50),
        overlap in 1_u64..4,
    ) {
        let mut windows = windows(config(10 * overlap, 10, 1_000));
        let mut last = BTreeMap::new();
        let mut series = BTreeMap::<_, BTreeMap<i64, f64>>::new();
        for (time, own, value, watermark) in &samples {
            prop_assert_eq!(windows.add_counter(&labels(0, *own), at(*time), *value), Arrival::Counted);
            for result in windows.advance(at(*watermark)) {
                last.insert(result.range.start, result.growth);
            }
            let known = series.entry(own).or_default().entry(*time).or_insert(*value);
            *known = known.max(*value);
        }
        for result in windows.advance(at(200)) {
            last.insert(result.range.start, result.growth);
        }
        let mut expected = BTreeMap::new();
        for samples in series.values() {
            let mut before = None;
            for (time, value) in samples {
                let growth = before.map(|old| if *value >= old { value - old } else { *value });
                before = Some(*value);
                for back in 0..overlap as i64 {
                    let start = at((time / 10 - back) * 10);
                    let sum = expected.entry(start).or_insert_with(|| Aggregate::new(0.01).unwrap());
                    sum.add(at(*time), growth.unwrap_or(0.0));
                }
            }
        }
        prop_assert_eq!(last.len(), expected.len());
        for (start, growth) in &last {
            prop_assert_eq!(growth.to_bits(), expected[start].sum().to_bits(), "{}", start);
        }
    }

    #[test]
    fn variance_is_that_of_the_definition(values in prop::collection::vec(-1e6..1e6_f64, 1..50)) {
        let found = aggregate(&values).variance();
        let mean = aggregate(&values).mean();
        let wanted = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        prop_assert!((found - wanted).abs() <= 1e-9 * wanted.max(1e-9), "{} {}", found, wanted);
    }
}
