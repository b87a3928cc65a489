//! From text to parts.

use regex_lite::{Regex, RegexBuilder};

use super::format::Verb;
use super::{Function, Operand, Part, Place, TemplateError};

/// Largest compiled size of a regular expression, in bytes.
const REGEX_SIZE_LIMIT: usize = 1 << 18;

/// Most functions and brackets in one place.
const MAX_DEPTH: usize = 64;

/// A regular expression that can be compared.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Pattern {
    pub(super) fn replace_all(&self, text: &str, with: &str) -> String {
        self.0.replace_all(text, with).into_owned()
    }
}

fn error(at: usize, what: impl Into<String>) -> TemplateError {
    TemplateError {
        at,
        what: what.into(),
    }
}

pub(super) fn parts(source: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut at = 0;
    let mut trim = false;
    while let Some(found) = source[at..].find("{{") {
        let open = at + found;
        let inside = open + 2;
        let length = end_of_place(&source[inside..])
            .ok_or_else(|| error(open, "the closing `}}` is missing"))?;
        let body = &source[inside..inside + length];
        // A minus takes away space only with a space behind it: `{{-3}}` is a number.
        let left = body.starts_with('-') && body[1..].starts_with(char::is_whitespace);
        let body_start = inside + usize::from(left);
        let body = &source[body_start..inside + length];
        let right = body.ends_with('-') && body[..body.len() - 1].ends_with(char::is_whitespace);
        let body = &body[..body.len() - usize::from(right)];
        push_text(&mut parts, &source[at..open], trim, left);
        if !is_comment(body) {
            parts.push(Part::Place(place(body, body_start)?));
        }
        trim = right;
        at = inside + length + 2;
    }
    push_text(&mut parts, &source[at..], trim, false);
    Ok(parts)
}

fn is_comment(body: &str) -> bool {
    let body = body.trim();
    body.starts_with("/*") && body.ends_with("*/")
}

fn push_text(parts: &mut Vec<Part>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// Position of `}}` outside of quotes.
fn end_of_place(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '`' => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at),
            Some(_) | None => {}
        }
    }
    None
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Pipe,
    Open,
    Close,
}

/// Tokens with their positions in the source.
fn tokens(body: &str, start: usize) -> Result<Vec<(usize, Token)>, TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = body;
    loop {
        rest = rest.trim_start();
        let at = start + body.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (token, used) = match first {
            '|' => (Token::Pipe, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '"' => quoted(rest).ok_or_else(|| error(at, "the closing quote is missing"))?,
            '`' => {
                let end = rest[1..]
                    .find('`')
                    .ok_or_else(|| error(at, "the closing quote is missing"))?;
                (Token::Text(rest[1..=end].to_owned()), end + 2)
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "|()\"`".contains(c))
                    .unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        tokens.push((at, token));
        rest = &rest[used..];
    }
}

fn quoted(text: &str) -> Option<(Token, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Token::Text(value), at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

fn place(body: &str, start: usize) -> Result<Place, TemplateError> {
    let tokens = tokens(body, start)?;
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
        at: 0,
        end: start + body.len(),
    };
    let place = reader.pipeline()?;
    match reader.peek() {
        None => Ok(place),
        Some((at, _)) => Err(error(at, "expected `|` or `}}`")),
    }
}

struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    depth: usize,
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<(usize, &Token)> {
        self.tokens.get(self.at).map(|(at, token)| (*at, token))
    }

    fn next(&mut self) -> Result<(usize, Token), TemplateError> {
        let found = self.tokens.get(self.at).cloned();
        self.at += 1;
        found.ok_or_else(|| error(self.end, "expected a value"))
    }

    fn pipeline(&mut self) -> Result<Place, TemplateError> {
        let mut place = self.command()?;
        while let Some((_, Token::Pipe)) = self.peek() {
            self.at += 1;
            let (at, token) = self.next()?;
            let Token::Word(name) = token else {
                return Err(error(at, "expected a function"));
            };
            let function = self.function(at, &name)?;
            place.functions.push(function);
        }
        Ok(place)
    }

    /// An operand, or a function with its operand behind it.
    fn command(&mut self) -> Result<Place, TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error(
                self.end,
                format!("nested more than {MAX_DEPTH} deep"),
            ));
        }
        let (at, token) = self.next()?;
        let operand = match token {
            Token::Text(text) => Operand::Text(text),
            Token::Open => {
                let place = self.pipeline()?;
                return match self.next()? {
                    (_, Token::Close) => Ok(place),
                    (at, _) => Err(error(at, "expected `)`")),
                };
            }
            Token::Pipe | Token::Close => return Err(error(at, "expected a value")),
            Token::Word(word) => match operand(&word) {
                Some(operand) => operand,
                None if word == "index" => self.index()?,
                None => {
                    let function = self.function(at, &word)?;
                    let mut place = self.command()?;
                    place.functions.push(function);
                    return Ok(place);
                }
            },
        };
        Ok(Place {
            operand,
            functions: Vec::new(),
        })
    }

    /// `index $labels "name"`
    fn index(&mut self) -> Result<Operand, TemplateError> {
        match (self.next()?, self.next()?) {
            ((_, Token::Word(map)), (_, Token::Text(name)))
                if map == "$labels" || map == ".Labels" =>
            {
                Ok(Operand::Label(name))
            }
            ((at, _), _) => Err(error(at, "`index` works on `$labels` only")),
        }
    }

    /// The function named `name`, with its own arguments.
    fn function(&mut self, at: usize, name: &str) -> Result<Function, TemplateError> {
        Ok(match name {
            "humanize" => Function::Humanize,
            "humanize1024" => Function::Humanize1024,
            "humanizeDuration" => Function::HumanizeDuration,
            "humanizePercentage" => Function::HumanizePercentage,
            "humanizeTimestamp" => Function::HumanizeTimestamp,
            "title" => Function::Title,
            "toUpper" => Function::ToUpper,
            "toLower" => Function::ToLower,
            "stripPort" => Function::StripPort,
            "printf" => {
                let (at, format) = self.text()?;
                let verb = Verb::parse(&format);
                Function::Printf(verb.ok_or_else(|| error(at, "expected one verb of printf"))?)
            }
            "reReplaceAll" => {
                let (at, pattern) = self.text()?;
                let (_, with) = self.text()?;
                let pattern = RegexBuilder::new(&pattern)
                    .size_limit(REGEX_SIZE_LIMIT)
                    .build()
                    .map_err(|why| error(at, why.to_string()))?;
                Function::ReplaceAll(Box::new(Pattern(pattern)), with)
            }
            other => return Err(error(at, format!("`{other}` is not supported"))),
        })
    }

    fn text(&mut self) -> Result<(usize, String), TemplateError> {
        match self.next()? {
            (at, Token::Text(text)) => Ok((at, text)),
            (at, _) => Err(error(at, "expected a text in quotes")),
        }
    }
}

fn operand(word: &str) -> Option<Operand> {
    match word {
        "$value" | ".Value" => return Some(Operand::Value),
        "$labels" | ".Labels" => return Some(Operand::Labels),
        _ => {}
    }
    let label = word
        .strip_prefix("$labels.")
        .or_else(|| word.strip_prefix(".Labels."));
    if let Some(name) = label.filter(|name| !name.is_empty()) {
        return Some(Operand::Label(name.to_owned()));
    }
    word.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        .then(|| word.parse().ok().map(Operand::Number))
        .flatten()
}
