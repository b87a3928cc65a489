//! Operators between two values.

use std::collections::HashMap;

use aiops_core::{Labels, METRIC_NAME};

use super::EvaluationError;
use super::eval::{Value, Vector, nameless};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Atan2,
    Power,
}

impl Operator {
    pub(super) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "or" => Self::Or,
            "and" => Self::And,
            "unless" => Self::Unless,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            "<" => Self::Less,
            ">=" => Self::GreaterEqual,
            "<=" => Self::LessEqual,
            "+" => Self::Plus,
            "-" => Self::Minus,
            "*" => Self::Times,
            "/" => Self::Divide,
            "%" => Self::Modulo,
            "atan2" => Self::Atan2,
            "^" => Self::Power,
            _ => return None,
        })
    }

    /// How strongly it binds.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Plus | Self::Minus => 4,
            Self::Times | Self::Divide | Self::Modulo | Self::Atan2 => 5,
            Self::Power => 6,
            _ => 3,
        }
    }

    pub(super) fn groups_right(self) -> bool {
        self == Self::Power
    }

    pub(super) fn is_comparison(self) -> bool {
        self.strength() == 3
    }

    fn is_set(self) -> bool {
        self.strength() <= 2
    }

    fn number(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Plus => a + b,
            Self::Minus => a - b,
            Self::Times => a * b,
            Self::Divide => a / b,
            Self::Modulo => a % b,
            Self::Atan2 => a.atan2(b),
            Self::Power => a.powf(b),
            _ => f64::from(u8::from(self.holds(a, b))),
        }
    }

    fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Greater => a > b,
            Self::Less => a < b,
            Self::GreaterEqual => a >= b,
            Self::LessEqual => a <= b,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Which series of two vectors belong together.
#[derive(Clone, Debug, Default)]
pub(super) struct Matching {
    /// By these labels only; otherwise by all others.
    pub(super) on: bool,
    pub(super) labels: Vec<String>,
    /// The side that may have several for one of the other side.
    pub(super) many: Option<Side>,
    /// Labels that are taken from the other side.
    pub(super) include: Vec<String>,
}

impl Matching {
    fn key(&self, labels: &Labels) -> Labels {
        if self.on {
            labels.only(&self.labels)
        } else {
            nameless(labels).without(&self.labels)
        }
    }
}

pub(super) fn apply(
    operator: Operator,
    as_number: bool,
    matching: &Matching,
    left: Value,
    right: Value,
) -> Result<Value, EvaluationError> {
    if operator.is_set() {
        let (left, right) = (left.vector()?, right.vector()?);
        return Ok(Value::Vector(set(operator, matching, left, right)));
    }
    match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => Ok(Value::Scalar(operator.number(a, b))),
        (Value::Vector(vector), Value::Scalar(b)) => {
            let value = |a| combine(operator, as_number, a, b, a);
            Ok(Value::Vector(each(operator, as_number, vector, value)))
        }
        (Value::Scalar(a), Value::Vector(vector)) => {
            let value = |b| combine(operator, as_number, a, b, b);
            Ok(Value::Vector(each(operator, as_number, vector, value)))
        }
        (Value::Vector(left), Value::Vector(right)) => {
            let found = join(operator, as_number, matching, left, right)?;
            Ok(Value::Vector(found))
        }
        (other @ (Value::Matrix(_) | Value::Text(_)), _) | (_, other) => {
            Err(other.unexpected("a scalar or a vector"))
        }
    }
}

/// The value of `a operator b`; a comparison filters and answers `kept`.
fn combine(operator: Operator, as_number: bool, a: f64, b: f64, kept: f64) -> Option<f64> {
    if operator.is_comparison() && !as_number {
        operator.holds(a, b).then_some(kept)
    } else {
        Some(operator.number(a, b))
    }
}

fn keeps_name(operator: Operator, as_number: bool) -> bool {
    operator.is_comparison() && !as_number
}

fn each(
    operator: Operator,
    as_number: bool,
    vector: Vector,
    value: impl Fn(f64) -> Option<f64>,
) -> Vector {
    let keeps_name = keeps_name(operator, as_number);
    let series = vector.into_iter().filter_map(|(labels, old)| {
        let labels = if keeps_name {
            labels
        } else {
            nameless(&labels)
        };
        Some((labels, value(old)?))
    });
    series.collect()
}

fn set(operator: Operator, matching: &Matching, left: Vector, right: Vector) -> Vector {
    let keys = |vector: &Vector| -> std::collections::HashSet<Labels> {
        vector
            .iter()
            .map(|(labels, _)| matching.key(labels))
            .collect()
    };
    if operator == Operator::Or {
        let known = keys(&left);
        let new = right.into_iter();
        let new = new.filter(|(labels, _)| !known.contains(&matching.key(labels)));
        return left.into_iter().chain(new).collect();
    }
    let known = keys(&right);
    let wanted = operator == Operator::And;
    let kept = left.into_iter();
    kept.filter(|(labels, _)| known.contains(&matching.key(labels)) == wanted)
        .collect()
}

fn join(
    operator: Operator,
    as_number: bool,
    matching: &Matching,
    left: Vector,
    right: Vector,
) -> Result<Vector, EvaluationError> {
    // The side that has one series for each key is looked up.
    let swapped = matching.many == Some(Side::Right);
    let (many, one) = if swapped {
        (right, left)
    } else {
        (left, right)
    };
    let mut by_key: HashMap<Labels, (Labels, f64)> = HashMap::new();
    for (labels, value) in one {
        let key = matching.key(&labels);
        if by_key.insert(key.clone(), (labels, value)).is_some() {
            return Err(ambiguous(if swapped { "left" } else { "right" }, &key));
        }
    }
    let mut seen = std::collections::HashSet::new();
    let mut found = Vector::new();
    for (labels, value) in many {
        let key = matching.key(&labels);
        let Some((other, its)) = by_key.get(&key) else {
            continue;
        };
        if matching.many.is_none() && !seen.insert(key.clone()) {
            return Err(ambiguous("left", &key));
        }
        let (a, b) = if swapped {
            (*its, value)
        } else {
            (value, *its)
        };
        if let Some(value) = combine(operator, as_number, a, b, a) {
            let keeps_name = keeps_name(operator, as_number);
            found.push((result_labels(matching, &labels, other, keeps_name), value));
        }
    }
    Ok(found)
}

fn ambiguous(side: &'static str, key: &Labels) -> EvaluationError {
    EvaluationError::Ambiguous {
        side,
        labels: key.to_string(),
    }
}

fn result_labels(matching: &Matching, many: &Labels, one: &Labels, keeps_name: bool) -> Labels {
    let named = if keeps_name {
        many.clone()
    } else {
        nameless(many)
    };
    if matching.many.is_some() {
        let include = matching.include.iter();
        return include.fold(named, |labels, name| {
            labels.with(name, one.get(name).unwrap_or_default())
        });
    }
    if matching.on {
        let mut labels = named.only(&matching.labels);
        if keeps_name {
            labels = labels.with(METRIC_NAME, many.metric());
        }
        labels
    } else {
        named.without(&matching.labels)
    }
}
