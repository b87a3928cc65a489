//! Debian's `amtool` and Prometheus, which take the platform for an Alertmanager.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aiops_platform::app::App;
use serde_json::Value;

use crate::support::{Client, Running, alone, free_port, peer, quiet, wait_for};

struct Tool {
    program: PathBuf,
    url: String,
    home: PathBuf,
}

impl Tool {
    fn new(program: &Path, client: &Client, home: &Path) -> Self {
        Self {
            program: program.to_owned(),
            url: client.base.clone(),
            home: home.to_owned(), // no configuration of whoever runs the test
        }
    }

    fn try_run(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(words)
            .arg(format!("--alertmanager.url={}", self.url))
            .env("HOME", &self.home)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            Ok(out)
        } else {
            Err(out + &err)
        }
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        self.try_run(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["-o", "json"]].concat();
        let text = self.run(&words);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }
}

/// `alertname` of each.
fn names(alerts: &Value) -> Vec<&str> {
    let alerts = alerts.as_array().unwrap().iter();
    let mut names: Vec<&str> = alerts
        .map(|one| one["labels"]["alertname"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn amtool_adds_finds_and_silences() {
    let Some(amtool) = peer("amtool") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = quiet(&folder.path().join("data"));
    let app = App::start(config.clone()).unwrap();
    let client = Client::of(&app);
    let tool = Tool::new(&amtool, &client, folder.path());

    tool.run(&[
        "alert",
        "add",
        "DiskFull",
        "host=db-1",
        "--annotation=summary=\"full\"",
    ]);
    tool.run(&["alert", "add", "alertname=Slow", "host=web-1"]);
    assert_eq!(names(&tool.json(&["alert", "query"])), ["DiskFull", "Slow"]);
    assert_eq!(
        names(&tool.json(&["alert", "query", "host=db-1"])),
        ["DiskFull"]
    );
    assert_eq!(
        names(&tool.json(&["alert", "query", "host=~web-.*"])),
        ["Slow"]
    );
    assert!(
        tool.run(&["alert", "query", "-o", "extended"])
            .contains("summary=\"full\"")
    );

    let add = [
        "silence",
        "add",
        "host=db-1",
        "--author=me",
        "--comment=new disk",
        "--duration=1h",
    ];
    let id = tool.run(&add).trim().to_owned();
    let silences = tool.json(&["silence", "query"]);
    assert_eq!(silences[0]["id"], id.as_str());
    assert_eq!(silences[0]["comment"], "new disk");
    assert_eq!(names(&tool.json(&["alert", "query"])), ["Slow"]);
    assert_eq!(
        names(&tool.json(&["alert", "query", "--silenced"])),
        ["DiskFull"]
    );
    assert!(
        tool.try_run(&["silence", "add", "a=~.*", "--author=me", "--comment=all"])
            .is_err()
    );

    // What amtool was told to be done is so after a restart.
    app.stop();
    let app = App::start(config).unwrap();
    let tool = Tool::new(&amtool, &Client::of(&app), folder.path());
    assert_eq!(
        names(&tool.json(&["alert", "query", "--silenced"])),
        ["DiskFull"]
    );
    let updated = tool.run(&["silence", "update", &id, "--comment=later", "--duration=2h"]);
    let after = tool.json(&["silence", "query"]);
    assert_eq!(after.as_array().unwrap().len(), 1, "{after}");
    assert_eq!(after[0]["comment"], "later");
    let id = after[0]["id"].as_str().unwrap().to_owned();
    assert!(updated.contains(&id), "{updated}");
    tool.run(&["silence", "expire", &id]);
    assert!(tool.try_run(&["silence", "expire", &id]).is_err());
    assert_eq!(tool.json(&["silence", "query"]), Value::Array(Vec::new()));
    let over = tool.json(&["silence", "query", "--expired"]);
    assert_eq!(over.as_array().unwrap().len(), 2, "{over}");
    assert_eq!(names(&tool.json(&["alert", "query"])), ["DiskFull", "Slow"]);
    tool.run(&["cluster", "show"]);
    app.stop();
}

#[test]
fn a_silence_that_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[host]\nenabled = false\n").unwrap();
    let patience = Duration::from_secs(30);
    let start = || {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_aiops-platform"));
        command
            .current_dir(folder.path())
            .args(["--config", config.to_str().unwrap()])
            .args(["--listen", &format!("127.0.0.1:{port}")]);
        let running = Running::start(&mut command);
        wait_for("the port", patience, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let client = Client::at(format!("127.0.0.1:{port}").parse().unwrap());
        (running, client)
    };
    let silence = br#"{"matchers":[{"name":"a","value":"b","isRegex":false}],
        "startsAt":"2026-01-01T00:00:00Z","endsAt":"2096-01-01T00:00:00Z",
        "createdBy":"me","comment":"c"}"#;
    let (mut running, client) = start();
    let answer = client.post("/api/v2/silences", &[], silence);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = answer.json()["silenceID"].clone();
    running.0.kill().unwrap(); // before the state is written for the next time
    drop(running);
    let (_running, client) = start();
    wait_for("the silence", patience, || {
        let found = client.json("/api/v2/silences");
        (found[0]["id"] == id).then_some(())
    });
}

#[test]
fn prometheus_sends_its_alerts() {
    let Some(prometheus) = peer("prometheus") else {
        return;
    };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(&folder.path().join("data"))).unwrap();
    let client = Client::of(&app);
    let rules = folder.path().join("rules.yml");
    let rule = "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Always\n    expr: vector(7) > 5\n    \
                labels: {severity: page}\n    annotations: {summary: 'is {{ $value }}'}\n";
    std::fs::write(&rules, rule).unwrap();
    let config = folder.path().join("prometheus.yml");
    let text = format!(
        "global:\n  evaluation_interval: 1s\nrule_files: ['{}']\nalerting:\n  alertmanagers:\n  - static_configs:\n    \
         - targets: ['{}']\n",
        rules.display(),
        app.address()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(prometheus);
    command
        .arg("--rules.alert.resend-delay=1s") // the first may come before it knows us
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()));
    let _running = Running::start(&mut command);
    let found = wait_for("an alert from Prometheus", Duration::from_mins(1), || {
        let found = client.json("/api/v2/alerts?filter=alertname=Always");
        (found.as_array()?.len() == 1).then_some(found)
    });
    assert_eq!(found[0]["labels"]["severity"], "page");
    assert_eq!(found[0]["annotations"]["summary"], "is 7");
    assert_eq!(found[0]["status"]["state"], "active");
    wait_for("an incident", Duration::from_mins(1), || {
        let incidents = client.json("/api/v1/incidents");
        incidents.to_string().contains("Always").then_some(())
    });
    app.stop();
}

#[test]
fn bad_requests_are_answered_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(&folder.path().join("data"))).unwrap();
    let client = Client::of(&app);
    for (path, body, status) in [
        ("/api/v2/alerts", "no JSON", 400),
        ("/api/v2/alerts", r#"[{"labels":{}}]"#, 400),
        ("/api/v2/silences", "{}", 400),
        ("/api/v2/nothing", "", 404),
    ] {
        let answer = client.post(path, &[], body.as_bytes());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let _: String = serde_json::from_str(&answer.body).unwrap();
    }
    assert_eq!(client.get("/api/v2/status").status, 200);
    let counts = client.json("/api/v1/ingest");
    assert_eq!(counts["refused"]["api.request"], 3, "{counts}");
    app.stop();
}
