//! Other programs, started for a comparison and stopped after it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http;

/// Where a program is; says so when it is missing.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: there is no `{name}` on PATH to compare with");
        assert!(
            std::env::var_os("AIOPS_REQUIRE_PEERS").is_none(),
            "`{name}` is required"
        );
    }
    found
}

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program, whose arguments depend on its address, and waits until it answers `ready`.
    pub(crate) fn start(
        program: &Path,
        ready: &str,
        arguments: impl FnOnce(SocketAddr) -> Vec<String>,
    ) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let child = Command::new(program)
            .args(arguments(address))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = Self { child, address };
        let started = Instant::now();
        while !http::get(address, ready).is_ok_and(|(status, _)| status == 200) {
            let waited = started.elapsed();
            assert!(
                waited < Duration::from_mins(1),
                "{} is silent",
                program.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has written everything.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(asked.is_ok_and(|status| status.success()));
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `VictoriaMetrics` with its data in `folder`.
pub(crate) fn victoria_metrics(program: &Path, folder: &Path) -> Server {
    Server::start(program, "/health", |address| {
        vec![
            format!("-storageDataPath={}", folder.display()),
            format!("-httpListenAddr={address}"),
            "-retentionPeriod=100y".into(),
            "-loggerLevel=ERROR".into(),
        ]
    })
}

/// The sum of the metrics of a server whose lines begin with one of these.
pub(crate) fn metric(address: SocketAddr, starts: &[&str]) -> f64 {
    let (_, text) = http::get(address, "/metrics").expect("it tells its metrics");
    text.lines()
        .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Bytes of all files in a folder and below.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_in(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
