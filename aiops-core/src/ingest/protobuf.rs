//! The wire format of protocol buffers: a reader that borrows, and a writer.

use thiserror::Error;

use super::varint;

/// Bytes that are not the protocol buffer they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("byte {offset}: expected {expected}")]
pub struct WireError {
    /// Position in the whole message.
    pub offset: usize,
    /// What should be there.
    pub expected: &'static str,
}

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// A position in a message, or in a message within one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    end: usize,
}

/// Number and wire type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) field: u32,
    pub(super) wire: u8,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            end: bytes.len(),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    pub(super) fn error(&self, expected: &'static str) -> WireError {
        WireError {
            offset: self.at,
            expected,
        }
    }

    /// The next byte, without moving.
    #[cfg(feature = "remote-write")]
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes[..self.end].get(self.at).copied()
    }

    /// What is left of this message.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..self.end]
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let start = self.at;
        varint::get(&self.bytes[..self.end], &mut self.at).ok_or(WireError {
            offset: start,
            expected: "a number of at most ten bytes",
        })
    }

    #[inline]
    pub(super) fn tag(&mut self) -> Result<Tag, WireError> {
        let start = self.at;
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).unwrap_or(0);
        let wire = (key & 7) as u8;
        if field == 0 || !matches!(wire, VARINT | FIXED64 | BYTES | FIXED32) {
            return Err(WireError {
                offset: start,
                expected: "a field number and a wire type",
            });
        }
        Ok(Tag { field, wire })
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, WireError> {
        let bytes = self.rest().first_chunk::<8>();
        let bits = bytes.ok_or_else(|| self.error("8 bytes"))?;
        self.at += 8;
        Ok(u64::from_le_bytes(*bits))
    }

    /// The bytes of a field with a length; the position moves behind it.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let inner = self.message()?;
        Ok(inner.rest())
    }

    /// A message in a field; the position moves behind it.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Self, WireError> {
        let start = self.at;
        let len = self.varint()?;
        if len > (self.end - self.at) as u64 {
            return Err(WireError {
                offset: start,
                expected: "a length that ends within the message",
            });
        }
        let inner = Self {
            bytes: self.bytes,
            at: self.at,
            end: self.at + len as usize,
        };
        self.at = inner.end;
        Ok(inner)
    }

    /// Moves behind a field whose contents do not matter.
    pub(super) fn skip(&mut self, tag: Tag) -> Result<(), WireError> {
        match tag.wire {
            VARINT => self.varint().map(|_| ()),
            FIXED64 => self.fixed64().map(|_| ()),
            FIXED32 if self.end - self.at >= 4 => {
                self.at += 4;
                Ok(())
            }
            FIXED32 => Err(self.error("4 bytes")),
            _ => self.bytes().map(|_| ()),
        }
    }
}

/// Writes a field of bytes, a text or a message that is already encoded.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_tag(out, field, BYTES);
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_varint(out: &mut Vec<u8>, field: u32, value: u64) {
    put_tag(out, field, VARINT);
    varint::put(out, value);
}

#[cfg(feature = "remote-write")]
pub(super) fn put_double(out: &mut Vec<u8>, field: u32, value: f64) {
    put_tag(out, field, FIXED64);
    out.extend(value.to_bits().to_le_bytes());
}

fn put_tag(out: &mut Vec<u8>, field: u32, wire: u8) {
    varint::put(out, u64::from(field) << 3 | u64::from(wire));
}
