//! Durations and matchers, as people write them in these files.

use std::time::Duration;

use aiops_core::{MatchOp, Matcher, Selector};
use serde::{Deserialize, Deserializer, de::Error};

/// A duration such as `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::duration::parse(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a duration such as 30s or 1h30m"))
        })
    }
}

/// One or more matchers in Alertmanager's notation: `a="b"`, `a=b`, `{a="b", c=~"d"}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matchers(pub(super) Vec<Matcher>);

impl<'de> Deserialize<'de> for Matchers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        matchers(&text).map(Self).map_err(D::Error::custom)
    }
}

/// All matchers of several texts, as one condition.
pub(super) fn selector(texts: &[Matchers]) -> Selector {
    Selector::new(texts.iter().flat_map(|one| one.0.iter().cloned()).collect())
}

fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let inside = text.trim();
    let inside = inside
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(inside);
    let mut found = Vec::new();
    for part in split(inside) {
        if !part.trim().is_empty() {
            found.push(matcher(part).map_err(|why| format!("bad matcher `{text}`: {why}"))?);
        }
    }
    Ok(found)
}

/// At commas outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn matcher(text: &str) -> Result<Matcher, String> {
    let text = text.trim();
    let (name, rest) = if text.starts_with('"') {
        let end = closing_quote(text).ok_or("the closing quote is missing")?;
        (unquote(&text[..=end])?, &text[end + 1..])
    } else {
        let end = text
            .find(|c: char| "=!~".contains(c) || c.is_whitespace())
            .ok_or("expected =, !=, =~ or !~")?;
        (text[..end].to_owned(), &text[end..])
    };
    let rest = rest.trim_start();
    let operators = [
        ("=~", MatchOp::Matches),
        ("!~", MatchOp::NotMatches),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    let (symbol, op) = operators
        .into_iter()
        .find(|(symbol, _)| rest.starts_with(symbol))
        .ok_or("expected =, !=, =~ or !~")?;
    if name.is_empty() {
        return Err("expected a label name".to_owned());
    }
    let value = unquote(rest[symbol.len()..].trim())?;
    Matcher::new(name, op, value).map_err(|error| error.to_string())
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    let mut chars = text.char_indices().skip(1);
    chars.find_map(|(at, c)| match c {
        _ if escaped => {
            escaped = false;
            None
        }
        '\\' => {
            escaped = true;
            None
        }
        '"' => Some(at),
        _ => None,
    })
}

/// A value without its quotes, if it has any.
fn unquote(text: &str) -> Result<String, String> {
    let Some(inside) = text.strip_prefix('"') else {
        return if text.contains('"') {
            Err("a quote inside of a value without quotes".to_owned())
        } else {
            Ok(text.to_owned())
        };
    };
    if closing_quote(text) != Some(text.len() - 1) {
        return Err("the closing quote is missing or not at the end".to_owned());
    }
    let mut value = String::new();
    let mut chars = inside[..inside.len() - 1].chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    Ok(value)
}
