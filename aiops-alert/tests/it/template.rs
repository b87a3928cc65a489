//! Templates, in Prometheus's notation.

use aiops_alert::template::Template;

use crate::support::labels;

#[track_caller]
fn check(source: &str, value: f64, expected: &str) {
    let template: Template = source.parse().unwrap();
    let got = template.render(&labels("host=web-1,instance=db-1:9100"), value);
    assert_eq!(got, expected, "{source}");
}

#[test]
fn places() {
    check("plain", 0.0, "plain");
    check("", 0.0, "");
    check("{{ $labels.host }} at {{$value}}", 97.5, "web-1 at 97.5");
    check("{{ .Labels.host }}{{ .Value }}", 3.0, "web-13");
    check("[{{ $labels.none }}]", 0.0, "[]");
    check("a {{- $value -}} b", 1.0, "a1b");
    check("{{ \"a }} b\" }}", 0.0, "a }} b");
    check("{{/* nothing */}}x", 0.0, "x");
    check("{{ $labels }}", 0.0, "map[host:web-1 instance:db-1:9100]");
    check("{{ index $labels \"host\" }}", 0.0, "web-1");
}

/// Expected values as Prometheus documents and prints them.
#[test]
fn functions() {
    check("{{ $value | humanize }}", 1_234_567.0, "1.235M");
    check("{{ humanize $value }}", 0.001_234, "1.234m");
    check("{{ $value | humanize }}", 0.0, "0");
    check("{{ $value | humanize1024 }}", 1_536.0, "1.5ki");
    check("{{ $value | humanizePercentage }}", 0.123_456, "12.35%");
    check("{{ $value | humanizeDuration }}", 90_061.0, "1d 1h 1m 1s");
    check("{{ $value | humanizeDuration }}", 0.25, "250ms");
    check("{{ $value | humanizeDuration }}", -61.0, "-1m 1s");
    check(
        "{{ $value | humanizeTimestamp }}",
        1_700_000_000.0,
        "2023-11-14T22:13:20Z",
    );
    check("{{ printf \"%.2f%%\" $value }}", 12.345, "12.35%");
    check("{{ $value | printf \"%05.1f\" }}", -2.25, "-02.2");
    check("{{ printf \"%-4s|\" $labels.none }}", 0.0, "    |");
    check("{{ $labels.host | toUpper | title }}", 0.0, "WEB-1");
    check("{{ $labels.instance | stripPort }}", 0.0, "db-1");
    check(
        "{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}",
        0.0,
        "db-1",
    );
    check("{{ $labels.host | humanize }}", 0.0, "web-1"); // no number: as it is
    check("{{ $value | humanize }}", f64::NAN, "NaN");
    check("{{ $value }}", f64::INFINITY, "+Inf");
    check("{{ $value }}", 1e21, "1e+21");
    check("{{ $value }}", 0.000_01, "1e-05");
    check("{{ (printf \"%.0f\" $value) | toUpper }}", 2.0, "2");
}

#[track_caller]
fn refused(source: &str, position: usize, words: &str) {
    let error = source.parse::<Template>().unwrap_err();
    assert_eq!(error.position(), position, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn what_is_not_supported_is_named_with_its_position() {
    refused("ab {{ $value", 3, "}}");
    refused("{{ if eq $value 1 }}", 3, "`if`");
    refused("{{ query \"up\" }}", 3, "`query`");
    refused("{{ $value | nosuch }}", 12, "`nosuch`");
    refused("{{ }}", 3, "value");
    refused("{{ $value $value }}", 10, "`|`");
    refused("{{ printf \"%d %d\" $value }}", 10, "printf");
    refused("{{ printf \"%1000000d\" $value }}", 10, "printf");
    refused("{{ \"open }}", 0, "}}");
    refused("{{ reReplaceAll \"(\" \"\" \"x\" }}", 16, "");
    let deep = format!("{{{{ {}$value }}}}", "(".repeat(100_000));
    assert!(
        deep.parse::<Template>()
            .unwrap_err()
            .to_string()
            .contains("deep")
    );
    let long = format!("{{{{ {}$value }}}}", "humanize ".repeat(100_000));
    assert!(
        long.parse::<Template>()
            .unwrap_err()
            .to_string()
            .contains("deep")
    );
}
