//! Deduplication, routing and grouping with 100,000 active alerts, beside Alertmanager.
//!
//! Both take in the same bodies of its API, 500 alerts each: once when no alert is known, and again
//! with the same alerts, as Prometheus does every minute. The peer is a process of its own and reads
//! HTTP, so processor time is what is compared, and latency is what a client waits. Groups wait for
//! an hour: nothing is sent.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use aiops_alert::engine::{AlertEngine, EngineConfig, Received, RouteConfig};
use aiops_core::ingest::{Limits, alertmanager};
use aiops_core::{Alert, Timestamp};

use crate::http::{self, Connection};
use crate::memory::{allocated, processor_time, resident};
use crate::programs::{Server, find};
use crate::timing::Rounds;

/// Alerts of one body.
const AT_ONCE: usize = 500;
/// Teams with a route of their own.
const TEAMS: usize = 20;

pub(crate) fn run(rounds: Rounds) {
    let count = match rounds {
        Rounds::One => 5_000,
        Rounds::Full => 100_000,
    };
    let again = if rounds == Rounds::One { 1 } else { 5 };
    ours(count, again);
    peer(count, again);
}

fn ours(count: usize, rounds: usize) {
    let bodies = bodies(count, AT_ONCE);
    let singles = bodies_of_one(count);
    let now = now();
    let mut decoded = Vec::new();
    for body in &bodies {
        decoded.push(decode(body, now));
    }
    let open = || {
        let mut engine = AlertEngine::try_from(config(count)).expect("it is good");
        let alerts = decoded.clone();
        let started = used();
        for alert in alerts.into_iter().flatten() {
            assert_eq!(engine.receive(now, alert), Received::Opened);
        }
        (used().saturating_sub(started), engine)
    };
    let opening = (0..rounds).map(|_| open().0).min().unwrap_or_default();
    let before = allocated();
    let (_, mut engine) = open();
    let bytes = (allocated() - before) / count;
    assert_eq!(engine.alert_count(), count);

    let mut steady = Duration::MAX;
    let mut whole = Duration::MAX;
    for _ in 0..rounds {
        let alerts = decoded.clone();
        let started = used();
        for alert in alerts.into_iter().flatten() {
            assert_eq!(engine.receive(now, alert), Received::Duplicate);
        }
        steady = steady.min(used().saturating_sub(started));
        let started = used();
        for body in &bodies {
            for alert in decode(body, now) {
                engine.receive(now, alert);
            }
        }
        whole = whole.min(used().saturating_sub(started));
    }
    let mut latencies: Vec<Duration> = singles
        .iter()
        .map(|body| {
            let started = Instant::now();
            for alert in decode(body, now) {
                engine.receive(now, alert);
            }
            engine.tick(now);
            started.elapsed()
        })
        .collect();
    let per_second = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "alert/engine/{count}: opens {:.0} alerts/s of processor time, takes in again {:.0} \
         alerts/s, with reading JSON {:.0} alerts/s; p99 of one post {:?}; {bytes} bytes for each active alert",
        per_second(opening),
        per_second(steady),
        per_second(whole),
        p99(&mut latencies),
    );
}

/// Processor time of this process, which has one thread.
fn used() -> Duration {
    processor_time(std::process::id()).unwrap_or_default()
}

fn peer(count: usize, rounds: usize) {
    let Some(program) = find("prometheus-alertmanager") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, yaml()).expect("the configuration is written");
    let server = Server::start(&program, "/-/ready", |address| {
        vec![
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", folder.path().display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".into(),
            "--log.level=error".into(),
        ]
    });
    let process = server.id();
    let memory = resident(process).unwrap_or_default();
    let bodies = bodies(count, AT_ONCE);
    let opening = posts(&server, &bodies);
    let used = resident(process).unwrap_or_default();
    let bytes = used.saturating_sub(memory) / count as u64;
    let steady = (0..rounds).map(|_| posts(&server, &bodies)).min();
    let mut latencies = latencies(&server, &bodies_of_one(count.min(20_000)));
    assert_eq!(known(&server), count, "Alertmanager holds them all");
    let per_second = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "  Alertmanager: opens {:.0} alerts/s of processor time, takes in again {:.0} alerts/s; p99 \
         of one post {:?}; {bytes} bytes resident for each active alert",
        per_second(opening),
        per_second(steady.unwrap_or_default()),
        p99(&mut latencies),
    );
    server.stop();
}

/// Processor time of the peer for these bodies, and for what it does about them after its answer.
fn posts(server: &Server, bodies: &[Vec<u8>]) -> Duration {
    let used = || processor_time(server.id()).unwrap_or_default();
    let before = used();
    latencies(server, bodies);
    let mut after = used();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let later = used();
        if later == after {
            return after.saturating_sub(before);
        }
        after = later;
    }
}

fn latencies(server: &Server, bodies: &[Vec<u8>]) -> Vec<Duration> {
    let mut connection = Connection::open(server.address).expect("it listens");
    let post = |body: &Vec<u8>| {
        let head = format!(
            "POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        let started = Instant::now();
        connection.send(&request).expect("it listens");
        let (status, _) = connection.answer().expect("it answers");
        let waited = started.elapsed();
        assert_eq!(status, 200, "the alerts are good");
        waited
    };
    bodies.iter().map(post).collect()
}

/// Alerts that the peer lists.
fn known(server: &Server) -> usize {
    let (_, text) = http::get(server.address, "/api/v2/alerts").expect("it tells its alerts");
    text.matches("\"fingerprint\"").count()
}

fn p99(latencies: &mut [Duration]) -> Duration {
    latencies.sort_unstable();
    latencies[latencies.len() * 99 / 100]
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.expect("the clock is right");
    Timestamp::from_nanos(since.as_nanos() as i64)
}

fn decode(body: &[u8], now: Timestamp) -> Vec<Alert> {
    let mut alerts = Vec::new();
    alertmanager::decode(body, now, &Limits::default(), &mut alerts).expect("the body is good");
    alerts
}

fn bodies(count: usize, at_once: usize) -> Vec<Vec<u8>> {
    let numbers: Vec<usize> = (0..count).collect();
    let body = |numbers: &[usize]| {
        let mut text = String::from("[");
        for (place, number) in numbers.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let (name, cluster, team) = (number % 50, number % 40, number % (TEAMS + 5));
            write!(
                text,
                r#"{comma}{{"labels":{{"alertname":"Alert{name}","cluster":"c{cluster}","instance":"host-{number:06}:9100","severity":"warning","team":"team-{team}"}},"annotations":{{"summary":"something is wrong with this host, look at it"}},"generatorURL":"http://prometheus/graph"}}"#
            )
            .expect("a text takes all");
        }
        text.push(']');
        text.into_bytes()
    };
    numbers.chunks(at_once).map(body).collect()
}

fn bodies_of_one(count: usize) -> Vec<Vec<u8>> {
    bodies(count, 1)
}

fn config(count: usize) -> EngineConfig {
    let mut config = EngineConfig::default();
    config.group_by = vec!["alertname".into(), "cluster".into()];
    config.group_wait = Duration::from_hours(1);
    config.max_alerts = count;
    config.routes = (0..TEAMS)
        .map(|team| {
            let mut route = RouteConfig::default();
            let matchers = format!(r#"{{team="team-{team}"}}"#).parse();
            route.matchers = matchers.expect("the matcher is good");
            route.receiver = Some(format!("team-{team}"));
            route
        })
        .collect();
    config
}

/// The same for the peer.
fn yaml() -> String {
    let mut text = String::from(
        "route:\n  receiver: default\n  group_by: [alertname, cluster]\n  group_wait: 1h\n  routes:\n",
    );
    for team in 0..TEAMS {
        writeln!(
            text,
            "  - matchers: ['team=\"team-{team}\"']\n    receiver: team-{team}"
        )
        .expect("a text takes all");
    }
    text.push_str("receivers:\n- name: default\n");
    for team in 0..TEAMS {
        writeln!(text, "- name: team-{team}").expect("a text takes all");
    }
    text
}
