use std::fs;

use aiops_core::ingest::otlp::{Encoding, Error, MetricsDecoder, decode_logs};
use aiops_core::ingest::{Batch, Limits, Report, is_stale};
use aiops_core::{LogRecord, Timestamp};
use proptest::prelude::*;

use super::support::contents;

fn metrics(body: &[u8], encoding: Encoding) -> Result<(Batch, Report), Error> {
    let mut batch = Batch::default();
    let mut decoder = MetricsDecoder::new(100);
    let report = decoder.decode(body, encoding, &Limits::default(), &mut batch)?;
    Ok((batch, report))
}

fn logs(body: &[u8], encoding: Encoding) -> Result<Vec<LogRecord>, Error> {
    let mut records = Vec::new();
    let now = Timestamp::from_secs(100).unwrap();
    decode_logs(body, encoding, now, &Limits::default(), &mut records)?;
    Ok(records)
}

#[cfg(feature = "json")]
mod json {
    use aiops_core::{AnyValue, Severity};

    use super::super::support::files;
    use super::*;

    /// What another program decoded, as JSON, is what we decode.
    #[test]
    fn both_encodings_of_real_requests_agree() {
        let (mut points, mut lines) = (0, 0);
        for path in files("alerts/captures/otlp_http", "otlp_none", ".bin") {
            let body = fs::read(&path).unwrap();
            let expected = fs::read(path.with_extension("expected.json")).unwrap();
            let headers = fs::read_to_string(path.with_extension("headers.json")).unwrap();
            if headers.contains("/v1/metrics") {
                let ours = metrics(&body, Encoding::Protobuf).unwrap();
                let theirs = metrics(&expected, Encoding::Json).unwrap();
                assert_eq!(contents(&ours.0), contents(&theirs.0), "{}", path.display());
                assert_eq!(ours.1, theirs.1);
                assert_eq!(ours.1.refused_series(), 0);
                points += ours.0.sample_count();
            } else if headers.contains("/v1/logs") {
                let ours = logs(&body, Encoding::Protobuf).unwrap();
                assert_eq!(ours, logs(&expected, Encoding::Json).unwrap());
                lines += ours.len();
            }
        }
        assert!(
            (points, lines) == (0, 0) || (points > 50 && lines >= 4),
            "{points} {lines}"
        );
    }

    fn shown(text: &str) -> Vec<String> {
        let (batch, report) = metrics(text.as_bytes(), Encoding::Json).unwrap();
        assert_eq!(report.refused_series(), 0, "{report:?}");
        let series = batch.iter();
        series
            .map(|s| format!("{} {}@{}", s.labels, s.values[0], s.times[0].as_nanos()))
            .collect()
    }

    fn request(metric: &str) -> String {
        format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[
                {{"key":"service.name","value":{{"stringValue":"cart"}}}},
                {{"key":"service.namespace","value":{{"stringValue":"shop"}}}},
                {{"key":"host.name","value":{{"stringValue":"h"}}}},
                {{"key":"other","value":{{"stringValue":"x"}}}}]}},
                "scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#
        )
    }

    #[test]
    fn points_of_each_kind() {
        let gauge = r#"{"name":"g","unit":"1","gauge":{"dataPoints":[{"timeUnixNano":"7","asDouble":1.5,
            "attributes":[{"key":"n","value":{"intValue":"3"}},{"key":"host.name","value":{"stringValue":"own"}}]}]}}"#;
        assert_eq!(
            shown(&request(gauge)),
            [r#"g{host.name="own", job="shop/cart", n="3"} 1.5@7"#]
        );
        let histogram = r#"{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"7",
            "count":"6","sum":9.5,"bucketCounts":["1","2","3"],"explicitBounds":[0.5,1]}]}}"#;
        let own = r#"host.name="h", job="shop/cart""#;
        assert_eq!(
            shown(&request(histogram)),
            [
                format!(r#"h_bucket{{{own}, le="0.5"}} 1@7"#),
                format!(r#"h_bucket{{{own}, le="1"}} 3@7"#),
                format!(r#"h_bucket{{{own}, le="+Inf"}} 6@7"#),
                format!("h_sum{{{own}}} 9.5@7"),
                format!("h_count{{{own}}} 6@7"),
            ]
        );
        let summary = r#"{"name":"s","summary":{"dataPoints":[{"timeUnixNano":"7","count":"2","sum":3,
            "quantileValues":[{"quantile":0.5,"value":1}]}]}}"#;
        assert_eq!(shown(&request(summary)).len(), 3);
        let exponential = r#"{"name":"e","exponentialHistogram":{"aggregationTemporality":2,
            "dataPoints":[{"timeUnixNano":"7","count":"2","sum":3,"scale":1}]}}"#;
        let (batch, report) = metrics(request(exponential).as_bytes(), Encoding::Json).unwrap();
        assert_eq!((batch.sample_count(), report.histograms), (2, 1));
        assert_eq!(batch.metadata[0].kind, "histogram");
    }

    #[test]
    fn deltas_add_up_and_missing_values_are_stale() {
        let sum = |value: i32, flags: i32| {
            request(&format!(
                r#"{{"name":"c","sum":{{"aggregationTemporality":1,"isMonotonic":true,
                "dataPoints":[{{"timeUnixNano":"7","asInt":"{value}","flags":{flags}}}]}}}}"#
            ))
        };
        let mut decoder = MetricsDecoder::new(1);
        let mut values = Vec::new();
        for (value, flags) in [(3, 0), (4, 0), (0, 1), (5, 0)] {
            let mut batch = Batch::default();
            let text = sum(value, flags);
            decoder
                .decode(
                    text.as_bytes(),
                    Encoding::Json,
                    &Limits::default(),
                    &mut batch,
                )
                .unwrap();
            values.push(batch.iter().next().unwrap().values[0]);
            assert_eq!(batch.metadata[0].kind, "counter");
        }
        assert_eq!((values[0], values[1], values[3]), (3.0, 7.0, 12.0));
        assert!(is_stale(values[2]));
        let mut batch = Batch::default();
        let other = sum(1, 0).replace("\"c\"", "\"d\"");
        let report = decoder.decode(
            other.as_bytes(),
            Encoding::Json,
            &Limits::default(),
            &mut batch,
        );
        assert_eq!(report.unwrap().refused["delta-capacity"].count, 1);
    }

    #[test]
    fn faults_of_a_point_refuse_the_point() {
        let good = r#"{"timeUnixNano":"7","asInt":"1"}"#;
        for (reason, bad) in [
            ("time", r#"{"asInt":"1"}"#),
            (
                "duplicate-label",
                r#"{"timeUnixNano":"7","attributes":[{"key":"a","value":{"boolValue":true}},{"key":"a","value":{"intValue":1}}]}"#,
            ),
            (
                "empty-label-name",
                r#"{"timeUnixNano":"7","attributes":[{"value":{"boolValue":true}}]}"#,
            ),
        ] {
            let text = request(&format!(
                r#"{{"name":"g","gauge":{{"dataPoints":[{bad},{good}]}}}}"#
            ));
            let (batch, report) = metrics(text.as_bytes(), Encoding::Json).unwrap();
            assert_eq!((batch.sample_count(), report.refused[reason].count), (1, 1));
            let first = report.first_refusal().unwrap();
            assert!(first.starts_with("point 1, of metric `g`"), "{first}");
        }
        let text = request(
            r#"{"name":"h","histogram":{"dataPoints":[{"timeUnixNano":"7","bucketCounts":["1"],"explicitBounds":[1]}]}}"#,
        );
        let (_, report) = metrics(text.as_bytes(), Encoding::Json).unwrap();
        assert_eq!(report.refused["buckets"].count, 1);
    }

    #[test]
    fn records_with_values_of_every_shape() {
        let text = r#"{"resourceLogs":[{"scopeLogs":[{"scope":{"name":"lib"},"logRecords":[
            {"severityNumber":17,"severityText":"ERR","body":{"kvlistValue":{"values":[
                {"key":"a","value":{"arrayValue":{"values":[{"doubleValue":1.5},{}]}}},
                {"key":"b","value":{"bytesValue":"AQL/"}}]}},
             "traceId":"00000000000000000000000000000000","spanId":"00f067aa0ba902b7"}]}]}]}"#;
        let records = logs(text.as_bytes(), Encoding::Json).unwrap();
        let record = &records[0];
        assert_eq!(
            (record.severity, record.scope.as_str()),
            (Severity::ERROR, "lib")
        );
        assert_eq!(record.observed.as_secs(), 100);
        assert_eq!((record.time, record.trace), (None, None));
        assert!(record.span.is_some());
        let list = AnyValue::Array(vec![AnyValue::Double(1.5), AnyValue::Empty]);
        let fields = vec![
            ("a".to_owned(), list),
            ("b".to_owned(), AnyValue::Bytes(vec![1, 2, 255])),
        ];
        assert_eq!(record.body, AnyValue::Map(fields));
        for bad in ["", "[]", "{", "\u{1}"] {
            assert_eq!(
                logs(bad.as_bytes(), Encoding::Json).unwrap_err().reason(),
                "json"
            );
        }
    }
}

#[test]
fn broken_requests_are_refused() {
    let reason = |body: &[u8]| metrics(body, Encoding::Protobuf).unwrap_err().reason();
    assert_eq!(reason(b"\x0a\x05\x00"), "protobuf");
    assert_eq!(reason(b"\x08\x01"), "protobuf"); // resourceMetrics as a number
    // A list of a list of a list ...
    let mut body = Vec::new();
    for _ in 0..200 {
        let mut outer = vec![0x2a];
        let inner = [&[0x0a][..], &length(body.len()), &body].concat();
        outer.extend(length(inner.len()));
        outer.extend(inner);
        body = outer;
    }
    for field in [0x2a, 0x0a, 0x12, 0x0a] {
        body = [&[field][..], &length(body.len()), &body].concat();
    }
    let body = [&[0x0a][..], &length(body.len()), &body].concat();
    let deep = logs(&body, Encoding::Protobuf);
    assert!(deep.is_err() || deep.unwrap().is_empty());
    let mut limits = Limits::default();
    limits.max_body_bytes = 2;
    let mut batch = Batch::default();
    let result = MetricsDecoder::new(1).decode(b"\0\0\0", Encoding::Protobuf, &limits, &mut batch);
    assert_eq!(result.unwrap_err().reason(), "too-large");
}

fn length(len: usize) -> Vec<u8> {
    let (mut len, mut bytes) = (len, Vec::new());
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes
}

#[test]
fn every_truncation_of_a_real_request() {
    let Some(path) = super::support::data("alerts/captures/otlp_http/otlp_none_001.bin") else {
        return;
    };
    let body = fs::read(path).unwrap();
    for len in 0..body.len() {
        let mut batch = Batch::default();
        let mut decoder = MetricsDecoder::new(100);
        let result = decoder.decode(
            &body[..len],
            Encoding::Protobuf,
            &Limits::default(),
            &mut batch,
        );
        assert_eq!(result.is_err(), len > 0, "cut to {len}");
        assert!(batch.is_empty());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = metrics(&bytes, Encoding::Protobuf);
        let _ = logs(&bytes, Encoding::Protobuf);
    }
}
