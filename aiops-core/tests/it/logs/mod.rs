mod container;
mod frames;
mod line;
mod syslog;
mod templates;

use aiops_core::logs::LineContext;
use aiops_core::{AnyValue, Attributes, Timestamp};

/// Read on the 22nd of November 2026, shortly before noon.
fn context() -> LineContext {
    LineContext::new(at("2026-11-22T11:45:00Z"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An attribute as text.
fn attribute(attributes: &Attributes, name: &str) -> Option<String> {
    let found = attributes.iter().find(|(own, _)| own == name)?;
    Some(match &found.1 {
        AnyValue::Text(text) => text.clone(),
        other => format!("{other:?}"),
    })
}
