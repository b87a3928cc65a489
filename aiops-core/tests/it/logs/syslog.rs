use aiops_core::logs::{Frames, parse_syslog};
use aiops_core::{LogRecord, Severity};
use proptest::prelude::*;

use super::{at, attribute, context};
use crate::ingest::support::files;

fn parsed(message: &str) -> LogRecord {
    parse_syslog(message.as_bytes(), &context())
}

fn resource(record: &LogRecord) -> (Option<String>, Option<String>) {
    let of = |name| attribute(&record.resource, name);
    (of("host.name"), of("service.name"))
}

#[test]
fn rfc_5424_with_structured_data() {
    let record = parsed(
        "<134>1 2026-11-22T11:43:31.429895+00:00 vm app - REQ [timeQuality tzKnown=\"1\"]\
         [exampleSDID@32473 iut=\"3\" eventSource=\"App\\\"x\\\" \\]z \\q\"] \u{feff}GET /cart 200 12ms",
    );
    assert_eq!(record.time, Some(at("2026-11-22T11:43:31.429895Z")));
    assert_eq!(record.severity, Severity::INFO);
    assert_eq!(
        resource(&record),
        (Some("vm".to_owned()), Some("app".to_owned()))
    );
    let of = |name| attribute(&record.attributes, name);
    assert_eq!(of("syslog.facility").as_deref(), Some("Int(16)"));
    assert_eq!(of("syslog.msgid").as_deref(), Some("REQ"));
    assert_eq!(of("timeQuality.tzKnown").as_deref(), Some("1"));
    let source = of("exampleSDID@32473.eventSource");
    assert_eq!(source.as_deref(), Some("App\"x\" ]z \\q"));
    assert_eq!(record.body.as_text(), Some("GET /cart 200 12ms"));
}

#[test]
fn rfc_3164_with_what_is_missing() {
    for (message, host, program, process, body) in [
        (
            "<36>Nov 22 11:43:31 vm sshd[4242]: Failed",
            Some("vm"),
            Some("sshd"),
            Some("4242"),
            "Failed",
        ),
        (
            "<36>Nov 22 11:43:31 vm sshd[4242] Failed",
            Some("vm"),
            Some("sshd"),
            Some("4242"),
            "Failed",
        ),
        (
            "<36>Nov 22 11:43:31 vm kernel: eth0: down",
            Some("vm"),
            Some("kernel"),
            None,
            "eth0: down",
        ),
        (
            "<36>Nov 22 11:43:31 kernel: eth0: down",
            None,
            Some("kernel"),
            None,
            "eth0: down",
        ),
        (
            "<36>Nov 22 11:43:31 vm app GET /cart",
            Some("vm"),
            Some("app"),
            None,
            "GET /cart",
        ),
        ("<36>Nov 22 11:43:31 vm", None, None, None, "vm"),
    ] {
        let record = parsed(message);
        let (found_host, found_program) = resource(&record);
        assert_eq!(
            (found_host.as_deref(), found_program.as_deref()),
            (host, program),
            "{message}"
        );
        assert_eq!(
            attribute(&record.attributes, "process.pid").as_deref(),
            process,
            "{message}"
        );
        assert_eq!(record.body.as_text(), Some(body), "{message}");
        assert_eq!(record.time, Some(at("2026-11-22T11:43:31Z")), "{message}");
        assert_eq!(record.severity, Severity::WARN);
    }
}

#[test]
fn priorities_and_headers_that_are_none() {
    let only = parsed("<13>no header at all");
    assert_eq!(only.body.as_text(), Some("no header at all"));
    assert_eq!(only.severity.number(), 10);
    for text in ["<192>x", "<>x", "<1a>x", "<0001>x", "<13", "plain", ""] {
        assert_eq!(parsed(text).body.as_text(), Some(text));
    }
    // Version 1, but not what should follow it.
    let broken = parsed("<13>1 not-a-time vm app - - - x");
    assert!(broken.body.as_text().unwrap().ends_with('x'));
    let latin = parse_syslog(b"<13>1 - vm app - - - gr\xfcn", &context());
    assert_eq!(latin.body.as_text(), Some("gr\u{fffd}n"));
}

#[cfg(feature = "json")]
#[test]
fn a_body_of_json_is_read() {
    let record = parsed(r#"<13>1 - vm json - - - {"level":"error","msg":"db timeout","n":3}"#);
    assert_eq!(record.severity, Severity::ERROR);
    assert_eq!(record.body.as_text(), Some("db timeout"));
    assert_eq!(record.time, None);
    assert_eq!(
        attribute(&record.attributes, "n").as_deref(),
        Some("Int(3)")
    );
}

#[test]
fn real_senders() {
    const HOST: &str = "vm";
    let mut messages = 0;
    for path in files("alerts/captures/syslog", "", ".bin") {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.display();
        let mut records = Vec::new();
        if path.to_string_lossy().contains("udp") {
            records.push(parse_syslog(&bytes, &context()));
        } else {
            let mut frames = Frames::new(8192);
            // Piece by piece, as it may come.
            for piece in bytes.chunks(7) {
                frames.push(piece);
                while let Some(frame) = frames.next_frame() {
                    records.push(parse_syslog(frame.unwrap(), &context()));
                }
            }
            records.extend(frames.finish().map(|frame| parse_syslog(frame, &context())));
        }
        assert!(!records.is_empty(), "{name}");
        for record in &records {
            assert_eq!(
                attribute(&record.resource, "host.name").as_deref(),
                Some(HOST),
                "{name}: {record:?}"
            );
            let program = attribute(&record.resource, "service.name").unwrap();
            let (severity, body) = match program.as_str() {
                "sshd" => (
                    Severity::WARN,
                    "Failed password for invalid user admin from 203.0.113.7 port 51122 ssh2",
                ),
                "app" => (Severity::INFO, "GET /cart 200 12ms"),
                "kernel" => (Severity::ERROR, "eth0: link down"),
                "json" if cfg!(feature = "json") => (Severity::ERROR, "db timeout"),
                "json" => continue,
                "utf8" => (Severity::DEBUG, "ünïcode ✓ 日本"),
                "k" => (Severity::from_syslog(0), "panic"),
                other => panic!("{name}: program {other}"),
            };
            assert_eq!(record.severity, severity, "{name}");
            assert_eq!(record.body.as_text(), Some(body), "{name}");
        }
        messages += records.len();
    }
    assert!(messages == 0 || messages >= 22, "only {messages} messages");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse_syslog(&bytes, &context());
        bytes.splice(0..0, b"<34>1 - h a p m ".iter().copied());
        let _ = parse_syslog(&bytes, &context());
    }

    #[test]
    fn damaged_messages_never_panic(text in "<[0-9]{1,3}>(1 )?([-a-zé\\[\\]\"=\\\\ :]|Nov 22 11:43:31 ){0,40}") {
        let _ = parse_syslog(text.as_bytes(), &context());
    }
}
