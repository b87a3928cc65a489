//! Time intervals, in Alertmanager's notation.

use aiops_alert::interval::{IntervalError, TimeInterval, TimeSpec};
use aiops_core::Timestamp;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[track_caller]
fn check(spec: Result<TimeSpec, IntervalError>, inside: &[&str], outside: &[&str]) {
    let interval = TimeInterval::new("x", vec![spec.unwrap()]);
    for text in inside {
        assert!(interval.contains(time(text)), "{text}");
    }
    for text in outside {
        assert!(!interval.contains(time(text)), "{text}");
    }
}

fn any() -> TimeSpec {
    TimeSpec::default()
}

#[test]
fn ranges() {
    check(
        Ok(any()),
        &["1970-01-01T00:00:00Z", "2100-12-31T23:59:59Z"],
        &[],
    );
    check(
        any().at("09:00", "17:00"),
        &["2026-01-02T09:00:00Z", "2026-01-02T16:59:59Z"],
        &["2026-01-02T08:59:59Z", "2026-01-02T17:00:00Z"],
    );
    check(
        any().at("22:00", "24:00"),
        &["2026-01-02T23:59:59Z"],
        &["2026-01-03T00:00:00Z"],
    );
    check(
        any().weekdays("Monday:friday"),
        &["2026-01-02T12:00:00Z", "1969-12-31T12:00:00Z"],
        &["2026-01-03T12:00:00Z", "2026-01-04T12:00:00Z"],
    );
    check(
        any().days_of_month("-2:-1"),
        &[
            "2024-02-28T00:00:00Z",
            "2024-02-29T00:00:00Z",
            "2026-04-30T00:00:00Z",
        ],
        &["2024-02-27T00:00:00Z", "2026-04-28T00:00:00Z"],
    );
    check(
        any().days_of_month("30:31"),
        &["2026-01-31T00:00:00Z", "2026-04-30T00:00:00Z"],
        &["2026-02-28T00:00:00Z"],
    );
    check(
        any()
            .months("november:december")
            .and_then(|spec| spec.years("2020:2021")),
        &["2020-11-01T00:00:00Z", "2021-12-31T23:00:00Z"],
        &["2022-11-01T00:00:00Z", "2020-10-31T00:00:00Z"],
    );
    check(
        any().months("3"),
        &["2026-03-01T00:00:00Z"],
        &["2026-04-01T00:00:00Z"],
    );
}

#[cfg(feature = "time-zones")]
#[test]
fn clocks_that_are_put_forward() {
    let nine = any()
        .at("09:00", "10:00")
        .and_then(|spec| spec.in_zone("Europe/Berlin"));
    check(
        nine,
        &["2026-03-28T08:30:00Z", "2026-03-29T07:30:00Z"], // before and after the change
        &["2026-03-28T07:30:00Z", "2026-03-29T08:30:00Z"],
    );
    assert!(any().in_zone("Mars/Olympus").is_err());
}

#[test]
fn what_cannot_be_is_refused() {
    for spec in [
        any().at("9:00", "10:00"),
        any().at("10:00", "09:00"),
        any().at("10:00", "24:01"),
        any().at("10:60", "11:00"),
        any().weekdays("funday"),
        any().weekdays("friday:monday"),
        any().days_of_month("0"),
        any().days_of_month("32"),
        any().days_of_month("5:1"),
        any().days_of_month("-1:5"),
        any().months("13"),
        any().months("march:january"),
        any().years("2021:2020"),
        any().years("x"),
    ] {
        let error = spec.unwrap_err().to_string();
        assert!(error.starts_with("bad "), "{error}");
    }
}
