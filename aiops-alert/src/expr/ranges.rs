//! Functions of the samples of a range.

use aiops_core::numerics::{ExactSum, Welford};
use aiops_core::{Sample, Timestamp};

use super::aggregate::quantile;

fn values(samples: &[Sample]) -> impl Iterator<Item = f64> + '_ {
    samples.iter().map(|sample| sample.value)
}

fn secs(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_nanos() - from.as_nanos()) as f64 / 1e9
}

/// How a counter or a gauge is extrapolated to the whole range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    Rate,
    Increase,
    Delta,
}

/// Prometheus's extrapolation: to the ends of the range, if samples are not far from them.
pub(super) fn growth(
    kind: Growth,
    samples: &[Sample],
    (start, end): (Timestamp, Timestamp),
) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    if samples.len() < 2 {
        return None;
    }
    let counter = kind != Growth::Delta;
    let mut change = last.value - first.value;
    if counter {
        let resets = samples
            .windows(2)
            .filter(|pair| pair[1].value < pair[0].value);
        change += resets.map(|pair| pair[0].value).sum::<f64>();
    }
    let covered = secs(first.time, last.time);
    let between = covered / (samples.len() - 1) as f64;
    let threshold = between * 1.1;
    let near = |gap: f64| if gap >= threshold { between / 2.0 } else { gap };
    let mut to_start = near(secs(start, first.time));
    if counter && change > 0.0 && first.value >= 0.0 {
        // A counter was not below zero.
        to_start = to_start.min(covered * first.value / change);
    }
    let whole = covered + to_start + near(secs(last.time, end));
    let grown = change * whole / covered;
    Some(if kind == Growth::Rate {
        grown / secs(start, end)
    } else {
        grown
    })
}

/// By the last two samples: the change, or the change in a second.
pub(super) fn last_two(per_second: bool, samples: &[Sample]) -> Option<f64> {
    let [.., before, last] = samples else {
        return None;
    };
    let reset = per_second && last.value < before.value;
    let change = if reset {
        last.value
    } else {
        last.value - before.value
    };
    if per_second {
        Some(change / secs(before.time, last.time))
    } else {
        Some(change)
    }
}

/// Slope a second and value at `at` of the line of least squares.
pub(super) fn line(samples: &[Sample], at: Timestamp) -> Option<(f64, f64)> {
    if samples.len() < 2 {
        return None;
    }
    let (mut x, mut y, mut xy, mut xx) = <(ExactSum, ExactSum, ExactSum, ExactSum)>::default();
    for sample in samples {
        let time = secs(at, sample.time);
        x.add(time);
        y.add(sample.value);
        xy.add(time * sample.value);
        xx.add(time * time);
    }
    let count = samples.len() as f64;
    let covariance = xy.total() - x.total() * y.total() / count;
    let variance = xx.total() - x.total() * x.total() / count;
    let slope = covariance / variance;
    Some((slope, y.total() / count - slope * x.total() / count))
}

pub(super) fn changes(samples: &[Sample]) -> f64 {
    let changes = samples.windows(2).filter(|pair| {
        let (a, b) = (pair[0].value, pair[1].value);
        a != b && !(a.is_nan() && b.is_nan())
    });
    changes.count() as f64
}

pub(super) fn resets(samples: &[Sample]) -> f64 {
    let resets = samples
        .windows(2)
        .filter(|pair| pair[1].value < pair[0].value);
    resets.count() as f64
}

/// Summaries of all values of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Summary {
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Stddev,
    Stdvar,
    Present,
}

pub(super) fn summary(kind: Summary, samples: &[Sample]) -> f64 {
    let sum = || values(samples).collect::<ExactSum>().total();
    let spread = || {
        let mut spread = Welford::default();
        values(samples).for_each(|value| spread.add(value));
        spread.variance()
    };
    match kind {
        Summary::Avg => sum() / samples.len() as f64,
        Summary::Min => values(samples).fold(f64::NAN, f64::min),
        Summary::Max => values(samples).fold(f64::NAN, f64::max),
        Summary::Sum => sum(),
        Summary::Count => samples.len() as f64,
        Summary::Last => samples.last().map_or(f64::NAN, |sample| sample.value),
        Summary::Stddev => spread().sqrt(),
        Summary::Stdvar => spread(),
        Summary::Present => 1.0,
    }
}

pub(super) fn quantile_over_time(level: f64, samples: &[Sample]) -> f64 {
    quantile(level, values(samples).collect())
}
