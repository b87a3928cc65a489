//! Requests before and after.

use std::time::Duration;

use aiops_core::{Severity, SpanId, SpanStatus, Timestamp, TraceId};
use aiops_rca::traces::{LogLine, Span, TraceReport, TraceShift, TraceShiftConfig};

/// Requests `web -> cart -> db`, one a second.
pub(crate) struct Day {
    traces: Vec<TraceId>,
    /// In which requests which component says what went wrong.
    errors: Vec<Option<(&'static str, &'static str)>>,
    /// Milliseconds that each request waits for `db`.
    wait: Vec<u64>,
    failed: bool,
}

impl Day {
    pub(crate) fn new(
        requests: usize,
        error: impl Fn(usize) -> Option<(&'static str, &'static str)>,
    ) -> Self {
        Self {
            traces: (0..requests as u128)
                .map(|i| TraceId((i + 1).to_be_bytes()))
                .collect(),
            errors: (0..requests).map(error).collect(),
            wait: (0..requests).map(|i| 3 + (i * 7 % 5) as u64).collect(),
            failed: false,
        }
    }

    fn waiting(mut self, wait: impl Fn(usize) -> u64) -> Self {
        for (i, millis) in self.wait.iter_mut().enumerate() {
            *millis += wait(i);
        }
        self
    }

    pub(crate) fn spans(&self) -> Vec<Span<'_>> {
        let mut spans = Vec::new();
        for (i, &trace) in self.traces.iter().enumerate() {
            let at = Timestamp::from_secs(i as i64).unwrap();
            let mut add = |id, parent: Option<u8>, component, operation, after, millis| {
                let broken = self.errors[i].is_some_and(|(name, _)| name == component);
                spans.push(Span {
                    trace,
                    id: SpanId([id; 8]),
                    parent: parent.map(|parent| SpanId([parent; 8])),
                    component,
                    operation,
                    start: at.saturating_add(Duration::from_millis(after)),
                    duration: Duration::from_millis(millis),
                    failed: self.failed
                        && (broken || component == "web" && self.errors[i].is_some()),
                });
            };
            let wait = self.wait[i];
            add(1, None, "web", "GET /", 0, 40 + wait);
            add(2, Some(1), "web", "call", 2, 30 + wait);
            add(3, Some(2), "cart", "list", 4, 24 + wait);
            add(4, Some(3), "cart", "query", 6, 15 + wait);
            add(5, Some(4), "db", "select", 10, 12);
        }
        spans
    }

    pub(crate) fn lines(&self) -> Vec<LogLine<'_>> {
        let mut lines = Vec::new();
        for (&trace, error) in self.traces.iter().zip(&self.errors) {
            let mut say = |component, severity, message| {
                lines.push(LogLine {
                    component,
                    trace: Some(trace),
                    severity,
                    message,
                });
            };
            for name in ["web", "cart", "db"] {
                say(name, Severity::INFO, "begin of the request");
                if error.is_none_or(|(broken, _)| broken != name) {
                    say(name, Severity::INFO, "end of the request, all is well");
                }
            }
            if let Some((name, message)) = error {
                say(name, Severity::ERROR, message);
            }
        }
        lines
    }

    fn rank(&self, onset: Option<i64>) -> TraceReport {
        let onset = onset.map(|onset| Timestamp::from_secs(onset).unwrap());
        ranker().rank(&self.spans(), &self.lines(), onset)
    }
}

fn ranker() -> TraceShift {
    TraceShift::try_from(TraceShiftConfig::default()).unwrap()
}

fn named(report: &TraceReport) -> Vec<&str> {
    let causes = report.causes.iter();
    causes.map(|cause| cause.component.as_str()).collect()
}

#[test]
fn a_slow_network_is_found_whatever_the_start_is_said_to_be() {
    let day = Day::new(48, |_| None).waiting(|i| if i >= 30 { 80 } else { 0 });
    for onset in [None, Some(30), Some(36), Some(20)] {
        let report = day.rank(onset);
        assert_eq!(report.onset, Timestamp::from_secs(30), "told {onset:?}");
        // Only the calls from `cart` to `db` wait: `db` explains `cart`, which calls no one else.
        assert_eq!(named(&report), ["db"], "told {onset:?}");
        let fact = report.causes[0].evidence[0].to_string();
        assert!(fact.starts_with("calls from cart to db waited 8"), "{fact}");
    }
}

#[test]
fn lines_that_belong_to_no_request_are_counted() {
    let day = Day::new(40, |i| (i >= 25).then_some(("cart", "cannot lock row 17")));
    let mut lines = day.lines();
    let of_nobody = LogLine {
        trace: None,
        ..lines[0]
    };
    let of_a_stranger = LogLine {
        component: "billing",
        ..lines[0]
    };
    lines.extend([of_nobody, of_a_stranger, of_nobody]);
    let report = ranker().rank(&day.spans(), &lines, None);
    assert_eq!((named(&report), report.ignored_lines), (vec!["cart"], 3));
    assert_eq!(ranker().rank(&[], &lines, None).ignored_lines, lines.len());
}

#[test]
fn a_line_that_is_new_names_its_component() {
    let day = Day::new(40, |i| (i >= 25).then_some(("cart", "cannot lock row 17")));
    let report = day.rank(None);
    assert_eq!(named(&report), ["cart"]);
    assert_eq!(report.onset, Timestamp::from_secs(25));
    let facts: Vec<String> = report.causes[0]
        .evidence
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        facts.iter().any(|fact| fact.contains("cannot lock row")),
        "{facts:?}"
    );
    assert!(
        facts
            .iter()
            .any(|fact| fact.ends_with("in 0 of 15 requests, before in 25 of 25")),
        "{facts:?}"
    );
}

#[test]
fn an_error_is_blamed_where_it_came_from() {
    let mut day = Day::new(40, |i| (i >= 25).then_some(("db", "")));
    day.failed = true; // at `db`, and at `web` as its consequence
    let report = ranker().rank(&day.spans(), &[], None);
    assert_eq!(named(&report)[0], "db");
    assert!(
        report.causes[0].evidence[0]
            .to_string()
            .starts_with("failed `select` in 15 of 15")
    );
}

#[test]
fn what_stays_the_same_or_recovers_is_no_cause() {
    assert_eq!(Day::new(60, |_| None).rank(None), TraceReport::default());
    // The same errors all along, in no order.
    let day = Day::new(60, |i| {
        (i * 37 % 60 < 20).then_some(("cart", "cannot lock row 17"))
    });
    assert_eq!(named(&day.rank(None)), [""; 0]);
    // An error that stops.
    let day = Day::new(40, |i| (i < 20).then_some(("cart", "cannot lock row 17")));
    assert_eq!(named(&day.rank(None)), [""; 0]);
}

#[test]
fn the_order_of_spans_does_not_matter() {
    let day = Day::new(40, |_| None).waiting(|i| if i >= 25 { 70 } else { 0 });
    let mut spans = day.spans();
    let expected = ranker().rank(&spans, &day.lines(), None);
    spans.reverse();
    assert_eq!(ranker().rank(&spans, &day.lines(), None), expected);
}

#[test]
fn odd_input_does_no_harm() {
    let ranker = ranker();
    assert_eq!(ranker.rank(&[], &[], None), TraceReport::default());
    let day = Day::new(30, |i| (i >= 20).then_some(("cart", "cannot lock row 17")));
    let (mut spans, mut lines) = (day.spans(), day.lines());
    let few = ranker.rank(&spans[..15], &lines[..10], Timestamp::from_secs(1));
    assert_eq!(few, TraceReport::default());
    for (i, span) in spans.iter_mut().enumerate() {
        match i % 7 {
            0 => span.parent = Some(SpanId([99; 8])),
            1 => span.parent = Some(span.id),
            2 => span.id = SpanId([4; 8]),
            3 => span.parent = Some(SpanId([5; 8])), // in a circle
            4 => span.duration = Duration::ZERO,
            5 => span.start = Timestamp::MAX,
            _ => span.duration = Duration::MAX,
        }
    }
    lines[0].trace = None;
    lines[1].trace = Some(TraceId([77; 16]));
    lines[2].component = "unknown";
    let report = ranker.rank(&spans, &lines, None);
    assert!(report.causes.iter().all(|cause| cause.score.is_finite()));
}

#[test]
fn parameters_are_checked() {
    let with = |change: fn(&mut TraceShiftConfig)| {
        let mut config = TraceShiftConfig::default();
        change(&mut config);
        TraceShift::try_from(config).map(|_| ())
    };
    assert!(with(|c| c.min_score = 0.1).is_ok());
    assert!(with(|c| c.min_score = 0.0).is_err() && with(|c| c.min_score = f64::NAN).is_err());
    assert!(with(|c| c.explained = 0.0).is_ok() && with(|c| c.explained = 1.0).is_ok());
    assert!(with(|c| c.explained = -0.1).is_err() && with(|c| c.explained = 1.1).is_err());
    assert!(with(|c| c.resolution = Duration::from_nanos(1)).is_ok());
    assert!(with(|c| c.resolution = Duration::ZERO).is_err());
}

#[test]
fn spans_of_the_core_are_looked_at_as_they_are() {
    let (start, end) = (Timestamp::from_nanos(5), Timestamp::from_nanos(30));
    let mut span = aiops_core::Span::new(TraceId([1; 16]), SpanId([2; 8]), start, end);
    span.parent = Some(SpanId([3; 8]));
    span.service = "cart".into();
    span.name = "list".into();
    span.status = SpanStatus::Error;
    let expected = Span {
        trace: TraceId([1; 16]),
        id: SpanId([2; 8]),
        parent: Some(SpanId([3; 8])),
        component: "cart",
        operation: "list",
        start,
        duration: Duration::from_nanos(25),
        failed: true,
    };
    assert_eq!(Span::from(&span), expected);
}
