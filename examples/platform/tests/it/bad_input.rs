//! Bodies that are not what they should be, and what is in the way of good ones.

use std::time::Duration;

use aiops_platform::app::App;

use crate::support::{Client, data, quiet, wait_for};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn broken_bodies_are_refused_with_a_reason_and_lose_nothing_else() {
    let Some(captures) = data("alerts/captures/remote_write") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let client = Client::of(&app);
    let good = std::fs::read(captures.join("remote_write_v1_001.bin")).unwrap();
    assert_eq!(client.write(&good).status, 204);
    let mut files: Vec<_> = std::fs::read_dir(&captures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut broken = 0;
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Bodies of version 2 are sent as version 1 here, and are no good as such.
        if !name.starts_with("bad_") || path.extension().is_none_or(|end| end != "bin") {
            continue;
        }
        broken += 1;
        let answer = client.write(&std::fs::read(&path).unwrap());
        assert_eq!(answer.status, 400, "{name}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.len() > 10, "{name}: {error}");
    }
    assert!(broken >= 8, "only {broken} broken bodies found");
    // The good one is all there.
    let accepted = wait_for("the good samples", SOON, || {
        let counts = client.json("/api/v1/ingest");
        (counts["accepted"].as_u64()? >= 500).then_some(counts)
    });
    let refused: u64 = accepted["refused"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert!(refused >= broken, "{accepted}");
    app.stop();
}

#[test]
fn what_senders_really_send_is_kept_bit_for_bit() {
    let Some(captures) = data("alerts/captures/remote_write") else {
        return;
    };
    let mut compared = 0;
    let mut files: Vec<_> = std::fs::read_dir(&captures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("remote_write_v1_") && path.extension().is_some_and(|end| end == "bin")
        })
        .collect();
    files.sort();
    for path in files {
        let folder = tempfile::tempdir().unwrap();
        let app = App::start(quiet(folder.path())).unwrap();
        let client = Client::of(&app);
        let answer = client.write(&std::fs::read(&path).unwrap());
        assert_eq!(answer.status, 204, "{}: {}", path.display(), answer.body);
        let text = std::fs::read_to_string(path.with_extension("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected: Vec<_> = expected["timeseries"].as_array().unwrap().clone();
        let samples: usize = expected
            .iter()
            .map(|series| series["samples"].as_array().map_or(0, Vec::len))
            .sum();
        wait_for("all samples", SOON, || {
            let counts = client.json("/api/v1/ingest");
            (counts["accepted"].as_u64()? == samples as u64).then_some(())
        });
        let all = "/api/v1/samples?match=%7B%7D&start=0&end=4000000000000";
        let ours = client.json(all);
        for series in expected {
            compared += compare(&series, &ours);
        }
        app.stop();
    }
    assert!(compared > 600, "only {compared} samples were compared");
}

#[test]
fn version_2_is_answered_with_what_was_written() {
    let Some(captures) = data("alerts/captures/remote_write") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let client = Client::of(&app);
    let post = |name: &str| {
        let body = std::fs::read(captures.join(name)).unwrap();
        let headers = [
            (
                "content-type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            ),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "2.0.0"),
        ];
        client.post("/api/v1/write", &headers, &body)
    };
    let samples = |written: &[(String, String)]| {
        let found = written.iter().find(|(name, _)| name.contains("samples"));
        assert_eq!(written.len(), 3, "{written:?}");
        found.unwrap().1.parse::<u64>().unwrap()
    };
    let good = post("synthetic_v2.bin");
    assert_eq!(good.status, 204, "{}", good.body);
    let text = std::fs::read_to_string(captures.join("synthetic_v2.expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sent: usize = expected["timeseries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| series["samples"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(samples(&good.written), sent as u64);
    for bad in ["bad_v2_odd_refs.bin", "remote_write_v1_001.bin"] {
        let answer = post(bad);
        assert_eq!(answer.status, 400, "{bad}: {}", answer.body);
        assert_eq!(samples(&answer.written), 0, "{bad}");
    }
    let body = std::fs::read(captures.join("remote_write_v1_001.bin")).unwrap();
    assert!(client.write(&body).written.is_empty());
    app.stop();
}

/// Number of samples that are equal; fails on one that is not.
fn compare(series: &serde_json::Value, ours: &serde_json::Value) -> usize {
    let labels: serde_json::Map<String, serde_json::Value> = series["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone()))
        .collect();
    let samples = series["samples"].as_array().cloned().unwrap_or_default();
    if samples.is_empty() {
        return 0; // only exemplars or histograms
    }
    let rows = ours["series"].as_array().unwrap();
    let found = rows
        .iter()
        .find(|row| row["labels"].as_object() == Some(&labels))
        .unwrap_or_else(|| panic!("we have no {labels:?}"));
    for (index, sample) in samples.iter().enumerate() {
        assert_eq!(found["times"][index], sample[0], "{labels:?}");
        match sample[1].as_str() {
            // Which NaN it is, JSON does not tell; the store's own tests do.
            Some(nan) if nan.starts_with("NaN") => assert_eq!(found["values"][index], "NaN"),
            Some(word) => assert_eq!(found["values"][index], word, "{labels:?}"),
            None => assert_eq!(found["values"][index].as_f64(), sample[1].as_f64()),
        }
    }
    samples.len()
}

#[test]
fn a_body_that_breaks_off_keeps_nothing_and_hurts_nobody() {
    use std::io::{Read as _, Write as _};

    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let head = format!(
        "POST /api/v1/import/prometheus HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain\r\n\
         content-length: 1000\r\n\r\ndepth 1 1700000000000\n",
        app.address()
    );
    let mut stream = std::net::TcpStream::connect(app.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // whether there is an answer does not matter
    let client = Client::of(&app);
    wait_for("the count", SOON, || {
        let counts = client.json("/api/v1/ingest");
        (counts["refused"]["body.broken-off"] == 1).then_some(())
    });
    assert_eq!(client.json("/api/v1/ingest")["accepted"], 0);
    app.stop();
}

#[test]
fn other_protocols_and_oversized_bodies_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quiet(folder.path());
    config.limits.body_bytes = 10_000;
    let app = App::start(config).unwrap();
    let client = Client::of(&app);
    let unknown = [
        (
            "content-type",
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
        ),
        ("content-encoding", "snappy"),
    ];
    assert_eq!(client.post("/api/v1/write", &unknown, b"x").status, 415);
    let gzip = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "gzip"),
    ];
    assert_eq!(client.post("/api/v1/write", &gzip, b"x").status, 415);
    let answer = client.write(&vec![0; 20_000]);
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("10000"), "{}", answer.body);
    let text = [("content-type", "text/plain")];
    let answer = client.post("/api/v1/import/prometheus", &text, b"ok 1\nbad{ 2\n");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("line 2"), "{}", answer.body);
    for (body, word) in [
        (&b"{"[..], "change event"),
        (
            br#"{"id":"","kind":"deploy","component":"c","summary":"s"}"#,
            "id",
        ),
        (
            br#"{"id":"a","kind":"deploy","component":"c","summary":"s","time":"yesterday"}"#,
            "time",
        ),
        (
            br#"{"id":"a","kind":"deploy","component":"c","summary":"s","author":"x"}"#,
            "author",
        ),
    ] {
        let answer = client.post("/api/v1/changes", &[], body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains(word), "{}", answer.body);
    }
    for path in [
        "/api/v1/series?match=%7Bbad",
        "/api/v1/chart?id=zz",
        "/api/v1/samples?match=a&start=9&end=3",
        "/api/v1/samples?match=a&start=99999999999999999",
    ] {
        assert_eq!(client.get(path).status, 400, "{path}");
    }
    assert_eq!(client.get("/api/v1/chart?id=00").status, 404);
    assert_eq!(client.get("/nothing").status, 404);
    app.stop();
}

#[test]
fn a_full_queue_is_answered_503_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quiet(folder.path());
    config.limits.queue_bytes = 20_000;
    let app = App::start(config).unwrap();
    let client = Client::of(&app);
    let text = [("content-type", "text/plain")];
    let mut refused = None;
    for round in 0..200 {
        let lines: Vec<_> = (0..50).map(|i| format!("metric_{i} {round}\n")).collect();
        let body = lines.concat();
        let answer = client.post("/api/v1/import/prometheus", &text, body.as_bytes());
        if answer.status != 204 {
            refused = Some(answer);
            break;
        }
    }
    let answer = refused.expect("the queue never filled");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.retry_after.is_some());
    assert!(answer.body.contains("full"), "{}", answer.body);
    let counts = client.json("/api/v1/ingest");
    assert!(
        counts["refused"]["queue.full"].as_u64().unwrap() >= 50,
        "{counts}"
    );
    app.stop();
}

#[test]
fn a_damaged_state_is_said_by_name_and_the_samples_stay() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let text = [("content-type", "text/plain")];
    let client = Client::of(&app);
    let body = b"depth 1 1700000000000\n";
    assert_eq!(
        client.post("/api/v1/import/prometheus", &text, body).status,
        204
    );
    app.stop();
    let state = folder.path().join("state.json");
    let mut bytes = std::fs::read(&state).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&state, bytes).unwrap();
    let models = std::fs::read_dir(folder.path().join("models")).unwrap();
    let models = models.map(|entry| entry.unwrap().path()).next().unwrap();
    std::fs::write(&models, b"not a model").unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    assert!(folder.path().join("state.json.damaged").exists());
    assert!(models.with_extension("jsonl.damaged").exists());
    let path = "/api/v1/samples?match=depth&start=1700000000000&end=1700000000000";
    let answer = Client::of(&app).json(path);
    assert_eq!(answer["series"][0]["values"][0], 1.0);
    app.stop();
}
