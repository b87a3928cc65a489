//! A request as a tree, the same for both encodings.

use std::borrow::Cow;

use crate::{AnyValue, Attributes};

/// A value; names are those of the JSON form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        match self {
            Self::Map(fields) => fields
                .iter()
                .find(|(own, _)| own == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The values of a repeated field; none when it is not there.
    pub(super) fn list(&self, name: &str) -> &[Node<'a>] {
        match self.get(name) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Self::Text(text)) => text,
            _ => "",
        }
    }

    /// A whole number, which JSON writes as text when it has 64 bits; 0 when it is not there.
    pub(super) fn whole(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Self::Int(value)) => *value as u64,
            Some(Self::Text(text)) => text.parse().unwrap_or(0),
            _ => 0,
        }
    }

    /// As [`whole`](Self::whole), of a number that may be negative.
    pub(super) fn signed(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Self::Int(value)) => *value,
            Some(Self::Text(text)) => text.parse().unwrap_or(0),
            _ => 0,
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Self::Bool(true)))
    }

    /// A number in any of its forms.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_number()
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            Self::Int(value) => Some(*value as f64),
            // Also NaN, Infinity and -Infinity.
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// An identity of `N` bytes, which JSON writes in hexadecimal; `None` when it is all zeros.
    pub(super) fn identity<const N: usize>(&self, name: &str) -> Option<[u8; N]> {
        let bytes: [u8; N] = match self.get(name)? {
            Self::Bytes(bytes) => (*bytes).try_into().ok()?,
            Self::Text(text) => from_hex(text)?,
            _ => return None,
        };
        bytes.iter().any(|byte| *byte != 0).then_some(bytes)
    }

    /// What OpenTelemetry calls an `AnyValue`: a map of one field that names the type.
    pub(super) fn any_value(&self) -> AnyValue {
        let Self::Map(fields) = self else {
            return AnyValue::Empty;
        };
        let Some((name, value)) = fields.first() else {
            return AnyValue::Empty;
        };
        match (name.as_ref(), value) {
            ("stringValue", Self::Text(text)) => AnyValue::Text(text.to_string()),
            ("boolValue", Self::Bool(value)) => AnyValue::Bool(*value),
            ("intValue", Self::Int(value)) => AnyValue::Int(*value),
            ("intValue", Self::Text(text)) => text.parse().map_or(AnyValue::Empty, AnyValue::Int),
            ("doubleValue", value) => value.as_number().map_or(AnyValue::Empty, AnyValue::Double),
            ("bytesValue", Self::Bytes(bytes)) => AnyValue::Bytes(bytes.to_vec()),
            ("bytesValue", Self::Text(text)) => AnyValue::Bytes(from_base64(text)),
            ("arrayValue", value) => {
                let values = value.list("values").iter();
                AnyValue::Array(values.map(Node::any_value).collect())
            }
            ("kvlistValue", value) => AnyValue::Map(value.attributes("values")),
            _ => AnyValue::Empty,
        }
    }

    /// A list of keys and values.
    pub(super) fn attributes(&self, name: &str) -> Attributes {
        let pairs = self.list(name).iter();
        pairs
            .map(|pair| {
                let value = pair.get("value").map_or(AnyValue::Empty, Node::any_value);
                (pair.text("key").to_owned(), value)
            })
            .collect()
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

/// Bytes written in base64, up to the first character that is not of it.
fn from_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

impl From<AnyValue> for Node<'_> {
    fn from(value: AnyValue) -> Self {
        match value {
            AnyValue::Empty | AnyValue::Bytes(_) => Self::Null,
            AnyValue::Text(text) => Self::Text(text.into()),
            AnyValue::Bool(value) => Self::Bool(value),
            AnyValue::Int(value) => Self::Int(value),
            AnyValue::Double(value) => Self::Double(value),
            AnyValue::Array(values) => Self::List(values.into_iter().map(Into::into).collect()),
            AnyValue::Map(fields) => {
                let fields = fields.into_iter();
                Self::Map(
                    fields
                        .map(|(name, value)| (name.into(), value.into()))
                        .collect(),
                )
            }
        }
    }
}
