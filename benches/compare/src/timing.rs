//! Times two ways to do the same, alternating, and prints the ratio.

use std::hint::black_box;
use std::sync::OnceLock;
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

/// CPU seconds that this thread has used; where the system does not tell, seconds since the first call.
pub(crate) fn cpu_seconds() -> f64 {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    nanos.map_or_else(
        || STARTED.get_or_init(Instant::now).elapsed().as_secs_f64(),
        |nanos| Duration::from_nanos(nanos).as_secs_f64(),
    )
}
