//! Accuracy on public labelled data: one sub-command for each field, all through the public API
//! with library defaults, one configuration for every data set.
//!
//! The data lies in the layout that the `README.md` of each folder describes; whatever sets lie in
//! a folder are run, by file pattern, none by name.

mod alerts;
mod args;
mod detect;
mod forecast;
mod logs;
mod rca;
mod report;
mod table;

use std::process::ExitCode;

use args::{Args, Field};
use report::Report;

/// An error is never a score: any of these ends the run with exit code 1.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("aiops-accuracy: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aiops-accuracy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Fallible<()> {
    let mut report = Report::new(args)?;
    match args.field {
        Field::Tabular => detect::tabular(args, &mut report)?,
        Field::Nab => detect::nab(args, &mut report)?,
        Field::Kpi => detect::kpi(args, &mut report)?,
        Field::Multivariate => detect::multivariate(args, &mut report)?,
        Field::Forecast => forecast::run(args, &mut report)?,
        Field::Rca => rca::run(args, &mut report)?,
        Field::Logs => logs::run(args, &mut report)?,
        Field::Alerts => alerts::run(args, &mut report)?,
    }
    report.finish(args)
}
