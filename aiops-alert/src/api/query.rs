//! What follows the question mark.

use aiops_core::{MatchOp, Matcher, Selector};

use super::short;

/// Most parameters of a request.
const MAX_PARAMETERS: usize = 100;

/// Names and values, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let pairs: Vec<&str> = text.split('&').filter(|pair| !pair.is_empty()).collect();
        if pairs.len() > MAX_PARAMETERS {
            return Err(format!("more than {MAX_PARAMETERS} parameters"));
        }
        let pairs = pairs.into_iter().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, String>>().map(Self)
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// True, unless it says otherwise.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.values(name).last() {
            None | Some("" | "true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(format!(
                "`{name}`: expected true or false, got `{}`",
                short(other)
            )),
        }
    }

    /// All of `filter`.
    pub(super) fn filter(&self) -> Result<Selector, String> {
        let matchers = self.values("filter").map(matcher);
        Ok(Selector::new(matchers.collect::<Result<_, _>>()?))
    }

    /// The expression for receivers; all, when there is none.
    pub(super) fn receiver(&self) -> Result<Option<Matcher>, String> {
        if self
            .values("receiver_matchers")
            .any(|value| !value.is_empty())
        {
            return Err("`receiver_matchers`: receivers have no labels".to_owned());
        }
        let text = self
            .values("receiver")
            .last()
            .filter(|text| !text.is_empty());
        let matcher = text.map(|text| Matcher::new("receiver", MatchOp::Matches, text));
        matcher.transpose().map_err(|error| error.to_string())
    }
}

/// `NAME OP VALUE`, the value with or without quotes.
fn matcher(text: &str) -> Result<Matcher, String> {
    let wrong = |what: &str| format!("filter `{}`: {what}", short(text));
    let quoted = format!("{{{text}}}").parse::<Selector>();
    if let Ok(selector) = &quoted
        && let [matcher] = selector.matchers()
    {
        return Ok(matcher.clone());
    }
    let at = text
        .find(['=', '!'])
        .ok_or_else(|| wrong("expected =, !=, =~ or !~"))?;
    let (name, rest) = text.split_at(at);
    let operators = [
        ("=~", MatchOp::Matches),
        ("!~", MatchOp::NotMatches),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    let found = operators
        .iter()
        .find_map(|(symbol, op)| Some((rest.strip_prefix(symbol)?, *op)));
    let (value, op) = found.ok_or_else(|| wrong("expected =, !=, =~ or !~"))?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.contains('"') {
        let why = quoted.err().map_or_else(
            || "expected one matcher".to_owned(),
            |error| error.to_string(),
        );
        return Err(wrong(&why));
    }
    Matcher::new(name, op, value).map_err(|error| wrong(&error.to_string()))
}

/// A percent sign stands for a byte, and plus for a space.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let byte = rest
                    .get(..2)
                    .and_then(|digits| std::str::from_utf8(digits).ok())
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(byte) = byte else {
                    return Err("a `%` without two hexadecimal digits".to_owned());
                };
                bytes.push(byte);
                rest = &rest[2..];
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| "a parameter that is no UTF-8".to_owned())
}
