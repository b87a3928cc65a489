use aiops_core::ingest::{Batch, MetricMetadata, STALE};
use aiops_core::prepare::BaseUnits;
use aiops_core::{Labels, Timestamp};

fn batch(series: &[(&[(&str, &str)], f64)]) -> Batch {
    let mut batch = Batch::default();
    for (labels, value) in series {
        batch.start_series(Labels::of(labels.iter().copied()).unwrap());
        batch.push(Timestamp::EPOCH, *value);
    }
    batch
}

fn shown(batch: &Batch) -> Vec<String> {
    let series = batch.iter();
    series
        .map(|series| format!("{} {}", series.labels, series.values[0]))
        .collect()
}

#[track_caller]
fn check(metric: &str, value: f64, expected: &str) {
    let (scaled, _) = BaseUnits::new(10).apply(&batch(&[(&[("__name__", metric)], value)]));
    assert_eq!(shown(&scaled), [expected]);
}

fn metadata(metric: &str, unit: &str) -> MetricMetadata {
    MetricMetadata {
        metric: metric.to_owned(),
        kind: "gauge".to_owned(),
        help: String::new(),
        unit: unit.to_owned(),
    }
}

#[test]
fn the_end_of_a_name_is_a_unit() {
    check("wait_milliseconds", 7.0, "wait_seconds 0.007");
    check("read_ms_total", 3.0, "read_seconds_total 0.003");
    check("uptime_hours", 1.5, "uptime_seconds 5400");
    check("free_KiBy", 2.0, "free_bytes 2048");
    check("used_percent", 55.0, "used_ratio 0.55");
    check("wait_milliseconds_sum", 7.0, "wait_seconds_sum 0.007");
    check("wait_milliseconds_count", 7.0, "wait_seconds_count 7");
    check("wait_milliseconds_created", 7.0, "wait_seconds_created 7");
    for same in [
        "wait_seconds",
        "cpu_seconds_total",
        "ms",
        "size_d",
        "up",
        "a_b",
    ] {
        check(same, 7.0, &format!("{same} 7"));
    }
}

#[test]
fn buckets_change_their_bounds_and_not_their_counts() {
    let bucket = |le| [("__name__", "wait_ms_bucket"), ("le", le)];
    let sent = batch(&[
        (&bucket("5"), 2.0),
        (&bucket("7"), 3.0),
        (&bucket("+Inf"), 9.0),
    ]);
    let (scaled, scalings) = BaseUnits::new(10).apply(&sent);
    let wanted = ["0.005\"} 2", "0.007\"} 3", "+Inf\"} 9"];
    assert_eq!(
        shown(&scaled),
        wanted.map(|end| format!("wait_seconds_bucket{{le=\"{end}"))
    );
    let scaling = &scalings["wait_ms_bucket"];
    assert_eq!(
        (scaling.times, scaling.over, scaling.samples),
        (1.0, 1_000.0, 3)
    );
    assert_eq!(scaling.metric, "wait_seconds_bucket");
}

#[test]
fn markers_stay_bit_for_bit() {
    for bits in [STALE.to_bits(), f64::NAN.to_bits(), f64::INFINITY.to_bits()] {
        let sent = batch(&[(&[("__name__", "wait_ms")], f64::from_bits(bits))]);
        let (scaled, _) = BaseUnits::new(10).apply(&sent);
        assert_eq!(scaled.iter().next().unwrap().values[0].to_bits(), bits);
    }
}

#[test]
fn declared_units_are_remembered_up_to_a_limit() {
    let mut units = BaseUnits::new(2);
    let mut declared = Batch::default();
    for (metric, unit) in [
        ("rpc.time", "ms"),
        ("rpc.size", "By"),
        ("rpc.late", "s"),
        ("n", "1"),
    ] {
        declared.metadata.push(metadata(metric, unit));
    }
    let (scaled, _) = units.apply(&declared);
    let metrics: Vec<_> = scaled
        .metadata
        .iter()
        .map(|m| (m.metric.as_str(), m.unit.as_str()))
        .collect();
    let wanted = [
        ("rpc.time_seconds", "seconds"),
        ("rpc.size_bytes", "bytes"),
        ("rpc.late", "s"),
        ("n", "1"),
    ];
    assert_eq!(metrics, wanted);
    let names = ["rpc.time", "rpc.size", "rpc.late", "n", "rpc.time_sum"];
    let series = names.map(|name| [("__name__", name)]);
    let sent: Vec<_> = series.iter().map(|labels| (&labels[..], 4.0)).collect();
    let (scaled, scalings) = units.apply(&batch(&sent));
    let wanted = [
        "rpc.time_seconds 0.004",
        "rpc.size_bytes 4",
        "rpc.late 4",
        "n 4",
        "rpc.time_seconds_sum 0.004",
    ];
    assert_eq!(shown(&scaled), wanted);
    assert_eq!(scalings.len(), 3);
    // Once more changes nothing more.
    assert_eq!(shown(&units.apply(&scaled).0), wanted);
}
