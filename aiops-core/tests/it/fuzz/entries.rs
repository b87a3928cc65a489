//! What is done with arbitrary bytes: by the fuzz targets in `fuzz/`, and by the tests with the
//! bytes that are kept there. Each function panics when something that must hold does not.

use std::ops::ControlFlow;

use aiops_core::ingest::otlp::{Encoding, MetricsDecoder, decode_logs, decode_spans};
use aiops_core::ingest::{
    Batch, LabelInterner, Limits, Report, alertmanager, csv, influx, prometheus_text, remote_write,
};
use aiops_core::logs::{
    ContainerLines, Frames, LineContext, TemplateMiner, TemplateMinerConfig, parse_line,
    parse_syslog,
};
use aiops_core::model::stored;
use aiops_core::queue::{DiskQueue, DiskQueueConfig, Queue};
use aiops_core::store::{DiskStore, DiskStoreConfig, SeriesStore};
use aiops_core::{Selector, StorageError, TimeRange, Timestamp};

/// A name, and what is done with the bytes under it.
pub(crate) type Entry = (&'static str, fn(&[u8]));

/// Every entry; the name is that of the fuzz target and of the folder of its seeds.
pub(crate) const ENTRIES: [Entry; 20] = [
    ("remote_write", remote_write_v1),
    ("remote_write_v2", remote_write_v2),
    ("prometheus_text", text),
    ("openmetrics", openmetrics),
    ("influx", influx_lines),
    ("csv", table),
    ("otlp_metrics", otlp_metrics),
    ("otlp_logs", otlp_logs),
    ("otlp_spans", otlp_spans),
    ("otlp_json", otlp_json),
    ("alerts", alerts),
    ("stored_batch", stored_batch),
    ("log_line", log_line),
    ("syslog", syslog),
    ("containers", containers),
    ("miner", miner),
    ("selector", selector),
    ("queue", queue),
    ("consumers", consumers),
    ("block", block),
];

const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

/// Small bounds, so that passing them is found soon.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_body_bytes = 1 << 20;
    limits.max_samples = 1_000;
    limits.max_metadata = 1_000;
    limits.max_symbols = 1_000;
    limits
}

/// A refused body leaves the batch as it was; a good one is counted, and survives the queue.
fn check<E>(decode: impl Fn(&mut Batch) -> Result<Report, E>) {
    let mut batch = Batch::default();
    match decode(&mut batch) {
        Err(_) => assert!(batch.is_empty() && batch.series_count() == 0),
        Ok(report) => {
            assert_eq!(report.samples, batch.sample_count() as u64);
            assert!(batch.sample_count() <= limits().max_samples);
            let refused = report.refused_series();
            assert_eq!(refused > 0, report.first_refusal().is_some());
            let mut bytes = Vec::new();
            batch.encode(&mut bytes);
            let again = Batch::decode(&bytes, &mut LabelInterner::new(10)).expect("just encoded");
            same(&batch, &again);
        }
    }
}

fn same(one: &Batch, other: &Batch) {
    assert_eq!(one.series_count(), other.series_count());
    for (one, other) in one.iter().zip(other.iter()) {
        assert_eq!((one.labels, one.times), (other.labels, other.times));
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(one.values), bits(other.values));
    }
    assert_eq!(one.metadata, other.metadata);
}

/// The bytes as a request before compression, and as the compressed one.
fn remote_write_v1(bytes: &[u8]) {
    let decode = |body: &[u8]| {
        check(|batch| remote_write::decode(body, &limits(), &mut LabelInterner::new(10), batch));
    };
    decode(bytes);
    decode(&compressed(bytes));
}

fn remote_write_v2(bytes: &[u8]) {
    let decode = |body: &[u8]| {
        check(|batch| remote_write::decode_v2(body, &limits(), &mut LabelInterner::new(10), batch));
    };
    decode(bytes);
    decode(&compressed(bytes));
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::raw::Encoder::new();
    encoder.compress_vec(bytes).expect("bytes that are short")
}

fn text(bytes: &[u8]) {
    let format = prometheus_text::Format::Text;
    check(|batch| prometheus_text::parse(bytes, format, NOW, &limits(), batch));
}

fn openmetrics(bytes: &[u8]) {
    let format = prometheus_text::Format::OpenMetrics;
    check(|batch| prometheus_text::parse(bytes, format, NOW, &limits(), batch));
}

fn influx_lines(bytes: &[u8]) {
    for precision in [influx::Precision::Nanoseconds, influx::Precision::Seconds] {
        check(|batch| influx::parse(bytes, precision, NOW, &limits(), batch));
    }
}

fn table(bytes: &[u8]) {
    let config = csv::CsvConfig::default();
    check(|batch| csv::parse(bytes, &config, &limits(), batch));
}

fn metrics(bytes: &[u8], encoding: Encoding) {
    check(|batch| MetricsDecoder::new(10).decode(bytes, encoding, &limits(), batch));
}

fn logs(bytes: &[u8], encoding: Encoding) {
    let mut records = Vec::new();
    let report = decode_logs(bytes, encoding, NOW, &limits(), &mut records);
    assert_eq!(
        report.map_or(0, |report| report.samples),
        records.len() as u64
    );
    assert!(records.len() <= limits().max_samples);
}

fn spans(bytes: &[u8], encoding: Encoding) {
    let mut spans = Vec::new();
    let report = decode_spans(bytes, encoding, &limits(), &mut spans);
    assert_eq!(
        report.map_or(0, |report| report.samples),
        spans.len() as u64
    );
    assert!(spans.iter().all(|span| span.start <= span.end));
}

fn otlp_metrics(bytes: &[u8]) {
    metrics(bytes, Encoding::Protobuf);
}

fn otlp_logs(bytes: &[u8]) {
    logs(bytes, Encoding::Protobuf);
}

fn otlp_spans(bytes: &[u8]) {
    spans(bytes, Encoding::Protobuf);
}

fn otlp_json(bytes: &[u8]) {
    metrics(bytes, Encoding::Json);
    logs(bytes, Encoding::Json);
    spans(bytes, Encoding::Json);
}

fn alerts(bytes: &[u8]) {
    let mut alerts = Vec::new();
    let report = alertmanager::decode(bytes, NOW, &limits(), &mut alerts);
    assert_eq!(
        report.map_or(0, |report| report.samples),
        alerts.len() as u64
    );
    assert!(alerts.iter().all(|alert| !alert.labels.is_empty()));
}

/// What can be read can be written, and reads the same again.
fn stored_batch(bytes: &[u8]) {
    if let Ok(batch) = Batch::decode(bytes, &mut LabelInterner::new(10)) {
        let mut written = Vec::new();
        batch.encode(&mut written);
        let again = Batch::decode(&written, &mut LabelInterner::new(10)).expect("just encoded");
        same(&batch, &again);
    }
}

fn log_line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default()).expect("defaults");
    for line in text.lines() {
        let record = parse_line(line, &LineContext::new(NOW));
        if let Some(message) = record.body.as_text() {
            let id = miner.observe(message);
            assert_eq!(miner.look_up(message), Some(miner.current(id)));
            assert!(
                miner
                    .parameters(message)
                    .iter()
                    .all(|p| message.contains(p))
            );
        }
    }
}

/// Any cut of a stream gives the same messages.
fn syslog(bytes: &[u8]) {
    let whole = messages(bytes, bytes.len().max(1));
    assert_eq!(whole, messages(bytes, 7));
    for message in whole {
        parse_syslog(&message, &LineContext::new(NOW));
    }
    parse_syslog(bytes, &LineContext::new(NOW));
}

fn messages(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
    let (mut frames, mut found) = (Frames::new(100), Vec::new());
    for piece in bytes.chunks(step) {
        frames.push(piece);
        while let Some(frame) = frames.next_frame() {
            found.extend(frame.map(<[u8]>::to_vec));
        }
    }
    found.extend(frames.finish().map(<[u8]>::to_vec));
    found
}

fn containers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = ContainerLines::new(100);
    for line in text.lines() {
        lines.push(line, &LineContext::new(NOW));
        assert!(lines.pending_bytes() <= 8 * 100);
    }
}

/// A miner that can be loaded can be used and saved, and is the same again.
fn miner(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for body in [text.to_string(), sealed("core.template-miner", &text)] {
        if let Ok(mut miner) = stored::load::<TemplateMiner>(body.as_bytes()) {
            let saved = stored::save(&miner);
            let again = stored::load::<TemplateMiner>(&saved).expect("just saved");
            assert_eq!(saved, stored::save(&again));
            for message in ["a 1 b", "connection from 10.0.0.1 closed"] {
                miner.observe(message);
            }
            stored::load::<TemplateMiner>(&stored::save(&miner)).expect("just saved");
        }
    }
}

/// The envelope of a stored model, with the checksum of this payload.
fn sealed(kind: &str, payload: &str) -> String {
    let mut hash = aiops_core::numerics::Fnv1a64::default();
    hash.write(payload.as_bytes());
    let sum = hash.finish();
    format!(r#"{{"kind":"{kind}","format":1,"checksum":"{sum:016x}","payload":{payload}}}"#)
}

fn selector(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(selector) = text.parse::<Selector>() {
        let shown = selector.to_string();
        let again: Selector = shown.parse().expect("what it shows");
        assert_eq!(shown, again.to_string());
    }
}

/// A segment that is not what was written is an error or damage that is named; what is read goes
/// on to be written to.
fn queue(bytes: &[u8]) {
    let folder = crate::support::folder();
    let path = folder.path().join("00000000000000000000.log");
    std::fs::write(path, bytes).expect("a file of its own");
    let Ok(queue) = DiskQueue::open(folder.path(), DiskQueueConfig::default()) else {
        return;
    };
    queue.append(NOW, b"more").expect("room for one record");
    queue.sync().expect("a folder that can be written to");
}

/// A note of consumers that is not what was written is named, and holds back what is in the queue.
fn consumers(bytes: &[u8]) {
    for note in [bytes.to_vec(), with_checksum(bytes)] {
        let folder = crate::support::folder();
        std::fs::write(folder.path().join("consumers"), note).expect("a file of its own");
        let Ok(queue) = DiskQueue::open(folder.path(), DiskQueueConfig::default()) else {
            continue;
        };
        let places = queue.consumers();
        assert!(places.values().all(|place| *place == 0), "{places:?}");
        let known = places.len();
        for name in places.into_keys() {
            queue
                .forget(&name)
                .expect("a folder that can be written to");
        }
        assert!(queue.consumers().is_empty(), "{known} were there");
    }
}

fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(end) = bytes.len().checked_sub(4) {
        let crc = crc32c::crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

/// A block that is not what was written is damage that is named; what is left can be read, deleted
/// and added to. Besides as it is, it is read with checksums that are right, so that what they
/// protect is reached.
fn block(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), with_checksums(bytes)] {
        let folder = crate::support::folder();
        let blocks = folder.path().join("blocks");
        std::fs::create_dir(&blocks).expect("a folder of its own");
        let path = blocks.join("00000000000000000001.block");
        std::fs::write(path, bytes).expect("a file of its own");
        let Ok(store) = DiskStore::open(folder.path(), DiskStoreConfig::default()) else {
            continue;
        };
        let before = read_past_damage(&store);
        let range = TimeRange::new(Timestamp::EPOCH, NOW);
        if store.delete(&Selector::all(), range).is_ok() {
            assert!(read_past_damage(&store) <= before);
        }
        let _ = store.maintain(NOW); // may meet the damage
    }
}

/// How many samples there are; each damage is told once.
fn read_past_damage(store: &DiskStore) -> usize {
    for _ in 0..=store.stats().series + 1 {
        let mut samples = 0;
        let read = store.select(&Selector::all(), TimeRange::ALL, &mut |_, times, values| {
            assert!(times.is_sorted_by(|one, next| one < next));
            assert_eq!(times.len(), values.len());
            samples += times.len();
            ControlFlow::Continue(())
        });
        match read {
            Ok(()) => return samples,
            Err(StorageError::Corrupt { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the same damage is told again and again");
}

/// The bytes with the checksums of a block, as far as its sections are where it says they are.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some(footer) = bytes.len().checked_sub(104) else {
        return bytes;
    };
    let _ = runs(&mut bytes[..], footer);
    for (at, len, long, crc) in [(0, 8, true, 16), (24, 44, false, 32)] {
        let len = if long {
            number(&bytes, footer + len, 8)
        } else {
            number(&bytes, footer + len, 4)
        };
        let at = number(&bytes, footer + at, 8);
        if let Some(section) = at.checked_add(len).and_then(|end| bytes.get(at..end)) {
            let right = crc32c::crc32c(section).to_le_bytes();
            bytes[footer + crc..footer + crc + 4].copy_from_slice(&right);
        }
    }
    let right = crc32c::crc32c(&bytes[footer..footer + 92]).to_le_bytes();
    bytes[footer + 92..footer + 96].copy_from_slice(&right);
    bytes
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    let bytes = bytes[at..at + len].iter().rev();
    bytes.fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Puts the checksums of the runs into the directory; `None` where it ends before its time.
fn runs(bytes: &mut [u8], footer: usize) -> Option<()> {
    let mut at = number(bytes, footer + 24, 8);
    for _ in 0..number(bytes, footer + 20, 4) {
        at = varint(bytes, at)?.1;
        let crc = at.checked_add(4)?;
        let (start, behind) = varint(bytes, crc.checked_add(4)?)?;
        let (len, behind) = varint(bytes, behind)?;
        if let Some(run) = start.checked_add(len).and_then(|end| bytes.get(start..end)) {
            let right = crc32c::crc32c(run).to_le_bytes();
            bytes.get_mut(crc..crc + 4)?.copy_from_slice(&right);
        }
        at = behind;
        for _ in 0..3 {
            at = varint(bytes, at)?.1;
        }
    }
    Some(())
}

/// A number of seven bits a byte, and where it ends.
fn varint(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((number, at));
        }
    }
    None
}
