use std::fs;

use aiops_core::ingest::remote_write::{
    Error, Version, decode, decode_v2, encode, written_headers,
};
use aiops_core::ingest::{Batch, LabelInterner, Limits, Report, STALE};
use aiops_core::{Labels, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::support::{batches, contents, files};

const FOLDER: &str = "alerts/captures/remote_write";

fn decoded(body: &[u8]) -> Result<(Batch, Report), Error> {
    let mut batch = Batch::default();
    let report = decode(
        body,
        &Limits::default(),
        &mut LabelInterner::new(1_000),
        &mut batch,
    )?;
    Ok((batch, report))
}

/// A value as the expectations write it, as bits.
fn bits(value: &Value) -> u64 {
    match value {
        Value::String(text) => match text.as_str() {
            "stale" => STALE.to_bits(),
            "+Inf" => f64::INFINITY.to_bits(),
            "-Inf" => f64::NEG_INFINITY.to_bits(),
            other => {
                let digits = other.strip_prefix("NaN:").unwrap();
                u64::from_str_radix(digits.trim_start_matches("0x"), 16).unwrap()
            }
        },
        number => number.as_f64().unwrap().to_bits(),
    }
}

/// Series with samples, as the expectations have them.
fn expected_series(expected: &Value) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let series = expected["timeseries"].as_array().unwrap().iter();
    series
        .filter(|series| !series["samples"].as_array().unwrap().is_empty())
        .map(|series| {
            let labels = series["labels"].as_array().unwrap().iter();
            let labels = labels.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
            let samples = series["samples"].as_array().unwrap().iter();
            let samples =
                samples.map(|pair| (pair[0].as_i64().unwrap() * 1_000_000, bits(&pair[1])));
            (Labels::of(labels).unwrap(), samples.collect())
        })
        .collect()
}

fn count(expected: &Value, what: &str) -> u64 {
    let series = expected["timeseries"].as_array().unwrap().iter();
    series
        .filter_map(|series| series[what].as_array())
        .map(|list| list.len() as u64)
        .sum()
}

/// Series of native histograms, worked out from the bounds' definition: number of values up to
/// `le`, for each bound that ours have.
fn check_histograms(batch: &Batch, expected: &Value) -> u64 {
    let mut samples = 0;
    for series in expected["timeseries"].as_array().unwrap() {
        let labels = series["labels"].as_array().unwrap().iter();
        let name = labels.clone().find(|pair| pair[0] == "__name__").unwrap()[1]
            .as_str()
            .unwrap();
        for histogram in series["histograms"].as_array().into_iter().flatten() {
            let mut values = Vec::new(); // upper bound and count
            let schema = histogram["schema"].as_f64().unwrap();
            for (side, sign) in [("negative", -1.0), ("positive", 1.0)] {
                let list = |what: &str| {
                    let list = histogram[format!("{side}_{what}")].as_array();
                    list.cloned().unwrap_or_default()
                };
                let mut running = 0.0;
                let deltas = list("deltas");
                let deltas = deltas.iter().map(|delta| {
                    running += delta.as_f64().unwrap();
                    running
                });
                let mut counts: Vec<f64> = deltas.collect();
                counts.extend(list("counts").iter().map(|count| count.as_f64().unwrap()));
                let (mut index, mut counts) = (0.0, counts.into_iter());
                for span in list("spans") {
                    index += span[0].as_f64().unwrap();
                    for _ in 0..span[1].as_u64().unwrap() {
                        let bound: f64 = if sign > 0.0 { index } else { index - 1.0 };
                        let bound = (bound * (-schema).exp2()).exp2();
                        values.push((sign * bound, counts.next().unwrap()));
                        index += 1.0;
                    }
                }
                assert_eq!(counts.next(), None);
            }
            let zero = histogram["zero_threshold"].as_f64().unwrap();
            values.push((zero, histogram["zero_count"].as_f64().unwrap()));
            for (ending, wanted) in [("_sum", "sum"), ("_count", "count")] {
                let ours = batch
                    .iter()
                    .find(|own| own.labels.metric() == format!("{name}{ending}"));
                assert_eq!(ours.unwrap().values, [histogram[wanted].as_f64().unwrap()]);
            }
            let buckets = format!("{name}_bucket");
            let ours: Vec<_> = batch
                .iter()
                .filter(|own| own.labels.metric() == buckets)
                .collect();
            assert!(ours.len() > 6, "{}", ours.len());
            for own in &ours {
                let le: f64 = own.labels.get("le").unwrap().parse().unwrap();
                let below = values.iter().filter(|(bound, _)| *bound <= le + 1e-12);
                let below: f64 = below.map(|(_, count)| count).sum();
                assert_eq!(own.values, [below], "{}", own.labels);
                let millis = histogram["timestamp"].as_i64().unwrap();
                assert_eq!(own.times[0].as_millis(), millis);
            }
            samples += ours.len() as u64 + 2;
        }
    }
    samples
}

fn check_contents(batch: &Batch, report: &Report, expected: &Value, name: &str) {
    let histograms = check_histograms(batch, expected);
    let wanted = expected_series(expected);
    let ours = contents(batch).0.into_iter();
    let of_histograms = |labels: &Labels| {
        let endings = ["_bucket", "_sum", "_count"];
        let base = endings
            .iter()
            .find_map(|ending| labels.metric().strip_suffix(ending));
        wanted.iter().all(|(own, _)| own != labels) && base.is_some()
    };
    let ours: Vec<_> = ours.filter(|(labels, _)| !of_histograms(labels)).collect();
    assert_eq!(ours, wanted, "{name}");
    let samples: usize = wanted.iter().map(|(_, samples)| samples.len()).sum();
    assert_eq!(report.samples, samples as u64 + histograms, "{name}");
    assert_eq!(report.histogram_samples, histograms, "{name}");
    let ignored: u64 = report.ignored().map(|(_, count)| count).sum();
    let wanted = (count(expected, "exemplars"), 0);
    assert_eq!((ignored, report.refused_series()), wanted, "{name}");
    let written = written_headers(Some(report)).map(|(_, count)| count);
    let wanted = [samples as u64, count(expected, "histograms"), 0];
    assert_eq!(written, wanted, "{name}");
}

/// A histogram message with these fields, in a series called `h` (version 1).
fn with_histogram(fields: &[u8]) -> Vec<u8> {
    let label = b"\x0a\x0d\x0a\x08__name__\x12\x01h";
    let histogram = [&[0x22, fields.len() as u8][..], fields].concat();
    let series = [&label[..], &histogram].concat();
    compressed(&[&[0x0a, series.len() as u8][..], &series].concat())
}

#[test]
fn histograms_that_do_not_add_up_are_refused_by_name() {
    let check = |fields: &[u8], fault: Option<&str>| {
        let (batch, report) = decoded(&with_histogram(fields)).unwrap();
        let found = report.refused.get("histogram").map(|r| r.first.1.as_str());
        assert_eq!(found.is_some(), fault.is_some(), "{found:?}");
        assert!(
            found.is_none_or(|found| found.ends_with(fault.unwrap())),
            "{found:?}"
        );
        assert_eq!(batch.is_empty(), fault.is_some());
    };
    check(b"", None);
    // Schema 0 with one span of two buckets, counts 1 and 2.
    check(b"\x5a\x02\x10\x02\x62\x02\x02\x02", None);
    check(
        b"\x5a\x02\x10\x03\x62\x02\x02\x02",
        Some("spans of more buckets than the 2 counts left"),
    );
    check(
        b"\x5a\x02\x10\x01\x62\x02\x02\x02",
        Some("1 counts that belong to no span"),
    );
    check(
        b"\x5a\x02\x10\x01\x62\x01\x01",
        Some("expected a count in bucket 0, found -1"),
    );
    check(
        b"\x20\x80\x01",
        Some("expected a scale from -11 to 20, found 64"),
    );
    check(
        b"\x78\xff\xff\xff\xff\xff\xff\xff\x7f",
        Some("outside the years 1678 to 2261"),
    );
    // Bounds of its own: 1 and 2.
    let bounds = [
        &b"\x20\x69\x82\x01\x10"[..],
        &1.0_f64.to_le_bytes(),
        &2.0_f64.to_le_bytes(),
    ]
    .concat();
    let own = [&bounds[..], b"\x5a\x02\x10\x03\x62\x03\x02\x02\x02"].concat();
    let (batch, _) = decoded(&with_histogram(&own)).unwrap();
    let shown: Vec<_> = batch
        .iter()
        .map(|s| format!("{} {}", s.labels, s.values[0]))
        .collect();
    let wanted = ["1\"} 1", "2\"} 3", "+Inf\"} 6"].map(|end| format!("h_bucket{{le=\"{end}"));
    assert_eq!(shown[..3], wanted);
    check(
        &[&bounds[..], b"\x5a\x02\x10\x04\x62\x04\x02\x02\x02\x02"].concat(),
        Some("expected a bucket from 0 to 2, found 3"),
    );
    // One that ends: markers, and no buckets.
    let over = [&[0x19][..], &STALE.to_bits().to_le_bytes()].concat();
    let (batch, report) = decoded(&with_histogram(&over)).unwrap();
    assert!(
        batch
            .iter()
            .all(|series| series.values[0].to_bits() == STALE.to_bits())
    );
    assert_eq!((batch.sample_count(), report.histograms), (2, 1));
}

#[test]
fn captured_bodies_give_what_is_expected() {
    let mut seen = 0;
    for path in files(FOLDER, "", ".expected.json") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("synthetic_v2") {
            continue;
        }
        let expected: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let body = fs::read(path.with_file_name(name.replace(".expected.json", ".bin"))).unwrap();
        let (batch, report) = decoded(&body).unwrap();
        check_contents(&batch, &report, &expected, &name);
        let metadata = expected["metadata"].as_array().map_or(0, Vec::len);
        assert_eq!(batch.metadata.len(), metadata, "{name}");
        seen += 1;
    }
    assert!(seen == 0 || seen >= 7, "only {seen} captures");
}

fn decoded_v2(body: &[u8]) -> Result<(Batch, Report), Error> {
    let mut batch = Batch::default();
    let mut interner = LabelInterner::new(1_000);
    let report = decode_v2(body, &Limits::default(), &mut interner, &mut batch)?;
    let mut again = Batch::default();
    let warm = decode_v2(body, &Limits::default(), &mut interner, &mut again)?;
    assert_eq!((contents(&batch), &report), (contents(&again), &warm));
    Ok((batch, report))
}

#[test]
fn bodies_of_version_2_give_what_is_expected() {
    let mut seen = 0;
    for path in files(FOLDER, "synthetic_v2", ".expected.json") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let body = fs::read(path.with_file_name(name.replace(".expected.json", ".bin"))).unwrap();
        let (batch, report) = decoded_v2(&body).unwrap();
        check_contents(&batch, &report, &expected, &name);
        let counter = &batch.metadata[0];
        assert_eq!(
            (counter.metric.as_str(), counter.kind.as_str()),
            ("http_requests_total", "counter")
        );
        assert_eq!(counter.help, "Total requests.");
        let metrics: std::collections::BTreeSet<_> =
            batch.metadata.iter().map(|m| &m.metric).collect();
        assert_eq!(metrics.len(), batch.metadata.len(), "{name}");
        seen += 1;
    }
    assert!(seen == 0 || seen >= 2, "only {seen} captures");
}

#[test]
fn content_types_name_the_version() {
    let check = |text: &str, expected| {
        assert_eq!(Version::from_content_type(text), expected, "`{text}`");
    };
    check("application/x-protobuf", Some(Version::V1));
    check(
        "Application/X-Protobuf; proto=prometheus.WriteRequest",
        Some(Version::V1),
    );
    check(
        "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        Some(Version::V2),
    );
    check(
        "application/x-protobuf; charset=x; PROTO = \"io.prometheus.write.v2.Request\"",
        Some(Version::V2),
    );
    check(
        "application/x-protobuf;proto=io.prometheus.write.v3.Request",
        None,
    );
    check("application/json", None);
    check("", None);
}

#[test]
fn broken_bodies_of_version_2() {
    for (name, reason) in [
        ("bad_v2_odd_refs", "odd-labels"),
        ("bad_v2_symbol_out_of_range", "symbol"),
    ] {
        for path in files(FOLDER, name, ".bin") {
            let (batch, report) = decoded_v2(&fs::read(path).unwrap()).unwrap();
            assert!(batch.is_empty());
            assert_eq!(report.refused[reason].count, 1);
        }
    }
    for path in files(FOLDER, "remote_write_v1", ".bin") {
        let error = decoded_v2(&fs::read(path).unwrap()).unwrap_err();
        assert_eq!(error.reason(), "version", "{error}");
    }
    let reason = |request: &[u8]| decoded_v2(&compressed(request)).unwrap_err().reason();
    assert_eq!(reason(b"\x22\x01a"), "protobuf"); // the first symbol is not empty
    assert_eq!(reason(b"\x22\x00\x22\x01\xff"), "protobuf");
    let mut limits = Limits::default();
    limits.max_symbols = 2;
    for (symbols, taken) in [(2, true), (3, false)] {
        let body = compressed(&b"\x22\x00".repeat(symbols));
        let result = decode_v2(
            &body,
            &limits,
            &mut LabelInterner::new(1),
            &mut Batch::default(),
        );
        assert_eq!(result.is_ok(), taken);
    }
}

#[test]
fn references_cannot_stand_for_endless_labels() {
    let symbol = "x".repeat(10_000);
    let mut request = b"\x22\x00\x22\x90\x4e".to_vec();
    request.extend(symbol.as_bytes());
    let references = vec![1_u8; 100_000];
    let mut series = vec![0x0a, 0xa0, 0x8d, 0x06];
    series.extend(references);
    request.extend([0x2a, 0xa4, 0x8d, 0x06]);
    request.extend(series);
    let (batch, report) = decoded_v2(&compressed(&request)).unwrap();
    assert!(batch.is_empty());
    assert_eq!(report.refused["too-long-labels"].count, 1);
}

#[test]
fn a_warm_interner_changes_nothing() {
    let mut interner = LabelInterner::new(1_000);
    for path in files(FOLDER, "remote_write_v1", ".bin") {
        let body = fs::read(path).unwrap();
        let (alone, _) = decoded(&body).unwrap();
        for _ in 0..2 {
            let mut batch = Batch::default();
            decode(&body, &Limits::default(), &mut interner, &mut batch).unwrap();
            assert_eq!(contents(&alone), contents(&batch));
        }
    }
}

#[test]
fn broken_bodies_are_refused_for_their_reason() {
    let cases = [
        ("bad_claims_4GiB", "too-large", "at most"),
        ("bad_duplicate_label", "duplicate-label", "more than once"),
        ("bad_empty", "snappy", "snappy"),
        ("bad_invalid_utf8_label", "utf8", "byte"),
        ("bad_no_metric_name", "no-name", "__name__"),
        ("bad_not_snappy", "snappy", "snappy"),
        ("bad_proto_huge_length", "protobuf", "byte"),
        ("bad_proto_truncated", "protobuf", "byte"),
        ("bad_truncated", "snappy", "snappy"),
        ("bad_v2_odd_refs", "version", "field 4"),
        ("bad_v2_symbol_out_of_range", "version", "field 4"),
    ];
    let found = files(FOLDER, "bad_", ".bin");
    assert!(found.is_empty() || found.len() == cases.len());
    for (path, (name, reason, word)) in found.iter().zip(cases) {
        assert!(path.ends_with(format!("{name}.bin")), "{}", path.display());
        match decoded(&fs::read(path).unwrap()) {
            Ok((_, report)) => {
                assert_eq!(
                    report.refused.keys().copied().collect::<Vec<_>>(),
                    [reason],
                    "{name}"
                );
                let first = report.first_refusal().unwrap();
                assert!(first.contains(word), "{name}: {first}");
            }
            Err(error) => {
                assert_eq!(error.reason(), reason, "{name}: {error}");
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let text = format!("{error}: {}", source.unwrap_or_default());
                assert!(text.contains(word), "{name}: {text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn comes_back_bit_for_bit(batch in batches(1_000_000)) {
        let (again, report) = decoded(&encode(&batch)).unwrap();
        prop_assert_eq!(report.refused_series(), 0);
        prop_assert_eq!(report.samples as usize, batch.sample_count());
        prop_assert_eq!(contents(&batch), contents(&again));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
        // As the contents of a valid snappy block, more of the reader is reached.
        let _ = decoded(&compressed(&bytes));
        let _ = decoded_v2(&compressed(&bytes));
    }

    #[test]
    fn a_damaged_request_of_version_2_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut request = b"\x22\x00\x22\x08__name__\x22\x01m\x2a\x17\x0a\x02\x01\x02\x12\x0b\x09\0\0\0\0\0\0\xf8\x3f\x10\x07\x2a\x04\x08\x01\x18\x02".to_vec();
        let whole = decoded_v2(&compressed(&request)).unwrap();
        prop_assert_eq!(whole.0.sample_count(), 1);
        let at = at.index(request.len());
        request[at] = byte;
        let _ = decoded_v2(&compressed(&request));
    }

    #[test]
    fn a_damaged_request_never_panics(batch in batches(1_000_000), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut request = snap::raw::Decoder::new().decompress_vec(&encode(&batch)).unwrap();
        if !request.is_empty() {
            let at = at.index(request.len());
            request[at] = byte;
        }
        let _ = decoded(&snap::raw::Encoder::new().compress_vec(&request).unwrap());
    }
}

fn compressed(request: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(request).unwrap()
}

#[test]
fn a_cut_request_is_refused_and_the_batch_stays_as_it_was() {
    let mut sent = Batch::default();
    for metric in ["a", "b"] {
        sent.start_series(Labels::of([("__name__", metric)]).unwrap());
        sent.push(Timestamp::EPOCH, 1.0);
    }
    let request = snap::raw::Decoder::new()
        .decompress_vec(&encode(&sent))
        .unwrap();
    let first_ends = request.len() / 2;
    let mut batch = sent.clone();
    let mut interner = LabelInterner::new(10);
    for len in 1..request.len() {
        let body = compressed(&request[..len]);
        let result = decode(&body, &Limits::default(), &mut interner, &mut batch);
        if len == first_ends {
            assert_eq!(result.unwrap().samples, 1);
            assert_eq!(batch.series_count(), 3);
            batch = sent.clone();
        } else {
            assert_eq!(result.unwrap_err().reason(), "protobuf", "cut to {len}");
            assert_eq!(contents(&batch), contents(&sent));
        }
    }
}

/// A request of one series with these fields.
fn one_series(fields: &[u8]) -> Vec<u8> {
    let mut request = vec![0x0a, u8::try_from(fields.len()).unwrap()];
    request.extend(fields);
    compressed(&request)
}

const NAME_M: &[u8] = b"\x0a\x0d\x0a\x08__name__\x12\x01m";
const LABEL_A: &[u8] = b"\x0a\x06\x0a\x01a\x12\x01x";
const SAMPLE: &[u8] = b"\x12\x0b\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\x07";

#[test]
fn fields_in_unusual_places_are_read_all_the_same() {
    for fields in [
        [NAME_M, LABEL_A, SAMPLE].concat(),
        [LABEL_A, NAME_M, SAMPLE].concat(),
        [NAME_M, SAMPLE, LABEL_A].concat(),
        [SAMPLE, LABEL_A, NAME_M].concat(),
        [NAME_M, LABEL_A, b"\x28\x05", SAMPLE].concat(), // an unknown field
        [
            NAME_M,
            LABEL_A,
            b"\x12\x0d\x10\x07\x18\x01\x09\0\0\0\0\0\0\xf8\x3f",
        ]
        .concat(), // time first
    ] {
        let (batch, report) = decoded(&one_series(&fields)).unwrap();
        assert_eq!((report.samples, report.refused_series()), (1, 0));
        let series = batch.iter().next().unwrap();
        assert_eq!(series.labels.to_string(), r#"m{a="x"}"#);
        assert_eq!(
            (series.times[0].as_millis(), series.values),
            (7, &[1.5][..])
        );
    }
}

#[track_caller]
fn check_refused(fields: &[u8], limits: &Limits, reason: &str) {
    let mut batch = Batch::default();
    let mut interner = LabelInterner::new(10);
    let good = [NAME_M, SAMPLE].concat();
    let mut request = Vec::new();
    for series in [fields, &good] {
        request.extend([0x0a, u8::try_from(series.len()).unwrap()]);
        request.extend(series);
    }
    let report = decode(&compressed(&request), limits, &mut interner, &mut batch).unwrap();
    let refused = &report.refused[reason];
    assert_eq!((refused.count, refused.samples), (1, 1));
    assert_eq!(batch.series_count(), 1);
}

#[test]
fn faults_of_a_series_refuse_the_series() {
    let limits = Limits::default();
    check_refused(
        &[NAME_M, b"\x0a\x03\x12\x01x", SAMPLE].concat(),
        &limits,
        "empty-label-name",
    );
    check_refused(
        &[NAME_M, LABEL_A, LABEL_A, SAMPLE].concat(),
        &limits,
        "duplicate-label",
    );
    check_refused(&[LABEL_A, SAMPLE].concat(), &limits, "no-name");
    check_refused(
        &[NAME_M, b"\x0a\x06\x0a\x01\xff\x12\x01x", SAMPLE].concat(),
        &limits,
        "utf8",
    );
    check_refused(
        &[NAME_M, b"\x0a\x02\x0a\x05", SAMPLE].concat(),
        &limits,
        "labels",
    );
    let year_2300 = b"\x12\x08\x10\x80\xc0\xa8\xca\x9a\xba\x7f";
    check_refused(&[NAME_M, &year_2300[..]].concat(), &limits, "time");
    let mut few = Limits::default();
    few.max_labels = 1;
    check_refused(&[NAME_M, LABEL_A, SAMPLE].concat(), &few, "too-many-labels");
    let mut short = Limits::default();
    short.max_label_bytes = 10;
    check_refused(
        &[NAME_M, LABEL_A, SAMPLE].concat(),
        &short,
        "too-long-labels",
    );
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let samples = [NAME_M, SAMPLE, SAMPLE, SAMPLE].concat();
    let body = one_series(&samples);
    let check = |limits: &Limits| {
        let mut batch = Batch::default();
        let result = decode(&body, limits, &mut LabelInterner::new(1), &mut batch);
        result.map_err(|error| error.reason())
    };
    let mut limits = Limits::default();
    limits.max_samples = 3;
    assert!(check(&limits).is_ok());
    limits.max_samples = 2;
    assert_eq!(check(&limits), Err("too-many"));
    let mut limits = Limits::default();
    limits.max_body_bytes = samples.len() + 2;
    assert!(check(&limits).is_ok());
    limits.max_body_bytes -= 1;
    assert_eq!(check(&limits), Err("too-large"));
    // Claims 30 MiB in six bytes, which is within the limit but cannot be true.
    let claim = decoded(&[0x80, 0x80, 0x80, 0x0f, 0, 0]).unwrap_err();
    assert!(
        matches!(claim, Error::Claim { compressed: 6, .. }),
        "{claim}"
    );
}

#[test]
fn metadata_is_bounded_and_checked() {
    let one = b"\x1a\x05\x08\x01\x12\x01m";
    let mut limits = Limits::default();
    limits.max_metadata = 2;
    for (count, taken) in [(2, true), (3, false)] {
        let mut batch = Batch::default();
        let body = compressed(&one.repeat(count));
        let result = decode(&body, &limits, &mut LabelInterner::new(1), &mut batch);
        assert_eq!(result.is_ok(), taken);
        assert_eq!(batch.metadata.len(), if taken { 2 } else { 0 });
    }
    let (batch, report) = decoded(&compressed(b"\x1a\x05\x08\x01\x12\x01\xff")).unwrap();
    assert!(batch.is_empty());
    assert_eq!(report.refused["metadata-utf8"].count, 1);
}
