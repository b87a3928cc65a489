//! What every store does, and what the durable one does beyond that.

#[cfg(feature = "durable")]
mod disk;
mod rollup;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use aiops_core::ingest::{Batch, STALE};
use aiops_core::store::{AppendReport, MemoryStore, MemoryStoreConfig, SeriesStore};
use aiops_core::{Labels, Selector, StorageError, TimeRange, Timestamp};
use proptest::prelude::*;

/// A store that can be opened again, as after a restart.
pub(crate) trait Reopen {
    fn store(&self) -> &dyn SeriesStore;
    fn reopen(&mut self);
}

struct InMemory(MemoryStore);

impl Reopen for InMemory {
    fn store(&self) -> &dyn SeriesStore {
        &self.0
    }

    /// There is nothing to come back to, so it just goes on.
    fn reopen(&mut self) {}
}

/// What the checks vary.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    max_series: Option<usize>,
    late_after: Option<Duration>,
}

fn memory(options: Options) -> Box<dyn Reopen> {
    let mut config = MemoryStoreConfig::default();
    config.max_series = options.max_series.unwrap_or(config.max_series);
    config.late_after = options.late_after;
    Box::new(InMemory(MemoryStore::new(config)))
}

fn each(options: Options, check: impl Fn(&mut dyn Reopen)) {
    check(memory(options).as_mut());
    #[cfg(feature = "durable")]
    {
        // Everything in memory; and a block after every few samples.
        check(disk::store(options, 1 << 20).as_mut());
        check(disk::store(options, 600).as_mut());
    }
}

pub(crate) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

pub(crate) fn range(start: i64, end: i64) -> TimeRange {
    TimeRange::new(time(start), time(end))
}

pub(crate) fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    Labels::of(pairs.map(|pair| pair.split_once('=').unwrap())).unwrap()
}

pub(crate) fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

/// A batch of one series.
pub(crate) fn batch(series: &str, samples: &[(i64, f64)]) -> Batch {
    let mut batch = Batch::default();
    batch.start_series(labels(series));
    for (at, value) in samples {
        batch.push(time(*at), *value);
    }
    batch
}

/// Time and bits of the value of all samples that are found, by series.
#[track_caller]
pub(crate) fn read(
    store: &dyn SeriesStore,
    selector: &Selector,
    range: TimeRange,
) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let found = store.read(selector, range).unwrap();
    let samples = |columns: aiops_core::store::SampleColumns| {
        assert_eq!(columns.times.len(), columns.values.len());
        let times = columns.times.into_iter().map(Timestamp::as_nanos);
        times
            .zip(columns.values.into_iter().map(f64::to_bits))
            .collect()
    };
    found
        .into_iter()
        .map(|(labels, columns)| (labels, samples(columns)))
        .collect()
}

#[track_caller]
fn check_read(store: &dyn SeriesStore, series: &str, range: TimeRange, expected: &[(i64, f64)]) {
    let mut found = read(store, &Selector::all(), range);
    found.retain(|(found, _)| *found == labels(series));
    let expected: Vec<_> = expected
        .iter()
        .map(|(at, value)| (*at, value.to_bits()))
        .collect();
    let found = found.pop().map(|(_, samples)| samples).unwrap_or_default();
    assert_eq!(found, expected, "{series} in {range:?}");
}

fn accepted(count: u64) -> AppendReport {
    AppendReport {
        accepted: count,
        ..AppendReport::default()
    }
}

#[test]
fn samples_come_back_bit_for_bit() {
    let odd = [
        0.0,
        -0.0,
        f64::NAN,
        STALE,
        f64::from_bits(0xfff8_dead_beef_0001),
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE / 2.0,
        f64::MAX,
        0.1,
    ];
    let samples: Vec<_> = (0..)
        .zip(odd)
        .map(|(index, value)| (index * 7 - 30, value))
        .collect();
    each(Options::default(), |store| {
        assert_eq!(
            store.store().append(&batch("a=1", &samples)).unwrap(),
            accepted(10)
        );
        store.store().sync().unwrap();
        store.reopen();
        check_read(store.store(), "a=1", TimeRange::ALL, &samples);
        check_read(store.store(), "a=1", range(-23, -2), &samples[1..4]);
    });
}

#[test]
fn the_first_sample_at_an_instant_stays() {
    each(Options::default(), |store| {
        let store = store.store();
        store
            .append(&batch("a=1", &[(10, 1.0), (20, 2.0), (30, 3.0)]))
            .unwrap();
        let again = batch(
            "a=1",
            &[(30, 9.0), (10, 9.0), (20, 9.0), (40, 4.0), (40, 9.0)],
        );
        let report = store.append(&again).unwrap();
        assert_eq!((report.accepted, report.duplicates), (1, 4));
        let expected = [(10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0)];
        check_read(store, "a=1", TimeRange::ALL, &expected);
        assert_eq!(store.stats().samples, 4);
    });
}

#[test]
fn samples_out_of_order_find_their_place() {
    let mut order: Vec<i64> = (0..700).collect();
    aiops_core::Seed(7).rng().shuffle(&mut order);
    each(Options::default(), |store| {
        for part in order.chunks(90) {
            let samples: Vec<_> = part.iter().map(|at| (*at, *at as f64)).collect();
            let report = store.store().append(&batch("a=1", &samples)).unwrap();
            assert_eq!(report, accepted(samples.len() as u64));
        }
        store.store().sync().unwrap();
        store.reopen();
        let expected: Vec<_> = (0..700).map(|at| (at, at as f64)).collect();
        check_read(store.store(), "a=1", TimeRange::ALL, &expected);
        check_read(store.store(), "a=1", range(199, 201), &expected[199..201]);
    });
}

#[test]
fn the_ends_of_time_are_instants_like_others() {
    each(Options::default(), |store| {
        let samples = [(i64::MIN, 1.0), (0, 2.0), (i64::MAX, 3.0)];
        for _ in 0..2 {
            store.store().append(&batch("a=1", &samples)).unwrap();
            store.store().sync().unwrap();
            store.reopen();
            assert_eq!(store.store().stats().samples, 3);
            // A range is half-open, so that no range has the last instant.
            check_read(store.store(), "a=1", TimeRange::ALL, &samples[..2]);
        }
    });
}

#[test]
fn late_samples_are_counted() {
    let options = Options {
        late_after: Some(Duration::from_nanos(100)),
        ..Options::default()
    };
    each(options, |store| {
        let store = store.store();
        let samples = [
            (1_000, 1.0),
            (900, 2.0),
            (899, 3.0),
            (2_000, 4.0),
            (950, 5.0),
        ];
        let report = store.append(&batch("a=1", &samples)).unwrap();
        assert_eq!((report.accepted, report.late), (3, 2));
        // Every series has its own clock.
        assert_eq!(
            store.append(&batch("a=2", &[(1, 1.0)])).unwrap(),
            accepted(1)
        );
    });
}

#[test]
fn series_over_the_limit_are_counted_and_the_others_go_on() {
    let options = Options {
        max_series: Some(2),
        ..Options::default()
    };
    each(options, |store| {
        let store = store.store();
        for series in ["a=1", "a=2"] {
            assert_eq!(
                store.append(&batch(series, &[(1, 1.0)])).unwrap(),
                accepted(1)
            );
        }
        let report = store.append(&batch("a=3", &[(1, 1.0), (2, 1.0)])).unwrap();
        assert_eq!(report.over_series_limit, 2);
        assert_eq!(
            store.append(&batch("a=2", &[(2, 1.0)])).unwrap(),
            accepted(1)
        );
        assert_eq!(store.stats().series, 2);
        // A series that is gone makes room.
        store
            .delete(&selector(r#"{a="1"}"#), TimeRange::ALL)
            .unwrap();
        assert_eq!(
            store.append(&batch("a=3", &[(1, 1.0)])).unwrap(),
            accepted(1)
        );
        assert_eq!(
            store.series(&Selector::all()),
            [labels("a=2"), labels("a=3")]
        );
    });
}

#[test]
fn selectors_find_what_they_describe() {
    let all = [
        "__name__=cpu,host=a,mode=idle",
        "__name__=cpu,host=a,mode=user",
        "__name__=cpu,host=b,mode=user",
        "__name__=mem,host=a",
        "",
    ];
    each(Options::default(), |store| {
        for series in all {
            store.store().append(&batch(series, &[(1, 1.0)])).unwrap();
        }
        store.store().sync().unwrap();
        store.reopen();
        let check = |text: &str, expected: &[usize]| {
            let found = store.store().series(&selector(text));
            let mut expected: Vec<_> = expected.iter().map(|index| labels(all[*index])).collect();
            expected.sort();
            assert_eq!(found, expected, "{text}");
            let read = read(store.store(), &selector(text), TimeRange::ALL);
            assert!(
                read.iter().map(|(labels, _)| labels).eq(&expected),
                "{text}"
            );
        };
        check("{}", &[0, 1, 2, 3, 4]);
        check("cpu", &[0, 1, 2]);
        check(r#"cpu{host="a"}"#, &[0, 1]);
        check(r#"{host=~"a|b", mode=~"us.*"}"#, &[1, 2]);
        check(r#"{mode=""}"#, &[3, 4]);
        check(r#"{mode!=""}"#, &[0, 1, 2]);
        check(r#"{mode!="idle"}"#, &[1, 2, 3, 4]);
        check(r#"{mode!~"idle|user"}"#, &[3, 4]);
        check(r#"{host="a", mode!="idle"}"#, &[1, 3]);
        check(r#"{host="c"}"#, &[]);
        check(r#"{nothing=~".*"}"#, &[0, 1, 2, 3, 4]);
        check(r#"{nothing=~".+"}"#, &[]);
    });
}

#[test]
fn what_is_deleted_is_gone_and_may_come_again() {
    each(Options::default(), |store| {
        let samples: Vec<_> = (0..400).map(|at| (at, at as f64)).collect();
        for series in ["a=1", "a=2"] {
            store.store().append(&batch(series, &samples)).unwrap();
        }
        let first = selector(r#"{a="1"}"#);
        assert_eq!(store.store().delete(&first, range(100, 250)).unwrap(), 150);
        assert_eq!(store.store().delete(&first, range(100, 250)).unwrap(), 0);
        assert_eq!(store.store().delete(&first, range(5, 5)).unwrap(), 0);
        store.reopen();
        let expected: Vec<_> = [&samples[..100], &samples[250..]].concat();
        check_read(store.store(), "a=1", TimeRange::ALL, &expected);
        check_read(store.store(), "a=2", TimeRange::ALL, &samples);
        assert_eq!(store.store().stats().samples, 650);
        let again = batch("a=1", &[(150, 7.0)]);
        assert_eq!(store.store().append(&again).unwrap(), accepted(1));
        check_read(store.store(), "a=1", range(90, 260), &{
            let mut around = samples[90..100].to_vec();
            around.push((150, 7.0));
            around.extend(&samples[250..260]);
            around
        });
        assert_eq!(
            store
                .store()
                .delete(&Selector::all(), TimeRange::ALL)
                .unwrap(),
            651
        );
        store.reopen();
        assert_eq!(store.store().series(&Selector::all()), []);
        assert_eq!(
            (store.store().stats().series, store.store().stats().samples),
            (0, 0)
        );
    });
}

#[test]
fn the_newest_sample_may_be_deleted_and_come_again() {
    each(Options::default(), |store| {
        let store = store.store();
        store.append(&batch("a=1", &[(1, 1.0), (2, 2.0)])).unwrap();
        assert_eq!(store.delete(&Selector::all(), range(2, 3)).unwrap(), 1);
        let again = batch("a=1", &[(2, 7.0)]);
        assert_eq!(store.append(&again).unwrap(), accepted(1));
        check_read(store, "a=1", TimeRange::ALL, &[(1, 1.0), (2, 7.0)]);
    });
}

#[test]
fn retention_drops_what_is_old_and_keeps_the_rest() {
    each(Options::default(), |store| {
        let samples: Vec<_> = (0..1_000).map(|at| (at, at as f64)).collect();
        store
            .store()
            .append(&batch("old=1", &samples[..300]))
            .unwrap();
        for part in samples.chunks(100) {
            store.store().append(&batch("a=1", part)).unwrap();
        }
        store.store().sync().unwrap();
        let dropped = store.store().retain_from(time(600)).unwrap();
        let stats = store.store().stats();
        assert_eq!(stats.samples + dropped, 1_300);
        assert_eq!(stats.newest, Some(time(999)));
        let found = read(store.store(), &selector(r#"{a="1"}"#), range(600, 2_000));
        assert_eq!(found[0].1.len(), 400);
        let report = store.store().append(&batch("a=1", &[(-5, 1.0)])).unwrap();
        assert_eq!(report.late, 1);
        // Everything is old.
        store.store().sync().unwrap();
        store.store().retain_from(time(5_000)).unwrap();
        assert_eq!(
            read(store.store(), &Selector::all(), range(5_000, 9_000)),
            []
        );
    });
}

#[test]
fn stats_say_what_is_there() {
    each(Options::default(), |store| {
        assert_eq!(store.store().stats().oldest, None);
        store
            .store()
            .append(&batch("a=1", &[(5, 1.0), (9, 1.0)]))
            .unwrap();
        store
            .store()
            .append(&batch("a=2", &[(7, 1.0), (3, 1.0)]))
            .unwrap();
        store.store().append(&batch("a=3", &[])).unwrap();
        store.store().sync().unwrap();
        store.reopen();
        let stats = store.store().stats();
        assert_eq!((stats.series, stats.samples), (2, 4));
        assert_eq!((stats.oldest, stats.newest), (Some(time(3)), Some(time(9))));
        assert!(stats.memory_bytes > 0);
    });
}

#[test]
fn a_visitor_may_stop_and_may_use_the_store() {
    each(Options::default(), |store| {
        let store = store.store();
        for series in ["a=1", "a=2", "a=3"] {
            store.append(&batch(series, &[(1, 1.0)])).unwrap();
        }
        let mut seen = 0;
        store
            .select(&Selector::all(), TimeRange::ALL, &mut |labels, _, _| {
                seen += 1;
                assert_eq!(store.series(&Selector::all()).len(), 3);
                store.append(&batch("a=1", &[(seen, 1.0)])).unwrap();
                if labels.get("a") == Some("2") {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .unwrap();
        assert_eq!(seen, 2);
    });
}

#[test]
fn a_reading_may_be_cancelled_between_series() {
    each(Options::default(), |store| {
        for series in 0..5 {
            let samples: Vec<_> = (0..40).map(|at| (at, at as f64)).collect();
            let batch = batch(&format!("a={series}"), &samples);
            store.store().append(&batch).unwrap();
        }
        let shown = Cell::new(0);
        let select = |enough: usize| {
            shown.set(0);
            let cancelled = || shown.get() >= enough;
            let all = range(i64::MIN, i64::MAX);
            store
                .store()
                .select_unless(&cancelled, &Selector::all(), all, &mut |_, _, _| {
                    shown.set(shown.get() + 1);
                    ControlFlow::Continue(())
                })
        };
        assert!(matches!(select(0), Err(StorageError::Cancelled)));
        assert_eq!(shown.get(), 0);
        assert!(matches!(select(3), Err(StorageError::Cancelled)));
        assert_eq!(shown.get(), 3);
        select(6).unwrap();
        assert_eq!(shown.get(), 5);
    });
}

#[test]
fn a_full_memory_store_refuses() {
    let mut config = MemoryStoreConfig::default();
    config.limit_bytes = Some(1_000);
    let store = MemoryStore::new(config);
    let samples: Vec<_> = (0..300).map(|at| (at, (at as f64).sqrt())).collect();
    store.append(&batch("a=1", &samples)).unwrap();
    let error = store.append(&batch("a=2", &samples)).unwrap_err();
    assert!(matches!(error, StorageError::Full { limit: 1_000, .. }));
}

#[test]
fn many_threads_write_and_read() {
    each(Options::default(), |store| {
        let store = store.store();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for at in 0..200 {
                        // Two threads write the same series.
                        let series = format!("a={}", thread / 2);
                        store.append(&batch(&series, &[(at, 1.0)])).unwrap();
                        if at % 50 == 0 {
                            store.sync().unwrap();
                        }
                    }
                });
                scope.spawn(move || {
                    for _ in 0..50 {
                        for (_, samples) in read(store, &Selector::all(), TimeRange::ALL) {
                            assert!(samples.is_sorted_by(|one, next| one.0 < next.0));
                        }
                    }
                });
            }
        });
        let expected: Vec<_> = (0..200).map(|at| (at, 1.0)).collect();
        check_read(store, "a=0", TimeRange::ALL, &expected);
        check_read(store, "a=1", TimeRange::ALL, &expected);
        assert_eq!(store.stats().samples, 400);
    });
}

/// At most this many bytes for a series, its labels included, with an hour of samples at 15 s of
/// what machines tell: half counters, half gauges.
#[test]
fn an_active_series_costs_little_memory() {
    let store = MemoryStore::new(MemoryStoreConfig::default());
    let mut rng = aiops_core::Seed(1).rng();
    let series: Vec<_> = (0..2_000)
        .map(|index| {
            let text = format!(
                "__name__=node_network_receive_bytes_total,device=eth{},instance=host-{:04}:9100,job=node,zone=b",
                index % 4,
                index / 4
            );
            labels(&text)
        })
        .collect();
    let mut counters = vec![0.0; series.len()];
    for step in 0..60 {
        let mut batch = Batch::default();
        for (index, labels) in series.iter().enumerate() {
            batch.start_series(labels.clone());
            counters[index] += (rng.uniform() * 1_000.0).floor();
            let gauge = (rng.uniform() * 100.0).round() / 10.0;
            let value = if index % 2 == 0 {
                counters[index]
            } else {
                gauge
            };
            batch.push(time(step * 15_000_000_000), value);
        }
        store.append(&batch).unwrap();
    }
    let each = store.stats().memory_bytes / series.len() as u64;
    assert!((400..1_024).contains(&each), "{each} bytes a series");
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, i64, u64)>),
    Sync,
    Maintain,
    Delete(u8, i64, i64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![Just(0), Just(STALE.to_bits()), any::<u64>()];
    let sample = (0..3_u8, prop_oneof![-50_i64..50, any::<i64>()], value);
    let step = prop_oneof![
        6 => prop::collection::vec(sample, 1..60).prop_map(Step::Append),
        1 => Just(Step::Sync),
        2 => Just(Step::Maintain),
        1 => (0..3_u8, -60_i64..60, 0_i64..40).prop_map(|(series, start, len)| Step::Delete(series, start, start + len)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

/// What the store should hold: a map.
fn play(store: &mut dyn Reopen, steps: &[Step]) {
    let mut model: BTreeMap<u8, BTreeMap<i64, u64>> = BTreeMap::new();
    let name = |series: u8| labels(&format!("a={series}"));
    for step in steps {
        match step {
            Step::Append(samples) => {
                let (mut batch, mut new) = (Batch::default(), 0);
                for (series, at, value) in samples {
                    batch.start_series(name(*series));
                    batch.push(time(*at), f64::from_bits(*value));
                    let before = model.entry(*series).or_default();
                    new += u64::from(!before.contains_key(at));
                    before.entry(*at).or_insert(*value);
                }
                let report = store.store().append(&batch).unwrap();
                assert_eq!(report.accepted, new);
                assert_eq!(report.duplicates, samples.len() as u64 - new);
            }
            Step::Maintain => drop(store.store().maintain(time(0)).unwrap()),
            Step::Sync => store.store().sync().unwrap(),
            Step::Delete(series, start, end) => {
                let selector = selector(&format!("{{a=\"{series}\"}}"));
                let deleted = store
                    .store()
                    .delete(&selector, range(*start, *end))
                    .unwrap();
                let samples = model.entry(*series).or_default();
                let before = samples.len();
                samples.retain(|at, _| !(start..end).contains(&at));
                assert_eq!(deleted, (before - samples.len()) as u64);
            }
            Step::Reopen => {
                store.store().sync().unwrap();
                store.reopen();
            }
        }
    }
    model.retain(|_, samples| !samples.is_empty());
    for range in [range(i64::MIN, i64::MAX), range(-20, 15), range(0, 1)] {
        let inside = |at: &i64| (range.start.as_nanos()..range.end.as_nanos()).contains(at);
        let expected: Vec<_> = model
            .iter()
            .map(|(series, samples)| {
                let samples: Vec<_> = samples.iter().map(|(at, value)| (*at, *value)).collect();
                let samples: Vec<_> = samples.into_iter().filter(|(at, _)| inside(at)).collect();
                (name(*series), samples)
            })
            .filter(|(_, samples)| !samples.is_empty())
            .collect();
        assert_eq!(read(store.store(), &Selector::all(), range), expected);
    }
    let samples: usize = model.values().map(BTreeMap::len).sum();
    let stats = store.store().stats();
    assert_eq!(
        (stats.series, stats.samples),
        (model.len() as u64, samples as u64)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_store_is_a_map(steps in steps()) {
        each(Options::default(), |store| play(store, &steps));
    }
}
