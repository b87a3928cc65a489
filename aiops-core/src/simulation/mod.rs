//! Queue and store on a file system that loses, tears and reorders what was not synced, fills up,
//! fails, and flips bits: thousands of schedules, each repeatable from its seed.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod cache;
mod disk;
mod queue;
mod store;

use disk::SimDisk;

/// How a schedule hurts.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// One in so many operations fails; 0 for none.
    errors: usize,
    /// Bytes that fit on the disk; 0 for no bound.
    limit: u64,
}

/// Runs `schedule` for many seeds; says which seed failed.
fn for_seeds(count: u64, schedule: impl Fn(u64)) {
    struct Say(u64);
    impl Drop for Say {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the schedule of seed {} failed", self.0);
            }
        }
    }
    for seed in 0..count {
        let _say = Say(seed);
        schedule(seed);
    }
}
