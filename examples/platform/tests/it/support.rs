//! What the tests share.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aiops_platform::app::App;
use aiops_platform::config::Config;
use serde_json::Value;

/// Tests that watch the processor of this machine, or that need it, run one at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A configuration on a free port, without this host's metrics.
pub(crate) fn quiet(folder: &Path) -> Config {
    let mut config = Config {
        data_dir: folder.to_owned(),
        ..Config::default()
    };
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.host.enabled = false;
    config
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<String>,
    /// Headers that say what was written.
    pub(crate) written: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A client of one platform.
pub(crate) struct Client {
    pub(crate) base: String,
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn of(app: &App) -> Self {
        Self::at(app.address())
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        Self {
            base: format!("http://{address}"),
            agent: config.into(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(
            request
                .call()
                .unwrap_or_else(|error| panic!("GET {path}: {error}")),
        )
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(
            request
                .send(body)
                .unwrap_or_else(|error| panic!("POST {path}: {error}")),
        )
    }

    pub(crate) fn write(&self, body: &[u8]) -> Answer {
        let headers = [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ];
        self.post("/api/v1/write", &headers, body)
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let retry_after = response
        .headers()
        .get("retry-after")
        .map(|value| value.to_str().unwrap().to_owned());
    let written = response
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str().ends_with("-written"))
        .map(|(name, value)| {
            let value = value.to_str().unwrap().to_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().unwrap();
    Answer {
        status,
        body,
        retry_after,
        written,
    }
}

/// Waits until `done` answers something; fails with `what` after `patience`.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, patience: Duration, done: impl FnMut() -> Option<T>) -> T {
    wait(patience, done).unwrap_or_else(|| panic!("{what}: not within {patience:?}"))
}

/// Waits until `done` answers something; `None` after `patience`.
pub(crate) fn wait<T>(patience: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let found = done();
        if found.is_some() || started.elapsed() >= patience {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A receiver of webhooks.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        Self::at(0)
    }

    pub(crate) fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let sink = Self {
            address,
            received: received.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                        break;
                    }
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                received
                    .lock()
                    .unwrap()
                    .push(serde_json::from_slice(&body).unwrap());
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.get_mut().write_all(answer).unwrap();
            }
        });
        sink
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn with_status(&self, status: &str) -> Vec<Value> {
        let received = self.received.lock().unwrap();
        received
            .iter()
            .filter(|payload| payload["status"] == status)
            .cloned()
            .collect()
    }
}

/// A program on `PATH`, or `None` when it is missing and not required.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var("AIOPS_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "`{name}` is required but not on PATH");
        eprintln!("SKIPPED: `{name}` is not on PATH; this test needs it");
    }
    found
}

/// The folder of public data, or `None` when it is missing and not required.
pub(crate) fn data(part: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(part);
    if folder.exists() {
        return Some(folder);
    }
    let required = std::env::var("AIOPS_REQUIRE_DATA").is_ok_and(|value| value == "1");
    assert!(!required, "{} is required but missing", folder.display());
    eprintln!(
        "SKIPPED: {} is missing; this test needs it",
        folder.display()
    );
    None
}

/// A program that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Keeps every core busy until dropped.
pub(crate) struct Burn(
    Arc<std::sync::atomic::AtomicBool>,
    Vec<std::thread::JoinHandle<u64>>,
);

impl Burn {
    pub(crate) fn start() -> Self {
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        // More threads than cores, to have most of a processor that others use too.
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = (0..4 * cores)
            .map(|seed| {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    let mut state = seed as u64 + 1;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        for _ in 0..100_000 {
                            state = state
                                .wrapping_mul(6_364_136_223_846_793_005)
                                .wrapping_add(1);
                        }
                    }
                    state
                })
            })
            .collect();
        Self(stop, threads)
    }
}

impl Drop for Burn {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        for thread in self.1.drain(..) {
            std::hint::black_box(thread.join().unwrap());
        }
    }
}
