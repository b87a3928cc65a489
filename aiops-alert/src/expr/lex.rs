//! From text to tokens.

use super::ExpressionError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Word(String),
    Number(f64),
    /// A duration such as `5m`, in milliseconds.
    Span(u64),
    Text(String),
    /// An operator or a bracket.
    Symbol(&'static str),
}

/// Longer ones first.
const SYMBOLS: [&str; 26] = [
    "=~", "!~", "==", "!=", ">=", "<=", "=", ">", "<", "+", "-", "*", "/", "%", "^", "(", ")", "{",
    "}", "[", "]", ",", ":", "@", "!", "|",
];

pub(super) fn error(at: usize, what: impl Into<String>) -> ExpressionError {
    ExpressionError {
        at,
        what: what.into(),
    }
}

pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (token, used) = token(rest, at, c)?;
        tokens.push((at, token));
        at += used;
    }
    Ok(tokens)
}

fn token(rest: &str, at: usize, c: char) -> Result<(Token, usize), ExpressionError> {
    if c == '"' || c == '\'' || c == '`' {
        return quoted(rest, c).ok_or_else(|| error(at, "the closing quote is missing"));
    }
    let dot_number = c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    if c.is_ascii_digit() || dot_number {
        return number(rest).ok_or_else(|| error(at, "not a number or a duration"));
    }
    if c.is_alphabetic() || c == '_' {
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        return Ok(match word.to_ascii_lowercase().as_str() {
            "inf" => (Token::Number(f64::INFINITY), end),
            "nan" => (Token::Number(f64::NAN), end),
            _ => (Token::Word(word.to_owned()), end),
        });
    }
    let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
    match symbol {
        Some(symbol) => Ok((Token::Symbol(symbol), symbol.len())),
        None => Err(error(at, format!("`{c}` is not expected"))),
    }
}

/// A number, or numbers with units: a duration.
fn number(rest: &str) -> Option<(Token, usize)> {
    if let Some(hex) = rest.strip_prefix("0x") {
        let end = hex
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(hex.len());
        let value = u64::from_str_radix(&hex[..end], 16).ok()?;
        return Some((Token::Number(value as f64), end + 2));
    }
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(rest.len());
    let word = &rest[..end];
    let has_unit = word.ends_with(['s', 'm', 'h', 'd', 'w', 'y']);
    if has_unit {
        let span = crate::duration::parse(word)?;
        return Some((Token::Span(span.as_millis() as u64), end));
    }
    let mut end = 0;
    let bytes = rest.as_bytes();
    while end < bytes.len() {
        let exponent = end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        let fits = bytes[end].is_ascii_digit()
            || matches!(bytes[end], b'.' | b'e' | b'E' | b'_')
            || (exponent && matches!(bytes[end], b'+' | b'-'));
        if !fits {
            break;
        }
        end += 1;
    }
    let value = rest[..end].replace('_', "").parse().ok()?;
    Some((Token::Number(value), end))
}

fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((Token::Text(value), at + c.len_utf8())),
            '\\' if quote != '`' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                escaped @ ('\\' | '"' | '\'') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}
