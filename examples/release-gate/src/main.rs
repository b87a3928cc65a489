//! Reads the arguments and compares.

use std::process::ExitCode;

fn main() -> ExitCode {
    release_gate::cli::run(std::env::args_os())
}
