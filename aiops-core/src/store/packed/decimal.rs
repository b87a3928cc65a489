//! Values that are whole numbers of some decimal unit.

use super::gcd;

/// Powers of ten that are exact in a double.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
/// Whole numbers below it are exact in a double.
const WHOLE: i64 = 1 << 53;
/// One value in so many may be none.
const EXCEPTIONS: usize = 32;

/// Values as `(first + factor * number) / 10^exponent`.
#[derive(Clone, Debug)]
pub(super) struct Decimals {
    pub(super) exponent: u8,
    pub(super) factor: u64,
    pub(super) first: i64,
    /// One for each value; that of the value before for an exception.
    pub(super) numbers: Vec<i64>,
    /// Index and bits of the values that are something else.
    pub(super) exceptions: Vec<(u32, u64)>,
}

/// 10 to the power of `exponent`; `None` when it is too large.
pub(super) fn divisor(exponent: u8) -> Option<f64> {
    POWERS.get(usize::from(exponent)).copied()
}

/// `value * power` when that is a whole number that gives back the very value.
fn scaled(value: f64, power: f64) -> Option<i64> {
    let scaled = value * power;
    let number = (scaled + 0.5_f64.copysign(scaled)) as i64;
    let fits = -WHOLE < number && number < WHOLE;
    (fits && (number as f64 / power).to_bits() == value.to_bits()).then_some(number)
}

/// `None` when too many of the values are no decimal fractions.
pub(super) fn of(values: &[f64]) -> Option<Decimals> {
    let most = values.len() / EXCEPTIONS + 1;
    let exponent = exponent_of(values, most)?;
    let power = POWERS[exponent];
    let mut exceptions = Vec::new();
    let mut numbers = Vec::with_capacity(values.len());
    let mut before = values.iter().find_map(|value| scaled(*value, power))?;
    for (index, value) in values.iter().enumerate() {
        match scaled(*value, power) {
            Some(number) => before = number,
            None if exceptions.len() < most => exceptions.push((index as u32, value.to_bits())),
            None => return None,
        }
        numbers.push(before);
    }
    let first = numbers[0];
    let factor = numbers
        .iter()
        .fold(0, |factor, number| gcd(factor, number.abs_diff(first)))
        .max(1);
    for number in &mut numbers {
        *number = (*number - first) / factor as i64;
    }
    Some(Decimals {
        exponent: exponent as u8,
        factor,
        first,
        numbers,
        exceptions,
    })
}

/// The exponent at which all but `most` of the values are whole.
fn exponent_of(values: &[f64], most: usize) -> Option<usize> {
    let (mut exponent, mut odd) = (0, 0);
    for value in values {
        let whole = |exponent: &usize| scaled(*value, POWERS[*exponent]).is_some();
        match (exponent..POWERS.len()).find(whole) {
            Some(needed) => exponent = needed,
            None => odd += 1,
        }
        if odd > most {
            return None;
        }
    }
    Some(exponent)
}
