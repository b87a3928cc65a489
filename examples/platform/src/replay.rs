//! Recorded data through the same pipeline, on a virtual clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aiops_alert::engine::Delivery;
use aiops_core::ingest::Batch;
use aiops_core::store::SeriesStore;
use aiops_core::{Labels, METRIC_NAME, Selector, TimeRange, Timestamp};

use crate::config::{Config, RuleFile};
use crate::counters::Counters;
use crate::pipeline::Pipeline;
use crate::record::Record;
use crate::setup;

/// Time that passes after the last sample, so that what is open can end.
const AFTERWARDS: Duration = Duration::from_mins(10);

/// The samples of all series at one instant.
type Recording = BTreeMap<Timestamp, Vec<(Labels, f64)>>;

/// Plays what `folder` holds and writes to `out` what would have been notified, and a summary.
///
/// # Errors
///
/// What is wrong with the folder or a file in it, with the line.
pub fn run(mut config: Config, folder: &Path, out: &mut dyn Write) -> Result<(), String> {
    let recording = read(folder, &config)?;
    if !is_watched(&recording, &config) {
        // The built-in rules speak of this host; a recording of something else should say more
        // than nothing.
        config.rules.push(RuleFile::unusual(Selector::all()));
        let note = "No rule looks at what is recorded; every series is watched for anomalies.\n";
        writeln!(out, "{note}").map_err(|error| format!("cannot write: {error}"))?;
    }
    let config = Arc::new(config);
    let counters = Arc::new(Counters::default());
    let store = Arc::new(setup::memory_store(&config));
    let mut pipeline = Pipeline::new(config, counters.clone(), store)?;
    let (first, last) = match (recording.keys().next(), recording.keys().next_back()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => return Err(format!("{} holds no samples", folder.display())),
    };
    let started = Instant::now();
    let mut player = Player {
        last_tick: first,
        sent: 0,
        out,
    };
    for (now, samples) in recording {
        // A pause in the recording is lived through second by second, as it was.
        player.pass(&mut pipeline, now)?;
        let mut batch = Batch::default();
        for (labels, value) in samples {
            batch.start_series(labels);
            batch.push(now, value);
        }
        pipeline
            .process(now, Record::Samples(batch))
            .map_err(|e| crate::ingest::describe(&e))?;
    }
    player.pass(&mut pipeline, last.saturating_add(AFTERWARDS))?;
    summary(
        &mut player,
        &pipeline,
        &counters,
        last.since(first),
        started.elapsed(),
    )
}

/// Whether some rule looks at some series.
fn is_watched(recording: &Recording, config: &Config) -> bool {
    let series: BTreeSet<&Labels> = recording
        .values()
        .flatten()
        .map(|(labels, _)| labels)
        .collect();
    series.iter().any(|labels| {
        config
            .rules
            .iter()
            .any(|rule| rule.selector.matches(labels))
    })
}

struct Player<'a> {
    last_tick: Timestamp,
    sent: usize,
    out: &'a mut dyn Write,
}

impl Player<'_> {
    /// Lets time pass up to `now`, in steps of a second, or of a hundredth of longer pauses.
    fn pass(&mut self, pipeline: &mut Pipeline, now: Timestamp) -> Result<(), String> {
        let step = (now.since(self.last_tick) / 100).max(Duration::from_secs(1));
        while self.last_tick < now {
            let at = self.last_tick.saturating_add(step).min(now);
            let notifications = pipeline.advance(at, &mut self.last_tick);
            self.last_tick = at;
            for notification in notifications {
                let causes = pipeline
                    .scene(at, &notification)
                    .and_then(|scene| scene.causes());
                let one = pipeline.outgoing(&notification, causes);
                self.sent += 1;
                let what = if one.resolved { "RESOLVED" } else { "FIRING  " };
                self.print(&format!("{at}  {what}  {}", one.summary))?;
                pipeline.delivered(at, &one.key, Delivery::Delivered);
            }
        }
        Ok(())
    }

    fn print(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.out, "{line}").map_err(|error| format!("cannot write: {error}"))
    }
}

fn summary(
    player: &mut Player<'_>,
    pipeline: &Pipeline,
    counters: &Counters,
    recorded: Duration,
    took: Duration,
) -> Result<(), String> {
    let counts = counters.snapshot();
    let speed = recorded.as_secs_f64() / took.as_secs_f64().max(1e-9);
    player.print("")?;
    player.print(&format!(
        "{} of {} series, {} samples ({} duplicate, {} late), in {:.2} s: {speed:.0} times as \
         fast as it happened",
        crate::duration::display(recorded),
        pipeline.watches().len(),
        counts.accepted,
        counts.duplicates,
        counts.late,
        took.as_secs_f64(),
    ))?;
    player.print(&format!(
        "{} incidents, {} notifications",
        pipeline.incidents().count(),
        player.sent
    ))?;
    player.print(&format!("ledger: {}", pipeline.ledger()))
}

fn read(folder: &Path, config: &Config) -> Result<Recording, String> {
    let mut recording = Recording::new();
    if folder.join("store").is_dir() {
        let mut own = config.clone();
        folder.clone_into(&mut own.data_dir);
        let store = setup::store(&own).map_err(|error| crate::ingest::describe(&error))?;
        let read = store.select(
            &Selector::all(),
            TimeRange::ALL,
            &mut |labels, times, values| {
                for (time, value) in times.iter().zip(values) {
                    recording
                        .entry(*time)
                        .or_default()
                        .push((labels.clone(), *value));
                }
                ControlFlow::Continue(())
            },
        );
        read.map_err(|error| crate::ingest::describe(&error))?;
        return Ok(recording);
    }
    let files = csv_files(folder)?;
    for path in &files {
        read_csv(folder, path, &mut recording)?;
    }
    Ok(recording)
}

/// All CSV files in the folder and below it, in order of name.
fn csv_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            files.extend(csv_files(&path)?);
        } else if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One series: columns `timestamp` (Unix seconds, or RFC 3339) and `value`; others are ignored.
fn read_csv(folder: &Path, path: &Path, recording: &mut Recording) -> Result<(), String> {
    let at = |line: u64, what: &str| format!("{}, line {line}: {what}", path.display());
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "gz") {
        Box::new(flate2::read::GzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut table = csv::Reader::from_reader(reader);
    let header = table
        .headers()
        .map_err(|error| at(1, &error.to_string()))?
        .clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| at(1, &format!("there is no column `{name}`")))
    };
    let (time, value) = (column("timestamp")?, column("value")?);
    let name = path
        .strip_prefix(folder)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned();
    let name = name
        .trim_end_matches(".gz")
        .trim_end_matches(".csv")
        .to_owned();
    let labels = Labels::of([(METRIC_NAME, "value"), ("instance", name.as_str())])
        .map_err(|error| error.to_string())?;
    for row in table.records() {
        let row = row.map_err(|error| format!("{}: {error}", path.display()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let (time, value) = (&row[time], &row[value]);
        let time = read_time(time).ok_or_else(|| {
            at(
                line,
                &format!("`{time}` is neither Unix seconds nor RFC 3339"),
            )
        })?;
        let value = if value.is_empty() {
            f64::NAN
        } else {
            value
                .parse()
                .map_err(|_| at(line, &format!("`{value}` is not a number")))?
        };
        recording
            .entry(time)
            .or_default()
            .push((labels.clone(), value));
    }
    Ok(())
}

fn read_time(text: &str) -> Option<Timestamp> {
    match text.parse::<f64>() {
        Ok(secs) if secs.is_finite() => {
            let millis = (secs * 1_000.0).round();
            Timestamp::from_millis(millis as i64)
        }
        _ => text.parse().ok(),
    }
}
