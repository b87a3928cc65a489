//! Functions by name.

use std::collections::BTreeMap;

use aiops_core::{Labels, METRIC_NAME, MatchOp, Sample, Selector, Timestamp};
use regex_lite::RegexBuilder;

use super::EvaluationError;
use super::eval::{Context, Matrix, Value, Vector, evaluate, nameless};
use super::parse::Node;
use super::ranges::{self, Growth, Summary};

#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    /// Of one value.
    Math(fn(f64) -> f64),
    /// Of the date, in UTC.
    Date(fn(i64) -> f64),
    Growth(Growth),
    LastTwo {
        per_second: bool,
    },
    Over(Summary),
    Changes,
    Resets,
    Deriv,
    PredictLinear,
    QuantileOverTime,
    Absent,
    AbsentOverTime,
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Time,
    Timestamp,
    Vector,
    Scalar,
    Sort {
        descending: bool,
    },
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
}

fn sign(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() {
        value
    } else {
        value.signum()
    }
}

impl Function {
    pub(super) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "abs" => Self::Math(f64::abs),
            "ceil" => Self::Math(f64::ceil),
            "floor" => Self::Math(f64::floor),
            "sqrt" => Self::Math(f64::sqrt),
            "exp" => Self::Math(f64::exp),
            "ln" => Self::Math(f64::ln),
            "log2" => Self::Math(f64::log2),
            "log10" => Self::Math(f64::log10),
            "sgn" => Self::Math(sign),
            "minute" => Self::Date(|secs| (secs.rem_euclid(3_600) / 60) as f64),
            "hour" => Self::Date(|secs| (secs.rem_euclid(86_400) / 3_600) as f64),
            "day_of_week" => Self::Date(|secs| (secs.div_euclid(86_400) + 4).rem_euclid(7) as f64),
            "day_of_month" => Self::Date(|secs| part_of_date(secs, 8..10)),
            "month" => Self::Date(|secs| part_of_date(secs, 5..7)),
            "year" => Self::Date(|secs| part_of_date(secs, 0..4)),
            "rate" => Self::Growth(Growth::Rate),
            "increase" => Self::Growth(Growth::Increase),
            "delta" => Self::Growth(Growth::Delta),
            "irate" => Self::LastTwo { per_second: true },
            "idelta" => Self::LastTwo { per_second: false },
            "avg_over_time" => Self::Over(Summary::Avg),
            "min_over_time" => Self::Over(Summary::Min),
            "max_over_time" => Self::Over(Summary::Max),
            "sum_over_time" => Self::Over(Summary::Sum),
            "count_over_time" => Self::Over(Summary::Count),
            "last_over_time" => Self::Over(Summary::Last),
            "stddev_over_time" => Self::Over(Summary::Stddev),
            "stdvar_over_time" => Self::Over(Summary::Stdvar),
            "present_over_time" => Self::Over(Summary::Present),
            "quantile_over_time" => Self::QuantileOverTime,
            "changes" => Self::Changes,
            "resets" => Self::Resets,
            "deriv" => Self::Deriv,
            "predict_linear" => Self::PredictLinear,
            "absent" => Self::Absent,
            "absent_over_time" => Self::AbsentOverTime,
            "round" => Self::Round,
            "clamp" => Self::Clamp,
            "clamp_min" => Self::ClampMin,
            "clamp_max" => Self::ClampMax,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "vector" => Self::Vector,
            "scalar" => Self::Scalar,
            "sort" => Self::Sort { descending: false },
            "sort_desc" => Self::Sort { descending: true },
            "label_replace" => Self::LabelReplace,
            "label_join" => Self::LabelJoin,
            "histogram_quantile" => Self::HistogramQuantile,
            _ => return None,
        })
    }

    /// Least and largest number of arguments.
    pub(super) fn arguments(self) -> (usize, usize) {
        match self {
            Self::Time => (0, 0),
            Self::Date(_) => (0, 1),
            Self::Round => (1, 2),
            Self::PredictLinear
            | Self::QuantileOverTime
            | Self::ClampMin
            | Self::ClampMax
            | Self::HistogramQuantile => (2, 2),
            Self::Clamp => (3, 3),
            Self::LabelReplace => (5, 5),
            Self::LabelJoin => (3, 100),
            _ => (1, 1),
        }
    }
}

/// A part of the date as RFC 3339 writes it.
fn part_of_date(secs: i64, part: std::ops::Range<usize>) -> f64 {
    let time = Timestamp::from_secs(secs).map(|time| time.to_string());
    let part = time.as_deref().and_then(|text| text.get(part));
    part.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

pub(super) fn call(
    function: Function,
    arguments: &[Node],
    context: &Context<'_>,
) -> Result<Value, EvaluationError> {
    let argument = |index: usize| evaluate(&arguments[index], context);
    let number = |index: usize| argument(index)?.scalar();
    let vector = |index: usize| argument(index)?.vector();
    let matrix = |index: usize| argument(index)?.matrix();
    let per_series =
        |f: &dyn Fn(&[Sample], &Matrix) -> Option<f64>| Ok(Value::Vector(over(&matrix(0)?, f)));
    match function {
        Function::Math(f) => Ok(Value::Vector(map(vector(0)?, f))),
        Function::Date(f) => {
            if arguments.is_empty() {
                return Ok(Value::Vector(vec![(
                    Labels::empty(),
                    f(context.now.as_secs()),
                )]));
            }
            Ok(Value::Vector(map(vector(0)?, |secs| f(secs as i64))))
        }
        Function::Growth(kind) => {
            per_series(&|samples, range| ranges::growth(kind, samples, (range.start, range.end)))
        }
        Function::LastTwo { per_second } => {
            per_series(&|samples, _| ranges::last_two(per_second, samples))
        }
        Function::Over(kind) => per_series(&|samples, _| Some(ranges::summary(kind, samples))),
        Function::Changes => per_series(&|samples, _| Some(ranges::changes(samples))),
        Function::Resets => per_series(&|samples, _| Some(ranges::resets(samples))),
        Function::Deriv => per_series(&|samples, range| Some(ranges::line(samples, range.end)?.0)),
        Function::PredictLinear => {
            let ahead = number(1)?;
            per_series(&|samples, range| {
                let (slope, value) = ranges::line(samples, range.end)?;
                Some(value + slope * ahead)
            })
        }
        Function::QuantileOverTime => {
            let level = number(0)?;
            let found = over(&matrix(1)?, &|samples, _| {
                Some(ranges::quantile_over_time(level, samples))
            });
            Ok(Value::Vector(found))
        }
        Function::Absent => Ok(absence(&arguments[0], vector(0)?.is_empty())),
        Function::AbsentOverTime => Ok(absence(&arguments[0], matrix(0)?.series.is_empty())),
        Function::Round => {
            let to = if arguments.len() > 1 { number(1)? } else { 1.0 };
            Ok(Value::Vector(map(vector(0)?, |value| {
                (value / to + 0.5).floor() * to
            })))
        }
        Function::Clamp => {
            let (low, high) = (number(1)?, number(2)?);
            Ok(Value::Vector(map(vector(0)?, |value| {
                value.max(low).min(high)
            })))
        }
        Function::ClampMin => {
            let low = number(1)?;
            Ok(Value::Vector(map(vector(0)?, |value| value.max(low))))
        }
        Function::ClampMax => {
            let high = number(1)?;
            Ok(Value::Vector(map(vector(0)?, |value| value.min(high))))
        }
        Function::Time => Ok(Value::Scalar(context.now.as_secs_f64())),
        Function::Timestamp => timestamp(&arguments[0], context),
        Function::Vector => Ok(Value::Vector(vec![(Labels::empty(), number(0)?)])),
        Function::Scalar => {
            let vector = vector(0)?;
            let only = if vector.len() == 1 {
                vector[0].1
            } else {
                f64::NAN
            };
            Ok(Value::Scalar(only))
        }
        Function::Sort { descending } => {
            let mut vector = vector(0)?;
            vector.sort_by(|(_, a), (_, b)| a.total_cmp(b));
            if descending {
                vector.reverse();
            }
            Ok(Value::Vector(vector))
        }
        Function::LabelReplace => label_replace(arguments, context),
        Function::LabelJoin => label_join(arguments, context),
        Function::HistogramQuantile => {
            let level = number(0)?;
            Ok(Value::Vector(histogram_quantile(level, &vector(1)?)))
        }
    }
}

fn map(vector: Vector, f: impl Fn(f64) -> f64) -> Vector {
    let series = vector.into_iter();
    series
        .map(|(labels, value)| (nameless(&labels), f(value)))
        .collect()
}

fn over(matrix: &Matrix, f: &dyn Fn(&[Sample], &Matrix) -> Option<f64>) -> Vector {
    let series = matrix.series.iter();
    series
        .filter_map(|(labels, samples)| Some((nameless(labels), f(samples, matrix)?)))
        .collect()
}

/// One series of value 1 with what the selector demands to be equal.
fn absence(argument: &Node, absent: bool) -> Value {
    if !absent {
        return Value::Vector(Vector::new());
    }
    let selector = match argument {
        Node::Series { selector, .. } => selector.clone(),
        _ => Selector::all(),
    };
    let equal = selector.matchers().iter();
    let equal = equal.filter(|one| one.op() == MatchOp::Equal && one.name() != METRIC_NAME);
    let labels = equal.fold(Labels::empty(), |labels, one| {
        labels.with(one.name(), one.value())
    });
    Value::Vector(vec![(labels, 1.0)])
}

/// When the last sample was; the instant itself for anything computed.
fn timestamp(argument: &Node, context: &Context<'_>) -> Result<Value, EvaluationError> {
    if let Node::Series {
        selector,
        range: None,
        offset: 0,
    } = argument
    {
        let from = context.now.saturating_sub(super::LOOKBACK);
        let series = (context.source)(selector, from, context.now).into_iter();
        let times = series.filter_map(|(labels, samples)| {
            Some((nameless(&labels), samples.last()?.time.as_secs_f64()))
        });
        return Ok(Value::Vector(times.collect()));
    }
    let now = context.now.as_secs_f64();
    let vector = evaluate(argument, context)?.vector()?;
    Ok(Value::Vector(map(vector, |_| now)))
}

fn label_replace(arguments: &[Node], context: &Context<'_>) -> Result<Value, EvaluationError> {
    let text = |index: usize| evaluate(&arguments[index], context)?.text();
    let (to, with, from, pattern) = (text(1)?, text(2)?, text(3)?, text(4)?);
    let regex = RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(1 << 18)
        .build()
        .map_err(|error| EvaluationError::Other(error.to_string()))?;
    let vector = evaluate(&arguments[0], context)?.vector()?.into_iter();
    let replaced = vector.map(|(labels, value)| {
        let old = labels.get(&from).unwrap_or_default();
        let Some(captures) = regex.captures(old) else {
            return (labels, value);
        };
        let mut new = String::new();
        captures.expand(&with, &mut new);
        (labels.with(&to, &new), value)
    });
    Ok(Value::Vector(replaced.collect()))
}

fn label_join(arguments: &[Node], context: &Context<'_>) -> Result<Value, EvaluationError> {
    let text = |index: usize| evaluate(&arguments[index], context)?.text();
    let (to, separator) = (text(1)?, text(2)?);
    let names: Vec<String> = (3..arguments.len()).map(text).collect::<Result<_, _>>()?;
    let vector = evaluate(&arguments[0], context)?.vector()?.into_iter();
    let joined = vector.map(|(labels, value)| {
        let parts: Vec<&str> = names
            .iter()
            .map(|name| labels.get(name).unwrap_or_default())
            .collect();
        (labels.with(&to, &parts.join(&separator)), value)
    });
    Ok(Value::Vector(joined.collect()))
}

/// By linear interpolation within the bucket, as Prometheus does for classic histograms.
fn histogram_quantile(level: f64, buckets: &Vector) -> Vector {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (labels, count) in buckets {
        let bound = match labels.get("le") {
            Some("+Inf") => Some(f64::INFINITY),
            Some(text) => text.parse().ok(),
            None => None,
        };
        if let Some(bound) = bound {
            let key = labels.without(&["le", METRIC_NAME]);
            series.entry(key).or_default().push((bound, *count));
        }
    }
    let series = series.into_iter();
    series
        .map(|(labels, buckets)| (labels, bucket_quantile(level, buckets)))
        .collect()
}

fn bucket_quantile(level: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    if level.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&level) {
        return if level < 0.0 {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(&(last, _)) = buckets.last() else {
        return f64::NAN;
    };
    if last != f64::INFINITY || buckets.len() < 2 {
        return f64::NAN;
    }
    // Counts of scrapes at different times may not grow; they are made to.
    let mut most = 0.0_f64;
    for bucket in &mut buckets {
        most = most.max(bucket.1);
        bucket.1 = most;
    }
    if most == 0.0 || most.is_nan() {
        return f64::NAN;
    }
    let rank = level * most;
    let place = buckets.partition_point(|bucket| bucket.1 < rank);
    let place = place.min(buckets.len() - 1);
    if place == buckets.len() - 1 {
        return buckets[place - 1].0;
    }
    let (upper, count) = buckets[place];
    if place == 0 && upper <= 0.0 {
        return upper;
    }
    let (lower, below) = if place == 0 {
        (0.0, 0.0)
    } else {
        buckets[place - 1]
    };
    lower + (upper - lower) * ((rank - below) / (count - below))
}
