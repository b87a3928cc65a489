//! Reproducible randomness.

use std::collections::HashSet;

use rand_core::{Rng as _, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Where randomness comes from: same seed, same bits, on every machine and in every release.
///
/// Part `i` of parallel work uses [`child(i)`](Self::child), so results do not depend on the
/// number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Seed(pub u64);

impl Default for Seed {
    /// A fixed value, not entropy.
    fn default() -> Self {
        Self(0x5EED)
    }
}

impl Seed {
    /// The seed of part `index`. Children of one seed, and of its neighbours, are independent.
    #[must_use]
    pub fn child(self, index: u64) -> Self {
        Self(mix(mix(self.0).wrapping_add(index)))
    }

    /// A generator that starts here.
    pub fn rng(self) -> Rng {
        Rng(Xoshiro256PlusPlus::seed_from_u64(self.0))
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number
/// Generators*, OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A generator of random numbers: xoshiro256++ (Blackman and Vigna 2021), with the few
/// distributions that the algorithms need, fixed here so that no dependency can change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `0..bound`, without bias (Lemire, *Fast Random Integer Generation in an
    /// Interval*, 2019).
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "no integer is below 0");
        let bound = bound as u64;
        let reject_below = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.bits()) * u128::from(bound);
            if wide as u64 >= reject_below {
                return (wide >> 64) as usize;
            }
        }
    }

    /// Standard normal, by the polar method of Marsaglia; the second value of a pair is dropped.
    pub fn normal(&mut self) -> f64 {
        loop {
            let u = 2.0 * self.uniform() - 1.0;
            let v = 2.0 * self.uniform() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    /// Puts the items into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` different indices below `len`, in a reproducible order; all of them when
    /// `count >= len`. Costs `O(count)`, however large `len` is (Floyd's algorithm).
    pub fn sample_indices(&mut self, len: usize, count: usize) -> Vec<usize> {
        let count = count.min(len);
        let mut taken = HashSet::with_capacity(count);
        let mut indices = Vec::with_capacity(count);
        for last in len - count..len {
            let candidate = self.below(last + 1);
            let index = if taken.insert(candidate) {
                candidate
            } else {
                last
            };
            taken.insert(index);
            indices.push(index);
        }
        indices
    }
}
