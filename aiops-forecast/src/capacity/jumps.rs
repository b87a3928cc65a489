//! Sudden changes: drops of a saw-tooth, resized volumes, restarts.

use aiops_core::numerics::{MAD_TO_SIGMA, median, median_and_mad, quantile_sorted};

use super::Past;

/// A jump is larger than this many robust standard deviations of the differences ...
const SIGMAS: f64 = 8.0;
/// ... and than this share of the range of the values.
const SHARE_OF_RANGE: f64 = 0.2;
/// Values on each side that must have moved by half of the jump, else it was a spike.
const WITNESSES: usize = 5;
/// More jumps than this both up and down are a series that switches between states, not one that
/// was resized.
const MAX_BOTH_WAYS: usize = 2;

/// A change from `at - 1` to `at`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jump {
    pub(super) at: usize,
    pub(super) size: f64,
}

/// The jumps that last, in order of time.
pub(super) fn find(values: &[f64]) -> Vec<Jump> {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (_, mad) = median_and_mad(&mut steps.clone());
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let range = quantile_sorted(&sorted, 0.98) - quantile_sorted(&sorted, 0.02);
    let least = (SIGMAS * MAD_TO_SIGMA * mad).max(SHARE_OF_RANGE * range);
    let mut jumps: Vec<Jump> = Vec::new();
    for (before, &size) in steps.iter().enumerate() {
        if size.abs() <= least || !lasts(values, before + 1, size) {
            continue;
        }
        let at = before + 1;
        match jumps.last_mut() {
            // A drop over two samples is one drop.
            Some(last) if last.at + 1 == at && last.size * size > 0.0 => {
                *last = Jump {
                    at,
                    size: last.size + size,
                };
            }
            _ => jumps.push(Jump { at, size }),
        }
    }
    jumps
}

fn lasts(values: &[f64], at: usize, size: f64) -> bool {
    let from = at.saturating_sub(WITNESSES);
    let to = (at + WITNESSES).min(values.len());
    let moved = median(&mut values[at..to].to_vec()) - median(&mut values[from..at].to_vec());
    moved * size.signum() > 0.5 * size.abs()
}

/// The past with every jump taken out, so that it ends where it ended, and their number. Where the
/// part since the last jump is long enough, it alone.
pub(super) fn without_shifts(past: &Past, jumps: &[Jump]) -> (Past, usize) {
    let up = jumps.iter().filter(|jump| jump.size > 0.0).count();
    let both_ways = up.min(jumps.len() - up);
    let Some(last) = jumps.last().filter(|_| both_ways <= MAX_BOTH_WAYS) else {
        return (past.clone(), 0);
    };
    let mut level = past.clone();
    let since = past.values.len() - last.at;
    if since >= 60 || 2 * since >= past.values.len() {
        level.values.drain(..last.at);
        level.times.drain(..last.at);
        return (level, jumps.len());
    }
    for jump in jumps {
        for value in &mut level.values[..jump.at] {
            *value += jump.size;
        }
    }
    (level, jumps.len())
}
