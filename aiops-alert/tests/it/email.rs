//! Mails, read back by another project's parser.

use aiops_alert::engine::{AlertEngine, Delivery, EngineConfig, Notification};
use aiops_alert::payload::{Mail, Mailbox, Message, email};
use aiops_core::Alert;
use mailparse::{MailHeaderMap as _, ParsedMail, parse_mail};

use crate::support::{at, labels};

fn mailbox(address: &str) -> Mailbox {
    Mailbox::new(address).unwrap()
}

fn mail(engine: &AlertEngine, notification: &Notification) -> Mail {
    let incident = engine.incident(notification.incident);
    let message = Message::new(notification, incident, "https://here/?a=1&b=2");
    let from = mailbox("alerts@example.com").named("Überwachung, \"oben\"");
    email(
        &message,
        &from,
        &[mailbox("a@example.org"), mailbox("b@example.org")],
    )
}

/// The mails at the beginning and at the end of an incident.
fn two(summary: &str) -> [Mail; 2] {
    let mut engine = AlertEngine::try_from(EngineConfig::default()).unwrap();
    let name = labels("alertname=A,instance=<b>");
    let mut alert = Alert::new(name, at(0.0)).annotate("summary", summary);
    alert.ends_at = Some(at(100.0));
    engine.receive(at(0.0), alert);
    let first = engine.tick(at(30.0)).remove(0);
    let first_mail = mail(&engine, &first);
    engine.report_delivery(at(30.0), &first.key, Delivery::Delivered);
    let last = engine.tick(at(330.0)).remove(0);
    [first_mail, mail(&engine, &last)]
}

fn header(parsed: &ParsedMail<'_>, name: &str) -> String {
    let values = parsed.headers.get_all_values(name);
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].clone()
}

#[test]
fn a_mail_has_text_and_html_and_belongs_to_a_thread() {
    let [first, last] = two("größer als 90 %");
    assert_eq!(first.thread_id, last.thread_id);
    assert_ne!(first.message_id, last.message_id);
    for mail in [&first, &last] {
        let parsed = parse_mail(mail.mime.expose().as_bytes()).unwrap();
        assert_eq!(
            header(&parsed, "Message-ID"),
            format!("<{}>", mail.message_id)
        );
        for name in ["References", "In-Reply-To"] {
            assert_eq!(header(&parsed, name), format!("<{}>", mail.thread_id));
        }
        assert_eq!(header(&parsed, "Subject"), mail.subject);
        assert_eq!(header(&parsed, "Auto-Submitted"), "auto-generated");
        let to = mailparse::addrparse(&header(&parsed, "To")).unwrap();
        assert_eq!(to.count_addrs(), 2);
        let from = parsed.headers.get_first_header("From").unwrap();
        let from = mailparse::addrparse_header(from).unwrap();
        let from = from.extract_single_info().unwrap();
        assert_eq!(from.display_name.unwrap(), "Überwachung, \"oben\"");
        assert_eq!(from.addr, "alerts@example.com");
        assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
        let kinds: Vec<_> = parsed
            .subparts
            .iter()
            .map(|part| &part.ctype.mimetype)
            .collect();
        assert_eq!(kinds, ["text/plain", "text/html"]);
        let text = parsed.subparts[0].get_body().unwrap();
        assert!(text.contains("größer als 90 %"), "{text}");
        let html = parsed.subparts[1].get_body().unwrap();
        assert!(
            html.contains("&lt;b&gt;") && !html.contains("<b>"),
            "{html}"
        );
        assert!(
            html.contains("href=\"https://here/?a=1&amp;b=2\""),
            "{html}"
        );
    }
    let date = parse_mail(first.mime.expose().as_bytes()).unwrap();
    let date = mailparse::dateparse(&header(&date, "Date")).unwrap();
    assert_eq!(date, 1_700_000_030);
    assert!(first.subject.starts_with("[firing]") && last.subject.starts_with("[resolved]"));
}

#[test]
fn the_same_notification_gives_the_same_bytes() {
    assert_eq!(two("x")[0], two("x")[0]);
}

#[test]
fn nothing_in_an_alert_becomes_a_header_or_a_part() {
    let [plain, _] = two("x");
    let parsed = parse_mail(plain.mime.expose().as_bytes()).unwrap();
    let boundary = &parsed.ctype.params["boundary"];
    let [hostile, _] = two(&format!(
        "a\r\nBcc: x@example.com\r\n\r\n--{boundary}\r\nContent-Type: text/plain\r\n\r\nb\r\n--{boundary}--\r\n.\r\n"
    ));
    let parsed = parse_mail(hostile.mime.expose().as_bytes()).unwrap();
    assert_eq!(&parsed.ctype.params["boundary"], boundary);
    assert_eq!(parsed.subparts.len(), 2);
    assert!(parsed.headers.get_first_value("Bcc").is_none());
    assert!(!hostile.subject.contains(['\r', '\n']));
    let lines = hostile.mime.expose().split("\r\n");
    assert!(
        lines
            .clone()
            .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
    );
}

#[test]
fn an_address_is_one_or_is_refused() {
    for address in ["a@b", "a.b+c@example.com", "日本@例え.jp"] {
        assert_eq!(mailbox(address).address(), address);
    }
    let long = format!("{}@example.com", "a".repeat(300));
    for address in [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        "a@b\r\nBcc: c@d",
        "<a@b>",
        "a@b,c@d",
        "a@b;",
        &long,
    ] {
        let error = Mailbox::new(address).unwrap_err().to_string();
        assert!(error.contains("expected") && error.len() < 250, "{error}");
    }
    let named = mailbox("a@b").named("x\r\nBcc: c@d");
    assert_eq!(named.to_string(), "x  Bcc: c@d <a@b>");
}

#[test]
fn a_printed_mail_says_nothing() {
    let [mail, _] = two("the secret");
    let shown = format!("{mail:?}");
    assert!(
        !shown.contains("the secret") && !shown.contains("example.org"),
        "{shown}"
    );
}
