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

/// A stored model with this payload, right or wrong.
#[cfg(feature = "serde")]
pub(crate) fn envelope(kind: &str, format: u32, payload: &str) -> Vec<u8> {
    let mut hash = aiops_core::numerics::Fnv1a64::default();
    hash.write(payload.as_bytes());
    let sum = hash.finish();
    format!(r#"{{"kind":"{kind}","format":{format},"checksum":"{sum:016x}","payload":{payload}}}"#)
        .into_bytes()
}

/// The stored model `name` of an earlier release. Where there is none yet, `AIOPS_WRITE_GOLDEN=1`
/// writes `fitted` as the one to keep.
#[cfg(feature = "serde")]
pub(crate) fn released<M: aiops_core::stored::StoredModel>(name: &str, fitted: &M) -> M {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let path = folder.join(name);
    if !path.exists() && std::env::var_os("AIOPS_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, aiops_core::stored::save(fitted)).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    aiops_core::stored::load(&bytes).unwrap()
}

/// The public data beside the checkout; `None`, said loudly, where it is missing, unless it is
/// required.
pub(crate) fn shared_data(folder: &str) -> Option<std::path::PathBuf> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared")
        .join(folder);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("AIOPS_REQUIRE_DATA").is_some();
    assert!(!required, "{} is missing", path.display());
    eprintln!("SKIPPED: {} is missing", path.display());
    None
}

/// A labelled table of the public data: rows and labels.
pub(crate) fn table(path: &std::path::Path) -> (aiops_core::ndarray::Array2<f64>, Vec<bool>) {
    let file = std::fs::File::open(path).unwrap();
    let mut csv = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    let label = csv
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "label");
    let (mut values, mut labels, mut columns) = (Vec::new(), Vec::new(), 0);
    for record in csv.records() {
        let record = record.unwrap();
        columns = record.len() - usize::from(label.is_some());
        for (index, cell) in record.iter().enumerate() {
            let value: f64 = cell.parse().unwrap();
            if Some(index) == label {
                labels.push(value > 0.5);
            } else {
                values.push(value);
            }
        }
    }
    let rows = values.len() / columns.max(1);
    let values = aiops_core::ndarray::Array2::from_shape_vec((rows, columns), values).unwrap();
    (values, labels)
}
