//! Text with places for labels and the value, in the notation of Prometheus's rule files.
//!
//! The common part of Go's notation: `{{ $labels.x }}`, `{{ .Labels.x }}`, `{{ $value }}`,
//! `{{ .Value }}`, string literals, functions before their argument or after a `|`, and `{{-` and
//! `-}}` that take away space. Conditions, loops and queries are refused by name.

mod format;
mod parse;

use std::fmt::Write as _;

use aiops_core::Labels;
use thiserror::Error;

/// Text that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("bad template at byte {at}: {what}")]
pub struct TemplateError {
    at: usize,
    what: String,
}

impl TemplateError {
    /// Position in the text of the first byte that cannot be.
    pub fn position(&self) -> usize {
        self.at
    }
}

/// A checked template.
///
/// ```
/// use aiops_alert::template::Template;
/// use aiops_core::Labels;
///
/// let template: Template = "{{ $labels.host }}: {{ $value | humanizePercentage }} full".parse()?;
/// let labels = Labels::of([("host", "web-1")])?;
/// assert_eq!(template.render(&labels, 0.97), "web-1: 97% full");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Functions
///
/// `humanize`, `humanize1024`, `humanizeDuration` (seconds), `humanizePercentage` (a share),
/// `humanizeTimestamp` (Unix seconds), `printf` with one argument, `title`, `toUpper`, `toLower`,
/// `stripPort`, `reReplaceAll`.
///
/// # Degenerate cases
///
/// | template | result |
/// |---|---|
/// | a label that is not there | the empty text |
/// | a number function on text that is no number | the text as it is |
/// | `NaN` and infinities | `NaN`, `+Inf`, `-Inf` |
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Place(Place),
}

/// A value and the functions that are applied to it in order.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    operand: Operand,
    functions: Vec<Function>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Label(String),
    Value,
    Text(String),
    Number(f64),
    /// All labels, as Go prints a map.
    Labels,
}

#[derive(Clone, Debug, PartialEq)]
enum Function {
    Humanize,
    Humanize1024,
    HumanizeDuration,
    HumanizePercentage,
    HumanizeTimestamp,
    Printf(format::Verb),
    Title,
    ToUpper,
    ToLower,
    StripPort,
    ReplaceAll(Box<parse::Pattern>, String),
}

/// A value on its way through the functions.
#[derive(Clone, Debug)]
enum Item {
    Text(String),
    Number(f64),
}

impl Item {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(value) => format::plain(value),
        }
    }
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(source: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            source: source.to_owned(),
            parts: parse::parts(source)?,
        })
    }
}

impl Template {
    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the text depends on the value.
    pub fn uses_value(&self) -> bool {
        let uses = |part: &Part| match part {
            Part::Text(_) => false,
            Part::Place(place) => place.operand == Operand::Value,
        };
        self.parts.iter().any(uses)
    }

    /// The text for these labels and this value.
    pub fn render(&self, labels: &Labels, value: f64) -> String {
        let mut text = String::with_capacity(self.source.len());
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Place(place) => text.push_str(&place.render(labels, value)),
            }
        }
        text
    }
}

impl Place {
    fn render(&self, labels: &Labels, value: f64) -> String {
        let mut item = match &self.operand {
            Operand::Label(name) => Item::Text(labels.get(name).unwrap_or_default().to_owned()),
            Operand::Value => Item::Number(value),
            Operand::Text(text) => Item::Text(text.clone()),
            Operand::Number(number) => Item::Number(*number),
            Operand::Labels => Item::Text(map(labels)),
        };
        for function in &self.functions {
            item = function.apply(item);
        }
        item.text()
    }
}

/// As Go prints a map.
fn map(labels: &Labels) -> String {
    let mut text = "map[".to_owned();
    for (index, (name, value)) in labels.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = write!(text, "{space}{name}:{value}"); // writing to a String cannot fail
    }
    text + "]"
}

impl Function {
    fn apply(&self, item: Item) -> Item {
        let on_number = |item: Item, f: fn(f64) -> String| match item.number() {
            Some(value) => Item::Text(f(value)),
            None => item,
        };
        match self {
            Self::Humanize => on_number(item, format::humanize),
            Self::Humanize1024 => on_number(item, format::humanize_1024),
            Self::HumanizeDuration => on_number(item, format::humanize_duration),
            Self::HumanizePercentage => on_number(item, format::humanize_percentage),
            Self::HumanizeTimestamp => on_number(item, format::humanize_timestamp),
            Self::Printf(verb) => match (verb.wants_number(), item.number()) {
                (true, Some(value)) => Item::Text(verb.number(value)),
                _ => Item::Text(verb.text(&item.text())),
            },
            Self::Title => Item::Text(format::title(&item.text())),
            Self::ToUpper => Item::Text(item.text().to_uppercase()),
            Self::ToLower => Item::Text(item.text().to_lowercase()),
            Self::StripPort => Item::Text(format::strip_port(&item.text())),
            Self::ReplaceAll(pattern, with) => Item::Text(pattern.replace_all(&item.text(), with)),
        }
    }
}
