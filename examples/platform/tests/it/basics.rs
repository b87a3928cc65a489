//! In and out, restart, tokens.

use std::time::Duration;

use aiops_platform::app::{App, StartError};

use crate::support::{Client, quiet, wait_for};

const SOON: Duration = Duration::from_secs(10);
const TEXT: [(&str, &str); 1] = [("content-type", "text/plain; version=0.0.4")];

#[test]
fn what_is_acknowledged_can_be_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let client = Client::of(&app);
    let text = "# TYPE depth gauge\ndepth{service=\"cart\"} 0.1 1700000000000\n\
                depth{service=\"pay\"} NaN 1700000000000\n\
                depth{service=\"geo\"} +Inf 1700000000500\n";
    assert_eq!(
        client
            .post("/api/v1/import/prometheus", &TEXT, text.as_bytes())
            .status,
        204
    );
    let path = "/api/v1/samples?match=depth&start=1700000000000&end=1700000000500";
    let answer = wait_for("samples", SOON, || {
        let answer = client.json(path);
        (answer["series"].as_array().unwrap().len() == 3).then_some(answer)
    });
    let values: Vec<_> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["values"])
        .collect();
    assert_eq!(values[0][0], 0.1); // cart, geo, pay: in order of labels
    assert_eq!(values[1][0], "+Inf");
    assert_eq!(values[2][0], "NaN");
    assert_eq!(answer["series"][1]["times"][0], 1_700_000_000_500_i64);
    app.stop();
}

#[test]
fn samples_models_changes_and_counts_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let client = Client::of(&app);
    for second in 0..50_i64 {
        let time = 1_700_000_000_000 + 1_000 * second;
        let text = format!("depth{{service=\"cart\"}} {} {time}\n", second % 3);
        assert_eq!(
            client
                .post("/api/v1/import/prometheus", &TEXT, text.as_bytes())
                .status,
            204
        );
    }
    let change = br#"{"id":"v2","kind":"deploy","component":"cart","summary":"cart 2.0"}"#;
    assert_eq!(client.post("/api/v1/changes", &[], change).status, 201);
    let state = |client: &Client| {
        let answer = client.json("/api/v1/series?match=depth");
        answer["series"][0]["state"].as_str().map(str::to_owned)
    };
    wait_for("a verdict", SOON, || {
        (state(&client)? == "normal").then_some(())
    });
    app.stop();

    let app = App::start(quiet(folder.path())).unwrap();
    let client = Client::of(&app);
    assert_eq!(client.json("/api/v1/changes")[0]["id"], "v2");
    let change = br#"{"id":"v2","kind":"deploy","component":"cart","summary":"cart 2.0"}"#;
    assert_eq!(client.post("/api/v1/changes", &[], change).status, 200);
    // A detector that had to start anew would be warming up.
    let text = "depth{service=\"cart\"} 500 1700000060000\n";
    assert_eq!(
        client
            .post("/api/v1/import/prometheus", &TEXT, text.as_bytes())
            .status,
        204
    );
    wait_for("a suspicious sample", SOON, || {
        let state = state(&client)?;
        (state == "suppressed" || state == "anomalous").then_some(())
    });
    let range = "start=1700000000000&end=1700000060000";
    let answer = client.json(&format!("/api/v1/samples?match=depth&{range}"));
    assert_eq!(answer["series"][0]["values"].as_array().unwrap().len(), 51);
    app.stop();
}

#[test]
fn a_queue_that_was_removed_does_not_swallow_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let stored = |count: usize| {
        let app = App::start(quiet(folder.path())).unwrap();
        let client = Client::of(&app);
        let text = format!(
            "depth{{service=\"cart\"}} 1 {}\n",
            1_700_000_000_000 + count
        );
        let answer = client.post("/api/v1/import/prometheus", &TEXT, text.as_bytes());
        assert_eq!(answer.status, 204);
        let query = "/api/v1/samples?match=depth&start=1700000000000&end=1700000060000";
        wait_for("the sample", SOON, || {
            let answer = client.json(query);
            let values = answer["series"][0]["values"].as_array()?;
            (values.len() == count).then_some(())
        });
        app.stop();
    };
    (1..=3).for_each(stored);
    std::fs::remove_dir_all(folder.path().join("queue")).unwrap();
    stored(4);
}

#[test]
fn a_busy_port_is_said_with_the_option_that_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let other = tempfile::tempdir().unwrap();
    let mut config = quiet(other.path());
    config.listen = app.address();
    let error = App::start(config).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&app.address().to_string()) && text.contains("--listen"),
        "{text}"
    );
    app.stop();
}

#[test]
fn a_data_folder_is_used_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let error = App::start(quiet(folder.path())).unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    app.stop();
}

#[test]
fn a_token_guards_everything_but_health_and_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(
        &file,
        "token = \"0123456789abcdef\"\nhost.enabled = false\n",
    )
    .unwrap();
    let mut config = aiops_platform::config::Config::load(&file).unwrap();
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.data_dir = folder.path().join("data");
    let app = App::start(config).unwrap();
    let client = Client::of(&app);
    for (path, expected) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/", 200),
        ("/app.js", 200),
        ("/metrics", 401),
    ] {
        assert_eq!(client.get(path).status, expected, "{path}");
    }
    assert_eq!(client.get("/api/v1/status").status, 401);
    let wrong = [("authorization", "Bearer 0123456789abcdeX")];
    assert_eq!(client.get_with("/api/v1/status", &wrong).status, 401);
    let right = [("authorization", "Bearer 0123456789abcdef")];
    assert_eq!(client.get_with("/api/v1/status", &right).status, 200);
    app.stop();
}

#[test]
fn a_chart_has_the_band_and_names_what_is_outside() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(folder.path())).unwrap();
    let client = Client::of(&app);
    let mut text = String::new();
    for second in 0..200_i64 {
        let value = if second >= 180 {
            90.0
        } else {
            20.0 + (second % 5) as f64
        };
        let time = 1_700_000_000_000 + 1_000 * second;
        text += &format!("busy_percent{{host=\"a\"}} {value} {time}\n");
    }
    assert_eq!(
        client
            .post("/api/v1/import/prometheus", &TEXT, text.as_bytes())
            .status,
        204
    );
    let id = wait_for("the series", SOON, || {
        let answer = client.json("/api/v1/series?match=busy_percent");
        answer["series"][0]["id"].as_str().map(str::to_owned)
    });
    let range = "start=1700000000000&end=1700000200000";
    let chart = client.json(&format!("/api/v1/chart?id={id}&{range}&points=1000"));
    assert_eq!(chart["times"].as_array().unwrap().len(), 200);
    let upper = chart["upper"][150].as_f64().unwrap();
    assert!(upper > 24.0 && upper < 90.0, "{upper}");
    let anomalies = chart["anomalies"].as_array().unwrap();
    assert!(anomalies.len() >= 10, "{}", anomalies.len());
    assert!(
        anomalies[0]["reason"]
            .as_str()
            .unwrap()
            .contains("expected"),
        "{}",
        anomalies[0]
    );
    let few = client.json(&format!("/api/v1/chart?id={id}&{range}&points=20"));
    assert!(few["times"].as_array().unwrap().len() <= 20);
    assert_eq!(few["max"].as_array().unwrap().last().unwrap(), 90.0);
    app.stop();
}

#[test]
fn the_example_configuration_shows_the_defaults() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("aiops.toml");
    let shown = aiops_platform::config::Config::load(&file).unwrap();
    let default = aiops_platform::config::Config::default();
    assert_eq!(format!("{shown:?}"), format!("{default:?}"));
}
