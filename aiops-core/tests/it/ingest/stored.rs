use aiops_core::ingest::{Batch, LabelInterner, STALE, StoredBatchError, is_stale};
use aiops_core::{Labels, Timestamp};
use proptest::prelude::*;

use super::support::{batches, contents};

fn encoded(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    batch.encode(&mut bytes);
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Batch, StoredBatchError> {
    Batch::decode(bytes, &mut LabelInterner::new(64))
}

proptest! {
    #[test]
    fn comes_back_bit_for_bit(batch in prop_oneof![batches(1), batches(1_000_000)]) {
        let again = decoded(&encoded(&batch)).unwrap();
        prop_assert_eq!(contents(&batch), contents(&again));
    }

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_batch(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
        bytes.splice(0..0, [1, 1]); // the version and the unit of time, so that more is reached
        let _ = decoded(&bytes);
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_another_batch(batch in batches(1_000_000), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut bytes = encoded(&batch);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok(other) = decoded(&bytes) {
            prop_assert!(contents(&other) != contents(&batch) || encoded(&other) == encoded(&batch));
        }
    }
}

fn example() -> Batch {
    let mut batch = Batch::default();
    for instance in ["10.0.0.1:9100", "10.0.0.2:9100"] {
        let labels = [("__name__", "up"), ("instance", instance), ("job", "node")];
        batch.start_series(Labels::of(labels).unwrap());
        batch.push(Timestamp::from_millis(1_700_000_000_000).unwrap(), 1.0);
        batch.push(Timestamp::from_millis(1_700_000_015_000).unwrap(), STALE);
    }
    batch
}

#[test]
fn every_truncation_is_refused() {
    let bytes = encoded(&example());
    for len in 0..bytes.len() {
        assert!(decoded(&bytes[..len]).is_err(), "cut to {len}");
    }
    let mut longer = bytes;
    longer.push(0);
    let error = decoded(&longer).unwrap_err().to_string();
    assert!(error.contains("expected the end"), "{error}");
}

#[test]
fn is_compact() {
    // 4 values of 8 bytes; times of 6, 2, 4 and 2; two series, the second almost all shared.
    let bytes = encoded(&example());
    assert!(bytes.len() < 120, "{}", bytes.len());
    assert!(is_stale(
        decoded(&bytes).unwrap().iter().next().unwrap().values[1]
    ));
}

#[test]
fn a_newer_version_is_not_damage() {
    let mut bytes = encoded(&example());
    bytes[0] = 2;
    let error = decoded(&bytes).unwrap_err();
    assert_eq!(error, StoredBatchError::Version { found: 2 });
}

#[test]
fn counts_that_cannot_be_are_refused_before_memory_is_taken() {
    for field in 0..3 {
        let mut bytes = vec![1, 1];
        for index in 0..3 {
            let claimed: &[u8] = if index == field {
                &[0xff, 0xff, 0xff, 0xff, 0x7f]
            } else {
                &[0]
            };
            bytes.extend(claimed);
        }
        let error = decoded(&bytes).unwrap_err().to_string();
        assert!(error.contains("the number of"), "{error}");
    }
}

#[test]
fn the_format_of_version_1_stays() {
    // Written by this release: one series `m{}`, one sample of 1.5 at 1 s after the epoch.
    let bytes = [
        1, 1, 1, 1, 0, 0, 0, 11, 8, b'_', b'_', b'n', b'a', b'm', b'e', b'_', b'_', 1, b'm', 1,
        0xd0, 0x0f, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f,
    ];
    let batch = decoded(&bytes).unwrap();
    let series = batch.iter().next().unwrap();
    assert_eq!(series.labels.to_string(), "m");
    assert_eq!(series.times[0].as_secs(), 1);
    assert_eq!(series.values, [1.5]);
    assert_eq!(encoded(&batch), bytes);
}
