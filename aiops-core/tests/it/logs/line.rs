use aiops_core::logs::parse_line;
use aiops_core::{AnyValue, Severity};
use proptest::prelude::*;

use super::{at, attribute, context};

/// Time, level and body of a line.
#[track_caller]
fn check(line: &str, time: &str, level: &str, body: &str) {
    let record = parse_line(line, &context());
    let expected = (!time.is_empty()).then(|| at(time));
    assert_eq!(record.time, expected, "{line}");
    assert_eq!(record.severity_text, level, "{line}");
    assert_eq!(record.severity, Severity::from_word(level), "{line}");
    assert_eq!(record.body.as_text(), Some(body), "{line}");
    assert_eq!(record.observed, context().observed);
}

#[test]
fn times_and_levels_of_many_programs() {
    check(
        "2015-07-29 17:41:44,747 - INFO  [Quorum@774] - time out",
        "2015-07-29T17:41:44.747Z",
        "INFO",
        "[Quorum@774] - time out",
    );
    check(
        "17/06/09 20:10:40 INFO executor.Backend: Registered",
        "2017-06-09T20:10:40Z",
        "INFO",
        "executor.Backend: Registered",
    );
    check(
        "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok",
        "2005-12-04T04:47:44Z",
        "notice",
        "workerEnv.init() ok",
    );
    check(
        "03-17 16:13:38.811  1702  2395 D WindowManager: x",
        "2026-03-17T16:13:38.811Z",
        "D",
        "1702  2395 D WindowManager: x",
    );
    check(
        "081109 203615 148 INFO dfs.DataNode: done",
        "2008-11-09T20:36:15Z",
        "INFO",
        "148 INFO dfs.DataNode: done",
    );
    check(
        "2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO parity",
        "2005-06-03T15:42:50.675872Z",
        "INFO",
        "R02-M1 RAS KERNEL INFO parity",
    );
    check(
        "I0102 15:04:05.678901 123 file.go:12] hello",
        "2026-01-02T15:04:05.678901Z",
        "I",
        "123 file.go:12] hello",
    );
    check(
        "2026-11-22T11:43:31+01:00 error: disk full",
        "2026-11-22T10:43:31Z",
        "error",
        "disk full",
    );
    check(
        "10/Oct/2000:13:55:36 -0700 GET /",
        "2000-10-10T20:55:36Z",
        "",
        "GET /",
    );
    check(
        "1700000000.25 WARN x",
        "2023-11-14T22:13:20.25Z",
        "WARN",
        "x",
    );
    check("1700000000123 x", "2023-11-14T22:13:20.123Z", "", "x");
    check("1700000000123456 x", "2023-11-14T22:13:20.123456Z", "", "x");
    check(
        "1700000000123456789 x",
        "2023-11-14T22:13:20.123456789Z",
        "",
        "x",
    );
    check(
        "Thu Aug 04 2005 15:31:25 x",
        "2005-08-04T15:31:25Z",
        "",
        "x",
    );
    check(
        "2024.05.01 9:00:07 |ERROR| x",
        "2024-05-01T09:00:07Z",
        "ERROR",
        "x",
    );
}

#[test]
fn what_is_no_time_or_level_stays() {
    check(
        "plain text with an error in it",
        "",
        "",
        "plain text with an error in it",
    );
    check("2015-02-30 10:00:00 x", "", "", "2015-02-30 10:00:00 x");
    check("2015-07-29 25:00:00 x", "", "", "2015-07-29 25:00:00 x");
    check("12345 bytes", "", "", "12345 bytes");
    check("Marching 10:00:00", "", "", "Marching 10:00:00");
    check("1700000000x y", "", "", "1700000000x y");
    check("a = b", "", "", "a = b");
    check("error", "", "", "error");
    check("", "", "", "");
}

#[test]
fn a_year_that_is_missing_is_the_last_that_can_be() {
    let new_year = at("2027-01-01T00:00:30Z");
    for (line, expected) in [
        ("Dec 31 23:59:59 x", "2026-12-31T23:59:59Z"),
        ("Jan  1 00:00:10 x", "2027-01-01T00:00:10Z"),
        ("Jan  1 00:05:00 x", "2027-01-01T00:05:00Z"), // a clock that is ahead
    ] {
        let context = aiops_core::logs::LineContext::new(new_year);
        assert_eq!(
            parse_line(line, &context).time,
            Some(at(expected)),
            "{line}"
        );
    }
}

#[test]
fn times_without_a_zone_are_in_the_zone_said() {
    let mut context = context();
    context.utc_offset_secs = 7200;
    let time = |line: &str| parse_line(line, &context).time;
    assert_eq!(
        time("2026-11-22 11:00:00 x"),
        Some(at("2026-11-22T09:00:00Z"))
    );
    assert_eq!(
        time("2026-11-22 11:00:00Z x"),
        Some(at("2026-11-22T11:00:00Z"))
    );
    assert_eq!(time("Nov 22 11:00:00 x"), Some(at("2026-11-22T09:00:00Z")));
}

#[test]
fn logfmt() {
    let line =
        r#"time=2026-11-22T11:43:31Z level=warn msg="disk \"a\" full" free=3 retry path=/a=b"#;
    let record = parse_line(line, &context());
    assert_eq!(record.time, Some(at("2026-11-22T11:43:31Z")));
    assert_eq!(record.severity, Severity::WARN);
    assert_eq!(record.body.as_text(), Some(r#"disk "a" full"#));
    assert_eq!(attribute(&record.attributes, "free").as_deref(), Some("3"));
    assert_eq!(
        attribute(&record.attributes, "path").as_deref(),
        Some("/a=b")
    );
    assert_eq!(
        record.attributes[1],
        ("retry".to_owned(), AnyValue::Bool(true))
    );
    for text in [
        "a=b",
        "a=b c=d",
        "msg=x is, what=y",
        "level=info msg=\"open",
        "msg hello=x",
    ] {
        assert_eq!(parse_line(text, &context()).body.as_text(), Some(text));
    }
}

#[cfg(feature = "json")]
#[test]
fn json() {
    use aiops_core::{SpanId, TraceId};

    let line = r#"{"ts":1700000000.5,"level":"error","msg":"db timeout","n":3,"tags":["a",null],
        "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","logger":"db"}"#;
    let record = parse_line(line, &context());
    assert_eq!(record.time, Some(at("2023-11-14T22:13:20.5Z")));
    assert_eq!(record.severity, Severity::ERROR);
    assert_eq!(record.body.as_text(), Some("db timeout"));
    assert_eq!(record.scope, "db");
    assert_eq!(record.trace.map(|TraceId(id)| id[0]), Some(0x4b));
    assert_eq!(record.span.map(|SpanId(id)| id[7]), Some(0xb7));
    let names: Vec<_> = record
        .attributes
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["n", "tags"]);
    for (level, expected) in [
        ("30", Severity::INFO),
        ("3", Severity::ERROR),
        ("\"W\"", Severity::WARN),
    ] {
        let line = format!(r#"{{"level":{level},"message":"x"}}"#);
        assert_eq!(parse_line(&line, &context()).severity, expected);
    }
    // What does not suit its place stays an attribute.
    let odd = parse_line(
        r#"{"level":[],"time":{},"trace_id":"00","msg":{"a":1}}"#,
        &context(),
    );
    assert_eq!(odd.attributes.len(), 3);
    assert!(matches!(odd.body, AnyValue::Map(_)));
    let nested = parse_line(
        r#"{"log":"{\"level\":\"warn\",\"msg\":\"x\"}","host":"a"}"#,
        &context(),
    );
    assert_eq!(
        (nested.severity, nested.body.as_text()),
        (Severity::WARN, Some("x"))
    );
    let broken = r#"{"msg":"x""#;
    assert_eq!(parse_line(broken, &context()).body.as_text(), Some(broken));
    let deep = "[".repeat(5_000);
    assert_eq!(
        parse_line(&format!("{{\"a\":{deep}"), &context()).time,
        None
    );
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(line in "\\PC{0,100}|([0-9 :.,TZ+\\-/\\[\\]=\"{}<>]|Nov|Mon|INFO|msg|level|é){0,30}") {
        let record = parse_line(&line, &context());
        prop_assert_eq!(record.observed, context().observed);
    }

    #[test]
    fn times_come_back(nanos in -2_000_000_000_000_000_000_i64..6_000_000_000_000_000_000) {
        let time = aiops_core::Timestamp::from_nanos(nanos);
        let record = parse_line(&format!("{time} x"), &context());
        prop_assert_eq!(record.time, Some(time));
        prop_assert_eq!(record.body.as_text(), Some("x"));
    }
}
