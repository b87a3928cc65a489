//! The standard normal distribution.

use std::f64::consts::TAU;

/// Quantile of the standard normal at `level` in `(0, 1)`: algorithm AS 241 (Wichura 1988), exact
/// to about 1 in 1e16.
pub fn quantile(level: f64) -> f64 {
    let q = level - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = level.min(1.0 - level).max(f64::MIN_POSITIVE);
    tail_quantile(tail).copysign(q)
}

/// The value that a standard normal exceeds with probability `tail`, which is at most 0.5.
pub fn tail_quantile(tail: f64) -> f64 {
    if tail > 0.075 {
        return -quantile(tail);
    }
    let r = (-tail.max(f64::MIN_POSITIVE).ln()).sqrt();
    if r <= 5.0 {
        ratio(&MIDDLE, r - 1.6)
    } else {
        ratio(&FAR, r - 5.0)
    }
}

/// Probability that a standard normal exceeds `z`; `NaN` of `NaN`. Relative error about 1e-14, in the
/// far tail too.
///
/// ```
/// use aiops_core::numerics::normal;
///
/// assert!((normal::tail(1.959_963_984_540_054) - 0.025).abs() < 1e-15);
/// ```
pub fn tail(z: f64) -> f64 {
    let below = z < 0.0;
    let z = z.abs();
    let density = (-0.5 * z * z).exp() / TAU.sqrt();
    let upper = if z < 3.0 {
        0.5 - density * central_sum(z)
    } else {
        density * mills(z)
    };
    if below { 1.0 - upper } else { upper }
}

/// `z + z^3 / 3 + z^5 / (3 * 5) + ...` (Abramowitz and Stegun 26.2.11).
fn central_sum(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 3.0);
    while term > sum * 1e-17 {
        term *= z * z / odd;
        sum += term;
        odd += 2.0;
    }
    sum
}

/// `1 / (z + 1 / (z + 2 / (z + 3 / ...)))` (Laplace; Abramowitz and Stegun 26.2.14).
fn mills(z: f64) -> f64 {
    let fraction = (1..=120).rev().fold(z, |rest, k| z + f64::from(k) / rest);
    1.0 / fraction
}

/// Numerator and denominator, lowest power first.
type Ratio = ([f64; 8], [f64; 8]);

fn ratio((above, below): &Ratio, r: f64) -> f64 {
    let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    polynomial(above) / polynomial(below)
}

#[rustfmt::skip]
const CENTRE: Ratio = (
    [3.387_132_872_796_366_5, 133.141_667_891_784_38, 1_971.590_950_306_551_3,
     13_731.693_765_509_46, 45_921.953_931_549_87, 67_265.770_927_008_7,
     33_430.575_583_588_13, 2_509.080_928_730_122_7],
    [1.0, 42.313_330_701_600_91, 687.187_007_492_057_9, 5_394.196_021_424_751,
     21_213.794_301_586_597, 39_307.895_800_092_71, 28_729.085_735_721_943,
     5_226.495_278_852_545],
);
#[rustfmt::skip]
const MIDDLE: Ratio = (
    [1.423_437_110_749_683_5, 4.630_337_846_156_546, 5.769_497_221_460_691,
     3.647_848_324_763_204_5, 1.270_458_252_452_368_4, 0.241_780_725_177_450_6,
     2.272_384_498_926_918_4e-2, 7.745_450_142_783_414e-4],
    [1.0, 2.053_191_626_637_759, 1.676_384_830_183_803_8, 0.689_767_334_985_1,
     0.148_103_976_427_480_08, 1.519_866_656_361_645_7e-2, 5.475_938_084_995_345e-4,
     1.050_750_071_644_416_9e-9],
);
#[rustfmt::skip]
const FAR: Ratio = (
    [6.657_904_643_501_103, 5.463_784_911_164_114, 1.784_826_539_917_291_3,
     0.296_560_571_828_504_87, 2.653_218_952_657_612_4e-2, 1.242_660_947_388_078_4e-3,
     2.711_555_568_743_487_6e-5, 2.010_334_399_292_288_1e-7],
    [1.0, 0.599_832_206_555_888, 0.136_929_880_922_735_8, 1.487_536_129_085_061_5e-2,
     7.868_691_311_456_133e-4, 1.846_318_317_510_054_8e-5, 1.421_511_758_316_446e-7,
     2.044_263_103_389_939_8e-15],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_tables() {
        // statistics.NormalDist of Python 3
        let cases = [
            (0.5, 0.0),
            (0.9, 1.281_551_565_544_600_4),
            (0.975, 1.959_963_984_540_054),
            (0.025, -1.959_963_984_540_054),
            (1e-10, -6.361_340_902_404_056),
            (1e-300, -37.047_096_299_361_2),
        ];
        for (level, expected) in cases {
            let got = quantile(level);
            assert!((got - expected).abs() < 1e-9, "{level}: {got} {expected}");
        }
        assert!((tail_quantile(0.3) - 0.524_400_512_708_041).abs() < 1e-12);
    }

    #[test]
    fn tails_of_the_tables() {
        // scipy.stats.norm.sf, SciPy 1.17
        let cases = [
            (0.0, 0.5),
            (-1.5, 0.933_192_798_731_141_9),
            (2.999_999, 0.001_349_902_463_485_155_2),
            (3.0, 0.001_349_898_031_630_094_5),
            (6.0, 9.865_876_450_376_946e-10),
            (30.0, 4.906_713_927_147_908e-198),
        ];
        for (z, expected) in cases {
            let got = tail(z);
            assert!(
                (got / expected - 1.0).abs() < 1e-12,
                "{z}: {got} {expected}"
            );
        }
        assert_eq!(tail(f64::INFINITY), 0.0);
        assert_eq!(tail(f64::NEG_INFINITY), 1.0);
        assert!(tail(f64::NAN).is_nan());
    }
}
