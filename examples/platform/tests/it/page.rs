//! The page in a real browser.

use std::process::Command;
use std::time::Duration;

use aiops_core::Seed;
use aiops_platform::app::App;

use crate::support::{Client, alone, peer, quiet, wait_for};

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];

#[test]
fn the_page_draws_the_chart_and_lists_the_incident() {
    let Some(chromium) = peer("chromium") else {
        return;
    };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut config = quiet(&folder.path().join("data"));
    config.alerting.group_wait = Duration::ZERO;
    let app = App::start(config).unwrap();
    let client = Client::of(&app);
    feed(&client);
    let incident = wait_for("an incident with causes", Duration::from_secs(30), || {
        let incidents = client.json("/api/v1/incidents");
        incidents[0]["causes"][0]
            .is_object()
            .then(|| incidents[0].clone())
    });
    assert_eq!(
        incident["causes"][0]["component"], "web-1/cpu",
        "{incident:#}"
    );
    wait_for("a forecast", Duration::from_secs(30), || {
        (!client.json("/api/v1/forecasts").as_array()?.is_empty()).then_some(())
    });
    let picture = folder.path().join("page.png");
    let browse = |args: &[String]| {
        let output = Command::new(&chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-sync",
            ])
            .args(["--disable-component-update", "--hide-scrollbars"])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .args(["--window-size=1440,900", "--virtual-time-budget=10000"])
            .args(args)
            .arg(&client.base)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let page = browse(&["--dump-dom".to_owned()]);
    assert!(page.contains("data-ready=\"true\""), "{page}");
    assert!(page.contains("data-open-incidents=\"1\""), "{page}");
    assert!(page.contains("INC-1"), "{page}");
    browse(&[format!("--screenshot={}", picture.display())]);
    let bytes = std::fs::read(&picture).unwrap();
    assert!(
        bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000,
        "{} bytes",
        bytes.len()
    );
    if let Some(keep) = std::env::var_os("AIOPS_PICTURES") {
        std::fs::copy(&picture, std::path::Path::new(&keep).join("page.png")).unwrap();
    }
    app.stop();
}

/// Twelve minutes of two hosts, up to now. In the last ninety seconds a processor becomes busy,
/// after a deployment.
fn feed(client: &Client) {
    let now = aiops_platform::clock::now().as_millis();
    let mut noise = Seed::default().rng();
    let mut text = String::new();
    for second in 0..720_i64 {
        let time = now - 1_000 * (720 - second);
        let wave = (second as f64 / 90.0).sin();
        let mut line = |series: &str, value: f64| {
            text += &format!("{series} {} {time}\n", (value * 100.0).round() / 100.0);
        };
        let busy = second > 630;
        let disk = 92.0 + 0.0015 * second as f64 + 0.01 * noise.normal();
        for (host, busy) in [("web-1", busy), ("db-1", false)] {
            let mut cores = 0.0;
            for core in 0..4 {
                let share = if busy { 96.0 } else { 14.0 + 3.0 * wave } + 1.5 * noise.normal();
                cores += share.min(100.0) / 4.0;
                line(
                    &format!("host_cpu_core_busy_percent{{host=\"{host}\",core=\"{core}\"}}"),
                    share.min(100.0),
                );
            }
            line(&format!("host_cpu_busy_percent{{host=\"{host}\"}}"), cores);
            let load = if busy {
                4.0 * (second - 630) as f64 / 60.0
            } else {
                0.0
            };
            line(
                &format!("host_load1{{host=\"{host}\"}}"),
                0.6 + load.min(4.5) + 0.02 * noise.normal(),
            );
            let memory = 41.0 + 0.3 * wave + 0.1 * noise.normal();
            line(
                &format!("host_memory_used_percent{{host=\"{host}\"}}"),
                memory,
            );
            let process = if busy { 380.0 } else { 40.0 } + 6.0 * noise.normal();
            line(
                &format!("host_process_cpu_percent{{host=\"{host}\",process=\"checkout\"}}"),
                process,
            );
            let received = 2e6 + 2e5 * wave + 5e4 * noise.normal();
            line(
                &format!(
                    "host_network_received_bytes_per_second{{host=\"{host}\",interface=\"eth0\"}}"
                ),
                received.abs(),
            );
        }
        line("host_disk_used_percent{host=\"web-1\",mount=\"/\"}", disk);
        line(
            "host_disk_used_percent{host=\"db-1\",mount=\"/var\"}",
            55.0 + 0.02 * wave,
        );
    }
    let change = format!(
        r#"{{"id":"r42","time":{},"kind":"deploy","component":"web-1/cpu","summary":"checkout 2.0"}}"#,
        now - 110_000
    );
    let answer = client.post("/api/v1/changes", &[], change.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = client.post("/api/v1/import/prometheus", &TEXT, text.as_bytes());
    assert_eq!(answer.status, 204, "{}", answer.body);
}
