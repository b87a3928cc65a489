//! What every queue does, and what the durable one does beyond that.

#[cfg(feature = "durable")]
mod disk;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use aiops_core::queue::{MemoryQueue, MemoryQueueConfig, Queue, Retention};
use aiops_core::{StorageError, Timestamp};
use proptest::prelude::*;

/// A queue that can be opened again, as after a restart.
pub(crate) trait Reopen {
    fn queue(&self) -> &dyn Queue;
    fn reopen(&mut self);
}

struct InMemory(MemoryQueue);

impl Reopen for InMemory {
    fn queue(&self) -> &dyn Queue {
        &self.0
    }

    /// There is nothing to come back to, so it just goes on.
    fn reopen(&mut self) {}
}

fn memory(limit_bytes: u64) -> Box<dyn Reopen> {
    let mut config = MemoryQueueConfig::default();
    config.limit_bytes = limit_bytes;
    Box::new(InMemory(MemoryQueue::new(config)))
}

/// Runs `check` with every kind of queue that holds at most so many bytes.
fn each(limit_bytes: u64, check: impl Fn(&mut dyn Reopen)) {
    check(memory(limit_bytes).as_mut());
    #[cfg(feature = "durable")]
    check(disk::queue(limit_bytes).as_mut());
}

pub(crate) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// The records from `from` on.
#[track_caller]
pub(crate) fn read(queue: &dyn Queue, from: u64) -> Vec<(u64, Timestamp, Vec<u8>)> {
    let mut found = Vec::new();
    let end = queue
        .read(from, &mut |offset, at, record| {
            found.push((offset, at, record.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(end, found.last().map_or(from, |(offset, _, _)| offset + 1));
    found
}

#[test]
fn records_come_back_in_order_with_their_times() {
    each(1 << 20, |queue| {
        let records: [&[u8]; 4] = [b"one", b"", b"three", &[0xff; 5_000]];
        for (index, record) in records.into_iter().enumerate() {
            let at = time(-5 + index as i64);
            assert_eq!(queue.queue().append(at, record).unwrap(), index as u64);
        }
        assert_eq!(queue.queue().sync().unwrap(), 4);
        queue.reopen();
        let found = read(queue.queue(), 1);
        assert_eq!(found.len(), 3);
        for (offset, at, record) in found {
            assert_eq!(at, time(-5 + offset as i64));
            assert_eq!(record, records[offset as usize]);
        }
    });
}

#[test]
fn what_a_consumer_has_still_to_read_is_kept() {
    each(1 << 20, |queue| {
        for at in 0..10 {
            queue.queue().append(time(at), &[0; 1_000]).unwrap();
        }
        queue.queue().sync().unwrap();
        queue.queue().commit("slow", 3).unwrap();
        queue.queue().commit("fast", 10).unwrap();
        queue.reopen();
        let from = |at| Retention {
            oldest: Some(time(at)),
            bytes: None,
        };
        assert_eq!(queue.queue().retain(from(2)).unwrap(), 2);
        assert_eq!(queue.queue().retain(from(9)).unwrap(), 1);
        queue.queue().release(10).unwrap();
        assert_eq!(queue.queue().offsets(), 3..10);
        queue.queue().commit("fast", 3).unwrap(); // reads again
        let gone = queue.queue().commit("fast", 2);
        assert!(matches!(
            gone,
            Err(StorageError::NoSuchOffset {
                wanted: 2,
                first: 3,
                end: 10
            })
        ));
        let long = "n".repeat(256);
        let refused = queue.queue().commit(&long, 3);
        assert!(matches!(
            refused,
            Err(StorageError::Full { limit: 255, .. })
        ));
        queue.queue().forget("slow").unwrap();
        queue.queue().forget("nobody").unwrap();
        queue.queue().commit("fast", 10).unwrap();
        queue.reopen();
        queue.queue().release(10).unwrap();
        assert_eq!(queue.queue().offsets(), 10..10);
    });
}

#[test]
fn so_many_bytes_are_kept() {
    each(64 << 20, |queue| {
        for at in 0..40 {
            // Large enough that a durable queue begins files.
            queue.queue().append(time(at), &vec![0; 1 << 20]).unwrap();
            queue.queue().sync().unwrap();
        }
        let kept = Retention {
            oldest: None,
            bytes: Some(20 << 20),
        };
        let released = queue.queue().retain(kept).unwrap();
        assert!((20..=28).contains(&released), "{released} records");
        assert_eq!(queue.queue().retain(kept).unwrap(), 0);
    });
}

#[test]
fn an_instant_leads_to_the_first_record_from_then_on() {
    each(1 << 20, |queue| {
        assert_eq!(queue.queue().offset_at(time(0)).unwrap(), 0);
        for at in [10, 20, 20, 15, 30] {
            queue.queue().append(time(at), b"record").unwrap();
        }
        assert_eq!(queue.queue().offset_at(time(0)).unwrap(), 0, "not synced");
        queue.queue().sync().unwrap();
        queue.reopen();
        for (at, offset) in [(i64::MIN, 0), (10, 0), (11, 1), (20, 1), (21, 4), (31, 5)] {
            assert_eq!(queue.queue().offset_at(time(at)).unwrap(), offset, "{at}");
        }
        queue.queue().release(2).unwrap();
        for (at, offset) in [(0, 2), (20, 2), (21, 4), (i64::MAX, 5)] {
            assert_eq!(queue.queue().offset_at(time(at)).unwrap(), offset, "{at}");
        }
    });
}

#[test]
fn what_is_not_synced_cannot_be_read() {
    each(1 << 20, |queue| {
        let queue = queue.queue();
        queue.append(time(0), b"first").unwrap();
        assert_eq!(queue.offsets(), 0..0);
        assert_eq!(read(queue, 0), []);
        assert_eq!(queue.stats().records, 1);
        queue.sync().unwrap();
        queue.append(time(1), b"second").unwrap();
        assert_eq!(read(queue, 0).len(), 1);
    });
}

#[test]
fn reading_stops_where_it_is_told_to() {
    each(1 << 20, |queue| {
        let queue = queue.queue();
        for value in 0..10 {
            queue.append(time(0), &[value]).unwrap();
        }
        queue.sync().unwrap();
        let mut seen = 0;
        let next = queue.read(2, &mut |_, _, _| {
            seen += 1;
            if seen == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!((next.unwrap(), seen), (5, 3));
    });
}

#[test]
fn offsets_outside_are_refused_with_those_inside() {
    each(1 << 20, |queue| {
        for _ in 0..5 {
            queue.queue().append(time(0), b"x").unwrap();
        }
        queue.queue().sync().unwrap();
        queue.queue().release(2).unwrap();
        queue.reopen();
        let queue = queue.queue();
        for (wanted, refused) in [(1, true), (2, false), (5, false), (6, true)] {
            let found = queue.read(wanted, &mut |_, _, _| ControlFlow::Continue(()));
            match found {
                Err(StorageError::NoSuchOffset {
                    wanted: at,
                    first: 2,
                    end: 5,
                }) => {
                    assert!(refused && at == wanted, "{wanted}");
                }
                found => assert!(!refused && found.unwrap() == 5, "{wanted}"),
            }
        }
    });
}

#[test]
fn a_full_queue_refuses_and_takes_again_what_is_released() {
    each(64 << 10, |queue| {
        let record = [7; 1_000];
        let mut count = 0;
        let error = loop {
            match queue.queue().append(time(0), &record) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
            if count % 7 == 0 {
                queue.queue().sync().unwrap();
            }
        };
        assert!(
            matches!(error, StorageError::Full { limit: 65_536, .. }),
            "{error}"
        );
        assert!(
            (50..=64).contains(&count),
            "{count} records of a thousand bytes"
        );
        assert!(queue.queue().stats().bytes <= 64 << 10);
        queue.queue().sync().unwrap();
        assert_eq!(read(queue.queue(), 0).len(), count);
        queue.queue().release(count as u64).unwrap();
        for _ in 0..40 {
            queue.queue().append(time(0), &record).unwrap();
        }
        queue.queue().sync().unwrap();
        queue.reopen();
        assert_eq!(read(queue.queue(), count as u64).len(), 40);
    });
}

#[test]
fn releasing_everything_keeps_the_count() {
    each(1 << 20, |queue| {
        for round in 0..3_u64 {
            for _ in 0..100 {
                queue.queue().append(time(0), &[1; 4_000]).unwrap();
            }
            assert_eq!(queue.queue().sync().unwrap(), (round + 1) * 100);
            queue.queue().release((round + 1) * 100).unwrap();
            queue.queue().release(round * 100).unwrap(); // back is nowhere
            queue.reopen();
            assert_eq!(
                queue.queue().offsets(),
                (round + 1) * 100..(round + 1) * 100
            );
            assert_eq!(queue.queue().stats().records, 0);
        }
    });
}

#[test]
fn a_visitor_may_use_the_queue() {
    each(1 << 20, |queue| {
        let queue = queue.queue();
        queue.append(time(0), b"x").unwrap();
        queue.sync().unwrap();
        queue
            .read(0, &mut |_, _, _| {
                queue.append(time(1), b"y").unwrap();
                queue.sync().unwrap();
                queue.release(1).unwrap();
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(queue.offsets(), 1..2);
    });
}

#[test]
fn many_threads_get_each_record_in_once() {
    each(16 << 20, |queue| {
        let (queue, acknowledged) = (queue.queue(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    for index in 0..50_u64 {
                        let record = [thread.to_le_bytes(), index.to_le_bytes()].concat();
                        let offset = queue.append(time(0), &record).unwrap();
                        assert!(queue.sync().unwrap() > offset);
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(acknowledged.into_inner(), 400);
        let mut records: Vec<_> = read(queue, 0)
            .into_iter()
            .map(|(_, _, record)| record)
            .collect();
        // Of one thread, in order.
        let of = |thread: u8| records.iter().filter(move |record| record[0] == thread);
        assert!((0..8).all(|thread| of(thread).map(|record| record[8]).eq(0..50)));
        records.sort();
        records.dedup();
        assert_eq!(records.len(), 400);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    Release(f64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_usize..3_000).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => (0.0..1.0).prop_map(Step::Release),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..80)
}

/// What the queue should hold: a list.
fn play(queue: &mut dyn Reopen, steps: &[Step]) {
    let (mut all, mut synced, mut start) = (Vec::new(), 0, 0);
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Append(len) => {
                let record = vec![index as u8; *len];
                let at = time(index as i64);
                let offset = queue.queue().append(at, &record).unwrap();
                assert_eq!(offset, all.len() as u64);
                all.push((offset, at, record));
            }
            Step::Sync => {
                synced = all.len();
                assert_eq!(queue.queue().sync().unwrap(), synced as u64);
            }
            Step::Release(share) => {
                let before = start + ((synced - start) as f64 * share) as usize;
                queue.queue().release(before as u64).unwrap();
                start = before;
            }
            Step::Reopen => {
                // What is not synced may be gone; here all of it is to stay.
                synced = queue.queue().sync().unwrap() as usize;
                queue.reopen();
            }
        }
        assert_eq!(queue.queue().offsets(), start as u64..synced as u64);
    }
    for from in [start, usize::midpoint(start, synced), synced] {
        assert_eq!(read(queue.queue(), from as u64), all[from..synced]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_queue_is_a_list(steps in steps()) {
        each(1 << 20, |queue| play(queue, &steps));
    }
}
