//! Conditions on labels, in Prometheus's notation.

use std::fmt;
use std::str::FromStr;

use regex_lite::{Regex, RegexBuilder};
use thiserror::Error;

use crate::{Labels, METRIC_NAME};

/// Largest compiled size of a regular expression in a matcher, in bytes.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

/// A matcher that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MatcherError {
    /// The regular expression does not compile, or would be too large.
    #[error("bad regular expression `{pattern}` for label `{name}`: {why}")]
    Regex {
        /// Label name.
        name: String,
        /// The expression.
        pattern: String,
        /// What the compiler says.
        why: String,
    },
    /// The text is not a selector.
    #[error("bad selector at byte {at}: {what}")]
    Syntax {
        /// Position in the text.
        at: usize,
        /// What was expected.
        what: &'static str,
    },
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Matches,
    /// `!~`, anchored at both ends
    NotMatches,
}

impl MatchOp {
    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }
}

/// A condition on one label. A missing label has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// Label `name` compared with `value`.
    ///
    /// # Errors
    ///
    /// [`MatcherError::Regex`] when the operator takes an expression and `value` is none.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Matches | MatchOp::NotMatches => Some(anchored(&name, &value)?),
        };
        Ok(Self {
            name,
            op,
            value,
            regex,
        })
    }

    /// Label `name` equal to `value`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            regex: None,
        }
    }

    /// The label looked at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// With what it is compared.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value passes.
    pub fn matches_value(&self, value: &str) -> bool {
        let found = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => value == self.value,
        };
        found == matches!(self.op, MatchOp::Equal | MatchOp::Matches)
    }

    /// Whether these labels pass.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or_default())
    }
}

fn anchored(name: &str, pattern: &str) -> Result<Regex, MatcherError> {
    RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(REGEX_SIZE_LIMIT)
        .build()
        .map_err(|error| MatcherError::Regex {
            name: name.to_owned(),
            pattern: pattern.to_owned(),
            why: error.to_string(),
        })
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || NAME_MARKS.contains(c);
        if self.name.is_empty() || !self.name.chars().all(is_plain) {
            quote(f, &self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        f.write_str(self.op.symbol())?;
        quote(f, &self.value)
    }
}

/// What a name that is not quoted may hold besides letters and digits.
const NAME_MARKS: &str = "_.:-/";

/// Writes a text as the parser reads it: other escapes of Rust's are none here.
fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

/// Conditions that must all hold. Parses from Prometheus's notation.
///
/// ```
/// use aiops_core::{Labels, Selector};
///
/// let selector: Selector = r#"node_cpu_seconds_total{mode!="idle", cpu=~"0|1"}"#.parse()?;
/// let labels = Labels::of([("__name__", "node_cpu_seconds_total"), ("cpu", "1"), ("mode", "user")])?;
/// assert!(selector.matches(&labels));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selector {
    matchers: Vec<Matcher>,
}

impl Selector {
    /// All of `matchers` must hold. Without matchers, everything passes.
    pub fn new(matchers: Vec<Matcher>) -> Self {
        Self { matchers }
    }

    /// Everything passes.
    pub fn all() -> Self {
        Self::default()
    }

    /// The series of one metric.
    pub fn metric(name: impl Into<String>) -> Self {
        Self::new(vec![Matcher::equal(METRIC_NAME, name)])
    }

    /// The conditions.
    pub fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// Whether these labels pass.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.matchers.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{matcher}")?;
        }
        f.write_str("}")
    }
}

impl FromStr for Selector {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        Parser { text, at: 0 }.selector()
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn selector(mut self) -> Result<Selector, MatcherError> {
        let mut matchers = Vec::new();
        self.skip_space();
        let metric = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        if !metric.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, metric));
        }
        self.skip_space();
        if self.eat("{") {
            self.matchers(&mut matchers)?;
        } else if metric.is_empty() {
            return Err(self.error("expected a metric name or `{`"));
        }
        self.skip_space();
        if self.rest().is_empty() {
            Ok(Selector { matchers })
        } else {
            Err(self.error("expected the end of the selector"))
        }
    }

    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<(), MatcherError> {
        loop {
            self.skip_space();
            if self.eat("}") {
                return Ok(());
            }
            matchers.push(self.matcher()?);
            self.skip_space();
            if !self.eat(",") && !self.rest().starts_with('}') {
                return Err(self.error("expected `,` or `}`"));
            }
        }
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name = if self.rest().starts_with('"') {
            self.quoted()?
        } else {
            self.take_while(|c| c.is_ascii_alphanumeric() || NAME_MARKS.contains(c))
                .to_owned()
        };
        if name.is_empty() {
            return Err(self.error("expected a label name"));
        }
        self.skip_space();
        let operators = [
            MatchOp::Matches,
            MatchOp::NotMatches,
            MatchOp::NotEqual,
            MatchOp::Equal,
        ];
        let op = operators
            .into_iter()
            .find(|op| self.eat(op.symbol()))
            .ok_or_else(|| self.error("expected =, !=, =~ or !~"))?;
        self.skip_space();
        let value = self.quoted()?;
        Matcher::new(name, op, value)
    }

    fn quoted(&mut self) -> Result<String, MatcherError> {
        if !self.eat("\"") {
            return Err(self.error("expected a value in double quotes"));
        }
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    // Unknown escapes stay as they are: expressions are full of `\d` and `\.`.
                    Some((_, other)) => value.extend(['\\', other]),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(self.error("the closing quote is missing"))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn error(&self, what: &'static str) -> MatcherError {
        MatcherError::Syntax { at: self.at, what }
    }
}
