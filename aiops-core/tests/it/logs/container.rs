use aiops_core::Severity;
use aiops_core::logs::ContainerLines;

use super::{at, attribute, context};

#[test]
fn pieces_of_each_stream_are_put_together() {
    let mut lines = ContainerLines::new(1_000);
    let mut push = |line: &str| lines.push(line, &context());
    assert!(push("2026-11-22T11:00:00.1Z stdout P one ").is_none());
    assert!(push("2026-11-22T11:00:00.2Z stderr P ERROR two ").is_none());
    let whole = push("2026-11-22T11:00:00.3Z stdout F three").unwrap();
    assert_eq!(whole.body.as_text(), Some("one three"));
    assert_eq!(whole.time, Some(at("2026-11-22T11:00:00.1Z")));
    assert_eq!(
        attribute(&whole.attributes, "log.iostream").as_deref(),
        Some("stdout")
    );
    let other = push("2026-11-22T11:00:00.4Z stderr F:x four").unwrap();
    assert_eq!(
        (other.severity, other.body.as_text()),
        (Severity::ERROR, Some("two four"))
    );
    let single = push("2026-11-22T11:00:01Z stdout F 2026-11-22T10:59:59Z INFO x").unwrap();
    assert_eq!(single.time, Some(at("2026-11-22T10:59:59Z")));
    assert_eq!(lines.pending_bytes(), 0);
}

#[cfg(feature = "json")]
#[test]
fn the_envelope_of_docker() {
    let mut lines = ContainerLines::new(1_000);
    let line =
        |text: &str, time: &str| format!(r#"{{"log":"{text}","stream":"stderr","time":"{time}"}}"#);
    assert!(
        lines
            .push(&line("half ", "2026-11-22T11:00:00Z"), &context())
            .is_none()
    );
    let whole = lines
        .push(&line("whole\\n", "2026-11-22T11:00:01Z"), &context())
        .unwrap();
    assert_eq!(whole.body.as_text(), Some("half whole"));
    assert_eq!(whole.time, Some(at("2026-11-22T11:00:00Z")));
    let nested = line(
        r#"{\"level\":\"warn\",\"msg\":\"x\"}\n"#,
        "2026-11-22T11:00:00Z",
    );
    let nested = lines.push(&nested, &context()).unwrap();
    assert_eq!(
        (nested.severity, nested.body.as_text()),
        (Severity::WARN, Some("x"))
    );
}

#[test]
fn other_lines_and_endless_ones() {
    let mut lines = ContainerLines::new(100);
    for text in ["plain", "2026-11-22T11:00:00Z stdout X y", "x stdout F y"] {
        assert!(
            lines
                .push(text, &context())
                .unwrap()
                .body
                .as_text()
                .unwrap()
                .ends_with(&text[text.len() - 1..])
        );
    }
    let piece = format!("2026-11-22T11:00:00Z stdout P {}", "x".repeat(40));
    let mut out = 0;
    for _ in 0..300 {
        out += usize::from(lines.push(&piece, &context()).is_some());
        assert!(lines.pending_bytes() <= 100);
    }
    assert_eq!(out, 100);
}
