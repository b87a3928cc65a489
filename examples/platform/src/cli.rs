//! From the command line to a running program and an exit code.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use crate::app::App;
use crate::args::{self, Args, Command};
use crate::config::Config;
use crate::replay;

/// Runs the program; `args` begins with its name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(error) => return fail(&format!("{error}; see --help")),
    };
    match &args.command {
        Command::Help => {
            print!("{}", args::USAGE);
            ExitCode::SUCCESS
        }
        Command::Version => {
            println!("aiops-platform {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        command => match configure(&args) {
            Err(error) => fail(&error),
            Ok(config) => match command {
                Command::Check => check(&config),
                Command::Replay(folder) => replay_folder(config, folder),
                _ => serve(config),
            },
        },
    }
}

fn fail(what: &str) -> ExitCode {
    eprintln!("aiops-platform: {what}");
    ExitCode::from(2)
}

fn configure(args: &Args) -> Result<Config, String> {
    let mut config = match &args.config {
        Some(path) => Config::load(path).map_err(|error| error.to_string())?,
        None => Config::default(),
    };
    if let Some(address) = args.listen {
        config.listen = address;
    }
    if let Some(folder) = &args.data_dir {
        config.data_dir.clone_from(folder);
    }
    config.check().map_err(|error| error.to_string())?;
    crate::setup::check(&config)?;
    Ok(config)
}

fn check(config: &Config) -> ExitCode {
    println!(
        "The configuration is good: listens on {}, keeps {} in {}, {} scrape jobs, {} rules, \
         {} webhooks, {} forecasts.",
        config.listen,
        crate::duration::display(config.retention),
        config.data_dir.display(),
        config.scrape.len(),
        config.rules.len(),
        config.webhooks.len(),
        config.forecasts.len(),
    );
    ExitCode::SUCCESS
}

fn replay_folder(config: Config, folder: &Path) -> ExitCode {
    match replay::run(config, folder, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn serve(config: Config) -> ExitCode {
    start_log();
    let page = config.token.is_some();
    let folder = config.data_dir.display().to_string();
    let app = match App::start(config) {
        Ok(app) => app,
        Err(error) => return fail(&error.to_string()),
    };
    let address = app.address();
    let hint = if page { "#token=TOKEN" } else { "" };
    println!("\n  Open      http://{address}/{hint}");
    println!("  Send      Prometheus remote_write to http://{address}/api/v1/write");
    println!("  Data      {folder}");
    println!("  Stop      Ctrl-C\n");
    match wait_for_signal() {
        Ok(name) => tracing::info!(signal = name, "stopping"),
        Err(error) => tracing::error!(%error, "cannot wait for signals, stopping"),
    }
    app.stop();
    ExitCode::SUCCESS
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if std::env::var("AIOPS_LOG").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.init();
    }
}

/// Waits for SIGINT or SIGTERM; answers which.
fn wait_for_signal() -> std::io::Result<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                result = tokio::signal::ctrl_c() => result.map(|()| "SIGINT"),
                _ = terminate.recv() => Ok("SIGTERM"),
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await.map(|()| "SIGINT")
    })
}
