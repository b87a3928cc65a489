//! Label sets as bytes: the number of labels, then length and text of each name and value.

use super::varint::{self, Reader};
use crate::Labels;

/// Appends `labels`.
pub(super) fn put(out: &mut Vec<u8>, labels: &Labels) {
    varint::put(out, labels.len() as u64);
    for part in labels.iter().flat_map(|(name, value)| [name, value]) {
        varint::put(out, part.len() as u64);
        out.extend_from_slice(part.as_bytes());
    }
}

/// Reads labels; `None` when the bytes are none.
pub(super) fn read(bytes: &mut Reader<'_>) -> Option<Labels> {
    let count = bytes.count(2)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((text(bytes)?, text(bytes)?));
    }
    Labels::of(pairs).ok()
}

fn text<'a>(bytes: &mut Reader<'a>) -> Option<&'a str> {
    let len = bytes.count(1)?;
    std::str::from_utf8(bytes.bytes(len)?).ok()
}
