//! Stored models: one envelope for every fitted type.
//!
//! The envelope is one JSON object: `kind` names the type, `format` counts its versions,
//! `checksum` guards the payload, `payload` is the format's own structure. Kind and format are
//! checked before the payload is looked at, so a file of another kind and a file from a newer
//! release are different errors.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::numerics::Fnv1a64;

/// A fitted type that can be written to bytes and read back by later releases.
///
/// The wire type is a structure of its own, so that renaming a field of the fitted type cannot
/// break a file. Each format that was ever released stays readable.
pub trait StoredModel: Sized {
    /// Name of the type, such as `detect.robust-z`.
    const KIND: &'static str;
    /// Version that [`to_wire`](Self::to_wire) writes; counts up from 1.
    const FORMAT: u32;
    /// What is written. Floats go through [`exact`].
    type Wire: Serialize;

    /// The structure to write.
    fn to_wire(&self) -> Self::Wire;

    /// Reads the payload of `format`, which is at most [`FORMAT`](Self::FORMAT); older ones are
    /// upgraded here.
    ///
    /// # Errors
    ///
    /// [`LoadError::Payload`] when the payload is not of that format or cannot be a model.
    fn from_wire(format: u32, payload: Payload<'_>) -> Result<Self, LoadError>;
}

/// The payload of an envelope, checked against its checksum.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a>(&'a str);

impl Payload<'_> {
    /// Reads it as the structure of one format.
    ///
    /// # Errors
    ///
    /// [`LoadError::Payload`].
    pub fn read<W: DeserializeOwned>(self) -> Result<W, LoadError> {
        serde_json::from_str(self.0).map_err(|error| LoadError::payload(error.to_string()))
    }
}

/// A stored model that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are no envelope.
    #[error("not a stored model: {0}")]
    Envelope(String),
    /// The envelope holds something else.
    #[error("stored model is a `{found}`, not a `{expected}`")]
    Kind {
        /// The kind that was asked for.
        expected: &'static str,
        /// The kind in the envelope.
        found: String,
    },
    /// The envelope was written by a newer release.
    #[error("format {found} of `{kind}` is newer than this release, which reads up to {newest}")]
    Newer {
        /// The kind.
        kind: &'static str,
        /// The newest format that can be read.
        newest: u32,
        /// The format in the envelope.
        found: u32,
    },
    /// The payload is not what was written.
    #[error("checksum is {found}, the envelope says {expected}")]
    Checksum {
        /// What the envelope says.
        expected: String,
        /// What the payload has.
        found: String,
    },
    /// The payload does not describe a model.
    #[error("bad payload: {what}")]
    Payload {
        /// What is wrong.
        what: String,
    },
}

impl LoadError {
    /// The payload does not describe a model.
    pub fn payload(what: impl Into<String>) -> Self {
        Self::Payload { what: what.into() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    format: u32,
    checksum: String,
    #[serde(borrow)]
    payload: &'a RawValue,
}

fn checksum(payload: &str) -> String {
    let mut hash = Fnv1a64::default();
    hash.write(payload.as_bytes());
    format!("{:016x}", hash.finish())
}

/// Writes a model.
///
/// # Panics
///
/// When the wire type cannot be JSON, such as a map whose keys are not text. That is a mistake in
/// the implementation of [`StoredModel`].
pub fn save<M: StoredModel>(model: &M) -> Vec<u8> {
    let payload = serde_json::value::to_raw_value(&model.to_wire())
        .unwrap_or_else(|error| panic!("wire type of {} is not JSON: {error}", M::KIND));
    let envelope = Envelope {
        kind: M::KIND.into(),
        format: M::FORMAT,
        checksum: checksum(payload.get()),
        payload: &payload,
    };
    serde_json::to_vec(&envelope)
        .unwrap_or_else(|error| panic!("envelope of {} is not JSON: {error}", M::KIND))
}

/// Reads a model.
///
/// # Errors
///
/// [`LoadError`]; never panics, whatever the bytes are.
pub fn load<M: StoredModel>(bytes: &[u8]) -> Result<M, LoadError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(bytes).map_err(|error| LoadError::Envelope(error.to_string()))?;
    if envelope.kind != M::KIND {
        return Err(LoadError::Kind {
            expected: M::KIND,
            found: envelope.kind.into_owned(),
        });
    }
    if envelope.format > M::FORMAT {
        let found = envelope.format;
        return Err(LoadError::Newer {
            kind: M::KIND,
            newest: M::FORMAT,
            found,
        });
    }
    let found = checksum(envelope.payload.get());
    if found != envelope.checksum {
        return Err(LoadError::Checksum {
            expected: envelope.checksum,
            found,
        });
    }
    M::from_wire(envelope.format, Payload(envelope.payload.get()))
}

/// The kind in an envelope, to choose the type to [`load`].
///
/// # Errors
///
/// [`LoadError::Envelope`] when the bytes are no envelope.
pub fn kind(bytes: &[u8]) -> Result<String, LoadError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(bytes).map_err(|error| LoadError::Envelope(error.to_string()))?;
    Ok(envelope.kind.into_owned())
}

/// `#[serde(with = "exact")]` for floats: bit-exact through JSON, `NaN` and infinities included.
///
/// A number is written as a string in the shortest form that reads back to the same bits.
pub mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes one float.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads one float.
    ///
    /// # Errors
    ///
    /// When the string is not a float.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| D::Error::custom(format!("`{text}` is not a number")))
    }
}

/// `#[serde(with = "exact_vec")]` for vectors of floats; see [`exact`].
///
/// Written as one string, values separated by spaces.
pub mod exact_vec {
    use std::fmt::Write as _;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the floats.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(values.len() * 8);
        for (index, value) in values.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            let _ = write!(text, "{space}{value}"); // writing to a String cannot fail
        }
        serializer.serialize_str(&text)
    }

    /// Reads the floats.
    ///
    /// # Errors
    ///
    /// When a part of the string is not a float.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|error| D::Error::custom(format!("not a list of numbers: {error}")))
    }
}
