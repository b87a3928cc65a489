//! What `node_exporter` tells about this machine, again and again.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aiops_core::Timestamp;
use aiops_core::ingest::{Batch, Limits, prometheus_text};

use crate::http;
use crate::programs::{Server, find};
use crate::timing::Rounds;

/// Names the folder of a recording: files with one scrape each, in order of their names.
const FOLDER: &str = "AIOPS_NODE_RECORDING";
/// Milliseconds from one scrape to the next in the times that are stored.
const STEP_MS: i64 = 15_000;
const START_MS: i64 = 1_700_000_000_000;
/// Constants of the kernel's allocator, which nobody would keep.
const LEFT_OUT: [&str; 3] = [
    "node_slabinfo_pages_per_slab",
    "node_slabinfo_objects_per_slab",
    "node_slabinfo_object_size_bytes",
];

/// One batch for each scrape, 15 seconds apart in time stamps.
///
/// Without a recording, the exporter is asked every second: what changes between two samples is then
/// what changes in a second, not in 15.
pub(super) fn load(rounds: Rounds) -> Option<Vec<Batch>> {
    let texts = match std::env::var_os(FOLDER) {
        Some(folder) => read(Path::new(&folder)),
        None => record(rounds)?,
    };
    let times = (0..).map(|index| START_MS + index * STEP_MS);
    let batches = texts.iter().zip(times).map(|(text, millis)| {
        let mut batch = Batch::default();
        let now = Timestamp::from_millis(millis).expect("in range");
        prometheus_text::parse(
            text,
            prometheus_text::Format::Text,
            now,
            &Limits::default(),
            &mut batch,
        )
        .expect("a scrape is good");
        batch
    });
    Some(batches.collect())
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the recording can be read");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "prom"));
    paths.sort_unstable();
    let text = |path: &std::path::PathBuf| fs::read(path).expect("a scrape can be read");
    paths.iter().map(text).collect()
}

fn record(rounds: Rounds) -> Option<Vec<Vec<u8>>> {
    let program = find("prometheus-node-exporter")?;
    let server = Server::start(&program, "/metrics", |address| {
        let collectors = [
            "interrupts",
            "processes",
            "ksmd",
            "buddyinfo",
            "tcpstat",
            "slabinfo",
        ];
        let mut arguments = vec![format!("--web.listen-address={address}")];
        arguments.extend(collectors.map(|name| format!("--collector.{name}")));
        arguments
    });
    let scrapes = if rounds == Rounds::One { 3 } else { 600 };
    let started = Instant::now();
    let texts = (0..scrapes).map(|index| {
        let due = Duration::from_secs(index);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let (_, text) = http::get(server.address, "/metrics").expect("it answers");
        let kept = |line: &&str| {
            !line.starts_with('#') && !LEFT_OUT.iter().any(|name| line.starts_with(name))
        };
        let lines: Vec<&str> = text.lines().filter(kept).collect();
        (lines.join("\n") + "\n").into_bytes()
    });
    Some(texts.collect())
}
