//! Chunks that are written once and read often: small, and quick to decode.
//!
//! Times are told as the distance from an even grid, values as whole numbers where they are
//! decimal fractions (whole units, cents, pages), and both are packed in groups of 128 with as many
//! bits as most of the group need; the few that need more are added one by one. The parts are
//! known: frame of reference with exceptions (Zukowski et al., *Super-Scalar RAM-CPU Cache
//! Compression*, ICDE 2006), decimal integers (as in `VictoriaMetrics`). Every bit comes back.
//!
//! ```text
//! chunk    unit of time, step of the grid in units; for each sample the distance from the grid, which
//!          begins with the first sample, packed
//!          way (see `Way`), its parameters; values that do not fit it (index, bits); for each sample
//!          a number, packed
//! ```

mod decimal;
mod group;

use super::series::{Columns, Part};
use super::varint::{self, Reader};
use crate::Timestamp;

/// How values become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Way {
    /// The bits of the value.
    Bits = 0,
    /// A decimal integer.
    Decimal = 1,
    /// The difference of two decimal integers.
    DecimalDelta = 2,
}

impl Way {
    fn of(code: u8) -> Option<Self> {
        [Self::Bits, Self::Decimal, Self::DecimalDelta]
            .into_iter()
            .find(|way| *way as u8 == code)
    }
}

/// Most samples of a chunk. Those that are all alike take a few bytes, so this bounds what bytes
/// from outside can ask for.
pub(super) const CHUNK_SAMPLES: usize = 8192;

/// Appends samples in order of time; there must be one at least, and [`CHUNK_SAMPLES`] at most. The
/// time of the first is not among the bytes.
pub(super) fn encode(samples: Part<'_>, out: &mut Vec<u8>) {
    encode_times(samples.times, out);
    encode_values(samples.values, out);
}

/// Appends `count` samples, the first of which is at `first`, to the columns; `None` when `bytes`
/// does not hold them.
pub(super) fn decode(bytes: &[u8], count: u32, first: i64, columns: &mut Columns) -> Option<()> {
    let mut bytes = Reader::new(bytes);
    let count = count as usize;
    if count == 0 || count > CHUNK_SAMPLES {
        return None;
    }
    decode_times(&mut bytes, count, first, &mut columns.times)?;
    decode_values(&mut bytes, count, &mut columns.values)?;
    bytes.is_empty().then_some(())
}

fn encode_times(times: &[Timestamp], out: &mut Vec<u8>) {
    let first = times[0].as_nanos();
    let since = |time: &Timestamp| time.as_nanos().wrapping_sub(first);
    let unit = times
        .iter()
        .fold(0, |unit, time| gcd(unit, since(time).unsigned_abs()))
        .clamp(1, i64::MAX as u64) as i64;
    let units: Vec<i64> = times.iter().map(|time| since(time) / unit).collect();
    let step = usual_step(&units);
    varint::put(out, unit as u64);
    varint::put_signed(out, step);
    let mut grid = 0_i64;
    let distances: Vec<i64> = units
        .iter()
        .map(|time| {
            let distance = time.wrapping_sub(grid);
            grid = grid.wrapping_add(step);
            distance
        })
        .collect();
    group::encode(&distances, out);
}

/// The median distance of neighbours.
fn usual_step(units: &[i64]) -> i64 {
    let mut steps: Vec<i64> = units
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    let middle = steps.len() / 2;
    if steps.is_empty() {
        0
    } else {
        *steps.select_nth_unstable(middle).1
    }
}

fn decode_times(
    bytes: &mut Reader<'_>,
    count: usize,
    first: i64,
    times: &mut Vec<Timestamp>,
) -> Option<()> {
    let unit = bytes.number()? as i64;
    let step = bytes.signed()?.wrapping_mul(unit);
    let mut grid = first;
    times.reserve(count);
    group::decode(bytes, count, |distances| {
        times.extend(distances.iter().map(|distance| {
            let time = grid.wrapping_add(distance.wrapping_mul(unit));
            grid = grid.wrapping_add(step);
            Timestamp::from_nanos(time)
        }));
    })
}

fn encode_values(values: &[f64], out: &mut Vec<u8>) {
    let mut best = Vec::new();
    encode_bits(values, &mut best);
    if let Some(decimals) = decimal::of(values) {
        for way in [Way::Decimal, Way::DecimalDelta] {
            let mut other = Vec::with_capacity(best.len());
            encode_decimals(&decimals, way, &mut other);
            if other.len() < best.len() {
                best = other;
            }
        }
    }
    out.append(&mut best);
}

fn encode_bits(values: &[f64], out: &mut Vec<u8>) {
    out.push(Way::Bits as u8);
    let bits: Vec<i64> = values.iter().map(|value| value.to_bits() as i64).collect();
    group::encode(&bits, out);
}

fn encode_decimals(decimals: &decimal::Decimals, way: Way, out: &mut Vec<u8>) {
    out.push(way as u8);
    out.push(decimals.exponent);
    varint::put(out, decimals.factor);
    varint::put_signed(out, decimals.first);
    varint::put(out, decimals.exceptions.len() as u64);
    for (index, bits) in &decimals.exceptions {
        varint::put(out, (*index).into());
        out.extend_from_slice(&bits.to_le_bytes());
    }
    if way == Way::Decimal {
        return group::encode(&decimals.numbers, out);
    }
    let mut before = 0;
    let deltas: Vec<i64> = decimals
        .numbers
        .iter()
        .map(|number| number.wrapping_sub(std::mem::replace(&mut before, *number)))
        .collect();
    group::encode(&deltas, out);
}

fn decode_values(bytes: &mut Reader<'_>, count: usize, values: &mut Vec<f64>) -> Option<()> {
    values.reserve(count);
    let way = Way::of(bytes.byte()?)?;
    if way == Way::Bits {
        let value = |number: &i64| f64::from_bits(*number as u64);
        return group::decode(bytes, count, |numbers| {
            values.extend(numbers.iter().map(value));
        });
    }
    let divisor = decimal::divisor(bytes.byte()?)?;
    let factor = bytes.number()? as i64;
    let first = bytes.signed()?;
    let mut exceptions = Vec::new();
    for _ in 0..bytes.count(9)? {
        let index = usize::try_from(bytes.number()?).ok()?;
        let bits = bytes.fixed()?;
        exceptions.push((index, f64::from_bits(bits)));
    }
    let from = values.len();
    let mut before = 0_i64;
    group::decode(bytes, count, |numbers| {
        if way == Way::DecimalDelta {
            for number in numbers.iter_mut() {
                before = before.wrapping_add(*number);
                *number = before;
            }
        }
        let whole = |number: &i64| first.wrapping_add(number.wrapping_mul(factor)) as f64;
        if divisor == 1.0 {
            values.extend(numbers.iter().map(whole));
        } else {
            values.extend(numbers.iter().map(|number| whole(number) / divisor));
        }
    })?;
    for (index, value) in exceptions {
        *values[from..].get_mut(index)? = value;
    }
    Some(())
}

/// The greatest common divisor; the other one when one is 0.
fn gcd(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(samples: &[(i64, u64)]) -> usize {
        let mut columns = Columns::default();
        for (time, value) in samples {
            columns.push(*time, *value);
        }
        let mut bytes = Vec::new();
        encode(
            Part {
                times: &columns.times,
                values: &columns.values,
            },
            &mut bytes,
        );
        let mut found = Columns::default();
        found.push(1, 2); // it appends
        let (count, first) = (samples.len() as u32, samples[0].0);
        assert_eq!(decode(&bytes, count, first, &mut found), Some(()));
        assert!(found.iter().skip(1).eq(samples.iter().copied()));
        for len in 0..bytes.len() {
            let cut = decode(&bytes[..len], count, first, &mut Columns::default());
            assert_eq!(cut, None, "cut at {len} of {}", bytes.len());
        }
        bytes.len()
    }

    fn floats(values: impl IntoIterator<Item = f64>) -> Vec<(i64, u64)> {
        let values = values.into_iter().enumerate();
        values
            .map(|(index, value)| (index as i64 * 15_000_000_000, value.to_bits()))
            .collect()
    }

    #[test]
    fn every_bit_comes_back() {
        check(&[(i64::MIN, 0), (0, u64::MAX), (i64::MAX, 1 << 63)]);
        check(&[(i64::MAX, 7)]);
        check(&floats([
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
            0.1,
        ]));
        check(&floats((0..300).map(|at| f64::from(at).sqrt())));
        check(&floats((0..300).map(|at| -9e15 + f64::from(at) * 6e13)));
        check(&floats((0..129).map(|at| f64::from(at) * 1e300)));
    }

    #[test]
    fn what_is_regular_takes_little() {
        assert!(check(&floats((0..1_000).map(|_| 0.25))) < 24);
        assert!(check(&floats((0..1_000).map(|at| f64::from(at) * 4_096.0))) < 30);
        // One staleness marker does not change the way of the others.
        let stale = crate::ingest::STALE;
        let marked = (0..1_000).map(|at| {
            if at == 999 {
                stale
            } else {
                f64::from(at % 4) / 100.0
            }
        });
        assert!(check(&floats(marked)) < 360);
        // Nor does a gap in time.
        let mut samples = floats((0..1_000).map(|_| 1.0));
        samples[500..]
            .iter_mut()
            .for_each(|(time, _)| *time += 3_600_000_000_000);
        assert!(check(&samples) < 90, "{}", check(&samples));
    }

    proptest! {
        #[test]
        fn any_samples_come_back(samples in prop::collection::vec((any::<i64>(), any::<u64>()), 1..300)) {
            check(&samples);
        }

        #[test]
        fn decimal_samples_come_back(samples in prop::collection::vec((0_i64..1_000_000, -1_000_000_i64..1_000_000, 0_i32..12), 1..300)) {
            let decimal = |(time, digits, exponent)| (time, (digits as f64 / 10_f64.powi(exponent)).to_bits());
            check(&samples.into_iter().map(decimal).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), count in 0_u32..3_000) {
            let mut columns = Columns::default();
            if decode(&bytes, count, 0, &mut columns).is_some() {
                prop_assert_eq!((columns.times.len(), columns.values.len()), (count as usize, count as usize));
            }
        }
    }
}
