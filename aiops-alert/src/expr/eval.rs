//! Values of a tree at one instant.

use std::time::Duration;

use aiops_core::ingest::is_stale;
use aiops_core::{Labels, METRIC_NAME, Sample, Selector, Timestamp};

use super::parse::Node;
use super::{EvaluationError, LOOKBACK, aggregate, binary, functions};

/// Most steps of a subquery.
const MAX_STEPS: u64 = 11_000;

pub(super) type Vector = Vec<(Labels, f64)>;
type Source<'a> = dyn Fn(&Selector, Timestamp, Timestamp) -> Vec<(Labels, Vec<Sample>)> + 'a;

/// What an evaluation needs to know.
pub(super) struct Context<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) now: Timestamp,
}

/// The samples of a range.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) series: Vec<(Labels, Vec<Sample>)>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vector),
    Matrix(Matrix),
    Text(String),
}

impl Value {
    pub(super) fn unexpected(&self, expected: &'static str) -> EvaluationError {
        let what = match self {
            Self::Scalar(_) => "a scalar",
            Self::Vector(_) => "a vector",
            Self::Matrix(_) => "a range",
            Self::Text(_) => "a text",
        };
        EvaluationError::Kind {
            what: what.to_owned(),
            expected,
        }
    }

    pub(super) fn scalar(self) -> Result<f64, EvaluationError> {
        match self {
            Self::Scalar(value) => Ok(value),
            other => Err(other.unexpected("a scalar")),
        }
    }

    pub(super) fn vector(self) -> Result<Vector, EvaluationError> {
        match self {
            Self::Vector(vector) => Ok(vector),
            other => Err(other.unexpected("a vector")),
        }
    }

    pub(super) fn matrix(self) -> Result<Matrix, EvaluationError> {
        match self {
            Self::Matrix(matrix) => Ok(matrix),
            other => Err(other.unexpected("a range")),
        }
    }

    pub(super) fn text(self) -> Result<String, EvaluationError> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.unexpected("a text")),
        }
    }
}

/// Labels of a series whose value was computed.
pub(super) fn nameless(labels: &Labels) -> Labels {
    if labels.get(METRIC_NAME).is_some() {
        labels.without(&[METRIC_NAME])
    } else {
        labels.clone()
    }
}

pub(super) fn evaluate(node: &Node, context: &Context<'_>) -> Result<Value, EvaluationError> {
    Ok(match node {
        Node::Number(value) => Value::Scalar(*value),
        Node::Text(text) => Value::Text(text.clone()),
        Node::Series {
            selector,
            range,
            offset,
        } => {
            let at = shifted(context.now, *offset);
            match range {
                None => Value::Vector(instant(context, selector, at)),
                Some(millis) => Value::Matrix(range_of(context, selector, at, *millis)),
            }
        }
        Node::Subquery {
            inner,
            range,
            step,
            offset,
        } => Value::Matrix(subquery(inner, context, (*range, *step, *offset))?),
        Node::Negate(inner) => match evaluate(inner, context)? {
            Value::Scalar(value) => Value::Scalar(-value),
            Value::Vector(vector) => Value::Vector(
                vector
                    .into_iter()
                    .map(|(labels, value)| (nameless(&labels), -value))
                    .collect(),
            ),
            other => return Err(other.unexpected("a scalar or a vector")),
        },
        Node::Binary {
            operator,
            as_number,
            matching,
            left,
            right,
        } => {
            let (left, right) = (evaluate(left, context)?, evaluate(right, context)?);
            binary::apply(*operator, *as_number, matching, left, right)?
        }
        Node::Call {
            function,
            arguments,
        } => functions::call(*function, arguments, context)?,
        Node::Aggregate {
            operation,
            parameter,
            inner,
            without,
            labels,
        } => {
            let parameter = match parameter {
                Some(node) => Some(evaluate(node, context)?),
                None => None,
            };
            let vector = evaluate(inner, context)?.vector()?;
            let keep = aggregate::Grouping {
                without: *without,
                labels,
            };
            Value::Vector(aggregate::apply(*operation, parameter, vector, keep)?)
        }
    })
}

fn shifted(now: Timestamp, offset_ms: i64) -> Timestamp {
    Timestamp::from_nanos(
        now.as_nanos()
            .saturating_sub(offset_ms.saturating_mul(1_000_000)),
    )
}

/// The last sample of each series that is not too old.
fn instant(context: &Context<'_>, selector: &Selector, at: Timestamp) -> Vector {
    let series = (context.source)(selector, at.saturating_sub(LOOKBACK), at);
    let last = series.into_iter().filter_map(|(labels, samples)| {
        let last = samples.last()?;
        (!is_stale(last.value)).then_some((labels, last.value))
    });
    last.collect()
}

fn range_of(context: &Context<'_>, selector: &Selector, end: Timestamp, millis: u64) -> Matrix {
    let start = end.saturating_sub(Duration::from_millis(millis));
    let series = (context.source)(selector, start, end).into_iter();
    let series = series.map(|(labels, mut samples)| {
        samples.retain(|sample| !is_stale(sample.value));
        (labels, samples)
    });
    Matrix {
        series: series.filter(|(_, samples)| !samples.is_empty()).collect(),
        start,
        end,
    }
}

/// Evaluates `inner` at every step of the range; the steps are multiples of the step.
fn subquery(
    inner: &Node,
    context: &Context<'_>,
    (range, step, offset): (u64, u64, i64),
) -> Result<Matrix, EvaluationError> {
    let steps = range / step.max(1);
    if steps > MAX_STEPS {
        return Err(EvaluationError::TooLarge {
            steps,
            limit: MAX_STEPS,
        });
    }
    let end = shifted(context.now, offset);
    let start = end.saturating_sub(Duration::from_millis(range));
    let step_ns = i64::try_from(step)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    let mut at = (start.as_nanos().div_euclid(step_ns) + 1).saturating_mul(step_ns);
    let mut series: Vec<(Labels, Vec<Sample>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    while at <= end.as_nanos() {
        let now = Timestamp::from_nanos(at);
        let then = Context {
            source: context.source,
            now,
        };
        let vector = match evaluate(inner, &then)? {
            Value::Scalar(value) => vec![(Labels::empty(), value)],
            other => other.vector()?,
        };
        for (labels, value) in vector {
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                series.push((labels, Vec::new()));
                series.len() - 1
            });
            series[place].1.push(Sample::new(now, value));
        }
        at = at.saturating_add(step_ns);
    }
    Ok(Matrix { series, start, end })
}
