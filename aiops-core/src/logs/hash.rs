//! Hashes of words and of sequences of words. They are stored, and must not change.

/// Stands for a variable part.
pub(super) const WILD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Stands for the place that the members of a family differ in.
pub(super) const HOLE: u64 = 0xd1b5_4a32_d192_ed03;

/// Folded 128-bit products over eight bytes at a time, as wyhash does.
#[inline]
pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut state = WILD ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state ^ u64::from_le_bytes(*word), HOLE);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state ^ u64::from_le_bytes(last), HOLE)
}

/// What `word` at `place` adds to the hash of a sequence, which is the sum over all places; so the
/// hash with one place changed costs two of these.
#[inline]
pub(super) fn at(place: usize, word: u64) -> u64 {
    mix(
        word ^ (place as u64 + 1).wrapping_mul(WILD),
        HOLE ^ word.rotate_left(32),
    )
}

#[inline]
fn mix(x: u64, y: u64) -> u64 {
    let product = u128::from(x) * u128::from(y);
    product as u64 ^ (product >> 64) as u64
}
