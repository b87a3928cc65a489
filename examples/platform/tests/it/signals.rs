//! OpenTelemetry, InfluxDB's lines and log lines, over a connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aiops_core::Timestamp;
use aiops_platform::app::App;
use aiops_platform::config::{Config, RuleFile, Secret};
use aiops_platform::counters::Counters;
use aiops_platform::pipeline::Pipeline;
use aiops_platform::record::{self, Origin, Reader};
use aiops_platform::setup;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::{Client, data, quiet, wait_for};

const SOON: Duration = Duration::from_secs(30);
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const TOKEN: &str = "Bearer 0123456789abcdef0123";

struct Answer {
    status: u16,
    kind: String,
    body: Vec<u8>,
}

/// Posts over a connection of its own; an encoding of "" is none.
fn post(at: SocketAddr, path: &str, kind: &str, encoding: &str, body: &[u8]) -> Answer {
    post_with(
        at,
        path,
        &[("content-type", kind), ("content-encoding", encoding)],
        body,
    )
}

fn post_with(at: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "));
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        kind: kind.unwrap_or_default().to_owned(),
        body: answer[end + 4..].to_vec(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn captures(folder: &str, ending: &str) -> Option<Vec<PathBuf>> {
    let folder = data(&format!("alerts/captures/{folder}"))?;
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    Some(files)
}

fn request_of(body: &std::path::Path) -> (String, String) {
    let text = std::fs::read_to_string(body.with_extension("headers.json")).unwrap();
    let about: Value = serde_json::from_str(&text).unwrap();
    let encoding = about["headers"]["content-encoding"]
        .as_str()
        .unwrap_or_default();
    (
        about["path"].as_str().unwrap().to_owned(),
        encoding.to_owned(),
    )
}

/// All samples once `sources` say that everything has come through.
fn all_samples(client: &Client, expected: u64) -> Value {
    wait_for("all samples", SOON, || {
        let counts = client.json("/api/v1/ingest");
        let done = counts["accepted"].as_u64()? + counts["duplicates"].as_u64()?;
        (done >= expected).then_some(())
    });
    client.json(
        "/api/v1/samples?match=%7B__name__!~%22log_.*%7Cspan_.*%22%7D&start=0&end=4000000000000",
    )
}

#[test]
fn what_opentelemetry_sends_says_the_same_in_all_encodings() {
    let Some(bodies) = captures("otlp_http", ".bin") else {
        return;
    };
    assert!(bodies.len() >= 18, "{}", bodies.len());
    // As it was sent, decompressed by us, and as JSON.
    let mut seen = Vec::new();
    for variant in ["sent", "json", "json-gzip"] {
        let folder = tempfile::tempdir().unwrap();
        let app = App::start(quiet(folder.path())).unwrap();
        let mut paths = std::collections::BTreeMap::new();
        for path in &bodies {
            let (target, encoding) = request_of(path);
            *paths.entry(target.clone()).or_insert(0) += 1;
            let answer = if variant == "sent" {
                let body = std::fs::read(path).unwrap();
                post(app.address(), &target, PROTOBUF, &encoding, &body)
            } else {
                let body = std::fs::read(path.with_extension("expected.json")).unwrap();
                match variant {
                    "json" => post(
                        app.address(),
                        &target,
                        "application/json; charset=utf-8",
                        "",
                        &body,
                    ),
                    _ => post(app.address(), &target, JSON, "gzip", &gzip(&body)),
                }
            };
            let (kind, empty) = match variant {
                "sent" => (PROTOBUF, &b""[..]),
                _ => (JSON, &b"{}"[..]),
            };
            assert_eq!(answer.status, 200, "{}", path.display());
            assert_eq!(
                (answer.kind.as_str(), &answer.body[..]),
                (kind, empty),
                "{}",
                path.display()
            );
        }
        assert_eq!(paths.len(), 3, "{paths:?}");
        let client = Client::of(&app);
        let counts = client.json("/api/v1/ingest");
        let received = |source: &str| {
            let found = counts["sources"].as_array().unwrap().iter();
            let mut found = found.filter(|row| row["source"] == source);
            found
                .next()
                .map_or(0, |row| row["samples"].as_u64().unwrap())
        };
        let metrics = received("otlp-metrics");
        assert!(
            metrics > 100 && received("otlp-logs") > 7 && received("otlp-traces") > 3,
            "{counts}"
        );
        seen.push((all_samples(&client, metrics), counts["refused"].clone()));
        app.stop();
    }
    assert!(
        seen[0].0["series"].as_array().unwrap().len() > 20,
        "{}",
        seen[0].0
    );
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
}

#[test]
fn what_is_no_good_is_answered_in_the_encoding_of_the_request_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quiet(folder.path());
    config.limits.body_bytes = 100_000;
    let app = App::start(config).unwrap();
    let at = app.address();
    let spans = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"no identities"},
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET /",
         "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000"}]}]}]}"#;
    let partial = post(at, "/v1/traces", JSON, "", spans);
    let text = String::from_utf8(partial.body).unwrap();
    assert_eq!(
        (partial.status, partial.kind.as_str()),
        (200, JSON),
        "{text}"
    );
    assert!(
        text.starts_with(r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"#),
        "{text}"
    );
    let broken = post(at, "/v1/logs", JSON, "", b"{");
    let text = String::from_utf8(broken.body).unwrap();
    assert_eq!((broken.status, broken.kind.as_str()), (400, JSON), "{text}");
    assert!(text.starts_with(r#"{"message":"export request"#), "{text}");
    let broken = post(at, "/v1/metrics", PROTOBUF, "", &[0xff; 30]);
    assert_eq!((broken.status, broken.kind.as_str()), (400, PROTOBUF));
    assert_eq!(broken.body[0], 0x12, "a google.rpc.Status with field 2");
    for (path, kind, encoding, body, status) in [
        ("/v1/metrics", "text/plain", "", vec![], 415),
        ("/v1/metrics", PROTOBUF, "br", vec![], 415),
        ("/v1/metrics", PROTOBUF, "gzip", b"not gzip".to_vec(), 400),
        (
            "/v1/traces",
            PROTOBUF,
            "gzip",
            gzip(&vec![0; 50_000_000]),
            413,
        ),
        ("/v1/logs", PROTOBUF, "", vec![0; 100_001], 413),
        (
            "/api/v2/write?precision=h",
            "",
            "",
            b"cpu a=1".to_vec(),
            400,
        ),
        ("/api/v2/write", "", "", b"cpu a=1\ncpu a=\n".to_vec(), 400),
        ("/api/v1/logs", "", "", vec![b'a', 0xff], 400),
        ("/api/v1/logs", JSON, "", b"[{},".to_vec(), 400),
        (
            "/api/v1/logs",
            "",
            "gzip",
            gzip(&b"a\n".repeat(60_000)),
            413,
        ),
    ] {
        let answer = post(at, path, kind, encoding, &body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{path} {kind} {encoding}: {text}");
        assert!(text.len() > 20, "{path}: {text}");
    }
    let counted = Client::of(&app).get("/metrics").body;
    for line in [
        r#"aiops_refused_total{reason="spans.trace-id"} 1"#,
        r#"aiops_refused_total{reason="body.json"} 2"#,
        r#"aiops_refused_total{reason="body.protobuf"} 1"#,
        r#"aiops_refused_total{reason="body.protocol"} 2"#,
        r#"aiops_refused_total{reason="body.gzip"} 1"#,
        r#"aiops_refused_total{reason="body.too-large"} 3"#,
        r#"aiops_refused_total{reason="body.precision"} 1"#,
        r#"aiops_refused_total{reason="body.utf8"} 1"#,
        r#"aiops_received_samples_total{source="otlp-traces"} 1"#,
        r#"aiops_received_samples_total{source="influx"} 1"#,
    ] {
        assert!(counted.contains(line), "{line} is not in\n{counted}");
    }
    app.stop();
}

#[test]
fn what_influx_clients_send_is_kept() {
    let Some(bodies) = captures("influx", ".bin") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut config = quiet(folder.path());
    let token: Config = toml::from_str("token = \"0123456789abcdef0123\"").unwrap();
    config.token = token.token;
    assert!(config.token.as_ref().map(Secret::expose).is_some());
    let app = App::start(config).unwrap();
    for path in &bodies {
        let (target, encoding) = request_of(path);
        let body = std::fs::read(path).unwrap();
        // Two of the three lines of these are no good: a time in another unit, an escape at the end.
        let good = if target.contains("precision=ms") {
            400
        } else {
            204
        };
        for (token, status) in [
            ("Token 0123456789abcdef0124", 401),
            ("Token 0123456789abcdef0123", good),
        ] {
            let headers = [
                ("authorization", token),
                ("content-encoding", encoding.as_str()),
            ];
            let answer = post_with(app.address(), &target, &headers, &body);
            assert_eq!(
                answer.status,
                status,
                "{}: {:?}",
                path.display(),
                String::from_utf8_lossy(&answer.body)
            );
        }
    }
    let metrics = Client::of(&app).get_with("/metrics", &[("authorization", TOKEN)]);
    for line in [
        r#"aiops_refused_total{reason="http.unauthorized"} 6"#,
        r#"aiops_received_samples_total{source="influx"} 10"#,
    ] {
        assert!(metrics.body.contains(line), "{line}: {}", metrics.body);
    }
    let headers = [("authorization", TOKEN)];
    let first = wait_for("the samples", SOON, || {
        let at = "/api/v1/samples?match=cpu_user&start=1699999999000&end=1700000001000";
        let found = Client::of(&app).get_with(at, &headers).json();
        let series = found["series"].as_array()?.first()?.clone();
        Some(series)
    });
    assert_eq!(
        (&first["values"][0], &first["times"][0]),
        (&1.5.into(), &1_700_000_000_123_i64.into())
    );
    assert_eq!(first["labels"]["dc"], "x,y=z");
    app.stop();
}

#[test]
fn log_lines_have_templates_that_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let lines = b"level=info msg=\"user 17 logged in\"\nlevel=info msg=\"user 9 logged in\"\n\n";
    let sent = post(
        app.address(),
        "/api/v1/logs?service=cart&host=web-1",
        "text/plain",
        "",
        lines,
    );
    assert_eq!(sent.status, 204);
    let list = br#"[{"level":"error","message":"retry 3 of job 17","service":"cart"},
        {"level":"error",
         "message":"retry 4 of job 9","service":"cart"}]"#;
    assert_eq!(
        post(app.address(), "/api/v1/logs", JSON, "", list).status,
        204
    );
    let templates = |app: &App, lines: u64| {
        wait_for("templates", SOON, || {
            let found = Client::of(app).json("/api/v1/templates");
            let sum: u64 = found["templates"]
                .as_array()?
                .iter()
                .filter_map(|row| row["lines"].as_u64())
                .sum();
            (sum >= lines).then_some(found)
        })
    };
    let before = templates(&app, 4);
    let texts: Vec<_> = before["templates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["text"].as_str().unwrap())
        .collect();
    assert!(
        texts.contains(&"user <*> logged in") && texts.contains(&"retry <*> of job <*>"),
        "{before}"
    );
    app.stop();
    let app = App::start(quiet(folder.path())).unwrap();
    assert_eq!(templates(&app, 4), before);
    // The window that was open is closed by the program that was started after it.
    let client = Client::of(&app);
    let series = wait_for("counts as series", SOON, || {
        let found = client.json("/api/v1/samples?match=log_lines&start=0&end=4000000000000");
        let series = found["series"].as_array()?.clone();
        (series.len() == 2).then_some(series)
    });
    for (one, level) in series.iter().zip(["error", "info"]) {
        assert_eq!(
            (&one["labels"]["service"], &one["labels"]["level"]),
            (&"cart".into(), &level.into())
        );
        let sum: f64 = one["values"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .sum();
        assert_eq!(sum, 2.0, "{one}");
    }
    app.stop();
}

/// Lines of a service through queue records and pipeline, without a clock.
struct Lines {
    pipeline: Pipeline,
    reader: Reader,
    tick: Timestamp,
    told: Vec<String>,
}

impl Lines {
    fn new() -> Self {
        let mut config = Config::default();
        let selector = r#"{__name__=~"log_template_lines|span_calls"}"#.parse().unwrap();
        config.rules = vec![RuleFile::unusual(selector)];
        let counters = Arc::new(Counters::default());
        let store = Arc::new(setup::memory_store(&config));
        let pipeline = Pipeline::new(Arc::new(config), counters.clone(), store).unwrap();
        let reader = Reader::new(1000, 1000, counters);
        Self {
            pipeline,
            reader,
            tick: Timestamp::MIN,
            told: Vec::new(),
        }
    }

    fn second(&mut self, second: i64, text: &str) {
        let at = Timestamp::from_secs(second).unwrap();
        let origin = Origin {
            service: "cart".to_owned(),
            host: String::new(),
        };
        let record = record::lines(&origin, text);
        let record = self.reader.read(at, &record).unwrap();
        self.pipeline.process(at, record).unwrap();
        for notification in self.pipeline.advance(at, &mut self.tick) {
            let one = self.pipeline.outgoing(&notification, None);
            self.told.push(format!("{second} {}", one.body));
        }
    }
}

#[test]
fn a_burst_of_a_template_is_told_once_it_is_unusual() {
    let mut lines = Lines::new();
    let steady =
        |second: i64| format!("took {} ms\n", 10 + second % 3).repeat(3 + (second % 5) as usize);
    for second in 0..1_500 {
        lines.second(second, &steady(second));
    }
    assert!(lines.told.is_empty(), "{:?}", lines.told);
    for second in 1_500..1_700 {
        let burst = format!("{}{}", steady(second), "took 9000 ms\n".repeat(80));
        lines.second(second, &burst);
    }
    let first = lines.told.first().expect("a notification");
    assert!(
        first.contains(r#""service":"cart""#) && first.contains(r#""template":"#),
        "{first}"
    );
}
