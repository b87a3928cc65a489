//! From a batch to a request body.

use super::super::Batch;
use super::super::protobuf::{put_bytes, put_double, put_varint};
use super::labels::KINDS;

/// A request body that carries `batch`: what a sender posts. Times are cut to milliseconds, which
/// is what the protocol has; a kind of metric that the protocol does not know becomes `unknown`.
///
/// # Panics
///
/// When the batch takes more than 4 GiB, which is the limit of snappy.
pub fn encode(batch: &Batch) -> Vec<u8> {
    let (mut request, mut series, mut part) = (Vec::new(), Vec::new(), Vec::new());
    for one in batch.iter() {
        series.clear();
        for (name, value) in one.labels.iter() {
            part.clear();
            put_bytes(&mut part, 1, name.as_bytes());
            put_bytes(&mut part, 2, value.as_bytes());
            put_bytes(&mut series, 1, &part);
        }
        for (time, value) in one.times.iter().zip(one.values) {
            part.clear();
            put_double(&mut part, 1, *value);
            put_varint(&mut part, 2, time.as_millis() as u64);
            put_bytes(&mut series, 2, &part);
        }
        put_bytes(&mut request, 1, &series);
    }
    for entry in &batch.metadata {
        part.clear();
        let kind = KINDS.iter().position(|kind| *kind == entry.kind);
        put_varint(&mut part, 1, kind.unwrap_or(0) as u64);
        put_bytes(&mut part, 2, entry.metric.as_bytes());
        put_bytes(&mut part, 4, entry.help.as_bytes());
        put_bytes(&mut part, 5, entry.unit.as_bytes());
        put_bytes(&mut request, 3, &part);
    }
    snap::raw::Encoder::new()
        .compress_vec(&request)
        .unwrap_or_else(|error| panic!("a batch fits into a snappy block: {error}"))
}
