//! Reads the arguments and starts the platform.

use std::process::ExitCode;

fn main() -> ExitCode {
    aiops_platform::cli::run(std::env::args_os())
}
