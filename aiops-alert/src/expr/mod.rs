//! Expressions in Prometheus's query language, at one instant.
//!
//! What alert rules use: selectors, ranges, offsets, subqueries, arithmetic, comparison and set
//! operators with their matching, aggregations, and the functions listed below. What is not known
//! is refused by name and position when the expression is read.
//!
//! ```
//! use aiops_alert::expr::{Expression, SeriesSource};
//! use aiops_core::{Labels, Sample, Selector, Timestamp};
//!
//! struct One(Labels, Vec<Sample>);
//! impl SeriesSource for One {
//!     fn range(&self, selector: &Selector, from: Timestamp, to: Timestamp) -> Vec<(Labels, Vec<Sample>)> {
//!         let inside = self.1.iter().filter(|sample| from < sample.time && sample.time <= to);
//!         selector.matches(&self.0).then(|| (self.0.clone(), inside.copied().collect())).into_iter().collect()
//!     }
//! }
//!
//! let expression: Expression = "avg_over_time(load{job=\"a\"}[1m]) * 100 > 80".parse()?;
//! let now = Timestamp::from_secs(60).unwrap();
//! let load = Labels::of([("__name__", "load"), ("job", "a")])?;
//! let source = One(load, vec![Sample::new(now, 0.9)]);
//! let found = expression.evaluate(&source, now)?;
//! assert_eq!(found[0].1, 90.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Functions
//!
//! `abs absent absent_over_time avg_over_time ceil changes clamp clamp_max clamp_min
//! count_over_time day_of_month day_of_week delta deriv exp floor histogram_quantile hour idelta
//! increase irate label_join label_replace last_over_time ln log10 log2 max_over_time
//! min_over_time minute month predict_linear present_over_time quantile_over_time rate resets
//! round scalar sgn sort sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time time
//! timestamp vector year`, and the aggregations `avg bottomk count count_values group max min
//! quantile stddev stdvar sum topk`.

mod aggregate;
mod binary;
mod eval;
mod functions;
mod lex;
mod parse;
mod ranges;

use std::str::FromStr;

use aiops_core::{Labels, Sample, Selector, Timestamp};
use thiserror::Error;

use self::parse::Node;

/// A series without a sample for this long has no value, as in Prometheus.
const LOOKBACK: std::time::Duration = std::time::Duration::from_mins(5);

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("byte {at}: {what}")]
pub struct ExpressionError {
    at: usize,
    what: String,
}

impl ExpressionError {
    /// Position in the text.
    pub fn position(&self) -> usize {
        self.at
    }
}

/// An expression that has no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// An operand or argument is of another kind.
    #[error("{what} is not {expected}")]
    Kind {
        /// The operand.
        what: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// Several series on a side where there may be one.
    #[error("several series on the {side} side match {labels}")]
    Ambiguous {
        /// `left` or `right`.
        side: &'static str,
        /// In what they agree.
        labels: String,
    },
    /// The result has two series with the same labels.
    #[error("the result has the label set {labels} twice")]
    Duplicate {
        /// The labels.
        labels: String,
    },
    /// It would take too long.
    #[error("a subquery of {steps} steps, at most {limit}")]
    TooLarge {
        /// Steps asked for.
        steps: u64,
        /// The bound.
        limit: u64,
    },
    /// Another engine could not evaluate it.
    #[error("{0}")]
    Other(String),
}

/// Where the samples are.
pub trait SeriesSource {
    /// The series that pass, each with its samples later than `from` and not later than `to`, in
    /// order of time.
    fn range(
        &self,
        selector: &Selector,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<(Labels, Vec<Sample>)>;
}

/// Something that evaluates the expressions of rules: this module's [`LocalExpressions`], or a
/// program's own, such as a query to Prometheus.
pub trait ExpressionEngine {
    /// The series of the result, each with its value at `now`. A scalar has no labels.
    ///
    /// # Errors
    ///
    /// [`EvaluationError`] when it has no value.
    fn evaluate(
        &self,
        expression: &str,
        now: Timestamp,
    ) -> Result<Vec<(Labels, f64)>, EvaluationError>;
}

/// Evaluates expressions over samples that are at hand.
#[derive(Debug)]
pub struct LocalExpressions<'a, S: ?Sized>(pub &'a S);

impl<S: SeriesSource + ?Sized> ExpressionEngine for LocalExpressions<'_, S> {
    fn evaluate(
        &self,
        expression: &str,
        now: Timestamp,
    ) -> Result<Vec<(Labels, f64)>, EvaluationError> {
        let parsed: Expression = expression
            .parse()
            .map_err(|error: ExpressionError| EvaluationError::Other(error.to_string()))?;
        parsed.evaluate(self.0, now)
    }
}

/// An expression that was read.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self {
            root: parse::parse(text)?,
        })
    }
}

impl Expression {
    /// The series of the result, each with its value at `now`, in order of labels.
    ///
    /// # Errors
    ///
    /// [`EvaluationError`] when operands do not fit together.
    pub fn evaluate<S: SeriesSource + ?Sized>(
        &self,
        source: &S,
        now: Timestamp,
    ) -> Result<Vec<(Labels, f64)>, EvaluationError> {
        let context = eval::Context {
            source: &|selector, from, to| source.range(selector, from, to),
            now,
        };
        let mut result = match eval::evaluate(&self.root, &context)? {
            eval::Value::Scalar(value) => vec![(Labels::empty(), value)],
            eval::Value::Vector(vector) => vector,
            other => return Err(other.unexpected("a vector")),
        };
        result.sort_by(|(a, _), (b, _)| a.cmp(b));
        match result.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(EvaluationError::Duplicate {
                labels: pair[0].0.to_string(),
            }),
            None => Ok(result),
        }
    }
}
