//! Samples at any times to equal steps.

use std::time::Duration;

use crate::ingest::is_stale;
use crate::numerics::ExactSum;
use crate::{DataError, Series, TimeAxis, Timestamp};

/// What stands for the samples of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reduce {
    /// The newest one.
    #[default]
    Last,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum.
    Sum,
}

/// What a step without a sample gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Gaps {
    /// `NaN`: it is missing.
    #[default]
    Missing,
    /// The value of the last step that has one, when that is at most so long ago; for gauges that
    /// are sent on change.
    Hold(Duration),
    /// A straight line between the neighbours, when they are at most so far apart. Looks ahead, so
    /// it is for data at rest.
    Linear(Duration),
}

/// Brings samples to a regular axis: the instant `t` stands for what came after the instant before
/// it, up to and including `t`.
///
/// ```
/// use aiops_core::prepare::{Gaps, Reduce, resample};
/// use aiops_core::{TimeAxis, Timestamp};
/// use std::time::Duration;
///
/// let at = |secs| Timestamp::from_secs(secs).expect("in range");
/// let axis = TimeAxis::regular(at(10), Duration::from_secs(10), 4)?;
/// let times = [at(3), at(9), at(21), at(40)];
/// let series = resample(&times, &[1.0, 3.0, 5.0, 7.0], axis, Reduce::Mean, Gaps::Missing)?;
/// let values = series.view().values().to_vec();
/// assert_eq!((values[0], values[2], values[3]), (2.0, 5.0, 7.0));
/// assert!(values[1].is_nan());
/// # Ok::<(), aiops_core::DataError>(())
/// ```
///
/// Linear time. Nothing is invented outside of gaps.
///
/// | case | outcome |
/// |---|---|
/// | sample before the first step, or after the last instant | left out |
/// | `NaN` | no sample |
/// | [`STALE`](crate::ingest::STALE) | no sample; the series has ended, and [`Gaps::Hold`] does not go over it |
/// | several samples at one instant | all count; for [`Reduce::Last`] the one given last |
/// | no sample at all | all `NaN` |
/// | gap at the start or end | `NaN`, for [`Gaps::Linear`] too |
///
/// # Errors
///
/// [`DataError::Irregular`] when the axis is not regular, [`DataError::Length`] when the columns
/// differ, [`DataError::NotIncreasing`] with the index of the first sample that is before the
/// one before it, [`DataError::Infinite`] with the index of the first infinite value or the step
/// whose sum is.
pub fn resample(
    times: &[Timestamp],
    values: &[f64],
    axis: TimeAxis,
    reduce: Reduce,
    gaps: Gaps,
) -> Result<Series, DataError> {
    let step = axis.view().step().ok_or(DataError::Irregular)?;
    check(times, values)?;
    let mut steps = vec![f64::NAN; axis.len()];
    let mut ended = vec![false; axis.len()];
    let mut next = axis.view().first().map_or(0, |first| {
        times.partition_point(|at| *at <= first.saturating_sub(step))
    });
    for (index, until) in axis.view().iter().enumerate() {
        let end = next + times[next..].partition_point(|at| *at <= until);
        steps[index] = reduced(&values[next..end], reduce);
        ended[index] = values[next..end].last().is_some_and(|last| is_stale(*last));
        next = end;
    }
    match gaps {
        Gaps::Missing => {}
        Gaps::Hold(longest) => hold(&mut steps, &ended, step, longest),
        Gaps::Linear(longest) => interpolate(&mut steps, step, longest),
    }
    Series::new(axis, steps)
}

fn check(times: &[Timestamp], values: &[f64]) -> Result<(), DataError> {
    if times.len() != values.len() {
        return Err(DataError::Length {
            what: "values, one for each time",
            expected: times.len(),
            found: values.len(),
        });
    }
    if let Some(before) = times.windows(2).position(|pair| pair[0] > pair[1]) {
        return Err(DataError::NotIncreasing { index: before + 1 });
    }
    match values.iter().position(|value| value.is_infinite()) {
        Some(index) => Err(DataError::Infinite {
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

fn reduced(values: &[f64], reduce: Reduce) -> f64 {
    let mut present = values.iter().copied().filter(|value| !value.is_nan());
    match reduce {
        Reduce::Last => present.next_back().unwrap_or(f64::NAN),
        Reduce::Min => present.fold(f64::NAN, f64::min),
        Reduce::Max => present.fold(f64::NAN, f64::max),
        Reduce::Mean | Reduce::Sum => {
            let (mut sum, mut count) = (ExactSum::default(), 0_u64);
            for value in present {
                sum.add(value);
                count += 1;
            }
            match (reduce, count) {
                (_, 0) => f64::NAN,
                // Refused later, as any infinite value is.
                _ if !sum.total().is_finite() => f64::INFINITY,
                (Reduce::Sum, _) => sum.total(),
                (_, count) => sum.total() / count as f64,
            }
        }
    }
}

fn hold(steps: &mut [f64], ended: &[bool], step: Duration, longest: Duration) {
    let mut held: Option<(usize, f64)> = None;
    for index in 0..steps.len() {
        if !steps[index].is_nan() {
            held = Some((index, steps[index]));
        } else if let Some((from, value)) = held
            && !ended[index]
            && span(step, index - from) <= longest.as_nanos()
        {
            steps[index] = value;
        }
        if ended[index] {
            held = None;
        }
    }
}

fn interpolate(steps: &mut [f64], step: Duration, longest: Duration) {
    let mut before: Option<usize> = None;
    for index in 0..steps.len() {
        if steps[index].is_nan() {
            continue;
        }
        if let Some(from) = before
            && index - from > 1
            && span(step, index - from) <= longest.as_nanos()
        {
            let (low, high, width) = (steps[from], steps[index], (index - from) as f64);
            for (offset, value) in steps[from + 1..index].iter_mut().enumerate() {
                let share = (offset + 1) as f64 / width;
                *value = low * (1.0 - share) + high * share;
            }
        }
        before = Some(index);
    }
}

fn span(step: Duration, steps: usize) -> u128 {
    step.as_nanos() * steps as u128
}
