//! Sends remote-write load to a running platform, and says how it was answered.
//!
//!     cargo run --release -p aiops-platform --example send_load -- [--url URL] [--series N]
//!         [--interval SECONDS] [--senders N] [--for SECONDS]
//!
//! Each series gets one sample in each interval; bodies hold at most 2,000 samples, as those of
//! Prometheus do. The answers' times are those that a sender waits: until its samples are on disk.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aiops_core::ingest::{Batch, remote_write};
use aiops_core::{Labels, METRIC_NAME, Seed};
use aiops_platform::clock;
use lexopt::prelude::*;

/// Samples in one body.
const BODY: usize = 2_000;

#[derive(Clone, Debug)]
struct Args {
    url: String,
    series: usize,
    interval: Duration,
    senders: usize,
    length: Duration,
}

fn parse() -> Result<Args, lexopt::Error> {
    let mut args = Args {
        url: "http://127.0.0.1:9797".to_owned(),
        series: 10_000,
        interval: Duration::from_secs(5),
        senders: 2,
        length: Duration::from_mins(1),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("series") => args.series = number(&mut parser)? as usize,
            Long("interval") => args.interval = Duration::from_secs_f64(number(&mut parser)?),
            Long("senders") => args.senders = (number(&mut parser)? as usize).max(1),
            Long("for") => args.length = Duration::from_secs_f64(number(&mut parser)?),
            Long("url") => args.url = parser.value()?.string()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(args)
}

fn number(parser: &mut lexopt::Parser) -> Result<f64, lexopt::Error> {
    parser.value()?.parse()
}

/// What became of the bodies.
#[derive(Debug, Default)]
struct Answers {
    kept: AtomicU64,
    refused: AtomicU64,
    millis: Mutex<Vec<f64>>,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let args = parse()?;
    let answers = Arc::new(Answers::default());
    let end = Instant::now() + args.length;
    let senders: Vec<_> = (0..args.senders)
        .map(|sender| {
            let (args, answers) = (args.clone(), answers.clone());
            std::thread::spawn(move || send(&args, sender, end, &answers))
        })
        .collect();
    let mut before = 0;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs(5).min(end - Instant::now()));
        let kept = answers.kept.load(Ordering::Relaxed);
        let refused = answers.refused.load(Ordering::Relaxed);
        println!(
            "{:8.0} samples/s, {refused} refused",
            (kept - before) as f64 / 5.0
        );
        before = kept;
    }
    for sender in senders {
        sender.join().map_err(|_| "a sender failed")??;
    }
    report(&answers);
    Ok(())
}

fn report(answers: &Answers) {
    let millis = answers.millis.lock();
    let mut millis = millis.unwrap_or_else(PoisonError::into_inner).clone();
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (share * millis.len() as f64) as usize;
        millis.get(rank.min(millis.len().saturating_sub(1)))
    };
    println!(
        "{} samples kept, {} refused; answers after {:.1?} ms in the middle, {:.1?} ms at 99 %",
        answers.kept.load(Ordering::Relaxed),
        answers.refused.load(Ordering::Relaxed),
        at(0.5).unwrap_or(&f64::NAN),
        at(0.99).unwrap_or(&f64::NAN),
    );
}

/// Sends its share of the series, spread over each interval.
fn send(
    args: &Args,
    sender: usize,
    end: Instant,
    answers: &Answers,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let labels = (sender..args.series)
        .step_by(args.senders)
        .map(labels)
        .collect::<Result<Vec<_>, _>>()?;
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build();
    let agent: ureq::Agent = config.into();
    let mut noise = Seed(sender as u64).rng();
    let bodies = labels.len().div_ceil(BODY).max(1);
    let pause = args.interval / bodies as u32;
    let mut next = Instant::now();
    while next < end {
        for part in labels.chunks(BODY) {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += pause;
            let now = clock::now();
            let mut batch = Batch::default();
            for labels in part {
                batch.start_series(labels.clone());
                batch.push(now, (50.0 + 5.0 * noise.normal()).round());
            }
            let body = remote_write::encode(&batch);
            let started = Instant::now();
            let answer = agent
                .post(format!("{}/api/v1/write", args.url))
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy")
                .send(&body)?;
            let kept = answer.status().is_success();
            let count = if kept {
                &answers.kept
            } else {
                &answers.refused
            };
            count.fetch_add(part.len() as u64, Ordering::Relaxed);
            let millis = started.elapsed().as_secs_f64() * 1_000.0;
            let mut all = answers
                .millis
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            all.push(millis);
        }
    }
    Ok(())
}

fn labels(index: usize) -> Result<Labels, aiops_core::LabelError> {
    let (host, metric) = (index / 100, index % 100);
    Labels::of([
        (METRIC_NAME, format!("load_metric_{metric:02}")),
        (
            "instance",
            format!("10.1.{}.{}:9100", host / 250, host % 250),
        ),
        ("job", "load".to_owned()),
        ("region", "eu-central-1".to_owned()),
    ])
}
