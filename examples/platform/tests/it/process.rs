//! The program as it is started from a shell.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Client, Running, Sink, alone, data, free_port, wait_for};

const PROGRAM: &str = env!("CARGO_BIN_EXE_aiops-platform");

fn output(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn starts_without_arguments_shows_this_host_and_stops_on_sigterm() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let started = Instant::now();
    let mut process = Running::start(
        Command::new(PROGRAM)
            .current_dir(folder.path())
            .args(["--listen", &format!("127.0.0.1:{port}")]),
    );
    let client = Client::at(format!("127.0.0.1:{port}").parse().unwrap());
    wait_for("the port", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let listening = started.elapsed();
    assert_eq!(client.get("/readyz").status, 200);
    let metrics = wait_for("this host's processor", Duration::from_secs(10), || {
        let answer = client.json("/api/v1/series?match=host_cpu_busy_percent");
        (answer["total"] == 1).then(|| client.get("/metrics").body)
    });
    eprintln!(
        "listening after {listening:?}, own metrics after {:?}",
        started.elapsed()
    );
    assert!(
        listening < Duration::from_secs(5),
        "start-up took {listening:?}"
    );
    assert!(
        metrics.contains("aiops_samples_accepted_total"),
        "{metrics}"
    );
    assert!(folder.path().join("aiops-data").is_dir());
    let killed = Command::new("kill")
        .args(["-TERM", &process.0.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let status = wait_for("the end", Duration::from_secs(15), || {
        process.0.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
    assert!(folder.path().join("aiops-data/state.json").exists());
}

/// "The disk is full", as far as a test can have it: no file may grow beyond a limit.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_by_name_and_the_rest_keeps_running() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[host]\nenabled = false\n").unwrap();
    let port = free_port();
    let command = format!(
        "trap '' XFSZ; ulimit -f 600; exec {PROGRAM} --config {} --listen 127.0.0.1:{port}",
        config.display()
    );
    let mut process = Running::start(
        Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &command]),
    );
    let client = client_of(port);
    let text = [("content-type", "text/plain")];
    let line = |round: i64| -> String {
        (0..500)
            .map(|i| format!("metric_{i}{{pad=\"{i:0100}\"}} {round}.5\n"))
            .collect()
    };
    assert_eq!(
        client
            .post("/api/v1/import/prometheus", &text, line(0).as_bytes())
            .status,
        204
    );
    let refused = wait_for("the disk to be full", Duration::from_mins(1), || {
        for round in 1..200 {
            let body = line(round);
            let answer = client.post("/api/v1/import/prometheus", &text, body.as_bytes());
            if answer.status != 204 {
                return Some(answer);
            }
        }
        None
    });
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.retry_after.is_some());
    assert!(refused.body.contains("aiops-data"), "{}", refused.body);
    let ready = client.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("aiops-data"), "{}", ready.body);
    let counts = client.json("/api/v1/ingest");
    assert!(
        counts["refused"]["disk.io"].as_u64().unwrap() >= 500,
        "{counts}"
    );
    assert_eq!(client.get("/healthz").status, 200);
    assert!(client.json("/api/v1/series?match=metric_1")["total"] == 1);
    assert!(process.0.try_wait().unwrap().is_none(), "it has ended");
}

fn client_of(port: u16) -> Client {
    wait_for("the port", Duration::from_secs(20), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    Client::at(format!("127.0.0.1:{port}").parse().unwrap())
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_cleanly_even_with_an_open_connection() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut process = Running::start(
        Command::new(PROGRAM)
            .current_dir(folder.path())
            .args(["--listen", &format!("127.0.0.1:{port}")]),
    );
    let client = client_of(port);
    assert_eq!(client.get("/healthz").status, 200);
    let _open = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let killed = Command::new("kill")
        .args(["-INT", &process.0.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let status = wait_for("the end", Duration::from_secs(20), || {
        process.0.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_a_receiver_missed_is_sent_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = free_port(); // nothing listens there yet
    let config = folder.path().join("config.toml");
    let text = format!(
        "[host]\nenabled = false\n[alerting]\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n\
         [[webhooks]]\nurl = \"http://127.0.0.1:{nobody}/\"\n\
         [[rules]]\nname = \"Deep\"\nmatch = \"depth\"\nabove = 10.0\n"
    );
    std::fs::write(&config, text).unwrap();
    let start = |port: u16| {
        Running::start(
            Command::new(PROGRAM)
                .current_dir(folder.path())
                .args(["--config", config.to_str().unwrap()])
                .args(["--listen", &format!("127.0.0.1:{port}")]),
        )
    };
    let port = free_port();
    let mut process = start(port);
    let client = client_of(port);
    let body = b"depth{service=\"cart\"} 50\n";
    let kind = [("content-type", "text/plain")];
    assert_eq!(
        client.post("/api/v1/import/prometheus", &kind, body).status,
        204
    );
    wait_for("a failed delivery", Duration::from_secs(20), || {
        let metrics = client.get("/metrics").body;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("aiops_webhook_failures_total"))?;
        (line.split(' ').nth(1)? != "0").then_some(())
    });
    process.0.kill().unwrap(); // SIGKILL: nothing can be tidied up
    process.0.wait().unwrap();

    let sink = Sink::at(nobody);
    let _process = start(free_port());
    let firing = wait_for("the notification", Duration::from_mins(1), || {
        let firing = sink.with_status("firing");
        (!firing.is_empty()).then_some(firing)
    });
    assert_eq!(firing[0]["alerts"][0]["labels"]["service"], "cart");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(sink.with_status("firing").len(), 1, "sent once only");
}

#[test]
fn a_killed_program_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[host]\nenabled = false\n").unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3_i64 {
        let port = free_port();
        let mut process = Running::start(
            Command::new(PROGRAM)
                .current_dir(folder.path())
                .args(["--config", config.to_str().unwrap()])
                .args(["--listen", &format!("127.0.0.1:{port}")]),
        );
        wait_for("the port", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let client = Client::at(format!("127.0.0.1:{port}").parse().unwrap());
        for step in 0..40 {
            let time = 1_700_000_000_000 + 100_000 * round + 1_000 * step;
            let body = format!("depth {step} {time}\n");
            let text = [("content-type", "text/plain")];
            let answer = client.post("/api/v1/import/prometheus", &text, body.as_bytes());
            assert_eq!(answer.status, 204, "{}", answer.body);
            acknowledged.push(time);
        }
        process.0.kill().unwrap(); // SIGKILL, right after the last acknowledgement
        process.0.wait().unwrap();
    }
    let port = free_port();
    let _process = Running::start(
        Command::new(PROGRAM)
            .current_dir(folder.path())
            .args(["--config", config.to_str().unwrap()])
            .args(["--listen", &format!("127.0.0.1:{port}")]),
    );
    wait_for("the port", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let client = Client::at(format!("127.0.0.1:{port}").parse().unwrap());
    let path = "/api/v1/samples?match=depth&start=1700000000000&end=1700001000000";
    let times = wait_for("all samples", Duration::from_secs(10), || {
        let answer = client.json(path);
        let times = answer["series"][0]["times"].as_array()?.clone();
        (times.len() >= acknowledged.len()).then_some(times)
    });
    let times: Vec<i64> = times.iter().map(|time| time.as_i64().unwrap()).collect();
    assert_eq!(times, acknowledged, "each exactly once");
}

#[test]
fn check_accepts_good_files_and_names_line_and_key_of_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        output(&["--config", path.to_str().unwrap(), "--check"])
    };
    let (code, out, err) = check(
        "good.toml",
        "retention = \"30d\"\n[[scrape]]\njob = \"node\"\ntargets = [\"http://127.0.0.1:9100/metrics\"]\n\
         [[rules]]\nname = \"Hot\"\nmatch = 'temp{room=~\"a|b\"}'\nabove = 30.0\nfor = \"5m\"\n",
    );
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("1 scrape jobs"), "{out}");
    let (code, _, err) = check("good.yaml", "retention: 30d\nhost:\n  interval: 5s\n");
    assert_eq!(code, 0, "{err}");
    for (name, text, words) in [
        (
            "key.toml",
            "listen = \"127.0.0.1:1\"\nretentoin = \"3d\"\n",
            ["line 2", "retentoin"],
        ),
        (
            "key.yaml",
            "listen: 127.0.0.1:1\nretentoin: 3d\n",
            ["2", "retentoin"],
        ),
        (
            "unit.toml",
            "retention = \"3 weeks\"\n",
            ["line 1", "duration"],
        ),
        (
            "open.toml",
            "listen = \"0.0.0.0:9797\"\n",
            ["listen", "token"],
        ),
        ("token.toml", "token = \"short\"\n", ["line 1", "16"]),
        (
            "rule.toml",
            "[[rules]]\nname = \"A\"\nmatch = \"up\"\n",
            ["line 1", "above"],
        ),
        (
            "match.toml",
            "[[rules]]\nname = \"A\"\nmatch = \"up{\"\nabove = 1\n",
            ["line 3", "byte"],
        ),
        (
            "url.toml",
            "[[webhooks]]\nurl = \"ftp://x\"\n",
            ["line 1", "http"],
        ),
    ] {
        let (code, _, err) = check(name, text);
        assert_eq!(code, 2, "{name}: {err}");
        assert!(words.iter().all(|word| err.contains(word)), "{name}: {err}");
    }
    let (code, _, err) = output(&["--listen", "nowhere"]);
    assert_eq!(code, 2);
    assert!(err.contains("--help"), "{err}");
    assert_eq!(output(&["--help"]).0, 0);
}

#[test]
fn replay_prints_what_would_have_been_notified_and_repeats_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    std::fs::create_dir(&recording).unwrap();
    let mut text = "timestamp,value\n".to_owned();
    for minute in 0..600 {
        let value = if (400..420).contains(&minute) {
            900
        } else {
            100 + minute % 7
        };
        text += &format!("{},{value}\n", 1_700_000_000 + 60 * minute);
    }
    std::fs::write(recording.join("requests.csv"), text).unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(
        &config,
        "[[rules]]\nname = \"Unusual\"\nmatch = \"value\"\nanomaly = 0\n[alerting]\ngroup_by = [\"instance\"]\n",
    )
    .unwrap();
    let args = [
        "--config",
        config.to_str().unwrap(),
        "--replay",
        recording.to_str().unwrap(),
    ];
    let (code, first, err) = output(&args);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<&str> = first
        .lines()
        .filter(|line| line.starts_with("2023-"))
        .collect();
    assert_eq!(lines.len(), 2, "{first}");
    assert!(
        lines[0].contains("FIRING") && lines[0].starts_with("2023-11-15T04:5"),
        "{first}"
    );
    assert!(lines[1].contains("RESOLVED"), "{first}");
    let stable = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.contains("times as"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(stable(&first), stable(&output(&args).1));
    let (code, _, err) = output(&["--replay", folder.path().join("none").to_str().unwrap()]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn replay_reads_public_recordings() {
    let Some(nab) = data("detect/nab") else {
        return;
    };
    // No rule speaks of what is in there, so everything is watched.
    let (code, out, err) = output(&["--replay", nab.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("every series is watched"), "{out}");
    let firing = out.lines().filter(|line| line.contains("FIRING")).count();
    assert!(firing > 10, "only {firing} of them:\n{out}");
}

#[test]
fn a_bad_option_is_not_run() {
    let status = Command::new(PROGRAM)
        .arg("--no-such-option")
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}
