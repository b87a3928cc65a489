//! Bytes of a sample on disk, everything included: one recording in all three stores.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aiops_core::Labels;
use aiops_core::ingest::{Batch, remote_write};
use aiops_core::store::{DiskStore, DiskStoreConfig, SeriesStore};

use super::recording;
use crate::http::{self, Connection};
use crate::programs::{bytes_in, find, metric, victoria_metrics};
use crate::timing::Rounds;

pub(super) fn run(rounds: Rounds) {
    let Some(batches) = recording::load(rounds) else {
        return;
    };
    let samples: usize = batches.iter().map(Batch::sample_count).sum();
    let scrapes = batches.len();
    let tell = |name: &str, bytes: u64| {
        let each = bytes as f64 / samples as f64;
        println!("storage/density/node_exporter {name:18} {each:.3} bytes a sample");
    };
    println!("storage/density/node_exporter {samples} samples in {scrapes} scrapes, 15 s apart");
    let folder = tempfile::tempdir().expect("a folder");
    tell(
        "aiops-core",
        ours(&batches, samples, &folder.path().join("ours")),
    );
    if let Some(program) = find("promtool") {
        let bytes = prometheus(
            &program,
            &batches,
            samples,
            &folder.path().join("prometheus"),
        );
        tell("prometheus", bytes);
    }
    if let Some(program) = find("victoria-metrics") {
        let bytes = victoria(&program, &batches, samples, &folder.path().join("victoria"));
        tell("victoria-metrics", bytes);
    }
}

/// All of it in blocks, as it is when a day is over.
fn ours(batches: &[Batch], samples: usize, folder: &Path) -> u64 {
    let mut config = DiskStoreConfig::default();
    let store = DiskStore::open(folder, config).expect("the store opens");
    for batch in batches {
        store.append(batch).expect("there is room");
    }
    store.sync().expect("it is written");
    drop(store);
    config.memory_bytes = 1; // what is in the log goes to blocks
    let store = DiskStore::open(folder, config).expect("the store opens");
    assert_eq!(store.stats().samples, samples as u64);
    drop(store);
    bytes_in(folder)
}

/// Blocks of a day, as Prometheus has them after its compaction; without write-ahead log.
fn prometheus(promtool: &Path, batches: &[Batch], samples: usize, folder: &Path) -> u64 {
    let mut series: BTreeMap<&Labels, String> = BTreeMap::new();
    for batch in batches {
        for one in batch.iter() {
            let lines = series.entry(one.labels).or_default();
            for (at, value) in one.times.iter().zip(one.values) {
                let millis = at.as_millis();
                line(lines, one.labels, *value, millis);
            }
        }
    }
    let mut text: String = series.into_values().collect();
    text.push_str("# EOF\n");
    fs::create_dir_all(folder).expect("a folder");
    let (input, blocks) = (folder.join("input"), folder.join("blocks"));
    fs::write(&input, text).expect("it is written");
    let made = Command::new(promtool)
        .args([
            "tsdb",
            "create-blocks-from",
            "--max-block-duration=24h",
            "openmetrics",
        ])
        .args([&input, &blocks])
        .output()
        .expect("promtool runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let entries = fs::read_dir(&blocks).expect("there are blocks").flatten();
    let kept: u64 = entries.filter_map(|block| samples_of(&block.path())).sum();
    assert_eq!(kept, samples as u64, "Prometheus keeps every sample");
    bytes_in(&blocks)
}

/// What the description of one of Prometheus's blocks says.
fn samples_of(block: &Path) -> Option<u64> {
    let about = fs::read_to_string(block.join("meta.json")).ok()?;
    let (_, rest) = about.split_once("\"numSamples\":")?;
    rest.trim_start()
        .split(|sign: char| !sign.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

fn line(out: &mut String, labels: &Labels, value: f64, millis: i64) {
    out.push_str(labels.get("__name__").unwrap_or_default());
    let others = labels.iter().filter(|(name, _)| *name != "__name__");
    for (index, (name, value)) in others.enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let _ = write!(out, "{name}=\"{value}\"");
    }
    if labels.len() > 1 {
        out.push('}');
    }
    let _ = writeln!(out, " {value:e} {}.{:03}", millis / 1_000, millis % 1_000);
}

/// Its parts and its index once it has merged them and ended; without caches.
fn victoria(program: &Path, batches: &[Batch], samples: usize, folder: &Path) -> u64 {
    let server = victoria_metrics(program, folder);
    let mut connection = Connection::open(server.address).expect("it listens");
    for batch in batches {
        let request = http::remote_write(&remote_write::encode(batch));
        connection.send(&request).expect("it takes requests");
        let (status, _) = connection.answer().expect("it answers");
        assert_eq!(status, 204);
    }
    drop(connection);
    let rows = ["vm_rows{type=\"storage/"];
    let started = Instant::now();
    let _ = http::get(server.address, "/internal/force_flush");
    while metric(server.address, &rows) < samples as f64 {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "it loses samples"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let _ = http::get(server.address, "/internal/force_merge");
    std::thread::sleep(Duration::from_secs(1));
    while metric(server.address, &["vm_active_force_merges"]) > 0.0 {
        std::thread::sleep(Duration::from_millis(200));
    }
    server.stop();
    bytes_in(&folder.join("data")) + bytes_in(&folder.join("indexdb"))
}
