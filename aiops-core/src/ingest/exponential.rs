//! Histograms whose bounds are powers of two's roots, as classic buckets.
//!
//! Prometheus's native and OpenTelemetry's exponential histograms have the bounds `2^(k/2^scale)`.
//! Each bound of a scale is one of the next finer scale too. So the series of a bound goes on when
//! a sender changes its scale, and merging buckets to a coarser scale loses nothing but detail.

use std::collections::BTreeMap;

/// Finest scale that is kept: four buckets for each doubling, a quantile within 10%.
const MAX_SCALE: i32 = 2;
/// Most buckets that are kept of a histogram; above, it gets coarser.
const MAX_BUCKETS: i64 = 160;
/// `2^(k/4)`.
const ROOTS: [f64; 4] = [
    1.0,
    1.189_207_115_002_721,
    std::f64::consts::SQRT_2,
    1.681_792_830_507_429,
];

/// Counts by bucket. Bucket `k` of a scale has the values above bound `k`, up to and with bound
/// `k + 1`; those of the negative side mirror it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exponential {
    scale: i32,
    zero_threshold: f64,
    zeros: f64,
    positive: BTreeMap<i64, f64>,
    negative: BTreeMap<i64, f64>,
}

impl Exponential {
    /// Without any bucket.
    pub(super) fn new(scale: i32, zero_threshold: f64, zeros: f64) -> Result<Self, String> {
        if !(-11..=20).contains(&scale) {
            return Err(format!("expected a scale from -11 to 20, found {scale}"));
        }
        if !(zero_threshold.is_finite() && zero_threshold >= 0.0) {
            let what = "expected a zero threshold that is not negative";
            return Err(format!("{what}, found {zero_threshold}"));
        }
        Ok(Self {
            scale,
            zero_threshold,
            zeros,
            positive: BTreeMap::new(),
            negative: BTreeMap::new(),
        })
    }

    pub(super) fn add(&mut self, is_negative: bool, bucket: i64, count: f64) {
        if count != 0.0 {
            let shift = (self.scale - MAX_SCALE).max(0);
            let side = self.side(is_negative);
            *side.entry(bucket >> shift).or_default() += count;
        }
    }

    fn side(&mut self, is_negative: bool) -> &mut BTreeMap<i64, f64> {
        if is_negative {
            &mut self.negative
        } else {
            &mut self.positive
        }
    }

    /// The scale that the buckets are in.
    fn kept_scale(&self) -> i32 {
        self.scale.min(MAX_SCALE)
    }

    /// Number of buckets between the lowest and the highest of each side.
    fn width(&self) -> i64 {
        [&self.positive, &self.negative]
            .into_iter()
            .filter_map(|side| Some(side.last_key_value()?.0 - side.first_key_value()?.0 + 1))
            .sum()
    }

    fn coarser(&mut self, scale: i32) {
        let shift = (self.kept_scale() - scale).clamp(0, 63);
        self.scale = scale;
        for side in [&mut self.positive, &mut self.negative] {
            for (bucket, count) in std::mem::take(side) {
                *side.entry(bucket >> shift).or_default() += count;
            }
        }
    }

    /// Merges buckets until there are few enough.
    fn fit(&mut self) {
        while self.width() > MAX_BUCKETS {
            self.coarser(self.kept_scale() - 1);
        }
    }

    /// Adds the counts of `other`.
    #[cfg(feature = "otlp")]
    pub(super) fn merge(&mut self, mut other: Self) {
        let scale = self.kept_scale().min(other.kept_scale());
        self.coarser(scale);
        other.coarser(scale);
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
        self.zeros += other.zeros;
        for is_negative in [true, false] {
            for (bucket, count) in std::mem::take(other.side(is_negative)) {
                *self.side(is_negative).entry(bucket).or_default() += count;
            }
        }
        self.fit();
    }

    /// Bounds in ascending order, each with the number of values up to it; the last is infinite.
    pub(super) fn cumulative(&mut self) -> Result<Vec<(f64, f64)>, String> {
        self.fit();
        let scale = self.kept_scale();
        let mut bounds: Vec<(f64, f64)> = Vec::new();
        let mut total = 0.0;
        let sides = [&self.negative, &self.positive];
        let [negative, positive] = sides.map(|side| {
            let ends = side.first_key_value().zip(side.last_key_value());
            ends.map(|((first, _), (last, _))| *first..=*last)
        });
        for bucket in negative.into_iter().flatten().rev() {
            total += self.negative.get(&bucket).copied().unwrap_or(0.0);
            bounds.push((-bound(scale, bucket)?, total));
        }
        total += self.zeros;
        bounds.push((self.zero_threshold, total));
        for bucket in positive.into_iter().flatten() {
            total += self.positive.get(&bucket).copied().unwrap_or(0.0);
            bounds.push((bound(scale, bucket + 1)?, total));
        }
        bounds.push((f64::INFINITY, total));
        // What lies below the zero bucket's own bound is a part of it.
        bounds.dedup_by(|next, kept| {
            let is_same = next.0 <= kept.0;
            if is_same {
                kept.1 = next.1;
            }
            is_same
        });
        Ok(bounds)
    }
}

/// Bound `k` of a scale of at most [`MAX_SCALE`]: `2^(k / 2^scale)`.
fn bound(scale: i32, k: i64) -> Result<f64, String> {
    let (whole, root) = if scale >= 0 {
        let root = k & ((1 << scale) - 1);
        (Some(k >> scale), root << (MAX_SCALE - scale))
    } else {
        let factor = 1_i64.checked_shl(scale.unsigned_abs());
        (factor.and_then(|factor| k.checked_mul(factor)), 0)
    };
    let power = whole.filter(|whole| (-1074..=1024).contains(whole));
    let power = power.ok_or_else(|| {
        format!("bucket bound {k} of scale {scale} is outside of what a float can be")
    })?;
    Ok(ROOTS[root as usize] * two_to(power))
}

fn two_to(power: i64) -> f64 {
    match power {
        1024.. => f64::INFINITY,
        -1022.. => f64::from_bits(((power + 1023) as u64) << 52),
        _ => f64::from_bits(1 << (power + 1074)),
    }
}

/// A bound as the text of the label `le`, as Prometheus writes it.
pub(super) fn le(bound: f64) -> String {
    let size = bound.abs();
    if bound == f64::INFINITY {
        return "+Inf".to_owned();
    }
    if size == 0.0 || (1e-4..1e21).contains(&size) || !size.is_finite() {
        return bound.to_string();
    }
    let text = format!("{bound:e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = match power.strip_prefix('-') {
                Some(power) => ('-', power),
                None => ('+', power),
            };
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    fn of(scale: i32, buckets: &[(i64, f64)]) -> Exponential {
        let mut found = Exponential::new(scale, 0.0, 0.0).unwrap();
        for (bucket, count) in buckets {
            found.add(false, *bucket, *count);
        }
        found
    }

    #[test]
    fn bounds_are_powers_within_the_last_bit() {
        for scale in -3..=2 {
            for k in -40..40 {
                let Ok(found) = bound(scale, k) else {
                    continue;
                };
                let exact = (k as f64 * (-f64::from(scale)).exp2()).exp2();
                assert!((found - exact).abs() <= exact * f64::EPSILON, "{scale} {k}");
            }
        }
        assert_eq!(two_to(-1074), f64::from_bits(1));
        assert_eq!(two_to(1023), f64::MAX / (2.0 - f64::EPSILON));
        assert!(bound(2, 4 * 1025).is_err() && bound(-11, i64::MAX).is_err());
    }

    #[test]
    fn a_coarser_scale_has_the_same_counts_at_its_bounds() {
        let buckets: Vec<_> = (-30..90).map(|k| (k, (k % 7) as f64 + 7.0)).collect();
        let fine = of(2, &buckets).cumulative().unwrap();
        for scale in [-2, -1, 0, 1] {
            let mut coarse = of(2, &buckets);
            coarse.coarser(scale);
            let mut found = 0;
            for (bound, count) in coarse.cumulative().unwrap() {
                let same = fine.iter().find(|(other, _)| *other == bound);
                found += usize::from(same == Some(&(bound, count)));
            }
            assert!(found > 5, "scale {scale}: {found}");
        }
        // Finer buckets are merged as they come.
        let finer: Vec<_> = (0..64).map(|k| (k, 1.0)).collect();
        let merged = of(6, &finer).cumulative().unwrap();
        assert_eq!(merged.len(), 6); // zero, four roots of two, infinite
        assert_eq!(merged[1], (ROOTS[1], 16.0));
    }

    #[test]
    fn buckets_far_apart_stay_few() {
        let mut wide = of(2, &[(-4_000, 1.0), (4_000, 2.0)]);
        let bounds = wide.cumulative().unwrap();
        assert!(bounds.len() <= MAX_BUCKETS as usize + 2);
        assert_eq!(bounds.last(), Some(&(f64::INFINITY, 3.0)));
        let mut hostile = of(
            20,
            &[(i64::from(i32::MIN), 1.0), (i64::from(i32::MAX), 1.0)],
        );
        assert!(hostile.cumulative().is_err());
    }

    #[test]
    fn bounds_are_written_as_prometheus_does() {
        for (value, text) in [
            (0.5, "0.5"),
            (0.000_05, "5e-05"),
            (1e21, "1e+21"),
            (-1e-10, "-1e-10"),
            (123_456_789.0, "123456789"),
            (0.0, "0"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(le(value), text);
        }
    }
}
