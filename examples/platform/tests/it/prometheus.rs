//! Debian's Prometheus and `node_exporter`, and a processor that is really busy.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aiops_platform::app::App;
use aiops_platform::config::{Config, RuleFile, Secret};
use serde_json::Value;

use crate::support::{Burn, Client, Running, Sink, alone, free_port, peer, quiet, wait, wait_for};

/// How long the machine may take to become calm.
const CALM: Duration = Duration::from_mins(2);
/// How long the processor is kept busy.
const BURN: Duration = Duration::from_mins(1);

fn start_node_exporter(program: &Path) -> (Running, u16) {
    let port = free_port();
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    (Running::start(&mut command), port)
}

fn start_prometheus(program: &Path, folder: &Path, node: u16, platform: &str) -> (Running, u16) {
    let port = free_port();
    let config = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n\
         - job_name: node\n  static_configs:\n  - targets: ['127.0.0.1:{node}']\n\
         remote_write:\n- url: {platform}/api/v1/write\n  queue_config:\n    batch_send_deadline: 1s\n"
    );
    let path = folder.join("prometheus.yml");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", path.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    (Running::start(&mut command), port)
}

#[test]
fn what_prometheus_sent_reads_back_sample_by_sample() {
    let (Some(prometheus), Some(exporter)) = (peer("prometheus"), peer("prometheus-node-exporter"))
    else {
        return;
    };
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(quiet(&folder.path().join("data"))).unwrap();
    let client = Client::of(&app);
    let (_exporter, node) = start_node_exporter(&exporter);
    let (server, port) = start_prometheus(&prometheus, folder.path(), node, &client.base);
    let theirs = Client::at(format!("127.0.0.1:{port}").parse().unwrap());
    let path = "/api/v1/series?match=node_load1";
    wait_for("samples from Prometheus", Duration::from_mins(1), || {
        let last = client.json(path)["series"][0]["last_time"].as_i64()?;
        let first = *SEEN.get_or_init(|| last);
        (last - first >= 15_000).then_some(())
    });
    // A window that has long been sent.
    let end = client.json(path)["series"][0]["last_time"]
        .as_i64()
        .unwrap()
        - 3_000;
    let start = end - 10_000;
    let mut compared = 0;
    for metric in [
        "node_load1",
        "node_cpu_seconds_total",
        "node_memory_MemFree_bytes",
        "up",
    ] {
        let query = format!(
            "/api/v1/query?query={metric}%5B10s%5D&time={}",
            end as f64 / 1_000.0
        );
        let expected = theirs.json(&query)["data"]["result"]
            .as_array()
            .unwrap()
            .clone();
        let ours = client.json(&format!(
            "/api/v1/samples?match={metric}&start={start}&end={end}"
        ));
        assert!(!expected.is_empty(), "{metric}");
        for series in expected {
            compared += compare(&series, &ours);
        }
    }
    eprintln!("{compared} samples equal");
    assert!(compared > 100, "only {compared} samples were compared");
    let counts = client.json("/api/v1/ingest");
    assert_eq!(counts["late"], 0, "{counts}");
    drop(server);
    app.stop();
}

static SEEN: std::sync::OnceLock<i64> = std::sync::OnceLock::new();

/// Number of samples that are equal; fails on one that is not.
fn compare(theirs: &Value, ours: &Value) -> usize {
    let labels = theirs["metric"].as_object().unwrap();
    let found = ours["series"]
        .as_array()
        .unwrap()
        .iter()
        .find(|series| series["labels"].as_object() == Some(labels))
        .unwrap_or_else(|| panic!("we have no {labels:?}"));
    let expected: Vec<(i64, f64)> = theirs["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            let millis = (pair[0].as_f64().unwrap() * 1_000.0).round() as i64;
            (millis, pair[1].as_str().unwrap().parse().unwrap())
        })
        .collect();
    let (times, values) = (
        found["times"].as_array().unwrap(),
        found["values"].as_array().unwrap(),
    );
    let got: Vec<(i64, f64)> = times
        .iter()
        .zip(values)
        .map(|(time, value)| (time.as_i64().unwrap(), value.as_f64().unwrap()))
        .collect();
    assert_eq!(got, expected, "{labels:?}");
    expected.len()
}

#[test]
fn a_busy_processor_gives_one_notification_that_names_it_and_resolves() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let (app, client) = watch_until_calm(folder.path(), &sink);
    let burn = Burn::start();
    let burning = Instant::now();
    let incident = wait(BURN, || {
        let incidents = client.json("/api/v1/incidents");
        incidents
            .as_array()?
            .iter()
            .find(|one| one["causes"][0].is_object())
            .cloned()
    });
    let incident = incident.unwrap_or_else(|| {
        let incidents = client.json("/api/v1/incidents");
        let series = client.json(
            "/api/v1/series?match=%7B__name__%3D~%22host_(cpu_busy|process_cpu)_percent%22%7D",
        );
        panic!("no incident with causes within {BURN:?}: {incidents:#} {series:#}");
    });
    eprintln!(
        "incident with causes after {:?}: {incident:#}",
        burning.elapsed()
    );
    let host = incident["group"]["host"].as_str().unwrap();
    assert_eq!(incident["causes"][0]["component"], format!("{host}/cpu"));
    let evidence = incident["causes"][0]["evidence"].as_array().unwrap();
    assert!(
        evidence
            .iter()
            .filter_map(|one| one["text"].as_str())
            .any(|text| text.contains("host_cpu") || text.contains("host_process_cpu"))
    );
    std::thread::sleep(BURN.saturating_sub(burning.elapsed()));
    drop(burn);
    wait_for("the end of the incident", Duration::from_mins(3), || {
        (client.json("/api/v1/incidents")[0]["status"] == "resolved").then_some(())
    });
    wait_for("the last message", Duration::from_mins(1), || {
        (!sink.with_status("resolved").is_empty()).then_some(())
    });
    let firing = sink.with_status("firing");
    assert_eq!(firing.len(), 1, "{firing:#?}");
    assert_eq!(sink.with_status("resolved").len(), 1);
    assert_eq!(firing[0]["version"], "4");
    assert!(
        firing[0]["commonAnnotations"]["cause"]
            .as_str()
            .unwrap()
            .contains("cpu")
    );
    assert_eq!(
        client.json("/api/v1/incidents").as_array().unwrap().len(),
        1
    );
    app.stop();
}

/// A platform whose detector knows this host well enough to notice full load.
///
/// On a machine whose processor is busy with other things all the time, full load is nothing
/// unusual, and rightly so. There it is what this very process takes of the processor that is
/// watched; everything else stays as it is.
fn watch_until_calm(folder: &Path, sink: &Sink) -> (App, Client) {
    let config = watching_this_host(&folder.join("calm"), sink);
    let app = App::start(config).unwrap();
    let client = Client::of(&app);
    let band = || {
        let answer = client.json("/api/v1/series?match=host_cpu_busy_percent");
        let id = answer["series"][0]["id"].as_str()?.to_owned();
        let chart = client.json(&format!("/api/v1/chart?id={id}"));
        let last = |edge: &str| chart[edge].as_array()?.last()?.as_f64();
        let calm = answer["series"][0]["state"] == "normal";
        (calm && last("upper")? < 85.0 && last("center")? < 60.0).then_some(())
    };
    if wait(CALM, band).is_some() {
        return (app, client);
    }
    app.stop();
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let series = format!("host_process_cpu_percent{{process=\"{}\"}}", name.trim());
    eprintln!("this machine is not calm; watching {series} instead of the whole processor");
    let mut config = watching_this_host(&folder.join("busy"), sink);
    config.host.top_processes = 100;
    let mut rule = RuleFile::unusual(series.parse().unwrap());
    "UnusualProcess".clone_into(&mut rule.name);
    config.rules = vec![rule];
    let app = App::start(config).unwrap();
    let client = Client::of(&app);
    let matching: String = series.bytes().map(|byte| format!("%{byte:02X}")).collect();
    wait_for("a verdict on this process", CALM, || {
        let answer = client.json(&format!("/api/v1/series?match={matching}"));
        (answer["series"][0]["state"] == "normal").then_some(())
    });
    (app, client)
}

/// The defaults, with shorter waits.
fn watching_this_host(folder: &Path, sink: &Sink) -> Config {
    let mut config = quiet(folder);
    config.host.enabled = true;
    config.alerting.group_wait = Duration::from_secs(2);
    config.alerting.group_interval = Duration::from_secs(5);
    config.alerting.resolve_after = Duration::from_secs(15);
    config.webhooks.push(aiops_platform::config::Webhook {
        url: Secret::from(sink.url()),
        token: None,
        send_resolved: true,
    });
    config
}
