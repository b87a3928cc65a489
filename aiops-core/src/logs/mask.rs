//! Words to the items of a template: what stays, what varies, and what may.
//!
//! One set of rules for all systems. What varies: numbers, hexadecimal, addresses, paths, host and
//! class names with two dots, identities with digits, truth values, dates. What may vary: values
//! behind `=` and `:`, and single words in quotes; they stay until a second value is seen.

use std::ops::Range;

use super::lexer::{Look, Token};

/// What an item of a line is before lines are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of the template.
    Constant,
    /// In the place of a value, but the same so far.
    Value,
    /// Varies.
    Variable,
}

/// A part of a line that takes one place in a template.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) space: bool,
    /// Bytes of the line.
    pub(super) span: Range<u32>,
    /// The unit behind a number, which belongs to the template while it is always the same.
    pub(super) unit: Range<u32>,
    /// Variable words in a row that stand in this place.
    pub(super) repeat: u32,
}

impl Item {
    fn new(token: &Token, kind: Kind) -> Self {
        Self {
            kind,
            space: token.space,
            span: token.start..token.end,
            unit: 0..0,
            repeat: 1,
        }
    }

    pub(super) fn text<'a>(&self, line: &'a str) -> &'a str {
        text(line, &self.span)
    }

    pub(super) fn unit<'a>(&self, line: &'a str) -> &'a str {
        text(line, &self.unit)
    }

    fn is(&self, line: &str, wanted: &str) -> bool {
        self.kind == Kind::Constant && self.text(line) == wanted
    }

    fn has_unit(&self) -> bool {
        self.unit.end > 0
    }
}

fn text<'a>(line: &'a str, span: &Range<u32>) -> &'a str {
    line.get(span.start as usize..span.end as usize)
        .unwrap_or_default()
}

/// Units that change with the size of the number, and so vary with it.
const SCALED_UNITS: [&str; 13] = [
    "B", "KB", "MB", "GB", "TB", "kB", "KiB", "MiB", "GiB", "TiB", "K", "M", "G",
];
const UNITS: [&str; 16] = [
    "bytes", "byte", "ms", "msec", "us", "ns", "s", "sec", "secs", "second", "seconds", "min",
    "minutes", "hours", "days", "%",
];
const DATE_WORDS: [&str; 19] = [
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const ZONES: [&str; 12] = [
    "UTC", "GMT", "PDT", "PST", "EDT", "EST", "CET", "CEST", "CST", "CDT", "MST", "MDT",
];
/// So many variable words in a row are a list, whose length may vary.
const LIST: usize = 3;

/// Replaces `items` by those of `line`; `scratch` is memory to reuse.
pub(super) fn mask(line: &str, tokens: &[Token], scratch: &mut Vec<Item>, items: &mut Vec<Item>) {
    scratch.clear();
    values(line, tokens, scratch);
    items.clear();
    quantities(line, scratch, items);
    runs(line, items);
}

/// Finds what stands in the place of a value.
fn values(line: &str, tokens: &[Token], items: &mut Vec<Item>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let byte = line.as_bytes()[token.start as usize];
        match token.look {
            Look::Variable if is_key(line, token, tokens.get(at)) => {
                items.push(Item::new(token, Kind::Constant));
            }
            Look::Variable => items.push(Item::new(token, Kind::Variable)),
            Look::Delimiter => {
                items.push(Item::new(token, Kind::Constant));
                let value = match byte {
                    b'=' => value_of_assignment(line, &tokens[at..]),
                    b'"' | b'\'' => value_in_quotes(line, byte, &tokens[at..]),
                    _ => None,
                };
                if let Some(value) = value {
                    items.push(value);
                    at += 1;
                }
            }
            Look::Constant => {
                items.push(Item::new(token, Kind::Constant));
                let is_colon = byte == b':' && token.end == token.start + 1 && !token.space;
                let next = tokens.get(at).filter(|next| {
                    is_colon && at > 1 && !next.space && next.look == Look::Constant
                });
                if let Some(next) = next {
                    items.push(Item::new(next, Kind::Value));
                    at += 1;
                }
            }
        }
    }
}

/// Whether a word such as `root` stands before `=`, and so is no value.
fn is_key(line: &str, token: &Token, next: Option<&Token>) -> bool {
    let bytes = line.as_bytes();
    let word = &bytes[token.start as usize..token.end as usize];
    next.is_some_and(|next| !next.space && bytes[next.start as usize] == b'=')
        && word.iter().all(u8::is_ascii_alphabetic)
}

fn value_of_assignment(line: &str, rest: &[Token]) -> Option<Item> {
    let (value, after) = rest.split_first()?;
    let next_is_assignment = after.first().is_some_and(|next| {
        next.look == Look::Delimiter && line.as_bytes()[next.start as usize] == b'='
    });
    match value.look {
        Look::Delimiter => None,
        // `key= other=1`: the value is empty.
        _ if value.space && next_is_assignment => None,
        Look::Variable => Some(Item::new(value, Kind::Variable)),
        Look::Constant => Some(Item::new(value, Kind::Value)),
    }
}

/// The one word between two quotes.
fn value_in_quotes(line: &str, quote: u8, rest: &[Token]) -> Option<Item> {
    let [value, close, ..] = rest else {
        return None;
    };
    let closes = close.look == Look::Delimiter
        && line.as_bytes()[close.start as usize] == quote
        && !(quote == b'\'' && close.space);
    let kind = match value.look {
        Look::Delimiter => return None,
        Look::Variable => Kind::Variable,
        Look::Constant => Kind::Value,
    };
    closes.then(|| Item::new(value, kind))
}

/// Joins numbers with their units, and variable parts that nothing but punctuation separates.
fn quantities(line: &str, parts: &[Item], items: &mut Vec<Item>) {
    let mut at = 0;
    while let Some(part) = parts.get(at) {
        at += 1;
        if part.kind != Kind::Variable {
            items.push(part.clone());
            continue;
        }
        let mut item = part.clone();
        if let Some(unit) = parts.get(at).filter(|next| next.kind == Kind::Constant) {
            let word = unit.text(line);
            if SCALED_UNITS.contains(&word) {
                item.span.end = unit.span.end;
                at += 1;
            } else if unit.space && UNITS.contains(&word) {
                item.unit = unit.span.clone();
                at += 1;
            }
        }
        // 1821 bytes (1.77 KB)
        if let [open, number, unit, close, ..] = &parts[at.min(parts.len())..]
            && open.is(line, "(")
            && number.kind == Kind::Variable
            && unit.kind == Kind::Constant
            && SCALED_UNITS.contains(&unit.text(line))
            && close.is(line, ")")
        {
            item.span.end = close.span.end;
            item.unit = 0..0;
            at += 4;
        }
        append(line, item, items);
    }
}

/// Adds a variable item, joined to the one before it where only punctuation is between.
fn append(line: &str, mut item: Item, items: &mut Vec<Item>) {
    if !item.space
        && let Some(less) = items.pop_if(|last| last.is(line, "<"))
    {
        item.space = less.space;
        item.span.start = less.span.start;
    }
    if !item.space {
        let joint = match items.last() {
            Some(last) if last.kind == Kind::Variable => Some(0),
            Some(last) if is_joint(line, last) => Some(1),
            _ => None,
        };
        let before = joint.and_then(|skip| items.len().checked_sub(1 + skip));
        if let Some(before) = before
            && items[before].kind == Kind::Variable
            && !items[before].has_unit()
        {
            items.truncate(before + 1);
            let joined = &mut items[before];
            joined.span.end = item.span.end;
            joined.unit = item.unit;
            return;
        }
    }
    items.push(item);
}

/// Whether an item is punctuation, without white space before it, that may stand within a variable.
fn is_joint(line: &str, item: &Item) -> bool {
    item.kind == Kind::Constant
        && !item.space
        && matches!(item.text(line), "." | ":" | "/" | "-" | "@" | "#")
}

/// Joins dates, and lists of variable words.
fn runs(line: &str, items: &mut Vec<Item>) {
    let (mut kept, mut at) = (0, 0);
    while at < items.len() {
        let end = match items[at].kind {
            Kind::Constant => date_end(line, items, at),
            Kind::Variable => list_end(items, at),
            Kind::Value => at + 1,
        };
        let last = items[end - 1].span.end;
        items.swap(kept, at);
        if end > at + 1 {
            let joined = &mut items[kept];
            let is_list = joined.kind == Kind::Variable;
            joined.repeat = if is_list { (end - at) as u32 } else { 1 };
            joined.kind = Kind::Variable;
            joined.span.end = last;
        }
        kept += 1;
        at = end;
    }
    items.truncate(kept);
}

/// Behind the date that starts at `at` with the name of a day or month, or `at + 1`.
fn date_end(line: &str, items: &[Item], at: usize) -> usize {
    let is_word = |item: &Item, words: &[&str]| {
        item.kind == Kind::Constant && words.contains(&item.text(line))
    };
    let count = |from: usize, wanted: &dyn Fn(&Item) -> bool| {
        items[from..].iter().take_while(|item| wanted(item)).count()
    };
    if items[at].span.len() != 3 {
        return at + 1;
    }
    let numbers = at + count(at, &|item| is_word(item, &DATE_WORDS));
    let end = numbers
        + count(numbers, &|item| {
            item.kind == Kind::Variable && !item.has_unit()
        });
    if numbers == at || end == numbers {
        return at + 1;
    }
    let is_last = |item: &Item| item.kind == Kind::Variable || is_word(item, &ZONES);
    end + count(end, &is_last)
}

fn list_end(items: &[Item], at: usize) -> usize {
    let in_list = |item: &Item| item.kind == Kind::Variable && !item.has_unit();
    if !in_list(&items[at]) {
        return at + 1;
    }
    let more = items[at + 1..]
        .iter()
        .take_while(|item| in_list(item) && item.space)
        .count();
    if more + 1 >= LIST {
        at + 1 + more
    } else {
        at + 1
    }
}
