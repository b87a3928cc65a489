//! Against Debian's Prometheus, which is given samples of the past.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{gate, text};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where `program` is; `None`, said loudly, where it is missing, unless it is required.
fn peer(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    let required = std::env::var_os("AIOPS_REQUIRE_PEERS").is_some();
    assert!(found.is_some() || !required, "{program} is missing");
    if found.is_none() {
        eprintln!("SKIPPED: {program} is missing");
    }
    found
}

/// Half an hour of requests of three tracks from `start` on, as `OpenMetrics`.
fn history(start: u32) -> String {
    let mut text = String::from("# TYPE requests counter\n");
    for (track, failing) in [("stable", 10), ("same", 10), ("worse", 40)] {
        for code in ["200", "500"] {
            let mut total = 0;
            for i in 0..=120_u32 {
                total += match code {
                    "500" => failing + i * 7 % 5,
                    _ => 1_000 + i * 31 % 90,
                };
                let time = start + 15 * i;
                writeln!(
                    text,
                    "requests_total{{track=\"{track}\",code=\"{code}\"}} {total} {time}"
                )
                .unwrap();
            }
        }
    }
    text + "# EOF\n"
}

#[test]
fn answers_of_a_server_decide() {
    let (Some(prometheus), Some(promtool)) = (peer("prometheus"), peer("promtool")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let start = 1_700_000_000;
    let samples = folder.path().join("samples.om");
    std::fs::write(&samples, history(start)).unwrap();
    let data = folder.path().join("tsdb");
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&samples, &data])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    std::fs::write(folder.path().join("prometheus.yml"), "").unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Command::new(prometheus)
        .arg(format!(
            "--config.file={}",
            folder.path().join("prometheus.yml").display()
        ))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg("--storage.tsdb.retention.time=100y")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Running(server.unwrap());

    let config = folder.path().join("gate.toml");
    let toml = format!(
        r#"
        [source]
        prometheus = "http://127.0.0.1:{port}"
        [[metric]]
        name = "failed requests"
        kind = "ratios"
        query = 'sum(increase(requests_total{{code="500",track="$side"}}[30s]))'
        of = 'sum(increase(requests_total{{track="$side"}}[30s]))'
        absolute_floor = 0.002
        [[metric]]
        name = "failures in a second"
        kind = "values"
        query = 'sum(rate(requests_total{{code="500",track="$side"}}[30s]))'
        relative_floor = 0.2
        "#
    );
    std::fs::write(&config, toml).unwrap();
    let ask = |candidate: &str| {
        let arguments = ["--baseline", "stable", "--candidate", candidate];
        let window = [
            "--start",
            "2023-11-14T22:14:20Z",
            "--end",
            "2023-11-14T22:42:20Z",
        ];
        gate(&config, &[arguments, window].concat())
    };
    let began = Instant::now();
    let mut same = ask("same");
    while !same.stderr.is_empty() && began.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(200));
        same = ask("same");
    }
    let said = text(&same.stdout);
    assert_eq!(same.status.code(), Some(0), "{said}{}", text(&same.stderr));
    assert!(said.starts_with("pass\n"), "{said}");
    let worse = ask("worse");
    assert_eq!(worse.status.code(), Some(1), "{}", text(&worse.stdout));
    let none = ask("none");
    assert_eq!(none.status.code(), Some(2), "{}", text(&none.stdout));
    assert!(text(&none.stdout).contains("at least 20 are needed"));
}
