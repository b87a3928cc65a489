//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::prelude::*;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run until told to stop.
    Run,
    /// Check the configuration and leave.
    Check,
    /// Run recorded data through and leave.
    Replay(PathBuf),
    /// Print the usage and leave.
    Help,
    /// Print the version and leave.
    Version,
}

/// The command line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args {
    /// What to do.
    pub command: Command,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Instead of the address in the configuration.
    pub listen: Option<SocketAddr>,
    /// Instead of the folder in the configuration.
    pub data_dir: Option<PathBuf>,
}

/// What `--help` prints.
pub const USAGE: &str = "\
Collects, stores, detects, forecasts, alerts and explains, in one process.

Usage: aiops-platform [OPTIONS]

With no option at all it watches this host, listens on 127.0.0.1:9797 and keeps
its data in ./aiops-data.

Options:
  --config FILE     configuration, TOML or YAML
  --check           check the configuration and leave: 0 good, 2 bad
  --listen ADDR     address and port to listen on
  --data-dir DIR    folder for everything that is kept
  --replay DIR      run recorded data through the same code on a virtual clock,
                    print what would have been notified, and leave. DIR is a
                    data folder of this program, or holds CSV files
                    (timestamp,value; may end in .gz), one series each
  --help, --version

The environment variable RUST_LOG sets what is logged (default info);
AIOPS_LOG=json writes the log as JSON.
";

/// Reads the command line; `args` begins with the program's name.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(args);
    let mut parsed = Args {
        command: Command::Run,
        config: None,
        listen: None,
        data_dir: None,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") => parsed.config = Some(parser.value()?.into()),
            Long("listen") => parsed.listen = Some(parser.value()?.parse()?),
            Long("data-dir") => parsed.data_dir = Some(parser.value()?.into()),
            Long("check") => parsed.command = Command::Check,
            Long("replay") => parsed.command = Command::Replay(parser.value()?.into()),
            Long("help") | Short('h') => parsed.command = Command::Help,
            Long("version") | Short('V') => parsed.command = Command::Version,
            other => return Err(other.unexpected()),
        }
    }
    Ok(parsed)
}
