//! Numbers packed in groups, each with as many bits as most of its numbers need.
//!
//! ```text
//! group   difference of its base to that of the group before; bits of a number u8; number of
//!         exceptions u8; numbers minus base, lowest bits first; exceptions: index u8, number minus base
//! alike   difference of the base; 128 u8; number of groups: all their numbers are the base
//! ```
//!
//! All groups but the last one are of 128 numbers.

use crate::store::varint::{self, Reader};

/// Numbers of a group.
const LEN: usize = 128;
/// In place of the bits of a number: groups whose numbers are all alike follow.
const ALIKE: u8 = 128;
/// Bits that an exception takes beside its number.
const EXCEPTION_BITS: usize = 8;
/// Bytes of the numbers of a full group, with room to read a word at the last one.
const BUFFER: usize = LEN * 8 + 16;

/// Appends the numbers.
pub(super) fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    let (mut before, mut skip) = (0, 0);
    for (index, group) in numbers.chunks(LEN).enumerate() {
        if index < skip {
            continue;
        }
        let is_alike = |group: &[i64]| group.iter().all(|number| *number == group[0]);
        if is_alike(group) {
            let rest = numbers[index * LEN..].chunks(LEN);
            let same = |other: &&[i64]| other[0] == group[0] && is_alike(other);
            let alike = rest.take_while(same).count();
            varint::put_signed(out, group[0].wrapping_sub(before));
            out.push(ALIKE);
            varint::put(out, alike as u64);
            (before, skip) = (group[0], index + alike);
            continue;
        }
        let (base, bits) = choose(group);
        varint::put_signed(out, base.wrapping_sub(before));
        before = base;
        let offset = |number: &i64| number.wrapping_sub(base) as u64;
        let limit = 1_u64.checked_shl(bits).map_or(u64::MAX, |bound| bound - 1);
        let is_exception = |number: &&i64| offset(number) > limit;
        out.push(bits as u8);
        out.push(group.iter().filter(is_exception).count() as u8);
        let packed = |number: &i64| Some(offset(number)).filter(|offset| *offset <= limit);
        pack(
            group.iter().map(|number| packed(number).unwrap_or(0)),
            bits,
            out,
        );
        for (index, number) in group
            .iter()
            .enumerate()
            .filter(|(_, number)| is_exception(number))
        {
            out.push(index as u8);
            varint::put_signed(out, number.wrapping_sub(base));
        }
    }
}

/// The base and the number of bits with which a group takes the fewest bits.
fn choose(group: &[i64]) -> (i64, u32) {
    let mut sorted = [0; LEN];
    let sorted = &mut sorted[..group.len()];
    sorted.copy_from_slice(group);
    sorted.sort_unstable();
    let span = |from: usize, to: usize| sorted[to].wrapping_sub(sorted[from]) as u64;
    let full = 64 - span(0, group.len() - 1).leading_zeros();
    let mut best = (full as usize * group.len(), sorted[0], full);
    for bits in (0..full).rev() {
        let limit = (1_u64 << bits) - 1;
        // The longest stretch of numbers that need no more bits.
        let (mut from, mut longest, mut start) = (0, 0, 0);
        for to in 0..group.len() {
            while span(from, to) > limit {
                from += 1;
            }
            if to + 1 - from > longest {
                (longest, start) = (to + 1 - from, from);
            }
        }
        let below = &sorted[..start];
        let above = &sorted[start + longest..];
        let base = sorted[start];
        let far = |number: &i64| {
            let distance = varint::zigzag(number.wrapping_sub(base));
            EXCEPTION_BITS + 8 * (64 - distance.leading_zeros() as usize).div_ceil(7)
        };
        let exceptions: usize = below.iter().chain(above).map(far).sum();
        let cost = bits as usize * group.len() + exceptions;
        if cost < best.0 {
            best = (cost, base, bits);
        }
        if exceptions > best.0 {
            break;
        }
    }
    (best.1, best.2)
}

/// Appends numbers of `bits` bits.
fn pack(numbers: impl Iterator<Item = u64>, bits: u32, out: &mut Vec<u8>) {
    let (mut word, mut used) = (0_u128, 0_u32);
    for number in numbers {
        word |= u128::from(number) << used;
        used += bits;
        if used >= 64 {
            out.extend_from_slice(&(word as u64).to_le_bytes());
            word >>= 64;
            used -= 64;
        }
    }
    let rest = used.div_ceil(8) as usize;
    out.extend_from_slice(&(word as u64).to_le_bytes()[..rest]);
}

/// Shows `count` numbers to `visit`, one group after the other; `None` when `bytes` ends early.
pub(super) fn decode(
    bytes: &mut Reader<'_>,
    count: usize,
    mut visit: impl FnMut(&mut [i64]),
) -> Option<()> {
    let mut base = 0_i64;
    let mut buffer = [0; BUFFER];
    let mut numbers = [0; LEN];
    let mut left = count;
    while left > 0 {
        base = base.wrapping_add(bytes.signed()?);
        let bits = bytes.byte()?;
        if bits == ALIKE {
            let groups = bytes.number()?;
            if groups == 0 || groups > left.div_ceil(LEN) as u64 {
                return None;
            }
            for _ in 0..groups {
                let len = left.min(LEN);
                numbers = [base; LEN]; // the visitor may have changed them
                visit(&mut numbers[..len]);
                left -= len;
            }
            continue;
        }
        let bits = usize::from(bits);
        let exceptions = bytes.byte()?;
        if bits > 64 {
            return None;
        }
        let len = left.min(LEN);
        let packed = bytes.bytes((bits * len).div_ceil(8))?;
        buffer[..packed.len()].copy_from_slice(packed);
        unpack(&buffer, bits, base, &mut numbers);
        for _ in 0..exceptions {
            let index = usize::from(bytes.byte()?);
            *numbers.get_mut(index)? = base.wrapping_add(bytes.signed()?);
        }
        visit(&mut numbers[..len]);
        left -= len;
    }
    Some(())
}

fn unpack(buffer: &[u8; BUFFER], bits: usize, base: i64, numbers: &mut [i64; LEN]) {
    // With the number of bits known to the compiler, shifts and bounds become constants.
    macro_rules! fixed {
        ($($bits:literal)*) => {
            match bits {
                0 => *numbers = [base; LEN],
                $($bits => unpack_narrow::<$bits>(buffer, base, numbers),)*
                _ => unpack_wide(buffer, bits, base, numbers),
            }
        };
    }
    fixed!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn word(buffer: &[u8; BUFFER], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&buffer[at..at + 8]);
    u64::from_le_bytes(word)
}

fn unpack_narrow<const BITS: usize>(buffer: &[u8; BUFFER], base: i64, numbers: &mut [i64; LEN]) {
    // Eight numbers take as many bytes as one takes bits.
    for (group, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        for (index, number) in numbers.iter_mut().enumerate() {
            let bit = index * BITS;
            let offset = word(buffer, group * BITS + bit / 8) >> (bit % 8);
            *number = base.wrapping_add((offset & ((1 << BITS) - 1)) as i64);
        }
    }
}

fn unpack_wide(buffer: &[u8; BUFFER], bits: usize, base: i64, numbers: &mut [i64; LEN]) {
    let mask = u64::MAX >> (64 - bits);
    for (index, number) in numbers.iter_mut().enumerate() {
        let bit = index * bits;
        let low = u128::from(word(buffer, bit / 8));
        let wide = low | u128::from(word(buffer, bit / 8 + 8)) << 64;
        *number = base.wrapping_add(((wide >> (bit % 8)) as u64 & mask) as i64);
    }
}
