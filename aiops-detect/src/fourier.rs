//! Discrete Fourier transform of any length.

use std::f64::consts::PI;

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Complex {
    pub(crate) re: f64,
    pub(crate) im: f64,
}

impl Complex {
    pub(crate) const ZERO: Self = Self { re: 0.0, im: 0.0 };

    /// `exp(-i pi turns)`.
    fn turn(turns: f64) -> Self {
        let (sin, cos) = (PI * turns).sin_cos();
        Self { re: cos, im: -sin }
    }

    fn conjugate(self) -> Self {
        Self {
            re: self.re,
            im: -self.im,
        }
    }

    pub(crate) fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }

    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self {
            re: self.re * factor,
            im: self.im * factor,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            re: self.re + other.re,
            im: self.im + other.im,
        }
    }

    pub(crate) fn size(self) -> f64 {
        self.re.hypot(self.im)
    }
}

/// `X(k) = sum over j of x(j) exp(-2 pi i j k / n)`, in `O(n log n)` for any `n`: as a convolution
/// (Bluestein, *A Linear Filtering Approach to the Computation of Discrete Fourier Transform*,
/// 1970) where `n` is no power of two.
pub(crate) fn transform(values: &[Complex]) -> Vec<Complex> {
    let count = values.len();
    if count.is_power_of_two() || count == 0 {
        let mut values = values.to_vec();
        in_place(&mut values);
        return values;
    }
    // j k = (j^2 + k^2 - (k - j)^2) / 2
    let chirp: Vec<Complex> = (0..count as u128)
        .map(|k| Complex::turn((k * k % (2 * count as u128)) as f64 / count as f64))
        .collect();
    let padded = (2 * count - 1).next_power_of_two();
    let mut signal = vec![Complex::ZERO; padded];
    let mut kernel = vec![Complex::ZERO; padded];
    for (index, (value, chirp)) in values.iter().zip(&chirp).enumerate() {
        signal[index] = value.times(*chirp);
        kernel[index] = chirp.conjugate();
        kernel[(padded - index) % padded] = chirp.conjugate();
    }
    in_place(&mut signal);
    in_place(&mut kernel);
    for (signal, kernel) in signal.iter_mut().zip(&kernel) {
        *signal = signal.times(*kernel);
    }
    let product = inverse_of(&mut signal);
    let each = product.iter().zip(&chirp);
    each.map(|(value, chirp)| value.times(*chirp)).collect()
}

/// The inverse of [`transform`].
pub(crate) fn inverse(values: &[Complex]) -> Vec<Complex> {
    let count = values.len().max(1) as f64;
    let turned: Vec<Complex> = values.iter().map(|value| value.conjugate()).collect();
    let each = transform(&turned).into_iter();
    each.map(|value| value.conjugate().scaled(1.0 / count))
        .collect()
}

fn inverse_of(values: &mut [Complex]) -> &[Complex] {
    let share = 1.0 / values.len() as f64;
    for value in values.iter_mut() {
        *value = value.conjugate();
    }
    in_place(values);
    for value in values.iter_mut() {
        *value = value.conjugate().scaled(share);
    }
    values
}

/// Of a power of two of values (Cooley and Tukey 1965).
fn in_place(values: &mut [Complex]) {
    let count = values.len();
    if count < 2 {
        return;
    }
    let bits = count.trailing_zeros();
    for index in 0..count {
        let other = index.reverse_bits() >> (usize::BITS - bits);
        if index < other {
            values.swap(index, other);
        }
    }
    let turns: Vec<Complex> = (0..count / 2)
        .map(|index| Complex::turn(2.0 * index as f64 / count as f64))
        .collect();
    let mut half = 1;
    while half < count {
        let step = count / (2 * half);
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (index, (low, high)) in low.iter_mut().zip(high).enumerate() {
                let turned = high.times(turns[index * step]);
                (*low, *high) = (low.plus(turned), low.plus(turned.scaled(-1.0)));
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_to_the_definition_and_back() {
        for count in [0, 1, 2, 3, 7, 8, 12, 64, 97, 150] {
            let values: Vec<Complex> = (0..count)
                .map(|i| Complex {
                    re: (f64::from(i) * 0.7).sin(),
                    im: (f64::from(i * i) * 0.3).cos(),
                })
                .collect();
            let got = transform(&values);
            for (k, got) in got.iter().enumerate() {
                let terms = values.iter().enumerate().map(|(j, value)| {
                    value.times(Complex::turn(2.0 * (j * k) as f64 / f64::from(count)))
                });
                let expected = terms.fold(Complex::ZERO, Complex::plus);
                let error = got.plus(expected.scaled(-1.0)).size();
                assert!(
                    error < 1e-10,
                    "{count}, {k}: {got:?}, expected {expected:?}"
                );
            }
            for (back, value) in inverse(&got).iter().zip(&values) {
                assert!(back.plus(value.scaled(-1.0)).size() < 1e-12, "{count}");
            }
        }
    }
}
