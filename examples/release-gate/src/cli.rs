//! The command line.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use aiops_core::Timestamp;
use aiops_detect::release::Answer;
use lexopt::prelude::*;

use crate::config::Config;
use crate::gate::{self, Sides};

const USAGE: &str = "\
Compares a candidate with its baseline, metric by metric.

Usage: release-gate --config FILE --baseline NAME --candidate NAME [OPTIONS]

Options:
  --config FILE       what to compare, TOML
  --baseline NAME     what $side is for the baseline
  --candidate NAME    what $side is for the candidate
  --start TIME        first instant, RFC 3339; needed unless the source is CSV
  --end TIME          last instant, RFC 3339; needed unless the source is CSV
  --json FILE         write the report as JSON too; - is stdout, instead of text
  --plan              say how much data a pass takes, from the baseline alone
  --help, --version

Exit codes: 0 pass, 1 fail, 2 inconclusive or no answer.
";

#[derive(Default)]
struct Args {
    config: Option<PathBuf>,
    baseline: Option<String>,
    candidate: Option<String>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    json: Option<PathBuf>,
    plan: bool,
}

/// Runs with `args`, which begin with the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match compare(args) {
        Ok(Answer::Pass) => ExitCode::SUCCESS,
        Ok(Answer::Fail) => ExitCode::from(1),
        Ok(Answer::Inconclusive) => ExitCode::from(2),
        Err(error) => {
            let mut message = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                message = format!("{message}: {cause}");
                source = cause.source();
            }
            eprintln!("release-gate: {message}");
            ExitCode::from(2)
        }
    }
}

fn compare(args: impl IntoIterator<Item = OsString>) -> Result<Answer, Box<dyn Error>> {
    let Some(args) = parse(args)? else {
        return Ok(Answer::Pass);
    };
    let path = args.config.ok_or("--config is missing")?;
    let config = Config::read(&path)?;
    let sides = Sides {
        baseline: args.baseline.ok_or("--baseline is missing")?,
        candidate: args.candidate.ok_or("--candidate is missing")?,
        window: args.start.zip(args.end),
    };
    if args.plan {
        print!("{}", gate::plan(&config, &sides)?);
        return Ok(Answer::Pass);
    }
    let report = gate::compare(&config, &sides)?;
    let json = args.json.as_deref();
    if json != Some("-".as_ref()) {
        print!("{report}");
    }
    if let Some(path) = json {
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        if path == "-" {
            print!("{text}");
        } else {
            std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(report.answer)
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_iter(args);
    let mut parsed = Args::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") => parsed.config = Some(parser.value()?.into()),
            Long("baseline") => parsed.baseline = Some(parser.value()?.string()?),
            Long("candidate") => parsed.candidate = Some(parser.value()?.string()?),
            Long("start") => parsed.start = Some(parser.value()?.parse()?),
            Long("end") => parsed.end = Some(parser.value()?.parse()?),
            Long("json") => parsed.json = Some(parser.value()?.into()),
            Long("plan") => parsed.plan = true,
            Long("help") | Short('h') => {
                print!("{USAGE}");
                return Ok(None);
            }
            Long("version") | Short('V') => {
                println!("release-gate {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(parsed))
}
