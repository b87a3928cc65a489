//! Times two ways to do the same, alternating, and prints the ratio.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often each side runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// Once.
    One,
    /// Until two seconds or thirty rounds have passed, at least three.
    Full,
}

/// Runs `ours` and `peer` in turn and prints the median of each and peer / ours.
pub(crate) fn alternate<A, B>(
    rounds: Rounds,
    name: &str,
    peer_name: &str,
    mut ours: impl FnMut() -> A,
    mut peer: impl FnMut() -> B,
) {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    let started = Instant::now();
    loop {
        mine.push(time(&mut ours));
        theirs.push(time(&mut peer));
        let enough = match rounds {
            Rounds::One => true,
            Rounds::Full => {
                mine.len() >= 3 && (mine.len() >= 30 || started.elapsed() > Duration::from_secs(2))
            }
        };
        if enough {
            break;
        }
    }
    let (mine, theirs) = (median(mine), median(theirs));
    println!(
        "{name:44} {:>12.1?}   {peer_name} {:>12.1?}   {:.2} times as fast",
        mine,
        theirs,
        theirs.as_secs_f64() / mine.as_secs_f64().max(1e-12),
    );
}

fn time<T>(work: &mut impl FnMut() -> T) -> Duration {
    let started = Instant::now();
    black_box(work());
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
