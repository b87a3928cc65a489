use std::io::Read as _;

use aiops_core::ingest::csv::{self, CsvConfig, Error};
use aiops_core::ingest::influx::Precision;
use aiops_core::ingest::{Batch, Limits, Report};
use proptest::prelude::*;

use super::support::{batches, contents, data};

fn parse(text: &[u8]) -> Result<(Batch, Report), Error> {
    let mut batch = Batch::default();
    let report = csv::parse(text, &CsvConfig::default(), &Limits::default(), &mut batch)?;
    assert_eq!(report.samples, batch.sample_count() as u64);
    Ok((batch, report))
}

/// `labels value@nanos` of every sample.
fn shown(batch: &Batch) -> Vec<String> {
    let samples = batch.iter().flat_map(|series| {
        let samples = series.times.iter().zip(series.values);
        samples.map(move |(time, value)| format!("{} {value}@{}", series.labels, time.as_nanos()))
    });
    samples.collect()
}

#[test]
fn long_tables_in_any_order() {
    let text = b"Timestamp,metric,host,value\n1,m,a,1.5\n1,m,b,2\n2.25,m,a,NaN\n3,m,,4\n4,m,a,\n";
    let (batch, report) = parse(text).unwrap();
    let expected = [
        r#"m{host="a"} 1.5@1000000000"#,
        r#"m{host="a"} NaN@2250000000"#,
        r#"m{host="b"} 2@1000000000"#,
        "m 4@3000000000",
    ];
    assert_eq!(shown(&batch), expected);
    assert_eq!(report.refused_series(), 0);
    let (batch, _) =
        parse(b"time,value\n1970-01-01 00:00:01,7\n1970-01-01T00:00:02Z,-inf").unwrap();
    assert_eq!(
        shown(&batch),
        ["value 7@1000000000", "value -inf@2000000000"]
    );
}

#[test]
fn wide_tables() {
    let text = b"\xef\xbb\xbftime,cpu,\"disk{dev=\"\"sda\"\"}\"\r\n-1.5,1,2\r\n0,,3\r\n1,x,5\r\n";
    let (batch, report) = parse(text).unwrap();
    let expected = [
        "cpu 1@-1500000000",
        r#"disk{dev="sda"} 2@-1500000000"#,
        r#"disk{dev="sda"} 3@0"#,
        r#"disk{dev="sda"} 5@1000000000"#,
    ];
    assert_eq!(shown(&batch), expected);
    assert_eq!(
        report.first_refusal(),
        Some("line 4, column 2: expected a number, found `x`")
    );
}

#[test]
fn options() {
    let mut config = CsvConfig::default();
    config.delimiter = b';';
    config.time = Some("when".to_owned());
    config.value = "reading".to_owned();
    config.metric = "what".to_owned();
    config.precision = Precision::Milliseconds;
    let mut batch = Batch::default();
    let text = b"what;when;reading\nm;5;1\nm;6.25;2\n";
    csv::parse(text, &config, &Limits::default(), &mut batch).unwrap();
    assert_eq!(shown(&batch), ["m 1@5000000", "m 2@6250000"]);
}

#[test]
fn faults_of_a_row_refuse_the_row() {
    for (reason, row) in [
        ("cells", "1,m"),
        ("cells", "1,m,a,1,2"),
        ("time", "soon,m,a,1"),
        ("time", ",m,a,1"),
        ("time", "9223372036854775807,m,a,1"),
        ("time", "1.-5,m,a,1"),
        ("value", "1,m,a,1x"),
        ("no-name", "1,,a,1"),
    ] {
        let text = format!("time,metric,host,value\n1,m,a,1\n{row}\n2,m,a,2\n");
        let (batch, report) = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (batch.sample_count(), report.refused[reason].count),
            (2, 1),
            "{row}"
        );
        let first = report.first_refusal().unwrap();
        assert!(first.starts_with("line 3: expected "), "{first}");
    }
    let (_, report) = parse(b"time,metric,host,value\n1,m,\xff,1\n").unwrap();
    assert_eq!(report.refused["utf8"].count, 1);
}

#[test]
fn texts_that_are_no_good() {
    for (what, text) in [
        ("line 1: expected a row with the names of the columns", ""),
        (
            "line 1: expected a column `time`, `timestamp`, `ts` or `date`",
            "when,value\n",
        ),
        (
            "line 1: expected a name of its own for column 3, found `a`",
            "time,a,a,value\n",
        ),
        (
            "line 1: expected `metric` or `metric{label=\"value\"}` as the name of column 2, found `m{a=~\"b\"}`",
            "time,\"m{a=~\"\"b\"\"}\"\n",
        ),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.reason()),
            (what, "header")
        );
    }
    let mut limits = Limits::default();
    limits.max_samples = 1;
    let mut batch = Batch::default();
    let mut reason = |text: &[u8], limits: &Limits| {
        let result = csv::parse(text, &CsvConfig::default(), limits, &mut batch);
        assert!(batch.is_empty());
        result.unwrap_err().to_string()
    };
    assert_eq!(
        reason(b"time,a\n1,1\n2,1\n", &limits),
        "line 3: more than 1 samples"
    );
    assert_eq!(
        reason(b"time,a,b\n1,,\n", &limits),
        "line 1: more than 1 series"
    );
    limits.max_body_bytes = 3;
    assert_eq!(
        reason(b"time", &limits),
        "body of 4 bytes, at most 3 are taken"
    );
}

/// A file of the public data: the number of its rows and its first and last sample.
#[test]
fn a_real_file() {
    let Some(path) = data("detect/nab/realTweets/Twitter_volume_AAPL.csv.gz") else {
        return;
    };
    let file = std::fs::File::open(path).unwrap();
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut text)
        .unwrap();
    let (batch, report) = parse(&text).unwrap();
    let rows = text
        .split(|byte| *byte == b'\n')
        .filter(|row| !row.is_empty())
        .count()
        - 1;
    // Its column `label` is 0 or 1.
    assert_eq!((batch.series_count(), batch.sample_count()), (2, rows));
    assert_eq!(report.refused_series(), 0);
    for series in batch.iter() {
        assert!(series.times.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(series.values.iter().all(|value| value.is_finite()));
    }
}

/// A long table of a batch, with one column for each label of any series.
fn written(batch: &Batch) -> Vec<u8> {
    let mut names: Vec<_> = batch
        .iter()
        .flat_map(|series| series.labels.iter().map(|(name, _)| name.to_owned()))
        .filter(|name| name != "__name__")
        .collect();
    names.sort();
    names.dedup();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let header = ["time", "metric", "value"].into_iter();
    writer
        .write_record(header.chain(names.iter().map(String::as_str)))
        .unwrap();
    for series in batch.iter() {
        for (time, value) in series.times.iter().zip(series.values) {
            let cells = [
                time.as_nanos().to_string(),
                series.labels.metric().to_owned(),
                value.to_string(),
            ];
            let labels = names
                .iter()
                .map(|name| series.labels.get(name).unwrap_or_default());
            let cells = cells.iter().map(String::as_str);
            writer.write_record(cells.chain(labels)).unwrap();
        }
    }
    writer.into_inner().unwrap()
}

proptest! {
    #[test]
    fn what_was_written_is_read(batch in batches(1)) {
        let mut config = CsvConfig::default();
        config.precision = Precision::Nanoseconds;
        let reserved = ["time", "metric", "value"];
        let names = |name: &str| reserved.contains(&name) || name.trim() != name;
        prop_assume!(batch.iter().all(|s| s.labels.iter().all(|(name, _)| !names(name))));
        // Equal labels come together in a table, and other bits of NaN are one text.
        let mut expected: Vec<(_, Vec<_>)> = Vec::new();
        for (labels, samples) in contents(&batch).0 {
            let bits = |bits: u64| if f64::from_bits(bits).is_nan() { f64::NAN.to_bits() } else { bits };
            let samples = samples.into_iter().map(|(time, value)| (time, bits(value)));
            match expected.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, known)) => known.extend(samples),
                None => expected.push((labels, samples.collect())),
            }
        }
        let mut read = Batch::default();
        let text = written(&batch);
        let report = csv::parse(&text, &config, &Limits::default(), &mut read).unwrap();
        prop_assert_eq!(report.refused_series(), 0, "{:?}", report);
        prop_assert_eq!(contents(&read).0, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"time,metric,value\n", &bytes[..]].concat());
    }
}
