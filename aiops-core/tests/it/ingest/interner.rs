use aiops_core::ingest::{Batch, LabelInterner};
use aiops_core::{Labels, Timestamp};

fn batch(series: impl IntoIterator<Item = usize>) -> Batch {
    let mut batch = Batch::default();
    for index in series {
        let labels = [("__name__", "m".to_owned()), ("i", index.to_string())];
        batch.start_series(Labels::of(labels).unwrap());
        batch.push(Timestamp::EPOCH, index as f64);
    }
    batch
}

/// Sends the series through the stored form; the interner must never change what comes out.
#[track_caller]
fn check(interner: &mut LabelInterner, series: &[usize]) {
    let sent = batch(series.iter().copied());
    let mut bytes = Vec::new();
    sent.encode(&mut bytes);
    let got = Batch::decode(&bytes, interner).unwrap();
    assert!(
        sent.iter()
            .map(|s| s.labels)
            .eq(got.iter().map(|s| s.labels))
    );
}

#[test]
fn remembers_up_to_its_capacity_and_stays_right_beyond() {
    for capacity in [0, 1, 2, 7, 100, 1_000] {
        let mut interner = LabelInterner::new(capacity);
        let forward: Vec<usize> = (0..500).collect();
        let scattered: Vec<usize> = (0..500).map(|i| i * 7919 % 1_009).collect();
        for series in [&forward, &scattered, &forward, &forward] {
            check(&mut interner, series);
            assert!(
                interner.len() <= capacity.max(1),
                "{} of {capacity}",
                interner.len()
            );
        }
        assert!(interner.len() >= capacity.clamp(1, 500));
    }
}

#[test]
fn the_same_labels_are_one_allocation() {
    let mut interner = LabelInterner::new(10);
    let mut bytes = Vec::new();
    batch([1]).encode(&mut bytes);
    let first = Batch::decode(&bytes, &mut interner).unwrap();
    let again = Batch::decode(&bytes, &mut interner).unwrap();
    let text = |batch: &Batch| batch.iter().next().unwrap().labels.metric().as_ptr();
    assert_eq!(text(&first), text(&again));
}

#[test]
fn long_labels_pass_through_without_being_kept() {
    let mut interner = LabelInterner::new(10);
    let mut sent = Batch::default();
    sent.start_series(Labels::of([("__name__", "m".repeat(5_000))]).unwrap());
    sent.push(Timestamp::EPOCH, 1.0);
    let mut bytes = Vec::new();
    sent.encode(&mut bytes);
    let got = Batch::decode(&bytes, &mut interner).unwrap();
    assert_eq!(got.iter().next().unwrap().labels.metric().len(), 5_000);
    assert!(interner.is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut interner = LabelInterner::new(1_000);
    for round in 0..20 {
        check(
            &mut interner,
            &(round * 1_000..(round + 1) * 1_000).collect::<Vec<_>>(),
        );
    }
    assert!(interner.len() <= 1_000);
    let size = interner.size_bytes();
    assert!(size < 1_000 * (128 + 64 + 64), "{size}");
}
