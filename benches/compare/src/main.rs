//! Ours and a peer in one process, alternating; both must give the same answer before they are
//! timed. `--quick` does each once, to see that it works.

mod alert;
mod core;
mod detect;
mod forecast;
mod http;
mod memory;
mod programs;
mod storage;
mod timing;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut quick = false;
    let mut wanted = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => quick = true,
            "core" | "storage" | "detect" | "forecast" | "alert" => wanted.push(argument),
            _ => {
                eprintln!("usage: compare [--quick] [core] [storage] [detect] [forecast] [alert]");
                return ExitCode::from(2);
            }
        }
    }
    let wants = |field: &str| wanted.is_empty() || wanted.iter().any(|one| one == field);
    let rounds = if quick {
        timing::Rounds::One
    } else {
        timing::Rounds::Full
    };
    if wants("core") {
        core::run(rounds);
    }
    if wants("storage") {
        storage::run(rounds);
    }
    if wants("detect") {
        detect::run(rounds);
    }
    if wants("forecast") {
        forecast::run(rounds);
    }
    if wants("alert") {
        alert::run(rounds);
    }
    ExitCode::SUCCESS
}
