//! Samples as a stream of bits: differences of differences of time, and the bits in which a value
//! differs from the one before.
//!
//! Pelkonen et al., *Gorilla: A Fast, Scalable, In-Memory Time Series Database*, VLDB 2015. Times
//! are counted in the coarsest of milliseconds, microseconds and nanoseconds that is exact. Values
//! come back bit for bit, whatever they are.

use crate::Timestamp;

use super::varint::{unzigzag, zigzag};

/// Nanoseconds of a unit of time, by its code.
const UNITS: [i64; 3] = [1_000_000, 1_000, 1];
/// No window of differing bits yet.
const NO_WINDOW: u8 = 0xff;
/// Bits of the fields that leading zeros and length of a window are written in.
const LEADING_BITS: u32 = 5;
const LENGTH_BITS: u32 = 6;
/// Bits of a difference of differences, by the number of ones before it.
const TIME_BITS: [u32; 3] = [6, 14, 20];
/// The buffer grows by so many bytes, so that little is in vain for each of many series.
const GROWTH: usize = 48;

/// Adds samples, one after another.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u8,
    unit: u8,
    leading: u8,
    trailing: u8,
    count: u32,
    first: i64,
    last: i64,
    /// Difference of the last two times, in units.
    delta: i64,
    value: u64,
}

/// Code of the coarsest unit that tells `nanos` exactly.
fn unit_of(nanos: i64) -> u8 {
    UNITS.iter().position(|unit| nanos % unit == 0).unwrap_or(2) as u8
}

impl Encoder {
    /// Begins with a sample.
    pub(super) fn new(time: i64, value: u64) -> Self {
        let unit = unit_of(time);
        let mut encoder = Self {
            bytes: Vec::with_capacity(GROWTH),
            free: 0,
            unit,
            leading: NO_WINDOW,
            trailing: 0,
            count: 1,
            first: time,
            last: time,
            delta: 0,
            value,
        };
        encoder.bytes.push(unit);
        encoder.put((time / UNITS[usize::from(unit)]) as u64, 64);
        encoder.put(value, 64);
        encoder
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn first(&self) -> i64 {
        self.first
    }

    pub(super) fn last(&self) -> i64 {
        self.last
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Memory in use besides the structure itself.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds a sample; answers `false`, and adds nothing, when its time cannot be told in the unit
    /// of those before.
    pub(super) fn push(&mut self, time: i64, value: u64) -> bool {
        let unit = UNITS[usize::from(self.unit)];
        if time % unit != 0 {
            return false;
        }
        let delta = (time / unit).wrapping_sub(self.last / unit);
        self.put_time(zigzag(delta.wrapping_sub(self.delta)));
        self.put_value(value);
        self.delta = delta;
        self.last = time;
        self.value = value;
        self.count += 1;
        true
    }

    fn put_time(&mut self, change: u64) {
        if change == 0 {
            return self.put(0, 1);
        }
        for (ones, bits) in TIME_BITS.into_iter().enumerate() {
            if change < 1 << bits {
                let ones = ones as u32 + 1;
                self.put((1 << (ones + 1)) - 2, ones + 1);
                return self.put(change, bits);
            }
        }
        self.put(0b1111, 4);
        self.put(change, 64);
    }

    fn put_value(&mut self, value: u64) {
        let change = value ^ self.value;
        if change == 0 {
            return self.put(0, 1);
        }
        let leading = change.leading_zeros().min(31) as u8;
        let trailing = change.trailing_zeros() as u8;
        if self.leading != NO_WINDOW && leading >= self.leading && trailing >= self.trailing {
            self.put(0b10, 2);
        } else {
            (self.leading, self.trailing) = (leading, trailing);
            self.put(0b11, 2);
            self.put(leading.into(), LEADING_BITS);
            self.put(u64::from(64 - leading - trailing) - 1, LENGTH_BITS);
        }
        let length = u32::from(64 - self.leading - self.trailing);
        self.put(change >> self.trailing, length);
    }

    /// Appends the lowest `bits` of `value`, the highest of them first.
    fn put(&mut self, value: u64, bits: u32) {
        let mut left = bits;
        while left > 0 {
            if self.free == 0 {
                if self.bytes.len() == self.bytes.capacity() {
                    self.bytes.reserve_exact(GROWTH);
                }
                self.bytes.push(0);
                self.free = 8;
            }
            let take = left.min(self.free.into());
            let part = (value >> (left - take)) & ((1 << take) - 1);
            self.free -= take as u8;
            left -= take;
            if let Some(byte) = self.bytes.last_mut() {
                *byte |= (part as u8) << self.free;
            }
        }
    }
}

/// Appends `count` samples to the columns; `None` when `bytes` does not hold them.
pub(super) fn decode(
    bytes: &[u8],
    count: u32,
    times: &mut Vec<Timestamp>,
    values: &mut Vec<f64>,
) -> Option<()> {
    let (&unit, bits) = bytes.split_first()?;
    let unit = *UNITS.get(usize::from(unit))?;
    let count = count as usize;
    // A sample takes two bits at least, but for the first one.
    if count == 0 || count - 1 > bits.len() * 4 {
        return None;
    }
    let mut bits = Bits::new(bits);
    let (mut time, mut value) = (bits.take(64) as i64, bits.take(64));
    let (mut delta, mut leading, mut trailing) = (0_i64, 0, 0);
    times.reserve(count);
    values.reserve(count);
    times.push(Timestamp::from_nanos(time.wrapping_mul(unit)));
    values.push(f64::from_bits(value));
    for _ in 1..count {
        delta = delta.wrapping_add(unzigzag(bits.time_change()));
        time = time.wrapping_add(delta);
        times.push(Timestamp::from_nanos(time.wrapping_mul(unit)));
        if bits.take(1) == 1 {
            if bits.take(1) == 1 {
                leading = bits.take(LEADING_BITS) as u32;
                let length = bits.take(LENGTH_BITS) as u32 + 1;
                trailing = (64 - leading).checked_sub(length)?;
            }
            value ^= bits.take(64 - leading - trailing) << trailing;
        }
        values.push(f64::from_bits(value));
    }
    bits.is_sound().then_some(())
}

/// Reads bits; zeros past the end, which [`is_sound`](Self::is_sound) tells.
struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    ahead: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            next: 0,
            ahead: 0,
            count: 0,
        }
    }

    fn take(&mut self, bits: u32) -> u64 {
        if bits > 32 {
            let high = self.take(bits - 32);
            return (high << 32) | self.take(32);
        }
        while self.count < bits {
            let byte = self.bytes.get(self.next).copied().unwrap_or(0);
            self.ahead = (self.ahead << 8) | u64::from(byte);
            self.next += 1;
            self.count += 8;
        }
        self.count -= bits;
        (self.ahead >> self.count) & ((1 << bits) - 1)
    }

    fn time_change(&mut self) -> u64 {
        if self.take(1) == 0 {
            return 0;
        }
        for bits in TIME_BITS {
            if self.take(1) == 0 {
                return self.take(bits);
            }
        }
        self.take(64)
    }

    fn is_sound(&self) -> bool {
        self.next <= self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(samples: &[(i64, u64)]) {
        let mut encoder = Encoder::new(samples[0].0, samples[0].1);
        for &(time, value) in &samples[1..] {
            assert!(encoder.push(time, value), "{time} is in the unit");
        }
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let decoded = decode(encoder.bytes(), encoder.count(), &mut times, &mut values);
        assert_eq!(decoded, Some(()));
        let times = times.iter().map(|time| time.as_nanos());
        let bits = values.iter().map(|value| value.to_bits());
        assert!(times.zip(bits).eq(samples.iter().copied()));
        // Whatever is cut off, the answer is no panic, and no sample that is not asked for.
        for len in 0..encoder.bytes().len() {
            let cut = &encoder.bytes()[..len];
            assert_eq!(
                decode(cut, encoder.count(), &mut Vec::new(), &mut Vec::new()),
                None
            );
        }
    }

    #[test]
    fn every_bit_comes_back() {
        let nan = 0x7ff0_0000_0000_0002;
        check(&[(i64::MIN, nan), (0, 0), (i64::MAX, u64::MAX)]);
        check(&[(5, 1), (6, 1 << 63), (7, 0), (8, u64::MAX >> 1)]);
        check(&[(1_000_000, f64::INFINITY.to_bits())]);
    }

    #[test]
    fn a_time_that_is_finer_than_the_unit_is_refused() {
        let mut encoder = Encoder::new(1_000_000, 0);
        assert!(!encoder.push(2_000_001, 0));
        assert!(encoder.push(3_000_000, 0));
        assert_eq!(encoder.count(), 2);
    }

    proptest! {
        #[test]
        fn any_samples_come_back(samples in prop::collection::vec((any::<i64>(), any::<u64>()), 1..200)) {
            // One odd time makes nanoseconds the unit.
            let mut samples = samples;
            samples[0].0 |= 1;
            check(&samples);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_u32..2_000) {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            if decode(&bytes, count, &mut times, &mut values).is_some() {
                prop_assert_eq!((times.len(), values.len()), (count as usize, count as usize));
            }
        }
    }
}
