use std::fs;

use aiops_core::ingest::otlp::{
    Encoding, Error, MetricsDecoder, accepted, decode_logs, decode_spans, rejected,
};
use aiops_core::ingest::{Batch, Limits, Report, is_stale};
use aiops_core::{LogRecord, Span, Timestamp};
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
    let report = decode_logs(body, encoding, now, &Limits::default(), &mut records)?;
    assert_eq!(report.samples, records.len() as u64);
    Ok(records)
}

fn spans(body: &[u8], encoding: Encoding) -> Result<(Vec<Span>, Report), Error> {
    let mut spans = Vec::new();
    let report = decode_spans(body, encoding, &Limits::default(), &mut spans)?;
    assert_eq!(report.samples, spans.len() as u64);
    Ok((spans, report))
}

#[cfg(feature = "json")]
mod json {
    use aiops_core::{AnyValue, Severity, SpanKind};

    use super::super::support::files;
    use super::*;

    /// What another program decoded, as JSON, is what we decode.
    #[test]
    fn both_encodings_of_real_requests_agree() {
        let (mut points, mut lines, mut steps) = (0, 0, 0);
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
            } else {
                let ours = spans(&body, Encoding::Protobuf).unwrap();
                assert_eq!(ours, spans(&expected, Encoding::Json).unwrap());
                assert_eq!(ours.1.refused_series(), 0);
                assert!(ours.0.iter().all(|span| &*span.service == "checkout"));
                steps += ours.0.len();
            }
        }
        assert!(
            (points, lines, steps) == (0, 0, 0) || (points > 50 && lines >= 4 && steps >= 2),
            "{points} {lines} {steps}"
        );
    }

    fn request_for_spans(spans: &str) -> String {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[
                {{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},
                "scopeSpans":[{{"scope":{{"name":"lib"}},"spans":[{spans}]}}]}}]}}"#
        )
    }

    const GOOD: &str = r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
        "parentSpanId":"eee19b7ec3c1b173","name":"read","kind":3,"startTimeUnixNano":"100",
        "endTimeUnixNano":"350","status":{"code":2,"message":"timeout"},"links":[{},{}],
        "attributes":[{"key":"db","value":{"stringValue":"orders"}}],
        "events":[{"timeUnixNano":"200","name":"exception","attributes":[]}]}"#;

    #[test]
    fn a_span_with_everything() {
        let text = request_for_spans(GOOD);
        let (spans, report) = spans(text.as_bytes(), Encoding::Json).unwrap();
        let span = &spans[0];
        assert_eq!((span.trace.0[0], span.id.0[7]), (0x5b, 0x74));
        assert_eq!(span.parent.unwrap().0[7], 0x73);
        assert_eq!(
            (&*span.service, &*span.scope, span.name.as_str()),
            ("cart", "lib", "read")
        );
        assert_eq!(span.kind, SpanKind::Client);
        assert!(span.is_error() && !span.is_root());
        assert_eq!(
            (span.duration().as_nanos(), span.status_message.as_str()),
            (250, "timeout")
        );
        assert_eq!(span.attribute("db"), Some(&AnyValue::from("orders")));
        assert_eq!(
            span.attribute("service.name"),
            Some(&AnyValue::from("cart"))
        );
        assert_eq!(span.attribute("none"), None);
        assert_eq!(
            (
                span.events[0].name.as_str(),
                span.events[0].time.unwrap().as_nanos()
            ),
            ("exception", 200)
        );
        assert_eq!(report.ignored().collect::<Vec<_>>(), [("links", 2)]);
        assert_eq!(accepted(&report, "Spans", Encoding::Json), b"{}");
        assert!(accepted(&report, "Spans", Encoding::Protobuf).is_empty());
    }

    #[test]
    fn faults_of_a_span_refuse_the_span() {
        for (reason, from, to) in [
            (
                "trace-id",
                "5b8efff798038103d269b633813fc60c",
                "00000000000000000000000000000000",
            ),
            ("trace-id", "5b8efff798038103d269b633813fc60c", "5b8e"),
            ("span-id", "eee19b7ec3c1b174", "xxx19b7ec3c1b174"),
            ("time", "\"100\"", "\"0\""),
            ("time", "\"350\"", "\"18446744073709551615\""),
            ("end-before-start", "\"350\"", "\"99\""),
        ] {
            let text = request_for_spans(&format!("{GOOD},{}", GOOD.replace(from, to)));
            let (spans, report) = spans(text.as_bytes(), Encoding::Json).unwrap();
            assert_eq!((spans.len(), report.refused[reason].count), (1, 1), "{to}");
            let first = report.first_refusal().unwrap();
            assert!(first.starts_with("span 2, `read`: expected "), "{first}");
            let answer = accepted(&report, "Spans", Encoding::Json);
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["partialSuccess"]["rejectedSpans"], "1");
            assert_eq!(answer["partialSuccess"]["errorMessage"], first);
            let answer = accepted(&report, "Spans", Encoding::Protobuf);
            let message = [&[0x08, 1, 0x12, first.len() as u8][..], first.as_bytes()].concat();
            assert_eq!(
                answer,
                [&[0x0a, message.len() as u8][..], &message].concat()
            );
        }
        assert_eq!(
            rejected("no \"x\"", Encoding::Json),
            br#"{"message":"no \"x\""}"#
        );
        assert_eq!(rejected("no", Encoding::Protobuf), [0x12, 2, b'n', b'o']);
    }

    #[test]
    fn spans_and_copies_of_resources_are_bounded() {
        let text = request_for_spans(&format!("{GOOD},{GOOD}"));
        let mut limits = Limits::default();
        limits.max_samples = 1;
        let mut spans = Vec::new();
        let error = decode_spans(text.as_bytes(), Encoding::Json, &limits, &mut spans).unwrap_err();
        assert_eq!(error.to_string(), "more than 1 spans in one body");
        assert!(spans.is_empty());

        let value = "x".repeat(1000);
        let records = vec!["{}"; 100].join(",");
        let text = format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"k","value":{{"stringValue":"{value}"}}}}]}},
                "scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#
        );
        limits = Limits::default();
        limits.max_copied_bytes = 2_000;
        let mut lines = Vec::new();
        let mut decode = |limits: &Limits| {
            decode_logs(
                text.as_bytes(),
                Encoding::Json,
                Timestamp::EPOCH,
                limits,
                &mut lines,
            )
        };
        assert_eq!(decode(&limits).unwrap_err().reason(), "too-many");
        limits.max_copied_bytes = 200_000;
        assert_eq!(decode(&limits).unwrap().samples, 100);

        let points = vec![r#"{"timeUnixNano":"7","asInt":"1"}"#; 100].join(",");
        let text = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"host.name","value":{{"stringValue":"{value}"}}}}]}},
                "scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
        );
        let mut decode = |copied: usize| {
            limits.max_copied_bytes = copied;
            let mut batch = Batch::default();
            let report =
                MetricsDecoder::new(1).decode(text.as_bytes(), Encoding::Json, &limits, &mut batch);
            report
                .map(|report| report.samples)
                .map_err(|error| error.reason())
        };
        let each = "host.name".len() + value.len() + "__name__".len() + "m".len();
        assert_eq!(decode(100 * each), Ok(100));
        assert_eq!(decode(100 * each - 1), Err("too-many"));
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
        // No bucket has a value: those of zero and of all.
        assert_eq!((batch.sample_count(), report.histograms), (4, 1));
        assert_eq!(report.histogram_samples, 4);
        assert_eq!(batch.metadata[0].kind, "histogram");
    }

    #[test]
    fn deltas_add_up_and_missing_values_are_stale() {
        let mut time = 6;
        let mut sum = |value: i32, flags: i32| {
            time += 1;
            request(&format!(
                r#"{{"name":"c","sum":{{"aggregationTemporality":1,"isMonotonic":true,
                "dataPoints":[{{"timeUnixNano":"{time}","asInt":"{value}","flags":{flags}}}]}}}}"#
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

    /// Series by name and `le`, each with times and values, after requests in order.
    fn after(decoder: &mut MetricsDecoder, text: &str) -> (Vec<String>, Report) {
        let mut batch = Batch::default();
        let limits = Limits::default();
        let report = decoder.decode(
            request(text).as_bytes(),
            Encoding::Json,
            &limits,
            &mut batch,
        );
        let shown = batch.iter().map(|series| {
            let le = series.labels.get("le").unwrap_or_default();
            let points = series.times.iter().zip(series.values);
            let points: Vec<_> = points
                .map(|(time, value)| format!("{value}@{}", time.as_nanos()))
                .collect();
            format!("{} {le} {}", series.labels.metric(), points.join(" "))
        });
        (shown.collect(), report.unwrap())
    }

    #[test]
    fn deltas_that_overlap_are_refused() {
        let mut decoder = MetricsDecoder::new(10);
        let mut send = |start: u32, time: u32, value: u32| {
            let text = format!(
                r#"{{"name":"c","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
                {{"startTimeUnixNano":"{start}","timeUnixNano":"{time}","asInt":"{value}"}}]}}}}"#
            );
            after(&mut decoder, &text)
        };
        assert_eq!(send(10, 20, 3).0, ["c  3@20"]);
        assert_eq!(send(20, 30, 4).0, ["c  7@30"]);
        for (start, time) in [(20, 30), (10, 30), (25, 40), (0, 30)] {
            let (shown, report) = send(start, time, 4);
            assert!(shown.is_empty());
            assert_eq!(report.refused["delta-overlap"].count, 1, "{start} {time}");
        }
        assert_eq!(send(40, 50, 1).0, ["c  8@50"]); // a gap adds nothing
        assert_eq!(send(0, 60, 1).0, ["c  9@60"]); // no start is no overlap
    }

    #[test]
    fn a_restart_is_seen_by_its_start_time() {
        let mut decoder = MetricsDecoder::new(1);
        let mut send = |name: &str, start: u32, time: u32, value: u32| {
            let text = format!(
                r#"{{"name":"{name}","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
                {{"startTimeUnixNano":"{start}","timeUnixNano":"{time}","asInt":"{value}"}}]}}}}"#
            );
            after(&mut decoder, &text).0
        };
        assert_eq!(send("c", 10, 20, 3), ["c  3@20"]);
        assert_eq!(send("c", 10, 30, 5), ["c  5@30"]);
        assert_eq!(send("c", 35, 40, 6), ["c  0@35 6@40"]); // the value alone would not say so
        assert_eq!(send("c", 35, 50, 7), ["c  7@50"]);
        assert_eq!(send("c", 45, 60, 1), ["c  1@60"]); // it lies before the last point
        assert_eq!(send("c", 50, 40, 1), ["c  1@40"]); // late
        assert_eq!(send("c", 65, 70, 9), ["c  0@65 9@70"]);
        // Beyond the capacity only values tell.
        assert_eq!(send("d", 10, 20, 3), ["d  3@20"]);
        assert_eq!(send("d", 35, 40, 6), ["d  6@40"]);
    }

    #[test]
    fn delta_exponential_histograms_add_up_across_scales() {
        let mut decoder = MetricsDecoder::new(10);
        let mut send = |time: u32, scale: i32, offset: i32, counts: &str, zeros: u32| {
            let text = format!(
                r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[
                {{"timeUnixNano":"{time}","count":"1","sum":1,"scale":{scale},"zeroCount":"{zeros}",
                "positive":{{"offset":{offset},"bucketCounts":[{counts}]}}}}]}}}}"#
            );
            after(&mut decoder, &text)
        };
        // (1, 2] and (2, 4]
        let (shown, report) = send(7, 0, 0, r#""1","2""#, 5);
        assert_eq!(
            shown,
            [
                "e_bucket 0 5@7",
                "e_bucket 2 6@7",
                "e_bucket 4 8@7",
                "e_bucket +Inf 8@7",
                "e_sum  1@7",
                "e_count  1@7"
            ]
        );
        assert_eq!((report.histograms, report.histogram_samples), (1, 6));
        // (16, 64] at a coarser scale: what lies within (1, 4] is one bucket from now on.
        let (shown, _) = send(8, -1, 2, r#""3""#, 0);
        assert_eq!(
            shown[..4],
            [
                "e_bucket 0 5@8",
                "e_bucket 4 8@8",
                "e_bucket 16 8@8",
                "e_bucket 64 11@8"
            ]
        );
        let (shown, report) = send(8, -1, 2, r#""3""#, 0);
        assert!(shown.is_empty() && report.refused["delta-overlap"].count == 1);
        let (_, report) = send(9, 40, 2, r#""3""#, 0);
        assert_eq!(report.refused["buckets"].count, 1);
    }

    /// Every bound has as many values below it as the buckets of the capture have.
    #[test]
    fn exponential_histograms_of_a_real_sender() {
        let mut compared = 0;
        for path in files("alerts/captures/otlp_http", "otlp_none", ".expected.json") {
            let text = fs::read(&path).unwrap();
            let expected: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let Some(resources) = expected["resourceMetrics"].as_array() else {
                continue;
            };
            let (batch, _) = metrics(&text, Encoding::Json).unwrap();
            let scopes = resources
                .iter()
                .flat_map(|r| r["scopeMetrics"].as_array().unwrap());
            let found = scopes.flat_map(|scope| scope["metrics"].as_array().unwrap());
            for metric in found.filter(|metric| !metric["exponentialHistogram"].is_null()) {
                let point = &metric["exponentialHistogram"]["dataPoints"][0];
                let number =
                    |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
                let scale = point["scale"].as_f64().unwrap();
                let offset = point["positive"]["offset"].as_f64().unwrap_or(0.0);
                let name = format!("{}_bucket", metric["name"].as_str().unwrap());
                for series in batch.iter().filter(|series| series.labels.metric() == name) {
                    let le: f64 = series.labels.get("le").unwrap().parse().unwrap();
                    let counts = point["positive"]["bucketCounts"].as_array().unwrap();
                    let below = counts.iter().enumerate().filter(|(index, _)| {
                        let upper = ((*index as f64 + offset + 1.0) * (-scale).exp2()).exp2();
                        upper <= le * (1.0 + 1e-12)
                    });
                    let below: f64 = below.map(|(_, count)| number(count)).sum();
                    assert_eq!(series.values, [below], "{}", series.labels);
                    compared += 1;
                }
                let total = batch
                    .iter()
                    .find(|s| s.labels.get("le") == Some("+Inf") && s.labels.metric() == name);
                assert_eq!(total.unwrap().values, [number(&point["count"])]);
            }
        }
        assert!(compared == 0 || compared > 50, "{compared}");
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
        let _ = spans(&bytes, Encoding::Protobuf);
    }
}
