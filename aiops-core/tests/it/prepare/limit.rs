use std::time::Duration;

use aiops_core::ingest::Batch;
use aiops_core::prepare::{SeriesLimit, SeriesLimitConfig};
use aiops_core::{Labels, Timestamp};

fn limit(per_source: usize, max_sources: usize) -> SeriesLimit {
    let mut config = SeriesLimitConfig::default();
    (config.per_source, config.max_sources) = (per_source, max_sources);
    config.idle = Duration::from_mins(1);
    SeriesLimit::try_from(config).unwrap()
}

fn batch(series: std::ops::Range<u32>) -> Batch {
    let mut batch = Batch::default();
    for index in series {
        let labels = [("__name__", "m".to_owned()), ("i", index.to_string())];
        batch.start_series(Labels::of(labels).unwrap());
        batch.push(Timestamp::EPOCH, f64::from(index));
        batch.push(Timestamp::EPOCH, f64::NAN);
    }
    batch
}

/// Series kept and samples left out.
fn apply(
    limit: &mut SeriesLimit,
    source: &str,
    secs: i64,
    series: std::ops::Range<u32>,
) -> (usize, u64) {
    let now = Timestamp::from_secs(secs).unwrap();
    let (kept, left_out) = limit.apply(source, now, &batch(series));
    (kept.series_count(), left_out)
}

#[test]
fn known_series_go_on_and_new_ones_are_left_out() {
    let mut limit = limit(3, 2);
    assert_eq!(apply(&mut limit, "a", 0, 0..2), (2, 0));
    assert_eq!(apply(&mut limit, "a", 1, 0..5), (3, 4));
    assert_eq!(apply(&mut limit, "a", 2, 0..5), (3, 4));
    assert_eq!(apply(&mut limit, "b", 2, 0..3), (3, 0));
    assert_eq!(
        limit.sources().collect::<Vec<_>>(),
        [("a", 3, 8), ("b", 3, 0)]
    );
    // The third and the fourth source share one limit.
    assert_eq!(apply(&mut limit, "c", 3, 0..2), (2, 0));
    assert_eq!(apply(&mut limit, "d", 3, 2..4), (1, 2));
}

#[test]
fn idle_series_make_room() {
    let mut limit = limit(2, 1);
    assert_eq!(apply(&mut limit, "a", 0, 0..2), (2, 0));
    assert_eq!(apply(&mut limit, "a", 50, 0..1), (1, 0));
    assert_eq!(apply(&mut limit, "a", 60, 2..3), (0, 2)); // not longer than a minute ago
    assert_eq!(apply(&mut limit, "a", 61, 2..3), (1, 0));
    assert_eq!(apply(&mut limit, "a", 61, 1..2), (0, 2));
    assert_eq!(apply(&mut limit, "a", 0, 2..3), (1, 0)); // a clock that went back
    assert_eq!(apply(&mut limit, "a", 122, 3..5), (2, 0));
}

#[test]
fn memory_is_bounded_whatever_is_invented() {
    let mut limit = limit(100, 10);
    for round in 0..200 {
        let source = format!("source-{round}");
        apply(
            &mut limit,
            &source,
            i64::from(round),
            round * 50..round * 50 + 50,
        );
    }
    assert!(limit.sources().count() <= 11);
    assert!(
        limit.size_bytes() < 11 * (100 * 2 * 40 + 500),
        "{}",
        limit.size_bytes()
    );
}

#[test]
fn parameters_are_checked() {
    let check = |set: &dyn Fn(&mut SeriesLimitConfig)| {
        let mut config = SeriesLimitConfig::default();
        set(&mut config);
        SeriesLimit::try_from(config)
            .map(|_| ())
            .map_err(|error| error.name())
    };
    assert_eq!(check(&|c| c.per_source = 0), Err("per_source"));
    assert_eq!(check(&|c| c.max_sources = 0), Err("max_sources"));
    assert_eq!(check(&|c| c.idle = Duration::ZERO), Err("idle"));
    let least = |c: &mut SeriesLimitConfig| {
        (c.per_source, c.max_sources, c.idle) = (1, 1, Duration::from_nanos(1));
    };
    assert_eq!(check(&least), Ok(()));
}
