//! A position in one line, and the small parts of the formats.

use std::borrow::Cow;

use crate::Timestamp;

/// What is wrong, and where in the line: index of the byte from 0.
pub(super) type Fault = (usize, String);

#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.line.len()
    }

    /// A fault here: what was expected, and what there is.
    pub(super) fn expected(&self, what: &str) -> Fault {
        let found = match self.rest().chars().next() {
            Some(found) => format!("found {found:?}"),
            None => "the line ends".to_owned(),
        };
        (self.at, format!("expected {what}, {found}"))
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Moves behind `byte` when it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let bytes = &self.line.as_bytes()[start..];
        let len = bytes.iter().position(|&byte| !wanted(byte));
        self.at += len.unwrap_or(bytes.len());
        &self.line[start..self.at]
    }

    /// Everything up to the next blank.
    pub(super) fn word(&mut self) -> &'a str {
        self.take_while(|byte| byte != b' ' && byte != b'\t')
    }

    /// A name: quoted, or letters, digits, `_` and, in a metric's name, `:`.
    pub(super) fn name(&mut self, colon: bool, what: &str) -> Result<Cow<'a, str>, Fault> {
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.expected(what));
        }
        let name =
            self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'));
        if name.is_empty() {
            return Err(self.expected(what));
        }
        Ok(Cow::Borrowed(name))
    }

    /// A text in double quotes, with `\\`, `\"` and `\n` replaced.
    pub(super) fn quoted(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        if !self.eat(b'"') {
            return Err(self.expected("a double quote"));
        }
        let plain = self.take_while(|byte| byte != b'"' && byte != b'\\');
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        loop {
            self.take_while(|byte| byte != b'"' && byte != b'\\');
            match self.peek() {
                Some(b'"') => break,
                Some(_) => {
                    self.at += 1;
                    self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                }
                None => return Err((start, "this text has no closing double quote".to_owned())),
            }
        }
        let inner = &self.line[start + 1..self.at];
        self.at += 1;
        Ok(unescape(inner, true))
    }

    /// The value of a sample.
    pub(super) fn value(&mut self) -> Result<f64, Fault> {
        let before = *self;
        let word = self.word();
        word.parse().map_err(|_| before.expected("a number"))
    }

    /// A time in whole milliseconds.
    pub(super) fn millis(&mut self) -> Result<Timestamp, Fault> {
        let before = *self;
        let word = self.word();
        word.parse()
            .ok()
            .and_then(Timestamp::from_millis)
            .ok_or_else(|| {
                before.expected("a time in milliseconds between the years 1678 and 2261")
            })
    }

    /// A time in seconds with a fraction.
    pub(super) fn seconds(&mut self) -> Result<Timestamp, Fault> {
        let before = *self;
        let word = self.word();
        seconds(word)
            .ok_or_else(|| before.expected("a time in seconds between the years 1678 and 2261"))
    }
}

/// With `\\`, `\n` and, in quotes, `\"` replaced; other escapes stay.
pub(super) fn unescape(text: &str, in_quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        if next != '\\' {
            plain.push(next);
            continue;
        }
        match chars.next() {
            Some('\\') => plain.push('\\'),
            Some('n') => plain.push('\n'),
            Some('"') if in_quotes => plain.push('"'),
            other => {
                plain.push('\\');
                plain.extend(other);
            }
        }
    }
    Cow::Owned(plain)
}

/// Exact for plain decimals, which a float could not hold to the nanosecond.
fn seconds(word: &str) -> Option<Timestamp> {
    const NANOS_PER_SEC: i64 = 1_000_000_000;
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = !whole.is_empty() && (whole.bytes().chain(fraction.bytes())).all(is_digit);
    if !is_plain {
        let nanos = word.parse::<f64>().ok()? * NANOS_PER_SEC as f64;
        let fits = nanos.abs() < i64::MAX as f64;
        return fits.then(|| Timestamp::from_nanos(nanos.round() as i64));
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let part = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let nanos = whole
        .parse::<i64>()
        .ok()?
        .checked_mul(NANOS_PER_SEC)?
        .checked_add(part)?;
    Some(Timestamp::from_nanos(if negative { -nanos } else { nanos }))
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}
