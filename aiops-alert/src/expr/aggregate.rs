//! Aggregations over the series of a vector.

use std::collections::BTreeMap;

use aiops_core::numerics::{ExactSum, Welford, quantile_sorted};
use aiops_core::{Labels, METRIC_NAME};

use super::EvaluationError;
use super::eval::{Value, Vector};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
}

impl Operation {
    pub(super) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "group" => Self::Group,
            "stddev" => Self::Stddev,
            "stdvar" => Self::Stdvar,
            "topk" => Self::Topk,
            "bottomk" => Self::Bottomk,
            "quantile" => Self::Quantile,
            "count_values" => Self::CountValues,
            _ => return None,
        })
    }

    pub(super) fn takes_parameter(self) -> bool {
        matches!(
            self,
            Self::Topk | Self::Bottomk | Self::Quantile | Self::CountValues
        )
    }
}

/// Which labels make a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grouping<'a> {
    pub(super) without: bool,
    pub(super) labels: &'a [String],
}

impl Grouping<'_> {
    fn key(&self, labels: &Labels) -> Labels {
        if self.without {
            labels.without(self.labels).without(&[METRIC_NAME])
        } else {
            labels.only(self.labels)
        }
    }
}

pub(super) fn apply(
    operation: Operation,
    parameter: Option<Value>,
    vector: Vector,
    grouping: Grouping<'_>,
) -> Result<Vector, EvaluationError> {
    let mut groups: BTreeMap<Labels, Vector> = BTreeMap::new();
    for (labels, value) in vector {
        let group = groups.entry(grouping.key(&labels)).or_default();
        group.push((labels, value));
    }
    match operation {
        Operation::Topk | Operation::Bottomk => {
            let count = number(parameter)?;
            let count = if count >= 1.0 { count as usize } else { 0 };
            let groups = groups.into_values();
            Ok(groups
                .flat_map(|group| extremes(group, count, operation == Operation::Topk))
                .collect())
        }
        Operation::CountValues => {
            let name = match parameter {
                Some(value) => value.text()?,
                None => String::new(),
            };
            Ok(count_values(groups, &name))
        }
        Operation::Quantile => {
            let level = number(parameter)?;
            let value =
                |group: Vector| quantile(level, group.into_iter().map(|(_, v)| v).collect());
            Ok(groups
                .into_iter()
                .map(|(labels, group)| (labels, value(group)))
                .collect())
        }
        _ => Ok(groups
            .into_iter()
            .map(|(labels, group)| {
                let values: Vec<f64> = group.into_iter().map(|(_, value)| value).collect();
                (labels, reduce(operation, &values))
            })
            .collect()),
    }
}

fn number(parameter: Option<Value>) -> Result<f64, EvaluationError> {
    parameter.map_or(Ok(f64::NAN), Value::scalar)
}

fn reduce(operation: Operation, values: &[f64]) -> f64 {
    let sum = || values.iter().copied().collect::<ExactSum>().total();
    let spread = || {
        let mut spread = Welford::default();
        for value in values {
            spread.add(*value);
        }
        spread.variance()
    };
    match operation {
        Operation::Sum => sum(),
        Operation::Avg => sum() / values.len() as f64,
        Operation::Min => values.iter().copied().fold(f64::NAN, f64::min),
        Operation::Max => values.iter().copied().fold(f64::NAN, f64::max),
        Operation::Count => values.len() as f64,
        Operation::Stddev => spread().sqrt(),
        Operation::Stdvar => spread(),
        _ => 1.0,
    }
}

/// The largest or smallest; missing values last.
fn extremes(mut group: Vector, count: usize, largest: bool) -> Vector {
    group.sort_by(|(_, a), (_, b)| {
        let order = if largest {
            b.total_cmp(a)
        } else {
            a.total_cmp(b)
        };
        a.is_nan().cmp(&b.is_nan()).then(order)
    });
    group.truncate(count);
    group
}

/// Prometheus's quantile: by linear interpolation; infinite outside of `[0, 1]`.
pub(super) fn quantile(level: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || level.is_nan() {
        return f64::NAN;
    }
    if level < 0.0 {
        return f64::NEG_INFINITY;
    }
    if level > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(f64::total_cmp);
    quantile_sorted(&values, level)
}

fn count_values(groups: BTreeMap<Labels, Vector>, name: &str) -> Vector {
    let mut counts: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, group) in groups {
        for (_, value) in group {
            let key = labels.with(name, &value.to_string());
            *counts.entry(key).or_default() += 1.0;
        }
    }
    counts.into_iter().collect()
}
