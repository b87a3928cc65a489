use aiops_core::Timestamp;
use aiops_core::ingest::influx::{Error, Precision, parse};
use aiops_core::ingest::{Batch, Limits, Report};
use proptest::prelude::*;

use super::support::{contents, files};

fn parsed(text: &str, precision: Precision) -> (Vec<String>, Report) {
    let mut batch = Batch::default();
    let now = Timestamp::from_secs(100).unwrap();
    let report = parse(
        text.as_bytes(),
        precision,
        now,
        &Limits::default(),
        &mut batch,
    )
    .unwrap();
    let shown = batch
        .iter()
        .map(|s| format!("{} {}@{}", s.labels, s.values[0], s.times[0].as_nanos()));
    (shown.collect(), report)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (shown, report) = parsed(text, Precision::Nanoseconds);
    assert_eq!(shown, expected, "{text}");
    assert_eq!(report.refused_series(), 0, "{report:?}");
    assert_eq!(report.samples as usize, expected.len());
}

#[test]
fn lines() {
    check("m f=1", &["m_f 1@100000000000"]);
    check(
        "m,a=b f=1.5,g=-2i,h=3u 7\n",
        &[
            r#"m_f{a="b"} 1.5@7"#,
            r#"m_g{a="b"} -2@7"#,
            r#"m_h{a="b"} 3@7"#,
        ],
    );
    check(
        "m f=t,g=F,h=true,i=FALSE 7",
        &["m_f 1@7", "m_g 0@7", "m_h 1@7", "m_i 0@7"],
    );
    check(
        "# a comment\n\n  \r\nm f=1 7\r\nm f=2e3 8",
        &["m_f 1@7", "m_f 2000@8"],
    );
    check(
        r"mem\,\ total,a\=b=c\ d f\,g=1 7",
        &[r#"mem, total_f,g{a=b="c d"} 1@7"#],
    );
}

#[test]
fn texts_are_counted_and_may_hold_anything() {
    let (shown, report) = parsed(
        "m s=\"a, b=c\n\\\" é\\\\\",f=1 7\nn f=2 8\n",
        Precision::Nanoseconds,
    );
    assert_eq!(shown, ["m_f 1@7", "n_f 2@8"]);
    assert_eq!(report.ignored().collect::<Vec<_>>(), [("texts", 1)]);
}

#[test]
fn times_are_in_the_unit_said() {
    for (name, nanos) in [
        ("ns", 1_i64),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("", 1),
    ] {
        let precision = Precision::from_name(name).unwrap();
        assert_eq!(
            parsed("m f=1 7", precision).0,
            [format!("m_f 1@{}", 7 * nanos)]
        );
    }
    assert_eq!(Precision::from_name("h"), None);
}

#[test]
fn a_bad_line_is_refused_and_the_others_are_taken() {
    let cases = [
        (
            "m",
            "syntax",
            "line 2, column 2: expected the name of a field, the line ends",
        ),
        (
            "m f",
            "syntax",
            "line 2, column 4: expected an equals sign, the line ends",
        ),
        (
            "m f=",
            "syntax",
            "line 2, column 5: expected a number, a boolean or a text, the line ends",
        ),
        (
            "m f=x",
            "syntax",
            "line 2, column 5: expected a number, a boolean or a text, found 'x'",
        ),
        (
            "m f=inf",
            "syntax",
            "line 2, column 5: expected a number, a boolean or a text, found 'i'",
        ),
        (
            "m f=1.5i",
            "syntax",
            "line 2, column 5: expected a number, a boolean or a text, found '1'",
        ),
        (
            "m f=1 x",
            "syntax",
            "line 2, column 7: expected a time as a whole number, found 'x'",
        ),
        (
            "m,a f=1",
            "syntax",
            "line 2, column 4: expected an equals sign, found ' '",
        ),
        (
            "m,a= f=1",
            "syntax",
            "line 2, column 5: expected the value of a tag, found ' '",
        ),
        (
            ",a=b f=1",
            "syntax",
            "line 2, column 1: expected the name of a measurement, found ','",
        ),
        (
            "m,a=b,a=c f=1 7",
            "duplicate-label",
            "line 2, column 14: label `a` occurs more than once",
        ),
    ];
    for (line, reason, what) in cases {
        let (shown, report) = parsed(
            &format!("ok f=1 7\n{line}\nok f=2 8\n"),
            Precision::Nanoseconds,
        );
        assert_eq!(shown, ["ok_f 1@7", "ok_f 2@8"], "{line}");
        assert_eq!(
            report.refused.keys().copied().collect::<Vec<_>>(),
            [reason],
            "{line}"
        );
        assert_eq!(report.first_refusal(), Some(what), "{line}");
    }
    let (shown, report) = parsed("m f=1 9999999999999", Precision::Seconds);
    assert!(shown.is_empty());
    assert_eq!(report.refused["time"].count, 1);
    let (shown, report) = parsed("m s=\"open\nok f=2 8\n", Precision::Nanoseconds);
    assert_eq!((shown.len(), report.refused["syntax"].count), (1, 1));
}

#[test]
fn limits_hold_on_both_sides() {
    let check = |set: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        let mut batch = Batch::default();
        let text = b"m,a=b,c=d f=1,g=2 7\n";
        let result = parse(
            text,
            Precision::Nanoseconds,
            Timestamp::EPOCH,
            &limits,
            &mut batch,
        );
        result
            .map(|report| report.samples)
            .map_err(|error| error.reason())
    };
    assert_eq!(check(&|l| l.max_body_bytes = 20), Ok(2));
    assert_eq!(check(&|l| l.max_body_bytes = 19), Err("too-large"));
    assert_eq!(check(&|l| l.max_samples = 2), Ok(2));
    assert_eq!(check(&|l| l.max_samples = 1), Err("too-many"));
    assert_eq!(check(&|l| l.max_labels = 2), Ok(2));
    assert_eq!(check(&|l| l.max_labels = 1), Ok(0));
    assert_eq!(check(&|l| l.max_label_bytes = 15), Ok(2));
    assert_eq!(check(&|l| l.max_label_bytes = 14), Ok(0));
    assert_eq!(check(&|l| l.max_fields = 2), Ok(2));
    assert_eq!(check(&|l| l.max_fields = 1), Ok(0));
    assert_eq!(check(&|l| l.max_copied_bytes = 30), Ok(2));
    assert_eq!(check(&|l| l.max_copied_bytes = 29), Err("too-many"));
    let mut batch = Batch::default();
    let error = parse(
        b"m f=1\n\xff",
        Precision::Seconds,
        Timestamp::EPOCH,
        &Limits::default(),
        &mut batch,
    );
    assert_eq!(error, Err(Error::Utf8 { offset: 6 }));
}

#[test]
fn a_real_client() {
    let expected: [(&str, &[&str]); 3] = [
        (
            "ns",
            &[
                r#"cpu_n{dc="x,y=z", host="a b"} 3@1700000000123456789"#,
                r#"cpu_ok{dc="x,y=z", host="a b"} 1@1700000000123456789"#,
                r#"cpu_user{dc="x,y=z", host="a b"} 1.5@1700000000123456789"#,
            ],
        ),
        (
            "s",
            &[r#"mem, total_used{ünï="✓"} 1099511627776@1700000000000000000"#],
        ),
        ("ms", &[]),
    ];
    for path in files("alerts/captures/influx", "", ".bin") {
        let headers = std::fs::read_to_string(path.with_extension("headers.json")).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let text = if bytes.starts_with(&[0x1f, 0x8b]) {
            continue; // the same lines once more, compressed
        } else {
            String::from_utf8(bytes).unwrap()
        };
        let precision = headers
            .split("precision=")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let (shown, report) = parsed(&text, Precision::from_name(precision).unwrap());
        let wanted = expected
            .iter()
            .find(|(name, _)| *name == precision)
            .unwrap()
            .1;
        if precision == "ms" {
            // The client takes seconds for milliseconds, and leaves a backslash before a blank.
            assert_eq!(report.refused["time"].count, 1);
            assert_eq!(report.refused["syntax"].count, 1);
            assert_eq!(shown, ["noTags_f 1@100000000000"]);
        } else {
            assert_eq!(shown, wanted, "{}", path.display());
            assert_eq!(report.refused_series(), 0);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "([ma,= \\\\\"\n#1.5iutFé]|true|17){0,40}", bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut batch = Batch::default();
        let parse = |bytes: &[u8], batch: &mut Batch| {
            parse(bytes, Precision::Nanoseconds, Timestamp::EPOCH, &Limits::default(), batch)
        };
        let _ = parse(text.as_bytes(), &mut batch);
        let before = contents(&batch);
        if parse(&bytes, &mut batch).is_err() {
            prop_assert_eq!(before, contents(&batch));
        }
    }
}
