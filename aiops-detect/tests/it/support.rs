//! What several tests need.

use std::time::Duration;

use aiops_core::{Sample, Series, TimeAxis, Timestamp};

/// Sample `second` of a series with one value a second.
pub(crate) fn at(second: usize, value: f64) -> Sample {
    Sample::new(Timestamp::from_secs(second as i64).unwrap(), value)
}

/// A series with one value a second.
pub(crate) fn series(values: &[f64]) -> Series {
    let axis = TimeAxis::regular(Timestamp::EPOCH, Duration::from_secs(1), values.len()).unwrap();
    Series::new(axis, values.to_vec()).unwrap()
}

/// Repeatable noise in `[-0.5, 0.5)`.
pub(crate) fn noise(index: usize) -> f64 {
    let i = index as f64;
    (12.9898 * i * i + 78.233 * i).rem_euclid(1.0) - 0.5
}

/// Values that break careless arithmetic, each with its name.
pub(crate) fn degenerate() -> Vec<(&'static str, Vec<f64>)> {
    let noisy: Vec<f64> = (0..80).map(noise).collect();
    let each = |f: fn(usize) -> f64| (0..80).map(f).collect::<Vec<f64>>();
    vec![
        ("empty", vec![]),
        ("one value", vec![3.0]),
        ("two values", vec![1.0, 2.0]),
        ("all missing", vec![f64::NAN; 80]),
        ("one present", [vec![f64::NAN; 79], vec![1.0]].concat()),
        ("constant", vec![7.0; 80]),
        ("zero", vec![0.0; 80]),
        ("both zeros", each(|i| if i % 2 == 0 { 0.0 } else { -0.0 })),
        (
            "constant, then a change",
            [vec![7.0; 79], vec![8.0]].concat(),
        ),
        ("two levels", each(|i| (i % 2) as f64)),
        (
            "mostly one value",
            each(|i| if i % 10 == 0 { 1.0 } else { 0.0 }),
        ),
        ("huge", each(|i| noise(i) * f64::MAX)),
        (
            "both ends",
            each(|i| if i % 2 == 0 { f64::MAX } else { f64::MIN }),
        ),
        ("subnormal", each(|i| f64::from_bits(i as u64 % 5))),
        (
            "tiny and huge",
            each(|i| if i % 3 == 0 { 1e308 } else { 1e-308 }),
        ),
        (
            "holes",
            each(|i| if i % 3 == 0 { f64::NAN } else { noise(i) }),
        ),
        ("noise", noisy),
    ]
}
