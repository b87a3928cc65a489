//! The page in a real browser.

use std::process::Command;
use std::time::Duration;

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
            .args(["--window-size=1280,1500", "--virtual-time-budget=10000"])
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

/// Ten minutes of a host whose processor becomes busy at the end, up to now.
fn feed(client: &Client) {
    let now = aiops_platform::clock::now().as_millis();
    let mut text = String::new();
    for second in 0..600_i64 {
        let time = now - 1_000 * (600 - second);
        let busy = if second > 540 {
            97.0
        } else {
            12.0 + (second * 7 % 11) as f64
        };
        text += &format!("host_cpu_busy_percent{{host=\"web-1\"}} {busy} {time}\n");
        let memory = 40.0 + (second * 3 % 5) as f64 * 0.2;
        text += &format!("host_memory_used_percent{{host=\"web-1\"}} {memory} {time}\n");
        let disk = 60.0 + second as f64 * 0.01;
        text += &format!("host_disk_used_percent{{host=\"web-1\",mount=\"/\"}} {disk} {time}\n");
    }
    let answer = client.post("/api/v1/import/prometheus", &TEXT, text.as_bytes());
    assert_eq!(answer.status, 204, "{}", answer.body);
}
