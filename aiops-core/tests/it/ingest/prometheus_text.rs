use std::collections::BTreeMap;
use std::fs;

use aiops_core::Timestamp;
use aiops_core::ingest::prometheus_text::{Error, Format, parse};
use aiops_core::ingest::{Batch, Limits, Report, STALE};
use proptest::prelude::*;

use super::support::{contents, files};

fn parsed(text: &[u8], format: Format) -> Result<(Batch, Report), Error> {
    let mut batch = Batch::default();
    let now = Timestamp::from_secs(100).unwrap();
    let report = parse(text, format, now, &Limits::default(), &mut batch)?;
    Ok((batch, report))
}

/// `series value@nanoseconds`, one a sample.
fn shown(batch: &Batch) -> Vec<String> {
    let series = batch.iter();
    series
        .flat_map(|series| {
            let samples = series.times.iter().zip(series.values);
            samples
                .map(move |(time, value)| format!("{} {value}@{}", series.labels, time.as_nanos()))
        })
        .collect()
}

#[track_caller]
fn check(line: &str, expected: &str) {
    let (batch, _) = parsed(line.as_bytes(), Format::Text).unwrap();
    assert_eq!(shown(&batch), [expected], "{line}");
}

#[test]
fn samples_of_text() {
    check("m 1", "m 1@100000000000");
    check("m{} 1\n", "m 1@100000000000");
    check("m 1 1700000000123\n", "m 1@1700000000123000000");
    check("m 1 -5\n", "m 1@-5000000");
    check(
        "  m \t { a = \"x\" , b=\"\" , } \t 2  3  \n",
        "m{a=\"x\"} 2@3000000",
    );
    check("a:b_1{_c=\"d\"} 1e-3 0", "a:b_1{_c=\"d\"} 0.001@0");
    check(
        "m{a=\"\\\\ \\\" \\n \\t\"} 1 0",
        "m{a=\"\\\\ \\\" \\n \\\\t\"} 1@0",
    );
    check("m{a=\"grün}{ #\"} 1 0", "m{a=\"grün}{ #\"} 1@0");
    check(
        "{\"http.requests\", \"service.name\"=\"api\"} 1 0",
        "http.requests{service.name=\"api\"} 1@0",
    );
    check("m +Inf 0", "m inf@0");
    check("m -Inf 0", "m -inf@0");
    check("m -0 0", "m -0@0");
    check("m NaN 0", "m NaN@0");
    check(
        "# a comment\n\n \t\n# HELP\t\nm 1 0\n"
            .replace("# HELP\t\n", "")
            .as_str(),
        "m 1@0",
    );
}

#[test]
fn times_of_openmetrics_are_exact() {
    for (time, nanos) in [
        ("1795347597.83951", 1_795_347_597_839_510_000_i64),
        ("1795347596.123456789", 1_795_347_596_123_456_789),
        ("0.0000000019", 1),
        ("-1.5", -1_500_000_000),
        ("12", 12_000_000_000),
        ("1.5e3", 1_500_000_000_000),
    ] {
        let text = format!("m 1 {time}\n# EOF\n");
        let (batch, _) = parsed(text.as_bytes(), Format::OpenMetrics).unwrap();
        assert_eq!(shown(&batch), [format!("m 1@{nanos}")]);
    }
}

#[test]
fn metadata_and_exemplars_of_openmetrics() {
    let text = "# TYPE req counter\n# UNIT req seconds\n# HELP req A \\\"b\\\" \\\\ \\n c\n\
        req_total{a=\"1\"} 2 # {trace_id=\"x\"} 0.5 12.25\n\
        req_total{a=\"2\"} 3 # {} 0.5\nreq_created{a=\"1\"} 9.5\n\
        # TYPE \"a.b\" stateset\n# EOF\n";
    let (batch, report) = parsed(text.as_bytes(), Format::OpenMetrics).unwrap();
    assert_eq!(report.exemplars, 2);
    assert_eq!(batch.sample_count(), 3);
    let shown: Vec<_> = batch
        .metadata
        .iter()
        .map(|m| [&m.metric, &m.kind, &m.unit, &m.help].map(String::as_str))
        .collect();
    assert_eq!(
        shown,
        [
            ["req", "counter", "seconds", "A \"b\" \\ \n c"],
            ["a.b", "stateset", "", ""]
        ]
    );
}

#[test]
fn neighbouring_samples_of_a_series_stay_together() {
    let (batch, _) = parsed(b"m 1 1\nm 2 2\nn 1 1\nm 3 3\n", Format::Text).unwrap();
    assert_eq!(batch.series_count(), 3);
    assert_eq!(batch.sample_count(), 4);
}

#[track_caller]
fn check_refused(text: &str, format: Format, expected: &str) {
    let mut batch = Batch::default();
    parse(
        b"before 1\n",
        Format::Text,
        Timestamp::EPOCH,
        &Limits::default(),
        &mut batch,
    )
    .unwrap();
    let before = contents(&batch);
    let text = format!("before 1\n{text}");
    let error = parse(
        text.as_bytes(),
        format,
        Timestamp::EPOCH,
        &Limits::default(),
        &mut batch,
    )
    .unwrap_err();
    assert_eq!(error.to_string(), expected, "{text}");
    assert_eq!(contents(&batch), before);
}

/// Text after a good first line, its format, and what is said about it.
const FAULTS: [(&str, Format, &str); 23] = {
    use Format::{OpenMetrics, Text};
    [
        (
            "bad{ 2",
            Text,
            "line 2, column 6: expected a label or a closing brace, found '2'",
        ),
        (
            "m",
            Text,
            "line 2, column 2: expected a number, the line ends",
        ),
        (
            "m x",
            Text,
            "line 2, column 3: expected a number, found 'x'",
        ),
        (
            "m{a} 1",
            Text,
            "line 2, column 4: expected an equals sign, found '}'",
        ),
        (
            "m{a=1} 1",
            Text,
            "line 2, column 5: expected a double quote, found '1'",
        ),
        (
            "m{a=\"x} 1",
            Text,
            "line 2, column 5: this text has no closing double quote",
        ),
        (
            "m{a=\"\\",
            Text,
            "line 2, column 5: this text has no closing double quote",
        ),
        (
            "m{a=\"x\" b=\"y\"} 1",
            Text,
            "line 2, column 9: expected a comma or a closing brace, found 'b'",
        ),
        (
            "m{a=\"x\",a=\"y\"} 1",
            Text,
            "line 2, column 2: label `a` occurs more than once",
        ),
        (
            "m{\"n\"} 1",
            Text,
            "line 2, column 2: expected one name of the metric, found two",
        ),
        (
            "{a=\"x\"} 1",
            Text,
            "line 2, column 1: expected the name of a metric, found none",
        ),
        (
            "1m 1",
            Text,
            "line 2, column 1: expected the name of a metric, found '1'",
        ),
        (
            "m 1 2 3",
            Text,
            "line 2, column 7: expected the end of the line, found '3'",
        ),
        (
            "m 1 1.5",
            Text,
            "line 2, column 5: expected a time in milliseconds between the years 1678 and 2261, found '1'",
        ),
        (
            "m 1 # {} 1",
            Text,
            "line 2, column 5: expected the end of the line, found '#'",
        ),
        (
            "# TYPE m thing",
            Text,
            "line 2, column 10: expected a type such as gauge, found 't'",
        ),
        (
            "# TYPE m info",
            Text,
            "line 2, column 10: expected a type such as gauge, found 'i'",
        ),
        (
            "# a comment\n# EOF\n",
            OpenMetrics,
            "line 2, column 3: expected HELP, TYPE, UNIT or EOF: OpenMetrics has no comments",
        ),
        (
            "\n# EOF\n",
            OpenMetrics,
            "line 2, column 1: expected the name of a metric, the line ends",
        ),
        (
            "m 1\n",
            OpenMetrics,
            "line 2: the text ends without `# EOF`, it was cut off",
        ),
        (
            "# EOF\nm 1\n",
            OpenMetrics,
            "line 3, column 1: expected nothing after `# EOF`",
        ),
        (
            "m 1 # x\n",
            OpenMetrics,
            "line 2, column 7: expected the labels of an exemplar, found 'x'",
        ),
        (
            "m 1 99999999999\n",
            OpenMetrics,
            "line 2, column 5: expected a time in seconds between the years 1678 and 2261, found '9'",
        ),
    ]
};

#[test]
fn refusals_name_line_and_column() {
    for (text, format, expected) in FAULTS {
        check_refused(text, format, expected);
    }
    let error = parsed(b"ok 1\nm{a=\"\xff\"} 1\n", Format::Text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 6: expected UTF-8, found byte 0xff"
    );
    assert_eq!(error.reason(), "syntax");
}

#[test]
fn limits_hold_on_both_sides() {
    let check = |set: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        let text = b"# TYPE m gauge\n# TYPE n gauge\nm{a=\"x\",b=\"y\"} 1\nn 2\n";
        let mut batch = Batch::default();
        let result = parse(text, Format::Text, Timestamp::EPOCH, &limits, &mut batch);
        result.map(|_| ()).map_err(|error| error.reason())
    };
    assert_eq!(check(&|l| l.max_body_bytes = 54), Ok(()));
    assert_eq!(check(&|l| l.max_body_bytes = 49), Err("too-large"));
    assert_eq!(check(&|l| l.max_samples = 2), Ok(()));
    assert_eq!(check(&|l| l.max_samples = 1), Err("too-many"));
    assert_eq!(check(&|l| l.max_metadata = 2), Ok(()));
    assert_eq!(check(&|l| l.max_metadata = 1), Err("too-many"));
    assert_eq!(check(&|l| l.max_labels = 3), Ok(()));
    assert_eq!(check(&|l| l.max_labels = 2), Err("too-many"));
    assert_eq!(check(&|l| l.max_label_bytes = 13), Ok(()));
    assert_eq!(check(&|l| l.max_label_bytes = 12), Err("too-many"));
}

#[test]
fn the_format_is_told_by_the_content_type() {
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(Format::from_content_type(open), Format::OpenMetrics);
    for text in ["text/plain; version=0.0.4", "", "application/openmetrics"] {
        assert_eq!(Format::from_content_type(text), Format::Text);
    }
}

/// Lines that are not comments, and how many there are of each metric.
fn metrics_by_hand(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let name = line.split(['{', ' ']).next().unwrap();
        *found.entry(name.to_owned()).or_default() += 1;
    }
    found
}

#[test]
fn real_scrapes_give_every_line() {
    let mut seen = 0;
    let captures = "alerts/captures/exposition";
    let testdata = "alerts/configs/exposition_testdata";
    for (folder, end, format) in [
        (captures, ".prom", Format::Text),
        (captures, ".om", Format::OpenMetrics),
        (testdata, ".prom.txt", Format::Text),
        (testdata, ".om.txt", Format::OpenMetrics),
    ] {
        for path in files(folder, "", end) {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.display();
            // One of them was answered as text although OpenMetrics was asked for.
            let is_open = format == Format::OpenMetrics && text.trim_end().ends_with("# EOF");
            if format == Format::OpenMetrics && !is_open {
                let cut_off = parsed(text.as_bytes(), Format::OpenMetrics).unwrap_err();
                assert_eq!(cut_off.reason(), "cut-off", "{name}: {cut_off}");
            }
            let format = if is_open { format } else { Format::Text };
            let (batch, report) =
                parsed(text.as_bytes(), format).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut found = BTreeMap::<String, usize>::new();
            for series in batch.iter() {
                *found.entry(series.labels.metric().to_owned()).or_default() += series.values.len();
            }
            assert_eq!(found, metrics_by_hand(&text), "{name}");
            assert_eq!(
                report.exemplars as usize,
                text.matches(" # {").count(),
                "{name}"
            );
            let types = text
                .lines()
                .filter(|line| line.starts_with("# TYPE"))
                .count();
            assert_eq!(
                batch.metadata.iter().filter(|m| !m.kind.is_empty()).count(),
                types,
                "{name}"
            );
            seen += 1;
        }
    }
    assert!(seen == 0 || seen >= 9, "only {seen} scrapes");
}

#[test]
fn both_formats_of_one_program_agree() {
    let captures = files("alerts/captures/exposition", "app_", "");
    let [open, text] = &captures[..] else {
        return;
    };
    let (open, _) = parsed(&fs::read(open).unwrap(), Format::OpenMetrics).unwrap();
    let (text, _) = parsed(&fs::read(text).unwrap(), Format::Text).unwrap();
    let of = |batch: &Batch, start: &str| -> BTreeMap<String, u64> {
        let series = batch
            .iter()
            .filter(|s| s.labels.metric().starts_with(start));
        series
            .map(|s| (s.labels.to_string(), s.values[0].to_bits()))
            .collect()
    };
    let escapes = of(&open, "app_escapes");
    assert_eq!(escapes, of(&text, "app_escapes"));
    assert_eq!(of(&open, "python_gc"), of(&text, "python_gc"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parsed(&bytes, Format::Text);
        let _ = parsed(&bytes, Format::OpenMetrics);
    }

    #[test]
    fn lines_of_the_right_letters_never_panic(text in "([ma{}\"\\\\=,# \n019.eé+-]|HELP|TYPE|EOF){0,40}") {
        let _ = parsed(text.as_bytes(), Format::Text);
        let _ = parsed(text.as_bytes(), Format::OpenMetrics);
    }

    #[test]
    fn labels_and_values_come_back(value in any::<f64>(), label in "\\PC{0,20}|[\\\\\"\n]{0,5}", millis in -9_000_000_000_000_i64..9_000_000_000_000) {
        let escaped = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let text = format!("m{{a=\"{escaped}\"}} {value:?} {millis}\n");
        let (batch, _) = parsed(text.as_bytes(), Format::Text).unwrap();
        let series = batch.iter().next().unwrap();
        prop_assert_eq!(series.labels.get("a").unwrap_or_default(), label);
        prop_assert_eq!(series.times[0].as_millis(), millis);
        prop_assert!(series.values[0].to_bits() == value.to_bits() || value.is_nan());
    }
}

#[test]
fn a_written_nan_is_never_the_stale_marker() {
    let (batch, _) = parsed(b"m NaN\n", Format::Text).unwrap();
    assert_ne!(
        batch.iter().next().unwrap().values[0].to_bits(),
        STALE.to_bits()
    );
}
